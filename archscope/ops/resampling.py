"""Ops that change the resolution of a map, or trade channels for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from archscope.arith import exact_div, floor_mul
from archscope.autograd import aten
from archscope.autograd.versions import RESAMPLING_IN_FLOAT32
from archscope.ops.base import (
    Check,
    NoContraction,
    NoWeights,
    NoWork,
    OneKernel,
    PlainTorchLayer,
    Reads,
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
from archscope.ops.fields import Choice, Flag, Maybe, Reals, Shape, Size
from archscope.ops.readings import Rearranged
from archscope.ops.windows import SAME, WHOLE, Grouped, Resampled, Slide, Spread, spatial

_T = TypeVar("_T")

#: spatial axes that an interpolating mode is for, and what it costs: a multiplication a tap and the additions between
_MODES: Mapping[str, tuple[int, int]] = {
    "linear": (1, 2 + 1), "bilinear": (2, 4 + 3), "bicubic": (2, 16 + 15), "trilinear": (3, 8 + 7),
}  # fmt: skip


@register
class Upsample(NoWeights, NoContraction):
    """A map in another resolution: ``size``, or floor(I x scale_factor) an axis (torch.nn.Upsample).

    As in torch the product is rounded to a double before the floor: 10 x 0.7 is 7, though the double 0.7 is less.
    """

    ndims = (3, 4, 5)
    elementwise_rule = (
        "a multiplication a tap and the additions between, an output element: linear 3, bilinear 7, trilinear 15, "
        "bicubic 31; nearest 0; finding taps and weights is not counted"
    )
    refuses: ClassVar[Mapping[str, str]] = {
        "recompute_scale_factor": "it changes where samples are taken, and no shape or count"
    }

    size: tuple[int, ...] | None = argument(Maybe(Shape()), None)
    scale_factor: tuple[float, ...] | None = argument(Maybe(Reals(0)), None)
    mode: str = argument(Choice(("nearest", *_MODES)), "nearest")
    align_corners: bool | None = argument(Maybe(Flag()), None)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        axes = len(x[0].shape) - 2
        stated = [values for values in (self.size, self.scale_factor) if values is not None]
        field = "scale_factor" if self.size is None else "size"
        yield Check(len(stated) == 1, "either size or scale_factor must be given", field=field)
        fits = len(stated) == 1 and len(stated[0]) in (1, axes)
        if len(stated) == 1:
            along = "1 axis" if axes == 1 else f"{axes} axes"
            yield Check(fits, "{f} has {n} numbers for {a}", field=field, f=field, n=len(stated[0]), a=along)
        if self.mode == "nearest":
            yield Check(
                self.align_corners is None,
                "align_corners is for the modes that interpolate, not for nearest",
                field="align_corners",
            )
        else:
            yield Check(
                _MODES[self.mode][0] == axes,
                "mode {m} is for inputs of {n} dimensions, not {x}",
                field="mode",
                m=self.mode,
                n=_MODES[self.mode][0] + 2,
                x=axes + 2,
            )
        if fits:
            for before, after in zip(x[0].shape[2:], self.outputs(*x)[0].shape[2:], strict=True):
                yield Check(after >= 1, "nothing is left of a map of {i}", field=field, i=before)

    def outputs(self, *x: Tensor) -> Tensors:
        batch, channels, *sizes = x[0].shape
        if self.size is not None:
            return (x[0].with_shape(batch, channels, *_each(self.size, len(sizes))),)
        factors = _each(self.scale_factor or (), len(sizes))
        return (x[0].with_shape(batch, channels, *map(floor_mul, sizes, factors)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 0 if self.mode == "nearest" else _MODES[self.mode][1] * y[0].numel

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        axes = len(x[0].shape) - 2
        factors: tuple[float | None, ...] = (None,) * axes if self.scale_factor is None else self.scale_factor
        kind = "nearest" if self.mode == "nearest" else "cubic" if self.mode == "bicubic" else "linear"
        taps = [Resampled(kind, factor, bool(self.align_corners)) for factor in _each(factors, axes)]
        return (spatial(SAME, taps),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        source = aten.widened(t, x[0], ("cuda",), RESAMPLING_IN_FLOAT32)
        ordered = self.mode == "bicubic" or (self.mode == "nearest" and len(x[0].shape) == 5)
        return aten.kernel(t, source, y[0].shape, lays=aten.GRADIENT_IN_ORDER if ordered else aten.AS_ITERATED)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        axes = len(x[0].shape) - 2
        layer: Callable[..., Any] = torch.nn.Upsample(
            None if self.size is None else _each(self.size, axes),
            None if self.scale_factor is None else _each(self.scale_factor, axes),
            self.mode,
            self.align_corners,
        )
        return layer


def _each(values: tuple[_T, ...], axes: int) -> tuple[_T, ...]:
    """One value an axis; a single one stands for all."""
    return values * axes if len(values) == 1 else values


@register
class PixelShuffle(PlainTorchLayer, OneKernel, NoWeights, NoWork):
    """(N, C r^2, H, W) to (N, C, H r, W r) (torch.nn.PixelShuffle)."""

    lays = aten.AS_READ
    ndims = (4,)

    upscale_factor: int = argument(Size(), symbol="r")

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            x[0].shape[1] % (self.upscale_factor * self.upscale_factor) == 0,
            "the channels ({c}) must be divisible by the square of upscale_factor ({r})",
            field="upscale_factor",
            c=x[0].shape[1],
            r=self.upscale_factor,
        )

    def outputs(self, *x: Tensor) -> Tensors:
        (batch, channels, height, width), r = x[0].shape, self.upscale_factor
        return (x[0].with_shape(batch, exact_div(channels, r * r), height * r, width * r),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        (batch, channels, height, width), r = y[0].shape, self.upscale_factor
        inner = (batch, channels, r, r, exact_div(height, r), exact_div(width, r))
        along = spatial(Slide(r * r, r * r), [Spread(r, r)] * 2)
        return (Rearranged(inner, (0, 1, 4, 2, 5, 3), along),)


@register
class PixelUnshuffle(PlainTorchLayer, OneKernel, NoWeights, NoWork):
    """(N, C, H r, W r) to (N, C r^2, H, W) (torch.nn.PixelUnshuffle)."""

    lays = aten.AS_READ
    ndims = (4,)

    downscale_factor: int = argument(Size(), symbol="r")

    def checks(self, *x: Tensor) -> Iterator[Check]:
        for size in x[0].shape[2:]:
            yield Check(
                size % self.downscale_factor == 0,
                "a map of {i} is not divisible by downscale_factor ({r})",
                field="downscale_factor",
                i=size,
                r=self.downscale_factor,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        (batch, channels, height, width), r = x[0].shape, self.downscale_factor
        return (x[0].with_shape(batch, channels * r * r, exact_div(height, r), exact_div(width, r)),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        (batch, channels, *_), r = x[0].shape, self.downscale_factor
        inner = (batch, channels, y[0].shape[2], r, y[0].shape[3], r)
        along = spatial(Grouped(1, r * r), [Slide(r, r)] * 2)
        return (Rearranged(inner, (0, 1, 3, 5, 2, 4), along),)


@register
class ChannelShuffle(PlainTorchLayer, OneKernel, SameShape, NoWeights, NoWork):
    """Channels (g, C / g) read as (C / g, g), so that groups mix (torch.nn.ChannelShuffle; ShuffleNet)."""

    lays = aten.AS_READ
    ndims = (3, 4, 5)

    groups: int = argument(Size())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            x[0].shape[1] % self.groups == 0,
            "the channels ({c}) must be divisible by groups ({g})",
            field="groups",
            c=x[0].shape[1],
            g=self.groups,
        )

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        batch, channels, *sizes = x[0].shape
        inner = (batch, self.groups, exact_div(channels, self.groups), *sizes)
        order = (0, 2, 1, *range(3, len(inner)))
        return (Rearranged(inner, order, spatial(WHOLE, [SAME] * len(sizes))),)
