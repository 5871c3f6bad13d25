"""``archscope schema``."""

from __future__ import annotations

import json

import click

from archscope.cli import options
from archscope.report.files import write
from archscope.spec.schema import schema


@click.command("schema")
@click.option("-o", "--output", default="-", metavar="FILE", help="Where to write it; - is standard output.")
@options.manners
def command(output: str, quiet: bool) -> None:
    """Print the JSON schema of the spec language, made from the op registry.

    Write it beside your specs and begin each with the line that editors with a YAML language server look for:

    \b
    archscope schema -o archscope.schema.json
    # yaml-language-server: $schema=archscope.schema.json
    """
    write(json.dumps(schema(), indent=1) + "\n", output)
