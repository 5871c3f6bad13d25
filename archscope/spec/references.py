"""Names of tensors: which parts of a design exist so far, and what a reference in a spec means."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archscope.design.graph import Ref
from archscope.errors import counted, suggestion
from archscope.errors.diagnostics import Mark
from archscope.ops import REGISTRY
from archscope.ops.base import Tensors
from archscope.spec.expressions import TEMPLATE, ExpressionError, fill
from archscope.spec.reader import MapNode, Node, ScalarNode
from archscope.spec.scope import UNKNOWN, Context, Flow, Problems, ScopeNames, Unknown

#: what a block was given is called so inside it
GIVEN = "input"
MOST_COMPARED = 500

_BRANCH = "a branch is a list: `[ReLU]`"
_REFERENCE = re.compile(r"([A-Za-z0-9_.-]+)(?:\[([0-9]{1,9})\])?")
#: names of the outputs of a block
_PART = re.compile(r"[A-Za-z0-9_-]+")


class References:
    """The layers, blocks and iterations laid so far, by full name.

    Attributes:
        outputs: the tensors of every layer and input.
    """

    def __init__(self, problems: Problems) -> None:
        self.outputs: dict[str, Tensors] = {}
        self._targets: dict[str, Flow] = {}
        self._problems = problems

    def __contains__(self, name: str) -> bool:
        return name in self._targets

    def declare(self, name: str, flow: Flow) -> None:
        """Give a tensor a name."""
        self._targets[name] = flow

    def refer(self, node: Node, context: Context) -> Flow:
        """The tensor that a reference means: ``conv1``, ``stage.0.conv1``, ``cell{i - 1}``, ``lstm[1]``."""
        self._problems.spend(1, node.mark)
        text = self.filled(node.text, node.mark, context) if isinstance(node, ScalarNode) else ""
        if text is None:
            return UNKNOWN
        match = _REFERENCE.fullmatch(text)
        if match is None:
            hint = (
                _BRANCH if isinstance(node, MapNode) else "one output of several is written `lstm[1]`" if text else ""
            )
            self._problems.add("expected the name of an earlier layer", node.mark, hint, context)
            return UNKNOWN
        name, _, part = match[1].partition(".")
        if name == GIVEN and context.operands:
            return self._arrived(part, match[2], node.mark, context)
        full = self.find(match[1], node.mark, context)
        if full is None:
            return UNKNOWN
        return self._one_of(self._targets[full], match[1], match[2], node.mark, context)

    def filled(self, text: str, mark: Mark, context: Context) -> str | None:
        """A reference with its ``{...}`` evaluated; ``None`` after a mistake or behind one."""
        if not TEMPLATE.search(text):
            return text
        try:
            return fill(text, ScopeNames(context.variables))
        except Unknown:
            return None
        except ExpressionError as error:
            self._problems.add(error.message, mark, error.hint, context)
            return None

    def _arrived(self, part: str, place: str | None, mark: Mark, context: Context) -> Flow:
        """One of the tensors that a block was given; of a single one, perhaps one of its layer's or block's outputs."""
        count = len(context.operands)
        if count == 1 and part:
            parts = context.operands[0].parts or {}
            if part not in parts:
                self._problems.add(*_no_output(GIVEN, part, parts, mark), context)
            return parts.get(part, UNKNOWN)
        if count == 1:
            return self._one_of(context.operands[0], GIVEN, place, mark, context)
        if place is None:
            message = f"the block was given {counted(count, 'tensor')}; say which one is meant"
            self._problems.add(message, mark, f"`{GIVEN}[0]` to `{GIVEN}[{count - 1}]`", context)
        elif int(place) >= count:
            self._problems.add(f"the block was given {counted(count, 'tensor')}, numbered from 0", mark, "", context)
        else:
            return context.operands[int(place)]
        return UNKNOWN

    def _one_of(self, flow: Flow, name: str, place: str | None, mark: Mark, context: Context) -> Flow:
        """A flow, or the output of its layer at a place."""
        if place is None or (flow.ref is None and flow.parts is None):
            return flow
        if flow.parts is not None:
            parts = list(flow.parts.values())
        else:
            node = flow.ref.node if flow.ref is not None else ""
            parts = [Flow(Ref(node, output), tensor) for output, tensor in enumerate(self.outputs[node])]
        if int(place) >= len(parts):
            count = f"{counted(len(parts), 'output')}, numbered from 0"
            self._problems.add(f"`{name}` has {count}", mark, "", context)
            return UNKNOWN
        return parts[int(place)]

    def named(self, name: str, parts: dict[str, Flow], mark: Mark, context: Context) -> Flow:
        """What a block gives that names its outputs; each is found under its name behind the block's."""
        for part, flow in parts.items():
            full = f"{name}.{part}"
            inner = self._targets.get(full)
            if not _PART.fullmatch(part):
                self._problems.add(f"`{part}` is not the name of an output", mark, "letters, digits, _ and -", context)
            elif inner is not None and flow.ref is not None and (inner.ref, inner.parts) != (flow.ref, flow.parts):
                hint = "give one of them another name"
                self._problems.add(f"`{part}` is an output of the block, and another layer in it", mark, hint, context)
            else:
                self._targets[full] = flow
        if len(parts) == 1:
            return next(iter(parts.values()))._replace(parts=parts, name=name)
        return Flow(None, None, len(parts), parts, name)

    def find(self, name: str, mark: Mark, context: Context) -> str | None:
        """The full name of an earlier part of the design that a name in a spec means, innermost first."""
        inside = ".".join(context.path) + "."
        contains = False
        for depth in range(len(context.path), context.border - 1, -1):
            full = ".".join((*context.path[:depth], name))
            if full in self._targets:
                return full
            contains = contains or inside.startswith(full + ".")
        parent, _, part = name.rpartition(".")
        for depth in range(len(context.path), context.border - 1, -1):
            flow = self._targets.get(".".join((*context.path[:depth], parent)))
            if parent and flow is not None and flow.parts is not None:
                self._problems.add(*_no_output(parent, part, flow.parts, mark), context)
                return None
        head = name.partition(".")[0]
        if contains or (context.labels is not None and head in context.labels.values()):
            hint = "a layer can only read what comes before it: the graph has no cycles"
            self._problems.add(f"`{name}` comes later, or contains this layer", mark, hint, context)
            return None
        where = " before this one" if context.labels is not None else ""
        message = f"there is no layer `{name}`{where}"
        hint = "" if self._problems.has(message, mark) else self._hint(name, context)
        self._problems.add(message, mark, hint, context)
        return None

    def _hint(self, name: str, context: Context) -> str:
        prefix = "".join(f"{part}." for part in context.path[: context.border])
        visible = [target.removeprefix(prefix) for target in self._targets if target.startswith(prefix)]
        deeper = [target for target in visible if target.endswith(f".{name}")]
        hint = f"did you mean `{deeper[0]}`?" if deeper else suggestion(name, visible[-MOST_COMPARED:])
        if not hint and name in REGISTRY:
            return _BRANCH
        within = f"inside a block only its own layers have names; what it was given is `{GIVEN}`"
        return hint or (within if context.border else "")

    def chosen(self, flow: Flow, mark: Mark | None, context: Context) -> Flow:
        """The tensor that a layer reads, or that is an output of the design; a mistake if it could be several."""
        if flow.choices:
            name = flow.ref.node if flow.ref is not None else flow.name
            message = f"`{name}` has {counted(flow.choices, 'output')}; say which one is meant"
            within = name.rpartition(".")[2]
            names = [f".{part}" for part in flow.parts] if flow.parts else [f"[{n}]" for n in range(flow.choices)]
            hint = f"`from: {within}{names[0]}`" if context.labels is not None else f"`outputs: ['{name}{names[0]}']`"
            more = f", or {', '.join(f'`{within}{one}`' for one in names[1:8])}" if flow.parts else ""
            self._problems.add(message, mark, hint + more, context)
            return UNKNOWN
        return flow


def _no_output(name: str, part: str, parts: Mapping[str, Flow], mark: Mark) -> tuple[str, Mark, str]:
    """What is said of an output that a block does not have."""
    listing = f"outputs: {', '.join(parts)}" if parts else "it names none"
    return f"`{name}` has no output `{part}`", mark, suggestion(part, parts) or listing
