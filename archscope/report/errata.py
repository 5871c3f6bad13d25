"""Published figures that are wrong, each with the arithmetic of the true one, as a Markdown page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from archscope.analysis.counts.account import Account, Row, Total, analyze
from archscope.analysis.counts.cost import CATEGORIES
from archscope.analysis.explain import explain
from archscope.design import Expectation
from archscope.figures import COSTS
from archscope.report.text import figure, value
from archscope.spec.expressions import names_in
from archscope.verify import Verdict, Verification

_HEAD = """# Errata

Published figures that archscope disproves, each with the arithmetic of the true one. The figures are stated in the
`expect:` of the designs; this page is made by

```sh
archscope verify {specs} --errata {target}
```
"""
#: terms of one sum that are written out; where there are more, those of a block are one
MOST_TERMS = 12


def page(results: Sequence[Verification], specs: str = "specs/", target: str = "reports/errata.md") -> str:
    """The page of all designs that were verified.

    Args:
        specs: what was verified, for the command that the page quotes.
        target: where the page goes, for the same.
    """
    parts = [_HEAD.format(specs=specs, target=target)]
    for result in results:
        wrong = [(v, v.about) for v in result.verdicts if isinstance(v.about, Expectation) and v.about.stated]
        if wrong:
            account = analyze(result.design)
            parts.append(f"## {result.design.title} (`{result.design.file}`)\n")
            parts.extend(_erratum(account, verdict, about) for verdict, about in wrong)
    return "\n".join(parts)


def _erratum(account: Account, verdict: Verdict, about: Expectation) -> str:
    true = figure(verdict.computed)
    lines = [f"- **`{verdict.figure}`** is {true}, published as {about.stated} ({about.source})."]
    working = [line for name in names_in(about.figure) for line in _working(account, about.layer, name)]
    if about.figure not in names_in(about.figure):
        working.append(f"{verdict.figure} = {true}")
    wrapped = [part for line in working for part in textwrap.wrap(line, 110, subsequent_indent="    ")]
    return "\n".join([*lines, "", "  ```", *(f"  {line}" for line in wrapped), "  ```", ""])


def _working(account: Account, layer: str | None, name: str) -> Iterator[str]:
    """How a figure comes about: a layer's own formula, or the sum over the layers that it covers."""
    part, _, figure = name.rpartition(".")
    where = part or layer
    group = account[where] if where else account.total
    if isinstance(group, Row):
        yield from _explained(account, group, figure)
        return
    category, _, metric = figure.partition("_")
    if category not in CATEGORIES or where:
        category, metric = "", figure
    if figure == "output_shape":
        last = group.name if where else account.design.outputs[0][1].node
        yield from _explained(account, _last_row(account, last), figure)
        return
    if metric not in COSTS:  # a count of layers shows no arithmetic
        return
    rows = [row for row in account.rows if where is None or row.name.startswith(f"{where}.")]
    terms: list[Row | Total] = [row for row in rows if category in ("", row.category) and getattr(row, metric, None)]
    if len(terms) > MOST_TERMS and not category:
        terms = [block for block in account.by_block() if getattr(block, metric)]
    if len(terms) == 1 and isinstance(terms[0], Row):
        yield from _explained(account, terms[0], metric)
    elif terms:
        written = " + ".join(f"{value(getattr(term, metric), 'count')} ({term.name})" for term in terms)
        total = value(sum(getattr(term, metric) for term in terms), "count")
        yield f"{name} = {written} = {total}"


def _last_row(account: Account, name: str) -> Row:
    """A layer, or the last one of a block."""
    return [row for row in account.rows if row.name == name or row.name.startswith(f"{name}.")][-1]


def _explained(account: Account, row: Row, figure: str) -> Iterator[str]:
    """A figure of a layer by its own formula."""
    (explained,) = explain(account.design, row.name)
    for line in explained.lines:
        if line.figure == figure or (figure == "output_shape" and "_out" in line.figure):
            yield f"{row.name}: {line}"
