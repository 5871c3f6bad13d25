"""What every op writes anew, and how it lies, against torch on the CPU: whose memory its outputs are in."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

import tests.ops.records
from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape
from archscope.ops.tensors import standing
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
DTYPES = {None: torch.float32, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}
#: what a stand-in does says nothing
every_op = pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))
RELAXED = settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def run(case: Case, *, training: bool) -> tuple[set[int], set[int], tuple[Any, ...]]:
    """Where the inputs lie, where parameters and buffers do, and the outputs of the real layer."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        module = case.op.module(torch, *case.inputs)
        own: set[int] = set()
        if isinstance(module, nn.Module):
            module.train(training)
            own = {place(one) for one in (*module.parameters(), *module.buffers())}
        x = [torch.zeros(tensor.shape, dtype=DTYPES[tensor.dtype]) for tensor in case.inputs]
        try:
            y = module(*x)
        except ValueError as error:  # a norm of a single value
            assume("when training" not in str(error))
            raise
    return {place(one) for one in x}, own, y if isinstance(y, tuple) else (y,)


def place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def copied(case: Case) -> bool:
    """Whether a run copies what arrives, of an op of which only that tells."""
    tape = Tape()
    x = tuple(tape.external(one.shape, one.dtype or "float32", "") for one in case.inputs)
    y = case.op.forward(tape, {}, x, case.op.outputs(*case.inputs))
    assert isinstance(y, Value)
    return all(y.storage is not one.storage for one in x)


@every_op
@given(data=st.data(), training=st.booleans())
@RELAXED
def test_an_op_writes_what_torch_lays_into_new_memory_and_says_if_out_of_order(
    name: str, data: st.DataObject, training: bool
) -> None:
    case = data.draw(RECORDS[name].cases)
    arriving, own, y = run(case, training=training)
    assume(all(one.numel() for one in y))  # what is empty lies nowhere
    stated = case.op.outputs(*case.inputs)
    told = case.op.copies and copied(case)
    written = case.op.written(case.inputs, stated, "float32", training=training, copied=told)
    held = standing(case.op) is not None and not case.op.held  # a module of torch holds what is made in a model
    new = [one for one in y if place(one) not in arriving and (held or place(one) not in own)]
    assert len(new) == (0 if case.op.in_place else len(written))
    if case.op.in_place and written:
        assert {place(one) for one in y} <= arriving
    assert case.op.disorders or all(one.is_contiguous() for one in y)
