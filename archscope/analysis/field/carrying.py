"""Arrays carried through a reading: from the elements of an input to those of an output, and back.

What an array tells of the elements of a tensor (whether a place is seen, from which place on they see) goes through the
graph layer by layer, as the windows of the ops pair the elements. Dimensions along which all elements are alike are
held once (size 1), so that a map costs its area.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archscope.errors import UsageError
from archscope.ops.readings import AtMost, Chained, Either, Partial, Picked, Reads, Rearranged, groups
from archscope.ops.windows import SAME, WHOLE, Along, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

#: places of a map that are gone through one by one; where they only change places, as many times as many
MOST_PLACES = 1 << 23
_MOVED = 8

#: in place of what an element sees that sees nothing; the least of it and anything else is the other
NOWHERE = 2**30


class TooLarge(UsageError):
    """More places are on the way than are gone through one by one."""

    def __init__(self, places: int, most: int) -> None:
        super().__init__(
            f"what a unit sees is found place by place, of at most {most:,}; there are {places:,} on the way"
        )
        self.places, self.most = places, most


class Folding(NamedTuple):
    """How one element comes to what it says from those that it reads.

    Attributes:
        joined: of two, the ufunc.
        nothing: of none.
        carried: the same along a window of so many places of the input, and so many of the output.
    """

    joined: np.ufunc
    nothing: Any
    carried: Callable[[Window, Any, int, int], Any]


#: what an element reads is marked, or some of it
MARKED = Folding(np.logical_or, False, lambda window, mask, a, b: window.carried(mask, a, b, back=False))
#: the least of what the elements that it reads say
LEAST = Folding(np.minimum, NOWHERE, lambda window, values, a, b: window.least(values, a, b, NOWHERE))


@dataclass(frozen=True)
class Carrier:
    """Carries arrays through readings, while they have room.

    Attributes:
        most: places that are gone through one by one.
    """

    folding: Folding = MARKED
    most: int = MOST_PLACES

    def hold_room(self, shape: Sequence[int], times: int = 1) -> None:
        """Hold that places can be gone through one by one.

        Raises:
            TooLarge: they are too many.
        """
        places = prod(shape)
        if places > self.most * times:
            raise TooLarge(places, self.most * times)

    def one(self, places: int | range, dim: int, shape: Sequence[int]) -> Mask:
        """A mask of one place (or some) along a dimension, and of everything along the others (held once)."""
        self.hold_room([shape[dim]])
        one = np.zeros(shape[dim], bool)
        one[slice(places.start, places.stop) if isinstance(places, range) else places] = True
        return one.reshape([-1 if i == dim else 1 for i in range(len(shape))])

    # -- from the input to the output ----------------------------------------------------------------------------------

    def forth(self, values: Any, reads: Reads, shape: tuple[int, ...], out: tuple[int, ...]) -> Any:
        """What the elements of an output come to, from what those of an input say."""
        assert reads is not None
        if isinstance(reads, Rearranged):
            inner = self._regrouped(values, shape, reads.inner)
            moved = tuple(reads.inner[dim] for dim in reads.order)
            return self._regrouped(inner.transpose(reads.order), moved, out)
        if isinstance(reads, Either):
            parts = np.broadcast_arrays(*(self.forth(values, part, shape, out) for part in reads.parts))
            return self.folding.joined.reduce(parts)
        if isinstance(reads, Partial):
            return self._only_where(self.forth(values, reads.along, shape, out), reads.where)
        if isinstance(reads, Picked):
            return self._picked(values, reads, out)
        if isinstance(reads, Chained):
            return self.forth(self.forth(values, reads.first, shape, reads.shape), reads.then, reads.shape, out)
        return self._forth_along(values, reads.along if isinstance(reads, AtMost) else reads, shape, out)

    def _forth_along(self, values: Any, reads: Along, shape: tuple[int, ...], out: tuple[int, ...]) -> Any:
        for dim, place in reads.only:
            values = self._only_where(values, self.one(place, dim, shape))
        everything = tuple(dim for dim, entry in enumerate(reads.axes) if entry is None)
        values = self.folding.joined.reduce(values, axis=everything) if everything else values
        paired = [(entry, size) for entry, size in zip(reads.axes, shape, strict=True) if entry is not None]
        for place, ((dim, window), size) in enumerate(paired):
            values = self._carried(values, place, window, size, out[dim])
        values = values.transpose(sorted(range(len(paired)), key=lambda i: paired[i][0][0]))
        for dim in range(len(out)):
            if dim not in {entry[0] for entry, _ in paired}:
                values = np.expand_dims(values, dim)
        for dim, some in reads.at:
            values = self._only_where(values, self.one(some, dim, out))
        return values

    def _carried(self, values: Any, dim: int, window: Window, size_in: int, size_out: int) -> Any:
        """One dimension."""
        if window is SAME:
            return values
        if window is WHOLE:
            return self.folding.joined.reduce(values, axis=dim, keepdims=True)
        moved = self._spread(values, dim, window, size_in, max(size_in, size_out))
        return np.moveaxis(self.folding.carried(window, moved, size_in, size_out), 0, dim)

    def _spread(self, values: Any, dim: int, window: Window, size: int, longest: int) -> Any:
        """An array with a dimension first, and in full."""
        others = prod(values.shape) // values.shape[dim]
        self.hold_room([longest, others])
        self.hold_room([longest, others, window.taps], _MOVED)
        return np.moveaxis(np.broadcast_to(values, (*values.shape[:dim], size, *values.shape[dim + 1 :])), dim, 0)

    def _only_where(self, values: Any, mask: Mask) -> Any:
        self.hold_room(np.broadcast_shapes(values.shape, mask.shape))
        return np.where(mask, values, np.asarray(self.folding.nothing, values.dtype))

    def _picked(self, values: Any, reads: Picked, out: tuple[int, ...]) -> Any:
        """Dimensions other than the one are cut to those of the output."""
        if values.shape[reads.dim] == 1:
            return values[tuple(slice(size) for size in out)]
        cut = values[tuple(slice(None if dim == reads.dim else size) for dim, size in enumerate(out))]
        sizes = np.broadcast_shapes(
            *(array.shape[: reads.dim] + array.shape[reads.dim + 1 :] for array in (cut, reads.places))
        )
        full = [(*sizes[: reads.dim], array.shape[reads.dim], *sizes[reads.dim :]) for array in (cut, reads.places)]
        for one in full:
            self.hold_room(one)
        return np.take_along_axis(np.broadcast_to(cut, full[0]), np.broadcast_to(reads.places, full[1]), reads.dim)

    def _regrouped(self, values: Any, shape: tuple[int, ...], out: tuple[int, ...]) -> Any:
        """An array in another shape of as many elements; what is alike stays held once."""
        if shape == out:
            return values
        full, target = list(values.shape), [1] * len(out)
        for of, to in groups(shape, out):
            if any(values.shape[dim] > 1 for dim in of):
                for dim in of:
                    full[dim] = shape[dim]
                for dim in to:
                    target[dim] = out[dim]
        self.hold_room(full, _MOVED)
        return np.broadcast_to(values, full).reshape(target)

    # -- and back ------------------------------------------------------------------------------------------------------

    def back(self, wanted: Any, reads: Reads, shape: tuple[int, ...], out: tuple[int, ...]) -> Mask:
        """The elements of an input that some elements of an output are computed from."""
        assert reads is not None
        if isinstance(reads, Rearranged):
            moved = tuple(reads.inner[dim] for dim in reads.order)
            inner = self._regrouped(wanted, out, moved).transpose(np.argsort(reads.order))
            mask: Mask = self._regrouped(inner, reads.inner, shape)
            return mask
        if isinstance(reads, Either):
            parts = np.broadcast_arrays(*(self.back(wanted, part, shape, out) for part in reads.parts))
            return np.asarray(np.logical_or.reduce(parts))
        if isinstance(reads, Partial):
            return self._back_along(self._only_where(wanted, reads.where), reads.along, shape, out)
        if isinstance(reads, Picked):
            return self._put(wanted, reads, shape, out)
        if isinstance(reads, Chained):
            return self.back(self.back(wanted, reads.then, reads.shape, out), reads.first, shape, reads.shape)
        return self._back_along(wanted, reads.along if isinstance(reads, AtMost) else reads, shape, out)

    def _back_along(self, wanted: Any, reads: Along, shape: tuple[int, ...], out: tuple[int, ...]) -> Mask:
        for dim, some in reads.at:
            if wanted.shape[dim] > 1:
                wanted = wanted[(slice(None),) * dim + (slice(some.start, some.stop),)]
        paired = [entry for entry in reads.axes if entry is not None]
        wanted = wanted.any(axis=tuple(dim for dim in range(len(out)) if dim not in {dim for dim, _ in paired}))
        left = sorted(dim for dim, _ in paired)  # the paired dimensions of the output, in order
        wanted = wanted.transpose([left.index(dim) for dim, _ in paired])
        chosen = dict(reads.only)
        for place, (size, entry) in enumerate(zip(shape, reads.axes, strict=True)):
            if entry is None:
                wanted = np.expand_dims(wanted, place)
                if place in chosen:
                    wanted = wanted & self.one(chosen[place], place, shape)
            else:
                wanted = self._carried_back(wanted, place, entry[1], size, out[entry[0]])
        result: Mask = wanted
        return result

    def _carried_back(self, wanted: Any, dim: int, window: Window, size_in: int, size_out: int) -> Mask:
        """One dimension."""
        if window is SAME:
            result: Mask = wanted
            return result
        if window is WHOLE:
            return np.asarray(np.any(wanted, axis=dim, keepdims=True))
        moved = self._spread(wanted, dim, window, size_out, max(size_in, size_out))
        return np.moveaxis(window.carried(moved, size_in, size_out, back=True), 0, dim)

    def _put(self, wanted: Any, reads: Picked, shape: tuple[int, ...], out: tuple[int, ...]) -> Mask:
        self.hold_room(shape)
        self.hold_room(out)
        result = np.zeros(shape, bool)
        places = list(np.indices(out, sparse=True))
        places[reads.dim] = np.broadcast_to(reads.places, out)
        np.logical_or.at(result, tuple(places), np.broadcast_to(wanted, out))
        return result
