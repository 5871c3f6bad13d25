"""Where a tensor lies in its memory: strides, as torch computes them for views."""

from __future__ import annotations

from collections.abc import Sequence

Strides = tuple[int, ...]


def contiguous(shape: Sequence[int]) -> Strides:
    """Strides of a tensor whose elements lie in their order."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def is_contiguous(shape: Sequence[int], strides: Strides) -> bool:
    """Whether the elements lie in their order; dimensions of size 1 do not matter."""
    return lies(shape, strides, contiguous(shape))


def reshaped(shape: Sequence[int], strides: Strides, new: Sequence[int]) -> Strides | None:
    """Strides of the same memory in another shape; ``None`` where there are none, and torch copies.

    A run of dimensions that lie one after another may be cut anew; what lies apart may not be joined
    (at::detail::computeStride).
    """
    result = [0] * len(new)
    place = len(new) - 1
    base, run, filled = strides[-1] if strides else 1, 1, 1
    for dim in reversed(range(len(shape))):
        run *= shape[dim]
        if dim > 0 and (shape[dim - 1] == 1 or strides[dim - 1] == run * base):
            continue
        while place >= 0 and (filled < run or new[place] == 1):
            result[place] = filled * base
            filled *= new[place]
            place -= 1
        if filled != run:
            return None
        if dim > 0:
            base, run, filled = strides[dim - 1], 1, 1
    return tuple(result) if place < 0 else None


def fills(shape: Sequence[int], strides: Strides) -> bool:
    """Whether a tensor fills its memory without gaps or repeats, in whatever order of its dimensions."""
    step = 1
    for stride, size in sorted((stride, size) for size, stride in zip(shape, strides, strict=True) if size != 1):
        if stride != step:
            return False
        step *= size
    return True


def channels_last(shape: Sequence[int]) -> Strides:
    """Strides of maps (N, C, ...) whose channels lie side by side (torch.channels_last, channels_last_3d)."""
    batch, channels, *sizes = shape
    outer, *inner = contiguous((batch, *sizes, channels))
    return (outer, inner[-1], *inner[:-1])


def suggests_last(shape: Sequence[int], strides: Strides) -> bool:
    """Whether torch takes maps for those whose channels lie last (c10::is_channels_last_strides_2d, ..._3d).

    The order of the strides decides, gaps or not, and where it is ambiguous the channels come first.
    """
    if len(shape) not in (4, 5) or strides[1] == 0 or 0 in shape:
        return False
    least = 0
    for dim in (1, *reversed(range(2, len(shape))), 0):
        if strides[dim] < least or (dim == 0 and least == strides[1]):
            return False
        least = strides[dim] * max(shape[dim], 1)
    return True


Layout = tuple[Sequence[int], Strides]


def joined(shape: Sequence[int], *parts: Layout) -> Strides | None:
    """Strides of what is joined of others: the channels last where those of all of them do (at::cat)."""
    alike = all(len(own) == len(shape) and suggests_last(own, strides) for own, strides in parts)
    return channels_last(shape) if alike and parts else None


def as_row(shape: Sequence[int], strides: Strides) -> Layout:
    """Lines as maps of one row (unsqueeze(2)); maps as they are."""
    if len(shape) != 3:
        return shape, strides
    return (*shape[:2], 1, shape[2]), (*strides[:2], shape[2] * strides[2], strides[2])


def iterated(shape: Sequence[int], *operands: Layout) -> Strides | None:
    """Strides of the result of an elementwise function, as at::TensorIterator lays it; ``None`` where in order.

    Operands of one shape that lie alike without gaps lend it their strides (compute_fast_setup_type); else its
    dimensions lie in the order of the first operand that tells them apart (reorder_dimensions). A tensor alone is what
    at::empty_like takes its layout from (infer_dense_strides).
    """
    if all(len(own) == len(shape) and own == shape for own, _ in operands):
        if all(is_contiguous(shape, strides) for _, strides in operands):
            return None
        if len(shape) == 4 and all(lies(shape, strides, channels_last(shape)) for _, strides in operands):
            return channels_last(shape)
        first = operands[0][1]
        if fills(shape, first) and all(strides == first for _, strides in operands):
            return first
    steps = [_broadcast(shape, *operand) for operand in operands]
    order = list(reversed(range(len(shape))))
    for place in range(1, len(order)):
        inner = place
        for outer in reversed(range(place)):
            swap = _swaps(shape, steps, order[outer], order[inner])
            if swap < 0:
                break
            if swap > 0:
                order[outer], order[inner] = order[inner], order[outer]
                inner = outer
    return in_order_of(shape, order)


def in_order_of(shape: Sequence[int], order: Sequence[int]) -> Strides | None:
    """Strides without gaps of dimensions in an order, the innermost first; ``None`` where that is their own."""
    if all(dim == len(order) - 1 - place for place, dim in enumerate(order)):
        return None
    result, step = [0] * len(shape), 1
    for dim in order:
        result[dim] = step
        step *= shape[dim]
    return tuple(result)


def lies(shape: Sequence[int], strides: Strides, wanted: Strides) -> bool:
    """Whether a tensor lies by these strides; dimensions of size 1 do not matter."""
    return all(size == 1 or a == b for size, a, b in zip(shape, strides, wanted, strict=True))


def _broadcast(shape: Sequence[int], own: Sequence[int], strides: Strides) -> Strides:
    """Strides of an operand in the common shape: 0 where it is repeated."""
    missing = len(shape) - len(own)
    dims = zip(shape[missing:], own, strides, strict=True)
    return (0,) * missing + tuple(0 if size == 1 != wanted else step for wanted, size, step in dims)


def _swaps(shape: Sequence[int], operands: Sequence[Strides], inner: int, outer: int) -> int:
    """1 if a dimension has to lie outside of another one, -1 if inside, 0 if no operand tells (should_swap)."""
    for strides in operands:
        a, b = strides[inner], strides[outer]
        if a == 0 or b == 0:
            continue
        if a != b:
            return 1 if a > b else -1
        if shape[inner] > shape[outer]:
            return 1
    return 0
