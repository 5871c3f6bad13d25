"""Markdown that pastes into a pull request: names show as the text they are, numbers stand on the right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from archscope.errors import counted
from archscope.report.base import Report
from archscope.report.blocks import (
    Block,
    Cell,
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
    Row,
    Sums,
)
from archscope.report.formats.base import Format

#: a screen or two of a pull request
ROOM = Room(rows=40)
#: characters of a comment on GitHub: a longer one is refused ("body is too long (maximum is 65536 characters)"); bytes
#: are counted here, of which there are no fewer
MOST = 65_536
_LEFT_OUT = "left out, for a comment on GitHub has at most 65,536 characters; `--json` has everything"

#: what has a meaning in GitHub's Markdown; > has it in front alone, # before a word, an underscore not within one
_MEANT = re.compile(r"[\\`*\[\]<|~$&]|^>|(?<!\S)#|(?<![^\W_])_|_(?![^\W_])")

_CODE = re.compile(r"(`(?:--|archscope )[\w -]+`)")


class Markdown(Format):
    """Headlines, lists and tables."""

    NAME, HELP = "markdown", "Write Markdown."

    def text(self, report: Report) -> str:
        drawing = _Markdown()
        pieces = [(block, block.drawn(drawing)) for block in report.blocks(ROOM)]
        return _fitted(pieces, "\n".join(drawing.counted))


def _fitted(pieces: Sequence[tuple[Block, str]], end: str) -> str:
    """As much as a comment holds: first what is not folded, then what is, in order; and words on what is not there.

    What has nothing to fold is for a page rather than for a comment, and is whole.
    """
    text = _joined([*(text for _, text in pieces), end])
    folds = [at for at, (block, _) in enumerate(pieces) if isinstance(block, Details)]
    if _size(text) <= MOST or not folds:
        return text
    shown = [text for _, text in pieces]
    room = MOST - _size(_joined([*("" if at in folds else one for at, one in enumerate(shown)), end])) - 200
    for at in folds:
        size = _size(shown[at]) + 2
        room, shown[at] = (room - size, shown[at]) if size <= room else (room, "")
    out = sum(not shown[at] for at in folds)
    text = _joined([*shown, f"{counted(out, 'folded part')} {_LEFT_OUT}" if out else "", end])
    return text if _size(text) <= MOST else _cut(text)


def _cut(text: str) -> str:
    """Whole lines from the beginning."""
    head = text.encode()[: MOST - 200].decode(errors="ignore")
    return f"{head.rpartition(chr(10))[0]}\n\nthe rest is {_LEFT_OUT}\n"


def _joined(texts: Iterable[str]) -> str:
    return "\n\n".join(filter(None, texts)) + "\n"


def _size(text: str) -> int:
    return len(text.encode())


def escaped(text: str) -> str:
    """Text that shows as itself, in a line of its own and in a cell of a table; white space is a blank."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    return _MEANT.sub(lambda match: f"\\{match[0]}", text)


def grid(titles: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[bool]) -> str:
    """A table of cells that are Markdown.

    Args:
        left: for each column, whether it is text; numbers stand on the right.
    """
    rule = ["---" if text else "---:" for text in left]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rule, *rows))


class _Markdown(Drawing):
    """Blocks with an empty line between them.

    Attributes:
        counted: how the figures of tables are counted, a line each; they stand below all.
    """

    def __init__(self) -> None:
        self.counted: dict[str, None] = {}

    def headline(self, block: Headline) -> str:
        about = "\n".join(f"- {_said(line)}" for line in block.about)
        parts = [f"### {escaped(block.name)}", *filter(None, [escaped(block.words), about])]
        return "\n\n".join(parts)

    def notes(self, block: Notes) -> str:
        return self._lines(block.lines)

    def _lines(self, lines: Iterable[str]) -> str:
        return "  \n".join(map(_said, lines))

    def chart(self, block: Chart) -> str:
        return ""  # it has no pictures

    def details(self, block: Details) -> str:
        inner = "\n\n".join(self.drawn(block.inner))
        return f"<details>\n<summary>{escape(' '.join(block.summary.split()))}</summary>\n\n{inner}\n\n</details>"

    def equations(self, block: Equations) -> str:
        return self.grid(block.grid)

    def checks(self, block: Checks) -> str:
        return self.grid(block.grid)

    def sums(self, block: Sums) -> str:
        return "\n".join(f"- {escaped(line)}" for line in block.sentences)

    def facts(self, block: Facts) -> str:
        return _titled(block.title, "\n".join(map(_fact, block.rows)))

    def grid(self, block: Grid) -> str:
        rows = [self._row(block, row) for row in block.rows if row.role != "heading"]
        drawn = grid(
            [escaped(head.title) for head in block.heads],
            [*rows, *(self._row(block, row) for row in block.totals)],
            [head.left for head in block.heads],
        )
        lines = (f"- {escaped(head.title)}: {escaped(head.convention)}" for head in block.heads if head.convention)
        self.counted.update(dict.fromkeys(lines))
        return "\n\n".join(filter(None, [_titled(block.title, drawn), _said(block.more)]))

    def _row(self, block: Grid, row: Row) -> list[str]:
        """The cells of a row; its full name stands for itself, without the indent, where there is one."""
        first, *texts = (escaped(_text(cell)) for cell in block.cells(row))
        total = row.role == "total"
        if row.label is not None and (total or not first):
            first = "&nbsp;&nbsp;" * row.level + escaped(row.label)
        return [f"**{text}**" if total and text else text for text in (first, *texts)]


def _said(line: str) -> str:
    """A line of text, the options and commands in it as code."""
    parts = _CODE.split(" ".join(line.split()))
    return "".join(part if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _titled(title: str, text: str) -> str:
    return f"#### {escaped(title)}\n\n{text}" if title else text


def _text(cell: Cell) -> str:
    return f"{cell.text()} ({cell.beside})" if cell.beside else cell.text().strip()


def _fact(fact: Fact) -> str:
    """A line of a list: ``- step: 12 ms; at least``."""
    said = [", ".join(filter(None, fact.values)), fact.note]
    if not fact.title:
        return f"- {escaped(' '.join(filter(None, said)))}"
    return f"{'  ' * fact.level}- {escaped(fact.title)}: {escaped('; '.join(filter(None, said)))}"
