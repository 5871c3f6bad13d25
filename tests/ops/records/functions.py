"""Test records of the elementwise functions that torch.nn has no layer for."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, cases, record

_SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)
_FLOATS = _SHAPES.map(Tensor)
_NUMBERS = st.builds(Tensor, _SHAPES, st.sampled_from([None, None, "int64", "int32"]))

for _name in ("Abs", "Negative"):
    record(_name, cases(_name, {}, _NUMBERS))
for _name in ("Floor", "Exp", "Log", "Sqrt", "Rsqrt", "Reciprocal", "Sin", "Cos", "Erf"):
    record(_name, cases(_name, {}, _FLOATS))

_EXPONENTS = st.sampled_from([0, 0.5, 1, 2, 3, -1, -0.5, -2.5, 1.5]) | st.floats(-4, 4)
record("Power", cases("Power", {"exponent": _EXPONENTS}, _FLOATS))


@st.composite
def _clamp(draw: st.DrawFn) -> Case:
    x = draw(_NUMBERS)
    limits = st.floats(-3, 3) if x.dtype is None else st.integers(-3, 3)
    names = draw(st.sampled_from([["min"], ["max"], ["min", "max"]]))
    return Case(REGISTRY["Clamp"](**{name: draw(limits) for name in names}), (x,))


record(
    "Clamp",
    _clamp(),
    ErrorCase({}, ((2, 3),), "Clamp needs min, max, or both"),
    ErrorCase({"min": 0.5}, ((2, 3),), "min (0.5) must be one of the int64 numbers that arrive", ("int64",)),
)
