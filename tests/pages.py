"""What a page says, without how: the figures of an HTML report, to keep and compare."""

from __future__ import annotations

from hashlib import sha256
from html.parser import HTMLParser

#: elements that stand on a line of their own; cells of a row share one
LINES = {
    "address", "caption", "dd", "dt", "figcaption", "h1", "h2", "h3", "h4", "header", "li", "p", "pre", "section",
    "summary", "table", "tr",
}  # fmt: skip
CELLS = {"td", "th"}
#: how a page looks and moves, not what it says
SILENT = {"script", "style", "svg", "title"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[list[str]] = [[]]
        self._silent = 0
        self._data = ""

    def handle_starttag(self, tag, attrs):
        self._silent += tag in SILENT
        attributes = dict(attrs)
        self._data = attributes.get("id", "") if attributes.get("type") == "application/json" else ""
        if tag in LINES or "tile" in attributes.get("class", "").split():
            self.lines.append([])
        elif tag in CELLS and self.lines[-1]:
            self.lines[-1].append("|")

    def handle_endtag(self, tag):
        self._silent -= tag in SILENT
        if tag in LINES:
            self.lines.append([])

    def handle_data(self, data):
        if self._data:
            self.lines += [
                [f"{self._data}: {len(data):,} characters, sha256 {sha256(data.encode()).hexdigest()[:16]}"],
                [],
            ]
        elif not self._silent:
            self.lines[-1].extend(data.split())


def words(page: str) -> str:
    """The text of a page, a line for each heading, paragraph and row of a table; of data for its scripts, a digest."""
    reader = _Reader()
    reader.feed(page)
    return "".join(" ".join(line) + "\n" for line in reader.lines if line)
