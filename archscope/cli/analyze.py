"""``archscope analyze``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archscope.analysis import Account, analyze
from archscope.cli import options, settings
from archscope.collecting import uncollected
from archscope.design import hold_drawn
from archscope.figures import options_of
from archscope.figures.table import COLUMNS, choose, sorted_by
from archscope.report.results.account import AccountReport
from archscope.setting import Setting

if TYPE_CHECKING:
    from archscope.report.page.times import Times


@click.command("analyze")
@options.many_specs
@click.option("--depth", type=options.Depth(), help="Fold blocks below this many levels of names; `all` folds none.")
@options.columns(COLUMNS, "Columns by name")
@click.option("--by-kind", is_flag=True, help="A row for each kind of layer instead of each layer.")
@click.option("--sort", type=options.Names(COLUMNS), help="Sort by a column, the largest first: macs (or -macs).")
@settings.options(*options_of("training_bytes", "inference_bytes"), "calibration")
@options.variant
@options.formats(AccountReport)
@click.option(
    "--profile", "profile_file", metavar="FILE", help="For --html: add the times measured by `profile --json`."
)
@options.manners
@uncollected()
def command(
    specs: tuple[str, ...],
    depth: int | str | None,
    columns: list[str] | None,
    by_kind: bool,
    sort: str | None,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outputs: options.Outputs,
    profile_file: str | None,
    quiet: bool,
) -> None:
    """Print the layer table of designs: shapes, parameters, MACs, and every total.

    \b
    archscope analyze vgg16
    archscope analyze alexnet vgg16 --depth 1
    archscope analyze resnet50 --by-kind --sort macs
    archscope analyze resnet50 --columns kind,output_shape,macs,backward_macs --sort macs
    archscope analyze my.yaml --set width=96 --input 3x160x160 --batch 32 --precision bfloat16
    archscope analyze vgg16 --csv - | head
    archscope analyze vgg16 --html vgg16.html --device h200

    In a terminal, blocks are folded until the table has at most 120 rows, in Markdown 40, unless --depth says
    otherwise. CSV holds every layer (or as --depth says), with units in its head; JSON holds every layer and figure, as
    `archscope schema analyze` describes them.
    """
    if outputs["html"] is not None and len(specs) > 1:
        raise click.UsageError(
            "--html is a report of one design; `archscope compare A B --html FILE` is one of several"
        )
    if outputs["html"] is None and profile_file:
        raise click.UsageError("--profile is for a report: add --html FILE")
    names = columns or []
    choose(names)  # before any work: a wrong name ends here
    if sort:
        sorted_by(sort)
    designs = [options.load_design(spec, sets, inputs, quiet=quiet) for spec in specs]
    if outputs["html"] is not None:
        hold_drawn("a page", *designs)  # before all is worked out
    accounts = tuple(analyze(design, setting) for design in designs)
    fixed = depth if isinstance(depth, int) else None
    report = AccountReport(accounts, names, fixed, depth == "all", sort, by_kind)

    def page() -> str:
        from archscope.report.page import design_page

        return design_page(accounts[0], times=_times(accounts[0], profile_file))

    outputs.write(report, html=page)


def _times(account: Account, profile_file: str | None) -> list[Times]:
    """The times that a report shows: measured ones, then those of a training step and of an inference on its device."""
    from archscope.report.page.times import of_prediction, read_profile

    design = account.design
    profiles = [] if profile_file is None else [read_profile(profile_file, design)]
    if account.setting.timed:
        from archscope.analysis.time.roofline import predict

        modes = ("train", "infer") if account.setting.trains else ("infer",)
        profiles += [of_prediction(predict(design, account.setting, mode=mode)) for mode in modes]
    return profiles
