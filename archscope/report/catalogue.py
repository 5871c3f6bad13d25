"""Many designs side by side, a row each, in three formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from archscope.analysis.account import Account
from archscope.design import incomplete
from archscope.report import markdown, sheet
from archscope.report.text import plain, value


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


def to_csv(designs: Sequence[Entry]) -> str:
    """A row a design, plain numbers; inputs as ``3x224x224``."""
    return sheet.to_csv(
        [(column.name, column.unit) for column in _COLUMNS],
        ([plain(one[c.name], c.style) for c in _COLUMNS] for one in designs),
        lacking=[one["incomplete"] for one in designs],
    )


def _texts(designs: Sequence[Entry]) -> tuple[list[str], list[list[str]], list[bool]]:
    """Titles and rows of the columns that people read, and which of them are text."""
    shown = [column for column in _COLUMNS if column.people]
    rows = [[value(one[c.name], c.style) for c in shown] for one in designs]
    return [c.title for c in shown], rows, [c.style != "count" for c in shown]


def to_markdown(designs: Sequence[Entry]) -> str:
    """A table for a README."""
    titles, rows, left = _texts(designs)
    return markdown.grid(titles, [list(map(markdown.escaped, row)) for row in rows], left) + "\n"


def to_text(designs: Sequence[Entry]) -> str:
    """A table for a terminal."""
    from archscope.report.terminal import grid

    titles, rows, left = _texts(designs)
    return grid(titles, rows, left) + "\n"
