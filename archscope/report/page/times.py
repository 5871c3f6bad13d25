"""Bounds, estimates and measured times, as a page shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archscope.analysis.time.roofline import Prediction
from archscope.analysis.time.traffic import LOSS, UPDATE
from archscope.design import Design
from archscope.errors import UsageError
from archscope.files import irregular
from archscope.setting import Setting
from archscope.setting.sizes import duration

_MOST_ROWS = 25
#: of the setting, besides what the step is called
_SHOWN = ("batch", "precision", "channels_last", "compile")
_STEPS = {"train": "a training step", "infer": "an inference"}


@dataclass(frozen=True)
class Span:
    """The time of a layer (or of the loss, or the update) in seconds; a phase that was not timed is ``None``."""

    name: str
    forward: float | None
    backward: float | None
    predicted: float | None = None

    @property
    def seconds(self) -> float:
        """Forward and backward."""
        return (self.forward or 0.0) + (self.backward or 0.0)


@dataclass(frozen=True)
class Times:
    """Times of a step.

    Attributes:
        title: what they are, and of which device.
        note: how they came about.
        seconds: of the whole step.
        predicted: of the whole step, where these are measured; with ``label``: an estimate, or a bound.
    """

    title: str
    note: str
    seconds: float
    parts: tuple[Span, ...]
    predicted: float | None = None
    label: str = ""

    @property
    def slowest(self) -> list[Span]:
        """The parts that take longest."""
        return sorted(self.parts, key=lambda one: -one.seconds)[:_MOST_ROWS]

    @property
    def longest(self) -> float:
        """Seconds of the slowest part."""
        return max((one.seconds for one in self.parts), default=0.0)


def of_prediction(prediction: Prediction) -> Times:
    """What a device takes at least, or is estimated to take."""
    kind = "about" if prediction.calibrated else "at least"
    title = "Estimated on" if prediction.calibrated else "At least, on"
    granted = "" if prediction.calibrated else f" Granted: {', '.join(prediction.granted)}."
    limits = ", ".join(f"{name} {duration(took)}" for name, took in prediction.limited().items() if took)
    return Times(
        f"{title} {prediction.ceilings.name}",
        f"{_STEPS[prediction.setting.mode]} takes {kind} {duration(prediction.seconds)}, "
        f"{prediction.setting.words(*_SHOWN)}; limited by {limits}.{granted} {prediction.ceilings.source}",
        prediction.seconds,
        tuple(Span(one.part.name, one.forward.seconds, one.backward.seconds) for one in prediction.parts),
    )


def read_profile(file: str, design: Design) -> Times:
    """The times that ``archscope profile --json`` wrote.

    Raises:
        UsageError: the file cannot be read, is no profile, or is of another design.
    """
    strange = irregular(file)
    if strange:
        raise UsageError(f"{file} is {strange}, not a profile")
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the profile {file} cannot be read: {error}") from None
    try:
        profile = _profile(content)
        name = content["design"]
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"{file} is no profile; `archscope profile SPEC --json FILE` writes one") from None
    names = {layer.name for layer in design.layers}
    missing = [one.name for one in profile.parts if one.name not in names and one.name not in (LOSS, UPDATE)]
    if missing:
        raise UsageError(f"{file} is a profile of {name}, with a layer `{missing[0]}` that {design.name} does not have")
    return profile


def _profile(content: Mapping[str, Any]) -> Times:
    machine, guess, setting = content["machine"], content["prediction"], content["setting"]
    run = Setting(**{name: setting[name] for name in (*_SHOWN, "mode")})
    where = machine["gpu"] or machine["cpu"]
    return Times(
        f"Measured on {where}",
        f"{_STEPS[run.mode]}, {run.words(*_SHOWN)}, median of"
        f" {content['whole']['step']['runs']} runs; torch {machine['torch']}, {machine['date'][:10]}",
        float(content["whole"]["step"]["median"]),
        tuple(
            Span(part["name"], part["forward_median"], part["backward_median"], part["calculated"])
            for part in content["parts"]
        ),
        None if guess is None else float(guess["seconds"]),
        "" if guess is None else guess["label"],
    )
