"""Memory: what a training step holds at every moment, and what inference needs, to the byte.

A training step is run on a tape (:mod:`archscope.autograd`): forward, loss, backward, and the optimizer's update, each
allocation in its place. What autograd keeps is counted by storage, as it lies in memory: a tensor that several layers
keep counts once, a view counts with what it is a view of, an activation in place with its input.

Copies that torch makes of what does not lie in order (behind a transposition) count, those within its kernels, too;
what else a kernel allocates inside itself (a workspace) is not seen here, as it is not by torch's dispatcher.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from archscope.analysis.step.cuda import OnCuda, Traffic
from archscope.analysis.step.run import Plan, Run
from archscope.arith import largest
from archscope.autograd.dtypes import ITEM_BYTES
from archscope.autograd.graph import Storage
from archscope.autograd.loops import Uneven
from archscope.autograd.tape import Tape
from archscope.autograd.versions import FOREACH
from archscope.collecting import uncollected
from archscope.design import Design, hold_designs
from archscope.design.steps import Step
from archscope.errors import UsageError
from archscope.ops import Tensor
from archscope.setting import Setting
from archscope.setting.devices import DEVICES, WORKSPACE
from archscope.shown import Shown

#: bits of a weight, by format
WEIGHT_BITS: Mapping[str, int] = {"float32": 32, "bfloat16": 16, "int8": 8, "int4": 4, "binary": 1}

#: what lives at the peak: gradients are those of parameters; what is temporary dies before the step is done, and
#: autograd does not keep it
KINDS = ("parameters", "buffers", "optimizer state", "inputs", "gradients", "saved tensors", "temporary")

#: parts of a training step
PHASES = ("forward", "loss", "backward", "optimizer")


class Saved(NamedTuple):
    """A piece of memory that autograd keeps for the backward pass: of a saved tensor.

    Attributes:
        layer: the first layer that saves it.
        what: what it is: ``output of conv1``, ``the indices``, ...
        shared: the other layers that save it, too.
    """

    layer: str
    what: str
    bytes: int
    shared: tuple[str, ...] = ()


class Moment(NamedTuple):
    """An allocation in a training step.

    Attributes:
        phase: one of :data:`PHASES`.
        layer: the layer at work.
        live: bytes that live then.
    """

    phase: str
    layer: str
    live: int


class Piece(NamedTuple):
    """A piece of memory that lives at the peak of a training step.

    Attributes:
        kind: one of :data:`KINDS`.
    """

    kind: str
    layer: str
    what: str
    bytes: int


@dataclass(frozen=True)
class Memory(Shown, report="memory"):
    """The memory of a design.

    Attributes:
        setting: how it is run.
        parameters, buffers, gradients, optimizer_state, inputs: bytes of each; inputs with the loss's targets.
        saved: what autograd keeps, in the order of the forward pass.
        timeline: all allocations of a training step; of loops of very many steps the first and the last.
        activations: bytes of all that an inference allocates, none reused.
        inferring: all allocations of an inference.
        peak: bytes that live at once at inference besides parameters and buffers, the inputs among them.
        traffic: what a step asks of the allocator of a CUDA device, if it is one.
        unfolded: bytes that it takes more there at most, if cuDNN unfolds the inputs of convolutions.
        at_peak: all that lives at the peak of a training step, the largest first.
    """

    design: Design
    setting: Setting
    parameters: int
    buffers: int
    gradients: int
    optimizer_state: int
    inputs: int
    saved: tuple[Saved, ...]
    timeline: tuple[Moment, ...]
    activations: int
    inferring: tuple[Moment, ...]
    peak: int
    traffic: Traffic | None = field(default=None, repr=False, compare=False)
    unfolded: int = 0
    at_peak: tuple[Piece, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def cuda(self) -> OnCuda | None:
        """What the step shows on a CUDA device, if it is one."""
        if self.traffic is None:
            return None
        return OnCuda(*self.traffic.most(), self.traffic.workspace, (0, self.unfolded))

    @cached_property
    def saved_bytes(self) -> int:
        """All that autograd keeps, the input too where a layer keeps it."""
        return sum(piece.bytes for piece in self.saved)

    @cached_property
    def by_layer(self) -> dict[str, int]:
        """What each layer keeps that no layer before it keeps."""
        sizes = {layer.name: 0 for layer in self.design.layers}
        for piece in self.saved:
            sizes[piece.layer] += piece.bytes
        return sizes

    @cached_property
    def top(self) -> Moment:
        """The moment of a training step at which most memory lives."""
        return max(self.timeline, key=lambda moment: moment.live, default=Moment("forward", "", self.training))

    @cached_property
    def peak_layer(self) -> str:
        """The layer at which most memory lives at inference; empty if that is so before any."""
        return next((moment.layer for moment in self.inferring if moment.live == self.inference), "")

    @property
    def training(self) -> int:
        """Bytes at the peak of a training step; where nothing is trained, those of an inference."""
        return largest(moment.live for moment in self.timeline) if self.timeline else self.inference

    @cached_property
    def needed(self) -> int:
        """Bytes that a device has to have for a training step (without one, for an inference).

        On CUDA the least with which the allocator gets through, in whole segments; what cuDNN takes for itself, which
        cannot be known, is not in it, nor is the CUDA context.
        """
        if not self.setting.trains:
            return self.inference
        return self.training if self.traffic is None else self.traffic.least()

    def fits(self, limit: int) -> bool:
        """Whether :attr:`needed` is within a limit, found out at less expense."""
        if not self.setting.trains or self.traffic is None:
            return self.needed <= limit
        return self.traffic.fits(limit)

    @property
    def inference(self) -> int:
        """Parameters, buffers, and what else lives at once."""
        return self.parameters + self.buffers + self.peak

    @cached_property
    def peak_by_kind(self) -> dict[str, int]:
        """Bytes of each of :data:`KINDS` at the peak of a training step; they add up to it."""
        sizes = dict.fromkeys(KINDS, 0)
        for piece in self.at_peak:
            sizes[piece.kind] += piece.bytes
        return sizes

    @property
    def floating(self) -> str:
        """The type in which the parameters are held."""
        return self.setting.numbers.floating

    def weights_as(self, form: str) -> int:
        """Bytes of the parameters alone in a format of :data:`WEIGHT_BITS`, rounded up to whole bytes."""
        return -(-sum(tensor.numel for tensor in self._weights) * WEIGHT_BITS[form] // 8)

    @property
    def types(self) -> tuple[str, ...]:
        """The types in which the parameters are held, that of the run first."""
        dtypes = dict.fromkeys(tensor.dtype or self.floating for tensor in self._weights)
        return tuple(sorted(dtypes, key=lambda dtype: dtype != self.floating)) or (self.floating,)

    @cached_property
    def _weights(self) -> tuple[Tensor, ...]:
        steps = self.design.steps(self.setting.batch, self.setting.types)
        own = (one.layer.parameters(*one.x) for one in steps if one.layer.shares is None)
        return tuple(tensor for state in own for tensor in state.values())


def hold_known(setting: Setting) -> None:
    """Hold that it is known what a run takes.

    Raises:
        UsageError: it is not.
    """
    setting.numbers.runs("memory")
    if setting.compile:
        raise UsageError("the memory of a compiled step is not known: torch.compile decides what it keeps")


def memory(design: Design, setting: Setting | None = None, **changes: Any) -> Memory:
    """The memory of a training step and of an inference.

    The step is ``loss = criterion(module(inputs)); loss.backward(); optimizer.step()`` behind the first one, which
    makes the optimizer's state; the gradients of the step before are gone (``zero_grad``), or, with ``accumulate``,
    are added to. The loss is cross-entropy. Under torch.autocast are forward pass and loss.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        UsageError: an impossible setting, or a layer of which one of its precision, device and version is not known.
    """
    hold_designs(design)
    setting = Setting.of(setting, **changes)
    hold_known(setting)
    on_cuda = setting.kind == "cuda"
    plan = _plan(design, setting)
    run, before, (activations, inferring) = _ran(plan, setting)
    traffic = _traffic(run, setting.device) if on_cuda and run.tape.events else None
    parameters, state = (sum(storage.bytes for storage in storages) for storages in (run.parameters, run.state))
    return Memory(
        design,
        setting,
        parameters=parameters,
        buffers=state - parameters,
        gradients=0 if not setting.trains else sum(value.storage.bytes for value in run.trained),
        optimizer_state=sum(value.storage.bytes for value in run.optimizer_state),
        inputs=sum(value.storage.bytes for value in (*run.inputs, *run.targets)),
        saved=tuple(_saved(run)),
        timeline=tuple(map(Moment._make, run.tape.events)),
        activations=activations,
        inferring=tuple(map(Moment._make, inferring)),
        peak=largest([before, *(live for _, _, live in inferring)]) - state,
        traffic=traffic,
        unfolded=0 if traffic is None else _more_unfolded(run),
        at_peak=tuple(sorted(_at_peak(run), key=lambda piece: -piece.bytes)),
    )


def _at_peak(run: Run) -> Iterator[Piece]:
    """What lives when most does."""
    live = [live for _, _, live in run.tape.events]
    kinds = _kinds(run)
    for storage, times in run.tape.living(live.index(max(live))).items() if live else ():
        kind = kinds.get(storage, "temporary")
        yield Piece(kind, storage.layer, _of_steps(storage, times), storage.bytes * times)


def _kinds(run: Run) -> dict[Storage, str]:
    """The kind of each storage of a step that is not temporary."""
    kinds = {storage: "saved tensors" for _, storage in run.keeps}
    kinds |= {value.storage: "gradients" for value in run.tape.gradients.values()}
    kinds |= {value.storage: "inputs" for value in (*run.inputs, *run.targets)}
    kinds |= {value.storage: "optimizer state" for value in run.optimizer_state}
    kinds |= dict.fromkeys(run.state, "buffers")
    return kinds | dict.fromkeys(run.parameters, "parameters")


def _traffic(run: Run, device: str) -> Traffic:
    """What the step asks of the caching allocator of a device."""
    traffic = run.tape.traffic
    assert traffic is not None
    begin, update = run.parts
    state = dict.fromkeys(value.storage for value in run.optimizer_state)
    standing = tuple(storage for storage, _ in traffic[:begin] if storage not in state)
    products = any(
        one.layer.op.category != "conv" and any(one.layer.op.contractions(one.x, one.y)) for one in run.plan.steps
    )
    size = (DEVICES[device].workspace if device in DEVICES else WORKSPACE) if products else 0
    return Traffic(standing, tuple(traffic[begin:update]), tuple(state), tuple(traffic[update:]), size)


def _more_unfolded(run: Run) -> int:
    """What the step takes more at most, if every convolution unfolds its input."""
    unfolded = {one.layer.name: _unfolded(one) for one in run.plan.steps if one.layer.op.category == "conv"}
    live = [(moment[2], moment[2] + unfolded.get(moment[1], 0)) for moment in run.tape.events]
    return max(most for _, most in live) - max(least for least, _ in live)


def _unfolded(one: Step) -> int:
    """Bytes of a convolution's input unfolded into a matrix: for each output position a window of all channels."""
    op = one.layer.op
    (contraction,) = op.contractions(one.x, one.y)
    rows = op.parameters(*one.x)["weight"].shape[0]
    return contraction.macs * int(op.arguments()["groups"]) // rows * ITEM_BYTES["float32"]


def _plan(design: Design, setting: Setting) -> Plan:
    return Plan(design, setting.batch, design.steps(setting.batch, setting.types), setting.numbers.floating)


class _Ran(NamedTuple):
    """A run with an inference and a training step behind it.

    Attributes:
        before: bytes that lived before both.
        inferred: what the inference allocated in all, and its events.
    """

    run: Run
    before: int
    inferred: tuple[int, list[tuple[str, str, int]]]


@uncollected()
def _ran(plan: Plan, setting: Setting, *, cuts: bool = True) -> _Ran:
    """Run a design; loops of very many steps in part, if what they do is alike."""
    run = _start(plan, setting, cuts=cuts)
    before = run.tape.live
    try:
        inferred = run.infer()
        _train(run, setting)
    except Uneven:
        return _ran(plan, setting, cuts=False)
    return _Ran(run, before, inferred)


def _of_steps(storage: Storage, times: int) -> str:
    return storage.what if times == 1 else f"{storage.what}, {times:,} times"


def _start(plan: Plan, setting: Setting, *, cuts: bool) -> Run:
    tape = Tape(
        device=setting.kind,
        lower=setting.numbers.lower,
        floating=plan.dtype,
        torch=setting.version,
        traffic=True,
        cuts=cuts,
    )
    return Run(plan, tape, nhwc=setting.channels_last)


def _train(run: Run, setting: Setting) -> None:
    """A training step, if there is one."""
    if setting.trains:
        run.prepare(setting.optimizer, accumulate=setting.accumulate)
        run.step(setting.optimizer, foreach=setting.kind == "cuda" and setting.version >= FOREACH)


def _saved(run: Run) -> Iterator[Saved]:
    """What the layers keep, each piece once, in the order of the layers that keep it first."""
    pieces: dict[Storage, list[str]] = {}
    for layer, storage in run.keeps:
        if storage.bytes and not storage.state:
            layers = pieces.setdefault(storage, [])
            if layer not in layers:
                layers.append(layer)
    copies = run.tape.copies
    for storage, (first, *others) in pieces.items():
        times = 1 + copies.get(storage, 0)
        yield Saved(first, _of_steps(storage, times), storage.bytes * times, tuple(others))
