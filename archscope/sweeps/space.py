"""The space of a sweep: which variables take which values, and which designs of it are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

METHODS = ("random", "sobol")


@dataclass(frozen=True)
class Axis:
    """What one variable may be.

    Attributes:
        name: a variable of the spec (``width``), an element of one that is a list (``depths[0]``), ``input`` (a whole
            number: the size of every axis of the map; or a shape without the batch), or ``batch``.
        values: numbers, words, true, false, null, or tuples of those; at least one, all different.
    """

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Sample:
    """Some designs of a space that is too large.

    Attributes:
        method: ``random`` (every design as likely as every other, none twice), or ``sobol`` (evenly spread).
    """

    count: int
    seed: int = 0
    method: str = "random"


@dataclass(frozen=True)
class Space:
    """All combinations of the values of some axes, or a sample of them.

    Designs are numbered from 0 on: in the order of :func:`itertools.product` over the axes (the last one changes
    fastest), or of the sample.
    """

    axes: tuple[Axis, ...]
    sample: Sample | None = None

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
        """
        raise NotImplementedError

    def values(self, number: int) -> dict[str, Any]:
        """The value of every axis in one design."""
        (column,) = self.choices(number, number + 1).T
        return {axis.name: axis.values[place] for axis, place in zip(self.axes, column, strict=True)}
