"""Rows looked up in tables."""

from __future__ import annotations

from archscope.autograd.aten.kernels import asides
from archscope.autograd.aten.views import copied, one_ordered, reshape
from archscope.autograd.graph import Gradients, Node, Shape, Value, strides_of
from archscope.autograd.strides import Strides, contiguous, iterated, reshaped
from archscope.autograd.tape import Tape


def embedding(t: Tape, weight: Value, indices: Value, shape: Shape) -> Value:
    """A row of a table for every index; its gradient is a whole table (``sparse`` ones are counted as if they were)."""
    copies = asides(t, (indices, None))
    y = t.make(shape, weight.dtype)
    t.drop(*copies)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        copies = asides(t, (indices, None), (gradient, None))
        result = t.make(weight.shape, weight.dtype)
        t.drop(*copies)
        return [result]

    t.link(y, (weight,), back, indices)
    return y


def embedding_bag(t: Tape, weight: Value, indices: Value, mode: str, *, padded: bool) -> Value:
    """torch.nn.functional.embedding_bag over the rows of a matrix of indices; its gradient is a whole table.

    Offsets are made for the rows; the kernel gives the bag of each index (not where it sums at once, is_fast_path), the
    size of each bag, and where a maximum was found. The first is made an element longer than it is.
    """
    bags, length = indices.shape
    offsets = t.make((bags,), "int64", "the offsets of the bags")
    flat = copied(t, reshape(t, indices, (bags * length,)))
    shape = (bags, weight.shape[1]) if mode == "max" else (bags,)
    y, *others = t.make_all(
        ((bags, weight.shape[1]), weight.dtype, ""),
        ((0 if mode == "sum" and not padded else bags * length + 1,), "int64", "the bag of each index"),
        ((bags,), "int64", "the sizes of the bags"),
        (shape, "int64", "where the maxima are"),
    )
    t.link(y, (weight,), one_ordered, flat, offsets, *others)
    t.drop(offsets, *others)
    return y


def indexed(t: Tape, x: Value, places: Value, dim: int, shape: Shape) -> Value:
    """x[..., places] (at::index): an iterator over the tensor, one place of the dimension, and the places."""
    steps = strides_of(x)
    source = (*steps[:dim], *(0 for _ in places.shape), *steps[dim + 1 :])
    wide = ((1,) * dim) + places.shape + (1,) * (len(x.shape) - dim - 1)
    strides = reshaped(places.shape, strides_of(places), wide) or contiguous(wide)
    return looked_up(t, x, places, shape, strides=iterated(shape, (shape, source), (wide, strides)))


def looked_up(t: Tape, x: Value, places: Value, shape: Shape, *saved: Value, strides: Strides | None = None) -> Value:
    """x at some places (at::index, at::gather); gradients are added into zeros, out of place where watched."""
    y = t.make(shape, x.dtype, "", strides)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        zeros = t.make(x.shape, x.dtype)
        if not t.watched:
            return [zeros]
        summed = t.make(x.shape, x.dtype)
        t.drop(zeros)
        return [summed]

    t.link(y, (x,), back, places, *saved)
    return y
