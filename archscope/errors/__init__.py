"""Every exception that archscope raises on purpose.

    ArchscopeError                 exit code 2
    |-- SpecError                  a design that is wrong; carries its diagnostics
    |-- UsageError                 a call or a command line that is wrong
    `-- MissingLibrary             an optional library is needed and not installed

The command line prints the message and ends with ``exit_code``; nothing else reaches a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from archscope.errors.diagnostics import Diagnostic

#: nobody misspells a longer one
LONGEST_WORD = 60
#: so many names are looked through for the closest
MOST_COMPARED = 1000


class ArchscopeError(Exception):
    """Base of all errors that archscope raises on purpose."""

    exit_code: ClassVar[int] = 2


class SpecError(ArchscopeError):
    """A design that cannot be read or compiled; ``diagnostics`` lists every mistake that was found."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n\n".join(d.render() for d in diagnostics))
        self.diagnostics = tuple(diagnostics)

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)


class UsageError(ArchscopeError):
    """A call of archscope that cannot be carried out: an unknown name, an impossible option."""


class MissingLibrary(ArchscopeError):
    """A library of an optional extra is needed; the message says how to install it."""


def counted(count: int, what: str) -> str:
    """How many there are of what: ``1 layer``, ``1,234 layers``, ``2 axes``."""
    if count == 1:
        return f"1 {what}"
    return f"{count:,} {what[:-2]}es" if what.endswith("xis") else f"{count:,} {what}s"


def suggestion(word: str, words: Iterable[str]) -> str:
    """``did you mean `Conv2d`?`` for the closest of ``words``, else an empty string."""
    name = closest(word, words)
    return f"did you mean `{name}`?" if name else ""


def nearest(word: str, words: Iterable[str]) -> str:
    """As :func:`suggestion`, but that words that begin so come first: ``one of a100-40gb, a100-80gb``."""
    names = tuple(words)
    begun = [name for name in names if word and name.startswith(word.lower())]
    return f"one of {', '.join(begun)}" if len(begun) > 1 else suggestion(word, begun or names)


def closest(word: str, words: Iterable[str]) -> str:
    """The name that a misspelt word was meant to be; empty where none is close."""
    return "" if len(word) > LONGEST_WORD else _closest(word, _near(word, tuple(words)))


def _near(word: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Of very many names those that begin as the word does, and are about as long: the others would take seconds."""
    if len(names) <= MOST_COMPARED:
        return names
    first = word[:1].lower()
    close = (name for name in names if name[:1].lower() == first and abs(len(name) - len(word)) <= 2)
    return tuple(islice(close, MOST_COMPARED))


@lru_cache(maxsize=1024)
def _closest(word: str, names: tuple[str, ...]) -> str:
    folded = {name.lower(): name for name in reversed(names) if name != word}
    close = get_close_matches(word.lower(), folded, n=1, cutoff=0.65)
    return folded[close[0]] if close else ""
