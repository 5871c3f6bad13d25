"""Readings that no dimension tells apart from the others: elements laid anew, parts read otherwise, told by values.

Each has ``along``: what it reads dimension by dimension, as far as the closed form of a field can be told from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from archscope.arith import fixed
from archscope.ops.windows import ALL, SAME, WHOLE, Along, Axis, Placed

if TYPE_CHECKING:
    from archscope.ops.windows import Mask, Places


class Rearranged(NamedTuple):
    """A reading of each element by one place, which lies elsewhere.

    The output is the input in the shape ``inner``, its dimensions then taken in the order ``order``, then in the
    output's shape.
    """

    inner: tuple[int, ...]
    order: tuple[int, ...]
    along: Along


class Either(NamedTuple):
    """Several readings, each by some places of the output; ``along`` is that of all places together."""

    parts: tuple[Along, ...]
    along: Along


class AtMost(NamedTuple):
    """A reading of some of what ``along`` says: the values of an input tell of what."""

    along: Along


class Partial(NamedTuple):
    """A reading by some elements of the output, the others being known.

    Attributes:
        where: those elements, in the dimensions of the output (of size 1 where all are alike).
    """

    where: Mask
    along: Along


class Picked(NamedTuple):
    """A reading of one place along a dimension by each element, as an array tells.

    Attributes:
        dim: the dimension, of the input and of the output.
        places: in the dimensions of the output (of size 1 where all are alike).
    """

    dim: int
    places: Places
    along: Along


class Chained(NamedTuple):
    """One reading, of which another is read.

    Attributes:
        first: what is read of the input by a tensor of the shape ``shape``, and ``then`` what is read of that.
    """

    first: Reads
    shape: tuple[int, ...]
    then: Reads
    along: Along


def besides(reads: Reads, masked: Mask | bool, out: tuple[int, ...]) -> Reads:
    """A reading by those elements of an output, of a shape, that are not known whatever arrives."""
    if masked is False:
        return reads
    along = along_of(reads)
    if masked is True:
        return AtMost(along)
    where = ~masked.reshape((1,) * (len(out) - masked.ndim) + masked.shape)
    if isinstance(reads, Along):
        return Partial(where, along)
    return Chained(reads, out, Partial(where, _straight(out)), along)


def only_of(reads: Reads, masked: Mask | bool, shape: tuple[int, ...]) -> Reads:
    """A reading of those elements of an input, of a shape, that are not so low that nothing is left of them."""
    if masked is False:
        return reads
    along = along_of(reads)
    if masked is True:
        return AtMost(along)
    unmasked = Partial(~masked.reshape((1,) * (len(shape) - masked.ndim) + masked.shape), _straight(shape))
    return Chained(unmasked, shape, reads, along)


def _straight(shape: tuple[int, ...]) -> Along:
    return Along(tuple((dim, SAME) for dim in range(len(shape))))


#: ``None``: the op takes an input without reading its elements
Reads = Along | Rearranged | Either | AtMost | Partial | Picked | Chained | None


def along_of(reads: Reads) -> Along:
    """What is read dimension by dimension, or what is known of it so, of an input that is read."""
    assert reads is not None
    return reads if isinstance(reads, Along) else reads.along


def groups(shape: tuple[int, ...], out: tuple[int, ...]) -> Iterator[tuple[range, range]]:
    """The dimensions of two shapes of as many elements that go together: the least of them with equal products."""
    i = j = 0
    while i < len(shape):
        first, start, product, size = i, j, shape[i], out[j] if j < len(out) else 1
        i, j = i + 1, j + 1
        while not fixed(product == size):
            if fixed(product < size):
                product, i = product * shape[i], i + 1
            else:
                size, j = size * out[j], j + 1
        yield range(first, i), range(start, min(j, len(out)))


def in_order(shape: tuple[int, ...], out: tuple[int, ...]) -> Rearranged:
    """Every element at its place in the order of the elements, whatever the shape."""
    axes: list[Axis | None] = [ALL] * len(shape)
    single: list[int] = []  # dimensions of size 1: they have one place, which every place of the output reads
    for of, to in groups(shape, out):
        wide = [dim for dim in of if not fixed(shape[dim] == 1)]
        targets = [dim for dim in to if not fixed(out[dim] == 1)]
        single += [dim for dim in of if dim not in wide]
        for dim in wide:
            axes[dim] = (targets[0], SAME if len(wide) == len(targets) == 1 else Placed(others=tuple(targets[1:])))
    left = (dim for dim, size in enumerate(out) if fixed(size == 1))
    for dim, target in zip(single, left, strict=False):
        axes[dim] = (target, WHOLE)
    return Rearranged(shape, tuple(range(len(shape))), Along(tuple(axes)))
