"""Test records of the ops that lay places of a tensor anew."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, record

_SIZES = st.integers(1, 6)
_SHAPES = st.lists(_SIZES, min_size=1, max_size=4)
_DTYPES = st.sampled_from([None, None, None, "int64", "bool"])


def _drawn(draw: st.DrawFn, shape: list[int]) -> Tensor:
    return Tensor(tuple(shape), draw(_DTYPES))


@st.composite
def _index(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    op = REGISTRY["Index"](dim=draw(st.integers(-len(shape), len(shape) - 1)))
    places = Tensor(tuple(draw(st.lists(_SIZES, min_size=1, max_size=3))), "int64")
    return Case(op, (_drawn(draw, shape), places))


record(
    "Index",
    _index(),
    ErrorCase({"dim": 2}, ((3, 4), (5,)), "dimension 2 is not one of -2 to 1", (None, "int64")),
    ErrorCase({"dim": 1}, ((3, 4), (5,)), "input 2, the places, must hold int64 values, not floating ones"),
)


@st.composite
def _gather(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    places = [draw(st.integers(1, size)) for size in shape]
    places[dim] = draw(_SIZES)
    return Case(REGISTRY["Gather"](dim=dim), (_drawn(draw, shape), Tensor(tuple(places), "int64")))


record(
    "Gather",
    _gather(),
    ErrorCase({"dim": -3}, ((3, 4), (3, 2)), "dimension -3 is not one of -2 to 1", (None, "int64")),
    ErrorCase({"dim": 1}, ((3, 4), (3, 2)), "must hold int64 values, not bool ones", (None, "bool")),
    ErrorCase({"dim": 1}, ((3, 4), (3,)), "Gather: input 1 has 2 dimensions and input 2 has 1", (None, "int64")),
    ErrorCase({"dim": 1}, ((3, 4), (5, 2)), "dimension 0 is 3 in input 1 and 5 in input 2", (None, "int64")),
)


@st.composite
def _roll(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dims = draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=3))
    shifts = [draw(st.integers(-7, 7)) for _ in dims]
    given: dict[str, Any] = {"shifts": shifts, "dims": dims}
    return Case(REGISTRY["Roll"](**given), (_drawn(draw, shape),))


record(
    "Roll",
    _roll(),
    ErrorCase({"shifts": [1, 2], "dims": [1]}, ((3, 4),), "2 shifts for 1 dimensions"),
    ErrorCase({"shifts": 1, "dims": 2}, ((3, 4),), "dimension 2 is not one of -2 to 1"),
)


@st.composite
def _flip(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dims = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    signed = [draw(st.sampled_from([dim, dim - len(shape)])) for dim in dims]
    return Case(REGISTRY["Flip"](dims=signed), (_drawn(draw, shape),))


record(
    "Flip",
    _flip(),
    ErrorCase({"dims": 2}, ((3, 4),), "dimension 2 is not one of -2 to 1"),
    ErrorCase({"dims": [1, -1]}, ((3, 4),), "dims (1, -1) names a dimension twice"),
)


@st.composite
def _tile(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dims = draw(st.lists(st.integers(1, 3), min_size=1, max_size=len(shape)))
    if len(dims) == len(shape):
        dims[0] = 1
    return Case(REGISTRY["Tile"](dims=dims), (_drawn(draw, shape),))


record(
    "Tile",
    _tile(),
    ErrorCase({"dims": [1, 1, 2]}, ((3, 4),), "3 factors for 2 dimensions"),
    ErrorCase({"dims": [2, 1]}, ((3, 4),), "the batch, dimension 0, cannot be repeated 2 times"),
)
