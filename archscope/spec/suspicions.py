"""What has a meaning that nobody meant: layers that join or move the samples of a batch, variables that nothing reads.

Each is a warning: it has a place and a remedy, and changes no figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from math import prod

from archscope.design import Design
from archscope.design.graph import Layer, LayerGraph
from archscope.errors import counted
from archscope.errors.diagnostics import Diagnostic
from archscope.ops.base import Tensors
from archscope.ops.windows import pointwise
from archscope.spec.document import Document
from archscope.spec.expressions import in_words
from archscope.spec.reader import MapNode, Node, ScalarNode
from archscope.spec.samples import joined_samples
from archscope.spec.values import Target

_WORD = re.compile(r"[^\W\d]\w*")


def suspicions(
    document: Document, design: Design, sets: Mapping[str, Node], without: Callable[[str], Design | None]
) -> Iterator[Diagnostic]:
    """What to warn of.

    Args:
        sets: values that replace those under ``vars:``.
        without: the design with one of these left out, if there is such a one.
    """
    yield from joined_samples(design.graph)
    yield from _along_rows(design.graph)
    yield from unread(document, sets)
    read = _words(document) if sets else set()
    for stated, node in sets.items():
        name = _variable(stated)
        plain, value = (without(stated), dict(design.vars)[name]) if name in read else (None, None)
        if plain is not None and _same(design, plain) and (usual := dict(plain.vars)[name]) != value:
            yield _idle(name, node, f"the design is the same where it is {in_words(usual)}")


def unread(document: Document, sets: Mapping[str, Node]) -> Iterator[Diagnostic]:
    """Variables that nothing reads, of a design that is finished or one that is wrong; none where a part is not known.

    Args:
        sets: values that replace those under ``vars:``.
    """
    if document.broken or document.layers is None:
        return
    read, stated = _words(document), set(map(_variable, sets))
    for name, node in document.vars.items():
        own = node.mark.source == document.source  # a library serves others too
        if own and name not in read and name not in stated:
            hint = "take it out, or write it where it is meant"
            yield Diagnostic(f"nothing reads the variable `{name}`", node.mark, hint, severity="warning")
    for name, node in zip(map(_variable, sets), sets.values(), strict=True):
        if name not in read and name in document.vars:
            yield _idle(name, node, "nothing reads it")


def _variable(stated: str) -> str:
    """The variable that is given a value, or of which an element is: ``depths[0]``."""
    target = Target.read(stated)
    return stated if target is None or target.place is None else target.name


def _idle(name: str, node: Node, why: str) -> Diagnostic:
    return Diagnostic(f"another value of `{name}` changes nothing", node.mark, why, severity="warning")


def _same(one: Design, other: Design) -> bool:
    return (one.inputs, one.layers, one.outputs) == (other.inputs, other.layers, other.outputs)


# -- variables ---------------------------------------------------------------------------------------------------------


def _words(document: Document) -> set[str]:
    """All words that may read a variable: in layers, blocks and their defaults, inputs, outputs, other variables."""
    parts: list[Node | None] = [
        document.layers,
        document.freeze,
        document.init,
        document.outputs,
        *document.vars.values(),
    ]
    parts += [declaration.shape for declaration in document.inputs.values()]
    parts += [part for block in document.blocks.values() for part in block.parts]
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


# -- dense layers on maps ----------------------------------------------------------------------------------------------


def _along_rows(graph: LayerGraph) -> Iterator[Diagnostic]:
    """Dense layers that arrive at a map of two or three axes, channels first, and work along the last of these."""
    dense = [layer for layer in graph.layers if layer.kind == "Linear"]
    layers, tensors, marks = {layer.name: layer for layer in graph.layers}, graph.tensors(1) if dense else {}, set()
    for layer in dense:
        ((node, output),) = layer.inputs
        (_, *sizes) = tensors[node][output].shape or (1,)
        if len(sizes) < 3 or layer.mark in marks or not _is_map(node, layers, tensors):
            continue
        marks.add(layer.mark)
        shape, rows = " x ".join(map(str, sizes)), prod(sizes[:-1])
        hint = f"a dense layer behind all of the map needs `Flatten` before it ({counted(prod(sizes), 'feature')})"
        yield Diagnostic(
            f"Linear works along the last axis of the {shape} map, {rows:,} rows of {counted(sizes[-1], 'feature')}",
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
