"""How a result shows itself: see :mod:`archscope.shown`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archscope.report.base import report_of
from archscope.report.formats.frame import frame as frame_of
from archscope.report.formats.html import piece
from archscope.report.formats.terminal import printed

if TYPE_CHECKING:
    import pandas as pd

    from archscope.shown import Shown

_WIDTH = 120


def name(result: Shown) -> str:
    """What it is of, in a line."""
    headline = report_of(result).headline()
    return ", ".join(filter(None, [headline.name, headline.words]))


def text(result: Shown) -> str:
    """What its command prints, without colours."""
    return click.unstyle(printed(report_of(result), _WIDTH))


def html(result: Shown) -> str:
    """A piece of a notebook."""
    return piece(report_of(result))


def frame(result: Shown) -> pd.DataFrame:
    """A row a record."""
    return frame_of(report_of(result))
