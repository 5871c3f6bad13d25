"""A design as an ONNX model."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from archscope.backends.torch.build import build, inputs, refuse_opaque
from archscope.design import Design
from archscope.errors import MissingLibrary, UsageError
from archscope.files import files_replaced

#: protobuf takes no message of 2 GiB; larger models have their weights in a file beside them
_MOST_BYTES = 2**31 - 2**20


def to_onnx(design: Design, path: str | os.PathLike[str], *, seed: int | None = None) -> None:
    """Write a design as ONNX, with the initial weights, for inference at any batch.

    Inputs and outputs have the names of the design's, weights those of ``state_dict()``.

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
    network = build(design, seed=seed).eval()
    given = inputs(design, 2)
    with _quiet():
        try:
            program = torch.onnx.export(
                network,
                given,
                dynamo=True,
                dynamic_shapes={"inputs": tuple({0: torch.export.Dim("batch")} for _ in given)},
                input_names=[node.name for node in design.inputs],
                output_names=[name for name, _ in design.outputs],
                optimize=False,  # it folds batch norms away, and runtimes do that themselves
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise UsageError(f"{design.name} cannot be said in ONNX: {_reason(error)}") from None
    size = sum(tensor.nbytes for tensor in network.state_dict().values())
    assert program is not None
    with files_replaced(path) as scratch:
        program.save(scratch, external_data=size > _MOST_BYTES)


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
