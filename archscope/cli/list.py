"""``archscope list``."""

from __future__ import annotations

import sys

import click

from archscope.analysis import analyze
from archscope.cli import options
from archscope.files import write
from archscope.load import load
from archscope.report.catalogue import to_csv, to_markdown, to_text
from archscope.report.sheet import write_csv
from archscope.spec import library


@click.command("list")
@click.option("--csv", "csv_file", metavar="FILE", help="Write CSV to a file, or to - (then nothing else is printed).")
@click.option("--markdown", "markdown_file", metavar="FILE", help="Write Markdown.")
@options.manners
def command(csv_file: str | None, markdown_file: str | None, quiet: bool) -> None:
    """List the designs that ship with archscope, with their totals at batch 1 (with -q their names only)."""
    piped = options.to_stdout(csv_file, markdown_file)
    names = library.names()
    if quiet and csv_file is None and markdown_file is None:
        click.echo("\n".join(names))
        return
    with click.progressbar(names, label="counting", file=sys.stderr, hidden=quiet or not sys.stderr.isatty()) as bar:
        designs = [(name, analyze(load(library.specs_folder() / f"{name}.yaml"))) for name in bar]
    if csv_file is not None:
        write_csv(to_csv(designs), csv_file)
    if markdown_file is not None:
        write(to_markdown(designs), markdown_file)
    if not quiet and not piped:
        click.echo(to_text(designs), nl=False)
