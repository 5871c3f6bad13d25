"""Charts of figures: where the cost of a design sits, its roofline, and designs side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import cos, hypot, inf, pi, sin
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.analysis.counts.account import Account, Row
from archscope.analysis.time.roofline import Prediction, peak_of
from archscope.analysis.time.traffic import Moved
from archscope.design import Design
from archscope.errors import UsageError
from archscope.figures import FIGURES, words_of
from archscope.figures.table import fitting_depth
from archscope.report.figures import COLORS, any_letters, blank, labelled, shortened, styled, titled
from archscope.report.text import binary, line, short
from archscope.setting.devices import CONTRACTING
from archscope.setting.sizes import duration

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

#: bars of a chart by block, at most
MOST_BARS = 36
_UNASKED = 24
_NAMED = 6  # layers of a roofline


class _Panel(NamedTuple):
    """A column of horizontal bars."""

    title: str
    values: Sequence[int]
    texts: Sequence[str]
    color: str


@styled()
def _panels(design: Design, words: str, names: Sequence[str], panels: Sequence[_Panel]) -> Figure:
    """Bars side by side over the same names, each with its text."""
    figure = blank(2.2 + 2.3 * len(panels), 1.1 + 0.21 * len(names))
    figure.suptitle(titled(design, words, figure), x=0.01, ha="left", fontweight="bold", fontsize=10)
    places = range(len(names))
    every = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(every, panels, strict=True):
        axes.barh(places, panel.values, color=panel.color, height=0.7)
        most = max(panel.values, default=0) or 1
        for place, value, text in zip(places, panel.values, panel.texts, strict=True):
            axes.annotate(
                text, (value, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5, color="0.2"
            )
        axes.set_xlim(0, 1.75 * most)  # room for the texts
        axes.set_title(panel.title, loc="left", fontsize=9)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    every[0].set_yticks(places, names)
    every[0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def stages(account: Account, depth: int | None = None) -> Figure:
    """Where parameters, MACs, activations and what autograd keeps sit, block by block, with shares of the whole.

    Args:
        depth: blocks as the first so many names of a layer tell them apart; ``None`` is as many as read well. Of more
            than :data:`MOST_BARS` the smallest are told together.
    """
    if depth is None:
        depth = fitting_depth(account, _UNASKED) or max((len(row.path) for row in account.rows), default=1)
    figures: dict[str, list[int]] = {}
    saved = account.memory.by_layer
    for row in account.rows:
        name = ".".join(row.path[:depth])
        own = (row.params, row.macs, row.activations, saved[row.name])
        figures[name] = [a + b for a, b in zip(figures.get(name, (0, 0, 0, 0)), own, strict=True)]
    totals = [sum(column) for column in zip(*figures.values(), strict=True)] or [0] * 4
    figures, others = _fewer(figures, totals)
    titles = ("parameters", "MACs", "activations", "saved for backward")
    panels = []
    for i, title in enumerate(titles):
        written = binary if i == len(titles) - 1 else short
        values = [own[i] for own in figures.values()]
        texts = [f"{written(value)}  {_share(value, totals[i])}" if value else "0" for value in values]
        if others:  # told, and not drawn: beside their sum nothing else could be seen
            values[-1] = 0
        panels.append(_Panel(f"{title}: {written(totals[i])}", values, texts, COLORS[i]))
    batch = f", batch {account.setting.batch}" if account.setting.batch > 1 else ""
    return _panels(account.design, f"{batch}: where the cost sits", list(map(shortened, figures)), panels)


def _share(value: float, total: float) -> str:
    return "<0.1%" if value < 0.0005 * total else f"{value / total:.1%}"


def _fewer(figures: dict[str, list[int]], totals: Sequence[int]) -> tuple[dict[str, list[int]], int]:
    """At most :data:`MOST_BARS`: those of the largest shares, in order, and the sum of the others; how many."""
    if len(figures) <= MOST_BARS:
        return figures, 0

    def share(name: str) -> float:
        return max((own / all_ for own, all_ in zip(figures[name], totals, strict=True) if all_), default=0)

    large = set(sorted(figures, key=share, reverse=True)[: MOST_BARS - 1])
    others = [own for name, own in figures.items() if name not in large]
    large_ones = {name: own for name, own in figures.items() if name in large}
    return large_ones | {f"the other {len(others)}": [sum(column) for column in zip(*others, strict=True)]}, len(others)


@styled()
def layers(account: Account, *, log: bool = False) -> Figure:
    """Parameters and MACs of the layers that have any, in the order of execution.

    Args:
        log: logarithmic axes; a layer with none of a figure has no bar there in any case.

    Raises:
        UsageError: no layer has any.
    """
    rows = [row for row in account.rows if row.params or row.macs]
    if not rows:
        raise UsageError(f"{account.design.name} has no layer with parameters or MACs")
    figure = blank(9, 5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, metric, title in ((upper, "params", "parameters"), (lower, "macs", "MACs")):
        for category, color in zip(("conv", "fc", "other"), COLORS, strict=False):
            own = [i for i, row in enumerate(rows) if row.category == category and getattr(row, metric)]
            if own:
                axes.bar(own, [getattr(rows[i], metric) for i in own], color=color, width=0.85, label=_NAMES[category])
        axes.set_title(f"{title}: {short(getattr(account.total, metric))} in all", loc="left", fontsize=9)
        axes.yaxis.set_major_formatter(lambda number, _: short(number))
        if log and any(getattr(row, metric) for row in rows):
            _log(axes, "y", short)
        axes.grid(axis="y", color="0.9")
    figure.suptitle(
        titled(account.design, ": layer by layer", figure), x=0.01, ha="left", fontweight="bold", fontsize=10
    )
    upper.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0)
    _name_places(lower, rows)
    return figure


_NAMES = {"conv": "convolutions", "fc": "fully connected", "other": "others"}


def _name_places(axes: Axes, rows: Sequence[Row]) -> None:
    step = -(-len(rows) // 30)
    names = [shortened(row.name) for row in rows[::step]]
    axes.set_xticks(range(0, len(rows), step), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
    axes.set_xlim(-0.8, len(rows) - 0.2)


class _Spot(NamedTuple):
    """A pass of a layer under the roof."""

    name: str
    kind: str
    phase: str
    intensity: float
    speed: float
    seconds: float


@styled()
def roofline(prediction: Prediction) -> Figure:
    """Each pass of a layer by its FLOPs a byte, under the ceilings of a device; the area of a spot is its time.

    A bound is drawn as the data sheet has it, without what it grants of clock, cache and algorithms: on the roof of its
    number type; an estimate lies below it.

    Raises:
        UsageError: no layer multiplies.
    """
    spots = list(_spots(prediction))
    if not spots:
        raise UsageError(f"{prediction.design.name} has no layer that multiplies: it has no place under a roof")
    ceilings, peak = prediction.ceilings, peak_of(prediction.ceilings, prediction.setting.numbers)
    ridge = peak / ceilings.bandwidth
    figure = blank(8, 5)
    axes = figure.add_subplot()
    low = min(ridge / 30, min(spot.intensity for spot in spots) / 2)
    high = max(ridge * 10, max(spot.intensity for spot in spots) * 2)
    axes.plot([low, ridge, high], [low * ceilings.bandwidth, peak, peak], color="0.25", linewidth=1.4)
    axes.axvline(ridge, color="0.8", linewidth=0.8, linestyle="--")
    bandwidth = low * ceilings.bandwidth
    texts: list[Artist] = [
        axes.annotate(
            f"{short(peak, 'FLOP/s')} ({prediction.setting.precision})", (high, peak), (-4, -14), ha="right", **_POINTS
        ),
        axes.annotate(short(ceilings.bandwidth, "B/s"), (low, bandwidth), (10, 4), va="top", **_POINTS),
        axes.annotate(f"{ridge:,.3g} FLOP/B", (ridge, 0), (3, 4), xycoords=("data", "axes fraction"), **_POINTS),
    ]
    longest = max(spot.seconds for spot in spots)
    for kind, color in zip(CONTRACTING, COLORS, strict=False):
        own = [spot for spot in spots if spot.kind == kind]
        for phase in ("forward", "backward"):
            part = [spot for spot in own if spot.phase == phase]
            axes.scatter(
                [spot.intensity for spot in part],
                [spot.speed for spot in part],
                s=[_SMALLEST + 260 * spot.seconds / longest for spot in part],
                facecolors=color if phase == "forward" else "none",
                edgecolors=color,
                alpha=0.55 if phase == "forward" else 0.9,
            )
        if own:
            axes.scatter([], [], color=color, label=kind)
    axes.scatter([], [], facecolors="none", edgecolors="0.3", label="hollow: backward")
    axes.set_xlim(low, high)
    axes.set_ylim(bandwidth / 1.5, 6 * peak)  # room for names above the roof
    axes.set_xlabel("FLOPs a byte that is moved")
    _log(axes, "x", "{:g}".format)
    _log(axes, "y", lambda number: short(number, "FLOP/s"))
    axes.grid(color="0.93")
    texts.append(axes.legend(loc="lower right", fontsize=8))
    mode = "a training step" if prediction.setting.mode == "train" else "inference"
    axes.set_title(
        titled(prediction.design, f": {mode} under the roof of {ceilings.name}", figure), loc="left", fontweight="bold"
    )
    passes = [
        (getattr(one.part, way), getattr(one, way)) for one in prediction.parts for way in ("forward", "backward")
    ]
    rest = (
        sum(bound.seconds for moved, bound in passes if not moved.flops) / prediction.seconds
        if prediction.seconds
        else 0.0
    )
    figure.supxlabel(
        f"batch {prediction.setting.batch}; step: {prediction.label} {duration(prediction.seconds)},"
        f" of which {rest:.0%} in what multiplies nothing and is not drawn; area: time",
        fontsize=8, color="0.35", x=0.99, ha="right",
    )  # fmt: skip
    spots.sort(key=lambda spot: -spot.seconds)
    points = [
        _Point(spot.intensity, spot.speed, _SMALLEST + 260 * spot.seconds / longest, shortened(spot.name))
        for spot in spots
    ]
    longer = {point.name: point for point in reversed(points)}  # of each layer the longer pass
    slowest = sorted(longer.values(), key=lambda point: -point.area)[:_NAMED]
    _place_names(figure, axes, sorted(slowest), points, texts)
    return figure


_POINTS: Any = {"textcoords": "offset points", "fontsize": 8, "color": "0.3"}


def _spots(prediction: Prediction) -> Iterator[_Spot]:
    for one in prediction.parts:
        for phase in ("forward", "backward"):
            moved: Moved = getattr(one.part, phase)
            if moved.flops and moved.bytes:
                seconds = (
                    getattr(one, phase).seconds
                    if prediction.calibrated
                    else _by_data_sheet(prediction, one.part.kind, moved)
                )
                intensity = moved.flops / moved.bytes
                yield _Spot(one.part.name, one.part.kind, phase, intensity, moved.flops / seconds, seconds)


def _by_data_sheet(prediction: Prediction, kind: str, moved: Moved) -> float:
    return max(
        moved.flops / peak_of(prediction.ceilings, prediction.setting.numbers, kind),
        moved.bytes / prediction.ceilings.bandwidth,
    )


@styled()
def bubbles(accounts: Sequence[Account]) -> Figure:
    """Recorded top-1 accuracy over MACs, the area of a bubble its parameters: Canziani et al., 2016, Figure 2.

    Designs without a recorded accuracy are not drawn, and named below.

    Raises:
        UsageError: none has one.
    """
    drawn = [(account, accuracy) for account in accounts if (accuracy := account.design.recorded("top1")) is not None]
    if not drawn:
        raise UsageError(
            "no top-1 accuracy is recorded in these designs; a spec records one so:"
            " `accuracy: {top1: {value: 76.13, source: torchvision}}`"
        )
    many = len(drawn) > _MANY
    figure = blank(12, 8) if many else blank(9, 6)
    axes = figure.add_subplot()
    area = (_LARGEST / 2 if many else _LARGEST) / (max(account.total.params for account, _ in drawn) or 1)
    drawn.sort(key=lambda pair: -pair[0].total.params)  # small ones over large ones
    for i, (account, accuracy) in enumerate(drawn):
        axes.scatter(
            account.total.macs,
            accuracy,
            s=max(_SMALLEST, area * account.total.params),
            color=COLORS[i % (len(COLORS) - 1)],
            alpha=0.45,
            edgecolors="0.25",
            linewidths=0.6,
        )
    axes.margins(0.12, 0.14)
    axes.set_xlabel("MACs of a forward pass")
    axes.set_ylabel("recorded top-1 accuracy [%]")
    if all(account.total.macs for account, _ in drawn):
        _log(axes, "x", short)
    axes.grid(color="0.92")
    axes.set_title("Accuracy, work and parameters", loc="left", fontweight="bold")
    largest = drawn[0][0].total.params
    missing = [line(account.design.name) for account in accounts if account.design.recorded("top1") is None]
    notes = [f"the largest bubble: {short(largest)} parameters"]
    notes += [f"without a recorded top-1: {', '.join(missing)}"] if missing else []
    figure.supxlabel("\n".join(map(_wrapped, notes)), fontsize=8, color="0.35", x=0.99, ha="right")
    points = [
        _Point(
            account.total.macs,
            accuracy,
            max(_SMALLEST, area * account.total.params),
            labelled(account.design, 40),
        )
        for account, accuracy in drawn
    ]
    _place_names(figure, axes, points, points)
    return figure


def totals(accounts: Sequence[Account]) -> Figure:
    """Parameters, MACs and what autograd keeps of several designs, each beside how often it is the first one's.

    Raises:
        UsageError: there is only one.
    """
    if len(accounts) < 2:
        raise UsageError("totals compares designs: name at least two")
    names = [labelled(account.design, 30) for account in accounts]
    panels = []
    for (title, written, figure), color in zip(_TOTALS, COLORS, strict=False):
        values = [FIGURES[figure].value(account) for account in accounts]
        first = values[0]
        texts = [
            written(value) + (f"  {_ratio(value / first)} x" if first and i else "") for i, value in enumerate(values)
        ]
        panels.append(_Panel(title, values, texts, color))
    run = words_of(accounts[0].setting, (FIGURES[figure] for _, _, figure in _TOTALS))
    return _panels(accounts[0].design, f" is 1 x; {run}", names, panels)


def _ratio(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.3g}"


_TOTALS: tuple[tuple[str, Callable[[float], str], str], ...] = (
    ("parameters", short, "params"),
    ("MACs", short, "macs"),
    ("saved for backward", binary, "saved_bytes"),
)


# -- what charts share ---


def _log(axes: Axes, which: str, written: Callable[[float], str]) -> None:
    """A logarithmic axis with its numbers written out, at 1, 2 and 5 where there are few powers of ten."""
    from matplotlib.ticker import LogLocator, NullLocator

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=16))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda number, _: written(float(f"{number:.6g}")))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 130)


class _Point(NamedTuple):
    """A spot in a chart; its area as matplotlib takes it: the square of the diameter in points."""

    x: float
    y: float
    area: float
    name: str


@any_letters()
def _place_names(
    figure: Figure, axes: Axes, named: Sequence[_Point], points: Sequence[_Point], texts: Sequence[Artist] = ()
) -> None:
    """Write names beside their points so that they overlap nothing: each takes the cheapest of the places around it.

    A name that lies on another costs most, then one that lies on a point or leaves the axes, then one far away; a thin
    line leads to those.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    renderer = canvas.get_renderer()
    figure.draw_without_rendering()
    pixel = figure.dpi / 72  # pixels a point
    inside = axes.get_window_extent(renderer)
    discs = [(*axes.transData.transform((point.x, point.y)), pixel * point.area**0.5 / 2) for point in points]
    taken = [_Rectangle.of(artist.get_window_extent(renderer)) for artist in texts]
    lines: list[tuple[float, float]] = []  # places on them
    for point in named:
        x, y = axes.transData.transform((point.x, point.y))
        radius = pixel * point.area**0.5 / 2
        text = axes.annotate(
            point.name, (point.x, point.y), (0, 0), textcoords="offset points", fontsize=8, ha="center", va="center"
        )
        size = text.get_window_extent(renderer)
        cheapest, chosen, chosen_line = inf, _Rectangle(x, y, 0, 0), lines[:0]
        for step, angle in product(range(_STEPS), range(_ANGLES)):
            turn = 2 * pi * angle / _ANGLES
            far = radius + 4 + 11 * step
            dx, dy = cos(turn) * (far + size.width / 2), sin(turn) * (far + size.height / 2)
            box = _Rectangle(x + dx, y + dy, size.width / 2 + 1, size.height / 2 + 1)
            cost = 5.0 * step + 400.0 * (not box.within(inside))
            cost += 1000.0 * sum(map(box.overlaps, taken)) if cost < cheapest else 0
            cost += 60.0 * sum(box.near(*disc) for disc in discs) if cost < cheapest else 0
            led = box.line_to(x, y, radius) if step >= _LED else []
            if cost < cheapest:
                cost += 60.0 * sum(box.near(*place, 1) for place in lines)
                cost += 60.0 * sum(other.near(*place, 1) for place in led for other in taken)
            if cost < cheapest:
                cheapest, chosen, chosen_line = cost, box, led
        taken.append(chosen)
        lines += chosen_line
        text.set_position(((chosen.x - x) / pixel, (chosen.y - y) / pixel))
        text.set_in_layout(False)
        if chosen_line:
            ends = axes.transData.inverted().transform([chosen_line[0], chosen_line[-1]])
            axes.plot(*ends.T, color="0.55", linewidth=0.6, scalex=False, scaley=False)


_LARGEST, _SMALLEST = 2400.0, 8.0  # areas of bubbles
_MANY = 15  # bubbles that want a larger picture
_STEPS, _ANGLES = 9, 20
_LED = 2  # from this step on a line leads to a name


class _Rectangle(NamedTuple):
    """By its middle and half its sides."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, box: Bbox) -> _Rectangle:
        """That of a box of matplotlib."""
        left, bottom, right, top = box.extents
        return cls((left + right) / 2, (bottom + top) / 2, (right - left) / 2, (top - bottom) / 2)

    def overlaps(self, other: _Rectangle) -> bool:
        """Whether two share a place."""
        across = abs(self.x - other.x) < self.width + other.width
        return across and abs(self.y - other.y) < self.height + other.height

    def near(self, x: float, y: float, radius: float) -> bool:
        """Whether a disc reaches into it."""
        return hypot(max(abs(x - self.x) - self.width, 0), max(abs(y - self.y) - self.height, 0)) < radius

    def line_to(self, x: float, y: float, radius: float) -> list[tuple[float, float]]:
        """Places on a straight line from its edge to that of a disc."""
        dx, dy = x - self.x, y - self.y
        out = min(self.width / abs(dx) if dx else inf, self.height / abs(dy) if dy else inf)
        until = 1 - radius / hypot(dx, dy)
        shares = [out + (until - out) * i / 6 for i in range(7)] if until > out else []
        return [(self.x + share * dx, self.y + share * dy) for share in shares]

    def within(self, box: Bbox) -> bool:
        """Whether all of it is inside."""
        left, bottom, right, top = box.extents
        across = left <= self.x - self.width and self.x + self.width <= right
        return bool(across and bottom <= self.y - self.height and self.y + self.height <= top)
