"""Comma-separated values, the same from every command: a row of heads with units, plain numbers, safe text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from archscope.report.text import plain

if TYPE_CHECKING:
    from archscope.report.base import Records

#: what a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection; the wide forms are East Asian)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
_NUMBERS = re.compile(r"[-+]?\d+(\.\d+)?(x[-+]?\d+(\.\d+)?)*")
#: the column that says what the figures lack
INCOMPLETE = "incomplete"
#: begins a file that is not all ASCII, for Excel expects one
BOM = "\ufeff"


def to_csv(
    columns: Iterable[tuple[str, str]], rows: Iterable[Sequence[Any]], *, lacking: str | Sequence[str | None] | None
) -> str:
    """Rows under heads of the form ``params [elements]``.

    Text that a spreadsheet would run as a formula gets an apostrophe before it; numbers, also several as in ``-3x-3``,
    stay as they are, and ``None`` is an empty cell.

    Args:
        columns: name and unit; text has none.
        rows: a value a column.
        lacking: what the figures lack (:func:`archscope.design.incomplete`), of all rows or of each; where they do,
            a last column ``incomplete`` says it in every row, so that none goes without.
    """
    heads = [f"{name} [{unit}]" if unit else name for name, unit in columns]
    if isinstance(lacking, str):
        rows = ([*row, lacking] for row in rows)
    elif lacking is not None and any(lacking):
        rows = ([*row, one] for row, one in zip(rows, lacking, strict=True))
    if lacking is not None and any(lacking):
        heads.append(INCOMPLETE)
    return "".join(f"{to_row(row)}\n" for row in (heads, *rows))


def of_records(records: Records) -> str:
    """Records as rows, each value as machines read it."""
    fields, rows = records.table
    cells = ([plain(one, field.style) for one, field in zip(row, fields, strict=True)] for row in rows)
    return to_csv([(field.name, field.unit) for field in fields], cells, lacking=records.lacking)


def to_row(cells: Sequence[Any]) -> str:
    """A row without its end: the writer is given \\r\\n so that it quotes either of them within a cell."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_safe(cell) for cell in cells])
    return out.getvalue().removesuffix("\r\n")


def _safe(cell: Any) -> Any:
    formula = isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBERS.fullmatch(cell)
    return f"'{cell}" if formula else cell
