"""LaTeX that pastes into a paper: tables by booktabs, longtable where they are long, numbers on the right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from archscope.report.base import Report
from archscope.report.blocks import (
    Cell,
    Chart,
    Checks,
    Details,
    Drawing,
    Equations,
    Fact,
    Facts,
    Grid,
    Head,
    Headline,
    Notes,
    Room,
    Row,
    Sums,
)
from archscope.report.formats.base import Format

#: a page of a paper
ROOM = Room(rows=40)

_MEANT = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "µ": r"\textmu{}", "…": r"\ldots{}", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "\u2212": "$-$", "∞": r"$\infty$",
}  # fmt: skip
#: letters beyond ASCII that LaTeX sets in the encoding T1 (tried with TeX Live 2022): the first and last of each run
_SET = (
    (0xA1, 0xAC), (0xAE, 0x125), (0x128, 0x137), (0x139, 0x13E), (0x141, 0x148), (0x14A, 0x165), (0x168, 0x17E),
    (0x218, 0x21B), (0x2010, 0x2016), (0x2018, 0x201A), (0x201C, 0x201E), (0x2020, 0x2022), (0x2030, 0x2031),
    (0x20AC, 0x20AC), (0x2116, 0x2117), (0x2122, 0x2122), (0x2190, 0x2193),
)  # fmt: skip
_NEEDS = "% needs \\usepackage[T1]{fontenc} and \\usepackage{array,booktabs,longtable}"
#: letters in a line of an article in 10 points, those of a gap, and the fewest of a column of long texts
_LINE, _GAP, _NARROWEST = 70, 2, 16
#: the same of smaller letters, for tables that are still too wide
_SMALLER = {"small": 77, "footnotesize": 87, "scriptsize": 100}
#: texts that are longer than so many letters may be set in several lines
_LONG = 24
#: what is typed and does not show
_UNSHOWN = re.compile(r"\\(quad|textbf\{)|[\\{}]")


class Latex(Format):
    """Paragraphs and tables."""

    NAME, HELP = "latex", "Write LaTeX, for a paper."

    def text(self, report: Report) -> str:
        return "\n\n".join([_NEEDS, *_Latex().texts(report, ROOM)]) + "\n"


def escaped(text: str) -> str:
    """Text that shows as itself, in a paragraph and in a cell of a table; white space is a blank.

    A letter for which LaTeX has none without further packages is told by its number: ``[U+7F51]``.
    """
    return "".join(map(_typed, " ".join(text.split())))


def _typed(letter: str) -> str:
    code = ord(letter)
    if letter in _MEANT or code < 0x7F:
        return _MEANT.get(letter, letter)
    return letter if any(first <= code <= last for first, last in _SET) else f"[U+{code:04X}]"


class _Latex(Drawing):
    def headline(self, block: Headline) -> str:
        return "\n".join([rf"\paragraph{{{escaped(block.name)}}} {escaped(block.words)}", *self._lines(block.about)])

    def notes(self, block: Notes) -> str:
        return "\n".join(self._lines(block.lines))

    def details(self, block: Details) -> str:
        return "\n\n".join([rf"\paragraph{{{escaped(block.summary)}}}", *self.drawn(block.inner)])

    def _lines(self, lines: Iterable[str]) -> list[str]:
        return [rf"{escaped(line)}\par" for line in lines]

    def facts(self, block: Facts) -> str:
        most = max((len(fact.values) for fact in block.rows), default=0)
        rows = [[_indented(fact.title, fact.level), *_filled(fact, most), escaped(fact.note)] for fact in block.rows]
        columns = _columns(rows, [True, *[False] * most, True])
        return _table(block.title, columns, [], rows, [])

    def grid(self, block: Grid) -> str:
        rows, totals = ([self._row(block, row) for row in some] for some in (block.rows, block.totals))
        heads = [escaped(head.title) for head in block.heads]
        columns = _columns([heads, *rows, *totals], [head.left for head in block.heads])
        more = f"\n{escaped(block.more)}\\par" if block.more else ""
        return _table(block.title, columns, heads, rows, totals) + more

    def _row(self, block: Grid, row: Row) -> list[str]:
        first, *texts = (_text(cell) for cell in block.cells(row))
        first = escaped(first) if row.label is None else _indented(row.label, row.level)
        bold = row.role == "total"
        return [rf"\textbf{{{text}}}" if bold and text else text for text in (first, *map(escaped, texts))]

    def chart(self, block: Chart) -> str:
        return ""  # it has no pictures

    def equations(self, block: Equations) -> str:
        """A figure a row, its arithmetic in as many lines as it takes."""
        rows = tuple(Row((line.figure, str(line).partition(" = ")[2])) for line in block.lines)
        return self.grid(replace(block.grid, heads=(Head("figure"), Head("arithmetic")), rows=rows))

    def checks(self, block: Checks) -> str:
        return self.grid(block.grid)

    def sums(self, block: Sums) -> str:
        return "\n".join(self._lines(block.sentences))


class _Columns(NamedTuple):
    """How columns are set, and how many letters wide they are together."""

    set_as: str
    letters: int


def _table(
    title: str, columns: _Columns, heads: Sequence[str], rows: Sequence[Sequence[str]], totals: Sequence[Sequence[str]]
) -> str:
    top = [r"\toprule", _cells(heads), r"\midrule", r"\endhead"] if heads else [r"\toprule"]
    below = [r"\midrule", *map(_cells, totals)] if totals else []
    lines = [rf"\begin{{longtable}}{{{columns.set_as}}}", *top, *map(_cells, rows), *below]
    drawn = "\n".join([*lines, r"\bottomrule", r"\end{longtable}"])
    if columns.letters > _LINE:
        size = next((size for size, room in _SMALLER.items() if columns.letters <= room), "scriptsize")
        drawn = f"{{\\{size}\n{drawn}}}"
    return f"{escaped(title)}\n{drawn}" if title else drawn


def _columns(rows: Sequence[Sequence[str]], left: Sequence[bool]) -> _Columns:
    """How columns are set: as wide as they are, or, where a line has no room for that, texts in several lines.

    What the short columns leave, the long ones share.
    """
    shown = [[len(_UNSHOWN.sub("", cell)) for cell in row] for row in rows]
    longest = [max(column, default=0) for column in zip(*shown, strict=True)]
    room = _LINE - _GAP * (len(longest) - 1)
    set_apart: dict[int, int] = {}
    for at in sorted(range(len(longest)), key=lambda at: -longest[at] * left[at]):
        rest = room - sum(length for other, length in enumerate(longest) if other not in set_apart)
        if rest >= _NARROWEST * len(set_apart) or not left[at] or longest[at] <= _LONG:
            break
        set_apart[at] = 0
    rest = room - sum(length for at, length in enumerate(longest) if at not in set_apart)
    share = max(_NARROWEST, rest // max(1, len(set_apart)))
    wide = rf">{{\raggedright\arraybackslash}}p{{{share / _LINE:.2f}\linewidth}}"
    set_as = "".join(wide if at in set_apart else "l" if text else "r" for at, text in enumerate(left))
    return _Columns(set_as, _LINE + share * len(set_apart) - rest if set_apart else _LINE - rest)


def _cells(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _filled(fact: Fact, most: int) -> list[str]:
    return [*map(escaped, fact.values), *("" for _ in range(most - len(fact.values)))]


def _indented(text: str, level: int) -> str:
    return r"\quad " * level + escaped(text)


def _text(cell: Cell) -> str:
    return f"{cell.text()} ({cell.beside})" if cell.beside else cell.text().strip()
