"""Parts of a model that torch runs in its own way: recomputed in the backward pass, or with one of their own.

A traced program does not say so. So while a model is traced, what torch does for such a part is replaced by the part
itself with a mark: every call of it has the mark in its node (``torch.fx.traceback.annotate``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

import torch
import torch.fx.traceback
import torch.utils.checkpoint as recomputing
from torch import fx

_RECOMPUTED, _OWN = "archscope_recomputed", "archscope_function"


@contextmanager
def marked() -> Iterator[None]:
    """Trace what is recomputed (``torch.utils.checkpoint``), and functions with an own backward pass, with marks."""
    numbers = count(1)
    around: list[int] = []

    @contextmanager
    def part() -> Iterator[None]:
        """A part that is recomputed; one inside another goes with that."""
        around.append(around[0] if around else next(numbers))
        try:
            with torch.fx.traceback.annotate({_RECOMPUTED: around[0]}):
                yield
        finally:
            around.pop()

    def once(*_: Any, **__: Any) -> Iterator[None]:
        with part():
            yield

    class Reentrant:
        """In the place of the function that recomputes reentrantly: where no input needs a gradient, it stops them."""

        @staticmethod
        def apply(function: Any, _: bool, *args: Any) -> Any:
            if not any(isinstance(one, torch.Tensor) and one.requires_grad for one in args):
                with torch.no_grad():
                    return function(*args)
            with part():
                return function(*args)

    apply = vars(torch.autograd.Function)["apply"]  # until torch 2.13 a class method of Python, then one of C

    def applied(cls: type, *args: Any, **kwargs: Any) -> Any:
        with torch.fx.traceback.annotate({_OWN: f"{cls.__module__}.{cls.__qualname__}:{next(numbers)}"}):
            return apply.__get__(None, cls)(*args, **kwargs)

    with ExitStack() as stack:
        stack.enter_context(torch.fx.traceback.preserve_node_meta())
        stack.enter_context(patch.object(recomputing, "_checkpoint_without_reentrant_generator", once))
        stack.enter_context(patch.object(recomputing, "CheckpointFunction", Reentrant))
        stack.enter_context(patch.object(torch.autograd.Function, "apply", classmethod(applied)))
        stack.enter_context(_inference_as_no_grad())
        yield


@contextmanager
def _inference_as_no_grad() -> Iterator[None]:
    """Let ``torch.inference_mode`` switch gradients off as ``no_grad`` does, which a trace shows."""

    def enter(mode: Any) -> None:
        mode._before = torch.is_grad_enabled()
        torch.set_grad_enabled(mode._before and not mode.mode)

    def leave(mode: Any, *_: Any) -> None:
        torch.set_grad_enabled(mode._before)

    with patch.object(torch.inference_mode, "__enter__", enter), patch.object(torch.inference_mode, "__exit__", leave):
        yield


@contextmanager
def not_recomputed() -> Iterator[None]:
    """Run what is recomputed once, for what its backward pass is without that."""
    with marked():
        yield


def recomputed(node: fx.Node) -> int | None:
    """The number of the part that a call is recomputed with, if it is."""
    number: int | None = (node.meta.get("custom") or {}).get(_RECOMPUTED)
    return number


def own_backward(node: fx.Node) -> str | None:
    """The ``torch.autograd.Function`` that a call stands in, and the number of that."""
    name: str | None = (node.meta.get("custom") or {}).get(_OWN)
    return name
