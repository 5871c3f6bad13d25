"""Spans: what the units along one dimension see of an axis of an input, and what several of them show together."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple

from archscope.arith import fixed

if TYPE_CHECKING:
    from fractions import Fraction


#: phases of a window times those of what it reads: as many are listed, of more no closed form is told
MOST_PHASES = 1 << 16


class Span(NamedTuple):
    """The fields of the units along one dimension, seen along one axis of an input, borders left aside.

    Unit q x period + phase sees ``size[phase] + q x grow`` places from ``first[phase] + q x jump`` on; the period is
    the length of the two. A unit of size 0 or less sees nothing.

    Attributes:
        jump: places of the input from a unit to the one a period further; negative behind a reversal.
        first: the first place that each unit of the first period sees.
        size: from the first to the last place that it sees, both included.
        grow: how much more a unit sees than the one a period before it: 1 where unit after unit joins in (what is
            causal), -1 where one after another is left out.
        even: whether later units see later places, and equally many.
    """

    jump: int
    first: tuple[int, ...]
    size: tuple[int, ...]
    grow: int = 0
    even: bool = True

    @property
    def period(self) -> int:
        """How many units take turns."""
        return len(self.first)

    def of(self, unit: int) -> tuple[int, int]:
        """First place and size of the field of a unit."""
        turn, phase = divmod(unit, len(self.first))
        size = self.size[phase] if self.even else max(self.size[phase] + turn * self.grow, 0)
        return self.first[phase] + turn * self.jump, size

    def extremes(self, units: int) -> tuple[int, int]:
        """The sizes of the smallest and of the largest field of so many units."""
        if self.even:
            sizes = self.size if len(self.size) <= units else self.size[:units]
        else:
            sizes = tuple(self.of(unit)[1] for unit in both_ends(range(units), self.period))
        return (sizes[0], sizes[0]) if len(sizes) == 1 else (min(sizes), max(sizes))

    @property
    def stride(self) -> int | Fraction:
        """Places of the input from a unit to the next, on average."""
        if len(self.first) == 1:
            return self.jump
        from fractions import Fraction

        return Fraction(fixed(self.jump), len(self.first))


#: the units of an input see themselves
ITSELF = Span(1, (0,), (1,))


def both_ends(units: range, count: int) -> Sequence[int]:
    """So many of the first and of the last units, or all if they are no more."""
    return units if len(units) <= 2 * count else [*units[:count], *units[-count:]]


def union(span: Span, units: range) -> tuple[int, int]:
    """First place and size of what some units see together."""
    turns = span.period // gcd(units.step, span.period)
    # phases repeat in between, and along one phase the ends move steadily
    seen = [(first, first + size) for first, size in map(span.of, both_ends(units, turns)) if size]
    if not seen:
        return 0, 0
    first = min(start for start, _ in seen)
    return first, max(end for _, end in seen) - first


def hull(spans: Sequence[Span]) -> tuple[Span, ...]:
    """What several paths see together; spans that drift apart (unequal strides) stay apart."""
    together: list[Span] = []
    for span in dict.fromkeys(spans):
        for i, other in enumerate(together):
            if span.stride == other.stride and lcm(span.period, other.period) <= MOST_PHASES:
                joined = _hull(other, span)
                if joined is not None:
                    together[i] = joined
                    break
        else:
            together.append(span)
    return tuple(together)


def _hull(a: Span, b: Span) -> Span | None:
    period = lcm(a.period, b.period)
    grow = a.grow * (period // a.period)
    if not (a.even and b.even) and grow != b.grow * (period // b.period):
        return None
    firsts, sizes = [], []
    for unit in range(period):
        seen = [(first, first + size) for first, size in (a.of(unit), b.of(unit)) if size]
        first = min((start for start, _ in seen), default=0)
        firsts.append(first)
        sizes.append(max((end for _, end in seen), default=0) - first)
    return Span(a.jump * (period // a.period), tuple(firsts), tuple(sizes), grow, a.even and b.even)
