"""Numbers that differ between the places where a class is used, as arithmetic over its parameters."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from functools import partial
from math import inf
from operator import eq
from typing import Any

from archscope.structure.arithmetic import (
    ABSENT,
    Vector,
    agrees,
    columns,
    comparisons,
    constant,
    equal,
    formulas,
    linear,
    mapped,
    one,
    present,
    truths,
    two,
    whole,
)
from archscope.structure.names import free

#: parameters that tell what arrives
_ARRIVING = re.compile(r"(in|x\d+)_(channels|features)")


#: words that the source uses, and so no name of a parameter or a class
RESERVED = frozenset({
    "F", "OrderedDict", "Path", "Tensor", "add_module", "bool", "checkpoint", "dict", "each", "enumerate", "float",
    "getattr", "i", "int", "nn", "np", "range", "self", "str", "stored", "super", "torch", "tuple", "type", "x", "zip",
    *keyword.kwlist,
})  # fmt: skip


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

    def __init__(self, vectors: dict[str, list[Any]], taken: set[str]) -> None:
        self._vectors, self._taken = vectors, taken
        self.used: dict[str, list[Any]] = {}
        self._sources: dict[str, list[Any]] = {}

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
        if constant(values):
            return self._likely(values, name) or literal(present(values)[0])
        source = self._arithmetic(values, name) or self._elementwise(values, name)
        if source is None:
            if not new:
                raise Inexpressible(name)
            source = self._add(values, name if name not in self.used else fallback or name)
        self._sources[source] = list(values)
        return source

    def holds(self, truth: Vector, name: str, *, new: bool = True) -> str:
        """Source for a condition, given where it holds; ``ABSENT`` where it does not matter."""
        for source, candidate in self._conditions(truth):
            if agrees(candidate, truth):
                self._use(source)
                return source
        if not new:
            raise Inexpressible(name)
        return self._add(truth, name)

    # -- how a value follows from parameters -----------------------------------------------------------------------

    def _candidates(self, name: str = "") -> dict[str, list[Any]]:
        everything = {**self.used, **self._vectors}
        arriving = {key: value for key, value in everything.items() if _ARRIVING.fullmatch(key)}
        others = {key: value for key, value in everything.items() if key not in arriving}
        if name.startswith(("in_", "num_features", "num_channels", "groups", "normalized")):
            return {**arriving, **others}
        return {**others, **arriving}

    def _arithmetic(self, values: Vector, name: str) -> str | None:
        candidates = self._candidates(name)
        preferred = {key: value for key, value in candidates.items() if key in self.used or key == name}
        source = equal(preferred, values) or equal(candidates, values)
        if source is None and whole(values):
            source = next(formulas((one, linear, two), (preferred, candidates), values), None)
        if source is not None:
            self._use(source)
        return source

    def _likely(self, values: Vector, name: str) -> str | None:
        """The parameter that a part takes which is not everywhere: its numbers are too few to tell, so names decide."""
        if ABSENT not in values or not whole(values):
            return None
        sized = {"in_channels", "out_channels", "num_features", "in_features", "out_features"}
        for key, vector in self._candidates(name).items():
            if key in self.used and (key == name or name in sized) and agrees(vector, values):
                return key
        return None

    def _elementwise(self, values: Vector, name: str) -> str | None:
        numbers = columns(values)
        if numbers is None:
            return None
        try:
            parts = [self.express(column, name, new=False) for column in numbers]
        except Inexpressible:
            return None
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def _conditions(self, truth: Vector) -> Iterator[tuple[str, list[Any]]]:
        arriving = self._vectors.get("in_channels")
        plain = {key: values for key, values in self._vectors.items() if key == "in_channels" or values != arriving}
        candidates = {**self.used, **plain}
        yield from truths(candidates)
        numbers = {key: values for key, values in candidates.items() if whole(values)}
        for key, values in numbers.items():
            yield f"{key} > 0", mapped(values, lambda v: v > 0)
            yield f"{key} == 0", mapped(values, lambda v: v == 0)
            yield f"{key} == 1", mapped(values, lambda v: v == 1)
            yield f"{key} > 1", mapped(values, lambda v: v > 1)
        yield from comparisons({**self.used, **self._sources})
        yield from comparisons(numbers)
        for key, values in candidates.items():
            for value in {v for v, holds in zip(values, truth, strict=True) if holds is True and v is not ABSENT}:
                if isinstance(value, str):
                    yield f"{key} == {literal(value)}", mapped(values, partial(eq, value))

    def _add(self, values: Vector, name: str) -> str:
        name = free(name, {*self._taken, *self.used})
        self.used[name] = list(values)
        return name

    def _use(self, source: str) -> None:
        """What a source mentions becomes a parameter."""
        for key, values in self._vectors.items():
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
