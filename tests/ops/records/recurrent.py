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


@st.composite
def _cell(draw: st.DrawFn, name: str, states: int, others: dict[str, st.SearchStrategy[Any]]) -> Case:
    batch, hidden = draw(_SIZES), draw(st.integers(1, 8))
    given = {"hidden_size": hidden, "bias": draw(_FLAG)} | {key: draw(strategy) for key, strategy in others.items()}
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    before = (Tensor((batch, hidden)),) * states if draw(st.booleans()) else ()
    return Case(op, (Tensor((batch, draw(_SIZES))), *before))


for _name, _states, _others in (
    ("RNNCell", 1, {"nonlinearity": default_or(st.sampled_from(["tanh", "relu"]))}),
    ("LSTMCell", 2, {}),
    ("GRUCell", 1, {}),
):
    record(
        _name,
        _cell(_name, _states, _others),
        ErrorCase({"hidden_size": 4}, ((2, 3), *((2, 5),) * _states), "a state has 5 features, and hidden_size is 4"),
        ErrorCase({"hidden_size": 4}, ((2, 3), *((1, 4),) * _states), "the batch (dimension 0) is 2"),
        *([ErrorCase({"hidden_size": 4}, ((2, 3), (2, 4)), "takes one input, or three")] if _states == 2 else []),
    )
