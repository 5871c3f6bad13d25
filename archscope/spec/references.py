"""Names of tensors: which parts of a design exist so far, and what a reference in a spec means."""

from __future__ import annotations

import re

from archscope.diagnostics import Mark
from archscope.errors import suggestion
from archscope.graph import Ref
from archscope.ops.base import Tensors
from archscope.spec.reader import MapNode, Node, ScalarNode
from archscope.spec.scope import UNKNOWN, Context, Flow, Problems

_REFERENCE = re.compile(r"([A-Za-z0-9_.-]+)(?:\[(\d+)\])?")


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
        """The tensor that a reference means: ``conv1``, ``stage.0.conv1``, ``lstm[1]``."""
        text = node.text if isinstance(node, ScalarNode) else ""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            hint = "a branch is a list: `[ReLU]`" if text or isinstance(node, MapNode) else ""
            self._problems.add("expected the name of an earlier layer", node.mark, hint, context)
            return UNKNOWN
        full = self.find(match[1], node.mark, context)
        if full is None:
            return UNKNOWN
        flow = self._targets[full]
        if match[2] is None or flow.ref is None:
            return flow
        outputs, index = self.outputs[flow.ref.node], int(match[2])
        if index >= len(outputs):
            count = f"{len(outputs)} output{'s' * (len(outputs) > 1)}, numbered from 0"
            self._problems.add(f"`{match[1]}` has {count}", node.mark, "", context)
            return UNKNOWN
        return Flow(Ref(flow.ref.node, index), outputs[index])

    def find(self, name: str, mark: Mark, context: Context) -> str | None:
        """The full name of an earlier part of the design that a name in a spec means, innermost first."""
        for depth in range(len(context.path), context.border - 1, -1):
            full = ".".join((*context.path[:depth], name))
            if full in self._targets:
                return full
        head = name.partition(".")[0]
        if context.labels is not None and head in context.labels.values():
            hint = "a layer can only read what comes before it: the graph has no cycles"
            self._problems.add(f"`{name}` comes later, or contains this layer", mark, hint, context)
            return None
        prefix = "".join(f"{part}." for part in context.path[: context.border])
        visible = [target.removeprefix(prefix) for target in self._targets if target.startswith(prefix)]
        hint = suggestion(name, visible)
        if not hint and context.border:
            hint = "inside a block only the block's own layers have names"
        self._problems.add(f"there is no layer `{name}` before this one", mark, hint, context)
        return None

    def chosen(self, flow: Flow, mark: Mark | None, context: Context) -> Flow:
        """The tensor that a layer reads; a mistake if it could be several."""
        if flow.choices and flow.ref is not None:
            name = flow.ref.node
            message = f"`{name}` has {flow.choices} outputs; say which one is meant"
            self._problems.add(message, mark, f"`from: {name.rpartition('.')[2]}[0]`", context)
            return UNKNOWN
        return flow
