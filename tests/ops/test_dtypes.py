"""What ops do with whole numbers and truth values, and where no gradient flows, against torch."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.torch.build import build
from archscope.ops import REGISTRY, Tensor
from archscope.ops.legal import apply
from tests.oracle import kept

#: as RoBERTa numbers its tokens: those that are not padding, from padding_idx + 1 on
POSITIONS = """
input: {ids: {shape: [5], dtype: int64}}
layers:
  - {name: real, Compare: {operator: ne, other: 1}, from: ids}
  - {name: mask, Cast: int32, from: real}
  - {name: sums, CumSum: 1, from: mask}
  - {name: masked, Multiply: , from: [sums, mask]}
  - {name: positions, Shift: 1, from: masked}
"""


def test_positions_count_what_is_not_padding():
    design = archscope.load(POSITIONS.replace("input:", "inputs:"))
    found = build(design)(torch.tensor([[7, 9, 4, 1, 1], [3, 1, 1, 1, 1]]))
    assert found.tolist() == [[2, 3, 4, 1, 1], [2, 1, 1, 1, 1]]
    assert found.dtype == torch.int64
    assert [step.y[0].dtype for step in design.steps()] == ["bool", "int32", "int64", "int64", "int64"]


@pytest.mark.parametrize(
    ("name", "arguments", "values", "expected"),
    [
        ("Scale", {"factor": 3}, [1, -2], [3, -6]),
        ("Shift", {"value": -1}, [1, -2], [0, -3]),
        ("Clamp", {"min": 0}, [1, -2], [1, 0]),
        ("Abs", {}, [1, -2], [1, 2]),
        ("Negative", {}, [1, -2], [-1, 2]),
        ("ArgMax", {"dim": 0}, [1, -2], 0),
        ("Compare", {"operator": "le", "other": 0.5}, [1, -2], [False, True]),
        ("Compare", {"operator": "eq", "other": 1}, [True, False], [True, False]),
        ("CumSum", {"dim": 0}, [True, True], [1, 2]),
        ("LogicalNot", {}, [True, False], [False, True]),
    ],
)
def test_whole_numbers_stay_whole(name, arguments, values, expected):
    x = torch.tensor(values)
    dtype = str(x.dtype).removeprefix("torch.")
    y = REGISTRY[name](**arguments).module(torch, Tensor((2,), dtype))(x)
    assert y.tolist() == expected
    assert type(y.tolist()) is type(expected)
    assert not y.is_floating_point()


@pytest.mark.parametrize(
    ("name", "dtype", "message"),
    [
        ("Abs", "bool", "Abs needs floating or whole values; what arrives has bool ones"),
        ("Exp", "int64", "Exp needs floating values; what arrives has int64 ones"),
        ("LogicalNot", None, "LogicalNot needs bool values; what arrives has floating ones"),
    ],
)
def test_other_numbers_are_refused(name, dtype, message):
    assert [violation.message for violation in apply(REGISTRY[name](), (Tensor((2, 3), dtype),))[1]] == [message]


@pytest.mark.parametrize(
    "between",
    [
        "{Constant: {shape: [1, 4], expand: true}}",
        "{Buffer: {shape: [1, 4], expand: true}}",
        "{Parameter: {shape: [1, 4], expand: true}, freeze: true}",
        "{Compare: {operator: gt, other: 0}}\n  - {Cast: float}",
        "{ArgMax: {dim: 1, keepdim: true}}\n  - {Cast: float}",
    ],
)
def test_no_gradient_flows_through(between):
    """What lies before it has none, and what lies behind needs none of it."""
    design = archscope.load(f"input: [4]\nlayers:\n  - Linear: 4\n  - {between}\n  - Linear: 3\n")
    network = build(design)
    network(torch.rand(2, 4)).sum().backward()
    first, *_, last = design.layers
    assert network.layer(first.name).weight.grad is None
    assert network.layer(last.name).weight.grad is not None
    steps = design.steps()
    assert steps[-1].needs == (False,)
    assert archscope.analyze(design).rows[-1].cost.input_grad_macs == 0
    assert memory(design, batch=2).saved_bytes == kept(design, 2)


def test_a_floor_hands_zeros_on():
    design = archscope.load("input: [4]\nlayers:\n  - Linear: 4\n  - Floor\n  - Linear: 3\n")
    network = build(design)
    network(torch.rand(2, 4)).sum().backward()
    assert not network.layer(design.layers[0].name).weight.grad.any()
    assert design.steps()[-1].needs == (True,)


MADE = """
input: [4]
layers:
  - {name: ones, Compare: {operator: ge, other: 0}}
  - {name: mask, Cast: float}
  - {name: zeros, Constant: [1, 4]}
  - {name: places, Constant: {shape: [1, 4], expand: true, dtype: int64}, from: ones}
  - {name: table, Buffer: {shape: [1, 4], persistent: false}}
  - {name: sum, Add: [mask, zeros, places, table]}
"""


@pytest.mark.parametrize("way", [lambda one: one, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_what_is_made_in_passing_follows_the_model(way):
    """Into another type and onto another device, with nothing registered that could tell it where the model is."""
    design = archscope.load(MADE)
    network = way(build(design))
    assert list(network.state_dict()) == []
    assert [name for name, _ in network.named_buffers()] == ["table.value"]
    x = torch.rand(2, 4)
    assert network(x).dtype == torch.float32
    assert network(x).tolist() == [[1.0] * 4] * 2
    assert network.to(torch.bfloat16)(x.bfloat16()).dtype == torch.bfloat16
    assert network.to("meta")(x.to("meta", torch.bfloat16)).device.type == "meta"


def test_what_is_made_in_bfloat16_is_kept_in_it():
    """The factor that the derivative of the other needs: 4 numbers of 2 bytes, and the input of the dense layer."""
    design = archscope.load(
        "input: [4]\nlayers:\n  - {name: it, Linear: 4}\n  - {name: one, Constant: [1, 4]}\n  - Multiply: [it, one]\n"
    )
    assert memory(design, batch=2, precision="bf16").saved_bytes == 4 * 2 + 2 * 4 * 2
