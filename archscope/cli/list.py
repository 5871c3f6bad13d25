"""``archscope list``."""

from __future__ import annotations

import click

from archscope.analysis import analyze
from archscope.cli import options
from archscope.load import load
from archscope.report.text import shape
from archscope.spec import library


@click.command("list")
@options.manners
def command(quiet: bool) -> None:
    """List the designs that ship with archscope, with their totals (with -q their names only)."""
    names = library.names()
    if quiet:
        click.echo("\n".join(names))
        return
    import tabulate

    rows = []
    for name in names:
        design = load(library.specs_folder() / f"{name}.yaml")
        total = analyze(design).total
        inputs = ", ".join(shape(node.shape) for node in design.inputs)
        rows.append([name, design.name, inputs, f"{total.params:,}", f"{total.macs:,}"])
    headers = ["name", "design", "input", "params", "MACs"]
    align = ["left", "left", "left", "right", "right"]
    click.echo(tabulate.tabulate(rows, headers, tablefmt="simple", colalign=align, disable_numparse=True))
