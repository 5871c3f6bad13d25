"""The layer graph: what is legal, what is unread, and networkx behind it."""

import networkx as nx
import pytest

import archscope
from archscope.graph import Input, Layer, LayerGraph, Ref
from archscope.ops import REGISTRY

RELU = REGISTRY["ReLU"]()
IMAGE = Input("image", (3, 8, 8))


def layer(name, *inputs):
    return Layer(name, RELU, tuple(Ref(node) for node in inputs))


def test_a_design_is_a_networkx_graph_of_bound_ops():
    design = archscope.load(
        "input: [3, 8, 8]\nlayers:\n  - Conv2d: {out_channels: 3, kernel_size: 1}\n  - Add: [[ReLU], []]\n"
    )
    graph = design.graph.digraph
    assert isinstance(graph, nx.DiGraph)
    assert nx.is_directed_acyclic_graph(graph)
    assert list(graph.edges) == [("input", "Conv2d"), ("Conv2d", "ReLU"), ("Conv2d", "Add"), ("ReLU", "Add")]
    assert graph.nodes["Conv2d"]["node"].op == REGISTRY["Conv2d"](out_channels=3, kernel_size=1)


def test_layers_come_after_what_they_read():
    graph = LayerGraph([IMAGE], [layer("a", "image"), layer("b", "a")], [("out", Ref("b"))])
    assert [node.name for node in graph.layers] == ["a", "b"]
    assert len(graph) == 2


@pytest.mark.parametrize(
    ("layers", "outputs", "words"),
    [
        ([layer("a", "b"), layer("b", "image")], [("out", Ref("b"))], "a reads b, which does not come before it"),
        ([layer("a", "a")], [("out", Ref("a"))], "a reads a"),
        ([layer("a", "image"), layer("a", "image")], [("out", Ref("a"))], "two nodes are called a"),
        ([layer("image", "image")], [("out", Ref("image"))], "two nodes are called image"),
        ([layer("a", "image")], [("out", Ref("b"))], "output out reads b, which does not exist"),
    ],
)
def test_illegal_graphs_are_refused(layers, outputs, words):
    with pytest.raises(ValueError, match=words):
        LayerGraph([IMAGE], layers, outputs)


def test_unread_layers():
    graph = LayerGraph([IMAGE], [layer("a", "image"), layer("b", "a"), layer("c", "a")], [("out", Ref("b"))])
    assert [node.name for node in graph.unread()] == ["c"]


def test_references_print_as_a_spec_writes_them():
    assert str(Ref("lstm")) == "lstm"
    assert str(Ref("lstm", 1)) == "lstm[1]"
    assert layer("stage.0.a", "image").path == ("stage", "0", "a")
    assert layer("a", "image").kind == "ReLU"
