"""How long a step took here; its records are the parts of the step, times in seconds, with what was run, and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Fact, Facts, Grid, Head, Headline, Notes, Room, Row
from archscope.report.speed import (
    MACHINE,
    PREDICTION,
    TIMED,
    TYPES,
    WORK,
    fields,
    machine_lines,
    machine_schema,
    per_second,
    predicted,
    run,
    seconds,
    share,
    time_of,
)  # fmt: skip
from archscope.report.text import binary, short, value
from archscope.setting.sizes import duration

if TYPE_CHECKING:
    from archscope.backends.torch.profile import Profile, Timed
    from archscope.backends.torch.timing import Timing

_HEADS = (
    Head("layer"), Head("op"), Head("forward", "seconds"), Head("backward", "seconds"), Head("time", "part"),
    Head("work", "part"), Head("FLOP/s", "short"), Head("B/s", "short"),
)  # fmt: skip


@dataclass(frozen=True)
class ProfileReport(Report):
    """Totals, then the parts that take longest against those that have most work, then the machine.

    Attributes:
        top: so many of them.
        every: all of them, in order.
    """

    VERSION = 3
    result: Profile
    top: int | None = None
    every: bool = False

    @property
    def said(self) -> Said:
        return Said.of(self.result.design)

    def headline(self) -> Headline:
        return Headline(
            self.result.design.title,
            run(self.result.setting, self.result.machine.title, measured=True),
            self.said.lines,
        )

    def blocks(self, room: Room) -> Iterator[Block]:
        profile, top = self.result, room.listed if self.top is None else self.top
        yield self.headline()
        yield Facts((tuple(_times(profile)), tuple(_rates(profile)), tuple(_memory(profile))))
        if self.every or top:
            yield self._parts(room, top)
            yield Notes(tuple(_hardest(profile, top)), faint=False)
        yield Notes((_sum_of_parts(profile),), faint=False)
        yield Notes(tuple(machine_lines(profile.machine)))

    def _parts(self, room: Room, top: int) -> Grid:
        profile = self.result
        parts = profile.parts if self.every else sorted(profile.parts, key=lambda one: -one.seconds)[:top]
        heads = _HEADS if profile.prediction is None else (*_HEADS, Head(profile.prediction.label, "seconds"))
        rows = tuple(Row(_cells(one, profile)) for one in parts)
        return Grid(heads, rows, more=room.more(len(profile.parts) - len(rows), "--layers"))

    def records(self) -> Records:
        profile = self.result
        place = {"design": profile.design.name, **profile.machine.as_data()}
        parts = ({**one.record(), **place} for one in profile.parts)
        columns = [*fields(WORK | TIMED), Field("design"), *fields(MACHINE)]
        return Records.of(
            columns, parts, "name", self.said.lacking, run_of(profile.setting, [time_of(profile.setting)])
        )

    def data(self) -> dict[str, Any]:
        profile = self.result
        return self.headed(
            {
                "design": profile.design.name,
                "setting": profile.setting.data(),
                "whole": {phase: _timing(one) for phase, one in profile.whole.items()},
                "sum_of_parts": profile.sum_of_parts,
                "throughput": profile.throughput,
                "flops": profile.flops,
                "bandwidth": profile.bandwidth,
                "memory": {"measured": profile.measured_memory, "predicted": profile.predicted_memory},
                "prediction": None
                if profile.prediction is None
                else {**predicted(profile.prediction), "error": profile.error},
                "machine": profile.machine.as_data(),
                "parts": [one.record() for one in profile.parts],
            }
        )

    @classmethod
    def schema(cls) -> js.Schema:
        timing = js.record(
            {"median": seconds("median"), "spread": seconds("within which half of the times lie"), "runs": js.count()}
        )
        error = js.nullable(js.number("by which an estimate is off, relative to the time measured; a bound has none"))
        fields = {
            "design": js.text("name of the design"),
            "setting": js.setting(),
            "whole": js.mapping(timing, "by phase: forward (in training with the loss), backward, update, step"),
            "sum_of_parts": seconds("of all parts, each timed alone"),
            "throughput": js.number("achieved", "samples/second"),
            "flops": js.number("achieved", "FLOP/s"),
            "bandwidth": js.number("achieved, of the bytes that have to be moved", "bytes/s"),
            "memory": js.record(
                {
                    "measured": js.size("at the peak of a step"),
                    "predicted": js.size("without what kernels take for themselves"),
                }
            ),
            "prediction": js.nullable(
                js.record({**PREDICTION, "error": error}, about="none where no ceilings are known")
            ),
            "machine": machine_schema(),
            "parts": js.many(js.record(js.columns(WORK | TIMED, TYPES)), "of the step, in order"),
        }
        return js.document("profile", cls.VERSION, fields)


def _part(part: float, whole: float | None) -> str:
    return value(share(part, whole), "part")


def _times(profile: Profile) -> Iterator[Fact]:
    step = profile.whole["step"]
    each = f"{per_second(profile.throughput)}; median of {step.runs} runs, half of them within {duration(step.spread)}"
    yield Fact("step", (duration(step.median),), each)
    for phase in ("forward", "backward", "update") if len(profile.whole) > 2 else ():
        note = "with the loss" if phase == "forward" else ""
        yield Fact(phase, (duration(profile.whole[phase].median),), note, 1)
    prediction = profile.prediction
    if prediction is None:
        yield Fact(
            "at least", ("",), "no ceilings are known here; --measure-peak, or `archscope calibrate`, finds them"
        )
    elif profile.error is None:
        yield Fact(
            "at least", (duration(prediction.seconds),), f"{_part(prediction.seconds, profile.seconds)} of the time"
        )
    else:
        yield Fact("estimate", (duration(prediction.seconds),), f"{profile.error:+.1%} off")


def _rates(profile: Profile) -> Iterator[Fact]:
    peak, ceilings = profile.peak, profile.ceilings
    has_peak = peak is not None and ceilings is not None
    of_peak = f"{_part(profile.flops, peak)} of {short(peak, 'FLOP/s')}" if peak else ""
    yield Fact("work", (short(profile.work.flops, "FLOP"),), "of contractions, 2 x MACs")
    yield Fact("achieved", (short(profile.flops, "FLOP/s"),), of_peak, 1)
    of_band = (
        f"{_part(profile.bandwidth, ceilings.bandwidth)} of {short(ceilings.bandwidth, 'B/s')}" if ceilings else ""
    )
    yield Fact("moved", (short(profile.work.bytes, "B"),), "at least")
    yield Fact("achieved", (short(profile.bandwidth, "B/s"),), of_band, 1)
    if has_peak and ceilings is not None:
        yield Fact("ceilings", ("",), ceilings.source, 1)


def _memory(profile: Profile) -> Iterator[Fact]:
    yield Fact("memory", (binary(profile.measured_memory),), "measured at the peak of a step")
    off = profile.measured_memory / profile.predicted_memory - 1
    note = f"the measured is {off:+.2%} of it, with what kernels take for themselves"
    yield Fact("predicted", (binary(profile.predicted_memory),), note, 1)


def _cells(one: Timed, profile: Profile) -> list[Any]:
    work = one.part.forward + one.part.backward
    row = [
        one.part.name,
        one.part.op,
        one.forward.median,
        one.backward.median if one.backward is not None else None,
        share(one.seconds, profile.sum_of_parts),
        share(work.flops, profile.work.flops),
        work.flops / one.seconds if work.flops else None,
        work.bytes / one.seconds if work.bytes else None,
    ]
    return row if one.predicted is None else [*row, one.predicted.seconds]


def _hardest(profile: Profile, top: int) -> Iterator[str]:
    """Where the order by work is another than the order by time."""
    ranked = sorted(profile.parts, key=lambda one: -one.seconds)
    working = [one for one in profile.parts if one.part.forward.flops]
    hardest = sorted(working, key=lambda one: -(one.part.forward + one.part.backward).flops)[: min(top, 5)]
    if hardest:
        names = ", ".join(f"{one.part.name} ({_ordinal(ranked.index(one) + 1)} by time)" for one in hardest)
        yield f"most work: {names}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _sum_of_parts(profile: Profile) -> str:
    """What the parts take one by one, against the whole."""
    what = "the whole" if not profile.setting.compile else "the compiled whole (layer by layer it is not compiled)"
    parts = profile.sum_of_parts
    return f"the layers take {duration(parts)} one by one, {parts / profile.seconds:.1%} of {what}"


def _timing(one: Timing) -> dict[str, float]:
    return {"median": one.median, "spread": one.spread, "runs": one.runs}
