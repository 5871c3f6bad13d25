"""A sweep of 10^7 ResNet-50-like designs, against building them on the meta device and counting with torch, one by one.

    pytest benchmarks/test_sweep.py -n 0 --benchmark-enable

prints a table, and holds what is required of two cores: 200,000 designs a second, 10,000 times the peer's rate in the
same run, and less than 1 GB. It takes some minutes, and needs a machine that does nothing else.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import archscope
from archscope.sweeps.planning import planned
from archscope.sweeps.sweeping import LARGE, Task, evaluate
from benchmarks.models import RESNET50_PARAMS
from benchmarks.resnets import RESNET50, SPEC, VARY, by_hand, by_torch

COLUMNS = ("params", "macs", "activations")
MACS = 4_089_184_256  # of ResNet-50, published by torchvision
DESIGNS = 10**7
#: drawn for the peers, which count them one by one
FEW, MANY = 30, 3000
RATE, RATIO, BYTES = 200_000, 10_000, 10**9

#: runs a command and tells how long it took, and the peak memory of its largest process; itself small and fresh, for
#: a process begins with the peak of the one that started it
WATCH = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - begin
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([seconds, unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


class Watched(NamedTuple):
    """A sweep as a command.

    Attributes:
        seconds: of the whole process; and without its start, as it tells them.
        bytes: the peak of its largest process.
    """

    seconds: float
    sweeping: float
    bytes: int


def command(folder: Path, workers: int, *more: str) -> Watched:
    """Sweep the whole space."""
    (folder / "resnets.yaml").write_text(SPEC)
    told = folder / "told.json"
    varied = [text for name, values in VARY.items() for text in ("--vary", f"{name}={[*values]}")]
    asked = ["--columns", ",".join(COLUMNS), "--sort", "macs", "--workers", str(workers), "--json", str(told)]
    run = [sys.executable, "-m", "archscope", "sweep", str(folder / "resnets.yaml"), *varied, *asked, *more]
    out = subprocess.run([sys.executable, "-c", WATCH, *run], check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(out)
    found = json.loads(told.read_text())
    assert found["legal"] == DESIGNS
    return Watched(seconds, found["seconds"], peak)


def drawn(count: int) -> list[tuple[dict[str, int], tuple[int, ...]]]:
    """Some designs of the space, and what archscope says of each."""
    found = archscope.sweep(archscope.load(SPEC), VARY, columns=COLUMNS, sample=count)
    rows = zip(*(found.sample.columns[name].tolist() for name in COLUMNS), strict=True)
    return [(found.space.values(n), row) for n, row in zip(found.sample.numbers.tolist(), rows, strict=True)]


def rate(count: Callable[[Mapping[str, int]], Any], designs: Sequence[Mapping[str, int]]) -> float:
    """Designs a second."""
    begin = time.perf_counter()
    for values in designs:
        count(values)
    return len(designs) / (time.perf_counter() - begin)


def known_rate() -> float:
    """Designs a second of a part whose structures are known, in one process."""
    task = Task(planned(archscope.load(SPEC), vary=VARY, columns=COLUMNS, sort="macs"), everything=False)
    evaluate(task, 0, LARGE)
    found = []
    for _ in range(15):
        begin = time.perf_counter()
        evaluate(task, 0, LARGE)
        found.append(time.perf_counter() - begin)
    return LARGE / statistics.median(found)


def test_all_count_alike():
    assert by_hand(RESNET50)[:2] == by_torch(RESNET50) == (RESNET50_PARAMS, MACS)
    few, many = drawn(FEW), drawn(MANY)
    assert [by_torch(values) for values, _ in few] == [told[:2] for _, told in few]
    assert [by_hand(values) for values, _ in many] == [told for _, told in many]


@pytest.mark.benchmark(group="10^7 ResNet-50-like designs, whole process, two workers")
def test_required_speed_and_memory(benchmark, tmp_path, capsys):
    if benchmark.disabled:
        pytest.skip("it measures; add --benchmark-enable")
    two = benchmark.pedantic(command, (tmp_path, 2), rounds=1)
    one, written = command(tmp_path, 1), command(tmp_path, 1, "-o", str(tmp_path / "all.parquet"))
    few, many = ([values for values, _ in drawn(count)] for count in (FEW, MANY))
    peer, hand = rate(by_torch, few), rate(by_hand, many)
    lines = [
        ("one process, a part whose graphs are known", known_rate(), None),
        ("one process, 10^7 designs", DESIGNS / one.sweeping, None),
        ("one process, 10^7 designs, as a whole command", DESIGNS / one.seconds, one.bytes),
        ("the same, with all rows written to Parquet", DESIGNS / written.seconds, written.bytes),
        ("two workers, 10^7 designs", DESIGNS / two.sweeping, None),
        ("two workers, 10^7 designs, as a whole command", DESIGNS / two.seconds, two.bytes),
        ("in closed form by hand, for this family only", hand, None),
        ("built on the meta device, FlopCounterMode", peer, None),
    ]
    with capsys.disabled():
        print(f"\n{'':50}{'designs a second':>18}{'x torch':>10}{'peak memory':>13}")
        for what, found, peak in lines:
            print(
                f"{what:50}{found:18,.1f}{found / peer:10,.0f}{'' if peak is None else f'{peak / 1e6:10,.0f} MB':>13}"
            )
    assert DESIGNS / two.seconds >= RATE
    assert DESIGNS / two.seconds >= RATIO * peer
    assert max(one.bytes, two.bytes, written.bytes) < BYTES
