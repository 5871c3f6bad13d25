"""Functions of the elements of two tensors, broadcast; choices between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from archscope.autograd.aten.casting import widened
from archscope.autograd.aten.kernels import casts, like, mapped, strides_like
from archscope.autograd.dtypes import FLOATING, promoted
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Back, Gradients, Node, Shape, Value, strides_behind
from archscope.autograd.strides import contiguous, iterated
from archscope.autograd.tape import Tape


def broadcast(first: Shape, second: Shape) -> Shape:
    """The common shape."""
    if first == second:
        return first
    length = max(len(first), len(second))
    pairs = zip((1,) * (length - len(first)) + first, (1,) * (length - len(second)) + second, strict=True)
    return tuple(b if a == 1 else a for a, b in pairs)


def pointwise(t: Tape, a: Value, b: Value, what: str = "", dtype: str | None = None) -> Value:
    """The result of an elementwise function of two tensors."""
    common = dtype if dtype in FLOATING else promoted(a.dtype, b.dtype, scalars=(not a.shape, not b.shape))
    assert common is not None
    if t.device == "cpu" and not a.dtype == b.dtype == common:
        return _of_types(t, (), (a, b), common, what, dtype)
    return elementwise(t, (a, b), dtype or common, what)


def _of_types(
    t: Tape, before: Sequence[Value], x: Sequence[Value], common: str, what: str = "", dtype: str | None = None
) -> Value:
    """A function of tensors that are cast for it (at::TensorIterator's compute_types on the CPU; at::where).

    What is cast is copied, and dropped; no mode sees it.

    Args:
        before: operands of other types, before the others.
    """
    shape = reduce(broadcast, (value.shape for value in (*before, *x)))
    cast = [value for value in x if value.dtype != common]
    copies = casts(t, common, *x)
    operands = [(value.shape, strides_like(value) if value in cast else value.strides) for value in (*before, *x)]
    written = [(own, contiguous(own) if strides is None else strides) for own, strides in operands]
    y = t.make(shape, dtype or common, what, iterated(shape, *written))
    t.drop(*copies)
    return y


def elementwise(t: Tape, x: Sequence[Value], dtype: str, what: str = "") -> Value:
    """The result of an elementwise function, as at::TensorIterator makes it."""
    shape = reduce(broadcast, (v.shape for v in x))
    return t.make(shape, dtype, what, strides_behind(shape, *x))


def compared(t: Tape, x: Value, other: Value | None = None) -> Value:
    """Truth values of two tensors, or of one and a number, beside which whole numbers are floating ones."""
    if other is not None:
        return pointwise(t, x, other, dtype="bool")
    copies = casts(t, "float32", x) if t.device == "cpu" and x.dtype not in FLOATING else []
    y = mapped(t, x, "", "bool")
    t.drop(*copies)
    return y


def add(t: Tape, a: Value, b: Value) -> Value:
    """a + b: the gradient goes to both (and is summed where one was broadcast)."""
    y = pointwise(t, a, b)
    t.link(y, (a, b), passed_on)
    return y


def subtract(t: Tape, a: Value, b: Value) -> Value:
    """a - b."""
    y = pointwise(t, a, b)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [gradient, mapped(t, gradient) if b.node is not None else None]

    t.link(y, (a, b), back)
    return y


def multiply(t: Tape, a: Value, b: Value, what: str = "") -> Value:
    """a b: each side is kept where the other one needs a gradient."""
    y = pointwise(t, a, b, what)
    saved = [other for other, side in ((b, a), (a, b)) if side.node is not None]

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        sides = ((a, b), (b, a))
        return [pointwise(t, gradient, other) if side.node is not None else None for side, other in sides]

    t.link(y, (a, b), back, *saved)
    return y


def divide(t: Tape, a: Value, b: Value) -> Value:
    """a / b; of whole numbers it has torch's default type, whatever that of the design."""
    floating = a.dtype in FLOATING or b.dtype in FLOATING
    y = pointwise(t, a, b, dtype=None if floating else "float32")
    saved = (a, b) if b.node is not None else (b,)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        second = None
        if b.node is not None:
            ratio = pointwise(t, a, b)  # -grad * ((a / b) / b)
            squared = pointwise(t, ratio, b)
            negated = mapped(t, gradient)
            second = pointwise(t, negated, squared)
            t.drop(ratio, squared, negated)
        first = pointwise(t, gradient, b) if a.node is not None else None
        return [first, second]

    t.link(y, (a, b), back, *saved)
    return y


def extremum(t: Tape, a: Value, b: Value) -> Value:
    """The larger or the smaller of two tensors; where they are equal, each gets half of the gradient."""
    y = pointwise(t, a, b)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        results: list[Value | None] = []
        for side in (a, b):
            if side.node is None:
                results.append(None)
                continue
            half = mapped(t, gradient)  # where(a == b, grad / 2, grad).masked_fill_(a < b, 0)
            equal = pointwise(t, a, b, "", "bool")
            results.append(elementwise(t, (equal, half, gradient), gradient.dtype))
            less = pointwise(t, a, b, "", "bool")
            t.drop(half, equal, less)
        return results

    t.link(y, (a, b), back, a, b)
    return y


def derived(
    t: Tape, x: Value, *, saves: str = "", steps: int = 0, what: str = "", leads: bool = False, scales: bool = False
) -> Value:
    """An elementwise function of one tensor, whose derivative is of its ``input`` or ``output`` or neither.

    Args:
        steps: tensors that the derivative makes in passing.
        leads: whether what is saved is the first operand of the derivative, and the gradient that arrives the second.
        scales: whether the gradient that arrives is first multiplied by a number, one of the steps.
    """
    y = mapped(t, x, what)
    saved = {"input": (x,), "output": (y,)}.get(saves, ())
    t.link(y, (x,), derivative(*saved, steps=steps, leads=leads, scales=scales), *saved)
    return y


def derivative(*saved: Value, steps: int = 0, leads: bool = False, scales: bool = False) -> Back:
    """The gradient of an elementwise function, of what it saved (:func:`derived`)."""

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        if not steps:
            operands = (*saved, gradient) if leads else (gradient, *saved)
            return [t.make(gradient.shape, gradient.dtype, "", strides_behind(gradient.shape, *operands))]
        passing = [mapped(t, gradient)] if scales else []
        passing += [mapped(t, saved[0]) for _ in range(steps - len(passing))]
        first, other = passing[0] if scales else gradient, passing[-1] if steps > scales else saved[0]
        result = pointwise(t, other, first) if leads else pointwise(t, first, other)
        t.drop(*passing)
        return [result]

    return back


def in_place(
    t: Tape, x: Value, *, saves: str, leads: bool = False, apart: bool = False, idempotent: bool = False
) -> Value:
    """An elementwise function that overwrites its input, and keeps its ``output``, or a ``copy`` of its input."""
    if not t.grad or x.node is None:
        return t.overwrite(x, derivative(), apart=apart, idempotent=idempotent)
    saved = like(t, x, "a copy of the input") if saves == "copy" else x
    return t.overwrite(x, derivative(saved, leads=leads), saved, apart=apart, idempotent=idempotent)


def scaled(t: Tape, x: Value) -> Value:
    """A tensor times a number, or its negative."""
    return derived(t, x)


def power(t: Tape, x: Value, exponent: float, what: str = "") -> Value:
    """x to a number; the derivative is grad * (exponent * x^(exponent - 1))."""
    x = widened(t, x, ("cuda",))
    y = mapped(t, x, what)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        if exponent == 0:
            return [t.make(x.shape, x.dtype)]
        raised, times = mapped(t, x), mapped(t, x)
        result = pointwise(t, gradient, x)
        t.drop(raised, times)
        return [result]

    t.link(y, (x,), back, x)
    return y


def where(t: Tape, condition: Value, a: Value, b: Value) -> Value:
    """torch.where: each gets the gradient where it was chosen, and zeros elsewhere."""
    y = _of_types(t, (condition,), (a, b), promoted(a.dtype, b.dtype, scalars=(not a.shape, not b.shape)))

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        results: list[Value | None] = []
        for side in (a, b):
            if side.node is None:
                results.append(None)
                continue
            zero = t.make((), gradient.dtype)
            results.append(elementwise(t, (condition, gradient), gradient.dtype))
            t.drop(zero)
        return results

    t.link(y, (a, b), back, condition)
    return y


def masked_fill(t: Tape, x: Value, mask: Value) -> Value:
    """torch.masked_fill: the gradient is zero where the mask is set."""
    shape = broadcast(x.shape, mask.shape)
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [t.make(gradient.shape, gradient.dtype)]

    t.link(y, (x,), back, mask)
    return y
