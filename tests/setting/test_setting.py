"""How a design is run: one value, and the same figures under it, whoever is asked."""

import json
import pickle
import re

import pytest
import torch
from click.testing import CliRunner

import archscope
from archscope import Setting
from archscope.backends.torch.build import build, inputs
from archscope.backends.torch.check import kept_by, plain
from archscope.cli.main import main
from archscope.errors import UsageError
from archscope.setting import FIELDS
from tests.analysis.time.test_roofline import calibration

SMALL = ("--input", "3x64x64")


def run(*arguments):
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def small():
    return archscope.load("resnet18", input=(3, 64, 64))


# -- one name, one number ---


def test_saved_bytes_are_those_of_the_precision_that_is_asked_for():
    """Those that torch.autograd keeps of the real module in bfloat16, whichever command is asked."""
    design = small()
    with plain():
        network = build(design, dtype=torch.bfloat16).train()
        (x,) = inputs(design, 1)
        kept = kept_by(network, lambda: network(x.bfloat16()))
    table = json.loads(run("analyze", "resnet18", *SMALL, "--precision", "bfloat16", "--json", "-"))["designs"][0]
    assert sum(layer["saved_bytes"] for layer in table["layers"]) == kept
    ledger = json.loads(run("memory", "resnet18", *SMALL, "--precision", "bf16", "--json", "-"))
    assert ledger["saved_bytes"] == kept
    both = json.loads(run("compare", "resnet18", *SMALL, "--dtype", "bf16", "--columns", "saved_bytes", "--json", "-"))
    assert both["designs"][0]["figures"]["saved_bytes"] == kept
    elements = sum(layer.output_elements for layer in archscope.analyze(design).rows if not _view(layer))
    assert table["totals"]["all"]["activation_bytes"] == 2 * elements


def _view(row):
    return row.kind == "Flatten"


def test_the_page_shows_memory_as_it_is_asked_for(tmp_path):
    """Of Adam's two moments, and in bfloat16."""
    page = tmp_path / "page.html"
    asked = ("--precision", "bf16", "--optimizer", "adam", "--batch", "2", "--device", "h200", "--bound")
    run("analyze", "lenet5", *asked, "--html", str(page))
    text = re.sub(r"\s+", " ", page.read_text())
    ledger = archscope.memory(archscope.load("lenet5"), batch=2, precision="bf16", optimizer="adam", device="h200")
    plain_ledger = archscope.memory(archscope.load("lenet5"), batch=2)
    assert f"{ledger.training:,}" in text
    assert ledger.training != plain_ledger.training
    assert f"{plain_ledger.training:,}" not in text
    assert "batch 2, bfloat16, training with adam, torch 2.13 on NVIDIA H200" in text


@pytest.mark.parametrize(
    "command",
    [
        ("analyze", "lenet5"), ("memory", "lenet5"), ("compare", "lenet5", "alexnet"), ("explain", "lenet5"),
        ("predict", "lenet5", "--bound"),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_the_setting_is_in_every_json_whole(command):
    asked = ("--batch", "3", "--precision", "half", "--device", "h200")
    data = json.loads(run(*command, *asked, "--json", "-"))
    for one in data.get("designs", [data]) if command[0] == "analyze" else [data]:
        assert one["setting"] == Setting(batch=3, precision="float16", device="h200").data()
        assert list(one["setting"]) == list(FIELDS)


def test_it_stands_at_the_head_of_every_result_in_the_same_words():
    asked = ("--batch", "3", "--precision", "half")
    for command in (("analyze", "lenet5"), ("memory", "lenet5"), ("compare", "lenet5"), ("explain", "lenet5")):
        assert "   " in run(*command, *asked).splitlines()[0]
        assert "batch 3, float16" in run(*command, *asked).splitlines()[0]
    assert (
        run("predict", "lenet5", "--device", "h200", "--bound", "--mode", "infer")
        .splitlines()[0]
        .endswith("   batch 1, float32, inference on NVIDIA H200")  # autocast alone has an inference depend on torch
    )


# -- the value ---


def test_every_function_takes_it_and_changes_to_it():
    design, setting = archscope.load("lenet5"), Setting(batch=4, precision="bf16", device="h200")
    assert archscope.analyze(design, setting).setting == setting
    assert archscope.memory(design, setting, optimizer="adam").setting == setting.but(optimizer="adam")
    assert (
        archscope.memory(design, setting).saved_bytes == archscope.memory(design, batch=4, precision="bf16").saved_bytes
    )
    beside = archscope.compare([design], setting, figures=["train_seconds"])
    assert beside.values == ((archscope.predict(design, setting).seconds,),)
    assert archscope.reconcile(design, setting).macs == archscope.analyze(design, setting).total.macs
    assert archscope.diff(design, design, setting).setting == setting
    assert archscope.largest_batch(design, setting, limit=10**7) == archscope.largest_batch(
        design, limit=10**7, precision="bf16", device="h200"
    )
    assert archscope.sweep(design, {"input": [32, 64]}, setting=setting).question.setting == setting


def test_what_is_told_of_it_is_what_counts():
    fitted = ("precision", "mode", "channels_last", "compile", "device")
    one = Setting(precision="amp", device="rtx3090", channels_last=True, compile=True)
    assert one.words(*fitted) == "bf16-mixed, training, channels last, compiled on NVIDIA GeForce RTX 3090"
    assert Setting(precision="fp16-mixed", mode="infer", device="rtx4090").words(*fitted) == (
        "fp16-mixed, inference on NVIDIA GeForce RTX 4090"
    )
    assert str(Setting(accumulate=True, launch=3e-6, device="cuda", optimizer="adam")) == (
        "batch 1, float32, training with adam, gradients accumulate, 3 µs a call, torch 2.13 on a CUDA device"
    )


def test_words_for_one_precision_make_one_setting():
    assert Setting(precision="bf16") == Setting(precision="bfloat16")
    assert hash(Setting(precision="amp")) == hash(Setting(precision="bf16-mixed"))
    assert Setting(torch="2.13.0+cpu") == Setting()
    assert pickle.loads(pickle.dumps(Setting(batch=3))) == Setting(batch=3)


def test_an_optimizer_that_is_none_trains_nothing():
    assert not Setting(optimizer="none").trains
    assert Setting(optimizer="none").mode == "infer"
    with pytest.raises(UsageError, match="with the optimizer none nothing is trained; name one"):
        Setting(optimizer="none").but(mode="train")
    with pytest.raises(UsageError, match="with the optimizer none nothing is trained; name one"):
        Setting(mode="train", optimizer="none")
    with pytest.raises(UsageError, match="with the optimizer none nothing is trained; name one"):
        archscope.memory(archscope.load("lenet5"), mode="train", optimizer="NONE")
    assert Setting().but(optimizer="none") == Setting(mode="infer", optimizer="none") == Setting(optimizer="none")
    assert Setting().mode == "train"
    assert archscope.analyze(archscope.load("lenet5"), mode="infer").saved_bytes() == 0


def test_a_calibration_brings_its_device():
    cpu = calibration()
    assert Setting(calibration=cpu).place == cpu.ceilings.name
    assert Setting(calibration=cpu).timed
    assert Setting(calibration=cpu).data()["calibration"] == {"device": cpu.device, "date": cpu.machine.get("date", "")}
    other = cpu.__class__(cpu.device, cpu.ceilings._replace(kind="cuda"), cpu.efficiency, cpu.launch, cpu.machine)
    assert (Setting(calibration=other).device, Setting(calibration=other).kind) == ("cuda", "cuda")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, "the batch must be at least 1, not 0"),
        ({"batch": 1.5}, "the batch is a whole number of samples, not 1.5"),
        ({"batch": "8"}, "the batch is a whole number of samples, not '8'"),
        ({"mode": "trian"}, "unknown mode trian; did you mean `train`"),
        ({"optimizer": "adma"}, "unknown optimizer adma; did you mean `adam"),
        ({"device": "h210"}, "unknown device h210; did you mean `h200`"),
        ({"precision": "int8"}, "int8 is no floating type"),
        ({"torch": "1.2"}, r"before 1\.10"),
        ({"launch": -1.0}, "a call costs no less than nothing"),
        ({"dtype": "bf16"}, "a setting has no `dtype`; its word for types is precision"),
        ({"optimiser": "adam"}, "a setting has no `optimiser`; did you mean `optimizer`"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        archscope.analyze(archscope.load("lenet5"), **changes)
    with pytest.raises(UsageError, match=message):
        archscope.memory(archscope.load("lenet5"), **changes)


def test_what_is_no_setting_is_refused():
    with pytest.raises(UsageError, match=r"a setting is an archscope\.Setting, not 8"):
        archscope.reconcile(archscope.load("lenet5"), 8)


def test_the_memory_of_a_compiled_step_is_not_told():
    with pytest.raises(UsageError, match="the memory of a compiled step is not known"):
        archscope.memory(archscope.load("lenet5"), compile=True)


def test_a_figure_that_is_not_known_of_a_run_is_null_in_json():
    data = json.loads(run("analyze", "lenet5", "--precision", "float8", "--json", "-"))["designs"][0]
    assert {layer["saved_bytes"] for layer in data["layers"]} == {None}
    assert data["totals"]["all"]["param_bytes"] == data["totals"]["all"]["params"]


# -- what cannot be, in Python and on the command line ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"torch": 2.0}, "a version of torch is a text, as in '2.0', not 2.0"),
        ({"torch": "9.9"}, "torch 9.9: what versions after 2.13 keep is not known"),
        ({"torch": "3.0"}, "torch 3.0: what versions after 2.13 keep is not known"),
        ({"torch": "1.12", "compile": True}, r"torch 1\.12 compiles nothing: torch\.compile came with 2\.0"),
        ({"calibration": "x.json"}, r"a calibration is what archscope\.calibrate\(\) gives, not 'x.json'"),
        ({"launch": "3"}, "launch is a number of seconds, not '3'"),
        ({"launch": True}, "launch is a number of seconds, not True"),
        ({"launch": float("nan")}, "launch is a number of seconds, not nan"),
        ({"batch": None}, "the batch is a whole number of samples, not None"),
        ({"batch": [2]}, r"the batch is a whole number of samples, not \[2\]"),
        ({"accumulate": "no"}, "accumulate is True or False, not 'no'"),
        ({"channels_last": "no"}, "channels_last is True or False, not 'no'"),
        ({"compile": "no"}, "compile is True or False, not 'no'"),
        ({"device": "a100"}, "unknown device a100; one of a100-40gb, a100-80gb"),
        ({"optimizer": None}, "unknown optimizer None; "),
    ],
    ids=str,
)
def test_values_of_another_kind_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        Setting(**given)


def test_words_are_taken_in_capitals():
    small_letters = Setting(precision="bf16", device="h200", optimizer="adam", mode="train")
    assert Setting(precision="BF16", device="H200", optimizer="Adam", mode="TRAIN") == small_letters
    run("analyze", "lenet5", "--precision", "BF16", "--device", "H200", "--optimizer", "Adam", "--bound")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--device", "a100"), "one of a100-40gb, a100-80gb"),
        (("--device", "h300"), "did you mean `h200`?"),
        (("--optimizer", "adma"), "did you mean `adam"),
        (("--torch", "9.9"), "what versions after 2.13 keep is not known"),
        (("--torch", "1.12", "--compile", "--device", "h200"), "torch.compile came with 2.0"),
        (("--mode", "train", "--optimizer", "none"), "with the optimizer none nothing is trained; name one"),
    ],
    ids=" ".join,
)
def test_a_command_line_is_told_what_cannot_be(asked, message):
    result = CliRunner().invoke(main, ["compare", "lenet5", *asked])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_torch_compile_came_with_2_0():
    """pytorch.org/blog/pytorch-2-x: torch.compile is the main API of PyTorch 2.0."""
    assert Setting(torch="2.0", compile=True).compile


# -- what is no design ---


@pytest.mark.parametrize(
    "asked",
    [
        archscope.analyze, archscope.memory, archscope.explain, archscope.reconcile, archscope.receptive_fields,
        archscope.build, archscope.torch_source, archscope.profile,
        lambda given: archscope.predict(given, device="h200"),
        lambda given: archscope.largest_batch(given, device="h200"),
        lambda given: archscope.compare([given]),
        lambda given: archscope.diff(archscope.load("lenet5"), given),
        lambda given: archscope.diff(given, archscope.load("lenet5")),
        lambda given: archscope.sees(given, "fc1", ()),
    ],
)  # fmt: skip
def test_what_is_no_design_is_refused(asked):
    with pytest.raises(UsageError, match=r"a design is expected, not 'lenet5': say archscope\.load\('lenet5'\)"):
        asked("lenet5")
    with pytest.raises(UsageError, match=r"a design is expected, not a int: archscope\.load\(\) makes one"):
        asked(3)


def test_a_setting_in_the_wrong_place_is_refused():
    design, setting = archscope.load("lenet5"), Setting(batch=2)
    with pytest.raises(UsageError, match="a layer or block is a name, not a Setting; the setting stands behind it"):
        archscope.explain(design, setting)
    for one in (design, "lenet5"):
        with pytest.raises(UsageError, match="several designs are compared: give a list of them"):
            archscope.compare(one, setting)
