"""The layer graph as text for other tools: Graphviz (DOT), Mermaid, and node-link JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import networkx as nx

from archscope import __version__
from archscope.analysis.counts.account import analyze, runnable
from archscope.design import Design, incomplete
from archscope.report import schema as js
from archscope.report.outline import Box, Cluster, Edge, Outline, outline
from archscope.report.text import shape, value

#: version of the node-link format; it changes when a reader of the old one would break
GRAPH_VERSION = 1


def to_node_link(design: Design) -> str:
    """The graph as JSON that ``networkx.node_link_graph`` and D3 read: nodes with arguments, shapes, figures; edges.

    An edge says which output of its source it is (``output``) and which input of its target (``input``); shapes have
    no batch.
    """
    account = analyze(design, runnable(design))
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        archscope=__version__,
        format=GRAPH_VERSION,
        name=design.name,
        incomplete=incomplete(design),
        setting=account.setting.data(),
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
            outputs=[_tensor(tensor.sizes, tensor.dtype) for tensor in row.y],
            params=row.params,
            macs=row.macs,
            shares=layer.shares,
            frozen=list(layer.frozen),
        )
        for number, ref in enumerate(layer.inputs):
            graph.add_edge(ref.node, layer.name, output=ref.output, input=number)
    return js.dumped(nx.node_link_data(graph, edges="edges"), indent=1)


def _tensor(sizes: tuple[int, ...], dtype: str | None) -> dict[str, Any]:
    return {"shape": list(sizes), "dtype": dtype or "float"}


def to_dot(design: Design) -> str:
    """The graph for Graphviz; blocks are clusters."""
    whole = outline(analyze(design, runnable(design)))
    head = [f"label={quoted(design.title)}", 'labelloc="t"', "node [shape=box]"]
    several = _several(design)

    def node(box: Box) -> str:
        return f"label={quoted(_label(box))}" + (" shape=ellipse" if box.role == "input" else "")

    def edges(edge: Edge) -> Iterator[str]:
        for ref in edge.tensors:
            yield f"label={quoted(str(ref.output))}" if ref.node in several else ""

    return dot(whole, head, node, edges, lambda cluster: [f"label={quoted(cluster.name)}"])


def dot(
    folded: Outline,
    head: Iterable[str],
    node: Callable[[Box], str],
    edges: Callable[[Edge], Iterable[str]],
    cluster: Callable[[Cluster], Iterable[str]],
    more: Iterable[str] = (),
) -> str:
    """A graph in Graphviz' language; box ``i`` is the node ``n<i>``.

    Args:
        head: statements before all others.
        node: the attributes of a box.
        edges: the attributes of each line that is drawn for an edge.
        cluster: statements at the head of a cluster.
        more: statements at the end.
    """
    lines = ["digraph {", *(f"  {line}" for line in head)]
    lines += [f"  n{i} [{node(box)}]" for i, box in enumerate(folded.boxes) if box.role == "input"]
    lines += _dot_block(folded, folded.root, node, cluster, count(1), "  ")
    for edge in folded.edges:
        for attributes in edges(edge):
            lines.append(f"  n{edge.source} -> n{edge.target}" + (f" [{attributes}]" if attributes else ""))
    return "\n".join([*lines, *(f"  {line}" for line in more), "}"]) + "\n"


def _dot_block(
    folded: Outline,
    block: Cluster,
    node: Callable[[Box], str],
    cluster: Callable[[Cluster], Iterable[str]],
    numbers: Iterator[int],
    indent: str,
) -> Iterator[str]:
    yield from (f"{indent}n{number} [{node(folded.boxes[number])}]" for number in block.boxes)
    for inner in block.clusters:
        yield f"{indent}subgraph cluster_{next(numbers)} {{"
        yield from (f"{indent}  {line}" for line in cluster(inner))
        yield from _dot_block(folded, inner, node, cluster, numbers, f"{indent}  ")
        yield f"{indent}}}"


def quoted(text: str) -> str:
    """A string in Graphviz' language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def to_mermaid(design: Design) -> str:
    """The graph as a Mermaid flowchart; blocks are subgraphs."""
    whole = outline(analyze(design, runnable(design)))
    several = _several(design)
    head = ["---", f"title: {json.dumps(design.title)}", "---"] if design.opaque else []
    lines = [*head, "flowchart TD"]
    lines += [f'  n{i}(["{_entities(_label(box))}"])' for i, box in enumerate(whole.boxes) if box.role == "input"]
    lines += _mermaid_block(whole, whole.root, count(1), "  ")
    for edge in whole.edges:
        for ref in edge.tensors:
            text = f"|{ref.output}|" if ref.node in several else ""
            lines.append(f"  n{edge.source} -->{text} n{edge.target}")
    return "\n".join(lines) + "\n"


def _mermaid_block(whole: Outline, block: Cluster, numbers: Iterator[int], indent: str) -> Iterator[str]:
    for number in block.boxes:
        yield f'{indent}n{number}["{_entities(_label(whole.boxes[number]))}"]'
    for inner in block.clusters:
        yield f'{indent}subgraph b{next(numbers)}["{_entities(inner.name)}"]'
        yield from _mermaid_block(whole, inner, numbers, f"{indent}  ")
        yield f"{indent}end"


def _entities(text: str) -> str:
    """Text in a Mermaid label: what has a meaning there is written as its code."""
    safe = "".join(c if c.isalnum() or c in " \n.,_-()/:" else f"#{ord(c)};" for c in text)
    return safe.replace("\n", "<br/>")


def _label(box: Box) -> str:
    if box.role == "input":
        return f"{box.name}\n{shape(box.shape)}"
    params = f"\n{value(box.params, 'count')} params" if box.params else ""
    head = box.kind if box.kind.split(" ")[0] == box.label else f"{box.label}: {box.kind}"
    return f"{head}\n{shape(box.shape)}{params}"


def _several(design: Design) -> set[str]:
    """The layers with several outputs that are read: their edges say which."""
    return {ref.node for layer in design.layers for ref in layer.inputs if ref.output}
