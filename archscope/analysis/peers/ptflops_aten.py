"""ptflops 0.7.5 by its backend ``aten``: operators below autograd (ptflops/aten_ops.py, ATEN_OPS_MAPPING).

Products and convolutions, with the biases that are part of their operators. A dense layer adds its bias in the
operator (addmm) if its input is a matrix or lies in order, and else in one of its own, which is not counted
(at::linear).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from archscope.analysis.peers import base, ptflops
from archscope.analysis.peers.base import Bridge, Part, Peer, bias_each, macs, nothing
from archscope.analysis.peers.torch_counter import NO_FORMULA, fused, lstm
from archscope.autograd.graph import Value
from archscope.autograd.strides import contiguous, is_contiguous
from archscope.autograd.tape import Tape
from archscope.design import Design
from archscope.design.graph import Ref
from archscope.design.steps import Step
from archscope.ops import Tensor

Lies = tuple[Value, ...]


def _dense(step: Step, x: Lies) -> Iterable[Part]:
    if base.has_bias(step) and (len(x[0].shape) == 2 or _in_order(x[0])):
        yield Part("bias", step.y[0].numel, "1 an output element, where the product adds it")


def _attention(step: Step, x: Lies) -> Iterable[Part]:
    """The projections work on sequences first; scores and values are not seen where the CPU fuses them."""
    if base.one_kernel(step):
        yield from NO_FORMULA(step)
        return
    swapped = bool(step.layer.op.arguments()["batch_first"])
    yield fused(step)
    if base.has_bias(step):
        projected = [value for value in (x if len(x) == 3 else x * 3) if _in_order(value, swapped=swapped)]
        embed = step.y[0].shape[-1]
        count = sum(prod(value.shape[:-1]) * embed for value in projected) + step.y[0].numel
        yield Part("bias", count, "1 a projected element, where the product adds it")


def _recurrent(step: Step, x: Lies) -> Iterable[Part]:
    """Biases of the hidden state, and of what arrives where that lies in order."""
    op = step.layer.op.arguments()
    if not op["bias"]:
        return
    steps = prod(step.x[0].shape[:2])
    biases = {name: t.numel for name, t in step.layer.op.parameters(*step.x).items() if name.startswith("bias")}
    if not _in_order(x[0], swapped=op["batch_first"]):
        biases = {name: count for name, count in biases.items() if not name.startswith("bias_ih_l0")}
    yield Part("bias", steps * sum(biases.values()), "1 a gate and step, where the product adds it")


def _in_order(x: Value, *, swapped: bool = False) -> bool:
    """Whether a tensor's elements lie in their order, its first two dimensions exchanged or not."""
    shape, strides = x.shape, x.strides or contiguous(x.shape)
    if swapped:
        shape, strides = (shape[1], shape[0], *shape[2:]), (strides[1], strides[0], *strides[2:])
    return is_contiguous(shape, strides)


def _lstm(step: Step, x: Lies) -> Iterable[Part]:
    return NO_FORMULA(step) if lstm(step) else _recurrent(step, x)


#: for layers whose count depends on how their inputs lie in memory
BY_MEMORY = {"Linear": _dense, "MultiheadAttention": _attention, "RNN": _recurrent, "GRU": _recurrent, "LSTM": _lstm}

RULES = base.table(
    (base.DECLARED, base.refused),
    (base.CELLS, base.cells({})),
    (("EmbeddingBag",), nothing),
    ((*base.CONVOLUTIONS, *base.TRANSPOSED), bias_each),
    (("Einsum", "MatMul"), nothing),
    (("ScaledDotProductAttention",), lambda step: (fused(step),)),
    (("Bilinear",), NO_FORMULA),
    ((*base.BATCH_NORMS, *base.INSTANCE_NORMS), nothing),
    (("GroupNorm", "LayerNorm", "LayerNorm2d", "RMSNorm", "LocalResponseNorm"), nothing),
    ((*base.MAX_POOLS, *base.AVG_POOLS, *base.POWER_POOLS), nothing),
    ((*base.ADAPTIVE_MAX_POOLS, *base.ADAPTIVE_AVG_POOLS), nothing),
    ((*base.ACTIVATIONS, *base.SOFTMAXES, *base.SUMS, *base.MOVES), nothing),
    (("Upsample", "Embedding", "Parameter"), nothing),
)


def _work(design: Design, steps: Sequence[Step]) -> Bridge:
    """Layer by layer; those that ask how their inputs lie are told."""
    wanted = any(step.layer.kind in BY_MEMORY and len(step.x[0].shape) > 2 for step in steps)
    lies = _memory(design, steps) if wanted else {}
    rules = dict(RULES)
    for kind, rule in BY_MEMORY.items():
        rules[kind] = lambda step, rule=rule: rule(step, lies.get(step.layer.name) or _plain(step))  # type: ignore[misc]
    return base.bridge(steps, sum(map(macs, steps)), rules)


def _plain(step: Step) -> Lies:
    """The inputs of a layer, their elements in order."""
    return tuple(_external(Tape(), tensor) for tensor in step.x)


def _external(tape: Tape, tensor: Tensor) -> Value:
    return tape.external(tensor.shape, tensor.dtype or "float32", "")


def _memory(design: Design, steps: Sequence[Step]) -> dict[str, Lies]:
    """The inputs of every layer as they lie in memory, in evaluation mode with gradients on."""
    tape = Tape(cuts=True)
    tape.training = False
    read = {ref: tensor for step in steps for ref, tensor in zip(step.layer.inputs, step.x, strict=True)}
    values = {Ref(node.name): _external(tape, read[Ref(node.name)]) for node in design.inputs if Ref(node.name) in read}
    weights: dict[str, dict[str, Value]] = {}
    lies: dict[str, Lies] = {}
    for step in steps:
        name = step.layer.name
        own = weights.setdefault(step.layer.owner, _weights(tape, step))
        lies[name] = tuple(values[ref] for ref in step.layer.inputs)
        result = step.layer.op.forward(tape, own, lies[name], step.y)
        for number, value in enumerate((result,) if isinstance(result, Value) else result):
            tape.hold(value)
            values[Ref(name, number)] = value
        tape.close()
    return lies


def _weights(tape: Tape, step: Step) -> dict[str, Value]:
    """A layer's parameters and buffers on the tape."""
    op, frozen = step.layer.op, step.layer.frozen
    parameters, buffers = op.parameters(*step.x), op.buffers(*step.x)
    return {name: tape.state(one.shape, "float32", "", leaf=name not in frozen) for name, one in parameters.items()} | {
        name: tape.state(one.shape, one.dtype or "float32", "") for name, one in buffers.items()
    }


PEER = Peer(
    "ptflops aten",
    "MACs",
    "a multiply-add is one; the biases that products and convolutions add on top",
    "0.7.5",
    ptflops.PARAMS,
    _work,
)
