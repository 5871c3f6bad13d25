"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from archscope.autograd.aten.activations import plus
from archscope.autograd.aten.casting import cast, widened
from archscope.autograd.aten.elementwise import derived, divide, multiply, power, scaled
from archscope.autograd.aten.joining import constant_pad
from archscope.autograd.aten.kernels import as_formatted, asides, formatted, like, made_as
from archscope.autograd.aten.reductions import average_pool, mean
from archscope.autograd.aten.views import copied, one_ordered, ordered, reshape
from archscope.autograd.dtypes import NARROW
from archscope.autograd.gradients import passed_on, together
from archscope.autograd.graph import Back, Gradients, Node, Shape, Value, strides_of
from archscope.autograd.refusals import Refused
from archscope.autograd.strides import Strides, channels_last, lies
from archscope.autograd.tape import Tape


def normalized(
    t: Tape,
    x: Value,
    weights: Sequence[Value | None],
    statistics: Shape,
    *,
    dtype: str,
    saved: Sequence[Value] = (),
    strides: Strides | None = None,
    back: Back = together,
) -> Value:
    """A normalisation: its output and two statistics by one kernel, all gradients by one.

    Args:
        strides: of the output.
    """
    y, mean, deviation = t.make_all(
        (x.shape, x.dtype, ""), (statistics, dtype, "the means"), (statistics, dtype, "the reciprocal deviations")
    )
    y.strides = strides
    t.link(y, (x, *(w for w in weights if w is not None)), back, x, mean, deviation, *saved)
    t.drop(mean, deviation)
    return y


def batch_norm(
    t: Tape, x: Value, weights: Sequence[Value | None], statistics: Shape, *, dtype: str, saved: Sequence[Value] = ()
) -> Value:
    """at::native_batch_norm: results in the format in which the input lies, without gaps, else in that it suggests.

    On CUDA at::_batch_norm_impl_index has cuDNN read, and keep, a copy in the format that is suggested.
    """
    x = formatted(t, x) if t.device == "cuda" else x
    in_a_format = _in_a_format(x)
    own = None if ordered(x) or not in_a_format else channels_last(x.shape)
    suggested = as_formatted(x, x.shape)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        results = together(t, node, gradients)
        if results[0] is not None:
            results[0].strides = own if in_a_format and _alike(x, gradients[0]) else suggested
        return results

    return normalized(
        t,
        x,
        weights,
        statistics,
        dtype=dtype,
        saved=saved,
        strides=own if in_a_format else suggested,
        back=together if x.strides is None else back,
    )


def layer_norm(t: Tape, x: Value, weights: Sequence[Value | None], statistics: Shape, *, dtype: str) -> Value:
    """at::native_layer_norm: its kernels read copies in order, and so lie the results."""

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        copies = asides(t, (gradient, None), (x, None))
        results = together(t, node, gradients)
        t.drop(*copies)
        return results

    copies = [] if x.strides is None else asides(t, (x, None))
    y = normalized(t, x, weights, statistics, dtype=dtype, back=back)
    t.drop(*copies)
    return y


def _in_a_format(x: Value) -> bool:
    """Whether a map lies in order, or with its channels last, without gaps."""
    return ordered(x) or (len(x.shape) in (4, 5) and lies(x.shape, strides_of(x), channels_last(x.shape)))


def _alike(x: Value, gradient: Value | None) -> bool:
    """Whether a gradient lies in a format, and suggests that of a map."""
    if gradient is None or not _in_a_format(gradient):
        return False
    return as_formatted(x, x.shape) == as_formatted(gradient, x.shape)


def group_norm(t: Tape, x: Value, weights: Sequence[Value | None], statistics: Shape, *, dtype: str) -> Value:
    """at::group_norm: the input and the gradient are copied into a format, on CUDA in order."""
    x = formatted(t, x) if t.device == "cpu" else copied(t, x)
    strides = as_formatted(x, x.shape)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        copy = made_as(t, gradient, strides)
        results = together(t, node, gradients)
        if results[0] is not None:
            results[0].strides = strides
        t.drop(*([] if copy is gradient else [copy]))
        return results

    return normalized(t, x, weights, statistics, dtype=dtype, strides=strides, back=back)


def repeat(t: Tape, x: Value, times: int) -> Value:
    """A vector, several times in a row."""
    y = t.make((times * x.shape[0],), x.dtype, f"{x.storage.what}, repeated")
    t.link(y, (x,), passed_on if times == 1 else one_ordered)
    return y


def repeat_as(t: Tape, x: Value, times: int, dtype: str) -> Value:
    """The same in another type."""
    start = t.begin()
    y = repeat(t, cast(t, x, dtype), times)
    t.end(start, y)
    return y


def averaged(t: Tape, shape: Shape, dtype: str, what: str) -> None:
    """A running statistic, averaged over the samples and copied to where it is kept, in the type that it has there."""
    start = t.begin()
    statistic = t.make(shape, dtype)
    if dtype != what:
        like(t, statistic, "", what)
    t.end(start)


def rms_norm(t: Tape, x: Value, weight: Value | None, dims: int) -> Value:
    """at::rms_norm: x * rsqrt(mean(x^2) + eps), times the weight.

    CUDA has a kernel for it where the weight has the input's type (``_fused_rms_norm``: it keeps the input, the weight
    and the reciprocal roots), and autocast runs it in float32 there. Elsewhere it is composed, of float32 numbers where
    they are narrower (aten/src/ATen/native/layer_norm.cpp, rms_norm_composite).
    """
    x = widened(t, x, ("cuda",))
    rows = (*x.shape[:-dims], *(1 for _ in range(dims)))
    if t.device == "cuda" and (weight is None or weight.dtype == x.dtype):
        return _fused_rms_norm(t, x, weight, rows)
    wide = cast(t, x, "float32") if x.dtype in NARROW else x
    squares = power(t, wide, 2)
    average = mean(t, squares, rows, range(len(rows) - dims, len(rows)))
    root = derived(t, average, saves="output", steps=2, what="the reciprocal roots")
    t.drop(squares, average)
    y = multiply(t, wide, root, "the normalised input")
    if weight is not None:
        before, y = y, multiply(t, y, weight)
        t.drop(before)
    laid_out = formatted(t, y)
    t.drop(*([y] if laid_out is not y else []), *([wide] if wide is not x else []))
    return cast(t, laid_out, x.dtype)


def _fused_rms_norm(t: Tape, x: Value, weight: Value | None, rows: Shape) -> Value:
    wide = "float32" if x.dtype in NARROW else x.dtype
    y, roots = t.make_all((x.shape, x.dtype, ""), (rows, wide, "the reciprocal roots"))
    sources = (x,) if weight is None else (x, weight)
    t.link(y, sources, together, *sources, roots)
    return y


def local_response_norm(t: Tape, x: Value, size: int, beta: float) -> Value:
    """torch.nn.functional.local_response_norm: squares, padded along the channels, are averaged over windows.

    The channels are an axis for that; of three axes of maps the last two are joined.

    Raises:
        Refused: these do not lie one after another.
    """
    start = t.begin()
    squares = multiply(t, x, x)
    sizes = x.shape[2:] if len(x.shape) < 5 else (x.shape[2], prod(x.shape[3:]))
    one = reshape(t, squares, (x.shape[0], 1, x.shape[1], *sizes))
    if one.storage is not squares.storage:
        raise Refused(
            f"{t.layer} joins the last two axes of maps, which torch refuses where they do not lie one after another "
            "(behind Transpose or Permute, or with the channels last)",
            "put `Contiguous` before it",
        )
    padded = constant_pad(t, one, [(size // 2, (size - 1) // 2), *((0, 0) for _ in sizes)])
    padded.storage.what = "the squares, padded"
    t.end(start, padded)
    average = average_pool(t, widened(t, padded, ("cpu",) if len(x.shape) > 3 else ()), one.shape)
    averages = reshape(t, average, x.shape)
    t.end(start, averages)
    times = scaled(t, averages)
    base = plus(t, times)
    base.storage.what = "what the power is taken of"
    t.drop(times)
    raised = power(t, base, beta, "the power")
    t.drop(averages, base)
    return divide(t, x, raised)
