"""Reports in a terminal: indented by block, as wide as the terminal, exact to the unit."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import click
import tabulate

from archscope.errors import counted
from archscope.report.base import Report
from archscope.report.blocks import (
    COLORS,
    Block,
    Chart,
    Checks,
    Details,
    Drawing,
    Equations,
    Fact,
    Facts,
    Grid,
    Headline,
    Notes,
    Room,
    Sum,
    Sums,
)
from archscope.report.text import cut

#: a screen or two
ROOM = Room(rows=120)

_NARROWEST_NAME, _NARROWEST_TEXT, _WIDEST_TITLE = 20, 24, 22
_GAP = 2
_NOUGHTS = ("0", "0.00%")  # printed faintly, so that the eye finds what counts
_SHORTENED = "numbers to four digits, so that more fit; files have them exactly"


def printed(report: Report, width: int) -> str:
    """A report for a terminal of so many columns."""
    return _Terminal(width).report(report)


def drawn(block: Block, width: int) -> str:
    """A block by itself."""
    return block.drawn(_Terminal(width))


class _Terminal(Drawing):
    """Blocks one below the other, an empty line between them."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._shortened = False

    def report(self, report: Report) -> str:
        texts = self.texts(report, ROOM)
        if self._shortened:
            texts.append(self.notes(Notes((_SHORTENED,))))
        return "\n\n".join(texts)

    def headline(self, block: Headline) -> str:
        lines = list(self._lines(["   ".join(filter(None, [block.name, block.words]))], "  "))
        if lines[0].startswith(block.name):
            lines[0] = _styled(block.name, bold=True) + lines[0][len(block.name) :]
        return "\n".join([*lines, *self._lines(block.about, "  ")])

    def notes(self, block: Notes) -> str:
        return "\n".join(_styled(line, dim=block.faint) for line in self._lines(block.lines))

    def facts(self, block: Facts) -> str:
        widths = _fact_widths(block)
        groups = ["\n".join(self._fact(fact, widths) for fact in group) for group in block.groups]
        return "\n\n".join([*self._title(block.title), *groups])

    def _fact(self, fact: Fact, widths: Sequence[int]) -> str:
        """A title, values below values, and a note in as many lines as it takes."""
        title = f"{'  ' * fact.level}{fact.title}"
        if not fact.values:
            return f"{title}: {fact.note}" if fact.title else f"{title}{fact.note}"
        values = " ".join(f"{text:>{width}}" for text, width in zip(fact.values, widths[1:], strict=False))
        head = f"{title:{widths[0]}} {values}   " if widths[0] else f"{title}{values}  "
        return self._hanging(head, fact.note)

    def _hanging(self, head: str, text: str) -> str:
        below = " " * len(head)
        room = max(self._width, len(head) + _NARROWEST_TEXT)
        heads = [head, *(below for _ in text.splitlines()[1:])]
        lines = [
            textwrap.fill(one, room, initial_indent=first, subsequent_indent=below)
            for first, one in zip(heads, text.splitlines(), strict=False)
        ]
        return "\n".join(lines) or head.rstrip()

    def equations(self, block: Equations) -> str:
        """As a textbook writes them, a line each however long it is."""
        head = [": ".join(filter(None, [block.name, block.title]))]
        return "\n".join([*filter(None, head), *(f"  {line}" for line in block.lines)])

    def checks(self, block: Checks) -> str:
        lines = []
        for one in block.lines:
            word = _styled(f"{one.verdict:7}" if one.verdict else "", color=COLORS.get(one.verdict, ""))
            lines.append(f"{word}{'   '.join(filter(None, one[1:]))}")
        return "\n".join([*lines, *block.summary])

    def sums(self, block: Sums) -> str:
        """Numbers below each other, so that they add up."""
        first, *rest = self._lines([f"{block.name}: {block.words}"])
        head = _styled(block.name, bold=True) + first.removeprefix(block.name)
        return "\n".join([head, *rest, *(line for one in block.sums for line in self._sum(one))])

    def _sum(self, one: Sum) -> Iterator[str]:
        numbers = [one.start[0], *(term.number for term in one.terms), one.total[0] or 0]
        room = max(len(f"{abs(number):,}") for number in numbers)
        yield f"    {one.start[0]:>{room},} {one.start[1]}"
        for term in one.terms:
            of = f"; {counted(term.layers, 'layer')}" if term.layers else ""
            text = f"  {'-' if term.number < 0 else '+'} {abs(term.number):>{room},} {term.name} ({term.why}{of})"
            yield from self._lines([text], " " * (room + 5))
        if one.refused:
            yield f"  not modelled: {one.refused}; so there is no total"
        else:
            yield f"  = {one.total[0]:>{room},} {one.total[1]}"

    def chart(self, block: Chart) -> str:
        return ""  # it has no pictures

    def details(self, block: Details) -> str:
        return "\n\n".join([*self._title(block.summary), *self.drawn(block.inner)])

    def grid(self, block: Grid) -> str:
        parts = [*self._title(block.title), *(_part(block, part) for part in self._parts(block))]
        return "\n\n".join(parts) + (f"\n{block.more}" if block.more else "")

    def _title(self, title: str) -> list[str]:
        return ["\n".join(_styled(line, bold=True) for line in self._lines([title]))] if title else []

    def _lines(self, lines: Iterable[str], indent: str = "") -> list[str]:
        return [part for line in lines for part in textwrap.wrap(line, self._width, subsequent_indent=indent) or [""]]

    # -- tables that fit ---

    def _parts(self, block: Grid) -> list[_Sheet]:
        """A table as wide as the terminal, or its parts."""
        exact = _Sheet.of(block)
        if not block.pinned:
            return [self._narrowed(block, exact)]
        brief = _Sheet.of(block, brief=True)
        parts, short_parts = (self._bands(block, sheet) for sheet in (exact, brief))
        fits = all(part.width <= self._width for part in parts)
        if brief.texts == exact.texts or (fits and len(short_parts) >= len(parts)):
            return parts
        self._shortened = True
        return short_parts

    def _narrowed(self, block: Grid, sheet: _Sheet) -> _Sheet:
        """With the least important columns left out; what is too wide then is wrapped, or cut in the middle."""
        for number in sorted(head.dropped for head in block.heads if head.dropped):
            names = min(sheet.widths[0], _NARROWEST_NAME + _GAP)
            if names + sum(sheet.widths[1:]) - _GAP <= self._width:
                break
            sheet = sheet.columns([at for at in sheet.at if block.heads[at].dropped != number])
        wrapped = next((place for place, at in enumerate(sheet.at) if block.heads[at].wrapped), None)
        place = wrapped or 0
        others = sum(sheet.widths) - sheet.widths[place]
        if wrapped is not None:
            room = max(_NARROWEST_TEXT, self._width - others)
            return sheet.with_texts(place, lambda text: "\n".join(textwrap.wrap(text, room)))
        return sheet.with_texts(place, lambda text: cut(text, max(_NARROWEST_NAME, self._width - others)))

    def _bands(self, block: Grid, sheet: _Sheet) -> list[_Sheet]:
        """In as many parts as the width asks for; the pinned columns are in each.

        Where it takes several, titles of several words stand in as many lines.
        """
        sheet = sheet.with_titles(lambda title: "\n".join(textwrap.wrap(title, _WIDEST_TITLE, break_on_hyphens=False)))
        parts = sheet.parts(block.pinned, self._width)
        if len(parts) > 1:
            parts = sheet.with_titles(lambda title: title.replace(" ", "\n")).parts(block.pinned, self._width)
        return parts


class _Sheet(NamedTuple):
    """The texts of a table, or of some of its columns.

    Attributes:
        at: which columns these are.
        texts: of the rows, totals included.
    """

    at: Sequence[int]
    titles: Sequence[str]
    below: Sequence[str]
    texts: Sequence[Sequence[str]]

    @classmethod
    def of(cls, block: Grid, *, brief: bool = False) -> _Sheet:
        rows = [(row, block.cells(row)) for row in (*block.rows, *block.totals)]
        most = [max(len(cell.beside) for cell in column) for column in zip(*(cells for _, cells in rows), strict=True)]
        texts = [
            [_beside(cell.text(brief=brief), cell.beside, room) for cell, room in zip(cells, most, strict=True)]
            for _, cells in rows
        ]
        for (row, _), line in zip(rows, texts, strict=True):
            line[0] = "  " * row.level + (line[0] if row.label is None else row.label)
        titles = ["" if block.bare else head.title for head in block.heads]
        return cls(range(len(titles)), titles, [head.below for head in block.heads], texts)

    @property
    def widths(self) -> list[int]:
        """What each column takes, the gap behind it included; tabulate pads titles."""
        columns = zip(*self.texts, strict=True) if self.texts else [()] * len(self.at)
        return [
            max([max(map(len, head.split("\n"))) + tabulate.MIN_PADDING * bool(head), *_lengths(column)]) + _GAP
            for head, column in zip(self.heads, columns, strict=True)
        ]

    @property
    def heads(self) -> list[str]:
        """Titles with what stands below them."""
        return ["\n".join(filter(None, pair)) for pair in zip(self.titles, self.below, strict=True)]

    @property
    def width(self) -> int:
        """Of all; nothing stands behind the last gap."""
        return sum(self.widths) - _GAP

    def columns(self, at: Sequence[int]) -> _Sheet:
        """Some of the columns."""
        places = [self.at.index(one) for one in at]
        return _Sheet(
            at,
            [self.titles[place] for place in places],
            [self.below[place] for place in places],
            [[line[place] for place in places] for line in self.texts],
        )

    def with_titles(self, change: Callable[[str], str]) -> _Sheet:
        """The same with other titles."""
        return self._replace(titles=list(map(change, self.titles)))

    def with_texts(self, place: int, change: Callable[[str], str]) -> _Sheet:
        """The same with other texts in a column."""
        return self._replace(texts=[[*line[:place], change(line[place]), *line[place + 1 :]] for line in self.texts])

    def parts(self, pinned: Sequence[int], width: int) -> list[_Sheet]:
        """The columns shared out, the pinned ones in each part."""
        taken = sum(self.widths[at] for at in pinned)
        bands: list[list[int]] = [[]]
        left = width + _GAP - taken  # nothing stands behind the last gap
        for at, wide in enumerate(self.widths):
            if at in pinned:
                continue
            if wide > left and bands[-1]:
                bands.append([])
                left = width + _GAP - taken
            bands[-1].append(at)
            left -= wide
        return [self.columns(sorted([*pinned, *band])) for band in bands]


def _part(block: Grid, sheet: _Sheet) -> str:
    rows: list[Sequence[str]] = []
    whole = block.totals[-1:]
    for row, line in zip((*block.rows, *block.totals), sheet.texts, strict=True):
        heavy = row.role == "folded" or row in whole or (row.role == "total" and not whole)
        colors = [cell.color for cell in block.cells(row)]
        rows.append(
            [
                _styled(text, bold=heavy, dim=row.role == "heading" or text in _NOUGHTS, color=colors[at])
                for text, at in zip(line, sheet.at, strict=True)
            ]
        )
    lines = [*rows[: len(block.rows)], *([tabulate.SEPARATING_LINE] if block.totals else []), *rows[len(block.rows) :]]
    drawn = tabulate.tabulate(
        lines,
        headers=[] if block.bare else [_styled(title, bold=True) for title in sheet.heads],
        tablefmt="plain" if block.bare else "simple",
        colalign=["left" if block.heads[at].left else "right" for at in sheet.at] if lines else None,
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return textwrap.indent(drawn, "  ") if block.bare else drawn


def _beside(text: str, beside: str, room: int) -> str:
    """A number and what stands beside it, both one below the other."""
    return f"{text} {beside:>{room}}" if room else text


def _lengths(texts: Iterable[str]) -> list[int]:
    """How wide texts are, each in as many lines as it has."""
    return [max(map(len, text.split("\n"))) for text in texts]


def _fact_widths(block: Facts) -> list[int]:
    """Of titles and of each value."""
    facts = [fact for fact in block.rows if fact.values]
    titles = max((len(fact.title) + 2 * fact.level for fact in facts if fact.title), default=0)
    values = (max((len(one.values[at]) for one in facts if len(one.values) > at), default=0) for at in range(9))
    return [max(width, most) for width, most in zip(block.widths, (titles, *values), strict=False)]


def _styled(text: str, *, bold: bool = False, dim: bool = False, color: str = "") -> str:
    if not text or not (bold or dim or color):
        return text
    return click.style(text, bold=bold or None, dim=dim or None, fg=color or None)
