"""Bounds, estimates, measured times, and calibrations, for machines: CSV, plain data, and the schemas of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from archscope.analysis.estimates import Estimate
from archscope.analysis.roofline import Bound, Prediction
from archscope.design import Design, incomplete
from archscope.report import schema as js
from archscope.report import sheet
from archscope.setting.calibration import FORMAT

if TYPE_CHECKING:
    from archscope.backends.torch.profile import Profile
    from archscope.backends.torch.timing import Timing

#: names of figures, each with its unit (text has none) and what it is
Columns = dict[str, tuple[str, str]]

#: version of the JSON format; it changes when a reader of the old one would break
JSON_VERSION = 3

_CALCULATED = "time, at least or estimated (as the label says),"
_FORWARD, _BACKWARD = "of the forward pass", "of the backward pass"
#: the columns of the parts of a step, with unit and convention
_WORK: Columns = {
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
_PREDICTED: Columns = {
    "forward_seconds": ("seconds", f"{_CALCULATED} {_FORWARD}"),
    "backward_seconds": ("seconds", f"{_CALCULATED} {_BACKWARD}"),
    "limit": ("", "what limits the longer pass: compute, memory, launch, or none"),
}
_TIMED: Columns = {
    "forward_median": ("seconds", f"median time {_FORWARD}"),
    "forward_spread": ("seconds", f"within which half of the times {_FORWARD} lie"),
    "backward_median": ("seconds", f"median time {_BACKWARD}; none where no gradient passes"),
    "backward_spread": ("seconds", f"within which half of the times {_BACKWARD} lie"),
    "runs": ("runs", "how often it was timed"),
    "calculated": ("seconds", f"{_CALCULATED} of both passes; none where no ceilings are known"),
}
_SETTING: Columns = {
    "design": ("", "name of the design"),
    "device": ("", "cpu or cuda"),
    "batch": ("samples", "in a step"),
    "precision": ("", "of the numbers"),
    "mode": ("", "train: a step; infer: a forward pass"),
    "optimizer": ("", "whose update"),
    "channels_last": ("", "whether maps and kernels lie in torch's format of that name"),
    "compile": ("", "whether the whole ran under torch.compile"),
}
_MACHINE: Columns = {
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
_TYPES: dict[str, js.Schema] = {
    "limit": js.chosen((*Bound._fields, "none")),
    "backward_median": js.nullable(js.number()),
    "backward_spread": js.nullable(js.number()),
    "calculated": js.nullable(js.number()),
}


def _seconds(about: str) -> js.Schema:
    return js.number(about, "seconds")


_CEILINGS = js.record(
    {
        "name": js.text("of the device"),
        "flops": js.mapping(js.number("", "FLOP/s"), "by number type: float32, tf32, bf16, fp16"),
        "bandwidth": js.number("of its memory, read and written together", "bytes/s"),
        "source": js.text("who says so"),
        "cache": js.size("of the cache that all its cores share"),
        "clock": js.number("highest clock, relative to the one that the FLOP/s are at", "ratio"),
        "kind": js.text("cpu or cuda"),
    }
)
_PREDICTION: dict[str, js.Schema] = {
    "label": js.chosen(("estimate", "at least"), "what the times are: estimates, or bounds"),
    "granted": js.many(js.text("what the bound grants"), "nothing where it is an estimate"),
    "seconds": _seconds("of the step"),
    "forward": _seconds("of the forward pass, with the loss"),
    "backward": _seconds("of the backward pass"),
    "update": _seconds("of the optimizer's update; the three add up to the step"),
    "limited_by": js.record({name: _seconds(f"of the passes that {name} limits") for name in Bound._fields}),
    "ceilings": _CEILINGS,
    "estimate": js.nullable(
        js.record(
            {
                "seconds": _seconds("of the step, estimated by published timings of other networks"),
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


def prediction_csv(found: Prediction) -> str:
    """A row for each part of the step, times in seconds."""
    return _csv(found.design, _WORK | _PREDICTED, (one.record() for one in found.parts))


def _csv(design: Design, columns: Columns, records: Iterable[dict[str, Any]]) -> str:
    return sheet.to_csv(
        [(name, unit) for name, (unit, _) in columns.items()],
        ([one[name] for name in columns] for one in records),
        lacking=incomplete(design),
    )


def prediction_data(found: Prediction) -> dict[str, Any]:
    """A prediction as plain data, times in seconds."""
    content = {
        "design": found.design.name,
        "setting": found.setting.data(),
        **_predicted(found),
        "parts": [one.record() for one in found.parts],
    }
    return js.headed(JSON_VERSION, incomplete(found.design), content, found.design.warnings)


def prediction_schema() -> js.Schema:
    """The schema of :func:`prediction_data`."""
    about = {"design": js.text("name of the design"), "setting": js.setting()}
    parts = js.many(js.record(js.columns(_WORK | _PREDICTED, _TYPES)), "of the step, in order")
    return js.document("predict", JSON_VERSION, {**about, **_PREDICTION, "parts": parts})


def _predicted(found: Prediction) -> dict[str, Any]:
    return {
        "label": found.label,
        "granted": list(found.granted),
        "seconds": found.seconds,
        "forward": found.forward,
        "backward": found.backward,
        "update": found.update,
        "limited_by": found.limited(),
        "ceilings": {**found.ceilings._asdict(), "flops": dict(found.ceilings.flops)},
        "estimate": None if found.estimate is None else _estimated(found.estimate),
    }


def _estimated(found: Estimate) -> dict[str, Any]:
    fit = found.fit
    told = {name: getattr(fit, name) for name in ("median", "ninetieth", "networks", "source")}
    return {"seconds": found.seconds, **told, "batches": list(fit.batches)}


def profile_csv(found: Profile) -> str:
    """A row for each part of the step, times in seconds; then what was run, and where."""
    place = {"design": found.design.name, **found.setting.data(), **found.machine.as_data()}
    return _csv(found.design, _WORK | _TIMED | _SETTING | _MACHINE, ({**one.record(), **place} for one in found.parts))


def profile_data(found: Profile) -> dict[str, Any]:
    """A profile as plain data, times in seconds."""
    content = {
        "design": found.design.name,
        "setting": found.setting.data(),
        "whole": {phase: _timing(one) for phase, one in found.whole.items()},
        "sum_of_parts": found.sum_of_parts,
        "throughput": found.throughput,
        "flops": found.flops,
        "bandwidth": found.bandwidth,
        "memory": {"measured": found.measured_memory, "predicted": found.predicted_memory},
        "prediction": None if found.prediction is None else {**_predicted(found.prediction), "error": found.error},
        "machine": found.machine.as_data(),
        "parts": [one.record() for one in found.parts],
    }
    return js.headed(JSON_VERSION, incomplete(found.design), content, found.design.warnings)


def profile_schema() -> js.Schema:
    """The schema of :func:`profile_data`."""
    timing = js.record(
        {"median": _seconds("median"), "spread": _seconds("within which half of the times lie"), "runs": js.count()}
    )
    error = js.nullable(js.number("by which an estimate is off, relative to the time measured; a bound has none"))
    fields = {
        "design": js.text("name of the design"),
        "setting": js.setting(),
        "whole": js.mapping(timing, "by phase: forward (in training with the loss), backward, update, step"),
        "sum_of_parts": _seconds("of all parts, each timed alone"),
        "throughput": js.number("achieved", "samples/second"),
        "flops": js.number("achieved", "FLOP/s"),
        "bandwidth": js.number("achieved, of the bytes that have to be moved", "bytes/s"),
        "memory": js.record(
            {
                "measured": js.size("at the peak of a step"),
                "predicted": js.size("without what kernels take for themselves"),
            }
        ),
        "prediction": js.nullable(js.record({**_PREDICTION, "error": error}, about="none where no ceilings are known")),
        "machine": machine_schema(),
        "parts": js.many(js.record(js.columns(_WORK | _TIMED, _TYPES)), "of the step, in order"),
    }
    return js.document("profile", JSON_VERSION, fields)


def machine_schema() -> js.Schema:
    """The schema of where something was measured."""
    device = {"device": _SETTING["device"]}
    return js.record(js.columns(device | _MACHINE, _TYPES), about="where it was measured")


def _timing(one: Timing) -> dict[str, float]:
    return {"median": one.median, "spread": one.spread, "runs": one.runs}


def calibration_schema() -> js.Schema:
    """The schema of a calibration as it is stored."""
    shares = js.mapping(js.number("", "share"), "by kind of layer")
    kinds = js.mapping(shares, "by pass: forward, backward")
    fields = {
        "device": js.text("the processor, or what torch.cuda.get_device_name() says"),
        "ceilings": _CEILINGS,
        "efficiency": js.mapping(kinds, "share of a ceiling that a kind of layer achieves, by precision"),
        "launch": js.mapping(_seconds("that a call costs at least"), "by pass"),
        "machine": machine_schema(),
    }
    return js.titled("calibrate", js.record({"format": js.version_is(FORMAT), **fields}))
