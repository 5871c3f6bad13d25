"""Products: of matrices and batches of them, dense layers, convolutions."""

from __future__ import annotations

from math import prod

from archscope.autograd.aten.casting import lowered, widest
from archscope.autograd.aten.elementwise import add, broadcast
from archscope.autograd.aten.kernels import asides
from archscope.autograd.aten.views import copied, expand, ordered, reshape, swapped, view, view_or_copy
from archscope.autograd.gradients import passed_on, together
from archscope.autograd.graph import Gradients, Node, Shape, Value
from archscope.autograd.strides import Strides, as_row, channels_last, suggests_last
from archscope.autograd.tape import Tape


def linear(t: Tape, x: Value, weight: Value, bias: Value | None) -> Value:
    """x A^T + b on the last dimension (at::linear): rows joined, one product; or, on a strided input, at::matmul."""
    start = t.begin()
    x, weight, *rest = lowered(t, *((x, weight) if bias is None else (x, weight, bias)))
    out, features = weight.shape
    flat, at_once = len(x.shape) == 2, bool(rest) and ordered(x)
    if not (flat or at_once or _joins(x, weight)):
        y = _multiplied(t, x, t.view(weight, (features, out), (1, features)))
        y = y if not rest else add(t, y, rest[0]) if t.watched else added(t, y, rest[0])
        t.end(start, y)
        return y
    inner = t.begin()
    read = x if flat else view_or_copy(t, x, (prod(x.shape[:-1]), features), linked=True)
    y = _product(t, read, weight, rest[0] if rest and (flat or at_once) else None)
    if not flat:
        y = view(t, y, (*x.shape[:-1], out), None, unsafe=not at_once)
        t.end(inner, y)
        if rest and not at_once:
            y = add(t, y, rest[0]) if t.watched else added(t, y, rest[0])
    t.end(start, y)
    return y


def added(t: Tape, x: Value, other: Value) -> Value:
    """x += other."""
    y = t.again(x)
    t.link(y, (x, other), passed_on)
    return y


def _product(t: Tape, x: Value, weight: Value, bias: Value | None) -> Value:
    """x A^T, perhaps + b (at::mm, at::addmm)."""
    turned = t.view(weight, weight.shape, None)
    t.link(turned, (weight,), _viewed)
    copies = _as_matrices(t, x)
    y = t.make((x.shape[0], weight.shape[0]), x.dtype)
    t.drop(*copies)
    saved = [other for other, side in ((weight, x), (x, weight)) if side.node is not None]

    def multiplied(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        second = _factor(t, weight, gradients, x)
        return [_factor(t, x, gradients), second]

    def shifted(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        first = _factor(t, x, gradients)
        return [gradients[0], first, _factor(t, weight, gradients, x)]

    if bias is None:
        t.link(y, (x, turned), multiplied, *saved)
    else:
        t.link(y, (bias, x, turned), shifted, *saved)
    return y


def _viewed(t: Tape, node: Node, gradients: Gradients) -> Gradients:
    """The gradient of a transposed matrix: transposed, and so a view."""
    gradient = gradients[0]
    assert gradient is not None
    return [t.view(gradient, gradient.shape, gradient.strides)]


def _factor(t: Tape, x: Value, gradients: Gradients, *others: Value) -> Value | None:
    """The gradient of a factor of a product, if it needs one."""
    if x.node is None:
        return None
    gradient = gradients[0]
    assert gradient is not None
    copies = _as_matrices(t, gradient, *others)
    y = _like_matrix(t, x)
    t.drop(*copies)
    return y


def _as_matrices(t: Tape, *x: Value) -> list[Value]:
    """Copies of matrices whose rows or columns do not lie as BLAS reads them (addmm_impl_cpu_)."""
    turned = [value for value in x if value.strides is not None and len(value.shape) == 2 and not _readable(value)]
    return asides(t, *((value, None) for value in turned)) if turned else []


def _readable(x: Value) -> bool:
    assert x.strides is not None
    (rows, columns), (across, along) = x.shape, x.strides
    return (along == 1 and across >= columns) or (across == 1 and along >= rows)


def _like_matrix(t: Tape, x: Value) -> Value:
    """The gradient of a factor of a product; that of a matrix which lies by columns does so, too (at::mm alone)."""
    by_columns = x.strides is not None and len(x.shape) == 2 and x.strides == (1, x.shape[0])
    return t.make(x.shape, x.dtype, "", x.strides if by_columns else None)


def batched(t: Tape, a: Value, b: Value, shape: Shape, what: str = "") -> Value:
    """at::bmm of tensors (..., n, m) and (..., m, p) whose leading dimensions are joined already."""
    copies = _as_matrices(t, a, b)
    y = t.make(shape, a.dtype, what)
    t.drop(*copies)
    saved = [other for other, side in ((b, a), (a, b)) if side.node is not None]

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        second = _factor(t, b, gradients, a)
        return [_factor(t, a, gradients, b), second]

    t.link(y, (a, b), back, *saved)
    return y


def matmul(t: Tape, a: Value, b: Value) -> Value:
    """at::matmul of tensors of two or more dimensions; it casts, as each of the products in it would."""
    start = t.begin()
    y = _multiplied(t, *lowered(t, a, b))
    t.end(start, y)
    return y


def _multiplied(t: Tape, a: Value, b: Value) -> Value:
    """at::matmul of tensors that are cast."""
    start = t.begin()
    y = _matmul(t, a, b)
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
    return _joins(larger, smaller) if larger is a else smaller.node is not None


def _joins(x: Value, matrix: Value) -> bool:
    """Whether at::matmul joins the rows of a tensor before a matrix: where they lie so, or that needs a gradient.

    Strides of dimensions of size 1 matter, too.
    """
    if matrix.node is not None or x.strides is None:
        return True
    return all(x.strides[dim] == x.strides[dim + 1] * x.shape[dim + 1] for dim in range(len(x.shape) - 2))


def _folded(t: Tape, a: Value, b: Value) -> Value:
    """The product with a matrix: the larger tensor's rows joined; from the left, the product of the transposes."""
    turned = len(b.shape) > len(a.shape)
    larger, matrix = (swapped(t, b, -1, -2), swapped(t, a, 0, 1)) if turned else (a, b)
    rows = prod(larger.shape[:-1])
    y = batched(t, reshape(t, larger, (rows, larger.shape[-1])), matrix, (rows, matrix.shape[1]))
    y = view(t, y, (*larger.shape[:-1], matrix.shape[1]), None, unsafe=True)
    return copied(t, swapped(t, y, -1, -2)) if turned else y


def bilinear(t: Tape, a: Value, b: Value, weight: Value, bias: Value | None) -> Value:
    """at::bilinear: rows joined, then _trilinear, each of whose gradients is a kernel of its own.

    Autocast promotes what it reads on CUDA; on a CPU it does not know it.
    """
    if t.device == "cuda":
        (a, b, weight, *rest), _ = widest(t, (a, b, weight) if bias is None else (a, b, weight, bias))
        bias = rest[0] if rest else None
    rows = prod(a.shape[:-1])
    left, right = reshape(t, a, (rows, a.shape[-1])), reshape(t, b, (rows, b.shape[-1]))
    y = t.make((rows, weight.shape[0]), a.dtype)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        return [t.make(v.shape, v.dtype) if v.node is not None else None for v in (left, weight, right)]

    t.link(y, (left, weight, right), back, left, weight, right)
    y = reshape(t, y, (*a.shape[:-1], weight.shape[0]))
    return y if bias is None else add(t, y, bias)


def convolution(
    t: Tape, x: Value, weight: Value, bias: Value | None = None, *, shape: Shape, in_order: bool = False
) -> Value:
    """at::convolution: all its gradients are made by one kernel.

    Args:
        in_order: whether it is of volumes, and torch's own kernels take it: their results lie in order.
    """
    sources = lowered(t, *((x, weight) if bias is None else (x, weight, bias)))
    x, weight = sources[:2]
    strides = None if in_order else _convolved(x, shape) or (_convolved(weight, shape) if not t.lower else None)
    y = t.make(shape, x.dtype, "", strides)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        results = together(t, node, gradients)
        for value, result in zip(sources[:2], results, strict=False):
            if result is not None and strides is not None:
                result.strides = _last(value.shape)
        return results

    t.link(y, sources, back if strides else together, x, weight)
    return y


def _convolved(source: Value, shape: Shape) -> Strides | None:
    """Strides of a convolved map, which follow another tensor; lines are copied in order, and then maps of one row."""
    if source.strides is None or (len(shape) == 3 and not ordered(source)):
        return None
    return _last(shape) if suggests_last(*as_row(source.shape, source.strides)) else None


def _last(shape: Shape) -> Strides:
    """Strides of maps, or lines, whose channels lie last."""
    return (shape[1] * shape[2], 1, shape[1]) if len(shape) == 3 else channels_last(shape)
