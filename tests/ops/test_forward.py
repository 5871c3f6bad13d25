"""Every op in memory, forward and backward, against torch on the CPU: every allocation, every storage that is kept."""

from __future__ import annotations

import warnings
from collections import Counter
from functools import reduce
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

import tests.ops.records
from archscope.autograd import aten
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape
from archscope.backends.torch.check import plain, saving
from archscope.ops import Tensor
from archscope.ops.tensors import standing
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case
from tests.oracle import Living

assert tests.ops.records
RELAXED = settings(
    max_examples=examples(45),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
DTYPES = {None: torch.float32, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}

#: gradients that are sparse
NOT_STATED = {
    "Embedding": lambda case: case.op.arguments()["sparse"],
    "EmbeddingBag": lambda case: case.op.arguments()["sparse"],
}

#: what torch says where it takes a case in inference only
REFUSED = ("when training", "negative slope which is not supported")

needs = pytest.mark.parametrize("needs", [True, False], ids=["inputs need gradients", "only weights do"])
#: what a stand-in does says nothing; tests/ops/test_opaque.py holds the memory of one against the module behind it
every_op = pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))


def stated(case: Case, needs: bool, frozen: frozenset[str]) -> tuple[Counter[Any], list[int]]:
    """What the op says: the storages that are kept, inputs and outputs by name, and the bytes at every allocation."""
    tape, x = Tape(watched=True), case.inputs
    state = {True: case.op.parameters(*x), False: case.op.buffers(*x)}
    w = {
        name: tape.state(tensor.shape, tensor.dtype or "float32", name, leaf=leaf and name not in frozen)
        for leaf, tensors in state.items()
        for name, tensor in tensors.items()
    }
    leaves = [tape.state(t.shape, t.dtype or "float32", "", leaf=needs and t.dtype is None) for t in x]
    constant = standing(case.op)
    if constant is not None:
        tape.external(constant.shape, constant.dtype or "float32", "value")
    given = []
    for leaf in leaves:
        leaf.storage.state = False
        given.append(leaf)
        if leaf.node is not None:
            given[-1] = tape.make(leaf.shape, leaf.dtype)
            tape.link(given[-1], (leaf,), passed_on)
    result = case.op.forward(tape, w, tuple(given), case.op.outputs(*x))
    outputs = [result] if isinstance(result, Value) else list(result)
    names = {value.storage: f"output {number}" for number, value in enumerate(outputs)}
    names |= {value.storage: f"input {number}" for number, value in enumerate(given)}
    kept = {storage for node in tape.nodes for storage in node.saved if storage.bytes and not storage.state}
    found = Counter(names.get(storage, storage.bytes) for storage in kept)
    held = [*given, *outputs]
    for value in held:
        tape.hold(value)
    tape.close()
    losses = [aten.mean(tape, value, ()) for value in outputs if value.node is not None]
    if losses:
        total = losses[0]
        for number, other in enumerate(losses[1:]):
            before, total = total, aten.add(tape, total, other)
            if number:
                tape.drop(before)
        for value in {*losses, total}:
            tape.hold(value)
        tape.close()
        tape.backward(total)
    return found, [live for *_, live in tape.events]


def measured(case: Case, needs: bool, frozen: frozenset[str]) -> tuple[Counter[Any], list[int]]:
    """What torch does."""
    module = case.op.module(torch, *case.inputs)
    state: list[torch.Tensor] = []
    if isinstance(module, nn.Module):
        module.train()
        state = [*module.parameters(), *module.buffers()]
        for name in frozen:
            module.get_parameter(name).requires_grad_(False)
    leaves = [_leaf(tensor, needs) for tensor in case.inputs]

    def run() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        x = [leaf.clone() if leaf.requires_grad else leaf for leaf in leaves]  # a layer in place takes no leaf
        y = module(*x)
        return x, list(y) if isinstance(y, (tuple, list)) else [y]

    with saving() as held:
        x, y = run()
        saved = held()
    places = {tensor.untyped_storage().data_ptr(): f"output {number}" for number, tensor in enumerate(y)}
    places |= {tensor.untyped_storage().data_ptr(): f"input {number}" for number, tensor in enumerate(x)}
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in saved}
    own = {tensor.untyped_storage().data_ptr() for tensor in state}
    kept = Counter(places.get(place, size) for place, size in storages.items() if place not in own and size)
    del x, y
    saved.clear()
    living = Living()
    living.enter(*state, *leaves)
    with living:
        _x, y = run()
        losses = [tensor.mean() for tensor in y if tensor.requires_grad]
        if losses:
            reduce(torch.add, losses).backward()
    return kept, [live for _, live in living.events]


def _leaf(tensor: Tensor, needs: bool) -> torch.Tensor:
    if tensor.dtype is not None:
        return torch.zeros(tensor.shape, dtype=DTYPES[tensor.dtype])
    return torch.rand(tensor.shape).requires_grad_(needs)


def frozen_of(case: Case, draw: Random) -> frozenset[str]:
    """Some of the parameters of a case."""
    return frozenset(name for name in case.op.parameters(*case.inputs) if draw.random() < 0.5)


def in_passing(case: Case, frozen: frozenset[str]) -> bool:
    """Whether a kernel makes, and drops, what nobody asks for.

    oneDNN's convolutions make the gradient of the weight where that of the bias alone is wanted; how long the steps of
    a recurrent layer live depends on every single weight.
    """
    alone = "weight" in frozen and "bias" not in frozen and "bias" in case.op.parameters(*case.inputs)
    if (
        type(case.op).__name__ == "EmbeddingBag"
    ):  # a tensor that is shorter than its storage, which Living does not count
        return True
    return (case.op.category == "conv" and alone) or (bool(frozen) and type(case.op).__name__ in ("GRU", "LSTM", "RNN"))


@needs
@every_op
def test_memory_is_what_torch_takes(name: str, needs: bool) -> None:
    @RELAXED
    @given(RECORDS[name].cases, st.randoms(use_true_random=False), st.booleans())
    def holds(case: Case, draw: Random, some: bool) -> None:
        frozen = frozen_of(case, draw) if some else frozenset()
        assume(name not in NOT_STATED or not NOT_STATED[name](case))
        with plain() if name == "LSTM" else warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                kept, events = measured(case, needs, frozen)
            except (ValueError, RuntimeError) as error:
                assert any(words in str(error) for words in REFUSED)
                return
        found = stated(case, needs, frozen)
        assert found[0] == kept
        assert in_passing(case, frozen) or found[1] == events

    holds()
