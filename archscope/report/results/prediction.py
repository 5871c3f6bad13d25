"""How long a step takes, at least or estimated; its records are the parts of the step, times in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archscope.analysis.time.roofline import Prediction
from archscope.errors import counted
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
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
    result: Prediction
    top: int | None = None
    every: bool = False

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    def headline(self) -> Headline:
        return Headline(self.result.design.title, run(self.result.setting, self.result.ceilings.name), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        yield Facts((tuple(_facts(self.result)),))
        yield self._parts(room)
        yield Notes(tuple(_notes(self.result)))

    def _parts(self, room: Room) -> Grid:
        prediction = self.result
        ranked = sorted(prediction.parts, key=lambda one: -one.seconds)[: self.top or room.listed]
        rows = [
            Row(
                (
                    one.part.name,
                    one.part.op,
                    one.forward.seconds,
                    one.backward.seconds,
                    share(one.seconds, prediction.seconds),
                    share((one.part.forward + one.part.backward).flops, prediction.work.flops),
                    one.limit,
                )
            )
            for one in (prediction.parts if self.every else ranked)
        ]
        return Grid(_HEADS, tuple(rows), more=room.more(len(prediction.parts) - len(rows), "--layers"))

    def records(self) -> Records:
        parts = (one.record() for one in self.result.parts)
        times = {Field("times"): "estimates" if self.result.calibrated else "bounds"}
        run = times | run_of(self.result.setting, [time_of(self.result.setting)])
        return Records.of(fields(WORK | PREDICTED), parts, "name", self.said.lacking, run)

    def data(self) -> dict[str, Any]:
        prediction = self.result
        return self.headed(
            {
                "design": prediction.design.name,
                "setting": prediction.setting.data(),
                **predicted(prediction),
                "parts": [one.record() for one in prediction.parts],
            }
        )

    @classmethod
    def schema(cls) -> js.Schema:
        about = {"design": js.text("name of the design"), "setting": js.setting()}
        parts = js.many(js.record(js.columns(WORK | PREDICTED, TYPES)), "of the step, in order")
        return js.document("predict", cls.VERSION, {**about, **PREDICTION, "parts": parts})


def _facts(prediction: Prediction) -> Iterator[Fact]:
    """The totals."""
    work = prediction.work
    throughput = per_second(prediction.setting.batch / prediction.seconds) if prediction.seconds else ""
    most = f"{'' if prediction.calibrated else 'at most '}{throughput}" if throughput else ""
    yield Fact("step", (duration(prediction.seconds),), f"{prediction.label}; {most}" if most else prediction.label)
    if not prediction.calibrated:
        yield Fact("granted", ("",), ", ".join(prediction.granted), 1)
    if prediction.setting.trains:
        yield Fact("forward", (duration(prediction.forward),), "with the loss", 1)
        yield Fact("backward", (duration(prediction.backward),), "", 1)
        yield Fact("update", (duration(prediction.update),), "", 1)
    if not prediction.calibrated:
        yield _estimate(prediction)
    calls = counted(work.calls, "call")
    yield Fact("work", (short(work.flops, "FLOP"),), f"{short(work.bytes, 'B')} moved in {calls}")
    shares = {
        limit: value(share(took, prediction.seconds), "part") for limit, took in prediction.limited().items() if took
    }
    limited = (f"{limit} {text}" for limit, text in shares.items())
    yield Fact("limited by", ("",), ", ".join(limited) or "none")


def _estimate(prediction: Prediction) -> Fact:
    """About how long the step takes, by published timings."""
    one = prediction.estimate
    if one is None:
        return Fact("estimate", ("",), "none: no published timings of such steps are fitted for this device")
    fit = one.fit
    errors = f"off by {fit.median:.0%} in half, by at most {fit.ninetieth:.0%} in 90% of networks of other families"
    outside = f"; fitted on batches of {fit.batches[0]:,} to {fit.batches[1]:,}" if one.outside else ""
    rate = per_second(prediction.setting.batch / one.seconds)
    return Fact("estimate", (duration(one.seconds),), f"{rate}; {errors}{outside}")


def _notes(prediction: Prediction) -> list[str]:
    """What the times are, from what."""
    ceilings = prediction.ceilings
    flops = ", ".join(f"{number} {short(peak, 'FLOP/s')}" for number, peak in ceilings.flops.items())
    peaks = f"peaks: {flops}; memory {short(ceilings.bandwidth, 'B/s')}"
    fitted = f"the estimate is fitted on {prediction.estimate.fit.source}" if prediction.estimate is not None else ""
    other = f"{prediction.setting.precision}: {prediction.mixed}" if prediction.mixed else ""
    return [_NOTE[prediction.calibrated], peaks, ceilings.source, *filter(None, [other, fitted])]
