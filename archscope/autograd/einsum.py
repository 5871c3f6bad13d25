"""torch.einsum of one or two tensors: dimensions are summed, moved, and joined for one batched product."""

from __future__ import annotations

from math import prod

from archscope.autograd import aten
from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape


def einsum(t: Tape, x: tuple[Value, ...], terms: tuple[str, ...], out: str) -> Value:
    """at::einsum.

    Args:
        terms: the letters of each tensor's dimensions, none twice.
        out: those of the result's.
    """
    start = t.begin()
    letters = out + "".join(sorted({*"".join(terms)} - {*out}))
    first, *others = (_arranged(t, value, term, letters) for value, term in zip(x, terms, strict=True))
    if others:
        y = _paired(t, first, others[0], len(out))
    else:
        y = _summed(t, first, range(len(out), len(letters)), keepdim=False)
    t.end(start, y)
    return y


def _arranged(t: Tape, x: Value, term: str, letters: str) -> Value:
    """A tensor with a dimension for every letter, of size 1 where it has none."""
    steps = aten.strides_of(x)
    missing = [letter for letter in letters if letter not in term]
    if missing:
        x = aten.view(t, x, x.shape + (1,) * len(missing), steps + (1,) * len(missing))
    own = [*term, *missing]
    return aten.permute(t, x, [own.index(letter) for letter in letters])


def _summed(t: Tape, x: Value, dims: range | list[int], *, keepdim: bool) -> Value:
    if not dims:
        return x
    left = tuple(size for dim, size in enumerate(x.shape) if dim not in dims)
    return aten.summed(t, x, aten.with_ones(x.shape, dims) if keepdim else left, dims)


def _paired(t: Tape, a: Value, b: Value, out: int) -> Value:
    """Two tensors of as many dimensions: what one of them alone sums first, then a product over what both sum."""
    rest = range(out, len(a.shape))
    shared = [dim for dim in rest if a.shape[dim] != 1 != b.shape[dim]]
    a = _summed(t, a, [dim for dim in rest if a.shape[dim] != 1 == b.shape[dim]], keepdim=True)
    b = _summed(t, b, [dim for dim in rest if b.shape[dim] != 1 == a.shape[dim]], keepdim=True)
    y = _product(t, a, b, shared) if shared else aten.multiply(t, a, b)
    steps = aten.strides_of(y)
    return y if len(y.shape) == out else aten.view(t, y, y.shape[:out], steps[:out])


def _product(t: Tape, a: Value, b: Value, shared: list[int]) -> Value:
    """at::native::sumproduct_pair: (both, left, shared) by (both, shared, right)."""
    others = [dim for dim in range(len(a.shape)) if dim not in shared]
    both = [dim for dim in others if a.shape[dim] != 1 != b.shape[dim]]
    left = [dim for dim in others if a.shape[dim] != 1 == b.shape[dim]]
    right = [dim for dim in others if a.shape[dim] == 1]
    if left and right and left[0] > right[-1]:  # so that the result lies in order
        a, b, left, right = b, a, right, left
    first = _joined(t, a, both, left, shared, right)
    second = _joined(t, b, both, shared, right, left)
    first, second = aten.lowered(t, first, second)
    y = aten.batched(t, first, second, (first.shape[0], first.shape[1], second.shape[2]))
    order = [*both, *left, *shared, *right]
    sizes = tuple(1 if dim in shared else max(a.shape[dim], b.shape[dim]) for dim in order)
    y = aten.view(t, y, sizes, None)
    return aten.permute(t, y, [order.index(dim) for dim in range(len(order))])


def _joined(t: Tape, x: Value, *groups: list[int]) -> Value:
    """Dimensions taken in the order of the groups, those of each joined into one; the last group's are of size 1."""
    moved = aten.permute(t, x, [dim for group in groups for dim in group])
    return aten.reshape(t, moved, tuple(prod(x.shape[dim] for dim in group) for group in groups[:-1]))
