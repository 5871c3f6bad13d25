"""``archscope list``."""

from __future__ import annotations

import sys

import click

from archscope.cli import options
from archscope.report import zoo
from archscope.report.results.catalogue import CatalogueReport, Entry
from archscope.spec import library


@click.command("list")
@options.formats(CatalogueReport)
@options.manners
def command(outputs: options.Outputs, quiet: bool) -> None:
    """List the designs that ship with archscope, with their totals at batch 1 (with -q their names only)."""
    if quiet and not outputs.targets:
        click.echo("\n".join(library.names()))
        return
    outputs.write(CatalogueReport(zoo.table() or _counted(quiet)), quiet=quiet)


def _counted(quiet: bool) -> list[Entry]:
    hidden = quiet or not sys.stderr.isatty()
    with click.progressbar(library.names(), label="counting", file=sys.stderr, hidden=hidden) as names:
        return list(zoo.counted(names))
