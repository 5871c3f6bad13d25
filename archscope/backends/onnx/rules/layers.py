"""Layers with weights, pools, and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from archscope.arith import ceil_div
from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.rules import Rules
from archscope.backends.onnx.file import OnnxNode
from archscope.backends.onnx.lifting import GraphLifting, Rule
from archscope.backends.onnx.values import Constant, Value, varies
from archscope.design.graph import Ref

RULES: Rules[Rule] = Rules()


def _windows(
    node: OnnxNode, kernel: Sequence[int], sizes: Sequence[int]
) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """Arguments of a window that all its kinds have, and its padding at both ends of each axis."""
    axes = len(kernel)
    stride = [int(s) for s in node.attributes.get("strides", [1] * axes)]
    dilation = [int(d) for d in node.attributes.get("dilations", [1] * axes)]
    pads = [int(p) for p in node.attributes.get("pads", [0] * 2 * axes)]
    ends = list(zip(pads[:axes], pads[axes:], strict=True))
    auto = node.attributes.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        ends = []
        for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
            whole = max((ceil_div(size, s) - 1) * s + (k - 1) * d + 1 - size, 0)
            less, more = whole // 2, whole - whole // 2
            ends.append((less, more) if auto == "SAME_UPPER" else (more, less))
    arguments: dict[str, Any] = {"stride": stride}
    if any(d != 1 for d in dilation):
        arguments["dilation"] = dilation
    return arguments, ends


def _padded(lift: GraphLifting, x: Ref, ends: Sequence[tuple[int, int]], value: float = 0.0) -> Ref:
    """The tensor with its axes padded, by a layer of its own."""
    if not any(end for both in ends for end in both):
        return x
    padding = [end for both in reversed(ends) for end in both]
    if value == 0:
        return lift.emit(f"ZeroPad{len(ends)}d", x, padding=padding)
    return lift.emit(f"ConstantPad{len(ends)}d", x, padding=padding, value=value)


def _axes(lift: GraphLifting, x: Ref) -> int:
    axes = len(lift.shape(x)) - 2
    if not 1 <= axes <= 3:
        raise Unsupported(f"it has {axes} spatial axes", "one to three of them")
    if any(map(varies, lift.sizes(x)[1:])):
        raise Unsupported("its maps or channels grow with the batch", "the batch in dimension 0")
    return axes


def _bias(lift: GraphLifting, node: OnnxNode, place: int) -> Constant | None:
    """A bias; zeros that are computed are none."""
    if not lift.has(node, place):
        return None
    value = lift.weight(node, place, "bias")
    return None if not value.source and value.number == 0 else value


def _parts(**weights: Constant | None) -> dict[str, Constant]:
    return {name: value for name, value in weights.items() if value is not None}


@RULES.rule("Conv")
def _conv(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    weight, bias = lift.weight(node, 1, "kernel"), _bias(lift, node, 2)
    axes, kernel = _axes(lift, x), weight.shape[2:]
    arguments, ends = _windows(node, kernel, lift.shape(x)[2:])
    if all(near == far for near, far in ends):
        arguments["padding"] = [near for near, _ in ends]
    else:
        x = _padded(lift, x, ends)
    return lift.emit(
        f"Conv{axes}d", x, out_channels=weight.shape[0], kernel_size=kernel, bias=bias is not None,
        groups=int(node.attributes.get("group", 1)), weights=_parts(weight=weight, bias=bias), **arguments,
    )  # fmt: skip


@RULES.rule("ConvTranspose")
def _conv_transpose(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    weight, bias = lift.weight(node, 1, "kernel"), _bias(lift, node, 2)
    axes, kernel, groups = _axes(lift, x), weight.shape[2:], int(node.attributes.get("group", 1))
    arguments, ends = _windows(node, kernel, lift.shape(x)[2:])
    extra = [int(p) for p in node.attributes.get("output_padding", [0] * axes)]
    wanted, auto = node.attributes.get("output_shape"), node.attributes.get("auto_pad", "NOTSET")
    if wanted is not None or auto.startswith("SAME"):
        ends = []
        dilation = arguments.get("dilation", [1] * axes)
        for i, size in enumerate(lift.shape(x)[2:]):
            out = size * arguments["stride"][i] if wanted is None else int(wanted[i - axes])
            whole = (size - 1) * arguments["stride"][i] + extra[i] + (kernel[i] - 1) * dilation[i] + 1 - out
            less, more = whole // 2, whole - whole // 2
            ends.append((less, more) if auto == "SAME_UPPER" else (more, less))
    both = [max(min(near, far), 0) for near, far in ends]
    y = lift.emit(
        f"ConvTranspose{axes}d", x, out_channels=weight.shape[1] * groups, kernel_size=kernel, groups=groups,
        padding=both, output_padding=extra, bias=bias is not None, weights=_parts(weight=weight, bias=bias),
        **arguments,
    )  # fmt: skip
    return _padded(lift, y, [(p - near, p - far) for p, (near, far) in zip(both, ends, strict=True)])


def _pool(lift: GraphLifting, node: OnnxNode) -> tuple[Ref, int, list[int], dict[str, Any], Sequence[tuple[int, int]]]:
    """What all pools have in common: the tensor, its axes, the kernel, arguments, and the padding at both ends."""
    x = lift.ref(lift.value(node.inputs[0]))
    axes, kernel = _axes(lift, x), [int(k) for k in node.attributes["kernel_shape"]]
    arguments, ends = _windows(node, kernel, lift.shape(x)[2:])
    return x, axes, kernel, {**arguments, "ceil_mode": bool(node.attributes.get("ceil_mode", 0))}, ends


@RULES.rule("MaxPool")
def _max_pool(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, axes, kernel, arguments, ends = _pool(lift, node)
    if all(near == far and 2 * near <= k for (near, far), k in zip(ends, kernel, strict=True)):
        arguments["padding"] = [near for near, _ in ends]
    else:
        x = _padded(lift, x, ends, -math.inf)
    return lift.emit(f"MaxPool{axes}d", x, kernel_size=kernel, **arguments)


@RULES.rule("AveragePool")
def _average_pool(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, axes, kernel, arguments, ends = _pool(lift, node)
    if "dilation" in arguments:
        raise Unsupported("an average with dilation", "an average pool that takes dilation")
    counted = bool(node.attributes.get("count_include_pad", 0))
    if all(near == far and 2 * near <= k for (near, far), k in zip(ends, kernel, strict=True)):
        arguments["padding"] = [near for near, _ in ends]
    elif counted:
        x = _padded(lift, x, ends)
    else:
        raise Unsupported(
            f"an average that leaves out uneven padding {ends}", "an average pool with padding of each end"
        )
    if not counted and any(arguments.get("padding", ())):
        arguments["count_include_pad"] = False
    return lift.emit(f"AvgPool{axes}d", x, kernel_size=kernel, **arguments)


@RULES.rule("LpPool")
def _lp_pool(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, axes, kernel, arguments, ends = _pool(lift, node)
    if "dilation" in arguments:
        raise Unsupported("a power average with dilation", "a power pool that takes dilation")
    power = float(node.attributes.get("p", 2))
    return lift.emit(f"LPPool{axes}d", _padded(lift, x, ends), kernel_size=kernel, norm_type=power, **arguments)


def _global(kind: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        x = lift.ref(lift.value(node.inputs[0]))
        return lift.emit(f"{kind}{_axes(lift, x)}d", x, output_size=1)

    return rule


# -- normalisation -----------------------------------------------------------------------------------------------------


def _affine(lift: GraphLifting, node: OnnxNode) -> tuple[bool, bool, dict[str, Constant]]:
    """Whether scale and shift are learnt, and which they are; ones and zeros of no layer's are not."""
    scale, shift = lift.weight(node, 1, "scale"), lift.weight(node, 2, "shift")
    if scale.uniform == 1 and shift.uniform == 0 and not any("." in value.source for value in (scale, shift)):
        return False, True, {}
    shifts = bool(shift.source) or shift.number != 0
    return True, shifts, _parts(weight=scale, bias=shift if shifts else None)


@RULES.rule("BatchNormalization")
def _batch_norm(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    if node.attributes.get("training_mode", 0):
        raise Unsupported("a batch norm that is training", "a model that was exported for inference")
    affine, shifts, weights = _affine(lift, node)
    running = {"running_mean": lift.weight(node, 3, "mean"), "running_var": lift.weight(node, 4, "variance")}
    axes = max(len(lift.shape(x)) - 2, 1)
    return lift.emit(
        f"BatchNorm{axes}d", x, eps=rounded(node.attributes.get("epsilon", 1e-5)), affine=affine, bias=shifts,
        momentum=rounded(1 - node.attributes.get("momentum", 0.9)), weights=weights | running,
    )  # fmt: skip


def rounded(value: float) -> float:
    """A float32 as a person would write it."""
    return float(f"{value:.6g}")


@RULES.rule("InstanceNormalization")
def _instance_norm(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    affine, shifts, weights = _affine(lift, node)
    eps, axes = rounded(node.attributes.get("epsilon", 1e-5)), _axes(lift, x)
    return lift.emit(f"InstanceNorm{axes}d", x, eps=eps, affine=affine, bias=shifts, weights=weights)


@RULES.rule("GroupNormalization")
def _group_norm(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    affine, shifts, weights = _affine(lift, node)
    if affine and weights["weight"].shape != (lift.shape(x)[1],):
        raise Unsupported("a scale for each group", "a group norm with a scale for each group (opset 18)")
    eps = rounded(node.attributes.get("epsilon", 1e-5))
    groups = int(node.attributes["num_groups"])
    return lift.emit("GroupNorm", x, num_groups=groups, eps=eps, affine=affine, bias=shifts, weights=weights)


@RULES.rule("LayerNormalization")
def _layer_norm(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    shape = lift.shape(x)
    axis = int(node.attributes.get("axis", -1)) % len(shape)
    scale, shift = lift.weight(node, 1, "scale"), _bias(lift, node, 2)
    learnt = shift is not None or bool(scale.source) or scale.number != 1
    return lift.emit(
        "LayerNorm", x, normalized_shape=shape[axis:], eps=rounded(node.attributes.get("epsilon", 1e-5)),
        elementwise_affine=learnt, bias=shift is not None or not learnt,
        weights=_parts(weight=scale if learnt else None, bias=shift),
    )  # fmt: skip


@RULES.rule("RMSNormalization")
def _rms_norm(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    shape, scale = lift.shape(x), lift.weight(node, 1, "scale")
    axis = int(node.attributes.get("axis", -1)) % len(shape)
    learnt = bool(scale.source) or scale.number != 1
    return lift.emit(
        "RMSNorm", x, normalized_shape=shape[axis:], eps=rounded(node.attributes.get("epsilon", 1e-5)),
        elementwise_affine=learnt, weights=_parts(weight=scale if learnt else None),
    )  # fmt: skip


@RULES.rule("LRN")
def _lrn(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, attributes = lift.ref(lift.value(node.inputs[0])), node.attributes
    alpha, beta, k = (rounded(attributes.get(name, d)) for name, d in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return lift.emit("LocalResponseNorm", x, size=int(attributes["size"]), alpha=alpha, beta=beta, k=k)


# -- dense layers ------------------------------------------------------------------------------------------------------


@RULES.rule("Gemm")
def _gemm(lift: GraphLifting, node: OnnxNode) -> Ref:
    attributes, x = node.attributes, lift.ref(lift.value(node.inputs[0]))
    if attributes.get("transA", 0):
        x = lift.emit("Transpose", x, dim0=0, dim1=1)
    if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
        raise Unsupported("a product that is scaled (alpha, beta)", "alpha = beta = 1")
    weight, bias = lift.value(node.inputs[1]), _bias(lift, node, 2) if _is_bias(lift, node) else None
    if isinstance(weight, Constant) and not lift.tied(weight):
        rows = weight if attributes.get("transB", 0) else _turned(weight)
        fits = bias is None or bias.shape == rows.shape[:1]
        y = lift.emit(
            "Linear", x, out_features=rows.shape[0], bias=bias is not None and fits,
            weights=_parts(weight=rows, bias=bias if fits else None),
        )  # fmt: skip
        return y if fits or bias is None else lift.emit("Add", y, lift.ref(bias))
    other = lift.ref(weight)
    y = lift.emit("MatMul", x, lift.emit("Transpose", other, dim0=0, dim1=1) if attributes.get("transB", 0) else other)
    return lift.emit("Add", y, lift.ref(lift.value(node.inputs[2]))) if lift.has(node, 2) else y


def _is_bias(lift: GraphLifting, node: OnnxNode) -> bool:
    return lift.has(node, 2) and lift.constant(node.inputs[2]) is not None


def _turned(weight: Constant) -> Constant:
    """A matrix transposed: ONNX has the features that arrive first."""
    turned = weight.arrays[0].T
    return weight.rearranged((turned, turned), ("Permute", {"dims": [1, 0]}))


@RULES.rule("MatMul")
def _matmul(lift: GraphLifting, node: OnnxNode) -> Ref:
    first, second = (lift.value(name) for name in node.inputs[:2])
    if isinstance(second, Constant) and second.learnt and len(second.shape) == 2 and not lift.tied(second):
        sum_, bias = _added(lift, node, second.shape[1])
        weights = _parts(weight=_turned(second), bias=bias)
        y = lift.emit("Linear", lift.ref(first), out_features=second.shape[1], bias=bias is not None, weights=weights)
        if sum_ is not None:
            lift.ahead[sum_.outputs[0]] = y
        return y
    return lift.emit("MatMul", lift.ref(first), lift.ref(second))


def _added(lift: GraphLifting, node: OnnxNode, features: int) -> tuple[OnnxNode | None, Constant | None]:
    """The sum that alone reads a product, and the weight that it adds, where that is a bias."""
    following = lift.following(node)
    if following is None or following.kind != "Add":
        return None, None
    for name in following.inputs:
        value = lift.get(name)
        if isinstance(value, Constant) and value.learnt and value.shape == (features,) and not lift.tied(value):
            return following, value
    return None, None


@RULES.rule("Attention")
def _attention(lift: GraphLifting, node: OnnxNode) -> Ref:
    refs = [lift.ref(lift.value(name)) for name in node.inputs[:4] if name]
    if len(node.inputs) > 4 or any(len(lift.shape(ref)) != 4 for ref in refs[:3]):
        raise Unsupported(
            "attention over a cache, or over heads that are not apart", "query, key and value of 4 dimensions"
        )
    if node.attributes.get("softcap", 0.0):
        raise Unsupported("attention whose scores are capped", "an attention with softcap")
    query, key = (lift.shape(ref) for ref in refs[:2])
    scale = node.attributes.get("scale")
    return lift.emit(
        "ScaledDotProductAttention", *refs, is_causal=bool(node.attributes.get("is_causal", 0)),
        scale=None if scale is None else float(scale), enable_gqa=query[1] != key[1],
    )  # fmt: skip


# -- resizing ----------------------------------------------------------------------------------------------------------


@RULES.rule("Resize", "Upsample")
def _resize(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = lift.ref(lift.value(node.inputs[0]))
    axes, mode = _axes(lift, x), node.attributes.get("mode", "nearest")
    old = node.kind == "Upsample" or len(node.inputs) == 2
    scales, sizes = (1, 3) if old else (2, 3)
    if node.attributes.get("axes") is not None and list(node.attributes["axes"]) != list(range(2, axes + 2)):
        raise Unsupported("it resizes some of the axes", "the spatial axes")
    place = node.attributes.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    words = {1: "linear", 2: "bilinear", 3: "trilinear"}
    kind = {"nearest": "nearest", "linear": words[axes], "cubic": "bicubic"}.get(mode, mode)
    arguments: dict[str, Any] = {"mode": kind}
    if kind != "nearest" and place == "align_corners":
        arguments["align_corners"] = True
    wanted = lift.constant(node.inputs[sizes]) if lift.has(node, sizes) else None
    if wanted is not None and wanted.is_known and wanted.arrays[0].size:
        arguments["size"] = [int(size) for size in wanted.arrays[0][-axes:]]
    else:
        factors = node.attributes.get("scales")
        if factors is None:
            factors = lift.weight(node, scales, "scales").arrays[0]
        arguments["scale_factor"] = [rounded(float(factor)) for factor in factors[-axes:]]
    return lift.emit("Upsample", x, **arguments)


@RULES.rule("DepthToSpace")
def _depth_to_space(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, block = lift.ref(lift.value(node.inputs[0])), int(node.attributes["blocksize"])
    if node.attributes.get("mode", "DCR") == "CRD":
        return lift.emit("PixelShuffle", x, upscale_factor=block)
    _, channels, height, width = lift.shape(x)
    x = lift.emit("Reshape", x, shape=[block, block, channels // block**2, height, width])
    x = lift.emit("Permute", x, dims=[0, 3, 4, 1, 5, 2])
    return lift.emit("Reshape", x, shape=[channels // block**2, height * block, width * block])


@RULES.rule("SpaceToDepth")
def _space_to_depth(lift: GraphLifting, node: OnnxNode) -> Ref:
    x, block = lift.ref(lift.value(node.inputs[0])), int(node.attributes["blocksize"])
    _, channels, height, width = lift.shape(x)
    x = lift.emit("Reshape", x, shape=[channels, height // block, block, width // block, block])
    x = lift.emit("Permute", x, dims=[0, 3, 5, 1, 2, 4])
    return lift.emit("Reshape", x, shape=[channels * block**2, height // block, width // block])


@RULES.rule("Dropout", "Identity")
def _identity(lift: GraphLifting, node: OnnxNode) -> Value:
    return lift.value(node.inputs[0])


RULES.enter(
    {
        "GlobalAveragePool": _global("AdaptiveAvgPool"),
        "GlobalMaxPool": _global("AdaptiveMaxPool"),
    }
)
