"""Functions of each element, arithmetic, and the layers that exporters spell out in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.rules import Rules
from archscope.backends.onnx.file import OnnxNode
from archscope.backends.onnx.lifting import GraphLifting, Made, Rule
from archscope.backends.onnx.ports import DTYPES
from archscope.backends.onnx.rules.layers import rounded
from archscope.backends.onnx.rules.shaping import IN_ORDER
from archscope.backends.onnx.values import Constant, Value
from archscope.design.graph import Ref

RULES: Rules[Rule] = Rules()


def _x(lift: GraphLifting, node: OnnxNode, place: int = 0) -> Ref:
    return lift.ref(lift.value(node.inputs[place]))


def _function(kind: str, **arguments: Any) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        return lift.emit(kind, _x(lift, node), **arguments)

    return rule


def _with(kind: str, argument: str, attribute: str, default: float) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        return lift.emit(kind, _x(lift, node), **{argument: rounded(node.attributes.get(attribute, default))})

    return rule


@RULES.rule("Selu")
def _selu(lift: GraphLifting, node: OnnxNode) -> Ref:
    alpha, gamma = node.attributes.get("alpha", 1.67326), node.attributes.get("gamma", 1.0507)
    if abs(alpha - 1.67326) > 1e-4 or abs(gamma - 1.0507) > 1e-4:
        raise Unsupported(f"its alpha and gamma are {alpha:g} and {gamma:g}", "those of the paper")
    return lift.emit("SELU", _x(lift, node))


@RULES.rule("HardSigmoid")
def _hard_sigmoid(lift: GraphLifting, node: OnnxNode) -> Ref:
    alpha, beta = rounded(node.attributes.get("alpha", 0.2)), rounded(node.attributes.get("beta", 0.5))
    x = _x(lift, node)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-4) and beta == 0.5:
        return lift.emit("Hardsigmoid", x)
    return lift.emit(
        "Hardtanh", lift.emit("Shift", lift.emit("Scale", x, factor=alpha), value=beta), min_val=0.0, max_val=1.0
    )


@RULES.rule("Gelu")
def _gelu(lift: GraphLifting, node: OnnxNode) -> Ref:
    approximate = node.attributes.get("approximate", "none")
    return lift.emit("GELU", _x(lift, node), approximate=approximate)


@RULES.rule("Swish")
def _swish(lift: GraphLifting, node: OnnxNode) -> Ref:
    if node.attributes.get("alpha", 1.0) != 1:
        raise Unsupported("its alpha is not 1", "alpha = 1")
    return lift.emit("SiLU", _x(lift, node))


@RULES.rule("PRelu")
def _prelu(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, slope = _x(lift, node), lift.weight(node, 1, "slope")
    channels = lift.shape(x)[1] if len(lift.shape(x)) > 1 else 1
    count = math.prod(slope.shape)
    shape = (1,) * (len(lift.shape(x)) - len(slope.shape)) + slope.shape
    if count not in (1, channels) or (count > 1 and shape[1] != count):
        raise Unsupported(f"its slope has the shape {slope.shape}", "one slope, or one a channel")
    flat = slope.arrays[0].reshape(-1) if slope.is_known else slope.arrays[0].reshape(-1)[:count]
    return lift.emit("PReLU", x, num_parameters=count, weights={"weight": slope.rearranged((flat, flat))})


@RULES.rule("Clip")
def _clip(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    low, high = lift.number(node, 1, "min"), lift.number(node, 2, "max")
    low = None if low is None or low < -3e38 else rounded(low)
    high = None if high is None or high > 3e38 else rounded(high)
    if low is None and high is None:
        return x
    if (low, high) == (0, None):
        return lift.emit("ReLU", x)
    if (low, high) == (0, 6):
        return lift.emit("ReLU6", x)
    if low is not None and high is not None and lift.floats(x):
        return lift.emit("Hardtanh", x, min_val=low, max_val=high)
    return lift.emit("Clamp", x, min=low, max=high)


@RULES.rule("Cast")
def _cast(lift: GraphLifting, node: OnnxNode) -> Ref:
    from onnx import TensorProto

    return _to(lift, _x(lift, node), TensorProto.DataType.Name(node.attributes["to"]))


@RULES.rule("CastLike")
def _cast_like(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, like = _x(lift, node), lift.value(node.inputs[1])
    if isinstance(like, Ref):
        return x if lift.dtype(like) == lift.dtype(x) else lift.emit("Cast", x, dtype=lift.word(lift.dtype(like)))
    if not isinstance(like, Constant):
        raise Unsupported("it takes the type of a sequence", "a tensor")
    name = like.arrays[0].dtype.name.upper().replace("FLOAT32", "FLOAT").replace("FLOAT64", "DOUBLE")
    return _to(lift, x, name)


def _to(lift: GraphLifting, x: Ref, name: str) -> Ref:
    """A tensor in another type."""
    if name not in DTYPES:
        raise Unsupported(f"it makes {name.lower()} numbers", "one of " + ", ".join(DTYPES).lower())
    return x if DTYPES[name] == lift.dtype(x) else lift.emit("Cast", x, dtype=lift.word(DTYPES[name]))


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _scalar(lift: GraphLifting, value: Value, beside: Value) -> float | int | None:
    """A number that is computed with, where it makes the other operand no larger."""
    if not isinstance(value, Constant) or not isinstance(beside, Ref) or value.learnt:
        return None
    other = lift.shape(beside)
    if len(value.shape) > len(other) or any(size != 1 for size in value.shape):
        return None
    number = value.number
    return rounded(number) if isinstance(number, float) and math.isfinite(number) else number


@RULES.rule("Add")
def _add(lift: GraphLifting, node: OnnxNode) -> Ref:
    if node.outputs[0] in lift.ahead:
        return lift.ahead[node.outputs[0]]
    a, b = (lift.value(name) for name in node.inputs)
    for x, other, name in ((a, b, node.inputs[0]), (b, a, node.inputs[1])):
        number = _scalar(lift, other, x)
        if number is not None and isinstance(x, Ref):
            return lift.emit("Shift", x, value=number)
        if isinstance(other, Constant):
            layer = _biased(lift, x, other, name)
            if layer is not None:
                return layer
    return lift.emit("Add", lift.ref(a), lift.ref(b))


def _biased(lift: GraphLifting, x: Value, bias: Constant, name: str) -> Ref | None:
    """The normalisation before, with the weight that is added as its shift."""
    made = lift.made.get(x.node) if isinstance(x, Ref) else None
    kind = "" if made is None else type(made.op).__name__
    if made is None or kind not in ("LayerNorm", "GroupNorm") or not bias.learnt or lift.owned(bias):
        return None
    arguments = made.op.arguments()
    scaled = made.weights.get("weight")
    if scaled is None or arguments["bias"] or not lift.alone(made, name) or not _each(lift, x, kind, bias):
        return None
    flat = bias.arrays[0].reshape(scaled.shape)
    weights = {"weight": scaled, "bias": bias.rearranged((flat, flat))}
    return lift.emit(kind, *made.inputs, weights=weights, instead=made, **{**arguments, "bias": True})


def _each(lift: GraphLifting, x: Value, kind: str, weight: Constant) -> bool:
    """Whether a weight has a number for each feature, or channel, that is normalised."""
    shape = lift.shape(lift.ref(x))
    if kind == "GroupNorm":
        wanted = (shape[1], *(1 for _ in shape[2:]))
        return weight.shape in (wanted, (1, *wanted))
    return weight.shape == shape[-1:]


@RULES.rule("Sub")
def _subtract(lift: GraphLifting, node: OnnxNode) -> Ref:
    a, b = (lift.value(name) for name in node.inputs)
    number = _scalar(lift, b, a)
    if number is not None and isinstance(a, Ref):
        return lift.emit("Shift", a, value=-number)
    number = _scalar(lift, a, b)
    if number is not None and isinstance(b, Ref):
        negative = lift.emit("Negative", b)
        return lift.emit("Shift", negative, value=number) if number else negative
    return lift.emit("Subtract", lift.ref(a), lift.ref(b))


@RULES.rule("Mul")
def _multiply(lift: GraphLifting, node: OnnxNode) -> Ref:
    a, b = (lift.value(name) for name in node.inputs)
    for x, other, name in ((a, b, node.inputs[0]), (b, a, node.inputs[1])):
        if not isinstance(x, Ref):
            continue
        number = _scalar(lift, other, x)
        if number is not None:
            return _gelu_of(lift, x, number) or lift.emit("Scale", x, factor=number)
        layer = _scaled(lift, x, other, name) if isinstance(other, Constant) else _gated(lift, x, other)
        if layer is not None:
            return layer
    return lift.emit("Multiply", lift.ref(a), lift.ref(b))


def _gated(lift: GraphLifting, x: Ref, gate: Value) -> Ref | None:
    """x times a function of x: the activations that are told so."""
    for kind, name in (("Sigmoid", "SiLU"), ("Hardsigmoid", "Hardswish")):
        made = lift.maker(gate, kind)
        if made is not None and made.inputs[0] == x:
            return lift.emit(name, x)
    made = lift.maker(gate, "Sigmoid")
    halves = lift.maker(x, "Chunk")
    if made is not None and halves is not None and made.inputs[0] == Ref(x.node, 1):
        dim = halves.op.arguments()["dim"]
        if halves.op.arguments()["chunks"] == 2 and lift.shape(halves.inputs[0])[dim] % 2 == 0:
            return lift.emit("GLU", halves.inputs[0], dim=dim)
    made = lift.maker(gate, "Tanh")
    inner = lift.maker(made.inputs[0], "Softplus") if made is not None else None
    if inner is not None and inner.inputs[0] == x and not inner.op.non_default():
        return lift.emit("Mish", x)
    half = lift.maker(x, "Scale")  # (x / 2) (1 + erf(x / sqrt 2))
    if half is not None and half.op.arguments()["factor"] == 0.5 and _normal(lift, gate) == half.inputs[0]:
        return lift.emit("GELU", half.inputs[0])
    return None


def _normal(lift: GraphLifting, value: Value) -> Ref | None:
    """The x of 1 + erf(x / sqrt 2)."""
    one = lift.maker(value, "Shift")
    erf = lift.maker(one.inputs[0], "Erf") if one is not None and one.op.arguments()["value"] == 1 else None
    scaled = lift.maker(erf.inputs[0], "Scale") if erf is not None else None
    if scaled is None or not math.isclose(scaled.op.arguments()["factor"], math.sqrt(0.5), rel_tol=1e-4):
        return None
    return scaled.inputs[0]


def _gelu_of(lift: GraphLifting, x: Ref, number: float) -> Ref | None:
    """x (1 + erf(x / sqrt 2)) times one half."""
    product = lift.maker(x, "Multiply") if number == 0.5 else None
    if product is None or len(product.inputs) != 2:
        return None
    for one, other in (product.inputs, product.inputs[::-1]):
        if _normal(lift, other) == one:
            return lift.emit("GELU", one)
    return None


def _scaled(lift: GraphLifting, x: Ref, weight: Constant, name: str) -> Ref | None:
    """The normalisation before, with the weight as its scale."""
    made = lift.made.get(x.node)
    kind = "" if made is None else type(made.op).__name__
    if made is None or not weight.learnt or lift.owned(weight) or not lift.alone(made, name):
        return None
    switch = "affine" if kind == "GroupNorm" else "elementwise_affine"
    fits = kind in ("LayerNorm", "GroupNorm", "RMSNorm") and _each(lift, x, kind, weight)
    if not fits or made.op.arguments()[switch]:
        return None
    arguments = {name: value for name, value in made.op.non_default().items() if name != switch}
    if kind != "RMSNorm":
        arguments["bias"] = False
    flat = weight.arrays[0].reshape(lift.shape(x)[1:2] if kind == "GroupNorm" else weight.shape)
    return lift.emit(kind, *made.inputs, weights={"weight": weight.rearranged((flat, flat))}, **arguments)


@RULES.rule("Div")
def _divide(lift: GraphLifting, node: OnnxNode) -> Ref:
    a, b = (lift.value(name) for name in node.inputs)
    number = _scalar(lift, b, a)
    if number and isinstance(a, Ref) and lift.floats(a):
        return lift.emit("Scale", a, factor=rounded(1 / number))
    number = _scalar(lift, a, b)
    if number is not None and isinstance(b, Ref):
        inverse = lift.emit("Reciprocal", b)
        return inverse if number == 1 else lift.emit("Scale", inverse, factor=number)
    layer = None
    if isinstance(a, Ref) and isinstance(b, Ref):
        layer = _normalised(lift, a, b) or _local_response(lift, a, b)
    return layer or lift.emit("Divide", lift.ref(a), lift.ref(b))


def _normalised(lift: GraphLifting, a: Ref, b: Ref) -> Ref | None:
    """(x - mean) / sqrt(mean of (x - mean)^2 + eps) over the last dimension; or x / sqrt(mean of x^2 + eps)."""
    root = lift.maker(b, "Sqrt")
    shift = lift.maker(root.inputs[0], "Shift") if root is not None else None
    mean = lift.maker(shift.inputs[0], "Mean") if shift is not None else None
    if shift is None or mean is None or not _last(lift, mean):
        return None
    square = lift.maker(mean.inputs[0], "Power")
    if square is None or square.op.arguments()["exponent"] != 2 or square.inputs[0] != a:
        return None
    eps = shift.op.arguments()["value"]
    centred = lift.maker(a, "Subtract")
    middle = lift.maker(centred.inputs[1], "Mean") if centred is not None else None
    if centred is None or middle is None or middle.inputs[0] != centred.inputs[0] or not _last(lift, middle):
        return lift.emit("RMSNorm", a, eps=eps, elementwise_affine=False)
    return lift.emit("LayerNorm", centred.inputs[0], eps=eps, elementwise_affine=False)


def _local_response(lift: GraphLifting, a: Ref, b: Ref) -> Ref | None:
    """x / (k + alpha x the mean of x^2 over neighbouring channels)^beta, the channels averaged as an axis."""
    chain: list[Any] = []
    ref = b
    kinds = ("Power", "Shift", "Scale", None, "AvgPool3d", "ZeroPad3d", None, "Multiply")
    for kind in kinds:
        if kind is None:  # the channels become an axis, or channels again
            while ref.node in lift.made and type(lift.made[ref.node].op).__name__ in IN_ORDER:
                ref = lift.made[ref.node].inputs[0]
            continue
        made = lift.maker(ref, kind)
        if made is None:
            return None
        chain.append(made.op.arguments())
        ref = made.inputs[0]
    if ref != a:
        return None
    size, *others = chain[3]["kernel_size"]
    near = chain[4]["padding"][-2:]
    if others != [1, 1] or tuple(near) != (size // 2, (size - 1) // 2):
        return None
    return lift.emit(
        "LocalResponseNorm", a, size=size, alpha=chain[2]["factor"], beta=chain[0]["exponent"], k=chain[1]["value"]
    )


def _last(lift: GraphLifting, mean: Made) -> bool:
    arguments = mean.op.arguments()
    return bool(arguments["keepdim"]) and arguments["dim"] in ((-1,), (len(lift.shape(mean.inputs[0])) - 1,))


@RULES.rule("Pow")
def _power(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, exponent = _x(lift, node), lift.value(node.inputs[1])
    number = _scalar(lift, exponent, x)
    if number is None:
        raise Unsupported("its exponent is computed from its inputs", "a fixed exponent")
    return lift.emit("Power", x, exponent=float(number))


def _extremum(kind: str, bound: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        values = [lift.value(name) for name in node.inputs]
        if len(values) == 2:
            for x, other in (values, values[::-1]):
                number = _scalar(lift, other, x)
                if number is not None and isinstance(x, Ref):
                    return lift.emit("Clamp", x, **{bound: number})
        return lift.emit(kind, *map(lift.ref, values)) if len(values) > 1 else lift.ref(values[0])

    return rule


@RULES.rule("Sum")
def _sum(lift: GraphLifting, node: OnnxNode) -> Ref:
    refs = [lift.ref(lift.value(name)) for name in node.inputs]
    return lift.emit("Add", *refs) if len(refs) > 1 else refs[0]


@RULES.rule("Mean")
def _mean(lift: GraphLifting, node: OnnxNode) -> Ref:
    return lift.emit("Scale", _sum(lift, node), factor=1 / len(node.inputs))


# -- truth values ------------------------------------------------------------------------------------------------------

_MIRRORED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "eq": "eq"}


def _compare(operator: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        a, b = (lift.value(name) for name in node.inputs)
        for x, other, word in ((a, b, operator), (b, a, _MIRRORED[operator])):
            number = _scalar(lift, other, x)
            if number is not None and isinstance(x, Ref):
                return lift.emit("Compare", x, operator=word, other=number)
        return lift.emit("Compare", lift.ref(a), lift.ref(b), operator=operator)

    return rule


def _logical(operator: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        return lift.emit("Logical", _x(lift, node), _x(lift, node, 1), operator=operator)

    return rule


@RULES.rule("Where")
def _where(lift: GraphLifting, node: OnnxNode) -> Ref:
    condition, a, b = (lift.value(name) for name in node.inputs)
    number = _scalar(lift, a, b)
    if number is not None and isinstance(b, Ref):
        return lift.emit("MaskedFill", b, lift.ref(condition), value=float(number))
    over, soft = lift.maker(condition, "Compare"), lift.maker(b, "Softplus")
    if over is not None and soft is not None and over.inputs == soft.inputs == (a,) and not soft.op.non_default():
        arguments = over.op.arguments()
        if arguments["operator"] == "gt" and arguments["other"] is not None:
            return lift.emit("Softplus", soft.inputs[0], threshold=arguments["other"])
    return lift.emit("Where", *map(lift.ref, (condition, a, b)))


@RULES.rule("LeakyRelu")
def _leaky(lift: GraphLifting, node: OnnxNode) -> Ref:
    return lift.emit("LeakyReLU", _x(lift, node), negative_slope=rounded(node.attributes.get("alpha", 0.01)))


@RULES.rule("Shrink")
def _shrink(lift: GraphLifting, node: OnnxNode) -> Ref:
    bias, lambd = rounded(node.attributes.get("bias", 0.0)), rounded(node.attributes.get("lambd", 0.5))
    if bias not in (0.0, lambd):
        raise Unsupported("its bias is neither 0 nor its lambd", "a hard or a soft shrinkage")
    return lift.emit("Softshrink" if bias else "Hardshrink", _x(lift, node), lambd=lambd)


_PLAIN: Mapping[str, str] = {
    "Abs": "Abs", "Cos": "Cos", "Erf": "Erf", "Exp": "Exp", "Floor": "Floor", "HardSwish": "Hardswish", "Log": "Log",
    "Mish": "Mish", "Neg": "Negative", "Not": "LogicalNot", "Reciprocal": "Reciprocal", "Relu": "ReLU",
    "Sigmoid": "Sigmoid", "Sin": "Sin", "Softplus": "Softplus", "Softsign": "Softsign", "Sqrt": "Sqrt", "Tanh": "Tanh",
}  # fmt: skip


RULES.enter(
    {
        **{kind: _function(name) for kind, name in _PLAIN.items()},
        "And": _logical("and"),
        "Celu": _with("CELU", "alpha", "alpha", 1.0),
        "Elu": _with("ELU", "alpha", "alpha", 1.0),
        "Equal": _compare("eq"),
        "Greater": _compare("gt"),
        "GreaterOrEqual": _compare("ge"),
        "Less": _compare("lt"),
        "LessOrEqual": _compare("le"),
        "Max": _extremum("Maximum", "min"),
        "Min": _extremum("Minimum", "max"),
        "Or": _logical("or"),
        "Xor": _logical("xor"),
    }
)
