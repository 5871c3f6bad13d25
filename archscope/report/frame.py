"""Results as pandas frames; pandas is imported here and nowhere else.

A frame of an account, of a summary, or of a design (at batch 1; of an imported one, too) has a row a layer; shapes are
tuples without the batch, figures of receptive fields tuples with a value an axis. That of receptive fields has a row
for each layer and axis of the first input that it sees; that of a memory ledger for each piece that is kept for the
backward pass; those of a prediction and of a profile for each part of the step, times in seconds; that of a
reconciliation for each term of each peer; that of an explanation for each equation; that of a sweep for each of the
best designs and of those of the frontier. What the figures lack (:func:`archscope.design.incomplete`) stands under
``incomplete`` in a frame's ``attrs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from archscope.design import Design, incomplete
from archscope.errors import MissingLibrary
from archscope.report.sheet import INCOMPLETE

if TYPE_CHECKING:
    import pandas as pd

    from archscope.shown import Shown
    from archscope.sweeps.model import Sweep

Records = Iterable[Mapping[str, Any]]


def frame(result: Shown) -> pd.DataFrame:
    """The frame of a result.

    Raises:
        MissingLibrary: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingLibrary("a frame needs pandas: `pip install pandas`") from None
    records, index = _RECORDS[type(result).__name__]
    found = list(records(result))
    made: pd.DataFrame = pd.DataFrame.from_records(found, columns=_columns(result) if not found else None)
    framed = made.set_index(index) if len(made.columns) else made
    lacking = missing_in(result)
    if lacking is not None:
        framed.attrs[INCOMPLETE] = lacking
    return framed


def missing_in(result: Any) -> str | None:
    """What the figures of a result lack, whatever it is a result of."""
    if type(result).__name__ in ("Sweep", "Explanation"):
        lacking: str | None = result.incomplete
        return lacking
    return incomplete(result if isinstance(result, Design) else result.design)


def _columns(result: Any) -> list[str] | None:
    """The columns of a frame without rows, of a result that knows them."""
    if type(result).__name__ != "Sweep":
        return None
    from archscope.report.sweep import record_names

    return record_names(result)


def _sweep(found: Sweep) -> Records:
    from archscope.report.sweep import sweep_records

    return sweep_records(found)


#: the rows of each kind of result, and the column that names them; by name, for some belong to the torch side
_RECORDS: dict[str, tuple[Callable[[Any], Records], str]] = {
    "Sweep": (_sweep, "number"),
}
