"""Ranges as a sweep writes them: ``16:128:8``, ``0.25:1:0.25``, ``16:1024:*2``, ``16:1024:log7``, ``0:1:lin5``.

They are computed in decimals and fractions, not in floats: ``0.1:0.3:0.1`` ends in 0.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import accumulate, chain, repeat, takewhile
from math import isfinite, lcm
from typing import Any

from archscope.spec.reader import resolve

#: of one axis; more are no sweep but a mistake in a step
MOST_VALUES = 1_000_000

_NUMBER = r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})(?::(\*|log|lin|)({_NUMBER}))?")
_LONGEST = 200
_FORMS = "write start:stop, start:stop:step, start:stop:*factor, start:stop:logN or start:stop:linN, as in 16:128:8"
_FALLING = "a range that falls has a negative step or a factor below 1: 128:16:-8, 1024:16:*0.5"
#: so many digits that the roundings of a million products show in no float
_DIGITS = Context(prec=40)


class ValuesError(ValueError):
    """What is no value of an axis, or no range; ``hint`` says how it is written."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def cut(text: str) -> str:
    """A text as a message shows it."""
    return text if len(text) <= 60 else text[:60] + "..."


def too_many(what: str, most: int) -> ValuesError:
    """More values than an axis has."""
    hint = "take a larger step, or a number of values: 1:1e9:log28"
    return ValuesError(f"{what} has more than {most:,} values", hint)


def read_range(text: str, most: int = MOST_VALUES) -> Sequence[Any]:
    """The values of a range; of those that a step leads to the stop is one only if it is hit.

    Steps of whole numbers from a whole number give whole numbers. What a factor, ``log`` or ``lin`` give is rounded to
    whole numbers where both ends are whole, and what then is there twice is left out. All others are floats.

    Raises:
        ValuesError: it is written otherwise, is empty, or has more than ``most``.
    """
    match = _RANGE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        raise ValuesError(f"`{cut(text)}` is no range", _FORMS)
    start, stop, amount = (_decimal(part or "1", text) for part in match.group(1, 2, 4))
    manner = match[3]
    if not manner:
        return _stepped(text, start, stop, amount, most, whole=_is_whole(match[1]) and _is_whole(match[4] or "1"))
    whole = _is_whole(match[1]) and _is_whole(match[2])
    if manner == "lin":
        return _even(start, stop, _points(text, match[4], most), whole=whole)
    if start <= 0 or stop <= 0:
        raise ValuesError(f"`{text}` multiplies, and so its ends are larger than 0", _FORMS)
    number: Callable[[Decimal], float] = round if whole else float
    if manner == "log":
        between = _logarithmic(start, stop, _points(text, match[4], most))
        values = ((2 * a + b) // (2 * b) for a, b in between) if whole else (a / b for a, b in between)
        return tuple(dict.fromkeys(chain([number(start)], values, [number(stop)])))
    return tuple(dict.fromkeys(map(number, _multiplied(text, start, stop, amount, most))))


def _is_whole(text: str) -> bool:
    return isinstance(resolve(text), int)


def _decimal(text: str, form: str) -> Decimal:
    number = Decimal(text.replace("_", ""))
    if not isfinite(float(number)) or (number and number.adjusted() < -300):
        raise ValuesError(f"`{cut(text)}` in `{cut(form)}` is beyond the numbers of a design")
    return number


def _points(text: str, count: str, most: int) -> int:
    number = resolve(count)
    if not isinstance(number, int) or number < 2:
        raise ValuesError(f"`{text}` has no whole number of at least 2 behind log or lin", "16:1024:log7 has 7 values")
    if number > most:
        raise too_many(f"`{text}`", most)
    return number


def _stepped(text: str, start: Decimal, stop: Decimal, by: Decimal, most: int, *, whole: bool) -> Sequence[Any]:
    first, step = Fraction(start), Fraction(by)
    if not step:
        raise ValuesError(f"the step of `{text}` is 0", _FORMS)
    steps = (Fraction(stop) - first) // step
    if steps < 0:
        raise ValuesError(f"`{text}` leads away from {stop}", _FALLING)
    if steps >= most:
        raise too_many(f"`{text}`", most)
    if whole:
        return tuple(int(first) + place * int(step) for place in range(steps + 1))
    return _line(first, step, steps + 1, whole=False)


def _even(start: Decimal, stop: Decimal, points: int, *, whole: bool) -> Sequence[Any]:
    return _line(Fraction(start), (Fraction(stop) - Fraction(start)) / (points - 1), points, whole=whole)


def _line(first: Fraction, gap: Fraction, points: int, *, whole: bool) -> Sequence[Any]:
    """So many values with a gap between them, each once: exact, over their common denominator, until rounded."""
    below = lcm(first.denominator, gap.denominator)
    begin, step = int(first * below), int(gap * below)
    above = range(begin, begin + points * step, step) if step else (begin,)
    if not whole:
        return tuple(dict.fromkeys(number / below for number in above))
    halves = (divmod(2 * number + below, 2 * below) for number in above)  # half of them is a whole number and the rest
    return tuple(dict.fromkeys(value - (value % 2 if not rest else 0) for value, rest in halves))


def _logarithmic(start: Decimal, stop: Decimal, points: int) -> Iterator[tuple[int, int]]:
    """The values between, as numerators and their denominator: whole numbers are quickly multiplied."""
    factor = _DIGITS.power(_DIGITS.divide(stop, start), _DIGITS.divide(1, points - 1))
    below = 10 ** max(0, _DIGITS.prec - min(start.adjusted(), stop.adjusted()))
    over = 10 ** max(0, _DIGITS.prec - factor.adjusted())
    value, by = int(Fraction(start) * below), int(Fraction(factor) * over)
    for _ in range(points - 2):
        value = value * by // over
        yield value, below


def _multiplied(text: str, start: Decimal, stop: Decimal, factor: Decimal, most: int) -> Iterator[Decimal]:
    if factor <= 0 or factor == 1:
        raise ValuesError(f"the factor of `{text}` is {factor}", "above 1 a range rises, below 1 it falls")
    if (stop < start) if factor > 1 else (stop > start):
        raise ValuesError(f"`{text}` leads away from {stop}", _FALLING)
    if (stop / start).ln() / factor.ln() >= most:
        raise too_many(f"`{text}`", most)
    inside = stop.__ge__ if factor > 1 else stop.__le__
    return takewhile(inside, accumulate(repeat(factor), _DIGITS.multiply, initial=start))
