"""An op from what a spec says of it: arguments read, and everything that is wrong with them told in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from archscope.diagnostics import Mark
from archscope.errors import closest, suggestion
from archscope.ops import Op
from archscope.ops.base import InfersArguments, Tensors
from archscope.ops.contents import Contents, beside
from archscope.ops.fields import FieldError
from archscope.ops.legal import Violation, apply, shape_text
from archscope.spec.entries import Entry
from archscope.spec.reader import ListNode, MapNode, Node, ScalarNode
from archscope.spec.scope import UNKNOWN, Context, Flow, Problems, ScopeNames, words_in

_BRANCHES = "give it branches: a list whose entries are lists of layers or names of earlier ones"


class Arguments(NamedTuple):
    """What stands behind an op's name.

    Attributes:
        values: the arguments, each with the place of its key.
        inputs: the branches and names that a merging op reads.
    """

    values: dict[str, tuple[Node, Mark]]
    inputs: ListNode | None = None


def read_arguments(op_class: type[Op], entry: Entry, context: Context, problems: Problems) -> Arguments | None:
    """The arguments by name; a bare value is the first one, or the inputs of a merging op; ``None`` after a mistake."""
    node = entry.argument
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return Arguments({})
    if isinstance(node, MapNode):
        values = {name: (value, node.keys[name]) for name, value in node.entries.items()}
        if "inputs" not in values or op_class.arity.most == 1:
            return Arguments(values)
        inputs, _ = values.pop("inputs")
        if isinstance(inputs, ListNode):
            return Arguments(values, inputs)
        hint = "each a branch (a list of layers) or the name of an earlier layer"
        problems.add("`inputs:` is a list", inputs.mark, hint, context)
        return None
    if isinstance(node, ListNode) and (op_class.arity.most is None or op_class.arity.least > 1):
        return Arguments({}, node)
    if op_class.fields:
        return Arguments({op_class.fields[0].name: (node, node.mark)})
    hint = _BRANCHES if op_class.arity.most != 1 else ""
    problems.add(f"{op_class.__name__} takes no arguments", node.mark, hint, context)
    return None


def construct(
    op_class: type[Op], entry: Entry, arguments: Arguments, flow: Flow, context: Context, problems: Problems
) -> Op | None:
    """The op with its arguments evaluated; ``None`` after a mistake or behind one."""
    names = ScopeNames(context.variables, flow)
    values: dict[str, Any] = {}
    complete = True
    for name, (node, _) in arguments.values.items():
        info = op_class.field(name)
        if info is None:
            continue
        value = problems.value(node, names, context, info)
        try:
            if value is not UNKNOWN:
                values[name] = info.kind.read(list(value) if isinstance(value, tuple) else value, op_class.rank)
                if isinstance(info.kind, Contents):
                    values[name] = beside(values[name], Path(node.mark.source.name).parent)
        except FieldError as error:
            hint = error.hint or next((word.hint for word in words_in(value)), "")
            problems.add(f"`{name}` of {op_class.__name__}: {error.message}", node.mark, hint, context)
            value = UNKNOWN
        complete = complete and value is not UNKNOWN
    unknown = [(name, key) for name, (_, key) in arguments.values.items() if op_class.field(name) is None]
    required = [info.name for info in op_class.fields if info.required]
    missing = [name for name in required if name not in arguments.values]
    complete = complete and not missing
    meant = {closest(name, [info.name for info in op_class.fields]) for name, _ in unknown}  # told as misspellings
    missing = [f"`{name}`" for name in missing if name not in meant]
    if missing:
        hint = f"`{op_class.__name__}: {{{', '.join(f'{name}: ...' for name in required)}}}`"
        problems.add(f"{op_class.__name__} needs {' and '.join(missing)}", entry.mark, hint, context)
    op = op_class.bound(values) if complete else None
    for name, key in unknown:
        problems.add(*_unknown_argument(op_class, name, key, op, flow), context)
    return None if unknown else op


def _unknown_argument(op_class: type[Op], name: str, key: Mark, op: Op | None, flow: Flow) -> tuple[str, Mark, str]:
    title = op_class.__name__
    if name in op_class.refuses:
        return f"`{name}` of {title} is not taken", key, op_class.refuses[name]
    if isinstance(op, InfersArguments) and flow.tensor is not None and not apply(op, (flow.tensor,))[1]:
        inferred = op.inferred(flow.tensor)
        if name in inferred:
            return f"`{name}` of {title} follows from what arrives", key, f"{inferred[name]} here: leave it out"
    names = [info.name for info in op_class.fields]
    hint = suggestion(name, names) or (f"arguments: {', '.join(names)}" if names else "it takes none")
    return f"{title} has no argument `{name}`", key, hint


def report(
    violation: Violation,
    op_class: type[Op],
    entry: Entry,
    arguments: Arguments,
    x: Tensors,
    first: tuple[int, ...],
    context: Context,
    problems: Problems,
) -> None:
    """Tell of a rule that an op and its inputs break.

    Args:
        first: shape of the design's input, for telling what the layers before have made of it.
    """
    mark = arguments.values[violation.field][0].mark if violation.field in arguments.values else entry.mark
    hint = violation.hint
    if violation.fit:
        here = x[0].shape[1:]
        if len(first) == len(here) and first[1:] != here[1:]:
            hint = f"the layers before it have reduced {shape_text(first)} to {shape_text(here)}"
    if not hint and len(x) == 1 and op_class.arity.least > 1:
        hint = _BRANCHES
    problems.add(violation.message, mark, hint, context)
