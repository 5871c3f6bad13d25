"""Test records of the ops that compare, join truth values, and choose by them."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, cases, record
from tests.ops.records.merging import worn

_SHAPES = st.lists(st.integers(1, 6), min_size=2, max_size=5)
_DTYPES = st.sampled_from([None, None, "int64", "int32", "bool"])
_OPERATORS = st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"])
_DIFFER = ErrorCase({}, ((2, 4, 3), (2, 1, 4)), "dimension L differs (3 and 4)")


@st.composite
def _compare(draw: st.DrawFn) -> Case:
    shape, operator = draw(_SHAPES), draw(_OPERATORS)
    if draw(st.booleans()):
        op = REGISTRY["Compare"](operator=operator, other=draw(st.integers(-2, 2) | st.floats(-2, 2)))
        return Case(op, (Tensor(tuple(shape), draw(_DTYPES)),))
    op = REGISTRY["Compare"](operator=operator)
    return Case(op, tuple(Tensor(worn(draw, shape), draw(_DTYPES)) for _ in range(2)))


record(
    "Compare",
    _compare(),
    ErrorCase({"operator": "lt"}, ((2, 3),), "Compare needs the number `other` for one input, and none for two"),
    ErrorCase({"operator": "lt", "other": 1}, ((2, 3), (2, 3)), "Compare needs the number `other` for one input"),
    _DIFFER._replace(arguments={"operator": "ge"}),
)


@st.composite
def _logical(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    op = REGISTRY["Logical"](operator=draw(st.sampled_from(["and", "or", "xor"])))
    return Case(op, tuple(Tensor(worn(draw, shape), "bool") for _ in range(2)))


record("Logical", _logical(), _DIFFER._replace(arguments={"operator": "xor"}))
record("LogicalNot", cases("LogicalNot", {}, st.builds(Tensor, _SHAPES.map(tuple), st.just("bool"))))


@st.composite
def _where(draw: st.DrawFn) -> Case:
    shape = draw(_SHAPES)
    dtypes = ("bool", draw(_DTYPES), draw(_DTYPES))
    return Case(REGISTRY["Where"](), tuple(Tensor(worn(draw, shape), dtype) for dtype in dtypes))


record(
    "Where",
    _where(),
    ErrorCase({}, ((2, 3),) * 3, "input 1 must hold truth values (bool), not int64 ones", ("int64", None, None)),
    ErrorCase(
        {}, ((2, 3), (2, 1), (2, 4)), "inputs 1 to 2 are together (3,) and input 3 is (4,)", ("bool", None, None)
    ),
)


@st.composite
def _masked_fill(draw: st.DrawFn) -> Case:
    shape, dtype = draw(_SHAPES), draw(_DTYPES)
    values = st.integers(0, 1) if dtype == "bool" else st.integers(-3, 3)
    if dtype is None:
        values = values | st.floats(-3, 3) | st.just(float("-inf"))
    op = REGISTRY["MaskedFill"](value=draw(values))
    return Case(op, (Tensor(worn(draw, shape), dtype), Tensor(worn(draw, shape), "bool")))


record(
    "MaskedFill",
    _masked_fill(),
    ErrorCase({"value": 0}, ((2, 3), (2, 3)), "input 2 must hold truth values (bool), not floating ones"),
    ErrorCase({"value": 0.5}, ((2, 3), (2, 3)), "value (0.5) must be one of the int64 numbers", ("int64", "bool")),
    _DIFFER._replace(arguments={"value": 0}, dtypes=(None, "bool")),
)
