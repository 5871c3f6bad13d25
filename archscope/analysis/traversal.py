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
        needs: for each of ``x``, whether the backward pass takes its gradient.
        learns: the parameters of which the backward pass takes the gradient.
    """

    layer: Layer
    x: Tensors
    y: Tensors
    needs: tuple[bool, ...]
    learns: tuple[str, ...]


def walk(graph: LayerGraph, batch: int = 1, floating: str = "float32") -> tuple[Step, ...]:
    """All layers of a graph with their tensors at a batch size, and in a run of a floating type.

    The backward pass takes the gradient of a floating tensor if something that is trained lies upstream of it, and an
    output of the graph downstream of it, with nothing between that stops gradients.

    Raises:
        UsageError: a layer does not allow this batch (it reshapes or broadcasts over it), or this type.
    """
    tensors = {name: graph.marked(name, given) for name, given in graph.tensors(batch, floating).items()}
    needing: set[Ref] = set()
    steps = []
    for layer in graph.layers:
        x, y = tuple(tensors[node][output] for node, output in layer.inputs), tensors[layer.name]
        flows = layer.op.differentiable and not layer.no_grad
        needs = tuple(flows and ref in needing for ref in layer.inputs)
        learns = () if layer.no_grad else tuple(name for name in layer.op.parameters(*x) if name not in layer.frozen)
        if any(needs) or learns:
            needing |= {Ref(layer.name, number) for number, tensor in enumerate(y) if tensor.floating}
        steps.append(Step(layer, x, y, needs, learns))
    return _reached(steps, {ref for _, ref in graph.outputs} & needing)


def _reached(steps: list[Step], arriving: set[Ref]) -> tuple[Step, ...]:
    """The layers with what the backward pass takes of them: nothing of those that no gradient reaches.

    Args:
        arriving: the tensors at which the backward pass begins.
    """
    found = []
    for step in reversed(steps):
        if any(Ref(step.layer.name, number) in arriving for number in range(len(step.y))):
            arriving |= {ref for ref, needed in zip(step.layer.inputs, step.needs, strict=True) if needed}
            found.append(step)
        else:
            found.append(step._replace(needs=(False,) * len(step.x), learns=()))
    return tuple(reversed(found))
