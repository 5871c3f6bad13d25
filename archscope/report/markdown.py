"""Markdown that pastes into a pull request: names show as the text they are, numbers stand on the right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from archscope.report.terminal import footer, setting
from archscope.report.text import value
from archscope.table import Line, Table

#: what has a meaning in GitHub's Markdown; > has it in front alone, # before a word, an underscore not within one
_MEANT = re.compile(r"[\\`*\[\]<|~$&]|^>|(?<!\S)#|(?<![^\W_])_|_(?![^\W_])")


def escaped(text: str) -> str:
    """Text that shows as itself, in a line of its own and in a cell of a table; white space is a blank."""
    return _MEANT.sub(lambda found: f"\\{found[0]}", " ".join(text.split()))


def grid(titles: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[bool]) -> str:
    """A table of cells that are Markdown.

    Args:
        left: for each column, whether it is text; numbers stand on the right.
    """
    rule = ["---" if text else "---:" for text in left]
    return "\n".join(f"| {' | '.join(row)} |" for row in (titles, rule, *rows))


def to_markdown(tables: Sequence[Table]) -> str:
    """A table a design: its layers (or folded blocks), its totals in bold, and how the figures are counted."""
    return "\n\n".join(map(_section, tables)) + "\n"


def _section(table: Table) -> str:
    columns, account = table.columns, table.account

    def texts(line: Line) -> list[str]:
        return [escaped(value(cell, column.style)) for cell, column in zip(line.cells, columns, strict=True)]

    rows = [texts(line) for line in table.lines if line.role in ("layer", "folded")]
    totals = [[f"**{text}**" if text else "" for text in [line.label, *texts(line)[1:]]] for line in table.totals]
    drawn = grid(
        [column.title for column in columns],
        [*rows, *totals],
        [column.style in ("text", "shape") for column in columns],
    )
    counted = [
        f"- {column.title}: {column.convention}" for column in columns if column.unit and column.style != "share"
    ]
    about = [
        f"### {escaped(account.design.title)}",
        "",
        setting(account, table.columns),
        "",
        drawn,
        "",
        "  \n".join(footer(table)),
    ]
    return "\n".join([*about, *(["", *counted] if counted else [])])
