"""Profile designs on a device, and hold the predictions against it, in one run of less than ten minutes.

    python benchmarks/profile_on_device.py --out reports

calibrates the GPU in float32 and bfloat16, profiles 18 designs at batch 32 in both, in training and inference, and
writes ``profile_NAME.csv`` and ``profile_NAME.html`` into the folder, NAME being what the GPU is called. A row is a
run: the median time of a step and its spread, throughput, achieved FLOP/s, the bound by the published peaks and the
estimate by the calibration with its error, the sum of the layers' times against the whole, and peak memory, measured
and predicted.
Runs that do not fit are told and left out; so are those for which there is no time left (``--minutes``).

On the CPU (``--device cpu``) there is no published peak: the bound is that of the measured ones. It shows that the
script works; the designs and the batch should then be small (``--design lenet5 --batch 4``).
"""

from __future__ import annotations

import csv
import html
import io
import re
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

import archscope
from archscope.analysis.time.roofline import predict
from archscope.backends.torch.calibrate import calibrate
from archscope.backends.torch.machine import machine, resolve
from archscope.backends.torch.profile import Profile, profile
from archscope.errors import UsageError
from archscope.files import write
from archscope.report.speed import machine_lines
from archscope.report.text import binary, duration, short
from archscope.setting.calibration import Calibration
from archscope.setting.devices import DEVICES, known_as

DESIGNS = (
    "alexnet_torchvision", "vgg11", "vgg16", "googlenet", "inception_v3", "resnet18", "resnet50", "resnet101",
    "wide_resnet50_2", "resnext50_32x4d", "densenet121", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0",
    "shufflenet_v2_x1_0", "squeezenet1_1", "mnasnet1_0", "vit_b_16",
)  # fmt: skip
PRECISIONS, MODES = ("float32", "bfloat16"), ("train", "infer")
COLUMNS = (
    "machine", "torch", "design", "batch", "precision", "mode", "seconds", "spread", "runs", "samples_per_second",
    "flops_per_second", "share_of_peak", "bound", "bound_holds", "estimate", "error", "sum_of_layers",
    "memory_measured", "memory_predicted",
)  # fmt: skip
_CALIBRATING = 0.2  # of the time


def row(found: Profile, calibration: Calibration) -> dict[str, Any]:
    """A run as a row."""
    setting, here = found.setting, found.machine
    key = known_as(here.gpu)
    ceilings = calibration.ceilings if key is None else DEVICES[key].ceilings
    bound = predict(found.design, setting.but(calibration=None), ceilings=ceilings).seconds
    assert found.prediction is not None
    step = found.whole["step"]
    values = (
        here.title, here.torch, found.design.name, setting.batch, setting.precision, setting.mode, step.median,
        step.spread, step.runs, found.throughput, found.flops, found.flops / (found.peak or 1), bound,
        bound <= step.median, found.prediction.seconds, found.error, found.sum_of_parts / step.median,
        found.measured_memory, found.predicted_memory,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def rows(
    designs: Iterable[str], batch: int, device: str, calibration: Calibration, seconds: float, end: float
) -> Iterator[dict[str, Any]]:
    """A row for each run, as long as there is time."""
    wanted = [(name, precision, mode) for name in designs for precision in PRECISIONS for mode in MODES]
    with click.progressbar(wanted, label="profiling", file=sys.stderr) as bar:
        for name, precision, mode in bar:
            if time.perf_counter() > end:
                click.echo(f"\n{name}, {precision}, {mode}: no time is left", err=True)
                continue
            try:
                found = profile(
                    archscope.load(name), device=device, batch=batch, precision=precision, mode=mode, seconds=seconds,
                    calibration=calibration,
                )  # fmt: skip
            except UsageError as error:
                click.echo(f"\n{name}, {precision}, {mode}: {error}", err=True)
                continue
            yield row(found, calibration)


def page(found: list[dict[str, Any]], about: list[str]) -> str:
    """The rows as HTML, with what they are about."""
    titles = [{"seconds": "step", "flops_per_second": "achieved"}.get(column, column) for column in COLUMNS[2:]]
    head = "".join(f"<th>{html.escape(title.replace('_', ' '))}</th>" for title in titles)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(_cell(column, one[column]))}</td>" for column in COLUMNS[2:]) + "</tr>"
        for one in found
    )
    text = "".join(f"<p>{html.escape(line)}</p>\n" for line in about)
    cells = "td,th{padding:.2em .6em;text-align:right;border-bottom:1px solid #ddd}td{white-space:nowrap}"
    style = f"body{{font-family:sans-serif}}{cells}"
    title = "Profiles and predictions"
    return (
        f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{title}</title><style>{style}</style>\n"
        f"<h1>{title}</h1>\n{text}<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></html>\n"
    )


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in _DURATIONS:
        return duration(value)
    if column in ("error", "share_of_peak", "sum_of_layers"):
        return f"{value:+.1%}" if column == "error" else f"{value:.1%}"
    if column == "flops_per_second":
        return short(value, "FLOP/s")
    if column.startswith("memory"):
        return binary(value)
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


_DURATIONS = ("seconds", "spread", "bound", "estimate")


def _table(found: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


@click.command()
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cuda", show_default=True)
@click.option("--design", "designs", multiple=True, help="Only these.")
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--minutes", type=float, default=9.0, show_default=True, help="For all.")
@click.option("--out", type=click.Path(file_okay=False, exists=True), default="reports", show_default=True)
def main(device: str, designs: tuple[str, ...], batch: int, minutes: float, out: str) -> None:
    """Calibrate, profile, compare, write."""
    begin, designs = time.perf_counter(), designs or DESIGNS
    try:
        device = resolve(device)
    except UsageError as error:
        raise click.UsageError(str(error)) from None
    here = machine(device)
    calibration = calibrate(device=device, precisions=PRECISIONS, seconds=60 * minutes * _CALIBRATING)
    runs = len(designs) * len(PRECISIONS) * len(MODES)
    each = 60 * minutes * (1 - _CALIBRATING) / runs / 3  # building takes its time
    found = list(rows(designs, batch, device, calibration, each, begin + 60 * minutes))
    if not found:
        raise click.ClickException("nothing was measured")
    errors = [abs(one["error"]) for one in found]
    summary = (
        f"{len(found)} runs of {len({one['design'] for one in found})} designs in {time.perf_counter() - begin:.0f} s:"
        f" the estimate is off by {statistics.median(errors):.1%} in the median, {max(errors):.1%} at most;"
        f" the bound holds in {sum(one['bound_holds'] for one in found)} of {len(found)}"
    )
    name = re.sub(r"[^A-Za-z0-9]+", "_", here.title).strip("_")
    write(_table(found), str(Path(out) / f"profile_{name}.csv"))
    write(page(found, [*machine_lines(here), summary]), str(Path(out) / f"profile_{name}.html"))
    click.echo(summary)


if __name__ == "__main__":
    main()
