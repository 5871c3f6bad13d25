"""``archscope graph``."""

from __future__ import annotations

import click

from archscope.analysis.counts.account import analyze, runnable
from archscope.cli import options
from archscope.report.graphs import draw
from archscope.report.outline import MOST_BOXES


@click.command("graph")
@options.one_spec
@options.target("-o", "--output", picture=True, required=True, help="Output file: .svg, .png or .pdf.")
@click.option("--depth", type=options.Depth(), help="Fold blocks below this many levels of names; `all` folds none.")
@click.option("--open", "opened", multiple=True, metavar="NAME", help="Unfold this block, too; may be repeated.")
@click.option("--shapes", is_flag=True, help="Write the shapes of tensors along the edges.")
@click.option("--horizontal", is_flag=True, help="Draw from left to right.")
@options.variant
@options.manners
def command(
    spec: str,
    output: str,
    depth: int | str | None,
    opened: tuple[str, ...],
    shapes: bool,
    horizontal: bool,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    quiet: bool,
) -> None:
    """Draw the layer graph: a box per layer with its shape, parameters and MACs; blocks are frames, or one box each.

    Blocks are folded until there are at most 60 boxes, unless --depth says otherwise. Colours show families of layers,
    a bar in a box its share of the MACs.

    \b
    archscope graph resnet50 -o resnet50.svg
    archscope graph resnet50 --depth 1 --open layer2 --open layer2.0 -o resnet50.pdf
    archscope graph unet --depth all --shapes -o unet.png
    archscope graph my.yaml --horizontal -o my.svg
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    draw(
        analyze(design, runnable(design)),
        output,
        depth=depth if isinstance(depth, int) else None,
        opened=opened,
        most=None if depth == "all" else MOST_BOXES,
        shapes=shapes,
        horizontal=horizontal,
    )
