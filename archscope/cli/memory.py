"""``archscope memory``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import click

from archscope.analysis.step.fit import Wish, guessed, most, probes, room
from archscope.analysis.step.length import length_of
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
_LONGEST = 2**20  # of sequences that are tried

_Sets = Sequence[tuple[str, str]]
_Shapes = Sequence[tuple[str, tuple[int, ...]]]
#: the memory of a variant: with other variables, and other shapes of inputs or those of the command line
_Resized = Callable[[_Sets, "_Shapes | None"], "Memory | None"]


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
    "--limit",
    type=Size(),
    help="24GiB: the largest batch that fits and, in steps of 32, the largest square input, or the longest sequence.",
)
@click.option(
    "--context",
    type=Size(),
    help="600MiB: the part of the device's memory, or of the limit, that is not for tensors: driver, CUDA context, "
    "kernels, other programs. The default for a device by name is a cautious figure.",
)
@click.option("--layers", is_flag=True, help="Every layer that saves something, not only the largest.")
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
    """Show how much memory a training step and inference need, to the byte, where the peak is, and what fits.

    The step is forward, a cross-entropy loss, backward and the optimizer's update, allocation by allocation. Workspaces
    of kernels are not counted.

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
        return within(setting.device, limit, context, space), *fitting(spec, sets, inputs, ledger, space)

    outputs.write(MemoryReport(ledger, layers, fits))


def fitting(spec: str, sets: _Sets, inputs: _Shapes, ledger: Memory, limit: int) -> Iterator[str]:
    """What fits into a limit: the batch at hand or what would make it fit, the largest batch, image and sequence."""
    design, setting = ledger.design, ledger.setting
    yield from batches(ledger, limit)
    if len(design.layers) > MOST_DRAWN or not Wish(design, setting).fits(1, limit):
        return

    def resized(more: _Sets, shapes: _Shapes | None) -> Memory | None:
        shapes = inputs if shapes is None else shapes
        try:
            return memory(options.load_design(spec, [*sets, *more], shapes, quiet=True), setting)
        except ArchscopeError:
            return None

    longest = _longest if [len(node.shape) for node in design.inputs] != [3] else _widest
    yield from longest(resized, ledger, limit)


def _widest(resized: _Resized, ledger: Memory, limit: int) -> Iterator[str]:
    """The largest square image."""
    channels = ledger.design.inputs[0].shape[0]

    def square(number: int) -> Memory | None:
        size = number * _RESOLUTION_STEP
        return resized((), [("", (channels, size, size))])

    side = _largest(square, limit, first=_WIDE, ceiling=_WIDEST)
    if side is not None:
        size, needed = side * _RESOLUTION_STEP, needs(square(side))
        where = f"at batch {ledger.setting.batch:,}, in steps of {_RESOLUTION_STEP}"
        yield f"  {where}, the largest square input is {channels}x{size}x{size}, which needs {needed}"


def _longest(resized: _Resized, ledger: Memory, limit: int) -> Iterator[str]:
    """The longest sequence, where there is one."""
    length = length_of(ledger.design)
    if length is None:
        return

    def long(number: int) -> Memory | None:
        if length.variable:
            return resized([(length.variable, str(number))], None)
        longer = resized((), [("", length.shape(number))])
        return None if longer is None or longer.parameters != ledger.parameters else longer  # else features, no length

    number = _largest(long, limit, first=length.size, ceiling=_LONGEST)
    if number is not None:
        how = f" (--set {length.variable}={number})" if length.variable else ""
        tried = ", and none longer was tried" if number >= _LONGEST else ""
        shown = f"{number:,}{how}, which needs {needs(long(number))}{tried}"
        yield f"  at batch {ledger.setting.batch:,}, the longest sequence is {shown}"


def _largest(sized: Callable[[int], Memory | None], limit: int, *, first: int, ceiling: int) -> int | None:
    """The largest size that fits; none if none does, or if there is but one."""
    least = next((number for number in range(1, 33) if sized(number) is not None), None)
    if least is None:
        return None
    taken, fits = probes(lambda number: sized(number + least - 1), limit)
    guess = guessed(taken, limit, max(1, first - least), power=2, ceiling=ceiling)
    number = most(fits, guess=guess, ceiling=ceiling)
    if number is None or (number == 1 and sized(least + 1) is None):
        return None
    return number + least - 1
