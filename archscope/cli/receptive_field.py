"""``archscope receptive-field``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from archscope.analysis import analyze
from archscope.analysis.receptive_field import Field, ReceptiveFields, receptive_fields
from archscope.cli import options
from archscope.cli.analyze import MOST_ROWS, Depth
from archscope.design import Design
from archscope.errors import MissingLibrary
from archscope.report.data import to_csv
from archscope.report.sheet import write_csv
from archscope.report.terminal import render
from archscope.table import tabulate_account

COLUMNS = (
    "name", "kind", "output_shape", "receptive_field", "jump", "field_start", "field_center", "effective_padding",
    "sees",
)  # fmt: skip


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
@click.option("--unit", type=Places(), help="A unit of the layer's map, as 1,1: exactly what it sees of the input.")
@click.option("--pixel", type=Places(), help="A place of the input, as 112,112: which units of the layer see it.")
@click.option("--from", "source", metavar="INPUT", help="The input that is seen, where there are several.")
@click.option("--measure", is_flag=True, help="With --unit: hold it against gradients through the real layers (torch).")
@click.option("--depth", type=Depth(), help="Without LAYER: fold blocks below so many names; `all` folds none.")
@click.option("--csv", "csv_file", metavar="FILE", help="Without LAYER: write CSV to a file, or to -.")
@click.option("--json", "as_json", is_flag=True, help="With LAYER: the same as data.")
@click.option("--plot", metavar="FILE", help="Draw the growth of the field through the network (.svg, .png, .pdf).")
@click.option("--draw", metavar="FILE", help="Draw the fields of middle units over the input.")
@click.option("--layers", metavar="A,B,...", help="With --draw: the layers, instead of LAYER.")
@click.option("--image", metavar="FILE", help="With --draw: a picture to draw over.")
@click.option("--heat", metavar="FILE", help="With --unit: draw the effective receptive field, by gradients (torch).")
@options.variant
@options.manners
def command(
    spec: str,
    layer: str | None,
    unit: tuple[int, ...] | None,
    pixel: tuple[int, ...] | None,
    source: str | None,
    measure: bool,
    depth: int | str | None,
    csv_file: str | None,
    as_json: bool,
    plot: str | None,
    draw: str | None,
    layers: str | None,
    image: str | None,
    heat: str | None,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    quiet: bool,
) -> None:
    """Tell what part of the input a unit can see: size, jump, start and padding, for every layer and axis.

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
    if targets:
        from archscope.report.figures import check_target

        for target in targets:
            check_target(target)
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    fields = receptive_fields(design)
    agrees = True
    if layer is None and not targets:
        _table(design, depth, csv_file)
    elif layer is not None:
        found = _facts(fields, layer, unit, pixel, source)
        if measure and unit is not None:
            agrees = _measured(design, layer, unit, source, found)
        click.echo(json.dumps(found, indent=2) if as_json else _words(layer, found))
    _pictures(design, plot, draw, heat, layers.split(",") if layers else [layer or ""], image, unit)
    if targets and not quiet:
        click.echo(f"written: {', '.join(targets)}", err=True)
    click.get_current_context().exit(0 if agrees else 1)


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


def _table(design: Design, depth: int | str | None, csv_file: str | None) -> None:
    account = analyze(design)
    fixed = depth if isinstance(depth, int) else None
    if csv_file is not None:
        write_csv(to_csv([tabulate_account(account, COLUMNS, depth=fixed)]), csv_file)
    if csv_file != "-":
        most = None if depth == "all" else MOST_ROWS
        click.echo(render(tabulate_account(account, COLUMNS, depth=fixed, most=most), options.terminal_width()))


def _facts(
    fields: ReceptiveFields,
    layer: str,
    unit: tuple[int, ...] | None,
    pixel: tuple[int, ...] | None,
    source: str | None,
) -> dict[str, Any]:
    """All that is known of a layer's field, as data."""
    seen = fields.of(layer, input=source)
    found: dict[str, Any] = {"layer": fields.layer(layer), "axes": [_axis(field) for field in seen]}
    if unit is not None or pixel is not None:
        from archscope.analysis.influence import seen_by, sees

        if unit is not None:
            sight = sees(fields.design, layer, unit, input=source)
            found["unit"] = {
                "place": list(unit),
                "field": None if sight.unclipped is None else [list(ends) for ends in sight.unclipped],
                "sees": {"first": sight.seen.first, "last": sight.seen.last, "places": sight.seen.count},
                "words": str(sight.seen),
                "padding_share": sight.padding_share,
            }
        if pixel is not None:
            units = seen_by(fields.design, layer, pixel, input=source)
            found["pixel"] = {
                "place": list(pixel),
                "seen_by": {"first": units.first, "last": units.last, "units": units.count},
                "words": str(units),
            }
    return found


def _axis(field: Field) -> dict[str, Any]:
    apart = field.apart
    return {
        "axis": field.axis,
        "extent": field.extent,
        "sees_all": field.whole,
        "mixed_by": field.mixed_by or None,
        "receptive_field": field.size,
        "smallest_path": field.small.largest,
        "largest_path": field.large.largest,
        "jump": float(field.jump),
        "start": field.start,
        "center": float(field.center),
        "effective_padding": list(field.padding),
        "aligned": field.aligned,
        "apart": None
        if apart is None
        else {"layer": apart.layer, "first": str(apart.first), "second": str(apart.second), "by": float(apart.by)},
    }


def _measured(design: Design, layer: str, unit: Sequence[int], source: str | None, found: dict[str, Any]) -> bool:
    """Hold what a unit sees against gradients; whether they agree, place by place."""
    import numpy as np

    from archscope.analysis.influence import sees

    influence = _torch_side().influence(design, layer, unit, input=source)
    agrees = bool(np.array_equal(influence, sees(design, layer, unit, input=source).mask))
    found["unit"]["measured"] = {"places": int(influence.sum()), "agrees": agrees}
    return agrees


def _torch_side() -> Any:
    try:
        from archscope.backends.torch import influence
    except ImportError:
        raise MissingLibrary("measuring needs PyTorch: `pip install 'archscope[torch]'`") from None
    return influence


def _words(layer: str, found: dict[str, Any]) -> str:
    lines = [f"{found['layer']}"]
    if not found["axes"]:
        return f"{found['layer']} sees no input"
    for axis in found["axes"]:
        size = f"{axis['receptive_field']:,}"
        if axis["sees_all"]:
            lines.append(
                f"  {axis['axis']}  sees all {axis['extent']:,}: {axis['mixed_by']} mixes everything, of which each "
                f"part sees {size}"
            )
            continue
        before, after = axis["effective_padding"]
        lines.append(
            f"  {axis['axis']}  field {size} of {axis['extent']:,}, jump {axis['jump']:g}, start {axis['start']} "
            f"(center {axis['center']:g}), effective padding {before} and {after}"
        )
        if axis["smallest_path"] != axis["largest_path"]:
            lines.append(f"     paths from {axis['smallest_path']:,} to {axis['largest_path']:,}")
        if not axis["aligned"]:
            apart = axis["apart"]
            lines.append(
                f"     not aligned: at {apart['layer']} the centres of {apart['first']} and {apart['second']} are "
                f"{apart['by']:g} apart"
            )
    if "unit" in found:
        lines += _unit_words(found["unit"])
    if "pixel" in found:
        pixel = found["pixel"]
        place = ", ".join(map(str, pixel["place"]))
        units = pixel["seen_by"]["units"]
        lines.append(f"  place ({place}) of the input is seen by {units:,} units: {pixel['words']}")
    return "\n".join(lines)


def _unit_words(unit: dict[str, Any]) -> list[str]:
    place = ", ".join(map(str, unit["place"]))
    lines = [f"  unit ({place}) sees {unit['words']}: {unit['sees']['places']:,} places"]
    if unit["padding_share"]:
        field = " x ".join(f"{first} to {last}" for first, last in unit["field"])
        lines.append(f"     of its field {field}, {unit['padding_share']:.1%} lie in the padding")
    if "measured" in unit:
        measured = unit["measured"]
        verdict = "the same" if measured["agrees"] else "NOT the same"
        lines.append(f"     measured by gradients: {measured['places']:,} places, {verdict}")
    return lines


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
