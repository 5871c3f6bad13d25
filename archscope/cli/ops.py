"""``archscope ops``."""

from __future__ import annotations

import inspect

import click
import tabulate
from click.shell_completion import CompletionItem

from archscope.cli import options
from archscope.errors import UsageError, suggestion
from archscope.ops import REGISTRY, Op
from archscope.ops.legal import dim_names
from archscope.spec.schema import default_text


class OpName(click.ParamType):
    """An op of the registry."""

    name = "op"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in REGISTRY if name.startswith(incomplete)]


@click.command("ops")
@click.argument("name", required=False, type=OpName(), metavar="[OP]")
@options.manners
def command(name: str | None, quiet: bool) -> None:
    """List the layers that specs know, or describe one: arguments, inputs, parameters, what is counted.

    \b
    archscope ops
    archscope ops Conv2d
    """
    if name is None:
        click.echo("\n".join(REGISTRY) if quiet else _listing())
    elif name in REGISTRY:
        click.echo(_description(REGISTRY[name]))
    else:
        hint = suggestion(name, REGISTRY) or "`archscope ops` lists them"
        raise UsageError(f"there is no op `{name}`; {hint}")


def _summary(op: type[Op]) -> str:
    return (inspect.getdoc(op) or "").partition("\n")[0]


def _family(op: type[Op]) -> str:
    return op.__module__.rpartition(".")[2]


def _listing() -> str:
    parts = []
    families = dict.fromkeys(_family(op) for op in REGISTRY.values())
    for family in families:
        rows = [(f"  {name}", _summary(op)) for name, op in REGISTRY.items() if _family(op) == family]
        table = tabulate.tabulate(rows, tablefmt="plain", preserve_whitespace=True, disable_numparse=True)
        parts.append(f"{click.style(family, bold=True)}\n{table}")
    return "\n\n".join(parts)


def _description(op: type[Op]) -> str:
    lines = [click.style(op.__name__, bold=True), "", inspect.getdoc(op) or "", "", f"inputs: {op.arity}{_ranks(op)}"]
    if op.fields:
        rows = []
        for info in op.fields:
            default = "required" if info.required else str(default_text(info.default)).replace("None", "null")
            symbol = info.symbol if info.symbol != info.name else ""
            rows.append(
                (
                    f"  {info.name}",
                    default.replace("True", "true").replace("False", "false"),
                    info.kind.describe(),
                    symbol,
                )
            )
        headers = ("  argument", "default", "values", "symbol")
        lines += [
            "",
            tabulate.tabulate(rows, headers, tablefmt="plain", preserve_whitespace=True, disable_numparse=True),
        ]
    lines += ["", f"counted as: {op.category}", f"elementwise work: {op.elementwise_rule}"]
    if op.view:
        lines.append("its output is a view of its input")
    if op.follows:
        lines.append(f"follows from what arrives: {', '.join(op.follows)}")
    for name, reason in op.refuses.items():
        lines.append(f"not taken: {name} ({reason})")
    return "\n".join(lines)


def _ranks(op: type[Op]) -> str:
    if op.ndims is None:
        return ""
    return ", " + " or ".join(f"({', '.join(dim_names(op, n))})" for n in op.ndims)
