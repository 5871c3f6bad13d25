"""Copies of models without their numbers: their tensors are fake ones, on a CPU that they take no memory of.

A fake tensor does what one on the CPU does (the meta device does not: what a model makes without naming a device lies
elsewhere, and attention keeps other tensors), so one copy serves tracing and measuring.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree

#: a module, and what it is called with
Given = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


def faked(given: Given, mode: FakeTensorMode | None = None) -> Given:
    """A deep copy of a module and of its inputs with fake tensors; the module itself stays as it is.

    Parameters and buffers lose their values, and are float32 where they are floating: a design has one floating type.
    So do inputs, and plain attributes on the meta device, which have no values; other attributes keep theirs, for they
    may be what a model computes with.

    Args:
        mode: that the fake tensors belong to; a new one if left out.
    """
    module, args, kwargs = given
    mode = mode or fake_mode()

    def made(tensor: torch.Tensor) -> torch.Tensor:
        with mode:
            return _empty(tensor)

    args, kwargs = pytree.tree_map_only(torch.Tensor, made, (args, kwargs))
    return copied(module, made), args, kwargs  # not under the mode, which cannot copy what has values


def fake_mode() -> FakeTensorMode:
    """A mode for fake tensors, under which what has values may be used, too."""
    return FakeTensorMode(allow_non_fake_inputs=True)


def copied(module: nn.Module, made: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """A deep copy of a module with other tensors; what is shared in the module is shared in the copy.

    Args:
        made: gives the tensor that takes the place of a parameter, of a buffer, or of a plain attribute without values
            of its own.
    """
    memo: dict[int, Any] = {}
    for tensor in _tensors(module):
        if id(tensor) not in memo:
            new = made(tensor)
            learnt = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(new, tensor.requires_grad) if learnt else new
    return copy.deepcopy(module, memo)


def zeros(tensor: torch.Tensor) -> torch.Tensor:
    """Zeros on the CPU in the place of a tensor."""
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, buffers, and plain attributes whose values are not there or are made anew (by a weight norm)."""
    yield from module.parameters()
    yield from module.buffers()
    for part in module.modules():
        for value in vars(part).values():
            if isinstance(value, torch.Tensor) and (
                value.is_meta or isinstance(value, FakeTensor) or not value.is_leaf
            ):
                yield value


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype, device="cpu")


def floating(module: nn.Module) -> str:
    """The floating type of a module: that of its first parameter that has one."""
    found = (tensor.dtype for tensor in module.parameters() if tensor.is_floating_point())
    return str(next(found, torch.float32)).removeprefix("torch.")
