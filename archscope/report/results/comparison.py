"""Designs side by side; the records are designs, or with a difference the layers that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archscope.comparison import STAGE_FIGURES, Comparison, Stage
from archscope.design import incomplete
from archscope.errors import counted
from archscope.figures import Column, words_of
from archscope.figures.table import COLUMNS
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Cell, Grid, Head, Headline, Notes, Room, Row
from archscope.report.results.difference import COSTS, DifferenceReport
from archscope.report.results.difference import schemas as difference_schemas
from archscope.setting import Setting


@dataclass(frozen=True)
class ComparisonReport(Report):
    """Figures as rows, designs as columns, each with its ratio to the baseline.

    Attributes:
        stages: also stages, told apart by so many names of a layer's path; none, if not given.
        depth: of the stages in data.
        difference: also what makes the second of two designs of the first.
    """

    VERSION = 2
    result: Comparison
    stages: int | None = None
    depth: int = 1
    difference: DifferenceReport | None = None

    @property
    def said(self) -> Said:
        return Said.of(*(side.design for side in self.result.sides))

    def headline(self) -> Headline:
        count = len(self.result.sides)
        return Headline(counted(count, "design"), setting_text(self.result), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        comparison = self.result
        yield self.headline()
        yield self._grid(tuple(_figure_rows(comparison)))
        if self.stages is not None:
            stages = comparison.stages(self.stages)
            for name in STAGE_FIGURES:
                title = f"{COLUMNS[name].title} by block, and their share of the total"
                yield self._grid(tuple(_stage_rows(comparison, stages, name)), title)
        yield Notes(tuple(notes(comparison)))
        if self.difference is not None:
            yield from self.difference.blocks(room)

    def _grid(self, rows: tuple[Row, ...], title: str = "") -> Grid:
        comparison = self.result
        several = len(comparison.sides) > 1
        heads = (
            Head(label, "count", below="baseline" if several and at == comparison.baseline else "")
            for at, label in enumerate(comparison.labels)
        )
        return Grid((Head(""), *heads), rows, title=title, pinned=(0, comparison.baseline + 1))

    def records(self) -> Records:
        if self.difference is not None:
            return self.difference.records()
        comparison = self.result
        rows = ([label, *values] for label, values in zip(comparison.labels, comparison.values, strict=True))
        fields = [Field("design"), *(Field(one.name, one.unit, one.style) for one in comparison.figures)]
        lacking = [incomplete(side.design) for side in comparison.sides]
        return Records(fields, rows, "design", lacking, run_of(comparison.setting, comparison.figures))

    def data(self) -> dict[str, Any]:
        whole = self.headed(_data(self.result, self.depth))
        return whole if self.difference is None else whole | {"difference": self.difference.data()}

    @classmethod
    def schema(cls) -> js.Schema:
        return _schema(cls.VERSION)


def setting_text(comparison: Comparison) -> str:
    """How the designs are run, and what ratios are to."""
    ratios = f"ratios to {comparison.labels[comparison.baseline]}" if len(comparison.sides) > 1 else ""
    return ", ".join(filter(None, [words_of(comparison.setting, comparison.figures), ratios]))


def figure_title(comparison: Comparison, figure: Column) -> str:
    """A figure in words; of a time, whether it is a bound."""
    return f"{figure.title}, {comparison.times}" if figure.style == "seconds" else figure.title


def times_text(ratio: float | None) -> str:
    """``2.22x``."""
    if ratio is None:
        return ""
    return f"{ratio:,.2f}x" if ratio >= 0.095 or not ratio else f"{ratio:.2g}x"


def _figure_rows(comparison: Comparison) -> Iterator[Row]:
    ratios = comparison.ratios
    for at, figure in enumerate(comparison.figures):
        if figure.style != "text":
            cells = (
                Cell(
                    values[at],
                    figure.style,
                    figure.unit,
                    "" if side == comparison.baseline else times_text(ratios[side][at]),
                )
                for side, values in enumerate(comparison.values)
            )
            yield Row((figure_title(comparison, figure), *cells))


def _stage_rows(comparison: Comparison, stages: Sequence[Stage], name: str) -> Iterator[Row]:
    """A row a stage; one that has nothing of the figure in any design is left out."""
    totals = [getattr(side.account.total, name) for side in comparison.sides]
    for stage in stages:
        counts = [None if part is None else getattr(part, name) for part in stage.parts]
        if any(counts):
            pairs = zip(counts, totals, strict=True)
            yield Row((stage.name, *(_stage_cell(count, total, COLUMNS[name]) for count, total in pairs)))


def _stage_cell(count: int | None, total: int, column: Column) -> Cell:
    share = f"{count / total:.1%}" if total and count is not None else ""
    return Cell(count, "count", column.unit, share)


def notes(comparison: Comparison) -> Iterator[str]:
    """What is said in words, by whom it is about; and what the figures are that need it."""
    for at, figure in enumerate(comparison.figures):
        if figure.style == "text":
            places: dict[str, list[str]] = {}
            for label, values in zip(comparison.labels, comparison.values, strict=True):
                if values[at] is not None:
                    places.setdefault(values[at], []).append(label)
            for words, about in places.items():
                yield f"{figure.title} of {', '.join(about)}: {words}"
    if any(figure.name == "receptive_field" for figure in comparison.figures):
        yield "receptive field: of a unit of the output; where it sees all of the input, of what was mixed into it"
    if any(figure.style == "seconds" for figure in comparison.figures):
        yield time_note(comparison.setting)


def time_note(setting: Setting) -> str:
    """What times on a device are."""
    from archscope.analysis.time.roofline import granted, mixed

    if setting.calibration is not None:
        return f"times on {setting.place} are estimates"
    other = mixed(setting.ceilings, setting.numbers)
    grants = ", ".join(granted(setting.ceilings, setting))
    more = f"; {setting.precision}: {other}" if other else ""
    return f"times on {setting.place} are bounds: no step is faster, granted {grants}{more}"


def _data(comparison: Comparison, depth: int) -> dict[str, Any]:
    """All figures, with the stages that ``depth`` tells apart."""
    return {
        "setting": comparison.setting.data(),
        "times": comparison.times or None,
        "baseline": comparison.labels[comparison.baseline],
        "figures": [
            {"name": one.name, "title": one.title, "unit": one.unit, "convention": one.convention}
            for one in comparison.figures
        ],
        "designs": [
            {
                "label": side.label,
                "name": side.design.name,
                "source": side.design.source,
                "file": side.design.file,
                "incomplete": incomplete(side.design),
                "vars": dict(side.design.vars),
                "inputs": {node.name: list(node.shape) for node in side.design.inputs},
                "accuracy": [{"name": a.name, "value": a.value, "source": a.source} for a in side.design.accuracy],
                "figures": {one.name: content for one, content in zip(comparison.figures, values, strict=True)},
                "ratios": {one.name: r for one, r in zip(comparison.figures, ratios, strict=True) if r is not None},
            }
            for side, values, ratios in zip(comparison.sides, comparison.values, comparison.ratios, strict=True)
        ],
        "stages": [_stage_data(comparison, stage) for stage in comparison.stages(depth)],
    }


def _stage_data(comparison: Comparison, stage: Stage) -> dict[str, Any]:
    parts = {
        label: {
            "layers": part.layers,
            "output_shape": part.output_shape,
            **{name: getattr(part, name) for name in COSTS},
            "saved_bytes": saved,
        }
        for label, part, saved in zip(comparison.labels, stage.parts, stage.saved_bytes, strict=True)
        if part is not None
    }
    return {"name": stage.name, "designs": parts}


def _schema(version: int) -> js.Schema:
    """What each field is, with the difference where it is asked for."""
    costs = {name: js.figure(name) for name in (*COSTS, "saved_bytes")}
    figure = {
        "name": js.text("as elsewhere"),
        "title": js.text("as people read it"),
        "unit": js.text("empty for text"),
        "convention": js.text("how it is counted"),
    }
    design = {
        "label": js.text("tells the designs apart"),
        "name": js.text("as the spec gives it"),
        "source": js.text("the paper or document that it follows"),
        "file": js.text("the spec; empty where it was no file"),
        "incomplete": js.lacking(),
        "vars": js.mapping({}, "the variables in force"),
        "inputs": js.mapping(js.sizes()),
        "accuracy": js.many(js.record({"name": js.text(), "value": js.number(), "source": js.text()}), "as recorded"),
        "figures": js.mapping({}, "by name; `figures` above says what they are"),
        "ratios": js.mapping(js.number(), "to the baseline, of the figures that have one"),
    }
    part = {"layers": js.count(), "output_shape": js.nullable(js.sizes()), **costs}
    stage = {"name": js.text(), "designs": js.mapping(js.record(part), "by label; only those that have the stage")}
    difference, change = difference_schemas(version)
    fields = {
        "setting": js.setting(),
        "times": js.nullable(js.chosen(("estimate", "at least"), "what the times are: estimates, or bounds")),
        "baseline": js.text("label of the design that ratios are to"),
        "figures": js.many(js.record(figure)),
        "designs": js.many(js.record(design)),
        "stages": js.many(js.record(stage), "by block"),
        "difference": difference,
    }
    return js.document("compare", version, fields, optional=["difference"], defs={"change": change})
