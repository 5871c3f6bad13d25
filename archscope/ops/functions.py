"""Elementwise functions of torch that ``torch.nn`` has no layer for.

Each counts its operations an element as the activations do: a power or a root, too, is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    NoChecks,
    NoContraction,
    NoWeights,
    Pointwise,
    SameShape,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Maybe, Real
from archscope.ops.tensors import as_in, suits


class _Elementwise(Pointwise, SameShape, NoWeights, NoContraction):
    """A function of each element."""


class Function(_Elementwise, NoChecks):
    """A function of torch without arguments."""

    #: the function
    function: ClassVar[str]
    #: operations an element
    operations: ClassVar[int] = 1

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self.operations * y[0].numel

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(torch, self.function)
        return function


class _Simple(Function):
    """One whose derivative is the gradient times (or over) something."""

    #: what its derivative needs: its ``input``, its ``output``, or neither
    saves: ClassVar[str] = ""
    #: tensors that its derivative makes in passing
    steps: ClassVar[int] = 0
    #: whether one of them is the gradient times a number
    scales: ClassVar[bool] = False
    #: devices on which torch.autocast runs it in float32
    widened_on: ClassVar[tuple[str, ...]] = ()

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        source = aten.widened(t, x[0], self.widened_on)
        return aten.derived(t, source, saves=self.saves, steps=self.steps, scales=self.scales)


@register
class Abs(_Simple):
    """|x| (torch.abs)."""

    takes = "number"
    function = "abs"
    saves, steps = "input", 1
    elementwise_rule = "1 an element (absolute value)"


@register
class Negative(_Simple):
    """-x (torch.neg)."""

    takes = "number"
    function = "neg"
    elementwise_rule = "1 an element (negate)"


@register
class Floor(_Simple):
    """The largest whole number that is not over x (torch.floor); its gradient is 0."""

    function = "floor"
    elementwise_rule = "1 an element (round)"


@register
class Exp(_Simple):
    """e to the x (torch.exp)."""

    function = "exp"
    saves = "output"
    widened_on = ("cuda",)
    elementwise_rule = "1 an element (exp)"


@register
class Log(_Simple):
    """The natural logarithm of x (torch.log)."""

    function = "log"
    saves = "input"
    widened_on = ("cuda",)
    elementwise_rule = "1 an element (log)"


@register
class Sqrt(_Simple):
    """The square root of x (torch.sqrt)."""

    function = "sqrt"
    saves, steps = "output", 1
    elementwise_rule = "1 an element (root)"


@register
class Rsqrt(_Simple):
    """1 over the square root of x (torch.rsqrt)."""

    function = "rsqrt"
    operations = 2
    saves, steps, scales = "output", 2, True
    widened_on = ("cuda",)
    elementwise_rule = "2 an element (root, divide)"


@register
class Reciprocal(_Simple):
    """1 / x (torch.reciprocal)."""

    function = "reciprocal"
    saves, steps, scales = "output", 2, True
    widened_on = ("cuda",)
    elementwise_rule = "1 an element (divide)"


@register
class Sin(_Simple):
    """The sine of x (torch.sin)."""

    function = "sin"
    saves, steps = "input", 1
    elementwise_rule = "1 an element (sine)"


@register
class Cos(_Simple):
    """The cosine of x (torch.cos)."""

    function = "cos"
    saves, steps = "input", 2
    elementwise_rule = "1 an element (cosine)"


@register
class Erf(Function):
    """The error function of x (torch.erf)."""

    function = "erf"
    elementwise_rule = "1 an element (erf)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.derived(t, x[0], saves="input", steps=4, leads=True)


@register
class Power(_Elementwise, NoChecks):
    """x to a constant (torch.pow)."""

    elementwise_rule = "one power an element"

    exponent: float = argument(Real())

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.power(t, x[0], self.exponent)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        exponent = self.exponent
        return lambda tensor: torch.pow(tensor, exponent)


@register
class Clamp(_Elementwise):
    """x, but not under ``min`` nor over ``max``; one of them may be left out (torch.clamp)."""

    takes = "number"
    elementwise_rule = "one comparison an element for each limit"

    min: float | None = argument(Maybe(Real()), None)
    max: float | None = argument(Maybe(Real()), None)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(bool(self._limits()), "Clamp needs min, max, or both", field="min")
        for name, limit in self._limits().items():
            yield from suits(limit, x[0], name)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel * len(self._limits())

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.clamped(t, x[0], len(self._limits()))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        limits = {name: as_in(x[0], limit) for name, limit in self._limits().items()}
        return lambda tensor: torch.clamp(tensor, **limits)

    def _limits(self) -> dict[str, float]:
        return {name: value for name, value in (("min", self.min), ("max", self.max)) if value is not None}
