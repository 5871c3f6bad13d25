"""PyTorch as the oracle: a design built layer by layer on the meta device, run, and counted by torch itself."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from archscope.analysis.traversal import walk
from archscope.design import Design
from archscope.graph import Layer, Ref

DTYPES = {None: torch.float32, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}


@dataclass(frozen=True)
class Measured:
    """What torch says of a design.

    Attributes:
        shapes: shapes of all outputs of every layer.
        parameters: shapes of learnable tensors, by layer and by their names in ``state_dict()``; shared ones once.
        buffers: the same for buffers.
        macs: half the forward FLOPs of torch's counter.
        backward_macs: half the FLOPs of a backward pass from the sum of all outputs.
    """

    shapes: dict[str, list[tuple[int, ...]]]
    parameters: dict[str, dict[str, tuple[int, ...]]]
    buffers: dict[str, dict[str, tuple[int, ...]]]
    macs: int
    backward_macs: int


def measure(design: Design, batch: int = 1, *, backward: bool = False) -> Measured:
    """Build the design's layers by their own ``module`` on the meta device, run them in order, and count."""
    values: dict[Ref, Any] = {}
    modules: dict[str, Any] = {}
    shapes: dict[str, list[tuple[int, ...]]] = {}
    with torch.device("meta"), sdpa_kernel(SDPBackend.MATH):
        for node in design.inputs:
            values[Ref(node.name)] = torch.zeros(batch, *node.shape, dtype=DTYPES[node.dtype])
        with FlopCounterMode(display=False) as forward:
            for layer in design.layers:
                x = [values[ref] for ref in layer.inputs]
                modules[layer.name] = _module(design, layer, modules, x)
                y = modules[layer.name](*x)
                outputs = list(y) if isinstance(y, (tuple, list)) else [y]
                shapes[layer.name] = [tuple(t.shape) for t in outputs]
                values |= {Ref(layer.name, i): t for i, t in enumerate(outputs)}
        with FlopCounterMode(display=False) as behind:
            results = [values[ref] for _, ref in design.outputs]
            if backward and any(t.requires_grad for t in results):
                sum(t.sum() for t in results if t.requires_grad).backward()
    own = {layer.name: modules[layer.name] for layer in design.layers if layer.shares is None}
    kept = {name: module for name, module in own.items() if isinstance(module, nn.Module)}
    return Measured(
        shapes,
        {name: {key: tuple(p.shape) for key, p in module.named_parameters()} for name, module in kept.items()},
        {name: {key: tuple(b.shape) for key, b in module.named_buffers()} for name, module in kept.items()},
        forward.get_total_flops() // 2,
        behind.get_total_flops() // 2,
    )


def _module(design: Design, layer: Any, modules: dict[str, Any], x: list[torch.Tensor]) -> Any:
    if layer.shares is not None:
        return modules[layer.shares]
    from archscope.ops import Tensor

    names = {torch.float32: None, torch.bfloat16: None, torch.int64: "int64", torch.int32: "int32", torch.bool: "bool"}
    module = layer.op.module(torch, *(Tensor(tuple(t.shape), names[t.dtype]) for t in x))
    if layer.frozen and isinstance(module, nn.Module):
        module.requires_grad_(False)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        module.eval()  # a design is legal where inference is: in training torch refuses a single value a channel or map
    return module


# -- memory ------------------------------------------------------------------------------------------------------------


class RealRun:
    """A design's layers on the CPU, in training: built once, run by hand.

    Attributes:
        values: all tensors so far.
    """

    def __init__(self, design: Design, batch: int) -> None:
        self.design = design
        self.values: dict[Ref, Any] = {}
        self._modules: dict[str, Any] = {}
        for node in design.inputs:
            drawn = torch.rand if node.dtype is None else torch.zeros
            self.values[Ref(node.name)] = drawn(batch, *node.shape, dtype=DTYPES[node.dtype])
        for step in walk(design.graph, batch):
            layer = step.layer
            if layer.shares is not None:
                self._modules[layer.name] = self._modules[layer.shares]
                continue
            module = layer.op.module(torch, *step.x)
            if isinstance(module, nn.Module):
                module.train()
                module.requires_grad_(not layer.frozen)
            self._modules[layer.name] = module

    def run(self, layer: Layer) -> None:
        """Run one layer."""
        y = self._modules[layer.name](*(self.values[ref] for ref in layer.inputs))
        for number, tensor in enumerate(y if isinstance(y, (tuple, list)) else [y]):
            self.values[Ref(layer.name, number)] = tensor

    def eval(self) -> None:
        """As at inference."""
        for module in self._modules.values():
            if isinstance(module, nn.Module):
                module.eval()

    def tensors(self) -> list[torch.Tensor]:
        """Parameters and buffers."""
        modules = [module for module in self._modules.values() if isinstance(module, nn.Module)]
        return [tensor for module in modules for tensor in [*module.parameters(), *module.buffers()]]


def kept(design: Design, batch: int = 1, *, autocast: bool = False) -> int:
    """Bytes that autograd keeps of a forward pass in training on the CPU, as its own hooks see them.

    Unique storages, parameters and buffers left out; with ``autocast`` to bfloat16.
    """
    saved: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    real = RealRun(design, batch)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for layer in design.layers:
            real.run(layer)
    state = {tensor.untyped_storage().data_ptr() for tensor in real.tensors()}
    return sum(tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in state)


def left(design: Design, batch: int = 1) -> int:
    """Bytes of the storages that live when a forward pass in training is done and nobody holds a tensor but its loss.

    Parameters, buffers and the loss are left out. Blocks that say ``checkpoint`` run under torch.utils.checkpoint.
    """
    real = RealRun(design, batch)
    born: dict[int, tuple[StorageWeakRef, int]] = {}

    def note(tensor: Any) -> None:
        if isinstance(tensor, torch.Tensor):
            storage = tensor.untyped_storage()
            weak = StorageWeakRef(storage)
            born[weak.cdata] = (weak, storage.nbytes())

    class Births(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else [result]:
                note(tensor)
            return result

    state = {StorageWeakRef(tensor.untyped_storage()).cdata for tensor in real.tensors()}
    for tensor in real.values.values():
        note(tensor)
    with Births():
        for layers in _regions(design):
            if layers[0].checkpoint is None:
                real.run(layers[0])
            else:
                _checkpointed(real, layers)
        results = [real.values[ref] for _, ref in design.outputs]
        loss = sum(result.sum() for result in results)
    del results, tensor
    real.values.clear()
    gc.collect()
    living = {cdata: size for cdata, (weak, size) in born.items() if not weak.expired()}
    assert isinstance(loss, torch.Tensor)
    mine = StorageWeakRef(loss.untyped_storage()).cdata
    return sum(size for cdata, size in living.items() if cdata != mine and cdata not in state)


def _regions(design: Design) -> list[list[Layer]]:
    """Layers one by one, those of a checkpointed block together."""
    groups: list[list[Layer]] = []
    for layer in design.layers:
        if layer.checkpoint is not None and groups and groups[-1][0].checkpoint == layer.checkpoint:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


def _checkpointed(real: RealRun, layers: list[Layer]) -> None:
    inside = {layer.name for layer in layers}
    read = list(dict.fromkeys(ref for layer in layers for ref in layer.inputs if ref.node not in inside))
    later = [ref for layer in real.design.layers if layer.name not in inside for ref in layer.inputs]
    given = list(dict.fromkeys(ref for ref in [*later, *(r for _, r in real.design.outputs)] if ref.node in inside))

    def block(*tensors: Any) -> tuple[Any, ...]:
        before = dict(real.values)
        real.values.update(zip(read, tensors, strict=True))
        for layer in layers:
            real.run(layer)
        result = tuple(real.values[ref] for ref in given)
        real.values.clear()
        real.values.update(before)
        return result

    results = checkpoint(block, *(real.values[ref] for ref in read), use_reentrant=False)
    real.values.update(zip(given, results, strict=True))
