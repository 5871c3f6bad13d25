"""Functions of one kernel forward and one kernel backward."""

from __future__ import annotations

from typing import NamedTuple

from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Back, Gradients, Node, Shape, Value, strides_behind, strides_of
from archscope.autograd.strides import Strides, channels_last, contiguous, lies, suggests_last
from archscope.autograd.tape import Tape
from archscope.autograd.versions import SOFTMAX_KEEPS_OUTPUT


def like(t: Tape, x: Value, what: str = "", dtype: str | None = None) -> Value:
    """A new tensor of the shape of another, that lies as it does; where it has gaps, in the order of its dimensions.

    So do at::empty_like and at::_to_copy.
    """
    return t.make(x.shape, dtype or x.dtype, what, strides_like(x))


def mapped(t: Tape, x: Value, what: str = "", dtype: str | None = None) -> Value:
    """The result of an elementwise function of one tensor, as at::TensorIterator lays it."""
    return t.make(x.shape, dtype or x.dtype, what, strides_behind(x.shape, x))


def strides_like(x: Value) -> Strides | None:
    """Strides of a copy of a tensor: its own where it has no gaps, else in the order of its dimensions."""
    return x.strides if x.dense else strides_behind(x.shape, x)


def as_formatted(x: Value, shape: Shape) -> Strides | None:
    """Strides of a map that is made of another one: its channels lie last where those of the other do."""
    if x.strides is None or len(shape) != len(x.shape):
        return None
    return channels_last(shape) if suggests_last(x.shape, x.strides) else None


def formatted(t: Tape, x: Value) -> Value:
    """The tensor, or a copy in the format that it suggests (x.contiguous(x.suggest_memory_format()))."""
    y = made_as(t, x, as_formatted(x, x.shape))
    if y is not x:
        t.link(y, (x,), passed_on)
    return y


def made_as(t: Tape, x: Value, strides: Strides | None, what: str = "") -> Value:
    """The tensor, where it lies by these strides, or a copy that does."""
    wanted = contiguous(x.shape) if strides is None else strides
    if x.strides is strides or lies(x.shape, strides_of(x), wanted):
        return x
    return t.make(x.shape, x.dtype, what, strides)


def asides(t: Tape, *read: tuple[Value, Strides | None]) -> list[Value]:
    """Copies that a kernel makes for itself of tensors that do not lie by the strides by which it reads them.

    It drops them at its end. torch's dispatcher does not see them, and so no mode that watches.
    """
    if t.watched:
        return []
    copies = [(made_as(t, x, strides, "a copy that a kernel reads"), x) for x, strides in read]
    return [copy for copy, x in copies if copy is not x]


def casts(t: Tape, dtype: str, *x: Value) -> list[Value]:
    """Copies in another type that a kernel makes for itself, and drops; no mode that watches sees them."""
    if t.watched:
        return []
    return [like(t, value, "a cast that a kernel reads", dtype) for value in x if value.dtype != dtype]


class Format(NamedTuple):
    """How a function of maps lays its results: with the channels last, where those of another tensor lie last.

    Its kernels read copies that lie so, where what arrives does not.

    Attributes:
        output: whether the output follows the input.
        gradient: what the gradient follows: the ``input``, the ``gradient`` that arrives, or nothing.
        strided: whether the forward kernel of the CPU reads the input however it lies.
        turns: whether the backward kernel of the CPU lays all that it reads and writes as the gradient does that
            arrives.
    """

    output: bool
    gradient: str
    strided: bool = False
    turns: bool = True


#: both as the input lies: at::empty_like(input, input.suggest_memory_format())
AS_INPUT = Format(output=True, gradient="input")
#: each as what it is computed of
AS_READ = Format(output=True, gradient="gradient")
AS_ITERATED = AS_READ._replace(strided=True)
#: the output as the input, the gradient in order
GRADIENT_IN_ORDER = AS_ITERATED._replace(gradient="")
IN_ORDER = Format(output=False, gradient="")
IN_ORDER_STRIDED = IN_ORDER._replace(strided=True)


def kernel(t: Tape, x: Value, shape: Shape, *, saves: str = "", what: str = "", lays: Format = AS_INPUT) -> Value:
    """A function of one tensor, whose derivative is one kernel.

    Args:
        saves: what that needs: its ``input``, its ``output``, or nothing; ``softmax`` is the output, with the input in
            versions of torch that kept it, too.
    """
    copies = _read(t, x, lays)
    y = t.make(shape, x.dtype, what, as_formatted(x, shape) if lays.output else None)
    t.drop(*copies)
    softmax = (y,) if t.torch >= SOFTMAX_KEEPS_OUTPUT else (x, y)
    t.link(y, (x,), _ONE[lays], *{"input": (x,), "output": (y,), "softmax": softmax}.get(saves, ()))
    return y


def softmax(t: Tape, x: Value) -> Value:
    """at::_softmax, at::_log_softmax: they read copies in order, and so lie their results."""
    return kernel(t, x, x.shape, saves="softmax", lays=IN_ORDER)


def _formatted_back(lays: Format, *saved: tuple[Shape, str]) -> Back:
    """The gradient of a function of maps, by one kernel.

    Args:
        saved: shapes and types of what lies as the output and is read, too.
    """

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient, x = gradients[0], node.inputs[0]
        assert gradient is not None
        if gradient.strides is x.strides is None:
            return [t.make(x.shape, gradient.dtype)]
        source = {"input": x, "gradient": gradient}.get(lays.gradient)
        strides = None if source is None else as_formatted(source, x.shape)
        read = gradient if lays.turns and t.device == "cpu" else source
        own = None if source is None or read is None else as_formatted(read, gradient.shape)
        copies = asides(t, (gradient, own))
        result = t.make(x.shape, gradient.dtype, "", strides)
        if read is gradient:
            again = asides(t, (result, None if own is None else as_formatted(gradient, x.shape)))
            copies += again
            copies += [t.make(*one, "a copy that a kernel reads") for one in saved if again and not _either_way(one[0])]
        t.drop(*copies)
        return [result]

    return back


def _either_way(shape: Shape) -> bool:
    """Whether maps of a shape lie in order where their channels lie last."""
    return lies(shape, channels_last(shape), contiguous(shape))


_ONE = {
    lays: _formatted_back(lays)
    for lays in (AS_INPUT, AS_READ, AS_ITERATED, GRADIENT_IN_ORDER, IN_ORDER, IN_ORDER_STRIDED)
}


def with_extra(t: Tape, x: Value, shape: Shape, *extra: tuple[Shape, str, str], lays: Format = AS_INPUT) -> Value:
    """A function of one tensor that makes others for its derivative: shape, dtype, and a word on each."""
    copies = _read(t, x, lays)
    y, *others = t.make_all((shape, x.dtype, ""), *extra)
    y.strides = as_formatted(x, shape) if lays.output else None
    t.drop(*copies)
    for other in others:
        other.strides = y.strides
    t.link(y, (x,), _formatted_back(lays, *((other.shape, other.dtype) for other in others)), x, *others)
    return y


def _read(t: Tape, x: Value, lays: Format) -> list[Value]:
    """Copies that a forward kernel makes."""
    if x.strides is None or (lays.strided and t.device == "cpu"):
        return []
    return asides(t, (x, as_formatted(x, x.shape) if lays.output else None))
