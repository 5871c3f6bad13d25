"""Results that show themselves: in words, as a table in a notebook, and as a pandas frame.

Results lie below the reports about them, and do not import them: a class names the module of
:mod:`archscope.report.results` that tells of it, and the package, which knows both, registers here what shows a result.
It is imported when the first result is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pandas as pd

#: what shows a result as ``text``, ``html`` or ``frame``, or in a word (``repr``), and what writes the ``rows`` of a
#: sweep; the package fills it in when it is imported
REPORTS: dict[str, Callable[..., Any]] = {}


class Shown:
    """A result that has a report: ``class Memory(Shown, report="memory")``."""

    __slots__ = ()
    REPORT: ClassVar[str] = ""

    def __init_subclass__(cls, *, report: str = "", **more: Any) -> None:
        super().__init_subclass__(**more)
        if report:
            cls.REPORT = report
        cls.__repr__ = Shown.__repr__  # type: ignore[method-assign]  # before a dataclass writes one of all its fields

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {REPORTS['name'](self)}>"

    def __str__(self) -> str:
        text: str = REPORTS["text"](self)
        return text

    def _repr_html_(self) -> str:
        text: str = REPORTS["html"](self)
        return text

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a pandas frame, a row a record; :mod:`archscope.report.results` says what they are.

        Raises:
            MissingLibrary: pandas is not installed.
        """
        frame: pd.DataFrame = REPORTS["frame"](self)
        return frame
