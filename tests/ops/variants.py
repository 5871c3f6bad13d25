"""The numbers of a case, and cases of the same structure with other numbers: what the readings are compared on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from archscope.ops import Tensor
from archscope.ops.fields import Either, Kind, Maybe
from tests.ops.records.base import Case


class Number(NamedTuple):
    """A number that a sweep may vary: of a numeric field, or a dimension of an input.

    Attributes:
        minimum: the smallest that its field takes.
    """

    name: str
    value: int
    minimum: int


def numbers(case: Case) -> list[Number]:
    """All numbers of a case, fields first."""
    found = []
    for info in case.op.fields:
        if info.kind.numeric:
            value = getattr(case.op, info.name)
            values = value if isinstance(value, tuple) else (value,)
            found += [
                Number(f"{info.symbol}_{i}", v, _minimum(info.kind)) for i, v in enumerate(values) if isinstance(v, int)
            ]
    for i, x in enumerate(case.inputs):
        found += [Number(f"x{i}_{j}", size, 1) for j, size in enumerate(x.shape)]
    return found


def _minimum(kind: Kind) -> int:
    if isinstance(kind, Maybe):
        return _minimum(kind.kind)
    if isinstance(kind, Either):
        return _minimum(kind.first)
    minimum: int | None = kind.minimum  # type: ignore[attr-defined]  # all numeric kinds have one
    return -(10**6) if minimum is None else minimum


def rebuilt(case: Case, values: Sequence[Any]) -> Case:
    """The case with its numbers replaced, in the order of :func:`numbers`."""
    rest = iter(values)
    fields = {
        info.name: _substituted(getattr(case.op, info.name), rest) for info in case.op.fields if info.kind.numeric
    }
    inputs = tuple(Tensor(tuple(next(rest) for _ in x.shape), x.dtype) for x in case.inputs)
    assert next(rest, None) is None
    return Case(case.op.replace(**fields), inputs)


def _substituted(value: Any, rest: Iterator[Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_substituted(v, rest) for v in value)
    return next(rest) if isinstance(value, int) else value


_CHANGES = st.sampled_from([lambda v: v + 1, lambda v: v - 1, lambda v: v + 2, lambda v: v - 3, lambda v: 2 * v])


@st.composite
def other_numbers(draw: st.DrawFn, case: Case) -> list[int]:
    """The numbers of a case with a few changed, maybe to invalid ones: one to three, or all that share a value."""
    values = numbers(case)
    changed = [number.value for number in values]
    if not values:
        return changed
    change = draw(_CHANGES)
    if draw(st.booleans()):
        old = draw(st.sampled_from(changed))
        chosen = [i for i, value in enumerate(changed) if value == old]
    else:
        chosen = draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=3, unique=True))
    for i in chosen:
        changed[i] = max(change(changed[i]), values[i].minimum)
    return changed
