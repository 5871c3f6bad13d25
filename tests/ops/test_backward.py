"""The backward work of every contraction, as torch's counter sees autograd do it, whatever of it is trained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.analysis.counts.cost import cost_of
from archscope.backends.torch.counting import counter
from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import RECORDS, Case
from tests.ops.test_torch_oracle import RELAXED, torch

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch says so once

#: how the ops of other families are counted backward is seen in tests/analysis/counts/test_cost.py
CONTRACTING = (
    "Einsum", "GRU", "GRUCell", "LSTM", "LSTMCell", "Linear", "MatMul", "MultiheadAttention", "RNN", "RNNCell",
    "ScaledDotProductAttention",
)  # fmt: skip
#: those that take inputs which may want a gradient or not
FREEZING = (*CONTRACTING, "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


@pytest.mark.parametrize("name", CONTRACTING)
def test_each_operand_takes_the_macs_of_its_contraction(name):
    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case):
        op, x = case
        expected = sum(len(work.operands) * work.macs for work in op.contractions(x, op.outputs(*x)))
        assert backward_flops(case, frozenset(), [True] * len(x)) == 2 * expected

    holds()


@pytest.mark.parametrize("name", FREEZING)
def test_what_is_frozen_takes_none(name):
    """Random parameters are frozen, random inputs need no gradient."""

    @RELAXED
    @given(RECORDS[name].cases, st.randoms(use_true_random=False))
    def holds(case, draw):
        op, x = case
        parameters = op.parameters(*x)
        some = [name for name in parameters if draw.random() < 0.5]
        frozen = frozenset(draw.choice([some, some, [name for name in parameters if "weight" in name]]))
        needs = tuple(draw.random() < 0.5 and tensor.dtype is None for tensor in x)
        learns = tuple(name for name in parameters if name not in frozen)
        cost = cost_of(op, x, op.outputs(*x), needs=needs, learns=learns, frozen=tuple(frozen))
        counted = backward_flops(case, frozen, needs)
        assert counted == 2 * (cost.input_grad_macs + cost.weight_grad_macs)

    holds()


@pytest.mark.parametrize("needs", [(False, False, False, True), (False, False, True, True), (True, False, False, True)])
def test_a_mask_takes_the_gradient_of_the_scores(needs):
    op, x = REGISTRY["ScaledDotProductAttention"](), (*[Tensor((2, 4, 8))] * 3, Tensor((4, 4)))
    cost = cost_of(op, x, op.outputs(*x), needs=needs, learns=(), frozen=())
    assert backward_flops(Case(op, x), frozenset(), needs) == 2 * cost.input_grad_macs


def backward_flops(case, frozen, needs):
    """What torch's counter sees of a backward pass through the first output, groups not forgotten."""
    op, x = case
    with torch.device("meta"):
        module = op.module(torch, *x)
        for name in frozen:
            module.get_parameter(name).requires_grad_(False)
        given = (torch.empty(tensor.shape, dtype=dtype(tensor), requires_grad=wanted)
                 for tensor, wanted in zip(x, needs, strict=True))  # fmt: skip
        outputs = module(*given)
        first = outputs[0] if isinstance(outputs, tuple) else outputs
        with counter() as work:
            if first.requires_grad:
                first.sum().backward()
    return work.get_total_flops()


def dtype(tensor):
    return torch.float32 if tensor.dtype is None else getattr(torch, tensor.dtype)
