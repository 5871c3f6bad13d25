"""Work and bytes of single layers, by arithmetic in view, and backward work against torch's own counter."""

import pytest

import archscope
from tests.oracle import measure


def account(layers: str, shape: str = "[3, 32, 32]", batch: int = 1, dtype: str = "float32", inputs: str = ""):
    text = f"{inputs or f'input: {shape}'}\nlayers:\n" + layers
    design = archscope.load(text)
    return design, archscope.analyze(design, batch=batch, precision=dtype)


def test_a_convolution_by_hand():
    _, figures = account("  - Conv2d: {out_channels: 96, kernel_size: 11, stride: 4}\n", "[3, 227, 227]")
    row = figures["Conv2d"]
    assert row.params == 11 * 11 * 3 * 96 + 96
    assert row.weights == 11 * 11 * 3 * 96
    assert row.biases == 96
    assert row.macs == 96 * 55 * 55 * 3 * 11 * 11
    assert row.flops == 2 * row.macs
    assert row.elementwise == 96 * 55 * 55  # the bias
    assert row.activations == 96 * 55 * 55
    assert row.input_elements == 3 * 227 * 227
    assert row.bytes_moved == 4 * (3 * 227 * 227 + 34_944 + 96 * 55 * 55)
    assert row.reuse == row.macs / 34_944
    assert row.intensity == row.flops / row.bytes_moved
    assert row.dense_params == 3 * 227 * 227 * (96 * 55 * 55) + 96 * 55 * 55
    assert row.input_grad_macs == 0  # it is the first
    assert row.weight_grad_macs == row.macs


def test_work_grows_with_the_batch_and_parameters_do_not():
    layers = "  - Conv2d: {out_channels: 8, kernel_size: 3}\n  - BatchNorm2d\n  - ReLU\n"
    _, one = account(layers)
    _, many = account(layers, batch=7)
    for figure in ("macs", "elementwise", "activations", "backward_macs"):
        assert getattr(many.total, figure) == 7 * getattr(one.total, figure)
    for figure in ("params", "buffers", "param_bytes", "dense_params", "input_elements"):
        if figure == "dense_params":
            assert many["Conv2d"].dense_params == one["Conv2d"].dense_params
        elif figure != "input_elements":
            assert getattr(many.total, figure) == getattr(one.total, figure)


@pytest.mark.parametrize(("dtype", "size"), [("float64", 8), ("float32", 4), ("bfloat16", 2), ("float8", 1)])
def test_bytes_follow_the_dtype_and_batch_counters_do_not(dtype, size):
    _, figures = account("  - Conv2d: {out_channels: 8, kernel_size: 3}\n  - BatchNorm2d\n", dtype=dtype)
    assert figures.total.param_bytes == size * (3 * 8 * 9 + 8 + 8 + 8)
    assert figures.total.buffer_bytes == size * (8 + 8) + 8  # num_batches_tracked is int64
    assert figures.total.activation_bytes == size * 2 * 8 * 30 * 30


def test_a_view_makes_and_moves_nothing():
    _, figures = account("  - Flatten\n  - Linear: 10\n")
    assert figures["Flatten"].activations == 0
    assert figures["Flatten"].bytes_moved == 0
    assert figures["Flatten"].output_shape == (3072,)
    assert figures["Linear"].macs == 30_720


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        (
            "  - Conv2d: {out_channels: 8, kernel_size: 3, padding: 1, stride: 2}\n  - ReLU\n"
            "  - Conv2d: {out_channels: 6, kernel_size: [1, 5], dilation: [1, 2], bias: false}\n",
            "[3, 20, 20]",
        ),
        ("  - Conv1d: {out_channels: 4, kernel_size: 3}\n  - Conv1d: {out_channels: 4, kernel_size: 3}\n", "[2, 16]"),
        (
            "  - Conv3d: {out_channels: 4, kernel_size: 3}\n  - Conv3d: {out_channels: 2, kernel_size: 2}\n",
            "[2, 8, 8, 8]",
        ),
        (
            "  - ConvTranspose2d: {out_channels: 4, kernel_size: 3, stride: 2}\n"
            "  - ConvTranspose2d: {out_channels: 5, kernel_size: 2}\n",
            "[2, 8, 8]",
        ),
        ("  - Flatten\n  - Linear: 16\n  - Tanh\n  - Linear: 8\n", "[3, 4, 4]"),
        (
            "  - Linear: 16\n    name: a\n  - Linear: 12\n    name: q\n  - Linear: 12\n    name: k\n    from: a\n"
            "  - Transpose: {dim0: 1, dim1: 2}\n  - MatMul\n    from: [q, Transpose]\n".replace(
                "  - MatMul\n", "  - MatMul:\n"
            ),
            "[5, 6]",
        ),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_backward_work_equals_torchs_counter(layers, shape, batch):
    design, figures = account(layers, shape, batch)
    measured = measure(design, batch, backward=True)
    assert measured.macs == figures.total.macs
    assert measured.backward_macs == figures.total.backward_macs


def test_grouped_weight_gradients_are_counted_as_they_are():
    """A depthwise 3x3 over 8 maps of 10x10 has 8 x 100 x 9 products, not 64; torch's counter alone forgets that."""
    layers = (
        "  - Conv2d: {out_channels: 8, kernel_size: 1, bias: false}\n"
        "  - Conv2d: {out_channels: 8, kernel_size: 3, padding: 1, groups: 8, bias: false}\n"
    )
    design, figures = account(layers, "[3, 10, 10]")
    depthwise = figures["Conv2d_2"]
    assert depthwise.macs == depthwise.weight_grad_macs == depthwise.input_grad_macs == 8 * 10 * 10 * 3 * 3
    measured = measure(design, backward=True)
    assert measured.macs == figures.total.macs
    first = 3 * 8 * 10 * 10  # the images need no gradient
    assert measured.backward_macs == figures.total.backward_macs == first + 2 * depthwise.macs


def test_nothing_is_counted_backward_where_nothing_is_trained():
    layers = (
        "  - Conv2d: {out_channels: 4, kernel_size: 3, bias: false}\n    name: first\n    freeze: true\n"
        "  - Conv2d: {out_channels: 4, kernel_size: 3, bias: false}\n    name: second\n"
        "  - Conv2d: {out_channels: 4, kernel_size: 3, bias: false}\n    name: third\n    freeze: true\n"
    )
    design, figures = account(layers)
    first, second, third = (figures[name] for name in ("first", "second", "third"))
    assert (first.input_grad_macs, first.weight_grad_macs, first.trainable_params) == (0, 0, 0)
    assert (second.input_grad_macs, second.weight_grad_macs) == (0, second.macs)
    assert (third.input_grad_macs, third.weight_grad_macs) == (third.macs, 0)
    assert figures.total.params == 3 * 4 * 9 + 2 * (4 * 4 * 9)
    assert figures.total.trainable_params == 4 * 4 * 9
    assert measure(design, backward=True).backward_macs == figures.total.backward_macs


def test_a_reused_layer_works_again_and_weighs_nothing():
    layers = "  - Linear: 3\n    name: fc\n  - ReLU\n  - reuse: fc\n    name: again\n"
    design, figures = account(layers, "[3]")
    assert figures.total.params == 3 * 3 + 3
    assert figures["again"].params == 0
    assert figures["again"].shares == "fc"
    assert figures.total.macs == 2 * 9
    assert measure(design, backward=True).backward_macs == figures.total.backward_macs == 9 + 2 * 9


def test_integer_inputs_have_no_gradient_and_their_own_bytes():
    layers = "  - Embedding: {num_embeddings: 50, embedding_dim: 8}\n  - Linear: 4\n"
    _, figures = account(layers, inputs="input: {shape: [6], dtype: int64}")
    assert figures["Embedding"].bytes_moved == 6 * 8 + 4 * (50 * 8 + 6 * 8)
    assert figures["Linear"].input_grad_macs == figures["Linear"].macs  # the embedding is trained


def test_attention_multiplies_two_activations():
    layers = "  - Linear: 8\n    name: x\n  - ScaledDotProductAttention:\n    from: [x, x, x]\n"
    _, figures = account(layers, "[2, 5, 8]")
    row = figures["ScaledDotProductAttention"]
    assert row.macs == 2 * (5 * 5 * 8 + 5 * 5 * 8)
    assert row.input_grad_macs == 2 * row.macs  # each product has two operands that need a gradient
    assert row.weight_grad_macs == 0
