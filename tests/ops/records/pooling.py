"""Test records of the pooling layers."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor, failed
from tests.ops.records.base import Case, ErrorCase, cases, default_or, maps, per_axis, record


@st.composite
def _padded(draw: st.DrawFn, name: str, rank: int, others: dict[str, st.SearchStrategy[Any]]) -> Case:
    """Cases with paddings of at most half the kernel, so that few are drawn in vain."""
    kernel = draw(per_axis(rank, 1, 4))
    half = (kernel if isinstance(kernel, int) else min(kernel)) // 2
    given = {"kernel_size": kernel, "padding": draw(default_or(per_axis(rank, 0, half)))}
    given |= {key: draw(strategy) for key, strategy in others.items()}
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (draw(_MAPS[rank]),))


_MAPS: dict[int, st.SearchStrategy[Tensor]] = {rank: maps(rank, sizes=st.integers(3, 12)) for rank in (1, 2, 3)}


def _valid(cases_drawn: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    return cases_drawn.filter(lambda case: not failed(case.op, case.inputs))


for _rank in (1, 2, 3):
    _EIGHT = ((1, 3, *(8,) * _rank),)
    _FOUR = ((1, 3, *(4,) * _rank),)
    _whole = "kernel 5 is larger than a map of 4: a 3-D average must fit in"
    _STRIDE = default_or(per_axis(_rank, 1, 4))
    record(
        f"MaxPool{_rank}d",
        _valid(
            _padded(
                f"MaxPool{_rank}d",
                _rank,
                {
                    "stride": _STRIDE,
                    "dilation": default_or(per_axis(_rank, 1, 2)),
                    "ceil_mode": default_or(st.booleans()),
                },
            )
        ),
        ErrorCase({"kernel_size": 3, "padding": 2}, _EIGHT, "padding 2 is more than half of the kernel (3)"),
        ErrorCase({"kernel_size": 3, "dilation": 2}, _FOUR, "kernel 3 (dilation 2) does not fit into a map of 4"),
    )
    record(
        f"AvgPool{_rank}d",
        _valid(
            _padded(
                f"AvgPool{_rank}d",
                _rank,
                {
                    "stride": _STRIDE,
                    "ceil_mode": default_or(st.booleans()),
                    "count_include_pad": default_or(st.booleans()),
                    **({} if _rank == 1 else {"divisor_override": default_or(st.none() | st.integers(1, 9))}),
                },
            )
        ),
        ErrorCase({"kernel_size": 2, "padding": 2}, _EIGHT, "padding 2 is more than half of the kernel (2)"),
        ErrorCase({"kernel_size": 7, "padding": 1}, _FOUR, "kernel 7 (dilation 1) does not fit into a map of 4"),
        *[ErrorCase({"kernel_size": 5, "padding": 1}, _FOUR, _whole)] * (_rank == 3),
    )
    record(
        f"LPPool{_rank}d",
        cases(
            f"LPPool{_rank}d",
            {
                # with infinity torch takes the maximum, which lets a kernel be larger than a 3-D map
                "norm_type": st.sampled_from([1, 2, 3, 0.5, -1, 2 if _rank == 3 else float("inf")]),
                "kernel_size": per_axis(_rank, 1, 4),
                "stride": _STRIDE,
                "ceil_mode": default_or(st.booleans()),
            },
            _MAPS[_rank],
        ),
        ErrorCase({"norm_type": 0, "kernel_size": 2}, _FOUR, "norm_type must not be 0"),
        ErrorCase({"norm_type": 2, "kernel_size": 5}, _FOUR, "kernel 5 (dilation 1) does not fit into a map of 4"),
        *[ErrorCase({"norm_type": 2, "kernel_size": 5}, _FOUR, _whole)] * (_rank == 3),
    )
    _SIZE = st.integers(1, 12)
    _WANTED: st.SearchStrategy[Any] = _SIZE | st.lists(_SIZE, min_size=_rank, max_size=_rank)
    if _rank > 1:
        _MAYBE: st.SearchStrategy[int | None] = st.none() | _SIZE
        _WANTED |= st.none() | st.lists(_MAYBE, min_size=_rank, max_size=_rank)
    for _name in (f"AdaptiveAvgPool{_rank}d", f"AdaptiveMaxPool{_rank}d"):
        record(_name, cases(_name, {"output_size": _WANTED}, maps(_rank)))
