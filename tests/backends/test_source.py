"""Designs as PyTorch source: it reads well, and is the built module."""

from __future__ import annotations

import re
import subprocess
import types

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruff import find_ruff_bin

import archscope
import tests.ops.records
from archscope.analysis.traversal import walk
from archscope.backends.torch.build import build, inputs
from archscope.backends.torch.source import torch_source
from archscope.backends.torch.source.write import unformatted
from archscope.design import Design
from archscope.errors import UsageError
from archscope.graph import Input, Layer, Ref
from archscope.spec import library
from tests.backends.test_build import TANGLED
from tests.designs import designs
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records

QUICK = {"unet": (1, 188, 188), "googlenet_aux": (3, 128, 128), "inception_v3": None}
NAMED = ["vgg16", "resnet50", "googlenet", "densenet121", "mobilenet_v2", "unet", "nasnet_mobile"]
OTHERS = [
    "lenet5", "resnet18", "resnet50v2", "mobilenet_v3_small", "shufflenet_v1", "shufflenet_v2_x1_0",
    "squeezenet1_1", "googlenet_aux", "inception_v3", "efficientnet_b0", "mnasnet1_0", "tcn",
    "text_cnn", "inception_module_reduced", "dcgan_generator", "slim_resnet_v1_50",
]  # fmt: skip


def module_of(text: str) -> torch.nn.Module:
    """The module of a source: of its last class."""
    namespace = types.ModuleType("model")
    exec(compile(text, "model.py", "exec"), namespace.__dict__)
    own = [value for value in vars(namespace).values() if getattr(value, "__module__", "") == "model"]
    return own[-1]()


def outputs(network, x):
    with torch.no_grad():
        y = network(*x)
    return y if isinstance(y, dict) else {"": y}


def hold(design: Design, text: str, batch: int = 2) -> None:
    """The module of a source has the state of the built one, by name, and its outputs, bit for bit."""
    built, written = build(design, seed=0).eval(), module_of(text).eval()
    state = built.state_dict()
    assert {name: tensor.shape for name, tensor in written.state_dict().items()} == {
        name: tensor.shape for name, tensor in state.items()
    }
    written.load_state_dict(state)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = inputs(design, batch)
    expected, found = outputs(built, x), outputs(written, x)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor.nan_to_num(), found[name].nan_to_num()), name


def ruff(*arguments: str, text: str) -> subprocess.CompletedProcess[str]:
    command = [find_ruff_bin(), *arguments, "--isolated", "--quiet", "--stdin-filename", "model.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def passes_ruff(text: str) -> bool:
    checked = ruff("check", "--select", "E,F,W,I,UP,C4", text=text)
    assert checked.returncode == 0, checked.stdout
    return ruff("format", "--check", text=text).returncode == 0


#: some seconds each
LONG = {
    "nasnet_mobile",
    "densenet121",
    "inception_v3",
    "efficientnet_b0",
    "resnet50v2",
    "slim_resnet_v1_50",
    "mnasnet1_0",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in [*NAMED, *OTHERS]]
)
def test_it_is_the_built_module(name):
    large = archscope.load(name).inputs[0].shape == (3, 224, 224)
    design = archscope.load(name, input=QUICK.get(name, (3, 64, 64) if large else None))
    text = torch_source(design)
    hold(design, text)
    assert passes_ruff(text)


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_all_designs_are_the_built_modules(name):
    design = archscope.load(name)
    text = torch_source(design)
    hold(design, text, batch=1)
    assert passes_ruff(text)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch tells what its kernels cannot do
@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
@settings(deadline=None, max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_op_can_be_written(name, data):
    case: Case = data.draw(RECORDS[name].cases)
    if not all(x.shape for x in case.inputs):
        return
    given_inputs = tuple(Input(f"x{number}", x.shape[1:], x.dtype) for number, x in enumerate(case.inputs))
    layer = Layer("it", case.op, tuple(Ref(node.name) for node in given_inputs))
    results = tuple((f"y{number}", Ref("it", number)) for number in range(len(case.op.outputs(*case.inputs))))
    design = Design("one", given_inputs or (Input("x", (1,)),), (layer,), results)
    try:
        if any(len(walk(design.graph, batch)[0].y) != len(results) for batch in (1, 2)):
            return  # it splits the batch
    except UsageError:
        return  # its arguments are for another batch
    hold(design, unformatted(design))


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(designs())
def test_random_designs_are_the_built_modules(spec):
    design = archscope.load(spec)
    hold(design, unformatted(design))


SMALL = """
name: Small
source: nobody
input: [3, 16, 16]
blocks:
  unit(width, stride=1):
    - Add:
      - - {name: conv1, Conv2d: {out_channels: width, kernel_size: 3, stride: stride, padding: 1}}
        - ReLU
        - {name: conv2, Conv2d: {out_channels: width, kernel_size: 3, padding: 1}}
      - - {name: skip, when: stride > 1, Conv2d: {out_channels: width, kernel_size: 1, stride: stride}}
    - ReLU
layers:
  - {name: stem, Conv2d: {out_channels: 8, kernel_size: 3, padding: 1}}
  - {name: stage, repeat: 4, layers: [{unit: 8}]}
  - {name: down, unit: {width: 16, stride: 2}}
  - {name: last, unit: 16}
  - {AdaptiveAvgPool2d: 1}
  - Flatten
  - {name: fc, Linear: 10}
"""


def test_it_reads_as_if_a_person_had_written_it():
    assert (
        torch_source(archscope.load(SMALL))
        == '''"""Small.

Source: nobody.
Input input 3 x 16 x 16 (without the batch): 13,338 parameters, 1,759,392 MACs.
Written by `archscope export --to torch`.
"""

from torch import Tensor, nn


class Unit(nn.Module):
    """``stage.0.unit`` and 5 more."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1
        )
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.skip = (
            nn.Conv2d(in_channels, width, kernel_size=1, stride=stride)
            if stride > 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        out = self.relu(out)
        out = self.conv2(out)
        if self.skip is not None:
            x = self.skip(x)
        x = out + x
        return self.relu(x)


class Stage(nn.Module):
    """``stage.0`` and 3 more."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = Unit(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.unit(x)


class Small(nn.Module):
    """Small."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, kernel_size=3, padding=1)
        self.stage = nn.Sequential(*[Stage() for _ in range(4)])
        self.down = Unit(8, 16, stride=2)
        self.last = Unit(16, 16)
        self.adaptive_avg_pool2d = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.stage(x)
        x = self.down(x)
        x = self.last(x)
        x = self.adaptive_avg_pool2d(x)
        x = self.flatten(x)
        return self.fc(x)
'''
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("resnet50", "*[Bottleneck(256, 64) for _ in range(2)]"),
        ("resnet50", "if in_channels != 4 * width"),
        ("densenet121", 'f"denselayer{i + 1}", Denselayer(in_channels + 32 * i)'),
        ("unet", "Level(maps, 2 * maps, depth=depth - 1"),
        ("mobilenet_v2", "self.bottleneck3 = Units(24, 6, out=32, count=3, stride=2)"),
        ("googlenet", "self.inception3a = Inception(192, 64, r3=96, c3=128, r5=16, c5=32, proj=32)"),
        ("nasnet_large", 'x, stem_1 = self.get_submodule(f"normal1_{i}")(x, stem_1), x'),
    ],
)
def test_blocks_are_classes_and_repeats_are_loops(name, line):
    text = torch_source(archscope.load(name))
    assert line in text
    blocks = {scope.block for scope in archscope.load(name).scopes if scope.block}
    assert text.count("\nclass ") <= len(blocks) + 4


def test_shared_weights_several_outputs_and_strange_names():
    design = archscope.load(TANGLED)
    text = torch_source(design)
    hold(design, text)
    assert text.count("nn.Conv2d(") == 1
    assert text.count("self.half_(") == 2
    assert '"odds": ' in text


def test_a_layer_without_a_name_is_called_after_its_word():
    text = """
input: [4, 8, 8]
blocks:
  gated(gate):
    - gate
    - Conv2d: {out_channels: 4, kernel_size: 1}
    - gate
    - ReLU
    - {ReLU: , name: impact_1}
layers: [gated: Sigmoid]
"""
    source = unformatted(archscope.load(text))
    made = re.findall(r"self\.(\w+) = ", source.partition("class Design")[0])
    assert made == ["gate", "Conv2d", "relu", "impact_1"]  # those without weights may serve several times


def test_one_layer_of_a_block_can_be_applied_again_elsewhere():
    spec = """
input: [4]
blocks:
  pair(): [{name: a, Linear: 4}, {name: b, ReLU}, {name: c, Linear: 4}]
layers:
  - {name: first, pair: }
  - {name: second, layers: [{reuse: first.a, name: again}, {name: own, Linear: 4}]}
  - {reuse: first.c, name: last}
"""
    design = archscope.load(spec)
    hold(design, unformatted(design))


def test_frozen_parts_are_not_trained():
    inner = "[{Linear: 3, name: x}, {Linear: 3, name: y}]"
    text = f"input: [4]\nlayers: [{{layers: {inner}, name: a, freeze: true}}, {{Linear: 2, name: b}}]\n"
    source = torch_source(archscope.load(text))
    assert "        self.a.requires_grad_(False)\n" in source
    trained = {name: parameter.requires_grad for name, parameter in module_of(source).named_parameters()}
    assert trained == {"a.x.weight": False, "a.x.bias": False, "a.y.weight": False, "a.y.bias": False,
                       "b.weight": True, "b.bias": True}  # fmt: skip


CHECKPOINT = "input: [4]\nlayers: [{layers: [{Linear: 3}, Tanh], %scheckpoint: true}, {Linear: 2}]\n"


def test_a_recomputed_block_is_recomputed_and_has_the_same_gradients():
    design = archscope.load(CHECKPOINT % "name: block, ")
    source = torch_source(design)
    assert "checkpoint(self.block, x, use_reentrant=False)" in source
    hold(design, source)
    built, written = build(design, seed=0), module_of(source)
    written.load_state_dict(built.state_dict())
    x = torch.rand(3, 4)
    for network in (built, written):
        network(x).sum().backward()
    for (name, a), (_, b) in zip(built.named_parameters(), written.named_parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name


def test_a_recomputed_group_without_a_name_is_refused():
    with pytest.raises(UsageError, match="has no name, and so no module that could be recomputed"):
        torch_source(archscope.load(CHECKPOINT % ""))


def test_text_of_a_spec_is_no_code():
    quotes = '"' * 3
    spec = f"name: 'a{quotes}b\\'\nsource: '{quotes} + str(1)'\ninput: [4]\nlayers: [{{Linear: 3}}]\n"
    design = archscope.load(spec)
    hold(design, torch_source(design))
