"""Norms, spreads and log-sum-exp over dimensions: what torch keeps, and what its formulas of gradients make."""

from __future__ import annotations

from collections.abc import Collection
from math import isinf

from archscope.autograd.aten import counted, mapped, pointwise, restored, strides_of, with_ones
from archscope.autograd.graph import Gradients, Node, Shape, Value
from archscope.autograd.strides import iterated
from archscope.autograd.tape import Tape


def logsumexp(t: Tape, x: Value, shape: Shape, dims: Collection[int]) -> Value:
    """torch.logsumexp: grad * (x - result).exp()."""
    passing = _of_logsumexp(t, x, dims)
    y = t.make(shape, x.dtype)
    t.drop(*passing)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        shifted, raised = mapped(t, x), mapped(t, x)
        result = _times(t, gradients, dims, raised)
        t.drop(shifted, raised)
        return [result]

    t.link(y, (x,), back, x, y)
    return y


def _of_logsumexp(t: Tape, x: Value, dims: Collection[int]) -> list[Value]:
    """What at::logsumexp makes in passing: the maxima, and what is left of the input above them, raised in place."""
    if t.watched:
        return []
    most = t.make(with_ones(x.shape, dims), x.dtype)
    size = t.make(most.shape, x.dtype)
    infinite = t.make(most.shape, "bool")
    t.drop(size, infinite)
    return [most, pointwise(t, x, most)]


def norm(t: Tape, x: Value, shape: Shape, dims: Collection[int], p: float) -> Value:
    """torch.linalg.vector_norm; linalg_vector_norm_backward has a formula for each kind of p."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        if p == 0:
            return [None]
        if isinf(p):
            return [_of_extremum(t, gradients, x, dims)]
        if p in (1, 2):
            return [_of_simple_power(t, gradients, x, dims, p)]
        return [_of_power(t, x, dims, p)]

    t.link(y, (x,), back, x, y)
    return y


def _times(t: Tape, gradients: Gradients, dims: Collection[int], x: Value) -> Value:
    """The gradient of a reduction, repeated, times a tensor."""
    gradient = gradients[0]
    assert gradient is not None
    strides = iterated(x.shape, restored(gradient, x.shape, dims), (x.shape, strides_of(x)))
    return t.make(x.shape, x.dtype, "", strides)


def _of_extremum(t: Tape, gradients: Gradients, x: Value, dims: Collection[int]) -> Value:
    """sgn(x) * ((grad / mask.sum()) * mask), where the mask is (|x| == norm) | isnan(|x|)."""
    size = mapped(t, x)
    equal, unknown, mask = (mapped(t, x, "", "bool") for _ in range(3))
    t.drop(equal, unknown)
    count, arrived = counted(t, mask, dims), gradients[0]
    assert arrived is not None
    each = pointwise(t, t.view(arrived, *restored(arrived, x.shape, dims)), count)
    shared = pointwise(t, each, mask)
    sign, result = (mapped(t, x) for _ in range(2))
    t.drop(size, mask, count, each, shared, sign)
    return result


def _of_simple_power(t: Tape, gradients: Gradients, x: Value, dims: Collection[int], p: float) -> Value:
    """sgn(x) * grad, or grad * (x / norm) with zeros filled in place."""
    scaled = mapped(t, x)
    zero = [t.make(with_ones(x.shape, dims), "bool")] if p == 2 else []
    result = _times(t, gradients, dims, scaled) if p == 2 else mapped(t, scaled)
    t.drop(scaled, *zero)
    return result


def _of_power(t: Tape, x: Value, dims: Collection[int], p: float) -> Value:
    """sgn(x) * |x|^(p - 1) * (grad / norm^(p - 1)), shorter where p is over 2; zeros are filled in place."""
    passing = [mapped(t, x)]  # |x|, raised in place
    if p < 1:
        passing.append(mapped(t, x, "", "bool"))
    if p < 2:
        passing.append(mapped(t, x))  # the sign
    scaled = mapped(t, x)
    t.drop(*passing)
    root = t.make(with_ones(x.shape, dims), x.dtype)
    if p < 1:
        half, result = mapped(t, x), mapped(t, x)
        t.drop(scaled, root, half)
        return result
    each = t.make(with_ones(x.shape, dims), x.dtype)
    t.drop(root)
    zero = [t.make(with_ones(x.shape, dims), "bool")]
    t.drop(*zero)
    result = mapped(t, x)
    t.drop(scaled, each)
    return result


def variance(t: Tape, x: Value, shape: Shape, dims: Collection[int]) -> Value:
    """torch.var."""
    y = t.make(shape, x.dtype)
    t.link(y, (x,), lambda t, node, gradients: [_of_variance(t, gradients, x, dims)], x)
    return y


def _of_variance(t: Tape, gradients: Gradients, x: Value, dims: Collection[int]) -> Value:
    """(2 / (n - correction)) * grad * (x - x.mean())."""
    mean, apart = t.make(with_ones(x.shape, dims), x.dtype), mapped(t, x)
    gradient = gradients[0]
    assert gradient is not None
    sizes, steps = restored(gradient, x.shape, dims)
    scaled = t.make(with_ones(x.shape, dims), x.dtype, "", iterated(sizes, (sizes, steps)))
    result = pointwise(t, scaled, apart)
    t.drop(mean, apart, scaled)
    return result


def deviation(t: Tape, x: Value, shape: Shape, dims: Collection[int]) -> Value:
    """torch.std: the gradient of the variance is (grad / (2 * result)), 0 where the result is."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        arrived = gradients[0]
        assert arrived is not None
        twice = t.make(shape, x.dtype)
        gradient, zero = mapped(t, arrived), t.make(shape, "bool")
        t.drop(twice, zero)
        result = _of_variance(t, [gradient], x, dims)
        t.drop(gradient)
        return [result]

    t.link(y, (x,), back, x, y)
    return y
