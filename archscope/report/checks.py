"""Figures held against a module of torch, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archscope.report.text import value

if TYPE_CHECKING:
    from archscope.backends.proof import Check


def line(one: Check, about: str = "") -> str:
    """``ok`` with the figure, ``FAILED`` with both, or that it was not measured.

    Args:
        about: what stands before the figure's name.
    """
    note = f"   {one.note}" if one.note else ""
    if one.measured is None:
        stated = _text(one.stated)
        what = f"{about}{one.label}: stated {stated}, not measured" if stated else f"{about}{one.label}: not measured"
        return f"{click.style('open', fg='yellow')}   {what}{note}"
    if one.ok:
        return f"{click.style('ok', fg='green')}     {about}{one.label} = {_text(one.measured)}{note}"
    what = f"{one.label}: stated {_text(one.stated)}, measured {_text(one.measured)}"
    return f"{click.style('FAILED', fg='red')} {about}{what}{note}"


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
