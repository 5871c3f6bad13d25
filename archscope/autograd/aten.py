"""The functions of torch that layers call, each with what it allocates, keeps, and allocates in its backward pass.

Names and laws are torch's: derivatives.yaml for what is kept, the formulas of FunctionsManual.cpp for the order of a
backward pass. What torch.autocast casts is the function's to say, as it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod

from archscope.autograd.dtypes import FLOATING, NARROW, promoted
from archscope.autograd.strides import Strides, channels_last, contiguous, fills, reshaped
from archscope.autograd.tape import Gradients, Node, Shape, Tape, Value, passed_on, together
from archscope.autograd.versions import OLDEST, SOFTMAX_KEEPS_OUTPUT, Version
from archscope.errors import UsageError

# -- autocast ----------------------------------------------------------------------------------------------------------


def lowered(t: Tape, *values: Value) -> tuple[Value, ...]:
    """The tensors as a function gets them that autocast runs in the lower type; weights are cast once a step."""
    if t.lower is None:
        return values
    narrowed = [_autocast(t, value, t.lower, once=True) for value in reversed(values)]  # as C++ evaluates the arguments
    return tuple(reversed(narrowed))


def widened(t: Tape, x: Value, on: Sequence[str], since: Version = OLDEST) -> Value:
    """A tensor as a function gets it that autocast runs in float32 on some devices, since a version of torch."""
    return x if t.lower is None or t.device not in on or t.torch < since else _autocast(t, x, "float32")


def _autocast(t: Tape, x: Value, dtype: str, *, once: bool = False) -> Value:
    """As :func:`cast`, but for float64, which autocast leaves as it is (at::autocast::is_eligible)."""
    return x if x.dtype == "float64" else cast(t, x, dtype, once=once)


def cast(t: Tape, x: Value, dtype: str, *, once: bool = False) -> Value:
    """A tensor in another floating type; what holds whole numbers stays. ``once``: a weight is cast once a step."""
    if x.dtype == dtype or x.dtype not in FLOATING:
        return x
    leaf = x.node is not None and x.node.order == float("inf")
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


# -- one kernel forward, one kernel backward ---------------------------------------------------------------------------


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


def normalized(
    t: Tape,
    x: Value,
    weights: Sequence[Value | None],
    statistics: Shape,
    *,
    dtype: str,
    kept: Sequence[Value] = (),
    in_order: bool = False,
) -> Value:
    """A normalisation: its output and two statistics by one kernel, all gradients by one.

    Args:
        in_order: the kernel reads a copy in order where the input is not, and so lies its output.
    """
    copy = t.make(x.shape, x.dtype) if in_order and not ordered(x) else None
    y, mean, deviation = t.make_all(
        (x.shape, x.dtype, ""), (statistics, dtype, "the means"), (statistics, dtype, "the reciprocal deviations")
    )
    if copy is not None:
        t.drop(copy)
    elif x.strides is not None and fills(x.shape, x.strides):
        y.strides = x.strides
    t.link(y, (x, *(w for w in weights if w is not None)), together, x, mean, deviation, *kept)
    t.drop(mean, deviation)
    return y


# -- views -------------------------------------------------------------------------------------------------------------


def strides_of(x: Value) -> Strides:
    """Strides, written out."""
    return contiguous(x.shape) if x.strides is None else x.strides


def ordered(x: Value) -> bool:
    """Whether the elements lie in their order (torch.Tensor.is_contiguous)."""
    if x.strides is None:
        return True
    wanted = contiguous(x.shape)
    return all(n == 1 or a == b for n, a, b in zip(x.shape, x.strides, wanted, strict=True))


def view(t: Tape, x: Value, shape: Shape, strides: Strides | None, *, unsafe: bool = False) -> Value:
    """Another view; the gradient is the same view backwards. Autograd does not take an ``unsafe`` one for a view."""
    y = t.view(x, shape, strides)
    t.link(y, (x,), _view_back)
    return y if unsafe else _viewing(y, x)


def detached(t: Tape, x: Value) -> Value:
    """torch.Tensor.detach: the same memory, and no gradient behind it."""
    return x if x.node is None else t.view(x, x.shape, x.strides)


def _viewing(y: Value, x: Value) -> Value:
    y.base = x.base or x
    return y


def _view_back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    gradient, x = gradients[0], node.inputs[0]
    assert gradient is not None
    return [laid(t, gradient, x.shape)]


def laid(t: Tape, x: Value, shape: Shape, *, linked: bool = False) -> Value:
    """torch.Tensor.reshape: a view, or, where there are no strides for it, a copy."""
    if x.shape == shape:
        return x
    strides = None if ordered(x) else reshaped(x.shape, strides_of(x), shape)
    if strides is None and not ordered(x):
        y = t.make(shape, x.dtype, f"{x.storage.what}, laid out in order")
    else:
        y = t.view(x, shape, strides)
    if linked:
        t.link(y, (x,), _view_back)
    return _viewing(y, x) if y.storage is x.storage else y


def reshape(t: Tape, x: Value, shape: Shape) -> Value:
    """torch.Tensor.reshape, linked."""
    return laid(t, x, shape, linked=True)


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
    return _viewing(y, x)


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
    return _viewing(y, x)


def one_ordered(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    """One gradient by one kernel, its elements in their order."""
    x = node.inputs[0]
    return [t.make(x.shape, x.dtype)]


def split(t: Tape, x: Value, dim: int, sizes: Sequence[int]) -> list[Value]:
    """torch.split: views; their gradients are joined, zeros for those that do not arrive."""
    strides = strides_of(x)
    parts = [t.view(x, (*x.shape[:dim], size, *x.shape[dim + 1 :]), strides) for size in sizes]

    def join(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        zeros = [t.make(y.shape, y.dtype) for y, g in zip(parts, gradients, strict=True) if g is None]
        joined = t.make(x.shape, x.dtype)
        t.drop(*zeros)
        return [joined]

    t.link(parts, (x,), join)
    return parts


def select(t: Tape, x: Value, dim: int) -> Value:
    """One place of a dimension; the gradient is laid into zeros."""
    strides = strides_of(x)
    y = t.view(x, (*x.shape[:dim], *x.shape[dim + 1 :]), (*strides[:dim], *strides[dim + 1 :]))
    t.link(y, (x,), one_ordered)
    return _viewing(y, x)


def picked(t: Tape, x: Value, shape: Shape) -> list[Value]:
    """Some elements and their places (torch.topk), which are kept; the gradient is laid into zeros."""
    values, places = t.make_all((shape, x.dtype, ""), (shape, "int64", "the places"))
    t.link(values, (x,), _scattered, places)
    return [values, places]


def _scattered(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    x = node.inputs[0]
    zeros = t.make(x.shape, x.dtype)
    gradient = t.make(x.shape, x.dtype)  # not written into the zeros, but made of them
    t.drop(zeros)
    return [gradient]


def expand(t: Tape, x: Value, shape: Shape) -> Value:
    """torch.Tensor.expand; the gradient is summed over what is repeated."""
    if shape == x.shape:
        return x
    offset = len(shape) - len(x.shape)
    before = strides_of(x)
    strides = tuple(
        0 if i < offset or (x.shape[i - offset] == 1 and n != 1) else before[i - offset] for i, n in enumerate(shape)
    )
    y = t.view(x, shape, strides)
    t.link(y, (x,), passed_on)  # the engine sums it
    return _viewing(y, x)


# -- elementwise functions of two tensors ------------------------------------------------------------------------------


def broadcast(first: Shape, second: Shape) -> Shape:
    """The common shape."""
    if first == second:
        return first
    length = max(len(first), len(second))
    pairs = zip((1,) * (length - len(first)) + first, (1,) * (length - len(second)) + second, strict=True)
    return tuple(b if a == 1 else a for a, b in pairs)


def pointwise(t: Tape, a: Value, b: Value, what: str = "", dtype: str | None = None) -> Value:
    """The result of an elementwise function of two tensors."""
    return elementwise(t, (a, b), dtype or promoted(a.dtype, b.dtype, scalars=(not a.shape, not b.shape)), what)


def elementwise(t: Tape, x: Sequence[Value], dtype: str, what: str = "") -> Value:
    """The result of an elementwise function; it lies as the first tensor that has its shape, if that has no gaps."""
    shape = reduce(broadcast, (v.shape for v in x))
    first = next((v for v in x if v.shape == shape), None)
    strides = None if first is None or first.strides is None or not fills(shape, first.strides) else first.strides
    return t.make(shape, dtype, what, strides)


def add(t: Tape, a: Value, b: Value) -> Value:
    """a + b: the gradient goes to both (and is summed where one was broadcast)."""
    y = pointwise(t, a, b)
    t.link(y, (a, b), passed_on)
    return y


def subtract(t: Tape, a: Value, b: Value) -> Value:
    """a - b."""
    y = pointwise(t, a, b)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [gradient, like(t, gradient) if b.node is not None else None]

    t.link(y, (a, b), back)
    return y


def multiply(t: Tape, a: Value, b: Value, what: str = "") -> Value:
    """a b: each side is kept where the other one needs a gradient."""
    y = pointwise(t, a, b, what)
    saved = [other for other, side in ((b, a), (a, b)) if side.node is not None]

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        sides = ((a, b), (b, a))
        return [pointwise(t, gradient, other) if side.node is not None else None for side, other in sides]

    t.link(y, (a, b), back, *saved)
    return y


def divide(t: Tape, a: Value, b: Value) -> Value:
    """a / b; of whole numbers it has torch's default type, whatever that of the design."""
    floating = a.dtype in FLOATING or b.dtype in FLOATING
    y = pointwise(t, a, b, dtype=None if floating else "float32")
    saved = (a, b) if b.node is not None else (b,)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        second = None
        if b.node is not None:
            ratio = pointwise(t, a, b)  # -grad * ((a / b) / b)
            squared = pointwise(t, ratio, b)
            negated = like(t, gradient)
            second = pointwise(t, negated, squared)
            t.drop(ratio, squared, negated)
        first = pointwise(t, gradient, b) if a.node is not None else None
        return [first, second]

    t.link(y, (a, b), back, *saved)
    return y


def extremum(t: Tape, a: Value, b: Value) -> Value:
    """The larger or the smaller of two tensors; where they are equal, each gets half of the gradient."""
    y = pointwise(t, a, b)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        results: list[Value | None] = []
        for side in (a, b):
            if side.node is None:
                results.append(None)
                continue
            half = like(t, gradient)  # where(a == b, grad / 2, grad).masked_fill_(a < b, 0)
            equal = pointwise(t, a, b, "", "bool")
            results.append(elementwise(t, (equal, half, gradient), gradient.dtype))
            less = pointwise(t, a, b, "", "bool")
            t.drop(half, equal, less)
        return results

    t.link(y, (a, b), back, a, b)
    return y


def scaled(t: Tape, x: Value) -> Value:
    """A tensor times a number, or its negative."""
    return kernel(t, x, x.shape)


def power(t: Tape, x: Value, exponent: float, what: str = "") -> Value:
    """x to a number; the derivative is grad * (exponent * x^(exponent - 1))."""
    x = widened(t, x, ("cuda",))
    y = like(t, x, what)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        if exponent == 0:
            return [t.make(x.shape, x.dtype)]
        raised, times = like(t, x), like(t, x)
        result = pointwise(t, gradient, x)
        t.drop(raised, times)
        return [result]

    t.link(y, (x,), back, x)
    return y


# -- products ----------------------------------------------------------------------------------------------------------


def linear(t: Tape, x: Value, weight: Value, bias: Value | None) -> Value:
    """x A^T + b on the last dimension (at::linear): rows joined, one product; or, on a strided input, at::matmul."""
    start = t.begin()
    x, weight, *rest = lowered(t, *((x, weight) if bias is None else (x, weight, bias)))
    out, features = weight.shape
    flat, at_once = len(x.shape) == 2, bool(rest) and ordered(x)
    if not flat and weight.node is None and not ordered(x):  # at::matmul joins no rows then (should_fold)
        y = _matmul(t, x, t.view(weight, (features, out), (1, features)))
        y = y if not rest else add(t, y, rest[0]) if t.watched else added(t, y, rest[0])
        t.end(start, y)
        return y
    read = x if flat else laid(t, x, (prod(x.shape[:-1]), features), linked=True)
    y = _product(t, read, weight, rest[0] if rest and (flat or at_once) else None)
    if not flat:
        y = view(t, y, (*x.shape[:-1], out), None, unsafe=not at_once)
        if rest and not at_once:
            y = add(t, y, rest[0]) if t.watched else added(t, y, rest[0])
    t.end(start, y)
    return y


def added(t: Tape, x: Value, other: Value) -> Value:
    """x += other."""
    y = t.view(x, x.shape, x.strides)
    t.link(y, (x, other), passed_on)
    return y


def _product(t: Tape, x: Value, weight: Value, bias: Value | None) -> Value:
    """x A^T, perhaps + b (at::mm, at::addmm)."""
    turned = t.view(weight, weight.shape, None)
    t.link(turned, (weight,), passed_on)
    y = t.make((x.shape[0], weight.shape[0]), x.dtype)
    saved = [other for other, side in ((weight, x), (x, weight)) if side.node is not None]

    def multiplied(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        second = t.make(weight.shape, weight.dtype) if weight.node is not None else None
        return [_like_matrix(t, x) if x.node is not None else None, second]

    def shifted(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        first = _like_matrix(t, x) if x.node is not None else None
        second = t.make(weight.shape, weight.dtype) if weight.node is not None else None
        return [gradients[0], first, second]

    if bias is None:
        t.link(y, (x, turned), multiplied, *saved)
    else:
        t.link(y, (bias, x, turned), shifted, *saved)
    return y


def _like_matrix(t: Tape, x: Value) -> Value:
    """The gradient of a factor of a product; that of a matrix which lies by columns does so, too (at::mm alone)."""
    by_columns = x.strides is not None and len(x.shape) == 2 and x.strides == (1, x.shape[0])
    return t.make(x.shape, x.dtype, "", x.strides if by_columns else None)


def batched(t: Tape, a: Value, b: Value, shape: Shape, what: str = "") -> Value:
    """at::bmm of tensors (..., n, m) and (..., m, p) whose leading dimensions are joined already."""
    y = t.make(shape, a.dtype, what)
    saved = [other for other, side in ((b, a), (a, b)) if side.node is not None]

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        second = _like_matrix(t, b) if b.node is not None else None
        return [_like_matrix(t, a) if a.node is not None else None, second]

    t.link(y, (a, b), back, *saved)
    return y


def matmul(t: Tape, a: Value, b: Value) -> Value:
    """at::matmul of tensors of two or more dimensions; it casts, as each of the products in it would."""
    start = t.begin()
    y = _matmul(t, *lowered(t, a, b))
    t.end(start, y)
    return y


def _matmul(t: Tape, a: Value, b: Value) -> Value:
    if len(a.shape) == len(b.shape) == 2:
        return batched(t, a, b, (a.shape[0], b.shape[1]))
    if _folds(a, b):
        return _folded(t, a, b)
    if len(a.shape) == len(b.shape) == 3 and a.shape[0] != b.shape[0]:
        if a.shape[0] == 1 and a.node is not None:
            return _folded(t, reshape(t, a, a.shape[1:]), b)
        if b.shape[0] == 1 and b.node is not None:
            return _folded(t, a, reshape(t, b, b.shape[1:]))
    leading = broadcast(a.shape[:-2], b.shape[:-2])
    n, m, p = *a.shape[-2:], b.shape[-1]
    joined = prod(leading)
    left = reshape(t, expand(t, a, (*leading, n, m)), (joined, n, m))
    right = reshape(t, expand(t, b, (*leading, m, p)), (joined, m, p))
    return view(t, batched(t, left, right, (joined, n, p)), (*leading, n, p), None, unsafe=True)


def _folds(a: Value, b: Value) -> bool:
    """Whether at::matmul joins all rows of the larger tensor into one matrix (should_fold)."""
    larger, smaller = (a, b) if len(a.shape) >= len(b.shape) else (b, a)
    if len(larger.shape) < 3 or len(smaller.shape) > 2:
        return False
    return smaller.node is not None or (larger is a and ordered(a))


def _folded(t: Tape, a: Value, b: Value) -> Value:
    """The product with a matrix: the larger tensor's rows joined; from the left, the product of the transposes."""
    turned = len(b.shape) > len(a.shape)
    larger, matrix = (swapped(t, b, -1, -2), swapped(t, a, 0, 1)) if turned else (a, b)
    rows = prod(larger.shape[:-1])
    y = batched(t, reshape(t, larger, (rows, larger.shape[-1])), matrix, (rows, matrix.shape[1]))
    y = view(t, y, (*larger.shape[:-1], matrix.shape[1]), None, unsafe=True)
    return copied(t, swapped(t, y, -1, -2)) if turned else y


# -- activations -------------------------------------------------------------------------------------------------------


def prelu(t: Tape, x: Value, slope: Value) -> Value:
    """_prelu_kernel: its backward pass makes both gradients in the shape of the input."""
    y = like(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        made = t.make_all((x.shape, x.dtype, ""), (x.shape, slope.dtype, ""))
        return [g if v.node is not None else None for g, v in zip(made, (x, slope), strict=True)]

    t.link(y, (x, slope), back, x, slope)
    return y


def rrelu(t: Tape, x: Value, slopes: Value, *, in_place: bool) -> Value:
    """rrelu_with_noise."""
    if in_place:
        return t.overwrite(x, one_like, x, slopes)
    y = like(t, x)
    t.link(y, (x,), one_like, x, slopes)
    return y


def derived(t: Tape, x: Value, *, saves: str, steps: int, what: str = "", leads: bool = False) -> Value:
    """An elementwise function of one tensor, whose derivative is of its ``input`` or ``output``, and takes steps.

    Args:
        steps: tensors that the derivative makes in passing.
        leads: whether the derivative is the first factor of the gradient, which then lies as it does.
    """
    y = like(t, x, what)
    read = x if saves == "input" else y

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        passing = [like(t, read) for _ in range(steps)]
        result = pointwise(t, read, gradient) if leads else pointwise(t, gradient, read)
        t.drop(*passing)
        return [result]

    t.link(y, (x,), back, read)
    return y


def magnitude(t: Tape, x: Value) -> Value:
    """|x|."""
    return derived(t, x, saves="input", steps=1)


def clamped(t: Tape, x: Value, limits: int) -> Value:
    """torch.clamp with one limit or two; the gradient is 0 beyond them."""
    y = like(t, x)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        zero = t.make((), gradient.dtype)
        inside = [like(t, x, "", "bool") for _ in range(limits)]
        result = pointwise(t, inside[0], gradient)
        t.drop(zero, *inside)
        return [result]

    t.link(y, (x,), back, x)
    return y


def plus(t: Tape, x: Value, what: str = "") -> Value:
    """A tensor plus a number."""
    y = like(t, x, what)
    t.link(y, (x,), passed_on)
    return y


# -- choosing ----------------------------------------------------------------------------------------------------------


def where(t: Tape, condition: Value, a: Value, b: Value) -> Value:
    """torch.where: each gets the gradient where it was chosen, and zeros elsewhere."""
    y = elementwise(t, (condition, a, b), promoted(a.dtype, b.dtype, scalars=(not a.shape, not b.shape)))

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        results: list[Value | None] = []
        for side in (a, b):
            if side.node is None:
                results.append(None)
                continue
            zero = t.make((), gradient.dtype)
            results.append(elementwise(t, (condition, gradient), gradient.dtype))
            t.drop(zero)
        return results

    t.link(y, (a, b), back, condition)
    return y


def masked_fill(t: Tape, x: Value, mask: Value) -> Value:
    """torch.masked_fill: the gradient is zero where the mask is set."""
    shape = broadcast(x.shape, mask.shape)
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        return [t.make(gradient.shape, gradient.dtype)]

    t.link(y, (x,), back, mask)
    return y


# -- reductions --------------------------------------------------------------------------------------------------------


def mean(t: Tape, x: Value, shape: Shape) -> Value:
    """The mean over dimensions: the gradient is repeated, and divided into a new tensor."""
    y = t.make(shape, x.dtype, "", as_formatted(x, shape))
    t.link(y, (x,), one_like)
    return y


def global_mean(t: Tape, x: Value, shape: Shape) -> Value:
    """An adaptive average pool of a whole map: the mean, to which torch gives strides anew where channels lie last."""
    y = mean(t, x, shape)
    if len(shape) != 4 or as_formatted(x, shape) is None:
        return y
    restrided = t.view(y, shape, channels_last(shape))
    t.link(restrided, (y,), one_ordered)
    return restrided


def summed(t: Tape, x: Value, shape: Shape, kept: Shape) -> Value:
    """The sum over dimensions: the gradient is repeated, which takes no memory."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = contiguous(kept)
        strides = tuple(0 if a == 1 != b else step for a, b, step in zip(kept, x.shape, steps, strict=True))
        return [t.view(gradient, x.shape, strides)]

    t.link(y, (x,), back)
    return y


def accumulated(t: Tape, x: Value, dim: int) -> Value:
    """torch.cumsum: the gradient is added up from the other end. On CUDA autocast gives it float32."""
    dtype = "float32" if t.device == "cuda" and x.dtype == t.lower else x.dtype
    y = t.make(x.shape, dtype if dtype in FLOATING else "int64")

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        if x.shape[dim] == 1:
            return [gradient]
        arrived = gradient if y.dtype == x.dtype else like(t, gradient, "a gradient, cast", x.dtype)
        flipped, added = like(t, arrived), t.make(x.shape, x.dtype)
        result = like(t, added)
        t.drop(flipped, added, *([] if arrived is gradient else [arrived]))
        return [result]

    t.link(y, (x,), back)
    return y


def largest(t: Tape, x: Value, shape: Shape, kept: Shape) -> Value:
    """The maximum over dimensions (amax): the gradient is shared by all that are equal to it."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        equal = t.make(x.shape, "bool")
        count, each = t.make(kept, "int64"), t.make(kept, x.dtype)
        result = t.make(x.shape, x.dtype)
        t.drop(equal, count, each)
        return [result]

    t.link(y, (x,), back, x, y)
    return y


def power_pool(t: Tape, x: Value, shape: Shape, exponent: float, widened_on: Sequence[str]) -> Value:
    """torch.nn.functional.lp_pool1d, lp_pool2d, lp_pool3d."""
    if exponent == float("inf"):
        size = magnitude(t, x)
        y = with_extra(t, widened(t, size, widened_on), shape, (shape, "int64", "the indices"))
        t.drop(size)
        return y
    raised = power(t, x, exponent, "the powers")
    pooled = kernel(t, widened(t, raised, widened_on), shape, saves="input", what="the means of the powers")
    t.drop(raised)
    sign = like(t, pooled, "their signs")
    t.link(sign, (pooled,), one_like)
    size = magnitude(t, pooled)
    positive = kernel(t, size, shape, saves="output", what="their magnitudes")
    t.drop(size)
    product = multiply(t, sign, positive)
    t.drop(sign, positive)
    times = scaled(t, product)
    times.storage.what = "the sums of the powers"
    t.drop(product)
    return power(t, times, 1 / exponent)


# -- normalisation -----------------------------------------------------------------------------------------------------


def repeat(t: Tape, x: Value, times: int) -> Value:
    """A vector, several times in a row."""
    y = t.make((times * x.shape[0],), x.dtype, f"{x.storage.what}, repeated")
    t.link(y, (x,), passed_on if times == 1 else one_like)
    return y


def repeat_as(t: Tape, x: Value, times: int, dtype: str) -> Value:
    """The same in another type."""
    start = t.begin()
    y = repeat(t, cast(t, x, dtype), times)
    t.end(start, y)
    return y


def averaged(t: Tape, shape: Shape, dtype: str) -> None:
    """A running statistic, averaged over the samples and copied to where it is kept, in float32 at least."""
    start = t.begin()
    statistic = t.make(shape, dtype)
    if dtype != promoted(dtype, "float32"):
        like(t, statistic, "", "float32")
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
    average = mean(t, squares, rows)
    root = derived(t, average, saves="output", steps=2, what="the reciprocal roots")
    t.drop(squares, average)
    y = multiply(t, wide, root, "the normalised input")
    if weight is not None:
        before, y = y, multiply(t, y, weight)
        t.drop(before)
    if wide is not x:
        t.drop(wide)
    return cast(t, y, x.dtype)


def _fused_rms_norm(t: Tape, x: Value, weight: Value | None, rows: Shape) -> Value:
    wide = "float32" if x.dtype in NARROW else x.dtype
    y, roots = t.make_all((x.shape, x.dtype, ""), (rows, wide, "the reciprocal roots"))
    given = (x,) if weight is None else (x, weight)
    t.link(y, given, together, *given, roots)
    return y


def local_response_norm(t: Tape, x: Value, size: int, beta: float) -> Value:
    """torch.nn.functional.local_response_norm: squares, padded along the channels, are averaged over windows."""
    squares = multiply(t, x, x)
    batch, channels, *sizes = x.shape
    padded = kernel(t, squares, (batch, channels + size - 1, *sizes))
    padded.storage.what = "the squares, padded"
    t.drop(squares)
    averages = kernel(t, widened(t, padded, ("cpu",) if len(x.shape) > 3 else ()), x.shape, saves="input")
    t.drop(padded)
    times = scaled(t, averages)
    base = plus(t, times)
    base.storage.what = "what the power is taken of"
    t.drop(times)
    raised = power(t, base, beta, "the power")
    t.drop(averages, base)
    return divide(t, x, raised)


# -- dropout -----------------------------------------------------------------------------------------------------------


def native_dropout(t: Tape, x: Value) -> Value:
    """The fused kernel of CUDA: its mask is a bool."""
    y, mask = t.make_all((x.shape, x.dtype, ""), (x.shape, "bool", "the mask"))
    t.link(y, (x,), one_like, mask)
    return y


def dropout(t: Tape, x: Value, shape: Shape, *, in_place: bool, all_of_it: bool, alpha: bool) -> Value:
    """at::_dropout_impl: the input times noise of a shape."""
    if all_of_it:
        noise = t.make((), x.dtype, "a zero")
    else:
        noise = like(t, x, "the mask") if shape == x.shape else t.make(shape, x.dtype, "the mask")
    shift = like(t, noise) if alpha and not all_of_it else None
    if in_place and shift is None:
        y = t.overwrite(x, one_like, noise)
    else:
        y = like(t, x)
        t.link(y, (x,), one_like, noise)
    t.drop(noise, *(() if shift is None else (shift,)))
    return y


def thinned(t: Tape, x: Value, shape: Shape) -> Value:
    """The input times noise of a shape, whatever that is of the input's: only the noise is kept."""
    noise = t.make(shape, x.dtype, "the noise")
    y = like(t, x)
    t.link(y, (x,), one_like, noise)
    t.drop(noise)
    return y


# -- joining, looking up, convolving -----------------------------------------------------------------------------------


def cat(t: Tape, x: Sequence[Value], shape: Shape, dim: int) -> Value:
    """torch.cat: each gets its slice of the gradient."""
    x, dtype = _alike(t, x)
    formats = {as_formatted(value, shape) for value in x}
    y = t.make(shape, dtype, "", formats.pop() if len(formats) == 1 else None)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = strides_of(gradient)
        return [t.view(gradient, value.shape, steps) if value.node is not None else None for value in x]

    t.link(y, tuple(x), back)
    return y


def _alike(t: Tape, x: Sequence[Value]) -> tuple[Sequence[Value], str]:
    """Tensors that are joined, and the type of the result; autocast widens to float32 where one is of that type.

    float64 counts for nothing there, and stays.

    Raises:
        UsageError: autocast does not know a type beside others (at::autocast::prioritize).
    """
    dtype = reduce(promoted, (value.dtype for value in x))
    if t.lower is None or len({value.dtype for value in x}) == 1:
        return x, dtype
    narrow = {value.dtype for value in x} - {"float64"}
    odd = narrow - {t.lower, "float32"}
    if odd and dtype in FLOATING:
        raise UsageError(f"{t.layer}: torch.autocast to {t.lower} joins no {', '.join(sorted(odd))} with other types")
    return [_autocast(t, value, "float32") if "float32" in narrow else value for value in x], dtype


def stack(t: Tape, x: Sequence[Value], shape: Shape, dim: int) -> Value:
    """torch.stack."""
    x, dtype = _alike(t, x)
    y = t.make(shape, dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        gradient = gradients[0]
        assert gradient is not None
        steps = strides_of(gradient)
        rest = (*steps[:dim], *steps[dim + 1 :])
        return [t.view(gradient, value.shape, rest) if value.node is not None else None for value in x]

    t.link(y, tuple(x), back)
    return y


def unbind(t: Tape, x: Value, shown: int) -> list[Value]:
    """torch.unbind along the first dimension: the gradients are stacked, zeros for those that do not arrive.

    Args:
        shown: how many of them are told: the others are like these.
    """
    parts = [t.view(x, x.shape[1:], strides_of(x)[1:]) for _ in range(shown)]

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        zeros = [t.make(x.shape[1:], x.dtype) for gradient in gradients if gradient is None]
        joined = t.make(x.shape, x.dtype)
        t.drop(*zeros)
        return [joined]

    t.link(parts, (x,), back)
    return parts


def embedding(t: Tape, weight: Value, indices: Value, shape: Shape) -> Value:
    """A row of a table for every index; its gradient is a whole table (``sparse`` ones are counted as if they were)."""
    y = t.make(shape, weight.dtype)
    t.link(y, (weight,), one_ordered, indices)
    return y


def embedding_bag(t: Tape, weight: Value, indices: Value, mode: str, *, padded: bool) -> Value:
    """torch.nn.functional.embedding_bag over the rows of a matrix of indices; its gradient is a whole table.

    Offsets are made for the rows; the kernel gives the bag of each index (not where it sums at once, is_fast_path), the
    size of each bag, and where a maximum was found. The first is made an element longer than it is.
    """
    bags, length = indices.shape
    offsets = t.make((bags,), "int64", "the offsets of the bags")
    flat = reshape(t, indices, (bags * length,))
    found = (bags, weight.shape[1]) if mode == "max" else (bags,)
    y, *others = t.make_all(
        ((bags, weight.shape[1]), weight.dtype, ""),
        ((0 if mode == "sum" and not padded else bags * length + 1,), "int64", "the bag of each index"),
        ((bags,), "int64", "the sizes of the bags"),
        (found, "int64", "where the maxima are"),
    )
    t.link(y, (weight,), one_ordered, flat, offsets, *others)
    t.drop(offsets, *others)
    return y


def looked_up(t: Tape, x: Value, places: Value, shape: Shape, *kept: Value) -> Value:
    """x at some places (x[places], torch.gather); gradients are added into zeros, out of place where watched."""
    y = t.make(shape, x.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        zeros = t.make(x.shape, x.dtype)
        if not t.watched:
            return [zeros]
        summed = t.make(x.shape, x.dtype)
        t.drop(zeros)
        return [summed]

    t.link(y, (x,), back, places, *kept)
    return y


def rolled(t: Tape, x: Value) -> Value:
    """torch.roll: joined anew from its parts; so is the gradient."""
    y = t.make(x.shape, x.dtype, "", as_formatted(x, x.shape))
    t.link(y, (x,), one_like)
    return y


def tiled(t: Tape, x: Value, shape: Shape) -> Value:
    """torch.tile: always a copy; the gradients of the repeats are summed."""
    y = t.make(shape, x.dtype)
    t.link(y, (x,), passed_on if shape == x.shape else one_ordered)
    return y


def bilinear(t: Tape, a: Value, b: Value, weight: Value, bias: Value | None) -> Value:
    """at::bilinear: rows joined, then _trilinear, each of whose gradients is a kernel of its own."""
    rows = prod(a.shape[:-1])
    left, right = reshape(t, a, (rows, a.shape[-1])), reshape(t, b, (rows, b.shape[-1]))
    y = t.make((rows, weight.shape[0]), a.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        return [t.make(v.shape, v.dtype) if v.node is not None else None for v in (left, weight, right)]

    t.link(y, (left, weight, right), back, left, weight, right)
    y = reshape(t, y, (*a.shape[:-1], weight.shape[0]))
    return y if bias is None else add(t, y, bias)


def convolution(t: Tape, x: Value, weight: Value, bias: Value | None, shape: Shape) -> Value:
    """at::convolution: all its gradients are made by one kernel."""
    given = lowered(t, *((x, weight) if bias is None else (x, weight, bias)))
    x, weight = given[:2]
    strides = as_formatted(x, shape) or (as_formatted(weight, shape) if not t.lower else None)
    y = t.make(shape, x.dtype, "", strides)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        results = together(t, node, gradients)
        for value, result in zip(given[:2], results, strict=False):
            if result is not None and strides is not None:
                result.strides = channels_last(value.shape)
        return results

    t.link(y, given, back if strides else together, x, weight)
    return y


def circular_pad(t: Tape, x: Value, ends: Sequence[tuple[int, int]]) -> Value:
    """at::_pad_circular: the map is copied into a larger one, whose borders are then copied within it."""
    rank = len(ends)
    sizes = [size + left + right for size, (left, right) in zip(x.shape[-rank:], ends, strict=True)]
    y = t.make((*x.shape[:-rank], *sizes), x.dtype, "the input, padded")
    source = x
    for number, (left, right) in reversed(list(enumerate(ends))):
        dim = len(x.shape) - rank + number
        size = source.shape[dim] + min(left, 0) + min(right, 0)
        source = _sliced(t, source, dim, size)

    def first(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        whole, piece = t.make(y.shape, y.dtype), t.make(source.shape, y.dtype)
        t.drop(whole)
        return [piece]

    filled = t.view(y, y.shape, None)
    t.link(filled, (source,), first)
    for number, pair in reversed(list(enumerate(ends))):
        for size in pair:
            if size > 0:
                filled = _wrapped(t, filled, len(x.shape) - rank + number, size)
    return filled


def _sliced(t: Tape, x: Value, dim: int, size: int) -> Value:
    y = t.view(x, (*x.shape[:dim], size, *x.shape[dim + 1 :]), strides_of(x))
    t.link(y, (x,), one_ordered)
    return y


def _wrapped(t: Tape, x: Value, dim: int, size: int) -> Value:
    """A border of a map overwritten by a slice of the map (torch::autograd::CopySlices)."""
    border = _sliced(t, x, dim, size)
    y = t.view(x, x.shape, None)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        whole, piece = t.make(x.shape, x.dtype), t.make(border.shape, x.dtype)
        zeros = t.make(border.shape, x.dtype)
        t.drop(zeros)
        return [whole, piece]

    t.link(y, (x, border), back)
    return y


# -- loss --------------------------------------------------------------------------------------------------------------


def cross_entropy(t: Tape, x: Value) -> Value:
    """torch.nn.functional.cross_entropy over dimension 1, with classes by their numbers, averaged."""
    logarithms = kernel(t, widened(t, x, ("cpu", "cuda")), x.shape, saves="softmax")
    logarithms.storage.what = "the logarithms of the softmax"
    if len(x.shape) > 4:
        logarithms = reshape(t, logarithms, (*x.shape[:2], x.shape[2], prod(x.shape[3:])))
    loss, _ = t.make_all(((), logarithms.dtype, "the loss"), ((), logarithms.dtype, "the weight of the targets"))
    t.link(loss, (logarithms,), one_ordered, logarithms, _)
    return loss
