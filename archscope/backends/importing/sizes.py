"""Sizes that depend on the batch.

A model is read at two batches. What differs between them depends on the batch, and does so linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Size(NamedTuple):
    """A number that depends on the batch: ``rate * batch + rest``."""

    rate: int
    rest: int

    def at(self, batch: int) -> int:
        """The number at a batch."""
        return self.rate * batch + self.rest


#: the batch itself
BATCH = Size(1, 0)


def size_of(one: int, other: int, batch: int) -> int | Size:
    """The size that is ``one`` at a batch and ``other`` at one more."""
    rate = other - one
    return Size(rate, one - rate * batch) if rate else one


def at(size: int | Size, batch: int) -> int:
    """A size at a batch."""
    return size.at(batch) if isinstance(size, Size) else size


def in_words(shape: Sequence[int | Size]) -> str:
    """A shape as a function of the batch: ``batch x 3 x 224``."""
    return " x ".join(map(_word, shape)) or "a single number"


def _word(size: int | Size) -> str:
    if not isinstance(size, Size):
        return str(size)
    return ("batch" if size.rate == 1 else f"{size.rate} batch") + (f" + {size.rest}" if size.rest else "")
