"""Layers that compute a sample from others of its batch, lay samples anew, or cannot do with another batch than 1.

Each is a warning. A spec leaves the batch out, and a layer that counts dimensions from 0 reaches it all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from archscope.arith import prod
from archscope.design.graph import MANY, Layer, LayerGraph, Ref
from archscope.errors.diagnostics import Diagnostic, Mark
from archscope.ops import Op, Tensor
from archscope.ops.base import Tensors
from archscope.ops.legal import COUNT_BESIDE, apply, named_dims
from archscope.ops.readings import Reads, Rearranged, along_of, groups
from archscope.ops.windows import SAME, WHOLE, Along

#: places of the batch that are gone through one by one
_MOST = 1 << 12
_JOINS, _MOVES = "joins the samples of a batch", "moves or drops samples of a batch"
_PARTS = "lays the samples of a batch into each other"
#: a batch beyond any number in a spec that counts samples
_VAST = 1 << 20


class Layout(NamedTuple):
    """Where the samples of a batch lie in a tensor: sample ``place // inner % batch`` at a place of a dimension.

    Attributes:
        outer: how often all samples follow each other along it.
        inner: places of a sample beside each other.
    """

    dim: int
    outer: int = 1
    inner: int = 1


class Done(NamedTuple):
    """What a layer does to samples.

    Attributes:
        arriving: the input that tells.
    """

    arriving: Tensor
    what: str


def joined_samples(graph: LayerGraph) -> Iterator[Diagnostic]:
    """What to warn of, each place once."""
    beside = graph.beside
    if beside is None:
        return
    marks: set[Mark | None] = set()
    samples, parting = _Samples(), beside.parting
    moved = any(any(own) for own in beside.dims.values())
    harmless: set[int] = set()  # what alike layers give is one object
    for layer in graph.layers:
        if parting is not None and parting.layer is layer:
            x = tuple([beside.many[node][output] for node, output in layer.inputs])
            yield _parting(layer, x, parting.what)
            return
        y = beside.many[layer.name]
        if id(y) in harmless and samples.in_place:
            continue
        x = tuple([beside.many[node][output] for node, output in layer.inputs])
        done = samples.done(layer, x, y)
        if done is None and moved:  # each layer takes the first dimension for the batch
            done = _of_state(layer, x, graph)
        if done is None and not moved and samples.in_place:
            harmless.add(id(y))
        if done is not None and layer.mark not in marks:
            marks.add(layer.mark)
            yield _warned(layer, x, y, done, graph)


class _Samples:
    """The samples of a batch on their way through a graph."""

    def __init__(self) -> None:
        self._layouts: dict[Ref, Layout | None] = {}  # of those that do not lie one by one; nothing where they are lost
        self._alike: dict[Any, tuple[Done | None, dict[int, Layout | None]]] = {}  # layers of repeated blocks are alike

    @property
    def in_place(self) -> bool:
        """Whether all lie one by one so far."""
        return not self._layouts

    def done(self, layer: Layer, x: Tensors, y: Tensors) -> Done | None:
        """What a layer does to samples; nothing where each stays by itself, at its place."""
        layouts = None
        if not self._layouts.keys().isdisjoint(layer.inputs):
            layouts = tuple(self._of(ref, tensor) for ref, tensor in zip(layer.inputs, x, strict=True))
        key = (id(layer.op), x, layouts)
        alike = self._alike.get(key)
        if alike is None:
            done, after = _followed(layer.op, x, y, layouts or tuple(map(_one_by_one, x)))
            moved = {output: layout for output, layout in enumerate(after) if layout != _one_by_one(y[output])}
            alike = self._alike[key] = done, moved
        done, moved = alike
        for output, layout in moved.items():
            self._layouts[Ref(layer.name, output)] = layout
        return None if layer.op.joins_samples else done

    def _of(self, ref: Ref, tensor: Tensor) -> Layout | None:
        return self._layouts[ref] if ref in self._layouts else _one_by_one(tensor)


def _one_by_one(tensor: Tensor) -> Layout | None:
    return None if tensor.batch is None else Layout(tensor.batch)


def _followed(
    op: Op, x: Tensors, y: Tensors, layouts: Sequence[Layout | None]
) -> tuple[Done | None, list[Layout | None]]:
    """What an op does to samples, and where these lie in its outputs."""
    first, after = None, []
    for output, out in enumerate(y):
        done, layout = _into(op.reads(x, y, output), x, out, layouts)
        first = first or done
        after.append(layout)
    return first or _counted(op, x, y), after


def _counted(op: Op, x: Tensors, y: Tensors) -> Done | None:
    """An op that counts samples, and so does more when there are more of them than it says."""
    named = next((one for one in x if one.batch in named_dims(op, len(one.shape))), None)
    if named is None:
        return None
    vast, violations = apply(op, tuple(_with_batch(tensor, _VAST) for tensor in x))
    same = not violations and len(vast) == len(y)
    if same and all(_with_batch(few, _VAST).shape == many.shape for few, many in zip(y, vast, strict=True)):
        return None
    return Done(named, _MOVES)


def _with_batch(tensor: Tensor, batch: int) -> Tensor:
    """The same of another batch, which may be laid beside other things."""
    if tensor.batch is None:
        return tensor
    sizes = (size // MANY * batch if dim == tensor.batch else size for dim, size in enumerate(tensor.shape))
    return tensor._replace(shape=tuple(sizes))


def _into(
    readings: Sequence[Reads], x: Tensors, out: Tensor, layouts: Sequence[Layout | None]
) -> tuple[Done | None, Layout | None]:
    """The same of one output: an input of which a sample of it is not computed from its own alone tells."""
    common: Layout | None = None
    lost = False
    for reads, tensor, layout in zip(readings, x, layouts, strict=True):
        if reads is None or tensor.batch is None:
            continue
        what, behind = _through(reads, tensor, out, layout)
        if what:
            return Done(tensor, what), None
        lost |= behind is None
        if behind is not None and common not in (None, behind):
            return Done(tensor, _JOINS), None
        common = behind or common
    return None, None if lost else common


def _through(reads: Reads, tensor: Tensor, out: Tensor, layout: Layout | None) -> tuple[str, Layout | None]:
    """What a reading does to samples, and where those of the input lie in the output, if that was known."""
    if isinstance(reads, Rearranged):
        if layout is None:
            return "", None
        behind = _rearranged(layout, reads, tensor.shape, out.shape)
        return ("", behind) if behind is not None and behind.dim == out.batch else (_PARTS, None)
    along = along_of(reads)
    what = _done(along, tensor, out)
    entry = along.axes[tensor.batch or 0]
    return what, None if layout is None or entry is None else layout._replace(dim=entry[0])


def _done(reads: Along, tensor: Tensor, out: Tensor) -> str:
    """What a reading does to the samples of a batch; empty where each stays by itself, at its place."""
    batch = tensor.batch
    assert batch is not None
    entry, samples = reads.axes[batch], tensor.shape[batch]
    if entry is None:
        return _MOVES if any(dim == batch for dim, _ in reads.only) else _JOINS
    dim, window = entry
    if window is WHOLE:
        return _JOINS if samples > 1 else ""
    if window is SAME:
        return "" if out.shape[dim] == samples else _MOVES
    if max(samples, out.shape[dim]) > _MOST:
        return _MOVES
    import numpy as np

    one_each = np.eye(samples, dtype=bool)
    read = window.carried(one_each, samples, out.shape[dim], back=False)
    if int(read.sum(1).max()) > 1:
        return _JOINS
    return "" if np.array_equal(read, one_each) else _MOVES


def _rearranged(layout: Layout, reads: Rearranged, shape: tuple[int, ...], out: tuple[int, ...]) -> Layout | None:
    """Where samples lie when elements are laid anew; ``None`` where they part along several dimensions."""
    inner = _regrouped(layout, shape, reads.inner)
    if inner is None:
        return None
    moved = inner._replace(dim=reads.order.index(inner.dim))
    return _regrouped(moved, tuple(reads.inner[dim] for dim in reads.order), out)


def _regrouped(layout: Layout, shape: tuple[int, ...], out: tuple[int, ...]) -> Layout | None:
    """Where samples lie in another shape, the elements being in their order.

    Places that are ``stride`` elements of their group apart belong to the next sample, and to the same again after
    ``stride`` x batch; a dimension in which they lie steps by a divisor of the one, and holds a multiple of the other.
    """
    if shape == out:
        return layout
    of, to = next((of, to) for of, to in groups(shape, out) if layout.dim in of)
    stride = layout.inner * prod(shape[dim] for dim in of if dim > layout.dim)
    extent = prod(out[dim] for dim in to)
    for dim in to:
        step = extent // out[dim]
        if stride % step == 0 and extent % (stride * MANY) == 0:
            return Layout(dim, extent // (stride * MANY), stride // step)
        extent = step
    return None


# -- words -------------------------------------------------------------------------------------------------------------


def _of_state(layer: Layer, x: Tensors, graph: LayerGraph) -> Done | None:
    """A layer that has other weights at another batch, if it is one."""
    if not any(tensor.batch for tensor in x):
        return None
    one = graph.tensors(1)
    few, many = (
        {**layer.parameters(*at), **layer.buffers(*at)}
        for at in (tuple(one[node][output] for node, output in layer.inputs), x)
    )
    for name, tensor in few.items():
        if tensor.shape != many[name].shape:
            sizes = " at batch 1, ".join(str(list(of[name].shape)) for of in (few, many))
            return Done(
                next(one for one in x if one.batch), f"has weights for each sample: `{name}` is {sizes} at {MANY}"
            )
    return None


def _parting(layer: Layer, x: Tensors, what: str) -> Diagnostic:
    arriving = next((tensor for tensor in x if tensor.batch is not None), None)
    hint = "" if arriving is None else _hint(layer, arriving)
    if any(tensor.batch is None for tensor in x):
        hint = "what is held by the design has no batch; `expand: true` gives each sample its own"
    return Diagnostic(f"{layer.kind} {what}", layer.mark, hint, severity="warning")


def _warned(layer: Layer, x: Tensors, y: Tensors, done: Done, graph: LayerGraph) -> Diagnostic:
    tensors = graph.tensors(1)
    one = tuple(tensors[node][output] for node, output in layer.inputs)
    few, many = _macs(layer, one, tensors[layer.name]), _macs(layer, x, y)
    work = "" if many == MANY * few else f": {few:,} MACs at batch 1, {many:,} at batch {MANY}"
    return Diagnostic(f"{layer.kind} {done.what}{work}", layer.mark, _hint(layer, done.arriving), severity="warning")


def _hint(layer: Layer, arriving: Tensor) -> str:
    """What arrives, and the remedy."""
    shape = ", ".join("N" if dim == arriving.batch else str(size) for dim, size in enumerate(arriving.shape))
    remedy = "only dimensions beside it are a sample's own"
    if layer.op.arguments().get("batch_first") is False:
        remedy = "say `batch_first: true`, else it is taken for the sequence"
    elif arriving.batch in named_dims(layer.op, len(arriving.shape)):
        remedy = COUNT_BESIDE
    return f"in what arrives, ({shape}), dimension {arriving.batch} is the batch: {remedy}"


def _macs(layer: Layer, x: Tensors, y: Tensors) -> int:
    return sum(contraction.macs for contraction in layer.op.contractions(x, y))
