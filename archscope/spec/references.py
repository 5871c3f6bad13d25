"""Names of tensors: which parts of a design exist so far, and what a reference in a spec means."""

from __future__ import annotations

import re

from archscope.design.graph import Ref
from archscope.errors import suggestion
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
        if match[1] == GIVEN and context.operands:
            return self._arrived(match[2], node.mark, context)
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

    def _arrived(self, place: str | None, mark: Mark, context: Context) -> Flow:
        """One of the tensors that a block was given; of a single one, perhaps one of its layer's outputs."""
        count = len(context.operands)
        if count == 1:
            return self._one_of(context.operands[0], GIVEN, place, mark, context)
        if place is None:
            message = f"the block was given {count} tensors; say which one is meant"
            self._problems.add(message, mark, f"`{GIVEN}[0]` to `{GIVEN}[{count - 1}]`", context)
        elif int(place) >= count:
            self._problems.add(f"the block was given {count} tensors, numbered from 0", mark, "", context)
        else:
            return context.operands[int(place)]
        return UNKNOWN

    def _one_of(self, flow: Flow, name: str, place: str | None, mark: Mark, context: Context) -> Flow:
        """A flow, or the output of its layer at a place."""
        if place is None or flow.ref is None:
            return flow
        outputs, index = self.outputs[flow.ref.node], int(place)
        if index >= len(outputs):
            count = f"{len(outputs)} output{'s' * (len(outputs) > 1)}, numbered from 0"
            self._problems.add(f"`{name}` has {count}", mark, "", context)
            return UNKNOWN
        return Flow(Ref(flow.ref.node, index), outputs[index])

    def find(self, name: str, mark: Mark, context: Context) -> str | None:
        """The full name of an earlier part of the design that a name in a spec means, innermost first."""
        inside = ".".join(context.path) + "."
        contains = False
        for depth in range(len(context.path), context.border - 1, -1):
            full = ".".join((*context.path[:depth], name))
            if full in self._targets:
                return full
            contains = contains or inside.startswith(full + ".")
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
        if flow.choices and flow.ref is not None:
            name = flow.ref.node
            message = f"`{name}` has {flow.choices} outputs; say which one is meant"
            within = name.rpartition(".")[2]
            hint = f"`from: {within}[0]`" if context.labels is not None else f"`outputs: ['{name}[0]']`"
            self._problems.add(message, mark, hint, context)
            return UNKNOWN
        return flow
