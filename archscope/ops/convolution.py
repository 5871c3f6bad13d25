"""Convolutions and transposed convolutions in 1-D, 2-D and 3-D.

MACs of a convolution: each of the N x C_out x prod(out) outputs sums C_in / groups x prod(K) products. A transposed
convolution scatters: each of the N x C_in x prod(in) inputs meets C_out / groups x prod(K) weights. Padding is
counted as if it were data, as every library computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.arith import ceil_div, exact_div, fixed, prod
from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    Contraction,
    Line,
    NoBuffers,
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
from archscope.ops.fields import Choice, Either, Flag, Size, Sizes
from archscope.ops.shapes import conv_dim, conv_transpose_dim, span, window_fits
from archscope.ops.windows import WHOLE, Grouped, Slide, Spread, Window, spatial


class _Convolution(TorchLayer, NoBuffers):
    """What ordinary and transposed convolutions share."""

    category = "conv"
    elementwise_rule = "bias: one addition an output element"
    follows: ClassVar = {"in_channels": 0}

    out_channels: int = argument(Size(), symbol="C_out")
    kernel_size: tuple[int, ...] = argument(Sizes(), symbol="K")
    groups: int
    bias: bool

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"in_channels": x[0].shape[1]}

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel if self.bias else 0

    def _channels(self, x: Tensor, y: Tensor) -> Window:
        """An output channel reads the input channels of its group."""
        if fixed(self.groups == 1):
            return WHOLE
        return Grouped(exact_div(x.shape[1], self.groups), exact_div(y.shape[1], self.groups))

    def _group_checks(self, in_channels: int) -> Iterator[Check]:
        yield Check(
            in_channels % self.groups == 0,
            "in_channels ({c}) must be divisible by groups ({g})",
            field="groups",
            c=in_channels,
            g=self.groups,
        )
        yield Check(
            self.out_channels % self.groups == 0,
            "out_channels ({o}) must be divisible by groups ({g})",
            field="groups",
            o=self.out_channels,
            g=self.groups,
        )


class _Conv(_Convolution):
    """N-D convolution (torch.nn.Conv1d, Conv2d, Conv3d)."""

    stride: tuple[int, ...] = argument(Sizes(), 1, symbol="S")
    padding: tuple[int, ...] | str = argument(Either(Sizes(0), Choice(("valid", "same"))), 0, symbol="P")
    dilation: tuple[int, ...] = argument(Sizes(), 1, symbol="D")
    groups: int = argument(Size(), 1)
    bias: bool = argument(Flag(), True)
    padding_mode: str = argument(Choice(("zeros", "reflect", "replicate", "circular")), "zeros")

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from self._group_checks(x[0].shape[1])
        windows = zip(x[0].shape[2:], self.kernel_size, self.stride, self._padding(), self.dilation, strict=True)
        for size, kernel, stride, padding, dilation in windows:
            if self.padding == "same":
                yield Check(
                    stride == 1,
                    "padding 'same' needs stride 1, not {s}",
                    field="stride",
                    hint="give the padding as a number: kernel // 2",
                    s=stride,
                )
            else:
                yield window_fits(size + 2 * padding >= span(kernel, dilation), size, kernel, padding, dilation)
            if self.padding_mode in ("reflect", "circular"):
                yield Check(
                    padding <= (size - 1 if self.padding_mode == "reflect" else size),
                    "{m} padding {p} is more than a map of {i} has to give",
                    field="padding_mode",
                    m=self.padding_mode,
                    p=padding,
                    i=size,
                )

    def _padding(self) -> tuple[int, ...]:
        """The (larger) padding of each axis in numbers; 'same' puts the odd one at the end."""
        if self.padding == "same":
            return tuple(ceil_div(span(k, d) - 1, 2) for k, d in zip(self.kernel_size, self.dilation, strict=True))
        return (0,) * len(self.kernel_size) if isinstance(self.padding, str) else self.padding

    def outputs(self, *x: Tensor) -> Tensors:
        batch, _, *sizes = x[0].shape
        if self.padding != "same":
            windows = zip(sizes, self.kernel_size, self.stride, self._padding(), self.dilation, strict=True)
            sizes = [conv_dim(*window) for window in windows]
        return (x[0].with_shape(batch, self.out_channels, *sizes),)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        group = exact_div(x[0].shape[1], self.groups)
        weight = Tensor((self.out_channels, group, *self.kernel_size))
        return {"weight": weight} | ({"bias": Tensor((self.out_channels,))} if self.bias else {})

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        group = exact_div(x[0].shape[1], self.groups)
        yield Contraction(y[0].numel * group * prod(self.kernel_size), (0, "weight"))

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        windows = zip(self.kernel_size, self.stride, self._padding(), self.dilation, strict=True)
        return (
            spatial(
                self._channels(x[0], y[0]),
                [Slide(k, s, self._before(k, p, d), d, self.padding_mode) for k, s, p, d in windows],
            ),
        )

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        padded, *weights = self._padded(t, x[0], w["weight"], w.get("bias"))
        return aten.convolution(t, padded, *weights, shape=y[0].shape)

    def _padded(self, t: Tape, x: Value, *weights: Value | None) -> Sequence[Value]:
        """What torch convolves: it pads the map before, where the convolution cannot: by other than zeros, unevenly."""
        read = [x, *(weight for weight in weights if weight is not None)]
        if self.padding == "same":
            both = [span(k, d) - 1 for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        else:
            both = [2 * padding for padding in self._padding()]
        ends = [(total // 2, total - total // 2) for total in both]
        if self.padding_mode == "circular":
            return [aten.circular_pad(t, x, ends), *read[1:]]
        if self.padding_mode == "zeros":
            if self.padding != "same" or not any(total % 2 for total in both):
                return read
            lowered, *narrowed = aten.lowered(t, *read)  # torch casts before it pads
            return [aten.constant_pad(t, lowered, [(0, total % 2) for total in both]), *narrowed]
        shape = (*x.shape[:2], *(size + more for size, more in zip(x.shape[2:], both, strict=True)))
        return [aten.kernel(t, aten.widened(t, x, ("cpu",)), shape, saves="input"), *read[1:]]

    def _before(self, kernel: int, padding: int, dilation: int) -> int:
        """The padding before the map; 'same' puts the odd one behind it."""
        return (span(kernel, dilation) - 1) // 2 if self.padding == "same" else padding


class _ConvTranspose(_Convolution):
    """N-D transposed convolution (torch.nn.ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)."""

    stride: tuple[int, ...] = argument(Sizes(), 1, symbol="S")
    padding: tuple[int, ...] = argument(Sizes(0), 0, symbol="P")
    output_padding: tuple[int, ...] = argument(Sizes(0), 0, symbol="P_out")
    groups: int = argument(Size(), 1)
    bias: bool = argument(Flag(), True)
    dilation: tuple[int, ...] = argument(Sizes(), 1, symbol="D")
    padding_mode: str = argument(Choice(("zeros",)), "zeros")

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from self._group_checks(x[0].shape[1])
        for extra, stride, dilation in zip(self.output_padding, self.stride, self.dilation, strict=True):
            yield Check(
                (extra < stride) | (extra < dilation),
                "output_padding ({e}) must be smaller than stride ({s}) or dilation ({d})",
                field="output_padding",
                e=extra,
                s=stride,
                d=dilation,
            )
        for before, after in zip(x[0].shape[2:], self.outputs(*x)[0].shape[2:], strict=True):
            yield Check(
                after >= 1,
                "the padding leaves {o} of a map of {i}",
                field="padding",
                o=after,
                i=before,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        batch, _, *sizes = x[0].shape
        windows = zip(
            sizes, self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation, strict=True
        )
        return (x[0].with_shape(batch, self.out_channels, *(conv_transpose_dim(*window) for window in windows)),)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        weight = Tensor((x[0].shape[1], exact_div(self.out_channels, self.groups), *self.kernel_size))
        return {"weight": weight} | ({"bias": Tensor((self.out_channels,))} if self.bias else {})

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        group = exact_div(self.out_channels, self.groups)
        yield Contraction(x[0].numel * group * prod(self.kernel_size), (0, "weight"))

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        windows = zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        return (spatial(self._channels(x[0], y[0]), [Spread(*window) for window in windows]),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        # what oneDNN does not take (ConvParams::is_output_padding_big)
        native = any(extra >= stride for extra, stride in zip(self.output_padding, self.stride, strict=True))
        in_order = native and self.rank == 3
        return aten.convolution(t, x[0], w["weight"], w.get("bias"), shape=y[0].shape, in_order=in_order)


@register
class Conv1d(Line, _Conv):
    """1-D convolution over (N, C, L)."""


@register
class Conv2d(Plane, _Conv):
    """2-D convolution over (N, C, H, W)."""


@register
class Conv3d(Volume, _Conv):
    """3-D convolution over (N, C, D, H, W)."""


@register
class ConvTranspose1d(Line, _ConvTranspose):
    """1-D transposed convolution over (N, C, L)."""


@register
class ConvTranspose2d(Plane, _ConvTranspose):
    """2-D transposed convolution over (N, C, H, W)."""


@register
class ConvTranspose3d(Volume, _ConvTranspose):
    """3-D transposed convolution over (N, C, D, H, W)."""
