"""Figures held against a module of torch, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archscope.report.blocks import Checked
from archscope.report.text import value

if TYPE_CHECKING:
    from archscope.backends.importing.proof import Check


def checked(one: Check, about: str = "") -> Checked:
    """``ok`` with the figure, ``FAILED`` with both, or that it was not measured.

    Args:
        about: what stands before the figure's name.
    """
    what = f"{about}{one.label}"
    if one.measured is None:
        stated = f"stated {_text(one.stated)}, " if _text(one.stated) else ""
        return Checked("open", f"{what}: {stated}not measured", one.note)
    if one.ok:
        return Checked("ok", f"{what} = {_text(one.measured)}", one.note)
    return Checked("FAILED", f"{what}: stated {_text(one.stated)}, measured {_text(one.measured)}", one.note)


def _text(figure: int | str) -> str:
    return value(figure, "count") if isinstance(figure, int) else figure


def verdict(proof: tuple[Check, ...]) -> str:
    """All of them in a few words."""
    wrong = [one.what for one in proof if not one.ok]
    unknown = [one.what for one in proof if one.measured is None]
    said = f"proved: {len(proof) - len(wrong) - len(unknown)} of {len(proof)} figures are those of the original"
    if unknown:
        said += f"; not measured: {', '.join(unknown)}"
    return f"{said}; NOT equal: {', '.join(wrong)}" if wrong else said
