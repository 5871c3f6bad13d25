"""ONNX models of narrow numbers turned to float32: evaluators round those of 16 bits each in a way of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def widen(proto: Any) -> None:
    """Turn all numbers of 16 bits of a model into float32: what is stored, declared, and cast to."""
    _widen_graph(proto.graph)
    for function in proto.functions:
        _widen_nodes(function.node)


def _narrow() -> tuple[int, ...]:
    from onnx import TensorProto

    return TensorProto.FLOAT16, TensorProto.BFLOAT16


def _widen_graph(graph: Any) -> None:
    from onnx import TensorProto

    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for port in (*graph.input, *graph.output, *graph.value_info):
        if port.type.tensor_type.elem_type in _narrow():
            port.type.tensor_type.elem_type = TensorProto.FLOAT
    _widen_nodes(graph.node)


def _widen_nodes(nodes: Iterable[Any]) -> None:
    """Those of a graph, with the graphs that they hold, and the types that they name (of a cast, of what is drawn)."""
    from onnx import AttributeProto, TensorProto

    for attribute in (one for node in nodes for one in node.attribute):
        if attribute.type == AttributeProto.TENSOR:
            _widen_tensor(attribute.t)
        elif attribute.type == AttributeProto.GRAPH:
            _widen_graph(attribute.g)
        elif attribute.name in ("to", "dtype") and attribute.i in _narrow():
            attribute.i = TensorProto.FLOAT


def _widen_tensor(tensor: Any) -> None:
    from onnx import numpy_helper

    if tensor.data_type in _narrow():
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
