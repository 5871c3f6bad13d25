"""Functions of each element, arithmetic, and the layers that exporters spell out in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from archscope.backends.onnx.file import Node
from archscope.backends.onnx.lift import DTYPES, Lift, Made, Rule
from archscope.backends.onnx.rules.layers import rounded
from archscope.backends.onnx.rules.shaping import IN_ORDER
from archscope.backends.onnx.values import Fixed, Refused, Value
from archscope.graph import Ref


def _x(lift: Lift, node: Node, place: int = 0) -> Ref:
    return lift.wire(lift.value(node.inputs[place]))


def _function(kind: str, **arguments: Any) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        return lift.one(kind, _x(lift, node), **arguments)

    return rule


def _with(kind: str, argument: str, attribute: str, default: float) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        return lift.one(kind, _x(lift, node), **{argument: rounded(node.attributes.get(attribute, default))})

    return rule


def _selu(lift: Lift, node: Node) -> Ref:
    alpha, gamma = node.attributes.get("alpha", 1.67326), node.attributes.get("gamma", 1.0507)
    if abs(alpha - 1.67326) > 1e-4 or abs(gamma - 1.0507) > 1e-4:
        raise Refused(f"its alpha and gamma are {alpha:g} and {gamma:g}", "those of the paper")
    return lift.one("SELU", _x(lift, node))


def _hard_sigmoid(lift: Lift, node: Node) -> Ref:
    alpha, beta = rounded(node.attributes.get("alpha", 0.2)), rounded(node.attributes.get("beta", 0.5))
    x = _x(lift, node)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-4) and beta == 0.5:
        return lift.one("Hardsigmoid", x)
    return lift.one(
        "Hardtanh", lift.one("Shift", lift.one("Scale", x, factor=alpha), value=beta), min_val=0.0, max_val=1.0
    )


def _gelu(lift: Lift, node: Node) -> Ref:
    approximate = node.attributes.get("approximate", "none")
    return lift.one("GELU", _x(lift, node), approximate=approximate)


def _swish(lift: Lift, node: Node) -> Ref:
    if node.attributes.get("alpha", 1.0) != 1:
        raise Refused("its alpha is not 1", "alpha = 1")
    return lift.one("SiLU", _x(lift, node))


def _prelu(lift: Lift, node: Node) -> Ref:
    x, slope = _x(lift, node), lift.weight(node, 1, "slope")
    channels = lift.shape(x)[1] if len(lift.shape(x)) > 1 else 1
    count = math.prod(slope.shape)
    shape = (1,) * (len(lift.shape(x)) - len(slope.shape)) + slope.shape
    if count not in (1, channels) or (count > 1 and shape[1] != count):
        raise Refused(f"its slope has the shape {slope.shape}", "one slope, or one a channel")
    flat = slope.arrays[0].reshape(-1) if slope.known else slope.arrays[0].reshape(-1)[:count]
    return lift.one("PReLU", x, num_parameters=count, weights={"weight": slope.laid((flat, flat))})


def _clip(lift: Lift, node: Node) -> Ref:
    x = _x(lift, node)
    low, high = lift.number(node, 1, "min"), lift.number(node, 2, "max")
    low = None if low is None or low < -3e38 else rounded(low)
    high = None if high is None or high > 3e38 else rounded(high)
    if low is None and high is None:
        return x
    if (low, high) == (0, None):
        return lift.one("ReLU", x)
    if (low, high) == (0, 6):
        return lift.one("ReLU6", x)
    if low is not None and high is not None and lift.dtype(x) is None:
        return lift.one("Hardtanh", x, min_val=low, max_val=high)
    return lift.one("Clamp", x, min=low, max=high)


def _cast(lift: Lift, node: Node) -> Ref:
    from onnx import TensorProto

    return _to(lift, _x(lift, node), TensorProto.DataType.Name(node.attributes["to"]))


def _cast_like(lift: Lift, node: Node) -> Ref:
    x, like = _x(lift, node), lift.value(node.inputs[1])
    if isinstance(like, Ref):
        return x if lift.dtype(like) == lift.dtype(x) else lift.one("Cast", x, dtype=lift.dtype(like) or "float")
    if not isinstance(like, Fixed):
        raise Refused("it takes the type of a sequence", "a tensor")
    name = like.arrays[0].dtype.name.upper().replace("FLOAT32", "FLOAT").replace("FLOAT64", "DOUBLE")
    return _to(lift, x, name)


def _to(lift: Lift, x: Ref, name: str) -> Ref:
    """A tensor in another type; between floating ones, which are one here, there is nothing to do."""
    if name not in DTYPES:
        raise Refused(f"it makes {name.lower()} numbers", "one of " + ", ".join(DTYPES).lower())
    return x if DTYPES[name] == lift.dtype(x) else lift.one("Cast", x, dtype=DTYPES[name] or "float")


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _scalar(lift: Lift, value: Value, beside: Value) -> float | int | None:
    """A number that is computed with, where it makes the other operand no larger."""
    if not isinstance(value, Fixed) or not isinstance(beside, Ref) or value.learnt:
        return None
    other = lift.shape(beside)
    if len(value.shape) > len(other) or any(size != 1 for size in value.shape):
        return None
    number = value.number
    return rounded(number) if isinstance(number, float) and math.isfinite(number) else number


def _add(lift: Lift, node: Node) -> Ref:
    if node.outputs[0] in lift.ahead:
        return lift.ahead[node.outputs[0]]
    a, b = (lift.value(name) for name in node.inputs)
    for x, other, name in ((a, b, node.inputs[0]), (b, a, node.inputs[1])):
        number = _scalar(lift, other, x)
        if number is not None and isinstance(x, Ref):
            return lift.one("Shift", x, value=number)
        if isinstance(other, Fixed):
            found = _biased(lift, x, other, name)
            if found is not None:
                return found
    return lift.one("Add", lift.wire(a), lift.wire(b))


def _biased(lift: Lift, x: Value, bias: Fixed, name: str) -> Ref | None:
    """The normalisation before, with the weight that is added as its shift."""
    made = lift.made.get(x.node) if isinstance(x, Ref) else None
    kind = "" if made is None else type(made.op).__name__
    if made is None or kind not in ("LayerNorm", "GroupNorm") or not bias.learnt or lift.owned(bias):
        return None
    given = made.op.arguments()
    scaled = made.weights.get("weight")
    if scaled is None or given["bias"] or not lift.alone(made, name) or not _each(lift, x, kind, bias):
        return None
    flat = bias.arrays[0].reshape(scaled.shape)
    weights = {"weight": scaled, "bias": bias.laid((flat, flat))}
    return lift.one(kind, *made.inputs, weights=weights, instead=made, **{**given, "bias": True})


def _each(lift: Lift, x: Value, kind: str, weight: Fixed) -> bool:
    """Whether a weight has a number for each feature, or channel, that is normalised."""
    shape = lift.shape(lift.wire(x))
    if kind == "GroupNorm":
        wanted = (shape[1], *(1 for _ in shape[2:]))
        return weight.shape in (wanted, (1, *wanted))
    return weight.shape == shape[-1:]


def _subtract(lift: Lift, node: Node) -> Ref:
    a, b = (lift.value(name) for name in node.inputs)
    number = _scalar(lift, b, a)
    if number is not None and isinstance(a, Ref):
        return lift.one("Shift", a, value=-number)
    number = _scalar(lift, a, b)
    if number is not None and isinstance(b, Ref):
        negative = lift.one("Negative", b)
        return lift.one("Shift", negative, value=number) if number else negative
    return lift.one("Subtract", lift.wire(a), lift.wire(b))


def _multiply(lift: Lift, node: Node) -> Ref:
    a, b = (lift.value(name) for name in node.inputs)
    for x, other, name in ((a, b, node.inputs[0]), (b, a, node.inputs[1])):
        if not isinstance(x, Ref):
            continue
        number = _scalar(lift, other, x)
        if number is not None:
            return _gelu_of(lift, x, number) or lift.one("Scale", x, factor=number)
        found = _scaled(lift, x, other, name) if isinstance(other, Fixed) else _gated(lift, x, other)
        if found is not None:
            return found
    return lift.one("Multiply", lift.wire(a), lift.wire(b))


def _gated(lift: Lift, x: Ref, gate: Value) -> Ref | None:
    """x times a function of x: the activations that are told so."""
    for kind, name in (("Sigmoid", "SiLU"), ("Hardsigmoid", "Hardswish")):
        made = lift.maker(gate, kind)
        if made is not None and made.inputs[0] == x:
            return lift.one(name, x)
    made = lift.maker(gate, "Sigmoid")
    halves = lift.maker(x, "Chunk")
    if made is not None and halves is not None and made.inputs[0] == Ref(x.node, 1):
        dim = halves.op.arguments()["dim"]
        if halves.op.arguments()["chunks"] == 2 and lift.shape(halves.inputs[0])[dim] % 2 == 0:
            return lift.one("GLU", halves.inputs[0], dim=dim)
    made = lift.maker(gate, "Tanh")
    inner = lift.maker(made.inputs[0], "Softplus") if made is not None else None
    if inner is not None and inner.inputs[0] == x and not inner.op.given():
        return lift.one("Mish", x)
    half = lift.maker(x, "Scale")  # (x / 2) (1 + erf(x / sqrt 2))
    if half is not None and half.op.arguments()["factor"] == 0.5 and _normal(lift, gate) == half.inputs[0]:
        return lift.one("GELU", half.inputs[0])
    return None


def _normal(lift: Lift, value: Value) -> Ref | None:
    """The x of 1 + erf(x / sqrt 2)."""
    one = lift.maker(value, "Shift")
    erf = lift.maker(one.inputs[0], "Erf") if one is not None and one.op.arguments()["value"] == 1 else None
    scaled = lift.maker(erf.inputs[0], "Scale") if erf is not None else None
    if scaled is None or not math.isclose(scaled.op.arguments()["factor"], math.sqrt(0.5), rel_tol=1e-4):
        return None
    return scaled.inputs[0]


def _gelu_of(lift: Lift, x: Ref, number: float) -> Ref | None:
    """x (1 + erf(x / sqrt 2)) times one half."""
    product = lift.maker(x, "Multiply") if number == 0.5 else None
    if product is None or len(product.inputs) != 2:
        return None
    for one, other in (product.inputs, product.inputs[::-1]):
        if _normal(lift, other) == one:
            return lift.one("GELU", one)
    return None


def _scaled(lift: Lift, x: Ref, weight: Fixed, name: str) -> Ref | None:
    """The normalisation before, with the weight as its scale."""
    made = lift.made.get(x.node)
    kind = "" if made is None else type(made.op).__name__
    if made is None or not weight.learnt or lift.owned(weight) or not lift.alone(made, name):
        return None
    switch = "affine" if kind == "GroupNorm" else "elementwise_affine"
    fits = kind in ("LayerNorm", "GroupNorm", "RMSNorm") and _each(lift, x, kind, weight)
    if not fits or made.op.arguments()[switch]:
        return None
    given = {name: value for name, value in made.op.given().items() if name != switch}
    if kind != "RMSNorm":
        given["bias"] = False
    flat = weight.arrays[0].reshape(lift.shape(x)[1:2] if kind == "GroupNorm" else weight.shape)
    return lift.one(kind, *made.inputs, weights={"weight": weight.laid((flat, flat))}, **given)


def _divide(lift: Lift, node: Node) -> Ref:
    a, b = (lift.value(name) for name in node.inputs)
    number = _scalar(lift, b, a)
    if number and isinstance(a, Ref) and lift.dtype(a) is None:
        return lift.one("Scale", a, factor=rounded(1 / number))
    number = _scalar(lift, a, b)
    if number is not None and isinstance(b, Ref):
        inverse = lift.one("Reciprocal", b)
        return inverse if number == 1 else lift.one("Scale", inverse, factor=number)
    found = None
    if isinstance(a, Ref) and isinstance(b, Ref):
        found = _normalised(lift, a, b) or _local_response(lift, a, b)
    return found or lift.one("Divide", lift.wire(a), lift.wire(b))


def _normalised(lift: Lift, a: Ref, b: Ref) -> Ref | None:
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
        return lift.one("RMSNorm", a, eps=eps, elementwise_affine=False)
    return lift.one("LayerNorm", centred.inputs[0], eps=eps, elementwise_affine=False)


def _local_response(lift: Lift, a: Ref, b: Ref) -> Ref | None:
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
    return lift.one(
        "LocalResponseNorm", a, size=size, alpha=chain[2]["factor"], beta=chain[0]["exponent"], k=chain[1]["value"]
    )


def _last(lift: Lift, mean: Made) -> bool:
    given = mean.op.arguments()
    return bool(given["keepdim"]) and given["dim"] in ((-1,), (len(lift.shape(mean.inputs[0])) - 1,))


def _power(lift: Lift, node: Node) -> Ref:
    x, exponent = _x(lift, node), lift.value(node.inputs[1])
    number = _scalar(lift, exponent, x)
    if number is None:
        raise Refused("its exponent is computed from its inputs", "a fixed exponent")
    return lift.one("Power", x, exponent=float(number))


def _extremum(kind: str, bound: str) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        values = [lift.value(name) for name in node.inputs]
        if len(values) == 2:
            for x, other in (values, values[::-1]):
                number = _scalar(lift, other, x)
                if number is not None and isinstance(x, Ref):
                    return lift.one("Clamp", x, **{bound: number})
        return lift.one(kind, *map(lift.wire, values)) if len(values) > 1 else lift.wire(values[0])

    return rule


def _sum(lift: Lift, node: Node) -> Ref:
    refs = [lift.wire(lift.value(name)) for name in node.inputs]
    return lift.one("Add", *refs) if len(refs) > 1 else refs[0]


def _mean(lift: Lift, node: Node) -> Ref:
    return lift.one("Scale", _sum(lift, node), factor=1 / len(node.inputs))


# -- truth values ------------------------------------------------------------------------------------------------------

_MIRRORED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "eq": "eq"}


def _compare(operator: str) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        a, b = (lift.value(name) for name in node.inputs)
        for x, other, word in ((a, b, operator), (b, a, _MIRRORED[operator])):
            number = _scalar(lift, other, x)
            if number is not None and isinstance(x, Ref):
                return lift.one("Compare", x, operator=word, other=number)
        return lift.one("Compare", lift.wire(a), lift.wire(b), operator=operator)

    return rule


def _logical(operator: str) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        return lift.one("Logical", _x(lift, node), _x(lift, node, 1), operator=operator)

    return rule


def _where(lift: Lift, node: Node) -> Ref:
    condition, a, b = (lift.value(name) for name in node.inputs)
    number = _scalar(lift, a, b)
    if number is not None and isinstance(b, Ref):
        return lift.one("MaskedFill", b, lift.wire(condition), value=float(number))
    over, soft = lift.maker(condition, "Compare"), lift.maker(b, "Softplus")
    if over is not None and soft is not None and over.inputs == soft.inputs == (a,) and not soft.op.given():
        given = over.op.arguments()
        if given["operator"] == "gt" and given["other"] is not None:
            return lift.one("Softplus", soft.inputs[0], threshold=given["other"])
    return lift.one("Where", *map(lift.wire, (condition, a, b)))


def _leaky(lift: Lift, node: Node) -> Ref:
    return lift.one("LeakyReLU", _x(lift, node), negative_slope=rounded(node.attributes.get("alpha", 0.01)))


def _shrink(lift: Lift, node: Node) -> Ref:
    bias, lambd = rounded(node.attributes.get("bias", 0.0)), rounded(node.attributes.get("lambd", 0.5))
    if bias not in (0.0, lambd):
        raise Refused("its bias is neither 0 nor its lambd", "a hard or a soft shrinkage")
    return lift.one("Softshrink" if bias else "Hardshrink", _x(lift, node), lambd=lambd)


_PLAIN: Mapping[str, str] = {
    "Abs": "Abs", "Cos": "Cos", "Erf": "Erf", "Exp": "Exp", "Floor": "Floor", "HardSwish": "Hardswish", "Log": "Log",
    "Mish": "Mish", "Neg": "Negative", "Not": "LogicalNot", "Reciprocal": "Reciprocal", "Relu": "ReLU",
    "Sigmoid": "Sigmoid", "Sin": "Sin", "Softplus": "Softplus", "Softsign": "Softsign", "Sqrt": "Sqrt", "Tanh": "Tanh",
}  # fmt: skip

RULES: Mapping[str, Callable[..., Any]] = {
    **{kind: _function(name) for kind, name in _PLAIN.items()},
    "Add": _add,
    "And": _logical("and"),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Celu": _with("CELU", "alpha", "alpha", 1.0),
    "Clip": _clip,
    "Div": _divide,
    "Elu": _with("ELU", "alpha", "alpha", 1.0),
    "Equal": _compare("eq"),
    "Gelu": _gelu,
    "Greater": _compare("gt"),
    "GreaterOrEqual": _compare("ge"),
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _leaky,
    "Less": _compare("lt"),
    "LessOrEqual": _compare("le"),
    "Max": _extremum("Maximum", "min"),
    "Mean": _mean,
    "Min": _extremum("Minimum", "max"),
    "Mul": _multiply,
    "Or": _logical("or"),
    "PRelu": _prelu,
    "Pow": _power,
    "Selu": _selu,
    "Shrink": _shrink,
    "Sub": _subtract,
    "Sum": _sum,
    "Swish": _swish,
    "Where": _where,
    "Xor": _logical("xor"),
}
