"""ONNX files put together by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dims = Sequence[int | str]
_KINDS = {
    "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64,
    "int32": TensorProto.INT32, "bool": TensorProto.BOOL,
}  # fmt: skip


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    """A node; names of inputs and outputs are words, and ``-`` is an input that is left out."""
    given = ["" if word == "-" else word for word in inputs.split()]
    return helper.make_node(kind, given, outputs.split(), name=f"/{outputs.split(maxsplit=1)[0]}/{kind}", **attributes)


def weight(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.asarray(numbers, np.int64)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    stored: Mapping[str, Any] | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Dims | None] | Sequence[str] = ("y",),
    opset: int = 20,
    given: str = "float32",
) -> Path:
    """Write a model; sizes of outputs that are left out are inferred by onnx.

    Args:
        inputs: sizes by name, or sizes and a dtype.
        outputs: names, with the sizes that are declared.
        given: the type of the outputs.
    """
    values = []
    for name, said in (inputs or {"x": ("N", 4, 8, 8)}).items():
        dims, dtype = said if isinstance(said[0], tuple) else (said, "float32")
        values.append(helper.make_tensor_value_info(name, _KINDS[dtype], dims))
    declared = outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs)
    results = [helper.make_tensor_value_info(name, _KINDS[given], dims) for name, dims in declared.items()]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (stored or {}).items()]
    graph = helper.make_graph(list(nodes), "graph", values, results, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    known = not any(one.domain for one in nodes)
    onnx.save(onnx.shape_inference.infer_shapes(model) if known else model, path)
    return path
