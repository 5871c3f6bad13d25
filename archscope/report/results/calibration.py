"""What a device achieves; its records are the shares of its ceilings that kinds of layers achieve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said
from archscope.report.blocks import Block, Fact, Facts, Grid, Head, Headline, Room, Row
from archscope.report.speed import CEILINGS, machine_schema, seconds
from archscope.report.text import short
from archscope.setting.calibration import FORMAT, Calibration
from archscope.setting.sizes import duration

_FIELDS = (Field("kind"), Field("precision"), Field("pass"), Field("share", "share"))


@dataclass(frozen=True)
class CalibrationReport(Report):
    """The ceilings of a device, and the share of them that each kind of layer achieves."""

    result: Calibration

    @property
    def said(self) -> Said:
        return Said(None)

    def headline(self) -> Headline:
        return Headline(self.result.device)

    def blocks(self, room: Room) -> Iterator[Block]:
        calibration, ceilings = self.result, self.result.ceilings
        peaks = [Fact(number, (short(peak, "FLOP/s"),), "products") for number, peak in ceilings.flops.items()]
        band = Fact("memory", (short(ceilings.bandwidth, "B/s"),), "copies, read and written")
        calls = [Fact(f"a call {phase}", (duration(cost),)) for phase, cost in calibration.launch.items()]
        yield self.headline()
        yield Facts(((*peaks, band, *calls),))
        for precision, phases in calibration.efficiency.items():
            rows = [Row((kind, ahead, phases["backward"].get(kind))) for kind, ahead in phases["forward"].items()]
            heads = Head(f"{precision}: share of the ceiling"), Head("forward", "part"), Head("backward", "part")
            yield Grid(heads, tuple(rows))

    def records(self) -> Records:
        rows = (
            (kind, precision, phase, share)
            for precision, phases in self.result.efficiency.items()
            for phase, kinds in phases.items()
            for kind, share in kinds.items()
        )
        return Records(_FIELDS, rows, "kind", None)

    def data(self) -> dict[str, Any]:
        return self.result.as_data()

    @classmethod
    def schema(cls) -> js.Schema:
        shares = js.mapping(js.number("", "share"), "by kind of layer")
        kinds = js.mapping(shares, "by pass: forward, backward")
        fields = {
            "device": js.text("the processor, or what torch.cuda.get_device_name() says"),
            "ceilings": CEILINGS,
            "efficiency": js.mapping(kinds, "share of a ceiling that a kind of layer achieves, by precision"),
            "launch": js.mapping(seconds("that a call costs at least"), "by pass"),
            "machine": machine_schema(),
        }
        return js.titled("calibrate", js.record({"format": js.version_is(FORMAT), **fields}))
