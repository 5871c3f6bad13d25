"""``archscope memory``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import click

from archscope.analysis.step.fit import Wish, guessed, most, probes, room
from archscope.analysis.step.memory import Memory, memory
from archscope.cli import options, settings
from archscope.design import MOST_DRAWN
from archscope.errors import ArchscopeError, UsageError
from archscope.figures import options_of
from archscope.report.results.memory import MemoryReport, batches, needs, within
from archscope.setting import Setting
from archscope.setting.sizes import bytes_of

_RESOLUTION_STEP = 32  # most networks halve a map five times
_WIDE, _WIDEST = 16, 1024  # steps from which the largest input is guessed, and that are tried


class Size(click.ParamType):
    """Bytes: 24GiB, 80GB, 1000000."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return bytes_of(value)
        except UsageError as error:
            return self.fail(str(error), param, ctx)


@click.command("memory")
@options.one_spec
@settings.options(*options_of("training_bytes", "inference_bytes"))
@click.option(
    "--limit", type=Size(), help="24GiB: the largest batch, and in steps of 32 the largest square input, that fit."
)
@click.option(
    "--context",
    type=Size(),
    help="600MiB: what tensors do not get of the device's memory, or of the limit: driver, CUDA context, kernels, "
    "other programs. Of a device by name, a cautious figure unasked.",
)
@click.option("--layers", is_flag=True, help="Every layer that keeps something, not only the largest.")
@options.variant
@options.target("--plot", picture=True, help="Draw memory over the training step (.svg, .png, .pdf).")
@options.formats(MemoryReport)
@options.manners
def command(
    spec: str,
    setting: Setting,
    limit: int | None,
    context: int | None,
    layers: bool,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    plot: str | None,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Tell what a training step takes and what inference needs, to the byte, where the peak is, and what fits.

    The step is forward, a cross-entropy loss, backward and the optimizer's update, allocation by allocation. What a
    kernel takes for itself (a workspace, a copy in another layout) is not counted.

    \b
    archscope memory vgg16 --batch 64 --optimizer adamw
    archscope memory resnet50 --batch 32 --precision bf16-mixed --plot step.svg
    archscope memory resnet50 --optimizer adamw --device h200
    archscope memory my.yaml --batch 8 --device cuda --limit 24GiB
    archscope memory my.yaml --optimizer none --input 3x512x512
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    ledger = memory(design, setting)
    if plot is not None:
        from archscope.report.figures import memory_timeline, save

        save(memory_timeline(ledger), plot)
    space = room(setting.device, limit, context)

    @cache
    def fits() -> tuple[str, ...]:
        if space is None:
            return ()
        return within(setting.device, limit, context, space), *fitting(spec, sets, ledger, space)

    outputs.write(MemoryReport(ledger, layers, fits))


def fitting(spec: str, sets: Sequence[tuple[str, str]], ledger: Memory, limit: int) -> Iterator[str]:
    """What fits into a limit: the batch at hand or what would make it fit, the largest batch and the largest input."""
    design, setting = ledger.design, ledger.setting
    yield from batches(ledger, limit)
    shapes = [node.shape for node in design.inputs]
    if len(design.layers) > MOST_DRAWN or len(shapes) != 1 or len(shapes[0]) != 3:
        return
    if not Wish(design, setting).fits(1, limit):
        return
    channels = shapes[0][0]

    def resized(number: int) -> Memory | None:
        shape = (channels, number * _RESOLUTION_STEP, number * _RESOLUTION_STEP)
        try:
            return memory(options.load_design(spec, sets, [("", shape)], quiet=True), setting)
        except ArchscopeError:
            return None

    least = next((number for number in range(1, 33) if resized(number) is not None), None)
    if least is None:
        return

    taken, fits = probes(lambda number: resized(number + least - 1), limit)
    guess = guessed(taken, limit, max(1, _WIDE - least), power=2, ceiling=_WIDEST)
    side = most(fits, guess=guess, ceiling=_WIDEST)
    if side is None or (side == 1 and resized(least + 1) is None):
        return
    side += least - 1
    size, needed = side * _RESOLUTION_STEP, needs(resized(side))
    shown = f"{channels}x{size}x{size}, which needs {needed}"
    yield f"  at batch {setting.batch:,}, in steps of {_RESOLUTION_STEP}, the largest square input is {shown}"
