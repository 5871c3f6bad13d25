"""Bounds and estimates of times, measured ones, and calibrations, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from archscope.analysis.roofline import Prediction
from archscope.analysis.traffic import Part
from archscope.design import incomplete
from archscope.report.terminal import Cells, grid
from archscope.report.text import binary, duration, short
from archscope.setting import OF_TIME

if TYPE_CHECKING:
    from archscope.backends.torch.machine import Machine
    from archscope.backends.torch.profile import Profile, Timed
    from archscope.setting.calibration import Calibration

_NOTE = {
    True: "estimates, from the measured speed of each kind of layer",
    False: "bounds: no step is faster, granted that; `archscope calibrate` makes estimates of them",
}


def _title(name: str) -> str:
    return click.style(name, bold=True)


#: a figure: its title (two blanks before it if it is a part of the one above), its value, and a note
Fact = tuple[str, str, str]


def _line(title: str, value: str, note: str) -> str:
    return f"{title:12} {value:>12}" + (f"   {note}" if note else "")


def _share(part: float, whole: float | None) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _per_second(samples: float) -> str:
    return f"{samples:.3g} samples/s" if samples < 1000 else f"{short(samples)} samples/s"


# -- predictions ---


def prediction_text(found: Prediction, *, top: int, every: bool = False) -> str:
    """Totals, then the layers that take longest (or all, in order)."""
    facts = [_line(*fact) for fact in prediction_facts(found)]
    table = grid(*prediction_cells(found, top, every=every)) + _rest(len(found.parts), top, every=every)
    notes = [click.style(note, dim=True) for note in prediction_notes(found)]
    return "\n".join([f"{_title(found.design.title)}   {prediction_setting(found)}", "", *facts, "", table, "", *notes])


def prediction_setting(found: Prediction) -> str:
    """What the times are of, and under which assumptions on how torch runs it."""
    return found.setting.words(*OF_TIME)


def prediction_facts(found: Prediction) -> Iterator[Fact]:
    """The totals."""
    work = found.work
    throughput = _per_second(found.setting.batch / found.seconds) if found.seconds else ""
    most = f"{'' if found.calibrated else 'at most '}{throughput}" if throughput else ""
    yield "step", duration(found.seconds), f"{found.label}; {most}" if most else found.label
    if not found.calibrated:
        yield "  granted", "", ", ".join(found.granted)
        yield _estimate(found)
    if found.setting.trains:
        yield "  forward", duration(found.forward), "with the loss"
        yield "  backward", duration(found.backward), ""
        yield "  update", duration(found.update), ""
    yield "work", short(work.flops, "FLOP"), f"{short(work.bytes, 'B')} moved in {work.calls:,} calls"
    limits = ", ".join(f"{limit} {_share(took, found.seconds)}" for limit, took in found.limited().items() if took)
    yield "limited by", "", limits or "none"


def _estimate(found: Prediction) -> Fact:
    """About how long the step takes, by published timings."""
    one = found.estimate
    if one is None:
        return "estimate", "", "none: no published timings of such steps are fitted for this device"
    fit = one.fit
    errors = f"off by {fit.median:.0%} in half, by at most {fit.ninetieth:.0%} in 90% of networks of other families"
    outside = f"; fitted on batches of {fit.batches[0]:,} to {fit.batches[1]:,}" if one.outside else ""
    return "estimate", duration(one.seconds), f"{_per_second(found.setting.batch / one.seconds)}; {errors}{outside}"


def prediction_notes(found: Prediction) -> list[str]:
    """What the times are, from what, and what they lack."""
    ceilings = found.ceilings
    flops = ", ".join(f"{number} {short(peak, 'FLOP/s')}" for number, peak in ceilings.flops.items())
    peaks = f"peaks: {flops}; memory {short(ceilings.bandwidth, 'B/s')}"
    fitted = f"the estimate is fitted on {found.estimate.fit.source}" if found.estimate is not None else ""
    other = f"{found.setting.precision}: {found.mixed}" if found.mixed else ""
    return [_NOTE[found.calibrated], peaks, ceilings.source, *filter(None, [other, fitted, incomplete(found.design)])]


def prediction_cells(found: Prediction, top: int, *, every: bool = False) -> Cells:
    """The parts that take longest, or all in order."""
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
    return Cells(titles, rows, [True, True, False, False, False, False, True])


def _named(part: Part) -> list[str]:
    return [part.name, part.op]


def _rest(there: int, top: int, *, every: bool) -> str:
    return f"\nand {there - top} more; `--layers` shows all" if top < there and not every else ""


# -- profiles ---


def profile_text(found: Profile, *, top: int, every: bool = False) -> str:
    """Totals, then the layers that take longest against those that have most work, then the machine."""
    lines = [f"{_title(found.design.title)}   {profile_setting(found)}", ""]
    for facts in (_times, _rates, _memory):
        lines += [*(_line(*fact) for fact in facts(found)), ""]
    if every or top:
        table = grid(*profile_cells(found, top, every=every)) + _rest(len(found.parts), top, every=every)
        lines += [table + _hardest(found, top), ""]
    lines.append(sum_of_parts(found))
    return "\n".join([*lines, "", *(click.style(line, dim=True) for line in machine_lines(found.machine))])


def profile_setting(found: Profile) -> str:
    """What was timed."""
    timed = (name for name in OF_TIME if name not in ("torch", "device"))
    return f"{found.setting.words(*timed)} on {found.machine.title}"


def profile_facts(found: Profile) -> Iterator[Fact]:
    """The totals: times, rates, memory."""
    for facts in (_times, _rates, _memory):
        yield from facts(found)


def _times(found: Profile) -> Iterator[Fact]:
    step = found.whole["step"]
    each = f"{_per_second(found.throughput)}; median of {step.runs} runs, half of them within {duration(step.spread)}"
    yield ("step", duration(step.median), each)
    for phase in ("forward", "backward", "update") if len(found.whole) > 2 else ():
        note = "with the loss" if phase == "forward" else ""
        yield (f"  {phase}", duration(found.whole[phase].median), note)
    prediction = found.prediction
    if prediction is None:
        yield ("at least", "", "no ceilings are known here; --measure-peak, or `archscope calibrate`, finds them")
    elif found.error is None:
        yield ("at least", duration(prediction.seconds), f"{_share(prediction.seconds, found.seconds)} of the time")
    else:
        yield ("estimate", duration(prediction.seconds), f"{found.error:+.1%} off")


def _rates(found: Profile) -> Iterator[Fact]:
    peak, ceilings = found.peak, found.ceilings
    known = peak is not None and ceilings is not None
    of_peak = f"{_share(found.flops, peak)} of {short(peak, 'FLOP/s')}" if peak else ""
    yield ("work", short(found.work.flops, "FLOP"), "of contractions, 2 x MACs")
    yield ("  achieved", short(found.flops, "FLOP/s"), of_peak)
    of_band = f"{_share(found.bandwidth, ceilings.bandwidth)} of {short(ceilings.bandwidth, 'B/s')}" if ceilings else ""
    yield ("moved", short(found.work.bytes, "B"), "at least")
    yield ("  achieved", short(found.bandwidth, "B/s"), of_band)
    if known and ceilings is not None:
        yield ("  ceilings", "", ceilings.source)


def _memory(found: Profile) -> Iterator[Fact]:
    yield ("memory", binary(found.measured_memory), "measured at the peak of a step")
    off = found.measured_memory / found.predicted_memory - 1
    yield (
        "  predicted",
        binary(found.predicted_memory),
        f"the measured is {off:+.2%} of it, with what kernels take for themselves",
    )


def profile_cells(found: Profile, top: int, *, every: bool = False) -> Cells:
    """The parts that take longest, or all in order."""
    total, flops = found.sum_of_parts, found.work.flops
    ranked = sorted(found.parts, key=lambda one: -one.seconds)
    parts = list(found.parts) if every else ranked[:top]
    rows = [_profile_row(one, total, flops) for one in parts]
    titles = ["layer", "op", "forward", "backward", "time", "work", "FLOP/s", "B/s"]
    left = [True, True, *(False,) * 6]
    if found.prediction is not None:
        titles.append(found.prediction.label)
        left.append(False)
    return Cells(titles, rows, left)


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


def sum_of_parts(found: Profile) -> str:
    """What the parts take one by one, against the whole."""
    what = "the whole" if not found.setting.compile else "the compiled whole (layer by layer it is not compiled)"
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
    lines += [_line(f"a call {phase}", duration(cost), "") for phase, cost in found.launch.items()]
    for dtype, phases in found.efficiency.items():
        ahead, back = phases["forward"], phases["backward"]
        rows = [[kind, f"{share:.1%}", f"{back[kind]:.1%}" if kind in back else ""] for kind, share in ahead.items()]
        lines += ["", grid([f"{dtype}: share of the ceiling", "forward", "backward"], rows, [True, False, False])]
    return "\n".join(lines)
