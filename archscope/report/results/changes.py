"""What became of designs since a revision; the records are their figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archscope.comparison.changes import CHANGED, DELETED, KINDS, NEW, RESTATED, WRONG, Change, Changes, Figure
from archscope.comparison.difference import Difference
from archscope.design import Expectation
from archscope.errors import counted
from archscope.figures import words_of
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Cell, Checked, Checks, Details, Grid, Head, Headline, Notes, Room, Row
from archscope.report.results.difference import DifferenceReport
from archscope.report.results.difference import schemas as difference_schemas
from archscope.report.results.verification import verdict_data, verdict_line, verdict_schema
from archscope.report.text import value
from archscope.verify import growth

_RESTATED = "restated (the same layers and figures; what is said of them is not as before)"
_COLORS = {NEW: "green", DELETED: "red", CHANGED: "yellow", WRONG: "red"}


@dataclass(frozen=True)
class ChangesReport(Report):
    """A table of figures before and after, what is stated and whether it holds, and the layers of each, folded.

    Attributes:
        depth: how many blocks within each other are opened.
    """

    result: Changes
    depth: int | None = None

    @property
    def said(self) -> Said:
        return Said.of(*self.result.designs)

    def headline(self) -> Headline:
        changes = self.result
        words = words_of(changes.setting, changes.columns)
        return Headline(f"Designs since {changes.base}", words, (self._summary(), *self.said.lines))

    def _summary(self) -> str:
        """``2 changed, 1 new, 80 as they were; 1 of 6 statements does not hold``."""
        changes = self.result
        counts = Counter(change.kind for change in changes.changes)
        parts = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
        same = f"{changes.same} as {'it was' if changes.same == 1 else 'they were'}"
        text = ", ".join([*parts, *([same] if changes.same or not parts else [])])
        stated = sum(len(change.verdicts) for change in changes.changes)
        if changes.broken:
            verb = "does" if changes.broken == 1 else "do"
            text += f"; {changes.broken} of {counted(stated, 'statement')} {verb} not hold"
        elif stated:
            text += f"; {counted(stated, 'statement')}, all hold" if stated > 1 else "; 1 statement, which holds"
        return text

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        rows = tuple(row for change in self.result.changes if change.kind != RESTATED for row in self._rows(change))
        if rows:
            heads = ("before", "after", "change")
            yield Grid(
                (
                    Head("design"),
                    Head(""),
                    Head("figure"),
                    *(Head(title, "count") for title in heads),
                    Head("", "count"),
                ),
                rows,
            )
        lines = tuple(line for change in self.result.changes for line in self._lines(change))
        if lines:
            yield Checks(lines)
        restated = [self._title(change) for change in self.result.changes if change.kind == RESTATED]
        notes = (note for change in self.result.changes for note in self._notes(change))
        yield Notes((*([f"{_RESTATED}: {', '.join(restated)}"] if restated else []), *notes))
        for change in self.result.changes:
            yield from self._details(change, room)

    def _title(self, change: Change) -> str:
        """The name of a design, and its file where another has that name."""
        if change.design is None:
            return change.spec
        title = change.design.title
        return title if self._titles[title] == 1 else f"{title} ({change.spec})"

    @cached_property
    def _titles(self) -> Counter[str]:
        return Counter(design.title for design in self.result.designs)

    def _rows(self, change: Change) -> Iterator[Row]:
        for at, figure in enumerate(change.figures):
            first = (self._title(change), Cell(change.kind, color=_COLORS[change.kind])) if not at else ("", "")
            style = figure.column.style
            cells = (Cell(one, style, figure.column.unit) for one in (figure.before, figure.after))
            yield Row((*first, figure.column.title, *cells, Cell(signed(figure), "text"), Cell(share(figure), "text")))

    def _lines(self, change: Change) -> Iterator[Checked]:
        """What does not hold, and every limit; published figures that hold are counted in the headline."""
        for verdict in change.verdicts:
            if not verdict.ok or not isinstance(verdict.about, Expectation):
                yield verdict_line(self._title(change), verdict)
        if change.kind == WRONG:
            yield Checked("wrong", change.spec, _first(change))

    def _notes(self, change: Change) -> Iterator[str]:
        if change.was:
            yield f"{change.spec} was {change.was}"
        if change.kind == NEW and change.unread is not None:
            yield f"{change.spec} was no design: {_first(change)}"
        if change.kind == CHANGED and change.difference is None:
            yield f"{self._title(change)} has too many layers to be laid over those that it had"

    def _details(self, change: Change, room: Room) -> Iterator[Block]:
        if change.difference is not None:
            inner = tuple(DifferenceReport(change.difference, self.depth).inner(room))
            yield Details(f"{self._title(change)}: {_what_differs(change.difference)} ({change.spec})", inner)

    def records(self) -> Records:
        fields = (
            Field("design"), Field("spec"), Field("kind"), Field("was"), Field("figure"), Field("unit"),
            Field("before", style="axes"), Field("after", style="axes"), Field("change"), Field("growth"),
        )  # fmt: skip
        rows = [
            [change.design and change.design.name, change.spec, change.kind, change.was or None, one.column.name,
             one.column.unit, one.before, one.after, one.change, _growth(one)]
            for change in self.result.changes
            for one in change.figures
        ]  # fmt: skip
        return Records(fields, rows, "design", self.said.lacking, run_of(self.result.setting, self.result.columns))

    def data(self) -> dict[str, Any]:
        changes = self.result
        content = {
            "setting": changes.setting.data(),
            "base": {"asked": changes.base.asked, "commit": changes.base.commit, "left": changes.base.left},
            "same": changes.same,
            "broken": changes.broken,
            "designs": [_data(change) for change in changes.changes],
        }
        return self.headed(content)

    @classmethod
    def schema(cls) -> js.Schema:
        difference, change = difference_schemas(DifferenceReport.VERSION)
        number = {"type": ["number", "string", "array", "null"], "items": {"type": "number"}}
        figure = {
            "name": js.text("as elsewhere"),
            "unit": js.text(),
            "before": number,
            "after": number,
            "change": js.nullable(js.number()),
            "growth": js.nullable(js.number("change by what was before; none where there was nothing")),
        }
        design = {
            "spec": js.text("its file"),
            "kind": js.chosen(KINDS, "what became of it"),
            "was": js.nullable(js.text("what its file was called, if something else")),
            "design": js.nullable(js.text("its name; none where the spec is wrong")),
            "error": js.nullable(js.text("why there is no design, now or before")),
            "figures": js.many(js.record(figure)),
            "verdicts": js.many(js.record(verdict_schema())),
            "difference": js.nullable(difference),
        }
        base = {
            "asked": js.text("the revision that was asked for"),
            "commit": js.text("what designs are held against, in full"),
            "left": js.flag("whether that is where this branch left it, and not that itself"),
        }
        fields = {
            "setting": js.setting(),
            "base": js.record(base),
            "same": js.count("designs that are as they were"),
            "broken": js.count("statements that do not hold"),
            "designs": js.many(js.record(design), "those that are not"),
        }
        return js.document("diff", cls.VERSION, fields, defs={"change": change})


def signed(figure: Figure) -> str:
    """A change with its sign; nothing of what is no number, or only on one side."""
    change = figure.change
    if change is None:
        return ""
    return f"{'+' if change > 0 else '-'}{value(abs(change), figure.column.style)}" if change else "0"


def share(figure: Figure) -> str:
    """A change as a share of what was before: ``+1.24%``."""
    part = _growth(figure)
    return "" if not part else f"{100 * part:+,.3g}%" if abs(part) < 10 else f"{100 * part:+,.0f}%"


def _growth(figure: Figure) -> float | None:
    return None if figure.change is None or not figure.before else growth(figure.before, figure.after)


def _first(change: Change) -> str:
    """What is wrong, in a line."""
    error = change.unread
    if error is None:
        return ""
    more = len(error.diagnostics) - 1
    return error.diagnostics[0].render().splitlines()[0] + (f" (and {more} more)" if more else "")


def _data(change: Change) -> dict[str, Any]:
    return {
        "spec": change.spec,
        "kind": change.kind,
        "was": change.was or None,
        "design": None if change.design is None else change.design.name,
        "error": None if change.unread is None else str(change.unread),
        "figures": [
            {
                "name": one.column.name,
                "unit": one.column.unit,
                "before": one.before,
                "after": one.after,
                "change": one.change,
                "growth": _growth(one),
            }
            for one in change.figures
        ],
        "verdicts": [verdict_data(one) for one in change.verdicts],
        "difference": None if change.difference is None else DifferenceReport(change.difference).data(),
    }


def _what_differs(difference: Difference) -> str:
    layers = difference.total.layers
    if layers:
        return f"{counted(layers, 'layer')} {'is' if layers == 1 else 'are'} not as before"
    return "names differ" if difference.changes else "no layer differs"
