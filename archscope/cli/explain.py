"""``archscope explain``."""

from __future__ import annotations

from dataclasses import replace

import click

from archscope.analysis import explain
from archscope.cli import options
from archscope.design import incomplete
from archscope.report.explanation import to_data
from archscope.report.schema import dumped


@click.command("explain")
@options.one_spec
@click.argument("layer", required=False)
@options.sizes
@options.variant
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
@options.manners
def command(
    spec: str,
    layer: str | None,
    batch: int,
    dtype: str,
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
    explanations = explain(design, layer, batch=batch, dtype=dtype)
    if as_json:
        click.echo(dumped(to_data(design, explanations)), nl=False)
    else:
        said = [str(replace(one, incomplete=None)) for one in explanations]  # once, for all of them
        click.echo("\n\n".join([*said, *filter(None, [incomplete(design)])]))
