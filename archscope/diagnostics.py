"""Mistakes in a spec, told so that its author can mend them: where, what, with which numbers, and a hint."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple


@dataclass(frozen=True)
class Source:
    """A text that was read: a file, standard input, an option's value."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The text by lines."""
        return self.text.splitlines()


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
    """

    message: str
    mark: Mark | None = None
    hint: str = ""
    trail: tuple[str, ...] = ()
    severity: str = "error"

    def render(self) -> str:
        """The mistake as the terminal shows it: place, message, the line with a caret, trail, hint."""
        where = f"{self.mark}: " if self.mark else ""
        lines = [f"{where}{self.severity}: {self.message}"]
        if self.mark and self.mark.line <= len(self.mark.source.lines):
            lines += self._excerpt(self.mark)
        lines += [f"  in {step}" for step in self.trail]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    @staticmethod
    def _excerpt(mark: Mark, width: int = 100) -> list[str]:
        text = mark.source.lines[mark.line - 1].replace("\t", " ")
        start = max(0, mark.column - 1 - width // 2) if len(text) > width else 0
        shown = text[start : start + width]
        caret = mark.column - 1 - start
        number = str(mark.line)
        length = max(1, min(mark.length, len(shown) - caret))
        return [f"  {number} | {shown}".rstrip(), f"  {' ' * len(number)} | {' ' * caret}{'^' * length}"]
