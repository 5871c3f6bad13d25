"""What the peers count: a line a peer, and how each figure comes out of archscope's; its records are the terms.

There is a record for archscope's figure, for each term, for the total as modelled and for the measured one; of work and
of params. The unit of a count stands beside it, for each peer has its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archscope.analysis.peers import TERMS, Bridge, Measured, Reading, Reconciliation
from archscope.figures import FIGURES
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Cell, Grid, Head, Headline, Room, Row, Sum, Sums, Term
from archscope.report.results.account import inputs
from archscope.setting import OF_MODULES

_HEADS = tuple(
    Head(title, style)
    for title, style in (
        ("peer", "text"), ("counts", "text"), ("modelled", "count"), ("measured", "count"), ("", "text"),
        ("params", "count"), ("measured", "count"), ("", "text"),
    )
)  # fmt: skip
_TOLD = (FIGURES["macs"], FIGURES["params"])
_FIELDS = tuple(map(Field, ("peer", "version", "figure", "term", "count", "counts", "why")))


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


@dataclass(frozen=True)
class ReconciliationReport(Report):
    """The table, and below it a sum for each figure that is not archscope's own.

    Attributes:
        measured: what the peers report, where they were run.
    """

    VERSION = 2
    result: Reconciliation
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def peers(self) -> tuple[Held, ...]:
        """All peers, each with what was measured of it."""
        return tuple(Held(reading, self.measured.get(name)) for name, reading in self.result.readings.items())

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    def headline(self) -> Headline:
        reconciliation = self.result
        counts = f"archscope: {reconciliation.macs:,} MACs, {reconciliation.params:,} params"
        words = f"input {inputs(reconciliation.design)}, {reconciliation.setting.words(*OF_MODULES)}"
        return Headline(reconciliation.design.title, words, (counts, *self.said.lines))

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        yield Grid(_HEADS, tuple(Row(_cells(one)) for one in self.peers)).filled
        for one in self.peers:
            sums = tuple(_sums(one))
            if sums:
                yield Sums(one.reading.peer.name, f"{one.reading.peer.convention}{_other_version(one)}", sums)

    def records(self) -> Records:
        rows = (row for one in self.peers for row in _of_peer(one))
        return Records.of(_FIELDS, rows, "peer", self.said.lacking, run_of(self.result.setting, _TOLD, OF_MODULES))

    def data(self) -> dict[str, Any]:
        """Everything, the layers of each term by name."""
        reconciliation = self.result
        return self.headed(
            {
                "design": reconciliation.design.name,
                "setting": reconciliation.setting.data(),
                "macs": reconciliation.macs,
                "params": reconciliation.params,
                "peers": list(map(_peer, self.peers)),
            }
        )

    @classmethod
    def schema(cls) -> js.Schema:
        return _schema(cls.VERSION)


def _cells(one: Held) -> list[Any]:
    """The cells of a peer; its parameters as measured only where they differ."""
    reading, measured = one.reading, one.measured or Measured()
    work = _total(reading.work) if reading.work else None
    params = measured.params if one.params_differ_by else None
    return [
        f"{reading.peer.name} {measured.version or ''}".strip(),
        reading.peer.word or "no work",
        work,
        measured.work,
        Cell(measured.failure) if measured.failure else _verdict(one.work_differs_by),
        _total(reading.params),
        params,
        _verdict(one.params_differ_by),
    ]


def _total(bridge: Bridge) -> Any:
    return Cell("not modelled") if bridge.total is None else bridge.total


def _verdict(difference: int | None) -> Cell:
    if difference is None:
        return Cell("")
    return Cell(f"differs by {difference:+,}", color="red") if difference else Cell("equal", color="green")


def _other_version(one: Held) -> str:
    read, there = one.reading.peer.version, one.measured and one.measured.version
    return f" (modelled as of {read})" if there and there != read else ""


def _sums(one: Held) -> Iterator[Sum]:
    """How a peer's figures come out of archscope's; nothing where there is nothing to add."""
    word = one.reading.peer.word
    for bridge, start, counts in ((one.reading.work, "MACs", word), (one.reading.params, "params", "params")):
        if bridge is not None and (bridge.terms or bridge.refused):
            terms = (Term(term.count, term.name, term.why, len(term.layers)) for term in bridge.terms)
            yield Sum((bridge.start, start), tuple(terms), (bridge.total, counts), ", ".join(bridge.refused))


def _of_peer(one: Held) -> Iterator[dict[str, Any]]:
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


def _schema(version: int) -> js.Schema:
    """What each field is."""
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
    return js.document("reconcile", version, fields, defs={"bridge": js.record(bridge)})


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
