"""What a part of a traced model does, measured: its work and what it keeps for the backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from archscope.backends.importing.sizes import LinearSize, at
from archscope.backends.torch.counting import counter
from archscope.backends.torch.imports.calls import Call, ModelTensor, TraceTensor
from archscope.backends.torch.imports.lifting import Lifting
from archscope.backends.torch.imports.twin import fake_mode


def measured(
    lifting: Lifting,
    calls: Sequence[Call],
    inputs: Sequence[TraceTensor],
    held: Sequence[ModelTensor],
    results: Sequence[TraceTensor],
) -> dict[str, Any]:
    """The figures of a black box, for one sample: MACs, and what is kept for the backward pass.

    Forward and backward MACs by torch's own counter, halved, on fake tensors; bytes by the tensors that autograd
    saves, in float32, and which inputs and outputs are among these; at two batches.

    Raises:
        ValueError: they are not in proportion to the batch. And whatever torch raises.
    """
    with fake_mode():
        batches = lifting.batch, lifting.batch + 1
        one, other = (_run(lifting, calls, inputs, held, results, batch) for batch in batches)
    figures: dict[str, Any] = {}
    for name in ("macs", "backward_macs", "saved_bytes"):
        figures[name] = rate = other[name] - one[name]
        if one[name] != rate * lifting.batch:
            raise ValueError(
                f"{name} is {one[name]:,} at batch {lifting.batch} and {other[name]:,} at {lifting.batch + 1}, which "
                "no figure a sample says"
            )
    around = [more - less for less, more in zip(one["output_bytes"], other["output_bytes"], strict=True)]
    plain = around == [more - less for less, more in zip(one["own_bytes"], other["own_bytes"], strict=True)]
    places = {name: one[name] for name in ("saved_inputs", "saved_outputs")}
    return figures | places | ({} if plain else {"output_bytes": around})


def _run(
    lifting: Lifting,
    calls: Sequence[Call],
    inputs: Sequence[TraceTensor],
    held: Sequence[ModelTensor],
    results: Sequence[TraceTensor],
    batch: int,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for value in inputs:
        values[value.name] = _empty(value, batch, trained=value.name in lifting.uses.trained)
    for one in held:
        values[one.value.name] = _empty(one.value, batch, trained=one.trained)
    saved: dict[int, Any] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()  # held, so that its place is not given to another
        saved[storage._cdata] = storage
        return tensor.detach()

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with sdpa_kernel(SDPBackend.MATH), counter() as work:
        with hooks:
            for call in calls:
                _apply(call, values, batch)
        forward = work.get_total_flops() // 2
        learnt = [values[value.name] for value in results if values[value.name].requires_grad]
        if learnt:
            torch.autograd.backward([result.sum() for result in learnt])
        backward = work.get_total_flops() // 2 - forward
    entering, leaving = (_places(values, some) for some in (inputs, results))
    tensors = [values[value.name] for value in results]
    own = [tensor.numel() * tensor.element_size() for tensor in tensors]
    around = [
        size if place in entering else 0 if place == before else tensor.untyped_storage().nbytes()
        for tensor, size, place, before in zip(tensors, own, leaving, [None, *leaving], strict=False)
    ]
    storages = {*entering, *leaving, *_places(values, [one.value for one in held])}
    return {
        "macs": forward,
        "backward_macs": backward,
        "saved_bytes": sum(storage.nbytes() for place, storage in saved.items() if place not in storages),
        "own_bytes": own,
        "output_bytes": around,
        "saved_inputs": [number for number, place in enumerate(entering) if place in saved],
        "saved_outputs": [number for number, place in enumerate(leaving) if place in saved and place not in entering],
    }


def _places(values: dict[str, Any], some: Sequence[TraceTensor]) -> list[int]:
    return [values[value.name].untyped_storage()._cdata for value in some]


def _empty(value: TraceTensor, batch: int, *, trained: bool) -> torch.Tensor:
    shape = [at(size, batch) for size in value.shape]
    tensor = torch.empty(shape, dtype=value.dtype, device="cpu")
    return tensor.requires_grad_(trained and value.dtype.is_floating_point)


def _apply(call: Call, values: dict[str, Any], batch: int) -> None:
    def is_known(leaf: Any) -> Any:
        if isinstance(leaf, TraceTensor):
            return values[leaf.name]
        if isinstance(leaf, LinearSize):
            return leaf.at(batch)
        return torch.device("cpu") if isinstance(leaf, torch.device) else leaf

    args, kwargs = pytree.tree_map(
        is_known, (call.args, dict(call.kwargs)), is_leaf=lambda leaf: isinstance(leaf, LinearSize)
    )
    with torch.set_grad_enabled(call.grad):
        results = call.function(*args, **kwargs)
    tensors = results if isinstance(results, (tuple, list)) else [results]
    for value, tensor in zip(call.outputs, tensors, strict=False):
        if value is not None:
            values[value.name] = tensor
