"""Test records of the ops that take a tensor apart."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record

_SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4)
_DTYPES = st.sampled_from([None, None, "int64", "bool"])


def _case(draw: st.DrawFn, name: str, arguments: dict[str, object], shape: list[int]) -> Case:
    op = REGISTRY[name](**{key: value for key, value in arguments.items() if value is not ...})
    return Case(op, (Tensor(tuple(shape), draw(_DTYPES)),))


@st.composite
def _chunk(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(default_or(st.integers(-len(shape), len(shape) - 1)))
    chunks, each = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    shape[0 if dim is ... else dim] = each * (chunks - 1) + draw(st.integers(max(1, each - chunks + 1), each))
    return _case(draw, "Chunk", {"chunks": chunks, "dim": dim}, shape)


record(
    "Chunk",
    _chunk(),
    ErrorCase({"chunks": 3, "dim": 1}, ((1, 4),), "a size of 4 does not make 3 chunks of ceil(4 / 3) = 2"),
    ErrorCase({"chunks": 2, "dim": 2}, ((1, 4),), "dimension 2 is not one of -2 to 1"),
)


@st.composite
def _split(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(default_or(st.integers(-len(shape), len(shape) - 1)))
    sections = draw(st.integers(1, 6) | st.lists(st.integers(1, 6), min_size=1, max_size=4))
    if isinstance(sections, list):
        shape[0 if dim is ... else dim] = sum(sections)
    return _case(draw, "Split", {"split_size_or_sections": sections, "dim": dim}, shape)


record(
    "Split",
    _split(),
    ErrorCase({"split_size_or_sections": [2, 3], "dim": 1}, ((1, 4),), "(2, 3) add up to 5, not to the size 4"),
    ErrorCase({"split_size_or_sections": 1, "dim": 1}, ((1, 5000),), "5000 parts of a size of 5000; the most is 1024"),
    ErrorCase({"split_size_or_sections": 2, "dim": 2}, ((1, 4),), "dimension 2 is not one of -2 to 1"),
)


@st.composite
def _slice(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    size = shape[dim]
    first = draw(st.integers(0, size - 1))
    last = draw(st.integers(first + 1, size))
    given = {
        "dim": dim,
        "start": draw(st.sampled_from([first, first - size, *([..., -size - 3] if first == 0 else [])])),
        "end": draw(st.sampled_from([last, *([last - size] if last < size else [..., None, size + 2])])),
        "step": draw(default_or(st.integers(1, 4))),
    }
    return _case(draw, "Slice", given, shape)


record(
    "Slice",
    _slice(),
    ErrorCase({"dim": 1, "start": 3, "end": -2}, ((1, 5),), "nothing is left of a size of 5 from 3 to -2"),
    ErrorCase({"dim": 1, "start": 5}, ((1, 5),), "nothing is left of a size of 5 from 5 to its end"),
    ErrorCase({"dim": 2}, ((1, 5),), "dimension 2 is not one of -2 to 1"),
)


@st.composite
def _select(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    index = draw(st.integers(-shape[dim], shape[dim] - 1))
    return _case(draw, "Select", {"dim": dim, "index": index}, shape)


record(
    "Select",
    _select(),
    ErrorCase({"dim": 1, "index": 5}, ((1, 5),), "index 5 is not one of the 5 places of dimension 1"),
    ErrorCase({"dim": 1, "index": -6}, ((1, 5),), "index -6 is not one of the 5 places"),
    ErrorCase({"dim": 2, "index": 0}, ((1, 5),), "dimension 2 is not one of -2 to 1"),
)
