"""Test records of the padding layers."""

from typing import Any

from hypothesis import strategies as st

from tests.ops.records.base import ErrorCase, cases, maps, record


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
