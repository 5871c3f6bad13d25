"""Sizes in bytes, and times, as people write them."""

from __future__ import annotations

import re

from archscope.errors import UsageError

_UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_LARGEST = 2**63


def bytes_of(size: int | str) -> int:
    """Bytes of a size: 24GiB, 80GB, 1000000.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", str(size).strip().lower())
    number = float(match[1]) * _UNITS[match[2]] if match and match[2] in _UNITS else -1.0
    if isinstance(size, bool) or not 0 <= number < _LARGEST:
        raise UsageError(f"`{size}` is no size: 24GiB, 80GB, 512MiB")
    return size if isinstance(size, int) else int(number)


def duration(seconds: float) -> str:
    """A time to three digits: ``12.3 ms``; less than a nanosecond is less than any clock tells."""
    units = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
    unit, scale = next((one for one in units if seconds >= one[1]), ("", 0.0))
    if not unit:
        return "under 1 ns" if seconds else "0 µs"
    number = seconds / scale
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"
