"""Copies of models without their numbers: their tensors are fake ones, on a CPU that they take no memory of.

A fake tensor does what one on the CPU does (the meta device does not: what a model makes without naming a device lies
elsewhere, and attention keeps other tensors), so one copy serves tracing and measuring.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree

#: a module, and what it is called with
Example = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


def faked(example: Example, mode: FakeTensorMode | None = None) -> Example:
    """A deep copy of a module and of its inputs with fake tensors; the module itself stays as it is.

    Parameters and buffers lose their values. So do inputs, and plain attributes on the meta device, which have no
    values; other attributes keep theirs, for they may be what a model computes with.

    Args:
        mode: that the fake tensors belong to; a new one if left out.
    """
    module, args, kwargs = example
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

    Functions that a module holds (hooks, ``self.f = lambda x: self.a(x)``) are the copy's, with the copy in the place
    of the module.

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
    with _functions_copied():
        return copy.deepcopy(module, memo)


@contextmanager
def _functions_copied() -> Iterator[None]:
    """Let deep copies copy functions that enclose values, which they take to be immutable."""
    table: dict[type, Any] = copy._deepcopy_dispatch  # type: ignore[attr-defined]
    before = table[types.FunctionType]
    table[types.FunctionType] = _function
    try:
        yield
    finally:
        table[types.FunctionType] = before


def _function(function: types.FunctionType, memo: dict[int, Any]) -> types.FunctionType:
    """A function with copies of what it encloses, its defaults included; itself where that is nothing of a module's."""
    cells = function.__closure__ or ()
    held = [_content(cell) for cell in cells], function.__defaults__, function.__kwdefaults__
    if not _of_a_module(held, set()):
        return function
    cells = tuple(types.CellType() for _ in cells)
    made = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells or None
    )
    memo[id(function)] = made  # before its cells, which may hold it
    for cell, value in zip(cells, held[0], strict=True):
        if value is not _EMPTY:
            cell.cell_contents = copy.deepcopy(value, memo) if _of_a_module(value, set()) else value
    made.__defaults__ = copy.deepcopy(function.__defaults__, memo)
    made.__kwdefaults__ = copy.deepcopy(function.__kwdefaults__, memo)
    made.__dict__.update(function.__dict__)
    made.__qualname__, made.__module__, made.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return made


_EMPTY = object()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # of a name that was not assigned yet
        return _EMPTY


def _of_a_module(value: Any, seen: set[int]) -> bool:
    """Whether a value is a module or a tensor, or encloses one."""
    if isinstance(value, (nn.Module, torch.Tensor)):
        return True
    if id(value) in seen:
        return False
    seen.add(id(value))
    inner: list[Any] = []
    if isinstance(value, (list, tuple, set, frozenset)):
        inner = list(value)
    elif isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, types.MethodType):
        inner = [value.__self__, value.__func__]
    elif isinstance(value, functools.partial):
        inner = [value.func, value.args, value.keywords]
    elif isinstance(value, types.FunctionType):
        inner = [*map(_content, value.__closure__ or ()), value.__defaults__, value.__kwdefaults__]
    return any(_of_a_module(one, seen) for one in inner)


def spread(y: Any) -> Any:
    """What a model gives, dataclasses that torch does not know as dictionaries of their fields."""
    if dataclasses.is_dataclass(y) and not isinstance(y, type) and type(y) not in pytree.SUPPORTED_NODES:
        return {one.name: spread(getattr(y, one.name)) for one in dataclasses.fields(y)}
    if type(y) in (tuple, list):
        return type(y)(map(spread, y))
    return {key: spread(value) for key, value in y.items()} if type(y) is dict else y


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
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")


def floating(state: Iterable[torch.Tensor]) -> torch.dtype:
    """The floating type of a model, by its parameters: the one that all have, float32 where they have several."""
    dtypes = {tensor.dtype for tensor in state if tensor.is_floating_point()}
    return dtypes.pop() if len(dtypes) == 1 else torch.float32
