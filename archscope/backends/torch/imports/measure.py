"""What a part of a traced model does, measured: its work and what it keeps for the backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from archscope.backends.torch.imports.lift import Lifting, Literal
from archscope.backends.torch.imports.trace import Call, Size, Value
from archscope.errors import UsageError


def measured(lifting: Lifting, calls: Sequence[Call], read: Sequence[Value], given: Sequence[Value]) -> dict[str, int]:
    """Forward and backward MACs, and bytes kept for the backward pass in float32, of calls, for one sample.

    Torch's own counter, halved, on the meta device, at two batches.

    Raises:
        UsageError: the work is not in proportion to the batch.
    """
    one, other = (_run(lifting, calls, read, given, batch) for batch in (lifting.batch, lifting.batch + 1))
    for name in one:
        rate = other[name] - one[name]
        if one[name] != rate * lifting.batch:
            raise UsageError(
                f"{calls[0].frames[-1].path if calls[0].frames else calls[0].target}: {name} is {one[name]:,} at batch "
                f"{lifting.batch} and {other[name]:,} at {lifting.batch + 1}, which no figure a sample says"
            )
    return {name: other[name] - one[name] for name in one}


def _run(
    lifting: Lifting, calls: Sequence[Call], read: Sequence[Value], given: Sequence[Value], batch: int
) -> dict[str, int]:
    values: dict[str, Any] = {}
    own = set()
    for value in read:
        shape = [size.at(batch) if isinstance(size, Size) else size for size in value.shape]
        entity = lifting.entity(value)
        held = lifting.program.held.get(value.name)
        trained = held.trained if held is not None else not isinstance(entity, Literal)
        tensor = torch.empty(shape, dtype=value.dtype, device="meta")
        tensor.requires_grad_(trained and value.dtype.is_floating_point)
        values[value.name] = tensor
        if held is not None:
            own.add(tensor.untyped_storage()._cdata)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        alive.append(storage)
        return tensor.detach()

    alive: list[Any] = []
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        with hooks:
            for call in calls:
                _apply(call, values, batch)
        forward = counter.get_total_flops() // 2
        results = [values[value.name] for value in given if values[value.name].requires_grad]
        if results:
            torch.autograd.backward([result.real.sum() if result.is_complex() else result.sum() for result in results])
        backward = counter.get_total_flops() // 2 - forward
    return {"macs": forward, "backward_macs": backward, "kept_bytes": sum(kept.values())}


def _apply(call: Call, values: dict[str, Any], batch: int) -> None:
    def known(leaf: Any) -> Any:
        if isinstance(leaf, Value):
            return values[leaf.name]
        if isinstance(leaf, Size):
            return leaf.at(batch)
        return torch.device("meta") if isinstance(leaf, torch.device) else leaf

    args, kwargs = pytree.tree_map(known, (call.args, dict(call.kwargs)), is_leaf=lambda leaf: isinstance(leaf, Size))
    with torch.set_grad_enabled(call.grad):
        results = call.function(*args, **kwargs)
    tensors = results if isinstance(results, (tuple, list)) else [results]
    for value, tensor in zip(call.outputs, tensors, strict=False):
        if value is not None:
            values[value.name] = tensor
