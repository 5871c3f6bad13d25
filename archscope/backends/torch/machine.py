"""What the machine is, and what it can do at most."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from archscope import __version__
from archscope.backends.torch.timing import Clock, arithmetic, clock_of, rounds, torch_type
from archscope.errors import UsageError
from archscope.setting.devices import DEVICES, Ceilings, known_as, processor
from archscope.setting.precision import Precision, precision_of

_SIDES = {"cpu": (256, 512, 1024, 2048), "cuda": (1024, 2048, 4096, 8192)}  # of square matrices that are multiplied
_LONG = 0.05  # seconds of a product behind which no larger one is tried: some types are emulated, and very slow
_COPIED = {"cpu": 2**28, "cuda": 2**30}  # bytes; far beyond any cache
_LEAST = 5
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Machine:
    """Where something was measured.

    Attributes:
        device: ``cpu`` or ``cuda``.
        cores: of the CPU, as far as the process may use them; threads: that torch uses.
        memory: bytes of the host.
        gpu, gpu_memory, driver, cuda, cudnn: of the GPU; empty and 0 where the CPU is measured.
        date: in UTC.
    """

    device: str
    cpu: str
    cores: int
    threads: int
    memory: int
    gpu: str
    gpu_memory: int
    driver: str
    cuda: str
    cudnn: str
    torch: str
    python: str
    archscope: str
    os: str
    date: str

    @property
    def title(self) -> str:
        """The device in words."""
        return self.gpu or self.cpu

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def machine(device: str) -> Machine:
    """This machine, for work on a kind of device."""
    on_gpu = device == "cuda"
    return Machine(
        device=device,
        cpu=processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        memory=host_memory("MemTotal"),
        gpu=torch.cuda.get_device_name() if on_gpu else "",
        gpu_memory=torch.cuda.get_device_properties().total_memory if on_gpu else 0,
        driver=_driver() if on_gpu else "",
        cuda=torch.version.cuda or "" if on_gpu else "",
        cudnn=str(torch.backends.cudnn.version()) if on_gpu else "",  # type: ignore[no-untyped-call]
        torch=torch.__version__,
        python=platform.python_version(),
        archscope=__version__,
        os=platform.platform(terse=True),
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    )


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.partition("\n")[0].strip()


def host_memory(line: str) -> int:
    """Bytes of the host's memory by a line of /proc/meminfo (MemTotal, MemAvailable); elsewhere all that is free."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        return next(int(entry.split()[1]) * 1024 for entry in text.splitlines() if entry.startswith(f"{line}:"))
    except (OSError, StopIteration):
        pages = (
            "SC_PHYS_PAGES" if line == "MemTotal" or "SC_AVPHYS_PAGES" not in os.sysconf_names else "SC_AVPHYS_PAGES"
        )
        return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def free_memory(device: str) -> int:
    """Bytes that new tensors may take; on a GPU with what torch's allocator has, and does not use."""
    if device == "cpu":
        return host_memory("MemAvailable")
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return torch.cuda.mem_get_info()[0] + unused


def named(kind: str) -> str:
    """The GPU here as the table of devices has it, or ``cuda`` if it does not; ``cpu`` as it is."""
    return (known_as(torch.cuda.get_device_name()) or kind) if kind == "cuda" else kind


def resolve(device: str) -> str:
    """``cpu`` or ``cuda`` of ``auto``, ``cpu``, ``cuda``, or what the GPU here is called in the table of devices.

    Raises:
        UsageError: there is no CUDA device, or it is another one.
    """
    if device in DEVICES:
        here = named(resolve("cuda"))
        if here != device:
            raise UsageError(f"what runs here runs on {torch.cuda.get_device_name()}, not on {DEVICES[device].name}")
        return "cuda"
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("there is no CUDA device here; --device cpu works")
    return ("cuda" if there else "cpu") if device == "auto" else device


def measure_peaks(
    device: str, precisions: Iterable[str], *, seconds: float = 2.0, clock: Clock | None = None
) -> Ceilings:
    """The ceilings as this machine shows them: the best of several products of large matrices, and of large copies.

    Args:
        seconds: for each of them.

    Raises:
        UsageError: a precision that does not run here.
    """
    clock = clock or clock_of(device)
    flops = {}
    for precision in map(precision_of, precisions):
        number = precision.runs("how fast it is").multiplied[0]
        flops[number] = _product_rate(device, precision, seconds, clock)
        if "tf32" in precision.convolved and "tf32" not in flops and _has_tf32(device):
            flops["tf32"] = _product_rate(device, precision_of("tf32"), seconds, clock)
    title = machine(device).title
    bandwidth = _copy_rate(device, seconds, clock)
    source = "measured: square products, and copies"
    return Ceilings(title, flops, bandwidth, source, cache_of(device), kind=device)


def _has_tf32(device: str) -> bool:
    return device == "cuda" and torch.cuda.get_device_capability() >= (8, 0)


def cache_of(device: str) -> int:
    """Bytes of the cache that all cores share: a GPU's L2, a CPU's last one; 0 where the system does not say."""
    if device == "cuda":
        return int(torch.cuda.get_device_properties().L2_cache_size)
    sizes = [_kibibytes(place) for place in sorted(_CACHES.glob("index*/size"))]
    return 1024 * max(sizes, default=0)


def _kibibytes(place: Path) -> int:
    text = place.read_text(encoding="ascii").strip()
    return int(text[:-1]) * {"K": 1, "M": 1024}[text[-1]]


def _product_rate(device: str, precision: Precision, seconds: float, clock: Clock) -> float:
    floating = torch_type(precision.narrowest)
    rate = 0.0
    with arithmetic(precision, device), torch.no_grad():
        for side in _SIDES[device]:
            a, b = (torch.rand(side, side, device=device).to(floating) for _ in range(2))
            out = torch.empty_like(a)
            took = _best(partial(torch.mm, a, b, out=out), seconds / len(_SIDES[device]), clock)
            rate = max(rate, 2 * side**3 / took)
            if took > _LONG:
                break
    return rate


def _copy_rate(device: str, seconds: float, clock: Clock) -> float:
    size = _COPIED[device]
    source = torch.ones(size // 4, device=device)
    target = torch.ones_like(source)
    return 2 * size / _best(lambda: target.copy_(source), seconds, clock)  # each byte is read, and written


def _best(work: Callable[[], Any], seconds: float, clock: Clock) -> float:
    """Seconds of the fastest run."""
    marks = []

    def once() -> None:
        begin = clock.mark()
        work()
        marks.append((begin, clock.mark()))
        clock.wait()

    once()  # warm-up: threads, code, workspaces
    marks.clear()
    rounds(once, seconds, least=_LEAST)
    return min(clock.seconds(*pair) for pair in marks)
