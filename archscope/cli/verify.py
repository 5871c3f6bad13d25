"""``archscope verify``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from archscope.cli import options, settings
from archscope.errors import MissingLibrary, SpecError
from archscope.files import write
from archscope.load import read_document
from archscope.report.errata import page
from archscope.report.results.verification import VerificationReport
from archscope.setting import Setting
from archscope.spec import library
from archscope.verify import Verification, verify

#: that torch runs; with a single one it trains no batch norms of maps of a single value
_SAMPLES = 2


@click.command("verify")
@options.many_specs
@click.option(
    "--torch", "with_torch", is_flag=True, help="Also build it in PyTorch and compare the figures with the module."
)
@options.target("--errata", help="Write a Markdown page of the published figures that are wrong.")
@settings.options("precision")
@options.formats(VerificationReport)
@options.manners
@click.pass_context
def command(
    ctx: click.Context,
    specs: tuple[str, ...],
    with_torch: bool,
    errata: str | None,
    setting: Setting,
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Check published figures (expect:) and limits (budget:): ok, or by how much they differ.

    SPEC may also be a folder: every design in it is checked. Exit code 1 if a check fails, 2 if a spec is wrong.

    \b
    archscope verify alexnet
    archscope verify specs/
    archscope verify resnet50 --torch
    archscope verify resnet50 --torch --precision amp
    archscope verify specs/ --errata reports/errata.md
    """
    designs = [path for spec in specs for path in _designs(spec)]
    options.to_stdout(errata, *outputs.targets)
    quiet = quiet or errata == "-"
    check = _torch_check() if with_torch else None
    results = _verified(designs, setting, quiet=quiet)
    if errata is not None:
        right = [result for result in results.values() if isinstance(result, Verification)]
        write(page(right, " ".join(specs), errata), errata)
    proofs: dict[str, Sequence[Any]] = {}
    for path, result in results.items():
        if isinstance(result, SpecError):
            click.echo(str(result), err=True)
            continue
        if not quiet:
            options.warn(result.design.warnings)
        if check is not None:
            proofs[path] = tuple(check(result.design, setting.but(batch=_SAMPLES)))
    report = VerificationReport(results, proofs, quiet)
    outputs.write(report)
    ctx.exit(2 if report.wrong else 1 if report.failed else 0)


def _verified(designs: Sequence[str], setting: Setting, *, quiet: bool) -> dict[str, Verification | SpecError]:
    """What becomes of each spec; the error of a single one is raised."""
    results: dict[str, Verification | SpecError] = {}
    with click.progressbar(designs, label="verifying", file=sys.stderr, hidden=_no_bar(designs, quiet)) as bar:
        for path in bar:
            try:
                results[path] = verify(options.load_design(path, quiet=True), setting)
            except SpecError as error:
                if len(designs) == 1:
                    raise
                results[path] = error
    return results


def _torch_check() -> Any:
    try:
        from archscope.backends.torch.check import check
    except ImportError:
        raise MissingLibrary("--torch needs PyTorch: `pip install 'archscope[torch]'`") from None
    return check


def _no_bar(designs: Sequence[str], quiet: bool) -> bool:
    return quiet or len(designs) < 2 or not sys.stderr.isatty()


def _designs(spec: str) -> list[str]:
    """The spec itself, or every design in a folder; files that only offer blocks are left out."""
    if not os.path.isdir(spec):
        return [spec]
    paths = [path for path in library.files_in(spec) if not _is_library(path)]
    if not paths:
        raise click.UsageError(f"there is no design (*.yaml, *.yml) in {spec}")
    return paths


def _is_library(path: str) -> bool:
    try:
        return read_document(path).is_library
    except SpecError:
        return False  # verifying it will say what is wrong
