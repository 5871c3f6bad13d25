"""The nodes of an ONNX graph made layers, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.reshaping import reshaping
from archscope.backends.importing.sizes import LinearSize, at
from archscope.backends.onnx.file import Graph, OnnxNode, hollow
from archscope.backends.onnx.folding import LAYOUT, MOST_NUMBERED, evaluated, foldable, gates
from archscope.backends.onnx.lifting import GraphLifting
from archscope.backends.onnx.ports import DTYPES
from archscope.backends.onnx.rules import RULES
from archscope.backends.onnx.shapes import expanding
from archscope.backends.onnx.values import BATCHES, Constant, Parts, Value
from archscope.design.graph import Ref
from archscope.errors import UsageError
from archscope.spec.limits import MOST_LAYERS

#: nodes that ask for sizes alone
_MEASURES = ("Shape", "Size")


class Lifter:
    """A graph made layers, one node after another.

    Attributes:
        folded: how many nodes were evaluated.
    """

    def __init__(self, graph: Graph, shapes: Mapping[str, Sequence[int]], title: str) -> None:
        self.lifting = GraphLifting(graph, shapes, title)
        self.folded = 0
        self._lost = {port.name for port in graph.inputs if self.lifting.get(port.name) is None}
        self._types: dict[str, Mapping[str, int]] = {}
        self._gates = gates(graph.nodes, {port.name for port in graph.outputs})

    def run(self) -> None:
        """Make layers of all nodes, and of the outputs that no input decides; what cannot be is refused."""
        for node in self.lifting.graph.nodes:
            if len(self.lifting.made) > MOST_LAYERS:
                raise UsageError(f"the graph has more than {MOST_LAYERS:,} layers, the most of a design")
            self.lifting.node = node
            try:
                self._node(node)
            except Unsupported as error:
                self.lifting.refusals.append(error.at(f"node {node.name} (op {node.kind})"))
                self._lost.update(node.outputs)
        for port in self.lifting.graph.outputs:
            try:
                self._output(port.name)
            except Unsupported as error:
                self.lifting.refusals.append(error.at(f"output {port.name}"))

    def _node(self, node: OnnxNode) -> None:
        if any(name in self._lost for name in node.inputs):
            if node.kind not in RULES and not foldable(node) and node.kind not in _MEASURES:
                raise _no_op(node)
            self._lost.update(node.outputs)
        else:
            self._set(node, self._folded(node) or self._lifted(node))

    def _output(self, name: str) -> None:
        value = self.lifting.get(name)
        if value is None and not self.lifting.refusals:
            raise Unsupported("nothing gives it", "a node that does")
        if isinstance(value, Constant):
            self.lifting.settle(name, self.lifting.ref(value))

    def _set(self, node: OnnxNode, values: Sequence[Value]) -> None:
        for name, value in zip(node.outputs, values, strict=False):
            self.lifting.settle(name, value)
        for name in node.outputs[len(values) :]:
            if name and self.lifting.readers[name]:
                raise Unsupported(f"its output {name} is read", "an op with that output")

    def _lifted(self, node: OnnxNode) -> Sequence[Value]:
        rule = RULES.get(node.kind)
        if rule is None:
            raise _no_op(node)
        self._check_attributes(node)
        try:
            values = rule(self.lifting, node)
        except (IndexError, KeyError, TypeError, ValueError) as error:  # inputs or attributes that it must have
            raise Unsupported(f"it is malformed: {str(error) or type(error).__name__}", "a sound model") from None
        return [values] if isinstance(values, (Ref, Constant, Parts)) else values

    def _check_attributes(self, node: OnnxNode) -> None:
        """Hold that attributes are of the types that ONNX gives them: a kernel's groups are no 1.5."""
        from onnx import AttributeProto

        types = self._types.get(node.kind)
        if types is None:
            types = self._types[node.kind] = _attribute_types(node.proto.op_type, self.lifting.graph.opsets)
        for one in node.proto.attribute:
            if one.name in types and one.type != types[one.name] and not one.ref_attr_name:
                names = AttributeProto.AttributeType.Name
                here, right = (names(kind).lower() for kind in (one.type, types[one.name]))
                raise Unsupported(f"its attribute {one.name} is of the type {here}", f"one of the type {right}")

    def _folded(self, node: OnnxNode) -> list[Constant] | None:
        """The outputs of a node that no input of the graph decides."""
        if node.kind == "Constant":
            return [_constant(node)]
        values = [self.lifting.value(name) for name in node.inputs]
        if node.kind in _MEASURES and isinstance(values[0], (Ref, Constant)):
            return [self._measured(node, values[0])]
        if node.kind == "CastLike" and isinstance(values[0], Constant) and isinstance(values[1], Ref):
            return [_cast(values[0], self.lifting.dtype(values[1]))]
        if any(isinstance(value, Ref) or (isinstance(value, Parts) and value.tensors) for value in values):
            return None
        inputs = [value if isinstance(value, Constant) else None for value in values]
        if node.kind == "Expand" and inputs[0] is not None and inputs[1] is not None:
            inputs[1] = expanding(inputs[1], inputs[0].sizes, self.lifting.batch)
        held = [value for value in inputs if value is not None]
        if self._gates.issuperset(node.outputs):
            return self._reordered(node, inputs)
        if held and held[0].source and node.kind in LAYOUT and all(value.is_known for value in held[1:]):
            return [self._rearranged(node, held)]
        if not foldable(node) or any(value.learnt or not value.is_known for value in held):
            return None
        outputs = evaluated(node, inputs, self.lifting.graph.opsets)
        self.folded += outputs is not None
        return outputs

    def _reordered(self, node: OnnxNode, inputs: Sequence[Constant | None]) -> list[Constant] | None:
        """Weights cut and joined: which of the stored elements each element is."""
        numbers = [value and (self.lifting.numbered(value) if value.learnt else value) for value in inputs]
        outputs = evaluated(node, numbers, self.lifting.graph.opsets, most=MOST_NUMBERED)
        return outputs and [replace(one, learnt=True, numbered=True) for one in outputs]

    def _measured(self, node: OnnxNode, value: Ref | Constant) -> Constant:
        sizes = self.lifting.sizes(value) if isinstance(value, Ref) else value.sizes
        shapes = [tuple(at(size, batch) for size in sizes) for batch in BATCHES]
        if node.kind == "Size":
            one, other = (np.asarray(int(np.prod(shape, dtype=object)), np.int64) for shape in shapes)
        else:
            part = slice(node.attributes.get("start", 0), node.attributes.get("end"))
            one, other = (np.asarray(shape[part], np.int64) for shape in shapes)
        return Constant((one, one if np.array_equal(one, other) else other))

    def _rearranged(self, node: OnnxNode, held: Sequence[Constant]) -> Constant:
        """A stored tensor in another layout."""
        value, array = held[0], held[0].arrays[0]
        if node.kind == "Cast":
            return _cast(value, _type_named(node.attributes["to"]))
        if node.kind in ("Identity", "CastLike"):
            return value
        if node.kind == "Transpose":
            order = [int(dim) for dim in node.attributes.get("perm", reversed(range(array.ndim)))]
            moved = array.transpose(order)
            return value.rearranged((moved, moved), ("Permute", {"dims": order}))
        after = self.lifting.target(node, array.shape)
        shape = tuple(size for size in after if not isinstance(size, LinearSize))
        if len(shape) < len(after):
            raise Unsupported("a stored tensor of it takes a shape that depends on the batch")
        other = array.reshape(shape) if value.is_known else np.broadcast_to(np.zeros((), array.dtype), shape)
        return value.rearranged((other, other), *reshaping(array.shape, shape))


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


def _no_op(node: OnnxNode) -> Unsupported:
    if node.kind in ("If", "Loop", "Scan"):
        return Unsupported("what runs depends on values", "a graph without control flow")
    return Unsupported("no op", f"an op that does what {node.kind} does")


def _constant(node: OnnxNode) -> Constant:
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
        raise Unsupported("it is no constant of numbers", "a tensor of numbers")
    return Constant((array, array))


def _type_named(number: int) -> str:
    """A type by its number in ONNX."""
    from onnx import TensorProto

    return DTYPES.get(TensorProto.DataType.Name(number), "")


def _cast(value: Constant, dtype: str) -> Constant:
    """A stored tensor in another type: what a layer has of it then."""
    if value.arrays[0].dtype.name == dtype or dtype in ("", "bfloat16"):  # which NumPy does not know
        return value
    kind = np.dtype(dtype)
    if value.is_known:
        one, other = (array.astype(kind) for array in value.arrays)
    else:
        one, other = (hollow(array.shape, kind) for array in value.arrays)
    return replace(value, arrays=(one, other))
