"""``archscope diff``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from archscope.cli import options, settings
from archscope.comparison import FIGURES
from archscope.comparison.changes import changes
from archscope.design import Budget, Condition
from archscope.report.results.changes import ChangesReport
from archscope.setting import FIELDS, Setting
from archscope.spec.budgets import read_limit


class Limit(click.ParamType):
    """``macs=4.1G``: a figure and a number, with a prefix or not."""

    name = "figure=number"

    def __init__(self, word: str, comparison: str, example: str) -> None:
        self._word, self._comparison, self._example = word, comparison, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Budget:
        if isinstance(value, Budget):
            return value
        figure, sign, text = (part.strip() for part in str(value).rpartition("="))
        limit = (
            read_limit(figure, f"{self._comparison} {text}", source=f"{self._word} {value}")
            if sign and figure
            else None
        )
        if limit is None:
            self.fail(f"{value!r} is not of the form figure=number, as in {self._example}", param, ctx)
        return limit


def _limit(word: str, comparison: str, example: str, text: str) -> Callable[[Any], Any]:
    return click.option(word, multiple=True, type=Limit(word, comparison, example), help=f"{text}: {example}.")


@click.command("diff")
@options.many_specs
@click.option(
    "--base", required=True, metavar="REVISION", help="A branch, a tag or a commit: origin/main, v1.0, HEAD~1."
)
@click.option("--tip", is_flag=True, help="Compare with REVISION itself, not with where this branch started from it.")
@options.columns(FIGURES, "Figures by name")
@click.option("--depth", type=options.Depth(), help="Levels of blocks that are opened; by default up to 120 rows.")
@_limit("--at-most", "<=", "macs=4.1G", "Upper limit for a figure of each design that changed or is new")
@_limit("--at-least", ">=", "receptive_field=224", "Lower limit for a figure")
@_limit("--grows-at-most", "grows <=", "params=1%", "Limit for the growth of a figure, as a share or a number")
@click.option(
    "--where",
    multiple=True,
    type=Condition,
    metavar="CONDITION",
    help="Check a condition, as of a sweep: macs / params < 200.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if a limit is exceeded.")
@settings.options(*FIELDS)
@options.variant
@options.formats(ChangesReport)
@options.manners
@click.pass_context
def command(
    ctx: click.Context,
    specs: tuple[str, ...],
    base: str,
    tip: bool,
    columns: list[str] | None,
    depth: int | str | None,
    at_most: tuple[Budget, ...],
    at_least: tuple[Budget, ...],
    grows_at_most: tuple[Budget, ...],
    where: tuple[Condition, ...],
    exit_zero: bool,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Show what a branch changes in designs: figures before and after, layers, and limits that are exceeded.

    SPEC is a file or a folder. Of a folder every design that changed, is new or was removed is shown, whether its own
    file changed or one that it includes or extends. The working folder is compared with the commit where this branch
    started from REVISION, as in a pull request. A single design at another revision is `REVISION:PATH` in every
    command.

    \b
    archscope diff --base origin/main models/
    archscope diff --base HEAD models/net.yaml --batch 64 --precision amp
    archscope diff --base origin/main models/ --at-most macs=4.1G --grows-at-most params=1%
    archscope diff --base origin/main models/ --markdown comment.md
    archscope compare v1.0:models/net.yaml models/net.yaml --diff

    Exit codes: 1 if `expect:`, `budget:` or a limit of the command line does not hold for a design that changed or is
    new, 2 if a spec is invalid.
    """
    result = changes(
        specs,
        base,
        setting,
        tip=tip,
        figures=columns,
        limits=(*at_most, *at_least, *grows_at_most, *where),
        set=dict(sets),
        input=options.shapes(inputs),
    )
    for change in result.wrong:
        click.echo(str(change.unread), err=True)
    if not quiet:
        options.warn(warning for one in result.changes if one.after for warning in one.after.design.warnings)
    outputs.write(ChangesReport(result, sys.maxsize if depth == "all" else depth if isinstance(depth, int) else None))
    ctx.exit(2 if result.wrong else 1 if result.broken and not exit_zero else 0)
