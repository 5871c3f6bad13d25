"""A design held against the ONNX file that it was read from, without running either."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from archscope.analysis.counts.account import Account, analyze
from archscope.autograd.dtypes import HELD
from archscope.backends.importing.proof import Check
from archscope.backends.importing.sizes import LinearSize, at, in_words
from archscope.backends.onnx.file import Port
from archscope.backends.onnx.ports import DTYPES
from archscope.backends.onnx.reading import OnnxModel
from archscope.backends.onnx.values import BATCHES, sizes
from archscope.design.graph import Ref
from archscope.errors import counted
from archscope.ops import Tensor

#: counts the batches that a batch norm has seen in training, which ONNX does not keep
_COUNTERS = ("num_batches_tracked",)


def prove_shapes(model: OnnxModel) -> Iterator[Check]:
    """Parameters and buffers by shape and in all, and the shapes of the outputs, as the file has them."""
    accounts = [analyze(model.design, batch=batch, precision=model.floating) for batch in BATCHES]
    yield _tensors(model, accounts[0])
    yield _elements(model, accounts[0])
    one, other = (_results(account, batch) for account, batch in zip(accounts, BATCHES, strict=True))
    for port, first, second in zip(model.outputs, one, other, strict=True):
        yield _output(port, sizes(first.shape, second.shape), _type_name(first.dtype or model.floating), model.batch)


def _type_name(dtype: str) -> str:
    """A floating type, where it is not the usual one, behind a shape."""
    return f" {dtype}" if dtype in HELD and dtype != "float32" else ""


def _results(account: Account, batch: int) -> list[Tensor]:
    """A design's outputs."""
    tensors = {Ref(node.name): node.tensor(batch) for node in account.design.inputs}
    tensors |= {Ref(row.name, number): tensor for row in account.rows for number, tensor in enumerate(row.y)}
    return [tensors[ref] for _, ref in account.design.outputs]


def _owned(account: Account) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Layer, name and shape of every tensor that the design has and a file can have."""
    for layer, row in zip(account.design.layers, account.rows, strict=True):
        if layer.shares is None:
            for name, tensor in {**layer.parameters(*row.x), **layer.buffers(*row.x)}.items():
                if name not in _COUNTERS:
                    yield layer.name, name, tensor.shape


def _tensors(model: OnnxModel, account: Account) -> Check:
    stated = {(layer, name): shape for layer, name, shape in _owned(account)}
    sizes = {(layer, name): w.shape for layer, parts in model.weights.items() for name, w in parts.items()}
    odd = sorted({".".join(key) for key, _ in stated.items() ^ sizes.items()})
    tally = counted(len(sizes), "tensor") + (f", {len(odd)} of them otherwise" if odd else "")
    note = f"first that differs: {odd[0]}" if odd else "each with the shape that its layer infers"
    return Check("parameters and buffers by shape", counted(len(stated), "tensor"), tally, note)


def _elements(model: OnnxModel, account: Account) -> Check:
    stated = sum(prod(shape) for _, _, shape in _owned(account))
    measured = sum(map(prod, model.stored.values()))
    computed = sum(prod(w.shape) for parts in model.weights.values() for w in parts.values() if not w.source)
    note = f"and {computed:,} of weights that the file computes from constants" if computed else ""
    return Check("elements of parameters and buffers", stated, measured + computed, note)


def _output(port: Port, shape: tuple[int | LinearSize, ...], dtype: str, batch: int | None) -> Check:
    """The shape and the type of an output; sizes that the file leaves open are taken as they are."""
    stated = [in_words([size]) for size in shape]
    what, shown = f"shape of {port.name}", " x ".join(stated) + dtype
    if port.dims is None:
        return Check(what, shown, None, "the file does not tell it")
    written = [str(dim) for dim in port.dims]
    note = f"the file says {' x '.join(written) or 'a single number'}"
    if len(written) == len(stated):
        for place, (dim, size) in enumerate(zip(port.dims, shape, strict=True)):
            if isinstance(dim, str) or (batch is not None and at(size, batch) == dim):
                written[place] = stated[place]
    return Check(what, shown, " x ".join(written) + _type_name(DTYPES.get(port.dtype, "")), note)
