"""Test records of the padding layers."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor, failed
from tests.ops.records.base import Case, ErrorCase, cases, default_or, maps, record


def _paddings(rank: int, low: int, high: int) -> st.SearchStrategy[Any]:
    number = st.integers(low, high)
    return number | st.lists(number, min_size=2 * rank, max_size=2 * rank)


for _rank in (1, 2, 3):
    _maps = maps(_rank, sizes=st.integers(4, 12))
    _FOUR = ((1, 3, *(4,) * _rank),)
    _EVEN = [0] * (2 * _rank - 2)
    _nothing = ErrorCase({"padding": -2}, _FOUR, "padding (-2, -2) leaves nothing of a map of 4")
    _crops = ErrorCase({"padding": [-5, 6, *_EVEN]}, _FOUR, "padding (-5, 6) crops more than a map of 4 has")
    record(f"ZeroPad{_rank}d", cases(f"ZeroPad{_rank}d", {"padding": _paddings(_rank, -2, 4)}, _maps), _nothing, _crops)
    record(
        f"ConstantPad{_rank}d",
        cases(f"ConstantPad{_rank}d", {"padding": _paddings(_rank, -2, 4), "value": st.floats(-3, 3)}, _maps),
        *(case._replace(arguments=case.arguments | {"value": 1}) for case in (_nothing, _crops)),
    )
    record(
        f"ReflectionPad{_rank}d",
        cases(f"ReflectionPad{_rank}d", {"padding": _paddings(_rank, -1, 3)}, _maps),
        _nothing,
        ErrorCase({"padding": [0, 4, *_EVEN]}, _FOUR, "reflection padding (0, 4) must be less than the map (4)"),
        ErrorCase({"padding": [4, 0, *_EVEN]}, _FOUR, "reflection padding (4, 0) must be less than the map (4)"),
    )
    record(
        f"ReplicationPad{_rank}d",
        cases(f"ReplicationPad{_rank}d", {"padding": _paddings(_rank, -2, 5)}, _maps),
        _nothing,
    )
    record(
        f"CircularPad{_rank}d",
        cases(f"CircularPad{_rank}d", {"padding": _paddings(_rank, -1, 3)}, _maps),
        _nothing,
        ErrorCase({"padding": [5, 0, *_EVEN]}, _FOUR, "circular padding (5, 0) is more than a map of 4 has to give"),
        ErrorCase({"padding": [-1, 4, *_EVEN]}, _FOUR, "circular padding (-1, 4) is more than a map of 4 has to give"),
    )


@st.composite
def _pad(draw: st.DrawFn) -> Case:
    mode = draw(default_or(st.sampled_from(["constant", "reflect", "replicate", "circular"])))
    shape = draw(st.lists(st.integers(1, 7), min_size=1 if mode in (..., "constant") else 3, max_size=5))
    if mode in (..., "constant"):
        pairs, low, dtype = draw(st.integers(1, len(shape))), -2, draw(st.sampled_from([None, None, "int64", "bool"]))
    else:
        outside = 2 if len(shape) == 5 else draw(st.integers(1, 2))
        pairs, low, dtype = len(shape) - outside, -1, None
    given = {
        "pad": draw(st.lists(st.integers(low, 3), min_size=2 * pairs, max_size=2 * pairs)),
        "mode": mode,
        "value": draw(default_or(st.none() | st.floats(-3, 3))) if mode in (..., "constant") else ...,
    }
    op = REGISTRY["Pad"](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor(tuple(shape), dtype),))


record(
    "Pad",
    _pad().filter(lambda case: not failed(case.op, case.inputs)),
    ErrorCase({"pad": [1, 2, 3]}, ((3, 4),), "pad has 3 numbers, not two for each of up to 2 dimensions"),
    ErrorCase({"pad": [0, 0, 1, 1, 2, 2]}, ((3, 4),), "pad has 6 numbers, not two for each of up to 2 dimensions"),
    ErrorCase({"pad": [-2, -2]}, ((3, 4),), "padding (-2, -2) leaves nothing of a map of 4"),
    ErrorCase({"pad": [-5, 6]}, ((3, 4),), "padding (-5, 6) crops more than a map of 4 has"),
    ErrorCase({"pad": [1, 1], "mode": "reflect"}, ((3, 4, 4, 4),), "mode reflect pads all of 1 to 3 axes; pad has 2"),
    ErrorCase({"pad": [1, 1], "mode": "reflect", "value": 1}, ((3, 4, 4),), "mode reflect takes no value"),
    ErrorCase({"pad": [1, 1], "mode": "replicate"}, ((3, 4, 4),), "must hold floating values, not int64", ("int64",)),
    ErrorCase({"pad": [4, 0], "mode": "reflect"}, ((3, 4, 4),), "reflection padding (4, 0) must be less than the map"),
    ErrorCase({"pad": [5, 0], "mode": "circular"}, ((3, 4, 4),), "circular padding (5, 0) is more than a map of 4"),
)
