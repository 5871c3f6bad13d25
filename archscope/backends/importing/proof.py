"""What a proof consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One figure, as archscope states it and as the other side has it: torch, or a file.

    Attributes:
        stated: archscope's.
        measured: the other side's; ``None`` where it could not be measured.
        note: how it was measured, why it was not, or why it differs and is not wrong.
        batch: the samples that it is of, where it stands beside figures of one sample.
    """

    what: str
    stated: int | str
    measured: int | str | None
    note: str = ""
    batch: int | None = None

    @property
    def label(self) -> str:
        """What it is called where it is printed: ``macs at batch 2``."""
        return self.what if self.batch is None else f"{self.what} at batch {self.batch}"

    @property
    def ok(self) -> bool:
        """Whether they do not differ."""
        return self.measured is None or self.stated == self.measured
