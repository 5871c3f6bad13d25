"""Copies of modules without their numbers: on the meta device, or as fake tensors that take no memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn


def like(module: nn.Module, device: str) -> nn.Module:
    """A copy of a module that has its tensors on a device, with no values in them.

    Under a ``FakeTensorMode`` they are fake ones. What is shared in the module is shared in the copy.
    """
    return copied(module, lambda tensor: _empty(tensor, device))


def copied(module: nn.Module, made: Callable[[torch.Tensor], torch.Tensor]) -> nn.Module:
    """A deep copy of a module with other tensors.

    Args:
        made: gives the tensor that takes the place of another.
    """
    memo: dict[int, Any] = {}
    for tensor in _tensors(module):
        if id(tensor) not in memo:
            new = made(tensor)
            trained = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(new, tensor.requires_grad) if trained else new
    return copy.deepcopy(module, memo)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, buffers, and tensors that are plain attributes."""
    yield from module.parameters()
    yield from module.buffers()
    for part in module.modules():
        yield from (value for value in vars(part).values() if isinstance(value, torch.Tensor))


def _empty(tensor: torch.Tensor, device: str) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
