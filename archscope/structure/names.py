"""Names of parts: with their numbers, without them, and free ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Container

_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)")


def numbered(label: str) -> tuple[str, int] | None:
    """A label as what stands before its number, and that number; ``None`` where it has none."""
    match = _NUMBERED.fullmatch(label)
    return (match[1], int(match[2])) if match else None


def pattern(path: tuple[str, ...]) -> tuple[str, ...]:
    """A name without its numbers: ``layer#``."""
    return tuple(re.sub(r"\d+", "#", label) for label in path)


def free(name: str, taken: Container[str] | Callable[[str], bool], *, joint: str = "_") -> str:
    """A name, with a number behind it where something else has it.

    Args:
        taken: the names that others have, or whether a name may not be.
    """
    refused = taken if callable(taken) else taken.__contains__
    candidate, number = name, 2
    while refused(candidate):
        candidate, number = f"{name}{joint}{number}", number + 1
    return candidate
