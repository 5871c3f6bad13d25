"""Test records of the reductions."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record


@st.composite
def _reduction(draw: st.DrawFn, name: str, more: dict[str, st.SearchStrategy[Any]]) -> Case:
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    dims = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, max_size=len(shape), unique=True))
    signed = [draw(st.sampled_from([dim, dim - len(shape)])) for dim in dims]
    keepdim = draw(default_or(st.booleans()))
    dim = signed[0] if len(signed) == 1 and draw(st.booleans()) else signed
    given = {"keepdim": keepdim} | {key: draw(default_or(strategy)) for key, strategy in more.items()}
    op = REGISTRY[name](dim=dim, **{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor(tuple(shape)),))


_P = st.sampled_from([2, 1, 0, 3, 1.5, 0.5, -1, float("inf"), float("-inf")])
_CORRECTION = {"correction": st.sampled_from([1, 0, 0.5, 2])}
_MORE: dict[str, dict[str, st.SearchStrategy[Any]]] = {"Norm": {"p": _P}, "Var": _CORRECTION, "Std": _CORRECTION}

for _name in ("Mean", "Sum", "Max", "Min", "LogSumExp", "Norm", "Var", "Std"):
    record(
        _name,
        _reduction(_name, _MORE.get(_name, {})),
        ErrorCase({"dim": [1, 3]}, ((2, 3, 4),), "dimension 3 is not one of -3 to 2"),
        ErrorCase({"dim": [1, -2]}, ((2, 3, 4),), "dim (1, -2) names a dimension twice"),
    )
