"""Records as comma-separated values; a file that is not all ASCII begins with a byte order mark, for Excel."""

from __future__ import annotations

from archscope.report import sheet
from archscope.report.blocks import Report
from archscope.report.formats.base import Format
from archscope.report.text import plain


class Csv(Format):
    """A row a record, the unit of each column in its head."""

    NAME, HELP, MARK = "csv", "Write CSV.", sheet.BOM

    def text(self, report: Report) -> str:
        fields, rows, _, lacking = report.records()
        cells = ([plain(one, field.style) for one, field in zip(row, fields, strict=True)] for row in rows)
        return sheet.to_csv([(field.name, field.unit) for field in fields], cells, lacking=lacking)
