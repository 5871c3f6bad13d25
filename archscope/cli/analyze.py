"""``archscope analyze``."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from archscope.analysis import analyze
from archscope.cli import options
from archscope.report.data import to_csv, to_json
from archscope.report.files import write
from archscope.report.markdown import to_markdown
from archscope.report.sheet import write_csv
from archscope.report.terminal import render
from archscope.table import COLUMNS, DEFAULT, Table, choose, tabulate_account

MOST_ROWS = 120
MOST_ROWS_OF_MARKDOWN = 40  # a screen or two of a pull request


class Depth(click.ParamType):
    """A number of names, or ``all``."""

    name = "depth"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all" or (str(value).isdigit() and int(value) >= 1):
            return "all" if value == "all" else int(value)
        return self.fail(f"{value!r} is neither a number of at least 1 nor `all`", param, ctx)


class ColumnName(click.ParamType):
    """Names of columns, separated by commas."""

    name = "columns"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        done, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{done}{comma}{name}") for name in COLUMNS if name.startswith(begun)]


@click.command("analyze")
@options.many_specs
@click.option("--depth", type=Depth(), help="Fold blocks below so many names; `all` folds none.")
@click.option("--columns", type=ColumnName(), help="Columns by name, separated by commas; `help` lists them.")
@click.option("--by-kind", is_flag=True, help="A row for each kind of layer instead of each layer.")
@click.option("--sort", type=ColumnName(), help="Order by a column, the largest first.")
@options.sizes
@options.variant
@click.option("--csv", "csv_file", metavar="FILE", help="Write CSV to a file, or to - (then nothing else is printed).")
@click.option("--json", "json_file", metavar="FILE", help="Write every figure as JSON.")
@click.option("--markdown", "markdown_file", metavar="FILE", help="Write Markdown.")
@options.manners
def command(
    specs: tuple[str, ...],
    depth: int | str | None,
    columns: str | None,
    by_kind: bool,
    sort: str | None,
    batch: int,
    dtype: str,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    csv_file: str | None,
    json_file: str | None,
    markdown_file: str | None,
    quiet: bool,
) -> None:
    """Print the layer table of designs: shapes, parameters, MACs, and every total.

    \b
    archscope analyze vgg16
    archscope analyze alexnet vgg16 --depth 1
    archscope analyze resnet50 --by-kind --sort macs
    archscope analyze resnet50 --columns kind,output_shape,macs,backward_macs --sort macs
    archscope analyze my.yaml --set width=96 --input 3x160x160 --batch 32 --dtype bfloat16
    archscope analyze vgg16 --csv - | head

    In a terminal, blocks are folded until the table has at most 120 rows, in Markdown 40, unless --depth says
    otherwise. CSV holds every layer (or as --depth says), with units in its head; JSON holds every layer and figure, as
    `archscope schema analyze` describes them.
    """
    if columns == "help":
        width = max(map(len, COLUMNS))
        for column in COLUMNS.values():
            click.echo(f"{column.name:{width}}  {column.convention}" + (f" [{column.unit}]" if column.unit else ""))
        return
    names = [name.strip() for name in columns.split(",")] if columns else list(DEFAULT)
    choose([*names, *([sort] if sort else [])])  # before any work: a wrong name ends here
    designs = [options.load_design(spec, sets, inputs, quiet=quiet) for spec in specs]
    accounts = [analyze(design, batch=batch, dtype=dtype) for design in designs]
    fixed = depth if isinstance(depth, int) else None

    def tables(most: int | None) -> list[Table]:
        """The tables, blocks folded until each has so many rows, unless it is said how deep to fold."""
        most = None if depth == "all" else most
        return [
            tabulate_account(account, names, depth=fixed, sort=sort, most=most, by_kind=by_kind) for account in accounts
        ]

    if csv_file is not None:
        write_csv(to_csv(tables(None)), csv_file)
    if json_file is not None:
        write(to_json(accounts), json_file)
    if markdown_file is not None:
        write(to_markdown(tables(MOST_ROWS_OF_MARKDOWN)), markdown_file)
    if "-" not in (csv_file, json_file, markdown_file):
        width = options.terminal_width()
        click.echo("\n\n".join(render(table, width) for table in tables(MOST_ROWS)))
