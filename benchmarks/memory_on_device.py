"""Hold predicted peak memory against a device: ``python benchmarks/memory_on_device.py --out reports/memory_NAME.csv``.

On a CUDA device the peak of the second training step is ``torch.cuda.max_memory_allocated()``: 20 designs, two batches,
two optimizers, float32 and bf16-mixed, in one run of a few minutes (``--minutes``). What cuDNN takes for its workspaces
is measured layer by layer beforehand, on each convolution alone, and stands in a column of its own: ``predicted`` is
without it, ``with_workspace`` with it. Runs that do not fit, and those that no time is left for, are told and left out.

``--fits FILE`` holds the largest batch against the device's own allocator: under a limit
(``torch.cuda.set_per_process_memory_fraction``) the predicted batch is trained for five steps, and so is one that is
larger by a twentieth, which should run out of memory.

On the CPU (``--device cpu``) the peak is what the allocator's events add up to in torch's profiler, with all that the
kernels take for themselves; it shows that the script works, and is no figure to quote.
"""

from __future__ import annotations

import csv
import gc
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import click
import torch
from torch.profiler import ProfilerActivity, profile

import archscope
from archscope.analysis.step.fit import largest_batch
from archscope.analysis.step.memory import Memory
from archscope.backends.torch.build import build, inputs
from archscope.design import Design
from archscope.setting import Setting

DESIGNS = (
    "alexnet", "vgg11", "vgg16", "googlenet", "inception_v3", "resnet18", "resnet50", "resnet101", "wide_resnet50_2",
    "resnext50_32x4d", "densenet121", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "shufflenet_v2_x1_0",
    "squeezenet1_1", "mnasnet1_0", "xception", "unet", "vit_b_16",
)  # fmt: skip
BATCHES, PRECISIONS = (8, 32), ("float32", "bf16-mixed")
OPTIMIZERS: dict[str, Any] = {
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.01, momentum=0.9),
    "adam": torch.optim.Adam,
}
COLUMNS = (
    "machine", "torch", "design", "batch", "optimizer", "precision", "predicted", "measured", "error",
    "workspace", "with_workspace", "error_with_workspace",
)  # fmt: skip
FITTED, LIMIT, STEPS = ("alexnet", "vgg16", "resnet18", "resnet50", "densenet121", "mobilenet_v2"), 12 * 2**30, 5
_FITTING = 0.3  # of the time
FIT_COLUMNS = ("machine", "torch", "design", "precision", "limit", "largest", "ran", "larger", "larger_ran")


def machine(device: str) -> str:
    """The device in words."""
    return torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()


def kind(device: str) -> str:
    """The device as ``archscope memory`` calls it: Hopper has a larger workspace of cuBLAS."""
    if device == "cpu":
        return "cpu"
    return "h100" if torch.cuda.get_device_capability() >= (9, 0) else "cuda"


class Step:
    """A design in training: what a user's loop does."""

    def __init__(self, design: Design, batch: int, optimizer: str, precision: str, device: str) -> None:
        self.network = build(design, device=device).train()
        self.given = inputs(design, batch, device)
        self.optimizer = OPTIMIZERS[optimizer]([p for p in self.network.parameters() if p.requires_grad])
        self.lower = torch.autocast(device, torch.bfloat16, enabled=precision != "float32")
        with torch.no_grad():
            result = self.network(*self.given)
        self.targets = [
            torch.zeros(one.shape[0], *one.shape[2:], dtype=torch.int64, device=device) for one in _results(result)
        ]

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        with self.lower:
            loss = self._loss(self.network(*self.given))
        loss.backward()
        self.optimizer.step()

    def _loss(self, result: Any) -> torch.Tensor:
        pairs = zip(_results(result), self.targets, strict=True)
        losses = [torch.nn.functional.cross_entropy(one, target) for one, target in pairs]
        total = losses[0]
        for other in losses[1:]:
            total = total + other
        return total


def _results(result: Any) -> list[torch.Tensor]:
    return list(result.values()) if isinstance(result, dict) else [result]


def measured(step: Step, device: str) -> int:
    """Bytes at the peak of the second step."""
    step()
    step.optimizer.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    standing = [*step.network.parameters(), *step.network.buffers(), *step.given, *step.targets]
    standing += [v for state in step.optimizer.state.values() for v in state.values() if torch.is_tensor(v)]
    with profile(profile_memory=True, activities=[ProfilerActivity.CPU]) as record:
        step()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = most = sum(tensor.nbytes for tensor in standing)
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return most


def workspaces(design: Design, batch: int, precision: str) -> dict[str, int]:
    """What cuDNN takes for itself in each convolution, forward or backward, measured on the layer alone."""
    known: dict[Any, int] = {}
    found = {}
    for one in design.steps(batch):
        if one.layer.op.category == "conv":
            key = (one.layer.op, one.x[0].shape)
            if key not in known:
                known[key] = _workspace(one.layer.op.module(torch, *one.x), one.x[0].shape, precision)
            found[one.layer.name] = known[key]
    return found


def _workspace(module: Any, shape: tuple[int, ...], precision: str) -> int:
    lower = torch.bfloat16 if precision != "float32" else torch.float32
    module = module.to("cuda", lower)
    x = torch.rand(shape, device="cuda", dtype=lower, requires_grad=True)
    module(x).sum().backward()
    x.grad = None
    module.zero_grad()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    y = module(x)
    torch.cuda.synchronize()
    forward = torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()
    gradient = torch.ones_like(y)
    torch.cuda.reset_peak_memory_stats()
    y.backward(gradient)
    torch.cuda.synchronize()
    backward = torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()
    assert torch.cuda.memory_allocated() >= before
    return max(forward, backward, 0)


def with_workspaces(ledger: Memory, taken: dict[str, int]) -> int:
    """The predicted peak with what each convolution takes for itself while it runs."""
    assert ledger.cuda is not None
    most = max(moment.live + taken.get(moment.layer, 0) for moment in ledger.timeline)
    return ledger.cuda.allocated + most - ledger.training


def rows(designs: tuple[str, ...], batches: tuple[int, ...], device: str, end: float) -> Iterator[dict[str, Any]]:
    """A row for each run, as long as there is time: all designs in one setting, then in the next."""
    settings = [(b, o, p) for b in batches for p in PRECISIONS for o in OPTIMIZERS]
    with click.progressbar(length=len(designs) * len(settings), file=sys.stderr) as bar:
        for batch, optimizer, precision in settings:
            for name in designs:
                bar.update(1)
                what = f"\n{name}, batch {batch}, {optimizer}, {precision}"
                if time.perf_counter() > end:
                    click.echo(f"{what}: no time is left", err=True)
                    continue
                try:
                    yield _row(archscope.load(name), name, batch, optimizer, precision, device)
                except torch.cuda.OutOfMemoryError:
                    click.echo(f"{what}: does not fit", err=True)


def fits(designs: tuple[str, ...], limit: int, end: float) -> Iterator[dict[str, Any]]:
    """For each design and precision whether the largest batch within a limit trains, and whether a larger one does."""
    torch.cuda.set_per_process_memory_fraction(limit / torch.cuda.mem_get_info()[1])
    for name in designs:
        design = archscope.load(name)
        for precision in PRECISIONS:
            if time.perf_counter() > end:
                click.echo(f"{name}, {precision}: no time is left", err=True)
                continue
            setting = Setting(optimizer="momentum", precision=precision, device=kind("cuda"))
            largest = largest_batch(design, setting, limit=limit) or 0
            larger = largest + max(1, largest // 20)
            ran = [_trains(design, batch, precision) for batch in (largest, larger)]
            values = (machine("cuda"), torch.__version__, name, precision, limit, largest, ran[0], larger, ran[1])
            yield dict(zip(FIT_COLUMNS, values, strict=True))
    torch.cuda.set_per_process_memory_fraction(1.0)


def _trains(design: Design, batch: int, precision: str) -> bool:
    gc.collect()
    torch.cuda.empty_cache()
    try:
        step = Step(design, batch, "momentum", precision, "cuda")
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize()
    except torch.cuda.OutOfMemoryError:
        return False
    return True


def _row(design: Design, name: str, batch: int, optimizer: str, precision: str, device: str) -> dict[str, Any]:
    ledger = archscope.memory(design, batch=batch, optimizer=optimizer, precision=precision, device=kind(device))
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
        taken = workspaces(design, batch, precision)
        torch.cuda.empty_cache()
    peak = measured(Step(design, batch, optimizer, precision, device), device)
    plain = ledger.training if ledger.cuda is None else ledger.cuda.allocated
    more = plain if ledger.cuda is None else with_workspaces(ledger, taken)
    values = (
        machine(device), torch.__version__, name, batch, optimizer, precision, plain, peak, plain / peak - 1,
        more - plain, more, more / peak - 1,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


@click.command()
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
@click.option("--design", "designs", multiple=True, help="Only these.")
@click.option("--batch", "batches", type=int, multiple=True, help="Only these.")
@click.option("--minutes", type=float, default=9.0, show_default=True, help="For all.")
@click.option("--out", type=click.File("w"), default="-", help="A CSV file.")
@click.option("--fits", "fits_out", type=click.File("w"), help="A CSV file for largest batches, held against a limit.")
def main(
    device: str, designs: tuple[str, ...], batches: tuple[int, ...], minutes: float, out: Any, fits_out: Any
) -> None:
    """Measure, compare, write."""
    if device == "cuda" and not torch.cuda.is_available():
        raise click.UsageError("there is no CUDA device here; --device cpu tries the script")
    if fits_out is not None and device == "cpu":
        raise click.UsageError("--fits needs a CUDA device, whose allocator it is about")
    begin = time.perf_counter()
    end = begin + 60 * minutes
    if fits_out is not None:
        table = csv.DictWriter(fits_out, FIT_COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in fits(designs or FITTED, LIMIT, begin + 60 * minutes * _FITTING):
            table.writerow(row)
            fits_out.flush()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    errors = []
    for row in rows(designs or DESIGNS, batches or BATCHES, device, end):
        writer.writerow(row)
        out.flush()
        errors.append(abs(row["error_with_workspace"]))
    if errors:
        took = time.perf_counter() - begin
        median = statistics.median(errors)
        click.echo(f"{len(errors)} runs in {took:.0f} s: median error {median:.2%}, worst {max(errors):.2%}", err=True)


if __name__ == "__main__":
    main()
