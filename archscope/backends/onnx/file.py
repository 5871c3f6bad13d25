"""An ONNX file as plain records. Nothing in it is run, and weights that lie outside the file stay there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.errors import MissingLibrary, UsageError, counted
from archscope.files import irregular

Array = npt.NDArray[Any]

#: an external tensor of at most so many elements is read: it may be a shape
_MOST_READ = 4096
#: protobuf takes no longer message; larger models have their weights in files beside them
MOST_BYTES = 2**31 - 1
#: a graph of more nodes is not read; a design has fewer layers than that
MOST_NODES = 100_000


@dataclass(frozen=True)
class OnnxNode:
    """One node.

    Attributes:
        kind: its op type, with the domain in front where it is not ONNX's own.
        inputs: names of tensors; an empty one is an input that is left out.
        scope: the module that it was in, and a name of its own; as far as the file tells.
        within: the class of that module, where torch's newer exporter tells it.
        proto: the node as the file has it.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    scope: tuple[str, str]
    within: str
    proto: Any


@dataclass(frozen=True)
class Initializer:
    """A tensor that the file stores.

    Attributes:
        array: its values; zeros that take no memory where they lie in another file.
        is_known: whether they are the values.
        role: ``PARAMETER`` or ``BUFFER`` where the file tells; else empty.
    """

    name: str
    array: Array
    is_known: bool
    role: str = ""


@dataclass(frozen=True)
class Port:
    """An input or an output of the graph.

    Attributes:
        dims: sizes; a name where the file leaves one open; ``None`` where the file does not tell the rank.
        dtype: of ONNX, such as ``FLOAT``.
    """

    name: str
    dims: tuple[int | str, ...] | None
    dtype: str


@dataclass(frozen=True)
class Graph:
    """A graph as its file has it; its nodes are in an order of execution."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[OnnxNode, ...]
    initializers: Mapping[str, Initializer]
    opsets: tuple[Any, ...]
    producer: str


def opened(path: str | os.PathLike[str]) -> Graph:
    """The graph of an ONNX file.

    Raises:
        MissingLibrary: onnx is not installed.
        UsageError: there is no such file, or it holds no ONNX model.
    """
    try:
        import onnx
    except ImportError:
        raise MissingLibrary("ONNX files need onnx: `pip install 'archscope[onnx]'`") from None
    from google.protobuf.message import DecodeError

    shown = os.fspath(path)
    _check(shown)
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror or error}") from None
    except DecodeError:
        raise UsageError(f"{shown} is no ONNX model: its bytes are no protobuf message") from None
    if not model.graph.output:
        raise UsageError(f"{shown} is no ONNX model: it has no graph with an output")
    if model.functions:
        _check_functions(model, shown)
        model = _inlined(model, shown)
    graph = model.graph
    _check_count(len(graph.node), shown)
    roles = {value.name: _property(value, "InputSpec.kind") for value in (*graph.value_info, *graph.input)}
    stored = {}
    try:
        for tensor in graph.initializer:
            stored[tensor.name] = _stored(tensor, Path(path).parent, roles.get(tensor.name, ""))
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{shown} is no sound ONNX model: a stored tensor is damaged: {_line(error)}") from None
    return Graph(
        name=graph.name or Path(path).stem,
        inputs=tuple(_port(value) for value in graph.input if value.name not in stored),
        outputs=tuple(_port(value) for value in graph.output),
        nodes=tuple(_ordered([_node(proto) for proto in graph.node], shown)),
        initializers=stored,
        opsets=tuple(model.opset_import),
        producer=" ".join(part for part in (model.producer_name, model.producer_version) if part),
    )


def _check(shown: str) -> None:
    """Hold that a file may be read, and is not longer than any model.

    Raises:
        UsageError: it is a pipe, a device, or too long.
    """
    strange = irregular(shown)
    if strange:
        raise UsageError(f"{shown} is {strange}, not a file")
    size = os.path.getsize(shown) if os.path.isfile(shown) else 0
    if size > MOST_BYTES:
        raise UsageError(
            f"{shown} is no ONNX model: it has {size:,} bytes, and a protobuf message has at most {MOST_BYTES:,}; "
            "larger models have their weights in files beside them"
        )


def _check_count(count: int, shown: str) -> None:
    if count > MOST_NODES:
        raise UsageError(f"{shown} has {counted(count, 'node')}; the most that are read are {MOST_NODES:,}")


def _check_functions(model: Any, shown: str) -> None:
    """Hold that functions, written out, make no more nodes than are read: each may call others many times.

    Raises:
        UsageError: they make more, or call themselves.
    """
    bodies = {(one.domain, one.name): one for one in model.functions}
    counts: dict[tuple[str, str], int] = {}
    for start in bodies:
        stack, under = [start], set[tuple[str, str]]()
        while stack:
            key = stack[-1]
            calls = [(node.domain, node.op_type) for node in bodies[key].node]
            waiting = [one for one in calls if one in bodies and one not in counts]
            if key in counts or not waiting:
                counts.setdefault(key, sum(counts.get(one, 1) for one in calls))
                under.discard(stack.pop())
            elif key in under:
                raise UsageError(f"{shown} is no sound ONNX model: its function {key[1]} calls itself")
            else:
                under.add(key)
                stack.extend(waiting)
    total = sum(counts.get((node.domain, node.op_type), 1) for node in model.graph.node)
    _check_count(total, shown)


def _inlined(model: Any, shown: str) -> Any:
    """The model with the functions that it defines written out."""
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # the inliner tells every mistake by its own kinds
        raise UsageError(f"{shown} is no sound ONNX model: {_line(error)}") from None


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _property(value: Any, ending: str) -> str:
    return next((str(one.value) for one in value.metadata_props if one.key.endswith(ending)), "")


def _stored(tensor: Any, folder: Path, role: str) -> Initializer:
    from onnx import external_data_helper, helper, numpy_helper

    dims = tuple(tensor.dims)
    if external_data_helper.uses_external_data(tensor):
        is_known = int(np.prod(dims, dtype=object)) <= _MOST_READ
        if is_known:
            try:
                external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            except Exception:  # the file with the weights may be missing, and shapes are enough
                is_known = False
        if not is_known:
            kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            return Initializer(tensor.name, hollow(dims, kind), False, role)
    return Initializer(tensor.name, numpy_helper.to_array(tensor), True, role)


def hollow(shape: tuple[int, ...], dtype: Any) -> Array:
    """Zeros that take no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def _port(value: Any) -> Port:
    from onnx import TensorProto

    kind = value.type.tensor_type
    dims = None
    if kind.HasField("shape"):
        dims = tuple(
            int(dim.dim_value) if dim.HasField("dim_value") else str(dim.dim_param or f"{value.name}[{number}]")
            for number, dim in enumerate(kind.shape.dim)
        )
    return Port(value.name, dims, TensorProto.DataType.Name(kind.elem_type) if kind.elem_type else "")


def _node(proto: Any) -> OnnxNode:
    from onnx import helper

    kind = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
    attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute if not a.ref_attr_name}
    words = {name: value.decode(errors="replace") for name, value in attributes.items() if isinstance(value, bytes)}
    return OnnxNode(
        kind, proto.name or proto.op_type, tuple(proto.input), tuple(proto.output), attributes | words,
        _scope(proto), _listed(_property(proto, "onnx.class_hierarchy"))[-2].rpartition(".")[2], proto,
    )  # fmt: skip


def _listed(text: str) -> list[str]:
    """The words of a list that torch's exporter notes, at least two."""
    return ["", "", *(part.strip(" '\"[]") for part in text.split(","))][-max(2, text.count(",") + 1) :]


def _scope(proto: Any) -> tuple[str, str]:
    """The module of a node and its own name, from what torch's exporters note, or from the node's name."""
    noted = _property(proto, "onnx.name_scopes")
    if noted:
        module, own = _listed(noted)[-2:]
        return module, own
    path: list[str] = []
    for part in filter(None, proto.name.split("/")):
        if path and part.startswith(f"{path[-1]}."):  # /layer1/layer1.0/conv1/Conv
            path.pop()
        path.append(part)
    if not path:
        return "", proto.op_type
    if path[-1].split("_")[0] == proto.op_type:
        return ".".join(path[:-1]), path[-1]
    return ".".join(path), proto.op_type


def _ordered(nodes: list[OnnxNode], shown: str) -> Iterator[OnnxNode]:
    """The nodes, each after those that it reads; most files have them so."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    done: set[int] = set()
    under: set[int] = set()
    for first in nodes:
        stack = [first]
        while stack:
            node = stack[-1]
            if id(node) in done:
                stack.pop()
                continue
            waiting = [makers[name] for name in node.inputs if name in makers and id(makers[name]) not in done]
            if not waiting:
                done.add(id(node))
                stack.pop()
                yield node
            elif id(node) in under:
                raise UsageError(f"{shown} is no sound ONNX model: node {node.name} reads what comes of it")
            else:
                under.add(id(node))
                stack.extend(waiting)
