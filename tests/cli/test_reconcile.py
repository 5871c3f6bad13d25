"""``archscope reconcile`` end to end."""

import csv
import io
import json
import sys

import pytest
from click.testing import CliRunner

from archscope.analysis.peers import Measured
from archscope.cli import main

SPEC = """
name: small
input: [3, 8, 8]
layers:
  - {Conv2d: {out_channels: 4, kernel_size: 3}}
  - BatchNorm2d
  - ReLU
  - {AdaptiveAvgPool2d: 1}
  - Flatten
  - {Linear: 10}
"""
#: 4 maps of 6 x 6, 27 products and a bias each; 2 x 4 affine; 4 x 10 and 10
MAPS, MACS, PARAMS = 4 * 6 * 6, 4 * 6 * 6 * 27 + 40, 112 + 8 + 50

WHOLE = """\
small   input 3 x 8 x 8, batch 1, float32
archscope: 3,928 MACs, 170 params

peer          counts       modelled    params
------------  ---------  ----------  --------
fvcore        flops           4,360       170
torch         FLOPs           7,856       170
torchinfo     mult-adds       4,090       170
ptflops       MACs            4,946       170
ptflops aten  MACs            4,082       170
thop          MACs            4,652       170
keras         no work                     178

fvcore: a multiply-add is one; batch norm, layer norms, 2-D upsampling and adaptive average pooling on top
    3,928 MACs
  +   288 batch norm (2 an element; 1 layer)
  +   144 adaptive pooling (1 an input element; 1 layer)
  = 4,360 flops

torch: a multiply-add is two; products and convolutions alone
    3,928 MACs
  + 3,928 multiply-add as two (as many again; 2 layers)
  = 7,856 FLOPs

torchinfo: a multiply-add is one; every parameter once for each place (convolutions) or each sample (all others)
    3,928 MACs
  +   144 bias (1 a parameter and place; 1 layer)
  +    10 bias (1 a parameter and sample; 1 layer)
  +     8 batch norm (its parameters once a sample; 1 layer)
  = 4,090 mult-adds

ptflops: a multiply-add is one; bias, norms, activations and pooling on top, many of them twice; for one sample
    3,928 MACs
  +   154 bias (1 an output element; 2 layers)
  +   288 batch norm (2 an element; 1 layer)
  +   144 activation (1 an output element; 1 layer)
  +   144 adaptive pooling (1 an input element; 1 layer)
  +   144 counted twice (F.relu is patched too: 1 an input element; 1 layer)
  +   144 counted twice (F.adaptive_avg_pool2d is patched too: 1 an input element; 1 layer)
  = 4,946 MACs

ptflops aten: a multiply-add is one; the biases that products and convolutions add on top
    3,928 MACs
  +   144 bias (1 an output element; 1 layer)
  +    10 bias (1 an output element, where the product adds it; 1 layer)
  = 4,082 MACs

thop: a multiply-add is one; norms, average pooling, upsampling and softmax on top; unknown layers are left out
    3,928 MACs
  +   576 batch norm (4 an element; 1 layer)
  +   148 adaptive pooling ((in / out + 1) an output element; 1 layer)
  = 4,652 MACs

keras: running mean and variance are (non-trainable) parameters; it has no counter of work
    170 params
  +   8 running statistics (mean and variance, which are not trained; 1 layer)
  = 178 params
"""


def run(*arguments, code=0, text=SPEC):
    result = CliRunner().invoke(main, ["reconcile", *arguments], input=text)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def stated(**measured):
    """In place of the peers: what they are said to report."""
    return lambda design, batch: {name: Measured("1.0", *numbers) for name, numbers in measured.items()}


def test_the_numbers_of_the_whole_output():
    """The arithmetic of what stands above."""
    assert (MACS, PARAMS) == (3928, 170)
    assert MACS + 2 * MAPS + MAPS == 4360
    assert MACS + MAPS + 10 + 8 == 4090
    assert MACS + MAPS + 10 + 2 * MAPS + 2 * MAPS + 2 * MAPS == 4946
    assert MACS + 4 * MAPS + 4 * (36 + 1) == 4652


def test_the_whole_output():
    assert [line.rstrip() for line in run("-", "--no-run").stdout.splitlines()] == WHOLE.splitlines()


def test_the_peers_are_run():
    pytest.importorskip("fvcore")
    lines = run("-").stdout.splitlines()
    assert "equal" in next(line for line in lines if line.startswith("torch 2"))
    assert not any("differs" in line for line in lines)


@pytest.mark.parametrize("number", ["archscope: ", "  ="])
def test_every_column_adds_up_to_its_total(number):
    """The lines of a bridge, as they are printed."""
    out = run("mobilenet_v2", "--no-run", "--batch", "3").stdout
    assert number in out
    for paragraph in out.split("\n\n")[2:]:
        lines = [line for line in paragraph.splitlines() if line.startswith("  ")]
        numbers = [int(line[3:].split()[0].replace(",", "")) * (-1 if line[2] == "-" else 1) for line in lines]
        assert sum(numbers[:-1]) == numbers[-1]


def test_a_difference_is_told_and_ends_with_1(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("archscope.backends.torch.peers.measure", stated(fvcore=(4361, 170), thop=(4652, 168)))
    out = run("-", code=1).stdout
    fvcore = next(line for line in out.splitlines() if line.startswith("fvcore 1.0"))
    thop = next(line for line in out.splitlines() if line.startswith("thop 1.0"))
    assert fvcore.split() == ["fvcore", "1.0", "flops", "4,360", "4,361", "differs", "by", "+1", "170", "equal"]
    assert thop.split() == ["thop", "1.0", "MACs", "4,652", "4,652", "equal", "170", "168", "differs", "by", "-2"]
    assert "(modelled as of 0.1.5.post20221221)" in out


def test_a_peer_that_fails_is_told(monkeypatch):
    pytest.importorskip("torch")
    failed = lambda design, batch: {"thop": Measured(failure="not installed"), "fvcore": Measured("1", failure="No")}  # noqa: E731
    monkeypatch.setattr("archscope.backends.torch.peers.measure", failed)
    lines = run("-").stdout.splitlines()
    assert next(line for line in lines if line.startswith("thop")).split() == [
        "thop",
        "MACs",
        "4,652",
        "not",
        "installed",
        "170",
    ]
    assert next(line for line in lines if line.startswith("fvcore")).split() == [
        "fvcore",
        "1",
        "flops",
        "4,360",
        "No",
        "170",
    ]


def test_what_is_not_modelled_has_no_total(monkeypatch):
    text = "input: [2, 2, 2, 2, 2]\nlayers: [{LayerNorm: [2]}]"  # six with the batch: fvcore takes five
    out = run("-", "--no-run", text=text).stdout
    assert next(line for line in out.splitlines() if line.startswith("fvcore ")).split()[2:4] == ["not", "modelled"]
    assert "  not modelled: LayerNorm of more than 5 dimensions; so there is no total" in out


def test_without_torch_all_is_modelled(monkeypatch):
    monkeypatch.delitem(sys.modules, "archscope.backends.torch.peers", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run("-")
    assert [line.rstrip() for line in result.stdout.splitlines()] == WHOLE.splitlines()
    assert result.stderr == ("modelled alone, for there is no PyTorch to run them: `pip install 'archscope[torch]'`\n")
    assert run("-", "--quiet").stderr == ""


def test_variants():
    assert "input 3 x 16 x 16, batch 2" in run("-", "--no-run", "--input", "3x16x16", "--batch", "2").stdout
    assert "61,791" in run("lenet5", "--no-run", "--set", "classes=11").stdout  # 84 weights and a bias more than 61,706


def test_files(tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("-", "--no-run", "--csv", "-").stdout)))
    fvcore = [(row["term"], int(row["count"])) for row in rows if (row["peer"], row["figure"]) == ("fvcore", "work")]
    assert fvcore == [("archscope", 3928), ("batch norm", 288), ("adaptive pooling", 144), ("modelled", 4360)]
    target = tmp_path / "peers.json"
    run("-", "--no-run", "--json", str(target))
    data = json.loads(target.read_text())
    assert (data["format"], data["macs"], data["params"]) == (2, MACS, PARAMS)
    keras = data["peers"][-1]
    assert "work" not in keras
    assert keras["params"]["modelled"] == PARAMS + 8
    assert keras["params"]["terms"][0]["layers"] == ["BatchNorm2d"]
    markdown = run("-", "--no-run", "--markdown", "-").stdout
    assert "| torch | FLOPs | 7,856 | 170 |" in markdown  # none was run
    assert "- torch: 3,928 MACs + 3,928 multiply-add as two (as many again) = 7,856\n" in markdown


def test_measured_numbers_are_in_the_files(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr("archscope.backends.torch.peers.measure", stated(torch=(7856, 170)))
    rows = list(csv.DictReader(io.StringIO(run("-", "--csv", "-").stdout)))
    measured = {row["figure"]: (row["version"], row["count"]) for row in rows if row["term"] == "measured"}
    assert measured == {"work": ("1.0", "7856"), "params": ("1.0", "170")}
    data = json.loads(run("-", "--json", "-").stdout)
    assert data["peers"][1]["work"]["measured"] == 7856


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenett5",), "did you mean `lenet5`"),
        (("lenet5", "--batch", "0"), "0 is not in the range"),
        (("lenet5", "--no-run", "--json", "/nowhere/peers.json"), "/nowhere/peers.json cannot be written"),
        (("lenet5", "--no-run", "--set", "classes"), "is not of the form name=value"),
    ],
)
def test_mistakes(arguments, message):
    assert message in run(*arguments, code=2).stderr
