"""What the backward pass of every op keeps, against autograd's saved tensors on the CPU: every storage, to the byte."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from torch import nn

import tests.ops.records
from archscope.ops import Tensor
from archscope.ops.keeping import Training
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
RELAXED = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
DTYPES = {None: torch.float32, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}
BYTES = {None: 4, "float32": 4, "int64": 8, "bool": 1}


def predicted(case: Case, needs: bool) -> Counter[Any]:
    """Storages that the op says it keeps: inputs and outputs by name, its own by their bytes."""
    x = case.inputs
    y = case.op.outputs(*x)
    training = Training(tuple(needs and tensor.dtype is None for tensor in x), bool(case.op.parameters(*x)))
    found: Counter[Any] = Counter()
    if not training.any:
        return found
    named = set()
    for keep in case.op.keeps(x, y, training):
        if keep.source == "own" and keep.tensor is not None:
            found[keep.tensor.numel * BYTES[keep.tensor.dtype]] += 1
        elif keep.source == "input":
            named.add(f"input {keep.place}")
        elif keep.source == "output":
            named.add(f"input {keep.place}" if case.op.in_place() else f"output {keep.place}")
    found.update(named)
    return found


def measured(case: Case, needs: bool) -> Counter[Any]:
    """Storages that autograd keeps, parameters and buffers apart."""
    module = case.op.module(torch, *case.inputs)
    excluded = set()
    if isinstance(module, nn.Module):
        module.train()
        excluded = {p.untyped_storage().data_ptr() for p in [*module.parameters(), *module.buffers()]}
    x = [_input(tensor, needs) for tensor in case.inputs]
    saved: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor.detach())  # with its history it would hold the graph that holds it, for ever
        return saved[-1]

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = module(*x)
    names = {}
    for number, tensor in enumerate(y if isinstance(y, (tuple, list)) else [y]):
        names[tensor.untyped_storage().data_ptr()] = f"output {number}"
    for number, tensor in enumerate(x):
        names[tensor.untyped_storage().data_ptr()] = f"input {number}"
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in saved}
    return Counter(names.get(place, size) for place, size in storages.items() if place not in excluded and size)


def _input(tensor: Tensor, needs: bool) -> torch.Tensor:
    if tensor.dtype is not None:
        return torch.zeros(tensor.shape, dtype=DTYPES[tensor.dtype])
    leaf = torch.rand(tensor.shape)
    return leaf.requires_grad_().clone() if needs else leaf  # a layer in place takes no leaf


#: ops whose fused kernel on the CPU keeps a workspace of its own, and the cases in which it is not used
FUSED = {"LSTM": lambda case: case.op.arguments()["proj_size"] > 0}


@pytest.mark.parametrize("needs", [True, False], ids=["inputs need gradients", "only weights do"])
@pytest.mark.parametrize("name", sorted(RECORDS))
def test_what_is_kept_is_what_autograd_saves(name: str, needs: bool) -> None:
    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        assume(name not in FUSED or FUSED[name](case))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = measured(case, needs)
            except ValueError as error:
                assert "when training" in str(error)
                return
        assert predicted(case, needs) == expected

    holds()
