"""Functions of one kernel forward and one kernel backward."""

from __future__ import annotations

from archscope.autograd.graph import Gradients, Node, Shape, Value
from archscope.autograd.strides import Strides, channels_last, fills
from archscope.autograd.tape import Tape
from archscope.autograd.versions import SOFTMAX_KEEPS_OUTPUT


def like(t: Tape, x: Value, what: str = "", dtype: str | None = None) -> Value:
    """A new tensor of the shape of another, its elements in the same order in memory where it leaves no gaps."""
    strides = x.strides if x.strides is not None and fills(x.shape, x.strides) else None
    return t.make(x.shape, dtype or x.dtype, what, strides)


def as_formatted(x: Value, shape: Shape) -> Strides | None:
    """Strides of a map that is made of another one: its channels lie last where those of the other do."""
    if x.strides is None or len(shape) != len(x.shape) or len(shape) not in (4, 5):
        return None
    return channels_last(shape) if x.strides == channels_last(x.shape) else None


def kernel(t: Tape, x: Value, shape: Shape, *, saves: str = "", what: str = "") -> Value:
    """A function of one tensor, whose derivative is one kernel.

    Args:
        saves: what that needs: its ``input``, its ``output``, or nothing; ``softmax`` is the output, with the input in
            versions of torch that kept it, too.
    """
    y = like(t, x, what) if shape == x.shape else t.make(shape, x.dtype, what, as_formatted(x, shape))
    softmax = (y,) if t.torch >= SOFTMAX_KEEPS_OUTPUT else (x, y)
    t.link(y, (x,), one_like, *{"input": (x,), "output": (y,), "softmax": softmax}.get(saves, ()))
    return y


def one_like(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    """One gradient by one kernel, laid out as the one that arrived where it has its shape."""
    gradient, x = gradients[0], node.inputs[0]
    assert gradient is not None
    if gradient.shape == x.shape:
        return [like(t, gradient)]
    return [t.make(x.shape, gradient.dtype, "", as_formatted(x, x.shape))]


def in_place(t: Tape, x: Value, *, saves: str) -> Value:
    """A function that overwrites its input, and keeps its ``output``, or a ``copy`` of its input."""
    if not t.grad or x.node is None:
        return t.overwrite(x, one_like)
    return t.overwrite(x, one_like, like(t, x, "a copy of the input") if saves == "copy" else x)


def with_extra(t: Tape, x: Value, shape: Shape, *extra: tuple[Shape, str, str], saves: str = "input") -> Value:
    """A function of one tensor that makes others for its derivative: shape, dtype, and a word on each."""
    y, *others = t.make_all((shape, x.dtype, ""), *extra)
    y.strides = as_formatted(x, shape)
    first = (x,) if saves == "input" else (y,) if saves == "output" else ()
    t.link(y, (x,), one_like, *first, *others)
    return y
