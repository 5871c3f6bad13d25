"""``archscope analyze``."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from archscope.analysis import analyze
from archscope.cli import options
from archscope.report.data import to_csv, to_json, to_markdown
from archscope.report.files import write
from archscope.report.terminal import render
from archscope.table import COLUMNS, DEFAULT, choose, tabulate_account

MOST_ROWS = 120


class ColumnName(click.ParamType):
    """Names of columns, separated by commas."""

    name = "columns"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        done, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{done}{comma}{name}") for name in COLUMNS if name.startswith(begun)]


@click.command("analyze")
@options.many_specs
@click.option("--depth", type=options.Depth(), help="Fold blocks below so many names; `all` folds none.")
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

    In a terminal, blocks are folded until the table has at most 120 rows, unless --depth says otherwise. Files always
    hold every layer (or as --depth says).
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
    files = ((csv_file, to_csv), (json_file, to_json), (markdown_file, to_markdown))
    if any(target is not None for target, _ in files):
        tables = [tabulate_account(account, names, depth=fixed, sort=sort, by_kind=by_kind) for account in accounts]
        for target, form in files:
            if target is not None:
                write(form(tables), target)
    if "-" not in (csv_file, json_file, markdown_file):
        most = None if depth == "all" else MOST_ROWS
        width = options.terminal_width()
        shown = [
            tabulate_account(account, names, depth=fixed, sort=sort, most=most, by_kind=by_kind) for account in accounts
        ]
        click.echo("\n\n".join(render(table, width) for table in shown))
