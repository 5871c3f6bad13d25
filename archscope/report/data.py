"""The formats for machines: CSV and JSON, and Markdown for pull requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from archscope import __version__
from archscope.analysis.account import Account, Total
from archscope.analysis.metrics import FIELD_FIGURES, MEMORY_FIGURES, METRICS
from archscope.report import sheet
from archscope.report.text import plain, value
from archscope.table import COLUMNS, Column, Table, cell

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 1


def to_csv(tables: Sequence[Table]) -> str:
    """One row a layer (or folded block), plain numbers; a design's name first where there are several."""
    several = len(tables) > 1
    columns = [("design", "")] * several + [(column.name, column.unit) for column in tables[0].columns]
    return sheet.to_csv(
        columns,
        (
            [table.account.design.name] * several
            + [plain(content, column.style) for content, column in zip(line.cells, table.columns, strict=True)]
            for table in tables
            for line in table.lines
            if line.role != "heading"
        ),
    )


def to_markdown(tables: Sequence[Table]) -> str:
    """A table a design, with its totals in bold."""
    return "\n\n".join(_markdown(table) for table in tables) + "\n"


def _markdown(table: Table) -> str:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    columns = table.columns
    head = [row([column.title for column in columns])]
    head.append(row(["---" if column.style in ("text", "shape") else "---:" for column in columns]))
    shown = [line for line in table.lines if line.role != "heading"]
    body = [row(_texts(line.cells, columns)) for line in shown]
    totals = [
        row([f"**{text}**" if text else "" for text in [t.label, *_texts(t.cells, columns)[1:]]]) for t in table.totals
    ]
    account = table.account
    title = f"### {account.design.name}\n\nbatch {account.batch}, {account.dtype}\n"
    return "\n".join([title, *head, *body, *totals])


def _texts(cells: Sequence[Any], columns: Sequence[Column]) -> list[str]:
    return [value(content, column.style) for content, column in zip(cells, columns, strict=True)]


def to_json(accounts: Sequence[Account]) -> str:
    """All figures of every layer and every total."""
    content = {"format": JSON_VERSION, "archscope": __version__, "designs": [_design(one) for one in accounts]}
    return json.dumps(content, indent=2) + "\n"


def _design(account: Account) -> dict[str, Any]:
    design = account.design
    return {
        "name": design.name,
        "source": design.source,
        "file": design.file,
        "batch": account.batch,
        "dtype": account.dtype,
        "vars": dict(design.vars),
        "inputs": [{"name": n.name, "shape": list(n.shape), "dtype": n.dtype or account.dtype} for n in design.inputs],
        "outputs": {name: str(ref) for name, ref in design.outputs},
        "depth": account.depth,
        "totals": {
            "all": _figures(account.total),
            **{part.name: _figures(part) for part in account.by_category()},
        },
        "by_kind": {part.name: _figures(part) for part in account.by_kind()},
        "layers": [
            {
                "name": row.name,
                "op": row.kind,
                "category": row.category,
                "arguments": layer.op.arguments(),
                "inputs": [str(ref) for ref in layer.inputs],
                "input_shapes": [list(t.shape[1:]) for t in row.x],
                "output_shapes": [list(t.shape[1:]) for t in row.y],
                "shares": row.shares,
                "frozen": row.frozen,
                **{name: cell(account, row, COLUMNS[name]) for name in METRICS},
                "dense_params": row.dense_params,
                **{name: cell(account, row, COLUMNS[name]) for name in (*FIELD_FIGURES, "sees", *MEMORY_FIGURES)},
            }
            for layer, row in zip(design.layers, account.rows, strict=True)
        ],
    }


def _figures(part: Total) -> dict[str, Any]:
    return {"layers": part.layers, **{name: getattr(part, name) for name in METRICS}}
