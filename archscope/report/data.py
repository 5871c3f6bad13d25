"""The account of designs for machines: CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archscope.analysis.account import Account, Total
from archscope.analysis.metrics import CATEGORIES, DESIGN_FIGURES, FIELD_FIGURES, MEMORY_FIGURES, METRICS
from archscope.design import incomplete
from archscope.report import schema as js
from archscope.report import sheet
from archscope.report.text import plain
from archscope.table import COLUMNS, Table, cell

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 2


def to_csv(tables: Sequence[Table]) -> str:
    """One row a layer (or folded block), plain numbers; a design's name first where there are several."""
    several = len(tables) > 1
    lines = [(table, line) for table in tables for line in table.lines if line.role in ("layer", "folded")]
    columns = [("design", "")] * several + [(column.name, column.unit) for column in tables[0].columns]
    return sheet.to_csv(
        columns,
        (
            [table.account.design.name] * several
            + [plain(content, column.style) for content, column in zip(line.cells, table.columns, strict=True)]
            for table, line in lines
        ),
        lacking=[incomplete(table.account.design) for table, _ in lines],
    )


def to_json(accounts: Sequence[Account]) -> str:
    """All figures of every layer and every total."""
    lacking = incomplete(*(account.design for account in accounts))
    warned = [one for account in accounts for one in account.design.warnings]
    content = js.headed(JSON_VERSION, lacking, {"designs": [_design(one) for one in accounts]}, warned)
    return js.dumped(content)


def _design(account: Account) -> dict[str, Any]:
    design, runs = account.design, account.setting.runs
    return {
        "name": design.name,
        "source": design.source,
        "file": design.file,
        "incomplete": incomplete(design),
        "setting": account.setting.data(),
        "vars": dict(design.vars),
        "inputs": [
            {"name": n.name, "shape": list(n.shape), "dtype": n.dtype or account.setting.numbers.floating}
            for n in design.inputs
        ],
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
                "input_shapes": [list(t.sizes) for t in row.x],
                "output_shapes": [list(t.sizes) for t in row.y],
                "shares": row.shares,
                "frozen": list(row.frozen),
                **{name: cell(account, row, COLUMNS[name]) for name in METRICS},
                "dense_params": row.dense_params,
                **{name: cell(account, row, COLUMNS[name]) for name in (*FIELD_FIGURES, "sees")},
                **{name: cell(account, row, COLUMNS[name]) if runs else None for name in MEMORY_FIGURES},
            }
            for layer, row in zip(design.layers, account.rows, strict=True)
        ],
    }


def _figures(part: Total) -> dict[str, Any]:
    return {"layers": part.layers, **{name: getattr(part, name) for name in METRICS}}


def schema() -> js.Schema:
    """The schema of :func:`to_json`; every figure with its unit and convention."""
    figures = {"layers": js.count(DESIGN_FIGURES["layers"]), **{name: js.figure(name) for name in METRICS}}
    totals = {"$ref": "#/$defs/figures"}
    by_category = dict.fromkeys(CATEGORIES, totals)
    given = {"name": js.text(), "shape": js.sizes(), "dtype": js.text("of its elements")}
    design = {
        "name": js.text("as the spec gives it"),
        "source": js.text("the paper or document that it follows"),
        "file": js.text("the spec; empty where it was no file"),
        "incomplete": js.lacking(),
        "setting": js.setting(),
        "vars": js.mapping({}, "the variables in force"),
        "inputs": js.many(js.record(given)),
        "outputs": js.mapping(js.text("the layer that gives it; `[1]` is its second output"), "by name"),
        "depth": js.count(DESIGN_FIGURES["depth"]),
        "totals": js.record({"all": totals, **by_category}, about="of all layers, and by category; they add up"),
        "by_kind": js.mapping(totals, "totals by kind of layer"),
        "layers": js.many({"$ref": "#/$defs/layer"}, "in order of execution"),
    }
    layer = {
        "name": js.text(COLUMNS["name"].convention),
        "op": js.text(COLUMNS["kind"].convention),
        "category": js.chosen(CATEGORIES),
        "arguments": js.mapping({}, "named as in torch.nn"),
        "inputs": js.many(js.text(), "the layers that it reads"),
        "input_shapes": js.many(js.sizes()),
        "output_shapes": js.many(js.sizes()),
        "shares": js.nullable(js.text("the layer whose weights it uses again")),
        "frozen": js.many(js.text(), "those of its parameters that are not trained"),
        **{name: js.figure(name) for name in METRICS},
        "dense_params": js.nullable(js.figure("dense_params")),
        **{name: js.figure(name) for name in FIELD_FIGURES},
        "sees": js.nullable(js.chosen(("all", "a part"), "of the input")),
        **{name: js.nullable(js.figure(name)) for name in MEMORY_FIGURES},
    }
    defs = {"figures": js.record(figures), "layer": js.record(layer)}
    return js.document("analyze", JSON_VERSION, {"designs": js.many(js.record(design))}, defs=defs)
