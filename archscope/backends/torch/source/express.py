"""Numbers that differ between the places where a class is used, as arithmetic over its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import permutations
from math import inf
from operator import add, eq, mul
from typing import Any

#: a value where the class does not use it
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()

Vector = Sequence[Any]

#: parameters that tell what arrives
_ARRIVING = re.compile(r"(in|x\d+)_(channels|features)")


class Name(str):
    """A value that is a name in the source: a class."""

    __slots__ = ()


class Inexpressible(Exception):
    """A value is no arithmetic over the parameters, and no parameter may be added."""


class Parameters:
    """The parameters of a class, found while its values are expressed; a value for every place where it is used.

    Args:
        known: what may become a parameter, by name: those of the block in the spec, and the channels that arrive.
        taken: names that no parameter may have.
    """

    def __init__(self, known: dict[str, list[Any]], taken: set[str]) -> None:
        self._known, self._taken = known, taken
        self.used: dict[str, list[Any]] = {}
        self._found: dict[str, list[Any]] = {}

    def express(self, values: Vector, name: str, *, fallback: str = "", new: bool = True) -> str:
        """Source for a value.

        Args:
            values: the value in every place; ``ABSENT`` where it does not matter.
            name: of the parameter that it becomes where it is no arithmetic over others.
            fallback: another name for that, where this one is taken.
            new: whether it may become a parameter of its own.

        Raises:
            Inexpressible: it may not, and has to.
        """
        present = [value for value in values if value is not ABSENT]
        if all(_same(value, present[0]) for value in present):
            return self._likely(values, name) or literal(present[0])
        source = self._arithmetic(values, name)
        if source is None and all(isinstance(value, tuple) for value in present):
            source = self._elementwise(values, name)
        if source is None:
            if not new:
                raise Inexpressible(name)
            source = self._add(values, name if name not in self.used else fallback or name)
        self._found[source] = list(values)
        return source

    def holds(self, truth: Vector, name: str, *, new: bool = True) -> str:
        """Source for a condition, given where it holds; ``ABSENT`` where it does not matter."""
        for source, candidate in self._conditions(truth):
            if _agrees(candidate, truth):
                self._use(source)
                return source
        if not new:
            raise Inexpressible(name)
        return self._add(truth, name)

    # -- how a value follows from parameters -----------------------------------------------------------------------

    def _candidates(self, name: str = "") -> dict[str, list[Any]]:
        everything = {**self.used, **self._known}
        arriving = {key: value for key, value in everything.items() if _ARRIVING.fullmatch(key)}
        others = {key: value for key, value in everything.items() if key not in arriving}
        if name.startswith(("in_", "num_features", "num_channels", "groups", "normalized")):
            return {**arriving, **others}
        return {**others, **arriving}

    def _arithmetic(self, values: Vector, name: str) -> str | None:
        candidates = self._candidates(name)
        preferred = {key: value for key, value in candidates.items() if key in self.used or key == name}
        for some in (preferred, candidates):
            for key, vector in some.items():
                if _agrees(vector, values):
                    self._use(key)
                    return key
        if not all(type(value) is int for value in values if value is not ABSENT):
            return None
        for form in (_one, _linear, _two):
            for source in (found for some in (preferred, candidates) for found in form(some, values)):
                self._use(source)
                return source
        return None

    def _likely(self, values: Vector, name: str) -> str | None:
        """The parameter that a part takes which is not everywhere: its numbers are too few to tell, so names decide."""
        if ABSENT not in values or not _whole(values):
            return None
        sized = {"in_channels", "out_channels", "num_features", "in_features", "out_features"}
        for key, vector in self._candidates(name).items():
            if key in self.used and (key == name or name in sized) and _agrees(vector, values):
                return key
        return None

    def _elementwise(self, values: Vector, name: str) -> str | None:
        lengths = {len(value) for value in values if value is not ABSENT}
        if len(lengths) != 1:
            return None
        try:
            parts = [
                self.express([v if v is ABSENT else v[i] for v in values], name, new=False)
                for i in range(lengths.pop())
            ]
        except Inexpressible:
            return None
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def _conditions(self, truth: Vector) -> Iterator[tuple[str, list[Any]]]:
        arriving = self._known.get("in_channels")
        plain = {key: values for key, values in self._known.items() if key == "in_channels" or values != arriving}
        candidates = {**self.used, **plain}
        for key, values in candidates.items():
            if all(isinstance(value, bool) for value in values if value is not ABSENT):
                yield key, values
                yield f"not {key}", [v if v is ABSENT else not v for v in values]
        numbers = {key: values for key, values in candidates.items() if _whole(values)}
        for key, values in numbers.items():
            yield f"{key} > 0", _mapped(values, lambda v: v > 0)
            yield f"{key} == 0", _mapped(values, lambda v: v == 0)
            yield f"{key} == 1", _mapped(values, lambda v: v == 1)
            yield f"{key} > 1", _mapped(values, lambda v: v > 1)
        yield from _comparisons({**self.used, **self._found})
        yield from _comparisons(numbers)
        for key, values in candidates.items():
            for value in {v for v, holds in zip(values, truth, strict=True) if holds is True and v is not ABSENT}:
                if isinstance(value, str):
                    yield f"{key} == {literal(value)}", _mapped(values, partial(eq, value))

    def _add(self, values: Vector, name: str) -> str:
        stem, number = name, 2
        while name in self._taken or name in self.used:
            name, number = f"{stem}_{number}", number + 1
        self.used[name] = list(values)
        return name

    def _use(self, source: str) -> None:
        """What a source mentions becomes a parameter."""
        for key, values in self._known.items():
            if key not in self.used and key in _words(source):
                self.used[key] = values


def literal(value: Any) -> str:
    """A value as source."""
    if isinstance(value, Name):
        return value
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        inner = ", ".join(map(literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return f'float("{value!r}")' if value in (inf, -inf) else repr(value)


def _words(source: str) -> set[str]:
    return set("".join(c if c.isalnum() or c == "_" else " " for c in source).split())


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _agrees(candidate: Vector, values: Vector) -> bool:
    return all(v is ABSENT or (c is not ABSENT and _same(c, v)) for c, v in zip(candidate, values, strict=True))


def _whole(values: Vector) -> bool:
    return all(type(value) is int for value in values if value is not ABSENT)


def _mapped(values: Vector, function: Callable[[Any], Any]) -> list[Any]:
    return [value if value is ABSENT else function(value) for value in values]


def _one(candidates: dict[str, list[Any]], values: Vector) -> Iterator[str]:
    """A parameter and a constant."""
    at = next(i for i, value in enumerate(values) if value is not ABSENT)
    for key, vector in candidates.items():
        if not _whole(vector) or vector[at] is ABSENT:
            continue
        first, wanted = vector[at], values[at]
        if first and wanted % first == 0 and wanted // first not in (0, 1):
            factor = wanted // first
            if _agrees(_mapped(vector, partial(mul, factor)), values):
                yield f"-{key}" if factor == -1 else f"{factor} * {key}"
        for divisor in dict.fromkeys((2, first // wanted if wanted > 0 else 2)):
            if divisor > 1 and _agrees([v if v is ABSENT else v // divisor for v in vector], values):
                yield f"{key} // {divisor}"
        shift = wanted - first
        if 0 < abs(shift) <= 2 and _agrees(_mapped(vector, partial(add, shift)), values):
            yield f"{key} {'+' if shift > 0 else '-'} {abs(shift)}"


def _linear(candidates: dict[str, list[Any]], values: Vector) -> Iterator[str]:
    """A parameter and two constants, where three values or more confirm it."""
    for key, vector in candidates.items():
        pairs = {(v, w) for v, w in zip(vector, values, strict=True) if ABSENT not in (v, w)}
        if len(pairs) < 3 or not _whole(vector):
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


def _two(candidates: dict[str, list[Any]], values: Vector) -> Iterator[str]:
    """Two parameters."""
    whole = {key: vector for key, vector in candidates.items() if _whole(vector)}
    for (a, first), (b, second) in permutations(whole.items(), 2):
        pairs = [(x, y) if ABSENT not in (x, y) else None for x, y in zip(first, second, strict=True)]
        for symbol, function in _PAIRS.items():
            result = [ABSENT if pair is None else function(*pair) for pair in pairs]
            if _agrees(result, values):
                yield f"{a} {symbol} {b}"


_PAIRS: dict[str, Callable[[int, int], Any]] = {
    "*": lambda a, b: a * b,
    "+": lambda a, b: a + b,
    "//": lambda a, b: a // b if b else ABSENT,
}


def _comparisons(sources: dict[str, list[Any]]) -> Iterator[tuple[str, list[Any]]]:
    whole = [(key, vector) for key, vector in sources.items() if _whole(vector)]
    for number, (a, first) in enumerate(whole):
        for b, second in whole[number + 1 :]:
            equal = [ABSENT if ABSENT in (x, y) else x == y for x, y in zip(first, second, strict=True)]
            yield f"{a} == {b}", equal
            yield f"{a} != {b}", [ABSENT if e is ABSENT else not e for e in equal]
