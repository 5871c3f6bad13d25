"""What the peers count, for people and for machines: a line a peer, and how each figure comes out of archscope's."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from archscope.analysis.peers import TERMS, Bridge, Measured, Reading, Reconciliation
from archscope.design import incomplete
from archscope.report import markdown, sheet
from archscope.report import schema as js
from archscope.report.terminal import Cells, grid, inputs

#: version of the JSON format
JSON_VERSION = 1
_HEADERS = ("peer", "counts", "modelled", "measured", "", "params", "measured", "")
_LEFT = (True, True, False, False, True, False, False, True)


@dataclass(frozen=True)
class Held:
    """A peer's figures as modelled, held against those that it reports where it was run."""

    reading: Reading
    measured: Measured | None = None

    @property
    def work_differs_by(self) -> int | None:
        """Measured minus modelled; ``None`` where there is not both."""
        return _difference(self.reading.work, (self.measured or Measured()).work)

    @property
    def params_differ_by(self) -> int | None:
        """Measured minus modelled; ``None`` where there is not both."""
        return _difference(self.reading.params, (self.measured or Measured()).params)

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.work_differs_by and not self.params_differ_by


def _difference(bridge: Bridge | None, measured: int | None) -> int | None:
    if bridge is None or bridge.total is None or measured is None:
        return None
    return measured - bridge.total


def hold(found: Reconciliation, measured: Mapping[str, Measured]) -> tuple[Held, ...]:
    """All peers, each with what was measured of it."""
    return tuple(Held(reading, measured.get(name)) for name, reading in found.readings.items())


# -- for people --------------------------------------------------------------------------------------------------------


def render(found: Reconciliation, peers: tuple[Held, ...], width: int) -> str:
    """The table, and below it a bridge for each figure that is not archscope's own."""
    design = found.design
    lines = [
        f"{click.style(design.title, bold=True)}   input {inputs(design)}, {found.setting.words('batch')}",
        f"archscope: {found.macs:,} MACs, {found.params:,} params",
        *filter(None, [incomplete(design)]),
        "",
        grid(*cells(peers)),
    ]
    for one in peers:
        lines += _paragraph(one, width)
    return "\n".join(lines)


def cells(peers: tuple[Held, ...]) -> Cells:
    """The table; a column that nothing stands in is left out."""
    rows = [_row(one) for one in peers]
    kept = [column for column in range(len(_HEADERS)) if any(row[column] for row in rows)]
    return Cells(
        [_HEADERS[column] for column in kept],
        [[row[column] for column in kept] for row in rows],
        [_LEFT[column] for column in kept],
    )


def _row(one: Held) -> list[str]:
    """The cells of a peer; its parameters as measured only where they differ."""
    reading, measured = one.reading, one.measured or Measured()
    work = _total(reading.work) if reading.work else ""
    params = _number(measured.params) if one.params_differ_by else ""
    return [
        f"{reading.peer.name} {measured.version or ''}".strip(),
        reading.peer.word or "no work",
        work,
        _number(measured.work),
        measured.failure or _verdict(one.work_differs_by),
        _total(reading.params),
        params,
        _verdict(one.params_differ_by),
    ]


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _total(bridge: Bridge) -> str:
    return "not modelled" if bridge.total is None else f"{bridge.total:,}"


def _verdict(difference: int | None) -> str:
    if difference is None:
        return ""
    return click.style(f"differs by {difference:+,}", fg="red") if difference else click.style("equal", fg="green")


def _paragraph(one: Held, width: int) -> Iterator[str]:
    """How a peer's figures come out of archscope's."""
    peer = one.reading.peer
    bridges = ((one.reading.work, "MACs", peer.word), (one.reading.params, "params", "params"))
    lines = [line for bridge, start, word in bridges for line in _bridge(bridge, start, word, width)]
    if lines:
        first, *rest = textwrap.wrap(f"{peer.name}: {peer.convention}{_other_version(one)}", width)
        yield "\n" + click.style(peer.name, bold=True) + first.removeprefix(peer.name)
        yield from rest
        yield from lines


def _other_version(one: Held) -> str:
    read, there = one.reading.peer.version, one.measured and one.measured.version
    return f" (modelled as of {read})" if there and there != read else ""


def _bridge(bridge: Bridge | None, start: str, word: str, width: int) -> Iterator[str]:
    """Numbers below each other, so that they add up; nothing where there is nothing to add."""
    if bridge is None or not (bridge.terms or bridge.refused):
        return
    numbers = [bridge.start, *(term.count for term in bridge.terms), bridge.total or 0]
    room = max(len(f"{abs(number):,}") for number in numbers)
    yield f"    {bridge.start:>{room},} {start}"
    for term in bridge.terms:
        sign = "-" if term.count < 0 else "+"
        of = f"; {len(term.layers)} layer{'s' * (len(term.layers) != 1)}" if term.layers else ""
        text = f"  {sign} {abs(term.count):>{room},} {term.name} ({term.why}{of})"
        yield from textwrap.wrap(text, width, subsequent_indent=" " * (room + 5), drop_whitespace=True)
    if bridge.refused:
        yield f"  not modelled: {', '.join(bridge.refused)}; so there is no total"
    else:
        yield f"  = {bridge.total:>{room},} {word}"


def to_markdown(found: Reconciliation, peers: tuple[Held, ...]) -> str:
    """The table, and the bridges in sentences."""
    counts = f"{found.setting.words('batch')}; archscope: {found.macs:,} MACs, {found.params:,} params"
    head = f"### {markdown.escaped(found.design.title)}\n\n{counts}\n"
    rows = [[markdown.escaped(click.unstyle(cell)) for cell in _row(one)] for one in peers]
    drawn = markdown.grid(_HEADERS, rows, _LEFT)
    said = [*filter(None, [incomplete(found.design)]), *sentences(peers)]
    bridges = [f"- {markdown.escaped(line)}" for line in said]
    return "\n".join([head, drawn, "", *bridges]) + "\n"


def sentences(peers: tuple[Held, ...]) -> Iterator[str]:
    """How the peers' figures come out of archscope's, a sentence each."""
    for one in peers:
        for bridge, word in ((one.reading.work, "MACs"), (one.reading.params, "params")):
            if bridge and (bridge.terms or bridge.refused):
                yield f"{one.reading.peer.name}: {_sentence(bridge, word)}"


def _sentence(bridge: Bridge, word: str) -> str:
    """4,089,184,256 MACs + 22,227,968 batch norm (2 an element) = 4,111,412,224."""
    terms = (f"{'-' if term.count < 0 else '+'} {abs(term.count):,} {term.name} ({term.why})" for term in bridge.terms)
    end = f"; not modelled: {', '.join(bridge.refused)}" if bridge.refused else f" = {bridge.total:,}"
    return " ".join([f"{bridge.start:,} {word}", *terms]) + end


# -- for machines ------------------------------------------------------------------------------------------------------


def to_csv(found: Reconciliation, peers: tuple[Held, ...]) -> str:
    """A row for archscope's figure, each term, the total as modelled and the measured one; of work and of params.

    The unit of a count stands beside it, for each peer has its own.
    """
    columns = ("peer", "version", "figure", "term", "count", "counts", "why")
    rows = ([row[name] for name in columns] for one in peers for row in records(one))
    return sheet.to_csv([(name, "") for name in columns], rows, lacking=incomplete(found.design))


def records(one: Held) -> Iterator[dict[str, Any]]:
    """The rows of a peer, as CSV and frames have them."""
    version = (one.measured and one.measured.version) or ""
    for figure, bridge, measured in _figures(one):
        own, its = ("MACs", one.reading.peer.word) if figure == "work" else ("elements", "elements")
        for term, count, why in _records(bridge, measured):
            yield {
                "peer": one.reading.peer.name,
                "version": version,
                "figure": figure,
                "term": term,
                "count": count,
                "counts": own if term == "archscope" else its,
                "why": why,
            }


def _figures(one: Held) -> Iterator[tuple[str, Bridge, int | None]]:
    measured = one.measured or Measured()
    if one.reading.work is not None:
        yield "work", one.reading.work, measured.work
    yield "params", one.reading.params, measured.params


def _records(bridge: Bridge, measured: int | None) -> Iterator[tuple[str, int | None, str]]:
    yield "archscope", bridge.start, ""
    for term in bridge.terms:
        yield term.name, term.count, term.why
    yield "modelled", bridge.total, f"not modelled: {', '.join(bridge.refused)}" if bridge.refused else ""
    if measured is not None:
        yield "measured", measured, ""


def to_json(found: Reconciliation, peers: tuple[Held, ...]) -> str:
    """Everything, the layers of each term by name."""
    content = {
        "design": found.design.name,
        "setting": found.setting.data(),
        "macs": found.macs,
        "params": found.params,
        "peers": [_peer(one) for one in peers],
    }
    return js.dumped(js.headed(JSON_VERSION, incomplete(found.design), content, found.design.warnings))


def schema() -> js.Schema:
    """The schema of :func:`to_json`."""
    term = {
        "name": js.chosen(TERMS, "what it is about"),
        "count": js.count("signed"),
        "why": js.text("the peer's rule, in a few words"),
        "layers": js.many(js.text(), "that it comes from"),
    }
    bridge = {
        "modelled": js.nullable(js.count("the peer's figure; none where a rule is not modelled")),
        "measured": js.nullable(js.count("what the peer reports; none where it was not run")),
        "terms": js.many(js.record(term), "what makes the difference from archscope's figure to the peer's"),
        "not_modelled": js.many(js.text(), "ops, or cases of them"),
    }
    peer = {
        "name": js.text("of the tool, and of its mode where it has several"),
        "counts": js.nullable(js.text("what it calls its count of work; none where it has no such count")),
        "convention": js.text("how it counts"),
        "modelled_version": js.nullable(js.text("whose source the rules were read from")),
        "measured_version": js.nullable(js.text("of the one that was run")),
        "failure": js.nullable(js.text("why it gives no numbers")),
        "work": {"$ref": "#/$defs/bridge"},
        "params": {"$ref": "#/$defs/bridge"},
    }
    fields = {
        "design": js.text("name of the design"),
        "setting": js.setting(),
        "macs": js.figure("macs"),
        "params": js.figure("params"),
        "peers": js.many(js.record(peer, optional=["work"])),
    }
    return js.document("reconcile", JSON_VERSION, fields, defs={"bridge": js.record(bridge)})


def _peer(one: Held) -> dict[str, Any]:
    peer, measured = one.reading.peer, one.measured or Measured()
    return {
        "name": peer.name,
        "counts": peer.word or None,
        "convention": peer.convention,
        "modelled_version": peer.version or None,
        "measured_version": measured.version,
        "failure": measured.failure or None,
        **{
            figure: {
                "modelled": bridge.total,
                "measured": counted,
                "terms": [
                    {"name": term.name, "count": term.count, "why": term.why, "layers": list(term.layers)}
                    for term in bridge.terms
                ],
                "not_modelled": list(bridge.refused),
            }
            for figure, bridge, counted in _figures(one)
        },
    }
