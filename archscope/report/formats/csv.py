"""Records as comma-separated values; a file that is not all ASCII begins with a byte order mark, for Excel."""

from __future__ import annotations

from archscope.report import sheet
from archscope.report.base import Report
from archscope.report.formats.base import Format


class Csv(Format):
    """A row a record, the unit of each column in its head."""

    NAME, HELP, MARK = "csv", "Write CSV.", sheet.BOM

    def text(self, report: Report) -> str:
        return sheet.of_records(report.records())
