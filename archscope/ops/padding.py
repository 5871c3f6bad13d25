"""Padding layers in 1-D, 2-D and 3-D, and padding of any dimensions.

``padding`` is one number, or two an axis, the last axis first, as in torch.nn.

An axis of I becomes left + I + right. A negative number crops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.arith import minimum
from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    Line,
    NoWeights,
    NoWork,
    OneKernel,
    PlainTorchLayer,
    Plane,
    Reads,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Volume,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Choice, Integers, Maybe, Real, Sizes
from archscope.ops.shapes import wanted_type
from archscope.ops.windows import SAME, Along, Slide, spatial


def _axis_checks(border: str, size: int, left: int, right: int, field: str) -> Iterator[Check]:
    """What a padding leaves of an axis, and what it needs of the axis that it is taken from."""
    values: dict[str, Any] = {"l": left, "r": right, "i": size}
    left_over, crop = size + left + right >= 1, size + minimum(left, 0) + minimum(right, 0)
    yield Check(left_over, "padding ({l}, {r}) leaves nothing of a map of {i}", field=field, fit=True, **values)
    if border == "zeros":
        message = "padding ({l}, {r}) crops more than a map of {i} has"
        yield Check(crop >= 0, message, field=field, fit=True, **values)
    elif border == "reflect":
        message = "reflection padding ({l}, {r}) must be less than the map ({i})"
        yield Check((left < size) & (right < size), message, field=field, **values)
    elif border == "circular":
        message = "circular padding ({l}, {r}) is more than a map of {i} has to give"
        yield Check((left <= crop) & (right <= crop), message, field=field, **values)


def _window(border: str, left: int, right: int) -> Slide:
    return Slide(padding=left, border=border, cut=(-minimum(left, 0), minimum(right, 0)))


class _Pad(NoWeights, NoWork, PlainTorchLayer):
    """What all padding layers share."""

    padding: tuple[int, ...] = argument(Sizes(None, per_axis=2), symbol="P")

    #: what stands beyond the border of the map
    border: ClassVar[str]

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (spatial(SAME, [_window(self.border, left, right) for left, right in self._ends()]),)

    def _ends(self) -> Iterator[tuple[int, int]]:
        """Left and right padding of each axis, the first axis first."""
        return zip(self.padding[-2::-2], self.padding[::-2], strict=True)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        for size, (left, right) in zip(x[0].shape[2:], self._ends(), strict=True):
            yield from _axis_checks(self.border, size, left, right, "padding")

    def outputs(self, *x: Tensor) -> Tensors:
        sizes = (size + left + right for size, (left, right) in zip(x[0].shape[2:], self._ends(), strict=True))
        return (x[0].with_shape(*x[0].shape[:2], *sizes),)


class _ConstantPad(_Pad):
    """Padding by a constant (torch.nn.ConstantPad1d, ConstantPad2d, ConstantPad3d)."""

    border = "zeros"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.constant_pad(t, x[0], list(self._ends()))


class _ValuePad(_ConstantPad):
    """Padding by a constant that is given."""

    value: float = argument(Real())


class _ReflectionPad(OneKernel, _Pad):
    """Padding by the map's mirror image, its border not repeated (torch.nn.ReflectionPad1d, ...)."""

    saves = "input"
    widened_on: ClassVar[tuple[str, ...]] = ("cpu",)

    border = "reflect"


class _ReplicationPad(OneKernel, _Pad):
    """Padding by the map's border (torch.nn.ReplicationPad1d, ...)."""

    saves = "input"
    widened_on = ("cpu",)

    border = "replicate"


class _CircularPad(_Pad):
    """Padding by the map's other end (torch.nn.CircularPad1d, ...)."""

    border = "circular"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.circular_pad(t, x[0], list(self._ends()))


@register
class ZeroPad1d(Line, _ConstantPad):
    """Pads by zeros, over (N, C, L)."""


@register
class ZeroPad2d(Plane, _ConstantPad):
    """Pads by zeros, over (N, C, H, W)."""


@register
class ZeroPad3d(Volume, _ConstantPad):
    """Pads by zeros, over (N, C, D, H, W)."""


@register
class ConstantPad1d(Line, _ValuePad):
    """Pads by a constant, over (N, C, L)."""


@register
class ConstantPad2d(Plane, _ValuePad):
    """Pads by a constant, over (N, C, H, W)."""


@register
class ConstantPad3d(Volume, _ValuePad):
    """Pads by a constant, over (N, C, D, H, W)."""


@register
class ReflectionPad1d(Line, _ReflectionPad):
    """Pads by the map's mirror image, over (N, C, L)."""


@register
class ReflectionPad2d(Plane, _ReflectionPad):
    """Pads by the map's mirror image, over (N, C, H, W)."""


@register
class ReflectionPad3d(Volume, _ReflectionPad):
    """Pads by the map's mirror image, over (N, C, D, H, W)."""

    widened_on = ()


@register
class ReplicationPad1d(Line, _ReplicationPad):
    """Pads by the map's border, over (N, C, L)."""


@register
class ReplicationPad2d(Plane, _ReplicationPad):
    """Pads by the map's border, over (N, C, H, W)."""


@register
class ReplicationPad3d(Volume, _ReplicationPad):
    """Pads by the map's border, over (N, C, D, H, W)."""


@register
class CircularPad1d(Line, _CircularPad):
    """Pads by the map's other end, over (N, C, L)."""


@register
class CircularPad2d(Plane, _CircularPad):
    """Pads by the map's other end, over (N, C, H, W)."""


@register
class CircularPad3d(Volume, _CircularPad):
    """Pads by the map's other end, over (N, C, D, H, W)."""


#: what stands beyond the border in each mode of :class:`Pad`
_BORDERS = {"constant": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


@register
class Pad(NoWeights, NoWork):
    """Any dimensions padded, two numbers each, the last dimension first (torch.nn.functional.pad).

    A negative number crops. Modes other than ``constant`` are for the last one to three dimensions of as many axes.
    """

    takes = "any"

    pad: tuple[int, ...] = argument(Integers())
    mode: str = argument(Choice(tuple(_BORDERS)), "constant")
    value: float | None = argument(Maybe(Real()), None)

    def _ends(self, ndims: int) -> list[tuple[int, int]]:
        """Left and right padding of each dimension, the first one first."""
        ends = list(zip(self.pad[-2::-2], self.pad[::-2], strict=True))
        return [(0, 0)] * (ndims - len(ends)) + ends

    def checks(self, *x: Tensor) -> Iterator[Check]:
        ndims, count = len(x[0].shape), len(self.pad)
        paired = count % 2 == 0 and count <= 2 * ndims
        yield Check(
            paired, "pad has {p} numbers, not two for each of up to {n} dimensions", field="pad", p=count, n=ndims
        )
        if self.mode != "constant":
            yield Check(
                count in (2, 4, 6) and count // 2 in (ndims - 2, ndims - 1),
                "mode {m} pads all of 1 to 3 axes; pad has {p} numbers for {n} dimensions",
                field="pad",
                m=self.mode,
                p=count,
                n=ndims,
            )
            yield Check(self.value is None, "mode {m} takes no value", field="value", m=self.mode)
            yield wanted_type(x[0], None, f"Pad: what mode {self.mode} pads")
        if paired:
            for size, (left, right) in zip(x[0].shape, self._ends(ndims), strict=True):
                yield from _axis_checks(_BORDERS[self.mode], size, left, right, "pad")

    def outputs(self, *x: Tensor) -> Tensors:
        ends = self._ends(len(x[0].shape))
        return (x[0].with_shape(*(size + left + right for size, (left, right) in zip(x[0].shape, ends, strict=True))),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ends = self._ends(len(x[0].shape))
        windows = (_window(_BORDERS[self.mode], *pair) if any(pair) else SAME for pair in ends)
        return (Along(tuple(enumerate(windows))),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        if self.mode == "circular":
            return aten.circular_pad(t, x[0], self._ends(len(x[0].shape))[-(len(self.pad) // 2) :])
        if self.mode == "constant":
            return aten.constant_pad(t, x[0], list(self._ends(len(x[0].shape))))
        widened = () if self.mode == "reflect" and len(x[0].shape) == 5 else ("cpu",)
        return aten.kernel(t, aten.widened(t, x[0], widened), y[0].shape, saves="input")

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function, arguments = torch.nn.functional.pad, (self.pad, self.mode, self.value)
        return lambda tensor: function(tensor, *arguments)
