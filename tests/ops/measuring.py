"""Every op in memory, as it says and as torch does, however its inputs and its outputs' gradients lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from random import Random
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from archscope.autograd import aten
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Gradients, Node, Shape, Value
from archscope.autograd.tape import Tape
from archscope.backends.torch.check import saving
from archscope.ops import Tensor
from archscope.ops.tensors import standing
from tests.ops.records.base import Case
from tests.oracle import Living

DTYPES = {None: torch.float32, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}
FLOATING = {"float32": torch.float32, "bfloat16": torch.bfloat16}

#: gradients that are sparse
NOT_STATED = {
    "Embedding": lambda case: case.op.arguments()["sparse"],
    "EmbeddingBag": lambda case: case.op.arguments()["sparse"],
}

#: what torch says where it takes a case in inference only
REFUSED = ("when training", "negative slope which is not supported")


class Layout(NamedTuple):
    """A view of a tensor in order that has a shape.

    Attributes:
        order: the dimensions of the tensor in order, by their places in the view.
        cut: a dimension of which the tensor in order has two more, if any.
        repeated: a dimension in which the tensor in order has one element, and the view repeats it, if any.
    """

    order: tuple[int, ...]
    cut: int | None = None
    repeated: int | None = None

    def base(self, shape: Shape) -> Shape:
        """The shape of the tensor in order."""
        sizes = list(shape)
        if self.cut is not None:
            sizes[self.cut] += 2
        if self.repeated is not None:
            sizes[self.repeated] = 1
        return tuple(sizes[dim] for dim in self.order)

    def _places(self) -> list[int]:
        return sorted(range(len(self.order)), key=lambda place: self.order[place])

    def of(self, x: torch.Tensor, shape: Shape) -> torch.Tensor:
        """The view in torch."""
        y = x.permute(self._places()) if self.turned else x
        y = y if self.cut is None else y.narrow(self.cut, 0, shape[self.cut])
        return y if self.repeated is None else y.expand(shape)

    def on(self, t: Tape, x: Value, shape: Shape) -> Value:
        """The view on a tape."""
        y = aten.permute(t, x, self._places()) if self.turned else x
        y = y if self.cut is None else aten.part(t, y, self.cut, shape[self.cut], 1, alias=False)
        return y if self.repeated is None else aten.expand(t, y, shape)

    @property
    def turned(self) -> bool:
        """Whether dimensions change places."""
        return self.order != tuple(range(len(self.order)))

    @classmethod
    def drawn(cls, draw: Random, shape: Shape) -> Layout:
        """One for a shape."""
        order = list(range(len(shape)))
        kind = draw.choice(("turned", "turned", "last", "cut", "repeated", "cut and turned", "cut and last", "plain"))
        if "turned" in kind:
            draw.shuffle(order)
        if "last" in kind and len(order) > 2:
            order = [0, *range(2, len(order)), 1]
        cut = draw.choice(order) if order and "cut" in kind else None
        repeated = draw.choice(order) if order and kind == "repeated" else None
        return cls(tuple(order), cut, repeated)


class Gradient(NamedTuple):
    """What is done to an output, so that its gradient comes laid out so.

    Attributes:
        kind: ``mean``: in order; ``sum``: one number repeated; ``turned``: in the order of dimensions ``order``;
            ``cut``: with gaps in dimension ``order[0]``.
    """

    kind: str
    order: tuple[int, ...]

    def of(self, y: torch.Tensor) -> torch.Tensor:
        """The loss in torch."""
        if self.kind == "sum":
            return y.sum(tuple(range(y.ndim)))
        if self.kind == "turned":
            y = y.permute(self.order).contiguous()
        if self.kind == "cut":
            y = torch.cat([y, torch.zeros(y.shape, dtype=y.dtype)], self.order[0])
        return y.mean()

    def on(self, t: Tape, y: Value) -> Value:
        """The loss on a tape."""
        start = t.begin()
        loss = self._on(t, y)
        t.end(start, loss)
        return loss

    def _on(self, t: Tape, y: Value) -> Value:
        if self.kind == "sum":
            return aten.summed(t, y, (), range(len(y.shape)))
        if self.kind == "turned":
            y = aten.copied(t, aten.permute(t, y, self.order))
        if self.kind == "cut":
            dim = self.order[0]
            shape = (*y.shape[:dim], 2 * y.shape[dim], *y.shape[dim + 1 :])
            zeros = t.make(y.shape, y.dtype)
            y = aten.cat(t, [y, zeros], shape, dim)
            t.drop(zeros)
        return aten.mean(t, y, (), range(len(y.shape)))

    @classmethod
    def drawn(cls, draw: Random, shape: Shape) -> Gradient:
        """One for an output."""
        order = list(range(len(shape)))
        draw.shuffle(order)
        kind = draw.choice(("mean", "sum", "turned", "last", "cut")) if order else "mean"
        if kind == "last":
            kind, order = "turned", [0, *range(2, len(order)), *([1] if len(order) > 1 else [])]
        return cls(kind, tuple(order))


class Placed(NamedTuple):
    """How a case is run.

    Attributes:
        inputs: how each input lies.
        outputs: how the gradient of each output comes.
        floating: the type of weights and inputs.
        lower: the type that torch.autocast lowers to, if any.
    """

    inputs: tuple[Layout, ...]
    outputs: tuple[Gradient, ...]
    floating: str = "float32"
    lower: str | None = None

    @classmethod
    def plain(cls, case: Case) -> Placed:
        """All in order."""
        outputs = case.op.outputs(*case.inputs)
        inputs = (Layout(tuple(range(len(x.shape)))) for x in case.inputs)
        return cls(tuple(inputs), tuple(Gradient("mean", ()) for _ in outputs))

    @classmethod
    def drawn(cls, draw: Random, case: Case, floating: str, lower: str | None) -> Placed:
        """Anyhow."""
        outputs = case.op.outputs(*case.inputs)
        return cls(
            tuple(Layout.drawn(draw, x.shape) for x in case.inputs),
            tuple(Gradient.drawn(draw, y.shape) for y in outputs),
            floating,
            lower,
        )


class Seen(NamedTuple):
    """What was seen of a case.

    Attributes:
        kept: the storages that are kept, inputs and outputs by name, the others by their bytes.
        outputs: strides of the outputs.
        gradients: strides of the gradients that arrive at the inputs, by their numbers.
        events: the bytes at every allocation.
    """

    kept: Counter[Any]
    outputs: list[tuple[int, ...]]
    gradients: dict[int, tuple[int, ...]]
    events: list[int]


def told(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """Strides where they matter."""
    return tuple(stride for size, stride in zip(shape, strides, strict=True) if size > 1)


def stated(case: Case, needs: bool, frozen: frozenset[str], placed: Placed) -> Seen:
    """What the op says, where a mode watches."""
    tape = Tape(watched=True, floating=placed.floating, lower=placed.lower)
    return _stated(tape, case, needs, frozen, placed)


def requested(case: Case, needs: bool, frozen: frozenset[str], placed: Placed) -> Counter[int]:
    """Bytes of all that the op says that it allocates, where nobody watches."""
    tape = Tape(floating=placed.floating, lower=placed.lower, traffic=True)
    _stated(tape, case, needs, frozen, placed)
    return Counter(storage.bytes for storage, born in tape.traffic or () if born and storage.what != STANDING)


#: the word on what is there before
STANDING = "standing"


def _stated(tape: Tape, case: Case, needs: bool, frozen: frozenset[str], placed: Placed) -> Seen:
    x = case.inputs
    w = _weights(tape, case, frozen, placed.floating)
    shapes = [layout.base(t.shape) for layout, t in zip(placed.inputs, x, strict=True)]
    leaves = [
        tape.state(shape, t.dtype or placed.floating, STANDING, leaf=needs and t.dtype is None)
        for shape, t in zip(shapes, x, strict=True)
    ]
    constant = standing(case.op)
    if constant is not None:
        tape.external(constant.shape, constant.dtype or placed.floating, STANDING)
    bases = [_cloned(tape, leaf) for leaf in leaves]
    arrived: dict[int, tuple[int, ...]] = {}
    given = [
        _noted(tape, layout.on(tape, base, t.shape), arrived, number)
        for number, (layout, base, t) in enumerate(zip(placed.inputs, bases, x, strict=True))
    ]
    before = len(tape.nodes)
    result = case.op.forward(tape, w, tuple(given), case.op.outputs(*x))
    outputs = [result] if isinstance(result, Value) else list(result)
    names = {value.storage: f"output {number}" for number, value in enumerate(outputs)}
    names |= {value.storage: f"input {number}" for number, value in enumerate(given)}
    kept = {storage for node in tape.nodes[before:] for storage in node.saved if storage.bytes and not storage.state}
    found = Counter(names.get(storage, storage.bytes) for storage in kept)
    for value in [*bases, *given, *outputs]:
        tape.hold(value)
    tape.close()
    for cast in tape.casts.values():  # autocast ends
        tape.release(cast)
    tape.casts.clear()
    _differentiate(tape, [loss.on(tape, y) for loss, y in zip(placed.outputs, outputs, strict=True) if y.node])
    laid = [told(value.shape, aten.strides_of(value)) for value in outputs]
    return Seen(found, laid, arrived, [live for *_, live in tape.events])


def _weights(tape: Tape, case: Case, frozen: frozenset[str], floating: str) -> dict[str, Value]:
    state = {True: case.op.parameters(*case.inputs), False: case.op.buffers(*case.inputs)}
    return {
        name: tape.state(tensor.shape, tensor.dtype or floating, STANDING, leaf=leaf and name not in frozen)
        for leaf, tensors in state.items()
        for name, tensor in tensors.items()
    }


def values_of(tape: Tape, case: Case) -> tuple[list[Value], list[Value]]:
    """Inputs in order that need gradients, and the outputs, which the caller holds."""
    weights = _weights(tape, case, frozenset(), "float32")
    leaves = [tape.state(t.shape, t.dtype or "float32", STANDING, leaf=t.dtype is None) for t in case.inputs]
    x = [_cloned(tape, leaf) for leaf in leaves]
    result = case.op.forward(tape, weights, tuple(x), case.op.outputs(*case.inputs))
    y = [result] if isinstance(result, Value) else list(result)
    for value in (*x, *y):
        tape.hold(value)
    return x, y


def _cloned(tape: Tape, leaf: Value) -> Value:
    """A layer in place takes no leaf."""
    leaf.storage.state = False
    if leaf.node is None:
        return leaf
    value = tape.make(leaf.shape, leaf.dtype)
    tape.link(value, (leaf,), passed_on)
    return value


def _noted(tape: Tape, x: Value, arrived: dict[int, tuple[int, ...]], number: int) -> Value:
    """The tensor; how its gradient lies is noted."""
    if x.node is None:
        return x

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        arrived[number] = told(gradient.shape, aten.strides_of(gradient))
        return [gradient]

    y = tape.again(x)
    tape.link(y, (x,), back)
    return y


def _differentiate(tape: Tape, losses: list[Value]) -> None:
    if not losses:
        return
    total = losses[0]
    for number, other in enumerate(losses[1:]):
        before, total = total, aten.add(tape, total, other)
        if number:
            tape.drop(before)
    for value in {*losses, total}:
        tape.hold(value)
    tape.close()
    tape.backward(total)


class Module:
    """The layer of a case in torch, and what it is run on."""

    def __init__(self, case: Case, needs: bool, frozen: frozenset[str], placed: Placed) -> None:
        self.case, self.placed = case, placed
        dtype = FLOATING[placed.floating]
        self.module = case.op.module(torch, *case.inputs)
        self.state: list[torch.Tensor] = []
        if isinstance(self.module, nn.Module):
            self.module.train().to(dtype)
            self.state = [*self.module.parameters(), *self.module.buffers()]
            for name in frozen:
                self.module.get_parameter(name).requires_grad_(False)
        shapes = [layout.base(t.shape) for layout, t in zip(placed.inputs, case.inputs, strict=True)]
        self.leaves = [_leaf(t, shape, needs, dtype) for t, shape in zip(case.inputs, shapes, strict=True)]

    def inputs(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Tensors in order, and the inputs, which are views of them."""
        bases = [leaf.clone() if leaf.requires_grad else leaf for leaf in self.leaves]
        laid = zip(self.placed.inputs, bases, self.case.inputs, strict=True)
        return bases, [layout.of(base, t.shape) for layout, base, t in laid]

    def outputs(self, x: list[torch.Tensor]) -> list[torch.Tensor]:
        """What the layer gives."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.placed.lower is not None):
            y = self.module(*x)
        return list(y) if isinstance(y, (tuple, list)) else [y]

    def differentiate(self, y: list[torch.Tensor]) -> None:
        """A backward pass."""
        losses = [loss.of(one) for loss, one in zip(self.placed.outputs, y, strict=True) if one.requires_grad]
        if losses:
            reduce(torch.add, losses).backward()


def measured(case: Case, needs: bool, frozen: frozenset[str], placed: Placed) -> Seen:
    """What torch does."""
    module = Module(case, needs, frozen, placed)
    kept = _kept(module)
    arrived: dict[int, tuple[int, ...]] = {}

    def note(gradient: torch.Tensor | None, number: int) -> None:
        if gradient is not None:
            arrived[number] = told(gradient.shape, gradient.stride())

    living = Living()
    living.enter(*module.state, *module.leaves)
    with living:
        _bases, x = module.inputs()
        for number, tensor in enumerate(x):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient, number=number: note(gradient, number))
        y = module.outputs(x)
        laid = [told(tensor.shape, tensor.stride()) for tensor in y]
        module.differentiate(y)
    return Seen(kept, laid, arrived, [live for _, live in living.events])


def allocated(case: Case, needs: bool, frozen: frozenset[str], placed: Placed) -> Counter[int]:
    """Bytes of all that is asked of the CPU's allocator, as torch's profiler records it."""
    module = Module(case, needs, frozen, placed)
    module.differentiate(module.outputs(module.inputs()[1]))  # what is made once
    for tensor in (*module.leaves, *module.state):
        tensor.grad = None
    with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as record:
        module.differentiate(module.outputs(module.inputs()[1]))
    events = record.profiler.kineto_results.events()
    return Counter(event.nbytes() for event in events if event.name() == "[memory]" and event.nbytes() > 0)


def _kept(module: Module) -> Counter[Any]:
    """The storages that a forward pass keeps."""
    _bases, x = module.inputs()
    with saving() as held:
        y = module.outputs(x)
        saved = held()
    places = {tensor.untyped_storage().data_ptr(): f"output {number}" for number, tensor in enumerate(y)}
    places |= {tensor.untyped_storage().data_ptr(): f"input {number}" for number, tensor in enumerate(x)}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in saved}
    own = {tensor.untyped_storage().data_ptr() for tensor in module.state}
    return Counter(places.get(place, size) for place, size in storages.items() if place not in own and size)


def _leaf(tensor: Tensor, shape: Shape, needs: bool, dtype: torch.dtype) -> torch.Tensor:
    if tensor.dtype is not None:
        return torch.zeros(shape, dtype=DTYPES[tensor.dtype])
    return torch.rand(shape).to(dtype).requires_grad_(needs)


def frozen_of(case: Case, draw: Random) -> frozenset[str]:
    """Some of the parameters of a case."""
    return frozenset(name for name in case.op.parameters(*case.inputs) if draw.random() < 0.5)


def in_passing(case: Case, frozen: frozenset[str]) -> bool:
    """Whether a kernel makes, and drops, what nobody asks for.

    oneDNN's convolutions make the gradient of the weight where that of the bias alone is wanted; how long the steps of
    a recurrent layer live depends on every single weight.
    """
    alone = "weight" in frozen and "bias" not in frozen and "bias" in case.op.parameters(*case.inputs)
    if (
        type(case.op).__name__ == "EmbeddingBag"
    ):  # a tensor that is shorter than its storage, which Living does not count
        return True
    return (case.op.category == "conv" and alone) or (bool(frozen) and type(case.op).__name__ in ("GRU", "LSTM", "RNN"))
