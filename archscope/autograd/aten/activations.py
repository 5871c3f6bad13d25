"""Activations that are more than one kernel."""

from __future__ import annotations

from archscope.autograd.aten.elementwise import pointwise
from archscope.autograd.aten.kernels import like, one_like
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Gradients, Node, Value
from archscope.autograd.tape import Tape


def prelu(t: Tape, x: Value, slope: Value) -> Value:
    """_prelu_kernel: its backward pass makes both gradients in the shape of the input."""
    y = like(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        made = t.make_all((x.shape, x.dtype, ""), (x.shape, slope.dtype, ""))
        return [g if v.node is not None else None for g, v in zip(made, (x, slope), strict=True)]

    t.link(y, (x, slope), back, x, slope)
    return y


def rrelu(t: Tape, x: Value, slopes: Value, *, in_place: bool) -> Value:
    """rrelu_with_noise."""
    if in_place:
        return t.overwrite(x, one_like, x, slopes)
    y = like(t, x)
    t.link(y, (x,), one_like, x, slopes)
    return y


def derived(t: Tape, x: Value, *, saves: str, steps: int, what: str = "", leads: bool = False) -> Value:
    """An elementwise function of one tensor, whose derivative is of its ``input`` or ``output``, and takes steps.

    Args:
        steps: tensors that the derivative makes in passing.
        leads: whether the derivative is the first factor of the gradient, which then lies as it does.
    """
    y = like(t, x, what)
    read = x if saves == "input" else y

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        passing = [like(t, read) for _ in range(steps)]
        result = pointwise(t, read, gradient) if leads else pointwise(t, gradient, read)
        t.drop(*passing)
        return [result]

    t.link(y, (x,), back, read)
    return y


def magnitude(t: Tape, x: Value) -> Value:
    """|x|."""
    return derived(t, x, saves="input", steps=1)


def clamped(t: Tape, x: Value, limits: int) -> Value:
    """torch.clamp with one limit or two; the gradient is 0 beyond them."""
    y = like(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        zero = t.make((), gradient.dtype)
        inside = [like(t, x, "", "bool") for _ in range(limits)]
        result = pointwise(t, inside[0], gradient)
        t.drop(zero, *inside)
        return [result]

    t.link(y, (x,), back, x)
    return y


def plus(t: Tape, x: Value, what: str = "") -> Value:
    """A tensor plus a number."""
    y = like(t, x, what)
    t.link(y, (x,), passed_on)
    return y
