"""Memory: what a training step holds, and what inference needs, to the byte.

Held in a training step: parameters, their gradients, the optimizer's state, buffers, the input, and what autograd keeps
of the forward pass until the backward pass has used it. What is kept is counted by storage, as it lies in memory: a
tensor that several layers keep counts once, a view counts with what it is a view of, an activation in place with its
input. What a single kernel needs in passing (a workspace, a gradient on its way) is no part of it.

At inference an activation lives until its last reader has run; views and layers in place make none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from archscope.analysis.cost import ITEM_BYTES
from archscope.analysis.traversal import Step, walk
from archscope.arith import prod
from archscope.design import Design
from archscope.errors import UsageError
from archscope.graph import Ref
from archscope.ops import Tensor
from archscope.ops.base import Pointwise, Training
from archscope.ops.keeping import Keep
from archscope.ops.strides import Strides, contiguous, is_contiguous, reshaped
from archscope.ops.windows import Rearranged

#: what tells a piece of memory: the number of a storage, or a layer and a name of its own
_Key = int | tuple[str, str]

_FLOATING = ("float32", "bfloat16")

#: optimizers by name: tensors of the parameters' size that they keep, and whether they count steps for each parameter
OPTIMIZERS: Mapping[str, tuple[int, bool]] = {
    "none": (0, False), "sgd": (0, False), "momentum": (1, False), "nesterov": (1, False), "adam": (2, True),
    "adamw": (2, True), "rmsprop": (1, True), "adagrad": (1, True), "lamb": (2, False),
}  # fmt: skip
_STEP = 4  # a step counter is one float32

#: bits of a weight, by format
WEIGHT_BITS: Mapping[str, int] = {"float32": 32, "bfloat16": 16, "int8": 8, "int4": 4, "binary": 1}


@dataclass(frozen=True, slots=True)
class Kept:
    """A piece of memory that is kept for the backward pass.

    Attributes:
        layer: the first layer that keeps it.
        what: what it is: ``output of conv1``, ``the indices``, ...
        shared: the other layers that keep it, too.
    """

    layer: str
    what: str
    bytes: int
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """The memory of a design.

    Attributes:
        parameters, buffers, gradients, optimizer_state, inputs: bytes of each.
        kept: what autograd keeps, in the order of the forward pass.
        activations: bytes of all activations of an inference, none reused.
        peak: bytes of the activations that live at once at inference, the inputs among them.
        peak_layer: the layer at which they do.
    """

    design: Design
    batch: int
    precision: str
    optimizer: str
    parameters: int
    buffers: int
    gradients: int
    optimizer_state: int
    inputs: int
    kept: tuple[Kept, ...]
    activations: int
    peak: int
    peak_layer: str

    @cached_property
    def kept_bytes(self) -> int:
        """All that autograd keeps, the input too where a layer keeps it."""
        return sum(piece.bytes for piece in self.kept)

    @cached_property
    def by_layer(self) -> dict[str, int]:
        """What each layer keeps that no layer before it keeps."""
        found = {layer.name: 0 for layer in self.design.layers}
        for piece in self.kept:
            found[piece.layer] += piece.bytes
        return found

    @property
    def training(self) -> int:
        """Held at the end of the forward pass and until the step is done, each piece once."""
        inputs = {_input(node.name) for node in self.design.inputs}
        input_kept = sum(piece.bytes for piece in self.kept if piece.what in inputs)
        held = self.parameters + self.buffers + self.gradients + self.optimizer_state + self.inputs
        return held + self.kept_bytes - input_kept

    @property
    def inference(self) -> int:
        """Parameters, buffers, and the activations that live at once."""
        return self.parameters + self.buffers + self.peak

    def weights_as(self, form: str) -> int:
        """Bytes of the parameters alone in a format of :data:`WEIGHT_BITS`, rounded up to whole bytes."""
        return -(-self.parameters // 4 * WEIGHT_BITS[form] // 8)


def memory(
    design: Design, *, batch: int = 1, optimizer: str = "sgd", precision: str = "float32", device: str = "cpu"
) -> Memory:
    """The memory of a training step and of an inference.

    Args:
        optimizer: one of :data:`OPTIMIZERS`.
        precision: ``float32``, or ``bf16-mixed``: torch.autocast to bfloat16 around the forward pass.
        device: ``cpu`` or ``cuda``; what is kept differs in a dropout's mask. Mixed precision is known of the CPU.

    Raises:
        UsageError: an unknown optimizer, precision or device, or a layer of which mixed precision is not known.
    """
    _choose("optimizer", optimizer, OPTIMIZERS)
    _choose("precision", precision, ("float32", "bf16-mixed"))
    _choose("device", device, ("cpu", "cuda"))
    if precision == "bf16-mixed" and device == "cuda":
        raise UsageError("mixed precision is known of the CPU only")
    steps = walk(design.graph, batch)
    own = [step for step in steps if step.layer.shares is None]
    parameters = [(step, tensor) for step in own for tensor in step.layer.op.parameters(*step.x).values()]
    trained = [tensor for step, tensor in parameters if not step.layer.frozen]
    buffers = [tensor for step in own for tensor in step.layer.op.buffers(*step.x).values()]
    states, counts = OPTIMIZERS[optimizer]
    gradients = 0 if optimizer == "none" else sum(map(_bytes, trained))
    kept = () if optimizer == "none" else tuple(_Forward(design, batch, precision, device).kept(steps))
    activations, peak, peak_layer = _inference(design, batch, steps)
    return Memory(
        design,
        batch,
        precision,
        optimizer,
        sum(_bytes(tensor) for _, tensor in parameters),
        sum(map(_bytes, buffers)),
        gradients,
        states * gradients + (len(trained) * _STEP if counts else 0),
        sum(_bytes(node.tensor(batch)) for node in design.inputs),
        kept,
        activations,
        peak,
        peak_layer,
    )


def _input(name: str) -> str:
    return "the input" if name == "input" else f"the input {name}"


def _choose(what: str, given: str, known: Mapping[str, object] | tuple[str, ...]) -> None:
    if given not in known:
        raise UsageError(f"unknown {what} {given}; one of {', '.join(known)}")


def _bytes(tensor: Tensor, floating: str = "float32") -> int:
    return prod(tensor.shape) * ITEM_BYTES[tensor.dtype or floating]


@dataclass(slots=True)
class _Place:
    """Where a tensor lies: a piece of memory and its strides in it.

    Attributes:
        storage: a number; negative for that of a parameter.
        bytes: of the whole piece.
        dtype: the floating type; of other types what they are.
    """

    storage: int
    bytes: int
    what: str
    strides: Strides
    dtype: str


class _Forward:
    """A forward pass in training, followed through memory."""

    def __init__(self, design: Design, batch: int, precision: str, device: str) -> None:
        self._lower = "bfloat16" if precision == "bf16-mixed" else None
        self._device = device
        self._count = 0
        self._places: dict[Ref, _Place] = {}
        self._region_of: dict[str, str] = {}  # of the layers so far, the region that is recomputed as one
        for node in design.inputs:
            tensor = node.tensor(batch)
            self._places[Ref(node.name)] = self._new(tensor, tensor.dtype or "float32", _input(node.name))

    def _new(self, tensor: Tensor, dtype: str, what: str) -> _Place:
        self._count += 1
        size = _bytes(tensor, dtype if dtype in _FLOATING else "float32")
        return _Place(self._count, size, what, contiguous(tensor.shape), dtype)

    def kept(self, steps: tuple[Step, ...]) -> Iterator[Kept]:
        """All that the steps keep, each piece once, in order of the layers that keep it first."""
        pieces: dict[_Key, tuple[str, int, list[str]]] = {}
        for step in steps:
            self.lay(step)
            for key, what, size in self._recomputed(step) if step.layer.checkpoint else self._keeps(step):
                _, _, layers = pieces.setdefault(key, (what, size, []))
                if step.layer.name not in layers:
                    layers.append(step.layer.name)
        for what, size, (first, *others) in pieces.values():
            yield Kept(first, what, size, tuple(others))

    def _recomputed(self, step: Step) -> Iterator[tuple[_Key, str, int]]:
        """Of a block that is recomputed in the backward pass, what it reads from outside is kept, and nothing else.

        As torch.utils.checkpoint does with ``use_reentrant=False``; the block is the outermost one that says so.
        """
        for ref in step.layer.inputs:
            place = self._places[ref]
            if self._region_of.get(ref.node) != step.layer.checkpoint and place.storage >= 0:
                yield place.storage, place.what, place.bytes

    # -- places ---

    def _computes_in(self, step: Step) -> str:
        """The floating type in which a layer computes."""
        arriving = [place.dtype for place in self._arriving(step) if place.dtype in _FLOATING]
        widest = "float32" if "float32" in arriving or not arriving else arriving[0]
        mode = step.layer.op.autocast
        if self._lower is None or mode == "as it comes" or (mode == "widens" and len(step.x[0].shape) <= 3):
            return widest
        if mode == "unknown":
            raise UsageError(f"{step.layer.name}: what mixed precision does to {step.layer.kind} is not known")
        return self._lower if mode == "lower" else "float32"

    def _arriving(self, step: Step) -> list[_Place]:
        return [self._places[ref] for ref in step.layer.inputs]

    def laid_out_anew(self, step: Step, number: int) -> bool:
        """Whether an output that is a view of its input has to be copied: the input does not lie in order."""
        return self._viewed(step, number, self._places[step.layer.inputs[0]]) is None

    def lay(self, step: Step) -> None:
        """Give the outputs of a layer their places."""
        op, name = step.layer.op, step.layer.name
        if step.layer.checkpoint is not None:
            self._region_of[name] = step.layer.checkpoint
        floating = self._computes_in(step)
        for number, tensor in enumerate(step.y):
            ref = Ref(name, number)
            what = f"the output of {name}" if len(step.y) == 1 else f"output {number} of {name}"
            if op.lends_weights:
                self._places[ref] = _Place(-1, 0, what, contiguous(tensor.shape), floating)
                continue
            source = self._arriving(step)[0] if step.layer.inputs else None
            if source is not None and op.in_place():
                strides = self._viewed(step, number, source)
                if strides is not None:
                    self._places[ref] = _Place(source.storage, source.bytes, source.what, strides, source.dtype)
                    continue
            self._places[ref] = self._new(tensor, tensor.dtype or floating, what)
            same = source is not None and isinstance(op, Pointwise) and step.x[0].shape == tensor.shape
            if same and source is not None and _dense(tensor.shape, source.strides):
                self._places[ref].strides = source.strides

    @staticmethod
    def _viewed(step: Step, number: int, source: _Place) -> Strides | None:
        """Strides of an output in its input's memory; ``None`` where torch has to copy."""
        op, x, y = step.layer.op, step.x[0], step.y[number]
        if not op.view:
            return source.strides
        (reads,) = op.reads(step.x, step.y, number)
        if isinstance(reads, Rearranged):
            return reshaped(x.shape, source.strides, y.shape)
        assert reads is not None
        strides = [0] * len(y.shape)
        for entry, step_in in zip(reads.axes, source.strides, strict=True):
            if entry is not None:
                strides[entry[0]] = step_in * getattr(entry[1], "stride", 1)
        return tuple(strides)

    # -- what is kept ---

    def _keeps(self, step: Step) -> Iterator[tuple[_Key, str, int]]:
        """Key, description and bytes of all that a layer keeps; parameters themselves are left out."""
        layer, x, y = step.layer, step.x, step.y
        parameters = layer.op.parameters(*x)
        training = Training(step.needs, bool(parameters) and not layer.frozen, self._device)
        if not training.any:
            return
        floating = self._computes_in(step)
        for number, keep in enumerate(layer.op.keeps(x, y, training)):
            if keep.source == "own":
                assert keep.tensor is not None
                yield (layer.name, f"own {number}"), keep.what, _bytes(keep.tensor, floating)
            elif keep.source == "weight":
                if self._lower is not None and floating == self._lower:
                    size = _bytes(parameters[keep.what], floating)
                    yield (layer.shares or layer.name, keep.what), f"{keep.what}, cast to {floating}", size
            else:
                yield self._tensor(step, keep, floating)

    def _tensor(self, step: Step, keep: Keep, floating: str) -> tuple[_Key, str, int]:
        """An input or output that is kept: where it lies, or a copy of it that torch makes."""
        name = step.layer.name
        if keep.source == "output":
            place = self._places[Ref(name, keep.place)]
            return place.storage, place.what, place.bytes
        tensor, place = step.x[keep.place], self._places[step.layer.inputs[keep.place]]
        casts = self._lower is not None and step.layer.op.autocast in ("lower", "float32")
        if casts and place.dtype in _FLOATING and place.dtype != floating:
            return (name, f"cast {keep.place}"), f"{place.what}, cast to {floating}", _bytes(tensor, floating)
        flat = len(tensor.shape) > 2 and step.layer.op.flattens
        if flat and reshaped(tensor.shape, place.strides, (prod(tensor.shape[:-1]), tensor.shape[-1])) is None:
            return (name, f"copy {keep.place}"), f"{place.what}, laid out in order", _bytes(tensor, floating)
        if place.storage < 0:
            return (name, "parameter"), "a parameter", 0
        return place.storage, place.what, place.bytes


def _dense(shape: tuple[int, ...], strides: Strides) -> bool:
    """Whether a tensor fills its memory, in whatever order of its dimensions."""
    order = sorted((dim for dim in range(len(shape)) if shape[dim] != 1), key=lambda dim: -strides[dim])
    return is_contiguous([shape[dim] for dim in order], tuple(strides[dim] for dim in order))


# -- inference ---------------------------------------------------------------------------------------------------------


def _inference(design: Design, batch: int, steps: tuple[Step, ...]) -> tuple[int, int, str]:
    """Bytes of all activations, of those that live at once, and the layer at which they do."""
    inputs = {Ref(node.name): _bytes(node.tensor(batch)) for node in design.inputs}
    owner, size = _owners(design, batch, steps)
    last = {owner[Ref(step.layer.name, number)]: at for at, step in enumerate(steps) for number in range(len(step.y))}
    last |= {owner[ref]: at for at, step in enumerate(steps) for ref in step.layer.inputs}
    last |= dict.fromkeys([*inputs, *(owner[ref] for _, ref in design.outputs)], len(steps))  # the caller holds them
    dying: dict[int, int] = {}
    for ref, at in last.items():
        dying[at] = dying.get(at, 0) + (size | inputs)[ref]
    peak = live = sum(inputs.values())
    layer = ""
    for at, step in enumerate(steps):
        live += sum(size.get(Ref(step.layer.name, number), 0) for number in range(len(step.y)))
        if live > peak:
            peak, layer = live, step.layer.name
        live -= dying.get(at, 0)
    return sum(size.values()), peak, layer


def _owners(design: Design, batch: int, steps: tuple[Step, ...]) -> tuple[dict[Ref, Ref], dict[Ref, int]]:
    """For each tensor the one in whose memory it lies at inference, and the bytes of those that lie in their own."""
    owner = {Ref(node.name): Ref(node.name) for node in design.inputs}
    size: dict[Ref, int] = {}
    places = _Forward(design, batch, "float32", "cpu")
    for step in steps:
        op = step.layer.op
        places.lay(step)
        for number, tensor in enumerate(step.y):
            ref = Ref(step.layer.name, number)
            shares = bool(step.layer.inputs) and op.in_place(training=False)
            if shares and places.laid_out_anew(step, number):
                shares = False
            owner[ref] = owner[step.layer.inputs[0]] if shares else ref
            if not shares:
                size[ref] = 0 if op.lends_weights else _bytes(tensor)
    return owner, size
