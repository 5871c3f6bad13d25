"""Sizes that depend on the batch.

A model is read at two batches. What differs between them depends on the batch, and does so linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class LinearSize(NamedTuple):
    """A number that depends on the batch: ``rate * batch + rest``."""

    rate: int
    rest: int

    def at(self, batch: int) -> int:
        """The number at a batch."""
        return self.rate * batch + self.rest


#: the batch itself
BATCH = LinearSize(1, 0)


def size_of(one: int, other: int, batch: int) -> int | LinearSize:
    """The size that is ``one`` at a batch and ``other`` at one more."""
    rate = other - one
    return LinearSize(rate, one - rate * batch) if rate else one


def at(size: int | LinearSize, batch: int) -> int:
    """A size at a batch."""
    return size.at(batch) if isinstance(size, LinearSize) else size


def in_words(shape: Sequence[int | LinearSize]) -> str:
    """A shape as a function of the batch: ``batch x 3 x 224``."""
    return " x ".join(map(_word, shape)) or "a single number"


def _word(size: int | LinearSize) -> str:
    if not isinstance(size, LinearSize):
        return str(size)
    return ("batch" if size.rate == 1 else f"{size.rate} batch") + (f" + {size.rest}" if size.rest else "")
