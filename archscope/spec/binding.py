"""An op from what a spec says of it: arguments read, and everything that is wrong with them told in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from archscope.errors import closest
from archscope.errors.diagnostics import Mark
from archscope.ops import Op
from archscope.ops.base import InfersArguments, Tensors
from archscope.ops.contents import Contents, beside
from archscope.ops.fields import FieldError, FieldInfo, Maybe, Size
from archscope.ops.legal import Violation
from archscope.spec import words
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
    """The arguments by name; ``None`` after a mistake.

    A bare value is the inputs of a merging op, or the argument that :meth:`~archscope.ops.base.Op.bare` says.
    """
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
    bare = op_class.bare()
    if bare is not None:
        return Arguments({bare: (node, node.mark)})
    hint = _BRANCHES if op_class.arity.most != 1 else ""
    takes = "no argument without its name" if op_class.fields else "no arguments"
    problems.add(f"{op_class.__name__} takes {takes}", node.mark, hint, context)
    return None


def _argument(op_class: type[Op], name: str) -> FieldInfo | None:
    """The argument of that name, or what a spec may say of one that follows from what arrives."""
    if name in op_class.follows:
        return FieldInfo(name, Maybe(Size()), None, name)
    return op_class.field(name)


def construct(
    op_class: type[Op], entry: Entry, arguments: Arguments, flow: Flow, context: Context, problems: Problems
) -> tuple[Op, dict[str, Any]] | None:
    """The op with its arguments evaluated; ``None`` after a mistake or behind one.

    Besides, what is said of arguments that follow from what arrives (:func:`followed` holds it against that).
    """
    names = ScopeNames(context.variables, flow)
    values: dict[str, Any] = {}
    unknown: list[str] = []
    complete, listed = True, False
    for name, (node, _) in arguments.values.items():
        info = _argument(op_class, name)
        if info is None:
            unknown.append(name)
            continue
        value = problems.value(node, names, context, info)
        try:
            if value is not UNKNOWN:
                values[name] = info.kind.read(list(value) if isinstance(value, tuple) else value, op_class.rank)
                if type(info.kind) is Contents:
                    values[name] = beside(values[name], Path(node.mark.source.name).parent)
        except FieldError as error:
            hints = (word.variable if info.kind.lists_words else word.hint for word in words_in(value))
            hint = error.hint or next(hints, "")
            if node is entry.argument and isinstance(value, tuple):
                hint = words.in_order(op_class.__name__, value) or hint
                listed = True
            problems.add(f"`{name}` of {op_class.__name__}: {error.message}", node.mark, hint, context)
            value = UNKNOWN
        complete = complete and value is not UNKNOWN
    missing = [name for name in op_class.required if name not in arguments.values]
    if unknown or missing:
        _tell_names(op_class, entry, arguments, unknown, [] if listed else missing, context, problems)
        return None
    if not complete:
        return None
    stated = {name: values.pop(name) for name in op_class.follows if name in values}
    return op_class.bound(values), {name: value for name, value in stated.items() if value is not None}


def _tell_names(
    op_class: type[Op],
    entry: Entry,
    arguments: Arguments,
    unknown: list[str],
    missing: list[str],
    context: Context,
    problems: Problems,
) -> None:
    """Tell of arguments that an op does not have, and of those that it needs."""
    meant = {closest(name, [info.name for info in op_class.fields]) for name in unknown}  # told as misspellings
    meant |= {words.other_argument(name) for name in unknown}
    missing = [f"`{name}`" for name in missing if name not in meant]
    if missing:
        hint = f"`{op_class.__name__}: {{{', '.join(f'{name}: ...' for name in op_class.required)}}}`"
        problems.add(f"{op_class.__name__} needs {' and '.join(missing)}", entry.mark, hint, context)
    for name in unknown:
        node, key = arguments.values[name]
        problems.add(*_unknown_argument(op_class, name, key, node), context)


def _unknown_argument(op_class: type[Op], name: str, key: Mark, node: Node) -> tuple[str, Mark, str]:
    title = op_class.__name__
    if name in op_class.refuses:
        return f"`{name}` of {title} is not taken", key, op_class.refuses[name]
    hint = words.argument_hint(op_class, name, node.text if isinstance(node, ScalarNode) else "")
    return f"{title} has no argument `{name}`", key, hint


def followed(
    op: Op, stated: dict[str, Any], x: Tensors, arguments: Arguments, context: Context, problems: Problems
) -> bool:
    """Whether what a spec says of arguments that follow from what arrives is what follows.

    If it is, saying it is superfluous, and a warning; if not, a mistake.
    """
    if not stated or not isinstance(op, InfersArguments):
        return True
    inferred, agrees, title = op.inferred(*x), True, type(op).__name__
    for name, value in stated.items():
        node, key = arguments.values[name]
        if value == inferred[name]:
            message = f"`{name}` of {title} follows from what arrives"
            problems.warn(message, key, f"{inferred[name]} here: leave it out", context)
        else:
            message = f"`{name}` of {title} is {value}, and {inferred[name]} arrive"
            problems.add(message, node.mark, "it follows from what arrives: leave it out", context)
            agrees = False
    return agrees


def report(
    violation: Violation,
    op_class: type[Op],
    entry: Entry,
    arguments: Arguments,
    x: Tensors,
    first: tuple[int, ...],
    declared: int,
    context: Context,
    problems: Problems,
) -> None:
    """Tell of a rule that an op and its inputs break.

    Args:
        first: shape of the design's input, for telling what the layers before have made of it.
        declared: how many sizes the spec gives it.
    """
    mark = arguments.values[violation.field][0].mark if violation.field in arguments.values else entry.mark
    hint = violation.hint
    if violation.fit:
        here = x[0].sizes
        if len(first) == len(here) and first[1:] != here[1:]:
            before, now = (" x ".join(map(str, sizes[1:])) for sizes in (first, here))
            hint = f"the layers before it have reduced {before} to {now}"
    taken = op_class.ndims or ()
    if violation.rank and len(first) in taken and len(x[0].sizes) == len(first) and _begins_with_batch(first, declared):
        hint = f"leave the batch out: {' x '.join(map(str, first[1:]))}" + (f"; else {hint}" if hint else "")
    if not hint and len(x) == 1 and op_class.arity.least > 1:
        hint = _BRANCHES
    problems.add(violation.message, mark, hint, context)


def _begins_with_batch(shape: tuple[int, ...], declared: int) -> bool:
    """Whether the sizes of an input may begin with the batch: one more than the spec declares, or a batch of 1."""
    return len(shape) == declared + 1 or shape[0] == 1
