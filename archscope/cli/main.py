"""The lazy group of commands."""

from __future__ import annotations

import os
import traceback
from importlib import import_module
from typing import Any, ClassVar

import click

from archscope.cli.streams import Unwritten, guarded
from archscope.errors import ArchscopeError, suggestion
from archscope.errors.printable import printable
from archscope.starting import INTERRUPTED

#: the exit code where something slipped through that is no mistake of the user
OUR_FAULT = 3

#: options that users of torchinfo, fvcore, ptflops and thop know: ours, and how it is written
OTHERS = {
    "--max-depth": ("--depth", ", as in --depth 2"),
    "--input-size": ("--input", ", without the batch, as in --input 3x224x224; the batch is --batch"),
    "--input-shape": ("--input", ", without the batch, as in --input 3x224x224; the batch is --batch"),
    "--input-res": ("--input", ", as in --input 3x224x224"),
    "--batch-size": ("--batch", ", as in --batch 32"),
    "--col-names": ("--columns", ", as in --columns output_shape,params,macs"),
    "--dtypes": ("--precision", ", as in --precision bfloat16; an input's own type is the spec's"),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    #: commands by name, each with the module that holds it and its line in the list of commands
    COMMANDS: ClassVar[dict[str, tuple[str, str]]] = {
        "analyze": ("analyze", "Print the layer table of designs: shapes, parameters, MACs, and every total."),
        "compare": ("compare", "Show designs side by side, or the differences between two."),
        "diff": ("diff", "Show what a branch changes in designs, and check budgets: for pull requests."),
        "explain": ("explain", "Show the arithmetic of every figure, as a textbook writes it."),
        "sweep": ("sweep", "Compute the figures of a whole space of designs, and show the best."),
        "graph": ("graph", "Draw the layer graph: SVG, PNG or PDF, with blocks folded."),
        "plot": ("plot", "Draw charts: where a design's cost sits, its memory, its roofline, designs side by side."),
        "receptive-field": ("receptive_field", "Show what part of the input a unit can see, for every layer."),
        "memory": ("memory", "Show how much memory a training step and inference need, and what fits."),
        "predict": ("predict", "Predict the time of a step on a device, layer by layer."),
        "profile": ("profile", "Time a design on this machine, as a whole and by layer."),
        "calibrate": ("calibrate", "Measure a device, so that predictions for it become estimates."),
        "verify": ("verify", "Check published figures (expect:) and limits (budget:)."),
        "export": ("export", "Write a design as PyTorch source, ONNX, Graphviz, Mermaid, JSON, or for Model Explorer."),
        "import": ("importing", "Turn a PyTorch or ONNX model into a spec, proved against the model; runs its code."),
        "reconcile": ("reconcile", "Show what fvcore, torchinfo, thop and others count, and why they differ."),
        "expand": ("expand", "Print the fully resolved design as a flat spec."),
        "list": ("list", "List the designs that ship with archscope."),
        "ops": ("ops", "List the layers that a spec can use, or describe one."),
        "schema": ("schema", "Print the JSON schema of the spec language, or of a command's JSON."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.COMMANDS:
            return None
        command: click.Command = import_module(f"archscope.cli.{self.COMMANDS[cmd_name][0]}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.COMMANDS and not ctx.resilient_parsing and (hint := suggestion(args[0], self.COMMANDS)):
            ctx.fail(f"No such command '{args[0]}'; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> Any:
        with guarded():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArchscopeError as error:
            text = printable(str(error))  # it may quote the command line
            click.echo(text if ": error: " in text or text.startswith("error: ") else f"error: {text}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except click.UsageError as error:
            shown = printable(_in_our_words(error))  # it may quote the command line
            if shown == error.message:
                raise
            raise click.UsageError(shown, error.ctx) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, Unwritten):
            raise
        except Exception as error:
            if os.environ.get("ARCHSCOPE_TRACEBACK"):
                raise
            click.echo(_fault(error), err=True)
            ctx.exit(OUR_FAULT)


def _in_our_words(error: click.UsageError) -> str:
    """What is wrong with a command line; an option of another tool is told with ours, where the command has it."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error.message
    ours, how = OTHERS.get(error.option_name.replace("_", "-"), ("", ""))
    if not any(ours in parameter.opts for parameter in error.ctx.command.params):
        return error.message
    return f"No such option '{error.option_name}': it is '{ours}' here{how}"


def _fault(error: Exception) -> str:
    """A fault of ours in one line: what Python says of it, and the innermost place in archscope."""
    package = os.path.dirname(os.path.dirname(__file__))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    place = f"{os.path.relpath(frames[-1].filename, package)}:{frames[-1].lineno}" if frames else "outside"
    said = printable(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    return (
        f"error: archscope failed ({said}, in {place}): this is a bug in archscope, please report it with the"
        " command and the spec; with ARCHSCOPE_TRACEBACK=1 in the environment it shows the traceback"
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="archscope", message="archscope %(version)s")
def main() -> None:
    """The accountant of neural architectures.

    A design is declared in a short YAML spec; archscope computes its exact figures, before a weight exists.

    \b
    archscope analyze vgg16                 the layer table of a design that ships with archscope
    archscope analyze my.yaml --batch 32    of your own
    archscope explain vgg16 conv1_1         the arithmetic of one layer
    archscope verify specs/                 published figures against computed ones

    SPEC is a path, a name that `archscope list` shows, or - for standard input.

    Exit codes: 0 success, 1 a check failed, 2 an invalid spec or command line, 3 a bug in archscope, 130 interrupted.
    """
