"""PyTorch as the oracle: a design built layer by layer on the meta device, run, and counted by torch itself."""

from __future__ import annotations

import gc
import os
from contextlib import nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from archscope.backends.torch.build import DTYPES, build, inputs
from archscope.backends.torch.check import saving
from archscope.backends.torch.counting import counter
from archscope.design import Design
from archscope.design.graph import Ref
from archscope.ops.tensors import standing

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # tests run side by side


@dataclass(frozen=True)
class Measured:
    """What torch says of a design.

    Attributes:
        shapes: shapes of all outputs of every layer.
        parameters: shapes of learnable tensors, by layer and by their names in ``state_dict()``; shared ones once.
        buffers: the same for buffers.
        macs: half the forward FLOPs of torch's counter.
        backward_macs: half the FLOPs of a backward pass from the sum of all outputs, groups not forgotten.
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
            values[Ref(node.name)] = torch.zeros(batch, *node.shape, dtype=DTYPES.get(node.dtype, torch.float32))
        with FlopCounterMode(display=False) as forward:
            for layer in design.layers:
                x = [values[ref] for ref in layer.inputs]
                modules[layer.name] = _module(design, layer, modules, x)
                if layer.no_grad:  # in torch's counter, a view under no_grad of what needs a gradient needs one, too
                    x = [tensor.detach() for tensor in x]
                with torch.no_grad() if layer.no_grad else nullcontext():
                    y = modules[layer.name](*x)
                outputs = list(y) if isinstance(y, (tuple, list)) else [y]
                outputs = [tensor.detach() for tensor in outputs] if layer.no_grad else outputs
                shapes[layer.name] = [tuple(t.shape) for t in outputs]
                values |= {Ref(layer.name, i): t for i, t in enumerate(outputs)}
        with counter() as behind:
            results = [values[ref] for _, ref in design.outputs]
            if backward and any(t.requires_grad for t in results):
                sum(t.sum() for t in results if t.requires_grad).backward()
    own = {layer.name: modules[layer.name] for layer in design.layers if layer.shares is None}
    constants = {layer.name for layer in design.layers if standing(layer.op) is not None}  # which are no state
    kept = {name: module for name, module in own.items() if isinstance(module, nn.Module)}
    return Measured(
        shapes,
        {name: {key: tuple(p.shape) for key, p in module.named_parameters()} for name, module in kept.items()},
        {
            name: {key: tuple(b.shape) for key, b in module.named_buffers() if name not in constants}
            for name, module in kept.items()
        },
        forward.get_total_flops() // 2,
        behind.get_total_flops() // 2,
    )


def _module(design: Design, layer: Any, modules: dict[str, Any], x: list[torch.Tensor]) -> Any:
    if layer.shares is not None:
        return modules[layer.shares]
    from archscope.ops import Tensor

    names = {torch.float32: None, torch.bfloat16: None, torch.int64: "int64", torch.int32: "int32", torch.bool: "bool"}
    module = layer.op.module(torch, *(Tensor(tuple(t.shape), names[t.dtype]) for t in x))
    for name in layer.frozen:
        module.get_parameter(name).requires_grad_(False)
    if isinstance(module, nn.modules.batchnorm._NormBase):
        module.eval()  # a design is legal where inference is: in training torch refuses a single value a channel or map
    return module


# -- memory ------------------------------------------------------------------------------------------------------------


def kept(design: Design, batch: int = 1, *, autocast: bool = False) -> int:
    """Bytes that autograd keeps once a forward pass in training on the CPU is done, as its own hooks see them.

    Unique storages, parameters and buffers left out; with ``autocast`` to bfloat16.
    """
    network = build(design).train()
    with saving() as held, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        outputs = network(*inputs(design, batch))
        saved = {tensor.untyped_storage().data_ptr(): tensor for tensor in held()}
    del outputs
    state = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers()]}
    return sum(tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in state)


def left(design: Design, batch: int = 1) -> int:
    """Bytes of the storages that live when a forward pass in training is done and nobody holds a tensor but its loss.

    Parameters, buffers and the loss are left out. Blocks that say ``checkpoint`` run under torch.utils.checkpoint.
    """
    network = build(design).train()
    given = inputs(design, batch)
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

    tensors = [*network.parameters(), *network.buffers()]
    state = {StorageWeakRef(tensor.untyped_storage()).cdata for tensor in tensors}
    for tensor in given:
        note(tensor)
    with Births():
        loss = network(*given).sum()
    del given, tensor, tensors
    gc.collect()
    living = {cdata: size for cdata, (weak, size) in born.items() if not weak.expired()}
    mine = StorageWeakRef(loss.untyped_storage()).cdata
    return sum(size for cdata, size in living.items() if cdata != mine and cdata not in state)


class Living(TorchDispatchMode):
    """Counts the bytes of the storages that live.

    Attributes:
        events: each call that makes some, and what lives then.
        made: bytes of each storage.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, int]] = []
        self.made: list[int] = []
        self._known: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if self.enter(*(result if isinstance(result, (tuple, list)) else [result])):
            self.events.append((str(function), self.live()))
        return result

    def enter(self, *tensors: Any) -> bool:
        """Count tensors; says whether one has memory that was not known."""
        fresh = False
        for tensor in tensors:
            if isinstance(tensor, torch.Tensor):
                weak = StorageWeakRef(tensor.untyped_storage())
                size = min(tensor.untyped_storage().nbytes(), tensor.nbytes)  # kernels may take more than they give
                if size and weak.cdata not in self._known:
                    self._known[weak.cdata] = (weak, size)
                    self.made.append(size)
                    fresh = True
        return fresh

    def live(self) -> int:
        """Bytes of all that lives now."""
        self._known = {key: (weak, size) for key, (weak, size) in self._known.items() if not weak.expired()}
        return sum(size for _, size in self._known.values())


def criterion(results: Any, targets: list[torch.Tensor]) -> torch.Tensor:
    """The losses of all outputs that can be trained on, added: cross-entropy, or a mean where there is one class."""
    losses, rest = [], list(targets)
    for result in dict.fromkeys(results.values() if isinstance(results, dict) else [results]):
        target = rest.pop(0) if classifies(result) else None
        if not result.requires_grad:
            continue
        if target is None:
            losses.append(result.mean())
        elif result.ndim == 3:
            losses.append(nn.functional.cross_entropy(result.flatten(0, 1), target))
        else:
            losses.append(nn.functional.cross_entropy(result, target))
    return reduce(torch.add, losses)


def classifies(result: torch.Tensor) -> bool:
    """Whether an output is one of several classes: the last dimension of a sequence, else dimension 1."""
    return result.is_floating_point() and result.ndim >= 2 and result.shape[2 if result.ndim == 3 else 1] > 1


OPTIMIZERS = {
    "sgd": lambda p, **more: torch.optim.SGD(p, 0.1, **more),
    "momentum": lambda p, **more: torch.optim.SGD(p, 0.1, momentum=0.9, **more),
    "nesterov": lambda p, **more: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, **more),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamax": torch.optim.Adamax,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}


def step(
    design: Design,
    batch: int = 1,
    optimizer: str = "sgd",
    *,
    autocast: bool = False,
    accumulate: bool = False,
    channels_last: bool = False,
    fake: bool = True,
) -> list[int]:
    """Bytes that live at every allocation of the second training step.

    ``fake`` tensors have no memory, and act as those of the CPU do.
    """
    with FakeTensorMode() if fake else nullcontext():
        network = build(design).train()
        given = inputs(design, batch)
        if channels_last:
            network = _last(network)
            given = tuple(_last(tensor) for tensor in given)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        one = OPTIMIZERS[optimizer](trained, foreach=False)
        with torch.no_grad():
            shapes = network(*given)
        results = shapes.values() if isinstance(shapes, dict) else [shapes]
        targets = [_target(result) for result in dict.fromkeys(results) if classifies(result)]
        del shapes, results

        def train() -> None:
            if not accumulate:
                one.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                loss = criterion(network(*given), targets)
            loss.backward()
            one.step()

        train()
        one.zero_grad() if not accumulate else None
        living = Living()
        states = [value for values in one.state.values() for value in values.values() if torch.is_tensor(value)]
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        living.enter(*network.parameters(), *network.buffers(), *given, *targets, *states, *gradients)
        del states, gradients
        with living:
            train()
    return [live for _, live in living.events]


def _last(it: Any) -> Any:
    if isinstance(it, nn.Module):
        for tensor in [*it.parameters(), *it.buffers()]:
            tensor.data = _last(tensor.data)
        return it
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return it.contiguous(memory_format=formats[it.ndim]) if it.ndim in formats else it


def _target(result: torch.Tensor) -> torch.Tensor:
    shape = (result.shape[0] * result.shape[1],) if result.ndim == 3 else (result.shape[0], *result.shape[2:])
    return torch.zeros(shape, dtype=torch.int64)


class Held(list[int]):
    """Bytes that live at every allocation.

    Attributes:
        made: bytes of each.
    """

    made: list[int]


def inference(design: Design, batch: int = 1, *, fake: bool = True) -> Held:
    """What lives at every allocation of an inference, parameters and buffers among it."""
    with FakeTensorMode() if fake else nullcontext(), torch.no_grad():
        network = build(design).eval()
        given = inputs(design, batch)
        living = Living()
        living.enter(*network.parameters(), *network.buffers(), *given)
        living.made.clear()
        with living:
            network(*given)
    found = Held(live for _, live in living.events)
    found.made = living.made
    return found


def allocated(design: Design, batch: int) -> Held:
    """Bytes of a training step on the CPU behind each allocation that its allocator makes, what stands not counted."""
    network = build(design).train()
    given = inputs(design, batch)
    targets = [_target(network(*given))]
    one = OPTIMIZERS["sgd"](list(network.parameters()), foreach=False)

    def train() -> None:
        one.zero_grad()
        loss = criterion(network(*given), targets)
        loss.backward()
        one.step()

    train()
    one.zero_grad()
    with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as record:
        train()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    live, found = 0, Held()
    found.made = [event.nbytes() for event in events if event.nbytes() > 0]
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        if event.nbytes() > 0:
            found.append(live)
    return found
