"""``archscope verify``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from archscope.cli import options
from archscope.design import incomplete
from archscope.errors import MissingLibrary, SpecError
from archscope.files import write
from archscope.load import read_document
from archscope.report import checks
from archscope.report.errata import page
from archscope.report.text import figure
from archscope.report.text import value as written
from archscope.verify import Verdict, Verification, verify


@click.command("verify")
@options.many_specs
@click.option(
    "--torch", "with_torch", is_flag=True, help="Also build it in PyTorch and hold every figure against that."
)
@click.option("--errata", metavar="FILE", help="Write a Markdown page of the published figures that are wrong.")
@options.manners
@click.pass_context
def command(ctx: click.Context, specs: tuple[str, ...], with_torch: bool, errata: str | None, quiet: bool) -> None:
    """Check published figures (expect:) and limits (budget:): ok, or by how much they differ.

    SPEC may also be a folder: every design in it is checked. Exit code 1 if a check fails, 2 if a spec is wrong.

    \b
    archscope verify alexnet
    archscope verify specs/
    archscope verify resnet50 --torch
    archscope verify specs/ --errata reports/errata.md
    """
    designs = [path for spec in specs for path in _designs(spec)]
    quiet = quiet or errata == "-"
    failed = wrong = figures = 0
    check = _torch_check() if with_torch else None
    with click.progressbar(designs, label="verifying", file=sys.stderr, hidden=_no_bar(designs, quiet)) as bar:
        results: list[Verification | SpecError] = []
        for path in bar:
            try:
                results.append(verify(options.load_design(path, quiet=True)))
            except SpecError as error:
                if len(designs) == 1:
                    raise
                results.append(error)
    if errata is not None:
        right = [result for result in results if isinstance(result, Verification)]
        write(page(right, " ".join(specs), errata), errata)
    for path, result in zip(designs, results, strict=True):
        if isinstance(result, SpecError):
            wrong += 1
            click.echo(f"{click.style('wrong', fg='red')}  {path}")
            click.echo(str(result), err=True)
            continue
        failed += sum(not verdict.ok for verdict in result.verdicts)
        figures += len(result.verdicts)
        _print(result, every=len(designs) == 1, quiet=quiet)
        for one in check(result.design) if check is not None else ():
            figures, failed = figures + 1, failed + (not one.ok)
            if not one.ok or not quiet:
                click.echo(checks.line(one, f"{result.design.title}: torch: "))
    if not quiet:
        click.echo(_summary(len(designs), figures, failed, wrong))
    ctx.exit(2 if wrong else 1 if failed else 0)


def _torch_check() -> Any:
    try:
        from archscope.backends.torch.check import check
    except ImportError:
        raise MissingLibrary("--torch needs PyTorch: `pip install 'archscope[torch]'`") from None
    return check


def _no_bar(designs: list[str], quiet: bool) -> bool:
    return quiet or len(designs) < 2 or not sys.stderr.isatty()


def _designs(spec: str) -> list[str]:
    """The spec itself, or every design in a folder; files that only offer blocks are left out."""
    if not os.path.isdir(spec):
        return [spec]
    found = [str(path) for path in sorted(Path(spec).rglob("*.yaml")) if not _is_library(path)]
    if not found:
        raise click.UsageError(f"there is no design (*.yaml) in {spec}")
    return found


def _is_library(path: Path) -> bool:
    try:
        return read_document(path).is_library
    except SpecError:
        return False  # verifying it will say what is wrong


def _print(result: Verification, *, every: bool, quiet: bool) -> None:
    name, lacking = result.design.title, incomplete(result.design)
    if not quiet:
        options.warn(result.design.warnings)
    if lacking is not None and not quiet:
        click.echo(f"{result.design.name}: {lacking}; so are its figures")
    if not every and result.ok:
        if not quiet:
            count = _count(len(result.verdicts), "figure") if result.verdicts else "nothing to check"
            click.echo(f"{click.style('ok', fg='green')}     {name}: {count}")
        return
    for verdict in result.verdicts:
        if not verdict.ok or (every and not quiet):
            click.echo(_verdict(name, verdict))


def _verdict(name: str, verdict: Verdict) -> str:
    computed = figure(verdict.computed)
    if verdict.ok:
        note = f"   {verdict.note}" if verdict.note else ""
        return f"{click.style('ok', fg='green')}     {name}: {verdict.figure} = {computed}{note}"
    expected = figure(verdict.expected)
    differs = ""
    if verdict.difference is not None and isinstance(verdict.expected, (int, float)):
        share = f" ({100 * verdict.difference / verdict.expected:+.3g}%)" if verdict.expected else ""
        differs = f", {_signed(verdict.difference)}{share}"
    note = f"   {verdict.note}" if verdict.note else ""
    what = f"{name}: {verdict.figure}: expected {expected}, computed {computed}{differs}{note}"
    return f"{click.style('FAILED', fg='red')} {what}"


def _signed(difference: float) -> str:
    return f"{'+' if difference >= 0 else '-'}{written(abs(difference), 'count')}"


def _summary(designs: int, figures: int, failed: int, wrong: int) -> str:
    text = f"{_count(designs, 'design')}, {_count(figures, 'figure')}: {figures - failed} ok"
    if failed:
        text += f", {failed} failed"
    return text + (f", {_count(wrong, 'spec')} wrong" if wrong else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
