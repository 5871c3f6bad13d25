"""A design timed: whole and layer by layer, held against what the machine can do and what was predicted."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import profiler

from archscope.analysis.step.memory import Memory, memory
from archscope.analysis.time.roofline import Predicted, Prediction, peak_of, predict
from archscope.analysis.time.traffic import Moved, Part, traffic
from archscope.backends.torch.build import refuse_opaque
from archscope.backends.torch.machine import Machine, free_memory, machine, named, resolve
from archscope.backends.torch.step import MeasuredStep
from archscope.backends.torch.timing import Clock, Timing, arithmetic, clock_of, rounds, timing
from archscope.design import Design
from archscope.errors import UsageError
from archscope.setting import Setting
from archscope.setting.devices import Ceilings
from archscope.shown import Shown

#: steps of each kind that are timed at least
LEAST = 5
_WARM = 2
_Seconds = Mapping[tuple[str, str], list[float]]


@dataclass(frozen=True)
class Timed:
    """A part of a step (a layer, the loss, the update), timed.

    Attributes:
        part: what it computes and moves.
        backward: nothing where no gradient passes; of a recomputed layer with its forward pass once more.
        predicted: its predicted times; ``None`` where no ceilings are known.
    """

    part: Part
    forward: Timing
    backward: Timing | None
    predicted: Predicted | None

    @property
    def seconds(self) -> float:
        """Forward and backward, medians."""
        return self.forward.median + (self.backward.median if self.backward is not None else 0.0)

    def record(self) -> dict[str, Any]:
        """The same as plain data, a row of a table; times in seconds."""
        return {
            **self.part.record(),
            "forward_median": self.forward.median,
            "forward_spread": self.forward.spread,
            "backward_median": None if self.backward is None else self.backward.median,
            "backward_spread": None if self.backward is None else self.backward.spread,
            "runs": self.forward.runs,
            "calculated": None if self.predicted is None else self.predicted.seconds,
        }


@dataclass(frozen=True)
class Profile(Shown, report="profile"):
    """The measured times of a design.

    Attributes:
        whole: by phase: ``forward`` (in training with the loss), ``backward``, ``update``, ``step``.
        parts: layer by layer, each timed alone; in training with the loss and the update.
        work: of the step.
        ceilings: of the device, if they are known; and the prediction from them.
        measured_memory, predicted_memory: bytes at the peak of a step; what a kernel takes for itself is in the former.
    """

    design: Design
    setting: Setting
    machine: Machine
    whole: dict[str, Timing]
    parts: tuple[Timed, ...]
    work: Moved
    ceilings: Ceilings | None
    prediction: Prediction | None
    measured_memory: int
    predicted_memory: int

    @property
    def seconds(self) -> float:
        """Median time of a step."""
        return self.whole["step"].median

    @cached_property
    def sum_of_parts(self) -> float:
        """Seconds of all parts, each timed alone."""
        return sum(part.seconds for part in self.parts)

    @property
    def throughput(self) -> float:
        """Samples a second."""
        return self.setting.batch / self.seconds

    @property
    def flops(self) -> float:
        """Achieved FLOP/s."""
        return self.work.flops / self.seconds

    @property
    def bandwidth(self) -> float:
        """Achieved bytes/s, of the bytes that have to be moved."""
        return self.work.bytes / self.seconds

    @property
    def peak(self) -> float | None:
        """FLOP/s of the device, if it is known."""
        return None if self.ceilings is None else peak_of(self.ceilings, self.setting.numbers)

    @property
    def error(self) -> float | None:
        """By how much an estimate is off, relative to what was measured; a bound has no error."""
        if self.prediction is None or not self.prediction.calibrated:
            return None
        return self.prediction.seconds / self.seconds - 1


def profile(
    design: Design,
    setting: Setting | None = None,
    *,
    seconds: float = 5.0,
    ceilings: Ceilings | None = None,
    tick: Callable[[float], None] | None = None,
    clock: Clock | None = None,
    **changes: Any,
) -> Profile:
    """Time a design.

    Training is forward, loss, backward and update; inference the forward pass, in eval mode and without autograd. Steps
    that are timed whole and steps that are timed layer by layer (these are not compiled) take turns, so that both see
    the same machine. Global settings of torch are as before afterwards.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`), on this machine: the device is ``cpu``,
            ``cuda``, what the GPU here is called, or ``auto``, a GPU where there is one, which it is unasked.
        changes: fields of a setting that differ from it: ``batch=32``.
        seconds: to spend, behind the warm-up; at least 5 steps of each are timed.
        ceilings: of the device, where it is not in the table of devices or was measured.
        tick: is told the share that is done.
        clock: what tells time; that of the device if left out.

    Raises:
        UsageError: there is no such device, the design does not fit into its memory, does not run in that precision, or
            has declared black boxes.
    """
    refuse_opaque(design, "profiled")
    if setting is None:
        changes.setdefault("device", "auto")
    if "device" in changes:
        changes["device"] = named(resolve(changes["device"]))
    setting = Setting.of(setting, **changes)
    setting.numbers.runs("how fast it is")
    if setting.accumulate:
        raise UsageError("a step is timed with gradients that are made anew; leave accumulate out")
    here, clock = machine(resolve(setting.device)), clock or clock_of(setting.kind)
    layerwise = setting.but(compile=False)
    parts = traffic(design, layerwise)
    if setting.calibration is not None or ceilings is None:
        ceilings = setting.ceilings if setting.timed else None
    prediction = bound = None
    if ceilings is not None:
        bound = predict(design, layerwise, ceilings=ceilings)
        prediction = predict(design, setting.but(calibration=None), ceilings=ceilings) if setting.compile else bound
    ledger = memory(design, layerwise)
    _check_room(ledger, free_memory(setting.kind))
    with _refusals(design, setting), arithmetic(setting.numbers, setting.kind):
        step = MeasuredStep(design, setting, clock)
        if setting.compile:
            step.whole = torch.compile(step.network)
        seen = _seen(step, seconds, clock, tick)
        peak = measured_memory(step)
    whole = {phase: timing(times) for (name, phase), times in seen.items() if not name}
    return Profile(
        design,
        setting,
        here,
        whole,
        tuple(_timed(parts, bound, seen)),
        sum((part.forward + part.backward for part in parts), Moved()),
        ceilings,
        prediction,
        peak,
        _predicted_memory(ledger),
    )


def _predicted_memory(ledger: Memory) -> int:
    """The peak as it is measured: on CUDA by torch's allocator, without what cuDNN takes for itself."""
    if not ledger.setting.trains:
        return ledger.inference
    return ledger.training if ledger.cuda is None else ledger.cuda.allocated


def _check_room(ledger: Memory, free: int) -> None:
    if not ledger.fits(free):
        sizes = f"needs {ledger.needed / 2**30:,.2f} GiB, and {free / 2**30:,.2f} GiB are free"
        raise UsageError(f"{ledger.design.name} does not fit: it {sizes}; a smaller --batch may")


@contextmanager
def _refusals(design: Design, setting: Setting) -> Iterator[None]:
    """What torch cannot do here, in a line."""
    where = f"in {setting.precision} on {setting.kind}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except torch.cuda.OutOfMemoryError:
        raise UsageError(f"{design.name} does not fit {where}; a smaller --batch may") from None
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise UsageError(f"torch.compile does not work here: {reason}") from None
        if isinstance(error, RuntimeError) and "not implemented" in reason:
            raise UsageError(f"{design.name} does not run {where}: {reason}") from None
        raise


def _seen(step: MeasuredStep, seconds: float, clock: Clock, tick: Callable[[float], None] | None) -> _Seconds:
    """The seconds of all spans: steps whole and steps by layer take turns."""
    for _ in range(_WARM):
        step.run()
        step.run_layers()
    clock.wait()
    times: dict[tuple[str, str], list[float]] = defaultdict(list)

    def both() -> None:
        for work in (step.run, step.run_layers):
            spans = work()
            clock.wait()  # a GPU works on while the host goes ahead: only now all marks are reached
            for span in spans:
                times[span.name, span.phase].append(clock.seconds(span.begin, span.end))

    rounds(both, seconds, least=LEAST, tick=tick)
    return times


def _timed(parts: tuple[Part, ...], prediction: Prediction | None, seen: _Seconds) -> Iterator[Timed]:
    predicted = prediction.parts if prediction is not None else (None,) * len(parts)
    for part, bound in zip(parts, predicted, strict=True):
        forward = timing(seen[part.name, "forward"])
        again = seen.get((part.name, "backward"))
        backward = timing(again) if again is not None else None
        if part.recomputed and backward is not None:
            more = (backward.median + forward.median, backward.spread + forward.spread)
            backward = Timing(*more, backward.runs)
        yield Timed(part, forward, backward, bound)


def measured_memory(step: MeasuredStep) -> int:
    """Bytes at the peak of a step, with what stands before it; on the CPU by the events of torch's profiler."""
    step.forget()
    if step.setting.kind == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        step.run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    with profiler.profile(profile_memory=True, activities=[profiler.ProfilerActivity.CPU]) as record:
        step.run()
    assert record.profiler is not None
    assert record.profiler.kineto_results is not None
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = most = sum(tensor.nbytes for tensor in step.standing())
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most
