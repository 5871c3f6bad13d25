"""The table in a terminal: indented by block, as wide as the terminal, exact to the unit."""

from __future__ import annotations

import click
import tabulate

from archscope.report.text import binary, shape, short, value
from archscope.table import DEFAULT, DROPPED_FIRST, Line, Table

NARROWEST_NAME = 20
_GAP = 2


def render(table: Table, width: int) -> str:
    """The table with a headline above and the conventions below.

    Args:
        width: columns of the terminal. Default columns are dropped, and long names cut in the middle, to fit.
    """
    kept = _fitting_columns(table, width)
    columns = [table.columns[i] for i in kept]
    body = [[_label(line), *(value(line.cells[i], table.columns[i].style) for i in kept[1:])] for line in table.lines]
    sums = [[line.label, *(value(line.cells[i], table.columns[i].style) for i in kept[1:])] for line in table.totals]
    room = width - sum(_width(table, i) + _GAP for i in kept[1:])
    rows = [[_cut(row[0], max(room, NARROWEST_NAME)), *row[1:]] for row in body]
    for line, row in zip(table.lines, rows, strict=True):
        if line.role != "layer":
            row[:] = [_styled(cell, dim=line.role == "heading", bold=line.role == "folded") for cell in row]
    sums[-1] = [_styled(cell, bold=True) for cell in sums[-1]]
    grid = tabulate.tabulate(
        [*rows, tabulate.SEPARATING_LINE, *sums],
        headers=[_styled(column.title, bold=True) for column in columns],
        tablefmt="simple",
        colalign=["left" if column.style in ("text", "shape") else "right" for column in columns],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return "\n".join([_headline(table), "", grid, "", *_footer(table)])


def _fitting_columns(table: Table, width: int) -> list[int]:
    """Indices of the columns to show: where the default set is too wide, the least important go first."""
    kept = list(range(len(table.columns)))
    if tuple(column.name for column in table.columns) != DEFAULT:
        return kept
    longest = max((len(_label(line)) for line in (*table.lines, *table.totals)), default=0)
    for name in DROPPED_FIRST:
        needed = min(longest, NARROWEST_NAME) + sum(_width(table, i) + _GAP for i in kept[1:])
        if needed <= width:
            break
        kept = [i for i in kept if table.columns[i].name != name]
    return kept


def _width(table: Table, index: int) -> int:
    column = table.columns[index]
    cells = (value(line.cells[index], column.style) for line in (*table.lines, *table.totals))
    return max([len(column.title), *map(len, cells)])


def _label(line: Line) -> str:
    return "  " * line.level + line.label


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    tail = (width - 1) * 2 // 3
    return text[: width - 1 - tail] + "…" + text[-tail:]


def _styled(text: str, *, bold: bool = False, dim: bool = False) -> str:
    return click.style(text, bold=bold or None, dim=dim or None) if text else ""


def _headline(table: Table) -> str:
    account = table.account
    design = account.design
    inputs = ", ".join(shape(node.shape) + (f" {node.dtype}" if node.dtype else "") for node in design.inputs)
    title = _styled(design.name, bold=True)
    return f"{title}   input {inputs}, batch {account.batch}, {account.dtype}"


def _footer(table: Table) -> list[str]:
    account = table.account
    total = account.total
    lines = [
        f"FLOPs {short(total.flops)} forward (2 x MACs), {short(total.backward_flops)} backward;"
        f" elementwise {short(total.elementwise)}",
        f"parameters {binary(total.param_bytes)}, buffers {binary(total.buffer_bytes)},"
        f" activations {binary(total.activation_bytes)};"
        f" {total.layers} layers, {account.depth} weight layers deep",
    ]
    if table.folded is not None:
        lines.append(f"blocks folded at depth {table.folded}; `--depth all` shows all {total.layers} layers")
    return [_styled(line, dim=True) for line in lines]
