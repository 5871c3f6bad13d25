"""Test records of the reductions."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record


@st.composite
def _reduction(draw: st.DrawFn, name: str) -> Case:
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    dims = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    signed = [draw(st.sampled_from([dim, dim - len(shape)])) for dim in dims]
    keepdim = draw(default_or(st.booleans()))
    dim = signed[0] if len(signed) == 1 and draw(st.booleans()) else signed
    op = REGISTRY[name](dim=dim, **({} if keepdim is ... else {"keepdim": keepdim}))
    return Case(op, (Tensor(tuple(shape)),))


for _name in ("Mean", "Sum", "Max"):
    record(
        _name,
        _reduction(_name),
        ErrorCase({"dim": [1, 3]}, ((2, 3, 4),), "dimension 3 is not one of -3 to 2"),
        ErrorCase({"dim": [1, -2]}, ((2, 3, 4),), "dim (1, -2) names a dimension twice"),
    )
