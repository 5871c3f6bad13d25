"""Test records of the activations."""

from typing import Any

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, cases, default_or, maps, record

_INPLACE = default_or(st.booleans())
_REAL = st.floats(-3, 3)
_POSITIVE = st.floats(0.1, 3)
_ANY = st.lists(st.integers(1, 7), min_size=1, max_size=5).map(lambda shape: Tensor(tuple(shape)))
_SHAPE = ((2, 6, 5),)

_ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    **{name: {"inplace": _INPLACE} for name in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardsigmoid", "Hardswish")},
    **{name: {} for name in ("Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Softsign")},
    "LeakyReLU": {"negative_slope": default_or(_REAL), "inplace": _INPLACE},
    "ELU": {"alpha": default_or(_REAL), "inplace": _INPLACE},
    "GELU": {"approximate": default_or(st.sampled_from(["none", "tanh"]))},
    "Softplus": {"beta": default_or(_POSITIVE), "threshold": default_or(_REAL)},
    "Hardshrink": {"lambd": default_or(_REAL)},
    "Softshrink": {"lambd": default_or(_POSITIVE)},
    "Threshold": {"threshold": _REAL, "value": _REAL, "inplace": _INPLACE},
}
for _name, _arguments in _ARGUMENTS.items():
    record(_name, cases(_name, _arguments, _ANY))

record(
    "CELU",
    cases("CELU", {"alpha": default_or(_POSITIVE | st.floats(-3, -0.1)), "inplace": _INPLACE}, _ANY),
    ErrorCase({"alpha": 0}, _SHAPE, "alpha must not be 0"),
)
record(
    "RReLU",
    cases(
        "RReLU",
        {"lower": default_or(st.floats(-1, 0.3)), "upper": default_or(st.floats(0.3, 1)), "inplace": _INPLACE},
        _ANY,
    ),
    ErrorCase({"lower": 0.5}, _SHAPE, "lower (0.5) must not be more than upper (0.333333)"),
)
record(
    "Hardtanh",
    cases(
        "Hardtanh",
        {"min_val": default_or(st.floats(-3, 0)), "max_val": default_or(st.floats(0.1, 3)), "inplace": _INPLACE},
        _ANY,
    ),
    ErrorCase({"min_val": 2}, _SHAPE, "min_val (2) must be less than max_val (1)"),
    ErrorCase({"min_val": 1}, _SHAPE, "min_val (1) must be less than max_val (1)"),
)


@st.composite
def _prelu(draw: st.DrawFn) -> Case:
    x = draw(_ANY)
    channels = x.shape[1] if len(x.shape) > 1 else 1
    given = {"num_parameters": draw(st.sampled_from([..., 1, channels])), "init": draw(default_or(_REAL))}
    op = REGISTRY["PReLU"](**{key: value for key, value in given.items() if value is not ...})
    return Case(op, (x,))


record(
    "PReLU",
    _prelu(),
    ErrorCase({"num_parameters": 3}, _SHAPE, "num_parameters (3) must be 1 or the number of channels (6)"),
    ErrorCase({"num_parameters": 5}, ((5,),), "num_parameters (5) must be 1 or the number of channels (1)"),
)


@st.composite
def _along(draw: st.DrawFn, name: str) -> Case:
    shape = list(draw(_ANY).shape)
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    if name == "GLU":
        shape[dim] *= 2
    given = {} if name == "GLU" and dim == -1 and draw(st.booleans()) else {"dim": dim}
    return Case(REGISTRY[name](**given), (Tensor(tuple(shape)),))


record(
    "GLU",
    _along("GLU"),
    ErrorCase({}, _SHAPE, "GLU halves dimension -1, which has 5 elements"),
    ErrorCase({"dim": 3}, _SHAPE, "dimension 3 is not one of -3 to 2"),
)
for _name in ("Softmax", "Softmin", "LogSoftmax"):
    record(_name, _along(_name), ErrorCase({"dim": -4}, _SHAPE, "dimension -4 is not one of -3 to 2"))
record("Softmax2d", cases("Softmax2d", {}, maps(2)))
