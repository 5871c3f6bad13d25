"""``archscope explain``."""

from __future__ import annotations

from dataclasses import replace

import click

from archscope.analysis import explain
from archscope.cli import options, settings
from archscope.design import incomplete
from archscope.report.explanation import to_data
from archscope.report.schema import dumped
from archscope.setting import OF_SAVED, Setting


@click.command("explain")
@options.one_spec
@click.argument("layer", required=False)
@settings.options(*OF_SAVED)
@options.variant
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
@options.manners
def command(
    spec: str,
    layer: str | None,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Show the arithmetic of every figure: symbols, then numbers, then the result.

    LAYER is a layer or a block; without it every layer is explained.

    \b
    archscope explain alexnet conv1
    archscope explain resnet50 layer1.0 --batch 32
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    explanations = explain(design, layer, setting)
    if as_json:
        click.echo(dumped(to_data(design, setting, explanations)), nl=False)
    else:
        said = [str(replace(one, incomplete=None)) for one in explanations]  # once, for all of them
        head = f"{click.style(design.title, bold=True)}   {setting.words(*OF_SAVED)}"
        click.echo("\n\n".join([head, *said, *filter(None, [incomplete(design)])]))
