"""torch's FlopCounterMode 2.13: a multiply-add is two FLOPs (torch/utils/flop_counter.py, the flop_registry).

It watches operators below autograd, and knows products and convolutions alone. What the CPU has a kernel of its own
for (its flash attention, its LSTM) is no operator of the registry, and counts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from archscope.analysis.peers import base
from archscope.analysis.peers.base import Part, Peer, macs, nothing, unseen
from archscope.design.steps import Step


def _twice(step: Step) -> Iterable[Part]:
    yield Part("multiply-add as two", macs(step), "as many again")


def fused(step: Step) -> Part:
    """The two products of an attention that the CPU runs as one kernel: 4 dimensions, E = E_v (sdp_utils_cpp.cpp).

    A mask must have 2 or 4 dimensions, and need no gradient.
    """
    if step.layer.kind == "MultiheadAttention":
        one = True
    else:
        query, _, value, *mask = (tensor.shape for tensor in step.x)
        masked = all(len(shape) in (2, 4) for shape in mask) and not any(step.needs[3:])
        one = len(value) == 4 and query[-1] == value[-1] and masked
    hidden = [c.macs for c in step.layer.op.contractions(step.x, step.y) if c.label in ("scores", "values")]
    return Part("attention", -sum(hidden) if one else 0, "scores and values: no formula for the CPU's fused kernel")


def _attention(step: Step) -> Iterable[Part]:
    if base.one_kernel(step):
        yield from NO_FORMULA(step)
        return
    hidden = fused(step)
    yield hidden
    yield Part("multiply-add as two", macs(step) + hidden.count, "as many again")


def lstm(step: Step) -> bool:
    """Whether the CPU runs an LSTM as one kernel (at::native::use_mkldnn): one that does not project."""
    return step.layer.kind == "LSTM" and not step.layer.op.arguments()["proj_size"]


def _lstm(step: Step) -> Iterable[Part]:
    return NO_FORMULA(step) if lstm(step) else _twice(step)


NO_FORMULA = unseen("{op}: no formula for its kernel")

RULES = base.table(
    (base.DECLARED, base.refused),
    ((*base.CONVOLUTIONS, *base.TRANSPOSED, "Linear", "Einsum", "MatMul"), _twice),
    (("RNN", "GRU", *base.CELLS), _twice),
    (("MultiheadAttention", "ScaledDotProductAttention"), _attention),
    (("LSTM",), _lstm),
    (("Bilinear",), NO_FORMULA),
    ((*base.BATCH_NORMS, *base.INSTANCE_NORMS), nothing),
    (("GroupNorm", "LayerNorm", "LayerNorm2d", "RMSNorm", "LocalResponseNorm"), nothing),
    ((*base.MAX_POOLS, *base.AVG_POOLS, *base.POWER_POOLS), nothing),
    ((*base.ADAPTIVE_MAX_POOLS, *base.ADAPTIVE_AVG_POOLS), nothing),
    ((*base.ACTIVATIONS, *base.SOFTMAXES, *base.SUMS, *base.MOVES), nothing),
    (("Upsample", "Embedding", "EmbeddingBag", "Parameter"), nothing),
)

PEER = Peer(
    "torch",
    "FLOPs",
    "a multiply-add is two; products and convolutions alone",
    "2.13.0",
    base.params_by(base.all_params()),
    base.work_by(RULES),
)
