"""Reports as HTML: a piece for notebooks, and a page that stands alone.

Everything that comes from a design is escaped. The piece needs no template engine, and has little style of its own, so
that it suits light notebooks and dark ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from archscope.report.base import Report
from archscope.report.blocks import (
    Cell,
    Chart,
    Checks,
    Details,
    Drawing,
    Equations,
    Facts,
    Grid,
    Headline,
    Notes,
    Room,
    Sums,
)
from archscope.report.formats.base import Format
from archscope.report.text import unit, value

#: of a notebook, where the rest is in the frame; and of a page
PIECE, PAGE = Room(rows=60, rest=".frame has"), Room(rows=None)
_FAINT = "opacity:.7;font-size:smaller"
#: columns that a phone has room for; tables of more are scrolled
_FITTING = 5


class Html(Format):
    """A page in the style of the interactive ones."""

    NAME, HELP = "html", "Write a report as one self-contained page."

    def text(self, report: Report) -> str:
        from markupsafe import Markup

        from archscope.report.page.render import render

        return render(
            "report.html",
            styles=("style.css", "report.css"),
            scripts=("theme.js",),
            title=report.headline().name,
            body=Markup("\n".join(_Html(charts=True).texts(report, PAGE))),
        )


def piece(report: Report) -> str:
    """A report as a piece of HTML."""
    parts = "".join(_Html(charts=False).texts(report, PIECE))
    return f'<div class="archscope" style="overflow-x:auto">{parts}</div>'


class _Html(Drawing):
    """Blocks as elements; charts are drawn with the styles of a page."""

    def __init__(self, *, charts: bool) -> None:
        self._charts = charts

    def chart(self, block: Chart) -> str:
        return _chart(block) if self._charts else ""

    def headline(self, block: Headline) -> str:
        return f"<p><b>{escape(block.name)}</b> {'<br>'.join(map(escape, (block.words, *block.about)))}</p>"

    def notes(self, block: Notes) -> str:
        style = f' style="{_FAINT}"' if block.faint else ""
        return f"<p{style}>{'<br>'.join(map(escape, block.lines))}</p>" if block.lines else ""

    def details(self, block: Details) -> str:
        summary = f"<summary>{escape(block.summary)}</summary>"
        return f"<details>{summary}{''.join(self.drawn(block.inner))}</details>"

    def equations(self, block: Equations) -> str:
        return self._drawn(block.grid, "equations")

    def checks(self, block: Checks) -> str:
        return self.grid(block.grid)

    def sums(self, block: Sums) -> str:
        return self.notes(Notes(block.sentences))

    def facts(self, block: Facts) -> str:
        most = max((len(fact.values) for fact in block.rows), default=0)
        left = [True, *(False for _ in range(most)), True]
        rows = []
        for fact in block.rows:
            values = [*fact.values, *("" for _ in range(most - len(fact.values)))]
            rows.append(_row([fact.title, *values, fact.note], left, level=fact.level))
        return _titled(block.title) + _table([], rows, left, "facts")

    def grid(self, block: Grid) -> str:
        return self._drawn(block, "grid")

    def _drawn(self, block: Grid, kind: str) -> str:
        left = [head.left for head in block.heads]
        rows = []
        for row in (*block.rows, *block.totals):
            texts = [_text(cell) for cell in block.cells(row)]
            style = "border-top:1px solid;" if row in block.totals[:1] else ""
            style += "font-weight:bold;" if row in block.totals[-1:] or row.role == "block" else ""
            first = texts[0] if row.label is None else row.label
            rows.append(_row([first, *texts[1:]], left, level=row.level, style=style))
        kind += " wide" * (len(block.heads) > _FITTING)
        titles = [" ".join(filter(None, [head.title, head.below])) for head in block.heads]
        more = f'<p style="{_FAINT}">{escape(block.more)}</p>' if block.more else ""
        return _titled(block.title) + _table(titles, rows, left, kind) + more


def _chart(block: Chart) -> str:
    from archscope.report.page.paths import area, ticks

    values = [one for curve in block.curves for one in curve.values]
    top, count = 1.08 * max(values, default=1.0), len(values)
    grid = "".join(
        f'<span style="bottom:{100 * tick.at:.2f}%"><b>{escape(tick.label)}</b></span>'
        for tick in ticks(top, lambda one: value(one, block.style).replace(".00 ", " "), unit(top, block.style))
    )
    areas, legend, begin = [], [], 0
    for number, curve in enumerate(block.curves, 1):
        areas.append(f'<path class="area p{number}" d="{area(curve.values, top, start=begin, count=count)}"/>')
        legend.append(f'<li><i class="area p{number}"></i>{escape(curve.name)}</li>')
        begin += len(curve.values)
    picture = f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{"".join(areas)}</svg>'
    return (
        f'{_titled(block.title)}<figure class="chart" aria-label="{escape(block.words)}">'
        f'<div class="plot"><div class="grid" aria-hidden="true">{grid}</div>{picture}</div>'
        f'<figcaption><ul class="legend">{"".join(legend)}</ul><p>{escape(block.words)}</p></figcaption></figure>'
    )


def _titled(title: str) -> str:
    return f"<p>{escape(title)}</p>" if title else ""


def _text(cell: Cell) -> str:
    return f"{cell.text()} ({cell.beside})" if cell.beside else cell.text()


def _table(titles: Sequence[str], rows: Iterable[str], left: Sequence[bool], kind: str) -> str:
    """A table; of which kind it is tells a page how it stands on a phone."""
    head = f"<thead>{_row(titles, left, tag='th')}</thead>" if titles else ""
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums"
    scrolled = ' tabindex="0"' if kind.endswith(" wide") else ""
    return f'<table class="{kind}"{scrolled} style="{style}">{head}<tbody>{"".join(rows)}</tbody></table>'


def _row(texts: Sequence[str], left: Sequence[bool], *, level: int = 0, style: str = "", tag: str = "td") -> str:
    cells = []
    for column, (text, on_the_left) in enumerate(zip(texts, left, strict=True)):
        indent = 0.5 if column else 0.5 + level
        side = "left" if on_the_left else "right"
        cells.append(f'<{tag} style="{style}text-align:{side};padding:0 .5em 0 {indent}em">{escape(text)}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"
