"""Steps: shapes that are inferred once, what dies behind a layer, what is recomputed together."""

from collections import Counter

import pytest

import archscope
from archscope.design.graph import LayerGraph, Ref
from archscope.design.steps import segments
from archscope.ops import legal

BRANCHES = """
inputs: {image: [3, 8, 8], ids: {shape: [5], dtype: int64}}
layers:
  - {Conv2d: {out_channels: 4, kernel_size: 3}, from: image, name: stem}
  - {Chunk: {chunks: 2, dim: 1}, name: halves}
  - {Add: [stem, [{Concat: ['halves[1]', 'halves[0]']}]], name: sum}
  - {Add: [sum, sum], name: twice}
  - {Embedding: {num_embeddings: 7, embedding_dim: 4}, from: ids, name: words}
  - {LSTM: {hidden_size: 3, batch_first: true}, name: lstm}
  - {ReLU: , from: image, name: unread}
outputs: [twice, 'lstm[1]', words]
"""
RECOMPUTED = """
input: [4]
blocks:
  unit(): [{Linear: 4}, {Add: [[Tanh], []]}]
layers:
  - {name: stem, Linear: 4}
  - {name: a, unit: , checkpoint: true}
  - {name: b, unit: , checkpoint: true}
  - {name: head, Linear: 2}
  - {name: joined, Concat: [head, stem, a.Linear]}
outputs: [joined, b.Tanh]
"""


@pytest.mark.parametrize("text", [BRANCHES, RECOMPUTED])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_tensor_dies_behind_its_last_reader(text, batch):
    design = archscope.load(text)
    steps = design.steps(batch)
    kept = {ref for _, ref in design.outputs}
    for number, step in enumerate(steps):
        later = {ref for other in steps[number + 1 :] for ref in other.layer.inputs}
        touched = {*step.layer.inputs, *(Ref(step.layer.name, output) for output in range(len(step.y)))}
        assert set(step.last) == touched - later - kept
        assert len(step.last) == len(set(step.last))


def test_layers_of_a_recomputed_block_run_together():
    first, a, b, head, joined = segments(archscope.load(RECOMPUTED).steps())
    assert [step.layer.name for step in (first, head, joined)] == ["stem", "head", "joined"]
    assert {step.region for step in a.steps} == {"a"}
    assert [step.layer.name for step in a.steps] == ["a.Linear", "a.Tanh", "a.Add"]
    assert (a.reads, b.reads) == ((Ref("stem"),), (Ref("a.Add"),))
    assert (set(a.gives), set(b.gives)) == ({Ref("a.Linear"), Ref("a.Add")}, {Ref("b.Tanh"), Ref("b.Add")})
    assert set(a.last) == {Ref("a.Tanh")}
    assert set(b.last) == {Ref("a.Add"), Ref("b.Linear")}


@pytest.mark.parametrize("text", [BRANCHES, RECOMPUTED])
def test_shapes_that_the_spec_was_read_with_are_those_of_the_graph(text):
    design = archscope.load(text)
    anew = LayerGraph(design.inputs, design.layers, design.outputs)
    assert dict(design.graph.tensors(1)) == dict(anew.tensors(1))


def test_no_shape_is_inferred_twice(monkeypatch):
    asked, apply = Counter(), legal.apply

    def counting(op, x, *types):
        asked[op, x] += 1
        return apply(op, x, *types)

    monkeypatch.setattr(legal, "apply", counting)
    design = archscope.load("resnet18")
    account = archscope.analyze(design)
    assert account.memory, account.fields
    archscope.explain(design)
    shapes = {(step.layer.op, step.x) for batch in (1, 8) for step in design.steps(batch)}
    assert set(asked) == shapes
    assert max(asked.values()) == 1


def test_steps_are_kept_by_the_design():
    design = archscope.load(RECOMPUTED)
    assert design.steps(3) is design.steps(3)
    assert design.with_warnings([]).steps(3) is design.steps(3)
    assert design.steps(1) is not design.steps(3)
    for batch in range(20, 40):
        design.steps(batch)
    assert design._steps.cache_info().currsize < 10
