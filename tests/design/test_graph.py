"""The layer graph: what is legal, what is unread, and networkx behind it."""

import networkx as nx
import pytest
import torch

import archscope
from archscope.backends.torch.build import build
from archscope.design.graph import Input, Layer, LayerGraph, Ref
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


HEAD_OF_WEIGHTS = """inputs: {ids: {shape: [8], dtype: int64}}
layers:
  - {Parameter: {shape: [100, 16]}, name: wte}
  - {Index: {dim: 0}, from: [wte, ids], name: emb}
  - {LSTM: {hidden_size: 5, batch_first: true}, name: lstm}
  - {Transpose: {dim0: 0, dim1: 1}, from: wte, name: turned}
  - {Linear: 16, from: emb, name: fc}
  - {MatMul: , from: [fc, turned], name: head}
  - {Parameter: {shape: [1, 16], expand: true}, from: ids, name: token}
  - {Transpose: {dim0: 0, dim1: 1}, from: emb, name: sequence_first}
  - {Parameter: {shape: []}, name: scale}
outputs: [head, 'lstm[1]', token, sequence_first, scale]
"""


def test_each_tensor_knows_which_dimension_is_the_batch():
    design = archscope.load(HEAD_OF_WEIGHTS)
    assert design.graph.batch_dims == {
        "ids": (0,), "wte": (None,), "emb": (0,), "lstm": (0, 1, 1), "turned": (None,), "fc": (0,), "head": (0,),
        "token": (0,), "sequence_first": (1,), "scale": (None,),
    }  # fmt: skip


def test_shapes_without_the_batch_are_those_of_torch_at_two_batches():
    design = archscope.load(HEAD_OF_WEIGHTS)
    account = archscope.analyze(design, batch=3)
    module = build(design)
    outputs = [module(torch.zeros(batch, 8, dtype=torch.int64)) for batch in (3, 5)]
    for name, ref in design.outputs:
        one, other = (tuple(found[name].shape) for found in outputs)
        expected = tuple(a for a, b in zip(one, other, strict=True) if a == b)
        assert account[ref.node].y[ref.output].sizes == expected
    assert account["wte"].output_shape == (100, 16)
    assert account["turned"].output_shape == (16, 100)


def test_a_graph_of_a_single_batch_takes_dimension_0_for_it():
    text = "input: [3]\nlayers: [{Squeeze: 0, name: a}, {Unsqueeze: 0, name: b}]\n"  # legal at batch 1 alone
    assert archscope.load(text).graph.batch_dims == {}
    assert archscope.analyze(archscope.load(text))["b"].output_shape == (3,)
