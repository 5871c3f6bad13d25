"""Test records of the dense layers."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, cases, default_or, record

_FEATURES = st.integers(1, 9)
_LEADING = st.lists(st.integers(1, 5), min_size=1, max_size=4)
_FLAG = default_or(st.booleans())

record(
    "Linear",
    cases(
        "Linear",
        {"out_features": _FEATURES, "bias": _FLAG},
        st.builds(lambda leading, features: Tensor((*leading, features)), _LEADING, _FEATURES),
    ),
    ErrorCase({"out_features": 4}, ((3,),), "Linear works on the last dimension, and an input has the batch alone"),
)


@st.composite
def _bilinear(draw: st.DrawFn) -> Case:
    given = {"out_features": draw(_FEATURES), "bias": draw(_FLAG)}
    leading = draw(_LEADING)
    op = REGISTRY["Bilinear"](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor((*leading, draw(_FEATURES))), Tensor((*leading, draw(_FEATURES)))))


record(
    "Bilinear",
    _bilinear(),
    ErrorCase({"out_features": 4}, ((3,), (3,)), "Bilinear works on the last dimension"),
    ErrorCase({"out_features": 4}, ((3, 5), (3, 2, 5)), "input 1 has 2 dimensions and input 2 has 3"),
    ErrorCase({"out_features": 4}, ((3, 2, 5), (3, 4, 5)), "dimension 1 is 2 in input 1 and 4 in input 2"),
)
