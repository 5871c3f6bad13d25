"""``archscope analyze``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archscope.analysis import Account, analyze
from archscope.cli import options, settings
from archscope.files import write
from archscope.report.data import to_csv, to_json
from archscope.report.markdown import to_markdown
from archscope.report.sheet import write_csv
from archscope.report.terminal import render
from archscope.setting import OF_MEMORY, Setting
from archscope.table import COLUMNS, DEFAULT, Table, choose, tabulate_account

if TYPE_CHECKING:
    from archscope.report.page.times import Times

MOST_ROWS = 120
MOST_ROWS_OF_MARKDOWN = 40  # a screen or two of a pull request


@click.command("analyze")
@options.many_specs
@click.option("--depth", type=options.Depth(), help="Fold blocks below so many names; `all` folds none.")
@click.option("--columns", type=options.Names(COLUMNS), help="Columns by name, separated by commas; `help` lists them.")
@click.option("--by-kind", is_flag=True, help="A row for each kind of layer instead of each layer.")
@click.option("--sort", type=options.Names(COLUMNS), help="Order by a column, the largest first.")
@settings.options(*OF_MEMORY, "calibration")
@options.variant
@click.option("--csv", "csv_file", metavar="FILE", help="Write CSV to a file, or to - (then nothing else is printed).")
@click.option("--json", "json_file", metavar="FILE", help="Write every figure as JSON.")
@click.option("--markdown", "markdown_file", metavar="FILE", help="Write Markdown.")
@click.option("--html", "html_file", metavar="FILE", help="Write a report as one self-contained page.")
@click.option(
    "--profile", "profile_file", metavar="FILE", help="For --html: also times that `profile --json` measured."
)
@options.manners
def command(
    specs: tuple[str, ...],
    depth: int | str | None,
    columns: str | None,
    by_kind: bool,
    sort: str | None,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    csv_file: str | None,
    json_file: str | None,
    markdown_file: str | None,
    html_file: str | None,
    profile_file: str | None,
    quiet: bool,
) -> None:
    """Print the layer table of designs: shapes, parameters, MACs, and every total.

    \b
    archscope analyze vgg16
    archscope analyze alexnet vgg16 --depth 1
    archscope analyze resnet50 --by-kind --sort macs
    archscope analyze resnet50 --columns kind,output_shape,macs,backward_macs --sort macs
    archscope analyze my.yaml --set width=96 --input 3x160x160 --batch 32 --precision bfloat16
    archscope analyze vgg16 --csv - | head
    archscope analyze vgg16 --html vgg16.html --device h200

    In a terminal, blocks are folded until the table has at most 120 rows, in Markdown 40, unless --depth says
    otherwise. CSV holds every layer (or as --depth says), with units in its head; JSON holds every layer and figure, as
    `archscope schema analyze` describes them.
    """
    if columns == "help":
        options.column_help(COLUMNS.values())
        return
    piped = options.to_stdout(csv_file, json_file, markdown_file, html_file)
    if html_file is not None and len(specs) > 1:
        raise click.UsageError(
            "--html is a report of one design; `archscope compare A B --html FILE` is one of several"
        )
    if html_file is None and profile_file:
        raise click.UsageError("--profile is for a report: add --html FILE")
    names = [name.strip() for name in columns.split(",")] if columns else list(DEFAULT)
    choose([*names, *([sort] if sort else [])])  # before any work: a wrong name ends here
    designs = [options.load_design(spec, sets, inputs, quiet=quiet) for spec in specs]
    accounts = [analyze(design, setting) for design in designs]
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
    if html_file is not None:
        from archscope.report.page import design_page

        write(design_page(accounts[0], times=_times(accounts[0], profile_file)), html_file)
    if not piped:
        width = options.terminal_width()
        click.echo("\n\n".join(render(table, width) for table in tables(MOST_ROWS)))


def _times(account: Account, profile_file: str | None) -> list[Times]:
    """The times that a report shows: measured ones, then those of a training step and of an inference on its device."""
    from archscope.report.page.times import of_prediction, read_profile

    design = account.design
    found = [] if profile_file is None else [read_profile(profile_file, design)]
    if account.setting.timed:
        from archscope.analysis.roofline import predict

        modes = ("train", "infer") if account.setting.trains else ("infer",)
        found += [of_prediction(predict(design, account.setting, mode=mode)) for mode in modes]
    return found
