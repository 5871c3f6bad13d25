"""What a result says, in blocks; a format is one way to write blocks, and knows no result.

The results are in :mod:`archscope.report.results`, the formats in :mod:`archscope.report.formats`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.figures.table import Line as TableLine
from archscope.report.text import short_value, value

if TYPE_CHECKING:
    from archscope.analysis.explain import Line
    from archscope.report.base import Report


class Block(ABC):
    """A piece of a report."""

    @abstractmethod
    def drawn(self, by: Drawing) -> str:
        """It, as a format draws it."""


@dataclass(frozen=True)
class Headline(Block):
    """What the result is of.

    Attributes:
        words: how it was run.
        about: lines below: totals, and what all figures lack.
    """

    name: str
    words: str = ""
    about: tuple[str, ...] = ()

    def drawn(self, by: Drawing) -> str:
        return by.headline(self)


class Fact(NamedTuple):
    """A figure.

    Attributes:
        values: the same in several units; none where the note says all.
        level: 1 of a part of the fact above.
    """

    title: str
    values: tuple[str, ...]
    note: str = ""
    level: int = 0


@dataclass(frozen=True)
class Facts(Block):
    """Figures with titles, in groups.

    Attributes:
        widths: of titles and of each value at least, where letters are all alike.
    """

    groups: tuple[tuple[Fact, ...], ...]
    title: str = ""
    widths: tuple[int, ...] = (12, 12)

    def drawn(self, by: Drawing) -> str:
        return by.facts(self)

    @property
    def rows(self) -> Iterator[Fact]:
        """All of them."""
        for group in self.groups:
            yield from group


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        style: of its contents, as :func:`archscope.report.text.value` knows them.
        unit: of its numbers.
        convention: how they are counted; told where there is room for it.
        dropped: where columns have to go, those go first whose number is the smallest above 0.
        wrapped: whether its texts take what room the other columns leave, in several lines.
        below: a word on the column, where there is a line for it.
    """

    title: str
    style: str = "text"
    unit: str = ""
    convention: str = ""
    dropped: int = 0
    wrapped: bool = False
    below: str = ""

    @property
    def left(self) -> bool:
        """Whether it is text; numbers stand on the right."""
        return self.style in ("text", "shape")


class Cell(NamedTuple):
    """A content that says more than the head of its column does.

    Attributes:
        beside: what it is of another: a ratio, a share.
        color: of the words, for those who see colours.
    """

    content: Any
    style: str = "text"
    unit: str = ""
    beside: str = ""
    color: str = ""

    def text(self, *, brief: bool = False) -> str:
        """As people read it; counts to four digits where it is brief."""
        return short_value(self.content, self.style, self.unit) if brief else value(self.content, self.style)


class Row(NamedTuple):
    """A row of a grid.

    Attributes:
        cells: a :class:`Cell` or a bare content for each column.
        label: what stands in place of the first cell, where rows are indented.
        level: of the indent.
        role: as of a :class:`archscope.figures.table.Line`; empty where rows are alike.
    """

    cells: Sequence[Any]
    label: str | None = None
    level: int = 0
    role: str = ""

    @classmethod
    def of(cls, line: TableLine) -> Row:
        """A line of a table."""
        return cls(line.cells, line.label, line.level, line.role)


@dataclass(frozen=True)
class Grid(Block):
    """A table.

    Attributes:
        totals: rows below a line; the last is the total of all.
        title: above it.
        more: a line below it: what is left out.
        pinned: columns that are in every part where the table is wider than the room; none: it is never parted.
        bare: whether the heads go without saying, where the rows stand among lines of text.
    """

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...] = ()
    title: str = ""
    more: str = ""
    pinned: tuple[int, ...] = ()
    bare: bool = False

    def drawn(self, by: Drawing) -> str:
        return by.grid(self)

    @property
    def filled(self) -> Grid:
        """The same without the columns in which nothing stands."""
        rows = [self.cells(row) for row in (*self.rows, *self.totals)]
        columns = [at for at in range(len(self.heads)) if any(cells[at].text() for cells in rows)]

        def cut(some: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(row._replace(cells=[row.cells[at] for at in columns]) for row in some)

        heads = tuple(self.heads[at] for at in columns)
        return replace(self, heads=heads, rows=cut(self.rows), totals=cut(self.totals))

    def cells(self, row: Row) -> list[Cell]:
        """The cells of a row, each with its style."""
        pairs = zip(row.cells, self.heads, strict=True)
        return [cell if isinstance(cell, Cell) else Cell(cell, head.style, head.unit) for cell, head in pairs]


@dataclass(frozen=True)
class Equations(Block):
    """The arithmetic of figures: symbols, then numbers, then the result.

    Attributes:
        name: what they are of; empty where the headline says it.
    """

    lines: tuple[Line, ...]
    name: str = ""
    title: str = ""

    def drawn(self, by: Drawing) -> str:
        return by.equations(self)

    @property
    def grid(self) -> Grid:
        """The same as a table."""
        heads = (Head("figure"), Head("formula"), Head("with numbers"), Head("result", "exact"), Head("note"))
        rows = (Row((line.figure, line.formula, line.worked, line.result, line.note)) for line in self.lines)
        return Grid(heads, tuple(rows), title=": ".join(filter(None, [self.name, self.title])))


class Checked(NamedTuple):
    """A figure held against another.

    Attributes:
        verdict: ``ok``, ``FAILED``, ``wrong`` or ``open``; empty of a remark.
    """

    verdict: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Checks(Block):
    """Figures held against others, a line each."""

    lines: tuple[Checked, ...]
    summary: tuple[str, ...] = ()

    def drawn(self, by: Drawing) -> str:
        return by.checks(self)

    @property
    def grid(self) -> Grid:
        """The same as a table."""
        rows = tuple(Row((Cell(one.verdict, color=COLORS.get(one.verdict, "")), *one[1:])) for one in self.lines)
        return Grid((Head("verdict"), Head("figure"), Head("note")), rows, more="; ".join(self.summary))


#: of verdicts, for those who see colours
COLORS = {"ok": "green", "FAILED": "red", "wrong": "red", "open": "yellow"}


class Term(NamedTuple):
    """A part of a sum, with its reason, and of how many layers it is."""

    number: int
    name: str
    why: str
    layers: int = 0


class Sum(NamedTuple):
    """How a figure comes out of another, term by term.

    Attributes:
        start: the other figure, and what it counts.
        total: the figure, and what it counts; none where there is none, for the reason in ``refused``.
    """

    start: tuple[int, str]
    terms: tuple[Term, ...]
    total: tuple[int | None, str]
    refused: str = ""

    def __str__(self) -> str:
        """``4,089,184,256 MACs + 22,227,968 batch norm (2 an element) = 4,111,412,224``."""
        terms = (f"{'-' if one.number < 0 else '+'} {abs(one.number):,} {one.name} ({one.why})" for one in self.terms)
        end = f"; not modelled: {self.refused}" if self.refused else f" = {self.total[0]:,}"
        return " ".join([f"{self.start[0]:,} {self.start[1]}", *terms]) + end


@dataclass(frozen=True)
class Sums(Block):
    """Sums that are written out.

    Attributes:
        name: whose figures they are.
        words: how it counts.
    """

    name: str
    words: str
    sums: tuple[Sum, ...]

    def drawn(self, by: Drawing) -> str:
        return by.sums(self)

    @property
    def sentences(self) -> tuple[str, ...]:
        """A sentence each."""
        return tuple(f"{self.name}: {one}" for one in self.sums)


class Curve(NamedTuple):
    """Values along an axis, in order."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Chart(Block):
    """Values in order, a curve behind the other; formats that draw nothing leave it out.

    Attributes:
        words: what it shows, for those who do not see it.
        style: of the values.
    """

    title: str
    words: str
    curves: tuple[Curve, ...]
    style: str

    def drawn(self, by: Drawing) -> str:
        return by.chart(self)


@dataclass(frozen=True)
class Notes(Block):
    """Lines of text.

    Attributes:
        faint: whether they are remarks on what stands above.
    """

    lines: tuple[str, ...]
    faint: bool = True

    def drawn(self, by: Drawing) -> str:
        return by.notes(self)


@dataclass(frozen=True)
class Details(Block):
    """Blocks that are folded where a format can fold; there is a line of what is in them."""

    summary: str
    inner: tuple[Block, ...]

    def drawn(self, by: Drawing) -> str:
        return by.details(self)


class Drawing(ABC):
    """A format that people read: how each kind of block looks in it."""

    def texts(self, report: Report, room: Room) -> list[str]:
        """The blocks of a report, each drawn; those without content are none."""
        return self.drawn(report.blocks(room))

    def drawn(self, blocks: Iterable[Block]) -> list[str]:
        """Blocks, each drawn; those without content are none."""
        return [text for block in blocks if (text := block.drawn(self))]

    @abstractmethod
    def headline(self, block: Headline) -> str: ...

    @abstractmethod
    def facts(self, block: Facts) -> str: ...

    @abstractmethod
    def grid(self, block: Grid) -> str: ...

    @abstractmethod
    def equations(self, block: Equations) -> str: ...

    @abstractmethod
    def checks(self, block: Checks) -> str: ...

    @abstractmethod
    def sums(self, block: Sums) -> str: ...

    @abstractmethod
    def chart(self, block: Chart) -> str: ...

    @abstractmethod
    def notes(self, block: Notes) -> str: ...

    @abstractmethod
    def details(self, block: Details) -> str: ...


class Room(NamedTuple):
    """How much of a result a format has room for.

    Attributes:
        rows: of a table of layers; where there would be more, blocks are folded.
        listed: of a list whose largest come first.
        rest: what has the rest, where it is not an option of the command.
    """

    rows: int | None
    listed: int = 20
    rest: str = ""

    def more(self, left_out: int, option: str) -> str:
        """A line on what is left out, if anything is."""
        return f"and {left_out:,} more; {self.rest or f'`{option}` shows'} all" if left_out > 0 else ""
