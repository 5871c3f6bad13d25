"""``archscope reconcile``."""

from __future__ import annotations

from collections.abc import Mapping

import click

from archscope.analysis.peers import Measured, reconcile
from archscope.cli import options, settings
from archscope.design import Design
from archscope.report.results.reconciliation import ReconciliationReport
from archscope.setting import OF_MODULES, Setting

_NO_TORCH = "modelled alone, for there is no PyTorch to run them: `pip install 'archscope[torch]'`"


@click.command("reconcile")
@options.one_spec
@settings.options(*OF_MODULES)
@click.option("--no-run", is_flag=True, help="Only model the peers, do not run them.")
@options.variant
@options.formats(ReconciliationReport)
@options.manners
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    setting: Setting,
    no_run: bool,
    sets: tuple[tuple[str, str], ...],
    inputs: tuple[tuple[str, tuple[int, ...]], ...],
    outputs: options.Outputs,
    quiet: bool,
) -> None:
    """Show what fvcore, torch's counter, torchinfo, ptflops, thop and Keras report, and why they differ.

    Each is modelled by the rules in its source. Those that are installed are also run, on the CPU, on the built module,
    in the given precision; for one that cannot be, the output says why. Below the table each figure is derived from
    archscope's, term by term. Exit code 1 if a modelled figure differs from the measured one.

    \b
    archscope reconcile resnet50
    archscope reconcile my.yaml --batch 8 --no-run
    archscope reconcile mobilenet_v2 --precision amp --json -
    """
    design = options.load_design(spec, sets, inputs, quiet=quiet)
    result = reconcile(design, setting)
    measured = {} if no_run else _measured(design, setting)
    report = ReconciliationReport(result, measured or {})
    outputs.write(report)
    if measured is None and not quiet:
        click.echo(_NO_TORCH, err=True)
    ctx.exit(0 if all(one.ok for one in report.peers) else 1)


def _measured(design: Design, setting: Setting) -> Mapping[str, Measured] | None:
    """What the peers report; nothing where there is no PyTorch."""
    try:
        from archscope.backends.torch.peers import measure
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        return None
    return measure(design, setting)
