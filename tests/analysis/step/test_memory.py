"""Memory to the byte: against autograd's hooks, against the lifetimes of real storages, against torch's optimizers."""

from __future__ import annotations

from collections import Counter
from itertools import cycle

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import archscope
from archscope.analysis.step.memory import memory
from archscope.analysis.step.run import Plan, Run
from archscope.autograd.strides import contiguous, is_contiguous, reshaped
from archscope.autograd.tape import Tape
from archscope.backends.torch.build import build, inputs
from archscope.backends.torch.check import kept_by
from archscope.errors import UsageError
from archscope.setting.optimizers import OPTIMIZERS
from archscope.spec.library import names
from tests.designs import designs, gradients
from tests.examples import examples
from tests.oracle import OPTIMIZERS as TORCH
from tests.oracle import allocated, inference, kept, left, step

SMALL = {
    "alexnet": (3, 67, 67),
    "c3d": (3, 16, 32, 32),
    "dcgan_discriminator": None,
    "dcgan_generator": None,
    "densenet121": (3, 32, 32),
    "dogs_vs_cats_cnn": (3, 64, 64),
    "efficientnet_b0": (3, 64, 64),
    "fashion_mnist_mlp": None,
    "googlenet": (3, 64, 64),
    "lenet5": None,
    "mobilenet_v2": (3, 64, 64),
    "mobilenet_v3_small": (3, 64, 64),
    "nin": None,
    "resnet18": (3, 64, 64),
    "resnet50v2": (3, 64, 64),
    "shufflenet_v1": (3, 64, 64),
    "shufflenet_v2_x1_0": (3, 64, 64),
    "squeezenet1_1": (3, 96, 96),
    "tcn": (1, 100),
    "text_cnn": None,
    "unet": (1, 188, 188),
    "vit_b_16": (3, 32, 32),
    "wavenet_stack": (256, 1100),
}
#: less of the same; the slow tests take the whole
FEWER = {"unet": {"width": 16}, "vit_b_16": {"depth": 4}, "densenet121": {"depths": [3, 6, 3, 3]}}
#: seconds each; what they are made of is in the others, too
LONG = {
    "c3d", "dogs_vs_cats_cnn", "efficientnet_b0", "googlenet", "mobilenet_v3_small", "resnet50v2", "shufflenet_v1",
    "densenet121", "shufflenet_v2_x1_0",
}  # fmt: skip
#: those that the default run takes in mixed precision, too, and with the channels last
MIXED = {"alexnet", "dcgan_generator", "fashion_mnist_mlp", "lenet5", "resnet18", "text_cnn", "vit_b_16"}
SHORT = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in SMALL]
precisions = pytest.mark.parametrize("precision", ["float32", "bf16-mixed"])


def small(name: str) -> archscope.Design:
    return archscope.load(name, input=SMALL[name], set=FEWER.get(name))


# -- what is kept ------------------------------------------------------------------------------------------------------


@precisions
@pytest.mark.parametrize("name", SHORT)
def test_designs_keep_what_autograd_saves(name, precision):
    design = small(name)
    for batch in (1, 2, 3):
        expected = kept(design, batch, autocast=precision != "float32") if batch > 1 or trains_alone(design) else None
        if expected is not None:
            assert memory(design, batch=batch, precision=precision).saved_bytes == expected, batch


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("float64", torch.float64)])
@pytest.mark.parametrize(
    "name", ["densenet121", "dcgan_generator", "mobilenet_v2", "resnet18", "tcn", "text_cnn", "vit_b_16"]
)
def test_designs_in_another_type_keep_what_autograd_saves(name, precision, dtype):
    """Weights and inputs in that type, without autocast."""
    design = small(name)
    network = build(design, dtype=dtype).train()
    given = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in inputs(design, 2)]
    found = memory(design, batch=2, precision=precision)
    assert found.saved_bytes == kept_by(network, lambda: network(*given))
    assert found.parameters == sum(tensor.nbytes for tensor in network.parameters())
    assert found.buffers == sum(tensor.nbytes for tensor in network.buffers())


def test_a_float64_account_has_the_memory_of_float64():
    """A batch norm keeps its statistics in the type of its state, an attention the sums in that of its query."""
    design = small("vit_b_16")
    narrow, wide = archscope.analyze(design), archscope.analyze(design, precision="float64")
    assert wide.total.param_bytes == 2 * narrow.total.param_bytes == wide.memory.parameters
    assert wide.saved_bytes() == 2 * narrow.saved_bytes()
    assert wide.memory.gradients == wide.memory.parameters


def test_weights_in_bfloat16_are_counted_in_elements():
    """LeNet-5 has 61,706 parameters."""
    narrow = memory(archscope.load("lenet5"), precision="fp16")
    assert (narrow.parameters, narrow.weights_as("float32")) == (2 * 61706, 4 * 61706)


def trains_alone(design):
    """Whether torch trains it on a single sample: batch norms of maps of 1x1 refuse."""
    account = archscope.analyze(design)
    return not any(
        row.kind.startswith("BatchNorm") and row.output_elements == row.y[0].shape[1] for row in account.rows
    )


@pytest.mark.slow
@precisions
@pytest.mark.parametrize("name", names())
def test_all_designs_keep_what_autograd_saves(name, precision):
    design = archscope.load(name)
    for batch in (1, 2, 3):
        if batch > 1 or trains_alone(design):
            expected = kept(design, batch, autocast=precision != "float32")
            assert memory(design, batch=batch, precision=precision).saved_bytes == expected, batch


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(designs(), st.integers(2, 3), st.sampled_from(["float32", "bf16-mixed"]))
@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_designs_keep_what_autograd_saves(text, batch, precision):
    design = archscope.load(text)
    try:
        expected = kept(design, batch, autocast=precision != "float32")
    except ValueError as error:
        assert "when training" in str(error)
        return
    assert memory(design, batch=batch, precision=precision).saved_bytes == expected


def layers(*entries, shape="[4, 8, 8]", more=""):
    return archscope.load(f"input: {shape}\n{more}layers:\n" + "".join(f"  - {entry}\n" for entry in entries))


CONV = "Conv2d: {out_channels: 4, kernel_size: 3, padding: 1, bias: false}"
MAP = 4 * 8 * 8 * 4


@pytest.mark.parametrize(
    ("entries", "pieces"),
    [
        ([CONV], [("Conv2d", "the input", MAP)]),
        ([CONV, "ReLU"], [("Conv2d", "the input", MAP), ("ReLU", "the output of ReLU", MAP)]),
        (  # what ReLU keeps is what the next convolution keeps
            [f"{{{CONV}, name: a}}", "ReLU", f"{{{CONV}, name: b}}"],
            [("a", "the input", MAP), ("ReLU", "the output of ReLU", MAP)],
        ),
        (  # in place, there is one map
            [f"{{{CONV}, name: a}}", "{ReLU: {inplace: true}}", f"{{{CONV}, name: b}}"],
            [("a", "the input", MAP), ("ReLU", "the output of a", MAP)],
        ),
        (  # hardswish in place keeps a copy
            [f"{{{CONV}, name: a}}", "{Hardswish: {inplace: true}}"],
            [("a", "the input", MAP), ("Hardswish", "a copy of the input", MAP)],
        ),
        (["ReLU", "{MaxPool2d: 2}"], []),  # nothing is trained
        (
            [f"{{{CONV}, name: a}}", "{MaxPool2d: 2}"],
            [
                ("a", "the input", MAP),
                ("MaxPool2d", "the output of a", MAP),
                ("MaxPool2d", "the indices", MAP // 2),
            ],
        ),
        ([f"{{{CONV}, freeze: true}}", "ReLU"], []),
        (
            [f"{{{CONV}, name: a, freeze: true}}", f"{{{CONV}, name: b}}"],
            [("b", "the output of a", MAP)],
        ),
    ],
)
def test_what_is_kept(entries, pieces):
    assert [(piece.layer, piece.what, piece.bytes) for piece in memory(layers(*entries)).saved] == pieces


def test_what_two_layers_keep_counts_once_and_names_both():
    design = layers(
        f"{{{CONV}, name: a}}", "{ReLU: , name: r}", f"{{{CONV}, name: b}}", f"{{{CONV}, name: c, from: r}}",
        "{Add: [b, c], name: d}",
    )  # fmt: skip
    piece = memory(design).saved[1]
    assert (piece.layer, piece.shared) == ("r", ("b", "c"))
    assert memory(design).by_layer == {"a": MAP, "r": MAP, "b": 0, "c": 0, "d": 0}


def test_vgg_keeps_more_in_mixed_precision_at_batch_2():
    """Its cast weights weigh more than what its halved maps save."""
    design = archscope.load("vgg16")
    assert memory(design, batch=2, precision="bf16-mixed").saved_bytes > memory(design, batch=2).saved_bytes
    assert memory(design, batch=64, precision="bf16-mixed").saved_bytes < memory(design, batch=64).saved_bytes


def test_a_dropouts_mask_is_a_bool_on_cuda():
    design = layers(f"{{{CONV}, name: a}}", "Dropout")
    assert [piece.bytes for piece in memory(design).saved] == [MAP, MAP]
    assert [piece.bytes for piece in memory(design, device="cuda").saved] == [MAP, MAP // 4]


# -- lifetimes of real storages ----------------------------------------------------------------------------------------

BLOCK = """
input: [4, 16, 16]
blocks:
  unit():
    - Add:
      - - {Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}
        - BatchNorm2d
        - ReLU
        - {Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}
      - []
    - ReLU
layers:
  - {name: stem, Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}
  - {name: a, unit: , checkpoint: CHECK}
  - {name: b, unit: , checkpoint: CHECK}
  - {name: pool, MaxPool2d: 2}
  - {name: c, unit: }
  - Flatten
  - Linear: 3
"""


@pytest.mark.parametrize("check", ["true", "false"])
def test_a_block_that_is_recomputed_keeps_what_it_reads(check):
    design = archscope.load(BLOCK.replace("CHECK", check))
    assert memory(design, batch=2).saved_bytes == left(design, 2)


def test_recomputing_saves():
    both = [memory(archscope.load(BLOCK.replace("CHECK", check))).saved_bytes for check in ("true", "false")]
    assert both[0] < 0.6 * both[1]


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "mobilenet_v2", "googlenet"])
def test_what_is_kept_is_what_lives_on(name):
    design = archscope.load(name, input=None if name == "lenet5" else (3, 64, 64))
    assert memory(design, batch=2).saved_bytes == left(design, 2)


def watched_inference(design, batch):
    """Bytes that an inference allocates, and those that live at every allocation, as a mode that watches sees them.

    It sees no copy that a kernel makes for itself.
    """
    allocated, events = Run(Plan(design, batch, design.steps(batch)), Tape(watched=True)).infer()
    return allocated, [live for *_, live in events]


def test_a_slope_of_no_dimension():
    """PReLU's one slope is reshaped to the dimensions of its input, here none."""
    design = archscope.load("input: [3]\nlayers: [{Linear: 2}, {Sum: {dim: [0, 1]}}, PReLU]")
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)


@pytest.mark.parametrize("op", ["RReLU", "{RReLU: {inplace: true}}"])
def test_rrelu_makes_its_noise_in_inference_too(op):
    design = archscope.load(f"input: [6]\nlayers: [{{Linear: 4}}, {op}]")
    assert watched_inference(design, 2)[1] == inference(design, 2, fake=False)


@pytest.mark.parametrize("name", SHORT)
def test_an_inference_holds_what_torch_holds(name):
    """A value is dropped behind the last layer that reads it; what a function makes in passing counts, too."""
    design = small(name)
    live = inference(design, 2)
    activations, moments = watched_inference(design, 2)
    assert max(moments) == max(live)
    assert activations == sum(live.made)
    ledger = memory(design, batch=2)
    assert ledger.inference >= max(live)
    assert ledger.activations >= sum(live.made)


# -- the timeline of a step --------------------------------------------------------------------------------------------


def timeline(design, batch, optimizer, *, autocast=False, accumulate=False, channels_last=False, watched=True):
    """Bytes that live at every allocation of a step; torch adds gradients out of place where a mode watches it."""
    tape = Tape(watched=watched, lower="bfloat16" if autocast else None)
    run = Run(Plan(design, batch, design.steps(batch)), tape, nhwc=channels_last)
    run.prepare(optimizer, accumulate=accumulate)
    run.step(optimizer, foreach=False)
    return [live for *_, live in tape.events]


@pytest.mark.parametrize(
    ("name", "optimizer"), list(zip(sorted(set(SMALL) - LONG), cycle(["sgd", "momentum", "adam"])))
)
def test_a_step_takes_what_torch_takes(name, optimizer):
    """Every allocation of forward, loss, backward and update, on fake tensors."""
    design = small(name)
    assert timeline(design, 2, optimizer) == step(design, 2, optimizer)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("name", names())
def test_a_step_of_every_design_takes_what_torch_takes(name, optimizer):
    design = archscope.load(name)
    assert timeline(design, 2, optimizer) == step(design, 2, optimizer)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in MIXED else [pytest.mark.slow]) for name in SMALL]
)
def test_a_step_in_mixed_precision_takes_what_torch_takes(name):
    """On the CPU itself: fake tensors give the statistics of norms another type there."""
    design = small(name)
    assert timeline(design, 2, "momentum", autocast=True) == step(design, 2, "momentum", autocast=True, fake=False)


TURNED = """
inputs:
  x: [6, 8]
  m: {{shape: [6, 8], dtype: bool}}
  n: {{shape: [8], dtype: bool}}
  i: {{shape: [8, 6], dtype: int64}}
layers:
  - {{name: c, Linear: 8, from: x}}
  - {{name: c2, Linear: 8, from: x}}
  - {{name: t, Transpose: {{dim0: 1, dim1: 2}}, from: c}}
  - {{name: t2, Transpose: {{dim0: 1, dim1: 2}}, from: c2}}
  - {{name: mt, Transpose: {{dim0: 1, dim1: 2}}, from: m}}
  - {{name: nt, Unsqueeze: 2, from: n}}
  - {it}
  - {{Add: [it, t2]}}
  - {{Linear: 6}}
  - Flatten
  - {{Linear: 3}}
"""


@pytest.mark.parametrize("autocast", [False, True], ids=["", "autocast"])
@pytest.mark.parametrize(
    "it",
    [
        *(f"{{name: it, {kind}: , from: t}}" for kind in ("Abs", "Exp", "Floor", "Sin", "Cos", "Erf", "Log", "Sqrt")),
        *(f"{{name: it, {kind}: , from: t}}" for kind in ("Rsqrt", "Reciprocal", "Negative")),
        *(f"{{name: it, Power: {exponent}, from: t}}" for exponent in (0, 1, 2, -0.5)),
        "{name: it, Clamp: {min: 0}, from: t}",
        "{name: it, Clamp: {min: 0, max: 1}, from: t}",
        "{name: it, CumSum: 2, from: t}",
        *(f"{{name: it, {kind}: , from: [t, i]}}" for kind in ("Add", "Multiply", "Divide", "Maximum")),
        *(f"{{name: it, {kind}: , from: [i, t]}}" for kind in ("Subtract", "Divide")),
        *(f"{{name: it, Multiply: , from: {pair}}}" for pair in ("[t, mt]", "[t, nt]", "[nt, t]")),
        *(f"{{name: it, Where: , from: [{mask}, t, t2]}}" for mask in ("mt", "nt")),
        *(f"{{name: it, MaskedFill: -1, from: [t, {mask}]}}" for mask in ("mt", "nt")),
        "{name: gt, Compare: gt, from: [t, t2]}\n  - {name: it, Multiply: , from: [t, gt]}",
        "{name: no, LogicalNot: , from: nt}\n  - {name: f, Cast: float, from: i}\n  - {name: it, Where: [no, t, f]}",
        "{name: k, Constant: [8, 6]}\n  - {name: it, Multiply: [t, k]}",
        "{name: k, Constant: {shape: [1, 8, 6], expand: true, dtype: int64}, from: t}\n  - {name: it, Add: [t, k]}",
        "{name: b, Buffer: [8, 6]}\n  - {name: it, Multiply: [t, b]}",
        "{name: w, Cast: int64, from: t2}\n  - {name: f, Cast: float}\n  - {name: it, Multiply: [t, f]}",
    ],
)
def test_a_step_with_elements_out_of_order_takes_what_torch_takes(it, autocast):
    """Functions of transposed tensors: where their results lie as they do, the next layer copies."""
    design = archscope.load(TURNED.format(it=it))
    expected = step(design, 2, "sgd", autocast=autocast, fake=not autocast)
    assert timeline(design, 2, "sgd", autocast=autocast) == expected


#: layers of sequences (6, 4) and (4, 6) that keep their shape
AMONG = [
    "ReLU",
    "{ReLU: {inplace: true}}",
    "LeakyReLU",
    "GELU",
    "SiLU",
    "Tanh",
    "PReLU",
    "LogSigmoid",
    "Softsign",
    "Dropout",
    "{Softmax: {dim: 1}}",
    "{Softmax: {dim: 2}}",
    "{LogSoftmax: {dim: 1}}",
    "{Softmin: {dim: 2}}",
    "LayerNorm",
    "RMSNorm",
    "BatchNorm1d",
    "{GroupNorm: 2}",
    "{InstanceNorm1d: {affine: true}}",
    "{CumSum: 1}",
    "{Flip: {dims: 2}}",
    "Contiguous",
    "{Roll: {shifts: 1, dims: 2}}",
    "{Power: 2}",
    "{Scale: 2}",
    "{Clamp: {min: 0}}",
    "{Linear: 'in_size[-1]'}",
    "{Conv1d: {out_channels: in_channels, kernel_size: 3, padding: 1}}",
    "{MaxPool1d: {kernel_size: 3, stride: 1, padding: 1}}",
    "{AvgPool1d: {kernel_size: 3, stride: 1, padding: 1}}",
    "{ReplicationPad1d: [1, -1]}",
    "{ConstantPad1d: {padding: [-1, 1], value: 1}}",
    "{Add: [[ReLU], []]}",
    "{Multiply: [[Sigmoid], []]}",
    "{Subtract: [[], [{Mean: {dim: 2, keepdim: true}}]]}",
    "{Divide: [[], [{Norm: {dim: 1, keepdim: true}}]]}",
    "{Maximum: [[Tanh], []]}",
    "{layers: [Tanh, {Linear: 'in_size[-1]'}], checkpoint: true}",
]
#: layers that turn them, or lay them otherwise
TURNING = [
    "{Transpose: {dim0: 1, dim1: 2}}",
    "{Transpose: {dim0: 1, dim1: 2}}",
    "{Permute: {dims: [0, 2, 1]}}",
    "{Slice: {dim: 1, end: -1}}",
    "{Select: {dim: 1, index: 0}}, {Unsqueeze: 1}, {Expand: {sizes: [-1, 4, -1]}}",
    "{Unsqueeze: 1}, {Permute: {dims: [0, 3, 1, 2]}}, {ReLU: }, {Squeeze: 2}",
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    st.lists(st.tuples(st.sampled_from(TURNING), st.lists(st.sampled_from(AMONG), max_size=2)), min_size=1, max_size=3),
    st.sampled_from(["", "", "autocast"]),
)
@settings(max_examples=examples(150), deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_a_step_of_layers_behind_transpositions_takes_what_torch_takes(pieces, autocast):
    """Random chains: how each layer lays its results is what the next one copies, or does not."""
    entries = [entry for turning, others in pieces for entry in (turning, *others)]
    text = f"input: [6, 4]\nlayers: [{{Linear: 4}}, {', '.join(entries)}, Flatten, {{Linear: 3}}]\n"
    design = archscope.load(text)
    try:
        expected = step(design, 2, "sgd", autocast=bool(autocast), fake=False)
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
        return
    assert timeline(design, 2, "sgd", autocast=bool(autocast)) == expected
    assert memory(design, batch=2, precision="bf16-mixed" if autocast else "float32").saved_bytes == kept(
        design, 2, autocast=bool(autocast)
    )


@pytest.mark.parametrize(
    "name",  # densenet121's maps of 1x1 have no format
    [
        pytest.param(name, marks=[] if name in MIXED else [pytest.mark.slow])
        for name in sorted(set(SMALL) - LONG - {"densenet121"})
    ],
)
def test_a_step_in_channels_last_takes_what_torch_takes(name):
    """Flattening copies then, and an average over a map gets strides anew."""
    design = small(name)
    expected = step(design, 2, "sgd", channels_last=True, fake=False)
    assert timeline(design, 2, "sgd", channels_last=True) == expected


@pytest.mark.parametrize("optimizer", TORCH)
@pytest.mark.parametrize("accumulate", [False, True], ids=["", "gradients accumulate"])
def test_a_step_with_every_optimizer_takes_what_torch_takes(optimizer, accumulate):
    design = archscope.load("lenet5")
    expected = step(design, 3, optimizer, accumulate=accumulate, fake=False)
    assert timeline(design, 3, optimizer, accumulate=accumulate) == expected


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(designs(), st.sampled_from(["sgd", "momentum", "adam"]), st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_step_of_random_designs_takes_what_torch_takes(text, optimizer, autocast):
    design = archscope.load(text)
    assume(archscope.analyze(design).total.params)
    try:
        expected = step(design, 2, optimizer, autocast=autocast, fake=False)
    except ValueError as error:
        assert "when training" in str(error)
        return
    assert timeline(design, 2, optimizer, autocast=autocast) == expected


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(gradients(), st.sampled_from(["sgd", "adam"]))
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_step_of_designs_that_learn_in_part_takes_what_torch_takes(text, optimizer):
    """Parameters that are frozen by patterns, detached tensors, layers without gradients: on tensors with memory.

    Fake ones take a batch norm's input that needs no gradient, though its weight does, otherwise than the CPU does.
    """
    design = archscope.load(text)
    assume(archscope.analyze(design).total.weight_grad_macs)
    try:
        expected = step(design, 2, optimizer, fake=False)
    except ValueError as error:
        assert "when training" in str(error)
        return
    assert timeline(design, 2, optimizer) == expected


NO_GRAD = {
    "a view": "[{AdaptiveAvgPool2d: 2}, {Flatten: , no_grad: true}, Detach, {Linear: 5}]",
    "two in place": "[Flatten, {layers: [{ReLU6: {inplace: true}}, {ReLU6: {inplace: true}}], no_grad: true}, "
    "{Linear: 5}]",
}


@pytest.mark.parametrize("layers", NO_GRAD.values(), ids=NO_GRAD)
def test_what_runs_without_gradients_holds_nothing_of_before(layers):
    design = archscope.load(
        f"input: [3, 4, 4]\nlayers: [{{Conv2d: {{out_channels: 3, kernel_size: 1}}}}, {layers[1:]}\n"
    )
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)


@pytest.mark.parametrize("check", ["true", "false"])
def test_a_step_with_a_recomputed_block_takes_what_torch_takes(check):
    design = archscope.load(BLOCK.replace("CHECK", check))
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)


OVERWRITTEN = {
    "a view": "[{Flatten: {start_dim: 2}}, {ReLU: {inplace: true}}]",
    "a view, and what it was is kept": "[{Flatten: {start_dim: 2}}, {Hardswish: {inplace: true}}]",
    "a view that is read again": "[{Slice: {dim: 1, start: 1}, name: v}, {ReLU: {inplace: true}, name: r}, "
    "{Add: , from: [v, r]}]",
    "a view of what is read again": "[{Slice: {dim: 1, start: 1}}, {Dropout: {p: 0.5, inplace: true}, name: r}, "
    "{Concat: , from: [a, r]}]",
    "a view of a view": "[{Flatten: {start_dim: 2}}, {Transpose: {dim0: 1, dim1: 2}}, {LeakyReLU: {inplace: true}}]",
    "what is read again": "[{ReLU: {inplace: true}, name: r}, {Add: , from: [a, r]}]",
    "a linear layer's rows": "[{Flatten: {start_dim: 2}}, {Linear: 8}, {ReLU: {inplace: true}}, {Linear: 8}]",
    "a product": "[{Flatten: {start_dim: 2}}, {Linear: {out_features: 8, bias: false}}, {ReLU: {inplace: true}}]",
    "a normalised map": "[{InstanceNorm2d: {affine: true}}, {ReLU: {inplace: true}}]",
}


@pytest.mark.parametrize("what", OVERWRITTEN)
def test_a_step_that_overwrites_takes_what_torch_takes(what):
    text = f"""
input: [4, 8, 8]
layers:
  - {{Conv2d: {{out_channels: 4, kernel_size: 3, padding: 1}}, name: a}}
  - repeat: 1
    layers: {OVERWRITTEN[what]}
  - Flatten
  - Linear: 10
"""
    design = archscope.load(text)
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)


#: ops whose inputs come from other ones, and so lie in memory as those lay them
TOGETHER = {
    "a mask of bools": """
inputs: {x: [6, 8], mask: {shape: [1, 1, 6], dtype: bool}}
layers:
  - {name: q, Linear: 8, from: x}
  - {name: k, Linear: 8, from: x}
  - {name: v, Linear: 8, from: x}
  - {name: qh, Unflatten: {dim: 2, unflattened_size: [2, 4]}, from: q}
  - {name: kh, Unflatten: {dim: 2, unflattened_size: [2, 4]}, from: k}
  - {name: vh, Unflatten: {dim: 2, unflattened_size: [2, 4]}, from: v}
  - {name: qt, Transpose: {dim0: 1, dim1: 2}, from: qh}
  - {name: kt, Transpose: {dim0: 1, dim1: 2}, from: kh}
  - {name: vt, Transpose: {dim0: 1, dim1: 2}, from: vh}
  - {name: a, ScaledDotProductAttention: , from: [qt, kt, vt, mask]}
  - {Transpose: {dim0: 1, dim1: 2}}
  - {Flatten: 2}
  - {Linear: 3}
""",
    "a learnt mask": """
inputs: {x: [6, 8], places: {shape: [6, 6], dtype: int64}}
layers:
  - {name: q, Linear: 8, from: x}
  - {name: qh, Unflatten: {dim: 2, unflattened_size: [2, 4]}}
  - {name: qt, Transpose: {dim0: 1, dim1: 2}}
  - {name: table, Parameter: {shape: [11, 2]}, from: x}
  - {name: bias, Index: {dim: 0}, from: [table, places]}
  - {name: turned, Permute: {dims: [0, 3, 1, 2]}}
  - {name: a, ScaledDotProductAttention: , from: [qt, qt, qt, turned]}
  - {Transpose: {dim0: 1, dim1: 2}}
  - {Flatten: 2}
  - {Select: {dim: 1, index: 0}}
  - {Linear: 3}
""",
    "sums of products": """
input: [6, 8]
layers:
  - {name: q, Linear: 8}
  - {name: qh, Unflatten: {dim: 2, unflattened_size: [2, 4]}}
  - {name: s, Einsum: "bihd,bjhd->bhij", from: [qh, qh]}
  - {Softmax: {dim: -1}}
  - {name: soft, Identity: }
  - {name: o, Einsum: "bhij,bjhd->bihd", from: [soft, qh]}
  - {Flatten: 2}
  - {name: l, Linear: 8}
  - {name: p, Einsum: "bif->bfi"}
  - {name: m, Einsum: "bfi,bif->bf", from: [p, l]}
  - {Linear: 3}
""",
    "maps laid anew": """
input: [4, 8, 8]
layers:
  - {Conv2d: {out_channels: 6, kernel_size: 3}}
  - {Pad: {pad: [1, 1, 1, 1]}}
  - {Roll: {shifts: [-2, -2], dims: [2, 3]}}
  - {Conv2d: {out_channels: 6, kernel_size: 3}}
  - {Flip: {dims: 3}}
  - {Pad: {pad: [1, 2, 0, 0], mode: reflect}}
  - {Tile: {dims: [2, 1, 1]}}
  - {Conv2d: {out_channels: 5, kernel_size: 1}}
  - {LogSumExp: {dim: [2, 3]}}
  - {Linear: 3}
""",
    "norms": """
input: [6, 8]
layers:
  - {name: a, Linear: 8}
  - {name: n, Norm: {dim: -1, keepdim: true}}
  - {name: b, Divide: [a, n]}
  - {name: v, Var: {dim: -1, keepdim: true}}
  - {name: s, Std: {dim: [1], keepdim: true, correction: 0}, from: b}
  - {name: m, Min: {dim: 2, keepdim: true}, from: b}
  - {name: c, Add: [b, v, s, m]}
  - {Linear: 3}
""",
    "a table used twice": """
inputs: {ids: {shape: [6], dtype: int64}}
layers:
  - {name: table, Parameter: {shape: [11, 8]}, from: ids}
  - {name: e, Index: {dim: 0}, from: [table, ids]}
  - {name: l, Linear: 8}
  - {name: t, Transpose: {dim0: 0, dim1: 1}, from: table}
  - {name: y, MatMul: [l, t]}
""",
    "a token for every sample": """
input: [6, 8]
layers:
  - {name: x, Linear: 8}
  - {name: one, Parameter: {shape: [1, 1, 8]}}
  - {name: each, Expand: {sizes: [-1, -1, 8]}, from: [one, x]}
  - {name: c, Concat: [each, x]}
  - {Linear: 4}
  - {Select: {dim: 1, index: 0}}
  - {Linear: 3}
""",
    "places of a line": """
inputs: {x: [6, 8], places: {shape: [4, 8], dtype: int64}}
layers:
  - {name: l, Linear: 8, from: x}
  - {name: g, Gather: {dim: 1}, from: [l, places]}
  - {Linear: 3}
""",
    "attention that is not fused": """
inputs: {x: [6, 8], mask: {shape: [6, 6], dtype: bool}}
layers:
  - {name: q, Linear: 8, from: x}
  - {name: k, Linear: 8, from: x}
  - {name: v, Linear: 5, from: x}
  - {name: a, ScaledDotProductAttention: {dropout_p: 0.2}, from: [q, k, v, mask]}
  - {Flatten: 1}
  - {Linear: 3}
""",
    "causal attention in three dimensions": """
inputs: {x: [6, 8]}
layers:
  - {name: q, Linear: 8, from: x}
  - {name: a, ScaledDotProductAttention: {is_causal: true}, from: [q, q, q]}
  - {Flatten: 1}
  - {Linear: 3}
""",
}


@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bf16-mixed"])
@pytest.mark.parametrize("what", TOGETHER)
def test_a_step_of_ops_behind_others_takes_what_torch_takes(what, autocast):
    design = archscope.load(TOGETHER[what])
    precision = "bf16-mixed" if autocast else "float32"
    assert memory(design, batch=2, precision=precision).saved_bytes == kept(design, 2, autocast=autocast)
    expected = step(design, 2, "sgd", autocast=autocast, fake=False)
    assert timeline(design, 2, "sgd", autocast=autocast) == expected


FANS = """
input: [64]
layers:
  - Linear: 64
  - Add: [[{Linear: {out_features: 64, bias: false}}, Tanh], []]
  - Add: [[Linear: 64], [Linear: 64], [Tanh]]
  - Add: [[Sigmoid], [Tanh], []]
  - Linear: 10
"""


#: the same of sequences, whose gradients are views: they hold what they are views of, and are added out of place
SEQUENCES = FANS.replace("[64]", "[5, 64]")
#: a layer that is applied three times: the gradients of its weight are transposed, and so views, too
REUSED = """
input: [64]
layers:
  - {name: first, Linear: 64}
  - Tanh
  - reuse: first
  - Tanh
  - reuse: first
  - Add: [[Sigmoid], [Tanh], []]
  - Linear: 10
"""


@pytest.mark.parametrize("text", [FANS, SEQUENCES, REUSED], ids=["rows", "sequences", "a layer again"])
def test_gradients_are_added_in_place_where_nobody_watches(text):
    """Against the CPU's own allocator, as the profiler records it; it tells the tensors of one call apart."""
    design = archscope.load(text)
    expected = allocated(design, 8)
    recorded = iter(expected)
    ledger = memory(design, batch=8)
    standing = ledger.parameters + ledger.inputs
    ours = [moment.live - standing for moment in ledger.timeline]
    assert all(live in recorded for live in ours)  # in this order
    assert ours != [live - standing for live in timeline(design, 8, "sgd")]
    assert max(ours) == max(expected)
    tape = Tape(traffic=True)
    run = Run(Plan(design, 8, design.steps(8)), tape)
    run.prepare("sgd", accumulate=False)
    before = len(tape.traffic)
    run.step("sgd", foreach=False)
    made = Counter(storage.bytes for storage, born in tape.traffic[before:] if born)
    assert Counter(size for size in made.elements() if size > 8) == Counter(size for size in expected.made if size > 8)


def test_the_peak_names_its_layer_and_what_lives_then():
    ledger = memory(archscope.load("resnet18"), batch=2, optimizer="adam")
    assert ledger.training == ledger.top.live == max(moment.live for moment in ledger.timeline)
    assert sum(piece.bytes for piece in ledger.at_peak) == sum(ledger.peak_by_kind.values()) == ledger.training
    sizes = [piece.bytes for piece in ledger.at_peak]
    assert sizes == sorted(sizes, reverse=True)
    known = {"parameters": ledger.parameters, "buffers": ledger.buffers, "optimizer state": ledger.optimizer_state}
    assert ledger.peak_by_kind.items() >= known.items()
    assert 0 < ledger.peak_by_kind["gradients"] <= ledger.gradients


def test_channels_last_copies_where_a_map_is_flattened():
    plain, last = (memory(archscope.load("vgg11"), channels_last=last) for last in (False, True))
    assert last.activations - plain.activations == 512 * 7 * 7 * 4
    assert last.saved_bytes == plain.saved_bytes  # fc1 keeps the copy, and nobody the map


@pytest.mark.parametrize("last", ["Conv2d", "ReLU"])
def test_the_peak_of_a_recomputed_block_names_all_that_lives(last):
    """Recomputing ends behind the last tensor that is kept, or before the call that reads it."""
    conv = "{Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}"
    block = f"[{conv}, ReLU, {conv if last == 'Conv2d' else last}]"
    text = f"input: [4, 16, 16]\nlayers:\n  - {{repeat: 1, layers: {block}, checkpoint: true}}\n  - Flatten\n"
    ledger = memory(archscope.load(text), batch=2, device="cuda")
    assert sum(piece.bytes for piece in ledger.at_peak) == ledger.training
    assert ledger.cuda.allocated >= ledger.training


#: what a recomputed block may end in: what is kept is read or made by its last kernel, made beside, or overwritten
ENDS = {
    "GroupNorm": "{GroupNorm: {num_groups: 1}}",
    "LayerNorm": "LayerNorm",
    "BatchNorm1d": "BatchNorm1d",
    "Dropout": "{Dropout: 0.5}",
    "PReLU": "PReLU",
    "Softmax": "{Softmax: {dim: 1}}",
    "ReLU in place": "{Linear: 8}, {ReLU: {inplace: true}}",
    "Hardswish in place": "{Linear: 8}, {Hardswish: {inplace: true}}",
    "Dropout in place": "{Linear: 8}, {Dropout: {p: 0.5, inplace: true}}",
    "two in place": "{Linear: 8}, LayerNorm, {ReLU: {inplace: true}}, {ReLU: {inplace: true}}",
    "a view": "{Linear: 8}, {Unflatten: {dim: 1, unflattened_size: [2, 4]}}, Flatten, {ReLU: {inplace: true}}",
    "two layers": "{Linear: 8}, {Linear: 8}",
    "a layer behind a norm": "{Linear: 8}, LayerNorm, {Linear: 8}",
    "a layer behind a dropout": "{Linear: 8}, Dropout, {Linear: 8}",
}


@pytest.mark.parametrize("first", ["{Linear: 8}, ", ""], ids=["behind a layer", "behind the input"])
@pytest.mark.parametrize("end", ENDS)
def test_a_recomputed_block_takes_what_torch_takes(end, first):
    text = f"input: [8]\nlayers: [{first}{{layers: [{ENDS[end]}], checkpoint: true}}, {{Linear: 3}}]\n"
    design = archscope.load(text)
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)
    ledger = memory(design, batch=2, device="cuda")
    assert sum(piece.bytes for piece in ledger.at_peak) == ledger.training <= ledger.cuda.allocated


def test_what_was_recomputed_for_a_call_is_free_before_its_gradients_are_summed():
    """torch.utils.checkpoint's unpack_hook forgets what it hands out; else a call keeps it until its sums are made."""
    text = "input: [6]\nlayers: [{layers: [{Linear: 6}, {Linear: 6}], checkpoint: CHECK}, {Linear: 3}]\n"
    recomputed, plain = (archscope.load(text.replace("CHECK", check)) for check in ("true", "false"))
    found = timeline(recomputed, 2, "sgd")
    assert found == step(recomputed, 2, "sgd", fake=False)
    assert found[-3] == 840 == timeline(plain, 2, "sgd")[-3] - 2 * 6 * 4  # the bias of the second layer: its input


@pytest.mark.parametrize("end", ["MaxPool2d: 2", "BatchNorm2d: {}", "LocalResponseNorm: 2"])
def test_a_recomputed_map_takes_what_torch_takes(end):
    text = f"input: [2, 8, 8]\nlayers: [{{Conv2d: [2, 1]}}, {{{end}, checkpoint: true}}, Flatten, {{Linear: 3}}]\n"
    design = archscope.load(text.replace("[2, 1]", "{out_channels: 2, kernel_size: 1}"))
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)
    assert memory(design, batch=2, device="cuda").cuda is not None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("before", ["{Linear: 8}", "{Linear: 8}, {Unflatten: {dim: 1, unflattened_size: [8]}}"])
def test_a_block_that_overwrites_what_it_reads_from_outside_is_refused_as_torch_does(before, device):
    relus = "{ReLU: {inplace: true}, checkpoint: true}, {ReLU: {inplace: true}}"
    design = archscope.load(f"input: [8]\nlayers: [{before}, {relus}, {{Linear: 3}}]\n")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        step(design, 2, "sgd", fake=False)
    with pytest.raises(UsageError, match=r"error: ReLU_1 overwrites what a block under `checkpoint` reads"):
        memory(design, batch=2, device=device)
    assert memory(design, batch=2, device=device, optimizer="none").inference


@pytest.mark.parametrize(
    "layers",
    [
        "{layers: [{SELU: {inplace: true}}, {Linear: 8}], checkpoint: true}",  # what arrives needs no gradient
        "{Linear: 8}, {Detach: }, {layers: [{ReLU: {inplace: true}}, {RMSNorm: }], checkpoint: true}",
        "{layers: [{Linear: 8}, {Linear: 8}], checkpoint: true, name: a}, "
        "{ReLU: {inplace: true}, from: input, name: b}, {Add: , from: [a, b]}",
    ],
)
def test_what_a_recomputed_block_reads_is_saved_though_it_needs_no_gradient(layers):
    design = archscope.load(f"input: [8]\nlayers: [{layers}, {{Linear: 3}}]\n")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        step(design, 2, "sgd", fake=False)
    with pytest.raises(UsageError, match=r"(SELU|ReLU|b) overwrites what a block under `checkpoint` reads"):
        memory(design, batch=2)
    assert memory(design, batch=2, optimizer="none").inference


def test_what_needs_no_gradient_may_be_overwritten_again():
    text = "input: [8]\nlayers: [{Linear: 8, freeze: true}, {ReLU: {inplace: true}, checkpoint: true}, {Linear: 3}]\n"
    design = archscope.load(text)
    assert timeline(design, 2, "sgd") == step(design, 2, "sgd", fake=False)


def test_accumulated_gradients_live_through_the_step():
    design = archscope.load("vgg11")
    alone, added = memory(design), memory(design, accumulate=True)
    assert added.timeline[0].live - alone.timeline[0].live == alone.gradients
    assert added.training > alone.training


# -- the rest of the ledger --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", TORCH)
def test_optimizers_keep_what_torchs_keep(optimizer):
    design = archscope.load("lenet5")
    parameters = list(build(design).parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    one = TORCH[optimizer](parameters)
    one.step()
    state = sum(value.nbytes for values in one.state.values() for value in values.values() if torch.is_tensor(value))
    ledger = memory(design, optimizer=optimizer)
    assert ledger.optimizer_state == state
    assert ledger.gradients == sum(parameter.grad.nbytes for parameter in parameters)


def test_two_states_for_lamb_and_none_without_training():
    design = archscope.load("lenet5")
    assert memory(design, optimizer="lamb").optimizer_state == 2 * 4 * 61706
    resting = memory(design, optimizer="none")
    assert (resting.gradients, resting.optimizer_state, resting.saved) == (0, 0, ())
    assert set(OPTIMIZERS) == {*TORCH, "lamb", "none"}


def test_lamb_makes_a_denominator_and_an_update_of_each_parameter():
    """You et al., Large Batch Optimization for Deep Learning, algorithm 2: r = m / (sqrt(v) + eps)."""
    design = layers(f"{{{CONV}, name: a}}", f"{{{CONV}, name: b}}")
    parameters = sum(1 for _ in build(design).parameters())
    ours, plain = (len(timeline(design, 2, optimizer)) for optimizer in ("lamb", "sgd"))
    assert ours - plain == 2 * parameters


def test_frozen_parameters_have_no_gradient():
    design = layers(f"{{{CONV}, name: a, freeze: true}}", f"{{{CONV}, name: b}}")
    ledger = memory(design, optimizer="momentum")
    assert (ledger.parameters, ledger.gradients, ledger.optimizer_state) == (2 * 576, 576, 576)


def test_the_ledger_adds_up_with_the_input_once():
    design = archscope.load("resnet18")
    ledger = memory(design, batch=2, optimizer="adam")
    image = 2 * 3 * 224 * 224 * 4
    parts = ledger.parameters + ledger.buffers + ledger.gradients + ledger.optimizer_state + ledger.saved_bytes
    assert ledger.inputs == image + 2 * 8  # and a target a sample
    first = next(moment.live for moment in ledger.timeline if moment.phase == "loss")
    standing = parts - ledger.gradients + 2 * 8
    assert first == standing + 2 * 2 * 1000 * 4  # the output, and the logarithms of its softmax; conv1 keeps the input


def test_weights_alone():
    """Sun (specs/SOURCES.md): 10^8 inputs, 100 hidden units: 10^10 weights, 80 GB in float64; here in other formats."""
    design = archscope.load("input: [100000000]\nlayers: [{Linear: {out_features: 100, bias: false}}]\n")
    ledger = memory(design)
    assert ledger.parameters == 4 * 10**10
    assert [ledger.weights_as(form) for form in ("float32", "bfloat16", "int8", "int4", "binary")] == [
        4 * 10**10,
        2 * 10**10,
        10**10,
        5 * 10**9,
        125 * 10**7,
    ]
    account = archscope.analyze(design, precision="float64")
    assert account.total.param_bytes == 80 * 10**9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adamx"}, "unknown optimizer adamx"),
        ({"precision": "int8"}, "int8 is no floating type, and no precision to run in"),
        ({"device": "tpu"}, "unknown device tpu"),
    ],
)
def test_what_is_not_known_is_told(options, message):
    with pytest.raises(UsageError, match=message):
        memory(archscope.load("lenet5"), **options)


@pytest.mark.parametrize(
    "layer",
    [
        "RMSNorm",
        "{RMSNorm: {elementwise_affine: false}}",
        "{RNN: {hidden_size: 5, batch_first: true}}",
        "{GRU: {hidden_size: 5, batch_first: true, bidirectional: true, num_layers: 2}}",
        "{LSTM: {hidden_size: 5, proj_size: 3, batch_first: true}}",
    ],
)
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight", "ignore:LSTM with projections")
def test_mixed_precision_of_norms_and_recurrent_layers_is_torchs(layer):
    """Every allocation of a step, on the CPU itself."""
    design = layers("{Linear: 8}", layer, "Flatten", "{Linear: 3}", shape="[6, 8]")
    assert timeline(design, 2, "sgd", autocast=True) == step(design, 2, "sgd", autocast=True, fake=False)
    assert memory(design, batch=2, precision="bf16-mixed").saved_bytes == kept(design, 2, autocast=True)


# -- strides -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_strides_are_torchs(shape, data):
    order = data.draw(st.permutations(range(len(shape))))
    tensor = torch.empty(shape).permute(order)
    if data.draw(st.booleans()):
        tensor = tensor[..., : data.draw(st.integers(1, tensor.shape[-1]))]
    pieces = [size for size in tensor.shape for _ in range(1)]
    if data.draw(st.booleans()) and len(pieces) > 1:
        pieces = [pieces[0] * pieces[1], *pieces[2:]]
    assert contiguous(shape) == torch.empty(shape).stride()
    assert is_contiguous(tensor.shape, tensor.stride()) == tensor.is_contiguous()
    try:
        expected = tensor.view(pieces).stride()
    except RuntimeError:
        expected = None
    found = reshaped(tuple(tensor.shape), tensor.stride(), pieces)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert [a for a, size in zip(found, pieces, strict=True) if size > 1] == [
            b for b, size in zip(expected, pieces, strict=True) if size > 1
        ]
