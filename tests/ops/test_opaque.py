"""A declared black box against the module that was measured for it."""

import copy
import pickle

import pytest
import torch
from torch import nn

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch.build import build, inputs
from archscope.ops import REGISTRY, Tensor
from archscope.spec.writer import to_yaml
from tests.backends.torch.imports.proofs import unproved

BATCH = 3


class Spectrum(nn.Module):
    """What no op can say: a transform, and work with weights before and behind it."""

    def __init__(self, width):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.register_buffer("ids", torch.zeros(7, dtype=torch.int64))

    def forward(self, x):
        """The output is kept by the softmax itself, the input by the product; the transform keeps nothing."""
        y = self.dense(x).sigmoid()
        return torch.fft.fft(y).real.softmax(-1)


def spec(**more):
    arguments = {
        "of": "Spectrum",
        "output_shapes": [[5, 8]],
        "parameter_shapes": {"dense.weight": [8, 8], "dense.bias": [8]},
        "buffer_shapes": {"ids": [7]},
        "buffer_dtypes": {"ids": "int64"},
        "macs": 5 * 8 * 8,
        **more,
    }
    box = REGISTRY["Opaque"](**arguments)
    layers = "\n".join(f"      {info.name}: {info.kind.written(getattr(box, info.name))!r}" for info in box.fields
                       if info.name in arguments)  # fmt: skip
    return f"""
input: [5, 8]
layers:
  - {{name: first, Linear: 8}}
  - name: box
    Opaque:
{layers}
  - {{name: last, Linear: 4}}
"""


def network(width=8):
    return nn.Sequential(nn.Linear(8, width), Spectrum(width), nn.Linear(width, 4)).train()


def kept_in_torch(module, x):
    """Bytes of the different storages that autograd keeps, parameters left out."""
    saved = {}

    def pack(tensor):
        held = tensor.detach()
        saved[held.untyped_storage().data_ptr()] = held
        return held

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    return sum(tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in own)


def test_what_is_declared_of_one_sample_is_kept_of_a_batch():
    sigmoid = 5 * 8 * 4  # the product keeps its input, the sigmoid its output, the softmax the box's own output
    design = archscope.load(spec(saved_bytes=sigmoid, saved_outputs=[0]))
    for batch in (1, BATCH):
        expected = kept_in_torch(network(), torch.rand(batch, 5, 8))
        assert memory(design, batch=batch).saved_bytes == expected == 4 * (5 * 8) * batch * 4
    assert memory(design, precision="bf16").saved_bytes == 2 * (5 * 8) * 4


class Parts(nn.Module):
    """What gives parts of one complex tensor, which live as long as one of them."""

    def forward(self, x):
        y = torch.fft.fft(x)
        return (y.real, y.imag) if self.both else y.real

    def __init__(self, both):
        super().__init__()
        self.both = both


class Parted(nn.Module):
    def __init__(self, both):
        super().__init__()
        self.first, self.parts, self.last, self.other = nn.Linear(8, 8), Parts(both), nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x):
        y = self.parts(self.first(x))
        return self.last(y[0]) + self.other(y[1]) if self.parts.both else self.last(y)


@pytest.mark.parametrize("both", [False, True])
def test_a_part_of_a_complex_tensor_keeps_all_of_it(both):
    """A sample's 8 complex numbers take 64 bytes, whichever part is kept; so are the inputs of both layers, of 32."""
    module, x = Parted(both), torch.rand(BATCH, 8)
    imported = archscope.from_torch(module, x, opaque=True)
    expected = kept_in_torch(module, x)
    assert memory(imported.design, batch=BATCH).saved_bytes == expected == BATCH * (32 + 32 + 64)
    assert unproved(imported) == []
    (box,) = (layer.op for layer in imported.design.layers if layer.kind == "Opaque")
    assert box.output_bytes == ((64, 0) if both else (64,))


def test_inputs_are_kept_unless_it_is_said_which():
    both = {piece.what for piece in memory(archscope.load(spec())).saved if "box" in (piece.layer, *piece.shared)}
    none = {piece.what for piece in memory(archscope.load(spec(saved_inputs=[]))).saved if piece.layer == "box"}
    assert both == {"the output of first"}
    assert none == set()


def test_a_batch_is_run_through_memory():
    found = memory(archscope.load(spec(saved_bytes=64)), batch=2)
    assert [moment.layer for moment in found.inferring] == ["first", "box", "last"], "nothing is kept at inference"
    assert ("box", "what it keeps, as measured", 128) in {(p.layer, p.what, p.bytes) for p in found.saved}


@pytest.mark.parametrize(
    ("declared", "upstream", "frozen", "forward", "into_inputs", "into_weights"),
    [
        (700, True, False, 320, 700, 0),
        (700, False, False, 320, 0, 700),
        (700, False, True, 320, 0, 0),
        (None, True, False, 320, 320, 320),  # a product of what arrives with the weights
        (None, False, False, 320, 0, 320),
    ],
)
def test_backward_work(declared, upstream, frozen, forward, into_inputs, into_weights):
    text = spec(backward_macs=declared) if declared is not None else spec()
    text = text if upstream else text.replace("  - {name: first, Linear: 8}\n", "")
    text = text.replace("  - name: box\n", "  - name: box\n    freeze: true\n") if frozen else text
    row = archscope.analyze(archscope.load(text), batch=BATCH)["box"]
    assert (row.macs, row.input_grad_macs, row.weight_grad_macs) == (
        BATCH * forward, BATCH * into_inputs, BATCH * into_weights,
    )  # fmt: skip


def test_a_black_box_without_weights_is_a_product_within_itself():
    text = "input: [4]\nlayers: [{Linear: 4}, {name: box, Opaque: {output_shapes: [[4]], macs: 10}}]"
    assert archscope.analyze(archscope.load(text))["box"].backward_macs == 2 * 10


def test_totals_of_a_shape_are_not_used_for_another():
    text = spec(input_shapes=[[5, 8]])
    assert archscope.analyze(archscope.load(text)).total.macs
    with pytest.raises(archscope.SpecError, match=r"its totals were measured on \[5, 8\] \(input 0\), and \[6, 8\]"):
        archscope.load(text, input=(6, 8))


def test_it_sees_everything():
    (field,) = archscope.receptive_fields(archscope.load(spec()))["box"]
    assert field.whole
    assert field.mixed_by == "box"


def test_it_is_written_as_it_is_read():
    design = archscope.load(spec(saved_bytes=4, backward_macs=7, saved_inputs=[0], reason="aten.fft_fft: has no op"))
    assert archscope.load(to_yaml(design)).layers == design.layers
    assert pickle.loads(pickle.dumps(design)) == design


# -- in torch --


def test_a_stand_in_takes_the_place_of_the_real_module_and_gives_way_to_it():
    design = archscope.load(spec())
    module, real = build(design), network()
    own = {name.partition(".")[2]: tensor for name, tensor in real.state_dict().items() if name.startswith("1.")}
    module.box.load_state_dict(own)  # the same names, shapes and types
    with pytest.raises(archscope.UsageError, match="stands in for Spectrum, and archscope cannot compute it"):
        module(*inputs(design))
    module.box = real[1]
    with torch.no_grad():
        module.first.load_state_dict(real[0].state_dict())
        module.last.load_state_dict(real[2].state_dict())
        x = torch.rand(2, 5, 8)
        assert torch.equal(module(x), real(x))


def test_on_the_meta_device_it_gives_shapes():
    design = archscope.load(spec())
    module = build(design, device="meta")
    assert module(*inputs(design, 6, "meta")).shape == (6, 5, 4)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_stand_in_can_be_copied(again):
    box = REGISTRY["Opaque"](output_shapes=[[3], []], output_dtypes=["float", "int64"], macs=2,
                             parameter_shapes={"a.b.weight": [2], "a.bias": []})  # fmt: skip
    module = box.module(torch, Tensor((2, 4)))
    with torch.no_grad():
        module.a.b.weight.fill_(3)
    twin = again(module)
    assert {name: tensor.tolist() for name, tensor in twin.state_dict().items()} == {"a.b.weight": [3, 3], "a.bias": 0}
    first, second = twin(torch.empty(2, 4, device="meta"))
    assert (first.shape, first.dtype, second.shape, second.dtype) == ((2, 3), torch.float32, (2,), torch.int64)


# -- mistakes in a spec --


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("parameter_shapes: 3", "`parameter_shapes` of Opaque: expected names, of each a list"),
        ("parameter_shapes: {w: [0]}", "`parameter_shapes` of Opaque: w: expected an integer of at least 1, got 0"),
        ("parameter_shapes: {w: [width]}", "unknown name `width`|got 'width'|expected an integer"),
        ("of: 3", "`of` of Opaque: expected a text, got 3"),
        ("output_dtypes: [flaot]", "did you mean `float`|expected one of float, int64, int32, bool"),
        ("macs: {a: 1}", "expected a value, not a mapping"),
    ],
)
def test_mistakes_are_told_in_their_place(argument, says):
    name = argument.partition(":")[0]
    given = {"output_shapes": "[[4]]", "macs": "1"} | {name: argument.partition(": ")[2]}
    box = ", ".join(f"{key}: {value}" for key, value in given.items())
    with pytest.raises(archscope.SpecError, match=says) as error:
        archscope.load(f"input: [4]\nlayers:\n  - Opaque: {{{box}}}")
    assert ":3:" in str(error.value)
    assert "^" in str(error.value)


def test_expressions_stand_in_lists_and_names():
    text = """
input: [4]
vars: {width: 3}
layers:
  - Opaque: {output_shapes: [[2 * width]], parameter_shapes: {w: [width, in_features]}, macs: width ** 2}
"""
    row = archscope.analyze(archscope.load(text)).rows[0]
    assert (row.output_shape, row.params, row.macs) == ((6,), 3 * 4, 9)
