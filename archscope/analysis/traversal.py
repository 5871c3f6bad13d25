"""The one traversal: every layer in order of execution, with the tensors that it reads and writes."""

from __future__ import annotations

from typing import NamedTuple

from archscope.graph import Layer, LayerGraph, Ref
from archscope.ops.base import Tensors


class Step(NamedTuple):
    """A layer at work.

    Attributes:
        x: the tensors it reads, batch included.
        y: the tensors it writes.
        needs: for each of ``x``, whether the backward pass needs its gradient.
    """

    layer: Layer
    x: Tensors
    y: Tensors
    needs: tuple[bool, ...]


def walk(graph: LayerGraph, batch: int = 1) -> tuple[Step, ...]:
    """All layers of a graph with their tensors at a batch size.

    A tensor needs a gradient if it is floating and something that is trained lies upstream of it.

    Raises:
        UsageError: a layer does not allow this batch (it reshapes or broadcasts over it).
    """
    tensors = {name: graph.marked(name, given) for name, given in graph.tensors(batch).items()}
    needing: set[str] = set()
    steps = []
    for layer in graph.layers:
        x, y = tuple(tensors[node][output] for node, output in layer.inputs), tensors[layer.name]
        flows = layer.op.differentiable
        needs = tuple(flows and _floating(ref, tensors) and ref.node in needing for ref in layer.inputs)
        if any(needs) or (not layer.frozen and layer.op.parameters(*x)):
            needing.add(layer.name)
        steps.append(Step(layer, x, y, needs))
    return tuple(steps)


def _floating(ref: Ref, tensors: dict[str, Tensors]) -> bool:
    return tensors[ref.node][ref.output].dtype is None
