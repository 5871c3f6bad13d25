"""Receptive fields measured: which places of the input really influence a unit, by gradients through the real layers.

Two questions are asked. Which places can influence the unit at all: weights and inputs are positive, activations are
left out and maxima are replaced by sums, so that no tie, no zero and no cancellation hides an influence. And how much
each place weighs in the network as it is initialised: the effective receptive field (Luo et al., Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks, NeurIPS 2016), the gradient's magnitude over samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from archscope.analysis.influence import box_dims, check_place
from archscope.analysis.receptive_field import receptive_fields
from archscope.analysis.traversal import Step, walk
from archscope.backends.torch.build import DTYPES, seeded
from archscope.design import Design
from archscope.errors import UsageError
from archscope.graph import Ref
from archscope.ops import Op

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONVOLUTIONS: dict[int, Callable[..., Any]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_ADAPTIVE: dict[int, Callable[..., Any]] = {
    1: functional.adaptive_avg_pool1d, 2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d,
}  # fmt: skip


def influence(
    design: Design,
    layer: str,
    unit: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002  # named so everywhere
    seed: int = 0,
) -> NDArray[np.bool_]:
    """The places of an input that influence a unit, along the axes of the input.

    Args:
        unit: its place along the axes of the layer's map; all channels together.

    Raises:
        UsageError: there is no such layer, unit or input, or the input holds whole numbers and has no gradient.
    """
    weights = _gradient(design, layer, unit, output, input, seed, structural=True)
    return np.asarray(weights > 0)


def effective_field(
    design: Design,
    layer: str,
    unit: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002
    samples: int = 20,
    seed: int = 0,
) -> NDArray[np.float64]:
    """How much each place of an input weighs in a unit, along the axes of the input; the sum is 1.

    The mean over samples of the gradient's magnitude, of the network with torch's own initial weights (Luo et al.).

    Raises:
        UsageError: as :func:`influence`, or no place has any weight.
    """
    total: Any = 0.0
    for sample in range(samples):
        total = total + _gradient(design, layer, unit, output, input, seed + sample, structural=False)
    if not total.sum():
        raise UsageError(f"no gradient reaches the input from {layer}: its unit is zero in all {samples} samples")
    return np.asarray(total / total.sum())


def _gradient(
    design: Design, layer: str, unit: Sequence[int], output: int, name: str | None, seed: int, *, structural: bool
) -> NDArray[np.float64]:
    fields = receptive_fields(design)
    layer = fields.layer(layer)
    seen = fields.of(layer, output, name)
    name = name or next((key for key, _ in fields.tensors[Ref(layer, output)]), design.inputs[0].name)
    steps = walk(design.graph)
    generator = torch.Generator().manual_seed(seed)
    values: dict[Ref, Any] = {}
    for node in design.inputs:
        if node.dtype is None:
            draw = torch.rand if structural else torch.randn
            drawn: Any = draw(1, *node.shape, generator=generator, dtype=torch.float64)
            values[Ref(node.name)] = (drawn + 0.5 if structural else drawn).requires_grad_()
        else:
            values[Ref(node.name)] = torch.zeros(1, *node.shape, dtype=DTYPES[node.dtype])
    source = values[Ref(name)]
    if not source.requires_grad:
        raise UsageError(f"the input {name} holds whole numbers: no gradient reaches it")
    with seeded(seed):
        _run(steps, values, layer, structural=structural)
    result = values[Ref(layer, output)]
    dims = box_dims(seen, tuple(result.shape))
    check_place(layer, unit, [result.shape[dim] for dim in dims])
    index: list[Any] = [slice(None)] * result.ndim
    for dim, place in zip(dims, unit, strict=True):
        index[dim] = place
    total = result[tuple(index)].sum()
    gradient = torch.zeros_like(source)
    if total.requires_grad:
        (gradient,) = torch.autograd.grad(total, [source], allow_unused=True)
        gradient = torch.zeros_like(source) if gradient is None else gradient
    axes = [dim for key, dim in fields.tensors[Ref(name)] if key == name]
    others = [dim for dim in range(gradient.ndim) if dim not in axes]
    return np.asarray(gradient.abs().sum(others).numpy())


def _run(steps: Sequence[Step], values: dict[Ref, Any], last: str, *, structural: bool) -> None:
    """Run the layers up to one of them, each built once."""
    built: dict[str, Callable[..., Any]] = {}
    for step in steps:
        layer = step.layer
        if layer.shares is not None:
            built[layer.name] = built[layer.shares]
        else:
            made = _linear(layer.op, step) if structural else None
            built[layer.name] = made or _module(layer.op, step, structural=structural)
        y = built[layer.name](*(values[ref] for ref in layer.inputs))
        for number, tensor in enumerate(y if isinstance(y, (tuple, list)) else [y]):
            values[Ref(layer.name, number)] = tensor
        if layer.name == last:
            return


def _module(op: Op, step: Step, *, structural: bool) -> Callable[..., Any]:
    """The layer in double precision, as at inference; with positive weights of a mean that keeps numbers near one."""
    module = op.module(torch, *step.x)
    if isinstance(module, nn.Module):
        module.double().eval()
        if structural:
            for parameter in module.parameters():
                with torch.no_grad():
                    fan = max(parameter[0].numel(), 1) if parameter.ndim > 1 else 1
                    parameter.copy_((torch.rand_like(parameter) + 0.5) / fan)
    return module


def _linear(op: Op, step: Step) -> Callable[..., Any] | None:
    """A layer in whose place something stands that passes on every influence; ``None`` where the layer itself does."""
    kind = type(op).__name__
    arguments = op.arguments()
    if type(op).__module__.endswith(".activation") and not {"dim"} & set(arguments) and kind != "Softmax2d":
        return lambda tensor: tensor
    if kind in ("Maximum", "Minimum"):
        return lambda *tensors: sum(tensors)
    if kind == "Max":
        return lambda tensor: tensor.mean(dim=arguments["dim"], keepdim=arguments["keepdim"])
    if kind.startswith("AdaptiveMaxPool"):
        size = step.y[0].shape[2:]
        return lambda tensor: _ADAPTIVE[op.rank or 1](tensor, size)
    if kind.startswith(("MaxPool", "LPPool")):
        return _sum_pool(arguments, op.rank or 1, step.y[0].shape[2:])
    return None


def _sum_pool(arguments: dict[str, Any], rank: int, out: tuple[int, ...]) -> Callable[..., Any]:
    """The mean of the windows of a pool, of those that hang over the border in ``ceil_mode`` too."""
    kernel, stride = arguments["kernel_size"], arguments["stride"]
    padding = arguments.get("padding", (0,) * rank)
    dilation = arguments.get("dilation", (1,) * rank)

    def pool(tensor: Any) -> Any:
        ends: list[int] = []
        for size, places, k, s, p, d in zip(tensor.shape[2:], out, kernel, stride, padding, dilation, strict=True):
            ends = [p, max((places - 1) * s + (k - 1) * d + 1 - size - p, 0), *ends]
        weight = torch.full((tensor.shape[1], 1, *kernel), 1 / float(np.prod(kernel)), dtype=tensor.dtype)
        padded = functional.pad(tensor, ends)
        pooled = _CONVOLUTIONS[rank](padded, weight, stride=stride, dilation=dilation, groups=tensor.shape[1])
        whole = (slice(None), slice(None))
        return pooled[whole + tuple(slice(places) for places in out)]

    return pool
