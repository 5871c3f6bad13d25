"""Ops that compare, join truth values, and choose by them; shapes broadcast as in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from archscope.autograd import aten
from archscope.ops.base import (
    TWO,
    Arity,
    Check,
    NoChecks,
    NoContraction,
    NoWeights,
    Pointwise,
    Reads,
    ReadsByValues,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.contents import Content
from archscope.ops.fields import Choice, Maybe, Real
from archscope.ops.merging import Broadcasting, broadcast, broadcast_checks, broadcast_reads, common_dtype
from archscope.ops.promotion import PROMOTED
from archscope.ops.readings import AtMost, Partial
from archscope.ops.tensors import as_in, suits


class _OneAnElement(Broadcasting):
    """One operation an output element."""

    types = PROMOTED

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel


class _Truth(_OneAnElement):
    """A truth value for each element."""

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor(broadcast(*(tensor.shape for tensor in x)), "bool"),)


@register
class Compare(_Truth):
    """Whether an input is equal to (less than, ...) the number ``other``, or a second input (torch.eq, ...)."""

    arity = Arity(1, 2)
    takes = "any"
    elementwise_rule = "one comparison an output element"

    operator: str = argument(Choice(("eq", "ne", "lt", "le", "gt", "ge")))
    other: float | None = argument(Maybe(Real()), None)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            (len(x) == 1) == (self.other is not None),
            "Compare needs the number `other` for one input, and none for two",
            field="other",
        )
        yield from broadcast_checks(self, x)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.compared(t, *x)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function, other = getattr(torch, self.operator), self.other
        return function if other is None else lambda tensor: function(tensor, other)


@register
class Logical(_Truth):
    """Whether both (one, just one) of two truth values hold (torch.logical_and, ...)."""

    arity = TWO
    takes = "bool"
    elementwise_rule = "one operation an output element"

    operator: str = argument(Choice(("and", "or", "xor")))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from broadcast_checks(self, x)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.pointwise(t, x[0], x[1], dtype="bool")

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(torch, f"logical_{self.operator}")
        return function


@register
class LogicalNot(Pointwise, NoWeights, NoContraction, NoChecks):
    """Whether a truth value does not hold (torch.logical_not)."""

    takes = "bool"
    elementwise_rule = "one operation an element"

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0],)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.mapped(t, x[0])

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function: Callable[..., Any] = torch.logical_not
        return function


def _truth(tensor: Tensor, what: str) -> Check:
    return Check(
        tensor.dtype == "bool",
        "{w} must hold truth values (bool), not {d} ones",
        hint="Compare makes some, and so does `Cast: bool`",
        w=what,
        d="floating" if tensor.floating else tensor.dtype,
    )


class _Choosing(ReadsByValues, NoWeights, NoContraction):
    """One choice an output element, by the truth values of an input."""

    types = PROMOTED
    #: the number of the truth values, and of what is taken where they hold, and where not
    truth: ClassVar[int]
    taken: ClassVar[tuple[int | None, int | None]]

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        readings = enumerate(broadcast_reads(x, y))
        return tuple(AtMost(one) if number in self.taken else one for number, one in readings)

    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        truth = contents[self.truth].array if self.truth in contents else None
        if truth is None:
            return self.reads(x, y, output)
        holds = truth.reshape((1,) * (len(y[0].shape) - truth.ndim) + truth.shape) != 0
        where = dict(zip(self.taken, (holds, ~holds), strict=True))
        readings = enumerate(broadcast_reads(x, y))
        return tuple(Partial(where[number], one) if number in where else one for number, one in readings)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel


@register
class Where(_Choosing):
    """The second input where the first one holds, else the third (torch.where)."""

    arity = Arity(3, 3)
    takes = "any"
    truth = 0
    taken = (1, 2)
    elementwise_rule = "one choice an output element"

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield _truth(x[0], "input 1")
        yield from broadcast_checks(self, x)

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor(broadcast(*(tensor.shape for tensor in x)), common_dtype(x[1:])),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.where(t, *x)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function: Callable[..., Any] = torch.where
        return function


@register
class MaskedFill(_Choosing):
    """The first input, and a constant where the second one holds (torch.masked_fill)."""

    arity = TWO
    takes = "any"
    truth = 1
    taken = (None, 0)
    elementwise_rule = "one choice an output element"

    value: float = argument(Real())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield _truth(x[1], "input 2")
        yield from suits(self.value, x[0], "value")
        yield from broadcast_checks(self, x)

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor(broadcast(*(tensor.shape for tensor in x)), x[0].dtype),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.masked_fill(t, *x)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        value = as_in(x[0], self.value)
        return lambda tensor, mask: torch.masked_fill(tensor, mask, value)
