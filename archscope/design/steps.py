"""Steps: every layer of a graph in order of execution, with the tensors that it reads and writes.

What lives from where to where, and which layers are recomputed together, is decided here, for the simulated run and
for the torch module alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from typing import NamedTuple

from archscope.autograd.dtypes import Types
from archscope.design.graph import Layer, LayerGraph, Ref
from archscope.ops.base import Tensors
from archscope.ops.tensors import Buffer, Parameter


class Step(NamedTuple):
    """A layer at work.

    Attributes:
        x: the tensors it reads, batch included.
        y: the tensors it writes.
        needs: for each of ``x``, whether the backward pass takes its gradient.
        learns: the parameters of which the backward pass takes the gradient.
        writes: references to ``y``.
        last: what nobody reads after it: those of what it reads, then those of what it writes.
        region: the outermost block around it that is recomputed in the backward pass, if any.
        copied: of an op that copies what does not lie in order, whether it does so in a run.
    """

    layer: Layer
    x: Tensors
    y: Tensors
    needs: tuple[bool, ...]
    learns: tuple[str, ...]
    writes: tuple[Ref, ...]
    last: tuple[Ref, ...]
    region: str | None
    copied: bool = False


def steps_of(graph: LayerGraph, batch: int = 1, types: Types | None = None) -> tuple[Step, ...]:
    """All layers of a graph with their tensors at a batch size, in a run of some types.

    The backward pass takes the gradient of a floating tensor if something that is trained lies upstream of it, and an
    output of the graph downstream of it, with nothing between that stops gradients.

    Raises:
        as :meth:`LayerGraph.tensors`.
    """
    forward, needing = _forward(graph, graph.marked(batch, types))
    outputs = {ref for _, ref in graph.outputs}
    return tuple(reversed([*_backward(forward, outputs, outputs & needing)]))


#: a step whose future is not known yet: all of it up to what it writes
_Upstream = tuple[Layer, Tensors, Tensors, tuple[bool, ...], tuple[str, ...], tuple[Ref, ...]]


def _forward(graph: LayerGraph, tensors: Mapping[str, Tensors]) -> tuple[list[_Upstream], set[Ref]]:
    """The layers, told what lies upstream of each; the tensors that need a gradient if one arrives."""
    learnt_of: dict[tuple[int, Tensors, tuple[str, ...]], tuple[tuple[str, ...], tuple[bool, ...]]] = {}
    needing: set[Ref] = set()
    steps: list[_Upstream] = []
    for layer in graph.layers:
        op, name, inputs = layer.op, layer.name, layer.inputs
        x, y = tuple([tensors[node][output] for node, output in inputs]), tensors[name]
        writes = tuple([Ref(name, number) for number in range(len(y))])
        learns: tuple[str, ...] = ()
        needs = (False,) * len(inputs)
        if not layer.no_grad:
            key = (id(op), x, layer.frozen)
            alike = learnt_of.get(key)  # layers of repeated blocks are alike
            if alike is None:
                trained = tuple([one for one in op.parameters(*x) if one not in layer.frozen])
                alike = learnt_of[key] = trained, tuple([tensor.floating for tensor in y])
            learns, floating = alike
            if op.differentiable:
                needs = tuple([ref in needing for ref in inputs])
            if learns or True in needs:
                needing.update(compress(writes, floating))
        steps.append((layer, x, y, needs, learns, writes))
    return steps, needing


def _backward(steps: list[_Upstream], outputs: set[Ref], arriving: set[Ref]) -> Iterator[Step]:
    """The layers from the last one, told what lies downstream of each.

    Args:
        outputs: of the design, which are held for ever.
        arriving: the tensors at which the backward pass begins; of a layer that no gradient reaches it takes nothing.
    """
    read = set(outputs)
    for layer, x, y, needs, learns, writes in reversed(steps):
        last = tuple(dict.fromkeys([ref for ref in (*layer.inputs, *writes) if ref not in read]))
        read.update(last)
        if arriving.isdisjoint(writes):
            yield Step(layer, x, y, (False,) * len(x), (), writes, last, layer.checkpoint)
        else:
            arriving.update(compress(layer.inputs, needs))
            yield Step(layer, x, y, needs, learns, writes, last, layer.checkpoint)


def unused(steps: Iterable[Step]) -> set[str]:
    """The layers that hold a tensor which nothing reads: parameters and buffers that no computation is made of."""
    steps = list(steps)
    held = [step.layer for step in steps if type(step.layer.op) in (Parameter, Buffer)]
    if not held:
        return set()
    read = {step.layer.owner for step in steps if not set(step.writes) <= set(step.last)}
    return {layer.name for layer in held if layer.owner not in read}


class Segment(NamedTuple):
    """Layers that are recomputed together in the backward pass (``torch.utils.checkpoint``).

    Attributes:
        reads: the tensors that come from outside, in the order in which they are first read.
        gives: the tensors that somebody outside reads.
        last: what nobody reads after it, of what comes from outside and of what is made in it.
    """

    steps: tuple[Step, ...]
    reads: tuple[Ref, ...]
    gives: tuple[Ref, ...]
    last: tuple[Ref, ...]


def segments(steps: Iterable[Step]) -> Iterator[Step | Segment]:
    """Layers one by one, those that are recomputed together as one."""
    inside: list[Step] = []
    for step in steps:
        if inside and step.region != inside[-1].region:
            yield _segment(tuple(inside))
            inside = []
        if step.region is None:
            yield step
        else:
            inside.append(step)
    if inside:
        yield _segment(tuple(inside))


def _segment(steps: tuple[Step, ...]) -> Segment:
    written = dict.fromkeys(ref for step in steps for ref in step.writes)
    last = dict.fromkeys(ref for step in steps for ref in step.last)
    read = dict.fromkeys(ref for step in steps for ref in step.layer.inputs)
    reads, gives = (ref for ref in read if ref not in written), (ref for ref in written if ref not in last)
    return Segment(steps, tuple(reads), tuple(gives), tuple(last))
