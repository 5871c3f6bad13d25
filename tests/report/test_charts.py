"""Charts say what they show: their bars and points are compared with the account's figures."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

import archscope
from archscope.analysis.time.roofline import predict
from archscope.design import Accuracy
from archscope.errors import UsageError
from archscope.report import charts
from archscope.report.figures import growth, memory_timeline, save

FLAT = """
input: [8, 16, 16]
layers:
  - repeat: 30
    index: i
    layers: [{name: "c{i}", Conv2d: {out_channels: 8, kernel_size: 3, padding: 1}}, {name: "r{i}", ReLU: }]
"""


def account(text, **options):
    return archscope.analyze(archscope.load(text), **options)


def bars(axes):
    return [round(patch.get_width()) for patch in axes.patches]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def names(figure):
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_stages_are_the_blocks_with_their_shares():
    found = account("resnet18", batch=2)
    figure = charts.stages(found, 1)
    blocks = found.by_block(1)
    params, macs, activations, kept = figure.axes
    assert names(figure) == [block.name for block in blocks]
    assert bars(params) == [block.params for block in blocks]
    assert bars(macs) == [block.macs for block in blocks]
    assert bars(activations) == [block.activations for block in blocks]
    assert bars(kept) == [found.saved_bytes(block.name) for block in blocks]
    assert "11.69 M" in params.get_title(loc="left")
    # layer4: 512 x 256 x 9 + 3 x 512 x 512 x 9 + 512 x 256, and 5 norms of 1,024: 8,393,728 of 11,689,512
    assert texts(params)[blocks.index(found["layer4"])] == "8.394 M  71.8%"


def test_of_many_stages_the_smaller_are_told_together():
    figure = charts.stages(account(FLAT), 1)
    assert names(figure)[-1] == "the other 25"
    assert len(names(figure)) == charts.MOST_BARS
    assert bars(figure.axes[1])[-1] == 0
    # 30 convolutions, all of them among the 35 largest; the rest has no parameters
    assert texts(figure.axes[0])[-1] == "0"
    assert texts(figure.axes[1])[0] == "147.5 k  3.3%"  # 16 x 16 places, 8 x 8 channels, 9 taps


def test_stages_unasked_are_few():
    assert len(names(charts.stages(account("densenet121")))) <= 24
    assert len(names(charts.stages(account("lenet5")))) == 12


def test_nothing_is_drawn_for_nothing():
    figure = charts.stages(account("input: [3, 8, 8]\nlayers: [ReLU]\n"))
    assert [texts(axes) for axes in figure.axes[:2]] == [["0"], ["0"]]


def test_layers_in_order():
    found = account("lenet5")
    upper, lower = charts.layers(found).axes
    heights = [round(patch.get_height()) for patch in sorted(upper.patches, key=lambda patch: patch.get_x())]
    assert heights == [156, 2416, 48120, 10164, 850]
    assert sum(round(patch.get_height()) for patch in lower.patches) == found.total.macs
    assert charts.layers(found, log=True).axes[0].get_yscale() == "log"
    with pytest.raises(UsageError, match="no layer with parameters or MACs"):
        charts.layers(account("input: [3, 8, 8]\nlayers: [ReLU]\n"))


def test_a_bound_lies_on_the_roof():
    found = predict(archscope.load("resnet18"), device="t4", batch=4)
    peak, bandwidth = 8.1e12, 320e9
    axes = charts.roofline(found).axes[0]
    points = [point for spots in axes.collections for point in spots.get_offsets().tolist()]
    contracting = [one for one in found.parts if one.part.forward.flops]
    assert len(points) >= 2 * len(contracting) - 1  # a forward and a backward pass each
    for intensity, speed in points:
        assert speed == pytest.approx(min(peak, intensity * bandwidth))
    assert any("8.1 TFLOP/s (float32)" in text for text in texts(axes))


def test_what_multiplies_nothing_has_no_roof():
    with pytest.raises(UsageError, match="no layer that multiplies"):
        charts.roofline(predict(archscope.load("input: [3, 8, 8]\nlayers: [ReLU]\n"), device="t4"))


def drawn(figure):
    return {text.get_text(): text for text in figure.axes[0].texts}


def test_bubbles_are_at_their_figures_and_tell_what_is_missing():
    accounts = [account(name) for name in ("resnet18", "unet", "vgg16")]
    figure = charts.bubbles(accounts)
    spots = [spots.get_offsets().tolist()[0] for spots in figure.axes[0].collections]
    # torchvision's accuracies; the larger one first
    assert spots == [[accounts[2].total.macs, 71.592], [accounts[0].total.macs, 69.758]]
    areas = [spots.get_sizes()[0] for spots in figure.axes[0].collections]
    assert areas[0] / areas[1] == pytest.approx(138357544 / 11689512)
    assert set(drawn(figure)) == {"ResNet-18", "VGG-16"}
    assert "without a recorded top-1: U-Net" in figure.get_supxlabel()
    with pytest.raises(UsageError, match=r"no top-1 accuracy is recorded.*`accuracy: \{top1:"):
        charts.bubbles([accounts[1]])


def test_a_bubble_without_macs_or_parameters_is_drawn():
    design = archscope.load("input: [3, 8, 8]\nlayers: [ReLU]\n")
    figure = charts.bubbles([archscope.analyze(replace(design, accuracy=(Accuracy("top1", 10.0),)))])
    assert figure.axes[0].get_xscale() == "linear"


def test_names_do_not_overlap():
    specs = ["vgg11", "vgg13", "vgg16", "vgg11_bn", "vgg13_bn", "vgg16_bn", "resnet50", "resnet34", "resnet18"]
    accounts = [account(spec) for spec in specs]
    accounts += [archscope.analyze(replace(accounts[0].design, name=f"the same as VGG-11, {i}")) for i in range(9)]
    figure = charts.bubbles(accounts)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == len(accounts)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    area = figure.axes[0].get_window_extent()
    assert all(area.x0 <= box.x0 and box.x1 <= area.x1 for box in boxes)


def test_totals_are_told_against_the_first():
    figure = charts.totals([account("vgg16"), account("resnet50")])
    params, macs, kept = figure.axes
    assert texts(params) == ["138.4 M", "25.56 M  0.185 x"]
    assert bars(macs) == [15470264320, 4089184256]
    assert texts(kept)[1].endswith(" x")
    assert texts(charts.totals([account("lenet5"), account("vgg16")]).axes[0])[1] == "138.4 M  2,242 x"
    with pytest.raises(UsageError, match="name at least two"):
        charts.totals([account("vgg16")])


def test_a_first_without_macs_is_no_measure():
    figure = charts.totals([account("input: [3, 8, 8]\nlayers: [ReLU]\n"), account("lenet5")])
    assert texts(figure.axes[1]) == ["0", "416.5 k"]


@pytest.mark.parametrize("draw", [charts.stages, charts.layers, lambda found: charts.bubbles([found, found])])
def test_the_same_chart_is_the_same_file(draw, tmp_path):
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for file in files:
        save(draw(account("resnet18")), str(file))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_long_names_are_cut():
    long = "a name that says it all and then goes on to say it once more for those who were not listening " * 3
    design = replace(archscope.load("lenet5"), name=long)
    figure = charts.stages(archscope.analyze(design))
    title = figure.get_suptitle()
    assert "…" in title
    assert title.endswith(": where the cost sits")
    assert len(title) < 110


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_name_may_hold_anything(suffix, tmp_path):
    name = "$\\frac{ </b> & $x$ 网\n\x00"
    design = replace(archscope.load("lenet5"), name=name, accuracy=(Accuracy("top1", 10.0),))
    found = archscope.analyze(design)
    shown = "$\\frac{ </b> & $x$ 网 \ufffd"
    for number, figure in enumerate(
        [charts.stages(found), charts.layers(found), charts.bubbles([found]), charts.totals([found, found]),
         charts.roofline(predict(design, device="t4")), growth(design), memory_timeline(found.memory)]
    ):  # fmt: skip
        target = tmp_path / f"{number}.{suffix}"
        save(figure, str(target))
        if suffix == "svg":
            root = ElementTree.parse(target)
            assert any((text.text or "").startswith(shown) for text in root.iter("{http://www.w3.org/2000/svg}text"))
