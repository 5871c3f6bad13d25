"""Test records of the ops that hand a tensor on, scale it, look it up, or are one."""

from math import prod

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


@st.composite
def _bag(draw: st.DrawFn) -> Case:
    rows, mode = draw(st.integers(1, 12)), draw(default_or(st.sampled_from(["sum", "mean", "max"])))
    gradient = draw(st.sampled_from([{}, {"sparse": True}, {"scale_grad_by_freq": True}])) if mode != "max" else {}
    given = {
        "num_embeddings": rows,
        "embedding_dim": draw(st.integers(1, 8)),
        "padding_idx": draw(default_or(st.none() | st.integers(-rows, rows - 1))),
        "mode": mode,
    } | gradient
    op = REGISTRY["EmbeddingBag"](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (Tensor((draw(st.integers(1, 6)), draw(st.integers(1, 6))), "int64"),))


_TABLE = {"num_embeddings": 4, "embedding_dim": 3}
record(
    "EmbeddingBag",
    _bag(),
    ErrorCase(_TABLE | {"padding_idx": 4}, ((2, 5),), "padding_idx (4) must be the index of one of num_embeddings (4)"),
    ErrorCase(_TABLE | {"sparse": True, "scale_grad_by_freq": True}, ((2, 5),), "cannot be scaled by frequency"),
    ErrorCase(_TABLE | {"mode": "max", "sparse": True}, ((2, 5),), "a maximum has neither sparse gradients"),
)
record(
    "Embedding",
    _embedding(),
    ErrorCase(_TABLE | {"padding_idx": 4}, ((2, 5),), "padding_idx (4) must be the index of one of num_embeddings (4)"),
    ErrorCase(_TABLE | {"padding_idx": -5}, ((2, 5),), "padding_idx (-5) must be"),
    ErrorCase(_TABLE | {"sparse": True, "scale_grad_by_freq": True}, ((2, 5),), "cannot be scaled by frequency"),
)


_BEGINNINGS = ["zeros", "ones", "normal(std=0.02)", "uniform(a=-1, b=1)", "trunc_normal(std=0.02)", 0.5]
_MATRICES = ["xavier_uniform", "xavier_normal(gain=2)", "kaiming_uniform(a=0.2)", "kaiming_normal", "orthogonal"]


def _contents(shape: tuple[int, ...], dtype: str) -> st.SearchStrategy[object]:
    """What a tensor of a shape may hold."""
    one = st.integers(0, 1) if dtype == "bool" else st.integers(-9, 9)
    one = one | st.floats(-2, 2, width=16) if dtype == "float" else one
    count = prod(shape)
    found = one | st.lists(one, min_size=count, max_size=count) if count <= 256 else one
    if dtype != "bool":
        dims = st.integers(-len(shape), len(shape) - 1)
        found |= st.builds("arange(start={}, step={}, dim={})".format, one, one.filter(bool), dims)
    if len(shape) > 1:
        words = st.sampled_from(["tril", "triu"])
        found |= st.builds("{}(diagonal={}, value={})".format, words, st.integers(-2, 2), one)
    return found


@st.composite
def _held(draw: st.DrawFn, name: str) -> Case:
    shape = draw(_SHAPES)
    given = {"expand": draw(default_or(st.booleans()))}
    if name != "Parameter":
        given["dtype"] = draw(default_or(st.sampled_from(["float", "int64", "int32", "bool"])))
    if name == "Buffer":
        given["persistent"] = draw(_FLAG)
    given["shape"] = [1, *shape[1:]] if given["expand"] is True else list(shape)
    if name == "Parameter":
        given["init"] = draw(default_or(st.sampled_from(_BEGINNINGS + _MATRICES * (len(shape) > 1))))
    else:
        dtype = "float" if given["dtype"] is ... else given["dtype"]
        given["value"] = draw(default_or(_contents(tuple(given["shape"]), dtype)))
    op = REGISTRY[name](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (draw(_ANY),) if given["expand"] is True else tuple(draw(st.lists(_ANY, max_size=1))))


_BEGUN = (
    ErrorCase({"shape": [4], "init": "xavier_uniform"}, (), "begins a tensor of at least 2 dimensions, not of 1"),
    ErrorCase({"shape": [4, 4, 4], "init": "eye"}, (), "eye begins a tensor of exactly 2 dimensions, not of 3"),
)
_KNOWN = (
    ErrorCase({"shape": [2, 3], "value": [1, 2]}, (), "value lists 2 numbers, and a tensor of [2, 3] has 6"),
    ErrorCase({"shape": [4], "value": 0.5, "dtype": "int64"}, (), "value (0.5) does not suit a tensor of int64"),
    ErrorCase({"shape": [4], "value": 2, "dtype": "bool"}, (), "value (2) does not suit a tensor of bool"),
    ErrorCase({"shape": [4], "value": "arange(dim=1)"}, (), "dim (1) of arange must be one of 1 dimensions"),
    ErrorCase({"shape": [4], "value": "tril"}, (), "tril needs at least 2 dimensions, and a whole diagonal"),
)
for _name in ("Parameter", "Buffer", "Constant"):
    record(
        _name,
        _held(_name),
        ErrorCase({"shape": [1, 4], "expand": True}, (), "for every sample of an input, and none arrives"),
        ErrorCase({"shape": [2, 4], "expand": True}, ((3, 5),), "a tensor whose dimension 0 is 1, not 2"),
        ErrorCase({"shape": [1, 4], "expand": True}, ((),), "the batch of an input, and this one has no dimensions"),
        *(_KNOWN if _name != "Parameter" else _BEGUN),
    )
