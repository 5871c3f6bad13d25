"""Records as pandas frames; pandas is imported here and nowhere else.

Values are as they are in Python: shapes are tuples without the batch, figures of receptive fields tuples with a value
an axis. What the figures lack (:func:`archscope.design.incomplete`) stands under ``incomplete`` in a frame's ``attrs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archscope.errors import MissingLibrary
from archscope.report.base import Report
from archscope.report.sheet import INCOMPLETE

if TYPE_CHECKING:
    import pandas as pd


def frame(report: Report) -> pd.DataFrame:
    """The frame of a report, a row a record.

    Raises:
        MissingLibrary: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingLibrary("a frame needs pandas: `pip install pandas`") from None
    records = report.records()
    fields, rows = records.table
    made: pd.DataFrame = pd.DataFrame(list(rows), columns=[field.name for field in fields])
    framed = made.set_index(records.key) if len(made.columns) else made
    if report.said.lacking is not None:
        framed.attrs[INCOMPLETE] = report.said.lacking
    return framed
