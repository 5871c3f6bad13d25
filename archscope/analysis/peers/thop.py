"""thop 0.1.1.post2209072238: 'MACs' by hooks on layers that it knows (thop/profile.py, thop/vision/basic_hooks.py).

A layer of a type that is not in its register_hooks has neither MACs nor parameters for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from archscope.analysis.peers import base
from archscope.analysis.peers.base import Part, Peer, each, macs, nothing, unseen
from archscope.design.steps import Step


def _transposed(step: Step) -> Iterable[Part]:
    """calculate_conv2d_flops, as if it were a convolution: places of the output x C_in / groups x C_out x K."""
    op, channels = step.layer.op.arguments(), step.x[0].shape[1]
    counted = step.y[0].numel * (channels // op["groups"]) * prod(op["kernel_size"])
    yield Part("positions", counted - macs(step), "transposed: weights x places of the output")


def _norm(name: str) -> base.Rule:
    """count_normalization: 2 an element, 4 with scale and shift."""

    def rule(step: Step) -> Iterable[Part]:
        affine = base.option(step, "affine") or base.option(step, "elementwise_affine")
        count = 4 if affine else 2
        yield Part(name, count * step.x[0].numel, f"{count} an element")

    return rule


def _softmax(step: Step) -> Iterable[Part]:
    """calculate_softmax: n exponentials, n - 1 additions and n divisions for each row of n."""
    row = step.x[0].shape[step.layer.op.arguments()["dim"]]
    yield Part("softmax", step.x[0].numel // row * (3 * row - 1), "3 n - 1 for each row of n")


def _adaptive(step: Step) -> Iterable[Part]:
    """count_adap_avgpool: in / out + 1 an output element, in doubles, rounded down in the end."""
    ratios = (i / o for i, o in zip(step.x[0].shape[2:], step.y[0].shape[2:], strict=True))
    count = int((prod(ratios, start=1.0) + 1) * step.y[0].numel)
    yield Part("adaptive pooling", count, "(in / out + 1) an output element")


#: calculate_upsample: operations an output element; trilinear is not known
_UPSAMPLING = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 224 + 35, "trilinear": 0}


def _upsample(step: Step) -> Iterable[Part]:
    mode = step.layer.op.arguments()["mode"]
    yield Part("upsampling", _UPSAMPLING[mode] * step.y[0].numel, f"{mode}: {_UPSAMPLING[mode]} an output element")


#: operations a hidden unit and step besides the products (_count_rnn_cell, _count_gru_cell, _count_lstm_cell)
_UNIT = {"RNN": 1, "GRU": 3 + 1 + 3, "LSTM": 4 + 3 + 1}
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def _recurrent(step: Step) -> Iterable[Part]:
    """count_rnn, count_gru, count_lstm: as if the hidden state were not projected."""
    op, kind = step.layer.op.arguments(), step.layer.kind
    hidden, directions, steps = op["hidden_size"], 1 + op["bidirectional"], prod(step.x[0].shape[:2])
    above = hidden * directions
    arriving = [step.x[0].shape[-1], *[above] * (op["num_layers"] - 1)]
    gate_rows = steps * directions * _GATES[kind] * hidden
    products = sum(gate_rows * (features + hidden) for features in arriving)
    units = steps * directions * op["num_layers"] * hidden
    yield Part("positions", products - macs(step), f"{kind}: as if the hidden state were not projected")
    yield Part("bias", 2 * units * _GATES[kind] * op["bias"], "2 a gate, hidden unit and step")
    yield Part("recurrent", units * _UNIT[kind], f"{_UNIT[kind]} a hidden unit and step")


_NOT_KNOWN = unseen("{op}: not in register_hooks")

RULES = base.table(
    (base.DECLARED, base.refused),
    (base.CELLS, base.cells({f"{kind}Cell": unit for kind, unit in _UNIT.items()})),
    (("EmbeddingBag",), nothing),
    ((*base.CONVOLUTIONS, "Linear"), nothing),
    (base.TRANSPOSED, _transposed),
    (base.BATCH_NORMS, _norm("batch norm")),
    ((*base.INSTANCE_NORMS, "LayerNorm"), _norm("other norms")),
    (("PReLU",), each("activation", 1, of="input")),
    (("Softmax",), _softmax),
    (base.AVG_POOLS, each("pooling", 1)),
    (base.ADAPTIVE_AVG_POOLS, _adaptive),
    (("Upsample",), _upsample),
    (base.RECURRENT, _recurrent),
    (("Einsum", "MatMul", "Bilinear", "MultiheadAttention", "ScaledDotProductAttention"), _NOT_KNOWN),
    ((*base.MAX_POOLS, *base.POWER_POOLS, *base.ADAPTIVE_MAX_POOLS), nothing),
    (base.but(base.ACTIVATIONS, "PReLU"), nothing),
    ((*base.but(base.SOFTMAXES, "Softmax"), *base.SUMS, *base.MOVES), nothing),
    (("GroupNorm", "LayerNorm2d", "RMSNorm", "LocalResponseNorm", "Embedding", "Parameter"), nothing),
)


def _unknown(step: Step) -> Iterable[Part]:
    """Parameters of a layer that it has no hook for."""
    yield Part("not counted", -base.params(step), f"{step.layer.kind}: not in register_hooks")


_UNKNOWN = (
    "GroupNorm",
    "LayerNorm2d",
    "RMSNorm",
    "Bilinear",
    "Embedding",
    "EmbeddingBag",
    "Parameter",
    "MultiheadAttention",
)

PEER = Peer(
    "thop",
    "MACs",
    "a multiply-add is one; norms, average pooling, upsampling and softmax on top; unknown layers are left out",
    "0.1.1.post2209072238",
    base.params_by(base.all_params() | dict.fromkeys(_UNKNOWN, _unknown) | dict.fromkeys(base.DECLARED, base.refused)),
    base.work_by(RULES),
)
