"""What torch.autocast casts, and casts by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from archscope.autograd.aten.kernels import like
from archscope.autograd.dtypes import FLOATING, Unmixable, promoted
from archscope.autograd.graph import Gradients, Node, Value
from archscope.autograd.tape import Tape
from archscope.autograd.versions import OLDEST, Version


def lowered(t: Tape, *values: Value) -> tuple[Value, ...]:
    """The tensors as a function gets them that autocast runs in the lower type; weights are cast once a step."""
    if t.lower is None:
        return values
    t.autocasts = True
    narrowed = [autocast(t, value, t.lower, once=True) for value in reversed(values)]  # as C++ evaluates the arguments
    return tuple(reversed(narrowed))


def widened(t: Tape, x: Value, on: Sequence[str], since: Version = OLDEST) -> Value:
    """A tensor as a function gets it that autocast runs in float32 on some devices, since a version of torch."""
    if t.lower is None or t.device not in on or t.torch < since:
        return x
    t.autocasts = True
    return autocast(t, x, "float32")


def widest(t: Tape, x: Sequence[Value]) -> tuple[Sequence[Value], str]:
    """Tensors as a function gets them that autocast runs in the widest of their types, and what torch promotes them to.

    float64 counts for nothing there, and stays.

    Raises:
        Unmixable: autocast does not know a type.
    """
    dtype = reduce(promoted, (value.dtype for value in x))
    if t.lower is None:
        return x, dtype
    widest = _prioritized(t.lower, [value.dtype for value in x])
    if len({value.dtype for value in x}) == 1:
        return x, dtype
    t.autocasts = True
    return [autocast(t, value, widest) for value in x], dtype


def _prioritized(lower: str, dtypes: Sequence[str]) -> str:
    """The type that at::autocast::prioritize finds, tensor after tensor: the lower one, or float32 where one is.

    So another of 16 bits goes behind one in float32 alone.
    """
    widest = lower
    for dtype in dtypes:
        if dtype == "float64" or dtype not in FLOATING:
            continue
        if "float32" in (widest, dtype):
            widest = "float32"
        elif dtype != lower:
            raise Unmixable(f"torch.autocast to {lower} joins {dtype} to nothing but what is float32 before it")
    return widest


def autocast(t: Tape, x: Value, dtype: str, *, once: bool = False) -> Value:
    """As :func:`cast`, but for float64, which autocast leaves as it is (at::autocast::is_eligible)."""
    return x if x.dtype == "float64" else cast(t, x, dtype, once=once)


def cast(t: Tape, x: Value, dtype: str, *, once: bool = False) -> Value:
    """A tensor in another floating type; what holds whole numbers stays.

    ``once``: of a weight in float32 autocast remembers the cast until the step is over (at::autocast::cached_cast); one
    in another type it casts wherever it is read.
    """
    if x.dtype == dtype or x.dtype not in FLOATING:
        return x
    leaf = x.dtype == "float32" and x.node is not None and x.node.order == float("inf")
    if once and leaf and x.storage in t.casts:
        return t.casts[x.storage]
    what = f"{x.storage.what}, cast to {dtype}"
    y = like(t, x, what, dtype)
    t.link(y, (x,), _cast_back)
    if once and leaf:
        t.casts[x.storage] = y
        t.hold(y)
    return y


def converted(t: Tape, x: Value, dtype: str) -> Value:
    """torch.Tensor.to: the tensor itself, or a copy in another type."""
    if x.dtype == dtype:
        return x
    y = like(t, x, "", dtype)
    if dtype in FLOATING:
        t.link(y, (x,), _cast_back)
    return y


def _cast_back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    gradient, x = gradients[0], node.inputs[0]
    assert gradient is not None
    return [like(t, gradient, "a gradient, cast", x.dtype)]
