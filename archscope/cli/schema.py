"""``archscope schema``."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING

import click

from archscope.cli import options
from archscope.cli.main import main
from archscope.files import write

if TYPE_CHECKING:
    from archscope.report.base import Report
    from archscope.report.schema import Schema

#: the commands that write reports as JSON
REPORTING = (
    "analyze", "compare", "diff", "explain", "sweep", "receptive-field", "memory", "predict", "profile", "calibrate",
    "verify", "import", "reconcile", "list", "ops",
)  # fmt: skip
#: schemas of what is no report, each with the module that makes it
_OTHERS = {"spec": "archscope.spec.schema", "export": "archscope.report.node_link"}


def schema(of: str) -> Schema:
    """The schema of the spec language, or of what a command writes; of nothing else a module is imported."""
    if of in _OTHERS:
        made: Schema = import_module(_OTHERS[of]).schema()
        return made
    command = main.get_command(click.Context(main), of)
    assert command is not None
    report: type[Report] = command.callback.report  # type: ignore[union-attr]  # put there by `options.formats`
    return report.schema()


@click.command("schema")
@click.argument("of", type=click.Choice(["spec", *REPORTING, "export"]), default="spec")
@options.target("-o", "--output", default="-", help="Output file; - is standard output.")
@options.manners
def command(of: str, output: str, quiet: bool) -> None:
    """Print a JSON schema: of the spec language (made from the op registry), or of the JSON that a command writes.

    Write that of the spec language beside your specs and begin each with the line that editors with a YAML language
    server look for:

    \b
    archscope schema -o archscope.schema.json
    # yaml-language-server: $schema=archscope.schema.json

    The others say of every figure its unit and how it is counted. Each file begins with the version of its format,
    which changes when a reader of the old one would break (in the JSON of `export` it is an attribute of the graph).
    """
    write(json.dumps(schema(of), indent=1) + "\n", output)
