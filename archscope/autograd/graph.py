"""Tensors in memory, and the nodes of the backward graph behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from archscope.autograd.strides import Strides, contiguous, fills, iterated, joined

if TYPE_CHECKING:
    from archscope.autograd.tape import Tape

Shape = tuple[int, ...]

#: the word on a tensor that is made within a layer and has none of its own
INSIDE = "an intermediate result"


class Storage:
    """A piece of memory.

    Attributes:
        held: how many tensors and nodes hold it.
        layer: the layer that made it.
        what: a word on it.
        state: whether it belongs to the model (parameters, buffers), which is counted apart.
        writers: the layers that have overwritten it, in order.
    """

    __slots__ = ("bytes", "held", "layer", "state", "what", "writers")

    def __init__(self, size: int, layer: str, what: str, *, state: bool = False) -> None:
        self.bytes, self.layer, self.what, self.state = size, layer, what, state
        self.held = 0
        self.writers: list[str] = []

    @property
    def version(self) -> int:
        """How often it has been overwritten."""
        return len(self.writers)


class Value:
    """A tensor: a view of a storage.

    Attributes:
        strides: ``None`` where the elements lie in their order.
        node: what gave it, where it needs a gradient; its ``slot``-th output.
        uses: how many places hold it.
        base: what it is a view of, as autograd knows it.
        several: whether it is one of several views by one function, or a view of such a one.
        version: that of its memory when it was made, or its history began anew.
    """

    __slots__ = ("base", "dtype", "node", "several", "shape", "slot", "storage", "strides", "uses", "version")

    def __init__(self, storage: Storage, shape: Shape, dtype: str, strides: Strides | None = None) -> None:
        self.storage, self.shape, self.dtype, self.strides = storage, shape, dtype, strides
        self.node: Node | None = None
        self.base: Value | None = None
        self.several = False
        self.version = storage.version
        self.slot = 0
        self.uses = 1
        storage.held += 1

    @property
    def dense(self) -> bool:
        """Whether it fills its memory without gaps or repeats."""
        return self.strides is None or fills(self.shape, self.strides)


def strides_of(x: Value) -> Strides:
    """Strides, written out."""
    return contiguous(x.shape) if x.strides is None else x.strides


def strides_behind(shape: Shape, *x: Value) -> Strides | None:
    """Strides of the result of an elementwise function of tensors."""
    if all(value.strides is None for value in x):
        return None
    return iterated(shape, *((value.shape, strides_of(value)) for value in x))


def strides_joined(shape: Shape, *x: Value) -> Strides | None:
    """Strides of tensors joined to one of a shape."""
    if any(value.strides is None for value in x):
        return None
    return joined(shape, *((value.shape, strides_of(value)) for value in x))


Gradients = Sequence[Value | None]
Back = Callable[["Tape", "Node", Gradients], Gradients]


class Node:
    """A function of the backward graph.

    Attributes:
        order: when it was made; the engine runs the last one first.
        inputs: what its forward call read, and so what it gives gradients of.
        back: how it does; gone once it has.
        saved: what it keeps until it has run.
        versions: of what it keeps, as that was kept; none where it is recomputed.
        outputs: how many gradients reach it.
        waiting: gradients that have to arrive yet.
        region: the block that is recomputed before it runs, if any.
        parameter: where the gradients end, until the first has arrived.
        edges: for each input, the node that gave it when it was read, and as which of its outputs.
        held: how many tensors and nodes lead to it; without any it is gone, and with it what it keeps.
        gone: whether it is.
    """

    __slots__ = (
        "arrived", "back", "edges", "gone", "held", "inputs", "layer", "order", "outputs", "parameter", "region",
        "saved", "versions", "waiting",
    )  # fmt: skip

    def __init__(self, order: float, layer: str, inputs: tuple[Value, ...], back: Back, outputs: int) -> None:
        self.order, self.layer, self.inputs, self.back, self.outputs = order, layer, inputs, back, outputs
        self.edges = [(value.node, value.slot) for value in inputs]
        self.saved: list[Storage] = []
        self.versions: list[int] = []
        self.arrived: dict[int, Value] = {}
        self.waiting = self.held = 0
        self.region: RecomputedBlock | None = None
        self.parameter: Value | None = None
        self.gone = False

    def __lt__(self, other: Node) -> bool:
        return self.order > other.order


class RecomputedBlock:
    """A block that is recomputed in the backward pass (torch.utils.checkpoint, ``use_reentrant=False``).

    Attributes:
        read: what it reads from outside, kept until its last node that keeps something has run.
        versions: of those, when it began.
        again: runs its forward pass once more.
        nodes: its nodes; what they list as saved they only get when it is recomputed.
        left: how many nodes that keep something have yet to run.
        fresh: whether it has not been recomputed yet.
    """

    def __init__(self, read: list[Value], again: Callable[[], None]) -> None:
        self.read, self.again = read, again
        self.versions = [value.storage.version for value in read]
        self.nodes: list[Node] = []
        self.left = 0
        self.fresh = True
