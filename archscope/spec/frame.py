"""What stands around the layers of a design: its variables, its inputs, its outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from archscope.design.graph import Input, Ref
from archscope.errors import counted, suggestion
from archscope.errors.diagnostics import Mark
from archscope.spec.document import Document, is_variable
from archscope.spec.expressions import in_words
from archscope.spec.limits import MOST_DECLARED
from archscope.spec.reader import ListNode, MapNode, Node, ScalarNode
from archscope.spec.references import References
from archscope.spec.scope import UNKNOWN, Context, Flow, Problems, ScopeNames, Stop
from archscope.spec.values import Target

#: names of outputs: those of layers, and one output of several
_OUTPUT = re.compile(r"[A-Za-z0-9_.-]+(\[[0-9]{1,9}\])?")


def variables(document: Document, overrides: Mapping[str, Node], problems: Problems) -> dict[str, Any]:
    """The variables in force; each may use those above it.

    Args:
        overrides: values that replace the declared ones, or elements of those that are lists: ``depths[0]``.
    """
    declared = document.vars
    whole: dict[str, Node] = {}
    elements: dict[str, list[tuple[str, int, Node]]] = {}
    for stated, node in overrides.items():
        target = Target.read(stated)
        name = stated if target is None else target.name or stated
        if name not in declared:
            hint = suggestion(name, declared) or f"variables: {', '.join(declared) or 'none'}"
            problems.add(f"the design has no variable `{name}`", _of_name(stated, node.mark), hint)
        if target is None or target.place is None:
            whole[stated] = node
        elif name in declared:
            elements.setdefault(name, []).append((stated, target.place, node))
    values: dict[str, Any] = {}
    waiting = dict.fromkeys([*declared, *whole])
    for name, node in {**declared, **whole}.items():
        names = ScopeNames(values, later=waiting)
        value = problems.value(node, names, None)
        for element in elements.get(name, ()):
            value = _with_element(value, name, element, names, problems)
        values[name] = value
        del waiting[name]
    return values


def _with_element(value: Any, name: str, element: tuple[str, int, Node], names: ScopeNames, problems: Problems) -> Any:
    """A list with one element replaced; as it is after a mistake."""
    stated, place, node = element
    if value is UNKNOWN:
        return value
    if not isinstance(value, tuple) or place >= len(value):
        count = (
            f"is {in_words(value)}, no list"
            if not isinstance(value, tuple)
            else f"has {counted(len(value), 'element')}"
        )
        hint = "they are numbered from 0" if isinstance(value, tuple) else f"`{name}=...` gives it another value"
        problems.add(f"`{name}` {count}", _of_name(stated, node.mark), hint)
        return value
    one = problems.value(node, names, None)
    return UNKNOWN if one is UNKNOWN else (*value[:place], one, *value[place + 1 :])


def _of_name(name: str, mark: Mark) -> Mark:
    """Where the name stands to which ``NAME=value`` gives a value; else the value's own place."""
    named = mark.source.text.startswith(f"{name}=")
    return Mark(mark.source, 1, 1, len(name)) if named else mark


def inputs(
    document: Document, replaced: Mapping[str, ListNode], context: Context, references: References, problems: Problems
) -> tuple[list[Input], Flow]:
    """The graph inputs, and the tensor that the first layer reads.

    Args:
        replaced: shapes that replace the declared ones, by name.
    """
    declared = document.inputs
    if not declared:
        if document.broken & {"input:", "inputs:"}:
            raise Stop
        hint = "the sizes without the batch: `input: [3, 224, 224]`"
        raise problems.fatal("a design needs an `input:`", Mark(document.source, 1, 1), hint)
    for name, node in replaced.items():
        if name not in declared:
            hint = suggestion(name, declared) or f"inputs: {', '.join(declared)}"
            problems.add(f"the design has no input `{name}`", node.mark, hint)
    nodes = []
    flows = []
    names = ScopeNames(context.variables)
    for name, declaration in declared.items():
        sizes = [problems.whole(item, names, 1, context) for item in replaced.get(name, declaration.shape).items]
        flow = UNKNOWN
        if None not in sizes:
            nodes.append(Input(name, tuple(size for size in sizes if size is not None), declaration.dtype))
            tensor = nodes[-1].tensor(1)
            if len(sizes) == len(declaration.shape.items) + 1:
                message = f"the input `{name}` has {counted(len(sizes), 'size')}, and is declared with one fewer"
                hint = f"if the first is the batch, leave it out: {' x '.join(map(str, sizes[1:]))}"
                problems.warn(message, replaced[name].mark, hint)
            references.outputs[name] = (tensor,)
            flow = Flow(Ref(name), tensor)
        references.declare(name, flow)
        flows.append(flow)
    return nodes, flows[0]


def outputs(
    document: Document, last: Flow, end: Mark, context: Context, references: References, problems: Problems
) -> Iterator[tuple[str, Ref]]:
    """The named results: those that the spec lists, or what the last layer gives.

    Args:
        end: where the last layer stands.
    """
    node = document.outputs
    if node is None:
        last = references.chosen(last, end, context)
        if last.ref is not None:
            yield "output", last.ref
        return
    for name, flow, mark in named_outputs(node, context, references, problems):
        if flow.ref is not None and not _OUTPUT.fullmatch(name):
            problems.add(f"`{name}` is not a name", mark, "letters, digits, _ and -; dots between parts", context)
        elif flow.ref is not None:
            yield name, flow.ref


def named_outputs(
    node: Node, context: Context, references: References, problems: Problems
) -> Iterator[tuple[str, Flow, Mark]]:
    """What ``outputs:`` lists, of a design or of a block: the name, the tensor, the place; each name once."""
    named = list(_declared(node))
    if not named:
        hint = "`outputs: [head, aux]`, or `outputs: {logits: head}`"
        problems.add("`outputs:` is a list of layers, or a mapping of names to layers", node.mark, hint, context)
    taken: set[str] = set()
    for stated, reference, mark, inner in _spread(named, context, problems):
        flow = references.chosen(references.refer(reference, inner), reference.mark, inner)
        text = reference.text if isinstance(reference, ScalarNode) else ""
        name = references.filled(text if stated is None else stated, reference.mark, inner) or ""
        if name and name in taken:
            problems.add(f"two outputs are called `{name}`", mark, "name them: `outputs: {a: head, b: head}`", context)
        else:
            yield name, flow, mark
        taken.add(name)
    if named and not taken and not problems:
        problems.add(
            "no output is left", node.mark, "every one has a `when:` that does not hold, or a `repeat:` of 0", context
        )


def _declared(node: Node) -> Iterator[tuple[str | None, Node, Mark]]:
    """The entries of ``outputs:``: a name (``None``: after the layer), the reference, the place."""
    if isinstance(node, MapNode):
        yield from ((name, item, node.keys[name]) for name, item in node.entries.items())
    elif isinstance(node, ListNode):
        yield from ((None, item, item.mark) for item in node.items)


def _spread(
    named: Iterable[tuple[str | None, Node, Mark]], context: Context, problems: Problems
) -> Iterator[tuple[str | None, Node, Mark, Context]]:
    """The same with conditions judged, and repeats written out: what holds in a round is told with it."""
    for stated, node, mark in named:
        if not isinstance(node, MapNode):
            yield stated, node, mark, context
            continue
        index = node.entries.get("index")
        before = context.beside(index.text if isinstance(index, ScalarNode) else None)
        reference = _conditional(node, before, problems)
        if reference is None:
            continue
        count = node.entries.get("repeat")
        times = 1 if count is None else problems.whole(count, ScopeNames(before.variables), 0, context)
        if times is not None and times > MOST_DECLARED:
            assert count is not None
            raise problems.fatal(f"{times:,} outputs; the most is {MOST_DECLARED:,}", count.mark, "", context)
        for number in range(times or 0):
            inner = context
            if isinstance(index, ScalarNode):
                inner = context.counting(index.text, number, index.mark, problems)
            yield stated, reference, mark, inner


def _conditional(node: MapNode, context: Context, problems: Problems) -> Node | None:
    """The reference of ``{from: aux.fc, when: aux}``; ``None`` where it is left out, or after a mistake."""
    form = 'as in `{from: aux.fc, when: aux}` or `{repeat: 3, index: i, from: "head{i}"}`'
    index = node.entries.get("index")
    wrong = [key for key in node.entries if key not in ("from", "when", "repeat", "index")]
    if wrong:
        problems.add(f"unknown key `{wrong[0]}` of an output", node.keys[wrong[0]], form, context)
    elif "from" not in node.entries:
        problems.add("an output needs `from:`", node.mark, form, context)
    elif index is not None and not (
        "repeat" in node.entries and isinstance(index, ScalarNode) and is_variable(index.text)
    ):
        problems.add("`index:` names the variable that counts a repeat", index.mark, form, context)
    elif problems.truth(node.entries.get("when"), UNKNOWN, context, default=True):
        return node.entries["from"]
    return None
