"""``archscope list``."""

from __future__ import annotations

import sys

import click

from archscope.cli import options
from archscope.files import write
from archscope.report import zoo
from archscope.report.catalogue import Entry, to_csv, to_markdown, to_text
from archscope.report.sheet import write_csv
from archscope.spec import library


@click.command("list")
@click.option("--csv", "csv_file", metavar="FILE", help="Write CSV to a file, or to - (then nothing else is printed).")
@click.option("--markdown", "markdown_file", metavar="FILE", help="Write Markdown.")
@options.manners
def command(csv_file: str | None, markdown_file: str | None, quiet: bool) -> None:
    """List the designs that ship with archscope, with their totals at batch 1 (with -q their names only)."""
    piped = options.to_stdout(csv_file, markdown_file)
    if quiet and csv_file is None and markdown_file is None:
        click.echo("\n".join(library.names()))
        return
    designs = zoo.kept() or _counted(quiet)
    if csv_file is not None:
        write_csv(to_csv(designs), csv_file)
    if markdown_file is not None:
        write(to_markdown(designs), markdown_file)
    if not quiet and not piped:
        click.echo(to_text(designs), nl=False)


def _counted(quiet: bool) -> list[Entry]:
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(library.names(), label="counting", file=sys.stderr, hidden=hidden) as names:
        return list(zoo.counted(names))
