"""What a tensor of an ONNX graph may be while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.reshaping import Rearrangement
from archscope.backends.importing.sizes import LinearSize, size_of
from archscope.backends.onnx.file import Array, hollow
from archscope.design.graph import Ref

#: everything is computed at these two batch sizes: what differs depends on the batch, and a size does so linearly
BATCHES = (2, 3)


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that no input of the graph decides.

    Attributes:
        arrays: its values at both batches.
        is_known: whether they are the values, and not zeros in their place.
        source: the stored tensor that it is; empty where it was computed.
        learnt: whether it is a weight.
        steps: how it is laid out anew from the stored tensor.
        numbered: whether its elements are not those values, but the numbers of stored elements.
    """

    arrays: tuple[Array, Array]
    is_known: bool = True
    source: str = ""
    learnt: bool = False
    steps: tuple[Rearrangement, ...] = ()
    numbered: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """At the first batch."""
        return self.arrays[0].shape

    @property
    def sizes(self) -> tuple[int | LinearSize, ...]:
        """The shape at any batch."""
        one, other = self.arrays
        return sizes(one.shape, other.shape)

    @property
    def numbers(self) -> tuple[int | LinearSize, ...]:
        """Its values at any batch, where it is a shape."""
        one, other = self.arrays
        return sizes(one.tolist(), other.tolist())

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
        if not self.is_known or one.dtype.kind not in "iubf" or not one.size or not other.size:
            return None
        value = one.flat[0]
        if not (bool((one == value).all()) and bool((other == value).all())):
            return None
        plain: float | int = value.item()
        return plain

    def rearranged(self, arrays: tuple[Array, Array], *steps: Rearrangement) -> Constant:
        """The same elements in another layout."""
        if not self.is_known:
            one = hollow(arrays[0].shape, arrays[0].dtype)
            arrays = (one, one)
        return replace(self, arrays=arrays, steps=(*self.steps, *steps))


@dataclass(frozen=True)
class Parts:
    """A sequence of tensors."""

    tensors: tuple[Ref | Constant, ...] = ()


Value = Ref | Constant | Parts


def sizes(one: Sequence[int], other: Sequence[int]) -> tuple[int | LinearSize, ...]:
    """Sizes that are these at both batches; of what has no fixed rank there are none.

    Raises:
        Unsupported: the rank depends on the batch.
    """
    if len(one) != len(other):
        raise Unsupported("the number of its dimensions depends on the batch", "a fixed number of dimensions")
    return tuple(size_of(int(a), int(b), BATCHES[0]) for a, b in zip(one, other, strict=True))


def varies(size: int | LinearSize) -> bool:
    """Whether a size depends on the batch."""
    return isinstance(size, LinearSize)
