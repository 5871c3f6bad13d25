"""How long a step takes at least, by the roofline; and, on a device that was calibrated, about how long.

The bound of a part of a step is the larger of its FLOPs over the device's peak and its bytes over the bandwidth
(Williams, Waterman, Patterson, Roofline, CACM 52(4), 2009), plus what its calls cost, where that is given;
:mod:`archscope.analysis.time.traffic` says what is counted. What could make a step faster than that is granted:

- the highest clock that the device runs at, not the one of its data sheet;
- the number types that torch takes by itself (TF32 in convolutions), the fastest of them;
- convolutions with fewer products than their definition has, where they run in float32;
- a cache as large as the device's, which may hold all that a layer reads when it begins, and all that it writes.

So no step is faster, as long as the number types are those, and torch runs layer by layer (or, under ``compile``,
everything fused that can be).
The estimate takes the speed that each kind of layer was measured to achieve, and adds what each call costs; where
nothing was measured, published timings of other networks may say how long the whole step takes about
(:mod:`archscope.analysis.time.estimates`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from archscope.analysis.time.estimates import Estimate, estimate, fit_of
from archscope.analysis.time.traffic import Moved, Part, traffic
from archscope.arith import maximum, total
from archscope.design import Design, hold_designs
from archscope.errors import UsageError
from archscope.setting import Setting
from archscope.setting.calibration import Calibration
from archscope.setting.devices import CONTRACTING, Ceilings
from archscope.setting.precision import Precision
from archscope.shown import Shown


class Bound(NamedTuple):
    """The time of one pass.

    Attributes:
        compute, memory, launch: seconds of work, of bytes, and of calls.
    """

    compute: float
    memory: float
    launch: float

    @property
    def seconds(self) -> float:
        """Work and bytes overlap; calls come on top."""
        return maximum(self.compute, self.memory) + self.launch

    @property
    def limit(self) -> str:
        """What takes most: ``compute``, ``memory`` or ``launch``; ``none`` where nothing is done."""
        return max(self._fields, key=lambda name: getattr(self, name)) if any(self) else "none"


@dataclass(frozen=True)
class Predicted:
    """The predicted times of a part of a step."""

    part: Part
    forward: Bound
    backward: Bound

    @property
    def seconds(self) -> float:
        """Forward and backward."""
        return self.forward.seconds + self.backward.seconds

    @property
    def limit(self) -> str:
        """What limits the longer of its passes."""
        return max(self.forward, self.backward, key=lambda bound: bound.seconds).limit

    def record(self) -> dict[str, Any]:
        """The same as plain data, a row of a table; times in seconds."""
        times = {"forward_seconds": self.forward.seconds, "backward_seconds": self.backward.seconds}
        return {**self.part.record(), **times, "limit": self.limit}


@dataclass(frozen=True)
class Prediction(Shown, report="prediction"):
    """The predicted times of a step.

    Attributes:
        setting: how it is run.
        ceilings: the peaks, published or measured.
        parts: layers in order; in training the loss and the update at the end.
        estimate: beside a bound, of the step as a whole, from published timings; none where there are none.
    """

    design: Design
    setting: Setting
    ceilings: Ceilings
    parts: tuple[Predicted, ...]
    estimate: Estimate | None = None

    @property
    def calibrated(self) -> bool:
        """Whether the times are estimates; else each is a bound."""
        return self.setting.calibration is not None

    @property
    def label(self) -> str:
        """What the times are."""
        return "estimate" if self.calibrated else "at least"

    @property
    def mixed(self) -> str:
        """Which layers run in another number type than the precision says, in words; empty where none does."""
        return mixed(self.ceilings, self.setting.numbers)

    @property
    def granted(self) -> tuple[str, ...]:
        """What the bound grants, in words; an estimate grants nothing."""
        return () if self.calibrated else granted(self.ceilings, self.setting)

    @cached_property
    def forward(self) -> float:
        """Seconds of the forward pass; the loss is in it, the update is not."""
        return total(one.forward.seconds for one in self.parts if one.part.kind != "update")

    @cached_property
    def backward(self) -> float:
        """Seconds of the backward pass."""
        return total(one.backward.seconds for one in self.parts)

    @cached_property
    def update(self) -> float:
        """Seconds of the optimizer's update; 0 where nothing is trained."""
        return total(one.forward.seconds for one in self.parts if one.part.kind == "update")

    @cached_property
    def seconds(self) -> float:
        """Seconds of the step."""
        return self.forward + self.backward + self.update

    @cached_property
    def work(self) -> Moved:
        """All that the step computes and moves."""
        return sum((one.part.forward + one.part.backward for one in self.parts), Moved())

    def limited(self) -> dict[str, float]:
        """Seconds of the step by what limits each part."""
        seconds = dict.fromkeys(Bound._fields, 0.0)
        for one in self.parts:
            for bound in (one.forward, one.backward):
                if bound.seconds:
                    seconds[bound.limit] += bound.seconds
        return seconds


def predict(
    design: Design, setting: Setting | None = None, *, ceilings: Ceilings | None = None, **changes: Any
) -> Prediction:
    """Predict the time of a step.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`); a calibration makes an estimate of the
            bound.
        changes: fields of a setting that differ from it: ``batch=32``.
        ceilings: those of the device, where they are others than the published ones, or none are known.

    Raises:
        UsageError: an impossible setting, a device of which no peaks are known, or that has no units for the
            precision, or an estimate of a compiled step.
    """
    hold_designs(design)
    setting = Setting.of(setting, **changes)
    calibration = setting.calibration
    if calibration is not None and setting.compile:
        raise UsageError("a calibration is of layers one by one, not of a compiled step, whose bound is known")
    if ceilings is None or calibration is not None:
        ceilings = setting.ceilings
    peak_of(ceilings, setting.numbers)
    timed = (
        bounded(ceilings, setting.numbers, setting.launch)
        if calibration is None
        else _estimated(calibration, setting.numbers)
    )
    parts = traffic(design, setting)
    predicted = tuple(Predicted(one, timed(one, "forward"), timed(one, "backward")) for one in parts)
    about = None
    fit = fit_of(ceilings, setting) if calibration is None else None
    if fit is not None:
        moving = traffic(design, setting.but(compile=False)) if setting.compile else None
        about = estimate(fit, parts, ceilings, setting.batch, moving)
    return Prediction(design, setting, ceilings, predicted, about)


def peak_of(ceilings: Ceilings, precision: Precision, kind: str = "convolution") -> float:
    """FLOP/s of a device in a precision, as its maker publishes them, or as they were measured.

    Args:
        kind: of layer; with torch's defaults, convolutions may run in another number type than products.

    Raises:
        UsageError: it has no units for it, or that was not measured.
    """
    precision.runs("a peak")
    if not any(number in ceilings.flops for number in precision.multiplied):
        raise UsageError(f"no peak of {precision} is known of {ceilings.name}; of {', '.join(ceilings.flops)}")
    return max(ceilings.flops[number] for number in precision.of(kind) if number in ceilings.flops)


def mixed(ceilings: Ceilings, precision: Precision) -> str:
    """Which layers run in another number type than a precision says on a device, in words; empty where none does."""
    taken = set(precision.convolved) - set(precision.multiplied)
    return "convolutions in TF32, torch's default" if "tf32" in taken & set(ceilings.flops) else ""


def granted(ceilings: Ceilings, setting: Setting) -> tuple[str, ...]:
    """What bounds on a device grant, in words."""
    terms = []
    if ceilings.clock > 1:
        terms.append(f"a clock of {ceilings.clock:.2f} x the data sheet's")
    if ceilings.cache:
        terms.append(f"a cache of {ceilings.cache / 2**20:,.0f} MiB")
    if "float32" in setting.numbers.of("convolution"):
        terms.append("Winograd's and Fourier's convolutions")
    if setting.compile:
        terms.append("all fused that can be")
    return tuple(terms)


def _held(part: Part, ceilings: Ceilings, precision: Precision) -> Precision:
    """The precision that a part runs in.

    Raises:
        UsageError: it is held in a type that the device has no units for.
    """
    if part.numbers is None or part.kind not in CONTRACTING:
        return precision
    try:
        peak_of(ceilings, part.numbers, part.kind)
    except UsageError as error:
        raise UsageError(f"{part.name}: {error}") from None
    return part.numbers


def bounded(ceilings: Ceilings, precision: Precision, launch: float = 0.0) -> Callable[[Part, str], Bound]:
    """What says how long a pass of a part takes at least.

    Args:
        launch: seconds that each call costs at least.
    """

    def timed(part: Part, phase: str) -> Bound:
        moved: Moved = getattr(part, phase)
        numbers = _held(part, ceilings, precision)
        usable = [number for number in numbers.of(part.kind) if number in ceilings.flops]
        rate = max(ceilings.flops[number] * part.fewer(number) for number in usable) * ceilings.clock
        memory = part.beyond(phase, ceilings.cache) / ceilings.bandwidth
        return Bound(moved.flops / rate, memory, moved.calls * launch)

    return timed


def _estimated(calibration: Calibration, precision: Precision) -> Callable[[Part, str], Bound]:
    ceilings = calibration.ceilings
    bandwidth = ceilings.bandwidth

    def timed(part: Part, phase: str) -> Bound:
        moved: Moved = getattr(part, phase)
        if not moved.calls:
            return Bound(0.0, 0.0, 0.0)
        numbers = _held(part, ceilings, precision)
        share = calibration.share(numbers.name, phase, part.kind)
        launch = moved.calls * calibration.launch[phase]
        if part.kind in CONTRACTING:
            return Bound(moved.flops / (peak_of(ceilings, numbers, part.kind) * share), moved.bytes / bandwidth, launch)
        return Bound(0.0, moved.bytes / (bandwidth * share), launch)

    return timed
