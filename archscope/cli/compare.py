"""``archscope compare``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import click

from archscope.cli import options, settings
from archscope.comparison import FIGURES, Comparison, choose_figures, compare
from archscope.comparison.difference import Difference, diff
from archscope.design import hold_drawn
from archscope.load import read_document
from archscope.report.results.comparison import ComparisonReport
from archscope.report.results.difference import DifferenceReport
from archscope.setting import FIELDS, Setting


class Variant(NamedTuple):
    """What one more column changes."""

    sets: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]


class VariantType(click.ParamType):
    """``width=96``, or several of them with commas; ``input`` is the input's shape."""

    name = "name=value,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Variant:
        if isinstance(value, Variant):
            return value
        # a comma that no `name=` follows belongs to a list
        pairs = [
            options.Assignment().convert(part, param, ctx)
            for part in re.split(r",(?=\s*[A-Za-z_]\w*(?:\[\d+\])?\s*=(?!=))", str(value))
        ]
        shapes = tuple(options.InputShape().convert(text, param, ctx) for name, text in pairs if name == "input")
        return Variant(tuple(pair for pair in pairs if pair[0] != "input"), shapes)


@click.command("compare")
@options.many_specs
@click.option(
    "--with",
    "variants",
    multiple=True,
    type=VariantType(),
    help="Add a column for each SPEC, with other variables (width=96,depths=[3,4,23,3]) or input (input=3x160x160).",
)
@click.option(
    "--baseline",
    metavar="SPEC|NUMBER",
    help="The design that ratios refer to, by name or number (from 1).  [default: the first]",
)
@options.columns(FIGURES, "Figures by name")
@click.option("--stages", is_flag=True, help="Also show params, MACs and activations block by block.")
@click.option("--diff", "difference", is_flag=True, help="Also show the differences between two designs.")
@click.option(
    "--depth",
    type=options.Depth(),
    help="Levels of names for --stages (default 1), or of blocks that --diff opens (default up to 120 rows); or `all`.",
)
@settings.options(*FIELDS)
@options.variant
@options.formats(ComparisonReport)
@options.manners
def command(
    specs: tuple[str, ...],
    variants: tuple[Variant, ...],
    baseline: str | None,
    columns: list[str] | None,
    stages: bool,
    difference: bool,
    depth: int | str | None,
    setting: Setting,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Show designs, or variants of one, side by side, with ratios to a baseline.

    A column is a SPEC, or a SPEC with what one --with changes; --set and --input change all of them.

    \b
    archscope compare alexnet vgg16 resnet50
    archscope compare resnet50 --with depths=[3,4,23,3] --with depths=[3,8,36,3],classes=10
    archscope compare resnet50 --with input=3x160x160 --columns params,macs,training_bytes
    archscope compare vgg16 resnet50 --batch 64 --precision bf16 --device h200 --baseline resnet50
    archscope compare resnet50 resnet101 --diff
    archscope compare alexnet vgg16 resnet50 --html compared.html

    --diff compares two designs block by block: what was added, removed and changed, which layers are
    affected by that, and what each of it costs. The costs of its lines add up to the difference of the totals.
    """
    choose_figures(columns or [])  # before any work: a wrong name ends here
    many = len(specs) * (1 + len(variants))
    if difference and many != 2:
        raise click.UsageError(f"--diff is between two designs, and here {'is' if many == 1 else 'are'} {many}")
    documents = {spec: read_document(spec) for spec in specs}  # each once: standard input has no second time
    designs = [
        options.load_design(documents[spec], *one, quiet=quiet)
        for spec in specs
        for one in _columns(variants, sets, inputs)
    ]
    if difference or outputs["html"] is not None:  # before all are worked out
        hold_drawn("a difference" if difference else "a page", *designs)
    comparison = compare(
        designs,
        setting,
        baseline=_baseline(baseline, specs, 1 + len(variants)),
        figures=columns,
    )
    change = _difference(comparison) if difference else None
    deep = sys.maxsize if depth == "all" else depth if isinstance(depth, int) else None
    differs = None if change is None else DifferenceReport(change, deep)

    def page() -> str:
        from archscope.report.page import comparison_page

        return comparison_page(comparison, change)

    outputs.write(ComparisonReport(comparison, (deep or 1) if stages else None, deep or 1, differs), html=page)


def _difference(comparison: Comparison) -> Difference:
    """What makes the other of two designs of the baseline."""
    before, after = (comparison.sides[at].design for at in (comparison.baseline, 1 - comparison.baseline))
    return diff(before, after, comparison.setting)


def _columns(
    variants: Sequence[Variant],
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
) -> Iterator[tuple[Any, Any]]:
    """Variables and inputs of the design as it is asked for, then of each variant."""
    yield sets, inputs
    for variant in variants:
        yield (*sets, *variant.sets), variant.inputs or inputs


def _baseline(asked: str | None, specs: Sequence[str], each: int) -> int | str:
    """The column that is meant: its number, its SPEC, or its label."""
    if asked is None:
        return 0
    if asked in specs:
        return specs.index(asked) * each
    if not re.fullmatch("[0-9]{1,9}", asked):
        return asked
    if not 1 <= int(asked) <= len(specs) * each:
        raise click.UsageError(f"--baseline {asked}: there are {len(specs) * each} designs, counted from 1")
    return int(asked) - 1
