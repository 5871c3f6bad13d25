"""Calls that are one layer together: composed layers of torch.nn, sums of several, stochastic depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from archscope.backends.importing.sizes import LinearSize
from archscope.backends.torch.imports.calls import Arguments, Call, TraceTensor
from archscope.backends.torch.imports.instances import SILENT
from archscope.backends.torch.imports.lifting import Lifting
from archscope.ops import REGISTRY, Op

Make = Callable[[], None]


def recognised(lifting: Lifting, calls: Sequence[Call], module: nn.Module | None) -> Make | None:
    """How the calls of a module are entered as one layer; ``None`` where each stands for itself."""
    if any(call.packet in ("aten.rand", "aten.bernoulli", "aten.bernoulli_") for call in calls):
        return _stochastic_depth(lifting, calls)
    own = [call for call in calls if call.packet not in SILENT]
    if len(own) > 1 and len({call.packet for call in own}) == 1 and own[0].packet in _JOINING:
        return _joined(lifting, own)
    if [call.packet for call in own] == ["aten.permute", "aten.layer_norm", "aten.permute"]:
        return _of_channels(lifting, own)
    if module is None or type(module).__name__ not in REGISTRY:
        return None
    if len(own) != 1 if type(module).__name__ in _SAY_MORE else len(own) < 2:
        return None
    if not type(module).__module__.startswith("torch.nn.modules.") or type(module).__name__ in _CALLS_TELL:
        return None
    if _altered(module):
        return None
    return _composed(lifting, calls, module)


#: layers whose one call says all, beside others that keep count
_CALLS_TELL = {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LSTM", "GRU", "RNN"}
#: layers that say more than their one call does, which has the sizes at hand, or is that of several layers
_SAY_MORE = {
    "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "ConstantPad1d",
    "ConstantPad2d", "ConstantPad3d", "Flatten", "Softmax2d", "Unflatten", "Upsample",
}  # fmt: skip


#: functions of two tensors whose ops take any number
_JOINING = {"aten.add": "Add", "aten.mul": "Multiply", "aten.maximum": "Maximum", "aten.minimum": "Minimum"}


def _joined(lifting: Lifting, calls: Sequence[Call]) -> Make | None:
    """Several tensors joined one after the other, and nothing besides: one layer."""
    read, results = lifting.uses.around(calls)
    chained = all(after.values[:1] == list(before.outputs) for before, after in pairwise(calls))
    if not chained or results != list(calls[-1].outputs) or len(read) != len(calls) + 1:
        return None
    if any(len(call.values) != 2 or call.arguments.get("alpha", 1) != 1 for call in calls):
        return None

    op = lifting.op(_JOINING[calls[0].packet])

    def make() -> Any:
        refs = [lifting.ref(value, calls[0]) for value in read]
        return lifting.draft.layer(lifting.instances.name(calls[0]), op, refs)

    return lambda: lifting.represent(calls[-1], read, make)


def _of_channels(lifting: Lifting, calls: Sequence[Call]) -> Make | None:
    """A map normalised over its channels at each place: they go last, and come back."""
    to_last, norm, back = calls
    a, held = norm.arguments, lifting.program.held
    orders = [list(call.arguments["dims"]) for call in (to_last, back)]
    read, results = lifting.uses.around(calls)
    inputs = [value for value in read if value.name not in held]
    weights = {name: a[name] for name in ("weight", "bias") if a[name] is not None}
    if orders != [[0, 2, 3, 1], [0, 3, 1, 2]] or len(a["normalized_shape"]) != 1 or results != list(back.outputs):
        return None
    if inputs != to_last.values[:1] or norm.values[:1] != list(to_last.outputs) or list(weights)[:1] == ["bias"]:
        return None
    if any(value.name not in held for value in weights.values()):
        return None
    affine = {"elementwise_affine": bool(weights)} | ({"bias": "bias" in weights} if weights else {})
    op = lifting.op("LayerNorm2d", eps=a["eps"], **affine)

    def make() -> Any:
        if weights:
            return lifting.layer(norm, op, inputs, weights, frozenset(call.packet for call in calls))
        return lifting.draft.layer(lifting.instances.name(norm), op, [lifting.ref(inputs[0], norm)])

    return lambda: lifting.represent(back, inputs, make)


def _composed(lifting: Lifting, calls: Sequence[Call], module: nn.Module) -> Make | None:
    """A layer of torch.nn that is made of several calls, by its own arguments."""
    if isinstance(module, nn.MultiheadAttention) and not _plain(lifting, calls):
        return None
    read, results = lifting.uses.around(calls)
    held = {value.name: lifting.program.held[value.name] for value in read if value.name in lifting.program.held}
    inputs = [value for value in read if value.name not in held]
    cls = REGISTRY[type(module).__name__]
    if len(results) != 1 or len(inputs) not in cls.arity or len(inputs) == 2 != cls.arity.least:
        return None
    arguments = arguments_of(module, cls)
    if isinstance(module, nn.MultiheadAttention):
        arguments["dropout"] = _product(lifting, calls)["dropout_p"]  # none outside of training
    op = cls(**arguments)
    path = calls[0].frames[-1].path
    weights: dict[str, TraceTensor | None] = {}
    for one in held.values():
        if not one.name.startswith(f"{path}."):
            return None
        weights[one.name[len(path) + 1 :]] = one.value

    last = next(call for call in calls if results[0] in call.outputs)

    def make() -> Any:
        if weights:
            return lifting.layer(calls[0], op, inputs, weights, frozenset(call.packet for call in calls))
        refs = [lifting.ref(value, calls[0]) for value in inputs]
        return lifting.draft.layer(lifting.instances.name(calls[0]), op, refs)

    return lambda: lifting.represent(last, inputs, make)


def _altered(module: nn.Module) -> bool:
    """Whether a layer does something else than its class; hooks of our own modules but sort what comes."""
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    others = [hook for hook in hooks if not getattr(hook, "__module__", "").startswith("archscope.ops.")]
    return bool(others) or "forward" in vars(module)


def _plain(lifting: Lifting, calls: Sequence[Call]) -> bool:
    """Whether attention is without masks and gives no weights: what our layer of the name is."""
    arguments = _product(lifting, calls)
    return bool(arguments) and arguments["attn_mask"] is None and not arguments["is_causal"]


def _product(lifting: Lifting, calls: Sequence[Call]) -> Arguments:
    """The arguments of the one product of attention among calls; none if there are several, or none."""
    products = [call for call in calls if call.packet == "aten.scaled_dot_product_attention"]
    return products[0].arguments if len(products) == 1 else {}


def arguments_of(module: nn.Module, cls: type[Op]) -> dict[str, Any]:
    """The arguments of an op as the attributes of its torch layer say them."""
    arguments: dict[str, Any] = {}
    for info in cls.fields:
        value = getattr(module, info.name, None)
        if isinstance(module, nn.MultiheadAttention) and info.name in ("bias", "add_bias_kv"):
            value = (module.in_proj_bias if info.name == "bias" else module.bias_k) is not None
        elif isinstance(value, torch.Tensor) or (info.name == "bias" and value is None):
            value = value is not None
        if value is not None:
            arguments[info.name] = list(value) if isinstance(value, tuple) else value
    return arguments


def _stochastic_depth(lifting: Lifting, calls: Sequence[Call]) -> Make | None:
    """Whole samples, or the whole batch, left out at random: noise of one number a sample, times the input."""
    read, results = lifting.uses.around(calls)
    inputs = [value for value in read if value.name not in lifting.program.held]
    if len(inputs) != 1 or len(results) != 1 or inputs[0].shape != results[0].shape:
        return None
    share: float | None = None
    noise: TraceTensor | None = None
    for call in calls:
        arguments = call.arguments
        if call.packet in ("aten.rand", "aten.bernoulli", "aten.bernoulli_"):
            noise = call.outputs[0]
            share = arguments.get("p", share)
        elif call.packet in ("aten.add", "aten.add_") and share is None and noise is not None:
            number = next((one for one in (arguments["self"], arguments["other"]) if isinstance(one, float)), None)
            share = number
    if noise is None or share is None or any(size != 1 for size in noise.shape[1:]):
        return None
    mode = "row" if noise.shape and isinstance(noise.shape[0], LinearSize) else "batch"
    drop = float(f"{1 - share:.12g}")  # 1 - 0.9 is 0.09999999999999998

    last = next(call for call in calls if results[0] in call.outputs)

    def make() -> Any:
        refs = [lifting.ref(inputs[0], calls[0])]
        op = lifting.op("StochasticDepth", p=drop, mode=mode)
        return lifting.draft.layer(lifting.instances.name(calls[0]), op, refs)

    return lambda: lifting.represent(last, inputs, make)
