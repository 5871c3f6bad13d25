"""Dropout in all its forms: the identity at inference, and counted so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from archscope.autograd import aten
from archscope.ops.base import (
    Line,
    NoChecks,
    NoWeights,
    NoWork,
    PlainTorchLayer,
    Plane,
    Pointwise,
    SameShape,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Volume,
    Weights,
    argument,
    register,
    special_module,
)
from archscope.ops.fields import Choice, Flag, Real


class _Resting(Pointwise, NoWeights, NoWork, NoChecks, SameShape):
    """A layer that acts in training only."""

    rests = True


class _Dropout(_Resting, PlainTorchLayer):
    """A layer that zeroes a random part of its input in training (torch.nn.Dropout)."""

    #: whether a channel is kept or dropped as a whole
    by_channel: ClassVar[bool] = False
    #: whether what is dropped gets a value that keeps mean and variance
    alpha: ClassVar[bool] = False

    p: float = argument(Real(0, 1), 0.5)
    inplace: bool = argument(Flag(), False)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        if self.p == 0 or not t.training:
            return x[0]
        if t.device == "cuda" and type(self) is Dropout and not self.inplace and self.p < 1:
            return aten.native_dropout(t, x[0])
        return aten.dropout(
            t, x[0], in_place=self.in_place, all_of_it=self.p == 1, alpha=self.alpha, by_channel=self.by_channel
        )


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

    alpha = True
    overwrites = False  # torch.nn's hands its `inplace` to nobody


@register
class FeatureAlphaDropout(_Dropout):
    """Alpha dropout of whole channels, for SELU networks."""

    by_channel = True
    alpha = True
    overwrites = False  # torch.nn's hands its `inplace` to nobody

    ndims = (2, 3, 4, 5)


@register
class StochasticDepth(_Resting):
    """Zeroes a residual branch with probability p in training (Huang et al., 2016; torchvision.ops.StochasticDepth).

    ``mode`` says whether each sample (``row``) or the whole ``batch`` draws for itself. torch.nn has no such layer.
    """

    p: float = argument(Real(0, 1))
    mode: str = argument(Choice(("batch", "row")))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        p, by_sample = self.p, self.mode == "row"

        def forward(layer: Any, tensor: Any) -> Any:
            if p == 0 or not layer.training:
                return tensor
            noise = tensor.new_empty(tensor.shape[0] if by_sample else 1, *(1 for _ in tensor.shape[1:]))
            noise.bernoulli_(1 - p)
            return tensor * (noise.div_(1 - p) if p < 1 else noise)

        module: Callable[..., Any] = special_module(torch, self, x, forward)
        return module

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        if self.p == 0 or not t.training:
            return x[0]
        shape = (x[0].shape[0] if self.mode == "row" else 1, *(1 for _ in x[0].shape[1:]))
        return aten.thinned(t, x[0], shape)
