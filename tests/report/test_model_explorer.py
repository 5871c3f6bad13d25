"""A design for Model Explorer is what its own classes hold, and its figures are the account's."""

import json

import pytest

import archscope
from archscope.errors import UsageError
from archscope.report.model_explorer import to_graphs, to_node_data

SPEC = """
name: Pair
source: by hand
input: [3, 8, 8]
blocks:
  unit(out):
    - {name: conv, Conv2d: {out_channels: out, kernel_size: 3, padding: 1}}
    - {name: act, ReLU: }
layers:
  - {unit: 4, name: first}
  - {name: half, Chunk: {chunks: 2, dim: 1}}
  - {name: second, unit: 2, from: "half[0]"}
  - {name: sum, Add: , from: [second, "half[1]"]}
outputs: {answer: sum}
"""
#: weights and biases of 3 x 3 windows
FIRST, SECOND = 4 * 3 * 9 + 4, 2 * 2 * 9 + 2


@pytest.fixture(scope="module")
def design():
    return archscope.load(SPEC)


@pytest.fixture(scope="module")
def graph(design):
    held = json.loads(to_graphs(design))
    assert held["label"] == "Pair"
    (graph,) = held["graphs"]
    return graph


def node(graph, name):
    (one,) = (one for one in graph["nodes"] if one["id"] == name)
    return one


def attributes(pairs):
    return {pair["key"]: pair["value"] for pair in pairs}


def test_blocks_are_namespaces(graph):
    names = {one["id"]: (one["namespace"], one["label"]) for one in graph["nodes"]}
    assert names == {
        "input": ("", "input"), "first.conv": ("first", "Conv2d"), "first.act": ("first", "ReLU"),
        "half": ("", "Chunk"), "second.conv": ("second", "Conv2d"), "second.act": ("second", "ReLU"),
        "sum": ("", "Add"), "output:answer": ("", "output"),
    }  # fmt: skip


def test_edges_say_which_output_they_come_from(graph):
    edges = [(edge["sourceNodeId"], edge["sourceNodeOutputId"], edge["targetNodeInputId"])
             for edge in node(graph, "sum")["incomingEdges"]]  # fmt: skip
    assert edges == [("second.act", "0", "0"), ("half", "1", "1")]
    shapes = [attributes(one["attrs"])["shape"] for one in node(graph, "half")["outputsMetadata"]]
    assert shapes == ["2x8x8", "2x8x8"]


def test_layers_and_blocks_say_what_they_cost(graph):
    told = attributes(node(graph, "first.conv")["attrs"])
    assert (told["kernel_size"], told["bias"], told["params"]) == ("3 x 3", "true", str(FIRST))
    assert told["MACs"] == f"{64 * 4 * 3 * 9:,}"
    groups = graph["groupNodeAttributes"]
    assert {name: one["params"] for name, one in groups.items()} == {
        "": str(FIRST + SECOND), "first": str(FIRST), "second": str(SECOND),
    }  # fmt: skip
    assert groups[""]["source"] == "by hand"


def test_node_data_is_a_figure_of_every_layer(design, graph):
    data = json.loads(to_node_data(design, "params"))
    assert data["name"] == "params"
    assert {name: one["value"] for name, one in data["results"].items() if one["value"]} == {
        "first.conv": FIRST, "second.conv": SECOND,
    }  # fmt: skip
    assert set(data["results"]) == {one["id"] for one in graph["nodes"]} - {"input", "output:answer"}
    assert [one["stop"] for one in data["gradient"]] == [0, 1]  # which its documentation asks for


def test_what_is_no_number_of_a_layer_is_refused(design):
    with pytest.raises(UsageError, match="layers have no figure `depth` that is a number"):
        to_node_data(design, "depth")
    with pytest.raises(UsageError, match="did you mean `macs`"):
        to_node_data(design, "mac")


def test_every_source_of_an_edge_is_there_in_large_designs():
    (graph,) = json.loads(to_graphs(archscope.load("googlenet_aux")))["graphs"]
    names = {one["id"] for one in graph["nodes"]}
    assert len(names) == len(graph["nodes"])
    assert {edge["sourceNodeId"] for one in graph["nodes"] for edge in one.get("incomingEdges", [])} <= names


@pytest.mark.slow
def test_the_packages_own_classes_hold_it(design):
    """``ai-edge-model-explorer``, where it is installed: no key is unknown, each value is of its type."""
    dacite = pytest.importorskip("dacite")
    builder, data = (pytest.importorskip(f"model_explorer.{name}") for name in ("graph_builder", "node_data_builder"))
    kinds = {name: one for name, one in vars(builder).items() if isinstance(one, type)}
    strict = dacite.Config(strict=True, forward_references=kinds)
    held = dacite.from_dict(builder.GraphCollection, json.loads(to_graphs(design)), strict)
    figures = dacite.from_dict(data.GraphNodeData, json.loads(to_node_data(design, "macs")), dacite.Config(strict=True))
    assert set(figures.results) <= {one.id for one in held.graphs[0].nodes}
