"""The account of a design, or of several; its records are layers, or folded blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archscope.analysis.counts.account import Account, Total
from archscope.analysis.counts.cost import CATEGORIES
from archscope.design import Design, incomplete
from archscope.errors import counted
from archscope.figures import COSTS, FIELDS, FIGURES, SAVED, SIZES, Column, of_mode, words_of
from archscope.figures.table import COLUMNS, DEFAULT, DROPPED_FIRST, Table, cell, sorted_by, tabulate_account
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Grid, Head, Headline, Notes, Room, Row
from archscope.report.text import binary, shape, short


@dataclass(frozen=True)
class AccountReport(Report):
    """The layer table of each design, its totals, and how the figures are counted.

    Attributes:
        columns: names of columns.
        depth: blocks deeper than so many names are folded; as the room asks, if not given.
        every: fold no block.
        sort: order by this column.
        by_kind: a row for each kind of layer instead of each layer.
    """

    VERSION = 2
    result: Account | tuple[Account, ...]
    columns: Sequence[str] = ()
    depth: int | None = None
    every: bool = False
    sort: str | None = None
    by_kind: bool = False

    @property
    def accounts(self) -> tuple[Account, ...]:
        """One or several."""
        return (self.result,) if isinstance(self.result, Account) else self.result

    @property
    def said(self) -> Said:
        return Said.of(*(account.design for account in self.accounts))

    def headline(self) -> Headline:
        if len(self.accounts) > 1:
            return Headline(counted(len(self.accounts), "design"), about=self.said.lines)
        return self._headline(self.accounts[0])

    def blocks(self, room: Room) -> Iterator[Block]:
        for account in self.accounts:
            table = self._table(account, None if self.every else room.rows)
            yield self._headline(account)
            yield layers(table)
            yield Notes(tuple(_footer(table, room)))

    def _headline(self, account: Account) -> Headline:
        sort = (sorted_by(self.sort),) if self.sort else ()
        shown = (*(COLUMNS[name] for name in self.columns or DEFAULT), *sort, *_summed(account))
        return Headline(account.design.title, setting(account, shown), Said.of(account.design).lines)

    def _table(self, account: Account, most: int | None, columns: Sequence[str] = DEFAULT) -> Table:
        return tabulate_account(
            account,
            self.columns or typed(account, columns),
            depth=self.depth,
            sort=self.sort,
            most=most,
            by_kind=self.by_kind,
        )

    def records(self) -> Records:
        several = len(self.accounts) > 1
        tables = [self._table(account, None, _every(account)) for account in self.accounts]
        lines = [
            (table.account.design, line) for table in tables for line in table.lines if line.role in ("layer", "folded")
        ]
        return Records(
            [Field("design")] * several + [Field(one.name, one.unit, one.style) for one in tables[0].columns],
            ([design.name] * several + list(line.cells) for design, line in lines),
            "design" if several else "name",
            [incomplete(design) for design, _ in lines],
            run_of(tables[0].account.setting, tables[0].columns),
        )

    def data(self) -> dict[str, Any]:
        """All figures of every layer and every total."""
        return self.headed({"designs": [_design(one) for one in self.accounts]})

    @classmethod
    def schema(cls) -> js.Schema:
        return _schema(cls.VERSION)


def typed(account: Account, columns: Sequence[str]) -> Sequence[str]:
    """Columns, with the types of the outputs where there are several floating ones."""
    floating = {tensor.dtype for row in account.rows for tensor in row.y if tensor.floating}
    if len(floating) < 2 or "output_shape" not in columns or "dtype" in columns:
        return columns
    place = list(columns).index("output_shape") + 1
    return (*columns[:place], "dtype", *columns[place:])


def _every(account: Account) -> tuple[str, ...]:
    """The columns of records where none are chosen: all but shares, and but what is not known of such a run."""
    saved = SAVED if account.setting.runs else ()
    return "name", "kind", "category", "input_shape", "dtype", *SIZES, *COSTS, *FIELDS, *saved


def setting(account: Account, shown: Iterable[Column]) -> str:
    """What was accounted for, and how it is run: ``input 3 x 224 x 224, batch 32, float32, training``.

    Args:
        shown: the figures that are told.
    """
    return ", ".join(filter(None, [f"input {inputs(account.design)}", words_of(account.setting, shown)]))


def inputs(design: Design) -> str:
    """The shapes of the inputs, with the dtypes of those that have their own."""
    return ", ".join(shape(node.shape) + (f" {node.dtype}" if node.dtype else "") for node in design.inputs)


def layers(table: Table) -> Grid:
    """The lines of a table, its totals below them."""
    lines, totals = (tuple(map(Row.of, some)) for some in (table.lines, table.totals))
    return Grid(tuple(_head(column, table) for column in table.columns), lines, totals)


def _head(column: Column, table: Table) -> Head:
    unasked = tuple(one.name for one in table.columns if one.name != "dtype") == DEFAULT
    dropped = DROPPED_FIRST.index(column.name) + 1 if unasked and column.name in DROPPED_FIRST else 0
    counted = column.convention if column.unit and column.style != "share" else ""
    return Head(column.title, column.style, column.unit, counted, dropped)


#: the totals that stand below a table, by the lines
_BELOW = ("flops", "backward_flops", "elementwise", "param_bytes", "buffer_bytes", "activation_bytes")


def _summed(account: Account) -> Iterator[Column]:
    """The figures that stand below a table; an inference has none of a backward pass."""
    yield from (COLUMNS[name] for name in of_mode(account.setting, _BELOW))


def _footer(table: Table, room: Room) -> Iterator[str]:
    """The totals in other units, and how the table was folded."""
    account, total = table.account, table.account.total
    backward = f", {short(total.backward_flops)} backward" if account.setting.trains else ""
    yield f"FLOPs {short(total.flops)} forward (2 x MACs){backward}; elementwise {short(total.elementwise)}"
    yield (
        f"parameters {binary(total.param_bytes)}, buffers {binary(total.buffer_bytes)},"
        f" activations {binary(total.activation_bytes)};"
        f" {counted(total.layers, 'layer')}, {account.depth} weight layers deep"
    )
    if table.folded is not None:
        every = room.rest or "`--depth all` shows"
        yield f"blocks folded at depth {table.folded}; {every} all {counted(total.layers, 'layer')}"


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
                "output_dtypes": [t.dtype or account.setting.numbers.floating for t in row.y],
                "shares": row.shares,
                "frozen": list(row.frozen),
                **{name: cell(account, row, COLUMNS[name]) for name in COSTS},
                "dense_params": row.dense_params,
                **{name: cell(account, row, COLUMNS[name]) for name in (*FIELDS, "sees")},
                **{name: cell(account, row, COLUMNS[name]) if runs else None for name in SAVED},
            }
            for layer, row in zip(design.layers, account.rows, strict=True)
        ],
    }


def _figures(part: Total) -> dict[str, Any]:
    return {"layers": part.layers, **{name: getattr(part, name) for name in COSTS}}


def _schema(version: int) -> js.Schema:
    """Every figure with its unit and convention."""
    figures = {"layers": js.count(FIGURES["layers"].convention), **{name: js.figure(name) for name in COSTS}}
    totals = {"$ref": "#/$defs/figures"}
    by_category = dict.fromkeys(CATEGORIES, totals)
    state = {"name": js.text(), "shape": js.sizes(), "dtype": js.text("of its elements")}
    design = {
        "name": js.text("as the spec gives it"),
        "source": js.text("the paper or document that it follows"),
        "file": js.text("the spec; empty where it was no file"),
        "incomplete": js.lacking(),
        "setting": js.setting(),
        "vars": js.mapping({}, "the variables in force"),
        "inputs": js.many(js.record(state)),
        "outputs": js.mapping(js.text("the layer that gives it; `[1]` is its second output"), "by name"),
        "depth": js.count(FIGURES["depth"].convention),
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
        "output_dtypes": js.many(js.text("of its elements")),
        "shares": js.nullable(js.text("the layer whose weights it uses again")),
        "frozen": js.many(js.text(), "those of its parameters that are not trained"),
        **{name: js.figure(name) for name in COSTS},
        "dense_params": js.nullable(js.figure("dense_params")),
        **{name: js.figure(name) for name in FIELDS},
        "sees": js.nullable(js.chosen(("all", "a part"), "of the input")),
        **{name: js.nullable(js.figure(name)) for name in SAVED},
    }
    defs = {"figures": js.record(figures), "layer": js.record(layer)}
    return js.document("analyze", version, {"designs": js.many(js.record(design))}, defs=defs)
