"""What a proof consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One figure, as archscope states it and as the other side has it: torch, or a file.

    Attributes:
        stated: archscope's.
        measured: the other side's.
        note: how it was measured, or why it differs and is not wrong.
    """

    what: str
    stated: int | str
    measured: int | str
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether they are equal."""
        return self.stated == self.measured
