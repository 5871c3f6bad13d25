"""Designs as modules: their names, their copies, every size they allow, compiled and exported."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

import archscope
from archscope.backends.torch.build import build, inputs
from archscope.design.graph import Ref
from archscope.errors import SpecError, UsageError

TANGLED = """
name: tangled
inputs: {image: [4, 8, 8], scale: [4, 1, 1]}
blocks:
  half(): [{name: float, Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}, {name: type, ReLU}]
layers:
  - {name: half, half: }
  - {Chunk: {chunks: 2, dim: 1}, name: parts}
  - {Concat: , from: ["parts[1]", "parts[0]"], name: swapped}
  - {Multiply: , from: [swapped, scale], name: scaled}
  - {reuse: half, name: again, from: scaled}
  - {name: query, Flatten: {start_dim: 2}}
  - {name: attended, ScaledDotProductAttention: , from: [query, query, query]}
  - {name: place, Parameter: [1, 4, 64]}
  - {Add: [attended, place], name: sum}
  - {Softmax: {dim: 2}, name: odds}
outputs: {odds: odds, map: again}
"""


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a) if isinstance(a, dict) else torch.equal(a, b)


def test_state_reads_as_a_hand_written_models():
    keys = list(build(archscope.load("resnet18"), device="meta").state_dict())
    assert keys[:8] == [
        "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
        "layer1.0.conv1.weight", "layer1.0.bn1.weight",
    ]  # fmt: skip
    assert keys[-2:] == ["fc.weight", "fc.bias"]
    assert "layer2.0.downsample.0.weight" in keys


def test_the_modules_are_torchs_layers():
    network = build(archscope.load("vgg16"), device="meta")
    assert isinstance(network.layer("conv1_1.Conv2d"), nn.Conv2d)
    assert "Conv2d(3, 64, kernel_size=(3, 3)" in repr(network)
    with pytest.raises(KeyError):
        network.layer("conv9")


def test_it_computes_what_a_hand_written_model_computes():
    text = """
input: [3, 8, 8]
layers:
  - {name: conv, Conv2d: {out_channels: 6, kernel_size: 3, padding: 1}}
  - {name: bn, BatchNorm2d}
  - {name: sum, Add: [[ReLU], [Sigmoid]]}
  - Flatten
  - {name: fc, Linear: 5}
"""
    network = build(archscope.load(text), seed=0)
    conv, bn, fc = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Linear(384, 5)
    for name, module in (("conv", conv), ("bn", bn), ("fc", fc)):
        module.load_state_dict(network.layer(name).state_dict())
    x = torch.randn(4, 3, 8, 8)
    y = bn(conv(x))
    assert torch.equal(network(x), fc((y.relu() + y.sigmoid()).flatten(1)))


def test_seeds_repeat_and_leave_the_generator_alone():
    design = archscope.load("lenet5")
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one = build(design, seed=1)
    assert torch.rand(1) == expected
    assert same(one.state_dict(), build(design, seed=1).state_dict())
    assert not same(one.state_dict(), build(design, seed=2).state_dict())


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("lenet5", id="lenet5"),
        pytest.param("vit_b_16", id="vit_b_16", marks=pytest.mark.slow),
        pytest.param(TANGLED, id="tangled"),
    ],
)
def test_copies_and_pickles_compute_the_same(spec):
    design = archscope.load(spec)
    network = build(design, seed=0).eval()
    x = inputs(design, 2)
    y = network(*x)
    assert same(y, copy.deepcopy(network)(*x))
    assert same(y, pickle.loads(pickle.dumps(network))(*x))


def test_copies_have_weights_of_their_own():
    network = build(archscope.load(TANGLED), seed=0)
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.layer("place").weight += 1
    assert not torch.equal(network.layer("place").weight, other.layer("place").weight)


def test_inputs_by_place_and_by_name_and_outputs_by_name():
    design = archscope.load(TANGLED)
    network = build(design, seed=0).eval()
    image, scale = inputs(design, 2)
    y = network(image, scale)
    assert list(y) == ["odds", "map"]
    assert same(y, network(image, scale=scale))
    assert same(y, network(scale=scale, image=image))
    for wrong in ((image,), (image, scale, scale)):
        with pytest.raises(TypeError, match="takes image, scale"):
            network(*wrong)
    with pytest.raises(TypeError, match="takes image, scale"):
        network(image, scales=scale)


def test_shared_weights_are_one_and_names_that_modules_have_get_an_underscore():
    network = build(archscope.load(TANGLED), device="meta")
    assert sum(parameter.numel() for parameter in network.parameters()) == 4 * 4 * 9 + 4 + 256
    assert [name for name, _ in network.named_parameters()] == [
        "half_.float_.weight",
        "half_.float_.bias",
        "place.weight",
    ]


def test_frozen_parameters_are_not_trained():
    text = "input: [4]\nlayers: [{Linear: 3, name: a, freeze: true}, {Linear: 2, name: b}]\n"
    trained = {name: parameter.requires_grad for name, parameter in build(archscope.load(text)).named_parameters()}
    assert trained == {"a.weight": False, "a.bias": False, "b.weight": True, "b.bias": True}


def test_any_size_that_the_design_allows():
    network = build(archscope.load("resnet18"), device="meta")
    for batch, size in ((1, 224), (3, 97), (2, 320)):
        assert network(torch.empty(batch, 3, size, size, device="meta")).shape == (batch, 1000)


def test_a_huge_design_needs_no_memory_on_meta():
    text = "input: [1000000]\nlayers: [{Linear: 1000000}]\n"
    network = build(archscope.load(text), device="meta", dtype=torch.bfloat16)
    assert sum(parameter.nbytes for parameter in network.parameters()) == 2 * (10**12 + 10**6)


def test_what_nobody_reads_any_more_is_dropped():
    network = build(archscope.load("lenet5")).eval()
    values = network.start(*inputs(network.design))
    most = 0
    for step in network.layer_steps:
        network.run(step, values)
        most = max(most, len(values))
    assert most <= 2
    assert list(values) == [Ref(network.design.layers[-1].name)]


CHECKPOINTED = """
input: [4]
blocks:
  unit(): [{Linear: 4}, {Add: [[Tanh], []]}]
layers:
  - {name: a, unit: , checkpoint: true}
  - {name: b, unit: , checkpoint: true}
  - {name: c, Linear: 2}
"""


def test_recomputed_blocks_have_the_same_gradients():
    design, plain = archscope.load(CHECKPOINTED), archscope.load(CHECKPOINTED.replace("true", "false"))
    gradients = []
    for one in (design, plain):
        network = build(one, seed=0)
        network(torch.ones(3, 4)).sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("spec", ["lenet5", "resnet18", TANGLED], ids=["lenet5", "resnet18", "tangled"])
def test_it_is_exported(spec):
    design = archscope.load(spec, input=(3, 64, 64) if spec == "resnet18" else None)
    network = build(design, seed=0).eval()
    x = inputs(design, 2)
    program = quietly(torch.export.export, network, x)
    assert same(network(*x), program.module()(*x))


def test_it_is_compiled():
    network = build(archscope.load("lenet5"), seed=0).eval()
    x = inputs(network.design, 2)
    compiled = quietly(lambda: torch.compile(network, backend="eager", fullgraph=True)(*x))
    assert torch.equal(network(*x), compiled)


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(UsageError, match="there is no device abacus"):
        build(archscope.load("lenet5"), device="abacus")


def test_what_torch_does_not_make_is_told_in_its_place():
    """2^38 x 2^38 weights are more than an int64 counts."""
    text = "input: [3, 8, 8]\nlayers:\n" + "  - Conv2d: {out_channels: 2**38, kernel_size: 1}\n" * 2
    with pytest.raises(SpecError, match=r"<text>:4:5: error: torch makes no such Conv2d: .*overflow"):
        build(archscope.load(text), device="meta")
