"""What every layer of a step computes and moves: FLOPs, bytes, and calls, forward and backward.

Forward: inputs, parameters and buffers are read once, at the width that they have, and all that the layer makes is
written once (its outputs, a max pool's indices, what autocast casts, as :mod:`archscope.autograd` follows torch); what
it makes in passing is not counted again where it is read. A layer in place writes what it reads; a view moves nothing;
a table that is looked up by whole numbers is read where it is looked up. Backward: the gradients of the outputs and
what autograd keeps of the layer are read once, and all that the backward pass makes is written once: gradients of
inputs and weights, and sums of them. A gradient that is handed on as it is moves nothing. A recomputed layer moves its
forward pass once more. The update reads and writes parameters and the optimizer's state, and reads the gradients.

FLOPs are 2 x MACs of contractions. A call is one kernel that makes something new; a layer in place is one, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from archscope.analysis.account import Row, analyze
from archscope.analysis.optimizers import OPTIMIZERS
from archscope.analysis.run import Plan, Run
from archscope.analysis.traversal import Step, walk
from archscope.arith import minimum
from archscope.autograd.dtypes import ITEM_BYTES
from archscope.autograd.tape import Storage, Tape, Value
from archscope.design import Design
from archscope.errors import UsageError, suggestion
from archscope.graph import Ref
from archscope.ops import Tensor

_Result = TypeVar("_Result")

LOSS, UPDATE = "the loss", "the update"
MODES = ("train", "infer")

#: kinds of layers that a machine runs at different speeds: those that contract, and those that only move
CONTRACTING = ("convolution", "pointwise", "grouped", "depthwise", "product", "recurrent")
MOVING = ("elementwise", "normalization", "pooling", "update")


class Numbers(NamedTuple):
    """How numbers are held and multiplied.

    Attributes:
        multiplied: number types in which contractions run, the first that a device has.
        floating: the type of weights and inputs.
        lower: the type that torch.autocast lowers to, if any.
    """

    multiplied: tuple[str, ...]
    floating: str
    lower: str | None = None


#: by the name that ``--dtype`` takes
NUMBERS = {
    "float32": Numbers(("float32",), "float32"),
    "tf32": Numbers(("tf32",), "float32"),
    "bf16": Numbers(("bf16",), "bfloat16"),
    "fp16": Numbers(("fp16",), "float16"),
    "amp": Numbers(("bf16", "fp16"), "float32", "bfloat16"),  # float16 is as wide
}


@dataclass(frozen=True, slots=True)
class Moved:
    """The work of one pass.

    Attributes:
        flops: 2 x multiply-accumulates of contractions.
        bytes: read and written.
        calls: of kernels.
    """

    flops: int = 0
    bytes: int = 0
    calls: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.flops + other.flops, self.bytes + other.bytes, self.calls + other.calls)


@dataclass(frozen=True)
class Part:
    """A part of a step: a layer, the loss, or the update.

    Attributes:
        kind: one of :data:`CONTRACTING` or :data:`MOVING`.
        recomputed: whether the backward pass runs its forward pass again.
    """

    name: str
    op: str
    kind: str
    forward: Moved
    backward: Moved = Moved()
    recomputed: bool = False

    def record(self) -> dict[str, Any]:
        """The same as plain data, a row of a table."""
        passes = (("forward", self.forward), ("backward", self.backward))
        moved = {f"{way}_{name}": getattr(one, name) for way, one in passes for name in ("flops", "bytes", "calls")}
        return {"name": self.name, "op": self.op, "kind": self.kind, **moved}


def numbers(dtype: str) -> Numbers:
    """The numbers of a ``--dtype``.

    Raises:
        UsageError: there is none of that name.
    """
    if dtype not in NUMBERS:
        raise UsageError(f"unknown dtype {dtype}; one of {', '.join(NUMBERS)}")
    return NUMBERS[dtype]


def traffic(
    design: Design, *, batch: int = 1, dtype: str = "float32", mode: str = "train", optimizer: str = "sgd"
) -> tuple[Part, ...]:
    """All parts of a step in the order of the forward pass; in training the loss and the update at the end.

    Args:
        dtype: one of :data:`NUMBERS`.
        mode: ``train``, or ``infer``: the forward pass alone.

    Raises:
        UsageError: an unknown dtype or mode, or a batch that a layer does not allow.
    """
    if mode not in MODES:
        hint = suggestion(mode, MODES)
        raise UsageError(f"unknown mode {mode}; {hint or 'one of ' + ', '.join(MODES)}")
    seen = _Seen(design, batch, numbers(dtype), training=mode == "train")
    again = _recomputed(design, seen) if mode == "train" else frozenset()
    rows = analyze(design, batch=batch).rows
    parts = [_part(one, row, seen, again) for one, row in zip(seen.steps, rows, strict=True)]
    if mode == "train" and seen.written["loss", LOSS]:
        parts += [seen.loss(), seen.update(optimizer)]
    return tuple(parts)


class _Seen:
    """A step run on a tape, and what was seen of it.

    Attributes:
        kept: what autograd keeps of each layer; of state (weights) the bytes apart.
        written: bytes that are made, by phase and layer.
        calls: allocations by phase and layer.
    """

    def __init__(self, design: Design, batch: int, form: Numbers, *, training: bool) -> None:
        self.form, self.batch = form, batch
        self.steps = walk(design.graph, batch)
        plain = replace(design, layers=tuple(replace(layer, checkpoint=None) for layer in design.layers))
        self._tape = Tape(lower=form.lower, floating=form.floating, traffic=True)
        self._tape.training = self._tape.grad = training
        self.run = Run(Plan(plain, batch, walk(plain.graph, batch), form.floating), self._tape)
        self.kept: dict[str, dict[Storage, None]] = {}
        self.written: Counter[tuple[str, str]] = Counter()
        self._read = 0
        outputs = self._observed("forward", self.run.forward)
        if training:
            self._train(outputs)
        self.calls = Counter((phase, layer) for phase, layer, _ in self._tape.events)

    def _observed(self, phase: str, work: Callable[[], _Result]) -> _Result:
        """Do something, and note what it makes."""
        traffic = self._tape.traffic
        assert traffic is not None
        begin = len(traffic)
        result = work()
        for storage, born in traffic[begin:]:
            if born:
                self.written[phase, storage.layer] += storage.bytes
        return result

    def _train(self, outputs: list[Value]) -> None:
        self._read = sum(value.storage.bytes for value in outputs if value.node is not None)
        loss = self._observed("loss", lambda: self.run.loss(outputs))
        if loss is not None:
            for node in self._tape.nodes:
                self.kept.setdefault(node.layer, {}).update(dict.fromkeys(node.saved))
            self._observed("backward", lambda: self._tape.backward(loss))

    def width(self, ref: Ref, tensor: Tensor) -> int:
        """Bytes of a tensor as it was seen."""
        return tensor.numel * ITEM_BYTES[tensor.dtype or self.run.dtypes.get(ref, self.form.floating)]

    def loss(self) -> Part:
        """The loss reads the outputs."""
        forward = Moved(0, self._read + self.written["loss", LOSS], self.calls["loss", LOSS])
        return Part(LOSS, "", "elementwise", forward, self.backward(LOSS, 0, 0, state=False))

    def backward(self, name: str, outputs: int, flops: int, *, state: bool) -> Moved:
        """A backward pass: none where nothing is made.

        Args:
            outputs: bytes of their gradients.
            state: whether weights that are kept are read, too.
        """
        written = self.written["backward", name]
        if not written:
            return Moved()
        kept = sum(storage.bytes for storage in self.kept.get(name, ()) if state or not storage.state)
        return Moved(flops, outputs + kept + written, self.calls["backward", name])

    def update(self, optimizer: str) -> Part:
        """The update: parameters and state are read and written, gradients are read."""
        trained = [value.storage.bytes for value in self.run.trained if value.node in self._tape.gradients]
        times = 3 + 2 * OPTIMIZERS[optimizer].states
        return Part(UPDATE, optimizer, "update", Moved(0, times * sum(trained), len(trained)))


def _part(one: Step, row: Row, seen: _Seen, again: frozenset[str]) -> Part:
    name, cost = one.layer.name, row.cost
    outputs = sum(seen.width(Ref(name, number), tensor) for number, tensor in enumerate(one.y))
    forward = _forward(one, seen, 2 * cost.macs, outputs)
    flops = 2 * (cost.input_grad_macs + cost.weight_grad_macs)
    backward = seen.backward(name, outputs, flops, state=any(one.needs))
    again_too = backward + forward if name in again else backward
    return Part(name, one.layer.kind, kind_of(one), forward, again_too, name in again)


def _forward(one: Step, seen: _Seen, flops: int, outputs: int) -> Moved:
    op, place = one.layer.op, ("forward", one.layer.name)
    calls, written = seen.calls[place], seen.written[place]
    if not calls and op.arguments().get("inplace"):
        calls, written = 1, outputs
    read = _read(one, seen, outputs) if calls else 0
    return Moved(flops, read + written, calls)


def _read(one: Step, seen: _Seen, outputs: int) -> int:
    """Bytes that a forward pass reads: inputs, parameters, buffers."""
    op = one.layer.op
    inputs = sum(seen.width(ref, tensor) for ref, tensor in zip(one.layer.inputs, one.x, strict=True))
    own = [*op.parameters(*one.x).values(), *op.buffers(*one.x).values()]
    state = sum(tensor.numel * ITEM_BYTES[tensor.dtype or seen.form.floating] for tensor in own)
    looked_up = all(tensor.dtype is not None for tensor in one.x)
    return inputs + (minimum(state, outputs) if looked_up else state)


def _recomputed(design: Design, seen: _Seen) -> frozenset[str]:
    """The layers that the backward pass runs again: of each block those up to the last one that keeps something."""
    blocks: dict[str, list[str]] = {}
    for layer in design.layers:
        if layer.checkpoint is not None:
            blocks.setdefault(layer.checkpoint, []).append(layer.name)
    return frozenset(name for layers in blocks.values() for name in _needed(layers, seen))


def _needed(layers: list[str], seen: _Seen) -> Iterator[str]:
    keeping = [number for number, name in enumerate(layers) if seen.kept.get(name)]
    yield from layers[: keeping[-1] + 1] if keeping else ()


def kind_of(one: Step) -> str:
    """What a machine sees in a layer."""
    op = one.layer.op
    if any(op.contractions(one.x, one.y)):
        return _contracting(one)
    family = type(op).__module__.rpartition(".")[2]
    return family if family in ("normalization", "pooling") else "elementwise"


def _contracting(one: Step) -> str:
    op = one.layer.op
    if op.category != "conv":
        return "recurrent" if type(op).__module__.endswith(".recurrent") else "product"
    arguments = op.arguments()
    groups = arguments["groups"]
    if groups > 1:
        return "depthwise" if groups == one.x[0].shape[1] else "grouped"
    return "pointwise" if all(size == 1 for size in arguments["kernel_size"]) else "convolution"
