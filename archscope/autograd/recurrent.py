"""Recurrent layers step by step, as torch's native kernels compute them (aten/src/ATen/native/RNN.cpp).

The fused kernels of oneDNN (an LSTM without projection on the CPU) and of cuDNN keep a workspace of their own, whose
size is theirs to say. On the CPU the native ones are counted in their place; on CUDA the tensors that torch makes
around cuDNN's kernel, and for its reserve what the native ones keep of the gates and the states.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import NamedTuple

from archscope.autograd import aten
from archscope.autograd.gradients import together
from archscope.autograd.graph import Gradients, Node, Shape, Value
from archscope.autograd.tape import Tape
from archscope.errors import UsageError

#: the parameters of a layer and direction, without its name
_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
#: what gives the product of an input with its weights, where a step wants it
Arrive = Callable[[], Value]


def _of_gate(product: Value) -> Value:
    return product


class CellStep(ABC):
    """One step of a layer and direction."""

    #: how many states there are
    states = 1

    @abstractmethod
    def step(
        self, t: Tape, arrive: Arrive, states: Sequence[Value], w: Mapping[str, Value], *, own: bool = False
    ) -> list[Value]:
        """The states behind a step, the one that is its output first.

        Args:
            arrive: gives the product of the input with its weights.
            w: ``weight_hh``, perhaps ``bias_hh`` and ``weight_hr``.
            own: whether that product is made for this step alone.
        """


class ElmanStep(CellStep):
    """h' = tanh(W_ih x + W_hh h + b), or relu."""

    def step(
        self, t: Tape, arrive: Arrive, states: Sequence[Value], w: Mapping[str, Value], *, own: bool = False
    ) -> list[Value]:
        gates = aten.linear(t, states[0], w["weight_hh"], w.get("bias_hh"))
        both = aten.added(t, gates, arrive())
        state = aten.derived(t, both, saves="output")
        state.storage.what = "the state"
        return [state]


class LSTMStep(CellStep):
    """i, f, o = sigmoid(...), g = tanh(...), c' = f c + i g, h' = o tanh(c'), perhaps projected."""

    states = 2

    def step(
        self, t: Tape, arrive: Arrive, states: Sequence[Value], w: Mapping[str, Value], *, own: bool = False
    ) -> list[Value]:
        hidden, cell = states
        product = aten.linear(t, hidden, w["weight_hh"], w.get("bias_hh"))
        product.storage.what = "the gates"
        arrived = arrive()
        both = aten.added(t, product, arrived)
        t.drop(*([arrived] if own else []))
        size = both.shape[1] // 4
        chunks = aten.split(t, both, 1, (size,) * 4, unsafe=True)
        i, f, g, o = (aten.in_place(t, chunk, saves="output", apart=True) for chunk in chunks)
        old, new = aten.multiply(t, f, cell), aten.multiply(t, i, g)
        following = aten.added(t, old, new)
        t.drop(new)
        following.storage.what = "the cell"
        bounded = aten.derived(t, following, saves="output")
        bounded.storage.what = "tanh of the cell"
        output = aten.multiply(t, o, bounded, "the state")
        t.drop(bounded)
        if "weight_hr" in w:
            output.storage.what = "the state before its projection"
            weight = w["weight_hr"]  # autocast sees it transposed, and casts that at every step
            projected = aten.linear(t, output, weight if t.lower is None else aten.cast(t, weight, t.lower), None)
            projected.storage.what = "the state"
            output = projected
        return [output, following]


class GRUStep(CellStep):
    """r, z = sigmoid(...), n = tanh(W x + b + r (W h + b)), h' = (1 - z) n + z h."""

    def step(
        self, t: Tape, arrive: Arrive, states: Sequence[Value], w: Mapping[str, Value], *, own: bool = False
    ) -> list[Value]:
        (hidden,), arrived = states, arrive()
        size = arrived.shape[1] // 3
        inputs = aten.split(t, arrived, 1, (size,) * 3, unsafe=True)
        product = aten.linear(t, hidden, w["weight_hh"], w.get("bias_hh"))
        product.storage.what = "the products with the state"
        gates = aten.split(t, product, 1, (size,) * 3, unsafe=True)
        reset = aten.in_place(t, aten.added(t, gates[0], inputs[0]), saves="output", apart=True)
        update = aten.in_place(t, aten.added(t, gates[1], inputs[1]), saves="output", apart=True)
        chosen = _multiplied(t, gates[2], reset)
        new = aten.in_place(t, aten.add(t, inputs[2], chosen), saves="output")
        new.storage.what = "n"
        difference = _multiplied(t, aten.subtract(t, hidden, new), update)
        state = aten.added(t, difference, new)
        state.storage.what = "the state"
        return [state]


def _multiplied(t: Tape, x: Value, other: Value) -> Value:
    """x *= other: the derivative needs both, and so a copy of what is overwritten."""
    saved = []
    if t.grad and x.node is not None:
        saved.append(other)
    if t.grad and other.node is not None:
        saved.append(aten.like(t, x, "a copy"))
    y = t.again(x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [aten.pointwise(t, gradient, b) if a.node is not None else None for a, b in ((x, other), (other, x))]

    t.link(y, (x, other), back, *saved)
    return y


def stepped(
    t: Tape, cell: CellStep, x: Value, states: Sequence[Value], w: Mapping[str, Value], *, hidden: int
) -> list[Value]:
    """A cell on its own (at::lstm_cell, at::gru_cell, at::rnn_tanh_cell): a step with a product of its own.

    Args:
        states: before the step; without any, zeros are made, once for all.

    Raises:
        UsageError: a CUDA device, whose kernels are fused.
    """
    if t.device == "cuda":
        raise UsageError(f"{t.layer}: what the fused kernels of recurrent cells keep on CUDA is not known")
    before = states or [t.make((x.shape[0], hidden), x.dtype, "the first states")] * cell.states
    start = t.begin()
    arrive = partial(aten.linear, t, x, w["weight_ih"], w.get("bias_ih"))
    results = cell.step(t, arrive, before, w, own=True)
    t.end(start, *results)
    return results


class _Direction(NamedTuple):
    """A layer in one direction.

    Attributes:
        outputs: of all steps, joined.
        states: behind the last step.
        before: the outputs of the steps before it, where they live until the other direction is done, too.
    """

    outputs: Value
    states: list[Value]
    before: list[Value]


def recurrent(
    t: Tape,
    cell: CellStep,
    x: Value,
    w: Mapping[str, Value],
    *,
    hidden: int,
    layers: int,
    directions: Sequence[str],
    batch_first: bool,
    dropout: float,
) -> list[Value]:
    """The outputs of the last layer, and the states of all.

    Args:
        directions: suffixes of the parameters of each.
    """
    batch = x.shape[0] if batch_first else x.shape[1]
    out = w[f"weight_hh_l0{directions[0]}"].shape[1]
    sizes = [out, hidden][: cell.states]
    if t.device == "cuda":
        shapes = [(*x.shape[:2], len(directions) * out), *((layers * len(directions), batch, size) for size in sizes)]
        rows = w[f"weight_hh_l0{directions[0]}"].shape[0] + cell.states * hidden
        return _cudnn(
            t, x, w, shapes, layers * len(directions) * x.shape[0] * x.shape[1] * rows, batch_first=batch_first
        )
    first = [t.make((layers * len(directions), batch, size), x.dtype, "the first states") for size in sizes]
    below = aten.swapped(t, x, 0, 1) if batch_first else x
    states: list[list[Value]] = []
    for layer in range(layers):
        if layer and dropout > 0 and t.training:
            certain = below
            below = aten.dropout(t, certain, all_of_it=dropout == 1)
            t.drop(certain)
        done: list[_Direction] = []
        products: Value | None = None
        for suffix in directions:
            own = {name: w[whole] for name in _WEIGHTS if (whole := f"{name}_l{layer}{suffix}") in w}
            firsts = [aten.select(t, state, 0) for state in first]
            before, products = products, aten.linear(t, below, own["weight_ih"], own.get("bias_ih"))
            if before is not None:
                t.drop(before)
            both = len(directions) > 1
            done.append(_direction(t, cell, products, firsts, own, backwards=bool(suffix), both=both))
            states.append(done[-1].states)
        outputs = done[0].outputs
        if len(done) > 1:
            shape = (*outputs.shape[:2], 2 * out)
            outputs = aten.cat(t, [direction.outputs for direction in done], shape, 2)
            t.drop(*(value for direction in done for value in (direction.outputs, *direction.before)))
        if layer:
            t.drop(below)
        below = outputs
        t.drop(*([] if products is None else [products]))
    final = [
        aten.stack(t, [each[kind] for each in states], (len(states), *states[0][kind].shape), 0)
        for kind in reversed(range(cell.states))  # as C++ evaluates the arguments
    ]
    return [aten.swapped(t, below, 0, 1) if batch_first else below, *reversed(final)]


def _cudnn(
    t: Tape, x: Value, w: Mapping[str, Value], shapes: Sequence[Shape], reserve: int, *, batch_first: bool
) -> list[Value]:
    """at::_cudnn_rnn: all layers and steps by one kernel; under autocast of weights that are cast into one piece.

    Args:
        shapes: of the outputs and the states.
        reserve: elements that it keeps in training.
    """
    start = t.begin()
    weights = tuple(w.values())
    (x,) = aten.lowered(t, x)
    dtype = x.dtype
    if any(weight.dtype != dtype for weight in weights):
        size = sum(prod(weight.shape) for weight in weights)
        flat = t.make((size,), dtype, f"the weights, cast to {dtype}")
        t.link(flat, weights, together)
        weights = (flat,)
    for shape in shapes[1:]:
        t.make(shape, dtype, "the first states")
    if batch_first:
        aten.like(t, x, "the input, the steps first")
    made = [(shape, dtype, "") for shape in shapes]
    extra = [((reserve,), dtype, "cuDNN's reserve, as large as what native kernels keep")] if t.grad else []
    outputs = t.make_all(*made, *extra)
    y, states = outputs[0], outputs[1 : len(shapes)]
    t.link((y, *states), (x, *weights), together, x, *weights, y, *outputs[len(shapes) :])
    t.end(start, y, *states)
    return [y, *states]


def _direction(
    t: Tape,
    cell: CellStep,
    products: Value,
    states: list[Value],
    w: Mapping[str, Value],
    *,
    backwards: bool,
    both: bool,
) -> _Direction:
    """All steps of a layer in one direction, or one of both, behind the products of its inputs with their weights."""
    start = t.begin()
    count = products.shape[0]
    loop = t.loop(count)
    arrived = aten.unbind(t, products, count if loop is None else loop.shown)
    outputs = []
    for product in reversed(arrived) if backwards else arrived:
        before = t.begin()
        with t.step(loop):
            states = cell.step(t, partial(_of_gate, product), states, w)
            t.end(before, *states)
        outputs.append(states[0])
    y = aten.stack(t, outputs, (count, *outputs[0].shape), 0)
    y.storage.what = "the outputs of the layer below"
    behind = outputs[:-1] if both else []
    t.end(start, y, *states, *behind)
    return _Direction(y, states, behind)
