"""``archscope explain``."""

from __future__ import annotations

import click

from archscope.analysis import explain
from archscope.cli import options, settings
from archscope.figures import COSTS, SAVED, options_of
from archscope.report.results.explanation import ExplanationReport
from archscope.setting import Setting


@click.command("explain")
@options.one_spec
@click.argument("layer", required=False)
@settings.options(*options_of(*COSTS, *SAVED))
@options.variant
@options.formats(ExplanationReport)
@options.manners
def command(
    spec: str,
    layer: str | None,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Show the arithmetic of every figure: symbols, then numbers, then the result.

    LAYER is a layer or a block; without it every layer is explained.

    \b
    archscope explain alexnet conv1
    archscope explain resnet50 layer1.0 --batch 32
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    outputs.write(ExplanationReport(explain(design, layer, setting)))
