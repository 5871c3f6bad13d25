"""Dropout."""

from __future__ import annotations

from archscope.autograd.aten.elementwise import derivative, pointwise
from archscope.autograd.aten.kernels import like, mapped, strides_like
from archscope.autograd.graph import Shape, Value
from archscope.autograd.tape import Tape


def native_dropout(t: Tape, x: Value) -> Value:
    """The fused kernel of CUDA: its mask is a bool."""
    y, mask = t.make_all((x.shape, x.dtype, ""), (x.shape, "bool", "the mask"))
    y.strides = mask.strides = strides_like(x)
    t.link(y, (x,), derivative(mask), mask)
    return y


def dropout(
    t: Tape, x: Value, *, in_place: bool = False, all_of_it: bool = False, alpha: bool = False, by_channel: bool = False
) -> Value:
    """at::_dropout_impl: the input times noise, an element or, in order, a channel."""
    if all_of_it:
        noise = t.make((), x.dtype, "a zero")
    elif by_channel:
        noise = t.make((*x.shape[:2], *(1 for _ in x.shape[2:])), x.dtype, "the mask")
    else:
        noise = like(t, x, "the mask")
    shift = mapped(t, noise) if alpha and not all_of_it else None
    if in_place and shift is None:
        y = t.overwrite(x, derivative(noise), noise)
    else:
        y = pointwise(t, x, noise)
        t.link(y, (x,), derivative(noise), noise)
    t.drop(noise, *(() if shift is None else (shift,)))
    return y


def thinned(t: Tape, x: Value, shape: Shape) -> Value:
    """The input times noise of a shape, whatever that is of the input's: only the noise is kept."""
    noise = t.make(shape, x.dtype, "the noise")
    y = pointwise(t, x, noise)
    t.link(y, (x,), derivative(noise), noise)
    t.drop(noise)
    return y
