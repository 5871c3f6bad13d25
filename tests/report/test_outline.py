"""Folded graphs: what is in which box, against the layers' own names and networkx' quotient of the graph."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archscope
from archscope.errors import UsageError
from archscope.ops import REGISTRY
from archscope.report.outline import Outline, outline, telling_arguments
from tests.designs import designs

NESTED = """
name: nested
input: [3, 8, 8]
layers:
  - {name: stem, Conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}}
  - name: body
    layers:
      - name: a
        layers: [{name: conv, Conv2d: {out_channels: 4, kernel_size: 1}}, {name: act, ReLU: }]
      - name: b
        layers:
          - {name: down, Conv2d: {out_channels: 4, kernel_size: [3, 1], padding: [1, 0], groups: 4}}
          - name: inner
            layers: [{name: x, ReLU: }, {name: y, Tanh: }]
      - {name: only, layers: [{name: act, ReLU: }]}
  - {Add: , from: [stem, body.only.act]}
"""


def account(text):
    return archscope.analyze(archscope.load(text))


def names(found: Outline):
    return [box.name for box in found.boxes]


def flat(cluster):
    yield cluster
    for inner in cluster.clusters:
        yield from flat(inner)


def test_depths():
    nested = account(NESTED)
    assert names(outline(nested, 1)) == ["input", "stem", "body", "Add"]
    assert names(outline(nested, 2)) == ["input", "stem", "body.a", "body.b", "body.only.act", "Add"]
    assert "body.b.inner" in names(outline(nested, 3))
    assert names(outline(nested)) == ["input", *(row.name for row in nested.rows)]


def test_opening_a_block_opens_those_around_it_and_not_those_in_it():
    opened = outline(account(NESTED), 1, ["body.b"])
    assert names(opened) == ["input", "stem", "body.a", "body.b.down", "body.b.inner", "body.only.act", "Add"]
    assert [(cluster.name, cluster.label) for cluster in flat(opened.root)] == [
        ("", ""), ("body", "body"), ("body.b", "b"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [("body.c", "has no layer or block `body.c`"), ("stem", "`stem` is a layer: there is nothing in it to open")],
)
def test_what_cannot_be_opened(name, message):
    with pytest.raises(UsageError, match=message):
        outline(account(NESTED), 1, [name])


def test_boxes_say_what_matters():
    boxes = {box.name: box for box in outline(account(NESTED), 2, ["body.b"]).boxes}
    assert (boxes["stem"].kind, boxes["stem"].family, boxes["stem"].shape) == (
        "Conv2d 3x3, 4, /2", "convolution", (4, 4, 4),
    )  # fmt: skip
    assert boxes["body.b.down"].kind == "Conv2d 3x1, 4, depthwise"
    assert boxes["body.only.act"].label == "only.act"  # a block of one thing is no cluster
    block = boxes["body.a"]
    assert (block.kind, block.role, block.label, block.layers) == ("2 layers", "block", "a", 2)
    assert block.params == 4 * 4 + 4
    assert block.macs == 4 * 4 * 4 * 4  # 4 x 4 places, 4 channels of 4


def test_most_folds_as_little_as_fits():
    nested = account(NESTED)
    assert [len(outline(nested, most=most).boxes) for most in (100, 7, 5, 4, 1)] == [9, 8, 6, 4, 4]


def test_edges_carry_every_reading():
    text = "input: [4, 2]\nlayers: [{Chunk: {chunks: 2, dim: 1}, name: c}, {Subtract: , from: ['c[1]', 'c[0]', ]}]\n"
    found = outline(account(text))
    assert [[str(ref) for ref in edge.tensors] for edge in found.edges] == [["input"], ["c[1]", "c"]]
    assert found.shape(found.edges[1].tensors[0]) == (2, 2)
    assert [(name, found.boxes[box].name) for name, box, _ in found.outputs] == [("output", "Subtract")]


def check(account, depth):
    """Boxes partition the layers, figures add up, and the edges are those of networkx' quotient."""
    found = outline(account, depth)
    of = {}
    for row in account.rows:
        owner = [box for box in found.boxes if row.name == box.name or row.name.startswith(box.name + ".")]
        assert len(owner) == 1, row.name
        of[row.name] = owner[0].name
    of |= {node.name: node.name for node in account.design.inputs}
    assert sum(box.layers for box in found.boxes) == len(account.rows)
    assert sum(box.params for box in found.boxes) == account.total.params
    assert sum(box.macs for box in found.boxes) == account.total.macs
    parts = {}
    for node, name in of.items():
        parts.setdefault(name, set()).add(node)
    graph = nx.MultiDiGraph([(ref.node, layer.name) for layer in account.design.layers for ref in layer.inputs])
    graph.add_nodes_from(of)
    quotient = nx.quotient_graph(nx.DiGraph(graph), list(parts.values()))
    drawn = {
        (frozenset(parts[found.boxes[edge.source].name]), frozenset(parts[found.boxes[edge.target].name]))
        for edge in found.edges
    }
    assert drawn == set(quotient.edges)
    readings = sum(of[a] != of[b] for a, b, _ in graph.edges)
    assert sum(len(edge.tensors) for edge in found.edges) == readings
    placed = sorted(number for cluster in flat(found.root) for number in cluster.boxes)
    assert placed == list(range(len(account.design.inputs), len(found.boxes)))
    assert all(len(cluster.boxes) + len(cluster.clusters) > 1 for cluster in list(flat(found.root))[1:])


@pytest.mark.parametrize("depth", [1, 2, 3, None])
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "unet", "vit_b_16"])
def test_shipped_designs(name, depth):
    check(account(name), depth)


@given(designs(), st.sampled_from([1, 2, None]))
def test_random_designs(text, depth):
    check(account(text), depth)


@pytest.mark.parametrize(
    ("kind", "arguments", "text"),
    [
        ("Conv2d", {"out_channels": 64, "kernel_size": 3, "stride": 2}, "3x3, 64, /2"),
        ("Conv2d", {"out_channels": 8, "kernel_size": [1, 7], "stride": [1, 2], "groups": 4}, "1x7, 8, /1x2, 4 groups"),
        ("MaxPool2d", {"kernel_size": 2}, "2x2, /2"),
        ("Conv1d", {"out_channels": 8, "kernel_size": 3, "dilation": 4}, "3, 8, dilation 4"),
        ("Linear", {"out_features": 10}, "10"),
        ("AdaptiveAvgPool2d", {"output_size": 7}, "to 7x7"),
        ("Permute", {"dims": [0, 2, 1]}, "0 2 1"),
        ("Dropout", {"p": 0.1}, "0.1"),
        ("ReLU", {"inplace": True}, ""),
    ],
)
def test_telling_arguments(kind, arguments, text):
    assert telling_arguments(REGISTRY[kind](**arguments)) == text


def test_groups_of_one_channel_are_depthwise():
    op = REGISTRY["Conv2d"](out_channels=8, kernel_size=3, groups=4)
    assert telling_arguments(op, 4) == "3x3, 8, depthwise"
    assert telling_arguments(op, 8) == "3x3, 8, 4 groups"


def test_a_transposed_convolution_enlarges():
    assert telling_arguments(REGISTRY["ConvTranspose2d"](out_channels=8, kernel_size=2, stride=2)) == "2x2, 8, x2"
