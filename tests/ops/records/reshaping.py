"""Test records of the ops that give a tensor another shape."""

from math import prod
from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record

_SIZES = st.sampled_from([1, 2, 3, 4, 5, 6, 8, 12])
_SHAPES = st.lists(_SIZES, min_size=1, max_size=5)
_DTYPES = st.sampled_from([None, None, "int64", "bool"])


def _case(draw: st.DrawFn, name: str, arguments: dict[str, Any], shape: list[int]) -> Case:
    op = REGISTRY[name](**{key: value for key, value in arguments.items() if value is not ...})
    return Case(op, (Tensor(tuple(shape), draw(_DTYPES)),))


def _either_sign(draw: st.DrawFn, dim: int, ndims: int) -> int:
    """The dimension, counted from the start or from the end."""
    return draw(st.sampled_from([dim, dim - ndims]))


def _factors(draw: st.DrawFn, number: int) -> list[int]:
    """A list of sizes with this product, one of them perhaps -1."""
    sizes = []
    for _ in range(draw(st.integers(0, 3))):
        sizes.append(draw(st.sampled_from([d for d in range(1, 13) if number % d == 0])))
        number //= sizes[-1]
    sizes.insert(draw(st.integers(0, len(sizes))), number)
    rest = draw(st.none() | st.integers(0, len(sizes) - 1))
    return [-1 if i == rest else size for i, size in enumerate(sizes)]


@st.composite
def _flatten(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    start, end = sorted((draw(st.integers(0, len(shape) - 1)), draw(st.integers(0, len(shape) - 1))))
    given = {
        "start_dim": draw(default_or(st.just(_either_sign(draw, start, len(shape))))),
        "end_dim": draw(default_or(st.just(_either_sign(draw, end, len(shape))))),
    }
    if given["start_dim"] is ... and end == 0:
        given["start_dim"] = 0
    return _case(draw, "Flatten", given, shape)


record(
    "Flatten",
    _flatten(),
    ErrorCase({}, ((3,),), "dimension 1 is not one of -1 to 0"),
    ErrorCase({"end_dim": 4}, ((3, 2, 5),), "dimension 4 is not one of -3 to 2"),
    ErrorCase({"start_dim": 2, "end_dim": 1}, ((3, 2, 5),), "start_dim (2) must not come after end_dim (1)"),
)


@st.composite
def _unflatten(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(st.integers(0, len(shape) - 1))
    given = {"dim": _either_sign(draw, dim, len(shape)), "unflattened_size": _factors(draw, shape[dim])}
    return _case(draw, "Unflatten", given, shape)


record(
    "Unflatten",
    _unflatten(),
    ErrorCase({"dim": 3, "unflattened_size": [2, 2]}, ((1, 4),), "dimension 3 is not one of -2 to 1"),
    ErrorCase({"dim": 1, "unflattened_size": [-1, -1]}, ((1, 4),), "only one size may be -1"),
    ErrorCase({"dim": 1, "unflattened_size": [2, 3]}, ((1, 4),), "4 elements do not fit into (2, 3)"),
    ErrorCase({"dim": 1, "unflattened_size": [3, -1]}, ((1, 4),), "4 elements do not fit into (3, -1)"),
)


@st.composite
def _reshape(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    return _case(draw, "Reshape", {"shape": _factors(draw, prod(shape[1:]))}, shape)


record(
    "Reshape",
    _reshape(),
    ErrorCase({"shape": [1]}, ((),), "keeps the batch, and what arrives has no dimensions"),
    ErrorCase({"shape": [-1, 2, -1]}, ((1, 4),), "only one size may be -1"),
    ErrorCase({"shape": [2, 3]}, ((2, 4),), "4 elements do not fit into (2, 3)"),
    ErrorCase({"shape": [8, -1]}, ((2, 2, 2),), "4 elements do not fit into (8, -1)"),
)


@st.composite
def _permute(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dims = [_either_sign(draw, dim, len(shape)) for dim in draw(st.permutations(range(len(shape))))]
    return _case(draw, "Permute", {"dims": dims}, shape)


record(
    "Permute",
    _permute(),
    ErrorCase({"dims": [0, 2, 2]}, ((1, 2, 3),), "dims (0, 2, 2) must name each of the 3 dimensions once"),
    ErrorCase({"dims": [0, 1]}, ((1, 2, 3),), "must name each of the 3 dimensions once"),
    ErrorCase({"dims": [0, 1, 3]}, ((1, 2, 3),), "must name each of the 3 dimensions once"),
)


@st.composite
def _transpose(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dims = (draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
    return _case(draw, "Transpose", dict(zip(("dim0", "dim1"), dims, strict=True)), shape)


record(
    "Transpose",
    _transpose(),
    ErrorCase({"dim0": 3, "dim1": 0}, ((1, 2, 3),), "dimension 3 is not one of -3 to 2"),
    ErrorCase({"dim0": 0, "dim1": -4}, ((1, 2, 3),), "dimension -4 is not one of -3 to 2"),
)


@st.composite
def _squeeze(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    shape[dim] = 1
    return _case(draw, "Squeeze", {"dim": dim}, shape)


record(
    "Squeeze",
    _squeeze(),
    ErrorCase({"dim": 3}, ((1, 2, 3),), "dimension 3 is not one of -3 to 2"),
    ErrorCase({"dim": 1}, ((1, 2, 3),), "dimension 1 has the size 2"),
)


@st.composite
def _unsqueeze(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    return _case(draw, "Unsqueeze", {"dim": draw(st.integers(-len(shape) - 1, len(shape)))}, shape)


record("Unsqueeze", _unsqueeze(), ErrorCase({"dim": 4}, ((1, 2, 3),), "dimension 4 is not one of -4 to 3"))


@st.composite
def _expand(draw: st.DrawFn) -> Case:
    shape, dtype = draw(_SHAPES), draw(_DTYPES)
    lent = draw(st.booleans())
    sizes = [-1]
    for place, size in enumerate(shape[1:], 1):
        shape[place] = draw(st.sampled_from([size, 1]))
        sizes.append(draw(st.sampled_from([size, -1])) if shape[place] == size else size)
    if not lent:
        return Case(REGISTRY["Expand"](sizes=sizes), (Tensor(tuple(shape), dtype),))
    lender = Tensor(tuple(draw(_SHAPES)), draw(_DTYPES))
    return Case(REGISTRY["Expand"](sizes=sizes), (Tensor((1, *shape[1:]), dtype), lender))


record(
    "Expand",
    _expand(),
    ErrorCase({"sizes": [-1, 2]}, ((3, 1, 5),), "(-1, 2) has 2 sizes for 3 dimensions"),
    ErrorCase({"sizes": [3, 2]}, ((3, 1),), "the size of dimension 0, the batch, must be -1, not 3"),
    ErrorCase({"sizes": [-1, 2]}, ((3, 1), (3, 1)), "a batch is lent to a tensor whose dimension 0 is 1, not 3"),
    ErrorCase({"sizes": [-1, 4]}, ((3, 2),), "dimension 1 has the size 2; only a size of 1 can be repeated to 4"),
)
