"""The curves of a page: paths in a box of 1000 x 100 that the browser stretches, with round numbers at the axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, floor, log10, nextafter
from sys import float_info
from typing import NamedTuple

WIDTH, HEIGHT = 1000, 100
_MOST_POINTS = 1000  # more than the pixels of a column tell apart


class Tick(NamedTuple):
    """A mark on an axis.

    Attributes:
        at: its place, as a share of the axis from the left or from the bottom.
    """

    at: float
    label: str


def ticks(top: float, written: Callable[[float], str] = "{:,g}".format, unit: float = 1.0) -> list[Tick]:
    """Three to six round numbers from 0 to ``top``: 1, 2 or 5 times a power of ten of the unit apart.

    Args:
        written: how a number is labelled.
    """
    top = top / unit
    if top <= 0:
        return [Tick(0.0, written(0.0))]
    rough = top / 5
    power: float = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if rough <= factor * power)
    return [Tick(i * step / top, written(i * step * unit)) for i in range(floor(top / step) + 1)]


def round_numbers(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that lie between."""
    rough = (high - low) / 6
    power: float = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if rough <= factor * power)
    return [at * step for at in range(ceil(low / step), floor(high / step) + 1)]


class Scale(NamedTuple):
    """Where numbers stand on an axis that runs from ``low`` to ``high``, evenly or by powers of ten."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, numbers: Iterable[float]) -> Scale:
        """With a little room around some numbers; by powers of ten where they are far apart."""
        values = list(numbers)
        low, high = min(values, default=0.0), max(values, default=1.0)
        if low > 0 and high > 12 * low:
            room = 10 ** (0.04 * (log10(high) - log10(low)))  # the quotient may be beyond floats, and so may the ends
            return cls(max(low / room, nextafter(0, 1)), min(high * room, float_info.max), log=True)
        room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
        return cls(low - room, high + room)

    def at(self, number: float) -> float:
        """The place of a number, as a share of the axis."""
        if self.log:
            return (log10(number) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return (number - self.low) / (self.high - self.low)

    def ticks(self, written: Callable[[float], str]) -> list[Tick]:
        """Some round numbers."""
        marks = round_numbers(self.low, self.high)
        if self.log:
            powers = range(floor(log10(self.low)), floor(log10(self.high)) + 1)
            factors = (1,) if self.high > 300 * self.low else (1, 2, 5)
            marks = [factor * 10.0**power for power in powers for factor in factors]
        return [Tick(self.at(mark), written(mark)) for mark in marks if self.low <= mark <= self.high]


def dots(places: Iterable[tuple[float, float]]) -> str:
    """Lines without length, which round caps make dots; places are shares of the box from the left and from below."""
    return "".join(f"M{WIDTH * x:.5g} {HEIGHT * (1 - y):.5g}h0" for x, y in places)


def stairs(places: Iterable[tuple[float, float]], *, across_first: bool = True) -> str:
    """A line from place to place that runs along the axes alone."""
    drawn, draw = "", "M{0} {1}"
    for x, y in places:
        drawn += draw.format(f"{WIDTH * x:.5g}", f"{HEIGHT * (1 - y):.5g}")
        draw = "H{0}V{1}" if across_first else "V{1}H{0}"
    return drawn


def steps(values: Sequence[float], top: float, *, start: int = 0, count: int | None = None) -> str:
    """A line of steps, one a value.

    Args:
        top: the value at the upper border.
        start: the place of the first value among ``count``.
    """
    return "".join(_steps(values, top, start, len(values) if count is None else count))


def area(values: Sequence[float], top: float, *, start: int = 0, count: int | None = None) -> str:
    """What lies below :func:`steps`."""
    if not values:
        return ""
    whole = len(values) if count is None else count
    left, right = start * WIDTH / whole, (start + len(values)) * WIDTH / whole
    return f"M{left:g} {HEIGHT}L{steps(values, top, start=start, count=whole)[1:]}L{right:.6g} {HEIGHT}Z"


def _steps(values: Sequence[float], top: float, start: int, count: int) -> Iterator[str]:
    """Of more values than can be seen, the largest of each bundle: a peak stays."""
    bundle = ceil(count / _MOST_POINTS)
    draw, last = "M", None
    for begin in range(0, len(values), bundle):
        inside = values[begin : begin + bundle]
        left, right = ((start + place) * WIDTH / count for place in (begin, begin + len(inside)))
        height = f"{HEIGHT * (1 - max(inside) / top):.5g}" if top else f"{HEIGHT}"
        if height != last:
            yield f"{draw}{left:.6g} {height}"
        yield f"H{right:.6g}"
        draw, last = "L", height
