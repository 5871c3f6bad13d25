"""What the reports on times share: the columns of the parts of a step, ceilings, the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archscope.analysis.time.estimates import Estimate
from archscope.analysis.time.roofline import Bound, Prediction
from archscope.errors import counted
from archscope.figures import FIGURES, Figure, fields_of
from archscope.report import schema as js
from archscope.report.base import Field
from archscope.report.text import binary, short
from archscope.setting import Setting

if TYPE_CHECKING:
    from archscope.backends.torch.machine import Machine

#: names of figures, each with its unit (text has none) and what it is
Columns = dict[str, tuple[str, str]]

_CALCULATED = "time, at least or estimated (as the label says),"
_FORWARD, _BACKWARD = "of the forward pass", "of the backward pass"
#: the columns of the parts of a step, with unit and convention
WORK: Columns = {
    "name": ("", "the layer, or `the loss`, or `the update`"),
    "op": ("", "kind of the layer"),
    "kind": ("", "kind of the work, as calibrations tell it apart"),
    "forward_flops": ("FLOPs", f"2 x MACs {_FORWARD}"),
    "forward_bytes": ("bytes", f"read and written {_FORWARD}"),
    "forward_calls": ("calls", f"kernels {_FORWARD}"),
    "backward_flops": ("FLOPs", f"2 x MACs {_BACKWARD}"),
    "backward_bytes": ("bytes", f"read and written {_BACKWARD}"),
    "backward_calls": ("calls", f"kernels {_BACKWARD}"),
}
PREDICTED: Columns = {
    "forward_seconds": ("seconds", f"{_CALCULATED} {_FORWARD}"),
    "backward_seconds": ("seconds", f"{_CALCULATED} {_BACKWARD}"),
    "limit": ("", "what limits the longer pass: compute, memory, launch, or none"),
}
TIMED: Columns = {
    "forward_median": ("seconds", f"median time {_FORWARD}"),
    "forward_spread": ("seconds", f"within which half of the times {_FORWARD} lie"),
    "backward_median": ("seconds", f"median time {_BACKWARD}; none where no gradient passes"),
    "backward_spread": ("seconds", f"within which half of the times {_BACKWARD} lie"),
    "runs": ("runs", "how often it was timed"),
    "calculated": ("seconds", f"{_CALCULATED} of both passes; none where no ceilings are known"),
}
MACHINE: Columns = {
    "device": ("", "cpu or cuda"),
    "cpu": ("", "the processor"),
    "cores": ("cores", "that the process may use"),
    "threads": ("threads", "that torch uses"),
    "memory": ("bytes", "of the host"),
    "gpu": ("", "the GPU; empty where the CPU is measured"),
    "gpu_memory": ("bytes", "of the GPU"),
    "driver": ("", "version of the GPU's driver"),
    "cuda": ("", "version of CUDA"),
    "cudnn": ("", "version of cuDNN"),
    "torch": ("", "version of PyTorch"),
    "python": ("", "version of Python"),
    "archscope": ("", "version of archscope"),
    "os": ("", "the operating system"),
    "date": ("", "when, in UTC"),
}
#: those of the columns above that are neither text nor plain numbers
TYPES: dict[str, js.Schema] = {
    "limit": js.chosen((*Bound._fields, "none")),
    "backward_median": js.nullable(js.number()),
    "backward_spread": js.nullable(js.number()),
    "calculated": js.nullable(js.number()),
}


def seconds(about: str) -> js.Schema:
    """The schema of a time."""
    return js.number(about, "seconds")


CEILINGS = js.record(
    {
        "name": js.text("of the device"),
        "flops": js.mapping(js.number("", "FLOP/s"), "by number type: float32, tf32, bfloat16, float16, float64"),
        "bandwidth": js.number("of its memory, read and written together", "bytes/s"),
        "source": js.text("who says so"),
        "cache": js.size("of the cache that all its cores share"),
        "clock": js.number("highest clock, relative to the one that the FLOP/s are at", "ratio"),
        "kind": js.text("cpu or cuda"),
    }
)
PREDICTION: dict[str, js.Schema] = {
    "label": js.chosen(("estimate", "at least"), "what the times are: estimates, or bounds"),
    "granted": js.many(js.text("what the bound grants"), "nothing where it is an estimate"),
    "seconds": seconds("of the step"),
    "forward": seconds("of the forward pass, with the loss"),
    "backward": seconds("of the backward pass"),
    "update": seconds("of the optimizer's update; the three add up to the step"),
    "limited_by": js.record({name: seconds(f"of the passes that {name} limits") for name in Bound._fields}),
    "ceilings": CEILINGS,
    "estimate": js.nullable(
        js.record(
            {
                "seconds": seconds("of the step, estimated by published timings of other networks"),
                "median": js.number("of the relative errors of networks whose family was left out, half are below"),
                "ninetieth": js.number("and nine tenths are below"),
                "networks": js.count(),
                "source": js.text("where the timings are published"),
                "batches": js.many(js.count(), "the smallest and the largest of them"),
            },
            about="beside a bound; none where no such timings are fitted",
        )
    ),
}


def fields(columns: Columns) -> tuple[Field, ...]:
    """Columns as records have them."""
    return tuple(Field(name, unit) for name, (unit, _) in columns.items())


def predicted(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain data, its setting and its parts aside."""
    return {
        "label": prediction.label,
        "granted": list(prediction.granted),
        "seconds": prediction.seconds,
        "forward": prediction.forward,
        "backward": prediction.backward,
        "update": prediction.update,
        "limited_by": prediction.limited(),
        "ceilings": {**prediction.ceilings._asdict(), "flops": dict(prediction.ceilings.flops)},
        "estimate": None if prediction.estimate is None else _estimated(prediction.estimate),
    }


def _estimated(estimate: Estimate) -> dict[str, Any]:
    fit = estimate.fit
    values = {name: getattr(fit, name) for name in ("median", "ninetieth", "networks", "source")}
    return {"seconds": estimate.seconds, **values, "batches": list(fit.batches)}


def machine_schema() -> js.Schema:
    """The schema of where something was measured."""
    return js.record(js.columns(MACHINE, TYPES), about="where it was measured")


def run(setting: Setting, place: str, *, measured: bool = False) -> str:
    """How a step is run that times are of, and where, in words; what was measured ran under the torch that is there."""
    shown = (name for name in fields_of(setting, [time_of(setting)]) if name != "device")
    return f"{setting.words(*(name for name in shown if not (measured and name == 'torch')), 'mode')} on {place}"


def time_of(setting: Setting) -> Figure:
    """The figure that the time of a step is, or of an inference."""
    return FIGURES["train_seconds" if setting.trains else "infer_seconds"]


def share(part: float, whole: float | None) -> float | None:
    """A part of a whole, where there is one."""
    return part / whole if whole else None


def per_second(samples: float) -> str:
    """A throughput."""
    return f"{samples:.3g} samples/s" if samples < 1000 else f"{short(samples)} samples/s"


def machine_lines(here: Machine) -> list[str]:
    """The machine in words."""
    cores, threads = (counted(n, what) for n, what in ((here.cores, "core"), (here.threads, "thread")))
    lines = [f"{here.cpu}, {cores}, {threads}, {binary(here.memory)}"]
    if here.gpu:
        versions = f"driver {here.driver}, CUDA {here.cuda}, cuDNN {here.cudnn}"
        lines.append(f"{here.gpu}, {binary(here.gpu_memory)}, {versions}")
    lines.append(f"torch {here.torch}, Python {here.python}, archscope {here.archscope}, {here.os}; {here.date}")
    return lines
