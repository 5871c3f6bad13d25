"""Predicted and measured times, and calibrations, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from archscope.analysis.roofline import Prediction
from archscope.analysis.traffic import Part
from archscope.report.terminal import grid
from archscope.report.text import binary, duration, short

if TYPE_CHECKING:
    from archscope.analysis.calibration import Calibration
    from archscope.backends.torch.machine import Machine
    from archscope.backends.torch.profile import Profile, Timed

_NOTE = {
    True: "estimates, from the measured speed of each kind of layer",
    False: "bounds: no step is faster if all bytes pass through memory; `archscope calibrate` makes estimates of them",
}


def _title(name: str) -> str:
    return click.style(name, bold=True)


def _line(title: str, value: str, note: str = "") -> str:
    return f"{title:12} {value:>12}" + (f"   {note}" if note else "")


def _share(part: float, whole: float | None) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _per_second(samples: float) -> str:
    return f"{samples:.3g} samples/s" if samples < 1000 else f"{short(samples)} samples/s"


# -- predictions ---


def prediction_text(found: Prediction, *, top: int, every: bool = False) -> str:
    """Totals, then the layers that take longest (or all, in order)."""
    ceilings, work = found.ceilings, found.work
    head = f"batch {found.batch}, {found.dtype}, {found.mode} on {ceilings.name}"
    lines = [f"{_title(found.design.name)}   {head}", ""]
    throughput = _per_second(found.batch / found.seconds) if found.seconds else ""
    most = "" if found.calibrated else "at most "
    lines.append(_line("step", duration(found.seconds), f"{found.label}; {most}{throughput}"))
    if found.mode == "train":
        lines.append(_line("  forward", duration(found.forward), "with the loss"))
        lines.append(_line("  backward", duration(found.backward)))
        lines.append(_line("  update", duration(found.seconds - found.forward - found.backward)))
    limits = ", ".join(f"{limit} {_share(took, found.seconds)}" for limit, took in found.limited().items() if took)
    lines.append(_line("work", short(work.flops, "FLOP"), f"{short(work.bytes, 'B')} moved in {work.calls:,} calls"))
    lines += [_line("limited by", "", limits), "", _prediction_table(found, top, every=every), ""]
    flops = ", ".join(f"{number} {short(peak, 'FLOP/s')}" for number, peak in ceilings.flops.items())
    notes = [_NOTE[found.calibrated], f"peaks: {flops}; memory {short(ceilings.bandwidth, 'B/s')}", ceilings.source]
    return "\n".join([*lines, *(click.style(note, dim=True) for note in notes)])


def _prediction_table(found: Prediction, top: int, *, every: bool) -> str:
    parts = list(found.parts) if every else sorted(found.parts, key=lambda one: -one.seconds)[:top]
    rows = [
        [
            *_named(one.part),
            duration(one.forward.seconds),
            duration(one.backward.seconds),
            _share(one.seconds, found.seconds),
            _share((one.part.forward + one.part.backward).flops, found.work.flops),
            one.limit,
        ]
        for one in parts
    ]
    titles = ["layer", "op", "forward", "backward", "time", "work", "limited by"]
    return grid(titles, rows, [True, True, False, False, False, False, True]) + _rest(len(found.parts), len(parts))


def _named(part: Part) -> list[str]:
    return [part.name, part.op]


def _rest(there: int, shown: int) -> str:
    return f"\nand {there - shown} more; `--layers` shows all" if shown < there else ""


# -- profiles ---


def profile_text(found: Profile, *, top: int, every: bool = False) -> str:
    """Totals, then the layers that take longest against those that have most work, then the machine."""
    setting = found.setting
    more = ", channels last" if setting.channels_last else ""
    more += ", compiled" if found.compiled else ""
    head = f"batch {setting.batch}, {setting.dtype}, {setting.mode}{more} on {found.machine.title}"
    lines = [f"{_title(found.design.name)}   {head}", "", *_times(found), "", *_rates(found), "", *_memory(found), ""]
    if every or top:
        lines += [_profile_table(found, top, every=every), ""]
    lines.append(_sum_line(found))
    return "\n".join([*lines, "", *(click.style(line, dim=True) for line in machine_lines(found.machine))])


def _times(found: Profile) -> Iterable[str]:
    step = found.whole["step"]
    each = f"{_per_second(found.throughput)}; median of {step.runs} runs, half of them within {duration(step.spread)}"
    yield _line("step", duration(step.median), each)
    for phase in ("forward", "backward", "update") if len(found.whole) > 2 else ():
        note = "with the loss" if phase == "forward" else ""
        yield _line(f"  {phase}", duration(found.whole[phase].median), note)
    prediction = found.prediction
    if prediction is None:
        yield _line("predicted", "", "no ceilings are known here; --measure-peak, or `archscope calibrate`, finds them")
    elif found.error is None:
        yield _line(
            "at least", duration(prediction.seconds), f"{_share(prediction.seconds, found.seconds)} of the time"
        )
    else:
        yield _line("estimate", duration(prediction.seconds), f"{found.error:+.1%} off")


def _rates(found: Profile) -> Iterable[str]:
    peak, ceilings = found.peak, found.ceilings
    known = peak is not None and ceilings is not None
    of_peak = f"{_share(found.flops, peak)} of {short(peak, 'FLOP/s')}" if peak else ""
    yield _line("work", short(found.work.flops, "FLOP"), "of contractions, 2 x MACs")
    yield _line("  achieved", short(found.flops, "FLOP/s"), of_peak)
    of_band = f"{_share(found.bandwidth, ceilings.bandwidth)} of {short(ceilings.bandwidth, 'B/s')}" if ceilings else ""
    yield _line("moved", short(found.work.bytes, "B"), "at least")
    yield _line("  achieved", short(found.bandwidth, "B/s"), of_band)
    if known and ceilings is not None:
        yield _line("  ceilings", "", ceilings.source)


def _memory(found: Profile) -> Iterable[str]:
    yield _line("memory", binary(found.measured_memory), "measured at the peak of a step")
    off = found.measured_memory / found.predicted_memory - 1
    yield _line(
        "  predicted",
        binary(found.predicted_memory),
        f"the measured is {off:+.2%} of it, with what kernels take for themselves",
    )


def _profile_table(found: Profile, top: int, *, every: bool) -> str:
    total, flops = found.sum_of_parts, found.work.flops
    ranked = sorted(found.parts, key=lambda one: -one.seconds)
    parts = list(found.parts) if every else ranked[:top]
    rows = [_profile_row(one, total, flops) for one in parts]
    titles = ["layer", "op", "forward", "backward", "time", "work", "FLOP/s", "B/s"]
    left = [True, True, *(False,) * 6]
    if found.prediction is not None:
        titles.append(found.prediction.label)
        left.append(False)
    return grid(titles, rows, left) + _rest(len(found.parts), len(parts)) + _hardest(found, top)


def _profile_row(one: Timed, total: float, flops: int) -> list[str]:
    work = one.part.forward + one.part.backward
    row = [
        *_named(one.part),
        duration(one.forward.median),
        duration(one.backward.median) if one.backward is not None else "",
        _share(one.seconds, total),
        _share(work.flops, flops),
        short(work.flops / one.seconds) if work.flops else "",
        short(work.bytes / one.seconds) if work.bytes else "",
    ]
    return row if one.predicted is None else [*row, duration(one.predicted.seconds)]


def _hardest(found: Profile, top: int) -> str:
    """Where the order by work is another than the order by time."""
    ranked = sorted(found.parts, key=lambda one: -one.seconds)
    working = [one for one in found.parts if one.part.forward.flops]
    hardest = sorted(working, key=lambda one: -(one.part.forward + one.part.backward).flops)[: min(top, 5)]
    if not hardest:
        return ""
    names = ", ".join(f"{one.part.name} ({_ordinal(ranked.index(one) + 1)} by time)" for one in hardest)
    return f"\n\nmost work: {names}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _sum_line(found: Profile) -> str:
    what = "the whole" if not found.compiled else "the compiled whole (layer by layer it is not compiled)"
    return (
        f"the layers take {duration(found.sum_of_parts)} one by one, {found.sum_of_parts / found.seconds:.1%} of {what}"
    )


def machine_lines(here: Machine) -> list[str]:
    """The machine in words."""
    cores, threads = (f"{n} {what}{'s' * (n != 1)}" for n, what in ((here.cores, "core"), (here.threads, "thread")))
    lines = [f"{here.cpu}, {cores}, {threads}, {binary(here.memory)}"]
    if here.gpu:
        versions = f"driver {here.driver}, CUDA {here.cuda}, cuDNN {here.cudnn}"
        lines.append(f"{here.gpu}, {binary(here.gpu_memory)}, {versions}")
    lines.append(f"torch {here.torch}, Python {here.python}, archscope {here.archscope}, {here.os}; {here.date}")
    return lines


# -- calibrations ---


def calibration_text(found: Calibration) -> str:
    """The ceilings of a device, and the share of them that each kind of layer achieves."""
    ceilings = found.ceilings
    lines = [_title(found.device), ""]
    lines += [_line(number, short(peak, "FLOP/s"), "products") for number, peak in ceilings.flops.items()]
    lines.append(_line("memory", short(ceilings.bandwidth, "B/s"), "copies, read and written"))
    lines += [_line(f"a call {phase}", duration(cost)) for phase, cost in found.launch.items()]
    for dtype, phases in found.efficiency.items():
        ahead, back = phases["forward"], phases["backward"]
        rows = [[kind, f"{share:.1%}", f"{back[kind]:.1%}" if kind in back else ""] for kind, share in ahead.items()]
        lines += ["", grid([f"{dtype}: share of the ceiling", "forward", "backward"], rows, [True, False, False])]
    return "\n".join(lines)
