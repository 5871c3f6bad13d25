"""What the layers of a step move, counted by hand from their shapes."""

import pytest

import archscope
from archscope.analysis.time.traffic import LOSS, UPDATE, Moved, Part, kind_of, traffic
from archscope.errors import UsageError

#: input 3 x 8 x 8 = 192; conv 4 x 6 x 6 = 144 with 4 x 27 + 4 = 112 parameters; linear 144 x 10 + 10 = 1450
SPEC = """
input: [3, 8, 8]
layers:
  - {name: conv, Conv2d: {out_channels: 4, kernel_size: 3}}
  - {name: relu, ReLU}
  - {name: flat, Flatten}
  - {name: fc, Linear: 10}
"""


def parts(spec=SPEC, **options):
    return {part.name: part for part in traffic(archscope.load(spec), **options)}


def test_a_training_step():
    found = parts(batch=2)
    assert found["conv"].forward == Moved(2 * 2 * 144 * 27, 4 * (2 * 192 + 112), 4 * 2 * 144, 1)
    # no gradient of the input: gradient of the output, the input that is kept, gradients of the weights
    assert found["conv"].backward == Moved(2 * 2 * 144 * 27, 4 * (2 * 144 + 2 * 192), 4 * 112, 1)
    assert found["relu"].forward == Moved(0, 4 * 2 * 144, 4 * 2 * 144, 1)
    assert found["relu"].backward == Moved(
        0, 4 * 2 * 2 * 144, 4 * 2 * 144, 1
    )  # gradient, output that is kept; gradient
    assert found["flat"].forward == found["flat"].backward == Moved()
    assert found["fc"].forward == Moved(2 * 2 * 1440, 4 * (2 * 144 + 1450), 4 * 2 * 10, 1)
    kept, made = 2 * 144 + 1440, 2 * 144 + 1450
    assert found["fc"].backward == Moved(2 * 2 * 2 * 1440, 4 * (2 * 10 + kept), 4 * made, 3)  # two products and a sum
    assert found[UPDATE].forward == Moved(0, 2 * 4 * (112 + 1450), 4 * (112 + 1450), 4)  # and gradients
    assert found[LOSS].forward == Moved(0, 4 * 20, 4 * (20 + 1 + 1), 2)  # softmax; the loss and its weight


def test_the_loss_and_its_backward_pass():
    """Of 2 x 10 outputs: log-softmax and the negative log-likelihood keep the first's output and the sum of weights."""
    loss = parts(batch=2)[LOSS]
    assert (loss.forward.read, loss.forward.written) == (4 * 20, 4 * (20 + 1 + 1))
    assert (loss.backward.flops, loss.backward.read) == (0, 4 * (20 + 1))
    assert (loss.backward.written, loss.backward.calls) == (4 * (20 + 20), 2)  # a gradient by each of the two


def test_an_inference_is_the_forward_pass():
    found = parts(batch=2, mode="infer")
    assert list(found) == ["conv", "relu", "flat", "fc"]
    assert all(part.backward == Moved() for part in found.values())


@pytest.mark.parametrize("name", ["alexnet_torchvision", "resnet18", "mobilenet_v2"])
def test_single_kernels_move_what_the_column_says(name):
    """`bytes_moved` is written elsewhere, from shapes alone; a max pool writes its indices besides."""
    design = archscope.load(name)
    rows = archscope.analyze(design, batch=2).rows
    for part, row in zip(traffic(design, batch=2, mode="infer"), rows, strict=True):
        indices = 8 * row.output_elements if row.kind == "MaxPool2d" else 0
        dropped = row.kind == "Dropout"  # nothing at inference
        assert part.forward.bytes == (0 if dropped else row.bytes_moved + indices), part.name


def test_narrow_numbers_are_half_as_wide():
    wide, narrow = parts(batch=2), parts(batch=2, precision="bf16")
    assert narrow["conv"].forward.bytes * 2 == wide["conv"].forward.bytes
    assert narrow["conv"].forward.flops == wide["conv"].forward.flops
    pool = "input: [3, 8, 8]\nlayers: [{name: pool, MaxPool2d: 2}]\n"
    assert parts(pool, precision="fp16", mode="infer")["pool"].forward.bytes == 2 * (192 + 48) + 8 * 48  # indices stay


def test_autocast_casts_and_narrows_what_follows():
    found = parts(batch=2, precision="amp", mode="infer")
    # input and weights are read wide, cast, and the output is narrow
    wide, cast = 4 * (2 * 192 + 112), 2 * (2 * 192 + 112)
    assert found["conv"].forward.bytes == wide + cast + 2 * 2 * 144
    assert found["relu"].forward.bytes == 2 * 2 * 2 * 144


def test_in_place_writes_what_it_reads():
    spec = SPEC.replace("ReLU}", "ReLU: {inplace: true}}")
    assert parts(spec, batch=2)["relu"].forward == Moved(0, 4 * 2 * 144, 4 * 2 * 144, 1)


def test_a_table_is_read_where_it_is_looked_up():
    table = "Embedding: {num_embeddings: 1000, embedding_dim: 8}"
    found = parts(f"input: {{shape: [5], dtype: int64}}\nlayers:\n  - {{name: table, {table}}}\n")
    assert found["table"].forward.bytes == 8 * 5 + 4 * 40 + 4 * 40


def test_a_gradient_that_is_handed_on_moves_nothing():
    spec = "input: [4, 8, 8]\nlayers:\n  - PReLU\n  - {name: sum, Add: [[ReLU], [Sigmoid]]}\n"
    found = parts(spec)
    assert found["sum"].forward.bytes == 3 * 4 * 256
    assert found["sum"].backward == Moved()


def test_frozen_layers_have_no_gradients_of_weights_and_no_update():
    spec = SPEC.replace("kernel_size: 3}}", "kernel_size: 3}, freeze: true}")
    found = parts(spec, batch=2)
    assert found["conv"].backward == found["relu"].backward == Moved()
    assert found[UPDATE].forward.bytes == 3 * 4 * 1450


def test_what_is_recomputed_moves_its_forward_pass_again():
    block = "input: [4, 8, 8]\nblocks:\n  b: [{Conv2d: {out_channels: 4, kernel_size: 1}}, Sigmoid, Dropout]\n"
    plain = traffic(archscope.load(block + "layers: [PReLU, b]\n"))
    again = traffic(archscope.load(block + "layers: [PReLU, {b: , checkpoint: true}]\n"))
    assert [part.recomputed for part in again] == [False, True, True, True, False, False]
    for one, other in zip(plain, again, strict=True):
        more = other.forward if other.recomputed else Moved()
        assert other.backward == one.backward + more


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        ("Conv2d: {out_channels: 8, kernel_size: 3}", "convolution"),
        ("Conv2d: {out_channels: 8, kernel_size: 1}", "pointwise"),
        ("Conv2d: {out_channels: 8, kernel_size: 3, groups: 2}", "grouped"),
        ("Conv2d: {out_channels: 8, kernel_size: 3, groups: 4}", "depthwise"),
        ("Linear: 8", "product"),
        ("BatchNorm2d", "normalization"),
        ("MaxPool2d: 2", "pooling"),
        ("GELU", "elementwise"),
        ("Flatten", "elementwise"),
    ],
)
def test_kinds(layer, kind):
    design = archscope.load(f"input: [4, 8, 8]\nlayers:\n  - {{name: it, {layer}}}\n")
    assert [kind_of(one) for one in design.steps()] == [kind]


def test_a_recurrence_is_a_kind():
    design = archscope.load("input: [5, 8]\nlayers:\n  - LSTM: 4\n")
    assert kind_of(design.steps()[0]) == "recurrent"


def test_what_no_window_reads_is_skipped():
    """Pointwise, stride 2 on 8 x 8: 4 x 4 of 64 places are read."""
    found = parts("input: [4, 8, 8]\nlayers:\n  - {name: it, Conv2d: {out_channels: 8, kernel_size: 1, stride: 2}}\n")
    assert found["it"].skipped == 4 * 4 * (64 - 16)
    assert found["it"].beyond("forward", 0) == 4 * (4 * 16 + 4 * 8 + 8 + 8 * 16)


@pytest.mark.parametrize(
    ("shape", "layer", "product"),
    [
        # of each group: places of the output x window of its input x its output channels
        ("[4, 8, 9]", "Conv2d: {out_channels: 6, kernel_size: 3, groups: 2}", (2, 2 * 6 * 7, 2 * 9, 3)),
        ("[4, 8]", "Linear: 6", (1, 2 * 4, 8, 6)),
        # of a transposed one the other way round: places of the input x its channels x window of the output
        ("[4, 8]", "ConvTranspose1d: {out_channels: 6, kernel_size: 3, groups: 2}", (2, 2 * 8, 2, 3 * 3)),
        ("[5, 3, 4]", "MatMul: , from: [input, turned]", (2 * 5, 3, 4, 3)),
        ("[3, 4]", "MatMul: , from: [input, turned]", (2, 3, 4, 3)),
        ("[5, 3, 4]", "MatMul: , from: [input, weights]", (2 * 5, 3, 4, 6)),
        ("[4, 8]", "ReLU", None),
    ],
)
def test_the_product_of_matrices_that_a_layer_is(shape, layer, product):
    spec = f"input: {shape}\nlayers:\n  - {{name: turned, Transpose: {{dim0: -2, dim1: -1}}}}\n"
    spec += "  - {name: weights, Parameter: {shape: [1, 1, 4, 6]}}\n"
    found = parts(f"{spec}  - {{name: it, {layer if 'from' in layer else layer + ', from: input'}}}\n", batch=2)["it"]
    assert found.product == product


@pytest.mark.parametrize(
    ("kind", "left"), [("elementwise", (100 - 8) + (90 - 3 * 8)), ("update", (100 - 8) + (90 - 8))]
)
def test_what_a_cache_holds_passes_by_memory(kind, left):
    """What is read may lie there once, what each of three kernels writes, too; what an update writes lives on."""
    part = Part("it", "op", kind, Moved(0, 100, 90, 3))
    assert part.beyond("forward", 8) == left
    assert part.beyond("forward", 0) == 190
    assert part.beyond("forward", 1000) == 0


def test_a_convolution_in_three_dimensions_is_spared_nothing():
    """Winograd's and Fourier's are of planes."""
    found = parts("input: [4, 9, 9, 9]\nlayers:\n  - {name: it, Conv3d: {out_channels: 8, kernel_size: 3}}\n")["it"]
    assert found.fewer("float32") == 1


@pytest.mark.parametrize(
    ("layer", "times"),
    [
        ("Conv2d: {out_channels: 8, kernel_size: 3}", 16 * 9 / 36),  # F(4 x 4, 3 x 3)
        ("Conv2d: {out_channels: 8, kernel_size: 5}", 28 * 28 * 25 / (32 * 17 * 4)),
        ("Conv2d: {out_channels: 8, kernel_size: [1, 7]}", 32 * 26 * 7 / (32 * 17 * 4)),
        ("Conv2d: {out_channels: 8, kernel_size: 1}", 1),
        ("Conv2d: {out_channels: 8, kernel_size: 3, stride: 2}", 1),
        ("Conv2d: {out_channels: 8, kernel_size: 3, dilation: 2}", 1),
        ("Linear: 8", 1),
    ],
)
def test_products_that_are_spared_in_float32(layer, times):
    found = parts(f"input: [4, 40, 40]\nlayers:\n  - {{name: it, {layer}}}\n")["it"]
    assert found.fewer("float32") == max(times, 1)
    assert found.fewer("tf32") == found.fewer("fp16") == 1


def test_causal_attention_takes_half_of_its_products():
    attention = "from: [input, input, input], ScaledDotProductAttention: {is_causal: true}"
    spec = f"input: [4, 16, 8]\nlayers:\n  - {{name: it, {attention}}}\n"
    assert parts(spec, mode="infer")["it"].fewer("fp16") == 2


FUSED = """
input: [3, 8, 8]
layers:
  - {name: conv, Conv2d: {out_channels: 4, kernel_size: 3, bias: false}}
  - {name: bn, BatchNorm2d}
  - {name: relu, ReLU}
  - {name: pool, MaxPool2d: 2}
  - {name: fc, Conv2d: {out_channels: 10, kernel_size: 3, bias: false}}
"""


def test_a_compiled_step_moves_what_no_fusion_can_spare():
    """3 x 8 x 8 -> 4 x 6 x 6 -> normalised, rectified and pooled on the way to 4 x 3 x 3 -> 10."""
    found = parts(FUSED, batch=2, compile=True)
    assert all(found[name].forward == found[name].backward == Moved() for name in ("bn", "relu", "pool"))
    given, between, out = 2 * 3 * 64, 2 * 4 * 9, 2 * 10
    first, last = 4 * 27, 10 * 36
    assert found["conv"].forward == Moved(2 * 2 * 144 * 27, 4 * (given + first), 4 * between, 1)
    assert found["fc"].forward == Moved(2 * out * 36, 4 * (between + last), 4 * out, 1)
    # the first layer has no gradient of its input
    assert found["conv"].backward == Moved(2 * 2 * 144 * 27, 4 * (between + given), 4 * first, 1)
    assert found["fc"].backward == Moved(2 * 2 * out * 36, 4 * (out + last + between), 4 * (between + last), 2)


def test_a_compiled_step_in_mixed_precision_reads_narrow_numbers():
    found = parts(FUSED, batch=2, compile=True, precision="amp", mode="infer")
    assert found["conv"].forward == Moved(2 * 2 * 144 * 27, 2 * (2 * 3 * 64 + 4 * 27), 2 * 2 * 4 * 9, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "int8 is no floating type"),
        ({"mode": "trian"}, "did you mean `train`"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(UsageError, match=message):
        parts(**options)
