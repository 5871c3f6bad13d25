"""Reductions over dimensions, whole maps and windows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from archscope.autograd.aten.activations import magnitude
from archscope.autograd.aten.casting import widened
from archscope.autograd.aten.elementwise import derived, multiply, pointwise, power, scaled
from archscope.autograd.aten.kernels import (
    AS_INPUT,
    IN_ORDER,
    IN_ORDER_STRIDED,
    Format,
    as_formatted,
    asides,
    casts,
    kernel,
    like,
    with_extra,
)
from archscope.autograd.aten.views import one_ordered, view_or_copy
from archscope.autograd.dtypes import FLOATING
from archscope.autograd.graph import Gradients, Node, Shape, Value, strides_of
from archscope.autograd.strides import Strides, as_row, channels_last, contiguous, iterated, reshaped
from archscope.autograd.tape import Tape


def mean(t: Tape, x: Value, shape: Shape, dims: Collection[int]) -> Value:
    """The mean over dimensions: the gradient is repeated, and divided into a new tensor."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [t.make(x.shape, gradient.dtype, "", iterated(x.shape, restored(gradient, x.shape, dims)))]

    t.link(y, (x,), back)
    return y


def with_ones(shape: Shape, dims: Collection[int]) -> Shape:
    """A shape with a 1 in place of each dimension that is reduced."""
    return tuple(1 if dim in dims else size for dim, size in enumerate(shape))


def restored(y: Value, shape: Shape, dims: Collection[int]) -> tuple[Shape, Strides]:
    """What a reduction over some dimensions of a tensor of a shape gave, with those of size 1 again (unsqueeze)."""
    sizes, steps = list(y.shape), list(strides_of(y))
    for dim in sorted(dims) if len(sizes) < len(shape) else ():
        steps.insert(dim, sizes[dim] * steps[dim] if dim < len(sizes) else 1)
        sizes.insert(dim, 1)
    return with_ones(shape, dims), tuple(steps)


def global_mean(t: Tape, x: Value, shape: Shape) -> Value:
    """An adaptive average pool of a whole map: the mean, to which torch gives strides anew where channels lie last."""
    return _planar(t, x, shape, _global_mean)


def _global_mean(t: Tape, x: Value, shape: Shape) -> Value:
    y = mean(t, x, shape, range(2, len(shape)))
    if as_formatted(x, shape) is None:
        return y
    restrided = t.view(y, shape, channels_last(shape), unsafe=True)
    t.link(restrided, (y,), one_ordered)
    return restrided


def summed(t: Tape, x: Value, shape: Shape, dims: Collection[int]) -> Value:
    """The sum over dimensions: the gradient is repeated, which takes no memory."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        sizes, steps = restored(gradient, x.shape, dims)
        strides = tuple(0 if a == 1 != b else step for a, b, step in zip(sizes, x.shape, steps, strict=True))
        return [t.view(gradient, x.shape, strides)]

    t.link(y, (x,), back)
    return y


def accumulated(t: Tape, x: Value, dim: int) -> Value:
    """torch.cumsum: the gradient is added up from the other end. On CUDA autocast gives it float32."""
    dtype = "float32" if t.device == "cuda" and x.dtype == t.lower else x.dtype
    wide = dtype if dtype in FLOATING else "int64"
    copies = casts(t, wide, x)
    y = t.make(x.shape, wide)
    t.drop(*copies)

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


def largest(t: Tape, x: Value, shape: Shape, dims: Collection[int]) -> Value:
    """The maximum over dimensions (amax): the gradient is shared by all that are equal to it.

    Dimensions that were reduced come back by a reshape (restore_reduced_dims), not by an unsqueeze.
    """
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        ones = with_ones(x.shape, dims)
        most = reshaped(y.shape, strides_of(y), ones) or contiguous(ones)
        equal = t.make(x.shape, "bool", "", iterated(x.shape, (ones, most), (x.shape, strides_of(x))))
        count = counted(t, equal, dims)
        each = pointwise(t, view_or_copy(t, gradient, ones), count)
        result = pointwise(t, each, equal)
        t.drop(equal, count, each)
        return [result]

    t.link(y, (x,), back, x, y)
    return y


def counted(t: Tape, mask: Value, dims: Collection[int]) -> Value:
    """How often a mask holds: the sum of truth values, which the CPU casts before."""
    copies = casts(t, "int64", mask) if t.device == "cpu" else []
    y = t.make(with_ones(mask.shape, dims), "int64")
    t.drop(*copies)
    return y


def average_pool(t: Tape, x: Value, shape: Shape, *, adaptive: bool = False) -> Value:
    """Means of windows (at::avg_pool2d, at::_adaptive_avg_pool2d and their kin)."""
    lays = _pooled(shape, adaptive=adaptive)
    return _planar(t, x, shape, lambda t, x, shape: kernel(t, x, shape, saves="input", lays=lays))


def maximum_pool(t: Tape, x: Value, shape: Shape, *, adaptive: bool = False) -> Value:
    """Maxima of windows and their places (at::max_pool2d_with_indices, at::adaptive_max_pool2d and their kin).

    Lines that need no gradient are pooled without places on the CPU (at::max_pool1d), where no mode watches.
    """
    if len(shape) == 3 and not adaptive and t.device == "cpu" and not t.watched and not (t.grad and x.node is not None):
        copies = asides(t, (x, None))
        y = t.make(shape, x.dtype)
        t.drop(*copies)
        return y

    def pool(t: Tape, x: Value, shape: Shape) -> Value:
        lays = AS_INPUT
        if adaptive:
            lays = _pooled(shape, adaptive=True)._replace(turns=False)
        return with_extra(t, x, shape, (shape, "int64", "the indices"), lays=lays)

    return _planar(t, x, shape, pool)


def _pooled(shape: Shape, *, adaptive: bool) -> Format:
    """Means, and adaptive maxima, over three axes lie in order."""
    if len(shape) != 5:
        return AS_INPUT
    return IN_ORDER_STRIDED if adaptive else IN_ORDER


def _planar(t: Tape, x: Value, shape: Shape, pool: Callable[[Tape, Value, Shape], Value]) -> Value:
    """A pool of lines: torch pools maps of one row."""
    if len(shape) != 3:
        return pool(t, x, shape)
    start = t.begin()
    row = _row(t, x)
    t.link(row, (x,), lambda t, node, gradients: [_line(t, gradient) for gradient in gradients if gradient])
    maps = pool(t, row, (*shape[:2], 1, shape[2]))
    y = _line(t, maps)
    t.link(y, (maps,), lambda t, node, gradients: [_row(t, gradient) for gradient in gradients if gradient])
    t.end(start, y)
    return y


def _row(t: Tape, x: Value) -> Value:
    """Lines as maps of one row (unsqueeze(-2))."""
    shape, steps = as_row(x.shape, strides_of(x))
    return t.view(x, tuple(shape), steps)


def _line(t: Tape, x: Value) -> Value:
    """Maps of one row as lines (squeeze(-2))."""
    steps = strides_of(x)
    return t.view(x, (*x.shape[:2], x.shape[3]), (*steps[:2], steps[3]))


def power_pool(t: Tape, x: Value, shape: Shape, exponent: float, widened_on: Sequence[str]) -> Value:
    """torch.nn.functional.lp_pool1d, lp_pool2d, lp_pool3d."""
    if exponent == float("inf"):
        size = magnitude(t, x)
        y = maximum_pool(t, widened(t, size, widened_on), shape)
        t.drop(size)
        return y
    raised = power(t, x, exponent, "the powers")
    pooled = average_pool(t, widened(t, raised, widened_on), shape)
    pooled.storage.what = "the means of the powers"
    t.drop(raised)
    sign = derived(t, pooled, what="their signs")
    size = magnitude(t, pooled)
    positive = derived(t, size, saves="output", what="their magnitudes", leads=True)
    t.drop(size)
    product = multiply(t, sign, positive)
    t.drop(sign, positive)
    times = scaled(t, product)
    times.storage.what = "the sums of the powers"
    t.drop(product)
    return power(t, times, 1 / exponent)
