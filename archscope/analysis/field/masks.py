"""Elements that count for nothing whatever arrives: scores under a mask, what a softmax leaves of them, zeros.

A mask that is known (a triangle, a list) is added to scores, filled in or multiplied with. A softmax reads nothing of
the scores that it makes low, what is zero is computed from nothing, and a matrix product takes nothing of what meets
that: attention written out by hand reads as the fused one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce, singledispatch
from typing import TYPE_CHECKING, Any

from archscope.ops import Op
from archscope.ops.activation import LogSoftmax, Softmax
from archscope.ops.contents import LOW, Content, Masked, called
from archscope.ops.dropout import Dropout
from archscope.ops.logic import MaskedFill, Where
from archscope.ops.merging import Add, Multiply, Subtract
from archscope.ops.tensors import Cast, Contiguous, Identity, Scale

if TYPE_CHECKING:
    from archscope.ops.contents import Elements, Mask

#: what is known of the inputs of a layer, one each; ``None`` where nothing is
Inputs = Sequence[Content | None]


def masked_in(value: Any, array: Elements | None) -> Masked:
    """What a tensor that is known holds that counts for nothing; of its elements where they are at hand."""
    if array is not None:
        return Masked(array <= LOW, array == 0)
    word = called(value)
    if word is not None:
        return Masked(word.arguments.get("value", 0) <= LOW, zero=True)
    return Masked(low=True, zero=True)


@singledispatch
def masked_behind(op: Op, x: Inputs) -> Masked:
    """What an op gives that counts for nothing, by what is known of its inputs."""
    return Masked()


@masked_behind.register
def _(op: Add, x: Inputs) -> Masked:
    return Masked(low=reduce(either, (one.masked.low for one in x if one is not None)))


@masked_behind.register
def _(op: Subtract, x: Inputs) -> Masked:
    low: Mask | bool = False if x[0] is None else x[0].masked.low
    if x[1] is None:
        return Masked(low)
    return Masked(either(low, True if x[1].array is None else x[1].array >= -LOW))


@masked_behind.register
def _(op: Multiply, x: Inputs) -> Masked:
    return Masked(zero=reduce(either, (one.masked.zero for one in x if one is not None)))


@masked_behind.register
def _(op: MaskedFill, x: Inputs) -> Masked:
    import numpy as np

    filled = Masked(np.asarray(op.value <= LOW), np.asarray(op.value == 0))  # everywhere, or nowhere
    return _chosen(x[1], filled, Masked() if x[0] is None else x[0].masked)


@masked_behind.register
def _(op: Where, x: Inputs) -> Masked:
    holds, fails = (Masked() if one is None else one.masked for one in x[1:])
    return _chosen(x[0], holds, fails)


def _chosen(truth: Content | None, holds: Masked, fails: Masked) -> Masked:
    """One where a truth value holds, else the other."""
    if truth is None:
        return Masked(*(one is True and other is True for one, other in zip(holds, fails, strict=True)))
    there: Mask | bool = True if truth.array is None else truth.array != 0
    elsewhere: Mask | bool = True if truth.array is None else truth.array == 0
    return Masked(*(either(both(there, one), both(elsewhere, other)) for one, other in zip(holds, fails, strict=True)))


@masked_behind.register
def _(op: Softmax, x: Inputs) -> Masked:
    return Masked(zero=False if x[0] is None else x[0].masked.low)


@masked_behind.register
def _(op: LogSoftmax, x: Inputs) -> Masked:
    return Masked(low=False if x[0] is None else x[0].masked.low)


@masked_behind.register(Cast)
@masked_behind.register(Contiguous)
@masked_behind.register(Dropout)
@masked_behind.register(Identity)
def _(op: Op, x: Inputs) -> Masked:
    return Masked() if x[0] is None else x[0].masked


@masked_behind.register
def _(op: Scale, x: Inputs) -> Masked:
    if x[0] is None:
        return Masked()
    return x[0].masked if op.factor > 0 else Masked(zero=x[0].masked.zero)


def either(one: Mask | bool, other: Mask | bool) -> Mask | bool:
    """Where one of two holds; ``True`` is somewhere."""
    if one is True or other is True:
        return True
    return other if one is False else one if other is False else one | other


def both(one: Mask | bool, other: Mask | bool) -> Mask | bool:
    """Where both of two hold; where only one is known, perhaps somewhere."""
    if isinstance(one, bool) or isinstance(other, bool):
        return _anywhere(one) and _anywhere(other)
    return one & other


def _anywhere(mask: Mask | bool) -> bool:
    return mask if isinstance(mask, bool) else bool(mask.any())


def settled(masked: Masked, *, arrays: bool) -> Masked:
    """The same with ``False`` for what holds nowhere; of arrays only whether they hold anywhere, unless asked for."""
    some = map(_anywhere, masked)
    return Masked(*(of if any_ and arrays else any_ for of, any_ in zip(masked, some, strict=True)))
