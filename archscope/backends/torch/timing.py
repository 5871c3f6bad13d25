"""Clocks, and numbers in the precision that is asked for."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from archscope.errors import UsageError
from archscope.setting.precision import Precision


def torch_type(name: str) -> torch.dtype:
    """A type of elements by its name."""
    dtype: torch.dtype = getattr(torch, name)
    return dtype


class Clock(Protocol):
    """What tells time on a device."""

    def mark(self) -> Any:
        """Now, in the order of the device's work."""

    def wait(self) -> None:
        """Wait until all marks so far have been reached."""

    def seconds(self, begin: Any, end: Any) -> float:
        """Seconds between two marks that have been reached."""


class CpuClock:
    """The clock of the host: what it calls is done when the call returns."""

    def mark(self) -> float:
        return time.perf_counter()

    def wait(self) -> None:
        pass

    def seconds(self, begin: float, end: float) -> float:
        return end - begin


class CudaClock:
    """Events in the stream of a GPU, which works on while the host goes ahead.

    Args:
        cuda: ``torch.cuda``; a test gives another.
    """

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda

    def mark(self) -> Any:
        event = self._cuda.Event(enable_timing=True)
        event.record()
        return event

    def wait(self) -> None:
        self._cuda.synchronize()

    def seconds(self, begin: Any, end: Any) -> float:
        return float(begin.elapsed_time(end)) / 1e3


def clock_of(device: str) -> Clock:
    """The clock of a kind of device: ``cpu`` or ``cuda``."""
    return CudaClock() if device == "cuda" else CpuClock()


@dataclass(frozen=True)
class Timing:
    """How long something takes.

    Attributes:
        median: seconds.
        spread: seconds between the first and the third quartile of all runs.
        runs: how often it was timed.
    """

    median: float
    spread: float
    runs: int


def timing(seconds: Sequence[float]) -> Timing:
    """The timing of some runs."""
    if len(seconds) < 2:
        return Timing(seconds[0], 0.0, 1)
    first, _, third = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(statistics.median(seconds), third - first, len(seconds))


def rounds(
    work: Callable[[], None],
    seconds: float,
    *,
    least: int,
    most: int = 10_000,
    tick: Callable[[float], None] | None = None,
) -> None:
    """Repeat some work for a time, at least some rounds; nothing is collected as garbage meanwhile.

    Args:
        tick: is told the share that is done.
    """
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    try:
        for number in range(1, most + 1):
            work()
            passed = time.perf_counter() - begin
            if tick is not None:
                tick(min(1.0, number / least, passed / seconds if seconds else 1.0))
            if number >= least and passed >= seconds:
                break
    finally:
        if collecting:
            gc.enable()


@contextmanager
def arithmetic(precision: Precision, device: str) -> Iterator[None]:
    """float32 as the precision says, cuDNN at its best; then all as it was.

    ``tf32`` is everything in TF32, ``float32`` what cuDNN runs (torch's default), ``ieee`` nothing.

    Raises:
        UsageError: TF32 is wanted of a CPU, or of a GPU that has none.
    """
    if precision.name == "tf32" and (device == "cpu" or torch.cuda.get_device_capability() < (8, 0)):
        raise UsageError("tf32 is a format of CUDA devices from Ampere on; --precision float32 runs here")
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
    try:
        torch.set_float32_matmul_precision("high" if precision.name == "tf32" else "highest")
        cudnn.allow_tf32, cudnn.benchmark = "tf32" in precision.convolved, True
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.benchmark = before[1:]


def lowered(precision: Precision, device: str) -> Any:
    """torch.autocast to what a mixed precision lowers to, on GPUs before Ampere to float16; else nothing."""
    lower = torch_type(precision.lower or "bfloat16")
    if device == "cuda" and torch.cuda.get_device_capability() < (8, 0):
        lower = torch.float16
    return torch.autocast(device, lower, enabled=precision.lower is not None)
