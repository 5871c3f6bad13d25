"""Steps: every layer of a graph in order of execution, with the tensors that it reads and writes.

What lives from where to where, and which layers are recomputed together, is decided here, for the simulated run and
for the torch module alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
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
        last: what nobody reads after it: those of what it reads, then those of what it writes.
        region: the outermost block around it that is recomputed in the backward pass, if any.
    """

    layer: Layer
    x: Tensors
    y: Tensors
    needs: tuple[bool, ...]
    learns: tuple[str, ...]
    last: tuple[Ref, ...]
    region: str | None

    @property
    def writes(self) -> tuple[Ref, ...]:
        """References to ``y``."""
        return tuple(Ref(self.layer.name, number) for number in range(len(self.y)))


def steps_of(graph: LayerGraph, batch: int = 1) -> tuple[Step, ...]:
    """All layers of a graph with their tensors at a batch size.

    The backward pass takes the gradient of a floating tensor if something that is trained lies upstream of it, and an
    output of the graph downstream of it, with nothing between that stops gradients.

    Raises:
        UsageError: a layer does not allow this batch (it reshapes or broadcasts over it).
    """
    tensors = graph.marked(batch)
    needing: set[Ref] = set()
    steps = []
    for layer in graph.layers:
        x, y = tuple([tensors[node][output] for node, output in layer.inputs]), tensors[layer.name]
        flows = layer.op.differentiable and not layer.no_grad
        needs = tuple([flows and ref in needing for ref in layer.inputs])
        learns = () if layer.no_grad else tuple(name for name in layer.op.parameters(*x) if name not in layer.frozen)
        if any(needs) or learns:
            needing |= {Ref(layer.name, number) for number, tensor in enumerate(y) if tensor.dtype is None}
        steps.append(Step(layer, x, y, needs, learns, (), layer.checkpoint))
    outputs = {ref for _, ref in graph.outputs}
    return tuple(reversed([*_backwards(steps, outputs, outputs & needing)]))


def _backwards(steps: list[Step], read: set[Ref], arriving: set[Ref]) -> Iterator[Step]:
    """The layers from the last one, each with what dies behind it, and with what the backward pass takes of it.

    Args:
        read: the tensors that are read later, which never die before.
        arriving: the tensors at which the backward pass begins; of layers that no gradient reaches it takes nothing.
    """
    read = set(read)
    for step in reversed(steps):
        writes = step.writes
        last = tuple(dict.fromkeys(ref for ref in (*step.layer.inputs, *writes) if ref not in read))
        read.update(last)
        if not arriving.isdisjoint(writes):
            arriving |= {ref for ref, needed in zip(step.layer.inputs, step.needs, strict=True) if needed}
            yield step._replace(last=last)
        else:
            yield step._replace(needs=(False,) * len(step.x), learns=(), last=last)


class Segment(NamedTuple):
    """What runs in one go: a layer, or all those that are recomputed together (``torch.utils.checkpoint``).

    Attributes:
        region: the name of the block that is recomputed; ``None`` is a layer that is not.
        reads: the tensors that come from outside, in the order in which they are first read.
        gives: the tensors that somebody outside reads.
        last: what nobody reads after it, of what comes from outside and of what it gives.
    """

    region: str | None
    steps: tuple[Step, ...]
    reads: tuple[Ref, ...]
    gives: tuple[Ref, ...]
    last: tuple[Ref, ...]


def segments(steps: Iterable[Step]) -> Iterator[Segment]:
    """Layers one by one, those of a recomputed block together."""
    for _, several in groupby(enumerate(steps), lambda pair: pair[0] if pair[1].region is None else pair[1].region):
        yield _segment(tuple(step for _, step in several))


def _segment(steps: tuple[Step, ...]) -> Segment:
    written = [ref for step in steps for ref in step.writes]
    last = dict.fromkeys(ref for step in steps for ref in step.last)
    read = dict.fromkeys(ref for step in steps for ref in step.layer.inputs)
    inside = set(written)
    reads = tuple(ref for ref in read if ref not in inside)
    gives = tuple(ref for ref in written if ref not in last)
    return Segment(steps[0].region, steps, reads, gives, tuple(last))
