"""A device calibrated: how near to its ceilings each kind of layer comes, measured on typical layers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from archscope.analysis.time.roofline import peak_of
from archscope.analysis.time.traffic import UPDATE, Moved, traffic
from archscope.backends.torch.machine import machine, measure_peaks, resolve
from archscope.backends.torch.step import MeasuredStep
from archscope.backends.torch.timing import Clock, arithmetic, clock_of, rounds
from archscope.design import Design
from archscope.load import load
from archscope.setting import Setting
from archscope.setting.calibration import PASSES, Calibration
from archscope.setting.devices import CONTRACTING, Ceilings
from archscope.setting.precision import Precision, precision_of

_BATCH = {"cpu": 4, "cuda": 64}
_LEAST, _WARM = 3, 2
_SHARE_OF_PEAKS = 0.1  # of the time
_LEAST_SECONDS = 1e-9  # a launch cost that is subtracted leaves at least this

#: layers as networks have them: input without the batch, and the layer; all contract enough to be bound by that
_TYPICAL: tuple[tuple[str, str], ...] = (
    ("[3, 224, 224]", "Conv2d: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3}"),
    ("[64, 56, 56]", "Conv2d: {out_channels: 64, kernel_size: 3, padding: 1}"),
    ("[128, 28, 28]", "Conv2d: {out_channels: 128, kernel_size: 3, padding: 1}"),
    ("[256, 14, 14]", "Conv2d: {out_channels: 256, kernel_size: 3, padding: 1}"),
    ("[64, 56, 56]", "Conv2d: {out_channels: 256, kernel_size: 1}"),
    ("[1024, 14, 14]", "Conv2d: {out_channels: 256, kernel_size: 1}"),
    ("[256, 28, 28]", "Conv2d: {out_channels: 256, kernel_size: 3, padding: 1, groups: 32}"),
    ("[96, 56, 56]", "Conv2d: {out_channels: 96, kernel_size: 3, padding: 1, groups: 96}"),
    ("[384, 14, 14]", "Conv2d: {out_channels: 384, kernel_size: 3, padding: 1, groups: 384}"),
    ("[197, 768]", "Linear: 3072"),
    ("[32, 256]", "LSTM: 256"),
    ("[64, 112, 112]", "ReLU"),
    ("[256, 28, 28]", "ReLU"),
    ("[256, 28, 28]", "SiLU"),
    ("[256, 28, 28]", "Add: [[], []]"),
    ("[64, 112, 112]", "BatchNorm2d"),
    ("[256, 28, 28]", "BatchNorm2d"),
    ("[197, 768]", "LayerNorm: 768"),
    ("[64, 112, 112]", "MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}"),
    ("[128, 56, 56]", "AvgPool2d: 2"),
    ("[4096]", "Linear: 4096"),
)
_TINY = ("[4, 2, 2]", "ReLU")
_LAYER = "measured"


class _Timing(NamedTuple):
    """A layer's work and its time."""

    phase: str
    kind: str
    moved: Moved
    seconds: float


def typical() -> tuple[Design, ...]:
    """The designs that are measured, each of a layer before which something is trained."""
    return tuple(_design(*one) for one in _TYPICAL)


def _design(shape: str, layer: str) -> Design:
    return load(f"input: {shape}\nlayers:\n  - PReLU\n  - {{name: {_LAYER}, {layer}}}\n")


def calibrate(
    *,
    device: str = "auto",
    precisions: Sequence[str] = ("float32",),
    seconds: float = 60.0,
    tick: Callable[[float], None] | None = None,
    clock: Clock | None = None,
) -> Calibration:
    """Calibrate a device.

    Args:
        precisions: words for :data:`~archscope.setting.precision.PRECISIONS`.
        seconds: total time to spend, approximately.
        tick: is told the share that is done.

    Raises:
        UsageError: there is no such device, or a precision does not run on it.
    """
    device = resolve(device)
    clock, here = clock or clock_of(device), machine(device)
    ceilings = measure_peaks(device, precisions, seconds=seconds * _SHARE_OF_PEAKS / (len(precisions) + 1), clock=clock)
    done, total = 0, len(precisions) * (len(_TYPICAL) + 1)
    each = seconds * (1 - _SHARE_OF_PEAKS) / total
    efficiency, launch = {}, dict.fromkeys(PASSES, 0.0)
    for number, precision in enumerate(map(precision_of, precisions)):
        setting = Setting(batch=_BATCH[device], precision=precision.name, device=device)
        cases: list[_Timing] = []
        with arithmetic(precision, device):
            tiny = list(_measured(_design(*_TINY), setting.but(batch=1), each, clock))
            if not number:
                launch = {phase: _call_cost(tiny, phase) for phase in PASSES}
            for design in typical():
                cases += _measured(design, setting, each, clock)
                done += 1
                if tick is not None:
                    tick((done + number + 1) / total)
        efficiency[precision.name] = {
            phase: _shares(cases, phase, precision, ceilings, launch[phase]) for phase in PASSES
        }
    return Calibration(here.title, ceilings, efficiency, launch, here.as_data())


def _measured(design: Design, setting: Setting, seconds: float, clock: Clock) -> Iterator[_Timing]:
    """The layer of a design, and its update."""
    step = MeasuredStep(design, setting, clock)
    times: dict[tuple[str, str], list[float]] = {}

    def once() -> None:
        spans = step.run_layers()
        clock.wait()
        for span in spans:
            times.setdefault((span.name, span.phase), []).append(clock.seconds(span.begin, span.end))

    for _ in range(_WARM):
        step.run_layers()
    clock.wait()
    rounds(once, seconds, least=_LEAST)
    for part in traffic(design, setting):
        if part.name not in (_LAYER, UPDATE):
            continue
        for phase in PASSES:
            moved: Moved = getattr(part, phase)
            if moved.calls and (part.name, phase) in times:
                yield _Timing(phase, part.kind, moved, statistics.median(times[part.name, phase]))


def _call_cost(cases: list[_Timing], phase: str) -> float:
    """What a call costs that does next to nothing."""
    return next(one.seconds / one.moved.calls for one in cases if one.phase == phase and one.kind == "elementwise")


def _shares(
    cases: list[_Timing], phase: str, precision: Precision, ceilings: Ceilings, launch: float
) -> dict[str, float]:
    """Of each kind the achieved share of its ceiling: all work over all time."""
    work: dict[str, float] = {}
    time: dict[str, float] = {}
    for one in cases:
        if one.phase != phase:
            continue
        peak = peak_of(ceilings, precision, one.kind)
        if _bound_by_memory(one, peak, ceilings.bandwidth):
            continue
        done = one.moved.flops / peak if one.kind in CONTRACTING else one.moved.bytes / ceilings.bandwidth
        work[one.kind] = work.get(one.kind, 0.0) + done
        time[one.kind] = time.get(one.kind, 0.0) + max(one.seconds - one.moved.calls * launch, _LEAST_SECONDS)
    return {kind: work[kind] / time[kind] for kind in work}


def _bound_by_memory(one: _Timing, peak: float, bandwidth: float) -> bool:
    """A contraction that says nothing of how fast it could be: it waits for memory (a product with few rows)."""
    return one.kind == "product" and one.moved.flops / peak < one.moved.bytes / bandwidth
