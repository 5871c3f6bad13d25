"""An ONNX graph on its way to a design, and what the rules of its nodes ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from archscope.autograd.dtypes import HELD
from archscope.backends.importing.constants import ValueFile, value_of
from archscope.backends.importing.draft import Draft, Unfit
from archscope.backends.importing.refusals import Refusal, Unsupported
from archscope.backends.importing.reshaping import Rearrangement, reshaping
from archscope.backends.importing.sizes import BATCH, LinearSize
from archscope.backends.onnx.file import Array, Graph, Initializer, OnnxNode
from archscope.backends.onnx.owners import Owners
from archscope.backends.onnx.ports import DTYPES, shapes
from archscope.backends.onnx.shapes import flattened, resolved
from archscope.backends.onnx.values import BATCHES, Constant, Parts, Value, varies
from archscope.design.graph import Ref
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.fields import FieldError

#: last parts of the names of weights, after the name of the layer
_WEIGHTS = frozenset(("weight", "bias", "kernel", "gamma", "beta", "scale", "weights", "W", "B"))


@dataclass(frozen=True)
class Made:
    """What is known of a layer beside what its draft has.

    Attributes:
        name: what it is called where nothing else is, after its weights; or the module that it is in.
        longer: what it is called otherwise, if it is called after its weights.
        stemmed: whether it is called after its weights.
        weights: what its parameters and buffers are, by their names in the op.
        tensor: the tensor of the file that it gives.
    """

    op: Op
    inputs: tuple[Ref, ...]
    name: str
    longer: str
    stemmed: bool = False
    weights: Mapping[str, Constant] = field(default_factory=dict)
    tensor: str = ""


class GraphLifting:
    """A graph on its way to a design.

    Attributes:
        draft: the design so far.
        batch: the batch that the file is written for, where it is written for one.
        node: the one whose layers are made.
        made: of the layers so far, by the nodes of their references, in the order of execution.
        ahead: tensors whose nodes are part of a layer that was made before them.
        readers: how many nodes and outputs read a tensor.
        value_file: values of constants that go into a file beside the spec.
        owners: which layers the stored tensors belong to.
    """

    def __init__(self, graph: Graph, stated: Mapping[str, Sequence[int]], title: str) -> None:
        self.graph, self.value_file, self.owners = graph, ValueFile(title), Owners()
        source = f"ONNX file, made by {graph.producer}" if graph.producer else ""
        self.floating = _floating(graph)
        self.draft = Draft(title, batch=BATCHES[0], source=source, floating=self.floating)
        self.made: dict[str, Made] = {}
        self.refusals: list[Refusal] = []
        self.node: OnnxNode | None = None
        self.ahead: dict[str, Ref] = {}
        self._values: dict[str, Value] = {"": Parts()}
        self._stored: dict[tuple[str, str, bool], Ref] = {}
        self._users: dict[str, list[OnnxNode]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self._users.setdefault(name, []).append(node)
        self.readers = Counter({name: len(users) for name, users in self._users.items()})
        self.readers.update(port.name for port in graph.outputs)
        first = next((port.dims[0] for port in graph.inputs if port.dims), None)
        self.batch = first if isinstance(first, int) else None
        self._samples: Ref | None = None
        self._firsts: dict[str, int] = {}  # the number of the first element of stored weights
        self._end = 0
        for port, shape in shapes(graph.inputs, stated):
            if isinstance(shape, Unsupported):
                self.refusals.append(shape.at(f"input {port.name}"))
                continue
            kind = self.word(DTYPES[port.dtype])
            name = port.name.replace("/", "_")
            self._values[port.name] = ref = self.draft.input(name, shape, None if kind == "float" else kind)
            self._samples = self._samples or ref
        for stored in graph.initializers.values():
            arrays = (stored.array, stored.array)
            self._values[stored.name] = Constant(arrays, stored.is_known, stored.name, _learnt(stored))

    # -- what rules ask --------------------------------------------------------------------------------------------

    def value(self, name: str) -> Value:
        """What a tensor of the file is."""
        if name not in self._values:
            raise Unsupported(f"it reads {name}, which nothing gives")
        return self._values[name]

    def constant(self, name: str) -> Constant | None:
        """A tensor that no input decides; ``None`` for others."""
        value = self.value(name)
        return value if isinstance(value, Constant) else None

    def owned(self, value: Constant) -> bool:
        """Whether a stored tensor is some layer's weight already."""
        return self.owners.name(value.source) is not None

    def get(self, name: str) -> Value | None:
        """What a tensor is, as far as that is known yet."""
        return self._values.get(name)

    def settle(self, name: str, value: Value) -> None:
        """Say what a tensor of the file is."""
        self._values[name] = value

    def following(self, node: OnnxNode) -> OnnxNode | None:
        """The only node that reads the first output of a node, if nothing else does."""
        name = node.outputs[0]
        return self._users[name][0] if self.readers[name] == 1 and name in self._users else None

    def tied(self, weight: Constant) -> bool:
        """Whether nodes of several kinds read a weight, such as an embedding and the last product."""
        kinds, names = set(), [weight.source]
        for name in names:
            for node in self._users.get(name, ()) if name else ():
                if node.kind in ("Transpose", "Identity", "Cast"):
                    names.append(node.outputs[0])
                else:
                    kinds.add("product" if node.kind in ("MatMul", "Gemm") else node.kind)
        return len(kinds) > 1

    def has(self, node: OnnxNode, place: int) -> bool:
        """Whether an input of a node is given."""
        return place < len(node.inputs) and node.inputs[place] != ""

    def weight(self, node: OnnxNode, place: int, what: str) -> Constant:
        """An input that must be stored, or be computed from what is.

        Raises:
            Unsupported: it depends on the graph's inputs.
        """
        weight = self.constant(node.inputs[place]) if self.has(node, place) else None
        if weight is None:
            raise Unsupported(f"its {what} is computed in the graph", f"a {what} that is stored in the file")
        return weight

    def numbered(self, value: Constant) -> Constant:
        """The numbers of a stored weight's elements, in the layout in which it is read, instead of them."""
        if value.numbered:
            return value
        first = self._firsts.setdefault(value.source, self._end)
        stored = self.graph.initializers[value.source].array
        self._end = max(self._end, first + stored.size)
        if stored.shape != value.shape:
            raise Unsupported("its weight is laid anew before it is cut", "a weight that is cut as it is stored")
        numbers = np.arange(first, first + stored.size).reshape(stored.shape)
        return Constant((numbers, numbers), learnt=True, numbered=True)

    def stored(self, value: Constant) -> Constant:
        """The stored weight whose elements, one after another, a tensor has.

        Raises:
            Unsupported: it is put together of parts of several.
        """
        if not value.numbered:
            return value
        numbers = value.arrays[0]
        for source, first in self._firsts.items():
            array = self.graph.initializers[source].array
            if array.shape == numbers.shape and np.array_equal(numbers.reshape(-1), first + np.arange(array.size)):
                return Constant((array, array), self.graph.initializers[source].is_known, source, learnt=True)
        raise Unsupported("its weight is put together of parts of others", "weights that are stored whole")

    def numbers(self, node: OnnxNode, place: int, attribute: str = "") -> list[int] | None:
        """Whole numbers that are an input or, in older opsets, an attribute; ``None`` where they are left out.

        Raises:
            Unsupported: they are computed from the graph's inputs, or differ with the batch.
        """
        if not self.has(node, place):
            numbers = node.attributes.get(attribute)
            numbers = numbers if numbers is None or isinstance(numbers, (list, tuple)) else [numbers]
            return None if numbers is None else [int(number) for number in numbers]
        value = self.constant(node.inputs[place])
        if value is None or not value.is_known or not value.steady:
            raise Unsupported(f"its {attribute or 'arguments'} are computed from its inputs", "fixed ones")
        return [int(number) for number in value.arrays[0].reshape(-1)]

    def number(self, node: OnnxNode, place: int, attribute: str, default: float | None = None) -> float | None:
        """A number that is an input or an attribute.

        Raises:
            Unsupported: it is computed from the graph's inputs.
        """
        if not self.has(node, place):
            number = node.attributes.get(attribute, default)
            return None if number is None else float(number)
        value = self.constant(node.inputs[place])
        number = None if value is None else value.number
        if number is None:
            raise Unsupported(f"its {attribute} is computed from its inputs", "a fixed one")
        return float(number)

    def sizes(self, ref: Ref) -> tuple[int | LinearSize, ...]:
        """The shape of a tensor."""
        return self.draft.sizes(ref)

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """The shape of a tensor at the first batch."""
        return self.draft.tensor(ref).shape

    def dtype(self, ref: Ref) -> str:
        """The type of a tensor."""
        return self.draft.tensor(ref).dtype or self.floating

    def floats(self, ref: Ref) -> bool:
        """Whether a tensor holds floating numbers."""
        return self.draft.tensor(ref).floating

    def word(self, dtype: str) -> str:
        """How an op of the design calls a type; ``float`` is the floating type of the file."""
        return "float" if dtype == self.floating else dtype

    def maker(self, value: Value, kind: str) -> Made | None:
        """The layer that gives a tensor, if it is of that kind and this is its first output."""
        made = self.made.get(value.node) if isinstance(value, Ref) and value.output == 0 else None
        return made if made is not None and type(made.op).__name__ == kind else None

    def alone(self, made: Made, name: str) -> bool:
        """Whether a node that reads the tensor ``name`` is the only one that reads what the layer gives."""
        return made.tensor == name and self.readers[name] == 1

    def target(self, node: OnnxNode, before: Sequence[int | LinearSize]) -> tuple[int | LinearSize, ...]:
        """The shape that a node of the Reshape family gives a tensor."""
        if node.kind == "Reshape":
            wanted = self.constant(node.inputs[1]) if len(node.inputs) > 1 else None
            if wanted is None and "shape" in node.attributes:
                shape = np.asarray(node.attributes["shape"])
                wanted = Constant((shape, shape))
            if wanted is None or not wanted.is_known:
                raise Unsupported("its shape is computed from its inputs", "a shape that follows from other shapes")
            return resolved(wanted, before, self.batch, zeros=bool(node.attributes.get("allowzero", 0)))
        if node.kind == "Flatten":
            axis = int(node.attributes.get("axis", 1)) % (len(before) + 1)
            return flattened(before, axis)
        axes = self.numbers(node, 1, "axes")
        if node.kind == "Unsqueeze":
            ndim = len(before) + len(axes or [])
            new = {axis % ndim for axis in axes or []}
            rest = iter(before)
            return tuple(1 if dim in new else next(rest) for dim in range(ndim))
        gone = {axis % len(before) for axis in axes} if axes is not None else {
            dim for dim, size in enumerate(before) if size == 1
        }  # fmt: skip
        return tuple(size for dim, size in enumerate(before) if dim not in gone)

    # -- what rules make -------------------------------------------------------------------------------------------

    def op(self, kind: str, **arguments: Any) -> Op:
        """An op of the registry.

        Raises:
            Unsupported: there is none, or it does not take these arguments.
        """
        if kind not in REGISTRY:
            raise Unsupported(f"archscope has no op {kind}", f"the op {kind}")
        try:
            return REGISTRY[kind](**arguments)
        except (FieldError, TypeError) as error:
            raise Unsupported(f"{kind} does not take it: {error}") from None

    def layer(
        self,
        kind: str,
        *inputs: Ref,
        weights: Mapping[str, Constant] | None = None,
        instead: Made | None = None,
        **arguments: Any,
    ) -> tuple[Ref, ...]:
        """A layer; its outputs.

        Args:
            kind: the op's name.
            weights: what its parameters and buffers are; those that are missing the file does not have.
            instead: a layer of which this one takes the place, with its weights.

        Raises:
            Unsupported: there is no such op, or it does not take these inputs.
        """
        return self._layer(self.op(kind, **arguments), inputs, weights or {}, self._called(weights or {}), instead)

    def _layer(
        self,
        op: Op,
        inputs: tuple[Ref, ...],
        weights: Mapping[str, Constant],
        called: tuple[str, str, bool],
        instead: Made | None = None,
    ) -> tuple[Ref, ...]:
        if instead is not None:
            self.owners.release(instead.weights)
        try:
            mark = self._mark(weights)
            refs = self.draft.layer("", op, inputs, shares=self.owners.first(op, weights), dtype=mark)
        except Unfit as error:
            raise Unsupported(str(error)) from None
        _hold_fitting(op, [self.draft.tensor(ref) for ref in inputs], weights)
        tensor = next(iter(self.node.outputs), "") if self.node is not None else ""
        self.made[refs[0].node] = Made(op, inputs, *called, weights, tensor)
        self.owners.enter(op, weights, called[0], refs[0])
        return refs

    def _mark(self, weights: Mapping[str, Constant]) -> str | None:
        """The floating type of a layer's weights, where it is not the one of the file.

        Raises:
            Unsupported: they have several.
        """
        kinds = {_named(value.arrays[0]) for name, value in weights.items() if name and value.floating}
        if len(kinds) > 1:
            raise Unsupported(f"its weights are {' and '.join(sorted(kinds))}", "weights of one floating type")
        return next((kind for kind in kinds if kind in HELD and kind != self.floating), None)

    def emit(self, kind: str, *inputs: Ref, **arguments: Any) -> Ref:
        """The first output of a layer: as :meth:`layer`."""
        return self.layer(kind, *inputs, **arguments)[0]

    def steps(self, ref: Ref, steps: Iterable[Rearrangement]) -> Ref:
        """Ops applied one after another."""
        for kind, arguments in steps:
            ref = self.emit(kind, ref, **arguments)
        return ref

    def reshaped(self, ref: Ref, after: Sequence[int | LinearSize]) -> Ref:
        """The tensor in another shape."""
        return self.steps(ref, reshaping(self.sizes(ref), after))

    def ref(self, value: Value, *, expand: bool = False) -> Ref:
        """A tensor as a layer's input: what is stored becomes a layer of its own.

        Args:
            expand: whether its dimension 0, which is 1, is repeated for every sample.
        """
        if isinstance(value, Ref):
            return value
        if not isinstance(value, Constant):
            raise Unsupported("it reads a sequence of tensors", "a tensor")
        if value.learnt or (value.source and self.graph.initializers[value.source].role == "BUFFER"):
            return self._source(value, expand=expand)
        return self._constant(value, expand=expand)

    def _constant(self, value: Constant, *, expand: bool) -> Ref:
        """The layer of a constant."""
        dtype = {"i": "int64", "b": "bool", "u": "int64"}.get(value.arrays[0].dtype.kind)
        if value.arrays[0].dtype == np.int32:
            dtype = "int32"
        kind = _named(value.arrays[0])
        if dtype is None and kind in HELD and kind != self.floating:
            dtype = kind
        arguments: dict[str, Any] = {} if dtype is None else {"dtype": dtype}
        first, *rest = value.sizes or (1,)
        if BATCH in rest and not varies(first):  # the states of recurrent layers, a level before the samples
            dim = value.sizes.index(BATCH)
            one, other = (np.swapaxes(array, 0, dim) for array in value.arrays)
            samples = self._constant(replace(value, arrays=(one, other)), expand=expand)
            return self.emit("Transpose", samples, dim0=0, dim1=dim)
        if any(map(varies, rest)) or (varies(first) and first != BATCH):
            what = "a constant of it has a size that depends on the batch"
            raise Unsupported(what, "such a size in dimension 0 alone")
        if varies(first) or expand:
            arguments |= value_of(_sample(value), self.value_file)
            lender = self.lender()
            return self.emit("Constant", lender, shape=[1, *rest], expand=True, weights={"": value}, **arguments)
        arguments |= value_of(value.arrays[0] if value.is_known and value.steady else None, self.value_file)
        return self.emit("Constant", shape=[first, *rest], weights={"": value}, **arguments)

    def lender(self) -> Ref:
        """A tensor that has the batch as its dimension 0."""
        if self._samples is None:
            raise Unsupported("its size follows the batch, and the graph has no input", "an input")
        return self._samples

    def _source(self, value: Constant, *, expand: bool) -> Ref:
        """The layer of a stored tensor, in the layout in which it is read."""
        stored = self.graph.initializers.get(value.source)
        whole = stored.array if stored is not None else value.arrays[0]
        lends = (self.lender(),) if expand and not value.steps else ()
        kind, name = ("Parameter", "weight") if value.learnt else ("Buffer", "value")
        key = (kind, value.source, bool(lends))
        if key not in self._stored:
            if value.source and self.owners.name(value.source) is not None:
                raise Unsupported(
                    f"its weight {value.source} is also that of another layer, in another role",
                    "weights that one kind of layer uses",
                )
            arguments: dict[str, Any] = {"expand": True} if lends else {}
            if kind == "Buffer":
                arguments |= value_of(whole if value.is_known else None, self.value_file)
            original = {name: Constant((whole, whole), value.is_known, value.source, value.learnt)}
            op = self.op(kind, shape=list(whole.shape), **arguments)
            (self._stored[key],) = self._layer(op, lends, original, self._called_itself(value.source, original))
            self.owners.alone(value.source)
        ref = self.steps(self._stored[key], value.steps)
        if expand and not lends:
            ref = self.emit("Expand", ref, self.lender(), sizes=[-1] * len(value.shape))
        return ref

    # -- names -----------------------------------------------------------------------------------------------------

    def _called(self, weights: Mapping[str, Constant]) -> tuple[str, str, bool]:
        """What a layer is called: after its weights, else after the module and the node that it comes of."""
        module, own = self._scope()
        for value in weights.values():
            stem, _, last = value.source.replace("/", ".").rpartition(".")
            if stem and last.split(":")[0] in _WEIGHTS:
                return stem, f"{stem}.{own}", True
        return module, "", False

    def _called_itself(self, source: str, weights: Mapping[str, Constant]) -> tuple[str, str, bool]:
        """What the layer is called that gives a tensor which is no layer's: as that is."""
        if not source:
            return self._called(weights)
        name = source.replace("/", ".")
        return name, f"{name}.{self._scope()[1]}", True

    def _scope(self) -> tuple[str, str]:
        return self.node.scope if self.node is not None else ("", "constant")


#: what a node becomes: the values of its outputs
Rule = Callable[[GraphLifting, OnnxNode], "Sequence[Value] | Value"]


def _sample(value: Constant) -> Array | None:
    """What a constant is for every sample, where it is the same for all."""
    one, other = value.arrays
    same = value.is_known and one.ndim and one.shape[1:] == other.shape[1:] and one.size
    return one[:1] if same and bool((one == one[:1]).all() and (other == one[:1]).all()) else None


def _hold_fitting(op: Op, x: Sequence[Tensor], weights: Mapping[str, Constant]) -> None:
    own = {**op.parameters(*x), **op.buffers(*x)}
    for name, value in weights.items():
        if name and value.shape != own[name].shape:
            raise Unsupported(
                f"its {name} has the shape {value.shape}, where {own[name].shape} would suit what arrives"
            )


def _named(array: Array) -> str:
    """The type of an array's elements."""
    return str(array.dtype.name)


def _floating(graph: Graph) -> str:
    """The floating type of a file, by its weights and inputs: the one that all have, float32 where they are several."""
    weights = {_named(stored.array) for stored in graph.initializers.values() if _learnt(stored)} & {*HELD}
    inputs = {DTYPES.get(port.dtype, "") for port in graph.inputs} & {*HELD}
    dtypes = weights | inputs
    return dtypes.pop() if len(dtypes) == 1 else "float32"


def _learnt(stored: Initializer) -> bool:
    """Whether a stored tensor is a weight; files of torch's newer exporter tell it of most."""
    array = stored.array
    if array.dtype.kind in "iub" or stored.role == "BUFFER" or array.ndim == 0:
        return False
    if stored.role:
        return True
    generated = array.size == 1 and "." not in stored.name
    return not generated and not (stored.is_known and array.dtype.kind == "f" and _masks(array))


def _masks(array: Array) -> bool:
    """Whether it holds numbers that no weight has: the folded mask of an attention."""
    return bool((array < max(-1e30, float(np.finfo(array.dtype).min))).any())
