"""Designs side by side: for a terminal, as CSV, as Markdown, and as plain data."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import click

from archscope.comparison import STAGE_FIGURES, Comparison, Stage
from archscope.design import incomplete
from archscope.diagnostics import Diagnostic
from archscope.report import markdown, sheet
from archscope.report import schema as js
from archscope.report.difference import COSTS
from archscope.report.difference import schema as difference_schema
from archscope.report.terminal import column_width, grid
from archscope.report.text import binary, plain, short, value
from archscope.setting import Setting
from archscope.table import COLUMNS, Column

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 2

_WIDEST_LABEL = 22
_GAP = 2


class _Cell(NamedTuple):
    """A figure, and what it is of another: a ratio, a share."""

    text: str
    beside: str = ""


class _Row(NamedTuple):
    title: str
    cells: tuple[_Cell, ...]


# -- side by side, for people ---


def comparison_text(found: Comparison, width: int, *, depth: int | None = None) -> str:
    """Figures as rows, designs as columns, each with its ratio to the baseline.

    Args:
        width: columns of the terminal. Where the designs do not fit beside each other, numbers are shortened to four
            digits; where that is not enough, the table is continued below, the baseline in each part.
        depth: also show stages, told apart by so many names of a layer's path.
    """
    exact, shortened = _drawn(found, lambda brief: _figure_rows(found, brief=brief), width)
    count = _count(found)
    head = "\n".join(textwrap.wrap(f"{count}   {setting_text(found)}", width, subsequent_indent="  "))
    parts = [head.replace(count, _bold(count), 1), exact]
    if depth is not None:
        stages = found.stages(depth)
        for name in STAGE_FIGURES:

            def rows(brief: bool, name: str = name) -> list[_Row]:
                return _stage_rows(found, stages, name, brief=brief)

            drawn, brief = _drawn(found, rows, width)
            shortened |= brief
            parts.append(f"{_bold(COLUMNS[name].title)} by block, and their share of the total\n\n{drawn}")
    remarks = list(notes(found))
    if shortened:
        remarks.append("numbers to four digits, so that all designs fit; --csv and --json have them exactly")
    lines = [click.style(line, dim=True) for note in remarks for line in textwrap.wrap(note, width)]
    return "\n\n".join([*parts, "\n".join(lines)] if lines else parts)


def _lacking(found: Comparison) -> str | None:
    return incomplete(*(side.design for side in found.sides))


def _warnings(found: Comparison) -> Iterator[Diagnostic]:
    for side in found.sides:
        yield from side.design.warnings


def _bold(text: str) -> str:
    return click.style(text, bold=True)


def _count(found: Comparison) -> str:
    return f"{len(found.sides)} design{'s' * (len(found.sides) != 1)}"


def setting_text(found: Comparison) -> str:
    """How the designs are run, and what ratios are to."""
    ratios = f", ratios to {found.labels[found.baseline]}" if len(found.sides) > 1 else ""
    return found.setting.words() + ratios


def _drawn(found: Comparison, rows: Callable[[bool], list[_Row]], width: int) -> tuple[str, bool]:
    """A table, and whether its numbers had to be shortened."""
    exact, brief = _Bands(found, rows(False), width), _Bands(found, rows(True), width)
    chosen = brief if not exact.fits or len(brief.bands) < len(exact.bands) else exact
    return "\n\n".join(map(chosen.draw, chosen.bands)), chosen is brief


class _Bands:
    """A table whose columns are shared out over as many parts as the width asks for; the baseline is in each."""

    def __init__(self, found: Comparison, rows: list[_Row], width: int) -> None:
        self.rows = rows
        self.titles = [_heading(found, at) for at in range(len(found.sides))]
        columns = [[row.cells[at] for row in rows] for at in range(len(found.sides))]
        self.texts = [_beside(cells) for cells in columns]
        widths = [column_width(title, texts) for title, texts in zip(self.titles, self.texts, strict=True)]
        room = width - column_width("", [row.title for row in rows]) - widths[found.baseline]
        self.bands: list[list[int]] = [[found.baseline]]
        self.fits = True
        left = room
        for at in range(len(found.sides)):
            if at == found.baseline:
                continue
            if widths[at] > left + _GAP and len(self.bands[-1]) > 1:
                self.bands.append([found.baseline])
                left = room
            self.bands[-1].append(at)
            left -= widths[at]
            self.fits &= left >= -_GAP  # nothing stands behind the last gap

    def draw(self, band: list[int]) -> str:
        order = sorted(band)
        body = [[row.title, *(self.texts[at][index] for at in order)] for index, row in enumerate(self.rows)]
        return grid(["", *(self.titles[at] for at in order)], body, [True, *(False for _ in order)])


def _heading(found: Comparison, at: int) -> str:
    label = "\n".join(textwrap.wrap(found.labels[at], _WIDEST_LABEL, break_on_hyphens=False))
    return f"{label}\nbaseline" if at == found.baseline and len(found.sides) > 1 else label


def _beside(cells: Sequence[_Cell]) -> list[str]:
    """Cells of a column, the numbers one below the other and what stands beside them, too."""
    most = max((len(cell.beside) for cell in cells), default=0)
    return [f"{cell.text} {cell.beside:>{most}}" if most else cell.text for cell in cells]


def _figure_rows(found: Comparison, *, brief: bool) -> list[_Row]:
    ratios = found.ratios
    return [
        _Row(
            figure_title(found, figure),
            tuple(
                _Cell(
                    short_value(values[at], figure) if brief else value(values[at], figure.style),
                    "" if side == found.baseline else times_text(ratios[side][at]),
                )
                for side, values in enumerate(found.values)
            ),
        )
        for at, figure in enumerate(found.figures)
        if figure.style != "text"
    ]


def figure_title(found: Comparison, figure: Column) -> str:
    """A figure in words; of a time, whether it is a bound."""
    return f"{figure.title}, {found.times}" if figure.style == "seconds" else figure.title


def short_value(content: Any, figure: Column) -> str:
    """A figure, counts to four digits."""
    if content is None or figure.style != "count":
        return value(content, figure.style)
    return binary(content) if figure.unit == "bytes" else short(content)


def times_text(ratio: float | None) -> str:
    """``2.22x``."""
    if ratio is None:
        return ""
    return f"{ratio:,.2f}x" if ratio >= 0.095 or not ratio else f"{ratio:.2g}x"


def _stage_rows(found: Comparison, stages: Sequence[Stage], name: str, *, brief: bool) -> list[_Row]:
    """A row a stage; one that has nothing of the figure in any design is left out."""
    totals = [getattr(side.account.total, name) for side in found.sides]
    rows = []
    for stage in stages:
        counts = [None if part is None else getattr(part, name) for part in stage.parts]
        if any(counts):
            cells = zip(counts, totals, strict=True)
            rows.append(_Row(stage.name, tuple(_stage_cell(count, total, name, brief=brief) for count, total in cells)))
    return rows


def _stage_cell(count: int | None, total: int, name: str, *, brief: bool) -> _Cell:
    if count is None:
        return _Cell("")
    return _Cell(short_value(count, COLUMNS[name]) if brief else f"{count:,}", f"{count / total:.1%}" if total else "")


def notes(found: Comparison) -> Iterator[str]:
    """What the figures lack; what is said in words, by whom it is about; and what the figures are that need it."""
    yield from filter(None, [_lacking(found)])
    for at, figure in enumerate(found.figures):
        if figure.style == "text":
            told: dict[str, list[str]] = {}
            for label, values in zip(found.labels, found.values, strict=True):
                if values[at] is not None:
                    told.setdefault(values[at], []).append(label)
            for words, about in told.items():
                yield f"{figure.title} of {', '.join(about)}: {words}"
    if any(figure.name == "receptive_field" for figure in found.figures):
        yield "receptive field: of a unit of the output; where it sees all of the input, of what was mixed into it"
    if any(figure.style == "seconds" for figure in found.figures):
        yield time_note(found.setting)


def time_note(setting: Setting) -> str:
    """What times on a device are."""
    from archscope.analysis.roofline import granted, mixed

    if setting.calibration is not None:
        return f"times on {setting.place} are estimates"
    other = mixed(setting.ceilings, setting.numbers)
    grants = ", ".join(granted(setting.ceilings, setting))
    more = f"; {setting.precision}: {other}" if other else ""
    return f"times on {setting.place} are bounds: no step is faster, granted {grants}{more}"


def comparison_markdown(found: Comparison, *, depth: int | None = None) -> str:
    """A table with figures as rows and designs as columns; and one of each figure by stage, where ``depth`` says so."""
    text = [f"### {_count(found)}\n\n{setting_text(found)}\n", _markdown(found, _figure_rows(found, brief=False))]
    if depth is not None:
        stages = found.stages(depth)
        for name in STAGE_FIGURES:
            text.append(f"\n#### {COLUMNS[name].title} by block\n")
            text.append(_markdown(found, _stage_rows(found, stages, name, brief=False)))
    text += [f"\n{markdown.escaped(note)}" for note in notes(found)]
    return "\n".join(text) + "\n"


def _markdown(found: Comparison, rows: Sequence[_Row]) -> str:
    lines = [
        [row.title, *(f"{cell.text} ({cell.beside})" if cell.beside else cell.text for cell in row.cells)]
        for row in rows
    ]
    return markdown.grid(
        ["", *map(markdown.escaped, found.labels)],
        [list(map(markdown.escaped, line)) for line in lines],
        [True, *(False for _ in found.labels)],
    )


# -- side by side, for machines ---


def comparison_csv(found: Comparison) -> str:
    """A row a design and a column a figure, with its unit in the header."""
    rows = (
        [label, *(plain(content, figure.style) for content, figure in zip(values, found.figures, strict=True))]
        for label, values in zip(found.labels, found.values, strict=True)
    )
    columns = [("design", ""), *((figure.name, figure.unit) for figure in found.figures)]
    return sheet.to_csv(columns, rows, lacking=[incomplete(side.design) for side in found.sides])


def comparison_data(found: Comparison, *, depth: int = 1) -> dict[str, Any]:
    """A comparison as plain data, with the stages that ``depth`` tells apart."""
    content = {
        "setting": found.setting.data(),
        "times": found.times or None,
        "baseline": found.labels[found.baseline],
        "figures": [
            {"name": one.name, "title": one.title, "unit": one.unit, "convention": one.convention}
            for one in found.figures
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
                "figures": {one.name: content for one, content in zip(found.figures, values, strict=True)},
                "ratios": {one.name: r for one, r in zip(found.figures, ratios, strict=True) if r is not None},
            }
            for side, values, ratios in zip(found.sides, found.values, found.ratios, strict=True)
        ],
        "stages": [_stage_data(found, stage) for stage in found.stages(depth)],
    }
    return js.headed(JSON_VERSION, _lacking(found), content, _warnings(found))


def _stage_data(found: Comparison, stage: Stage) -> dict[str, Any]:
    parts = {
        label: {
            "layers": part.layers,
            "output_shape": part.output_shape,
            **{name: getattr(part, name) for name in COSTS},
            "kept_bytes": kept,
        }
        for label, part, kept in zip(found.labels, stage.parts, stage.kept_bytes, strict=True)
        if part is not None
    }
    return {"name": stage.name, "designs": parts}


def schema() -> js.Schema:
    """The schema of :func:`comparison_data`, with the difference where it is asked for."""
    costs = {name: js.figure(name) for name in (*COSTS, "kept_bytes")}
    known = {
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
    difference, change = difference_schema()
    fields = {
        "setting": js.setting(),
        "times": js.nullable(js.chosen(("estimate", "at least"), "what the times are: estimates, or bounds")),
        "baseline": js.text("label of the design that ratios are to"),
        "figures": js.many(js.record(known)),
        "designs": js.many(js.record(design)),
        "stages": js.many(js.record(stage), "by block"),
        "difference": difference,
    }
    return js.document("compare", JSON_VERSION, fields, optional=["difference"], defs={"change": change})
