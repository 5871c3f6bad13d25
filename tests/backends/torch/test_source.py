"""Designs as PyTorch source: it reads well, and is the built module."""

from __future__ import annotations

import ast
import copy
import re
import subprocess
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ruff import find_ruff_bin

import archscope
import tests.ops.records
from archscope.backends.torch.build import build, inputs
from archscope.backends.torch.source import torch_source
from archscope.backends.torch.source.write import unformatted
from archscope.cli import main
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.errors import UsageError
from archscope.spec import library
from tests.backends.torch.test_build import TANGLED
from tests.designs import designs, mixed
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records

QUICK = {"unet": (1, 188, 188), "googlenet_aux": (3, 128, 128), "inception_v3": None}
NAMED = ["vgg16", "resnet50", "googlenet", "densenet121", "mobilenet_v2", "unet", "nasnet_mobile"]
OTHERS = [
    "lenet5", "resnet18", "resnet50v2", "mobilenet_v3_small", "shufflenet_v1", "shufflenet_v2_x1_0",
    "squeezenet1_1", "googlenet_aux", "inception_v3", "efficientnet_b0", "mnasnet1_0", "tcn",
    "text_cnn", "inception_module_reduced", "dcgan_generator", "slim_resnet_v1_50",
]  # fmt: skip


def module_of(text: str, file: str = "model.py") -> torch.nn.Module:
    """The module of a source: of its last class."""
    namespace = types.ModuleType("model")
    namespace.__file__ = file
    exec(compile(text, "model.py", "exec"), namespace.__dict__)
    own = [value for value in vars(namespace).values() if getattr(value, "__module__", "") == "model"]
    return own[-1]()


def single(case: Case) -> Design | None:
    """A design of one op; ``None`` where its first dimension is no batch."""
    if not all(x.shape for x in case.inputs):
        return None
    given_inputs = tuple(Input(f"x{number}", x.shape[1:], x.dtype) for number, x in enumerate(case.inputs))
    layer = Layer("it", case.op, tuple(Ref(node.name) for node in given_inputs))
    results = tuple((f"y{number}", Ref("it", number)) for number in range(len(case.op.outputs(*case.inputs))))
    design = Design("one", given_inputs or (Input("x", (1,)),), (layer,), results)
    try:
        if any(len(design.steps(batch)[0].y) != len(results) for batch in (1, 2)):
            return None  # it splits the batch
    except UsageError:
        return None  # its arguments are for another batch
    return design


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


def moved(design: Design, network: torch.nn.Module, batch: int = 2, *, compiled: bool = True) -> None:
    """A module is one that people run: in another type, on another device, copied, and compiled, it does the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = inputs(design, batch)
    network = network.eval()
    expected = outputs(network, x)
    for name, one in outputs(copy.deepcopy(network), x).items():
        assert torch.equal(one.nan_to_num(), expected[name].nan_to_num())
    if compiled:
        torch._dynamo.reset()
        for name, one in outputs(torch.compile(network, backend="eager", fullgraph=True), x).items():
            assert torch.equal(one.nan_to_num(), expected[name].nan_to_num())
    other = copy.deepcopy(network).bfloat16()
    assert not any(t.dtype == torch.float32 for t in [*other.parameters(), *other.buffers()])
    lower = tuple(one.bfloat16() if one.is_floating_point() else one for one in x)
    try:
        found = outputs(other, lower)
    except NotImplementedError as error:  # of some layers torch has no kernel of that type on the CPU
        assert "not implemented for 'BFloat16'" in str(error)
        found = {}
    for name, one in found.items():
        assert one.dtype == (torch.bfloat16 if expected[name].is_floating_point() else expected[name].dtype), name
    away = copy.deepcopy(network).to("meta")
    for name, one in outputs(away, tuple(one.to("meta") for one in x)).items():
        assert (one.device.type, one.shape, one.dtype) == ("meta", expected[name].shape, expected[name].dtype)


def decided(text: str) -> list[str]:
    """What a text asks though the answer is written in it: a comparison of constants, a loop that runs at most once."""
    found = []
    for node in ast.walk(ast.parse(text)):
        asked = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        asked = [node.test] if isinstance(node, (ast.If, ast.IfExp)) else asked
        looped = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range"
        looped = looped and len(node.args) == 1 and getattr(node.args[0], "value", 2) in (0, 1)
        if looped or (asked and all(isinstance(one, ast.Constant) for one in asked)):
            found.append(ast.unparse(node))
    return found


def test_values_in_a_file_are_copied_beside_the_source(tmp_path):
    values = np.array([[0.5, 1, 2], [3, 4, 5]], np.float32)
    np.savez(tmp_path / "numbers.npz", table=values)
    (tmp_path / "spec.yaml").write_text(
        'input: [2, 3]\nlayers:\n  - {name: table, Constant: {shape: [2, 3], value: "numbers.npz[table]"}}\n'
        "  - {Add: [input, table]}\n"
    )
    target = tmp_path / "out" / "model.py"
    target.parent.mkdir()
    done = CliRunner().invoke(main, ["export", str(tmp_path / "spec.yaml"), "-o", str(target)])
    assert done.exit_code == 0, done.output
    (tmp_path / "numbers.npz").unlink()
    assert passes_ruff(target.read_text())
    network = module_of(target.read_text(), str(target))
    assert torch.equal(network(torch.zeros(1, 2, 3))[0], torch.from_numpy(values))
    assert network.bfloat16()(torch.zeros(1, 2, 3).bfloat16()).dtype == torch.bfloat16
    assert not network.state_dict()


def test_a_constant_is_the_same_in_every_pass():
    spec = """
input: [4]
layers:
  - {name: it, Constant: {shape: [2, 2], value: 'arange(start=-2)'}}
  - {name: flat, Flatten: {start_dim: 0}}
  - {name: cut, ReLU: {inplace: true}}
  - {Add: [input, cut]}
"""
    design = archscope.load(spec)
    x = torch.zeros(1, 4)
    for network in (build(design), module_of(unformatted(design))):
        for _ in range(2):  # arange(-2, 2) in rows: -2, -1 and -2, -1
            assert network(x).tolist() == [[0, 0, 0, 0]]
        assert "Constant" in str(network) or float(network.it.value.min()) == -2


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
    assert not decided(text)


KNOWN = """
name: Known
input: [4, 8]
layers:
  - {name: positions, Constant: {shape: [4], value: arange, dtype: int64}}
  - {name: places, Embedding: {num_embeddings: 4, embedding_dim: 8}}
  - {name: ramp, Constant: {shape: [4, 8], value: "arange(start=1, step=2, dim=0)"}}
  - {name: mask, Constant: {shape: [4, 8], value: "triu(diagonal=1, value=-inf)"}}
  - {name: seen, Constant: {shape: [4, 8], value: tril, dtype: bool}}
  - {name: few, Constant: {shape: [2, 4], value: [[0.1, 1, 2, 3], [4, 5, 6, 7]]}}
  - {name: turned, Reshape: 4, from: few}
  - {name: half, Constant: {shape: [1, 4, 8], expand: true, value: 0.5}, from: input}
  - {name: frequencies, Buffer: {shape: [8], value: [1, 0.5, 0.25, 0.125, 2, 4, 8, 16], persistent: false}}
  - {name: token, Parameter: {shape: [1, 4, 8], expand: true, init: trunc_normal(std=0.02)}, from: input}
  - {name: gain, Parameter: {shape: [8], init: ones}}
  - {name: sum, Add: [input, places, ramp, half, frequencies, token, gain]}
  - {name: off, Where: , from: [seen, sum, ramp]}
  - {name: last, Softmax: -1}
outputs: {last: last, mask: mask, few: turned}
"""


@pytest.mark.parametrize("spec", ["lenet5", KNOWN], ids=["lenet5", "known"])
def test_it_is_a_model_that_people_run(spec):
    design = archscope.load(spec)
    text = torch_source(design)
    hold(design, text)
    assert passes_ruff(text)
    moved(design, module_of(text))
    moved(design, build(design, seed=0))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
@settings(deadline=None, max_examples=1, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_every_op_follows_the_type_and_the_device(name, data):
    design = single(data.draw(RECORDS[name].cases))
    if design is not None:
        moved(design, build(design, seed=0), compiled=False)
        moved(design, module_of(unformatted(design)), compiled=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
@settings(deadline=None, max_examples=2, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_every_op_compiles(name, data):
    design = single(data.draw(RECORDS[name].cases))
    if design is not None:
        moved(design, build(design, seed=0))
        moved(design, module_of(unformatted(design)))


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_all_designs_are_the_built_modules(name):
    design = archscope.load(name)
    text = torch_source(design)
    hold(design, text, batch=1)
    assert passes_ruff(text)
    assert not decided(text)
    moved(design, module_of(text), batch=1)
    moved(design, build(design), batch=1)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch tells what its kernels cannot do
@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
@settings(deadline=None, max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_op_can_be_written(name, data):
    design = single(data.draw(RECORDS[name].cases))
    if design is None:
        return
    text = unformatted(design)
    hold(design, text)
    assert not decided(text)


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
Input 3 x 16 x 16 (without the batch): 13,338 parameters, 1,759,392 MACs.
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


def test_functions_can_be_applied_again():
    """They have no module that could be: their arguments are written once more."""
    spec = """
input: [4]
layers:
  - {name: a, Scale: -5.0}
  - {name: b, Shift: 2.5}
  - {name: c, Linear: 4}
  - {reuse: a}
  - {reuse: b}
"""
    design = archscope.load(spec)
    source = unformatted(design)
    assert source.count("* -5.0") == source.count("+ 2.5") == 2
    hold(design, source)


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


@pytest.mark.parametrize(
    "name", ["None", "True", "Tensor", "nn", "a\0b", "a\x1b[0m\u202e", 'lines\n\u2028"""', "\ud800"]
)
def test_a_design_may_be_called_anything(name):
    design = replace(archscope.load("input: [3]\nlayers: [{Linear: 3}]\n"), name=name, source=name)
    text = torch_source(design)
    assert all(c.isprintable() or c == "\n" for c in text)
    hold(design, text)


@pytest.mark.parametrize("block", ["none", "true", "float", "tensor", "x", "self", "i"])
@pytest.mark.parametrize("variable", ["nn", "x", "i", "float", "each", "lambda_"])
def test_blocks_and_their_variables_may_be_called_anything(block, variable):
    spec = f"""
input: [3]
blocks:
  {block}({variable}):
    - Linear: {variable}
    - ReLU
layers:
  - {{{block}: 4, name: a}}
  - {{{block}: 5, name: b}}
"""
    design = archscope.load(spec)
    hold(design, torch_source(design))


def test_rates_that_grow_are_listed():
    spec = """
input: [4, 8]
vars: {depths: [2, 3]}
blocks:
  unit(p): [{Linear: 8}, {StochasticDepth: {p: p, mode: row}}]
layers:
  - repeat: 2
    index: stage
    name: stages
    layers:
      - {repeat: 'depths[stage]', index: i, name: blocks, layers: [{unit: 0.1 * (2 * stage + i) / 4}]}
"""
    design = archscope.load(spec)
    text = torch_source(design)
    assert "*[Block(each) for each in p]" in text
    assert "new_ones(x.shape[0], 1, 1), self.p)" in text
    assert "Stage((0.0, 0.025))" in text
    hold(design, text)
    found = [one.p for one in module_of(text).modules() if hasattr(one, "p")]
    assert found == [0.1 * at / 4 for at in (0, 1, 2, 3, 4)]


def test_several_rates_are_listed_beside_names_and_widths():
    spec = """
input: [4, 8]
blocks:
  unit(p, q, out): [{Linear: out}, {StochasticDepth: {p: p, mode: row}}, {StochasticDepth: {p: q, mode: batch}}]
layers:
  - name: stages
    layers:
      - {repeat: 4, index: i, name: "unit{i + 1}", layers: [{unit: {p: 0.1 * i, q: 0.2 / (i + 1), out: 8 + 8 * i}}]}
"""
    design = archscope.load(spec)
    text = torch_source(design)
    assert "each_p, each_q" in text
    hold(design, text)
    found = [
        (one.p, one.p_2 if hasattr(one, "p_2") else one.q) for one in module_of(text).modules() if hasattr(one, "p")
    ]
    assert found == [(0.1 * at, 0.2 / (at + 1)) for at in range(4)]


def test_text_of_a_spec_is_no_code():
    quotes = '"' * 3
    spec = f"name: 'a{quotes}b\\'\nsource: '{quotes} + str(1)'\ninput: [4]\nlayers: [{{Linear: 3}}]\n"
    design = archscope.load(spec)
    hold(design, torch_source(design))


@given(mixed())
@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
def test_source_of_mixed_designs_holds_the_types_of_the_built_module(text: str) -> None:
    design = archscope.load(text)
    text = unformatted(design)
    hold(design, text)
    types = {name: tensor.dtype for name, tensor in build(design).state_dict().items()}
    assert {name: tensor.dtype for name, tensor in module_of(text).state_dict().items()} == types
