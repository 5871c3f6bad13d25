"""Dropout in all its forms: the identity at inference, and counted so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from archscope.ops.base import (
    Keep,
    KeepsNothing,
    Line,
    NoChecks,
    NoWeights,
    NoWork,
    PlainTorchLayer,
    Plane,
    Pointwise,
    SameShape,
    Tensor,
    Tensors,
    Training,
    Volume,
    argument,
    register,
)
from archscope.ops.fields import Choice, Flag, Real
from archscope.ops.keeping import own


class _Resting(Pointwise, NoWeights, NoWork, NoChecks, SameShape):
    """A layer that acts in training only."""

    idle = "at inference"


class _Dropout(_Resting, PlainTorchLayer):
    """A layer that zeroes a random part of its input in training (torch.nn.Dropout)."""

    #: whether a channel is kept or dropped as a whole
    by_channel: ClassVar[bool] = False

    p: float = argument(Real(0, 1), 0.5)
    inplace: bool = argument(Flag(), False)

    def keeps(self, x: Tensors, y: Tensors, training: Training) -> Iterable[Keep]:
        if self.p == 0 or not any(training.needs):
            return
        if self.p == 1:
            yield own(Tensor(()), "a zero")
            return
        mask = x[0].with_shape(*x[0].shape[:2], *(1 for _ in x[0].shape[2:])) if self.by_channel else x[0]
        fused = training.device == "cuda" and type(self) is Dropout and not self.inplace
        yield own(Tensor(mask.shape, "bool") if fused else mask, "the mask")


@register
class Dropout(_Dropout):
    """Zeroes elements with probability p in training (Srivastava et al., 2014)."""


@register
class Dropout1d(Line, _Dropout):
    """Zeroes whole channels of (N, C, L) with probability p in training (Tompson et al., 2015)."""

    by_channel = True


@register
class Dropout2d(Plane, _Dropout):
    """Zeroes whole channels of (N, C, H, W) with probability p in training (Tompson et al., 2015)."""

    by_channel = True


@register
class Dropout3d(Volume, _Dropout):
    """Zeroes whole channels of (N, C, D, H, W) with probability p in training (Tompson et al., 2015)."""

    by_channel = True


@register
class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance, for SELU networks (Klambauer et al., 2017)."""


@register
class FeatureAlphaDropout(_Dropout):
    """Alpha dropout of whole channels, for SELU networks."""

    by_channel = True

    ndims = (2, 3, 4, 5)


@register
class StochasticDepth(_Resting, KeepsNothing):
    """Zeroes a residual branch with probability p in training (Huang et al., 2016; torchvision.ops.StochasticDepth).

    ``mode`` says whether each sample (``row``) or the whole ``batch`` draws for itself. torch.nn has no such layer, so
    the module is the plain identity that this layer is at inference.
    """

    idle = "always"

    p: float = argument(Real(0, 1))
    mode: str = argument(Choice(("batch", "row")))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        return _identity


def _identity(x: Any) -> Any:
    return x
