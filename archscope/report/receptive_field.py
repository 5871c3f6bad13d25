"""The receptive field of one layer: for a terminal, and as plain data."""

from __future__ import annotations

from typing import Any

from archscope.analysis.receptive_field import Field, ReceptiveFields, apart_words
from archscope.design import incomplete
from archscope.report import schema as js

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 1


def to_data(
    fields: ReceptiveFields,
    layer: str,
    unit: tuple[int, ...] | None = None,
    pixel: tuple[int, ...] | None = None,
    source: str | None = None,
) -> dict[str, Any]:
    """All that is known of a layer's field, as data."""
    seen = fields.of(layer, input=source)
    content = {"layer": fields.layer(layer), "axes": [axis_data(field) for field in seen]}
    found = js.headed(JSON_VERSION, incomplete(fields.design), content, fields.design.warnings)
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


def axis_data(field: Field) -> dict[str, Any]:
    """A field along one axis as plain data."""
    apart = field.apart
    return {
        "axis": field.axis,
        "extent": field.extent,
        "sees_all": field.sees == "all",
        "mixed_by": field.mixed_by or None,
        "reach": list(field.reach) if field.whole else None,
        "one_by_one": field.table is not None,
        "at_most": field.at_most or None,
        "untold_from": field.untold_from or None,
        "untold_why": field.untold_why or None,
        "receptive_field": field.size,
        "smallest": field.smallest,
        "smallest_path": field.paths[0],
        "largest_path": field.paths[1],
        "jump": float(field.jump),
        "start": field.start,
        "center": float(field.center),
        "effective_padding": list(field.padding),
        "aligned": field.aligned,
        "apart": None
        if apart is None
        else {"layer": apart.layer, "first": str(apart.first), "second": str(apart.second), "by": float(apart.by)},
    }


def to_text(found: dict[str, Any]) -> str:
    """What :func:`to_data` gives, in words."""
    lacking = [found["incomplete"]] if found["incomplete"] else []
    lines = [f"{found['layer']}"]
    if not found["axes"]:
        return "\n".join([f"{found['layer']} sees no input", *lacking])
    for axis in found["axes"]:
        size = f"{axis['receptive_field']:,}"
        if axis["smallest"] != axis["receptive_field"]:
            size = f"{axis['smallest']:,} to {size}"
        less = [] if axis["at_most"] is None else [f"     at most: what {axis['at_most']} reads is told by values"]
        if axis["mixed_by"] is not None:
            first, last = axis["reach"]
            seen = f"all {axis['extent']:,}" if axis["sees_all"] else f"{first:,} to {last:,} of {axis['extent']:,}"
            lines.append(
                f"  {axis['axis']}  sees {seen}: {axis['mixed_by']} mixes everything, of which each part sees {size}"
            )
            lines += less
            continue
        if axis["untold_from"] is not None:
            lines.append(
                f"  {axis['axis']}  not told: {axis['untold_from']} {axis['untold_why']}; each place that it reads "
                f"sees {size}, and --unit finds exactly what a unit sees"
            )
            continue
        before, after = axis["effective_padding"]
        borders = "borders taken in" if axis["one_by_one"] else f"effective padding {before} and {after}"
        lines.append(
            f"  {axis['axis']}  field {size} of {axis['extent']:,}, jump {axis['jump']:g}, start {axis['start']} "
            f"(center {axis['center']:g}), {borders}"
        )
        lines += less
        if axis["smallest_path"] != axis["largest_path"]:
            lines.append(f"     paths from {axis['smallest_path']:,} to {axis['largest_path']:,}")
        if not axis["aligned"]:
            apart = axis["apart"]
            words = apart_words(apart["layer"], apart["first"], apart["second"], f"{apart['by']:g}")
            lines.append(f"     not aligned: {words}")
    if "unit" in found:
        lines += _unit_words(found["unit"])
    if "pixel" in found:
        pixel = found["pixel"]
        place = ", ".join(map(str, pixel["place"]))
        units = pixel["seen_by"]["units"]
        lines.append(f"  place ({place}) of the input is seen by {units:,} units: {pixel['words']}")
    return "\n".join([*lines, *lacking])


def _unit_words(unit: dict[str, Any]) -> list[str]:
    place = ", ".join(map(str, unit["place"]))
    lines = [f"  unit ({place}) sees {unit['words']}: {unit['sees']['places']:,} places"]
    if unit["padding_share"]:
        field = " x ".join(f"{first} to {last}" for first, last in unit["field"])
        lines.append(f"     of its field {field}, {unit['padding_share']:.1%} lie in the padding")
    if "measured" in unit:
        lines += _measured_words(unit["measured"])
    return lines


def _measured_words(measured: dict[str, Any]) -> list[str]:
    hidden = [f"     not measured: {one['layer']} {one['why']}" for one in measured["hidden"]]
    reached = f"{measured['places']:,} places"
    if measured["agrees"] is None:
        return [*hidden, f"     gradients reach {reached} for certain, all of them among these"]
    verdict = "the same" if measured["agrees"] else "NOT the same"
    return [f"     measured by gradients of the built module: {reached}, {verdict}", *hidden]


def schema() -> js.Schema:
    """The schema of :func:`to_data`."""
    place = js.sizes("a place along the axes, counted from 0")
    box = {"first": place, "last": place}
    apart = js.record(
        {
            "layer": js.text("where the paths meet"),
            "first": js.text("the tensor whose field lies first"),
            "second": js.text("the tensor whose field lies last"),
            "by": js.number("distance of the centres", "places"),
        }
    )
    axis = {
        "axis": js.text("name of the axis of the input"),
        "extent": js.count("length of the input along it", "places"),
        "sees_all": js.flag("whether every unit sees the whole input"),
        "mixed_by": js.nullable(js.text("the layer that mixed everything")),
        "reach": js.nullable(js.many(js.count(), "first and last place that is seen of what was mixed [places]")),
        "one_by_one": js.flag("whether units are told one by one, borders taken in, since no closed form tells them"),
        "at_most": js.nullable(js.text("the layer by whose values some of this may not be seen")),
        "untold_from": js.nullable(js.text("the layer from which on no closed form says what a unit sees")),
        "untold_why": js.nullable(js.text("the reason")),
        "receptive_field": js.count("size of the field, the largest over units; where all is mixed, of that", "places"),
        "smallest": js.count("size of the smallest field over units", "places"),
        "smallest_path": js.count("size of the field by the path with the smallest", "places"),
        "largest_path": js.count("size of the field by the path with the largest", "places"),
        "jump": js.number("effective stride: between neighbouring units", "places"),
        "start": js.count("first place that the first unit sees, counted from 0; negative in the padding"),
        "center": js.number("centre of the first unit's field; the first place is centred at 0.5"),
        "effective_padding": js.many(js.count(), "how far the first and the last field hang over the borders [places]"),
        "aligned": js.flag("whether all paths to a unit have the same centre"),
        "apart": js.nullable(apart),
    }
    hidden = {"layer": js.text("a layer that gradients do not show"), "why": js.text("the reason")}
    measured = {
        "places": js.count("that gradients through the built module reach", "places"),
        "agrees": js.nullable(js.flag("whether these are those; null where gradients do not tell all")),
        "hidden": js.many(js.record(hidden), "the layers that may hide an influence"),
    }
    unit = {
        "place": place,
        "field": js.nullable(js.many(js.sizes("first and last place, borders left aside"))),
        "sees": js.record({**box, "places": js.count("that the unit sees", "places")}),
        "words": js.text("what it sees, in words"),
        "padding_share": js.number("of the field that lies in the padding", "share"),
        "measured": js.record(measured),
    }
    pixel = {
        "place": place,
        "seen_by": js.record({**box, "units": js.count("that see the place", "units")}),
        "words": js.text("which units see it, in words"),
    }
    fields = {
        "layer": js.text("full name of the layer"),
        "axes": js.many(js.record(axis), "of the input, those that the layer sees"),
        "unit": js.record(unit, optional=["measured"], about="with --unit"),
        "pixel": js.record(pixel, about="with --pixel"),
    }
    return js.document("receptive-field LAYER", JSON_VERSION, fields, optional=["unit", "pixel"])
