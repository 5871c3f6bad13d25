"""The shapes that nodes of the Reshape family give: as the file writes them, at any batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.sizes import LinearSize, at, in_words
from archscope.backends.onnx.values import BATCHES, Constant, sizes, varies

Shape = Sequence[int | LinearSize]


def resolved(wanted: Constant, before: Shape, batch: int | None, *, zeros: bool) -> tuple[int | LinearSize, ...]:
    """A shape with -1 and 0 in it; where the file is written for one batch, at any.

    Args:
        batch: that the file is written for; ``None`` is any.
        zeros: whether a 0 is one, and no size that stays.

    Raises:
        Unsupported: the tensor does not take this shape.
    """
    if batch is not None and wanted.steady and any(map(varies, before)):
        return _any_batch([int(size) for size in wanted.arrays[0]], before, batch, zeros=zeros)
    one, other = (
        _filled([int(size) for size in array], [at(size, here) for size in before], zeros=zeros)
        for array, here in zip(wanted.arrays, BATCHES, strict=True)
    )
    return sizes(one, other)


def expanding(target: Constant, shape: Shape, batch: int | None) -> Constant:
    """A shape to expand to; in a file that is written for one batch that batch varies as what is expanded does."""
    if batch is None or not target.is_known or not target.steady or target.shape[0] < len(shape):
        return target
    array = target.arrays[0]
    one, other = array.copy(), array.copy()
    for dim, size in enumerate(reversed(shape), 1):
        if varies(size) and array[-dim] == at(size, batch):
            one[-dim], other[-dim] = (at(size, here) for here in BATCHES)
    return Constant((one, other))


def flattened(shape: Shape, axis: int) -> tuple[int | LinearSize, ...]:
    """A shape of two dimensions: what is before an axis, and the rest."""
    parts = shape[:axis], shape[axis:]
    one, other = ([prod(at(size, batch) for size in part) for part in parts] for batch in BATCHES)
    return sizes(one, other)


def _any_batch(wanted: list[int], before: Shape, batch: int, *, zeros: bool) -> tuple[int | LinearSize, ...]:
    """A shape that is written for one batch: the size that comes of a varying one varies as that does."""
    now = [at(size, batch) for size in before]
    after = _filled(wanted, now, zeros=zeros)
    result: list[int | LinearSize] = [*after]
    for old, new in _groups(now, after):
        moving = [before[dim] for dim in old if varies(before[dim])]
        if not moving:
            continue
        size = at(moving[0], batch)
        same = [dim for dim in new if after[dim] == size] or [dim for dim in new if after[dim] % max(size, 1) == 0]
        if not same:
            raise Unsupported(f"its shape {wanted} is written for a batch of {batch}", "an open batch")
        times = after[same[0]] // size
        result[same[0]] = sizes(*([times * at(moving[0], here)] for here in BATCHES))[0]
    return tuple(result)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[range, range]]:
    """Dimensions that a reshape joins or splits: parts of both shapes with equal products, as short as they go.

    Raises:
        Unsupported: the shapes do not hold equally many elements.
    """
    spans: list[tuple[range, range]] = []
    i = j = 0
    while i < len(before) and j < len(after):
        start, other, p, q = i, j, before[i], after[j]
        i, j = i + 1, j + 1
        while p != q:
            if p < q and i < len(before):
                p, i = p * before[i], i + 1
            elif q < p and j < len(after):
                q, j = q * after[j], j + 1
            else:
                raise _unlike(before, after)
        spans.append((range(start, i), range(other, j)))
    if any(size != 1 for size in (*before[i:], *after[j:])) or not spans:
        raise _unlike(before, after)
    first, second = spans[-1]
    spans[-1] = (range(first.start, len(before)), range(second.start, len(after)))
    return spans


def _filled(wanted: list[int], before: list[int], *, zeros: bool) -> list[int]:
    sizes = [before[dim] if size == 0 and not zeros and dim < len(before) else size for dim, size in enumerate(wanted)]
    if -1 in sizes:
        rest, whole = prod(size for size in sizes if size != -1), prod(before)
        if sizes.count(-1) > 1 or rest <= 0 or whole % rest:
            raise _unlike(before, wanted)
        sizes[sizes.index(-1)] = whole // rest
    return sizes


def _unlike(before: Sequence[int], after: Sequence[int]) -> Unsupported:
    return Unsupported(f"a tensor of {in_words(before)} does not become {in_words(after)}", "as many elements")
