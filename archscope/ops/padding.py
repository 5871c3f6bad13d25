"""Padding layers in 1-D, 2-D and 3-D. ``padding`` is one number, or two an axis, the last axis first, as in torch.nn.

An axis of I becomes left + I + right. A negative number crops.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

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
from archscope.ops.fields import Real, Sizes
from archscope.ops.windows import SAME, Slide, spatial


class _Pad(NoWeights, NoWork, PlainTorchLayer):
    """What all padding layers share."""

    padding: tuple[int, ...] = argument(Sizes(None, per_axis=2), symbol="P")

    @abstractmethod
    def _source_checks(self, size: int, left: int, right: int) -> Iterator[Check]:
        """What the padding needs of the axis that it is taken from."""

    #: what stands beyond the border of the map
    border: ClassVar[str]

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (spatial(SAME, [self._window(left, right) for left, right in self._ends()]),)

    def _window(self, left: int, right: int) -> Slide:
        return Slide(padding=left, border=self.border, kept=(-minimum(left, 0), minimum(right, 0)))

    def _ends(self) -> Iterator[tuple[int, int]]:
        """Left and right padding of each axis, the first axis first."""
        return zip(self.padding[-2::-2], self.padding[::-2], strict=True)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        for size, (left, right) in zip(x[0].shape[2:], self._ends(), strict=True):
            yield Check(
                size + left + right >= 1,
                "padding ({l}, {r}) leaves nothing of a map of {i}",
                field="padding",
                fit=True,
                l=left,
                r=right,
                i=size,
            )
            yield from self._source_checks(size, left, right)

    def outputs(self, *x: Tensor) -> Tensors:
        sizes = (size + left + right for size, (left, right) in zip(x[0].shape[2:], self._ends(), strict=True))
        return (x[0].with_shape(*x[0].shape[:2], *sizes),)


class _ConstantPad(OneKernel, _Pad):
    """Padding by a constant (torch.nn.ConstantPad1d, ConstantPad2d, ConstantPad3d)."""

    border = "zeros"

    def _source_checks(self, size: int, left: int, right: int) -> Iterator[Check]:
        yield Check(
            size + minimum(left, 0) + minimum(right, 0) >= 0,
            "padding ({l}, {r}) crops more than a map of {i} has",
            field="padding",
            fit=True,
            l=left,
            r=right,
            i=size,
        )


class _ValuePad(_ConstantPad):
    """Padding by a constant that is given."""

    value: float = argument(Real())


class _ReflectionPad(OneKernel, _Pad):
    """Padding by the map's mirror image, its border not repeated (torch.nn.ReflectionPad1d, ...)."""

    saves = "input"
    widened_on = ("cpu",)

    border = "reflect"

    def _source_checks(self, size: int, left: int, right: int) -> Iterator[Check]:
        yield Check(
            (left < size) & (right < size),
            "reflection padding ({l}, {r}) must be less than the map ({i})",
            field="padding",
            l=left,
            r=right,
            i=size,
        )


class _ReplicationPad(OneKernel, _Pad):
    """Padding by the map's border (torch.nn.ReplicationPad1d, ...)."""

    saves = "input"
    widened_on = ("cpu",)

    border = "replicate"

    def _source_checks(self, size: int, left: int, right: int) -> Iterator[Check]:
        return iter(())


class _CircularPad(_Pad):
    """Padding by the map's other end (torch.nn.CircularPad1d, ...)."""

    border = "circular"

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.circular_pad(t, x[0], list(self._ends()))

    def _source_checks(self, size: int, left: int, right: int) -> Iterator[Check]:
        kept = size + minimum(left, 0) + minimum(right, 0)
        yield Check(
            (left <= kept) & (right <= kept),
            "circular padding ({l}, {r}) is more than a map of {i} has to give",
            field="padding",
            l=left,
            r=right,
            i=size,
        )


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
