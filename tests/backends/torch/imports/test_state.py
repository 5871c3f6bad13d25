"""The parameters and buffers of a design are those of the module: by identity, by number, to the last name."""

from __future__ import annotations

import dataclasses
import functools
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import archscope
from archscope.backends.torch.imports.twin import copied, zeros


def params(module):
    return sum(one.numel() for one in module.parameters())


def wrong(found):
    return [one for one in found.imported.proof if not one.ok]


# -- tensors of no dimension -------------------------------------------------------------------------------------------


class Scaled(nn.Module):
    """CLIP's temperature."""

    def __init__(self):
        super().__init__()
        self.fc, self.logit_scale = nn.Linear(4, 5), nn.Parameter(torch.tensor(2.6))

    def forward(self, x):
        return self.fc(x) * self.logit_scale.exp()


class Gated(Scaled):
    def forward(self, x):
        gate = torch.sigmoid(self.logit_scale)
        return gate * self.fc(x) + (1 - gate) * self.fc(-x)


class Summed(Scaled):
    def __init__(self):
        super().__init__()
        self.register_buffer("offset", torch.tensor(0.5))

    def forward(self, x):
        return self.fc(x) * (self.logit_scale + self.offset)


class ReZero(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.gates = nn.ParameterList(nn.Parameter(torch.tensor(0.0)) for _ in range(3))

    def forward(self, x):
        for layer, gate in zip(self.layers, self.gates, strict=True):
            x = x + gate * layer(x)
        return x


@pytest.mark.parametrize("kind", [Scaled, Gated, Summed, ReZero])
def test_tensors_of_no_dimension(kind):
    module = kind()
    found = archscope.summary(module, (2, 4))
    assert wrong(found) == []
    assert found.account.total.params == params(module)
    assert found.imported.opaque == ()
    assert not found.imported.flat


# -- names -------------------------------------------------------------------------------------------------------------


class PaddedConv(nn.Conv2d):
    """A leaf with a child."""

    def __init__(self, *args):
        super().__init__(*args)
        self.pad = nn.ZeroPad2d(1)

    def forward(self, x):
        return super().forward(self.pad(x))


class Counting(nn.BatchNorm2d):
    """As batch norms were written before they counted in place."""

    def forward(self, x):
        self.num_batches_tracked = self.num_batches_tracked + 1
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, True, 0.1, self.eps
        )


class Worded(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("my layer", nn.Linear(4, 4))
        self.parts = nn.ModuleDict({"a b": nn.Linear(4, 4), "a_b": nn.Linear(4, 2), "ü/ß": nn.Linear(2, 2)})
        self.register_parameter("one two", nn.Parameter(torch.zeros(2)))

    def forward(self, x):
        for part in (getattr(self, "my layer"), *self.parts.values()):
            x = part(x)
        return x + getattr(self, "one two")


@pytest.mark.parametrize(
    ("module", "shape", "layers"),
    [
        (
            nn.Sequential(PaddedConv(3, 6, 3), nn.ReLU(), PaddedConv(6, 6, 3)),
            (3, 8, 8),
            {"0.pad", "0.Conv2d", "2.Conv2d"},
        ),
        (nn.Sequential(nn.Conv2d(3, 6, 3), Counting(6)), (3, 8, 8), {"0", "1"}),
        (Worded(), (4,), {"my_layer", "parts.a_b", "parts.a_b_2", "one_two"}),
    ],
    ids=["a leaf with a child", "a count that is set anew", "words that are no names"],
)
def test_names_come_back_to_those_of_the_module(module, shape, layers):
    found = archscope.summary(module, (2, *shape))
    assert wrong(found) == []
    design = found.design
    assert layers <= {layer.name for layer in design.layers}
    names = [
        f"{row.name}.{part}"
        for row, layer in zip(found.account.rows, design.layers, strict=True)
        for part in [*layer.op.parameters(*row.x), *layer.op.buffers(*row.x)]
    ]
    assert {found.imported.names.get(name, name) for name in names} == set(module.state_dict())


# -- functions that hold the module ------------------------------------------------------------------------------------


class Closed(nn.Module):
    """A lambda over the module, one over a weight, defaults, a partial function, nested ones: 25 + 30 parameters."""

    def __init__(self, way):
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 5)
        weight, bias = self.a.weight, self.a.bias
        run = lambda x: self.a(x)  # noqa: E731, PLW0108
        parts, me = [run], weakref.ref(self)
        self.first = {
            "lambda": run,
            "weight": lambda x: functional.linear(x, weight, bias),
            "default": lambda x, self=self: self.a(x),
            "partial": functools.partial(lambda module, x: module.a(x), self),
            "nested": lambda x: run(x) * 1,
            "method": self.run,
            "listed": lambda x: parts[0](x),  # noqa: PLW0108
            "weak": lambda x: me().a(x),
        }[way]

    def run(self, x):
        return self.a(x)

    def forward(self, x):
        return self.b(self.first(x))


@pytest.mark.parametrize("way", ["lambda", "weight", "default", "partial", "nested", "method", "listed"])
def test_weights_that_a_function_reads_are_the_modules(way):
    module = Closed(way)
    found = archscope.summary(module, (2, 4))
    assert wrong(found) == []
    assert found.account.total.params == params(module) == 55
    assert found.account.total.macs == 2 * (4 * 5 + 5 * 5)
    assert found.account.total.backward_macs == 2 * (4 * 5 + 2 * 5 * 5)  # no gradient of the input


def test_weights_that_are_out_of_reach_are_refused():
    with pytest.raises(archscope.UsageError, match=r"reads a parameter that is none of its own, of shape \[5, 4\]"):
        archscope.summary(Closed("weak"), (2, 4))


def test_hooks_and_replaced_forwards_are_the_copys():
    module = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5))
    forward = module[0].forward
    module[0].forward = lambda x: forward(x).relu()
    module[1].register_forward_hook(lambda part, _, y: y + functional.linear(y, module[1].weight))
    found = archscope.summary(module, (2, 4))
    assert found.account.total.params == params(module) == 25 + 30
    assert found.account.total.macs == 2 * (4 * 5 + 5 * 5 + 5 * 5)


def test_a_function_without_a_module_is_not_copied():
    steps = [1, 2]
    module = nn.Linear(4, 5)
    module.scale = lambda x: x * steps[0]
    assert copied(module, zeros).scale is module.scale
    module.again = lambda x: module.again(module(x))  # holds itself
    twin = copied(module, zeros)
    cells = dict(zip(twin.again.__code__.co_freevars, twin.again.__closure__, strict=True))
    assert cells["module"].cell_contents is twin is not module


def test_a_dataclass_is_an_output():
    @dataclasses.dataclass
    class Output:
        hidden: torch.Tensor
        pair: tuple

    class Gives(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 5)

        def forward(self, x):
            y = self.fc(x)
            return Output(y, (y * 2, y - x[:, :1]))

    found = archscope.summary(Gives(), (2, 4))
    assert wrong(found) == []
    assert [name for name, _ in found.design.outputs] == ["hidden", "pair_0", "pair_1"]


# -- what stops gradients, what is not trained, what nothing reads -----------------------------------------------------


class Pair(nn.Module):
    """Two layers of 4 x 4, and what is between them."""

    def __init__(self, between):
        super().__init__()
        self.a, self.b, self.between = nn.Linear(4, 4), nn.Linear(4, 4), between

    def forward(self, x):
        return self.b(self.between(self.a, x))


def cut(layer, x):
    with torch.no_grad():
        return layer(x)


def inferred(layer, x):
    with torch.inference_mode():
        y = layer(x)
    return y.clone()


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, grad):
        return grad


WHOLE = 2 * 16 + 2 * 2 * 16  # the first layer has no gradient of the input


@pytest.mark.parametrize(
    ("between", "backward"),
    [
        (lambda a, x: a(x).detach(), 2 * 16),
        (cut, 2 * 16),
        (inferred, 2 * 16),
        (lambda a, x: a(x).data, 2 * 16),
        (lambda a, x: checkpoint(lambda y: checkpoint(a, y, use_reentrant=False), x, use_reentrant=False), WHOLE),
        (lambda a, x: a(x) + (a(x).tanh() - a(x)).detach(), WHOLE),
        (lambda a, x: Sign.apply(a(x)), WHOLE),
        (lambda a, x: checkpoint(a, x, use_reentrant=False), WHOLE),
        (lambda a, x: checkpoint(a, x, use_reentrant=True), 2 * 16),  # none of its inputs needs a gradient
    ],
    ids=[
        "detach",
        "no_grad",
        "inference_mode",
        "data",
        "nested",
        "straight through",
        "function",
        "checkpoint",
        "reentrant",
    ],
)
def test_work_of_the_gradients_that_there_are(between, backward):
    found = archscope.summary(Pair(between), (2, 4))
    assert wrong(found) == []
    assert found.account.total.backward_macs == backward


def test_a_function_whose_apply_is_of_c_has_its_own_backward_pass_too(monkeypatch):
    """As that of torch 2.14 is (``_FunctionBase``, torch/csrc/autograd/python_function.cpp)."""
    monkeypatch.setattr(torch.autograd.Function, "apply", vars(torch._C._FunctionBase)["apply"])
    between = lambda a, x: Sign.apply(a(x))  # noqa: E731
    assert archscope.summary(Pair(between), (2, 4)).account.total.backward_macs == WHOLE


def test_single_tensors_are_frozen():
    module = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 2))
    module[0].bias.requires_grad_(False)
    module[1].weight.requires_grad_(False)
    total = archscope.summary(module, (2, 4)).account.total
    assert (total.params, total.trainable_params, total.backward_macs) == (37, 22, 2 * (4 * 5 + 5 * 2))
    for layer in module:
        layer.weight.requires_grad_(False)
        layer.bias.requires_grad_(True)
    total = archscope.summary(module, (2, 4)).account.total
    assert (total.trainable_params, total.backward_macs) == (7, 2 * 5 * 2)


def test_state_that_nothing_reads_is_counted():
    module = nn.Linear(2, 2)
    module.register_parameter("spare", nn.Parameter(torch.zeros(7)))
    found = archscope.summary(module, (2, 2))
    assert wrong(found) == []
    assert found.account.total.params == 13
    assert next(one for one in found.imported.proof if one.what == "unused_params").measured == 7


class Loop(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        state = None
        for at in range(4):
            state = self.cell(x[:, at], state)
        return state[0] if isinstance(state, tuple) else state


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNNCell, 1), (nn.GRUCell, 3), (nn.LSTMCell, 4)])
def test_cells_in_a_loop_count_their_weights_once(kind, gates):
    found = archscope.summary(Loop(kind(3, 4)), (2, 4, 3))
    assert wrong(found) == []
    assert found.imported.opaque == ()
    assert found.account.total.params == gates * (4 * 3 + 4 * 4 + 2 * 4)
    assert found.account.total.macs == 4 * 2 * gates * 4 * (3 + 4)


def test_black_boxes_that_are_called_again_count_their_weights_once():
    class Boxed(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 4))

        def forward(self, x):
            return torch.special.i0(x @ self.weight) @ self.weight

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.box = Boxed()

        def forward(self, x):
            return self.box(self.box(x))

    found = archscope.summary(Twice(), (2, 4))
    assert len(found.imported.opaque) == 2
    assert found.account.total.params == 16
    assert found.account.total.macs == 4 * 2 * 16


def test_types():
    module = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).double()
    found = archscope.summary(module, (2, 4))
    assert found.memory.parameters == 2 * 20 * 8
    assert all(one.ok and one.measured is not None for one in found.imported.proof)
    assert found.memory.saved_bytes == 2 * 2 * 4 * 8


def test_a_layer_of_another_type_beside_others():
    """20 parameters of 2 bytes, 20 of 4, and the norm's 8 of 8."""

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide = nn.Linear(4, 4, dtype=torch.bfloat16), nn.Linear(4, 4)
            self.norm = nn.LayerNorm(4, dtype=torch.float64)

        def forward(self, x):
            return self.norm((self.wide(x) + self.narrow(x.bfloat16())).double()).softmax(-1, dtype=torch.float32)

    found = archscope.summary(Mixed(), (2, 4))
    assert found.account.total.param_bytes == found.memory.parameters == 20 * 2 + 20 * 4 + 8 * 8
    assert {layer.name: layer.dtype for layer in found.design.layers if layer.dtype} == {
        "narrow": "bfloat16", "norm": "float64",
    }  # fmt: skip
    assert all(one.ok and one.measured is not None for one in found.imported.proof)


def test_a_layer_whose_weights_have_two_types_is_refused_by_name():
    module = nn.Sequential(nn.BatchNorm1d(4))
    module[0].running_mean = module[0].running_mean.double()
    with pytest.raises(
        archscope.UsageError, match=r"0.running_var of torch.float32 and 0.running_mean of torch.float64"
    ):
        archscope.from_torch(module, torch.rand(2, 4))


def test_a_bag_of_embeddings():
    found = archscope.summary(
        nn.Sequential(nn.EmbeddingBag(9, 4, mode="mean"), nn.Linear(4, 2)), (2, 5), dtypes=["int64"]
    )
    assert wrong(found) == []
    assert found.imported.opaque == ()
    assert found.account.total.params == 9 * 4 + 4 * 2 + 2


class _Placed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(1, 4))
        self.register_buffer("scale", torch.randn(1, 4))
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(x + self.place) * self.scale


def test_the_weights_of_an_original_enter_the_built_module_by_its_names():
    model = _Placed()
    imported, x = archscope.from_torch(model, torch.zeros(2, 4)), torch.randn(3, 4)
    assert imported.names == {"place.weight": "place", "scale.value": "scale"}
    built, original = archscope.build(imported.design), model.state_dict()
    built.load_state_dict({name: original[imported.names.get(name, name)] for name in built.state_dict()})
    assert torch.equal(built(x), model(x))
