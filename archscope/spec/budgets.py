"""Limits as people write them: ``<= 5e6``, ``<= 4.1G``, ``<= 512MiB``, ``grows <= 1%``."""

from __future__ import annotations

import re

from archscope.design import Budget
from archscope.errors.diagnostics import Mark

_POWERS = {letter: power for power, letter in enumerate("KMGT", 1)}
_LIMIT = re.compile(
    r"(?P<grows>grows\s+)?(?P<comparison><=|<|>=|>|==)\s*(?P<number>[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,2})?)"
    r"\s*(?:(?P<percent>%)|(?P<prefix>[kKMGT])?(?P<binary>(?<=[KMGT])i)?B?)"
)


def read_limit(figure: str, text: str, mark: Mark | None = None, source: str = "budget") -> Budget | None:
    """The limit that a text states: ``k``, ``M``, ``G``, ``T`` are powers of 1,000, ``Ki`` and so on of 1,024.

    Returns:
        ``None`` if it states none; growth has an upper limit only.
    """
    match = _LIMIT.fullmatch(text.strip())
    if match is None or (match["grows"] and match["comparison"] not in ("<=", "<")):
        return None
    number = float(match["number"].replace("_", ""))
    if match["percent"]:
        number /= 100
    elif match["prefix"]:
        number *= (1024 if match["binary"] else 1000) ** _POWERS[match["prefix"].upper()]
    grows = match["grows"] is not None
    return Budget(
        figure, match["comparison"], number, mark, grows, grows and match["percent"] is not None, source=source
    )
