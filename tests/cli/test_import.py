"""``archscope import``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import archscope
from archscope.backends.importing import imported as written_side
from archscope.backends.torch import imports
from archscope.cli import main

MODELS = str(Path(__file__).parents[1] / "data" / "models.py")


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """What a target puts on the path is gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("models", None)


def run(*arguments):
    return CliRunner().invoke(main, ["import", *arguments])


def test_a_spec_to_a_file_and_the_proof_to_standard_output(tmp_path):
    target = tmp_path / "net.yaml"
    result = run(
        f"{MODELS}:Net", "--input", "3x16x16", "--kwargs", '{"classes": 7}', "--name", "Small", "-o", str(target)
    )
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "ok     output shapes = 2 x 7   batch 2" in result.stdout
    assert result.stdout.splitlines()[-1] == "proved: 11 of 11 figures are those of the original"
    design = archscope.load(target)
    assert design.name == "Small"
    assert archscope.analyze(design).output_shape == (7,)
    assert design.source == f"imported from {MODELS}:Net"


def test_the_spec_to_standard_output_and_the_proof_to_standard_error():
    result = run(f"{MODELS}:loud", "--kwargs", '{"width": 4}', "--input", "4")
    assert result.exit_code == 0
    assert archscope.analyze(archscope.load(result.stdout)).total.macs == 4 * 4  # what the code prints is not among it
    assert "building 4" in result.stderr
    assert "proved: 11 of 11" in result.stderr


def test_quiet_prints_the_spec_alone():
    result = run(f"{MODELS}:Twice", "--input", "6", "-q")
    assert result.stderr == ""
    assert len(archscope.load(result.stdout).layers) == 3


def test_flat():
    assert "blocks:" in run(f"{MODELS}:UNet", "--input", "1x16x16").stdout
    assert "blocks:" not in run(f"{MODELS}:UNet", "--input", "1x16x16", "--flat").stdout


def test_inputs_by_name_with_types():
    result = run(f"{MODELS}:Several", "--input", "ids=4:int64", "--input", "scale=6")
    assert [(node.name, node.dtype) for node in archscope.load(result.stdout).inputs] == [
        ("ids", "int64"),
        ("scale", None),
    ]


def test_a_saved_program(tmp_path):
    saved = tmp_path / "saved.pt2"
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    batch = torch.export.Dim("batch")
    torch.export.save(torch.export.export(net, (torch.rand(2, 3),), dynamic_shapes=({0: batch},)), saved)
    result = run(str(saved))
    assert result.exit_code == 0
    total = archscope.analyze(archscope.load(result.stdout)).total
    assert (total.params, total.macs) == (3 * 5 + 5 + 5 * 2 + 2, 3 * 5 + 5 * 2)
    assert "not measured: backward_macs, saved_bytes, outputs" in result.stderr


def test_an_onnx_file(tmp_path):
    saved = tmp_path / "saved.onnx"
    assert CliRunner().invoke(main, ["export", "lenet5", "-o", str(saved)]).exit_code == 0
    result = run(str(saved), "--name", "Five")
    assert result.exit_code == 0
    design, original = archscope.load(result.stdout), archscope.load("lenet5")
    assert design.name == "Five"
    one, other = (archscope.analyze(each).total for each in (design, original))
    assert (one.params, one.macs) == (other.params, other.macs)
    assert "ok     outputs on random inputs" in result.stderr
    assert "an ONNX file is only read" in run(str(saved), "--kwargs", "{}").stderr


def test_a_figure_that_differs_is_named_and_ends_with_one(monkeypatch, tmp_path):
    """As if half of the work had been lost on the way."""
    lift = imports.lift

    def lossy(target, *, opaque):
        lifted = lift(target, opaque=opaque)
        shorter = archscope.load("input: [6]\nlayers: [{Linear: 6, name: shared}]\n")
        return imports.model.Lifted(shorter, lifted.unused, lifted.names)

    monkeypatch.setattr(imports, "lift", lossy)
    result = run(f"{MODELS}:Twice", "--input", "6", "-q", "-o", str(tmp_path / "net.yaml"))
    assert result.exit_code == 1
    assert "FAILED macs: stated 72, measured 144" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("NOT equal: macs, backward_macs, saved_bytes, outputs in training")
    assert archscope.load(tmp_path / "net.yaml").layers  # it is written all the same


def test_a_spec_that_means_something_else_is_never_written(monkeypatch):
    monkeypatch.setattr(written_side, "readable", lambda _: "input: [6]\nlayers: [ReLU]\n")
    result = run(f"{MODELS}:Twice", "--input", "6")
    assert result.exit_code == 0
    assert len(archscope.load(result.stdout).layers) == 3
    assert "note: written flat, for the readable spec is another design" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resnet50", "--input", "3x8x8"], "error: `resnet50` names no model: a target is module:callable"),
        ([f"{MODELS}:Nett"], "did you mean `Net`?"),
        ([f"{MODELS}:Net"], "give the inputs: --input 3x224x224, or --input ids=128:int64, without the batch"),
        ([f"{MODELS}:Net", "--input", "3x"], "'3x' is not of the form 3x224x224, ids=128:int64 or step=:int64"),
        (
            [f"{MODELS}:Net", "--input", "3x8x8:decimal"],
            "'decimal' is no type of an input; one of float32, int64, int32, bool",
        ),
        ([f"{MODELS}:Net", "--input", "5x8x8"], "torch.export cannot trace Net: "),
        ([f"{MODELS}:Net", "--input", "3x8x8", "--kwargs", "{"], "--kwargs is not JSON"),
        ([f"{MODELS}:Net", "--input", "3x8x8", "-o", "/nowhere/x.yaml"], "/nowhere/x.yaml cannot be written"),
        ([f"{MODELS}:broken", "--input", "3"], "ValueError: the width is wrong ("),
        ([f"{MODELS}:quits", "--input", "3"], "the code ends the program (exit 3)"),
    ],
)
def test_mistakes_end_with_two(arguments, says):
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


def test_what_cannot_be_represented_is_refused_by_name_and_place(tmp_path):
    path = tmp_path / "odd.py"
    path.write_text(
        "import torch\nfrom torch import nn\nclass Mixer(nn.Module):\n    def forward(self, x):\n"
        "        return torch.fft.fft(x).real\nclass Net(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.fourier = Mixer()\n"
        "    def forward(self, x):\n        return self.fourier(x)\n"
    )
    result = run(f"{path}:Net", "--input", "4x8")
    assert result.exit_code == 2
    assert "fourier: " in result.stderr
    assert "fft" in result.stderr
    assert "--opaque" in result.stderr


def test_the_help_says_that_it_runs_code():
    assert "THIS RUNS THE CODE OF THE MODEL'S AUTHOR" in run("--help").output


def test_torch_is_named_where_it_is_not_installed():
    code = "import sys; sys.modules['torch'] = None; from archscope.cli import main; main()"
    command = [sys.executable, "-c", code, "import", "x:y", "--input", "3"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "this needs PyTorch: `pip install 'archscope[torch]'`" in result.stderr
