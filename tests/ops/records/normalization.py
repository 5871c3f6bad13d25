"""Test records of the normalisation layers."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, cases, default_or, maps, record

_FLAG = default_or(st.booleans())
_EPS = default_or(st.floats(1e-8, 1e-2))
_RUNNING: dict[str, st.SearchStrategy[Any]] = {
    "eps": _EPS,
    "momentum": default_or(st.none() | st.floats(0, 1)),
    "affine": _FLAG,
    "track_running_stats": _FLAG,
    "bias": _FLAG,
}

for _rank in (1, 2, 3):
    _maps = maps(_rank)
    _ONE = (1, 4, *(1,) * _rank)
    record(
        f"BatchNorm{_rank}d",
        cases(f"BatchNorm{_rank}d", _RUNNING, _maps | maps(0) if _rank == 1 else _maps),
        ErrorCase({"track_running_stats": False}, (_ONE,), "a channel must have more than 1 value"),
        ErrorCase({"track_running_stats": False, "eps": 0}, ((2, 4, *(3,) * _rank),), "eps must be more than 0"),
    )
    record(
        f"InstanceNorm{_rank}d",
        cases(f"InstanceNorm{_rank}d", _RUNNING, _maps),
        ErrorCase({}, ((2, *_ONE[1:]),), "a map must have more than 1 position"),
    )

_shapes = st.lists(st.integers(1, 7), min_size=2, max_size=5)


@st.composite
def _grouped(draw: st.DrawFn) -> Case:
    shape = draw(_shapes)
    groups = draw(st.integers(1, 4))
    shape[1] *= groups
    if shape[0] * shape[1] == groups and set(shape[2:]) <= {1}:
        shape[0] = 2
    given = {"num_groups": groups, "eps": draw(_EPS), "affine": draw(_FLAG), "bias": draw(_FLAG)}
    op = REGISTRY["GroupNorm"](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor(tuple(shape)),))


record(
    "GroupNorm",
    _grouped(),
    ErrorCase({"num_groups": 3}, ((2, 4, 5),), "num_channels (4) must be divisible by num_groups (3)"),
    ErrorCase({"num_groups": 4}, ((1, 4, 1),), "a group must have more than 1 value"),
)


@st.composite
def _trailing(draw: st.DrawFn, name: str, arguments: dict[str, st.SearchStrategy[Any]]) -> Case:
    shape = tuple(draw(_shapes))
    count = draw(st.integers(1, len(shape) - 1))
    normalized = draw(st.sampled_from([..., None, shape[-1], list(shape[-count:])]))
    given = {"normalized_shape": normalized} | {key: draw(strategy) for key, strategy in arguments.items()}
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor(shape),))


_TRAILING_ERRORS = (
    ErrorCase({"normalized_shape": [5, 7]}, ((2, 5, 6),), "normalized_shape says 7 where the input has 6"),
    ErrorCase({"normalized_shape": [2, 3]}, ((2, 3),), "2 normalised dimensions reach the batch"),
)
record(
    "LayerNorm",
    _trailing("LayerNorm", {"eps": _EPS, "elementwise_affine": _FLAG, "bias": _FLAG}),
    *_TRAILING_ERRORS,
)
record(
    "LayerNorm2d",
    cases("LayerNorm2d", {"eps": _EPS, "elementwise_affine": _FLAG, "bias": _FLAG}, maps(2)),
)
record(
    "RMSNorm",
    _trailing("RMSNorm", {"eps": default_or(st.none() | st.floats(1e-8, 1e-2)), "elementwise_affine": _FLAG}),
    *_TRAILING_ERRORS,
)
record(
    "LocalResponseNorm",
    cases(
        "LocalResponseNorm",
        {
            "size": st.integers(1, 7),
            "alpha": default_or(st.floats(0, 1)),
            "beta": default_or(st.floats(0, 1)),
            "k": default_or(st.floats(1, 2)),
        },
        maps(1) | maps(2) | maps(3),
    ),
)
