"""``archscope schema``."""

from __future__ import annotations

import json
from importlib import import_module

import click

from archscope.cli import options
from archscope.files import write

#: the function that makes each schema, by what it is the schema of
_SCHEMAS = {
    "spec": "archscope.spec.schema:schema",
    "analyze": "archscope.report.data:schema",
    "explain": "archscope.report.explanation:schema",
    "receptive-field": "archscope.report.receptive_field:schema",
    "compare": "archscope.report.comparison:schema",
    "sweep": "archscope.report.sweep:schema",
    "memory": "archscope.report.memory:schema",
    "predict": "archscope.report.speed_data:prediction_schema",
    "profile": "archscope.report.speed_data:profile_schema",
    "calibrate": "archscope.report.speed_data:calibration_schema",
    "reconcile": "archscope.report.reconciliation:schema",
    "export": "archscope.report.node_link:schema",
}


@click.command("schema")
@click.argument("of", type=click.Choice(list(_SCHEMAS)), default="spec")
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
    module, _, function = _SCHEMAS[of].partition(":")
    write(json.dumps(getattr(import_module(module), function)(), indent=1) + "\n", output)
