"""The backward work of every contraction: once its MACs for each operand, as torch's counter sees autograd do it."""

import pytest
from hypothesis import given

from tests.ops.records.base import RECORDS
from tests.ops.test_torch_oracle import RELAXED, flop_counter, torch

#: how the ops of other families are counted backward is seen in tests/analysis/test_cost.py
CONTRACTING = ("Einsum", "GRU", "LSTM", "Linear", "MatMul", "MultiheadAttention", "RNN", "ScaledDotProductAttention")


@pytest.mark.parametrize("name", CONTRACTING)
def test_each_operand_takes_the_macs_of_its_contraction(name):
    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case):
        op, x = case
        with torch.device("meta"):
            module = op.module(torch, *x)
            outputs = module(*(torch.empty(tensor.shape, requires_grad=True) for tensor in x))
            first = outputs[0] if isinstance(outputs, tuple) else outputs
            with flop_counter.FlopCounterMode(display=False) as counter:
                first.sum().backward()
        expected = sum(len(work.operands) * work.macs for work in op.contractions(x, op.outputs(*x)))
        assert counter.get_total_flops() == 2 * expected

    holds()
