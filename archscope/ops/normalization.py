"""Normalisation: batch, layer (of features, or of a map's channels), group, instance, RMS, and local response.

Work is counted for inference. Where running statistics are tracked, they and the affine parameters fold into one
scale and one shift: 2 operations an element. Where statistics are taken of the input itself, an element costs one
addition for the mean; a subtraction, a square and an addition for the variance; and one multiplication by 1 / std.
The few operations a group, not an element (its division and its root), are left out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.arith import exact_div, prod
from archscope.autograd import aten
from archscope.autograd.dtypes import FLOATING
from archscope.ops.base import (
    FEATURES_LAST,
    Check,
    InfersArguments,
    Line,
    NoBuffers,
    NoChecks,
    NoContraction,
    NoWeights,
    PlainTorchLayer,
    Plane,
    Reads,
    SameShape,
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
    special_module,
)
from archscope.ops.fields import Flag, Maybe, Real, Shape, Size
from archscope.ops.promotion import FIRST, NORMALISED, Law
from archscope.ops.windows import SAME, WHOLE, Grouped, Slide, mixing, spatial


class _Scaled(NoContraction, SameShape):
    """A normalisation with a learnt scale, and perhaps a learnt shift, for each channel or feature."""

    types: ClassVar[Law] = NORMALISED

    def _scale_and_shift(self, shape: tuple[int, ...], *, scale: bool, shift: bool) -> dict[str, Tensor]:
        weight = {"weight": Tensor(shape)} if scale else {}
        return weight | ({"bias": Tensor(shape)} if scale and shift else {})

    def _each(self, statistics: int, *x: Tensor) -> int:
        """Operations an element: those of the statistics, and one for each learnt tensor."""
        return (statistics + len(self.parameters(*x))) * x[0].numel


class _Affine(TorchLayer, _Scaled):
    """One of those that torch.nn has."""


class _RunningNorm(_Affine):
    """A normalisation of each channel that may keep running statistics (torch.nn.BatchNorm2d, InstanceNorm2d)."""

    elementwise_rule = (
        "with running statistics 2 an element (multiply, add); without 5 (add; subtract, square, add; multiply), "
        "and one each for scale and shift"
    )

    #: dimensions, besides those of space, over which statistics are taken
    over: ClassVar[tuple[int, ...]]
    follows: ClassVar = {"num_features": 0}

    eps: float = argument(Real(0), 1e-5)
    momentum: float | None = argument(Maybe(Real()), 0.1)
    affine: bool
    track_running_stats: bool
    bias: bool

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"num_features": x[0].shape[1]}

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return self._scale_and_shift(x[0].shape[1:2], scale=self.affine, shift=self.bias)

    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        if not self.track_running_stats:
            return {}
        channels = Tensor(x[0].shape[1:2])
        return {"running_mean": channels, "running_var": channels, "num_batches_tracked": Tensor((), "int64")}

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 2 * x[0].numel if self.track_running_stats else self._each(5, *x)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        dims = () if self.track_running_stats else (*self.over, *range(2, ndim))
        return (mixing(ndim, dims),)


def _statistics(t: Tape, w: Weights, x: Value) -> str:
    """The type in which mean and deviation are kept: that of the layer's state, on CUDA float32; else the input's."""
    state = [value.dtype for value in w.values() if value.dtype in FLOATING]
    if not state:
        return x.dtype
    return "float32" if t.device == "cuda" and x.dtype != "float64" else state[0]


def _widened(t: Tape, w: Weights) -> Weights:
    """Weights as a normalisation gets them that autocast runs in float32 on CUDA."""
    return {name: aten.widened(t, value, ("cuda",)) for name, value in w.items()}


class _BatchNorm(_RunningNorm):
    """(x - mean) / sqrt(var + eps) x weight + bias, of each channel over batch and space (torch.nn.BatchNorm2d)."""

    over = (0,)
    joins_samples = True

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        kind = _statistics(t, w, x[0])
        size = x[0].shape[1:2] if t.training or not self.track_running_stats else (0,)
        return aten.batch_norm(t, x[0], (w.get("weight"), w.get("bias")), size, dtype=kind)

    affine: bool = argument(Flag(), True)
    track_running_stats: bool = argument(Flag(), True)
    bias: bool = argument(Flag(), True)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        if not self.track_running_stats:
            values = prod(x[0].shape[:1] + x[0].shape[2:])
            yield Check(
                values > 1,
                "without running statistics a channel must have more than {v} value",
                field="track_running_stats",
                v=values,
            )
            yield Check(
                self.eps > 0,
                "without running statistics eps must be more than {e:g}",
                field="eps",
                e=self.eps,
            )


class _InstanceNorm(_RunningNorm):
    """(x - mean) / sqrt(var + eps), of each channel of each sample over space (torch.nn.InstanceNorm2d)."""

    over = ()

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        a, (samples, channels) = x[0], x[0].shape[:2]
        scales = [aten.repeat(t, w[name], samples) if name in w else None for name in ("weight", "bias")]
        running = [
            aten.repeat_as(t, w[name], samples, a.dtype) for name in ("running_mean", "running_var") if name in w
        ]
        one = aten.reshape(t, aten.copied(t, a), (1, samples * channels, *a.shape[2:]))
        kind = _statistics(t, w, a) if self.affine else a.dtype
        size = one.shape[1:2] if t.training or not self.track_running_stats else (0,)
        normal = aten.batch_norm(t, one, scales, size, dtype=kind, saved=[*(v for v in scales[:1] if v), *running])
        for name in ("running_mean", "running_var") if running else ():
            aten.averaged(t, (channels,), a.dtype, w[name].dtype)
        return aten.reshape(t, normal, a.shape)

    affine: bool = argument(Flag(), False)
    track_running_stats: bool = argument(Flag(), False)
    bias: bool = argument(Flag(), True)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        if not self.track_running_stats:
            values = prod(x[0].shape[2:])
            yield Check(
                values > 1,
                "without running statistics a map must have more than {v} position",
                field="track_running_stats",
                v=values,
            )


@register
class BatchNorm1d(_BatchNorm):
    """Batch normalisation over (N, C) or (N, C, L)."""

    rank = 1
    ndims = (2, 3)


@register
class BatchNorm2d(Plane, _BatchNorm):
    """Batch normalisation over (N, C, H, W)."""


@register
class BatchNorm3d(Volume, _BatchNorm):
    """Batch normalisation over (N, C, D, H, W)."""


@register
class InstanceNorm1d(Line, _InstanceNorm):
    """Instance normalisation over (N, C, L)."""


@register
class InstanceNorm2d(Plane, _InstanceNorm):
    """Instance normalisation over (N, C, H, W)."""


@register
class InstanceNorm3d(Volume, _InstanceNorm):
    """Instance normalisation over (N, C, D, H, W)."""


@register
class GroupNorm(_Affine, NoBuffers):
    """(x - mean) / sqrt(var + eps) x weight + bias, over groups of channels and space (torch.nn.GroupNorm)."""

    ndims = (2, 3, 4, 5)
    elementwise_rule = "5 an element (add; subtract, square, add; multiply), and one each for scale and shift"
    follows: ClassVar = {"num_channels": 1}

    num_groups: int = argument(Size(), symbol="g")
    eps: float = argument(Real(0), 1e-5)
    affine: bool = argument(Flag(), True)
    bias: bool = argument(Flag(), True)

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"num_channels": x[0].shape[1]}

    def checks(self, *x: Tensor) -> Iterator[Check]:
        batch, channels, *sizes = x[0].shape
        yield Check(
            channels % self.num_groups == 0,
            "num_channels ({c}) must be divisible by num_groups ({g})",
            field="num_groups",
            c=channels,
            g=self.num_groups,
        )
        values = batch * channels // self.num_groups * prod(sizes)
        yield Check(
            values != 1,
            "a group must have more than {v} value (torch counts those of the whole batch)",
            field="num_groups",
            v=values,
        )

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return self._scale_and_shift(x[0].shape[1:2], scale=self.affine, shift=self.bias)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        channels = exact_div(x[0].shape[1], self.num_groups)
        return (spatial(Grouped(channels, channels), [WHOLE] * (len(x[0].shape) - 2)),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        a, w = aten.widened(t, x[0], ("cuda",)), _widened(t, w)
        kind = _statistics(t, w, a)
        groups = (a.shape[0], self.num_groups)
        return aten.group_norm(t, a, (w.get("weight"), w.get("bias")), groups, dtype=kind)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self._each(5, *x)


class _TrailingNorm(_Affine, NoBuffers):
    """A normalisation over the last dimensions; where ``normalized_shape`` is left out, over the last one."""

    layout = FEATURES_LAST
    #: operations an element for the statistics
    statistics: ClassVar[int]

    normalized_shape: tuple[int, ...] | None = argument(Maybe(Shape()), None, symbol="F")
    elementwise_affine: bool

    @abstractmethod
    def _shifts(self) -> bool:
        """Whether it adds a learnt shift."""

    def _normalized(self, *x: Tensor) -> tuple[int, ...]:
        return x[0].shape[-1:] if self.normalized_shape is None else self.normalized_shape

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"normalized_shape": self._normalized(*x)}

    def checks(self, *x: Tensor) -> Iterator[Check]:
        normalized, shape = self._normalized(*x), x[0].shape
        fits = len(normalized) < len(shape)
        yield Check(
            fits,
            "{n} normalised dimensions reach the batch: without it the input has {d}",
            field="normalized_shape",
            n=len(normalized),
            d=len(shape) - 1,
        )
        for wanted, size in zip(normalized, shape[-len(normalized) :], strict=True) if fits else ():
            yield Check(
                wanted == size,
                "normalized_shape says {w} where the input has {s}",
                field="normalized_shape",
                hint="leave it out to normalise the last dimension",
                w=wanted,
                s=size,
            )

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return self._scale_and_shift(self._normalized(*x), scale=self.elementwise_affine, shift=self._shifts())

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        return (mixing(ndim, range(ndim - len(self._normalized(*x)), ndim)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self._each(self.statistics, *x)


@register
class LayerNorm(_TrailingNorm):
    """(x - mean) / sqrt(var + eps) x weight + bias, over the last dimensions (torch.nn.LayerNorm)."""

    statistics = 5
    elementwise_rule = "5 an element (add; subtract, square, add; multiply), and one each for scale and shift"

    eps: float = argument(Real(0), 1e-5)
    elementwise_affine: bool = argument(Flag(), True)
    bias: bool = argument(Flag(), True)

    def _shifts(self) -> bool:
        return self.bias

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        a, w = aten.widened(t, x[0], ("cuda",)), _widened(t, w)
        kind = _statistics(t, w, a)
        rows = a.shape[: -len(self._normalized(*y))]
        return aten.layer_norm(t, a, (w.get("weight"), w.get("bias")), rows, dtype=kind)


@register
class LayerNorm2d(InfersArguments, _Scaled, NoBuffers, NoChecks):
    """Layer normalisation over the channels of a map, at each place (ConvNeXt).

    As ``torchvision.models.convnext.LayerNorm2d`` has it: permute, ``torch.nn.functional.layer_norm``, permute.
    torch.nn has no such layer.
    """

    ndims = (4,)
    disorders = True
    elementwise_rule = "5 an element (add; subtract, square, add; multiply), and one each for scale and shift"
    follows: ClassVar = {"normalized_shape": 0}

    eps: float = argument(Real(0), 1e-5)
    elementwise_affine: bool = argument(Flag(), True)
    bias: bool = argument(Flag(), True)

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"normalized_shape": x[0].shape[1]}

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return self._scale_and_shift(x[0].shape[1:2], scale=self.elementwise_affine, shift=self.bias)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (mixing(4, (1,)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self._each(5, *x)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        last = aten.widened(t, aten.permute(t, x[0], (0, 2, 3, 1)), ("cuda",))
        w = _widened(t, w)
        kind = _statistics(t, w, last)
        normal = aten.layer_norm(t, last, (w.get("weight"), w.get("bias")), last.shape[:-1], dtype=kind)
        return aten.permute(t, normal, (0, 3, 1, 2))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        normalize, eps = torch.nn.functional.layer_norm, self.eps

        def forward(layer: Any, tensor: Any) -> Any:
            last = tensor.permute(0, 2, 3, 1)
            return normalize(last, last.shape[-1:], layer.weight, layer.bias, eps).permute(0, 3, 1, 2)

        module: Any = special_module(torch, self, x, forward)
        own = self.parameters(*x)
        for name, fill in (("weight", torch.ones), ("bias", torch.zeros)):
            module.register_parameter(name, torch.nn.Parameter(fill(own[name].shape)) if name in own else None)
        built: Callable[..., Any] = module
        return built


@register
class RMSNorm(_TrailingNorm):
    """x / sqrt(mean of x^2 + eps) x weight, over the last dimensions (torch.nn.RMSNorm)."""

    types = FIRST
    statistics = 3
    elementwise_rule = "3 an element (square, add; multiply), and one for the scale"

    eps: float | None = argument(Maybe(Real(0)), None)
    elementwise_affine: bool = argument(Flag(), True)

    def _shifts(self) -> bool:
        return False

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.rms_norm(t, x[0], w.get("weight"), len(self._normalized(*y)))


@register
class LocalResponseNorm(PlainTorchLayer, NoWeights, NoContraction, NoChecks, SameShape):
    """x / (k + alpha / size x sum of x^2 over ``size`` neighbouring channels)^beta (torch.nn.LocalResponseNorm)."""

    ndims = (3, 4, 5)
    elementwise_rule = "size + 4 an element (square, size - 1 additions, multiply, add, power, divide)"

    size: int = argument(Size(), symbol="n")
    alpha: float = argument(Real(), 1e-4)
    beta: float = argument(Real(), 0.75)
    k: float = argument(Real(), 1.0)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        around = Slide(self.size, padding=self.size // 2)
        return (spatial(around, [SAME] * (len(x[0].shape) - 2)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return (self.size + 4) * x[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.local_response_norm(t, x[0], self.size, self.beta)
