"""Entries at the place where they are carried out, and what a block's call gives its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from archscope.errors import closest, suggestion
from archscope.spec.document import Block
from archscope.spec.entries import Entry
from archscope.spec.reader import MapNode, Node, ScalarNode
from archscope.spec.scope import UNKNOWN, Context, Flow, Problems, ScopeNames


class EntryCall(NamedTuple):
    """An entry about to be carried out.

    Attributes:
        flow: the tensor that arrives.
        sources: the tensors of its ``from:``, if it has one.
        path, name: the full name that it gets.
    """

    entry: Entry
    flow: Flow
    sources: list[Flow] | None
    context: Context
    path: tuple[str, ...]
    name: str


def bind(block: Block, call: EntryCall, around: Mapping[str, Any], problems: Problems) -> dict[str, Any] | None:
    """The variables inside a block: those around it, and the parameters of the call; ``None`` after a mistake."""
    context = call.context
    arguments = _call_arguments(block, call.entry, context, problems)
    if arguments is None:
        return None
    variables = dict(around)
    complete = True
    stray = set() if not isinstance(call.entry.argument, MapNode) else set(call.entry.argument.entries) - set(arguments)
    meant = {closest(word, [name for name, _ in block.parameters]) for word in stray}  # told as misspellings
    for name, default in block.parameters:
        if name in arguments:
            value = problems.value(arguments[name], ScopeNames(context.variables, call.flow), context)
        elif default is not None:
            node = ScalarNode(default, block.mark, inset=None)
            value = problems.value(node, ScopeNames(variables, call.flow), context)
        else:
            value = UNKNOWN
            if name not in meant:
                message = f"the block `{block.name}` needs `{name}`"
                problems.add(message, call.entry.mark, f"its signature is {block.signature}", context)
        complete = complete and value is not UNKNOWN
        variables[name] = value
    return variables if complete else None


def _call_arguments(block: Block, entry: Entry, context: Context, problems: Problems) -> dict[str, Node] | None:
    """The arguments of a call by name; a bare value is the first."""
    node, names = entry.argument, [name for name, _ in block.parameters]
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return {}
    if not isinstance(node, MapNode):
        if names:
            return {names[0]: node}
        problems.add(f"the block `{block.name}` takes no arguments", node.mark, "", context)
        return None
    for name in node.entries:
        if name not in names:
            hint = suggestion(name, names) or f"its signature is {block.signature}"
            message = f"the block `{block.name}` has no parameter `{name}`"
            problems.add(message, node.keys[name], hint, context)
    return {name: value for name, value in node.entries.items() if name in names}
