"""The nodes of an ONNX graph made layers, one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archscope.backends.constants import Kept, contents
from archscope.backends.imported import Refusal
from archscope.backends.onnx.file import Array, Graph, Node, Port, Stored
from archscope.backends.onnx.folding import LAYOUT, evaluated, foldable
from archscope.backends.onnx.values import (
    BATCHES,
    Fixed,
    Parts,
    Refused,
    Size,
    Step,
    Value,
    at,
    groups,
    pairs,
    reshaping,
    varies,
)
from archscope.errors import UsageError
from archscope.graph import Input, Ref
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.base import Tensors
from archscope.ops.fields import FieldError
from archscope.ops.legal import apply
from archscope.spec.limits import MOST_LAYERS

#: types of tensors by ONNX's names
DTYPES: Mapping[str, str | None] = {
    "FLOAT": None, "FLOAT16": None, "DOUBLE": None, "BFLOAT16": None,
    "INT64": "int64", "INT32": "int32", "BOOL": "bool",
}  # fmt: skip

#: nodes that ask for sizes alone
_MEASURES = ("Shape", "Size")

#: last parts of the names of weights, after the name of the layer
_WEIGHTS = frozenset(("weight", "bias", "kernel", "gamma", "beta", "scale", "weights", "W", "B"))


@dataclass(frozen=True)
class Made:
    """A layer that was made, by a name for the time being.

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
    weights: Mapping[str, Fixed] = field(default_factory=dict)
    shares: str | None = None
    tensor: str = ""


Rule = Callable[["Lift", Node], "Sequence[Value] | Value"]


class Lift:
    """A graph on its way to a design.

    Attributes:
        batch: the batch that the file is written for, where it is written for one.
        made: the layers so far, by their names for the time being, in the order of execution.
        ahead: tensors whose nodes are part of a layer that was made before them.
        readers: how many nodes and outputs read a tensor.
        folded: how many nodes were evaluated.
        kept: values of constants that go into a file beside the spec.
        doubled: stored tensors that several layers use, of which each counts its own.
    """

    def __init__(self, graph: Graph, sizes: Mapping[str, Sequence[int]], rules: Mapping[str, Rule], title: str) -> None:
        self.graph, self._rules, self.kept = graph, rules, Kept(title)
        self.made: dict[str, Made] = {}
        self.inputs: dict[str, Input] = {}
        self.refusals: list[Refusal] = []
        self.folded = 0
        self._values: dict[str, Value] = {"": Parts()}
        self._tensors: dict[Ref, tuple[Tensor, Tensor]] = {}
        self._lost: set[str] = set()
        self._sources: dict[tuple[str, ...], str] = {}
        self._owners: dict[str, str] = {}
        self._node: Node | None = None
        self._storing = False
        self.doubled: set[str] = set()
        self.ahead: dict[str, Ref] = {}
        self._types: dict[str, Mapping[str, int]] = {}
        self._users: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in node.inputs:
                self._users.setdefault(name, []).append(node)
        self.readers = Counter({name: len(users) for name, users in self._users.items()})
        self.readers.update(port.name for port in graph.outputs)
        first = next((port.dims[0] for port in graph.inputs if port.dims), None)
        self.batch = first if isinstance(first, int) else None
        self._enter(sizes)
        for stored in graph.stored.values():
            arrays = (stored.array, stored.array)
            self._values[stored.name] = Fixed(arrays, stored.known, stored.name, _learnt(stored))

    # -- inputs ----------------------------------------------------------------------------------------------------

    def _enter(self, given: Mapping[str, Sequence[int]]) -> None:
        known: dict[str, int] = {}
        for port in self.graph.inputs:
            if port.name in given and port.dims is not None and len(given[port.name]) == len(port.dims) - 1:
                pairs_ = zip(port.dims[1:], given[port.name], strict=True)
                known |= {dim: size for dim, size in pairs_ if isinstance(dim, str)}
        unknown = sorted(set(given) - {port.name for port in self.graph.inputs})
        if unknown:
            names = ", ".join(port.name for port in self.graph.inputs) or "none"
            raise UsageError(f"the model has no input {unknown[0]}; its inputs: {names}")
        for number, port in enumerate(self.graph.inputs):
            place = f"input {port.name}"
            try:
                shape = _shape(port, given.get(port.name), known)
            except Refused as error:
                self.refusals.append(Refusal(place, error.what, error.needed))
                self._lost.add(port.name)
                continue
            node = Input(f"i{number}", shape, DTYPES[port.dtype])
            self.inputs[node.name] = node
            self._tensors[Ref(node.name)] = (node.tensor(BATCHES[0]), node.tensor(BATCHES[1]))
            self._values[port.name] = Ref(node.name)

    # -- what rules ask --------------------------------------------------------------------------------------------

    def value(self, name: str) -> Value:
        """What a tensor of the file is."""
        if name not in self._values:
            raise Refused(f"it reads {name}, which nothing gives")
        return self._values[name]

    def fixed(self, name: str) -> Fixed | None:
        """A tensor that no input decides; ``None`` for others."""
        value = self.value(name)
        return value if isinstance(value, Fixed) else None

    def known(self, name: str) -> Value | None:
        """What a tensor is, as far as that is known yet."""
        return self._values.get(name)

    def settle(self, name: str, ref: Ref) -> None:
        """A tensor is the output of a layer."""
        self._values[name] = ref

    def following(self, node: Node) -> Node | None:
        """The only node that reads the first output of a node, if nothing else does."""
        name = node.outputs[0]
        return self._users[name][0] if self.readers[name] == 1 and name in self._users else None

    def owned(self, value: Fixed) -> bool:
        """Whether a stored tensor is some layer's weight already."""
        return value.source in self._owners

    def tied(self, weight: Fixed) -> bool:
        """Whether nodes of several kinds read a weight, such as an embedding and the last product."""
        kinds, names = set(), [weight.source]
        for name in names:
            for node in self._users.get(name, ()) if name else ():
                if node.kind in ("Transpose", "Identity", "Cast"):
                    names.append(node.outputs[0])
                else:
                    kinds.add("product" if node.kind in ("MatMul", "Gemm") else node.kind)
        return len(kinds) > 1

    def given(self, node: Node, place: int) -> bool:
        """Whether an input of a node is given."""
        return place < len(node.inputs) and node.inputs[place] != ""

    def weight(self, node: Node, place: int, what: str) -> Fixed:
        """An input that must be stored, or be computed from what is.

        Raises:
            Refused: it depends on the graph's inputs.
        """
        found = self.fixed(node.inputs[place]) if self.given(node, place) else None
        if found is None:
            raise Refused(f"its {what} is computed in the graph", f"a {what} that is stored in the file")
        return found

    def numbers(self, node: Node, place: int, attribute: str = "") -> list[int] | None:
        """Whole numbers that are an input or, in older opsets, an attribute; ``None`` where they are left out.

        Raises:
            Refused: they are computed from the graph's inputs, or differ with the batch.
        """
        if not self.given(node, place):
            found = node.attributes.get(attribute)
            return None if found is None else [int(v) for v in (found if isinstance(found, (list, tuple)) else [found])]
        value = self.fixed(node.inputs[place])
        if value is None or not value.known or not value.steady:
            raise Refused(f"its {attribute or 'arguments'} are computed from its inputs", "fixed ones")
        return [int(number) for number in value.arrays[0].reshape(-1)]

    def number(self, node: Node, place: int, attribute: str, default: float | None = None) -> float | None:
        """A number that is an input or an attribute.

        Raises:
            Refused: it is computed from the graph's inputs.
        """
        if not self.given(node, place):
            found = node.attributes.get(attribute, default)
            return None if found is None else float(found)
        value = self.fixed(node.inputs[place])
        found = None if value is None else value.number
        if found is None:
            raise Refused(f"its {attribute} is computed from its inputs", "a fixed one")
        return float(found)

    def sizes(self, ref: Ref) -> tuple[Size, ...]:
        """The shape of a tensor at both batches."""
        one, other = self._tensors[ref]
        return pairs(one.shape, other.shape)

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """The shape of a tensor at the first batch."""
        return self._tensors[ref][0].shape

    def dtype(self, ref: Ref) -> str | None:
        """The type of a tensor."""
        return self._tensors[ref][0].dtype

    def maker(self, value: Value, kind: str) -> Made | None:
        """The layer that gives a tensor, if it is of that kind and this is its first output."""
        made = self.made.get(value.node) if isinstance(value, Ref) and value.output == 0 else None
        return made if made is not None and type(made.op).__name__ == kind else None

    def alone(self, made: Made, name: str) -> bool:
        """Whether a node that reads the tensor ``name`` is the only one that reads what the layer gives."""
        return made.tensor == name and self.readers[name] == 1

    # -- what rules make -------------------------------------------------------------------------------------------

    def layer(
        self,
        kind: str,
        *inputs: Ref,
        weights: Mapping[str, Fixed] | None = None,
        instead: Made | None = None,
        **arguments: Any,
    ) -> tuple[Ref, ...]:
        """A layer; its outputs.

        Args:
            kind: the op's name.
            weights: what its parameters and buffers are; those that are missing the file does not have.
            instead: a layer of which this one takes the place, with its weights.

        Raises:
            Refused: there is no such op, or it does not take these inputs.
        """
        cls = REGISTRY.get(kind)
        if cls is None:
            raise Refused(f"archscope has no op {kind}", f"the op {kind}")
        try:
            op = cls(**arguments)
        except (FieldError, TypeError) as error:
            raise Refused(f"{kind} does not take it: {error}") from None
        both: list[Tensors] = []
        for which in range(2):
            outputs, violations = apply(op, tuple(self._tensors[ref][which] for ref in inputs))
            if violations:
                raise Refused("; ".join(violation.message for violation in violations))
            both.append(outputs)
        held = dict(weights or {})
        _fitting(op, [self._tensors[ref][0] for ref in inputs], held)
        name, longer, stemmed = self._names(held)
        if instead is not None:
            self._release(instead)
        key, tensor = f"n{len(self.made)}", ""
        if self._node is not None:
            tensor = next(iter(self._node.outputs), "")
        made = Made(op, inputs, name, longer, stemmed, held, self._shared(op, held, key), tensor)
        for value in held.values():
            if value.source:
                self._owners.setdefault(value.source, name)
        self.made[key] = made
        refs = tuple(Ref(key, number) for number in range(len(both[0])))
        self._tensors |= {ref: (one, other) for ref, one, other in zip(refs, *both, strict=True)}
        return refs

    def one(self, kind: str, *inputs: Ref, **arguments: Any) -> Ref:
        """The first output of a layer: as :meth:`layer`."""
        return self.layer(kind, *inputs, **arguments)[0]

    def steps(self, ref: Ref, steps: Iterable[Step]) -> Ref:
        """Ops applied one after another."""
        for kind, arguments in steps:
            ref = self.one(kind, ref, **arguments)
        return ref

    def reshaped(self, ref: Ref, after: Sequence[Size]) -> Ref:
        """The tensor in another shape."""
        return self.steps(ref, reshaping(self.sizes(ref), after))

    def wire(self, value: Value, *, expand: bool = False) -> Ref:
        """A tensor as a layer's input: what is stored becomes a layer of its own.

        Args:
            expand: whether its dimension 0, which is 1, is repeated for every sample.
        """
        if isinstance(value, Ref):
            return value
        if not isinstance(value, Fixed):
            raise Refused("it reads a sequence of tensors", "a tensor")
        if value.learnt or (value.source and self.graph.stored[value.source].role == "BUFFER"):
            return self._stored(value, expand)
        dtype = {"i": "int64", "b": "bool", "u": "int64"}.get(value.arrays[0].dtype.kind)
        if value.arrays[0].dtype == np.int32:
            dtype = "int32"
        given = {} if dtype is None else {"dtype": dtype}
        sizes = pairs(value.arrays[0].shape, value.arrays[1].shape) or ((1, 1),)
        if any(map(varies, sizes[1:])) or sizes[0] not in {BATCHES, (sizes[0][0],) * 2}:
            raise Refused("a constant of it has a size that depends on the batch", "such a size in dimension 0 alone")
        rest = [size[0] for size in sizes[1:]]
        if varies(sizes[0]) or expand:
            given |= self._holding(_sample(value))
            return self.one("Constant", self._lender(), shape=[1, *rest], expand=True, weights={"": value}, **given)
        given |= self._holding(value.arrays[0] if value.known and value.steady else None)
        return self.one("Constant", shape=[sizes[0][0], *rest], weights={"": value}, **given)

    def _holding(self, array: Array | None) -> dict[str, Any]:
        """The argument of a layer that gives what is known; none where nobody knows it."""
        if array is None or array.dtype.kind not in "fiub":
            return {}
        found = contents(array.astype(np.float32) if array.dtype == np.float16 else array, self.kept)
        return {} if found is None else {"value": found}

    def _lender(self) -> Ref:
        """A tensor that has the batch as its dimension 0."""
        for name in self.inputs:
            return Ref(name)
        raise Refused("its size follows the batch, and the graph has no input", "an input")

    def _stored(self, value: Fixed, expand: bool) -> Ref:
        """The layer of a stored tensor, in the layout in which it is read."""
        stored = self.graph.stored.get(value.source)
        whole = stored.array if stored is not None else value.arrays[0]
        original = Fixed((whole, whole), value.known, value.source, value.learnt)
        lends = (self._lender(),) if expand and not value.steps else ()
        kind = "Parameter" if value.learnt else "Buffer"
        key = (kind, value.source, str(bool(lends)))
        owner = self._owners.get(value.source)
        if key in self._sources:
            ref = Ref(self._sources[key])
        elif owner is not None and value.source:
            raise Refused(
                f"its weight {value.source} is also that of another layer, in another role",
                "weights that one kind of layer uses",
            )
        else:
            arguments: dict[str, Any] = {"expand": True} if lends else {}
            name = "weight" if kind == "Parameter" else "value"
            if kind == "Buffer":
                arguments |= self._holding(whole if value.known else None)
            self._storing = True
            try:
                ref = self.one(kind, *lends, shape=list(whole.shape), weights={name: original}, **arguments)
            finally:
                self._storing = False
            self._sources[key] = ref.node
            self._sources.pop((value.source,), None)
        ref = self.steps(ref, value.steps)
        if expand and not lends:
            ref = self.one("Expand", ref, self._lender(), sizes=[-1] * len(value.shape))
        return ref

    def _release(self, made: Made) -> None:
        """Its weights are free for the layer that takes its place."""
        names = tuple(value.source for value in made.weights.values())
        self._sources.pop(names, None)
        for name in names:
            self._owners.pop(name, None)

    def _shared(self, op: Op, weights: Mapping[str, Fixed], key: str) -> str | None:
        """The earlier layer that has the same weights.

        Raises:
            Refused: an earlier layer of another kind has some of them.
        """
        names = tuple(value.source for value in weights.values())
        if not names or not all(names):
            return None
        known = self._sources.get(names)
        if known is not None and self.made[known].op == op:
            return known
        mine = [value.source for value in weights.values() if value.source in self._owners and len(value.shape) > 1]
        self.doubled.update(name for name in names if name in self._owners)
        if mine:
            raise Refused(
                f"its weight {mine[0]} is also that of {self._owners[mine[0]]}, which is another kind of layer",
                "weights that one kind of layer uses",
            )
        self._sources[names] = key
        return None

    def _names(self, weights: Mapping[str, Fixed]) -> tuple[str, str, bool]:
        """What a layer is called: after its weights, else after the module and the node that it comes of."""
        module, own = self._node.scope if self._node is not None else ("", "constant")
        sources = [value.source.replace("/", ".") for value in weights.values() if value.source]
        if list(weights) in (["weight"], ["value"]) and sources and self._storing:  # a tensor that is no layer's
            return sources[0], f"{sources[0]}.{own}", True
        for source in sources:
            stem, _, last = source.rpartition(".")
            if stem and last.split(":")[0] in _WEIGHTS:
                return stem, f"{stem}.{own}", True
        return module, "", False

    # -- the run ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Make layers of all nodes; what cannot be made one is in :attr:`refusals`."""
        for node in self.graph.nodes:
            if len(self.made) > MOST_LAYERS:
                raise UsageError(f"the graph has more than {MOST_LAYERS:,} layers, the most of a design")
            self._node = node
            lost = any(name in self._lost for name in node.inputs)
            try:
                if lost:
                    if node.kind not in self._rules and not foldable(node) and node.kind not in _MEASURES:
                        raise _no_op(node)
                    self._lost.update(node.outputs)
                    continue
                self._set(node, self._folded(node) or self._lifted(node))
            except Refused as error:
                self.refusals.append(Refusal(f"node {node.name} (op {node.kind})", error.what, error.needed))
                self._lost.update(node.outputs)

    def _set(self, node: Node, values: Sequence[Value]) -> None:
        for name, value in zip(node.outputs, values, strict=False):
            self._values[name] = value
        for name in node.outputs[len(values) :]:
            if name and self.readers[name]:
                raise Refused(f"its output {name} is read", "an op with that output")

    def _lifted(self, node: Node) -> Sequence[Value]:
        rule = self._rules.get(node.kind)
        if rule is None:
            raise _no_op(node)
        self._check_attributes(node)
        try:
            found = rule(self, node)
        except (IndexError, KeyError, TypeError, ValueError) as error:  # inputs or attributes that it must have
            raise Refused(f"it is malformed: {str(error) or type(error).__name__}", "a sound model") from None
        return [found] if isinstance(found, (Ref, Fixed, Parts)) else found

    def _check_attributes(self, node: Node) -> None:
        """Hold that attributes are of the types that ONNX gives them: a kernel's groups are no 1.5."""
        from onnx import AttributeProto

        types = self._types.get(node.kind)
        if types is None:
            types = self._types[node.kind] = _attribute_types(node.proto.op_type, self.graph.opsets)
        for one in node.proto.attribute:
            if one.name in types and one.type != types[one.name] and not one.ref_attr_name:
                names = AttributeProto.AttributeType.Name
                told, right = (names(kind).lower() for kind in (one.type, types[one.name]))
                raise Refused(f"its attribute {one.name} is of the type {told}", f"one of the type {right}")

    def _folded(self, node: Node) -> list[Fixed] | None:
        """The outputs of a node that no input of the graph decides."""
        if node.kind == "Constant":
            return [_constant(node)]
        values = [self.value(name) for name in node.inputs]
        if node.kind in _MEASURES and isinstance(values[0], (Ref, Fixed)):
            return [self._measured(node, values[0])]
        if node.kind == "CastLike" and isinstance(values[0], Fixed) and isinstance(values[1], Ref):
            kind = np.dtype(self.dtype(values[1]) or np.float32)
            one, other = (array.astype(kind) for array in values[0].arrays)
            return [values[0] if values[0].source else Fixed((one, other))]
        if any(isinstance(value, Ref) or (isinstance(value, Parts) and value.tensors) for value in values):
            return None
        inputs = [value if isinstance(value, Fixed) else None for value in values]
        if node.kind == "Expand" and inputs[0] is not None and inputs[1] is not None:
            one, other = inputs[0].arrays
            inputs[1] = self.any_batch(inputs[1], pairs(one.shape, other.shape))
        held = [value for value in inputs if value is not None]
        if held and held[0].source and node.kind in LAYOUT and all(value.known for value in held[1:]):
            return [self._laid(node, held)]
        if not foldable(node) or any(value.learnt or not value.known for value in held):
            return None
        found = evaluated(node, inputs, self.graph.opsets)
        self.folded += found is not None
        return found

    def _measured(self, node: Node, value: Ref | Fixed) -> Fixed:
        shapes = (
            [tensor.shape for tensor in self._tensors[value]] if isinstance(value, Ref)
            else [array.shape for array in value.arrays]
        )  # fmt: skip
        if node.kind == "Size":
            one, other = (np.asarray(int(np.prod(shape, dtype=object)), np.int64) for shape in shapes)
        else:
            part = slice(node.attributes.get("start", 0), node.attributes.get("end"))
            one, other = (np.asarray(shape[part], np.int64) for shape in shapes)
        return Fixed((one, one if np.array_equal(one, other) else other))

    def _laid(self, node: Node, held: Sequence[Fixed]) -> Fixed:
        """A stored tensor in another layout."""
        value, array = held[0], held[0].arrays[0]
        if node.kind in ("Identity", "Cast", "CastLike"):
            return value
        if node.kind == "Transpose":
            order = [int(dim) for dim in node.attributes.get("perm", reversed(range(array.ndim)))]
            moved = array.transpose(order)
            return value.laid((moved, moved), ("Permute", {"dims": order}))
        before = pairs(array.shape, array.shape)
        after = self.target(node, before)
        if any(map(varies, after)):
            raise Refused("a stored tensor of it takes a shape that depends on the batch")
        shape = tuple(size[0] for size in after)
        other = array.reshape(shape) if value.known else np.broadcast_to(np.zeros((), array.dtype), shape)
        return value.laid((other, other), *reshaping(before, after))

    def target(self, node: Node, before: Sequence[Size]) -> tuple[Size, ...]:
        """The shape that a node of the Reshape family gives a tensor."""
        if node.kind == "Reshape":
            wanted = self.fixed(node.inputs[1]) if len(node.inputs) > 1 else None
            if wanted is None and "shape" in node.attributes:
                shape = np.asarray(node.attributes["shape"])
                wanted = Fixed((shape, shape))
            if wanted is None or not wanted.known:
                raise Refused("its shape is computed from its inputs", "a shape that follows from other shapes")
            return self._resolved(wanted, before, zeros=bool(node.attributes.get("allowzero", 0)))
        if node.kind == "Flatten":
            axis = int(node.attributes.get("axis", 1)) % (len(before) + 1)
            return _all(before[:axis]), _all(before[axis:])
        axes = self.numbers(node, 1, "axes")
        if node.kind == "Unsqueeze":
            ndim = len(before) + len(axes or [])
            new = {axis % ndim for axis in axes or []}
            rest = iter(before)
            return tuple((1, 1) if dim in new else next(rest) for dim in range(ndim))
        gone = {axis % len(before) for axis in axes} if axes is not None else {
            dim for dim, size in enumerate(before) if size == (1, 1)
        }  # fmt: skip
        return tuple(size for dim, size in enumerate(before) if dim not in gone)

    def _resolved(self, wanted: Fixed, before: Sequence[Size], *, zeros: bool) -> tuple[Size, ...]:
        """A shape with -1 and 0 in it; where the file is written for one batch, at any."""
        if self.batch is not None and wanted.steady and any(map(varies, before)):
            return self._reshaped_any_batch([int(size) for size in wanted.arrays[0]], before, zeros=zeros)
        shapes = [
            _filled([int(size) for size in wanted.arrays[k]], [size[k] for size in before], zeros=zeros)
            for k in range(2)
        ]
        return pairs(*shapes)

    def any_batch(self, target: Fixed, sizes: Sequence[Size]) -> Fixed:
        """A shape to expand to; in a file that is written for one batch that batch varies as what is expanded does."""
        if self.batch is None or not target.known or not target.steady or target.shape[0] < len(sizes):
            return target
        array = target.arrays[0]
        one, other = array.copy(), array.copy()
        for dim, size in enumerate(reversed(sizes), 1):
            if varies(size) and array[-dim] == at(size, self.batch):
                one[-dim], other[-dim] = size
        return Fixed((one, other))

    def _reshaped_any_batch(self, wanted: list[int], before: Sequence[Size], *, zeros: bool) -> tuple[Size, ...]:
        """A shape that is written for one batch: the size that comes of a varying one varies as that does."""
        assert self.batch is not None
        now = [at(size, self.batch) for size in before]
        after = _filled(wanted, now, zeros=zeros)
        found: list[Size] = [(size, size) for size in after]
        for old, new in groups(now, after):
            moving = [dim for dim in old if varies(before[dim])]
            if not moving:
                continue
            size, total = now[moving[0]], before[moving[0]]
            same = [dim for dim in new if after[dim] == size] or [dim for dim in new if after[dim] % max(size, 1) == 0]
            if not same:
                raise Refused(f"its shape {wanted} is written for a batch of {self.batch}", "an open batch")
            times = after[same[0]] // size
            found[same[0]] = (times * total[0], times * total[1])
        return tuple(found)


def _sample(value: Fixed) -> Array | None:
    """What a constant is for every sample, where it is the same for all."""
    one, other = value.arrays
    same = value.known and one.ndim and one.shape[1:] == other.shape[1:] and one.size
    return one[:1] if same and bool((one == one[:1]).all() and (other == one[:1]).all()) else None


def _fitting(op: Op, x: Sequence[Tensor], weights: Mapping[str, Fixed]) -> None:
    own = {**op.parameters(*x), **op.buffers(*x)}
    for name, value in weights.items():
        if name and value.shape != own[name].shape:
            raise Refused(f"its {name} has the shape {value.shape}, where {own[name].shape} would suit what arrives")


def _attribute_types(kind: str, opsets: Sequence[Any]) -> Mapping[str, int]:
    """The types of a node's attributes, by ONNX's own schema; nothing of a node that it does not know."""
    from onnx import defs

    version = next((one.version for one in opsets if one.domain in ("", "ai.onnx")), defs.onnx_opset_version())
    try:
        attributes = defs.get_schema(kind, version).attributes
    except defs.SchemaError:
        return {}
    kinds: Any = {name: one.type for name, one in attributes.items()}  # enumerations of the compiled part
    return {name: kind.value for name, kind in kinds.items()}


def _no_op(node: Node) -> Refused:
    if node.kind in ("If", "Loop", "Scan"):
        return Refused("what runs depends on values", "a graph without control flow")
    return Refused("no op", f"an op that does what {node.kind} does")


def _shape(port: Port, given: Sequence[int] | None, known: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of an input without the batch."""
    if port.dtype not in DTYPES:
        raise Refused(f"it holds {port.dtype.lower() or 'no tensor'}", "one of " + ", ".join(DTYPES).lower())
    if port.dims is None:
        if given is None:
            raise Refused("the file does not tell its shape", f"--input {port.name}=...")
        return tuple(given)
    if not port.dims:
        raise Refused("it is a single number", "an input whose dimension 0 is the batch")
    if given is not None:
        written = [f"({size})" if isinstance(size, str) else str(size) for size in port.dims[1:]]
        fits = len(given) == len(written) and all(
            isinstance(size, str) or size == other for size, other in zip(port.dims[1:], given, strict=True)
        )
        if not fits:
            raise Refused(f"{'x'.join(map(str, given))} does not fit its sizes {'x'.join(written)}")
        return tuple(given)
    shape = [known.get(size, 0) if isinstance(size, str) else size for size in port.dims[1:]]
    if 0 in shape:
        text = "x".join(str(size) for size in port.dims[1:])
        raise Refused(f"the file leaves some of its sizes open: {text}", f"--input {port.name}=...")
    return tuple(shape)


def _learnt(stored: Stored) -> bool:
    """Whether a stored tensor is a weight; files of torch's newer exporter tell it of most."""
    array = stored.array
    if array.dtype.kind in "iub" or stored.role == "BUFFER" or array.ndim == 0:
        return False
    if stored.role:
        return True
    generated = array.size == 1 and "." not in stored.name
    return not generated and not (stored.known and array.dtype.kind == "f" and _masks(array))


def _masks(array: Array) -> bool:
    """Whether it holds numbers that no weight has: the folded mask of an attention."""
    return bool((array < -1e30).any())


def _constant(node: Node) -> Fixed:
    from onnx import numpy_helper

    kind = next((name for name in node.attributes if name.startswith("value")), "")
    value: Any = node.attributes.get(kind)
    if kind == "value":
        array = numpy_helper.to_array(value)
    elif kind in ("value_int", "value_ints"):
        array = np.asarray(value, np.int64)
    elif kind in ("value_float", "value_floats"):
        array = np.asarray(value, np.float32)
    else:
        raise Refused("it is no constant of numbers", "a tensor of numbers")
    return Fixed((array, array))


def _all(sizes: Sequence[Size]) -> Size:
    one = other = 1
    for a, b in sizes:
        one, other = one * a, other * b
    return one, other


def _filled(wanted: list[int], before: list[int], *, zeros: bool) -> list[int]:
    sizes = [before[dim] if size == 0 and not zeros and dim < len(before) else size for dim, size in enumerate(wanted)]
    if -1 in sizes:
        rest = _all([(size, 1) for size in sizes if size != -1])[0]
        whole = _all([(size, 1) for size in before])[0]
        if sizes.count(-1) > 1 or rest <= 0 or whole % rest:
            raise Refused(f"a tensor of {tuple(before)} does not become {tuple(wanted)}")
        sizes[sizes.index(-1)] = whole // rest
    return sizes
