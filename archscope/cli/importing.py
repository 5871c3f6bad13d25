"""``archscope import``."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archscope import files
from archscope.autograd.dtypes import full_name, misnamed
from archscope.cli import options
from archscope.report.results.imported import ImportedReport

if TYPE_CHECKING:
    from archscope.backends.importing.imported import Imported

#: of inputs; the first where none is given
DTYPES = ("float32", "int64", "int32", "bool", "float64", "float16", "bfloat16")
#: an input: its name, its sizes without the batch, and its type
Example = tuple[str, tuple[int, ...], str]


class ExampleInput(click.ParamType):
    """``3x224x224``, ``ids=128:int64``: name and type where they are needed, sizes without the batch."""

    name = "sizes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Example:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(?:(\w+)=)?(\d{1,9}(?:[x,]\d{1,9})*)?(?::(\w+))?", str(value))
        if match is None or not (match[2] or match[3]):
            self.fail(f"{value!r} is not of the form 3x224x224, ids=128:int64 or step=:int64", param, ctx)
        dtype = full_name(match[3] or DTYPES[0])
        if dtype not in DTYPES:
            hint = misnamed(dtype, DTYPES) or f"one of {', '.join(DTYPES)}"
            self.fail(f"{match[3]!r} is no type of an input; {hint}", param, ctx)
        sizes = tuple(int(size) for size in re.split("[x,]", match[2])) if match[2] else ()
        return match[1] or "", sizes, dtype


@click.command("import")
@click.argument("target", metavar="TARGET")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    type=ExampleInput(),
    help="An input without the batch, in the order of forward: 3x224x224; by name and with a type: ids=128:int64.",
)
@click.option("--kwargs", "kwargs_text", metavar="JSON", help="Arguments of the callable: '{\"num_classes\": 10}'.")
@click.option("--name", help="Name of the design; by default that of the callable or of the file.")
@click.option("--flat", is_flag=True, help="Write a plain list of layers: no blocks, no repeats.")
@click.option("--opaque", is_flag=True, help="Keep what no layer can represent as a black box with measured totals.")
@options.target("-o", "--output", default="-", help="Output file of the spec; - is standard output.")
@options.formats(ImportedReport)
@options.manners
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    inputs: tuple[Example, ...],
    kwargs_text: str | None,
    name: str | None,
    flat: bool,
    opaque: bool,
    output: str,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Turn a model into a spec that can be read, changed, compared and swept, and prove it against the model.

    TARGET is module:callable or file.py:Class (a class, a function that returns a model, or a model), a program saved
    by torch.export (.pt2), or an ONNX file (.onnx).

    THIS RUNS THE CODE OF THE MODEL'S AUTHOR, as importing and calling it in Python does: import only what you would
    run. A .pt2 file is loaded by torch, an .onnx file is only read. Nothing else in archscope runs code from an input.

    \b
    archscope import torchvision.models:resnet50 --input 3x224x224 -o resnet50.yaml
    archscope import model.py:Net --kwargs '{"width": 64}' --input 1x28x28
    archscope import mypackage.text:Tagger --input ids=128:int64 --input mask=128:bool
    archscope import saved.pt2 -o saved.yaml

    The model is traced by torch.export at two batch sizes. Parameters, buffers, output shapes, MACs and the bytes that
    autograd saves are compared with the original, and printed (on standard error if the spec goes to standard output).
    What no layer can represent is refused by name and place. Values of constants that are not an expression, and too
    many for the spec, go into a file beside it (NAME.npz).

    Exit codes: 0 all figures equal the original's, 1 the spec is written, but a figure differs, 2 refused.
    """
    options.to_stdout(output, *outputs.targets)
    if target.endswith(".onnx"):
        if kwargs_text is not None or opaque:
            raise click.UsageError("--kwargs and --opaque are for models that are run; an ONNX file is only read")
        imported = _from_onnx(target, inputs, name, flat)
    else:
        imported = _from_code(target, inputs, kwargs_text, name, flat, opaque, quiet)
    files.write(imported.spec, output)
    if output != "-":
        for beside, content in imported.files.items():
            files.write(content, str(Path(output).parent / beside))
    if not quiet:
        options.warn(one.within(output) for one in imported.design.warnings)
    outputs.write(ImportedReport(imported), quiet=quiet and imported.ok, err=output == "-")
    ctx.exit(0 if imported.ok else 1)


def _from_code(
    target: str,
    inputs: tuple[Example, ...],
    kwargs_text: str | None,
    name: str | None,
    flat: bool,
    opaque: bool,
    quiet: bool,
) -> Imported:
    """A model that its author's code makes."""
    targets = options.torch_side("imports.targets")
    arguments = targets.arguments(kwargs_text) if kwargs_text is not None else None
    if not quiet and sys.stderr.isatty():
        click.echo(f"tracing {target} twice, which takes a while for large models", err=True)
    resolved = targets.resolve(target, [targets.Example(*one) for one in inputs], kwargs=arguments, name=name)
    imported: Imported = options.torch_side("imports").imported(resolved, flat=flat, opaque=opaque)
    return imported


def _from_onnx(path: str, inputs: tuple[Example, ...], name: str | None, flat: bool) -> Imported:
    """An ONNX file, read without torch; where that is installed, outputs are compared, too."""
    from archscope.backends.onnx.importing import import_onnx
    from archscope.backends.onnx.prove import prove_shapes

    prove = prove_shapes
    with suppress(ModuleNotFoundError):
        from archscope.backends.torch.onnx_proof import prove_onnx as prove
    sizes = options.shapes([(named, shape) for named, shape, _ in inputs])
    return import_onnx(path, input=sizes, name=name, flat=flat, prove=prove)
