"""The figures that five sets of lecture notes state (``specs/SOURCES.md`` names them), each under a short name.

What is right comes out exactly, what is rounded within its rounding, and what is wrong as its true value. Receptive
fields, and the networks that ``specs/`` does not hold yet, are not here.
"""

from __future__ import annotations

from functools import cache

import pytest

import archscope
from archscope import Account, Row
from archscope.arith import prod
from archscope.errors import SpecError
from archscope.figures import figure
from archscope.verify import verify

MiB = 2**20


def account_of(shape: list[int], *layers: str, dtype: str = "float32") -> Account:
    """The account of some layers, written as in a spec, over one input."""
    entries = "".join(f"  - {layer}\n" for layer in layers)
    return archscope.analyze(archscope.load(f"input: {shape}\nlayers:\n{entries}"), precision=dtype)


def layer(shape: list[int], text: str, dtype: str = "float32") -> Row:
    (row,) = account_of(shape, text, dtype=dtype).rows
    return row


@cache
def design(name: str) -> Account:
    return archscope.analyze(archscope.load(name))


def row_of(name: str, part: str) -> Row:
    row = design(name)[part]
    assert isinstance(row, Row)
    return row


def agrees(value: float, stated: float) -> bool:
    """Whether a figure is stated in whole units, rounded or cut off, as the notes do both."""
    return stated in (round(value), int(value))


# -- shapes ----------------------------------------------------------------------------------------------------------

CONV = "Conv2d: {out_channels: 1, kernel_size: 3%s}"
UP = "ConvTranspose2d: {out_channels: 1, kernel_size: 3%s}"

SHAPES = {
    "conv-valid": ([1, 4, 4], CONV % "", (1, 2, 2)),
    "conv-half": ([1, 5, 5], CONV % ", padding: 1", (1, 5, 5)),
    "conv-full": ([1, 5, 5], CONV % ", padding: 2", (1, 7, 7)),
    "conv-uncovered": ([1, 6, 6], CONV % ", stride: 2, padding: 1", (1, 3, 3)),
    "pool-overlap": ([1, 5, 5], "MaxPool2d: {kernel_size: 3, stride: 1}", (1, 3, 3)),
    "conv-dilated": ([1, 7, 7], CONV % ", dilation: 2", (1, 3, 3)),
    "pool-default": ([1, 10, 10], "MaxPool2d: 2", (1, 5, 5)),
    "stride-1": ([1, 7, 7], CONV % "", (1, 5, 5)),
    "stride-2": ([1, 7, 7], CONV % ", stride: 2", (1, 3, 3)),
    "stride-3": ([1, 7, 7], CONV % ", stride: 3", (1, 2, 2)),  # 2.33 does not fit: the last column is not covered
    "vol-32": ([3, 32, 32], "Conv2d: {out_channels: 10, kernel_size: 5, padding: 2}", (10, 32, 32)),
    "pool-224": ([64, 224, 224], "MaxPool2d: {kernel_size: 2, stride: 2}", (64, 112, 112)),
    "transpose-4": ([1, 2, 2], UP % "", (1, 4, 4)),
    "transpose-5": ([1, 2, 2], UP % ", stride: 2", (1, 5, 5)),
}


@pytest.mark.parametrize("figure", SHAPES)
def test_shape(figure: str) -> None:
    shape, text, expected = SHAPES[figure]
    assert layer(shape, text).output_shape == expected


def test_conv_uncovered_leaves_out_the_bottom_row_and_the_right_column() -> None:
    padded = 6 + 2 * 1
    _, *outputs = layer([1, 6, 6], CONV % ", stride: 2, padding: 1").output_shape
    assert [padded - ((out - 1) * 2 + 3) for out in outputs] == [1, 1]


def test_stride_1_2_3_fit_where_the_division_leaves_no_rest() -> None:
    assert [(7 - 3) / stride + 1 for stride in (1, 2)] == [5, 3]
    assert round((7 - 3) / 3 + 1, 2) == 2.33


# -- single layers ---------------------------------------------------------------------------------------------------


def test_conv_16_32() -> None:
    row = layer([16, 64, 64], "Conv2d: {out_channels: 32, kernel_size: 3, padding: 1}")
    assert row.input_elements == 16 * 64 * 64 == 65536
    assert row.output_elements == 32 * 64 * 64 == 131072
    assert row.weights == 3 * 3 * 16 * 32 == 4608
    assert row.biases == 32
    assert row.params == 4608 + 32 == 4640


def test_dense_equivalent() -> None:
    row = layer([16, 64, 64], "Conv2d: {out_channels: 32, kernel_size: 3, padding: 1}")
    assert row.dense_params == 65536 * 131072 + 131072 == 8590065664


def test_separable_688() -> None:
    depthwise, pointwise = account_of(
        [16, 64, 64],
        "Conv2d: {out_channels: in_channels, kernel_size: 3, padding: 1, groups: in_channels, bias: false}",
        "Conv2d: {out_channels: 32, kernel_size: 1}",
    ).rows
    assert depthwise.params == 3 * 3 * 16 == 144
    assert (pointwise.weights, pointwise.biases) == (16 * 32, 32)
    assert depthwise.params + pointwise.params == 144 + 512 + 32 == 688
    assert pointwise.output_shape == (32, 64, 64)  # as conv-16-32


def test_vol_32_parameters() -> None:
    assert layer([3, 32, 32], "Conv2d: {out_channels: 10, kernel_size: 5, padding: 2}").params == (5 * 5 * 3 + 1) * 10
    assert (5 * 5 * 3 + 1) * 10 == 760


def test_conv_10() -> None:
    assert layer([3, 32, 32], "Conv2d: {out_channels: 10, kernel_size: 3}").params == (3 * 3 * 3 + 1) * 10 == 280


def test_dense_1mp() -> None:
    account = account_of([3, 1000, 1000], "Flatten", "Linear: 20")
    assert account.total.weights == 3 * 1000 * 1000 * 20 == 60000000


def test_dense_100m() -> None:
    row = layer([10**8], "Linear: {out_features: 100, bias: false}", dtype="float64")
    assert row.params == 10**8 * 100 == 10 * 10**9
    assert row.param_bytes == 8 * 10**10 == 80 * 10**9


def test_separable_mults_add_up_to_53952() -> None:
    """The notes say 52,952, which is not 4,800 + 49,152."""
    standard = layer([3, 12, 12], "Conv2d: {out_channels: 256, kernel_size: 5}")
    assert standard.output_shape == (256, 8, 8)
    assert standard.macs == 256 * 5 * 5 * 3 * 8 * 8 == 1228800
    depthwise, pointwise = account_of(
        [3, 12, 12],
        "Conv2d: {out_channels: 3, kernel_size: 5, groups: 3}",
        "Conv2d: {out_channels: 256, kernel_size: 1}",
    ).rows
    assert depthwise.macs == 3 * 5 * 5 * 8 * 8 == 4800
    assert pointwise.macs == 256 * 3 * 8 * 8 == 49152
    assert depthwise.macs + pointwise.macs == 53952


@pytest.mark.parametrize(("count", "kernel"), [(2, 5), (3, 7)], ids=["stack-2", "stack-3"])
def test_weights_of_stacked_3x3_convolutions(count: int, kernel: int) -> None:
    channels = 64
    small = "Conv2d: {out_channels: 64, kernel_size: 3, padding: 1}"
    stack = account_of([channels, 32, 32], *[small] * count)
    large = layer([channels, 32, 32], f"Conv2d: {{out_channels: 64, kernel_size: {kernel}, padding: {kernel // 2}}}")
    assert stack.output_shape == large.output_shape
    assert stack.total.weights == count * 9 * channels**2
    assert large.weights == kernel**2 * channels**2


def test_receptive_example_maps() -> None:
    rows = account_of(
        [3, 256, 256],
        "Conv2d: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3, bias: false}",
        "BatchNorm2d",
        "ReLU",
        "MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}",
    ).rows
    assert [row.output_shape for row in rows] == [(64, 128, 128)] * 3 + [(64, 64, 64)]


# -- networks: AlexNet -----------------------------------------------------------------------------------------------

#: output map, weights, parameters
ALEXNET = {
    "conv1": ((96, 55, 55), 34848, 34944),
    "pool1": ((96, 27, 27), 0, 0),
    "conv2": ((256, 27, 27), 614400, 614656),
    "pool2": ((256, 13, 13), 0, 0),
    "conv3": ((384, 13, 13), 884736, 885120),
    "conv4": ((384, 13, 13), 1327104, 1327488),
    "conv5": ((256, 13, 13), 884736, 884992),
    "pool3": ((256, 6, 6), 0, 0),
    "fc1": ((4096,), 37748736, 37752832),
    "fc2": ((4096,), 16777216, 16781312),
    "fc3": ((1000,), 4096000, 4097000),
}
FC_PARAMS = 37752832 + 16781312 + 4097000
CONV_PARAMS = 34944 + 614656 + 885120 + 1327488 + 884992


@pytest.mark.parametrize("part", ALEXNET)
def test_alexnet_single_tower_by_layer(part: str) -> None:
    row = row_of("alexnet", part)
    assert (row.output_shape, row.weights, row.params) == ALEXNET[part]


def test_alexnet_single_tower_total() -> None:
    assert design("alexnet").total.params == FC_PARAMS + CONV_PARAMS == 62378344


def test_alexnet_fc_share() -> None:
    account = design("alexnet")
    assert round(figure(account, "fc_params") / account.total.params, 4) == 0.9399
    assert round(row_of("alexnet", "fc1").params / figure(account, "conv_params"), 2) == 10.07


def test_alexnet_conv_work() -> None:
    account = design("alexnet")
    share = figure(account, "conv_macs") / account.total.macs
    assert 0.90 <= share <= 0.95
    assert round(share, 3) == 0.948
    assert round(figure(account, "conv_params") / account.total.params, 3) == 0.060


def test_alexnet_57m_is_58_6() -> None:
    assert figure(design("alexnet"), "fc_params") == FC_PARAMS == 58631144


def test_alexnet_two_tower() -> None:
    account = design("alexnet_two_tower")
    stated = {"conv1": 35e3, "conv2": 307e3, "conv3": 884e3, "conv4": 663e3, "conv5": 442e3}
    for part, count in stated.items():
        assert agrees(row_of("alexnet_two_tower", part).weights / 1e3, count / 1e3), part
    for part, million in {"fc1": 37, "fc2": 16, "fc3": 4}.items():
        assert agrees(row_of("alexnet_two_tower", part).weights / 1e6, million), part
    assert account.total.params == 60965224
    assert agrees(account.total.params / 1e6, 60)


def test_alexnet_neurons_of_conv1_are_290400() -> None:
    """The paper and the notes say 253,440 for conv1, and so 0.63 M in total."""
    parts = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2", "fc3")
    neurons = [row_of("alexnet_two_tower", part).activations for part in parts]
    assert neurons == [55 * 55 * 96, 186624, 64896, 64896, 43264, 4096, 4096, 1000]
    assert neurons[0] == 290400
    assert sum(neurons) == 659272


# -- networks: VGG ---------------------------------------------------------------------------------------------------


def test_vgg_138m() -> None:
    assert design("vgg16").total.params == 138357544
    assert agrees(138357544 / 1e6, 138)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("vgg11", 11), ("vgg11_lrn", 11), ("vgg13", 13), ("vgg16_c", 16), ("vgg16", 16), ("vgg19", 19)],
)
def test_vgg_configurations(name: str, layers: int) -> None:
    assert design(name).depth == layers
    assert design(name).total.weight_layers == layers


def test_vgg_configuration_c_ends_three_blocks_by_1x1_convolutions() -> None:
    for block, width in ((3, 256), (4, 512), (5, 512)):
        assert design("vgg16_c")[f"conv{block}_3"].weights == 1 * 1 * width**2
        assert design("vgg16")[f"conv{block}_3"].weights == 3 * 3 * width**2


def test_vgg_early_memory() -> None:
    account = design("vgg16")
    convolutions = [row for row in account.rows if row.category == "conv"]
    early = sum(row.activations for row in convolutions[:4])  # of 13: both blocks above the second pool
    assert early == 2 * 64 * 224 * 224 + 2 * 128 * 112 * 112
    assert early / figure(account, "conv_activations") > 0.7
    assert row_of("vgg16", "fc1").params / account.total.params > 0.7


def test_alexnet_vs_vgg_memory() -> None:
    """The notes say 48.6 MB for VGG-16, which leaves out one of the three 256x56x56 maps."""
    vgg = figure(design("vgg16"), "conv_activation_bytes")
    assert round(vgg / MiB, 1) == 51.7
    assert round((vgg - 4 * 256 * 56 * 56) / MiB, 1) == 48.6

    pool = "MaxPool2d: {kernel_size: 3, stride: 2}"
    alexnet = account_of(
        [3, 227, 227],
        "Conv2d: {out_channels: 64, kernel_size: 11, stride: 4, padding: 2}",
        pool,
        "Conv2d: {out_channels: 192, kernel_size: 5, padding: 2}",
        pool,
        "Conv2d: {out_channels: 384, kernel_size: 3, padding: 1}",
        "Conv2d: {out_channels: 256, kernel_size: 3, padding: 1}",
        "Conv2d: {out_channels: 256, kernel_size: 3, padding: 1}",
        pool,
        "Flatten",
        "Linear: 4096",
        "Linear: 4096",
        "Linear: 1000",
    )
    maps = 64 * 56**2 + 192 * 27**2 + (384 + 256 + 256) * 13**2
    assert figure(alexnet, "conv_activation_bytes") == 4 * maps
    assert round(4 * maps / MiB, 2) == 1.88
    assert agrees(alexnet.total.params / 1e6, 61)
    assert round(design("vgg16").total.params / alexnet.total.params, 1) == 2.3


# -- networks: the others --------------------------------------------------------------------------------------------


def test_resnet_152_layers() -> None:
    assert design("resnet152").depth == 152
    assert design("resnet152").total.params == 60192808
    assert agrees(60192808 / 1e6, 60)


def test_mobilenet_table() -> None:
    """The table of the paper and of the notes gives the last depthwise layer stride 2 and a 7x7 map; one is wrong."""
    account = design("mobilenet_v1")
    assert account.total.params == 4231976
    assert round(account.total.macs / 1e6, 1) == 568.7
    depthwise = [row for row in account.rows if ".dw.conv" in row.name]
    assert len(depthwise) == 13
    assert [row.output_shape for row in depthwise[-2:]] == [(512, 7, 7), (1024, 7, 7)]
    stated = "Conv2d: {out_channels: 1024, kernel_size: 3, stride: 2, padding: 1, groups: 1024, bias: false}"
    assert layer([1024, 7, 7], stated).output_shape == (1024, 4, 4)


def test_fashion_mnist_cnn() -> None:
    stated = {
        "conv2d": 320, "batch_norm": 128, "conv2d_1": 9248, "batch_norm_1": 128, "conv2d_2": 18496,
        "batch_norm_2": 256, "conv2d_3": 36928, "batch_norm_3": 256, "dense": 1606144, "batch_norm_4": 2048,
        "dense_1": 5130,
    }  # fmt: skip
    account = design("fashion_mnist_cnn")
    assert {part: account[part].keras_params for part in stated} == stated
    assert account.total.keras_params == sum(stated.values()) == 1679082


def test_dogs_vs_cats_cnn() -> None:
    stated = {
        "conv1": 896, "conv2": 18496, "conv3": 73856, "conv4": 147584, "conv5": 295168, "conv6": 1180160,
        "conv7": 2359808, "conv8": 2359808, "linear1": 16777728, "linear2": 513,
    }  # fmt: skip
    account = design("dogs_vs_cats_cnn")
    assert {part: account[part].params for part in stated} == stated
    assert account.total.params == sum(stated.values()) == 23214017
    assert [row_of("dogs_vs_cats_cnn", f"pool{i}").output_shape[1] for i in (1, 2, 3, 4)] == [75, 37, 18, 8]
    assert row_of("dogs_vs_cats_cnn", "flatten").output_elements == prod((512, 8, 8)) == 32768


def test_lenet_5() -> None:
    stated = {"c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5)}
    stated |= {"c5": (120,), "f6": (84,), "output": (10,)}
    assert {part: row_of("lenet5", part).output_shape for part in stated} == stated
    assert design("lenet5").total.params == 61706


# -- what is wrong is exposed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "figure", "stated"),
    [
        ("alexnet", "fc_params", "about 57 M"),
        ("alexnet", "conv_activations + fc_activations", "0.63 M"),
        ("alexnet_two_tower", "conv1.activations", "253,440"),
        ("vgg16", "conv_activation_bytes / 2**20", "48.6"),
        ("mobilenet_v1", "separable_8.dw.conv.output_shape", "stride 2"),
    ],
)
def test_verify_tells_what_was_published_and_is_wrong(name: str, figure: str, stated: str) -> None:
    (verdict,) = (v for v in verify(archscope.load(name)).verdicts if v.figure == figure)
    assert verdict.ok
    assert f"published: {stated}" in verdict.note
    assert "(wrong)" in verdict.note


def test_a_layer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(SpecError, match="does not fit into a map of 7"):
        account_of([1, 7, 7], "Conv2d: {out_channels: 1, kernel_size: 9}")
