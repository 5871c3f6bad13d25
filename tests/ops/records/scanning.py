"""Test records of the ops that go along a dimension."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record


@st.composite
def _scan(draw: st.DrawFn, name: str) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)))
    dtype = draw(st.sampled_from([None, None, "int64", "int32"]))
    given = {"dim": draw(st.integers(-len(shape), len(shape) - 1))}
    if name == "ArgMax":
        given["keepdim"] = draw(default_or(st.booleans()))
    else:
        dtype = draw(st.sampled_from([dtype, "bool"]))
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor(shape, dtype),))


for _name in ("CumSum", "ArgMax"):
    record(_name, _scan(_name), ErrorCase({"dim": 3}, ((2, 3, 4),), "dimension 3 is not one of -3 to 2"))


@st.composite
def _top_k(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    given = {"k": draw(st.integers(1, shape[dim])), "dim": dim}
    return Case(REGISTRY["TopK"](**given), (Tensor(shape, draw(st.sampled_from([None, None, "int64", "int32"]))),))


record(
    "TopK",
    _top_k(),
    ErrorCase({"k": 2, "dim": 3}, ((2, 3, 4),), "dimension 3 is not one of -3 to 2"),
    ErrorCase({"k": 5}, ((2, 3, 4),), "a size of 4 has no 5 largest elements"),
)
