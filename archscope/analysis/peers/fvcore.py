"""fvcore 0.1.5.post20221221: a multiply-add is one 'flop' (fvcore/nn/flop_count.py, fvcore/nn/jit_handles.py).

It traces the module by TorchScript, which leaves out what no output is computed from (torch.jit.trace eliminates dead
code), and knows 15 operators; the work of any other operator is 0 to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from archscope.analysis.peers import base
from archscope.analysis.peers.base import NotModelled, Part, Peer, Rule, each, macs, nothing, unseen
from archscope.arith import prod
from archscope.design.steps import Step


def _convolution(step: Step) -> Iterable[Part]:
    """conv_flop_jit is the handle of aten::_convolution; padding by a word is traced as another operator."""
    op = step.layer.op.arguments()
    if isinstance(op["padding"], str) and op["padding_mode"] == "zeros":
        yield Part("not counted", -macs(step), f"{step.layer.kind}: no handle for padding by a word")


def _batch_norm(step: Step) -> Iterable[Part]:
    """batchnorm_flop_jit: 2 an element with scale and shift, else 1; on the batch's own statistics as a norm."""
    if not base.option(step, "track_running_stats"):
        yield from _norm("batch norm", "affine")(step)
        return
    count = 2 if base.option(step, "affine") else 1
    yield Part("batch norm", count * step.x[0].numel, f"{count} an element")


def _norm(name: str, affine: str) -> Rule:
    """norm_flop_counter: 5 an element with a scale, else 4."""

    def rule(step: Step) -> Iterable[Part]:
        count = 5 if base.option(step, affine) else 4
        yield Part(name, count * step.x[0].numel, f"{count} an element")

    return rule


def _layer_norm(step: Step) -> Iterable[Part]:
    if len(step.x[0].shape) > 5:
        raise NotModelled("LayerNorm of more than 5 dimensions")
    return _norm("other norms", "elementwise_affine")(step)


def _upsample(step: Step) -> Iterable[Part]:
    """upsample_nearest2d and upsample_bilinear2d alone are known (elementwise_flop_counter)."""
    mode, plane = step.layer.op.arguments()["mode"], len(step.x[0].shape) == 4
    if plane and mode in ("nearest", "bilinear"):
        count = 1 if mode == "nearest" else 4
        yield Part("upsampling", count * step.y[0].numel, f"{mode}: {count} an output element")


def _matmul(step: Step) -> Iterable[Part]:
    """matmul_flop_jit: elements of the first x columns of the second, whatever is broadcast."""
    counted = prod(step.x[0].shape) * step.x[1].shape[-1]
    yield Part("positions", counted - macs(step), "MatMul: a first operand that is broadcast counts once")


def _einsum(step: Step) -> Iterable[Part]:
    """einsum_flop_jit: two equations by their sizes, all others by numpy.einsum_path, which prints four digits."""
    equation = step.layer.op.arguments()["equation"]
    terms, _, out = equation.partition("->")
    letters = dict.fromkeys(terms.replace(",", ""))
    renamed = equation.translate({ord(letter): 97 + number for number, letter in enumerate(letters)})
    sizes = dict(zip(terms.replace(",", ""), (size for x in step.x for size in x.shape), strict=True))
    whole = prod(sizes.values())
    if renamed in ("abc,abd->acd", "abc,adc->adb"):
        counted = whole
    else:
        operations = whole * (2 if {*letters} - {*out} else 1)
        counted = int(float(f"{operations + 1:.3e}") / 2)
    yield Part("positions", counted - macs(step), "Einsum: half of numpy's operations and one, in four digits")


def _attention(step: Step) -> Iterable[Part]:
    """The projections are traced as aten::linear; scaled_dot_product_attention has no handle."""
    if base.one_kernel(step):
        yield from _NO_HANDLE(step)
        return
    inside = sum(c.macs for c in step.layer.op.contractions(step.x, step.y) if c.label in ("scores", "values"))
    yield Part("attention", -inside, "scores and values: no handle for scaled_dot_product_attention")


_NO_HANDLE = unseen("{op}: no handle for its operator")

RULES = base.table(
    (base.DECLARED, base.refused),
    ((*base.CELLS, "EmbeddingBag"), nothing),
    (base.CONVOLUTIONS, _convolution),
    (base.TRANSPOSED, nothing),
    (("Linear",), nothing),
    (base.BATCH_NORMS, _batch_norm),
    (base.INSTANCE_NORMS, _norm("other norms", "affine")),
    (("GroupNorm",), _norm("other norms", "affine")),
    (("LayerNorm", "LayerNorm2d"), _layer_norm),
    (("AdaptiveAvgPool2d",), each("adaptive pooling", 1, of="input")),
    (("Upsample",), _upsample),
    (("MatMul",), _matmul),
    (("Einsum",), _einsum),
    (("MultiheadAttention",), _attention),
    (("ScaledDotProductAttention", "Bilinear", *base.RECURRENT), _NO_HANDLE),
    (base.but(base.ADAPTIVE_AVG_POOLS, "AdaptiveAvgPool2d"), nothing),
    ((*base.MAX_POOLS, *base.AVG_POOLS, *base.POWER_POOLS, *base.ADAPTIVE_MAX_POOLS), nothing),
    ((*base.ACTIVATIONS, *base.SOFTMAXES, *base.SUMS, *base.MOVES), nothing),
    (("RMSNorm", "LocalResponseNorm", "Embedding", "Parameter"), nothing),
)

PEER = Peer(
    "fvcore",
    "flops",
    "a multiply-add is one; batch norm, layer norms, 2-D upsampling and adaptive average pooling on top",
    "0.1.5.post20221221",
    base.params_by(base.all_params()),
    base.work_by(RULES, dead=unseen("reaches no output: the tracer leaves it out")),
)
