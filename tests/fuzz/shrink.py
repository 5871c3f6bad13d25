"""A smaller input that fails in the same way, by deletion."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.fuzz.inputs import Input

_PARTS = (r".*\n|.+", r"\w+|[^\w\s]|\s+", r".|\n")


def shrunk(given: Input, fails: Callable[[Input], bool], most: int = 300) -> Input:
    """The smallest input on a way of deletions on which every one fails.

    Args:
        fails: whether an input fails in the way that is meant.
        most: how often it may be asked.
    """
    left = [most]

    def tried(candidate: Input) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(candidate)

    for pattern in _PARTS:
        for at in range(len(given.files)):
            given = _shorter(given, at, pattern, tried)
        if left[0] <= 0:
            break
    return _fewer_arguments(given, tried)


def _shorter(given: Input, at: int, pattern: str, fails: Callable[[Input], bool]) -> Input:
    """The same with chunks of one file left out: halves first, then quarters, and so on."""
    name, text = given.files[at]
    parts = re.findall(pattern, text)
    size = max(1, len(parts) // 2)
    while parts and size:
        start = 0
        while start < len(parts):
            kept = parts[:start] + parts[start + size :]
            candidate = replace(given, files=(*given.files[:at], (name, "".join(kept)), *given.files[at + 1 :]))
            if fails(candidate):
                given, parts = candidate, kept
            else:
                start += size
        size //= 2
    return given


def _fewer_arguments(given: Input, fails: Callable[[Input], bool]) -> Input:
    for arguments in _without_some(given.arguments):
        candidate = replace(given, arguments=arguments)
        if fails(candidate):
            return _fewer_arguments(candidate, fails)
    return given


def _without_some(arguments: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for count in (2, 1):
        for at in range(2, len(arguments) - count + 1):
            yield arguments[:at] + arguments[at + count :]
