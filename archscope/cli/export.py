"""``archscope export``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import click

from archscope.cli import options
from archscope.design import Design
from archscope.errors import MissingLibrary
from archscope.files import write
from archscope.ops.contents import files_of, regular

#: formats by the ending of a file's name
_ENDINGS = {
    ".py": "torch", ".onnx": "onnx", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid",
    ".json": "json",
}  # fmt: skip


@click.command("export")
@options.one_spec
@options.variant
@click.option(
    "--to",
    "form",
    type=click.Choice(["torch", "onnx", "dot", "mermaid", "json"]),
    help="What to write; by the ending of the file's name where it is left out.",
)
@options.target("-o", "--output", default="-", help="Where to write it; - is standard output.")
@click.option("--seed", type=int, help="Of the initial weights in an ONNX model.")
@options.manners
def command(
    spec: str,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    form: str | None,
    output: str,
    seed: int | None,
    quiet: bool,
) -> None:
    """Write a design for other tools: PyTorch source, ONNX, Graphviz, Mermaid, JSON.

    The source stands alone: a class a block, loops where the spec repeats. It loads the state of the module that
    archscope builds, and gives the same outputs bit for bit. JSON is the graph with every layer's arguments, shapes,
    parameters and MACs, as networkx.node_link_graph and D3 read it.

    \b
    archscope export resnet50 --to torch -o model.py
    archscope export unet --set width=32 -o unet.onnx
    archscope export googlenet --to mermaid
    """
    form = form or _ENDINGS.get(Path(output).suffix.lower())
    if form is None:
        raise click.UsageError("say what to write: --to torch, onnx, dot, mermaid or json")
    if form == "onnx" and output == "-":
        raise click.UsageError("an ONNX model is not text: name a file, as in -o model.onnx")
    if seed is not None and form != "onnx":
        raise click.UsageError("--seed is for --to onnx: the other formats hold no weights")
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    if form == "onnx":
        _write_onnx(design, output, seed)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that are not there: they are copied below, or missed
            write(_text(form)(design), output)
    if form == "torch" and output != "-":
        _copy_values(design, Path(output).parent)


def _text(form: str) -> Callable[[Design], str]:
    if form == "torch":
        try:
            from archscope.backends.torch.source import torch_source
        except ModuleNotFoundError as error:
            raise _needs_torch(error, "--to torch") from None
        return torch_source
    from archscope.report import diagrams

    return {"dot": diagrams.to_dot, "mermaid": diagrams.to_mermaid, "json": diagrams.to_node_link}[form]


def _write_onnx(design: Design, output: str, seed: int | None) -> None:
    try:
        from archscope.backends.torch.onnx import to_onnx
    except ModuleNotFoundError as error:
        raise _needs_torch(error, "--to onnx") from None
    to_onnx(design, output, seed=seed)


def _copy_values(design: Design, folder: Path) -> None:
    """The files that hold values of its constants, where the source looks for them."""
    for file in files_of(layer.op for layer in design.layers):
        target = folder / Path(file).name
        if not (target.exists() and target.samefile(file)):
            write(regular(file), str(target))


def _needs_torch(error: ModuleNotFoundError, option: str) -> Exception:
    return (
        MissingLibrary(f"{option} needs PyTorch: `pip install 'archscope[export]'`") if error.name == "torch" else error
    )
