"""A design's graph with its blocks folded: what a picture shows, whoever draws it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from archscope.analysis.counts.account import Account, Row
from archscope.design.graph import Ref
from archscope.errors import UsageError, counted
from archscope.figures.table import fitting_depth
from archscope.ops import Op

#: how many boxes a picture has unasked, at most
MOST_BOXES = 60


@dataclass(frozen=True)
class Box:
    """An input, a layer, or a folded block.

    Attributes:
        name: its full name.
        label: its name within the cluster that it stands in.
        role: ``input``, ``layer`` or ``block``.
        kind: the op, with the arguments that matter: ``Conv2d 7x7, 64, /2``; of a block how many layers it has.
        family: the op's: ``convolution``, ``pooling``, ...; of others the role.
        layers: how many it stands for.
        shape: of the (first) output, of a block that of its last layer, without the batch.
        params, macs: forward, of the whole batch.
    """

    name: str
    label: str
    role: str
    kind: str
    family: str
    layers: int
    shape: tuple[int, ...]
    params: int
    macs: int


@dataclass(frozen=True)
class Cluster:
    """An open block that holds at least two things; the outermost one, without a name, is the design.

    Attributes:
        name: its full name.
        label: its name within the cluster around it.
        boxes: numbers of the boxes that stand directly in it.
    """

    name: str
    label: str
    boxes: tuple[int, ...]
    clusters: tuple[Cluster, ...]


class Edge(NamedTuple):
    """From box to box, by number.

    Attributes:
        tensors: a tensor for each time that a layer of the target reads one of the source, in their order.
    """

    source: int
    target: int
    tensors: tuple[Ref, ...]


@dataclass(frozen=True)
class Outline:
    """A folded graph.

    Attributes:
        depth: blocks are folded below so many names; ``None`` is not at all.
        boxes: inputs, then layers and blocks in the order of execution.
        outputs: the named results of the design, each with the number of the box that it comes from.
    """

    account: Account
    depth: int | None
    boxes: tuple[Box, ...]
    root: Cluster
    edges: tuple[Edge, ...]
    outputs: tuple[tuple[str, int, Ref], ...]

    @cached_property
    def _outputs_of(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        inputs = {node.name: (node.shape,) for node in self.account.design.inputs}
        return inputs | {row.name: tuple(tensor.sizes for tensor in row.y) for row in self.account.rows}

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """The shape of a tensor, without the batch."""
        return self._outputs_of[ref.node][ref.output]


def outline(
    account: Account, depth: int | None = None, opened: Collection[str] = (), *, most: int | None = None
) -> Outline:
    """Fold the graph of a design.

    Args:
        depth: a block below so many names is one box; a block of one layer stays that layer. ``None`` folds nothing,
            or as ``most`` asks.
        opened: blocks that are unfolded on top of that, with those around them; what is in them stays folded.
        most: without ``depth``: fold as little as gives at most so many layers and blocks (or as few as there are).

    Raises:
        UsageError: there is no block of a name that is to be opened.
    """
    if depth is None and most is not None:
        depth = fitting_depth(account, most)
    folding = _folding(account, depth, _ancestors(account, opened))
    design = account.design
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(folding):
        groups.setdefault(name, []).append(number)
    names = [*(node.name for node in design.inputs), *groups]
    numbers = {name: number for number, name in enumerate(names)}
    of = {node.name: numbers[node.name] for node in design.inputs}
    of |= {layer.name: numbers[name] for layer, name in zip(design.layers, folding, strict=True)}
    root = _clusters(list(groups), len(design.inputs))
    labels = dict(_labels(root, names))
    boxes = [
        Box(node.name, node.name, "input", node.dtype or "input", "input", 0, node.shape, 0, 0)
        for node in design.inputs
    ]
    boxes += [_box(account, name, labels[numbers[name]], members) for name, members in groups.items()]
    outputs = tuple((name, of[ref.node], ref) for name, ref in design.outputs)
    return Outline(account, depth, tuple(boxes), root, tuple(_edges(account, of)), outputs)


def _ancestors(account: Account, opened: Collection[str]) -> frozenset[tuple[str, ...]]:
    """The paths of blocks to open, and of all around them."""
    ancestors: set[tuple[str, ...]] = set()
    for name in opened:
        if isinstance(account[name], Row):
            raise UsageError(f"`{name}` is a layer: there is nothing in it to open")
        path = tuple(name.split("."))
        ancestors.update(path[:length] for length in range(1, len(path) + 1))
    return frozenset(ancestors)


def _folding(account: Account, depth: int | None, opened: frozenset[tuple[str, ...]]) -> list[str]:
    """For every layer the name of its box."""
    if depth is None:
        return [row.name for row in account.rows]
    paths = [_folded(row.path, depth, opened) for row in account.rows]
    alone: dict[tuple[str, ...], int] = {}
    for path in paths:
        alone[path] = alone.get(path, 0) + 1
    return [row.name if alone[path] == 1 else ".".join(path) for row, path in zip(account.rows, paths, strict=True)]


def _folded(path: tuple[str, ...], depth: int, opened: frozenset[tuple[str, ...]]) -> tuple[str, ...]:
    length = depth
    while length < len(path) and path[:length] in opened:
        length += 1
    return path[:length]


def _box(account: Account, name: str, label: str, members: Sequence[int]) -> Box:
    rows = [account.rows[number] for number in members]
    shape = rows[-1].output_shape
    params, macs = (sum(getattr(row.cost, name) for row in rows) for name in ("params", "macs"))
    if len(rows) > 1:
        return Box(name, label, "block", counted(len(rows), "layer"), "block", len(rows), shape, params, macs)
    row, op = rows[0], account.design.layers[members[0]].op
    kind = f"{row.kind} {telling_arguments(op, channels_of(row))}".rstrip()
    family = type(op).__module__.rpartition(".")[2]
    return Box(name, label, "layer", kind, family, 1, shape, params, macs)


def channels_of(row: Row) -> int | None:
    """Channels that arrive at a layer, where there are such."""
    return row.x[0].shape[1] if row.x and len(row.x[0].shape) > 1 else None


#: how an argument that tells a layer from its like is written
_TELLING = {
    "kernel_size": "{}", "out_channels": "{}", "out_features": "{}", "stride": "/{}", "dilation": "dilation {}",
    "groups": "{} groups", "output_size": "to {}", "num_groups": "{} groups", "num_heads": "{} heads",
    "embedding_dim": "{}", "hidden_size": "{}", "num_layers": "{} layers", "shape": "{}", "unflattened_size": "{}",
    "scale_factor": "by {}", "upscale_factor": "by {}", "downscale_factor": "by 1/{}", "size": "{}", "chunks": "{}",
    "dims": "{}", "p": "{}", "factor": "{}",
}  # fmt: skip
_LISTS = ("dims",)


def telling_arguments(op: Op, channels: int | None = None) -> str:
    """The arguments that tell an op from its like, in a few signs: ``3x3, 64, /2``.

    Args:
        channels: what arrives; groups of one each are ``depthwise``.
    """
    arguments = op.non_default()
    if hasattr(op, "stride"):  # that of a pooling repeats its kernel's size, unless it is given
        arguments["stride"] = op.stride
    parts = []
    for name, words in _TELLING.items():
        content = arguments.get(name)
        if name == "groups" and content is not None and content == channels != 1:
            parts.append("depthwise")
        elif content is not None:
            text = _argument(name, content)
            if name not in ("stride", "dilation") or text != "1":
                enlarges = name == "stride" and hasattr(op, "output_padding")
                parts.append(f"x{text}" if enlarges else words.format(text))
    return ", ".join(parts)


def _argument(name: str, content: Any) -> str:
    if not isinstance(content, tuple):
        return f"{content:g}" if isinstance(content, float) else str(content)
    if name in ("stride", "dilation") and len(set(content)) == 1:
        return str(content[0])
    return (" " if name in _LISTS else "x").join(map(str, content))


def _edges(account: Account, of: dict[str, int]) -> Iterator[Edge]:
    edges: dict[tuple[int, int], list[Ref]] = {}
    for layer in account.design.layers:
        for ref in layer.inputs:
            edges.setdefault((of[ref.node], of[layer.name]), []).append(ref)
    for (source, target), refs in edges.items():
        if source != target:
            yield Edge(source, target, tuple(refs))


@dataclass
class _Block:
    """An open block while its boxes are gathered."""

    boxes: list[int] = field(default_factory=list)
    blocks: dict[str, _Block] = field(default_factory=dict)


def _clusters(names: Sequence[str], first: int) -> Cluster:
    """The open blocks around boxes that are numbered from ``first`` on."""
    root = _Block()
    for number, name in enumerate(names, first):
        block = root
        for part in name.split(".")[:-1]:
            block = block.blocks.setdefault(part, _Block())
        block.boxes.append(number)
    boxes, clusters = _members(root, "", "")
    return Cluster("", "", tuple(boxes), tuple(clusters))


def _members(block: _Block, name: str, around: str) -> tuple[list[int], list[Cluster]]:
    """What stands in a block; a block that holds one thing is no cluster of its own.

    Args:
        around: the block whose cluster that is, or the nearest around it that is one.
    """
    boxes, clusters = list(block.boxes), []
    for part, inner in block.blocks.items():
        path = f"{name}.{part}" if name else part
        own = path if len(inner.boxes) + len(inner.blocks) > 1 else around
        inner_boxes, inner_clusters = _members(inner, path, own)
        if own == path:
            clusters.append(Cluster(path, _within(path, around), tuple(inner_boxes), tuple(inner_clusters)))
        else:
            boxes += inner_boxes
            clusters += inner_clusters
    return boxes, clusters


def _labels(cluster: Cluster, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    for number in cluster.boxes:
        yield number, _within(names[number], cluster.name)
    for inner in cluster.clusters:
        yield from _labels(inner, names)


def _within(name: str, block: str) -> str:
    return name[len(block) + 1 :] if block else name
