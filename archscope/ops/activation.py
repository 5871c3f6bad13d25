"""Activations: the elementwise functions of torch.nn, the gated linear unit, and the softmax family.

Each counts its operations an element: an addition, a multiplication, a comparison (an absolute value too), or one
exp, log, tanh or erf is one operation. Constants are folded, and of two branches the longer one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from archscope.arith import exact_div
from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    NoBuffers,
    NoChecks,
    NoContraction,
    NoWeights,
    OneKernel,
    PlainTorchLayer,
    Pointwise,
    Reads,
    ReadsByValues,
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
from archscope.ops.contents import Content
from archscope.ops.fields import Choice, Flag, Index, Real, Size
from archscope.ops.readings import only_of
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import SAME, Along, Slide, mixing


class _Elementwise(PlainTorchLayer, NoContraction):
    """A layer whose every output element costs the same number of operations."""

    #: operations an output element
    operations: ClassVar[int]

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self.operations * y[0].numel


class _Function(_Elementwise, Pointwise, NoWeights, SameShape):
    """A function of each element."""


class _Checked(_Function):
    """One that is one kernel, and whose arguments have to suit each other."""

    #: what its backward pass needs: its input or its output
    needs_back: ClassVar[str] = "input"
    #: whether that is the first operand of the derivative, and the gradient the second
    leads: ClassVar[bool] = False
    #: in place, whether the backward pass makes do with the output (else a copy of the input is kept)
    invertible: ClassVar[bool] = False
    #: in place, whether it may overwrite what repeats its elements: doing it twice is doing it once
    idempotent: ClassVar[bool] = False
    #: devices on which torch.autocast runs it in float32
    widened_on: ClassVar[tuple[str, ...]] = ()

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        if self.__dict__.get("inplace"):
            enough = self.invertible or self.needs_back == "output"
            saves = "output" if enough else "copy"
            return aten.in_place(t, x[0], saves=saves, leads=self.leads, idempotent=self.idempotent)
        return aten.derived(t, aten.widened(t, x[0], self.widened_on), saves=self.needs_back, leads=self.leads)


class _Activation(_Checked, NoChecks):
    """An elementwise function that takes whatever arrives."""


class _InPlace(_Activation):
    """One that may overwrite its input."""

    inplace: bool = argument(Flag(), False)


@register
class ReLU(_InPlace):
    """max(x, 0)."""

    needs_back, leads = "output", True

    operations = 1
    elementwise_rule = "1 an element (compare)"


@register
class ReLU6(_InPlace):
    """min(max(x, 0), 6)."""

    operations = 2
    elementwise_rule = "2 an element (compare twice)"


@register
class LeakyReLU(_Activation):
    """x, or negative_slope x where x is negative."""

    invertible = leads = True

    operations = 2
    elementwise_rule = "2 an element (compare, multiply)"

    negative_slope: float = argument(Real(), 1e-2)
    inplace: bool = argument(Flag(), False)


@register
class PReLU(_Elementwise, Pointwise, NoBuffers, SameShape):
    """x, or a learnt slope times x where x is negative; one slope, or one a channel."""

    operations = 2
    elementwise_rule = "2 an element (compare, multiply)"

    num_parameters: int = argument(Size(), 1)
    init: float = argument(Real(), 0.25)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        channels = x[0].shape[1] if len(x[0].shape) > 1 else 1
        yield Check(
            (self.num_parameters == 1) | (self.num_parameters == channels),
            "num_parameters ({n}) must be 1 or the number of channels ({c})",
            field="num_parameters",
            n=self.num_parameters,
            c=channels,
        )

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {"weight": Tensor((self.num_parameters,))}

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        a, slope = aten.lowered(t, x[0], w["weight"])
        if len(a.shape) != 1:  # of as many dimensions as the input; one without any has a single slope
            slope = aten.view(t, slope, (1, self.num_parameters, *(1 for _ in a.shape[2:])) if a.shape else (), None)
        return aten.prelu(t, a, slope)


@register
class RReLU(_Function):
    """x, or a random slope between lower and upper times x where x is negative; at inference their mean."""

    operations = 2
    elementwise_rule = "2 an element (compare, multiply)"

    lower: float = argument(Real(), 1 / 8)
    upper: float = argument(Real(), 1 / 3)
    inplace: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            self.lower <= self.upper,
            "lower ({a:g}) must not be more than upper ({b:g})",
            field="lower",
            a=self.lower,
            b=self.upper,
        )

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        slopes = t.make(x[0].shape, x[0].dtype, "the slopes")  # in inference, too, where nothing fills or reads them
        if not t.training:
            result = aten.in_place(t, x[0], saves="output") if self.inplace else aten.derived(t, x[0], leads=True)
            t.drop(slopes)
            return result
        return aten.rrelu(t, x[0], slopes, in_place=self.inplace)


@register
class ELU(_Activation):
    """x, or alpha (exp(x) - 1) where x is negative."""

    invertible = True

    operations = 4
    elementwise_rule = "4 an element (compare, exp, subtract, multiply)"

    alpha: float = argument(Real(), 1.0)
    inplace: bool = argument(Flag(), False)


@register
class CELU(_Checked):
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)."""

    invertible = True

    operations = 5
    elementwise_rule = "5 an element (compare, divide, exp, subtract, multiply)"

    alpha: float = argument(Real(), 1.0)
    inplace: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(self.alpha != 0, "alpha must not be 0: CELU divides by it", field="alpha")


@register
class SELU(_InPlace):
    """scale x, or scale alpha (exp(x) - 1) where x is negative, with fixed scale and alpha."""

    invertible = True

    operations = 4
    elementwise_rule = "4 an element (compare, exp, subtract, multiply)"


@register
class GELU(PlainTorchLayer, Pointwise, NoWeights, NoContraction, NoChecks, SameShape):
    """x times the normal distribution function of x: exact by erf, or approximated by tanh."""

    elementwise_rule = (
        "5 an element (multiply, erf, add, multiply twice); approximated 9 "
        "(x + c x^3: multiply three times, add; multiply, tanh, add, multiply twice)"
    )

    approximate: str = argument(Choice(("none", "tanh")), "none")

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return (5 if self.approximate == "none" else 9) * x[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.gelu(t, x[0], exact=self.approximate == "none")


@register
class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    needs_back = "output"

    operations = 4
    elementwise_rule = "4 an element (negate, exp, add, divide)"


@register
class SiLU(_InPlace):
    """x / (1 + exp(-x)), also known as swish."""

    operations = 4
    elementwise_rule = "4 an element (negate, exp, add, divide)"


@register
class LogSigmoid(_Function, NoChecks):
    """-log(1 + exp(-x))."""

    operations = 5
    elementwise_rule = "5 an element (negate, exp, add, log, negate)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        buffer = x[0].shape if t.device == "cpu" else (0,)
        return aten.log_sigmoid(t, x[0], (buffer, x[0].dtype, "an intermediate result"))


@register
class Mish(_InPlace):
    """x tanh(log(1 + exp(x)))."""

    operations = 5
    elementwise_rule = "5 an element (exp, add, log, tanh, multiply)"


@register
class Tanh(_Activation):
    """tanh(x)."""

    needs_back = "output"

    operations = 1
    elementwise_rule = "1 an element (tanh)"


@register
class Tanhshrink(_Function, NoChecks):
    """x - tanh(x)."""

    operations = 2
    elementwise_rule = "2 an element (tanh, subtract)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.subtract(t, x[0], aten.derived(t, x[0], saves="output", what="tanh(x)"))


@register
class Softsign(_Function, NoChecks):
    """x / (1 + |x|)."""

    operations = 3
    elementwise_rule = "3 an element (absolute value, add, divide)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        size = aten.magnitude(t, x[0])
        shifted = aten.plus(t, size, "1 + |x|")
        t.drop(size)
        return aten.divide(t, x[0], shifted)


@register
class Softplus(_Activation):
    """log(1 + exp(beta x)) / beta, or x where beta x is over the threshold."""

    widened_on = ("cuda",)

    operations = 6
    elementwise_rule = "6 an element (multiply, compare, exp, add, log, divide)"

    beta: float = argument(Real(), 1.0)
    threshold: float = argument(Real(), 20.0)


@register
class Hardsigmoid(_InPlace):
    """min(max(x + 3, 0), 6) / 6."""

    operations = 4
    elementwise_rule = "4 an element (add, compare twice, divide)"


@register
class Hardswish(_InPlace):
    """x min(max(x + 3, 0), 6) / 6."""

    operations = 5
    elementwise_rule = "5 an element (add, compare twice, multiply, divide)"


@register
class Hardtanh(_Checked):
    """min(max(x, min_val), max_val)."""

    operations = 2
    elementwise_rule = "2 an element (compare twice)"
    refuses: ClassVar = {"min_value": "torch has renamed it to min_val", "max_value": "torch has renamed it to max_val"}

    min_val: float = argument(Real(), -1.0)
    max_val: float = argument(Real(), 1.0)
    inplace: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            self.min_val < self.max_val,
            "min_val ({a:g}) must be less than max_val ({b:g})",
            field="min_val",
            a=self.min_val,
            b=self.max_val,
        )


@register
class Hardshrink(_Activation):
    """x, or 0 where x lies between -lambd and lambd."""

    operations = 2
    elementwise_rule = "2 an element (compare twice)"

    lambd: float = argument(Real(), 0.5)


@register
class Softshrink(_Activation):
    """x moved towards 0 by lambd, and 0 between -lambd and lambd."""

    operations = 3
    elementwise_rule = "3 an element (compare twice, subtract)"

    lambd: float = argument(Real(0), 0.5)


@register
class Threshold(_Activation):
    """x where it is over the threshold, else the value."""

    leads, idempotent = True, True

    operations = 1
    elementwise_rule = "1 an element (compare)"

    threshold: float = argument(Real())
    value: float = argument(Real())
    inplace: bool = argument(Flag(), False)


class _AlongDim(_Elementwise, NoWeights):
    """A function along one dimension; a negative ``dim`` counts from the last."""


@register
class GLU(_AlongDim):
    """a sigmoid(b), where a and b are the halves of the input along ``dim`` (Dauphin et al., 2017)."""

    operations = 5
    elementwise_rule = "5 an output element (sigmoid: negate, exp, add, divide; multiply)"

    dim: int = argument(Index(None), -1)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            size = x[0].shape[self.dim]
            yield Check(
                size % 2 == 0,
                "GLU halves dimension {d}, which has {s} elements: it must be even",
                field="dim",
                d=self.dim,
                s=size,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        shape = list(x[0].shape)
        shape[self.dim] = exact_div(shape[self.dim], 2)
        return (x[0].with_shape(*shape),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        at = axis(self.dim, len(x[0].shape))
        halves = Slide(2, dilation=y[0].shape[at])
        return (Along(tuple((dim, halves if dim == at else SAME) for dim in range(len(x[0].shape)))),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.glu(t, x[0], y[0].shape)


class _Softmax(_AlongDim, SameShape):
    """exp(x) over its sum along ``dim``; torch's implicit ``dim`` is deprecated, so it must be given."""

    dim: int = argument(Index(None))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim, len(x[0].shape), "dim")

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (mixing(len(x[0].shape), (axis(self.dim, len(x[0].shape)),)),)


class _OneSoftmax(ReadsByValues, OneKernel, _Softmax):
    """One that is one kernel, of whose scores those under a mask leave nothing."""

    saves, lays = "softmax", aten.IN_ORDER
    widened_on = ("cuda",)

    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        (scores,) = self.reads(x, y, output)
        return (only_of(scores, contents[0].masked.low if 0 in contents else False, x[0].shape),)


@register
class Softmax(_OneSoftmax):
    """exp(x) / sum of exp(x) along ``dim``, the largest x subtracted first."""

    operations = 5
    elementwise_rule = "5 an element (compare, subtract, exp, add, divide)"


@register
class Softmin(_Softmax):
    """Softmax of -x along ``dim``."""

    operations = 6
    elementwise_rule = "6 an element (negate; softmax: compare, subtract, exp, add, divide)"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        negated = aten.scaled(t, x[0])
        return aten.softmax(t, aten.widened(t, negated, ("cuda",)))


@register
class LogSoftmax(_OneSoftmax):
    """x - log of the sum of exp(x) along ``dim``, the largest x subtracted first."""

    operations = 5
    elementwise_rule = "5 an element (compare, subtract, exp, add, subtract)"


@register
class Softmax2d(OneKernel, _Elementwise, NoWeights, NoChecks, SameShape):
    """Softmax over the channels at each position of (N, C, H, W)."""

    saves, lays = "softmax", aten.IN_ORDER
    widened_on = ("cuda",)

    ndims = (4,)
    operations = 5
    elementwise_rule = "5 an element (compare, subtract, exp, add, divide)"

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (mixing(4, (1,)),)
