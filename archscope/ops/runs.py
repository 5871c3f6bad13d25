"""Which places of an input each place of an output reads, as arrays, and what is carried along them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class Runs(NamedTuple):
    """A run of places for each place of the output: the first and the last one; none where the last is before it."""

    first: Places
    last: Places


class Pairs(NamedTuple):
    """Places of the output, each once, and of the input: each reads the other."""

    units: Places
    places: Places


def carried_in_pairs(mask: Mask, pairs: Iterator[Pairs], size: int, *, back: bool) -> Mask:
    """What ``Window.carried`` says, from all pairs that there are.

    Args:
        size: of the dimension that is carried to.
    """
    import numpy as np

    result = np.zeros((size, *mask.shape[1:]), bool)
    for units, places in pairs:
        if back:  # of most places nothing is asked
            asked = mask[units].any(axis=tuple(range(1, mask.ndim)))
            taken, targets = units[asked], places[asked]
        else:
            taken, targets = places, units
        if not back or len(np.unique(targets)) == len(targets):
            result[targets] |= mask[taken]
        else:  # several places are one at a border
            np.logical_or.at(result, targets, mask[taken])
    return result


def carried_in_runs(mask: Mask, first: Places, last: Places, size_in: int, *, back: bool) -> Mask:
    """What ``Window.carried`` says, where each place of the output reads those from a first to a last one."""
    import numpy as np

    first, last = np.maximum(first, 0), np.minimum(last, size_in - 1)
    some = first <= last
    if back:  # of most places nothing is asked
        some &= mask.any(axis=tuple(range(1, mask.ndim)))
    else:
        before = np.zeros((size_in + 1, *mask.shape[1:]), np.int32)
        np.cumsum(mask, 0, out=before[1:])
        result: Mask = before[np.where(some, last + 1, 0)] > before[np.where(some, first, 0)]
        return result
    steps = np.zeros((size_in + 1, *mask.shape[1:]), np.int32)
    np.add.at(steps, first[some], mask[some])
    np.subtract.at(steps, last[some] + 1, mask[some])
    covered: Mask = np.cumsum(steps[:-1], 0) > 0
    return covered


def least_of_runs(values: Places, first: Places, last: Places, size_in: int, nothing: int) -> Places:
    """What ``Window.least`` says of runs: each is covered by two, of a power of two places, that overlap."""
    import numpy as np

    first, last = np.maximum(first, 0), np.minimum(last, size_in - 1)
    powers = np.frexp(np.maximum(last - first + 1, 0).astype(float))[1] - 1  # floor(log2); -1 where there is none
    result = np.full((len(first), *values.shape[1:]), nothing, values.dtype)
    least, width = values, 1  # of the places from each on, so many
    for power in range(int(powers.max(initial=-1)) + 1):
        if power:
            least = np.minimum(least[:-width], least[width:])
            width *= 2
        units = np.flatnonzero(powers == power)
        result[units] = np.minimum(least[first[units]], least[last[units] - width + 1])
    return result
