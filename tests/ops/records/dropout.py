"""Test records of the dropout layers."""

from hypothesis import strategies as st

from archscope.ops import Tensor
from tests.ops.records.base import cases, default_or, maps, record

_DROPOUT = {"p": default_or(st.floats(0, 1)), "inplace": default_or(st.booleans())}
_ANY = st.lists(st.integers(1, 7), min_size=1, max_size=5).map(lambda shape: Tensor(tuple(shape)))

for _name in ("Dropout", "AlphaDropout"):
    record(_name, cases(_name, _DROPOUT, _ANY))
for _rank in (1, 2, 3):
    record(f"Dropout{_rank}d", cases(f"Dropout{_rank}d", _DROPOUT, maps(_rank)))
record("FeatureAlphaDropout", cases("FeatureAlphaDropout", _DROPOUT, maps(0) | maps(1) | maps(2) | maps(3)))
record(
    "StochasticDepth",
    cases("StochasticDepth", {"p": st.floats(0, 1), "mode": st.sampled_from(["batch", "row"])}, _ANY),
)
