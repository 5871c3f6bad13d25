"""A design for Google's Model Explorer: the graph with its blocks, and a figure of every layer to colour it by.

The graph is what Model Explorer's adapters give it (``Graph`` and ``GraphNode`` in its ``graph_builder``), as a file
``{"label": ..., "graphs": [...]}``; node data is a file of its own (``GraphNodeData`` in its ``node_data_builder``),
loaded onto the graph that is open. A node is known by the full name of its layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archscope.analysis.counts.account import Account, analyze, runnable
from archscope.design import Design, incomplete
from archscope.design.graph import Ref
from archscope.errors import UsageError, suggestion
from archscope.figures import BLOCK, DESIGN, LAYER, known_of
from archscope.report import schema as js
from archscope.report.text import shape, value

#: figures of a layer that are numbers
FIGURES = {name: one for name, one in known_of(LAYER).items() if one.style in ("count", "ratio")}
#: those that the graph tells of layers, blocks and the whole
_NAMES = ("params", "macs", "elementwise", "activations", "saved_bytes")
_TOLD = [known_of(DESIGN, BLOCK, LAYER)[name] for name in _NAMES]
#: from the least to the most; black letters can be read on all of them
_COLOURS = ({"stop": 0, "bgColor": "#ffffff"}, {"stop": 1, "bgColor": "#ff8c1a"})


def to_graphs(design: Design) -> str:
    """The graph: blocks are layers of it within each other (``namespace``), which say their sums."""
    account = analyze(design, runnable(design))
    graph = {
        "id": design.name,
        "nodes": [*_inputs(design), *_layers(account), *_outputs(design)],
        "groupNodeAttributes": dict(_groups(account)),
    }
    return js.dumped({"label": design.title, "graphs": [graph]}, indent=1)


def _inputs(design: Design) -> Iterator[dict[str, Any]]:
    for node in design.inputs:
        outputs = [_metadata(0, node.name, node.shape, node.dtype)]
        yield {"id": node.name, "label": "input", "namespace": "", "outputsMetadata": outputs}


def _layers(account: Account) -> Iterator[dict[str, Any]]:
    for layer, row in zip(account.design.layers, account.rows, strict=True):
        words = {name: _said(content) for name, content in layer.op.arguments().items() if content is not None}
        words |= {"uses again": layer.shares} if layer.shares else {}
        words |= {"frozen": ", ".join(layer.frozen)} if layer.frozen else {}
        yield {
            "id": layer.name,
            "label": layer.kind,
            "namespace": "/".join(layer.path[:-1]),
            "attrs": _pairs(words | _figures(account, row)),
            "incomingEdges": [_edge(ref, number) for number, ref in enumerate(layer.inputs)],
            "outputsMetadata": [
                _metadata(number, str(Ref(layer.name, number)), tensor.sizes, tensor.dtype)
                for number, tensor in enumerate(row.y)
            ],
        }


def _outputs(design: Design) -> Iterator[dict[str, Any]]:
    """What the design gives; a layer may be called as an output is."""
    for name, ref in design.outputs:
        yield {"id": f"output:{name}", "label": "output", "namespace": "", "incomingEdges": [_edge(ref, 0)]}


def _groups(account: Account) -> Iterator[tuple[str, dict[str, str]]]:
    """The sums of the whole, and of every block."""
    lacking = incomplete(account.design)
    head = {"source": account.design.source, "setting": account.setting.words("batch", "precision", "mode")}
    yield (
        "",
        {key: text for key, text in head.items() if text}
        | _figures(account, None)
        | ({"incomplete": lacking} if lacking else {}),
    )
    layers = {layer.name for layer in account.design.layers}
    for depth in range(1, max((len(layer.path) for layer in account.design.layers), default=1)):
        for part in account.by_block(depth):
            if part.name not in layers:
                yield part.name.replace(".", "/"), _figures(account, part)


def _figures(account: Account, part: Any) -> dict[str, str]:
    return {one.title: value(one.value(account, part), one.style) for one in _TOLD}


def _edge(ref: Ref, number: int) -> dict[str, str]:
    return {"sourceNodeId": ref.node, "sourceNodeOutputId": str(ref.output), "targetNodeInputId": str(number)}


def _metadata(number: int, name: str, sizes: tuple[int, ...], dtype: str | None) -> dict[str, Any]:
    """Of an output; the keys are those that Model Explorer writes on edges, and knows a tensor by."""
    words = {"tensor_name": name, "shape": shape(sizes).replace(" ", ""), "dtype": dtype or "float"}
    return {"id": str(number), "attrs": _pairs(words)}


def _pairs(words: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(text)} for key, text in words.items()]


def _said(content: Any) -> str:
    if isinstance(content, tuple):
        return " x ".join(map(str, content))
    return str(content).lower() if isinstance(content, bool) else str(content)


def to_node_data(design: Design, figure: str) -> str:
    """A figure of every layer that has it, by the layer's name, and the colours that it is shown in.

    Raises:
        UsageError: there is no such figure of a layer.
    """
    if figure not in FIGURES:
        hint = suggestion(figure, FIGURES) or f"figures: {', '.join(FIGURES)}"
        raise UsageError(f"layers have no figure `{figure}` that is a number; {hint}")
    account = analyze(design, runnable(design))
    numbers = ((row.name, FIGURES[figure].value(account, row)) for row in account.rows)
    data = {
        "name": FIGURES[figure].title,
        "results": {name: {"value": number} for name, number in numbers if number is not None},
        "gradient": list(_COLOURS),
    }
    return js.dumped(data, indent=1)
