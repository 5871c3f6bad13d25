"""Arithmetic helpers that work on plain ints and hand every other reading to its own class."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import reduce
from operator import add, mul
from typing import Any, TypeVar

_Number = TypeVar("_Number")


class Reading:
    """A number that is not a plain int: what the helpers ask of it.

    No ABC, of which every number would be asked through Python whether it is one: that takes five times as long.
    """

    __slots__ = ()
    value: Any

    @classmethod
    def call(cls, name: str, arguments: tuple[Any, ...]) -> Any:
        """Evaluate the helper ``name`` on ``arguments``, at least one of which is of this reading."""
        raise NotImplementedError

    def fixed(self) -> Any:
        """The plain value behind this number, on which structure depends."""
        raise NotImplementedError


def plain(value: Any) -> Any:
    """The plain number behind a reading; any other value as it is."""
    return value.value if isinstance(value, Reading) else value


def is_real(value: Any) -> bool:
    """Whether a number is a real one, and no integer."""
    return isinstance(plain(value), float)


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _exact_div(a: int, b: int) -> int:
    return a // b


def _where(condition: bool, a: int, b: int) -> int:
    return a if condition else b


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


#: The helpers on plain ints, by name; the other readings evaluate theirs through the same names.
PLAIN: dict[str, Callable[..., Any]] = {
    "ceil_div": _ceil_div,
    "exact_div": _exact_div,
    "floor_mul": lambda a, factor: math.floor(a * factor),
    "gcd": math.gcd,
    "maximum": max,
    "minimum": min,
    "ratio": _ratio,
    "where": _where,
}


def _dispatch(name: str, *arguments: Any) -> Any:
    for argument in arguments:
        if isinstance(argument, Reading):
            return argument.call(name, arguments)
    return PLAIN[name](*arguments)


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    result: int = _dispatch("ceil_div", a, b)
    return result


def exact_div(a: int, b: int) -> int:
    """a / b where a check holds that b divides a; explained as a plain fraction, without a floor."""
    result: int = _dispatch("exact_div", a, b)
    return result


def floor_mul(a: int, factor: float) -> int:
    """a x factor, rounded down; the product is first rounded to a double, as torch computes it."""
    result: int = _dispatch("floor_mul", a, factor)
    return result


def gcd(a: int, b: int) -> int:
    """The greatest common divisor."""
    result: int = _dispatch("gcd", a, b)
    return result


def maximum(a: _Number, b: _Number) -> _Number:
    """The larger of two numbers."""
    result: _Number = _dispatch("maximum", a, b)
    return result


def minimum(a: _Number, b: _Number) -> _Number:
    """The smaller of two numbers."""
    result: _Number = _dispatch("minimum", a, b)
    return result


def largest(numbers: Iterable[int]) -> int:
    """The largest of some numbers, at least one."""
    values = list(numbers)
    return reduce(maximum, values) if any(isinstance(value, Reading) for value in values) else max(values)


def ratio(a: int, b: int) -> float | None:
    """a / b as a real number; nothing where b is 0. For figures that no formula goes on with."""
    result: float | None = _dispatch("ratio", a, b)
    return result


def where(condition: bool, a: int, b: int) -> int:
    """``a`` where the condition holds, else ``b``; both are evaluated."""
    if isinstance(condition, bool):  # one truth for every design: no formula needs to tell of it
        return a if condition else b
    result: int = _dispatch("where", condition, a, b)
    return result


def prod(factors: Iterable[int]) -> int:
    """The product; 1 for none."""
    values = iter(factors)
    first = next(values, 1)  # not a leading 1: a traced product begins with its first factor
    return math.prod(values, start=first)


def total(terms: Iterable[_Number]) -> _Number:
    """The sum, from left to right; 0 for none.

    So it is of floats, too, on every Python and for a block of designs: since 3.12 ``sum`` makes good what floats lose.
    """
    values: list[Any] = list(terms)
    result: _Number = reduce(add, values or [0])
    return result


def collected(terms: Sequence[int], times: Iterable[int]) -> int:
    """The sum of integers or readings of such, each so many times; one that comes again is counted, then multiplied.

    No formula tells of it.
    """
    if {*map(type, terms)} <= {int}:
        return sum(map(mul, terms, times))
    distinct = {id(term): term for term in terms}
    counts: Counter[int] = Counter()
    for term, count in zip(terms, times, strict=True):
        counts[id(term)] += count
    return total(distinct[one] * count for one, count in counts.items())


def whole_number(value: int | Fraction) -> int | float:
    """A fraction as an integer where it is one, else as a real number."""
    if type(value) is int or not isinstance(value, Fraction):
        return value
    return int(value) if value.denominator == 1 else float(value)


def fixed(number: _Number) -> _Number:
    """A number, or a truth, that decides structure (how many outputs there are, which names), as a plain one."""
    result: _Number = number.fixed() if isinstance(number, Reading) else number
    return result
