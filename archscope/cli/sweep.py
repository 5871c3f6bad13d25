"""``archscope sweep``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archscope import shown
from archscope.cli import calibrations, options, settings
from archscope.errors import UsageError, counted
from archscope.files import write
from archscope.load import read_document
from archscope.report.results.sweep import SweepReport
from archscope.setting import FIELDS
from archscope.setting.devices import processor
from archscope.spec.axes import METHODS, Sample
from archscope.sweeps.names import SWEPT

if TYPE_CHECKING:
    from archscope.setting.calibration import Calibration
    from archscope.sweeps.model import Sweep
    from archscope.sweeps.plan import Plan

#: of files for all designs, and of the report
_ROWS, _PAGE = (".parquet", ".csv"), (".html", ".htm")
_STOPPED = 130  # as a shell has it for Ctrl-C


class Count(click.ParamType):
    """A whole number, which may be written as 1e6."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).replace("_", "").replace(",", "")
        if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?(e\+?[0-9]{1,2})?", text, re.IGNORECASE):
            number = Decimal(text)
            if number >= 1 and number == int(number):
                return int(number)
        return self.fail(f"{value!r} is not a number of designs, as in 100000 or 1e6", param, ctx)


@click.command("sweep")
@options.one_spec
@click.option(
    "--vary",
    "varied",
    multiple=True,
    metavar="NAME=VALUES",
    help="What varies: width=16:128:8, depth=[2,3,4], growth=8:64:*2, depths[0]=2:6, input=128,160,224, batch=1,8.",
)
@click.option("--where", multiple=True, metavar="CONDITION", help="What must hold: 'params < 5e6 and macs < 600e6'.")
@click.option(
    "--derive", "derived", multiple=True, type=options.Assignment(), help="Add a column: density='macs / params'."
)
@options.columns(SWEPT, "Figures to show as columns")
@click.option(
    "--pareto",
    type=options.Names(SWEPT),
    metavar="FIGURES",
    help="Show the Pareto frontier of these figures, small ones better; -FIGURE: large ones.",
)
@click.option(
    "--sort",
    type=options.Names(SWEPT),
    metavar="FIGURE",
    help="Order the best designs by this figure, the smallest first; -FIGURE: the largest first.",
)
@click.option("--top", type=click.IntRange(min=1), help="How many of the best designs to show.  [default: 20]")
@click.option("--sample", "count", type=Count(), help="Draw a sample of this many designs: 1e6.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the sample.  [default: 0]")
@click.option("--method", type=click.Choice(METHODS), help="How the sample is drawn.  [default: random]")
@settings.options(*FIELDS, partial=True)
@options.variant
@options.target(
    "-o",
    "--out",
    "outs",
    multiple=True,
    help="Write all designs that satisfy the conditions to a .parquet or .csv file, or a report to an .html one.",
)
@click.option("--frontier", "only_frontier", is_flag=True, help="Write to -o only the designs on the frontier.")
@options.target(
    "--emit",
    "emitted",
    help="Write the best design as a spec; with {} in the file name, each of the --top, numbered.",
)
@click.option("--design", "number", type=click.IntRange(min=0), help="Only the design with this number.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of worker processes.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a Dask cluster: tcp://host:8786.")
@click.option("--resume", is_flag=True, help="Continue an interrupted sweep into the same file.")
@click.option("--restart", is_flag=True, help="Start an interrupted sweep again from the beginning.")
@options.formats(SweepReport)
@options.manners
def command(
    spec: str,
    varied: tuple[str, ...],
    where: tuple[str, ...],
    derived: tuple[tuple[str, str], ...],
    columns: list[str] | None,
    pareto: str | None,
    sort: str | None,
    top: int | None,
    count: int | None,
    seed: int | None,
    method: str | None,
    changes: dict[str, Any],
    calibration_file: str | None,
    bound: bool,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outs: tuple[str, ...],
    only_frontier: bool,
    emitted: str | None,
    number: int | None,
    workers: int,
    scheduler: str | None,
    resume: bool,
    restart: bool,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Compute the figures of a whole space of designs: all combinations of the --vary values.

    \b
    archscope sweep mobilenet_v1 --vary alpha=0.25:1:0.25 --vary input=128,160,192,224
    archscope sweep resnet50 --vary 'depths[2]=3:23' --vary input=128:288:32 --where 'params < 30e6' --sort -macs
    archscope sweep my.yaml --pareto params,macs,-receptive_field -o report.html -o all.parquet --workers 2
    archscope sweep my.yaml --vary width=8:512:8 --vary depth=1:50 --sample 1e6 --seed 1 --sort macs --emit best.yaml

    The `sweep:` section of the spec has the defaults of --vary and the other options. Variables that change only
    numbers are computed for thousands of designs at once; those that change the graph are detected and listed.
    Combinations that are not valid designs are counted by reason, and do not stop the others.
    """
    from archscope.sweeps.planning import planned
    from archscope.sweeps.sweeping import carried_out

    piped = options.to_stdout(*outputs.targets, emitted, *outs)
    rows, page = _targets(outs)
    document = read_document(spec)
    stated = document.sweep.device.text if document.sweep and document.sweep.device else None
    calibration = _calibration(changes.get("device", stated), calibration_file, bound=bound)
    if calibration is not None:
        changes["calibration"] = calibration
    plan = planned(
        document,
        vary=varied or None,
        where=where or None,
        derive=_derived(derived),
        columns=columns,
        pareto=pareto,
        sort=sort,
        top=top,
        sample=_sample(document.sweep.sample if document.sweep else None, count, seed, method),
        set=dict(sets),
        input=options.shapes(inputs),
        setting=changes,
    )
    if not quiet:
        options.warn(plan.warnings)
    if number is not None:
        plan = _alone(plan, number)
    _check_wanted(plan, only_frontier, emitted)
    every = rows if not only_frontier else None
    journal = None if number is not None else rows or page
    with _progress(plan.space.count, quiet=quiet) as on_progress:
        sweep = carried_out(
            plan,
            workers=workers,
            scheduler=scheduler,
            rows=every,
            journal=None if journal == "-" else journal,
            resume=resume,
            restart=restart,
            say=lambda text: click.echo(text, err=True),
            on_progress=on_progress,
        )
    if rows and only_frontier:
        with shown.REPORTS["rows"](rows, plan, None) as writer:
            writer.write(sweep.frontier)
    if page is not None:
        write(_page(plan, sweep, page), page)
    if emitted is not None:
        _emit(plan, sweep, emitted)
    outputs.write(SweepReport(sweep), quiet=piped, html=lambda: _page(plan, sweep, outputs["html"] or ""))
    if not sweep.complete:
        again = "; --resume goes on" if journal is not None else ""
        click.echo(f"stopped after {sweep.tally.designs:,} of {counted(plan.space.count, 'design')}{again}", err=True)
        sys.exit(_STOPPED)
    if not sweep.tally.legal:
        raise UsageError(f"none of the {counted(sweep.tally.designs, 'design')} is legal; the reasons are told above")


def _calibration(device: str | None, file: str | None, *, bound: bool) -> Calibration | None:
    """The calibration that goes with a device; of a CPU, which is the usual one, none has to be there."""
    if device == "cpu" and file is None and not bound:
        return calibrations.find(processor(), None)
    return calibrations.asked(device, file, bound=bound)


def _targets(outs: Sequence[str]) -> tuple[str | None, str | None]:
    """The file for rows and the one for the report."""
    texts: dict[tuple[str, ...], str] = {}
    for out in outs:
        suffix = Path(out).suffix.lower()
        kind = next((kinds for kinds in (_ROWS, _PAGE) if suffix in kinds), None)
        if kind is None:
            raise click.UsageError(f"`{out}` is none of the files that -o writes: .parquet, .csv, .html")
        if kind in texts:
            raise click.UsageError(f"-o {texts[kind]} and -o {out} are of one kind; write them one by one")
        texts[kind] = out
    return texts.get(_ROWS), texts.get(_PAGE)


def _derived(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    formulas = dict(pairs)
    if len(formulas) < len(pairs):
        raise click.UsageError("--derive gives two columns one name")
    return formulas


def _check_wanted(plan: Plan, only_frontier: bool, emitted: str | None) -> None:
    """Hold that what is to be written can be, before anything is counted."""
    from archscope.sweeps.emit import extended

    if only_frontier and not plan.question.pareto:
        raise click.UsageError("--frontier writes the frontier of --pareto, and there is none")
    if emitted is not None:
        if plan.question.sort is None and plan.space.count > 1:
            raise click.UsageError("--emit writes the best design: say with --sort what it is best in")
        extended(plan.document.source.name, emitted.replace("{}", "1"))


def _sample(stated: Sample | None, count: int | None, seed: int | None, method: str | None) -> Sample | None:
    """The sample that is asked for; what the spec says of its own stands where nothing is given."""
    if count is not None:
        return Sample(count, seed or 0, method or METHODS[0])
    if seed is None and method is None:
        return None
    if stated is None:
        raise click.UsageError("--seed and --method say which designs --sample looks at: add it")
    return replace(stated, seed=stated.seed if seed is None else seed, method=method or stated.method)


def _alone(plan: Plan, number: int) -> Plan:
    """The plan of a single design of a space."""
    from archscope.spec.axes import Axis
    from archscope.sweeps.space import Space

    if number >= plan.space.count:
        raise UsageError(f"there is no design {number:,}; the space has {plan.space.count:,}, counted from 0")
    axes = tuple(Axis(name, (value,)) for name, value in plan.space.values(number).items())
    return replace(plan, space=Space(axes))


@contextmanager
def _progress(count: int, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left, on standard error; hidden where nobody would see it."""
    from tqdm import tqdm

    hidden = quiet or not sys.stderr.isatty()
    with tqdm(total=count, unit=" designs", unit_scale=True, disable=hidden, leave=False, file=sys.stderr) as bar:

        def moved(done: int, stored: int) -> None:
            bar.initial = stored  # what was stored took no time
            bar.update(done - bar.n)

        yield moved


def _page(plan: Plan, sweep: Sweep, target: str) -> str:
    """The report as a page, with the specs of its designs where the spec is a file."""
    from archscope.report.page import sweep_page
    from archscope.sweeps.emit import extended

    try:
        extended(plan.document.source.name, target)
    except UsageError:  # the spec is no file
        return sweep_page(sweep, None)
    return sweep_page(sweep, lambda number: _spec(plan, number, target))


def _spec(plan: Plan, number: int, target: str) -> str:
    """The spec of a design."""
    from archscope.sweeps.emit import emitted

    return emitted(plan, plan.space.values(number), target)


def _emit(plan: Plan, sweep: Sweep, target: str) -> None:
    """Write the best design, or each of the best, as a spec."""
    numbers = sweep.top.numbers.tolist()
    if not numbers:
        raise UsageError("no design satisfies the conditions, so there is none to --emit")
    for rank, number in enumerate(numbers if "{}" in target else numbers[:1], 1):
        name = target.replace("{}", str(rank))
        write(_spec(plan, number, name), name)
