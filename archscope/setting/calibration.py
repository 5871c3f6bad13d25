"""What a machine was measured to achieve: its ceilings, and how near to them each kind of layer comes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archscope.errors import UsageError
from archscope.setting.devices import CONTRACTING, MOVING, Ceilings, known_as
from archscope.setting.precision import precision_of
from archscope.shown import Shown

#: version of the stored form
FORMAT = 1

PASSES = ("forward", "backward")


@dataclass(frozen=True)
class Calibration(Shown, report="calibration"):
    """The measured speed of a device.

    Attributes:
        device: the processor, or what torch.cuda.get_device_name() says.
        ceilings: the measured peaks.
        efficiency: achieved share of a ceiling, by dtype, pass and kind of layer: of the FLOP/s of its number type
            where the kind contracts, else of the bytes/s. It may pass 1 where a cache serves what memory would.
        launch: seconds that a call costs at least, by pass.
        machine: where it was measured, with versions and the date.
    """

    device: str
    ceilings: Ceilings
    efficiency: Mapping[str, Mapping[str, Mapping[str, float]]]
    launch: Mapping[str, float]
    machine: Mapping[str, Any]

    def share(self, dtype: str, phase: str, kind: str) -> float:
        """The share of a ceiling that a kind of layer achieves.

        Raises:
            UsageError: it was not measured.
        """
        if dtype not in self.efficiency:
            raise UsageError(
                f"the calibration of {self.ceilings.name} is of {', '.join(self.efficiency)}, not of {dtype};"
                f" `archscope calibrate --precision {dtype}` measures it"
            )
        return self.efficiency[dtype][phase][kind]

    def as_data(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "format": FORMAT,
            "device": self.device,
            "ceilings": {**self.ceilings._asdict(), "flops": dict(self.ceilings.flops)},
            "efficiency": {
                dtype: {phase: dict(kinds) for phase, kinds in phases.items()}
                for dtype, phases in self.efficiency.items()
            },
            "launch": dict(self.launch),
            "machine": dict(self.machine),
        }


def from_data(data: Any, file: str) -> Calibration:
    """A calibration as it was stored.

    Raises:
        UsageError: it is none, or one of another version.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UsageError(f"{file} is no calibration of this version; `archscope calibrate` makes one")
    try:
        calibration = Calibration(
            str(data["device"]),
            Ceilings(**{**data["ceilings"], "flops": _in_full(data["ceilings"]["flops"])}),
            _in_full(data["efficiency"]),
            data["launch"],
            data["machine"],
        )
        _check(calibration)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file} is no whole calibration: {type(error).__name__}: {error}") from None
    return calibration


def _in_full(by_precision: Mapping[str, Any]) -> dict[str, Any]:
    """What is told by precision, under the names that are printed: the short ones were stored once."""
    return {precision_of(name).name: value for name, value in by_precision.items()}


def _check(calibration: Calibration) -> None:
    rates = [calibration.ceilings.bandwidth, *calibration.ceilings.flops.values()]
    for dtype in calibration.efficiency:
        rates += [calibration.share(dtype, *place) for place in _places()]
    if not all(rate > 0 for rate in rates) or not all(calibration.launch[phase] >= 0 for phase in PASSES):
        raise ValueError("a rate that is not positive")


def _places() -> list[tuple[str, str]]:
    return [
        (phase, kind) for phase in PASSES for kind in (*CONTRACTING, *MOVING) if (phase, kind) != ("backward", "update")
    ]


def file_name(title: str) -> str:
    """The name of the file of a device: by the name in the table of devices, or by what it is called."""
    return (known_as(title) or re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")) + ".json"
