"""What fits: the largest batch, or the largest input, whose training step a device has the memory for."""

from __future__ import annotations

from collections.abc import Callable


def most(needed: Callable[[int], int | None], limit: int, *, ceiling: int = 2**20) -> int | None:
    """The largest number from 1 on whose need is within a limit, where more never needs less.

    Args:
        needed: bytes for a number; ``None`` where there is no such design.
        ceiling: the largest number that is tried.

    Returns:
        The number, or ``None`` if even 1 does not fit.
    """

    def fits(number: int) -> bool:
        size = needed(number)
        return size is not None and size <= limit

    if not fits(1):
        return None
    low, high = 1, 2
    while high <= ceiling and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
