"""Pooling: maximum, average, power average, and their adaptive forms, in 1-D, 2-D and 3-D.

Work is counted as if every window were whole: what hangs over the border (padding, ``ceil_mode``) counts as data.
The windows of adaptive pools are counted exactly.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.arith import fixed, prod
from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    Line,
    NoChecks,
    NoContraction,
    NoWeights,
    Op,
    PlainTorchLayer,
    Plane,
    Reads,
    Tape,
    Tensor,
    Tensors,
    TorchLayer,
    Value,
    Values,
    Volume,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Flag, Maybe, Real, SameAs, Size, Sizes
from archscope.ops.shapes import adaptive_total, pool_dim, window_fits
from archscope.ops.windows import SAME, WHOLE, Binned, Slide, Window, spatial

_NO_INDICES = "a layer's second output, the indices, has no reader here; MaxUnpool is not supported"


class _Pool(NoWeights, NoContraction):
    """A pool that works on each channel apart."""

    #: devices on which torch.autocast runs it in float32
    widened_on: ClassVar[tuple[str, ...]] = ()

    def _with_sizes(self, x: Tensor, sizes: tuple[int, ...]) -> Tensors:
        return (x.with_shape(*x.shape[:2], *sizes),)


class _WindowPool(_Pool):
    """A pool with a window of fixed size (torch.nn.MaxPool2d, AvgPool2d, LPPool2d)."""

    kernel_size: tuple[int, ...] = argument(Sizes(), symbol="K")
    stride: tuple[int, ...] = argument(Sizes(), SameAs("kernel_size"), symbol="S")
    ceil_mode: bool

    #: whether the window must fit into the map itself, its padding apart (torch asks that of 3-D averages alone)
    inside: ClassVar[bool] = False

    @abstractmethod
    def _windows(self) -> Iterable[tuple[int, int, int, int]]:
        """Kernel, stride, padding and dilation of each axis."""

    def _sizes(self, x: Tensor) -> tuple[int, ...]:
        axes = zip(x.shape[2:], self._windows(), strict=True)
        return tuple(pool_dim(size, *window, ceil_mode=self.ceil_mode) for size, window in axes)

    def outputs(self, *x: Tensor) -> Tensors:
        return self._with_sizes(x[0], self._sizes(x[0]))

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (spatial(SAME, [Slide(*window) for window in self._windows()]),)

    def _fit_checks(self, x: Tensor) -> Iterator[Check]:
        for size, out, (kernel, _, padding, dilation) in zip(x.shape[2:], self._sizes(x), self._windows(), strict=True):
            yield window_fits(out >= 1, size, kernel, padding, dilation)
            if self.inside:
                yield Check(
                    kernel <= size,
                    "kernel {k} is larger than a map of {i}: a 3-D average must fit in without padding or ceil_mode",
                    field="kernel_size",
                    fit=True,
                    k=kernel,
                    i=size,
                )


class _PaddedPool(_WindowPool, PlainTorchLayer):
    """A pool that pads the map before it."""

    padding: tuple[int, ...] = argument(Sizes(0), 0, symbol="P")

    def checks(self, *x: Tensor) -> Iterator[Check]:
        for kernel, _, padding, _ in self._windows():
            yield Check(
                2 * padding <= kernel,
                "padding {p} is more than half of the kernel ({k})",
                field="padding",
                hint="pad by a layer of its own (ConstantPad, ReplicationPad)",
                p=padding,
                k=kernel,
            )
        yield from self._fit_checks(x[0])


class _MaxPool(_PaddedPool):
    """Largest element of each window (torch.nn.MaxPool1d, MaxPool2d, MaxPool3d)."""

    elementwise_rule = "comparisons: one less than the window's elements, an output element"
    refuses: ClassVar = {"return_indices": _NO_INDICES}

    dilation: tuple[int, ...] = argument(Sizes(), 1, symbol="D")
    ceil_mode: bool = argument(Flag(), False)

    def _windows(self) -> Iterable[tuple[int, int, int, int]]:
        return zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel * (prod(self.kernel_size) - 1)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.maximum_pool(t, aten.widened(t, x[0], self.widened_on), y[0].shape)


class _AvgPool(_PaddedPool):
    """Mean of each window (torch.nn.AvgPool1d, AvgPool2d, AvgPool3d)."""

    elementwise_rule = "as many as the window has elements, an output element (additions, and one division)"

    ceil_mode: bool = argument(Flag(), False)
    count_include_pad: bool = argument(Flag(), True)

    def _windows(self) -> Iterable[tuple[int, int, int, int]]:
        return ((k, s, p, 1) for k, s, p in zip(self.kernel_size, self.stride, self.padding, strict=True))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel * prod(self.kernel_size)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.average_pool(t, aten.widened(t, x[0], self.widened_on), y[0].shape)


class _DividedAvgPool(_AvgPool):
    """An average pool that may divide by another number than the window's size."""

    divisor_override: int | None = argument(Maybe(Size()), None)


class _Powered(Op):
    """An op with a power; a base of its own, so that torch's first argument is the first here."""

    norm_type: float = argument(Real(), symbol="p")


class _LPPool(_WindowPool, _Powered, TorchLayer):
    """Power average of each window: (sum of x^p)^(1/p) (torch.nn.LPPool1d, LPPool2d, LPPool3d)."""

    elementwise_rule = "two for each element of the window, an output element (powers, additions, and one root)"

    ceil_mode: bool = argument(Flag(), False)

    def _windows(self) -> Iterable[tuple[int, int, int, int]]:
        return ((k, s, 0, 1) for k, s in zip(self.kernel_size, self.stride, strict=True))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(self.norm_type != 0, "norm_type must not be 0: there is no 0th root", field="norm_type")
        yield from self._fit_checks(x[0])

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 2 * y[0].numel * prod(self.kernel_size)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.power_pool(t, x[0], y[0].shape, self.norm_type, self.widened_on)


class _PlainLPPool(_LPPool, PlainTorchLayer):
    """A power-average pool that torch builds from the declared arguments."""


class _AdaptivePool(_Pool, NoChecks, PlainTorchLayer):
    """A pool whose windows follow from the wanted size: from floor(i n / m) to ceil((i + 1) n / m)."""

    output_size: tuple[int | None, ...] = argument(Sizes(optional=True), symbol="O")

    def outputs(self, *x: Tensor) -> Tensors:
        wanted = zip(x[0].shape[2:], self.output_size, strict=True)
        return self._with_sizes(x[0], tuple(size if out is None else out for size, out in wanted))

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        sizes = zip(x[0].shape[2:], y[0].shape[2:], strict=True)
        return (spatial(SAME, [_binned(size, out) for size, out in sizes]),)

    def _held(self, x: Tensor, y: Tensor) -> int:
        """Elements of all windows together: the sum over a product of windows is the product of the axes' sums."""
        return prod(x.shape[:2]) * prod(adaptive_total(n, m) for n, m in zip(x.shape[2:], y.shape[2:], strict=True))


def _binned(size: int, out: int) -> Window:
    """The window of an axis: all of it, each place by itself, or bins."""
    if fixed(out == 1):
        return WHOLE
    return SAME if fixed(size == out) else Binned()


class _AdaptiveAvgPool(_AdaptivePool):
    """Mean of each window (torch.nn.AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d)."""

    elementwise_rule = "as many as the windows hold elements (additions, and one division an output element)"

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self._held(x[0], y[0])

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        source = aten.widened(t, x[0], self.widened_on)
        if all(fixed(size == 1) for size in y[0].shape[2:]):
            return aten.global_mean(t, source, y[0].shape)  # torch takes the mean, which needs shapes only
        return aten.average_pool(t, source, y[0].shape, adaptive=True)


class _AdaptiveMaxPool(_AdaptivePool):
    """Largest element of each window (torch.nn.AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d)."""

    elementwise_rule = "comparisons: one less than each window holds elements"
    refuses: ClassVar = {"return_indices": _NO_INDICES}

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self._held(x[0], y[0]) - y[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.maximum_pool(t, aten.widened(t, x[0], self.widened_on), y[0].shape, adaptive=True)


@register
class MaxPool1d(Line, _MaxPool):
    """Largest element of each window, over (N, C, L)."""


@register
class MaxPool2d(Plane, _MaxPool):
    """Largest element of each window, over (N, C, H, W)."""


@register
class MaxPool3d(Volume, _MaxPool):
    """Largest element of each window, over (N, C, D, H, W)."""

    widened_on = ("cpu",)


@register
class AvgPool1d(Line, _AvgPool):
    """Mean of each window, over (N, C, L)."""


@register
class AvgPool2d(Plane, _DividedAvgPool):
    """Mean of each window, over (N, C, H, W)."""


@register
class AvgPool3d(Volume, _DividedAvgPool):
    """Mean of each window, over (N, C, D, H, W)."""

    widened_on = ("cpu",)

    inside = True


@register
class LPPool1d(Line, _LPPool):
    """Power average of each window, over (N, C, L)."""

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"kernel_size": self.kernel_size[0], "stride": self.stride[0]}  # torch multiplies by the bare number


@register
class LPPool2d(Plane, _PlainLPPool):
    """Power average of each window, over (N, C, H, W)."""


@register
class LPPool3d(Volume, _PlainLPPool):
    """Power average of each window, over (N, C, D, H, W)."""

    widened_on = ("cpu",)

    inside = True


@register
class AdaptiveAvgPool1d(Line, _AdaptiveAvgPool):
    """Mean of windows that give the wanted size, over (N, C, L)."""

    output_size: tuple[int, ...] = argument(Sizes(), symbol="O")


@register
class AdaptiveAvgPool2d(Plane, _AdaptiveAvgPool):
    """Mean of windows that give the wanted size, over (N, C, H, W)."""


@register
class AdaptiveAvgPool3d(Volume, _AdaptiveAvgPool):
    """Mean of windows that give the wanted size, over (N, C, D, H, W)."""

    widened_on = ("cpu",)


@register
class AdaptiveMaxPool1d(Line, _AdaptiveMaxPool):
    """Largest elements of windows that give the wanted size, over (N, C, L)."""

    output_size: tuple[int, ...] = argument(Sizes(), symbol="O")


@register
class AdaptiveMaxPool2d(Plane, _AdaptiveMaxPool):
    """Largest elements of windows that give the wanted size, over (N, C, H, W)."""


@register
class AdaptiveMaxPool3d(Volume, _AdaptiveMaxPool):
    """Largest elements of windows that give the wanted size, over (N, C, D, H, W)."""

    widened_on = ("cpu",)
