"""Results as HTML for notebooks: tables with little style of their own, so that they suit light and dark ones.

Everything that comes from a design is escaped. No template engine and no pandas is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import click

from archscope.report.frame import missing_in
from archscope.report.terminal import Cells
from archscope.report.text import value
from archscope.table import Line, Table

if TYPE_CHECKING:
    from archscope.shown import Shown
    from archscope.sweeps.model import Sweep

#: blocks are folded where there would be more rows; of a list only the longest are shown, the rest is in its frame
MOST_ROWS, MOST_LISTED = 60, 20
_FAINT = "opacity:.7;font-size:smaller"


def html(result: Shown) -> str:
    """A result as a piece of HTML."""
    parts = list(_DRAWN[type(result).__name__](result))
    lacking = missing_in(result)
    if lacking is not None and not any(escape(lacking) in part for part in parts):
        parts.append(_notes([lacking]))
    return f'<div class="archscope" style="overflow-x:auto">{"".join(parts)}</div>'


def _sweep(found: Sweep) -> Iterable[str]:
    from archscope.report import sweep

    yield _headline(found.title, sweep.setting_text(found))
    yield _facts([("", count, words) for count, words in sweep.counts(found)])
    best = sweep.best_cells(found)
    tables = {
        f"Axes: {sweep.structure_text(found)}": sweep.axis_cells(found),
        sweep.listed_title(found): best._replace(rows=best.rows[:MOST_LISTED]),
        sweep.INFLUENCE_TITLE: sweep.influence_cells(found),
    }
    for title, cells in tables.items():
        if cells.rows and len(cells.titles) > 1:
            yield f"<p>{escape(title)}</p>"
            yield _table(cells)
    yield _notes([*_rest(len(best.rows)), *sweep.notes(found)])


#: by name, for some belong to the torch side
_DRAWN: dict[str, Callable[[Any], Iterable[str]]] = {
    "Sweep": _sweep,
}


# -- pieces ------------------------------------------------------------------------------------------------------------


def _headline(name: str, more: str) -> str:
    return f"<p><b>{escape(name)}</b> {escape(more)}</p>"


def _notes(lines: Iterable[str]) -> str:
    return f'<p style="{_FAINT}">{"<br>".join(map(escape, lines))}</p>'


def _rest(there: int) -> list[str]:
    return [f"and {there - MOST_LISTED} more; .frame has all"] if there > MOST_LISTED else []


def _layers(table: Table) -> str:
    """The tree of a table, a line above its totals."""
    left = [column.style in ("text", "shape") for column in table.columns]
    rows = [_row(_texts(line, table), left, level=line.level) for line in table.lines]
    adding = any(column.additive for column in table.columns)
    for order, line in enumerate(table.totals if adding else ()):
        style = "" if order else "border-top:1px solid;"
        heavy = "font-weight:bold;" if line is table.totals[-1] else ""
        rows.append(_row(_texts(line, table), left, style=style + heavy))
    return _whole([column.title for column in table.columns], rows, left)


def _texts(line: Line, table: Table) -> list[str]:
    cells = zip(line.cells[1:], table.columns[1:], strict=True)
    return [line.label, *(value(content, column.style) for content, column in cells)]


def _facts(facts: Iterable[Sequence[str]]) -> str:
    """Figures with titles and notes; what begins with blanks is a part of the one above."""
    rows = []
    for title, *values, note in facts:
        left = [True, *(False for _ in values), True]
        rows.append(_row([title.strip(), *values, note], left, level=int(title.startswith(" "))))
    return _whole([], rows, [])


def _table(cells: Cells) -> str:
    rows = [_row([click.unstyle(cell) for cell in row], cells.left) for row in cells.rows]
    return _whole(cells.titles, rows, cells.left) if rows else ""


def _whole(titles: Sequence[str], rows: Iterable[str], left: Sequence[bool]) -> str:
    head = f"<thead>{_row(titles, left, tag='th')}</thead>" if titles else ""
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums"
    return f'<table style="{style}">{head}<tbody>{"".join(rows)}</tbody></table>'


def _row(texts: Sequence[str], left: Sequence[bool], *, level: int = 0, style: str = "", tag: str = "td") -> str:
    cells = []
    for column, (text, on_the_left) in enumerate(zip(texts, left, strict=True)):
        indent = 0.5 if column else 0.5 + level
        side = "left" if on_the_left else "right"
        cells.append(f'<{tag} style="{style}text-align:{side};padding:0 .5em 0 {indent}em">{escape(text)}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"
