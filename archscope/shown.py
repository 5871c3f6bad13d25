"""Results that show themselves: as a table in a notebook, and as a pandas frame.

Results lie below the reports about them, and do not import them: the package, which knows both, registers the reports
here. They are imported when the first result is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: what makes the ``html``, the ``text`` and the ``frame`` of a result, and what writes the ``rows`` of a sweep; the
#: package fills it in when it is imported
REPORTS: dict[str, Callable[..., Any]] = {}


class Shown:
    """A result of which :mod:`archscope.report.notebook` and :mod:`archscope.report.frame` know the kind."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        text: str = REPORTS["html"](self)
        return text

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a pandas frame; :mod:`archscope.report.frame` says what the rows are.

        Raises:
            MissingLibrary: pandas is not installed.
        """
        found: pd.DataFrame = REPORTS["frame"](self)
        return found


class Told(Shown):
    """A result that :mod:`archscope.report.imports` tells in words, as a command prints them."""

    __slots__ = ()

    def __str__(self) -> str:
        text: str = REPORTS["text"](self)
        return text
