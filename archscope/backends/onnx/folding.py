"""Parts of a graph that no input decides, evaluated: the arithmetic on shapes that exporters leave in their files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.onnx.file import Array, OnnxNode
from archscope.backends.onnx.values import Constant

#: a tensor of more elements is not evaluated
MOST_ELEMENTS = 2**22
#: the same of weights that are cut and joined
MOST_NUMBERED = 2**24

#: nodes whose elements are known before any input is
_FOLDED = frozenset((
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat",
    "ConstantOfShape", "Cos", "CumSum", "Div", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor",
    "Gather", "GatherElements", "GatherND", "Greater", "GreaterOrEqual", "Identity", "IsInf", "IsNaN", "Less",
    "LessOrEqual", "Log", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or", "Pad", "Pow",
    "Range", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round",
    "ScatterElements", "ScatterND", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub",
    "Sum", "Tanh", "Tile", "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))  # fmt: skip
#: nodes that leave the elements of a weight alone
LAYOUT = frozenset(("Cast", "CastLike", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))


#: nodes that take recurrent weights, at these places, and those that put them together of stored tensors
_RECURRENT, _GATES = ("LSTM", "GRU", "RNN"), range(1, 4)
_JOINED = frozenset(("Concat", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"))


def gates(nodes: Sequence[OnnxNode], outputs: Collection[str]) -> frozenset[str]:
    """Tensors that are read as the weights of recurrent nodes alone, or to put such together.

    torch keeps the gates of a layer in another order than ONNX, and a tensor for each direction: its exporter leaves
    the slices and joins to the file.

    Args:
        outputs: of the graph.
    """
    weights: set[str] = set()
    others = set(outputs)
    for node in reversed(nodes):
        read = set(node.inputs)
        if node.kind in _RECURRENT:
            read = {name for place, name in enumerate(node.inputs) if place in _GATES}
            others |= set(node.inputs) - read
        elif node.kind not in _JOINED or not weights.issuperset(node.outputs) or not others.isdisjoint(node.outputs):
            others |= read
            continue
        weights |= read
    return frozenset(weights - others)


def foldable(node: OnnxNode) -> bool:
    """Whether a node can be evaluated, if its inputs are known."""
    return node.kind in _FOLDED


def evaluated(
    node: OnnxNode, inputs: Sequence[Constant | None], opsets: Sequence[Any], *, most: int = MOST_ELEMENTS
) -> list[Constant] | None:
    """The outputs of a node that no input of the graph decides; ``None`` where they would be too large.

    Raises:
        Unsupported: the node cannot be evaluated on these values.
    """
    steady = all(value is None or value.steady for value in inputs)
    results = []
    for which in range(1 if steady else 2):
        arrays = [None if value is None else value.arrays[which] for value in inputs]
        feeds = {name: array for name, array in zip(node.inputs, arrays, strict=True) if array is not None}
        try:
            if _elements(node, arrays) > most:
                return None
            results.append(_runner(node, tuple(feeds), opsets)(feeds))
        except Unsupported:
            raise
        except Exception as error:  # the evaluator tells what is wrong by every kind of exception
            lines = str(error).strip().splitlines()
            raise Unsupported(f"it cannot be evaluated: {lines[0][:150] if lines else type(error).__name__}") from None
    return [Constant((one, other)) for one, other in zip(results[0], results[-1], strict=True)]


def _runner(
    node: OnnxNode, names: tuple[str, ...], opsets: Sequence[Any]
) -> Callable[[Mapping[str, Array]], list[Array]]:
    """A function that runs a node by onnx's reference implementation."""
    from onnx import TypeProto, helper
    from onnx.reference import ReferenceEvaluator

    open_type = TypeProto()
    values = [helper.make_value_info(name, open_type) for name in names]
    outputs = [helper.make_value_info(name, open_type) for name in node.outputs if name]
    graph = helper.make_graph([node.proto], "node", values, outputs)
    evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=list(opsets)))
    return partial(_run, evaluator)


def _run(evaluator: Any, feeds: Mapping[str, Array]) -> list[Array]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [np.asarray(array) for array in evaluator.run(None, dict(feeds))]


def _elements(node: OnnxNode, x: Sequence[Array | None]) -> int:
    """How many elements the largest output has; an upper limit."""
    arrays = [array for array in x if array is not None]
    kind = node.kind
    if kind == "ConstantOfShape":
        return _product(arrays[0].tolist())
    if kind in ("Expand", "Tile"):
        return max(1, arrays[0].size) * _product(arrays[1].tolist())
    if kind == "Range":
        start, limit, delta = (float(array) for array in arrays)
        return int((limit - start) / delta) + 1 if delta else MOST_ELEMENTS + 1
    if kind in ("Gather", "GatherND", "OneHot"):
        depth = int(arrays[1].flat[0]) if kind == "OneHot" else arrays[0].size
        return depth * arrays[1 if kind != "OneHot" else 0].size if arrays[0].ndim + arrays[1].ndim > 1 else depth
    if kind == "Pad":
        pads = arrays[1] if len(arrays) > 1 else np.asarray(node.attributes["pads"])
        return _product(size + 2 * int(np.abs(pads).max(initial=0)) for size in arrays[0].shape)
    if kind in ("Concat", "Sum", "Mean"):
        return sum(array.size for array in arrays)
    try:
        return max(array.size for array in arrays) if len(arrays) < 2 else _product(_common(arrays))
    except ValueError:  # not elementwise: nothing larger than what arrives
        return sum(array.size for array in arrays)


def _common(arrays: Sequence[Array]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(array.shape for array in arrays))


def _product(sizes: Any) -> int:
    product = 1
    for size in sizes:
        product *= int(size)
    return product
