"""What units see of the input, in all layers or in one; its records are the axes that a layer sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archscope.analysis.counts.account import analyze, runnable
from archscope.analysis.field.axis import Field as Seen
from archscope.analysis.field.axis import apart_words, channel_words, hull_words, less_words
from archscope.analysis.field.receptive_field import ReceptiveFields
from archscope.arith import whole_number
from archscope.errors import counted
from archscope.figures.table import SEEN, field_columns
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said
from archscope.report.blocks import Block, Headline, Room
from archscope.report.results.account import AccountReport
from archscope.setting import Setting

Places = tuple[int, ...]

#: what is told of an axis; lengths are in places of the input
_AXIS = (
    "axis", "extent", "sees_all", "mixed_by", "reach", "one_by_one", "at_most", "untold_from", "untold_why", "crowded",
    "channels", "hull_from", "receptive_field", "smallest_field", "smallest_path", "largest_path", "jump",
    "field_start", "field_center", "effective_padding", "aligned", "apart",
)  # fmt: skip
_CHANNELS = ("first", "last", "smallest_field", "receptive_field")
_PLACES = (
    "extent", "receptive_field", "smallest_field", "smallest_path", "largest_path", "jump", "field_start",
    "field_center",
)  # fmt: skip
_UNITS = dict.fromkeys(_PLACES, "places")
_STYLES = {"effective_padding": "axes", "sees_all": "value", "one_by_one": "value", "aligned": "value"}


@dataclass(frozen=True)
class FieldsReport(Report):
    """The table of all layers, or all that is known of one.

    Attributes:
        layer: its name.
        unit, pixel: a unit of its map, and a place of the input.
        source: the input that is seen, where there are several.
        measured: what gradients say of the unit, as data.
        depth, every: of the table, as :class:`~archscope.report.results.account.AccountReport` takes them.
    """

    VERSION = 2

    result: ReceptiveFields
    layer: str | None = None
    unit: Places | None = None
    pixel: Places | None = None
    source: str | None = None
    measured: Mapping[str, Any] | None = None
    depth: int | None = None
    every: bool = False

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    @cached_property
    def _account(self) -> AccountReport:
        account = analyze(self.result.design, runnable(self.result.design))
        return AccountReport(account, field_columns(account), self.depth, self.every)

    @property
    def sheet(self) -> AccountReport:
        """The table for machines: a row a layer, all columns."""
        return AccountReport(self._account.result, SEEN, self.depth)

    def headline(self) -> Headline:
        if self.layer is None:
            return Headline(self.result.design.title, "receptive fields", self.said.lines)
        layer = self._layer
        lines = tuple(_lines(layer)) if layer["axes"] else ("  sees no input",)
        return Headline(layer["layer"], about=(*lines, *self.said.lines))

    def blocks(self, room: Room) -> Iterator[Block]:
        if self.layer is None:
            yield from self._account.blocks(room)
        else:
            yield self.headline()

    def records(self) -> Records:
        names = [layer.name for layer in self.result.design.layers] if self.layer is None else [self.layer]
        seen = [(name, field) for name in names for field in self.result.of(name, input=self.source)]
        axes = [(name, _axis(field) | {"channels": _channel_words(field)}) for name, field in seen]
        asked = [] if self.layer is None else list(_asked(self._layer))
        rows = ([name, *axis.values(), *(more[place] for _, more in asked)] for place, (name, axis) in enumerate(axes))
        fields = [
            Field("name"),
            *(Field(name, _UNITS.get(name, ""), _STYLES.get(name, "text")) for name in _AXIS),
            *(field for field, _ in asked),
        ]
        return Records(fields, rows, "name", self.said.lacking)  # however it is run

    @property
    def _setting(self) -> Setting:
        """How shapes, and so fields, are inferred."""
        return runnable(self.result.design)

    @cached_property
    def _layer(self) -> dict[str, Any]:
        """All that is known of the field of the layer, as data."""
        assert self.layer is not None
        layer: dict[str, Any] = _of_layer(self.result, self.layer, self.source)
        design = self.result.design
        if self.unit is not None or self.pixel is not None:
            from archscope.analysis.field.influence import seen_by, sees

            if self.unit is not None:
                sight = sees(design, self.layer, self.unit, input=self.source)
                layer["unit"] = {
                    "place": list(self.unit),
                    "field": None if sight.unclipped is None else [list(ends) for ends in sight.unclipped],
                    "sees": {"first": sight.seen.first, "last": sight.seen.last, "places": sight.seen.count},
                    "words": str(sight.seen),
                    "padding_share": sight.padding_share,
                    **({} if self.measured is None else {"measured": dict(self.measured)}),
                }
            if self.pixel is not None:
                units = seen_by(design, self.layer, self.pixel, input=self.source)
                layer["pixel"] = {
                    "place": list(self.pixel),
                    "seen_by": {"first": units.first, "last": units.last, "units": units.count},
                    "words": str(units),
                }
        return layer

    def data(self) -> dict[str, Any]:
        setting = {"setting": self._setting.data()}
        if self.layer is not None:
            return self.headed(setting | self._layer)
        design = self.result.design
        layers = [_of_layer(self.result, layer.name, self.source) for layer in design.layers]
        return self.headed({"design": design.name, **setting, "layers": layers})

    @classmethod
    def schema(cls) -> js.Schema:
        return _schema(cls.VERSION)


def _channel_words(field: Seen) -> str:
    return channel_words(field.channels) if field.channels else ""


def _of_layer(fields: ReceptiveFields, layer: str, source: str | None) -> dict[str, Any]:
    return {"layer": fields.layer(layer), "axes": list(map(_axis, fields.of(layer, input=source)))}


def _axis(field: Seen) -> dict[str, Any]:
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
        "crowded": field.crowded or None,
        "channels": [dict(zip(_CHANNELS, part, strict=True)) for part in field.channels],
        "hull_from": field.hull_from or None,
        "receptive_field": field.size,
        "smallest_field": field.smallest,
        "smallest_path": field.paths[0],
        "largest_path": field.paths[1],
        "jump": whole_number(field.jump),
        "field_start": field.start,
        "field_center": whole_number(field.center),
        "effective_padding": list(field.padding),
        "aligned": field.aligned,
        "apart": None
        if apart is None
        else {
            "layer": apart.layer,
            "first": str(apart.first),
            "second": str(apart.second),
            "by": whole_number(apart.by),
        },
    }


def _asked(layer: Mapping[str, Any]) -> Iterator[tuple[Field, list[Any]]]:
    """What is said of the unit and of the place that are asked for: columns, and their values axis by axis."""
    count = len(layer["axes"])
    if "unit" in layer:
        unit, sees = layer["unit"], layer["unit"]["sees"]
        ends = [sees[name] or (None,) * count for name in ("first", "last")]
        yield Field("unit", style="axes"), [unit["place"]] * count
        yield Field("unit_first"), list(ends[0])
        yield Field("unit_last"), list(ends[1])
        yield Field("unit_places", "places"), [sees["places"]] * count
        if "measured" in unit:
            yield Field("unit_measured", "places"), [unit["measured"]["places"]] * count
            yield Field("unit_agrees", style="value"), [unit["measured"]["agrees"]] * count
    if "pixel" in layer:
        pixel, units = layer["pixel"], layer["pixel"]["seen_by"]
        yield Field("pixel", style="axes"), [pixel["place"]] * count
        yield Field("seen_by_first", style="axes"), [units["first"]] * count
        yield Field("seen_by_last", style="axes"), [units["last"]] * count
        yield Field("seen_by", "units"), [units["units"]] * count


def _less(axis: dict[str, Any]) -> Iterator[str]:
    """Where less may be seen."""
    if axis["at_most"] is not None:
        yield f"     {less_words(axis['at_most'], axis['crowded'] or '')}"
    if axis["hull_from"] is not None:
        yield f"     {hull_words(axis['hull_from'])}"
    elif axis["channels"]:
        yield f"     {channel_words([tuple(part.values()) for part in axis['channels']])}"


def _lines(layer: dict[str, Any]) -> Iterator[str]:
    """What is told of a layer, in words."""
    for axis in layer["axes"]:
        size = f"{axis['receptive_field']:,}"
        if axis["smallest_field"] != axis["receptive_field"]:
            size = f"{axis['smallest_field']:,} to {size}"
        if axis["mixed_by"] is not None:
            first, last = axis["reach"]
            seen = f"all {axis['extent']:,}" if axis["sees_all"] else f"{first:,} to {last:,} of {axis['extent']:,}"
            yield (
                f"  {axis['axis']}  sees {seen}: {axis['mixed_by']} mixes everything, of which each part sees {size}"
            )
            yield from _less(axis)
            continue
        if axis["untold_from"] is not None:
            why = "; ".join(filter(None, (axis["untold_why"], axis["crowded"])))
            yield (
                f"  {axis['axis']}  not told: {axis['untold_from']} {why}; each place that it reads "
                f"sees {size}, and --unit finds exactly what a unit sees"
            )
            continue
        before, after = axis["effective_padding"]
        borders = "borders taken in" if axis["one_by_one"] else f"effective padding {before} and {after}"
        yield (
            f"  {axis['axis']}  field {size} of {axis['extent']:,}, jump {axis['jump']:g}, start {axis['field_start']} "
            f"(center {axis['field_center']:g}), {borders}"
        )
        yield from _less(axis)
        if axis["smallest_path"] != axis["largest_path"]:
            yield f"     paths from {axis['smallest_path']:,} to {axis['largest_path']:,}"
        if not axis["aligned"]:
            apart = axis["apart"]
            words = apart_words(apart["layer"], apart["first"], apart["second"], f"{apart['by']:g}")
            yield f"     not aligned: {words}"
    if "unit" in layer:
        yield from _unit_words(layer["unit"])
    if "pixel" in layer:
        pixel = layer["pixel"]
        place = ", ".join(map(str, pixel["place"]))
        units = pixel["seen_by"]["units"]
        yield f"  place ({place}) of the input is seen by {counted(units, 'unit')}: {pixel['words']}"


def _unit_words(unit: dict[str, Any]) -> Iterator[str]:
    place = ", ".join(map(str, unit["place"]))
    yield f"  unit ({place}) sees {unit['words']}: {counted(unit['sees']['places'], 'place')}"
    if unit["padding_share"]:
        field = " x ".join(f"{first} to {last}" for first, last in unit["field"])
        yield f"     of its field {field}, {unit['padding_share']:.1%} lie in the padding"
    if "measured" in unit:
        yield from _measured_words(unit["measured"])


def _measured_words(measured: dict[str, Any]) -> list[str]:
    hidden = [f"     not measured: {one['layer']} {one['why']}" for one in measured["hidden"]]
    reached = counted(measured["places"], "place")
    if measured["agrees"] is None:
        return [*hidden, f"     gradients reach {reached} for certain, all of them among these"]
    verdict = "the same" if measured["agrees"] else "NOT the same"
    return [f"     measured by gradients of the built module: {reached}, {verdict}", *hidden]


def _schema(version: int) -> js.Schema:
    """Of one layer, or of all."""
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
    channels = {
        "first": js.count("the first channel"),
        "last": js.count("the last one"),
        "smallest_field": js.count("size of the smallest field of a unit of it", "places"),
        "receptive_field": js.count("size of the largest", "places"),
    }
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
        "crowded": js.nullable(js.text("why there is no room to tell it unit by unit")),
        "channels": js.many(js.record(channels), "the parts of the channels that see otherwise than others"),
        "hull_from": js.nullable(js.text("the layer from which on it is not told which channels see otherwise")),
        "receptive_field": js.count("size of the field, the largest over units; where all is mixed, of that", "places"),
        "smallest_field": js.count("size of the smallest field over units", "places"),
        "smallest_path": js.count("size of the field by the path with the smallest", "places"),
        "largest_path": js.count("size of the field by the path with the largest", "places"),
        "jump": js.number("effective stride: between neighbouring units", "places"),
        "field_start": js.count("first place that the first unit sees, counted from 0; negative in the padding"),
        "field_center": js.number("centre of the first unit's field; the first place is centred at 0.5"),
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
    of_layer = {
        "setting": js.setting(),
        "layer": js.text("full name of the layer"),
        "axes": js.many(js.record(axis), "of the input, those that the layer sees"),
        "unit": js.record(unit, optional=["measured"], about="with --unit"),
        "pixel": js.record(pixel, about="with --pixel"),
    }
    bare = {name: of_layer[name] for name in ("layer", "axes")}
    layers = js.many(js.record(bare), "in order of execution")
    whole = {"design": js.text("its name"), "setting": js.setting(), "layers": layers}
    return js.either(
        "receptive-field",
        js.document("receptive-field LAYER", version, of_layer, optional=["unit", "pixel"]),
        js.document("receptive-field", version, whole),
    )
