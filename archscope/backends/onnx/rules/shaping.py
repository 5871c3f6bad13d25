"""Shapes, parts, reductions, and what moves elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.reshaping import reshaping
from archscope.backends.importing.rules import Rules
from archscope.backends.importing.sizes import BATCH, LinearSize, at
from archscope.backends.onnx.file import OnnxNode
from archscope.backends.onnx.lifting import GraphLifting, Rule
from archscope.backends.onnx.shapes import expanding
from archscope.backends.onnx.values import BATCHES, Constant, Parts, Value, varies
from archscope.design.graph import Ref

RULES: Rules[Rule] = Rules()

#: ops that leave the order of the elements alone
IN_ORDER = ("Flatten", "Unflatten", "Reshape", "Squeeze", "Unsqueeze")


def _x(lift: GraphLifting, node: OnnxNode, place: int = 0) -> Ref:
    return lift.ref(lift.value(node.inputs[place]))


def _in_shape(lift: GraphLifting, x: Ref, after: Sequence[int | LinearSize], *, squeezes: bool = False) -> Ref:
    """The tensor in another shape, from where its elements came to be in this order, if that is no longer a way."""
    root = x
    while root.output == 0 and root.node in lift.made and type(lift.made[root.node].op).__name__ in IN_ORDER:
        root = lift.made[root.node].inputs[0]
    straight = reshaping(lift.sizes(root), after, squeezes=squeezes)
    near = reshaping(lift.sizes(x), after, squeezes=squeezes)
    if not straight or (near and len(straight) < len(near)):
        return lift.steps(root, straight)
    return lift.steps(x, near)


@RULES.rule("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def _reshape(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    after = lift.target(node, lift.sizes(x))
    return _group_norm(lift, x, after) or _in_shape(lift, x, after, squeezes=node.kind == "Squeeze")


def _group_norm(lift: GraphLifting, x: Ref, after: Sequence[int | LinearSize]) -> Ref | None:
    """Groups of channels that are normalised as the channels of a sequence: how exporters say a group norm."""
    norm = lift.maker(x, "InstanceNorm1d")
    if norm is None or norm.op.arguments()["affine"] or norm.op.arguments()["track_running_stats"]:
        return None
    root = norm.inputs[0]
    while root.node in lift.made and type(lift.made[root.node].op).__name__ in IN_ORDER:
        root = lift.made[root.node].inputs[0]
    if lift.sizes(root) != tuple(after) or len(after) < 2 or after[0] != lift.sizes(x)[0]:
        return None
    return lift.emit("GroupNorm", root, num_groups=lift.shape(x)[1], eps=norm.op.arguments()["eps"], affine=False)


@RULES.rule("Transpose")
def _transpose(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    sizes = lift.sizes(x)
    order = [int(dim) for dim in node.attributes.get("perm", reversed(range(len(sizes))))]
    wide = [dim for dim in order if sizes[dim] != 1]
    if order == sorted(order):
        return x
    if wide == sorted(wide):
        return _in_shape(lift, x, [sizes[dim] for dim in order])
    for kind in ("Permute", "Transpose"):
        before = lift.maker(x, kind)
        if before is not None and [_order(before.op.arguments(), len(order))[dim] for dim in order] == sorted(order):
            return before.inputs[0]
    moved = [dim for dim, source in enumerate(order) if dim != source]
    if len(moved) == 2:
        return lift.emit("Transpose", x, dim0=moved[0], dim1=moved[1])
    return lift.emit("Permute", x, dims=order)


def _order(arguments: Mapping[str, Any], ndim: int) -> list[int]:
    if "dims" in arguments:
        return [dim % ndim for dim in arguments["dims"]]
    order = list(range(ndim))
    one, other = arguments["dim0"], arguments["dim1"]
    order[one], order[other] = order[other], order[one]
    return order


@RULES.rule("Concat")
def _concat(lift: GraphLifting, node: OnnxNode) -> Value:
    return _joined(lift, [lift.value(name) for name in node.inputs], int(node.attributes["axis"]))


def _joined(lift: GraphLifting, values: Sequence[Value], axis: int) -> Ref:
    refs = [value for value in values if isinstance(value, Ref)]
    leading = lift.sizes(refs[0])[0] if refs else None
    ndim = len(lift.shape(refs[0])) if refs else 1
    inputs = []
    for value in values:
        lone = isinstance(value, Constant) and len(value.shape) == ndim and value.shape[0] == 1
        # a file that is written for a batch of 1 has what is repeated for every sample once
        expand = lone and axis % ndim != 0 and leading is not None and varies(leading)
        inputs.append(lift.ref(value, expand=expand))
    return lift.emit("Concat", *inputs, dim=axis) if len(inputs) > 1 else inputs[0]


@RULES.rule("Split")
def _split(lift: GraphLifting, node: OnnxNode) -> Sequence[Ref]:
    x, dim = _x(lift, node), int(node.attributes.get("axis", 0))
    size, count = lift.shape(x)[dim], len(node.outputs)
    sections = lift.numbers(node, 1, "split")
    if sections is None:
        each = -(-size // count)
        sections = [each] * (count - 1) + [size - each * (count - 1)]
    return _parts(lift, x, dim, sections)


def _parts(lift: GraphLifting, x: Ref, dim: int, sections: Sequence[int]) -> Sequence[Ref]:
    if len(sections) == 1:
        return [x]
    if len(set(sections)) == 1:
        return lift.layer("Chunk", x, chunks=len(sections), dim=dim)
    return lift.layer("Split", x, split_size_or_sections=list(sections), dim=dim)


@RULES.rule("SplitToSequence")
def _split_to_sequence(lift: GraphLifting, node: OnnxNode) -> list[Value]:
    x, dim = _x(lift, node), int(node.attributes.get("axis", 0))
    size, numbers = lift.shape(x)[dim], lift.numbers(node, 1)
    if not node.attributes.get("keepdims", 1) and numbers is None:
        raise Unsupported("its parts lose their dimension", "keepdims = 1")
    sections = numbers or [1] * size
    if numbers is not None and len(numbers) == 1:  # the size of each, the last of what is left
        whole, rest = divmod(size, numbers[0])
        sections = numbers * whole + ([rest] if rest else [])
    return [Parts(tuple(_parts(lift, x, dim, sections)))]


@RULES.rule("SequenceConstruct")
def _sequence(lift: GraphLifting, node: OnnxNode) -> list[Value]:
    parts = [lift.value(name) for name in node.inputs]
    return [Parts(tuple(part for part in parts if not isinstance(part, Parts)))]


@RULES.rule("SequenceAt")
def _sequence_at(lift: GraphLifting, node: OnnxNode) -> Value:
    parts, place = lift.value(node.inputs[0]), lift.numbers(node, 1) or [0]
    if not isinstance(parts, Parts) or not -len(parts.tensors) <= place[0] < len(parts.tensors):
        raise Unsupported(f"there is no part {place[0]}")
    return parts.tensors[place[0]]


@RULES.rule("ConcatFromSequence")
def _concat_from_sequence(lift: GraphLifting, node: OnnxNode) -> Value:
    parts = lift.value(node.inputs[0])
    if not isinstance(parts, Parts):
        raise Unsupported("it joins no sequence of tensors", "one")
    axis = int(node.attributes["axis"])
    if node.attributes.get("new_axis", 0):
        return lift.emit("Stack", *(lift.ref(part) for part in parts.tensors), dim=axis)
    return _joined(lift, parts.tensors, axis)


@RULES.rule("Slice")
def _slice(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    starts, ends = lift.numbers(node, 1, "starts") or [], lift.numbers(node, 2, "ends") or []
    axes = lift.numbers(node, 3, "axes") or list(range(len(starts)))
    steps = lift.numbers(node, 4, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        dim = axis % len(lift.shape(x))
        size, here = lift.sizes(x)[dim], lift.shape(x)[dim]
        if step < 0:
            if step != -1 or (start < here - 1 and start != -1) or end >= -here:
                raise Unsupported("it reads a part backwards", "a flip of the whole dimension")
            x = lift.emit("Flip", x, dims=[dim])
            continue
        until = None if end >= 2**31 - 1 or (end >= here and not varies(size)) else end
        if start <= 0 and (start == 0 or -start >= here) and until is None and step == 1:
            continue
        x = lift.emit("Slice", x, dim=dim, start=start, end=until, step=step)
    return x


@RULES.rule("Pad")
def _pad(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    ndim = len(lift.shape(x))
    pads = lift.numbers(node, 1, "pads" if "pads" in node.attributes else "paddings") or []
    axes = [axis % ndim for axis in (lift.numbers(node, 3) or range(ndim))]
    value = lift.number(node, 2, "value", 0.0) or 0.0
    mode = node.attributes.get("mode", "constant")
    ends = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    both = [ends.get(dim, (0, 0)) for dim in range(ndim)]
    if not any(any(end) for end in both):
        return x
    kinds = {"constant": "ConstantPad" if value else "ZeroPad", "reflect": "ReflectionPad", "edge": "ReplicationPad",
             "wrap": "CircularPad"}  # fmt: skip
    if mode not in kinds:
        raise Unsupported(f"its mode is {mode}", f"one of {', '.join(kinds)}")
    if 3 <= ndim <= 5 and not any(any(end) for end in both[:2]) and lift.floats(x):
        padding = [end for pair in reversed(both[2:]) for end in pair]
        arguments = {"value": value} if kinds[mode] == "ConstantPad" else {}
        return lift.emit(f"{kinds[mode]}{ndim - 2}d", x, padding=padding, **arguments)
    first = next(dim for dim in range(ndim) if any(both[dim]))
    padding = [end for pair in reversed(both[first:]) for end in pair]
    words = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    return lift.emit("Pad", x, pad=padding, mode=words[mode], value=value or None)


@RULES.rule("Expand")
def _expand(lift: GraphLifting, node: OnnxNode) -> Ref:
    value, wanted = lift.value(node.inputs[0]), lift.constant(node.inputs[1])
    if wanted is None or not wanted.is_known:
        raise Unsupported("its shape is computed from its inputs", "a shape that follows from other shapes")
    if isinstance(value, Constant):
        sizes, target = value.sizes, wanted.numbers
        same = len(sizes) == len(target) and all(t in (1, s) for s, t in zip(sizes[1:], target[1:], strict=True))
        if same and sizes[0] == 1 and varies(target[0]):
            return lift.ref(value, expand=True)
    x = lift.ref(value)
    return _expanded(lift, x, expanding(wanted, lift.sizes(x), lift.batch).numbers)


def _expanded(lift: GraphLifting, x: Ref, target: Sequence[int | LinearSize]) -> Ref:
    """A tensor whose dimensions of size 1 are repeated, as far as the target says."""
    sizes = lift.sizes(x)
    ndim = max(len(sizes), len(target))
    sizes = (1,) * (ndim - len(sizes)) + sizes
    wide = (1,) * (ndim - len(target)) + tuple(target)
    whole = [size if want == 1 else want for size, want in zip(sizes, wide, strict=True)]
    x = lift.reshaped(x, sizes)
    if tuple(whole) == sizes:
        return x
    if any(varies(want) and want != size for size, want in zip(sizes[1:], whole[1:], strict=True)):
        raise Unsupported("it repeats a dimension as often as there are samples", "the batch in dimension 0")
    targets = [-1 if want == size else at(want, BATCHES[0]) for size, want in zip(sizes, whole, strict=True)]
    if targets[0] == -1:
        return lift.emit("Expand", x, sizes=targets)
    if whole[0] != BATCH:
        raise Unsupported(f"it repeats dimension 0 {targets[0]} times", "the batch in dimension 0")
    return lift.emit("Expand", x, lift.lender(), sizes=[-1, *targets[1:]])


@RULES.rule("Tile")
def _tile(lift: GraphLifting, node: OnnxNode) -> Ref:
    repeats = lift.numbers(node, 1) or []
    x = _x(lift, node)
    return lift.emit("Tile", x, dims=repeats) if any(count != 1 for count in repeats) else x


@RULES.rule("Gather")
def _gather(lift: GraphLifting, node: OnnxNode) -> Ref:
    table, index = lift.value(node.inputs[0]), lift.value(node.inputs[1])
    dim = int(node.attributes.get("axis", 0))
    many = not isinstance(index, Constant) or bool(index.shape)
    if isinstance(table, Constant) and table.learnt and len(table.shape) == 2 and dim in (0, -2) and many:
        rows, width = table.shape
        if not lift.tied(table):
            weights = {"weight": table}
            return lift.emit("Embedding", lift.ref(index), num_embeddings=rows, embedding_dim=width, weights=weights)
    x = lift.ref(table)
    if isinstance(index, Constant) and index.steady and index.is_known:
        places = index.arrays[0]
        if places.ndim == 0:
            return lift.emit("Select", x, dim=dim, index=int(places))
        if places.ndim == 1 and places.size:
            first, last = int(places[0]), int(places[-1])
            if first >= 0 and places.tolist() == list(range(first, last + 1)):
                return lift.emit("Slice", x, dim=dim, start=first, end=last + 1)
    return lift.emit("Index", x, lift.ref(index), dim=dim)


@RULES.rule("GatherElements")
def _gather_elements(lift: GraphLifting, node: OnnxNode) -> Ref:
    return lift.emit("Gather", _x(lift, node), _x(lift, node, 1), dim=int(node.attributes.get("axis", 0)))


# -- reductions --------------------------------------------------------------------------------------------------------


def _reduction(kind: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        return _reduced(lift, node, _x(lift, node), kind)

    return rule


def _reduced(lift: GraphLifting, node: OnnxNode, x: Ref, kind: str, **arguments: Any) -> Ref:
    axes = lift.numbers(node, 1, "axes")
    if not axes:
        if node.attributes.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(len(lift.shape(x))))
    if varies(lift.sizes(x)[0]) and {0, -len(lift.shape(x))} & set(axes):
        raise Unsupported("it joins the samples of a batch", "a reduction of other dimensions")
    space = set(range(2, len(lift.shape(x))))
    if node.within == f"AdaptiveAvgPool{len(space)}d" and {axis % len(lift.shape(x)) for axis in axes} == space:
        return lift.emit(node.within, x, output_size=1)  # torch exports its mean
    return lift.emit(kind, x, dim=axes, keepdim=bool(node.attributes.get("keepdims", 1)), **arguments)


def _norm(power: int) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        return _reduced(lift, node, _x(lift, node), "Norm", p=float(power))

    return rule


@RULES.rule("ReduceSumSquare")
def _sum_square(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    return _reduced(lift, node, lift.emit("Power", x, exponent=2.0), "Sum")


@RULES.rule("LpNormalization")
def _lp_normalization(lift: GraphLifting, node: OnnxNode) -> Ref:
    x = _x(lift, node)
    dim, power = int(node.attributes.get("axis", -1)), float(node.attributes.get("p", 2))
    return lift.emit("Divide", x, lift.emit("Norm", x, p=power, dim=[dim], keepdim=True))


@RULES.rule("ArgMax")
def _arg_max(lift: GraphLifting, node: OnnxNode) -> Ref:
    keep, dim = bool(node.attributes.get("keepdims", 1)), int(node.attributes.get("axis", 0))
    return lift.emit("ArgMax", _x(lift, node), dim=dim, keepdim=keep)


@RULES.rule("CumSum")
def _cum_sum(lift: GraphLifting, node: OnnxNode) -> Ref:
    if node.attributes.get("exclusive", 0) or node.attributes.get("reverse", 0):
        raise Unsupported("it sums backwards, or leaves out the last", "a plain cumulative sum")
    return lift.emit("CumSum", _x(lift, node), dim=(lift.numbers(node, 1) or [0])[0])


def _softmax(kind: str) -> Rule:
    def rule(lift: GraphLifting, node: OnnxNode) -> Ref:
        x = _x(lift, node)
        old = next((opset.version for opset in lift.graph.opsets if opset.domain in ("", "ai.onnx")), 13) < 13
        dim = int(node.attributes.get("axis", 1 if old else -1))
        rest = lift.shape(x)[dim % len(lift.shape(x)) + 1 :]
        if old and any(size != 1 for size in rest):
            raise Unsupported("an old softmax over several dimensions", "opset 13 or later")
        return lift.emit(kind, x, dim=dim)

    return rule


@RULES.rule("Einsum")
def _einsum(lift: GraphLifting, node: OnnxNode) -> Ref:
    inputs = [lift.ref(lift.value(name)) for name in node.inputs]
    return lift.emit("Einsum", *inputs, equation=node.attributes["equation"])


RULES.enter(
    {
        "LogSoftmax": _softmax("LogSoftmax"),
        "ReduceL1": _norm(1),
        "ReduceL2": _norm(2),
        "ReduceLogSumExp": _reduction("LogSumExp"),
        "ReduceMax": _reduction("Max"),
        "ReduceMean": _reduction("Mean"),
        "ReduceMin": _reduction("Min"),
        "ReduceSum": _reduction("Sum"),
        "Softmax": _softmax("Softmax"),
    }
)
