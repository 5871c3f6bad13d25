"""torchinfo 1.8.0: 'mult-adds' are parameters times places (torchinfo/layer_info.py, LayerInfo.calculate_macs).

For every call of a module without children: a convolution's parameters (kernel and bias) count once for each place of
its output and each sample; all other parameters that are called weight or bias once for each sample, wherever else
they are applied. What has no parameters has no work.
"""

from __future__ import annotations

from collections.abc import Iterable

from archscope.analysis.peers import base
from archscope.analysis.peers.base import NotModelled, Part, Peer, Rule, macs, nothing, numel, unseen
from archscope.arith import prod
from archscope.design.steps import Step


def _split(step: Step) -> tuple[int, int]:
    """Elements of weights, and of biases."""
    parameters = step.layer.op.parameters(*step.x)
    biases = numel(tensor for name, tensor in parameters.items() if "bias" in name)
    return numel(parameters.values()) - biases, biases


def _products(places: str) -> Rule:
    """A layer with products: its weights, and its bias, once for each place."""

    def rule(step: Step) -> Iterable[Part]:
        weights, biases = _split(step)
        batch, _, *sizes = step.y[0].shape
        times = batch * prod(sizes) if places == "output" else batch
        why = "weights x places of the output" if places == "output" else "weights once a sample, not once a row"
        yield Part("positions", times * weights - macs(step), f"{step.layer.kind}: {why}")
        yield Part("bias", times * biases, f"1 a parameter and {'place' if places == 'output' else 'sample'}")

    return rule


def _recurrent(step: Step) -> Iterable[Part]:
    """Weights and biases of a recurrent layer count once a step: the first two dimensions of its output."""
    weights, biases = _split(step)
    steps = prod(step.y[0].shape[:2])
    yield Part("recurrent", steps * weights - macs(step), "weights once a step")
    yield Part("bias", steps * biases, "1 a parameter and step")


def _parameters(name: str) -> Rule:
    """Parameters of a layer without products, once for each sample; an output without dimensions ends in an error."""

    def rule(step: Step) -> Iterable[Part]:
        if not step.y[0].shape:
            raise NotModelled(f"{step.layer.kind} of a tensor without dimensions")
        yield Part(name, step.y[0].shape[0] * base.params(step), "its parameters once a sample")

    return rule


_NO_PARAMETERS = unseen("{op}: it has no parameters")

RULES = base.table(
    (base.DECLARED, base.refused),
    ((*base.CONVOLUTIONS, *base.TRANSPOSED), _products("output")),
    (("Linear", "Bilinear"), _products("sample")),
    (base.BATCH_NORMS, _parameters("batch norm")),
    ((*base.INSTANCE_NORMS, "GroupNorm", "LayerNorm", "LayerNorm2d", "RMSNorm"), _parameters("other norms")),
    (("PReLU",), _parameters("activation")),
    (("Embedding", "EmbeddingBag"), _parameters("embedding")),
    (("Parameter",), _parameters("learnt tensors")),
    ((*base.RECURRENT, *base.CELLS), _recurrent),
    (("MultiheadAttention",), unseen("{op}: a module with children is not counted, and its child is not called")),
    (("Einsum", "MatMul", "ScaledDotProductAttention"), _NO_PARAMETERS),
    ((*base.MAX_POOLS, *base.AVG_POOLS, *base.POWER_POOLS), nothing),
    ((*base.ADAPTIVE_MAX_POOLS, *base.ADAPTIVE_AVG_POOLS), nothing),
    ((*base.but(base.ACTIVATIONS, "PReLU"), *base.SOFTMAXES, *base.SUMS, *base.MOVES), nothing),
    (("Upsample", "LocalResponseNorm"), nothing),
)

PEER = Peer(
    "torchinfo",
    "mult-adds",
    "a multiply-add is one; every parameter once for each place (convolutions) or each sample (all others)",
    "1.8.0",
    base.params_by(base.all_params()),
    base.work_by(RULES),
)
