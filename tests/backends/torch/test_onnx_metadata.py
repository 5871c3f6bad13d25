"""Nodes of an ONNX model say what they cost: held against the file's own weights and shapes."""

from __future__ import annotations

from math import prod
from types import SimpleNamespace

import onnx
import pytest

import archscope
from archscope.backends.torch.onnx import to_onnx
from archscope.backends.torch.onnx_metadata import SUFFIX, _shared_out
from tests.documents import ROOT

SPEC = """
name: Told
source: by hand
input: [3, 8, 8]
layers:
  - {name: stem, Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}
  - name: block
    layers:
      - {name: conv, Conv2d: {out_channels: 4, kernel_size: 3, padding: 1, bias: false}}
      - BatchNorm2d
      - ReLU
  - {reuse: block.conv, name: again}
  - {AdaptiveAvgPool2d: 1}
  - Flatten
  - {name: fc, Linear: 5}
"""


pytestmark = pytest.mark.slow  # tests/backends/torch/test_onnx.py holds the sum of the parameters in every run


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "told.onnx"
    to_onnx(archscope.load(SPEC), path, seed=0)
    return onnx.load(path)


def told(proto):
    return {one.key.removesuffix(SUFFIX): one.value for one in proto.metadata_props if one.key.endswith(SUFFIX)}


def test_the_model_is_sound(model):
    onnx.checker.check_model(model, full_check=True)


def test_parameters_are_those_that_the_file_holds(model):
    sizes = {one.name: prod(one.dims) for one in model.graph.initializer}
    params = {note["layer"]: int(note["params"]) for note in map(told, model.graph.node) if "params" in note}
    for layer in ("stem", "block.conv", "block.BatchNorm2d", "fc"):
        held = {name: size for name, size in sizes.items() if name.startswith(f"{layer}.") and "running" not in name}
        assert params[layer] == sum(held.values()) > 0
    assert params["again"] == 0  # its weights are counted once
    assert sum(params.values()) == int(told(model)["params"])


def test_work_is_that_of_the_shapes_in_the_file(model):
    """Weights by places: a convolution's are used at each place of its output, a matrix's once."""
    sizes = {one.name: prod(one.dims) for one in model.graph.initializer}
    infos = {one.name: one.type.tensor_type.shape.dim for one in model.graph.value_info}
    shapes = {name: [one.dim_value or 1 for one in dims] for name, dims in infos.items()}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    for node, layer in zip(convolutions, ("stem", "block.conv", "again"), strict=True):
        assert told(node)["layer"] == layer
        assert int(told(node)["macs"]) == sizes[node.input[1]] * prod(shapes[node.output[0]][2:])
        assert told(node)["output_shape"] == "4x8x8"
    (matrix,) = (node for node in model.graph.node if node.op_type == "Gemm")
    assert int(told(matrix)["macs"]) == sizes[matrix.input[1]] == 20


def test_every_node_of_a_layer_names_it(model):
    layers = {layer.name for layer in archscope.load(SPEC).layers}
    named = {told(node)["layer"] for node in model.graph.node if "layer" in told(node)}
    assert named <= layers
    assert {"stem", "block.conv", "block.BatchNorm2d", "block.ReLU", "again", "fc"} <= named


def test_the_model_says_what_it_is_of(model):
    assert told(model).items() >= {"design": "Told", "source": "by hand", "version": archscope.__version__}.items()
    assert told(model)["setting"].startswith("batch 1, float32, training")


def test_nothing_of_the_machine_is_in_the_file(model):
    content = model.SerializeToString()
    assert str(ROOT).encode() not in content
    assert b"site-packages" not in content


def test_nodes_that_do_not_share_out_are_of_the_first():
    def node(call):
        return SimpleNamespace(metadata_props={"pkg.torch.onnx.name_scopes": str(["", "fc", call])})

    (a, b, c), rows = map(node, ("mm", "mm", "mm_1")), [SimpleNamespace(name="one"), SimpleNamespace(name="two")]
    assert _shared_out(rows, [a, b, c]) == [(rows[0], [a, b]), (rows[1], [c])]
    assert _shared_out(rows, [a, b]) == [(rows[0], [a, b])]
