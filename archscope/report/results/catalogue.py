"""Many designs side by side; the records are designs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from archscope.analysis.counts.account import Account
from archscope.design import incomplete
from archscope.errors import counted
from archscope.figures import FIGURES, words_of
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Grid, Head, Headline, Room, Row
from archscope.setting import Setting


class _Column(NamedTuple):
    """A figure of a design: its name and unit in CSV, its title, and how it is written."""

    name: str
    title: str
    style: str
    unit: str = ""
    people: bool = True


_COLUMNS = (
    _Column("name", "name", "text"),
    _Column("design", "design", "text"),
    _Column("source", "source", "text", people=False),
    _Column("input", "input", "shape"),
    _Column("params", "params", "count", "elements"),
    _Column("keras_params", "params as Keras counts", "count", "elements", people=False),
    _Column("macs", "MACs", "count", "MACs"),
    _Column("elementwise", "elementwise", "count", "operations", people=False),
    _Column("activations", "activations", "count", "elements"),
    _Column("depth", "depth", "count", "layers"),
    _Column("layers", "layers", "count", "layers", people=False),
)


_FIGURES = tuple(FIGURES[one.name] for one in _COLUMNS if one.style == "count")

#: a design's name and figures, by column, and what they lack
Entry = dict[str, Any]


def entry(name: str, account: Account) -> Entry:
    """What is said of a design."""
    design, total = account.design, account.total
    return {
        "name": name,
        "design": design.title,
        "source": design.source,
        "input": tuple(node.shape for node in design.inputs),
        **{column.name: getattr(total, column.name) for column in _COLUMNS[4:] if column.name != "depth"},
        "depth": account.depth,
        "incomplete": incomplete(design),
    }


@dataclass(frozen=True)
class CatalogueReport(Report):
    """A row a design."""

    result: Sequence[Entry]

    @property
    def said(self) -> Said:
        return Said("; ".join(filter(None, (one["incomplete"] for one in self.result))) or None)

    def headline(self) -> Headline:
        return Headline(counted(len(self.result), "design"), words_of(Setting(), _FIGURES), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        shown = [column for column in _COLUMNS if column.people]
        heads = tuple(Head(column.title, column.style, column.unit) for column in shown)
        yield Grid(heads, tuple(Row([one[column.name] for column in shown]) for one in self.result))

    def records(self) -> Records:
        lacking = [one["incomplete"] for one in self.result]
        rows = ([one[column.name] for column in _COLUMNS] for one in self.result)
        fields = [Field(one.name, one.unit, one.style) for one in _COLUMNS]
        return Records(fields, rows, "name", lacking, run_of(Setting(), _FIGURES))

    def data(self) -> dict[str, Any]:
        return self.headed({"setting": Setting().data(), "designs": list(self.result)})

    @classmethod
    def schema(cls) -> js.Schema:
        figures = {one.name: js.count("", one.unit) for one in _COLUMNS if one.style == "count"}
        design = {
            "name": js.text("as `archscope analyze` takes it"),
            "design": js.text("as the spec gives it"),
            "source": js.text("the paper or document that it follows"),
            "input": js.many(js.sizes(), "an input each"),
            **figures,
            "incomplete": js.lacking(),
        }
        return js.document("list", cls.VERSION, {"setting": js.setting(), "designs": js.many(js.record(design))})
