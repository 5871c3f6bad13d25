"""What a tensor of an ONNX graph may be while it is read, and the sizes of tensors, which depend on the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from archscope.backends.onnx.file import Array, hollow
from archscope.graph import Ref

#: everything is computed at these two batch sizes: what differs depends on the batch, and a size does so linearly
BATCHES = (2, 3)

#: a size at both batches
Size = tuple[int, int]
#: an op of a design by name, with its arguments
Step = tuple[str, Mapping[str, Any]]


class Refused(Exception):
    """A node that cannot be said in ops; what is wrong, and what would be needed."""

    def __init__(self, what: str, needed: str = "") -> None:
        super().__init__(what)
        self.what, self.needed = what, needed


@dataclass(frozen=True, eq=False)
class Fixed:
    """A tensor that no input of the graph decides.

    Attributes:
        arrays: its values at both batches.
        known: whether they are the values, and not zeros in their place.
        source: the stored tensor that it is; empty where it was computed.
        learnt: whether it is a weight.
        steps: how it is laid out anew from the stored tensor.
    """

    arrays: tuple[Array, Array]
    known: bool = True
    source: str = ""
    learnt: bool = False
    steps: tuple[Step, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """At the first batch."""
        return self.arrays[0].shape

    @property
    def floating(self) -> bool:
        """Whether it holds floating numbers."""
        return self.arrays[0].dtype.kind not in "iub"

    @property
    def steady(self) -> bool:
        """Whether it is the same at both batches."""
        one, other = self.arrays
        return one is other or (one.shape == other.shape and bool(np.array_equal(one, other)))

    @property
    def number(self) -> float | int | None:
        """Its value, where all its elements have the same one; a weight has none."""
        return None if self.learnt else self.uniform

    @property
    def uniform(self) -> float | int | None:
        """The value that all its elements have at any batch, if it is known and there is one."""
        one, other = self.arrays
        if not self.known or one.dtype.kind not in "iubf" or not one.size or not other.size:
            return None
        value = one.flat[0]
        if not (bool((one == value).all()) and bool((other == value).all())):
            return None
        plain: float | int = value.item()
        return plain

    def laid(self, arrays: tuple[Array, Array], *steps: Step) -> Fixed:
        """The same elements in another layout."""
        if not self.known:
            one = hollow(arrays[0].shape, arrays[0].dtype)
            arrays = (one, one)
        return replace(self, arrays=arrays, steps=(*self.steps, *steps))


@dataclass(frozen=True)
class Parts:
    """A sequence of tensors."""

    tensors: tuple[Ref | Fixed, ...] = ()


Value = Ref | Fixed | Parts


def pairs(one: Sequence[int], other: Sequence[int]) -> tuple[Size, ...]:
    """Sizes at both batches; of what has no fixed rank there are none.

    Raises:
        Refused: the rank depends on the batch.
    """
    if len(one) != len(other):
        raise Refused("the number of its dimensions depends on the batch", "a fixed number of dimensions")
    return tuple((int(a), int(b)) for a, b in zip(one, other, strict=True))


def varies(size: Size) -> bool:
    """Whether a size depends on the batch."""
    return size[0] != size[1]


def at(size: Size, batch: int) -> int:
    """A size at another batch."""
    return size[0] + (size[1] - size[0]) * (batch - BATCHES[0])


def groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[range, range]]:
    """Dimensions that a reshape joins or splits: parts of both shapes with equal products, as short as they go.

    Raises:
        Refused: the shapes do not hold equally many elements.
    """
    found: list[tuple[range, range]] = []
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
                raise Refused(f"a tensor of {tuple(before)} does not become {tuple(after)}")
        found.append((range(start, i), range(other, j)))
    if any(size != 1 for size in (*before[i:], *after[j:])) or not found:
        raise Refused(f"a tensor of {tuple(before)} does not become {tuple(after)}")
    first, second = found[-1]
    found[-1] = (range(first.start, len(before)), range(second.start, len(after)))
    return found


def reshaping(before: Sequence[Size], after: Sequence[Size]) -> tuple[Step, ...]:
    """The ops that make one shape of another, the elements in their order.

    Raises:
        Refused: two sizes that come of one dimension both depend on the batch.
    """
    if tuple(before) == tuple(after):
        return ()
    steps: list[Step] = []
    for old, new in reversed(_both(before, after)):
        if len(old) == len(new) == 1:
            continue
        sizes = [after[k] for k in new]
        if len(old) > 1:
            steps.append(_joined(old, [before[k] for k in old], sizes, last=old.stop == len(before)))
        if len(new) > 1:
            steps.append(_split(old.start, sizes, whole=before[old.start] if len(old) == 1 else None))
    if len(steps) > 1 and before[0] == after[0] and not any(map(varies, after[1:])):
        return (("Reshape", {"shape": [size[0] for size in after[1:]]}),)
    return tuple(steps)


def _both(before: Sequence[Size], after: Sequence[Size]) -> list[tuple[range, range]]:
    """The groups, which must be the same at both batches."""
    one, other = (groups([s[k] for s in before], [s[k] for s in after]) for k in range(2))
    if one != other:  # a coincidence at one of them: what holds at both is in the coarser
        one, other = sorted((one, other), key=len)
        ends = {(old.stop, new.stop) for old, new in one} & {(old.stop, new.stop) for old, new in other}
        stops = sorted(ends)
        starts = [(0, 0), *stops[:-1]]
        return [(range(a, c), range(b, d)) for (a, b), (c, d) in zip(starts, stops, strict=True)]
    return one


def _joined(old: range, before: list[Size], after: list[Size], *, last: bool) -> Step:
    """Several dimensions made one; a single 1 among two is left out."""
    if len(old) == 2 and len(after) == 1 and (1, 1) in before:
        return "Squeeze", {"dim": old.start + before.index((1, 1))}
    return "Flatten", {"start_dim": old.start, "end_dim": -1 if last else old.stop - 1}


def _split(dim: int, sizes: list[Size], whole: Size | None) -> Step:
    """A dimension made several."""
    if whole is not None and len(sizes) == 2 and (1, 1) in sizes and whole in sizes:
        return "Unsqueeze", {"dim": dim + (0 if sizes[0] == (1, 1) else 1)}
    if sum(map(varies, sizes)) > 1:
        raise Refused("two sizes that come of one dimension both depend on the batch", "one such size")
    return "Unflatten", {"dim": dim, "unflattened_size": [-1 if varies(size) else size[0] for size in sizes]}
