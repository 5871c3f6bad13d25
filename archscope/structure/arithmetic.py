"""Numbers as arithmetic over other numbers: a vector holds the value of one thing in every place where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import permutations
from operator import add, itemgetter, mul, not_
from typing import Any

#: a value in a place that does not have it
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()

Vector = Sequence[Any]
#: what arithmetic may use: a vector by name
Candidates = Mapping[str, list[Any]]
#: a kind of arithmetic: what it makes of candidates that has the wanted values
Form = Callable[[Candidates, Vector], Iterator[str]]


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal and of one type: true is not 1."""
    return type(a) is type(b) and bool(a == b)


def agrees(candidate: Vector, values: Vector) -> bool:
    """Whether a candidate has the wanted value wherever there is one."""
    return all(v is ABSENT or (c is not ABSENT and same(c, v)) for c, v in zip(candidate, values, strict=True))


def whole(values: Vector) -> bool:
    """Whether all values are whole numbers."""
    return all(type(value) is int for value in values if value is not ABSENT)


def present(values: Vector) -> list[Any]:
    """The values that matter."""
    return [value for value in values if value is not ABSENT]


def constant(values: Vector) -> bool:
    """Whether all values that matter are the same."""
    values = present(values)
    return all(same(value, values[0]) for value in values)


def equal(candidates: Candidates, values: Vector) -> str | None:
    """The first candidate that has the wanted values."""
    return next((name for name, vector in candidates.items() if agrees(vector, values)), None)


def columns(values: Vector) -> list[list[Any]] | None:
    """Lists of one length as a vector for each of their numbers; ``None`` where they are no such lists."""
    lengths = {len(value) if isinstance(value, tuple) else -1 for value in present(values)}
    if len(lengths) != 1 or lengths == {-1}:
        return None
    return [mapped(values, itemgetter(number)) for number in range(lengths.pop())]


def formulas(forms: Iterable[Form], sources: Sequence[Candidates], values: Vector) -> Iterator[str]:
    """The values as arithmetic of these forms, the first form over all sources first."""
    return (text for form in forms for candidates in sources for text in form(candidates, values))


def truths(candidates: Candidates) -> Iterator[tuple[str, list[Any]]]:
    """Candidates that hold or do not, as conditions."""
    for name, vector in candidates.items():
        if all(isinstance(value, bool) for value in present(vector)):
            yield name, vector
            yield f"not {name}", mapped(vector, not_)


#: what parameters of these names are, where a call says nothing
_USUAL = {"stride": 1, "groups": 1, "dilation": 1, "padding": 0}


def usual(name: str, values: Vector) -> Any:
    """The value that a parameter has where nothing is said; ``ABSENT`` where it has none."""
    if any(value is False for value in values):
        return False
    value = _USUAL.get(name, ABSENT)
    return value if value is not ABSENT and any(one == value for one in values) else ABSENT


def mapped(values: Vector, function: Callable[[Any], Any]) -> list[Any]:
    """A function of every value."""
    return [value if value is ABSENT else function(value) for value in values]


def one(candidates: Candidates, values: Vector) -> Iterator[str]:
    """A parameter and a constant."""
    at = next(i for i, value in enumerate(values) if value is not ABSENT)
    for key, vector in candidates.items():
        if not whole(vector) or vector[at] is ABSENT:
            continue
        first, wanted = vector[at], values[at]
        if first and wanted % first == 0 and wanted // first not in (0, 1):
            factor = wanted // first
            if agrees(mapped(vector, partial(mul, factor)), values):
                yield f"-{key}" if factor == -1 else f"{factor} * {key}"
        for divisor in dict.fromkeys((2, first // wanted if wanted > 0 else 2)):
            if divisor > 1 and agrees([v if v is ABSENT else v // divisor for v in vector], values):
                yield f"{key} // {divisor}"
        shift = wanted - first
        if 0 < abs(shift) <= 2 and agrees(mapped(vector, partial(add, shift)), values):
            yield f"{key} {'+' if shift > 0 else '-'} {abs(shift)}"


def linear(candidates: Candidates, values: Vector) -> Iterator[str]:
    """A parameter and two constants, where three values or more confirm it."""
    for key, vector in candidates.items():
        pairs = {(v, w) for v, w in zip(vector, values, strict=True) if ABSENT not in (v, w)}
        if len(pairs) < 3 or not whole(vector):
            continue
        (a, first), (b, second), *_ = sorted(pairs)
        if a == b or first == second:
            continue
        shrinks = abs(b - a) > abs(second - first)
        factor = (b - a) // (second - first) if shrinks else (second - first) // (b - a)
        shift = first - (a // factor if shrinks else a * factor) if factor else 0
        if factor and all(w == (v // factor if shrinks else v * factor) + shift for v, w in pairs):
            scaled = f"{key} // {factor}" if shrinks else f"{factor} * {key}"
            yield f"{scaled} {'+' if shift >= 0 else '-'} {abs(shift)}"


def two(candidates: Candidates, values: Vector) -> Iterator[str]:
    """Two parameters."""
    numbers = {key: vector for key, vector in candidates.items() if whole(vector)}
    for (a, first), (b, second) in permutations(numbers.items(), 2):
        pairs = [(x, y) if ABSENT not in (x, y) else None for x, y in zip(first, second, strict=True)]
        for symbol, function in _PAIRS.items():
            result = [ABSENT if pair is None else function(*pair) for pair in pairs]
            if agrees(result, values):
                yield f"{a} {symbol} {b}"


_PAIRS: dict[str, Callable[[int, int], Any]] = {
    "*": lambda a, b: a * b,
    "+": lambda a, b: a + b,
    "//": lambda a, b: a // b if b else ABSENT,
}


def comparisons(sources: dict[str, list[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Pairs of names that are equal or not, as conditions."""
    numbers = [(key, vector) for key, vector in sources.items() if whole(vector)]
    for number, (a, first) in enumerate(numbers):
        for b, second in numbers[number + 1 :]:
            equal = [ABSENT if ABSENT in (x, y) else x == y for x, y in zip(first, second, strict=True)]
            yield f"{a} == {b}", equal
            yield f"{a} != {b}", [ABSENT if e is ABSENT else not e for e in equal]
