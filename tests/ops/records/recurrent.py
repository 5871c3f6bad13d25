"""Test records of the recurrent layers."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record

_SIZES = st.integers(1, 6)
_FLAG = default_or(st.booleans())


@st.composite
def _recurrent(draw: st.DrawFn, name: str, others: dict[str, st.SearchStrategy[Any]]) -> Case:
    layers = draw(default_or(st.integers(1, 3)))
    given = {
        "hidden_size": draw(st.integers(1, 8)),
        "num_layers": layers,
        "bias": draw(_FLAG),
        "batch_first": draw(_FLAG),
        # torch warns of a dropout between the layers where there is one
        "dropout": draw(_SHARE) if layers in (2, 3) else ...,
        "bidirectional": draw(_FLAG),
    } | {key: draw(strategy) for key, strategy in others.items()}
    if given.get("proj_size", ...) is not ...:
        given["hidden_size"] += given["proj_size"]
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor((draw(_SIZES), draw(_SIZES), draw(_SIZES))),))


_SHARE = default_or(st.sampled_from([0.0, 0.1, 0.5]))

record("RNN", _recurrent("RNN", {"nonlinearity": default_or(st.sampled_from(["tanh", "relu"]))}))
record("GRU", _recurrent("GRU", {}))
record(
    "LSTM",
    _recurrent("LSTM", {"proj_size": default_or(st.integers(0, 4))}),
    ErrorCase({"hidden_size": 4, "proj_size": 4}, ((5, 2, 3),), "proj_size (4) must be smaller than hidden_size (4)"),
)
