"""``archscope plot``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from archscope.analysis import analyze
from archscope.analysis.counts.account import Account
from archscope.analysis.step.memory import memory
from archscope.analysis.time.roofline import predict
from archscope.cli import options, settings
from archscope.design import Design
from archscope.errors import UsageError, suggestion
from archscope.figures import options_of
from archscope.setting import Setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Sets = tuple[tuple[str, str], ...]
Inputs = tuple[tuple[str, tuple[int, ...]], ...]


class Kinds(click.Group):
    """Kinds of charts, in their order; an unknown one is answered with those there are."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None:
            hint = suggestion(cmd_name, self.commands) or f"one of {', '.join(self.commands)}"
            raise UsageError(f"there is no plot `{cmd_name}`; {hint}: `archscope plot KIND SPEC -o FILE`")
        return command


@click.group("plot", cls=Kinds, subcommand_metavar="KIND SPEC... -o FILE")
def command() -> None:
    """Draw charts as SVG, PNG or PDF.

    \b
    archscope plot stages vgg16 -o stages.svg
    archscope plot roofline resnet50 --device h200 --batch 64 --precision bf16 -o roof.svg
    archscope plot bubbles alexnet_torchvision vgg16 resnet50 mobilenet_v2 -o bubbles.svg

    `archscope plot KIND --help` shows the options of each.
    """


def _picture(function: Callable[..., Any]) -> Callable[..., Any]:
    """What all kinds take: ``-o`` and another variant of the designs."""
    text = "Where to write it: .svg, .png or .pdf."

    output = options.target("-o", "--output", picture=True, required=True, help=text)
    return output(options.variant(options.manners(function)))


def _save(figure: Figure, output: str) -> None:
    from archscope.report.figures import save

    save(figure, output)


_of_memory = settings.options(*options_of("training_bytes", "inference_bytes"))


@command.command("stages")
@options.one_spec
@click.option("--depth", type=options.Depth(), help="Levels of blocks; `all` is every layer.")
@_of_memory
@_picture
def stages(
    spec: str, depth: int | str | None, setting: Setting, output: str, sets: Sets, inputs: Inputs, quiet: bool
) -> None:
    """Where the cost of one design sits, block by block.

    Parameters, MACs, activations, and what autograd keeps for the backward pass.
    """
    from archscope.report import charts

    account = analyze(options.load_design(spec, sets, inputs, quiet=quiet), setting)
    if depth == "all":
        depth = max((len(row.path) for row in account.rows), default=1)
    _save(charts.stages(account, depth if isinstance(depth, int) else None), output)


@command.command("layers")
@options.one_spec
@click.option("--log", is_flag=True, help="Logarithmic axes.")
@_picture
def layers(spec: str, log: bool, output: str, sets: Sets, inputs: Inputs, quiet: bool) -> None:
    """Parameters and MACs of one design, layer by layer."""
    from archscope.report import charts

    _save(charts.layers(analyze(options.load_design(spec, sets, inputs, quiet=quiet)), log=log), output)


@command.command("field")
@options.one_spec
@_picture
def field(spec: str, output: str, sets: Sets, inputs: Inputs, quiet: bool) -> None:
    """How the receptive field of one design grows."""
    from archscope.report import figures

    _save(figures.growth(options.load_design(spec, sets, inputs, quiet=quiet)), output)


@command.command("memory")
@options.one_spec
@_of_memory
@_picture
def memory_(spec: str, setting: Setting, output: str, sets: Sets, inputs: Inputs, quiet: bool) -> None:
    """Memory over a training step of one design."""
    from archscope.report import figures

    design = options.load_design(spec, sets, inputs, quiet=quiet)
    ledger = memory(design, setting)
    _save(figures.memory_timeline(ledger), output)


@command.command("roofline")
@options.one_spec
@settings.options(*options_of("train_seconds", "infer_seconds"), device=True)
@_picture
def roofline(
    spec: str,
    setting: Setting,
    output: str,
    sets: Sets,
    inputs: Inputs,
    quiet: bool,
) -> None:
    """The layers of one design under the roof of a device.

    Each pass of a layer by its FLOPs a byte and its FLOP/s, the area its time: a bound, or where the device was
    calibrated an estimate.
    """
    from archscope.report import charts

    design = options.load_design(spec, sets, inputs, quiet=quiet)
    _save(charts.roofline(predict(design, setting)), output)


@command.command("bubbles")
@options.many_specs
@_picture
def bubbles(specs: tuple[str, ...], output: str, sets: Sets, inputs: Inputs, quiet: bool) -> None:
    """Accuracy of several designs over their MACs.

    The recorded top-1 accuracy; the area of a bubble is the parameters. Designs without one are not drawn.
    """
    from archscope.report import charts

    accounts = _accounts(specs, sets, inputs, Setting(), quiet=quiet)
    figure = charts.bubbles(accounts)
    missing = [account.design.name for account in accounts if account.design.recorded("top1") is None]
    if missing and not quiet:
        click.echo(f"not drawn, since no top-1 accuracy is recorded: {', '.join(missing)}", err=True)
    _save(figure, output)


@command.command("totals")
@options.many_specs
@_of_memory
@_picture
def totals(specs: tuple[str, ...], setting: Setting, output: str, sets: Sets, inputs: Inputs, quiet: bool) -> None:
    """Parameters, MACs and saved bytes of several designs."""
    from archscope.report import charts

    _save(charts.totals(_accounts(specs, sets, inputs, setting, quiet=quiet)), output)


def _accounts(specs: tuple[str, ...], sets: Sets, inputs: Inputs, setting: Setting, *, quiet: bool) -> list[Account]:
    designs: list[Design] = [options.load_design(spec, sets, inputs, quiet=quiet) for spec in specs]
    return [analyze(design, setting) for design in designs]
