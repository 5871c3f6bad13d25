"""``archscope schema``."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from archscope.cli import options
from archscope.cli.main import LazyGroup, main
from archscope.files import write
from archscope.report import node_link
from archscope.report.schema import Schema
from archscope.spec import schema as of_specs

#: schemas of what is no report
_OTHERS: dict[str, Callable[[], Schema]] = {
    "export": node_link.schema,
}


def _reporting() -> dict[str, Callable[[], Schema]]:
    """The commands that write reports, each with what makes the schema of its JSON."""
    commands = {name: main.get_command(click.Context(main), name) for name in LazyGroup.COMMANDS if name != "schema"}
    reports = {name: getattr(command and command.callback, "report", None) for name, command in commands.items()}
    return {name: report.schema for name, report in reports.items() if report is not None}


#: the function that makes each schema, by what it is the schema of
SCHEMAS = {"spec": of_specs.schema, **_reporting(), **_OTHERS}


@click.command("schema")
@click.argument("of", type=click.Choice(list(SCHEMAS)), default="spec")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write it; - is standard output.")
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
    write(json.dumps(SCHEMAS[of](), indent=1) + "\n", output)
