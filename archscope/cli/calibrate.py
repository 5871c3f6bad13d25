"""``archscope calibrate``."""

from __future__ import annotations

import click

from archscope.cli import calibrations, options, settings
from archscope.errors import UsageError
from archscope.files import write
from archscope.report.results.calibration import CalibrationReport
from archscope.report.schema import dumped


@click.command("calibrate")
@options.device
@click.option(
    "--precision",
    "--dtype",
    "precisions",
    type=settings.PrecisionName(),
    multiple=True,
    help="May be repeated.  [default: float32]",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Time to spend, approximately."
)
@options.target("--output", help="Output file, instead of your data folder; - is standard output.")
@options.formats(CalibrationReport)
@options.manners
def command(
    device: str, precisions: tuple[str, ...], seconds: float, output: str | None, outputs: options.Outputs, quiet: bool
) -> None:
    """Measure what a device achieves on typical layers, so that predictions become estimates.

    `archscope predict` and `archscope profile` use the stored calibration.

    \b
    archscope calibrate
    archscope calibrate --device cuda --precision float32 --precision bf16
    """
    torch_side = options.torch_side("calibrate")
    with options.progress("calibrating", quiet=quiet) as tick:
        measured = torch_side.calibrate(
            device=device, precisions=precisions or ("float32",), seconds=seconds, tick=tick
        )
    target = output
    if target is None:
        path = calibrations.place_of(measured.device)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path.parent} cannot be made: {error.strerror}") from None
        target = str(path)
    write(dumped(measured.as_data()), target)
    speaks = target != "-" and not quiet
    outputs.write(CalibrationReport(measured), quiet=not speaks)
    if speaks and not outputs.piped:
        click.echo(f"\nstored in {target}")
