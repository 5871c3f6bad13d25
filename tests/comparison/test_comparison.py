"""Designs side by side: figures, ratios, labels, stages, the frame."""

import pytest

import archscope
from archscope.analysis.counts.cost import COST_FIELDS
from archscope.comparison import DEFAULT, FIGURES, Side, compare
from archscope.errors import UsageError
from archscope.setting import Setting
from tests.analysis.time.test_roofline import calibration

PARAMS = {"alexnet": 62_378_344, "vgg16": 138_357_544, "resnet50": 25_557_032}  # as published


@pytest.fixture(scope="module")
def three():
    return compare([archscope.load(name) for name in PARAMS], baseline=2)


def column(found, name):
    at = [figure.name for figure in found.figures].index(name)
    return [row[at] for row in found.values], [row[at] for row in found.ratios]


def test_published_figures_and_their_ratios(three):
    values, ratios = column(three, "params")
    assert values == list(PARAMS.values())
    assert ratios == [count / PARAMS["resnet50"] for count in PARAMS.values()]
    assert three.labels == ("AlexNet", "VGG-16", "ResNet-50")


def test_convolutions_and_dense_layers_split_the_parameters_of_a_net_without_norms(three):
    conv, fc, params = (column(three, name)[0][1] for name in ("conv_params", "fc_params", "params"))
    assert conv + fc == params
    assert fc == (512 * 49 + 1) * 4096 + 4097 * 4096 + 4097 * 1000


def test_facts_have_no_ratio_and_may_be_missing(three):
    values, ratios = column(three, "top1")
    assert values == [None, 71.592, 76.13]
    assert ratios == [None] * 3
    assert column(three, "accuracy_source")[0] == [None, *["torchvision IMAGENET1K_V1"] * 2]


def test_a_ratio_to_nothing_is_none():
    found = compare([archscope.load("input: [3]\nlayers: [ReLU]\n"), archscope.load("lenet5")], figures=["params"])
    assert column(found, "params") == ([0, 61_706], [None, None])


@pytest.mark.parametrize(("asked", "at"), [(0, 0), (1, 1), ("LeNet-5", 1), ("lenet-5", 1)])
def test_the_baseline_by_place_or_label(asked, at):
    designs = [archscope.load("alexnet"), archscope.load("lenet5")]
    found = compare(designs, baseline=asked, figures=["params"])
    assert found.baseline == at
    assert column(found, "params")[1][at] == 1


def test_what_a_device_shows_is_what_memory_tells():
    """One figure, one setting: the same number, whichever command is asked."""
    design = archscope.load("resnet18")
    setting = {"batch": 8, "optimizer": "adamw", "device": "rtx3090"}
    names = ["training_bytes", "allocated_bytes", "reserved_bytes", "needed_bytes", "largest_batch"]
    found = compare([design], figures=names, **setting)
    ledger = archscope.memory(design, **setting)
    largest = archscope.largest_batch(design, optimizer="adamw", device="rtx3090")
    told = (ledger.training, ledger.cuda.allocated, ledger.cuda.reserved, ledger.needed, largest)
    assert found.values == (told,)
    unasked = [figure.name for figure in compare([design], device="rtx3090").figures]
    assert {"allocated_bytes", "reserved_bytes"} <= set(unasked)
    there = Setting(optimizer="adamw", device="rtx3090")
    swept = archscope.sweep(design, vary={"batch": [4, 8]}, columns=names, setting=there)
    assert tuple(swept.top.columns[name][1] for name in names) == told


@pytest.mark.parametrize("figure", ["allocated_bytes", "reserved_bytes", "needed_bytes", "largest_batch"])
@pytest.mark.parametrize("device", ["cpu"])
def test_what_an_allocator_tells_needs_a_device(figure, device):
    side = Side("LeNet-5", archscope.analyze(archscope.load("lenet5"), device=device))
    with pytest.raises(UsageError, match=f"{figure} is a figure of training on a CUDA device: name one, such as h200"):
        side.figure(figure)


def test_bytes_follow_batch_and_dtype():
    """LeNet-5 keeps nothing but activations, all of them floating: as many bytes a sample, half as many in bfloat16."""
    lenet = [archscope.load("lenet5")]
    (one,), _ = column(compare(lenet), "saved_bytes")
    assert column(compare(lenet, batch=5), "saved_bytes")[0] == [5 * one]
    assert column(compare(lenet, precision="bf16"), "saved_bytes")[0] == [one // 2]
    assert column(compare(lenet, precision="tf32"), "saved_bytes")[0] == [one]
    assert column(compare(lenet, precision="bf16", figures=["param_bytes"]), "param_bytes")[0] == [2 * 61_706]


def test_the_optimizer_counts_in_the_memory_of_a_step():
    def training(optimizer):
        return column(compare([archscope.load("lenet5")], optimizer=optimizer), "training_bytes")[0][0]

    assert training("momentum") - training("sgd") == 4 * 61_706


def test_times_need_a_device():
    lenet = [archscope.load("lenet5")]
    bare = compare(lenet)
    assert bare.times == ""
    assert not {"infer_seconds", "train_seconds"} & {figure.name for figure in bare.figures}
    with pytest.raises(UsageError, match="times are those of a device"):
        compare(lenet, figures=["infer_seconds"])


def test_times_are_those_that_predict_tells():
    lenet = archscope.load("lenet5")
    found = compare([lenet], device="l4", batch=8, precision="tf32", optimizer="adam")
    assert found.times == "at least"
    for name, mode in (("infer_seconds", "infer"), ("train_seconds", "train")):
        told = archscope.predict(lenet, device="l4", batch=8, precision="tf32", optimizer="adam", mode=mode)
        assert column(found, name)[0] == [told.seconds]
    assert compare([lenet], device="cpu", calibration=calibration()).times == "estimate"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_told(name):
    found = compare([archscope.load("lenet5")], figures=[name], device="l4")
    assert [figure.name for figure in found.figures] == [name]
    assert FIGURES[name].convention


def test_what_is_shown_unasked_exists():
    assert set(DEFAULT) <= set(FIGURES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": 2}, "the baseline is one of 2 designs, counted from 0, not 2"),
        ({"baseline": -1}, "counted from 0, not -1"),
        ({"baseline": "LeNet5"}, "no design is called `LeNet5`; did you mean `LeNet-5`?"),
        ({"figures": ["parms"]}, "designs have no figure `parms`; did you mean `params`?"),
        ({"figures": ["zzzz"]}, "designs have no figure `zzzz`; figures: params,"),
        ({"precision": "int8"}, "int8 is no floating type"),
        ({"optimizer": "nonne"}, "unknown optimizer nonne; did you mean `none`"),
        ({"optimizer": "none", "figures": ["training_bytes"]}, "training_bytes is a figure of training"),
        ({"device": "h300"}, "unknown device h300; did you mean `h200`"),
        ({"device": "t4", "precision": "bf16"}, "no peak of bfloat16 is known of NVIDIA T4"),
        ({"batch": 0}, "the batch must be at least 1"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        compare([archscope.load("alexnet"), archscope.load("lenet5")], **arguments)


def test_nothing_to_compare():
    with pytest.raises(UsageError, match="nothing to compare"):
        compare([])


# -- labels --


def named(*variants):
    text = "name: net\ninput: [3]\nvars: {width: 4, depths: [1, 2], flag: true}\nlayers: [Linear: width]\n"
    return compare([archscope.load(text, **variant) for variant in variants], figures=["params"]).labels


def test_one_thing_that_differs_is_told_of_all():
    assert named({}, {"set": {"width": 5}}) == ("net (width=4)", "net (width=5)")
    assert named({}, {"input": (7,)}) == ("net (input=3)", "net (input=7)")
    assert named({}, {"set": {"flag": False}}) == ("net (flag=true)", "net (flag=false)")


def test_of_several_things_each_tells_what_it_changes():
    found = named({}, {"set": {"width": 5, "depths": [3, 4]}}, {"input": (7,)})
    assert found == ("net", "net (width=5, depths=[3,4])", "net (input=7)")


def test_what_says_the_same_is_numbered():
    assert named({}, {}, {}) == ("net", "net #2", "net #3")


def test_files_tell_what_says_the_same_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("name: net\ninput: [3]\nvars: {width: 2}\nlayers: [Linear: width]\n")

    def told(**variant):
        designs = [archscope.load(tmp_path / "a.yaml"), archscope.load(tmp_path / "b.yaml", **variant)]
        return compare(designs, figures=["params"]).labels

    assert told() == ("net (a.yaml)", "net (b.yaml)")
    assert told(set={"width": 3}) == ("net (width=2)", "net (width=3)")


# -- stages --


def test_stages_of_one_name_stand_beside_each_other():
    found = compare([archscope.load("resnet18"), archscope.load("resnet50")], figures=["params"])
    stages = {stage.name: stage.parts for stage in found.stages()}
    assert list(stages) == ["conv1", "bn1", "relu", "maxpool", *(f"layer{i}" for i in (1, 2, 3, 4)), "avgpool",
                            "Flatten", "fc"]  # fmt: skip
    assert [part.params for part in stages["fc"]] == [513 * 1000, 2049 * 1000]


@pytest.mark.parametrize("depth", [1, 2, 9])
def test_stages_add_up_to_the_design(depth):
    found = compare([archscope.load("alexnet"), archscope.load("vgg16"), archscope.load("googlenet")])
    stages = found.stages(depth)
    for at, side in enumerate(found.sides):
        parts = [stage.parts[at] for stage in stages if stage.parts[at] is not None]
        for name in COST_FIELDS:
            assert sum(getattr(part.cost, name) for part in parts) == getattr(side.account.total.cost, name)
        assert sum(stage.saved_bytes[at] or 0 for stage in stages) == side.figure("saved_bytes")


def test_the_order_of_stages_keeps_that_of_each_design():
    def net(*names):
        return archscope.load(
            "input: [3]\nlayers:\n" + "".join(f"  - {{name: {name}, ReLU: null}}\n" for name in names)
        )

    found = compare([net("a", "b", "d"), net("a", "c", "d", "e"), net("z", "b")], figures=["params"])
    names = [stage.name for stage in found.stages()]
    for order in ("abd", "acde", "zb"):
        assert [name for name in names if name in order] == list(order)


def test_the_frame_has_a_row_a_design(three):
    frame = three.frame
    assert list(frame.index) == list(three.labels)
    assert list(frame["params"]) == list(PARAMS.values())
    run = ["batch", "precision", "mode", "optimizer", "device", "accumulate", "channels_last", "torch"]
    assert list(frame.columns) == [*(figure.name for figure in three.figures), *run]
