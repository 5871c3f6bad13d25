"""``archscope memory``."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import click

from archscope.analysis.memory import WEIGHT_BITS, Memory, memory
from archscope.analysis.optimizers import OPTIMIZERS
from archscope.cli import options
from archscope.report.files import write
from archscope.report.text import binary

MOST_LAYERS = 20


@click.command("memory")
@options.one_spec
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Samples in a step.")
@click.option(
    "--optimizer", type=click.Choice(list(OPTIMIZERS)), default="sgd", show_default=True, help="none: no training."
)
@click.option(
    "--dtype",
    "precision",
    type=click.Choice(["float32", "bf16-mixed"]),
    default="float32",
    show_default=True,
    help="bf16-mixed is torch.autocast on the CPU.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Whose kernels.")
@click.option("--layers", is_flag=True, help="Every layer that keeps something, not only the largest.")
@options.variant
@click.option("--csv", "csv_file", metavar="FILE", help="Write what is kept as CSV to a file, or to -.")
@click.option("--json", "json_file", metavar="FILE", help="Write the whole ledger as JSON.")
@options.manners
def command(
    spec: str,
    batch: int,
    optimizer: str,
    precision: str,
    device: str,
    layers: bool,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    csv_file: str | None,
    json_file: str | None,
    quiet: bool,
) -> None:
    """Tell what a training step holds and what inference needs, to the byte, and which layer keeps what.

    What a kernel needs in passing (workspaces, gradients on their way) is not counted.

    \b
    archscope memory vgg16 --batch 64 --optimizer adamw
    archscope memory resnet50 --batch 32 --dtype bf16-mixed
    archscope memory my.yaml --optimizer none --input 3x512x512
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    found = memory(design, batch=batch, optimizer=optimizer, precision=precision, device=device)
    if csv_file is not None:
        write(to_csv(found), csv_file)
    if json_file is not None:
        write(json.dumps(as_data(found), indent=2) + "\n", json_file)
    if "-" not in (csv_file, json_file):
        click.echo(words(found, every=layers))


def words(found: Memory, *, every: bool = False) -> str:
    """The ledger as text."""
    design = found.design
    lines = [f"{design.name}   batch {found.batch}, {found.precision}, optimizer {found.optimizer}", ""]
    if found.optimizer != "none":
        lines.append(_line("training step", found.training, "held from the end of the forward pass on"))
        lines.append(_line("  parameters", found.parameters))
        lines.append(_line("  buffers", found.buffers))
        lines.append(_line("  gradients", found.gradients))
        lines.append(_line("  optimizer state", found.optimizer_state))
        lines.append(_line("  kept for backward", found.kept_bytes, "what autograd keeps of the forward pass"))
        other = found.training - found.parameters - found.buffers - found.gradients - found.optimizer_state
        if other > found.kept_bytes:
            lines.append(_line("  input", other - found.kept_bytes, "no layer keeps it"))
        lines.append("")
    lines.append(_line("inference", found.inference, "parameters, buffers and the activations that live at once"))
    lines.append(_line("  activations", found.peak, f"the most at {found.peak_layer}" if found.peak_layer else ""))
    lines.append(_line("  without reuse", found.activations, "all activations together"))
    lines.append("")
    forms = ", ".join(f"{form} {binary(found.weights_as(form))}" for form in WEIGHT_BITS)
    lines.append(f"weights alone: {forms}")
    lines.append(f"a file of float32: {found.parameters / 1e6:,.2f} MB, {found.parameters / 2**20:,.2f} MiB")
    if found.kept:
        lines += ["", *_largest(found, every=every)]
    return "\n".join(lines)


def _line(title: str, size: int, note: str = "") -> str:
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
    """A row for each piece of memory that is kept, bytes as plain numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["layer", "what", "bytes", "shared_with"])
    writer.writerows([piece.layer, piece.what, piece.bytes, ";".join(piece.shared)] for piece in found.kept)
    return out.getvalue()


def as_data(found: Memory) -> dict[str, Any]:
    """The ledger as plain data, all sizes in bytes."""
    return {
        "design": found.design.name,
        "batch": found.batch,
        "precision": found.precision,
        "optimizer": found.optimizer,
        "training": found.training,
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
    }
