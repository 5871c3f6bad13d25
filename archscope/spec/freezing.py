"""What is frozen: all parameters of the layers inside an entry, or those whose names fit a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any, NamedTuple

from archscope.errors import suggestion
from archscope.errors.diagnostics import Diagnostic, Mark

#: names that a hint lists
_MOST_NAMED = 8
#: of the parameters inside an entry, as many are remembered for a hint
_MOST_KNOWN = 200


class Freeze(NamedTuple):
    """What an entry freezes of the layers inside it.

    Attributes:
        place: the full name of the entry; parameters are called by their names within it.
        patterns: as of file names (fnmatch: ``*`` also stands for several parts), each with its place in the spec;
            ``None`` is everything.
    """

    place: tuple[str, ...]
    patterns: tuple[tuple[str, Mark], ...] | None


def within(place: tuple[str, ...], path: tuple[str, ...], parameter: str) -> str:
    """The name of a layer's parameter as an entry sees it; a branch of a merging op has its names beside it."""
    shared = len([*takewhile(lambda pair: pair[0] == pair[1], zip(place, path, strict=False))])
    return ".".join((*path[shared:], parameter))


class Freezing:
    """Which parameters are frozen, and which patterns have fitted none."""

    def __init__(self) -> None:
        self._fitted: dict[tuple[str, Mark], bool] = {}
        self._names: dict[Mark, dict[str, None]] = {}

    def declare(self, freeze: Freeze) -> Freeze:
        """Take in what an entry freezes, so that a pattern which fits nothing is told."""
        for pattern in freeze.patterns or ():
            self._fitted.setdefault(pattern, False)
        return freeze

    def frozen(self, freezes: Iterable[Freeze], path: tuple[str, ...], parameters: Iterable[str]) -> tuple[str, ...]:
        """The parameters of a layer that are frozen."""
        names = tuple(parameters)
        fitting: set[str] = set()
        for freeze in freezes:
            fitting |= {name for name in names if self._fits(freeze, within(freeze.place, path, name))}
        return tuple(name for name in names if name in fitting)

    def _fits(self, freeze: Freeze, name: str) -> bool:
        if freeze.patterns is None:
            return True
        fits = False
        for pattern in freeze.patterns:
            seen = self._names.setdefault(pattern[1], {})
            if len(seen) < _MOST_KNOWN:
                seen[name] = None
            if fnmatchcase(name, pattern[0]):
                self._fitted[pattern] = fits = True
        return fits

    def unfit(self) -> Iterator[Diagnostic]:
        """A warning for each pattern that freezes nothing."""
        for (pattern, mark), fitted in self._fitted.items():
            if not fitted:
                seen = list(self._names.get(mark, ()))
                more = ", ..." if len(seen) > _MOST_NAMED else ""
                names = f"the parameters here are {', '.join(seen[:_MOST_NAMED])}{more}"
                hint = (suggestion(pattern, seen) or names) if seen else "there are no parameters here"
                yield Diagnostic(f"`freeze: [{pattern}]` fits no parameter", mark, hint, severity="warning")


def as_patterns(value: Any) -> tuple[str, ...] | None:
    """The patterns that a value is, where it is a list of words."""
    words = value if isinstance(value, tuple) else ()
    return tuple(map(str, words)) if words and all(isinstance(word, str) for word in words) else None
