"""``archscope receptive-field``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from archscope.analysis.field.receptive_field import receptive_fields
from archscope.cli import options, settings
from archscope.design import Design
from archscope.errors import MissingLibrary
from archscope.report.formats import FORMATS
from archscope.report.results.fields import FieldsReport


class Places(click.ParamType):
    """Places along the axes, separated by commas."""

    name = "places"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")] if str(value).strip() else []
        if not all(part.isdecimal() and len(part) < 10 for part in parts):
            self.fail(f"{value!r} is not a place such as 1,1 (rows first, counted from 0)", param, ctx)
        return tuple(map(int, parts))


@click.command("receptive-field")
@options.one_spec
@click.argument("layer", required=False)
@click.option("--unit", type=Places(), help="Show exactly what one unit of the layer's map sees of the input: 1,1.")
@click.option("--pixel", type=Places(), help="Show which units of the layer see a place of the input: 112,112.")
@click.option("--from", "source", metavar="INPUT", help="Which input, if there are several.")
@click.option("--measure", is_flag=True, help="With --unit: compare with gradients of the built module (torch).")
@click.option(
    "--depth", type=options.Depth(), help="Without LAYER: fold blocks below this many levels; `all` folds none."
)
@options.target("--plot", picture=True, help="Draw the growth of the field through the network (.svg, .png, .pdf).")
@options.target("--draw", picture=True, help="Draw the fields of the middle units over the input.")
@click.option("--layers", metavar="A,B,...", help="With --draw: the layers, instead of LAYER.")
@click.option("--image", metavar="FILE", help="With --draw: a picture to draw over.")
@options.target("--heat", picture=True, help="With --unit: draw the effective receptive field, by gradients (torch).")
@settings.refused(
    "which elements a unit reads is the same in every precision, at every batch, and on every device",
    *("precision", "batch", "device"),
)
@options.variant
@options.formats(FieldsReport)
@options.manners
def command(
    spec: str,
    layer: str | None,
    unit: tuple[int, ...] | None,
    pixel: tuple[int, ...] | None,
    source: str | None,
    measure: bool,
    depth: int | str | None,
    plot: str | None,
    draw: str | None,
    layers: str | None,
    image: str | None,
    heat: str | None,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Show what part of the input a unit can see: size, jump, start and padding, for every layer and axis.

    LAYER is a layer, or a block (then its last layer). Places are counted from 0, rows first.

    \b
    archscope receptive-field resnet50
    archscope receptive-field alexnet pool3 --unit 1,1
    archscope receptive-field alexnet pool3 --pixel 112,112
    archscope receptive-field resnet50 --plot growth.svg
    archscope receptive-field vgg16 --draw fields.png --layers conv1_1,pool3,pool5 --image cat.jpg
    archscope receptive-field resnet18 layer2 --unit 14,14 --measure --heat heat.png

    Exit code 1 if --measure finds another region.
    """
    _check(layer, unit, pixel, layers, measure=measure, draw=draw, heat=heat)
    targets = [target for target in (plot, draw, heat) if target is not None]
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    fields = receptive_fields(design)
    measured = _measured(design, layer, unit, source) if measure and layer is not None and unit is not None else None
    fixed = depth if isinstance(depth, int) else None
    report = FieldsReport(fields, layer, unit, pixel, source, measured, fixed, depth == "all")
    if layer is not None:
        outputs.write(report)
    elif outputs.targets or not targets:
        outputs.write(report, quiet=bool(targets), csv=lambda: FORMATS["csv"].text(report.sheet))
    _pictures(design, plot, draw, heat, layers.split(",") if layers else [layer or ""], image, unit)
    if targets and not quiet:
        click.echo(f"written: {', '.join(targets)}", err=True)
    click.get_current_context().exit(1 if measured is not None and measured["agrees"] is False else 0)


def _check(
    layer: str | None,
    unit: object,
    pixel: object,
    layers: str | None,
    *,
    measure: bool,
    draw: str | None,
    heat: str | None,
) -> None:
    if layer is None and (unit is not None or pixel is not None):
        raise click.UsageError("--unit and --pixel are about a LAYER: name one")
    if unit is None and (measure or heat is not None):
        raise click.UsageError("--measure and --heat need a --unit")
    if draw is not None and layer is None and not layers:
        raise click.UsageError("--draw needs a LAYER, or --layers A,B,...")


def _measured(design: Design, layer: str, unit: Sequence[int], source: str | None) -> dict[str, Any]:
    """What a unit sees held against gradients, place by place."""
    import numpy as np

    from archscope.analysis.field.influence import sees

    measured = _torch_side().measure(design, layer, unit, input=source)
    seen = sees(design, layer, unit, input=source).mask
    agrees: bool | None = bool(np.array_equal(measured.reached, seen))
    if measured.hidden:  # a place that is reached must be seen all the same
        agrees = False if (measured.reached & ~seen).any() else None
    return {
        "places": int(measured.reached.sum()),
        "agrees": agrees,
        "hidden": [{"layer": hidden.layer, "why": hidden.why} for hidden in measured.hidden],
    }


def _torch_side() -> Any:
    try:
        from archscope.backends.torch import influence
    except ImportError:
        raise MissingLibrary("measuring needs PyTorch: `pip install 'archscope[torch]'`") from None
    return influence


def _pictures(
    design: Design,
    plot: str | None,
    draw: str | None,
    heat: str | None,
    layers: list[str],
    image: str | None,
    unit: tuple[int, ...] | None,
) -> None:
    if plot is None and draw is None and heat is None:
        return
    from archscope.report import figures

    if plot is not None:
        figures.save(figures.growth(design), plot)
    if draw is not None:
        figures.save(figures.nested(design, [name.strip() for name in layers], image), draw)
    if heat is not None and unit is not None:
        weights = _torch_side().effective_field(design, layers[0], unit)
        figures.save(figures.heat(design, layers[0], unit, weights), heat)
