"""How long a step takes, at least or estimated; its records are the parts of the step, times in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archscope.analysis.time.roofline import Prediction
from archscope.report import schema as js
from archscope.report.base import Records, Report, Said, run_of
from archscope.report.blocks import Block, Fact, Facts, Grid, Head, Headline, Notes, Room, Row
from archscope.report.speed import (
    PREDICTED,
    PREDICTION,
    TYPES,
    WORK,
    fields,
    per_second,
    predicted,
    run,
    share,
    time_of,
)
from archscope.report.text import short, value
from archscope.setting.sizes import duration

_NOTE = {
    True: "estimates, from the measured speed of each kind of layer",
    False: "bounds: no step is faster, granted that; `archscope calibrate` makes estimates of them",
}
_HEADS = (
    Head("layer"), Head("op"), Head("forward", "seconds"), Head("backward", "seconds"), Head("time", "part"),
    Head("work", "part"), Head("limited by"),
)  # fmt: skip


@dataclass(frozen=True)
class PredictionReport(Report):
    """Totals, then the parts that take longest.

    Attributes:
        top: so many of them.
        every: all of them, in order.
    """

    VERSION = 3
    found: Prediction
    top: int | None = None
    every: bool = False

    @property
    def said(self) -> Said:
        return Said.of(self.found.design)

    def headline(self) -> Headline:
        return Headline(self.found.design.title, run(self.found.setting, self.found.ceilings.name), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        yield Facts((tuple(_facts(self.found)),))
        yield self._parts(room)
        yield Notes(tuple(_notes(self.found)))

    def _parts(self, room: Room) -> Grid:
        found = self.found
        ranked = sorted(found.parts, key=lambda one: -one.seconds)[: self.top or room.listed]
        rows = [
            Row(
                (
                    one.part.name,
                    one.part.op,
                    one.forward.seconds,
                    one.backward.seconds,
                    share(one.seconds, found.seconds),
                    share((one.part.forward + one.part.backward).flops, found.work.flops),
                    one.limit,
                )
            )
            for one in (found.parts if self.every else ranked)
        ]
        return Grid(_HEADS, tuple(rows), more=room.more(len(found.parts) - len(rows), "--layers"))

    def records(self) -> Records:
        parts = (one.record() for one in self.found.parts)
        run = run_of(self.found.setting, [time_of(self.found.setting)])
        return Records.of(fields(WORK | PREDICTED), parts, "name", self.said.lacking, run)

    def data(self) -> dict[str, Any]:
        found = self.found
        return self.headed(
            {
                "design": found.design.name,
                "setting": found.setting.data(),
                **predicted(found),
                "parts": [one.record() for one in found.parts],
            }
        )

    @classmethod
    def schema(cls) -> js.Schema:
        about = {"design": js.text("name of the design"), "setting": js.setting()}
        parts = js.many(js.record(js.columns(WORK | PREDICTED, TYPES)), "of the step, in order")
        return js.document("predict", cls.VERSION, {**about, **PREDICTION, "parts": parts})


def _facts(found: Prediction) -> Iterator[Fact]:
    """The totals."""
    work = found.work
    throughput = per_second(found.setting.batch / found.seconds) if found.seconds else ""
    most = f"{'' if found.calibrated else 'at most '}{throughput}" if throughput else ""
    yield Fact("step", (duration(found.seconds),), f"{found.label}; {most}" if most else found.label)
    if not found.calibrated:
        yield Fact("granted", ("",), ", ".join(found.granted), 1)
        yield _estimate(found)
    if found.setting.trains:
        yield Fact("forward", (duration(found.forward),), "with the loss", 1)
        yield Fact("backward", (duration(found.backward),), "", 1)
        yield Fact("update", (duration(found.update),), "", 1)
    calls = f"{work.calls:,} call{'s' * (work.calls != 1)}"
    yield Fact("work", (short(work.flops, "FLOP"),), f"{short(work.bytes, 'B')} moved in {calls}")
    shares = {limit: value(share(took, found.seconds), "part") for limit, took in found.limited().items() if took}
    limited = (f"{limit} {text}" for limit, text in shares.items())
    yield Fact("limited by", ("",), ", ".join(limited) or "none")


def _estimate(found: Prediction) -> Fact:
    """About how long the step takes, by published timings."""
    one = found.estimate
    if one is None:
        return Fact("estimate", ("",), "none: no published timings of such steps are fitted for this device")
    fit = one.fit
    errors = f"off by {fit.median:.0%} in half, by at most {fit.ninetieth:.0%} in 90% of networks of other families"
    outside = f"; fitted on batches of {fit.batches[0]:,} to {fit.batches[1]:,}" if one.outside else ""
    rate = per_second(found.setting.batch / one.seconds)
    return Fact("estimate", (duration(one.seconds),), f"{rate}; {errors}{outside}")


def _notes(found: Prediction) -> list[str]:
    """What the times are, from what."""
    ceilings = found.ceilings
    flops = ", ".join(f"{number} {short(peak, 'FLOP/s')}" for number, peak in ceilings.flops.items())
    peaks = f"peaks: {flops}; memory {short(ceilings.bandwidth, 'B/s')}"
    fitted = f"the estimate is fitted on {found.estimate.fit.source}" if found.estimate is not None else ""
    other = f"{found.setting.precision}: {found.mixed}" if found.mixed else ""
    return [_NOTE[found.calibrated], peaks, ceilings.source, *filter(None, [other, fitted])]
