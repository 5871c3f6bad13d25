"""Random designs against torch: every shape, parameter, buffer and multiply-accumulate; and against themselves."""

import pickle

import pytest
from hypothesis import HealthCheck, example, given, settings

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch.build import build
from archscope.ops import Tensor
from archscope.spec.writer import to_yaml
from tests.designs import designs, gradients
from tests.examples import examples
from tests.oracle import kept, measure

#: legal for inference; torch refuses to train it, for an instance norm then has a single value a map
ONE_VALUE_A_MAP = """
input: [1, 4, 4]
layers: [{AdaptiveAvgPool2d: 1}, {InstanceNorm2d: {track_running_stats: true}}]
"""

relaxed = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(designs())
@example(ONE_VALUE_A_MAP)
@relaxed
def test_a_random_design_is_what_torch_builds(text):
    design = archscope.load(text)
    account = archscope.analyze(design, batch=2)
    measured = measure(design, batch=2)
    inputs = {row.name: row.x for row in account.rows}
    for layer, row in zip(design.layers, account.rows, strict=True):
        assert [tensor.shape for tensor in row.y] == measured.shapes[layer.name]
        if layer.name in measured.parameters:
            assert shapes(layer.op.parameters(*inputs[layer.name])) == measured.parameters[layer.name]
            assert shapes(layer.op.buffers(*inputs[layer.name])) == measured.buffers[layer.name]
        elif layer.shares is None:
            assert row.params == 0
    assert account.total.macs == measured.macs


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(gradients())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_random_design_learns_what_torch_trains(text):
    """Parameters that are frozen by patterns, detached tensors, layers without gradients."""
    design = archscope.load(text)
    account = archscope.analyze(design, batch=2)
    network = build(design, device="meta")
    trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    assert account.total.trainable_params == trained
    assert account.total.backward_macs == measure(design, batch=2, backward=True).backward_macs
    try:
        expected = kept(design, 2)
    except ValueError as error:
        assert "when training" in str(error)
        return
    assert memory(design, batch=2).saved_bytes == expected


def shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


@given(designs())
@relaxed
def test_a_design_is_a_value(text):
    design = archscope.load(text)
    assert design == archscope.load(text)
    assert pickle.loads(pickle.dumps(design)) == design
    assert hash(design) == hash(archscope.load(text))


@given(designs())
@relaxed
def test_an_expanded_design_loads_to_the_same_account(text):
    design = archscope.load(text)
    again = archscope.load(to_yaml(design))
    first, second = archscope.analyze(design), archscope.analyze(again)
    assert [row.cost for row in first.rows] == [row.cost for row in second.rows]
    assert [(row.name, row.kind, row.y) for row in first.rows] == [(row.name, row.kind, row.y) for row in second.rows]
    assert first.depth == second.depth
