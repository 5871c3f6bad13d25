"""The memory of a design: for a terminal, as CSV, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archscope.analysis.memory import KINDS, PHASES, WEIGHT_BITS, Memory
from archscope.design import incomplete
from archscope.report import schema as js
from archscope.report import sheet
from archscope.report.text import binary
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import PRECISIONS

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 1
MOST_LAYERS = 20

_NOTES = {
    "inputs": "with the targets of the loss",
    "gradients": "of the parameters, as far as they have come",
    "kept": "what autograd still keeps of the forward pass",
    "in passing": "activations and gradients on their way",
}


#: a size: its title (two blanks before it if it is a part of the one above), bytes (none if it is no one size), and a
#: note
Fact = tuple[str, int | None, str]


def to_text(found: Memory, *, every: bool = False) -> str:
    """The ledger for a terminal.

    Args:
        every: show all that is kept, in the order of the forward pass, not only the largest pieces.
    """
    parts = [[_line(*fact) for fact in facts] for facts in ledger(found)]
    parts.append(notes(found))
    if found.kept:
        parts.append(_largest(found, every=every))
    head = f"{found.design.title}   {setting(found)}"
    return "\n\n".join(["\n".join(lines) for lines in [[head], *parts]])


def setting(found: Memory) -> str:
    """How the step is run."""
    more = ", gradients accumulate" if found.accumulate else ""
    more += ", channels last" if found.channels_last else ""
    more += f", torch {found.torch}"
    return f"batch {found.batch}, {found.precision}, optimizer {found.optimizer}{more}"


def ledger(found: Memory) -> Iterator[list[Fact]]:
    """The sizes in their parts: the training step, what it keeps, what CUDA shows, the inference."""
    if found.timeline:
        top = found.top
        at = f"{top.phase} of {top.layer}" if top.phase in ("forward", "backward") else top.phase
        step = ("training step", found.training, f"the most at once: {at}; of this")
        yield [step, *((f"  {kind}", size, _NOTES.get(kind, "")) for kind, size in found.peak_by_kind.items())]
        yield [
            ("kept for backward", found.kept_bytes, "what autograd keeps in all"),
            ("gradients", found.gradients, ""),
        ]
    if found.cuda is not None:
        least, likely = map(binary, found.cuda.cudnn)
        yield [
            ("on CUDA", found.cuda.allocated, "torch.cuda.max_memory_allocated() of a step"),
            ("  cuBLAS workspace", found.cuda.workspace, "in it"),
            ("  cuDNN workspace", None, f"{least} to {likely} more, as it chooses its algorithms"),
            ("  segments", found.cuda.reserved, "torch.cuda.max_memory_reserved()"),
        ]
    yield [
        ("inference", found.inference, "parameters, buffers and what else lives at once"),
        ("  activations", found.peak, f"the most at {found.peak_layer}" if found.peak_layer else ""),
        ("  without reuse", found.activations, "all that is allocated"),
    ]


def notes(found: Memory) -> list[str]:
    """What the weights alone take; what the figures lack."""
    forms = ", ".join(f"{form} {binary(found.weights_as(form))}" for form in WEIGHT_BITS)
    return [
        f"weights alone: {forms}",
        f"a file of {found.floating}: {found.parameters / 1e6:,.2f} MB, {found.parameters / 2**20:,.2f} MiB",
        *filter(None, [incomplete(found.design)]),
    ]


def _line(title: str, size: int | None, note: str) -> str:
    if size is None:
        return f"{title}: {note}"
    return f"{title:20} {binary(size):>12} {size:>18,} B" + (f"   {note}" if note else "")


def _largest(found: Memory, *, every: bool) -> list[str]:
    pieces = sorted(found.kept, key=lambda piece: -piece.bytes)
    shown = list(found.kept) if every else pieces[:MOST_LAYERS]
    title = "kept, in the order of the forward pass" if every else "kept, the largest first"
    lines = [title]
    for piece in shown:
        too = f", kept by {', '.join(piece.shared)} too" if piece.shared else ""
        share = piece.bytes / found.kept_bytes if found.kept_bytes else 0
        lines.append(f"  {binary(piece.bytes):>12} {share:6.1%}  {piece.layer}: {piece.what}{too}")
    if len(shown) < len(found.kept):
        lines.append(f"  and {len(found.kept) - len(shown)} more; `--layers` shows all")
    return lines


def to_csv(found: Memory) -> str:
    """A row for each piece of memory that is kept for the backward pass."""
    columns = (("layer", ""), ("what", ""), ("kept_bytes", "bytes"), ("shared_with", ""))
    rows = ([one.layer, one.what, one.bytes, ";".join(one.shared)] for one in found.kept)
    return sheet.to_csv(columns, rows, lacking=incomplete(found.design))


def to_data(found: Memory) -> dict[str, Any]:
    """The ledger as plain data, all sizes in bytes."""
    content = {
        "design": found.design.name,
        "batch": found.batch,
        "precision": found.precision,
        "optimizer": found.optimizer,
        "device": found.device,
        "accumulate": found.accumulate,
        "channels_last": found.channels_last,
        "torch": found.torch,
        "training": found.training,
        "needed": found.needed,
        "peak": {"phase": found.top.phase, "layer": found.top.layer, **found.peak_by_kind} if found.timeline else None,
        "cuda": found.cuda and found.cuda._asdict(),
        "parameters": found.parameters,
        "buffers": found.buffers,
        "gradients": found.gradients,
        "optimizer_state": found.optimizer_state,
        "inputs": found.inputs,
        "kept_bytes": found.kept_bytes,
        "inference": found.inference,
        "activations": found.activations,
        "activation_peak": found.peak,
        "activation_peak_layer": found.peak_layer,
        "weights": {form: found.weights_as(form) for form in WEIGHT_BITS},
        "kept": [
            {"layer": piece.layer, "what": piece.what, "bytes": piece.bytes, "shared_with": list(piece.shared)}
            for piece in found.kept
        ],
        "timeline": [moment._asdict() for moment in found.timeline],
    }
    return js.headed(JSON_VERSION, incomplete(found.design), content, found.design.warnings)


def schema() -> js.Schema:
    """The schema of :func:`to_data`."""
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
    fields = {
        "design": js.text("name of the design"),
        "batch": js.count("in a step", "samples"),
        "precision": js.chosen(PRECISIONS),
        "optimizer": js.chosen(OPTIMIZERS),
        "device": js.text("cpu, cuda, or a device of the table"),
        "accumulate": js.flag("whether gradients live from step to step"),
        "channels_last": js.flag("whether maps and kernels lie in torch's format of that name"),
        "torch": js.text("the version of torch whose ways the step has"),
        "training": js.size("at the peak of a training step"),
        "needed": js.size("that a device has to have for it, without the CUDA context and cuDNN's workspaces"),
        "peak": js.nullable(js.record(peak, about="the moment of that peak; none without training")),
        "cuda": js.nullable(js.record(cuda, about="what the step shows on a CUDA device")),
        "parameters": js.size(),
        "buffers": js.size(),
        "gradients": js.size("of all trained parameters"),
        "optimizer_state": js.size(),
        "inputs": js.size("of the inputs, with the targets of the loss"),
        "kept_bytes": js.size("that autograd keeps of the forward pass"),
        "inference": js.size("at the peak of an inference"),
        "activations": js.size("that an inference allocates, none reused"),
        "activation_peak": js.size("that live at once at inference besides parameters and buffers"),
        "activation_peak_layer": js.text("the layer at which they do"),
        "weights": js.record({form: js.size(f"of the parameters in {form}") for form in WEIGHT_BITS}),
        "kept": js.many(js.record(piece), "what is kept for the backward pass, in the order of the forward pass"),
        "timeline": js.many(js.record(moment), "all allocations of a training step"),
    }
    return js.document("memory", JSON_VERSION, fields)
