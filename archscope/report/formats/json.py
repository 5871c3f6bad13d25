"""Reports as JSON, which ``archscope schema COMMAND`` describes."""

from __future__ import annotations

from archscope.report.base import Report
from archscope.report.formats.base import Format
from archscope.report.schema import dumped


class Json(Format):
    """Everything, as data."""

    NAME, HELP = "json", "Write everything as JSON."

    def text(self, report: Report) -> str:
        return dumped(report.data())
