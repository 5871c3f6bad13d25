"""The memory of a design; its records are the saved tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archscope.analysis.step.fit import CEILING, Wish, remedies
from archscope.analysis.step.memory import KINDS, PHASES, WEIGHT_BITS, Memory
from archscope.design import MOST_DRAWN
from archscope.figures import FIGURES, SAVED, words_of
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Chart, Curve, Fact, Facts, Grid, Head, Headline, Notes, Room, Row
from archscope.report.text import binary
from archscope.setting.devices import DEVICES

#: the figures that are told
TOLD = (FIGURES["training_bytes"], FIGURES["inference_bytes"])

_NOTES = {
    "inputs": "with the targets of the loss",
    "gradients": "of the parameters, as far as they have come",
    "saved tensors": "what autograd still keeps of the forward pass",
    "temporary": "activations and gradients on their way",
}
_WITH_INPUTS = "the most at once, inputs among them"
_HEADS = (Head("saved by"), Head("what"), Head("size", "bytes"), Head("%", "part"), Head("and by"))
_FIELDS = (Field("layer"), Field("what"), Field("saved_bytes", "bytes"), Field("shared_with", style="names"))


@dataclass(frozen=True)
class MemoryReport(Report):
    """The ledger.

    Attributes:
        every: tell all saved tensors, in the order of the forward pass, not only the largest pieces.
        fits: finds lines on what fits into a limit, for people.
    """

    VERSION = 2

    result: Memory
    every: bool = False
    fits: Callable[[], Sequence[str]] = tuple

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    def headline(self) -> Headline:
        return Headline(self.result.design.title, words_of(self.result.setting, TOLD), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        yield Facts(tuple(map(tuple, _ledger(self.result))), widths=(20, 12, 20))
        yield Notes(tuple(_weights(self.result)), faint=False)
        if self.result.saved:
            yield self._saved(room)
        if self.result.timeline:
            yield self._chart()
        if fits := self.fits():
            yield Notes(tuple(fits), faint=False)

    def _saved(self, room: Room) -> Grid:
        ledger = self.result
        pieces = ledger.saved if self.every else sorted(ledger.saved, key=lambda piece: -piece.bytes)[: room.listed]
        rows = [
            Row((one.layer, one.what, one.bytes, one.bytes / (ledger.saved_bytes or 1), ", ".join(one.shared)))
            for one in pieces
        ]
        title = "saved tensors, in the order of the forward pass" if self.every else "saved tensors, the largest first"
        return Grid(_HEADS, tuple(rows), title=title, more=room.more(len(ledger.saved) - len(rows), "--layers"))

    def _chart(self) -> Chart:
        ledger = self.result
        lives = ((phase, [one.live for one in ledger.timeline if one.phase == phase]) for phase in PHASES)
        words = f"{len(ledger.timeline):,} allocations; the most at once are {binary(ledger.training)}"
        curves = tuple(Curve(phase, tuple(live)) for phase, live in lives if live)
        return Chart("memory over a training step", words, curves, "bytes")

    def records(self) -> Records:
        rows = ((one.layer, one.what, one.bytes, one.shared) for one in self.result.saved)
        return Records(_FIELDS, rows, "layer", self.said.lacking, run_of(self.result.setting, SAVED.values()))

    def data(self) -> dict[str, Any]:
        return self.headed(_data(self.result))

    @classmethod
    def schema(cls) -> js.Schema:
        return js.document("memory", cls.VERSION, _schema())


def _size(title: str, size: int, note: str = "", level: int = 0) -> Fact:
    return Fact(title, (binary(size), f"{size:,} B"), note, level)


def _ledger(ledger: Memory) -> Iterator[list[Fact]]:
    """The sizes in their parts: the training step, what it keeps, what CUDA shows, the inference."""
    if ledger.timeline:
        top = ledger.top
        at = f"{top.phase} of {top.layer}" if top.phase in ("forward", "backward") else top.phase
        parts = (_size(kind, size, _NOTES.get(kind, ""), 1) for kind, size in ledger.peak_by_kind.items())
        yield [_size("training step", ledger.training, f"the most at once: {at}; of this"), *parts]
        yield [
            _size("saved tensors", ledger.saved_bytes, "what autograd keeps for the backward pass in all"),
            _size("gradients", ledger.gradients),
        ]
    if ledger.cuda is not None:
        least, likely = map(binary, ledger.cuda.cudnn)
        yield [
            _size("on CUDA", ledger.cuda.allocated, "torch.cuda.max_memory_allocated() of a step"),
            _size("cuBLAS workspace", ledger.cuda.workspace, "in it", 1),
            Fact("cuDNN workspace", (), f"{least} to {likely} more, as it chooses its algorithms", 1),
            _size("segments", ledger.cuda.reserved, "torch.cuda.max_memory_reserved()", 1),
        ]
    yield [
        _size("inference", ledger.inference, "parameters, buffers and what else lives at once"),
        _size("activations", ledger.peak, _WITH_INPUTS + (f", at {ledger.peak_layer}" if ledger.peak_layer else ""), 1),
        _size("without reuse", ledger.activations, "all that is allocated, inputs aside", 1),
    ]


def _weights(ledger: Memory) -> Iterator[str]:
    """What the weights alone take."""
    forms = ", ".join(f"{form} {binary(ledger.weights_as(form))}" for form in WEIGHT_BITS)
    yield f"weights alone: {forms}"
    types = " and ".join(ledger.types)
    yield f"a file of {types}: {ledger.parameters / 1e6:,.2f} MB, {ledger.parameters / 2**20:,.2f} MiB"


def _data(ledger: Memory) -> dict[str, Any]:
    """The ledger as plain data, all sizes in bytes."""
    return {
        "design": ledger.design.name,
        "setting": ledger.setting.data(),
        "training": ledger.training,
        "needed": ledger.needed,
        "peak": {"phase": ledger.top.phase, "layer": ledger.top.layer, **ledger.peak_by_kind}
        if ledger.timeline
        else None,
        "cuda": ledger.cuda and ledger.cuda._asdict(),
        "parameters": ledger.parameters,
        "buffers": ledger.buffers,
        "gradients": ledger.gradients,
        "optimizer_state": ledger.optimizer_state,
        "inputs": ledger.inputs,
        "saved_bytes": ledger.saved_bytes,
        "inference": ledger.inference,
        "activations": ledger.activations,
        "activation_peak": ledger.peak,
        "activation_peak_layer": ledger.peak_layer,
        "weights": {form: ledger.weights_as(form) for form in WEIGHT_BITS},
        "saved": [
            {"layer": piece.layer, "what": piece.what, "bytes": piece.bytes, "shared_with": list(piece.shared)}
            for piece in ledger.saved
        ],
        "timeline": [moment._asdict() for moment in ledger.timeline],
    }


def _schema() -> dict[str, js.Schema]:
    """What each field is."""
    peak = {
        "phase": js.chosen(PHASES),
        "layer": js.text("at work"),
        **{kind: js.size(f"what lives then of: {kind}") for kind in KINDS},
    }
    cuda = {
        "allocated": js.size("torch.cuda.max_memory_allocated() of a step, without cuDNN's workspace"),
        "reserved": js.size("torch.cuda.max_memory_reserved(), without the CUDA context"),
        "workspace": js.size("of cuBLAS, in both"),
        "cudnn": js.many(js.size(), "least and most that cuDNN's workspaces add, as it chooses its algorithms"),
    }
    piece = {
        "layer": js.text("the first that keeps it"),
        "what": js.text("what it is"),
        "bytes": js.size(),
        "shared_with": js.many(js.text(), "the other layers that keep it"),
    }
    moment = {"phase": js.chosen(PHASES), "layer": js.text("at work"), "live": js.size("that live then")}
    return {
        "design": js.text("name of the design"),
        "setting": js.setting(),
        "training": js.size("at the peak of a training step"),
        "needed": js.size("that a device has to have for it, without the CUDA context and cuDNN's workspaces"),
        "peak": js.nullable(js.record(peak, about="the moment of that peak; none without training")),
        "cuda": js.nullable(js.record(cuda, about="what the step shows on a CUDA device")),
        "parameters": js.size(),
        "buffers": js.size(),
        "gradients": js.size("of all trained parameters"),
        "optimizer_state": js.size(),
        "inputs": js.size("of the inputs, with the targets of the loss"),
        "saved_bytes": js.size("that autograd keeps of the forward pass"),
        "inference": js.size("at the peak of an inference"),
        "activations": js.size("that an inference allocates, none reused, inputs aside"),
        "activation_peak": js.size("that live at once at inference besides parameters and buffers, inputs among them"),
        "activation_peak_layer": js.text("the layer at which they do"),
        "weights": js.record({form: js.size(f"of the parameters in {form}") for form in WEIGHT_BITS}),
        "saved": js.many(js.record(piece), "what is saved for the backward pass, in the order of the forward pass"),
        "timeline": js.many(js.record(moment), "all allocations of a training step"),
    }


# -- what fits ---------------------------------------------------------------------------------------------------------


def within(device: str, limit: int | None, context: int | None, space: int) -> str:
    """Where a step has to fit, in words."""
    if limit is not None:
        if context is None and device in DEVICES:
            whose = f"the context of {DEVICES[device].name} is not in it, unless --context says so"
            return f"in {binary(limit)} (all of it for tensors: {whose})"
        return f"in {binary(limit)}" + (f" less {binary(context)} of context" if context else "")
    card = DEVICES[device]
    whose = f"{binary(card.memory)} of {card.name}"
    reserved = f"{binary(card.memory - space)} of them go to the driver, the CUDA context and its kernels: --context"
    return f"in {binary(space)} ({whose}; {reserved})"


def batches(ledger: Memory, limit: int) -> Iterator[str]:
    """What fits into a limit, a line each: the batch at hand or what would make it fit, and the largest batch."""
    design, setting, wish = ledger.design, ledger.setting, Wish(ledger.design, ledger.setting)
    if len(design.layers) > MOST_DRAWN:
        yield f"  what fits is looked for in designs of at most {MOST_DRAWN:,} layers; this has {len(design.layers):,}"
        return
    number = wish.largest(limit)
    largest = None if number is None else wish.ledger(number)
    if not ledger.fits(limit):
        needed, lacking = needs(ledger), binary(ledger.needed - limit)
        yield f"  batch {setting.batch:,} does not fit: it needs {needed}, {lacking} too much"
        yield from (f"    {what}: {binary(needed)}" for what, needed in remedies(design, setting, limit, largest))
    if number is None or largest is None:
        yield f"  not even a batch of 1 fits: it needs {needs(wish.ledger(1))}"
        return
    words = f"{number:,}, which needs {needs(largest)}"
    if number < CEILING:
        yield f"  the largest batch is {words}"
    else:
        yield f"  larger batches than {words}, were not tried"


def needs(ledger: Memory | None) -> str:
    """What a step needs, in words."""
    return binary(ledger.needed) if ledger is not None else "more than there is"
