"""Test records of the ops that hand a tensor on, scale it, look it up, or are one."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, cases, default_or, record

_SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)
_FLOATS = _SHAPES.map(Tensor)
_ANY = st.builds(Tensor, _SHAPES, st.sampled_from([None, "int64", "bool"]))
_INTEGERS = st.builds(Tensor, _SHAPES, st.sampled_from(["int64", "int32"]))
_FLAG = default_or(st.booleans())

for _name in ("Contiguous", "Detach", "Identity"):
    record(_name, cases(_name, {}, _ANY))
record("Cast", cases("Cast", {"dtype": st.sampled_from(["float", "int64", "int32", "bool"])}, _ANY | _INTEGERS))
for _name, _field in (("Scale", "factor"), ("Shift", "value")):
    record(
        _name,
        cases(_name, {_field: st.floats(-8, 8)}, _FLOATS) | cases(_name, {_field: st.integers(-8, 8)}, _INTEGERS),
        ErrorCase({_field: 0.5}, ((2, 3),), f"{_field} (0.5) must be one of the int64 numbers that arrive", ("int64",)),
        ErrorCase({_field: 2**31}, ((2, 3),), "must be one of the int32 numbers that arrive", ("int32",)),
    )


@st.composite
def _embedding(draw: st.DrawFn) -> Case:
    rows = draw(st.integers(1, 12))
    gradient = draw(st.sampled_from([{}, {"sparse": True}, {"scale_grad_by_freq": True}, {"sparse": False}]))
    given = {
        "num_embeddings": rows,
        "embedding_dim": draw(st.integers(1, 8)),
        "padding_idx": draw(default_or(st.none() | st.integers(-rows, rows - 1))),
        "max_norm": draw(default_or(st.none() | st.floats(0.5, 2))),
        "norm_type": draw(default_or(st.sampled_from([1.0, 2.0, 3.0]))),
    } | gradient
    op = REGISTRY["Embedding"](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor(draw(_SHAPES), "int64"),))


_TABLE = {"num_embeddings": 4, "embedding_dim": 3}
record(
    "Embedding",
    _embedding(),
    ErrorCase(_TABLE | {"padding_idx": 4}, ((2, 5),), "padding_idx (4) must be the index of one of num_embeddings (4)"),
    ErrorCase(_TABLE | {"padding_idx": -5}, ((2, 5),), "padding_idx (-5) must be"),
    ErrorCase(_TABLE | {"sparse": True, "scale_grad_by_freq": True}, ((2, 5),), "cannot be scaled by frequency"),
)


@st.composite
def _held(draw: st.DrawFn, name: str) -> Case:
    shape = draw(_SHAPES)
    given = {"expand": draw(default_or(st.booleans()))}
    if name != "Parameter":
        given["dtype"] = draw(default_or(st.sampled_from(["float", "int64", "int32", "bool"])))
    if name == "Buffer":
        given["persistent"] = draw(_FLAG)
    given["shape"] = [1, *shape[1:]] if given["expand"] is True else list(shape)
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (draw(_ANY),) if given["expand"] is True else tuple(draw(st.lists(_ANY, max_size=1))))


for _name in ("Parameter", "Buffer", "Constant"):
    record(
        _name,
        _held(_name),
        ErrorCase({"shape": [1, 4], "expand": True}, (), "for every sample of an input, and none arrives"),
        ErrorCase({"shape": [2, 4], "expand": True}, ((3, 5),), "a tensor whose dimension 0 is 1, not 2"),
    )
