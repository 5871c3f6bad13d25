"""A design timed: whole and layer by layer, held against what the machine can do and what was predicted."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import profiler

from archscope.analysis.calibration import Calibration
from archscope.analysis.devices import DEVICES, Ceilings, known_as
from archscope.analysis.memory import Memory, memory
from archscope.analysis.roofline import Predicted, Prediction, peak_of, predict
from archscope.analysis.traffic import Moved, Part, traffic
from archscope.backends.torch.build import refuse_opaque
from archscope.backends.torch.machine import Machine, free_memory, machine, resolve
from archscope.backends.torch.step import Setting, Step
from archscope.backends.torch.timing import Clock, Timing, arithmetic, clock_of, rounds, timing
from archscope.design import Design
from archscope.errors import UsageError
from archscope.setting.precision import precision_of
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
    compiled: bool
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
        return None if self.ceilings is None else peak_of(self.ceilings, self.setting.dtype)

    @property
    def error(self) -> float | None:
        """By how much an estimate is off, relative to what was measured; a bound has no error."""
        if self.prediction is None or not self.prediction.calibrated:
            return None
        return self.prediction.seconds / self.seconds - 1


def profile(
    design: Design,
    *,
    device: str = "auto",
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "train",
    compile: bool = False,  # noqa: A002  # named so everywhere
    channels_last: bool = False,
    seconds: float = 5.0,
    ceilings: Ceilings | None = None,
    calibration: Calibration | None = None,
    tick: Callable[[float], None] | None = None,
    clock: Clock | None = None,
) -> Profile:
    """Time a design.

    Training is forward, loss, backward and the update of SGD; inference the forward pass, in eval mode and without
    autograd. Steps that are timed whole and steps that are timed layer by layer take turns, so that both see the same
    machine. Global settings of torch are as before afterwards.

    Args:
        device: ``auto`` is a GPU where there is one.
        dtype: a word for one of :data:`~archscope.setting.precision.PRECISIONS`; tf32 is of CUDA devices.
        compile: time the whole under torch.compile; layer by layer it is not compiled.
        seconds: to spend, behind the warm-up; at least 5 steps of each are timed.
        ceilings: of the device, where it is not in the table of devices or was measured.
        calibration: makes an estimate of the predicted bound.
        tick: is told the share that is done.
        clock: what tells time; that of the device if left out.

    Raises:
        UsageError: there is no such device, the design does not fit into its memory, does not run in that dtype, or
            has declared black boxes.
    """
    refuse_opaque(design, "profiled")
    device = resolve(device)
    here, clock = machine(device), clock or clock_of(device)
    precision = precision_of(dtype).runs("how fast it is")
    setting = Setting(device, batch, precision.name, mode, channels_last)
    parts = traffic(design, batch=batch, dtype=dtype, mode=mode, device=device, channels_last=channels_last)
    if calibration is not None or ceilings is None:
        ceilings = calibration.ceilings if calibration is not None else published(here)
    prediction = layerwise = None
    if ceilings is not None:
        told = partial(
            predict, design, device=ceilings, batch=batch, dtype=dtype, mode=mode, channels_last=channels_last
        )
        layerwise = told(calibration=calibration)
        prediction = told(compile=True) if compile else layerwise
    ledger = _ledger(design, setting)
    _check_room(ledger, mode, free_memory(device))
    with _refusals(design, setting), arithmetic(precision, device):
        step = Step(design, setting, clock)
        if compile:
            step.whole = torch.compile(step.network)
        seen = _seen(step, seconds, clock, tick)
        peak = measured_memory(step)
    whole = {phase: timing(found) for (name, phase), found in seen.items() if not name}
    return Profile(
        design,
        setting,
        compile,
        here,
        whole,
        tuple(_timed(parts, layerwise, seen)),
        sum((part.forward + part.backward for part in parts), Moved()),
        ceilings,
        prediction,
        peak,
        _predicted_memory(ledger, setting),
    )


def published(here: Machine) -> Ceilings | None:
    """The published peaks of a machine's GPU, if it is in the table of devices."""
    key = known_as(here.gpu)
    return None if key is None else DEVICES[key].ceilings


def _ledger(design: Design, setting: Setting) -> Memory:
    device = setting.device
    if device == "cuda":
        device = known_as(torch.cuda.get_device_name()) or device
    return memory(
        design,
        batch=setting.batch,
        precision=setting.dtype,
        optimizer="sgd" if setting.mode == "train" else "none",
        device=device,
        channels_last=setting.channels_last,
    )


def _predicted_memory(ledger: Memory, setting: Setting) -> int:
    """The peak as it is measured: on CUDA by torch's allocator, without what cuDNN takes for itself."""
    if setting.mode == "infer":
        return ledger.inference
    return ledger.training if ledger.cuda is None else ledger.cuda.allocated


def _check_room(ledger: Memory, mode: str, free: int) -> None:
    if ledger.inference > free if mode == "infer" else not ledger.fits(free):
        needed = ledger.inference if mode == "infer" else ledger.needed
        sizes = f"needs {needed / 2**30:,.2f} GiB, and {free / 2**30:,.2f} GiB are free"
        raise UsageError(f"{ledger.design.name} does not fit: it {sizes}; a smaller --batch may")


@contextmanager
def _refusals(design: Design, setting: Setting) -> Iterator[None]:
    """What torch cannot do here, in a line."""
    where = f"in {setting.dtype} on {setting.device}"
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


def _seen(step: Step, seconds: float, clock: Clock, tick: Callable[[float], None] | None) -> _Seconds:
    """The seconds of all spans: steps whole and steps by layer take turns."""
    for _ in range(_WARM):
        step.run()
        step.run_layers()
    clock.wait()
    found: dict[tuple[str, str], list[float]] = defaultdict(list)

    def both() -> None:
        for work in (step.run, step.run_layers):
            spans = work()
            clock.wait()  # a GPU works on while the host goes ahead: only now all marks are reached
            for span in spans:
                found[span.name, span.phase].append(clock.seconds(span.begin, span.end))

    rounds(both, seconds, least=LEAST, tick=tick)
    return found


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


def measured_memory(step: Step) -> int:
    """Bytes at the peak of a step, with what stands before it; on the CPU by the events of torch's profiler."""
    step.forget()
    if step.setting.device == "cuda":
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
