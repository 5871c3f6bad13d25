"""Activations that are more than one kernel."""

from __future__ import annotations

from archscope.autograd.aten.elementwise import derivative, derived, elementwise, pointwise
from archscope.autograd.aten.kernels import asides, mapped
from archscope.autograd.aten.views import one_ordered, ordered
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Gradients, Node, Shape, Value, strides_behind, strides_of
from archscope.autograd.strides import iterated
from archscope.autograd.tape import Tape


def prelu(t: Tape, x: Value, slope: Value) -> Value:
    """_prelu_kernel: its backward pass makes both gradients in the shape of the input."""
    y = mapped(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        made = t.make_all((x.shape, x.dtype, ""), (x.shape, slope.dtype, ""))
        for one in made:
            one.strides = strides_behind(x.shape, x, slope, gradient)
        return [g if v.node is not None else None for g, v in zip(made, (x, slope), strict=True)]

    t.link(y, (x, slope), back, x, slope)
    return y


def rrelu(t: Tape, x: Value, slopes: Value, *, in_place: bool) -> Value:
    """at::rrelu_with_noise: its output lies in order."""

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [pointwise(t, slopes, gradient)]

    if in_place:
        t.drop(*asides(t, (x, None), (x, None)))
        return t.overwrite(x, back, x, slopes)
    copies = asides(t, (x, None))
    y = t.make(x.shape, x.dtype)
    t.drop(*copies)
    t.link(y, (x,), back, x, slopes)
    return y


def gelu(t: Tape, x: Value, *, exact: bool) -> Value:
    """at::gelu; on the CPU oneDNN takes the gradient of the exact one in order, if so lies the input."""
    y = mapped(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        result = pointwise(t, gradient, x)
        if exact and t.device == "cpu" and ordered(x):
            t.drop(*asides(t, (gradient, None), (result, None)))
        return [result]

    t.link(y, (x,), back, x)
    return y


def log_sigmoid(t: Tape, x: Value, buffer: tuple[Shape, str, str]) -> Value:
    """at::log_sigmoid_forward: both results lie in order, the gradient as the one that arrives."""
    copies = asides(t, (x, None))
    y, extra = t.make_all((x.shape, x.dtype, ""), buffer)
    t.drop(*copies)
    t.link(y, (x,), derivative(), x, extra)
    return y


def glu(t: Tape, x: Value, shape: Shape) -> Value:
    """at::glu: an elementwise function of both halves; its gradient lies in order."""
    half = (shape, strides_of(x))
    y = t.make(shape, x.dtype, "", iterated(shape, half, half))
    t.link(y, (x,), one_ordered, x)
    return y


def magnitude(t: Tape, x: Value) -> Value:
    """|x|."""
    return derived(t, x, saves="input", steps=1)


def clamped(t: Tape, x: Value, limits: int) -> Value:
    """torch.clamp with one limit or two; the gradient is 0 beyond them."""
    y = mapped(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        zero = t.make((), gradient.dtype)
        inside = [mapped(t, x, "", "bool") for _ in range(limits)]
        result = elementwise(t, (inside[0], gradient), gradient.dtype)
        t.drop(zero, *inside)
        return [result]

    t.link(y, (x,), back, x)
    return y


def plus(t: Tape, x: Value, what: str = "") -> Value:
    """A tensor plus a number."""
    y = mapped(t, x, what)
    t.link(y, (x,), passed_on)
    return y
