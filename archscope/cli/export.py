"""``archscope export``."""

from __future__ import annotations

from pathlib import Path

import click

from archscope.cli import options
from archscope.cli.forms import FORMS, Asked, Form
from archscope.report.model_explorer import FIGURES

#: options that only some forms know, and what the others are
_OF_SOME = {"seed": "the other formats hold no weights", "figure": "the other formats hold no single one"}


@click.command("export")
@options.one_spec
@options.variant
@click.option(
    "--to",
    "form",
    type=click.Choice([*FORMS]),
    help="What to write; by default the file's extension says it.",
)
@options.target("-o", "--output", default="-", help="Output file; - is standard output.")
@click.option("--seed", type=int, help="Seed of the initial weights in an ONNX model.")
@click.option("--figure", type=options.Names(FIGURES), help="The figure of every layer in node data.  [default: macs]")
@options.manners
def command(
    spec: str,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    form: str | None,
    output: str,
    seed: int | None,
    figure: str | None,
    quiet: bool,
) -> None:
    """Write a design for other tools: PyTorch source, ONNX, Graphviz, Mermaid, JSON, Model Explorer.

    The source needs only torch: a class for each block, loops where the spec repeats. It loads the state of the module
    that archscope builds, and gives the same outputs bit for bit. JSON is the graph with every layer's arguments,
    shapes, parameters and MACs, for networkx.node_link_graph and D3. Nodes of an ONNX model have the names and figures
    of their layers in their metadata, where Netron shows them. Model Explorer shows the graph with its blocks, and
    colours it by a figure.

    \b
    archscope export resnet50 --to torch -o model.py
    archscope export unet --set width=32 -o unet.onnx
    archscope export googlenet --to mermaid
    archscope export resnet50 --to model-explorer -o resnet50.json
    archscope export resnet50 --to node-data --figure params -o resnet50_params.json
    """
    chosen = _form(form, output)
    asked = Asked(output, {"seed": seed, "figure": figure})
    for name, why in _OF_SOME.items():
        if asked.options[name] is not None and name not in chosen.OPTIONS:
            forms = " or ".join(one.NAME for one in FORMS.values() if name in one.OPTIONS)
            raise click.UsageError(f"--{name} is for --to {forms}: {why}")
    chosen.write(options.load_design(spec, sets, inputs, quiet=quiet), asked)


def _form(name: str | None, output: str) -> Form:
    """The form that is asked for, or that the ending of the file's name means."""
    ending = Path(output).suffix.lower()
    form = FORMS[name] if name else next((one for one in FORMS.values() if ending in one.ENDINGS), None)
    if form is None:
        *first, last = FORMS
        raise click.UsageError(f"say what to write: --to {', '.join(first)} or {last}")
    if form.REFUSED and output == "-":
        raise click.UsageError(form.REFUSED)
    return form
