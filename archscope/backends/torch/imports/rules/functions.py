"""Functions of elements, reductions, comparisons, and constants."""

from __future__ import annotations

from typing import Any

import torch

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.rules import Rules
from archscope.backends.torch.imports.aliases import in_place
from archscope.backends.torch.imports.calls import Arguments, Call, TraceTensor
from archscope.backends.torch.imports.entities import DTYPES, Constant, LooseWeight
from archscope.backends.torch.imports.instances import IDENTITY
from archscope.backends.torch.imports.lifting import Lifting, Rule
from archscope.design.graph import Ref
from archscope.ops import REGISTRY

RULES: Rules[Rule] = Rules()

#: functions of one tensor: the op, and its arguments by those of the function
UNARY: dict[str, tuple[str, dict[str, str]]] = {
    "relu": ("ReLU", {}), "relu6": ("ReLU6", {}), "sigmoid": ("Sigmoid", {}), "tanh": ("Tanh", {}),
    "silu": ("SiLU", {}), "mish": ("Mish", {}), "hardswish": ("Hardswish", {}), "hardsigmoid": ("Hardsigmoid", {}),
    "selu": ("SELU", {}), "gelu": ("GELU", {"approximate": "approximate"}), "log_sigmoid": ("LogSigmoid", {}),
    "leaky_relu": ("LeakyReLU", {"negative_slope": "negative_slope"}), "elu": ("ELU", {"alpha": "alpha"}),
    "celu": ("CELU", {"alpha": "alpha"}), "softplus": ("Softplus", {"beta": "beta", "threshold": "threshold"}),
    "hardshrink": ("Hardshrink", {"lambd": "lambd"}), "softshrink": ("Softshrink", {"lambd": "lambd"}),
    "threshold": ("Threshold", {"threshold": "threshold", "value": "value"}), "glu": ("GLU", {"dim": "dim"}),
    "abs": ("Abs", {}), "exp": ("Exp", {}), "log": ("Log", {}), "sqrt": ("Sqrt", {}), "rsqrt": ("Rsqrt", {}),
    "reciprocal": ("Reciprocal", {}), "neg": ("Negative", {}), "sin": ("Sin", {}), "cos": ("Cos", {}),
    "erf": ("Erf", {}), "floor": ("Floor", {}), "logical_not": ("LogicalNot", {}), "bitwise_not": ("LogicalNot", {}),
    "softmax": ("Softmax", {"dim": "dim"}), "log_softmax": ("LogSoftmax", {"dim": "dim"}),
    "_softmax": ("Softmax", {"dim": "dim"}), "_log_softmax": ("LogSoftmax", {"dim": "dim"}),
    "pixel_shuffle": ("PixelShuffle", {"upscale_factor": "upscale_factor"}),
    "pixel_unshuffle": ("PixelUnshuffle", {"downscale_factor": "downscale_factor"}),
    "channel_shuffle": ("ChannelShuffle", {"groups": "groups"}), "cumsum": ("CumSum", {"dim": "dim"}),
    "native_channel_shuffle": ("ChannelShuffle", {"groups": "groups"}),
}  # fmt: skip


@RULES.rule(*UNARY)
def unary(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A function of one tensor."""
    name, arguments = UNARY[call.functional]
    named = {ours: a[theirs] for ours, theirs in arguments.items()}
    if in_place(call) and name in REGISTRY and REGISTRY[name].field("inplace") is not None:
        named["inplace"] = True
    return lifting.emit(call, name, [_in_type(lifting, call, next(iter(call.values)), a)], **named)


def _in_type(lifting: Lifting, call: Call, value: TraceTensor, a: Arguments) -> TraceTensor | Ref:
    """An input in the floating type that a call asks for, into which torch casts it first."""
    dtype = a.get("dtype")
    if dtype is None or not dtype.is_floating_point or dtype == value.dtype:
        return value
    made: Ref = lifting.emit(call, "Cast", [value], dtype=lifting.word(dtype))
    return made


@RULES.rule("hardtanh", "clamp", "clamp_min", "clamp_max", "clip")
def clamp(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Values between two limits."""
    if call.functional == "hardtanh":
        place = {"inplace": True} if in_place(call) else {}
        if (a["min_val"], a["max_val"]) == (0, 6):
            return lifting.emit(call, "ReLU6", [a["self"]], **place)
        ends = {"min_val": float(a["min_val"]), "max_val": float(a["max_val"])}
        return lifting.emit(call, "Hardtanh", [a["self"]], **ends, **place)
    wanted = {name: a.get(name) for name in ("min", "max") if a.get(name) is not None}
    limits = {name: lifting.number(value) for name, value in wanted.items()}
    if None in limits.values():
        raise Unsupported(f"{call.target} between tensors", "Maximum and Minimum in the model")
    return lifting.emit(call, "Clamp", [a["self"]], **limits)


# -- arithmetic --------------------------------------------------------------------------------------------------------


@RULES.rule("add", "sub", "__add__", "subtract", "rsub", "__iadd__")
def add(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A sum or a difference, of tensors or of one and a number."""
    name, alpha = call.functional, a.get("alpha", 1)
    if in_place(call) and isinstance(lifting.entity(a["self"]), LooseWeight):
        return lifting.entity(a["self"])  # a count of batches goes up
    one, other = (a["other"], a["self"]) if "rsub" in name else (a["self"], a["other"])
    minus = "sub" in name
    first, second = lifting.number(one), lifting.number(other)
    if second is not None:
        value = float(second) * alpha if _floats(call) else second * alpha
        value = -value if minus else value
        return lifting.emit(call, "Shift", [one], value=value)
    if first is not None:
        turned = lifting.emit(call, "Negative", [other]) if minus else lifting.ref(other, call)
        return lifting.emit(call, "Shift", [turned], value=first)
    if alpha != 1:
        other = lifting.emit(call, "Scale", [other], factor=float(alpha))
    return lifting.emit(call, "Subtract" if minus else "Add", [one, other])


def _floats(call: Call) -> bool:
    return call.outputs[0] is not None and call.outputs[0].dtype.is_floating_point


@RULES.rule("mul", "__mul__", "multiply")
def multiply(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A product, of tensors or of one and a number."""
    for one, other in ((a["self"], a["other"]), (a["other"], a["self"])):
        number = lifting.number(other)
        if number is not None:
            return lifting.emit(call, "Scale", [one], factor=float(number))
    return lifting.emit(call, "Multiply", [a["self"], a["other"]])


@RULES.rule("div", "__truediv__", "true_divide")
def divide(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A quotient, of tensors or of one and a number."""
    if a.get("rounding_mode") is not None:
        raise Unsupported(f"{call.target} that rounds", "an op for whole quotients")
    first, second = lifting.number(a["self"]), lifting.number(a["other"])
    if second is not None:
        return lifting.emit(call, "Scale", [a["self"]], factor=1 / float(second))
    if first is not None:
        turned = lifting.emit(call, "Reciprocal", [a["other"]])
        return turned if first == 1 else lifting.emit(call, "Scale", [turned], factor=float(first))
    return lifting.emit(call, "Divide", [a["self"], a["other"]])


@RULES.rule("pow", "square")
def power(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A power with a number as its exponent."""
    exponent = 2.0 if "exponent" not in a else lifting.number(a["exponent"])
    if exponent is None or not isinstance(a["self"], TraceTensor):
        raise Unsupported(f"{call.target} with a tensor as its exponent", "an op for powers of tensors")
    return lifting.emit(call, "Power", [a["self"]], exponent=float(exponent))


_EXTREMA = {"maximum": "Maximum", "minimum": "Minimum"}


@RULES.rule("maximum", "minimum")
def extremum(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The larger, or the smaller, of two tensors."""
    return lifting.emit(call, _EXTREMA[call.functional], [a["self"], a["other"]])


# -- comparisons and choices -------------------------------------------------------------------------------------------


@RULES.rule("eq", "ne", "lt", "le", "gt", "ge")
def compare(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A comparison with a tensor or a number."""
    number = lifting.number(a["other"])
    if number is not None:
        return lifting.emit(call, "Compare", [a["self"]], operator=call.functional, other=number)
    return lifting.emit(call, "Compare", [a["self"], a["other"]], operator=call.functional)


_LOGIC = {
    "__and__": "and", "bitwise_and": "and", "logical_and": "and", "__or__": "or", "bitwise_or": "or",
    "logical_or": "or", "bitwise_xor": "xor", "logical_xor": "xor",
}  # fmt: skip


@RULES.rule(*_LOGIC)
def logical(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """And, or, either."""
    if any(value.dtype != torch.bool for value in call.values):
        raise Unsupported(f"{call.target} on whole numbers", "an op on bits")
    return lifting.emit(call, "Logical", [a["self"], a["other"]], operator=_LOGIC[call.functional])


@RULES.rule("where")
def where(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """One of two tensors, element by element."""
    if "self" not in a:
        raise Unsupported(f"{call.target} that gives places", "shapes that do not depend on values")
    other = lifting.number(a["other"])
    if other is not None and isinstance(a["self"], TraceTensor) and lifting.number(a["self"]) is None:
        turned = lifting.emit(call, "LogicalNot", [a["condition"]])
        return lifting.emit(call, "MaskedFill", [a["self"], turned], value=float(other))
    first = lifting.number(a["self"])
    if first is not None and isinstance(a["other"], TraceTensor) and other is None:
        return lifting.emit(call, "MaskedFill", [a["other"], a["condition"]], value=float(first))
    if first is not None and other is not None:
        return _chosen(lifting, call, a["condition"], first, other)
    return lifting.emit(call, "Where", [a["condition"], a["self"], a["other"]])


def _chosen(lifting: Lifting, call: Call, condition: TraceTensor, first: float, other: float) -> Ref:
    """One of two numbers: the other, and their difference where the condition holds."""
    made = call.outputs[0]
    assert made is not None
    cast = lifting.emit(call, "Cast", [condition], dtype=lifting.word(made.dtype))
    scaled = lifting.emit(call, "Scale", [cast], factor=first - other)
    shifted: Ref = lifting.emit(call, "Shift", [scaled], value=other)
    return shifted


@RULES.rule("masked_fill")
def masked_fill(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A number where a mask holds."""
    number = lifting.number(a["value"])
    if number is None:
        raise Unsupported(f"{call.target} with a tensor as its value", "a number as the value")
    return lifting.emit(call, "MaskedFill", [a["self"], a["mask"]], value=float(number))


# -- reductions --------------------------------------------------------------------------------------------------------

_REDUCTIONS = {"mean": "Mean", "sum": "Sum", "amax": "Max", "amin": "Min", "logsumexp": "LogSumExp"}


@RULES.rule(*_REDUCTIONS)
def reduction(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A reduction over dimensions."""
    over = _over(call, a)
    return lifting.emit(call, _REDUCTIONS[call.functional], [_in_type(lifting, call, a["self"], a)], **over)


def _over(call: Call, a: Arguments) -> dict[str, Any]:
    dims = a.get("dim")
    dims = [dims] if isinstance(dims, int) else dims
    if not dims:
        raise Unsupported(
            f"{call.target} over all dimensions, the batch among them", "a reduction that leaves the batch"
        )
    return {"dim": list(dims), **({"keepdim": True} if a.get("keepdim") else {})}


@RULES.rule("max", "min")
def largest(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The largest element along a dimension and its place, or the larger one of two tensors."""
    if isinstance(a.get("other"), TraceTensor):
        return lifting.emit(call, "Maximum" if call.functional == "max" else "Minimum", [a["self"], a["other"]])
    over = _over(call, a)
    if call.functional == "min":
        if call.outputs[1] is not None and lifting.uses.reads(call.outputs[1]):
            raise Unsupported(f"{call.target} whose places are read", "an op that gives them")
        return [lifting.emit(call, "Min", [a["self"]], **over), None]
    made = lifting.emit(call, "TopK", [a["self"]], k=1, dim=a["dim"])  # keeps the places, as Max does not
    if a["keepdim"]:
        return made
    wanted = [value is not None and lifting.uses.reads(value) for value in call.outputs]
    return [
        lifting.emit(call, "Squeeze", [one], dim=a["dim"]) if read else None
        for one, read in zip(made, wanted, strict=True)
    ]


@RULES.rule("topk")
def topk(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The largest elements along a dimension, and their places."""
    if not a["largest"]:
        raise Unsupported(f"{call.target} of the smallest", "an op that gives them")
    return lifting.emit(call, "TopK", [a["self"]], k=a["k"], dim=a["dim"])


@RULES.rule("argmax")
def argmax(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Where the largest element is."""
    if a["dim"] is None:
        raise Unsupported(f"{call.target} over all dimensions, the batch among them", "a dimension")
    return lifting.emit(call, "ArgMax", [a["self"]], dim=a["dim"], **({"keepdim": True} if a["keepdim"] else {}))


@RULES.rule("linalg_vector_norm", "norm")
def norm(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The p-norm over dimensions."""
    order = a.get("ord", a.get("p"))
    return lifting.emit(call, "Norm", [a["self"]], p=2.0 if order is None else float(order), **_over(call, a))


@RULES.rule("var", "std")
def spread(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Variance or standard deviation."""
    correction = a["correction"] if "correction" in a else int(a.get("unbiased", True))
    name = "Var" if call.functional == "var" else "Std"
    return lifting.emit(call, name, [a["self"]], correction=1 if correction is None else correction, **_over(call, a))


# -- dropout -----------------------------------------------------------------------------------------------------------


@RULES.rule("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")
def dropout(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Dropout; outside of training, or as a mere function with no chance, it is nothing."""
    inside = bool(call.frames) and "torch.nn.modules.dropout" in call.frames[-1].kind
    (value,) = call.values  # named `self` where it works in place
    if not a["train"] or (a["p"] == 0 and not inside):
        return lifting.entity(value)
    names = {"dropout": "Dropout", "alpha_dropout": "AlphaDropout", "feature_alpha_dropout": "FeatureAlphaDropout"}
    name = names.get(call.functional) or f"Dropout{len(value.shape) - 2}d"
    return lifting.emit(call, name, [value], p=a["p"], **_place(call))


@RULES.rule("rrelu")
def rrelu(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A ReLU with random slopes."""
    slopes = {"lower": float(a["lower"]), "upper": float(a["upper"])}
    return lifting.emit(call, "RReLU", [a["self"]], **slopes, **_place(call))


def _place(call: Call) -> dict[str, bool]:
    return {"inplace": True} if in_place(call) else {}


# -- what changes no value ---------------------------------------------------------------------------------------------


@RULES.rule("alias", "lift_fresh_copy", "requires_grad", "clone", "contiguous")
def same(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The tensor itself; a copy where its elements lie otherwise."""
    value = a["self"] if "self" in a else next(iter(call.values))
    entity = lifting.entity(value)
    if call.frames and call.frames[-1].kind == IDENTITY:
        return lifting.emit(call, "Identity", [value])
    copied = call.functional == "contiguous" and not value.contiguous
    if copied and isinstance(entity, Ref) and not lifting.uses.reshaped(call):
        return lifting.emit(call, "Contiguous", [value])
    return entity


@RULES.rule("detach")
def detach(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """The tensor itself, without its history."""
    return lifting.emit(call, "Detach", [a["self"]])


@RULES.rule("to", "_to_copy", "type_as", "to_dtype")
def cast(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """Another dtype."""
    value, made = next(iter(call.values)), call.outputs[0]
    assert made is not None
    if made.dtype not in DTYPES:
        raise Unsupported(f"{call.target} to {made.dtype}", "a dtype that designs know")
    if value.dtype == made.dtype:
        return lifting.entity(value)
    return lifting.emit(call, "Cast", [value], dtype=lifting.word(made.dtype))


@RULES.rule("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "_assert_async")
def nothing(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """What only checks."""
    return []


@RULES.rule("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")
def filled(lifting: Lifting, call: Call, a: Arguments) -> Any:
    """A tensor of one number, known though the one that it is like is not."""
    made = call.outputs[0]
    assert made is not None
    name = call.functional
    number = a["fill_value"] if "full" in name else int("ones" in name)
    return Constant(torch.full(lifting.shape(made), number, dtype=made.dtype), made)
