"""An ONNX file as an import: its design, its spec, and the proof."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from archscope.backends.importing.imported import Imported, written
from archscope.backends.importing.proof import Check
from archscope.backends.onnx.prove import prove_shapes
from archscope.backends.onnx.reading import OnnxModel, read_onnx


def import_onnx(
    path: str | os.PathLike[str],
    *,
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,  # noqa: A002  # it is called so everywhere
    name: str | None = None,
    flat: bool = False,
    prove: Callable[[OnnxModel], Iterable[Check]] = prove_shapes,
) -> Imported:
    """Import an ONNX file; nothing in it is run.

    Args:
        input: sizes of the inputs without the batch, where the file leaves them open.
        name: of the design; the file's name if left out.
        flat: whether the spec is a plain list of layers.
        prove: what holds the design against the file; :func:`archscope.backends.torch.onnx_proof.prove_onnx` compares
            outputs, too.

    Raises:
        MissingLibrary: onnx is not installed.
        UsageError: the file cannot be read, or has nodes that cannot be said in ops.
    """
    model = read_onnx(path, input=input, name=name)
    design, text, plain, notes = written(model.design, flat=flat)
    return Imported(design, text, plain, tuple(prove(model)), notes=(*model.notes, *notes), value_file=model.value_file)
