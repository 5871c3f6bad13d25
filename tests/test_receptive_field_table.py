"""All 219 rows of the table that google-research/receptive_field keeps, and the example of lecture notes.

The rows without a resolution hold for any; where the padding depends on it, that table says None.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pytest

import archscope
from archscope.analysis.field.influence import sees
from archscope.figures import figure

TABLE = Path(__file__).parent / "data" / "receptive_fields.csv"
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
#: TF-Slim's network: the design with the same layers. Its VGGs and its Inception v3 see what torchvision's do.
DESIGNS = {
    "alexnet_v2": "slim_alexnet_v2",
    "vgg_a": "vgg11",
    "vgg_16": "vgg16",
    "inception_v3": "inception_v3",
    "mobilenet_v1": "slim_mobilenet_v1",
    "resnet_v1_50": "slim_resnet_v1_50",
    "resnet_v1_152": "slim_resnet_v1_152",
}
LAYERS = {"MaxPool_3a_3x3": "maxpool1", "MaxPool_5a_3x3": "maxpool2"}


@cache
def account(network: str, resolution: int) -> archscope.Account:
    changes = {"aux": False} if network == "inception_v3" else None
    return archscope.analyze(archscope.load(DESIGNS[network], input=(3, resolution, resolution), set=changes))


def layer(row: dict[str, str]) -> str:
    end = row["end_point"].rpartition("/")[2]
    return LAYERS.get(end, end)


def resolutions(row: dict[str, str]) -> list[int]:
    return [224, 321] if row["resolution"] == "None" else [int(row["resolution"])]


@pytest.mark.parametrize("network", DESIGNS)
def test_fields_strides_and_paddings_are_those_of_the_table(network):
    rows = [row for row in ROWS if row["network"] == network]
    assert rows
    for row in rows:
        paddings = set()
        for resolution in resolutions(row):
            fields = account(network, resolution).fields[layer(row)]
            assert [field.size for field in fields] == [int(row["receptive_field"])] * 2, row
            assert [field.jump for field in fields] == [int(row["effective_stride"])] * 2, row
            paddings |= {field.padding[0] for field in fields}
        if row["effective_padding"] == "None":
            assert len(paddings) > 1, row
        else:
            assert paddings == {int(row["effective_padding"])}, row


def test_there_are_219_rows():
    assert len(ROWS) == 219
    assert {row["network"] for row in ROWS} == set(DESIGNS)


@pytest.mark.parametrize("network", DESIGNS)
def test_the_work_up_to_an_end_point_is_that_of_the_table(network):
    """TensorFlow's profiler, which made the table, counts more than 2 x MACs, and these are its digits.

    One an output element of a convolution for its bias, or for the shift of the batch norm behind it (the ResNets' are
    fused and count nothing), and the window's size an output element of a pool. 2 x MACs alone misses 144 of 146 rows.
    """
    bias = 0 if network.startswith("resnet") else 1
    for row in (row for row in ROWS if row["network"] == network and row["gflops_2mac"] != "None"):
        one = account(network, int(row["resolution"]))
        needed = {one.fields.layer(layer(row))}
        flops = 0
        for design_layer, figures in zip(reversed(one.design.layers), reversed(one.rows), strict=True):
            if design_layer.name not in needed:
                continue
            needed |= {ref.node for ref in design_layer.inputs}
            flops += 2 * figures.macs
            if figures.kind == "Conv2d":
                flops += bias * figures.output_elements
            elif figures.kind in ("MaxPool2d", "AvgPool2d"):
                height, width = design_layer.op.arguments()["kernel_size"]
                flops += height * width * figures.output_elements
        assert f"{flops / 1e9:.3f}" == row["gflops_2mac"], row


def test_torchvisions_resnet_50_sees_427_where_slims_sees_483():
    assert archscope.analyze(archscope.load("resnet50")).field_figure("layer4", "receptive_field") == (427, 427)
    assert archscope.analyze(archscope.load("slim_resnet_v1_50")).field_figure("block4", "receptive_field") == (
        483,
        483,
    )


# -- lecture notes -----------------------------------------------------------------------------------------------------

COURSE = """
input: [3, 256, 256]
layers:
  - {Conv2d: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3, bias: false}, name: layer1}
  - {BatchNorm2d: , name: layer2}
  - {ReLU: , name: layer3}
  - {MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}, name: layer4}
"""


@pytest.mark.parametrize(
    ("name", "size", "start", "jump", "field"),
    [("layer1", 128, 0.5, 2, 7), ("layer2", 128, 0.5, 2, 7), ("layer3", 128, 0.5, 2, 7), ("layer4", 64, 0.5, 4, 11)],
)
def test_the_example_of_the_course(name, size, start, jump, field):
    """Franzke, EE 541 Unit 8 (USC, 2025): maps of 128, 64; start 0.5, jump 2, field 7; after the pool 0.5, 4, 11."""
    one = archscope.analyze(archscope.load(COURSE))
    assert one[name].output_shape == (64, size, size)
    assert one.field_figure(name, "field_center") == (start, start)
    assert one.field_figure(name, "jump") == (jump, jump)
    assert one.field_figure(name, "receptive_field") == (field, field)


def test_the_unit_of_the_course():
    """The same: unit (1, 1) of layer 2 sees rows and columns 0 to 6 once clipped, as the bounds of a continuous box.

    The box has its centre at 0.5 + 1 x 2 and the size 7: from -1 to 6. The pixels in it are those from 0 to 5.
    """
    sight = sees(archscope.load(COURSE), "layer2", (1, 1))
    assert sight.unclipped == ((-1, 5), (-1, 5))
    assert (sight.seen.first, sight.seen.last) == ((0, 0), (5, 5))


@pytest.mark.parametrize(("count", "size"), [(2, 5), (3, 7)])
def test_stacks_of_small_convolutions(count, size):
    """Two 3x3 convolutions see 5x5, say the CNN slides after Balasubramanian; three 7x7, the notes of CSCE 421."""
    text = "input: [3, 32, 32]\nlayers:\n" + "  - Conv2d: {out_channels: 3, kernel_size: 3}\n" * count
    one = archscope.analyze(archscope.load(text))
    assert figure(one, "receptive_field") == (size, size)
