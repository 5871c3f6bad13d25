"""What a format of files is, and the registry of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from archscope.files import write
from archscope.report.base import Report

#: the formats that commands offer, by name: ``--NAME FILE``
FORMATS: dict[str, Format] = {}


class Format(ABC):
    """A way to write any report to a file; a class that is defined is offered by every command.

    Attributes:
        NAME: of the option.
        HELP: what it says.
        MARK: what begins a file that is not all ASCII.
    """

    NAME: ClassVar[str]
    HELP: ClassVar[str]
    MARK: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        FORMATS[cls.NAME] = cls()

    @abstractmethod
    def text(self, report: Report) -> str:
        """What the file holds."""

    def write(self, text: str, target: str) -> None:
        """Write a file, or to ``-``.

        Raises:
            UsageError: it cannot be written.
        """
        write(self.MARK * (target != "-" and not text.isascii()) + text, target)
