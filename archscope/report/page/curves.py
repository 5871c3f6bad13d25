"""What the curves of a design's page show: the growth of the receptive field, and memory over a training step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.analysis.counts.account import Account
from archscope.report.page.paths import Tick, area, steps, ticks
from archscope.report.text import binary

if TYPE_CHECKING:
    from archscope.analysis.field.axis import Field
    from archscope.analysis.step.memory import Memory

PHASES = ("forward", "loss", "backward", "optimizer")


class Curve(NamedTuple):
    """A line of the chart of receptive fields.

    Attributes:
        axes: the axes of the input that it is about.
        path: up to the layer that mixes everything; ``mixed`` is the rest.
        extent: the size of the input, as a share of the height.
    """

    axes: str
    path: str
    mixed: str
    mixed_by: str
    extent: int
    extent_at: float


class Chart(NamedTuple):
    """Curves in a box."""

    curves: list[Curve]
    ticks: list[Tick]
    data: dict[str, Any]
    summary: str


def growth(account: Account) -> Chart | None:
    """The receptive field of every layer in order; axes that are alike are one curve."""
    names = [row.name for row in account.rows if account.fields[row.name]]
    if not names:
        return None
    of = [account.fields[name] for name in names]
    columns: dict[tuple[int, ...], list[Sequence[Field]]] = {}
    fewest = min(map(len, of))  # behind a layer that joins axes there are fewer
    for axis in range(fewest):
        column = [fields[axis] for fields in of]
        columns.setdefault(tuple(field.size for field in column), []).append(column)
    top = max(max(*sizes, same[0][0].extent) for sizes, same in columns.items()) * 1.05
    curves = []
    for sizes, same in columns.items():
        first = same[0]
        mixed = next((place for place, field in enumerate(first) if field.whole), len(first))
        curves.append(
            Curve(
                " and ".join(each[0].axis for each in same),
                steps(sizes[:mixed], top, count=len(names)),
                steps(sizes[mixed:], top, start=mixed, count=len(names)),
                first[mixed].mixed_by if mixed < len(first) else "",
                first[0].extent,
                first[0].extent / top,
            )
        )
    texts = {id(fields): _axes_text(fields) for fields in {id(fields): fields for fields in of}.values()}
    data = {
        "names": names,
        "texts": [texts[id(fields)] for fields in of],
        "heights": [max(field.size for field in fields) / top for fields in of],
    }
    begin, end = (" x ".join(f"{field.size:,}" for field in fields) for fields in (of[0], of[-1]))
    summary = f"The receptive field grows from {begin} at {names[0]} to {end} at {names[-1]}."
    return Chart(curves, ticks(top), data, summary)


def _axes_text(fields: Sequence[Field]) -> str:
    jumps = " x ".join(f"{float(field.jump):g}" for field in fields)
    return f"{' x '.join(f'{field.size:,}' for field in fields)}{_seen(fields)}, jump {jumps}"


def _seen(fields: Sequence[Field]) -> str:
    """A word on what is seen where it is not the part that the sizes tell."""
    seen = {field.sees for field in fields}
    if "not told" in seen or seen == {"all"}:
        return " (not told)" if "not told" in seen else " (sees all)"
    return " (at most)" if any(word.startswith("at most") for word in seen) else ""


class Phase(NamedTuple):
    """A phase of a training step: its area, and the share of the width at which it begins."""

    name: str
    path: str
    at: float


class Timeline(NamedTuple):
    """Memory over a training step.

    Attributes:
        top: bytes at the upper border.
        standing: parameters, buffers, optimizer state and inputs, as a share of the height.
        peak: the place of the peak, as shares of the width and of the height.
        kinds: what lives at the peak, with shares of it.
    """

    memory: Memory
    phases: list[Phase]
    ticks: list[Tick]
    standing: float
    peak: tuple[float, float]
    kinds: list[tuple[str, int, float]]
    summary: str


def timeline(memory: Memory) -> Timeline | None:
    """Memory over a training step; nothing where nothing is trained."""
    moments = memory.timeline
    if not moments:
        return None
    top = memory.training * 1.08
    phases, begin = [], 0
    for name in PHASES:
        live = [moment.live for moment in moments if moment.phase == name]
        phases.append(Phase(name, area(live, top, start=begin, count=len(moments)), begin / len(moments)))
        begin += len(live)
    unit = 2.0 ** (10 * max(0, (int(top).bit_length() - 1) // 10))  # ticks are round in KiB, MiB, GiB
    marks = ticks(top, lambda size: binary(size).replace(".00 ", " "), unit)
    standing = (memory.parameters + memory.buffers + memory.optimizer_state + memory.inputs) / top
    peak = (moments.index(memory.top) + 0.5) / len(moments), memory.training / top
    kinds = [(kind, size, size / memory.training) for kind, size in memory.peak_by_kind.items() if size]
    summary = f"{len(moments):,} allocations; the peak of {binary(memory.training)} lies {when(memory)}."
    return Timeline(memory, phases, marks, standing, peak, kinds, summary)


def when(memory: Memory) -> str:
    """When a training step holds most, in words."""
    top = memory.top
    if top.phase in ("forward", "backward"):
        return f"in the {top.phase} pass of {top.layer}"
    return "in the update" if top.phase == "optimizer" else f"in the {top.phase}"
