"""The layer graph: a ``networkx.DiGraph`` whose nodes are bound ops.

Nothing else in archscope touches node attributes of networkx; they are untyped there and typed here. A legal graph is
acyclic, every layer reads tensors that exist, and the order of insertion is an order of execution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import networkx as nx

from archscope.diagnostics import Mark
from archscope.ops import Op, Tensor


class Ref(NamedTuple):
    """One tensor of the graph: an output of a layer, or a graph input (output 0 of its node)."""

    node: str
    output: int = 0

    def __str__(self) -> str:
        return self.node if self.output == 0 else f"{self.node}[{self.output}]"


@dataclass(frozen=True, slots=True)
class Input:
    """A graph input.

    Attributes:
        shape: without the batch.
        dtype: ``None`` is the floating type in which the design is analysed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None

    def tensor(self, batch: int) -> Tensor:
        """The input with its batch dimension."""
        return Tensor((batch, *self.shape), self.dtype)


@dataclass(frozen=True, slots=True)
class Layer:
    """A bound op in its place.

    Attributes:
        name: the full block path, unique in the graph: ``layer1.0.conv1``.
        inputs: the tensors it reads, in the op's order.
        shares: the layer whose weights it uses again (``reuse``), if any.
        frozen: those of its parameters that are not trained; of one that shares, those of the layer that owns them.
        checkpoint: the outermost block around it that is recomputed in the backward pass, if any.
        no_grad: whether it runs under torch.no_grad: nothing is kept of it, and no gradient passes it.
        mark: where the spec declares it.
        named: whether the spec gives it a name of its own (``name:``); else it is called after its word.
    """

    name: str
    op: Op
    inputs: tuple[Ref, ...]
    shares: str | None = None
    frozen: tuple[str, ...] = ()
    checkpoint: str | None = None
    mark: Mark | None = field(default=None, compare=False, repr=False)
    named: bool = field(default=False, compare=False, repr=False)
    no_grad: bool = False

    @property
    def kind(self) -> str:
        """The op's name: ``Conv2d``."""
        return type(self.op).__name__

    @property
    def path(self) -> tuple[str, ...]:
        """The name by its blocks."""
        return tuple(self.name.split("."))


class LayerGraph:
    """Layers and the tensors between them.

    Args:
        inputs: the graph inputs.
        layers: in an order of execution.
        outputs: the named results.

    Raises:
        ValueError: the graph is not legal (two nodes of a name, a layer that reads what does not exist before it).
    """

    def __init__(self, inputs: Iterable[Input], layers: Iterable[Layer], outputs: Iterable[tuple[str, Ref]]) -> None:
        self.digraph: nx.DiGraph[str] = nx.DiGraph()
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        nodes: dict[str, Input | Layer] = {}
        sequence: list[Input | Layer] = [*self.inputs, *layers]
        for node in sequence:
            if node.name in nodes:
                raise ValueError(f"two nodes are called {node.name}")
            nodes[node.name] = node
            self.digraph.add_node(node.name, node=node)
            if isinstance(node, Layer):
                self._connect(node, nodes)
        for name, ref in self.outputs:
            if ref.node not in nodes:
                raise ValueError(f"output {name} reads {ref.node}, which does not exist")
        self._layers = tuple(node for node in nodes.values() if isinstance(node, Layer))

    def _connect(self, layer: Layer, earlier: dict[str, Input | Layer]) -> None:
        for ref in layer.inputs:
            if ref.node not in earlier or ref.node == layer.name:
                raise ValueError(f"{layer.name} reads {ref.node}, which does not come before it")
            self.digraph.add_edge(ref.node, layer.name)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, each after those that it reads."""
        return self._layers

    def unread(self) -> Iterator[Layer]:
        """Layers that contribute to no output of the graph."""
        reached = {ref.node for _, ref in self.outputs}
        for layer in reversed(self._layers):
            if layer.name in reached:
                reached.update(ref.node for ref in layer.inputs)
        return (layer for layer in self._layers if layer.name not in reached)
