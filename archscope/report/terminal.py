"""The table in a terminal: indented by block, as wide as the terminal, exact to the unit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import click
import tabulate

from archscope.analysis.account import Account
from archscope.analysis.metrics import MEMORY_FIGURES
from archscope.design import Design, incomplete
from archscope.report.text import binary, cut, shape, short, value
from archscope.setting import OF_BYTES, OF_SAVED
from archscope.table import DEFAULT, DROPPED_FIRST, Column, Line, Table

NARROWEST_NAME = 20
_GAP = 2
_NOUGHTS = ("0", "0.00%")  # printed faintly, so that the eye finds what counts


def render(table: Table, width: int) -> str:
    """The table with a headline above and the conventions below.

    Args:
        width: columns of the terminal. Default columns are dropped, and long names cut in the middle, to fit.
    """
    texts = [_texts(line, table) for line in (*table.lines, *table.totals)]
    widths = [
        max(map(len, [column.title, *column_texts]))
        for column, *column_texts in zip(table.columns, *texts, strict=True)
    ]
    kept = _fitting_columns(table, widths, width)
    columns = [table.columns[i] for i in kept]
    room = max(NARROWEST_NAME, width - sum(widths[i] + _GAP for i in kept[1:]))
    rows = []
    for line, text in zip((*table.lines, *table.totals), texts, strict=True):
        row = [cut(text[0], room), *(text[i] for i in kept[1:])]
        heavy = line.role == "folded" or line is table.totals[-1]
        faint = line.role == "heading"
        rows.append([_styled(cell, bold=heavy, dim=faint or cell in _NOUGHTS) for cell in row])
    body, sums = rows[: len(table.lines)], rows[len(table.lines) :]
    left = [column.style in ("text", "shape") for column in columns]
    drawn = grid([column.title for column in columns], [*body, tabulate.SEPARATING_LINE, *sums], left)
    headline = f"{_styled(table.account.design.title, bold=True)}   {setting(table.account, table.columns)}"
    notes = [_styled(part, dim=True) for line in footer(table) for part in textwrap.wrap(line, width)]
    return "\n".join([headline, "", drawn, "", *notes])


class Cells(NamedTuple):
    """The texts of a table.

    Attributes:
        left: for each column, whether it is text; numbers stand on the right.
    """

    titles: Sequence[str]
    rows: Sequence[Any]
    left: Sequence[bool]


def grid(titles: Sequence[str], rows: Sequence[Any], left: Sequence[bool]) -> str:
    """Rows of cells under their titles; the arguments are those of :class:`Cells`."""
    return tabulate.tabulate(
        rows,
        headers=[_styled(title, bold=True) for title in titles],
        tablefmt="simple",
        colalign=["left" if text else "right" for text in left],
        disable_numparse=True,
        preserve_whitespace=True,
    )


def column_width(title: str, texts: Sequence[str]) -> int:
    """What :func:`grid` takes for a column, the gap behind it included; it pads titles."""
    widest = max(map(len, title.split("\n"))) + tabulate.MIN_PADDING
    return max([widest, *map(len, texts)]) + _GAP


def _texts(line: Line, table: Table) -> list[str]:
    cells = zip(line.cells[1:], table.columns[1:], strict=True)
    return ["  " * line.level + line.label, *(value(content, column.style) for content, column in cells)]


def _fitting_columns(table: Table, widths: list[int], width: int) -> list[int]:
    """Indices of the columns to show: where the default set is too wide, the least important go first."""
    kept = list(range(len(table.columns)))
    if tuple(column.name for column in table.columns) != DEFAULT:
        return kept
    for name in DROPPED_FIRST:
        if min(widths[0], NARROWEST_NAME) + sum(widths[i] + _GAP for i in kept[1:]) <= width:
            break
        kept = [i for i in kept if table.columns[i].name != name]
    return kept


def _styled(text: str, *, bold: bool = False, dim: bool = False) -> str:
    return click.style(text, bold=bold or None, dim=dim or None) if text and (bold or dim) else text


def setting(account: Account, columns: Iterable[Column] = ()) -> str:
    """What was accounted for, and how it is run, as far as columns depend on it: ``input 3 x 224 x 224, batch 32``."""
    shown = OF_SAVED if any(column.name in MEMORY_FIGURES for column in columns) else OF_BYTES
    return f"input {inputs(account.design)}, {account.setting.words(*shown)}"


def inputs(design: Design) -> str:
    """The shapes of the inputs, with the dtypes of those that have their own."""
    return ", ".join(shape(node.shape) + (f" {node.dtype}" if node.dtype else "") for node in design.inputs)


def footer(table: Table, every: str = "`--depth all` shows") -> list[str]:
    """Lines below a table: the totals in other units, and how it was folded.

    Args:
        every: what shows all layers.
    """
    account = table.account
    total = account.total
    lines = [
        f"FLOPs {short(total.flops)} forward (2 x MACs), {short(total.backward_flops)} backward;"
        f" elementwise {short(total.elementwise)}",
        f"parameters {binary(total.param_bytes)}, buffers {binary(total.buffer_bytes)},"
        f" activations {binary(total.activation_bytes)};"
        f" {total.layers} layers, {account.depth} weight layers deep",
    ]
    lacking = incomplete(account.design)
    if lacking is not None:
        lines.append(lacking)
    if table.folded is not None:
        lines.append(f"blocks folded at depth {table.folded}; {every} all {total.layers} layers")
    return lines
