"""``archscope ops``."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from archscope.cli import options
from archscope.errors import UsageError, suggestion
from archscope.ops import REGISTRY
from archscope.report.results.ops import OpsReport


class OpName(click.ParamType):
    """An op of the registry."""

    name = "op"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in REGISTRY if name.startswith(incomplete)]


@click.command("ops")
@click.argument("name", required=False, type=OpName(), metavar="[OP]")
@options.formats(OpsReport)
@options.manners
def command(name: str | None, outputs: options.Outputs, quiet: bool) -> None:
    """List the layers that a spec can use, or describe one: arguments, inputs, parameters, what is counted.

    \b
    archscope ops
    archscope ops Conv2d
    archscope ops --json -
    """
    if name is not None and name not in REGISTRY:
        hint = suggestion(name, REGISTRY) or "`archscope ops` lists them"
        raise UsageError(f"there is no op `{name}`; {hint}")
    bare = quiet and name is None
    chosen = tuple(REGISTRY.values()) if name is None else (REGISTRY[name],)
    outputs.write(OpsReport(chosen, whole=name is not None), quiet=bare)
    if bare and not outputs.piped:
        click.echo("\n".join(REGISTRY))
