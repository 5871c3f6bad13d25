"""What a test record of an op is: how to draw valid cases of it, and cases that it must refuse.

One file a family beside this one enters its records by :func:`record`; ``tests/ops/test_contract.py`` fails for an op
without one, and every oracle (torch on the meta device, the array reading, the traced reading) runs on all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Op, Tensor, failed


class Case(NamedTuple):
    """A valid op with the tensors that it is applied to (batch included)."""

    op: Op
    inputs: tuple[Tensor, ...]


class ErrorCase(NamedTuple):
    """Arguments and input shapes that the op's own checks must refuse, and words that its message must hold.

    Attributes:
        dtypes: of the inputs, where they are not what the op takes.
    """

    arguments: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    says: str
    dtypes: tuple[str | None, ...] = ()


class Record(NamedTuple):
    """The test record of one op."""

    cases: st.SearchStrategy[Case]
    errors: tuple[ErrorCase, ...] = ()


RECORDS: dict[str, Record] = {}


def record(name: str, cases: st.SearchStrategy[Case], *errors: ErrorCase) -> None:
    """Enter the test record of the op ``name``."""
    assert name in REGISTRY, name
    assert name not in RECORDS, name
    RECORDS[name] = Record(cases, errors)


def cases(
    name: str, arguments: dict[str, st.SearchStrategy[Any]], *inputs: st.SearchStrategy[Tensor]
) -> st.SearchStrategy[Case]:
    """Cases whose arguments and inputs are drawn apart; those that the op's checks refuse are drawn again.

    An argument whose strategy yields ``...`` is left to its default.
    """

    @st.composite
    def draw_case(draw: st.DrawFn) -> Case:
        given = {key: draw(strategy) for key, strategy in arguments.items()}
        op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
        return Case(op, tuple(draw(tensor) for tensor in inputs))

    return draw_case().filter(lambda case: not failed(case.op, case.inputs))


def default_or(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The argument's default, or a value of the strategy."""
    return st.just(...) | strategy


def maps(
    rank: int,
    channels: st.SearchStrategy[int] | None = None,
    sizes: st.SearchStrategy[int] | None = None,
) -> st.SearchStrategy[Tensor]:
    """Floating inputs (N, C, *sizes) with ``rank`` spatial axes."""
    channels = st.sampled_from([1, 2, 3, 4, 6, 8, 12]) if channels is None else channels
    sizes = st.integers(1, 12) if sizes is None else sizes
    return st.builds(
        lambda n, c, s: Tensor((n, c, *s)),
        st.integers(1, 3),
        channels,
        st.lists(sizes, min_size=rank, max_size=rank),
    )


def per_axis(rank: int, low: int, high: int) -> st.SearchStrategy[Any]:
    """One number for all axes, or a list of one an axis."""
    number = st.integers(low, high)
    return number | st.lists(number, min_size=rank, max_size=rank)
