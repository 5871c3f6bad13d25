"""ptflops 0.7.5 by its default backend, ``pytorch``: hooks on layers, and patched functions.

The hooks are in ptflops/pytorch_ops.py (MODULES_MAPPING), as are the functions (FUNCTIONAL_MAPPING,
TENSOR_OPS_MAPPING): a layer whose forward pass calls a patched function is counted by both. What the hooks count is
divided by the batch, what the functions count is not (ptflops/pytorch_engine.py, get_flops_pytorch).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import inf, prod

from archscope.analysis.peers import base
from archscope.analysis.peers.base import Bridge, Part, Peer, Rule, Term, bias_each, macs, nothing, unseen
from archscope.design import Design
from archscope.design.steps import Step


def _input(name: str, count: int = 1) -> Rule:
    return base.each(name, count, of="input")


def _norm(name: str) -> Rule:
    """bn_flops_counter_hook: 1 an element, 2 where it is ``affine`` (a layer norm has another word for that)."""

    def rule(step: Step) -> Iterable[Part]:
        count = 2 if base.option(step, "affine") else 1
        yield Part(name, count * step.x[0].numel, f"{count} an element")

    return rule


def _upsample_hook(step: Step) -> Iterable[Part]:
    """upsample_flops_counter_hook reads the first sample alone."""
    yield Part("upsampling", prod(step.y[0].shape[1:]), "1 an output element of the first sample")


def _recurrent(step: Step) -> Iterable[Part]:
    """rnn_flops_counter_hook: the weights once a step, but for projections, which have no share in it."""
    op, kind = step.layer.op.arguments(), step.layer.kind
    hidden, directions, steps = op["hidden_size"], 1 + op["bidirectional"], prod(step.x[0].shape[:2])
    weights = step.layer.op.parameters(*step.x)
    forwards = {name: tensor for name, tensor in weights.items() if not name.endswith("_reverse")}
    products = sum(t.numel for name, t in forwards.items() if name.startswith(("weight_ih", "weight_hh")))
    biases = sum(t.numel for name, t in forwards.items() if name.startswith("bias"))
    unit = {"RNN": 1, "GRU": 1 + 3 + 3, "LSTM": 4 + 3 + 3}[kind]
    times = steps * directions
    yield Part("positions", times * products - macs(step), f"{kind}: projections of the hidden state are left out")
    yield Part("bias", times * biases, "1 a parameter and step")
    yield Part("recurrent", times * op["num_layers"] * hidden * unit, f"{unit} a hidden unit and step")


def _attention(step: Step) -> Iterable[Part]:
    """multihead_attention_counter_hook: as if key and value stayed as wide as they arrive."""
    op = step.layer.op.arguments()
    query, key, value = (tensor.shape for tensor in (step.x if len(step.x) == 3 else step.x * 3))
    at, batch = (1, query[0]) if op["batch_first"] else (0, query[1])
    (q, e), (k, wide), (v, deep) = ((shape[at], shape[2]) for shape in (query, key, value))
    heads = op["num_heads"]
    projected = q * e * e + k * wide * wide + v * deep * deep + q * deep * deep
    products = batch * (projected + heads * q * k * (e // heads + deep // heads))
    yield Part("positions", products - macs(step), "MultiheadAttention: widths as they arrive, no added keys")
    yield Part("bias", batch * ((q + k + v) * e * op["bias"] + q * deep), "1 a projected element (output: always)")
    yield Part("attention", batch * (q * e + heads * q * k), "scaling 1 a query element, softmax 1 a score")


_NO_HOOK = unseen("{op}: no hook for it")
_HOOKED_ACTIVATIONS = ("ReLU", "PReLU", "ELU", "LeakyReLU", "ReLU6", "GELU")
_POOLS = (*base.MAX_POOLS, *base.AVG_POOLS)
_ADAPTIVE_POOLS = (*base.ADAPTIVE_MAX_POOLS, *base.ADAPTIVE_AVG_POOLS)

HOOKS = base.table(
    (base.DECLARED, base.refused),
    (base.CELLS, base.cells({"RNNCell": 1, "GRUCell": 1 + 3 + 3, "LSTMCell": 4 + 3 + 3})),
    (("EmbeddingBag",), nothing),
    ((*base.CONVOLUTIONS, *base.TRANSPOSED, "Linear"), bias_each),
    (_HOOKED_ACTIVATIONS, base.each("activation", 1)),
    (_POOLS, _input("pooling")),
    (_ADAPTIVE_POOLS, _input("adaptive pooling")),
    (base.BATCH_NORMS, _norm("batch norm")),
    ((*base.INSTANCE_NORMS, "GroupNorm", "LayerNorm"), _norm("other norms")),
    (("Upsample",), _upsample_hook),
    (base.RECURRENT, _recurrent),
    (("MultiheadAttention",), _attention),
    (("Einsum", "MatMul", "Bilinear", "ScaledDotProductAttention"), _NO_HOOK),
    (base.but(base.ACTIVATIONS, *_HOOKED_ACTIVATIONS), nothing),
    ((*base.POWER_POOLS, *base.SOFTMAXES, *base.SUMS, *base.MOVES), nothing),
    (("LayerNorm2d", "RMSNorm", "LocalResponseNorm", "Embedding", "Parameter"), nothing),
)


def _power_pool(step: Step) -> Iterable[Part]:
    """F.lp_pool calls the patched avg_pool, relu and Tensor.mul; of an infinite power, max_pool alone."""
    pooled = step.x[0].numel
    if abs(step.layer.op.arguments()["norm_type"]) == inf:
        yield Part("pooling", pooled, "max_pool: 1 an input element")
    else:
        yield Part("pooling", pooled + 2 * step.y[0].numel, "avg_pool, relu and mul inside: 1 an element each")


def _interpolate(step: Step) -> Iterable[Part]:
    """_interpolate_functional_flops_hook: the wanted size, or the input times the factors cut to whole numbers."""
    op, x = step.layer.op.arguments(), step.x[0]
    if op["size"] is not None:
        yield Part("upsampling", step.y[0].numel, "F.interpolate: 1 an output element")
        return
    axes = len(x.shape) - 2
    factors = op["scale_factor"] * (axes if len(op["scale_factor"]) == 1 else 1)
    yield Part("upsampling", x.numel * prod(map(int, factors)), "F.interpolate: input elements x whole factors")


def _local_response_norm(step: Step) -> Iterable[Part]:
    """F.local_response_norm: mul, mul and add, and an avg_pool of the map with size - 1 channels more."""
    batch, channels, *sizes = step.x[0].shape
    padded = batch * (channels + step.layer.op.arguments()["size"] - 1) * prod(sizes)
    yield Part("other norms", 3 * step.x[0].numel + padded, "avg_pool, mul, mul and add inside: 1 an element each")


def _again(step: Step) -> Iterable[Part]:
    """The layer's own function is patched as well: ReLU calls F.relu, AdaptiveAvgPool2d F.adaptive_avg_pool2d."""
    kind = step.layer.kind
    function = kind.lower() if kind in _HOOKED_ACTIVATIONS else re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    yield Part("counted twice", step.x[0].numel, f"F.{function} is patched too: 1 an input element")


#: what the patched functions add; layers that call none of them are not here
FUNCTIONS = base.table(
    (base.DECLARED, base.refused),
    ((*base.CELLS, "EmbeddingBag"), nothing),
    (("ReLU", "ELU", "PReLU", "GELU"), _again),
    (("SiLU",), _input("activation")),
    (("Softmax", "Softmax2d"), _input("softmax")),
    ((*_POOLS, *_ADAPTIVE_POOLS), _again),
    (base.POWER_POOLS, _power_pool),
    (("Upsample",), _interpolate),
    (("LocalResponseNorm",), _local_response_norm),
    (base.but(base.ACTIVATIONS, "ReLU", "ELU", "PReLU", "GELU", "SiLU"), nothing),
    (("Softmin", "LogSoftmax"), nothing),
    ((*base.CONVOLUTIONS, *base.TRANSPOSED, "Linear", "Bilinear", "Einsum", "MatMul", *base.RECURRENT), nothing),
    ((*base.BATCH_NORMS, *base.INSTANCE_NORMS, "GroupNorm", "LayerNorm", "LayerNorm2d", "RMSNorm"), nothing),
    (("MultiheadAttention", "ScaledDotProductAttention", "Embedding", "Parameter"), nothing),
    ((*base.SUMS, *base.MOVES), nothing),
)


def _work(design: Design, steps: Sequence[Step]) -> Bridge:
    """The hooks' count for one sample, and that of the functions for the batch."""
    hooked = base.bridge(steps, sum(map(macs, steps)), HOOKS)
    patched = base.bridge(steps, 0, FUNCTIONS)
    refused = tuple(dict.fromkeys((*hooked.refused, *patched.refused)))
    if hooked.total is None or patched.total is None:
        return Bridge(hooked.start, (), refused)
    samples = base.samples(design, steps)
    total = int(hooked.total / samples + patched.total)
    rest = total - hooked.total - patched.total
    share = Term("per sample", rest, f"divided by the batch of {samples}, but for what functions count", ())
    return Bridge(hooked.start, base.ordered((*hooked.terms, *patched.terms, *([share] if rest else []))))


def _frozen(step: Step) -> Iterable[Part]:
    """get_model_parameters_number: those with requires_grad."""
    counts = {name: tensor.numel for name, tensor in step.layer.op.parameters(*step.x).items()}
    frozen = sum(counts[name] for name in step.layer.frozen)
    if frozen:
        yield Part("frozen", -frozen, "requires_grad is off")


PARAMS = base.params_by(dict.fromkeys(base.all_params(), _frozen))

PEER = Peer(
    "ptflops",
    "MACs",
    "a multiply-add is one; bias, norms, activations and pooling on top, many of them twice; for one sample",
    "0.7.5",
    PARAMS,
    _work,
)
