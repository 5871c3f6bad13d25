"""The inputs and outputs of a graph: their types, and sizes without the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.onnx.file import Port
from archscope.errors import UsageError

#: types of tensors by ONNX's names
DTYPES: Mapping[str, str] = {
    "FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "BFLOAT16": "bfloat16",
    "INT64": "int64", "INT32": "int32", "BOOL": "bool",
}  # fmt: skip


def shapes(
    ports: Sequence[Port], stated: Mapping[str, Sequence[int]]
) -> Iterator[tuple[Port, tuple[int, ...] | Unsupported]]:
    """Each input and its shape without the batch, or why it can be none of a design.

    Args:
        stated: sizes of the inputs that the file leaves open.

    Raises:
        UsageError: there is no such input.
    """
    by_name: dict[str, int] = {}
    for port in ports:
        if port.name in stated and port.dims is not None and len(stated[port.name]) == len(port.dims) - 1:
            pairs = zip(port.dims[1:], stated[port.name], strict=True)
            by_name |= {dim: size for dim, size in pairs if isinstance(dim, str)}
    unknown = sorted(set(stated) - {port.name for port in ports})
    if unknown:
        names = ", ".join(port.name for port in ports) or "none"
        raise UsageError(f"the model has no input {unknown[0]}; its inputs: {names}")
    for port in ports:
        try:
            yield port, _shape(port, stated.get(port.name), by_name)
        except Unsupported as error:
            yield port, error


def _shape(port: Port, stated: Sequence[int] | None, by_name: Mapping[str, int]) -> tuple[int, ...]:
    """The shape of an input without the batch."""
    if port.dtype not in DTYPES:
        raise Unsupported(f"it holds {port.dtype.lower() or 'no tensor'}", "one of " + ", ".join(DTYPES).lower())
    if port.dims is None:
        if stated is None:
            raise Unsupported("the file does not tell its shape", f"--input {port.name}=...")
        return tuple(stated)
    if not port.dims:
        raise Unsupported("it is a single number", "an input whose dimension 0 is the batch")
    if stated is not None:
        written = [f"({size})" if isinstance(size, str) else str(size) for size in port.dims[1:]]
        fits = len(stated) == len(written) and all(
            isinstance(size, str) or size == other for size, other in zip(port.dims[1:], stated, strict=True)
        )
        if not fits:
            raise Unsupported(f"{'x'.join(map(str, stated))} does not fit its sizes {'x'.join(written)}")
        return tuple(stated)
    shape = [by_name.get(size, 0) if isinstance(size, str) else size for size in port.dims[1:]]
    if 0 in shape:
        text = "x".join(str(size) for size in port.dims[1:])
        raise Unsupported(f"the file leaves some of its sizes open: {text}", f"--input {port.name}=...")
    return tuple(shape)
