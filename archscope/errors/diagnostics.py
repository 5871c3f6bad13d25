"""Mistakes in a spec, told so that its author can mend them: where, what, with which numbers, and a hint."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple
from unicodedata import east_asian_width

from archscope.errors.printable import one_line

MOST_REPORTED = 50
LONGEST_MESSAGE = 600
LONGEST_TRAIL = 6

#: where a line ends for YAML: what splitlines() knows besides (a form feed) is a character like others
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")


@dataclass(frozen=True)
class Source:
    """A text that was read: a file, standard input, an option's value."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The text by lines, counted as YAML counts them."""
        return _LINE_BREAK.split(self.text)


class Mark(NamedTuple):
    """A place in a source; line and column count from 1, ``length`` is how far the caret is drawn."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def shifted(self, offset: int, length: int) -> Mark:
        """A place further right on the same line."""
        return Mark(self.source, self.line, self.column + offset, max(1, length))


@dataclass(frozen=True)
class Diagnostic:
    """One mistake, or one warning.

    Attributes:
        message: what is wrong, in numbers.
        mark: where; ``None`` where no text is at fault.
        hint: what to do about it; may be empty.
        trail: where the place was reached from (block calls), innermost first.
        severity: ``error`` or ``warning``.
        again: how often it occurs there besides, with other numbers.
    """

    message: str
    mark: Mark | None = None
    hint: str = ""
    trail: tuple[str, ...] = ()
    severity: str = "error"
    again: int = 0

    def render(self) -> str:
        """The mistake as the terminal shows it: place, message, the line with a caret, trail, hint."""
        where = f"{self.mark}: " if self.mark else ""
        lines = [f"{where}{self.severity}: {_shortened(self.message)}"]
        if self.mark and self.mark.line <= len(self.mark.source.lines):
            lines += self._excerpt(self.mark)
        lines += [f"  in {_shortened(step)}" for step in self._steps()]
        if self.again:
            lines.append(f"  and {self.again} more time{'s' * (self.again > 1)}, with other numbers")
        if self.hint:
            lines.append(f"  hint: {_shortened(self.hint)}")
        return "\n".join(map(one_line, lines))

    def within(self, name: str) -> Diagnostic:
        """The same of a text that was written under a name."""
        if self.mark is None:
            return self
        return replace(self, mark=self.mark._replace(source=Source(name, self.mark.source.text)))

    def _steps(self) -> tuple[str, ...]:
        """The trail; of a long one both ends."""
        if len(self.trail) <= LONGEST_TRAIL:
            return self.trail
        half = LONGEST_TRAIL // 2
        return (*self.trail[:half], f"{len(self.trail) - 2 * half} more calls", *self.trail[-half:])

    @staticmethod
    def _excerpt(mark: Mark, width: int = 100) -> list[str]:
        text = mark.source.lines[mark.line - 1]
        start = max(0, mark.column - 1 - width // 2) if len(text) > width else 0
        shown = one_line(text[start : start + width])
        caret = mark.column - 1 - start
        number = str(mark.line)
        before, marked = _columns(shown[:caret]), max(1, _columns(shown[caret : caret + mark.length]))
        return [f"  {number} | {shown}".rstrip(), f"  {' ' * len(number)} | {' ' * before}{'^' * marked}"]


def numberless(message: str) -> str:
    """A message without its numbers, which are others in each call of a block, or each design of a space."""
    return _NUMBER.sub("N", message)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " ..."


def _columns(text: str) -> int:
    """How wide a text is on a terminal: Chinese characters and most emoji take two columns."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
