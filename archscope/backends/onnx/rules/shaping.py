"""Shapes, parts, reductions, and what moves elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archscope.backends.onnx.file import Node
from archscope.backends.onnx.lift import Lift, Rule
from archscope.backends.onnx.values import BATCHES, Fixed, Parts, Refused, Size, Value, pairs, reshaping, varies
from archscope.graph import Ref

#: ops that leave the order of the elements alone
IN_ORDER = ("Flatten", "Unflatten", "Reshape", "Squeeze", "Unsqueeze")


def _x(lift: Lift, node: Node, place: int = 0) -> Ref:
    return lift.wire(lift.value(node.inputs[place]))


def _laid(lift: Lift, x: Ref, after: Sequence[Size]) -> Ref:
    """The tensor in another shape, from where its elements came to be in this order, if that is no longer a way."""
    root = x
    while root.output == 0 and root.node in lift.made and type(lift.made[root.node].op).__name__ in IN_ORDER:
        root = lift.made[root.node].inputs[0]
    straight = reshaping(lift.sizes(root), after)
    near = reshaping(lift.sizes(x), after)
    if not straight or (near and len(straight) < len(near)):
        return lift.steps(root, straight)
    return lift.steps(x, near)


def _reshape(lift: Lift, node: Node) -> Ref:
    x = _x(lift, node)
    after = lift.target(node, lift.sizes(x))
    return _group_norm(lift, x, after) or _laid(lift, x, after)


def _group_norm(lift: Lift, x: Ref, after: Sequence[Size]) -> Ref | None:
    """Groups of channels that are normalised as the channels of a sequence: how exporters say a group norm."""
    norm = lift.maker(x, "InstanceNorm1d")
    if norm is None or norm.op.arguments()["affine"] or norm.op.arguments()["track_running_stats"]:
        return None
    root = norm.inputs[0]
    while root.node in lift.made and type(lift.made[root.node].op).__name__ in IN_ORDER:
        root = lift.made[root.node].inputs[0]
    if lift.sizes(root) != tuple(after) or len(after) < 2 or after[0] != lift.sizes(x)[0]:
        return None
    return lift.one("GroupNorm", root, num_groups=lift.shape(x)[1], eps=norm.op.arguments()["eps"], affine=False)


def _transpose(lift: Lift, node: Node) -> Ref:
    x = _x(lift, node)
    sizes = lift.sizes(x)
    order = [int(dim) for dim in node.attributes.get("perm", reversed(range(len(sizes))))]
    wide = [dim for dim in order if sizes[dim] != (1, 1)]
    if order == sorted(order):
        return x
    if wide == sorted(wide):
        return _laid(lift, x, [sizes[dim] for dim in order])
    for kind in ("Permute", "Transpose"):
        before = lift.maker(x, kind)
        if before is not None and [_order(before.op.arguments(), len(order))[dim] for dim in order] == sorted(order):
            return before.inputs[0]
    moved = [dim for dim, source in enumerate(order) if dim != source]
    if len(moved) == 2:
        return lift.one("Transpose", x, dim0=moved[0], dim1=moved[1])
    return lift.one("Permute", x, dims=order)


def _order(arguments: Mapping[str, Any], ndim: int) -> list[int]:
    if "dims" in arguments:
        return [dim % ndim for dim in arguments["dims"]]
    order = list(range(ndim))
    one, other = arguments["dim0"], arguments["dim1"]
    order[one], order[other] = order[other], order[one]
    return order


def _concat(lift: Lift, node: Node) -> Value:
    return _joined(lift, [lift.value(name) for name in node.inputs], int(node.attributes["axis"]))


def _joined(lift: Lift, values: Sequence[Value], axis: int) -> Ref:
    refs = [value for value in values if isinstance(value, Ref)]
    leading = lift.sizes(refs[0])[0] if refs else None
    ndim = len(lift.shape(refs[0])) if refs else 1
    inputs = []
    for value in values:
        lone = isinstance(value, Fixed) and len(value.shape) == ndim and value.shape[0] == 1
        # a file that is written for a batch of 1 has what is repeated for every sample once
        expand = lone and axis % ndim != 0 and leading is not None and varies(leading)
        inputs.append(lift.wire(value, expand=expand))
    return lift.one("Concat", *inputs, dim=axis) if len(inputs) > 1 else inputs[0]


def _split(lift: Lift, node: Node) -> Sequence[Ref]:
    x, dim = _x(lift, node), int(node.attributes.get("axis", 0))
    size, count = lift.shape(x)[dim], len(node.outputs)
    sections = lift.numbers(node, 1, "split")
    if sections is None:
        each = -(-size // count)
        sections = [each] * (count - 1) + [size - each * (count - 1)]
    return _parts(lift, x, dim, sections)


def _parts(lift: Lift, x: Ref, dim: int, sections: Sequence[int]) -> Sequence[Ref]:
    if len(sections) == 1:
        return [x]
    if len(set(sections)) == 1:
        return lift.layer("Chunk", x, chunks=len(sections), dim=dim)
    return lift.layer("Split", x, split_size_or_sections=list(sections), dim=dim)


def _split_to_sequence(lift: Lift, node: Node) -> list[Value]:
    x, dim = _x(lift, node), int(node.attributes.get("axis", 0))
    size, given = lift.shape(x)[dim], lift.numbers(node, 1)
    if not node.attributes.get("keepdims", 1) and given is None:
        raise Refused("its parts lose their dimension", "keepdims = 1")
    sections = given or [1] * size
    if given is not None and len(given) == 1:  # the size of each, the last of what is left
        whole, rest = divmod(size, given[0])
        sections = given * whole + ([rest] if rest else [])
    return [Parts(tuple(_parts(lift, x, dim, sections)))]


def _sequence(lift: Lift, node: Node) -> list[Value]:
    parts = [lift.value(name) for name in node.inputs]
    return [Parts(tuple(part for part in parts if not isinstance(part, Parts)))]


def _sequence_at(lift: Lift, node: Node) -> Value:
    parts, place = lift.value(node.inputs[0]), lift.numbers(node, 1) or [0]
    if not isinstance(parts, Parts) or not -len(parts.tensors) <= place[0] < len(parts.tensors):
        raise Refused(f"there is no part {place[0]}")
    return parts.tensors[place[0]]


def _concat_from_sequence(lift: Lift, node: Node) -> Value:
    parts = lift.value(node.inputs[0])
    if not isinstance(parts, Parts):
        raise Refused("it joins no sequence of tensors", "one")
    axis = int(node.attributes["axis"])
    if node.attributes.get("new_axis", 0):
        return lift.one("Stack", *(lift.wire(part) for part in parts.tensors), dim=axis)
    return _joined(lift, parts.tensors, axis)


def _slice(lift: Lift, node: Node) -> Ref:
    x = _x(lift, node)
    starts, ends = lift.numbers(node, 1, "starts") or [], lift.numbers(node, 2, "ends") or []
    axes = lift.numbers(node, 3, "axes") or list(range(len(starts)))
    steps = lift.numbers(node, 4, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        dim = axis % len(lift.shape(x))
        size = lift.sizes(x)[dim]
        if step < 0:
            if step != -1 or (start < size[0] - 1 and start != -1) or end >= -size[0]:
                raise Refused("it reads a part backwards", "a flip of the whole dimension")
            x = lift.one("Flip", x, dims=[dim])
            continue
        until = None if end >= 2**31 - 1 or (end >= size[0] and not varies(size)) else end
        if start <= 0 and (start == 0 or -start >= size[0]) and until is None and step == 1:
            continue
        x = lift.one("Slice", x, dim=dim, start=start, end=until, step=step)
    return x


def _pad(lift: Lift, node: Node) -> Ref:
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
        raise Refused(f"its mode is {mode}", f"one of {', '.join(kinds)}")
    if 3 <= ndim <= 5 and not any(any(end) for end in both[:2]) and lift.dtype(x) is None:
        padding = [end for pair in reversed(both[2:]) for end in pair]
        given = {"value": value} if kinds[mode] == "ConstantPad" else {}
        return lift.one(f"{kinds[mode]}{ndim - 2}d", x, padding=padding, **given)
    first = next(dim for dim in range(ndim) if any(both[dim]))
    padding = [end for pair in reversed(both[first:]) for end in pair]
    words = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    return lift.one("Pad", x, pad=padding, mode=words[mode], value=value or None)


def _expand(lift: Lift, node: Node) -> Ref:
    value, wanted = lift.value(node.inputs[0]), lift.fixed(node.inputs[1])
    if wanted is None or not wanted.known:
        raise Refused("its shape is computed from its inputs", "a shape that follows from other shapes")
    target = pairs(*(array.tolist() for array in wanted.arrays))
    if isinstance(value, Fixed):
        sizes = pairs(value.arrays[0].shape, value.arrays[1].shape)
        same = len(sizes) == len(target) and all(t in ((1, 1), s) for s, t in zip(sizes[1:], target[1:], strict=True))
        if same and sizes[0] == (1, 1) and varies(target[0]):
            return lift.wire(value, expand=True)
    x = lift.wire(value)
    wanted = lift.any_batch(wanted, lift.sizes(x))
    return _expanded(lift, x, pairs(*(array.tolist() for array in wanted.arrays)))


def _expanded(lift: Lift, x: Ref, target: Sequence[Size]) -> Ref:
    """A tensor whose dimensions of size 1 are repeated, as far as the target says."""
    sizes = lift.sizes(x)
    ndim = max(len(sizes), len(target))
    sizes = ((1, 1),) * (ndim - len(sizes)) + sizes
    wide = ((1, 1),) * (ndim - len(target)) + tuple(target)
    whole = [size if want == (1, 1) else want for size, want in zip(sizes, wide, strict=True)]
    x = lift.reshaped(x, sizes)
    if tuple(whole) == sizes:
        return x
    if any(varies(want) and want != size for size, want in zip(sizes[1:], whole[1:], strict=True)):
        raise Refused("it repeats a dimension as often as there are samples", "the batch in dimension 0")
    kept = [-1 if want == size else want[0] for size, want in zip(sizes, whole, strict=True)]
    if kept[0] == -1:
        return lift.one("Expand", x, sizes=kept)
    if whole[0] != BATCHES:
        raise Refused(f"it repeats dimension 0 {whole[0][0]} times", "the batch in dimension 0")
    return lift.one("Expand", x, _samples(lift), sizes=[-1, *kept[1:]])


def _samples(lift: Lift) -> Ref:
    return Ref(next(iter(lift.inputs)))


def _tile(lift: Lift, node: Node) -> Ref:
    repeats = lift.numbers(node, 1) or []
    x = _x(lift, node)
    return lift.one("Tile", x, dims=repeats) if any(count != 1 for count in repeats) else x


def _gather(lift: Lift, node: Node) -> Ref:
    table, index = lift.value(node.inputs[0]), lift.value(node.inputs[1])
    dim = int(node.attributes.get("axis", 0))
    many = not isinstance(index, Fixed) or bool(index.shape)
    if isinstance(table, Fixed) and table.learnt and len(table.shape) == 2 and dim in (0, -2) and many:
        rows, width = table.shape
        if not lift.tied(table):
            weights = {"weight": table}
            return lift.one("Embedding", lift.wire(index), num_embeddings=rows, embedding_dim=width, weights=weights)
    x = lift.wire(table)
    if isinstance(index, Fixed) and index.steady and index.known:
        places = index.arrays[0]
        if places.ndim == 0:
            return lift.one("Select", x, dim=dim, index=int(places))
        if places.ndim == 1 and places.size:
            first, last = int(places[0]), int(places[-1])
            if first >= 0 and places.tolist() == list(range(first, last + 1)):
                return lift.one("Slice", x, dim=dim, start=first, end=last + 1)
    return lift.one("Index", x, lift.wire(index), dim=dim)


def _gather_elements(lift: Lift, node: Node) -> Ref:
    return lift.one("Gather", _x(lift, node), _x(lift, node, 1), dim=int(node.attributes.get("axis", 0)))


# -- reductions --------------------------------------------------------------------------------------------------------


def _reduction(kind: str) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        return _reduced(lift, node, _x(lift, node), kind)

    return rule


def _reduced(lift: Lift, node: Node, x: Ref, kind: str, **arguments: Any) -> Ref:
    axes = lift.numbers(node, 1, "axes")
    if not axes:
        if node.attributes.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(len(lift.shape(x))))
    if varies(lift.sizes(x)[0]) and {0, -len(lift.shape(x))} & set(axes):
        raise Refused("it joins the samples of a batch", "a reduction of other dimensions")
    space = set(range(2, len(lift.shape(x))))
    if node.within == f"AdaptiveAvgPool{len(space)}d" and {axis % len(lift.shape(x)) for axis in axes} == space:
        return lift.one(node.within, x, output_size=1)  # torch exports its mean
    return lift.one(kind, x, dim=axes, keepdim=bool(node.attributes.get("keepdims", 1)), **arguments)


def _norm(power: int) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        return _reduced(lift, node, _x(lift, node), "Norm", p=float(power))

    return rule


def _sum_square(lift: Lift, node: Node) -> Ref:
    x = _x(lift, node)
    return _reduced(lift, node, lift.one("Power", x, exponent=2.0), "Sum")


def _lp_normalization(lift: Lift, node: Node) -> Ref:
    x = _x(lift, node)
    dim, power = int(node.attributes.get("axis", -1)), float(node.attributes.get("p", 2))
    return lift.one("Divide", x, lift.one("Norm", x, p=power, dim=[dim], keepdim=True))


def _arg_max(lift: Lift, node: Node) -> Ref:
    keep, dim = bool(node.attributes.get("keepdims", 1)), int(node.attributes.get("axis", 0))
    return lift.one("ArgMax", _x(lift, node), dim=dim, keepdim=keep)


def _cum_sum(lift: Lift, node: Node) -> Ref:
    if node.attributes.get("exclusive", 0) or node.attributes.get("reverse", 0):
        raise Refused("it sums backwards, or leaves out the last", "a plain cumulative sum")
    return lift.one("CumSum", _x(lift, node), dim=(lift.numbers(node, 1) or [0])[0])


def _softmax(kind: str) -> Rule:
    def rule(lift: Lift, node: Node) -> Ref:
        x = _x(lift, node)
        old = next((opset.version for opset in lift.graph.opsets if opset.domain in ("", "ai.onnx")), 13) < 13
        dim = int(node.attributes.get("axis", 1 if old else -1))
        rest = lift.shape(x)[dim % len(lift.shape(x)) + 1 :]
        if old and any(size != 1 for size in rest):
            raise Refused("an old softmax over several dimensions", "opset 13 or later")
        return lift.one(kind, x, dim=dim)

    return rule


def _einsum(lift: Lift, node: Node) -> Ref:
    inputs = [lift.wire(lift.value(name)) for name in node.inputs]
    return lift.one("Einsum", *inputs, equation=node.attributes["equation"])


RULES: Mapping[str, Rule] = {
    "ArgMax": _arg_max,
    "Concat": _concat,
    "ConcatFromSequence": _concat_from_sequence,
    "CumSum": _cum_sum,
    "Einsum": _einsum,
    "Expand": _expand,
    "Flatten": _reshape,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "LogSoftmax": _softmax("LogSoftmax"),
    "LpNormalization": _lp_normalization,
    "Pad": _pad,
    "ReduceL1": _norm(1),
    "ReduceL2": _norm(2),
    "ReduceLogSumExp": _reduction("LogSumExp"),
    "ReduceMax": _reduction("Max"),
    "ReduceMean": _reduction("Mean"),
    "ReduceMin": _reduction("Min"),
    "ReduceSum": _reduction("Sum"),
    "ReduceSumSquare": _sum_square,
    "Reshape": _reshape,
    "SequenceAt": _sequence_at,
    "SequenceConstruct": _sequence,
    "Slice": _slice,
    "Softmax": _softmax("Softmax"),
    "Split": _split,
    "SplitToSequence": _split_to_sequence,
    "Squeeze": _reshape,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _reshape,
}
