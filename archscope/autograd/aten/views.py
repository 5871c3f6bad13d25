"""Views: other tensors in the same memory, and copies where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Gradients, Node, Shape, Value, strides_joined, strides_of
from archscope.autograd.strides import Strides, contiguous, reshaped
from archscope.autograd.tape import Tape


def ordered(x: Value) -> bool:
    """Whether the elements lie in their order (torch.Tensor.is_contiguous)."""
    if x.strides is None:
        return True
    wanted = contiguous(x.shape)
    return all(n == 1 or a == b for n, a, b in zip(x.shape, x.strides, wanted, strict=True))


def view(t: Tape, x: Value, shape: Shape, strides: Strides | None, *, unsafe: bool = False) -> Value:
    """Another view; the gradient is the same view backwards. Autograd does not take an ``unsafe`` one for a view."""
    y = t.view(x, shape, strides, unsafe=unsafe)
    t.link(y, (x,), _view_back)
    return y


def detached(t: Tape, x: Value) -> Value:
    """torch.Tensor.detach: the same memory, and no gradient behind it."""
    return x if x.node is None else t.view(x, x.shape, x.strides, unsafe=True)


def _view_back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    gradient, x = gradients[0], node.inputs[0]
    assert gradient is not None
    return [view_or_copy(t, gradient, x.shape)]


def view_or_copy(t: Tape, x: Value, shape: Shape, *, linked: bool = False) -> Value:
    """torch.Tensor.reshape: a view, or, where there are no strides for it, a copy."""
    if x.shape == shape:
        return x
    strides = None if x.strides is None else reshaped(x.shape, x.strides, shape)
    if strides is None and x.strides is not None:
        y = t.make(shape, x.dtype, f"{x.storage.what}, laid out in order")
    else:
        y = t.view(x, shape, strides)
    if linked:
        t.link(y, (x,), _view_back)
    return y


def reshape(t: Tape, x: Value, shape: Shape) -> Value:
    """torch.Tensor.reshape, linked."""
    return view_or_copy(t, x, shape, linked=True)


def permute(t: Tape, x: Value, dims: Sequence[int]) -> Value:
    """torch.permute; the gradient is permuted back."""
    strides = strides_of(x)
    y = t.view(x, tuple(x.shape[dim] for dim in dims), tuple(strides[dim] for dim in dims))
    back = tuple(sorted(range(len(dims)), key=lambda place: dims[place]))

    def unpermute(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = strides_of(gradient)
        shape = tuple(gradient.shape[dim] for dim in back)
        return [t.view(gradient, shape, tuple(steps[dim] for dim in back))]

    t.link(y, (x,), unpermute)
    return y


def swapped(t: Tape, x: Value, first: int, second: int) -> Value:
    """torch.transpose."""
    dims = list(range(len(x.shape)))
    dims[first], dims[second] = dims[second], dims[first]
    return permute(t, x, dims)


def copied(t: Tape, x: Value, what: str = "") -> Value:
    """torch.Tensor.contiguous: the tensor itself, or a copy whose elements lie in their order."""
    if ordered(x):
        return x
    y = t.make(x.shape, x.dtype, what)
    t.link(y, (x,), passed_on)
    return y


def part(t: Tape, x: Value, dim: int, size: int, step: int, *, alias: bool) -> Value:
    """A slice along a dimension; the gradient is laid into zeros, or handed on by an ``alias``."""
    strides = list(strides_of(x))
    strides[dim] *= step
    shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
    y = t.view(x, shape, tuple(strides))
    t.link(y, (x,), passed_on if alias else one_ordered)
    return y


def one_ordered(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    """One gradient by one kernel, its elements in their order."""
    x = node.inputs[0]
    return [t.make(x.shape, x.dtype)]


def split(t: Tape, x: Value, dim: int, sizes: Sequence[int], *, unsafe: bool = False) -> list[Value]:
    """torch.split: views; their gradients are joined, zeros for those that do not arrive.

    Autograd does not take ``unsafe`` ones for views.
    """
    strides = strides_of(x)
    parts = [t.view(x, (*x.shape[:dim], size, *x.shape[dim + 1 :]), strides, unsafe=unsafe) for size in sizes]

    def join(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        zeros = [t.make(y.shape, y.dtype) for y, g in zip(parts, gradients, strict=True) if g is None]
        arrived = [g for g in gradients if g is not None]
        joined = t.make(x.shape, x.dtype, "", strides_joined(x.shape, *zeros, *arrived))
        t.drop(*zeros)
        return [joined]

    t.link(parts, (x,), join)
    for one in parts:
        one.several = not unsafe
    return parts


def select(t: Tape, x: Value, dim: int) -> Value:
    """One place of a dimension; the gradient is laid into zeros."""
    strides = strides_of(x)
    y = t.view(x, (*x.shape[:dim], *x.shape[dim + 1 :]), (*strides[:dim], *strides[dim + 1 :]))
    t.link(y, (x,), one_ordered)
    return y


def picked(t: Tape, x: Value, shape: Shape) -> list[Value]:
    """Some elements and their places (torch.topk), which are kept; the gradient is laid into zeros."""
    values, places = t.make_all((shape, x.dtype, ""), (shape, "int64", "the places"))
    t.link(values, (x,), _scattered, places)
    return [values, places]


def _scattered(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    x = node.inputs[0]
    zeros = t.make(x.shape, x.dtype)
    if not t.watched:
        return [zeros]
    gradient = t.make(x.shape, x.dtype)  # not written into the zeros, but made of them
    t.drop(zeros)
    return [gradient]


def expand(t: Tape, x: Value, shape: Shape) -> Value:
    """torch.Tensor.expand; the gradient is summed over what is repeated."""
    offset = len(shape) - len(x.shape)
    before = strides_of(x)
    strides = tuple(
        0 if i < offset or (x.shape[i - offset] == 1 and n != 1) else before[i - offset] for i, n in enumerate(shape)
    )
    y = t.view(x, shape, strides)
    t.link(y, (x,), passed_on)  # the engine sums it
    return y
