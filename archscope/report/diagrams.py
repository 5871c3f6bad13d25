"""The layer graph as text for other tools: Graphviz (DOT), Mermaid, and node-link JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import networkx as nx

from archscope import __version__
from archscope.analysis.account import analyze
from archscope.design import Design
from archscope.report.text import shape, value

#: version of the node-link format; it changes when a reader of the old one would break
GRAPH_VERSION = 1


@dataclass
class _Block:
    """A block with the layers and blocks in it; the number is its own."""

    name: str = ""
    number: int = 0
    layers: list[str] = field(default_factory=list)
    blocks: dict[str, _Block] = field(default_factory=dict)


def to_node_link(design: Design) -> str:
    """The graph as JSON that ``networkx.node_link_graph`` and D3 read: nodes with arguments, shapes, figures; edges.

    An edge says which output of its source it is (``output``) and which input of its target (``input``); shapes have
    no batch.
    """
    account = analyze(design)
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        archscope=__version__,
        format=GRAPH_VERSION,
        name=design.name,
        outputs={name: {"node": ref.node, "output": ref.output} for name, ref in design.outputs},
    )
    for node in design.inputs:
        graph.add_node(node.name, kind="input", outputs=[_tensor(node.shape, node.dtype)])
    for layer, row in zip(design.layers, account.rows, strict=True):
        graph.add_node(
            layer.name,
            kind="layer",
            op=layer.kind,
            arguments=layer.op.arguments(),
            outputs=[_tensor(tensor.shape[1:], tensor.dtype) for tensor in row.y],
            params=row.params,
            macs=row.macs,
            shares=layer.shares,
            frozen=layer.frozen,
        )
        for number, ref in enumerate(layer.inputs):
            graph.add_edge(ref.node, layer.name, output=ref.output, input=number)
    return json.dumps(nx.node_link_data(graph, edges="edges"), indent=1, allow_nan=False) + "\n"


def _tensor(sizes: tuple[int, ...], dtype: str | None) -> dict[str, Any]:
    return {"shape": list(sizes), "dtype": dtype or "float"}


def to_dot(design: Design) -> str:
    """The graph for Graphviz; blocks are clusters."""
    labels, names = _labels(design), _names(design)
    lines = ["digraph {", f"  label={_quoted(design.name)}", '  labelloc="t"', "  node [shape=box]"]
    lines += [f"  {names[node.name]} [label={_quoted(labels[node.name])} shape=ellipse]" for node in design.inputs]
    lines += _dot_block(_blocks(design), names, labels, "  ")
    for source, target, text in _edges(design):
        lines.append(f"  {names[source]} -> {names[target]}" + (f" [label={_quoted(text)}]" if text else ""))
    return "\n".join([*lines, "}"]) + "\n"


def _dot_block(block: _Block, names: dict[str, str], labels: dict[str, str], indent: str) -> Iterator[str]:
    for name in block.layers:
        yield f"{indent}{names[name]} [label={_quoted(labels[name])}]"
    for inner in block.blocks.values():
        yield f"{indent}subgraph cluster_{inner.number} {{"
        yield f"{indent}  label={_quoted(inner.name)}"
        yield from _dot_block(inner, names, labels, f"{indent}  ")
        yield f"{indent}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def to_mermaid(design: Design) -> str:
    """The graph as a Mermaid flowchart; blocks are subgraphs."""
    labels, names = _labels(design), _names(design)
    lines = ["flowchart TD"]
    lines += [f'  {names[node.name]}(["{_entities(labels[node.name])}"])' for node in design.inputs]
    lines += _mermaid_block(_blocks(design), names, labels, "  ")
    for source, target, text in _edges(design):
        lines.append(f"  {names[source]} -->{f'|{text}|' if text else ''} {names[target]}")
    return "\n".join(lines) + "\n"


def _mermaid_block(block: _Block, names: dict[str, str], labels: dict[str, str], indent: str) -> Iterator[str]:
    for name in block.layers:
        yield f'{indent}{names[name]}["{_entities(labels[name])}"]'
    for inner in block.blocks.values():
        yield f'{indent}subgraph b{inner.number}["{_entities(inner.name)}"]'
        yield from _mermaid_block(inner, names, labels, f"{indent}  ")
        yield f"{indent}end"


def _entities(text: str) -> str:
    """Text in a Mermaid label: what has a meaning there is written as its code."""
    safe = "".join(c if c.isalnum() or c in " \n.,_-()/:" else f"#{ord(c)};" for c in text)
    return safe.replace("\n", "<br/>")


def _names(design: Design) -> dict[str, str]:
    """A short name for every node that both languages take."""
    nodes = [*(node.name for node in design.inputs), *(layer.name for layer in design.layers)]
    return {node: f"n{number}" for number, node in enumerate(nodes)}


def _labels(design: Design) -> dict[str, str]:
    labels = {node.name: f"{node.name}\n{shape(node.shape)}" for node in design.inputs}
    for row in analyze(design).rows:
        params = f"\n{value(row.params, 'count')} params" if row.params else ""
        labels[row.name] = f"{row.name.split('.')[-1]}: {row.kind}\n{shape(row.y[0].shape[1:])}{params}"
    return labels


def _edges(design: Design) -> Iterator[tuple[str, str, str]]:
    """Source, target, and which output it is, where there are several."""
    several = {ref.node for layer in design.layers for ref in layer.inputs if ref.output}
    for layer in design.layers:
        for ref in layer.inputs:
            yield ref.node, layer.name, str(ref.output) if ref.node in several else ""


def _blocks(design: Design) -> _Block:
    root, numbers = _Block(), count(1)
    for layer in design.layers:
        block = root
        for depth, part in enumerate(layer.path[:-1]):
            if part not in block.blocks:
                block.blocks[part] = _Block(".".join(layer.path[: depth + 1]), next(numbers))
            block = block.blocks[part]
        block.layers.append(layer.name)
    return root
