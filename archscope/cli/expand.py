"""``archscope expand``."""

from __future__ import annotations

import click

from archscope.cli import options
from archscope.files import write
from archscope.spec.writer import to_yaml


@click.command("expand")
@options.one_spec
@options.variant
@options.target("-o", "--output", default="-", help="Output file; - is standard output.")
@options.manners
def command(
    spec: str,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    output: str,
    quiet: bool,
) -> None:
    """Print the fully resolved design: every layer by its full name, no blocks, no variables.

    The output is a valid spec.

    \b
    archscope expand resnet50 --set classes=10 -o resnet50_flat.yaml
    """
    write(to_yaml(options.load_design(spec, sets, inputs, quiet=quiet)), output)
