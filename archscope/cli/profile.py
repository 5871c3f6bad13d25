"""``archscope profile``."""

from __future__ import annotations

from typing import Any

import click

from archscope.cli import calibrations, options, settings
from archscope.report.results.profile import ProfileReport
from archscope.setting import Setting


@click.command("profile")
@options.one_spec
@options.device
@settings.options("batch", "precision", "mode", "optimizer", "channels_last", "compile")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Time to spend on timing."
)
@click.option("--measure-peak", is_flag=True, help="Measure the machine's peak FLOP/s and bandwidth first.")
@settings.calibration_file
@options.variant
@options.layer_rows
@options.formats(ProfileReport)
@options.manners
def command(
    spec: str,
    device: str,
    setting: Setting,
    seconds: float,
    measure_peak: bool,
    calibration_file: str | None,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    top: int,
    layers: bool,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Time a design on this machine, as a whole and by layer, against the machine's peak and the prediction.

    Training is forward, loss, backward and update. Medians of at least 5 steps after a warm-up.

    \b
    archscope profile alexnet --device cpu --batch 8
    archscope profile resnet50 --batch 64 --precision bf16 --channels-last
    archscope profile my.yaml --mode infer --measure-peak --json profile.json
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    torch_side = options.torch_side("profile")
    machine = options.torch_side("machine")
    device = machine.resolve(device)
    here = machine.machine(device)
    calibration = calibrations.find(here.title, calibration_file)
    if calibration is not None and not quiet:
        _remark_threads(calibration.machine.get("threads"), here)
    ceilings: Any = None
    if measure_peak and calibration is None:
        ceilings = machine.measure_peaks(device, [setting.precision])
    with options.progress("profiling", quiet=quiet) as tick:
        result = torch_side.profile(
            design,
            setting.but(device=machine.named(device), calibration=calibration),
            seconds=seconds,
            ceilings=ceilings,
            tick=tick,
        )
    outputs.write(ProfileReport(result, top, layers))


def _remark_threads(measured: int | None, here: Any) -> None:
    if here.device == "cpu" and measured not in (None, here.threads):
        click.echo(
            f"the calibration is of {measured} threads, and {here.threads} run here: `archscope calibrate`", err=True
        )
