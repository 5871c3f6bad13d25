"""Reductions over dimensions, whole maps and windows."""

from __future__ import annotations

from collections.abc import Sequence

from archscope.autograd.aten.activations import magnitude
from archscope.autograd.aten.casting import widened
from archscope.autograd.aten.elementwise import multiply, power, scaled
from archscope.autograd.aten.kernels import as_formatted, kernel, like, one_like, with_extra
from archscope.autograd.aten.views import one_ordered
from archscope.autograd.dtypes import FLOATING
from archscope.autograd.graph import Gradients, Node, Shape, Value
from archscope.autograd.strides import channels_last, contiguous
from archscope.autograd.tape import Tape


def mean(t: Tape, x: Value, shape: Shape) -> Value:
    """The mean over dimensions: the gradient is repeated, and divided into a new tensor."""
    y = t.make(shape, x.dtype, "", as_formatted(x, shape))
    t.link(y, (x,), one_like)
    return y


def global_mean(t: Tape, x: Value, shape: Shape) -> Value:
    """An adaptive average pool of a whole map: the mean, to which torch gives strides anew where channels lie last."""
    y = mean(t, x, shape)
    if len(shape) != 4 or as_formatted(x, shape) is None:
        return y
    restrided = t.view(y, shape, channels_last(shape))
    t.link(restrided, (y,), one_ordered)
    return restrided


def summed(t: Tape, x: Value, shape: Shape, kept: Shape) -> Value:
    """The sum over dimensions: the gradient is repeated, which takes no memory."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = contiguous(kept)
        strides = tuple(0 if a == 1 != b else step for a, b, step in zip(kept, x.shape, steps, strict=True))
        return [t.view(gradient, x.shape, strides)]

    t.link(y, (x,), back)
    return y


def accumulated(t: Tape, x: Value, dim: int) -> Value:
    """torch.cumsum: the gradient is added up from the other end. On CUDA autocast gives it float32."""
    dtype = "float32" if t.device == "cuda" and x.dtype == t.lower else x.dtype
    y = t.make(x.shape, dtype if dtype in FLOATING else "int64")

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        if x.shape[dim] == 1:
            return [gradient]
        arrived = gradient if y.dtype == x.dtype else like(t, gradient, "a gradient, cast", x.dtype)
        flipped, added = like(t, arrived), t.make(x.shape, x.dtype)
        result = like(t, added)
        t.drop(flipped, added, *([] if arrived is gradient else [arrived]))
        return [result]

    t.link(y, (x,), back)
    return y


def largest(t: Tape, x: Value, shape: Shape, kept: Shape) -> Value:
    """The maximum over dimensions (amax): the gradient is shared by all that are equal to it."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        equal = t.make(x.shape, "bool")
        count, each = t.make(kept, "int64"), t.make(kept, x.dtype)
        result = t.make(x.shape, x.dtype)
        t.drop(equal, count, each)
        return [result]

    t.link(y, (x,), back, x, y)
    return y


def power_pool(t: Tape, x: Value, shape: Shape, exponent: float, widened_on: Sequence[str]) -> Value:
    """torch.nn.functional.lp_pool1d, lp_pool2d, lp_pool3d."""
    if exponent == float("inf"):
        size = magnitude(t, x)
        y = with_extra(t, widened(t, size, widened_on), shape, (shape, "int64", "the indices"))
        t.drop(size)
        return y
    raised = power(t, x, exponent, "the powers")
    pooled = kernel(t, widened(t, raised, widened_on), shape, saves="input", what="the means of the powers")
    t.drop(raised)
    sign = like(t, pooled, "their signs")
    t.link(sign, (pooled,), one_like)
    size = magnitude(t, pooled)
    positive = kernel(t, size, shape, saves="output", what="their magnitudes")
    t.drop(size)
    product = multiply(t, sign, positive)
    t.drop(sign, positive)
    times = scaled(t, product)
    times.storage.what = "the sums of the powers"
    t.drop(product)
    return power(t, times, 1 / exponent)
