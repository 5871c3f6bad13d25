"""Tensors joined, taken apart, repeated, and moved round."""

from __future__ import annotations

from collections.abc import Sequence

from archscope.autograd.aten.casting import widest
from archscope.autograd.aten.kernels import as_formatted, like
from archscope.autograd.aten.views import one_ordered
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Gradients, Node, Shape, Value, strides_joined, strides_of
from archscope.autograd.strides import contiguous, joined
from archscope.autograd.tape import Tape


def cat(t: Tape, x: Sequence[Value], shape: Shape, dim: int) -> Value:
    """torch.cat: each gets its slice of the gradient."""
    start = t.begin()
    x, dtype = widest(t, x)
    y = t.make(shape, dtype, "", strides_joined(shape, *x))

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = strides_of(gradient)
        return [t.view(gradient, value.shape, steps) if value.node is not None else None for value in x]

    t.link(y, tuple(x), back)
    t.end(start, y)
    return y


def stack(t: Tape, x: Sequence[Value], shape: Shape, dim: int) -> Value:
    """torch.stack: joined along the dimension, which is then cut in two."""
    x, dtype = widest(t, x)
    strides = None
    if dim < len(shape) - 1:
        strides = strides_joined((*shape[:dim], shape[dim] * shape[dim + 1], *shape[dim + 2 :]), *x)
    if strides is not None:
        strides = (*strides[:dim], shape[dim + 1] * strides[dim], *strides[dim:])
    y = t.make(shape, dtype, "", strides)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = strides_of(gradient)
        rest = (*steps[:dim], *steps[dim + 1 :])
        return [t.view(gradient, value.shape, rest) if value.node is not None else None for value in x]

    t.link(y, tuple(x), back)
    return y


def unbind(t: Tape, x: Value, shown: int) -> list[Value]:
    """torch.unbind along the first dimension: the gradients are stacked, zeros for those that do not arrive.

    Args:
        shown: how many of them are told: the others are like these.
    """
    parts = [t.view(x, x.shape[1:], strides_of(x)[1:]) for _ in range(shown)]

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        zeros = [t.make(x.shape[1:], x.dtype) for gradient in gradients if gradient is None]
        joined = t.make(x.shape, x.dtype)
        t.drop(*zeros)
        return [joined]

    t.link(parts, (x,), back)
    return parts


def rolled(t: Tape, x: Value, shifts: Sequence[int], dims: Sequence[int]) -> Value:
    """torch.roll: dimension by dimension, from the joined parts of what was rolled before; so is the gradient."""
    y = _rolled(t, x, shifts, dims)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [_rolled(t, gradient, [-shift for shift in reversed(shifts)], dims[::-1])]

    t.link(y, (x,), back)
    return y


def _rolled(t: Tape, x: Value, shifts: Sequence[int], dims: Sequence[int]) -> Value:
    layouts = [strides_of(x)]
    for shift, dim in zip(shifts, dims, strict=True):
        start = -shift % x.shape[dim]
        cuts = [(*x.shape[:dim], size, *x.shape[dim + 1 :]) for size in (x.shape[dim] - start, start)]
        layouts.append(joined(x.shape, *((cut, layouts[-1]) for cut in cuts)) or contiguous(x.shape))
    passing = [] if t.watched else [t.make(x.shape, x.dtype, "", strides) for strides in layouts[1:-1]]
    y = t.make(x.shape, x.dtype, "", layouts[-1])
    t.drop(*passing)
    return y


def tiled(t: Tape, x: Value, shape: Shape) -> Value:
    """torch.tile: always a copy; the gradients of the repeats are summed."""
    y = t.make(shape, x.dtype)
    t.link(y, (x,), passed_on if shape == x.shape else one_ordered)
    return y


def constant_pad(t: Tape, x: Value, ends: Sequence[tuple[int, int]]) -> Value:
    """at::constant_pad_nd of the last dimensions; its gradient is padded by as much less."""
    y = _padded(t, x, ends)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [_padded(t, gradient, [(-left, -right) for left, right in ends])]

    t.link(y, (x,), back)
    return y


def _padded(t: Tape, x: Value, ends: Sequence[tuple[int, int]]) -> Value:
    """A map in the format of the input; where nothing is added, a copy of what is left of that."""
    rank = len(x.shape) - len(ends)
    grown = (size + left + right for size, (left, right) in zip(x.shape[rank:], ends, strict=True))
    shape = (*x.shape[:rank], *grown)
    if any(end > 0 for pair in ends for end in pair):
        return t.make(shape, x.dtype, "", as_formatted(x, shape))
    return like(t, t.view(x, shape, strides_of(x)))


def circular_pad(t: Tape, x: Value, ends: Sequence[tuple[int, int]]) -> Value:
    """at::_pad_circular: the map is copied into a larger one, whose borders are then copied within it."""
    rank = len(ends)
    sizes = [size + left + right for size, (left, right) in zip(x.shape[-rank:], ends, strict=True)]
    y = t.make((*x.shape[:-rank], *sizes), x.dtype, "the input, padded")
    source = x
    for number, (left, right) in reversed(list(enumerate(ends))):
        dim = len(x.shape) - rank + number
        size = source.shape[dim] + min(left, 0) + min(right, 0)
        source = _sliced(t, source, dim, size)

    def first(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        whole, piece = t.make(y.shape, y.dtype), t.make(source.shape, y.dtype)
        t.drop(whole)
        return [piece]

    filled = t.view(y, y.shape, None, unsafe=True)
    t.link(filled, (source,), first)
    for number, pair in reversed(list(enumerate(ends))):
        for size in pair:
            if size > 0:
                filled = _wrapped(t, filled, len(x.shape) - rank + number, size)
    return filled


def _sliced(t: Tape, x: Value, dim: int, size: int) -> Value:
    y = t.view(x, (*x.shape[:dim], size, *x.shape[dim + 1 :]), strides_of(x))
    t.link(y, (x,), one_ordered)
    return y


def _wrapped(t: Tape, x: Value, dim: int, size: int) -> Value:
    """A border of a map overwritten by a slice of the map (torch::autograd::CopySlices)."""
    border = _sliced(t, x, dim, size)
    y = t.view(x, x.shape, None, unsafe=True)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        whole, piece = t.make(x.shape, x.dtype), t.make(border.shape, x.dtype)
        zeros = t.make(border.shape, x.dtype)
        t.drop(zeros)
        return [whole, piece]

    t.link(y, (x, border), back)
    return y
