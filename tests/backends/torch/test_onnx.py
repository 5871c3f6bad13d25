"""Designs as ONNX models, run by the reference evaluator of the onnx package."""

from __future__ import annotations

import re

import onnx
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

import archscope
from archscope.backends.torch import onnx as torch_onnx
from archscope.backends.torch.build import build, inputs
from archscope.backends.torch.onnx import to_onnx
from archscope.errors import UsageError
from tests.backends.torch.test_build import TANGLED
from tests.backends.torch.test_source import single
from tests.ops.records.base import RECORDS

RESIDUAL = """
input: [3, 16, 16]
layers:
  - Add: [[{name: conv, Conv2d: {out_channels: 3, kernel_size: 3, padding: 1, bias: false}}, BatchNorm2d], []]
  - ReLU
  - {MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}}
  - {AdaptiveAvgPool2d: 1}
  - Flatten
  - {Linear: 5}
"""
SEVERAL = """
inputs: {image: [4, 8, 8], scale: [4, 1, 1]}
layers:
  - {Chunk: {chunks: 2, dim: 1}, name: parts}
  - {Concat: , from: ["parts[1]", "parts[0]"], name: swapped}
  - {Multiply: , from: [swapped, scale], name: scaled}
  - {name: place, Parameter: [1, 4, 8, 8]}
  - {Add: [scaled, place], name: sum}
outputs: {sum: sum, scaled: scaled}
"""


@pytest.mark.parametrize(
    ("spec", "size", "batch"), [("lenet5", None, 3), (RESIDUAL, None, 2), (SEVERAL, None, 3)],
    ids=["lenet5", "residual", "several"],
)  # fmt: skip
def test_it_computes_the_same_at_any_batch(spec, size, batch, tmp_path):
    design = archscope.load(spec, input=size)
    to_onnx(design, tmp_path / "model.onnx", seed=1)
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    network = build(design, seed=1).eval()
    weights = {initializer.name: initializer.dims for initializer in model.graph.initializer}
    for name, parameter in network.named_parameters():
        assert weights[name] == list(parameter.shape)
    noted = [one for node in model.graph.node for one in node.metadata_props if one.key == "params.archscope"]
    read = {name: one.numel() for name, one in network.named_parameters() if not name.startswith("place.")}  # no node
    assert sum(int(one.value) for one in noted) == sum(read.values())
    x = inputs(design, batch)
    named = {node.name: tensor.numpy() for node, tensor in zip(design.inputs, x, strict=True)}
    found = ReferenceEvaluator(model).run(None, named)
    with torch.no_grad():
        expected = network(*x)
    values = list(expected.values()) if isinstance(expected, dict) else [expected]
    assert [output.name for output in model.graph.output] == [name for name, _ in design.outputs]
    for one, other in zip(values, found, strict=True):
        assert torch.allclose(one, torch.tensor(other), atol=1e-5)


def test_what_onnx_does_not_know_is_told_by_layer_before_the_whole_is_tried(tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr(torch_onnx, "build", lambda design, **more: built.append(design.name) or build(design, **more))
    with pytest.raises(UsageError) as caught:
        to_onnx(archscope.load(TANGLED), tmp_path / "model.onnx")
    head, line = str(caught.value).splitlines()
    assert head == "tangled cannot be said in ONNX:"
    assert re.fullmatch(r"  \S+ \(\w+\): only 4D query, key, and value are supported", line)
    assert "tangled" not in built


def test_layers_that_are_alike_are_told_once(tmp_path):
    pool = "{AdaptiveMaxPool1d: 3}"
    spec = f"name: net\ninput: [4, 8]\nlayers: [{{Conv1d: {{out_channels: 4, kernel_size: 1}}}}, {pool}]\n"
    with pytest.raises(
        UsageError, match=r"net cannot be said in ONNX:\n  AdaptiveMaxPool1d \(AdaptiveMaxPool1d\): No ONNX"
    ):
        to_onnx(archscope.load(spec), tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", sorted(torch_onnx.SAID))
@settings(deadline=None, max_examples=3, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_what_is_not_tried_alone_can_be_said(name, data, tmp_path_factory):
    design = single(data.draw(RECORDS[name].cases))
    if design is not None:
        to_onnx(design, tmp_path_factory.mktemp("onnx") / "model.onnx")


def test_what_cannot_be_written_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere/model.onnx cannot be written: No such file or directory"):
        to_onnx(archscope.load("lenet5"), tmp_path / "nowhere" / "model.onnx")
