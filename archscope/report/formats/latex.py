"""LaTeX that pastes into a paper: tables by booktabs, longtable where they are long, numbers on the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from archscope.report.base import Report
from archscope.report.blocks import (
    Cell,
    Chart,
    Checks,
    Drawing,
    Equations,
    Fact,
    Facts,
    Grid,
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
    "↓": r"$\downarrow$",
}  # fmt: skip
_NEEDS = "% needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs,longtable}"


class Latex(Format):
    """Paragraphs and tables."""

    NAME, HELP = "latex", "Write LaTeX, for a paper."

    def text(self, report: Report) -> str:
        return "\n\n".join([_NEEDS, *_Latex().texts(report, ROOM)]) + "\n"


def escaped(text: str) -> str:
    """Text that shows as itself, in a paragraph and in a cell of a table; white space is a blank."""
    return "".join(_MEANT.get(letter, letter) for letter in " ".join(text.split()))


class _Latex(Drawing):
    def headline(self, block: Headline) -> str:
        return "\n".join([rf"\paragraph{{{escaped(block.name)}}} {escaped(block.words)}", *self._lines(block.about)])

    def notes(self, block: Notes) -> str:
        return "\n".join(self._lines(block.lines))

    def _lines(self, lines: Iterable[str]) -> list[str]:
        return [rf"{escaped(line)}\par" for line in lines]

    def facts(self, block: Facts) -> str:
        most = max((len(fact.values) for fact in block.rows), default=0)
        rows = [
            _cells([_indented(fact.title, fact.level), *_filled(fact, most), escaped(fact.note)]) for fact in block.rows
        ]
        return _table(block.title, f"l{'r' * most}l", "", rows, [])

    def grid(self, block: Grid) -> str:
        rows, totals = ([self._row(block, row) for row in some] for some in (block.rows, block.totals))
        columns = "".join("l" if head.left else "r" for head in block.heads)
        heads = _cells([escaped(head.title) for head in block.heads])
        more = f"\n{escaped(block.more)}\\par" if block.more else ""
        return _table(block.title, columns, heads, rows, totals) + more

    def _row(self, block: Grid, row: Row) -> str:
        first, *texts = (_text(cell) for cell in block.cells(row))
        first = escaped(first) if row.label is None else _indented(row.label, row.level)
        bold = row.role == "total"
        return _cells([rf"\textbf{{{text}}}" if bold and text else text for text in (first, *map(escaped, texts))])

    def chart(self, block: Chart) -> str:
        return ""  # it has no pictures

    def equations(self, block: Equations) -> str:
        return self.grid(block.grid)

    def checks(self, block: Checks) -> str:
        return self.grid(block.grid)

    def sums(self, block: Sums) -> str:
        return "\n".join(self._lines(block.sentences))


def _table(title: str, columns: str, heads: str, rows: Sequence[str], totals: Sequence[str]) -> str:
    top = [r"\toprule", heads, r"\midrule", r"\endhead"] if heads else [r"\toprule"]
    lines = [rf"\begin{{longtable}}{{{columns}}}", *top, *rows, *([r"\midrule"] if totals else []), *totals]
    drawn = "\n".join([*lines, r"\bottomrule", r"\end{longtable}"])
    return f"{escaped(title)}\n{drawn}" if title else drawn


def _cells(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _filled(fact: Fact, most: int) -> list[str]:
    return [*map(escaped, fact.values), *("" for _ in range(most - len(fact.values)))]


def _indented(text: str, level: int) -> str:
    return r"\quad " * level + escaped(text)


def _text(cell: Cell) -> str:
    return f"{cell.text()} ({cell.beside})" if cell.beside else cell.text().strip()
