"""Reductions over given dimensions.

Dimensions count as in torch: 0 is the batch, a negative one counts from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.autograd import aten, reductions
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
from archscope.ops.fields import Flag, Integers, Real
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import ALL, SAME, Along, mixing


class _Reduction(NoWeights, NoContraction):
    """One number in place of all along the dimensions ``dim``; with ``keepdim`` they stay, with the size 1."""

    dim: tuple[int, ...] = argument(Integers())
    keepdim: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        ndims = len(x[0].shape)
        for dim in self.dim:
            yield in_range(dim, ndims, "dim")
        yield Check(
            len({axis(dim, ndims) for dim in self.dim}) == len(self.dim),
            "dim {d} names a dimension twice",
            field="dim",
            d=self.dim,
        )

    def outputs(self, *x: Tensor) -> Tensors:
        shape = x[0].shape
        gone = {axis(dim, len(shape)) for dim in self.dim}
        if self.keepdim:
            return (x[0].with_shape(*(1 if i in gone else size for i, size in enumerate(shape))),)
        return (x[0].with_shape(*(size for i, size in enumerate(shape) if i not in gone)),)

    def _gone(self, shape: tuple[int, ...]) -> set[int]:
        """The dimensions that are reduced."""
        return {axis(dim, len(shape)) for dim in self.dim}

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        gone = {axis(dim, ndim) for dim in self.dim}
        if self.keepdim:
            return (mixing(ndim, gone),)
        left = [dim for dim in range(ndim) if dim not in gone]
        return (Along(tuple(ALL if dim in gone else (left.index(dim), SAME) for dim in range(ndim))),)


class _Plain(_Reduction):
    """A reduction that takes no more arguments."""

    #: the function of torch that reduces
    function: ClassVar[str]

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function, dim, keepdim = getattr(torch, self.function), self.dim, self.keepdim
        return lambda tensor: function(tensor, dim=dim, keepdim=keepdim)


class _OneAnElement(_Plain):
    """A reduction that meets every input element once."""

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return x[0].numel


@register
class Mean(_Plain):
    """The mean over dimensions (torch.mean)."""

    function = "mean"
    elementwise_rule = "one addition an input element, one division an output element"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.mean(t, x[0], y[0].shape, self._gone(x[0].shape))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return x[0].numel + y[0].numel


@register
class Sum(_OneAnElement):
    """The sum over dimensions (torch.sum)."""

    function = "sum"
    elementwise_rule = "one addition an input element"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.summed(t, x[0], y[0].shape, self._gone(x[0].shape))


class _Extremum(_OneAnElement):
    """The largest or the smallest element."""

    elementwise_rule = "one comparison an input element"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.largest(t, x[0], y[0].shape, self._gone(x[0].shape))


@register
class Max(_Extremum):
    """The maximum over dimensions (torch.amax)."""

    function = "amax"


@register
class Min(_Extremum):
    """The minimum over dimensions (torch.amin)."""

    function = "amin"


@register
class LogSumExp(_Plain):
    """The logarithm of the sum of exponentials over dimensions (torch.logsumexp)."""

    function = "logsumexp"
    elementwise_rule = (
        "4 an input element (maximum, subtract, exp, add), 2 an output element (log, and the maximum added again)"
    )

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return reductions.logsumexp(t, x[0], y[0].shape, self._gone(x[0].shape))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 4 * x[0].numel + 2 * y[0].numel


@register
class Norm(_Reduction):
    """The vector norm over dimensions, of the order ``p``, infinite ones included (torch.linalg.vector_norm)."""

    elementwise_rule = "2 an input element (power, add), 1 an output element (root), whatever p is"

    p: float = argument(Real(), 2.0)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return reductions.norm(t, x[0], y[0].shape, self._gone(x[0].shape), self.p)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 2 * x[0].numel + y[0].numel

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function, p, dim, keepdim = torch.linalg.vector_norm, self.p, self.dim, self.keepdim
        return lambda tensor: function(tensor, p, dim, keepdim)


class _Spread(_Reduction):
    """How far elements lie from their mean: the squares are divided by their number less ``correction``."""

    #: the function of torch that reduces
    function: ClassVar[str]

    correction: float = argument(Real(), 1.0)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function = getattr(torch, self.function)
        dim, correction, keepdim = self.dim, self.correction, self.keepdim
        return lambda tensor: function(tensor, dim, correction=correction, keepdim=keepdim)


@register
class Var(_Spread):
    """The variance over dimensions (torch.var)."""

    function = "var"
    elementwise_rule = "4 an input element (add, subtract, square, add), 2 an output element (two divisions)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return reductions.variance(t, x[0], y[0].shape, self._gone(x[0].shape))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 4 * x[0].numel + 2 * y[0].numel


@register
class Std(_Spread):
    """The standard deviation over dimensions (torch.std)."""

    function = "std"
    elementwise_rule = "4 an input element (add, subtract, square, add), 3 an output element (two divisions, root)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return reductions.deviation(t, x[0], y[0].shape, self._gone(x[0].shape))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 4 * x[0].numel + 3 * y[0].numel
