"""What has a meaning that nobody meant: layers that join or move the samples of a batch, variables that nothing reads.

Each is a warning: it has a place and a remedy, and changes no figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from archscope.design import Design
from archscope.design.graph import MANY, Layer, LayerGraph
from archscope.errors.diagnostics import Diagnostic
from archscope.ops import Op, Tensor
from archscope.ops.base import Tensors
from archscope.ops.readings import Rearranged, along_of
from archscope.ops.windows import SAME, WHOLE, Along, pointwise
from archscope.spec.document import Document
from archscope.spec.expressions import in_words
from archscope.spec.reader import MapNode, Node, ScalarNode

_WORD = re.compile(r"[^\W\d]\w*")
_JOINS, _MOVES = "joins the samples of a batch", "moves or drops samples of a batch"


def suspicions(
    document: Document, design: Design, sets: Mapping[str, Node], without: Callable[[str], Design | None]
) -> Iterator[Diagnostic]:
    """What to warn of.

    Args:
        sets: values that replace those under ``vars:``.
        without: the design with one of these left out, if there is such a one.
    """
    yield from _joined_samples(design.graph)
    yield from _along_rows(design.graph)
    read = _words(document)
    for name, node in document.vars.items():
        if name not in read and name not in sets and node.mark.source == document.source:  # a library serves others too
            hint = "take it out, or write it where it is meant"
            yield Diagnostic(f"nothing reads the variable `{name}`", node.mark, hint, severity="warning")
    for name, node in sets.items():
        if name not in read:
            yield _idle(name, node, "nothing reads it")
            continue
        plain, value = without(name), dict(design.vars)[name]
        if plain is not None and _same(design, plain) and (usual := dict(plain.vars)[name]) != value:
            yield _idle(name, node, f"the design is the same where it is {in_words(usual)}")


def _idle(name: str, node: Node, why: str) -> Diagnostic:
    return Diagnostic(f"another value of `{name}` changes nothing", node.mark, why, severity="warning")


def _same(one: Design, other: Design) -> bool:
    return (one.inputs, one.layers, one.outputs) == (other.inputs, other.layers, other.outputs)


# -- variables ---------------------------------------------------------------------------------------------------------


def _words(document: Document) -> set[str]:
    """All words that may read a variable: in layers, blocks and their defaults, inputs, outputs, other variables."""
    parts: list[Node | None] = [document.layers, document.freeze, document.outputs, *document.vars.values()]
    parts += [declaration.shape for declaration in document.inputs.values()]
    parts += [block.body for block in document.blocks.values()]
    defaults = (text or "" for block in document.blocks.values() for _, text in block.parameters)
    texts = [*defaults, *(text for part in parts if part is not None for text in _texts(part))]
    return set(_WORD.findall("\n".join(texts)))


def _texts(part: Node) -> Iterator[str]:
    """The texts in a part of a spec, with the names of layers: a variable may hold one."""
    waiting = [part]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ScalarNode):
            yield node.text
        elif isinstance(node, MapNode):
            waiting.extend(node.entries.values())
        else:
            waiting.extend(node.items)
            yield from (key for item in node.items if isinstance(item, MapNode) for key in item.entries)


# -- samples -----------------------------------------------------------------------------------------------------------


def _joined_samples(graph: LayerGraph) -> Iterator[Diagnostic]:
    """Layers that compute a sample from the others of its batch, or lay samples anew, each place once."""
    tensors, told = graph.many, set()
    known: dict[tuple[int, Tensors], tuple[Tensor, str] | None] = {}
    for layer in graph.layers if tensors else ():
        if layer.op.joins_samples:
            continue
        x = tuple(tensors[node][output] for node, output in layer.inputs)
        key = (id(layer.op), x)
        if key not in known:
            known[key] = _joined(layer.op, x, tensors[layer.name])
        found = known[key]
        if found is not None and layer.mark not in told:
            told.add(layer.mark)
            yield _warned(layer, *found, graph)


def _joined(op: Op, x: Tensors, y: Tensors) -> tuple[Tensor, str] | None:
    """The input of which a sample is not computed from its own sample alone, and what is done to its samples."""
    for output, out in enumerate(y):
        for reads, tensor in zip(op.reads(x, y, output), x, strict=True):
            along = None if reads is None or isinstance(reads, Rearranged) else along_of(reads)
            done = "" if along is None or tensor.batch is None else _done(along, tensor, out)
            if done:
                return tensor, done
    return None


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
    import numpy as np

    one_each = np.eye(samples, dtype=bool)
    read = window.carried(one_each, samples, out.shape[dim], back=False)
    if int(read.sum(1).max()) > 1:
        return _JOINS
    return "" if np.array_equal(read, one_each) else _MOVES


def _warned(layer: Layer, arriving: Tensor, done: str, graph: LayerGraph) -> Diagnostic:
    few, many = (_macs(layer, graph.tensors(batch)) for batch in (1, MANY))
    work = "" if many == MANY * few else f": {few:,} MACs at batch 1, {many:,} at batch {MANY}"
    shape = ", ".join("N" if dim == arriving.batch else str(size) for dim, size in enumerate(arriving.shape))
    arguments = layer.op.arguments()
    remedy = "only dimensions beside it are a sample's own"
    if arguments.get("batch_first") is False:
        remedy = "say `batch_first: true`, else it is taken for the sequence"
    elif arriving.batch in _named(arguments, len(arriving.shape)):
        remedy = "count dimensions from 1, or from the end"
    hint = f"in what arrives, ({shape}), dimension {arriving.batch} is the batch: {remedy}"
    return Diagnostic(f"{layer.kind} {done}{work}", layer.mark, hint, severity="warning")


def _named(arguments: Mapping[str, Any], ndim: int) -> set[int]:
    """The dimensions that arguments of a layer name."""
    given = [arguments[name] for name in ("dim", "dims") if arguments.get(name) is not None]
    return {dim % ndim for dims in given for dim in (dims if isinstance(dims, tuple) else (dims,))}


# -- dense layers on maps ----------------------------------------------------------------------------------------------


def _along_rows(graph: LayerGraph) -> Iterator[Diagnostic]:
    """Dense layers that arrive at a map of two or three axes, channels first, and work along the last of these."""
    dense = [layer for layer in graph.layers if layer.kind == "Linear"]
    layers, tensors, told = {layer.name: layer for layer in graph.layers}, graph.tensors(1) if dense else {}, set()
    for layer in dense:
        ((node, output),) = layer.inputs
        (_, *sizes) = tensors[node][output].shape or (1,)
        if len(sizes) < 3 or layer.mark in told or not _is_map(node, layers, tensors):
            continue
        told.add(layer.mark)
        shape, rows = " x ".join(map(str, sizes)), prod(sizes[:-1])
        hint = f"a dense layer behind all of the map needs `Flatten` before it ({prod(sizes):,} features)"
        yield Diagnostic(
            f"Linear works along the last axis of the {shape} map, {rows:,} rows of {sizes[-1]:,} features",
            layer.mark,
            f"{hint}; a 1x1 convolution joins the channels of each place",
            severity="warning",
        )


def _is_map(node: str, layers: Mapping[str, Layer], tensors: Mapping[str, Tensors]) -> bool:
    """Whether a tensor is still laid as a layer of maps has laid it: only elements have been worked on since."""
    while node in layers:
        layer = layers[node]
        if layer.op.rank in (2, 3):
            return True
        x, y = tuple(tensors[name][output] for name, output in layer.inputs), tensors[node]
        if not x or layer.op.reads(x, y)[0] is not pointwise(len(y[0].shape)):
            return False
        node = layer.inputs[0].node
    return False


def _macs(layer: Layer, tensors: Mapping[str, Tensors]) -> int:
    x = tuple(tensors[node][output] for node, output in layer.inputs)
    return sum(contraction.macs for contraction in layer.op.contractions(x, tensors[layer.name]))
