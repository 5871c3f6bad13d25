"""``archscope predict``."""

from __future__ import annotations

import click

from archscope.analysis.time.roofline import predict
from archscope.cli import options, settings
from archscope.figures import options_of
from archscope.report.results.prediction import PredictionReport
from archscope.setting import Setting


@click.command("predict")
@options.one_spec
@settings.options(*options_of("train_seconds", "infer_seconds"), device=True)
@options.variant
@options.layer_rows
@options.formats(PredictionReport)
@options.manners
def command(
    spec: str,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    top: int,
    layers: bool,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Predict how long a step takes on a device, layer by layer, without torch and without the device.

    Without a calibration each time is a lower bound (a roofline): the larger of FLOPs over peak and bytes over
    bandwidth, with the maker's figures, plus --launch for each call. It assumes the highest clock, a full cache, and
    TF32 and Winograd convolutions where torch may use them. For devices with published timings an estimate of the step
    stands beside it. With a calibration (`archscope calibrate`) all times are estimates.

    \b
    archscope predict resnet50 --device h200 --batch 64 --precision bf16
    archscope predict vgg16 --device t4 --mode infer
    archscope predict resnet50 --device a100-40gb --batch 64 --channels-last --compile
    archscope predict my.yaml --device cpu
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    outputs.write(PredictionReport(predict(design, setting), top, layers))
