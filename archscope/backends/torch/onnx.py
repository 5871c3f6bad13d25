"""A design as an ONNX model."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from archscope.autograd.dtypes import Types
from archscope.backends.torch.build import Network, build, inputs, refuse_opaque
from archscope.backends.torch.onnx_metadata import annotate
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.design.steps import Step
from archscope.errors import MissingLibrary, UsageError
from archscope.files import files_replaced
from archscope.ops import Op
from archscope.ops.pooling import AdaptiveAvgPool2d, AvgPool2d

#: ops that torch's exporter says in ONNX whatever their arguments; a layer of another one is tried alone first, which
#: takes a second, before the whole is, which may take minutes
SAID = frozenset((
    "Add", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Buffer", "Chunk", "Concat", "Constant", "ConstantPad2d",
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "Divide", "Dropout", "Dropout2d", "ELU", "Embedding",
    "Expand", "Flatten", "GELU", "GroupNorm", "Hardsigmoid", "Hardswish", "Identity", "LayerNorm", "LayerNorm2d",
    "LeakyReLU", "Linear", "MatMul", "MaxPool1d", "MaxPool2d", "Mean", "Multiply", "Parameter", "Permute", "ReLU",
    "ReLU6", "Reshape", "Scale", "Select", "Shift", "SiLU", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze",
    "StochasticDepth", "Subtract", "Sum", "Tanh", "Transpose", "Unsqueeze", "ZeroPad2d",
))  # fmt: skip
#: layers that are tried alone; of one kind each
_MOST_TRIED = 40

#: protobuf takes no message of 2 GiB; larger models have their weights in a file beside them
_MOST_BYTES = 2**31 - 2**20


def to_onnx(design: Design, path: str | os.PathLike[str], *, seed: int | None = None) -> None:
    """Write a design as ONNX, with the initial weights, for inference at any batch.

    Inputs and outputs have the names of the design's, weights those of ``state_dict()``. Nodes say their layers, and
    what these cost (:mod:`archscope.backends.torch.onnx_metadata`).

    Raises:
        MissingLibrary: onnx or onnxscript is not installed.
        UsageError: the design has declared black boxes, torch cannot say a layer in ONNX, or the file cannot be
            written.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingLibrary("ONNX needs onnx and onnxscript: `pip install 'archscope[export]'`") from None
    refuse_opaque(design, "said in ONNX")
    refused = list(_refused(design))
    if refused:
        raise UsageError("\n".join([f"{design.name} cannot be said in ONNX:", *(f"  {line}" for line in refused)]))
    network = build(design, seed=seed).eval()
    try:
        program = _exported(design, network)
    except torch.onnx.errors.OnnxExporterError as error:
        raise UsageError(f"{design.name} cannot be said in ONNX: {_reason(error)}") from None
    annotate(program.model, network)
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    with files_replaced(path) as scratch:
        program.save(scratch, external_data=size > _MOST_BYTES)


def _exported(design: Design, network: Network) -> Any:
    tensors = inputs(design, 2)
    with _quiet():
        return torch.onnx.export(
            network,
            tensors,
            dynamo=True,
            dynamic_shapes={"inputs": tuple({0: torch.export.Dim("batch")} for _ in tensors)},
            input_names=[node.name for node in design.inputs],
            output_names=[name for name, _ in design.outputs],
            optimize=False,  # it folds batch norms away, and runtimes do that themselves
            verbose=False,
        )


def _said(op: Op) -> bool:
    """Whether a layer needs no trial."""
    arguments = op.non_default()
    plain_average = isinstance(op, AvgPool2d) and not {"ceil_mode", "divisor_override"} & {*arguments}
    global_average = isinstance(op, AdaptiveAvgPool2d) and set(op.output_size) == {1}
    return type(op).__name__ in SAID or plain_average or global_average


def _refused(design: Design) -> Iterator[str]:
    """What torch cannot say in ONNX, by name: what may be such a layer is tried alone, of equal ones the first."""
    alike: dict[Any, list[Step]] = {}
    for step in design.steps(2, Types()):  # a file holds numbers in float32, and nothing is cast
        if not _said(step.layer.op):
            alike.setdefault((step.layer.op, step.x), []).append(step)
    for steps in [*alike.values()][:_MOST_TRIED]:
        alone = _alone(steps[0])
        if alone is None:
            continue
        try:
            _exported(alone, build(alone).eval())
        except torch.onnx.errors.OnnxExporterError as error:
            first, *others = (step.layer for step in steps)
            more = f" and {len(others)} more" if others else ""
            yield f"{first.name}{more} ({first.kind}): {_reason(error)}"


def _alone(step: Step) -> Design | None:
    """A design of one layer; ``None`` where what it reads has no batch."""
    if not step.x or any(not tensor.shape or tensor.shape[0] != 2 for tensor in step.x):
        return None
    nodes = tuple(Input(f"x{number}", tensor.shape[1:], tensor.dtype) for number, tensor in enumerate(step.x))
    layer = Layer("alone", step.layer.op, tuple(Ref(node.name) for node in nodes))
    return Design(
        "alone", nodes, (layer,), tuple((f"y{number}", Ref("alone", number)) for number in range(len(step.y)))
    )


def _reason(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return str(cause).strip().splitlines()[0][:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on what is not installed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
