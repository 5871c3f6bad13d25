"""``archscope predict``."""

from __future__ import annotations

import click

from archscope.analysis.devices import DEVICES
from archscope.analysis.optimizers import OPTIMIZERS
from archscope.analysis.roofline import predict
from archscope.cli import calibrations, options
from archscope.report.results.prediction import PredictionReport


@click.command("predict")
@options.one_spec
@click.option(
    "--device", type=click.Choice(["cpu", *DEVICES]), required=True, help="A device of the table, or this CPU."
)
@options.step
@options.execution
@click.option(
    "--optimizer",
    type=click.Choice([name for name in OPTIMIZERS if name != "none"]),
    default="sgd",
    show_default=True,
    help="Whose update.",
)
@click.option(
    "--launch",
    type=click.FloatRange(min=0),
    help="Microseconds that each call costs at least, for the bound; a calibration brings its own.",
)
@options.calibration
@click.option("--bound", is_flag=True, help="The bound by published peaks, also where a calibration is stored.")
@options.variant
@options.layer_rows
@options.formats(PredictionReport)
@options.manners
def command(
    spec: str,
    device: str,
    batch: int,
    dtype: str,
    mode: str,
    compiled: bool,
    channels_last: bool,
    optimizer: str,
    launch: float | None,
    calibration_file: str | None,
    bound: bool,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    top: int,
    layers: bool,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Say how long a step takes on a device, layer by layer, without torch and without the device.

    Without a calibration each time is a lower bound (a roofline): the larger of work over peak and bytes over
    bandwidth, with the maker's figures, plus --launch for each call; it grants the highest clock, the cache, and TF32
    and Winograd's convolutions where torch may take them. With one (`archscope calibrate`) it is an estimate.

    \b
    archscope predict resnet50 --device h200 --batch 64 --dtype bf16
    archscope predict vgg16 --device t4 --mode infer
    archscope predict resnet50 --device a100-40gb --batch 64 --channels-last --compile
    archscope predict my.yaml --device cpu
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    calibration = calibrations.wanted(device, calibration_file, bound=bound or (compiled and not calibration_file))
    if launch is not None and calibration is not None:
        raise click.UsageError("--launch is for the bound, and a calibration is stored: add --bound")
    found = predict(
        design,
        device=device,
        batch=batch,
        dtype=dtype,
        mode=mode,
        optimizer=optimizer,
        launch=(launch or 0.0) / 1e6,
        calibration=calibration,
        channels_last=channels_last,
        compile=compiled,
    )
    outputs.write(PredictionReport(found, top, layers))
