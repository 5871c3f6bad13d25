"""The graph in the languages of other tools, read back by their own readers."""

from __future__ import annotations

import json
import re

import networkx as nx
import pydot
import pytest

import archscope
from archscope.report.diagrams import to_dot, to_mermaid, to_node_link

SPECS = ["resnet18", "googlenet", "unet", "shufflenet_v2_x1_0", "vit_b_16"]


def edges(design):
    return sorted((ref.node, layer.name) for layer in design.layers for ref in layer.inputs)


@pytest.mark.parametrize("name", SPECS)
def test_node_link_is_the_graph_with_its_figures(name):
    design = archscope.load(name)
    graph = nx.node_link_graph(json.loads(to_node_link(design)), edges="edges")
    account = archscope.analyze(design)
    assert sorted((a, b) for a, b, _ in graph.edges) == edges(design)
    layers = {node: data for node, data in graph.nodes(data=True) if data["kind"] == "layer"}
    assert list(layers) == [layer.name for layer in design.layers]
    assert sum(data["params"] for data in layers.values()) == account.total.params
    assert sum(data["macs"] for data in layers.values()) == account.total.macs
    assert graph.graph["format"] == 1
    for row in account.rows:
        assert [output["shape"] for output in layers[row.name]["outputs"]] == [list(t.sizes) for t in row.y]
    assert graph.graph["outputs"] == {key: {"node": ref.node, "output": ref.output} for key, ref in design.outputs}


def test_inputs_and_outputs_of_edges_are_numbered():
    text = "input: [4, 2]\nlayers: [{Chunk: {chunks: 2, dim: 1}, name: c}, {Subtract: , from: ['c[1]', 'c[0]']}]\n"
    graph = nx.node_link_graph(json.loads(to_node_link(archscope.load(text))), edges="edges")
    found = sorted((data["input"], data["output"]) for a, _, data in graph.edges(data=True) if a == "c")
    assert found == [(0, 1), (1, 0)]


def flat(graph):
    for inner in graph.get_subgraphs():
        yield from flat(inner)
    yield graph


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["lenet5", "inception_module_reduced", "fashion_mnist_cnn"])  # pydot's reader is slow
def test_graphviz_reads_the_dot(name):
    design = archscope.load(name)
    (graph,) = pydot.graph_from_dot_data(to_dot(design))
    graphs = list(flat(graph))
    nodes = {node.get_name() for one in graphs for node in one.get_nodes() if "label" in node.get_attributes()}
    nodes -= {"node"}
    assert len(nodes) == len(design.layers) + len(design.inputs)
    assert len(graph.get_edges()) == len(edges(design))
    members = {}  # a block that holds one thing alone is no cluster
    for layer in design.layers:
        for depth in range(1, len(layer.path)):
            members.setdefault(layer.path[:depth], set()).add(layer.path[: depth + 1])
    assert len(graphs) == sum(len(inside) > 1 for inside in members.values()) + 1


def test_dot_and_mermaid_of_a_small_design():
    text = """
name: 'a "b"'
input: [2, 3]
layers:
  - {name: block, layers: [{name: fc, Linear: 4}, {name: act, ReLU: }]}
  - {name: one, layers: [{name: out, Linear: 4}]}
  - {Chunk: {chunks: 2, dim: 2}, name: c}
  - {Add: , from: ["c[0]", "c[1]"]}
"""
    design = archscope.load(text)
    assert (
        to_dot(design)
        == r"""digraph {
  label="a \"b\""
  labelloc="t"
  node [shape=box]
  n0 [label="input\n2 x 3" shape=ellipse]
  n4 [label="c: Chunk 2\n2 x 2"]
  n5 [label="Add\n2 x 2"]
  n3 [label="one.out: Linear 4\n2 x 4\n20 params"]
  subgraph cluster_1 {
    label="block"
    n1 [label="fc: Linear 4\n2 x 4\n16 params"]
    n2 [label="act: ReLU\n2 x 4"]
  }
  n0 -> n1
  n1 -> n2
  n2 -> n3
  n3 -> n4
  n4 -> n5 [label="0"]
  n4 -> n5 [label="1"]
}
"""
    )
    assert (
        to_mermaid(design)
        == """flowchart TD
  n0(["input<br/>2 x 3"])
  n4["c: Chunk 2<br/>2 x 2"]
  n5["Add<br/>2 x 2"]
  n3["one.out: Linear 4<br/>2 x 4<br/>20 params"]
  subgraph b1["block"]
    n1["fc: Linear 4<br/>2 x 4<br/>16 params"]
    n2["act: ReLU<br/>2 x 4"]
  end
  n0 --> n1
  n1 --> n2
  n2 --> n3
  n3 --> n4
  n4 -->|0| n5
  n4 -->|1| n5
"""
    )


@pytest.mark.parametrize("name", SPECS)
def test_mermaid_has_every_node_and_edge_and_closes_every_block(name):
    design = archscope.load(name)
    text = to_mermaid(design)
    assert len(re.findall(r"^ +n\d+[\[(]", text, re.M)) == len(design.layers) + len(design.inputs)
    assert len(re.findall(r"^  n\d+ -->", text, re.M)) == len(edges(design))
    assert text.count("subgraph ") == len(re.findall(r"^ +end$", text, re.M))
