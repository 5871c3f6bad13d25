"""Text as it may be shown: without what moves a terminal's cursor, changes its colours, or turns how a line is read."""

from __future__ import annotations

import re

#: stands for what is not shown
STAND_IN = "\ufffd"

#: control characters, halves of surrogate pairs, line separators, and the invisible marks of Unicode's class Cf, those
#: that turn the direction of writing among them (CVE-2021-42574); what joins letters and emoji (U+200C, U+200D) stays
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
#: what every text may hold, as bytes
_PLAIN = bytes([*b"\t\n", *range(0x20, 0x7F)])


def printable(text: str) -> str:
    """A text with a stand-in for every character that is not shown; line ends, tabs and blanks stay."""
    rest = text.encode(errors="surrogatepass").translate(None, _PLAIN)  # of a page of a megabyte a few characters
    if rest and _UNSEEN.search(rest.decode(errors="surrogatepass")):
        return _UNSEEN.sub(STAND_IN, text)
    return text


def one_line(text: str) -> str:
    """A printable text on one line, character by character: every kind of white space is a blank."""
    return printable("".join(" " if char.isspace() else char for char in text))
