"""The space of a sweep: which variables take which values, and which designs of it are looked at.

Any range of its designs can be asked for at once, whatever came before it: a worker that begins in the middle, and a
sweep that goes on where it was stopped, see the same designs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import isqrt, log10, prod
from typing import TYPE_CHECKING, Any

from archscope.errors import MissingLibrary, UsageError
from archscope.spec.axes import MOST_AXES, MOST_DESIGNS, SOBOL_BITS, Axis, Sample, read_axis
from archscope.spec.ranges import MOST_VALUES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Axis", "Sample", "Space", "read_axis"]

#: of the shuffle: twice those with which Luby and Rackoff (1988) prove that an order cannot be told from a random one
_ROUNDS = 8


#: the column of tables of designs that tells which one a row is of
DESIGN = "design"


def axis_columns(axes: Iterable[Axis], figures: Iterable[str]) -> list[str]:
    """What the axes are called as columns: of one that is called as a figure is, or ``design``, ``vars.NAME``."""
    taken = {DESIGN, *figures}
    return [f"vars.{axis.name}" if axis.name in taken else axis.name for axis in axes]


@dataclass(frozen=True)
class Space:
    """All combinations of the values of some axes, or a sample of them.

    Designs are numbered from 0 on: in the order of :func:`itertools.product` over the axes (the last one changes
    fastest), or of the sample.

    Raises:
        UsageError: no axis or too many, one without values or with too many, two that change the same thing, or more
            designs than can be numbered.
    """

    axes: tuple[Axis, ...]
    sample: Sample | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.axes) <= MOST_AXES:
            hint = "; write what varies, as in width=16:128:8" if not self.axes else ""
            raise UsageError(f"a space has 1 to {MOST_AXES} axes, not {len(self.axes)}{hint}")
        for axis in self.axes:
            if not 1 <= len(axis.values) <= MOST_VALUES:
                raise UsageError(f"`{axis.name}` has {len(axis.values):,} values; an axis has 1 to {MOST_VALUES:,}")
        for (one, first), (other, second) in combinations([(axis.name, axis.target) for axis in self.axes], 2):
            if one == other:
                raise UsageError(f"`{one}` is varied twice; write all its values in one list")
            if first.overlaps(second):
                raise UsageError(f"`{one}` and `{other}` change the same thing; vary one of them")
        if self.count > MOST_DESIGNS:
            hint = "look at a sample of them"
            raise UsageError(f"the space has about 10^{log10(self.size):.0f} designs, too many to number; {hint}")

    @property
    def size(self) -> int:
        """All combinations; any Python integer."""
        return prod(len(axis.values) for axis in self.axes)

    @property
    def count(self) -> int:
        """Designs that are looked at."""
        return self.size if self.sample is None else min(self.size, self.sample.count)

    def choices(self, start: int, stop: int) -> npt.NDArray[np.int32]:
        """For each axis the places of the values of the designs numbered ``start`` to ``stop - 1``.

        Returns:
            int32, shape (axes, stop - start).

        Raises:
            IndexError: there are no such designs.
            MissingLibrary: a Sobol sample without SciPy.
        """
        import numpy as np

        if not 0 <= start <= stop <= self.count:
            raise IndexError(f"designs {start} to {stop} of {self.count}")
        counts = [len(axis.values) for axis in self.axes]
        sample = self.sample
        if sample is None or sample.count >= self.size:
            return _digits(np.arange(stop - start), counts, start)
        if sample.method == "sobol":
            return _sobol(start, stop, counts, sample)
        if self.size > MOST_DESIGNS:
            return _drawn(start, stop, counts, sample.seed)
        return _digits(_shuffled(np.arange(start, stop, dtype=np.uint64), self.size, sample.seed), counts)

    def values(self, number: int) -> dict[str, Any]:
        """The value of every axis in one design."""
        (column,) = self.choices(number, number + 1).T
        return {axis.name: axis.values[place] for axis, place in zip(self.axes, column, strict=True)}


def _digits(numbers: npt.NDArray[Any], counts: Sequence[int], start: int = 0) -> npt.NDArray[np.int32]:
    """The digits of ``start + numbers`` in a mixed radix, the last fastest; ``start`` may be any Python integer."""
    import numpy as np

    result = np.empty((len(counts), len(numbers)), np.int32)
    for axis in reversed(range(len(counts))):
        start, digit = divmod(start, counts[axis])
        numbers = numbers + numbers.dtype.type(digit)  # the carry of the axes behind, and what start has of this one
        higher = numbers // numbers.dtype.type(counts[axis])
        result[axis] = numbers - higher * numbers.dtype.type(counts[axis])
        numbers = higher
    return result


def _shuffled(numbers: npt.NDArray[np.uint64], size: int, seed: int) -> npt.NDArray[np.uint64]:
    """Where numbers below ``size`` go when all of them are shuffled: each to a place of its own.

    A Feistel network over the pairs (row, column) of a rectangle that holds ``size`` cells and less than a row more
    (Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002); what leaves the numbers walks on until it is back.
    """
    import numpy as np

    rows = isqrt(size - 1) + 1
    columns = -(-size // rows)
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64)
    numbers = _network(numbers, rows, columns, keys)
    outside = np.flatnonzero(numbers >= np.uint64(size))
    while len(outside):
        walked = _network(numbers[outside], rows, columns, keys)
        numbers[outside] = walked
        outside = outside[walked >= np.uint64(size)]
    return numbers


def _network(
    numbers: npt.NDArray[np.uint64], rows: int, columns: int, keys: npt.NDArray[Any]
) -> npt.NDArray[np.uint64]:
    import numpy as np

    height, width = np.uint64(rows), np.uint64(columns)
    row = numbers // width
    column = numbers - row * width
    for turn, key in enumerate(keys):
        if turn % 2:
            column = (column + _mixed(row, key)) % width
        else:
            row = (row + _mixed(column, key)) % height
    result: npt.NDArray[np.uint64] = row * width + column
    return result


def _mixed(numbers: npt.NDArray[np.uint64], key: np.uint64) -> npt.NDArray[np.uint64]:
    """Numbers below 2^63 that look random: SplitMix64's last step (Steele, Lea and Flood, 2014)."""
    import numpy as np

    mixed: npt.NDArray[np.uint64] = numbers * np.uint64(0x9E3779B97F4A7C15) + key
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed >>= np.uint64(1)  # room for a sum
    return mixed


def _drawn(start: int, stop: int, counts: Sequence[int], seed: int) -> npt.NDArray[np.int32]:
    """Each axis on its own, from a generator whose words can be counted off: design n has those from n * width on."""
    import numpy as np

    words = 4  # that one step of Philox's counter gives
    steps = -(-len(counts) // words)
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    generator = np.random.Philox(key=key, counter=start * steps)
    raw = generator.random_raw((stop - start) * steps * words).reshape(-1, steps * words)
    return _cut(raw.T[: len(counts)] >> np.uint64(20), 44, counts)


def _cut(coordinates: npt.NDArray[np.uint64], bits: int, counts: Sequence[int]) -> npt.NDArray[np.int32]:
    """Coordinates of so many bits, shape (axes, designs), cut into as many even pieces as each axis has values."""
    import numpy as np

    places: npt.NDArray[np.uint64] = (coordinates * np.array(counts, np.uint64)[:, None]) >> np.uint64(bits)
    return places.astype(np.int32)


def _sobol(start: int, stop: int, counts: Sequence[int], sample: Sample) -> npt.NDArray[np.int32]:
    """A scrambled Sobol sequence, which is linear: a point is the exclusive or of those of the bits of its number."""
    import numpy as np

    origin, steps = _sobol_points(len(counts), sample.seed, (sample.count - 1).bit_length())
    numbers = np.arange(start, stop, dtype=np.uint64)
    points = np.repeat(origin[:, None], stop - start, axis=1)
    for bit, step in enumerate(steps):
        points ^= step[:, None] * (numbers >> np.uint64(bit) & np.uint64(1))
    return _cut(points, SOBOL_BITS, counts)


@lru_cache(maxsize=8)
def _sobol_points(axes: int, seed: int, levels: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """SciPy's point 0, and what points 1, 2, 4, 8, ... differ from it in, shape (levels, axes), in units of 2^-30."""
    import numpy as np

    try:
        from scipy.stats.qmc import Sobol
    except ModuleNotFoundError:
        raise MissingLibrary("Sobol samples need SciPy: `pip install 'archscope[sweep]'`") from None
    engine = Sobol(axes, scramble=True, bits=SOBOL_BITS, rng=np.random.default_rng(seed))
    points = [engine.random(1)[0]]
    for level in range(levels):
        engine.fast_forward(2**level - engine.num_generated)
        points.append(engine.random(1)[0])
    numbers = (np.array(points) * 2**SOBOL_BITS).astype(np.uint64)
    return numbers[0], numbers[1:] ^ numbers[0]
