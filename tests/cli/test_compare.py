"""``archscope compare`` end to end."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner

from archscope.cli import main

SPEC = """
name: little
input: [3, 8, 8]
vars: {width: 4, depths: [1, 2]}
layers:
  - {name: conv, Conv2d: {out_channels: width, kernel_size: 3}}
  - repeat: depths[1]
    layers: [ReLU]
  - Flatten
  - {name: fc, Linear: 10}
accuracy: {top1: {value: 90, source: me}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "little.yaml"
    path.write_text(SPEC)
    return str(path)


def run(*arguments, code=0, text=None):
    result = CliRunner().invoke(main, ["compare", *arguments], input=text)
    assert result.exit_code == code, result.output
    return result


def rows(*arguments):
    return list(csv.DictReader(io.StringIO(run(*arguments, "--csv", "-").stdout)))


def test_designs_side_by_side():
    out = run("alexnet", "vgg16", "resnet50").stdout
    assert "3 designs   batch 1, float32, training with sgd, torch 2.13 on a CPU, ratios to AlexNet" in out
    assert "138,357,544" in out
    assert "0.41x" in out


def test_variants_are_columns(spec):
    """(3 x 9 + 1) parameters a channel of the convolution; of 6 x 6 places each, and one, for each of 10 outputs."""

    def params(width, places=36):
        return 28 * width + 10 * (places * width + 1)

    found = rows(
        spec, "--with", "width=8,depths=[1,3]", "--with", "width=2", "--with", "input=3x10x10", "--set", "width=5"
    )
    assert [one["design"] for one in found] == [
        "little", "little (width=8, depths=[1,3])", "little (width=2)", "little (input=3x10x10)"
    ]  # fmt: skip
    assert [int(one["params [elements]"]) for one in found] == [params(5), params(8), params(2), params(5, 64)]
    assert [int(one["layers [layers]"]) for one in found] == [5, 6, 5, 5]


def test_each_spec_has_each_variant(spec):
    found = rows(spec, spec, "--with", "width=8")
    assert [one["design"] for one in found] == ["little (width=4)", "little (width=8)", "little (width=4) #2",
                                                "little (width=8) #2"]  # fmt: skip


def test_variants_of_standard_input():
    out = run("-", "--with", "width=8", "--csv", "-", text=SPEC).stdout
    assert [one["design"] for one in csv.DictReader(io.StringIO(out))] == ["little (width=4)", "little (width=8)"]


def test_a_variant_has_no_recorded_accuracy(spec):
    found = rows(spec, "--with", "width=8")
    assert [one["top1 [%]"] for one in found] == ["90.0", ""]


@pytest.mark.parametrize(
    ("asked", "label"),
    [("resnet50", "ResNet-50"), ("ResNet-50", "ResNet-50"), ("vgg-16", "VGG-16"), ("2", "VGG-16"), ("1", "AlexNet")],
)
def test_the_baseline_is_a_spec_a_label_or_a_number(asked, label):
    arguments = ("alexnet", "vgg16", "resnet50", "--columns", "params", "--baseline", asked)
    assert f"ratios to {label}" in run(*arguments).stdout


def test_the_baseline_among_variants(spec):
    out = run(spec, "lenet5", "--with", "input=3x9x9", "--baseline", "lenet5", code=2)  # LeNet-5 takes one channel
    assert "error" in out.stderr
    out = run(spec, "alexnet", "--with", "input=3x227x227", "--baseline", "alexnet", "--columns", "params")
    assert "ratios to AlexNet" in out.stdout


def test_chosen_figures(spec):
    (one,) = rows(spec, "--columns", "params, reuse,conv_macs")
    assert list(one) == ["design", "params [elements]", "reuse [MACs/param]", "conv_macs [MACs]", "batch [samples]"]
    assert list(rows(spec, "--columns", "params")[0]) == ["design", "params [elements]"]  # they depend on nothing
    assert int(one["conv_macs [MACs]"]) == 4 * 27 * 36
    listed = run(spec, "--columns", "help").stdout
    assert re.search(r"^train_seconds +time of a training step", listed, re.M)


def test_stages(spec):
    assert "by block" not in run(spec).stdout
    assert "params by block, and their share of the total" in run(spec, "--stages").stdout
    data = json.loads(run("resnet18", "--depth", "2", "--json", "-").stdout)
    assert "layer1.0" in [stage["name"] for stage in data["stages"]]


def test_times_on_a_device(spec):
    assert "inference time, at least" in run(spec, "--device", "h200", "--dtype", "bf16").stdout


def test_the_difference():
    out = run("vgg16", "vgg19", "--diff", "--columns", "params").stdout
    assert re.search(r"^conv5_4 +added +2 layers +\+2,359,808 ", out, re.M)
    back = run("vgg16", "vgg19", "--diff", "--columns", "params", "--baseline", "vgg19").stdout
    assert "VGG-19 -> VGG-16" in back
    assert re.search(r"^conv5_4 +removed +2 layers +-2,359,808 ", back, re.M)


def test_the_difference_opens_so_many_blocks():
    def shown(*depth):
        out = run("resnet50", "wide_resnet50_2", "--diff", "--columns", "params", *depth).stdout
        return len(re.findall("(changed|affected|added) ", out))

    assert shown("--depth", "1") == 4
    assert shown("--depth", "2") < shown("--depth", "all") == shown()


def test_files(tmp_path):
    paths = {form: tmp_path / f"out.{form}" for form in ("csv", "json", "markdown")}
    options = [part for form, path in paths.items() for part in (f"--{form}", str(path))]
    assert "ResNet-50 -> ResNet-101" in run("resnet50", "resnet101", "--diff", *options).stdout
    data = json.loads(paths["json"].read_text())
    assert data["difference"]["total"]["params"] == 44_549_160 - 25_557_032
    listed = list(csv.DictReader(io.StringIO(paths["csv"].read_text())))
    assert sum(int(one["params [elements]"]) for one in listed) == 44_549_160 - 25_557_032
    assert "### ResNet-50 -> ResNet-101" in paths["markdown"].read_text()
    alone = json.loads(run("lenet5", "--json", "-").stdout)
    assert "difference" not in alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'SPEC...'"),
        (("lenet5", "--diff"), "--diff is between two designs, and here is 1"),
        (("lenet5", "vgg16", "alexnet", "--diff"), "--diff is between two designs, and here are 3"),
        (("lenet5", "vgg16", "--baseline", "3"), "--baseline 3: there are 2 designs, counted from 1"),
        (("lenet5", "vgg16", "--baseline", "0"), "--baseline 0: there are 2 designs, counted from 1"),
        (("lenet5", "vgg16", "--baseline", "vgg"), "no design is called `vgg`"),
        (("vgg16", "--with", "clases=3"), "the design has no variable `clases`"),
        (("vgg16", "--with", "7"), "'7' is not of the form name=value"),
        (("vgg16", "--with", "input=big"), "'big' is not a shape without the batch"),
        (("vgg16", "--columns", "parms"), "designs have no figure `parms`; did you mean `params`?"),
        (("vgg16", "--columns", "train_seconds"), "name one, such as h200"),
        (("vgg16", "--bound"), "--calibration and --bound are about times: add --device"),
        (("vgg16", "--calibration", "a.json"), "--calibration and --bound are about times: add --device"),
        (("vgg16", "--device", "cpu"), "`archscope calibrate --device cpu` measures them"),
        (("vgg16", "--device", "t4", "--dtype", "bf16"), "no peak of bfloat16 is known of NVIDIA T4"),
        (("resnet51",), "did you mean `resnet50`"),
    ],
)
def test_mistakes(arguments, message):
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
