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
    wanted = contiguous(shape)
    return all(size == 1 or a == b for size, a, b in zip(shape, strides, wanted, strict=True))


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
