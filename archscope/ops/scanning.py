"""Ops that go along a dimension, and keep track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    NoContraction,
    NoWeights,
    Reads,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Flag, Index, Size
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import ALL, SAME, WHOLE, Along, UpTo, mixing


class _Scan(NoWeights, NoContraction):
    """An op that meets every input element once, along the dimension ``dim``."""

    dim: int = argument(Index(None))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim, len(x[0].shape), "dim")

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return x[0].numel


@register
class CumSum(_Scan):
    """The sum of all elements up to each along a dimension (torch.cumsum); of whole numbers and truth values int64."""

    takes = "any"
    elementwise_rule = "one addition an element"

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor(x[0].shape, x[0].dtype if x[0].floating else "int64"),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        at = axis(self.dim, ndim)
        return (Along(tuple((dim, UpTo() if dim == at else SAME) for dim in range(ndim))),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.accumulated(t, x[0], self.dim)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda tensor: torch.cumsum(tensor, dim)


@register
class ArgMax(_Scan):
    """The place of the largest element along a dimension (torch.argmax); with ``keepdim`` it stays, with the size 1."""

    takes = "number"
    elementwise_rule = "one comparison an input element"

    keepdim: bool = argument(Flag(), False)

    def outputs(self, *x: Tensor) -> Tensors:
        shape = x[0].shape
        at = axis(self.dim, len(shape))
        return (Tensor((*shape[:at], *([1] if self.keepdim else []), *shape[at + 1 :]), "int64"),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        at = axis(self.dim, len(x[0].shape))
        before = [(dim, SAME) for dim in range(at)]
        after = [(dim if self.keepdim else dim - 1, SAME) for dim in range(at + 1, len(x[0].shape))]
        return (Along((*before, (at, WHOLE) if self.keepdim else ALL, *after)),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return t.make(y[0].shape, "int64")

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim, keepdim = self.dim, self.keepdim
        return lambda tensor: torch.argmax(tensor, dim, keepdim)


@register
class TopK(NoWeights, NoContraction):
    """The k largest elements along a dimension in falling order, and their places (torch.topk)."""

    main_output = None
    takes = "number"
    elementwise_rule = "one comparison an input element"

    k: int = argument(Size())
    dim: int = argument(Index(None), -1)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            size = x[0].shape[self.dim]
            yield Check(self.k <= size, "a size of {s} has no {k} largest elements", field="k", s=size, k=self.k)

    def outputs(self, *x: Tensor) -> Tensors:
        shape, at = x[0].shape, axis(self.dim, len(x[0].shape))
        shape_behind = (*shape[:at], self.k, *shape[at + 1 :])
        return x[0].with_shape(*shape_behind), Tensor(shape_behind, "int64")

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (mixing(len(x[0].shape), (axis(self.dim, len(x[0].shape)),)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return x[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.picked(t, x[0], y[0].shape)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        k, dim = self.k, self.dim
        return lambda tensor: tuple(torch.topk(tensor, k, dim))
