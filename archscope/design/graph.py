"""The layer graph: a ``networkx.DiGraph`` whose nodes are bound ops.

Nothing else in archscope touches node attributes of networkx; they are untyped there and typed here. A legal graph is
acyclic, every layer reads tensors that exist, and the order of insertion is an order of execution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from archscope.arith import Reading
from archscope.autograd.dtypes import HELD, NARROW, Types
from archscope.errors import SpecError, UsageError
from archscope.errors.diagnostics import MOST_REPORTED, Diagnostic, Mark, numberless
from archscope.ops import Op, Tensor
from archscope.ops.base import Tensors
from archscope.ops.legal import Inference, Violation

if TYPE_CHECKING:
    import networkx as nx


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
        dtype: ``None`` is the floating type in which the design is run.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str | None = None

    @property
    def floating(self) -> bool:
        """Whether it holds floating numbers, of whatever type."""
        return self.tensor(1).floating

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
        dtype: the floating type of its parameters and buffers whatever the precision of the run, if it is marked; of
            one that shares, that of the layer that owns them.
        begins: how its parameters begin, those of which the spec says it: a number, or a function of torch.nn.init
            with its numbers (:mod:`archscope.ops.contents`); the others as torch has them.
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
    dtype: str | None = None
    begins: tuple[tuple[str, float | str], ...] = ()

    @property
    def held(self) -> str | None:
        """The floating type in which it is held whatever the precision of the run, if it, or its op, states one."""
        stated = vars(self.op).get("dtype")
        return stated if stated in HELD else self.dtype

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        """Its parameters, for the tensors that it reads, with the type that its mark gives them."""
        return self._typed(self.op.parameters(*x))

    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        """Its buffers, likewise."""
        return self._typed(self.op.buffers(*x))

    def _typed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.dtype is None:
            return state
        return {name: one if one.dtype else one._replace(dtype=self.dtype) for name, one in state.items()}

    @property
    def owner(self) -> str:
        """The layer whose weights it has: itself, or the one that it shares them with."""
        return self.shares or self.name

    @property
    def kind(self) -> str:
        """The op's name: ``Conv2d``."""
        return type(self.op).__name__

    @property
    def path(self) -> tuple[str, ...]:
        """The name by its blocks."""
        return tuple(self.name.split("."))


#: another batch than 1, to see what follows from it
MANY = 8
_ASKED_OFTEN = (1, MANY)  # batches whose tensors are kept
#: in which types a design may be run
_RUNS = (
    *map(Types, ("float32", *(dtype for dtype in HELD if dtype != "float32"))),
    *(Types("float32", lower, device) for lower in NARROW for device in ("cpu", "cuda")),
)


class Parting(NamedTuple):
    """Where another batch leads elsewhere than to more samples.

    Attributes:
        layer: the first that gives other tensors there, or none at all.
        what: what it does at a batch of :data:`MANY`, with the numbers, to be read after its name.
    """

    layer: Layer
    what: str


class BesideBatches(NamedTuple):
    """The tensors of a graph at another batch beside those at a batch of 1, up to where they part.

    Attributes:
        dims: which dimension of the tensors of every node is the batch: the first that is another at another batch.
        many: the tensors at a batch of :data:`MANY`, each with its batch dimension.
        parting: where they part; ``None`` where they go on to the end.
    """

    dims: Mapping[str, tuple[int | None, ...]]
    many: Mapping[str, Tensors]
    parting: Parting | None = None


class LayerGraph:
    """Layers and the tensors between them.

    Args:
        inputs: the graph inputs.
        layers: in an order of execution.
        outputs: the named results.
        tensors: those that every node gives at a batch of 1, where they are known already.

    Raises:
        ValueError: the graph is not legal (two nodes of a name, a layer that reads what does not exist before it).
    """

    def __init__(
        self,
        inputs: Iterable[Input],
        layers: Iterable[Layer],
        outputs: Iterable[tuple[str, Ref]],
        tensors: Mapping[str, Tensors] | None = None,
    ) -> None:
        self.inputs, self.outputs, self._layers = tuple(inputs), tuple(outputs), tuple(layers)
        names: set[str] = set()
        for node in self._nodes():
            if node.name in names:
                raise ValueError(f"two nodes are called {node.name}")
            if isinstance(node, Layer):
                for ref in node.inputs:
                    if ref.node not in names:
                        raise ValueError(f"{node.name} reads {ref.node}, which does not come before it")
            names.add(node.name)
        for name, ref in self.outputs:
            if ref.node not in names:
                raise ValueError(f"output {name} reads {ref.node}, which does not exist")
        self._tensors: dict[tuple[int, Types | None], Mapping[str, Tensors]] = {}
        if tensors is not None:
            self._tensors[1, None] = tensors

    def _nodes(self) -> Iterator[Input | Layer]:
        yield from self.inputs
        yield from self._layers

    @cached_property
    def digraph(self) -> nx.DiGraph[str]:
        """The same for networkx: nodes by name, each with its input or layer as the attribute ``node``."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from((node.name, {"node": node}) for node in self._nodes())
        graph.add_edges_from((ref.node, layer.name) for layer in self._layers for ref in layer.inputs)
        return graph

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, each after those that it reads."""
        return self._layers

    @cached_property
    def typed(self) -> bool:
        """Whether a floating type is named anywhere, so that the types of tensors depend on that of the run."""
        inputs = any(node.dtype in HELD for node in self.inputs)
        return inputs or any(layer.held or layer.op.types.named for layer in self._layers)

    def tensors(self, batch: int, types: Types | None = None) -> Mapping[str, Tensors]:
        """The tensors that every node gives, at a batch size, and in a run.

        Args:
            types: those of the run; without any, types are told as in one in float32, and none is refused beside
                others: which go together depends on the run.

        Raises:
            SpecError: types do not go together in this run.
            UsageError: a layer does not allow this batch (it reshapes or broadcasts over it), or it is not known what
                torch.autocast does in it.
        """
        tensors, refusal = self._inferred(batch, self.relevant(types))
        if refusal is not None:
            raise UsageError(_impossible(*refusal, batch))
        return tensors

    def relevant(self, types: Types | None) -> Types | None:
        """The types of a run, if those of tensors depend on them: something names types, or autocast casts."""
        return types if types and (self.typed or types.lower) else None

    def _inferred(
        self, batch: int, types: Types | None = None
    ) -> tuple[Mapping[str, Tensors], tuple[Layer, Violation] | None]:
        """The tensors up to a layer that refuses, and that layer with the reason.

        Raises:
            SpecError: types do not go together.
        """
        asked_often = type(batch) is int and batch in _ASKED_OFTEN
        if asked_often and (batch, types) in self._tensors:
            return self._tensors[batch, types], None
        tensors: dict[str, Tensors] = {node.name: (node.tensor(batch),) for node in self.inputs}
        inference = Inference(types)
        clashes: dict[tuple[str, Mark | None], Diagnostic] = {}
        for layer in self._layers:
            x = tuple([tensors[node][output] for node, output in layer.inputs])
            tensors[layer.name], violations = inference.apply(layer.op, x, layer.dtype, layer.name)
            for violation in violations:
                if not violation.types:
                    del tensors[layer.name]
                    return tensors, (layer, violation)
                message = violation.message if layer.mark else f"{layer.name}: {violation.message}"
                clash = Diagnostic(message, layer.mark, violation.hint)
                clashes.setdefault((numberless(message), layer.mark), clash)
        if clashes:
            raise SpecError(list(clashes.values())[:MOST_REPORTED])
        if asked_often:
            self._tensors[batch, types] = tensors
        return tensors, None

    @cached_property
    def runs_in(self) -> Types:
        """The types of a run in which those that it names go together: the usual ones, if they can.

        Raises:
            SpecError: in none; what is wrong is told of one in float32.
        """
        refusal = None
        for types in _RUNS:
            try:
                self.tensors(1, types)
            except SpecError as error:
                refusal = refusal or error
            except UsageError:  # not known of it
                continue
            else:
                return types
        raise refusal or UsageError("it is not known of any precision what a run in it does")

    @cached_property
    def beside(self) -> BesideBatches | None:
        """What another batch changes; ``None`` for a graph of numbers that a sweep varies, or without a batch of 1."""
        if any(isinstance(number, Reading) for number in self._numbers()):
            return None
        (one, refused), (many, refusal) = self._inferred(1), self._inferred(MANY)
        if refused is not None:
            return None
        dims: dict[str, tuple[int | None, ...]] = {node.name: (0,) for node in self.inputs}
        differing: dict[tuple[int, int], tuple[int | None, ...]] = {}  # alike layers give the same tensors
        for layer in self._layers:
            if refusal is not None and refusal[0] is layer:
                what = f"does not allow batch {MANY}: {refusal[1].message.removeprefix(f'{layer.kind}: ')}"
            else:
                what = _parting(one[layer.name], many[layer.name])
            if what:
                return BesideBatches(dims, _marked(many, dims), Parting(layer, what))
            few, more = one[layer.name], many[layer.name]
            if (id(few), id(more)) not in differing:
                differing[id(few), id(more)] = tuple(map(_first_difference, few, more))
            dims[layer.name] = differing[id(few), id(more)]
        return BesideBatches(dims, _marked(many, dims))

    @cached_property
    def batch_dims(self) -> Mapping[str, tuple[int | None, ...]]:
        """Which dimension of the tensors of every node is the batch: the first that is another at another batch.

        Empty for a graph of numbers that a sweep varies, and for one that allows a single batch only.
        """
        beside = self.beside
        return {} if beside is None or beside.parting is not None else beside.dims

    def marked(self, batch: int, types: Types | None = None) -> Mapping[str, Tensors]:
        """The tensors that every node gives, as :meth:`tensors` has them, each with its batch dimension.

        Raises:
            as :meth:`tensors`.
        """
        tensors = self.tensors(batch, types)
        return _marked(tensors, self._moved) if self._moved else tensors

    @cached_property
    def _moved(self) -> dict[str, tuple[int | None, ...]]:
        """The nodes that give a tensor whose batch is not its first dimension."""
        return {name: dims for name, dims in self.batch_dims.items() if any(dims) or None in dims}

    def _numbers(self) -> Iterator[object]:
        for node in self.inputs:
            yield from node.shape
        for op in {id(layer.op): layer.op for layer in self._layers}.values():
            for value in vars(op).values():
                yield from value if isinstance(value, tuple) else (value,)

    def unread(self) -> Iterator[Layer]:
        """Layers that contribute to no output of the graph."""
        reached = {ref.node for _, ref in self.outputs}
        for layer in reversed(self._layers):
            if layer.name in reached:
                reached.update(ref.node for ref in layer.inputs)
        return (layer for layer in self._layers if layer.name not in reached)


def _impossible(layer: Layer, violation: Violation, batch: int) -> str:
    """What a layer has against a batch, with its place."""
    place = f"{layer.mark}: " if layer.mark else ""
    hint = f"; {violation.hint}" if violation.hint else ""
    return f"{place}{layer.name} does not allow batch {batch}: {violation.message}{hint}"


def _first_difference(one: Tensor, other: Tensor) -> int | None:
    for dim, (a, b) in enumerate(zip(one.shape, other.shape, strict=False)):
        if a != b:
            return dim
    return None


def _marked(tensors: Mapping[str, Tensors], dims: Mapping[str, tuple[int | None, ...]]) -> dict[str, Tensors]:
    """The tensors, those of some nodes with a batch dimension of their own."""
    marked = dict(tensors)
    for name, own in dims.items():
        if any(own) or None in own:
            marked[name] = tuple(tensor._replace(batch=dim) for tensor, dim in zip(tensors[name], own, strict=True))
    return marked


def _parting(one: Tensors, many: Tensors) -> str:
    """In what the tensors of a layer at another batch are others than larger ones; empty where they are not."""
    if len(one) != len(many):
        return f"splits the batch: {len(one)} {'part' if len(one) == 1 else 'parts'} at batch 1, {len(many)} at {MANY}"
    return ""
