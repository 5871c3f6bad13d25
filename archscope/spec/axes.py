"""The axes of a sweep and the sample that is drawn of it, as a spec, a command line and Python write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archscope.errors import UsageError
from archscope.spec.values import TARGETS, Target, read_values, value_text

METHODS = ("random", "sobol")
MOST_AXES = 500
#: designs are numbered by int64, with room for what is computed on the way
MOST_DESIGNS = 2**62
#: of a Sobol coordinate, and so of the number of its points
SOBOL_BITS = 30


@dataclass(frozen=True)
class Axis:
    """What one variable may be.

    Attributes:
        name: a variable of the spec (``width``), an element of one that is a list (``depths[0]``), ``input`` (a whole
            number: the size of every axis of the map; or a shape without the batch), ``input.NAME`` (the same of one of
            several), or ``batch``.
        values: numbers, words, true, false, null, or tuples of those; at least one, all different.
    """

    name: str
    values: tuple[Any, ...]

    @classmethod
    def read(cls, name: str, values: Any) -> Axis:
        """An axis as Python gives it.

        Args:
            values: as :func:`archscope.spec.values.read_values` takes them.

        Raises:
            UsageError: a name or a value that cannot be.
        """
        return cls(name, read_values(values, name))

    @property
    def target(self) -> Target:
        """What the name means."""
        target = Target.read(self.name)
        if target is None:
            raise UsageError(f"`{self.name}` cannot be varied; write {TARGETS}")
        return target

    def __str__(self) -> str:
        return f"{self.name}={','.join(map(value_text, self.values))}"


def read_axis(text: str) -> Axis:
    """An axis as a command line writes it: ``width=16:128:8``.

    Raises:
        UsageError: it is written otherwise.
    """
    name, sign, values = text.partition("=")
    if not sign:
        raise UsageError(f"`{text}` is not of the form name=values, as in width=16:128:8 or input=128,160,224")
    return Axis.read(name.strip(), values)


@dataclass(frozen=True)
class Sample:
    """Some designs of a space that is too large.

    Attributes:
        count: how many; a space that has no more is looked at as a whole, in the order of the grid.
        seed: another one draws other designs.
        method: ``random`` (every design as likely as every other; none twice, in spaces of up to 2^62 designs), or
            ``sobol`` (spread evenly over all axes, by SciPy; the fewer values the axes have, the more designs are
            drawn twice).
    """

    count: int
    seed: int = 0
    method: str = "random"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"a sample is {' or '.join(METHODS)}, not {self.method}")
        most = 2**SOBOL_BITS if self.method == "sobol" else MOST_DESIGNS
        if not 1 <= self.count <= most:
            raise UsageError(f"a {self.method} sample has 1 to {most:,} designs, not {self.count:,}")
        if self.seed < 0:
            raise UsageError(f"a seed is a whole number of at least 0, not {self.seed}")
