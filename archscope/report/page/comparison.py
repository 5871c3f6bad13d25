"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log10, sqrt
from operator import itemgetter
from typing import NamedTuple

from archscope.analysis.step.memory import KINDS
from archscope.comparison import FIGURES, Comparison, Side
from archscope.comparison.difference import Difference
from archscope.design import hold_drawn
from archscope.errors import counted
from archscope.figures import Column, of_mode
from archscope.report.page.paths import Tick, round_numbers, ticks
from archscope.report.page.render import render
from archscope.report.results.comparison import ComparisonReport, figure_title, notes, setting_text, times_text
from archscope.report.results.difference import difference_lines, said, shown_costs
from archscope.report.sheet import of_records
from archscope.report.text import percent, short, signed, value

#: figures whose stages are drawn
STAGE_FIGURES = ("params", "macs", "activations", "saved_bytes")
_ALL = 1_000


def comparison_page(comparison: Comparison, difference: Difference | None = None) -> str:
    """The report of a comparison.

    Args:
        difference: what makes one of two designs of the other.
    """
    hold_drawn("a page", *(side.design for side in comparison.sides))
    changes = [] if difference is None else difference_lines(difference, _ALL)
    return render(
        "comparison.html",
        styles=("style.css", "comparison.css"),
        scripts=("theme.js", "clipboard.js", "page.js", "comparison.js"),
        comparison=comparison,
        kinds=KINDS,
        csv=of_records(ComparisonReport(comparison).records()),
        heading=_heading(comparison),
        setting=setting_text(comparison),
        baseline=comparison.sides[comparison.baseline],
        tiles=_tiles(comparison),
        rows=list(_rows(comparison)),
        bubbles=_bubbles(comparison),
        strips=[_strips(comparison, name) for name in of_mode(comparison.setting, STAGE_FIGURES)],
        memory=_memory(comparison),
        difference=difference,
        changes=changes,
        costs=[] if difference is None else shown_costs(difference),
        folds=any(line.level for line in changes),
        edits=[] if difference is None else [said(edit) for edit in difference.edits],
        notes=list(notes(comparison)),
        signed=signed,
    )


def _heading(comparison: Comparison) -> str:
    names = comparison.labels
    if len(names) <= 3:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return counted(len(names), "design")


# -- figures side by side ----------------------------------------------------------------------------------------------


class Tile(NamedTuple):
    """The design that has least of a figure."""

    title: str
    label: str
    text: str


def _tiles(comparison: Comparison) -> list[Tile]:
    """Which design is the least, or the best."""
    tiles = []
    wanted = (
        ("params", "fewest parameters", min), ("macs", "fewest MACs", min),
        ("training_bytes", "least memory to train", min), ("inference_bytes", "least memory to infer", min),
        ("train_seconds", "fastest training step", min), ("top1", "most accurate", max),
    )  # fmt: skip
    at = {figure.name: place for place, figure in enumerate(comparison.figures)}
    for name, title, best in wanted:
        if name not in at or len(comparison.sides) < 2:
            continue
        values = [(row[at[name]], label) for row, label in zip(comparison.values, comparison.labels, strict=True)]
        there = [(content, label) for content, label in values if content is not None]
        if len(there) == len(values) or (name == "top1" and there):
            content, label = best(there, key=lambda one: one[0])
            tiles.append(Tile(title, label, value(content, comparison.figures[at[name]].style)))
    return tiles


class Cell(NamedTuple):
    """A figure of a design: its text, its ratio to the baseline's, and its length against the largest."""

    text: str
    ratio: str
    length: float


class Row(NamedTuple):
    """A figure of all designs."""

    figure: Column
    title: str
    cells: list[Cell]


def _rows(comparison: Comparison) -> Iterator[Row]:
    for place, figure in enumerate(comparison.figures):
        if figure.style == "text":
            continue
        contents = [row[place] for row in comparison.values]
        numbers = [content if isinstance(content, (int, float)) else 0 for content in contents]
        most = max(numbers, default=0)
        cells = [
            Cell(
                value(content, figure.style),
                "" if at == comparison.baseline else times_text(comparison.ratios[at][place]),
                number / most if most and figure.style != "percent" else 0,
            )
            for at, (content, number) in enumerate(zip(contents, numbers, strict=True))
        ]
        yield Row(figure, figure_title(comparison, figure), cells)


# -- bubbles -----------------------------------------------------------------------------------------------------------


class Bubble(NamedTuple):
    """A design among others.

    Attributes:
        number: by which the legend knows it.
        left, bottom: its centre, as shares of the chart.
        size: its diameter in pixels, whose square goes with the parameters.
        side: where its name stands: ``right``, ``left``, ``above`` or ``below``; empty where there is no room for it.
    """

    number: int
    label: str
    left: float
    bottom: float
    size: float
    side: str
    text: str


class Bubbles(NamedTuple):
    """Designs as bubbles.

    Attributes:
        missing: designs without what is drawn upwards.
    """

    title: str
    upwards: str
    across: list[Tick]
    up: list[Tick]
    bubbles: list[Bubble]
    missing: list[str]


_WIDTH, _HEIGHT = 1000, 380  # pixels that names are placed for
_LARGEST, _LEAST = 76.0, 18.0
_LETTER, _LINE = 7.6, 18.0


def _bubbles(comparison: Comparison) -> Bubbles | None:
    """Work across, recorded accuracy (else parameters) upwards; areas are parameters, as in Canziani et al. 2016."""
    accuracies = [side.figure("top1") for side in comparison.sides]
    shown = [side for side, accuracy in zip(comparison.sides, accuracies, strict=True) if accuracy is not None]
    by_accuracy = len(shown) >= 2
    sides = shown if by_accuracy else list(comparison.sides)
    if len(sides) < 2:
        return None
    works = [float(side.account.total.macs) for side in sides]
    heights = [float(side.figure("top1")) if by_accuracy else float(side.account.total.params) for side in sides]
    across, lefts = _across(works)
    if by_accuracy:
        low, high = _padded(min(heights), max(heights))
        up = [Tick((at - low) / (high - low), f"{at:g}%") for at in round_numbers(low, high)]
    else:
        low, high = 0.0, 1.15 * max(heights) or 1.0
        up = [Tick(tick.at, tick.label) for tick in ticks(high, short)]
    most = max(side.account.total.params for side in sides) or 1
    places = []
    for number, side in enumerate(comparison.sides, 1):
        if side in sides:
            at = sides.index(side)
            size = max(_LEAST, _LARGEST * sqrt(side.account.total.params / most))
            places.append((number, side, lefts[at], (heights[at] - low) / (high - low), size, heights[at]))
    bubbles = list(_named(places, by_accuracy=by_accuracy))
    missing = [side.label for side in comparison.sides if side not in sides]
    title = "top-1 accuracy against MACs" if by_accuracy else "parameters against MACs"
    upwards = "recorded top-1 accuracy" if by_accuracy else "parameters"
    return Bubbles(title, upwards, across, up, sorted(bubbles, key=lambda one: -one.size), missing)


def _across(works: Sequence[float]) -> tuple[list[Tick], list[float]]:
    """Ticks and places along the axis of MACs: by powers of ten where the designs are far apart."""
    if min(works) > 0 and max(works) > 12 * min(works):
        low, high = log10(min(works)) - 0.15, log10(max(works)) + 0.25
        marks = [factor * 10.0**power for power in range(int(low) - 1, int(high) + 2) for factor in (1, 2, 5)]
        if high - low > 2.5:
            marks = [mark for mark in marks if f"{mark:e}"[0] == "1"]
        shown = [mark for mark in marks if low <= log10(mark) <= high]
        return (
            [Tick((log10(mark) - low) / (high - low), short(mark)) for mark in shown],
            [(log10(work) - low) / (high - low) for work in works],
        )
    top = 1.15 * max(works) or 1.0
    return ticks(top, short), [work / top for work in works]


def _padded(low: float, high: float) -> tuple[float, float]:
    room = max(0.15 * (high - low), 0.5)
    return low - room, high + room


def _named(places: Sequence[tuple[int, Side, float, float, float, float]], *, by_accuracy: bool) -> Iterator[Bubble]:
    """Each bubble with the side on which its name overlaps neither a bubble nor a name."""
    taken = [_box(left, bottom, size, size) for _, _, left, bottom, size, _ in places]
    for number, side, left, bottom, size, height in places:
        width = _LETTER * len(side.label)
        beside, above = (size + width) / 2 + 4, (size + _LINE) / 2 + 2
        options = {
            "right": _box(left, bottom, width, _LINE, beside, 0),
            "left": _box(left, bottom, width, _LINE, -beside, 0),
            "above": _box(left, bottom, width, _LINE, 0, above),
            "below": _box(left, bottom, width, _LINE, 0, -above),
        }
        free = [name for name, box in options.items() if _inside(box) and not any(_overlap(box, one) for one in taken)]
        if free:
            taken.append(options[free[0]])
        total = side.account.total
        upwards = f"{height:g}% top-1, " if by_accuracy else ""
        text = f"{side.label}: {upwards}{short(total.macs, 'MACs')}, {short(total.params)} parameters"
        yield Bubble(number, side.label, left, bottom, size, free[0] if free else "", text)


_Box = tuple[float, float, float, float]


def _box(left: float, bottom: float, width: float, height: float, right: float = 0, up: float = 0) -> _Box:
    x, y = left * _WIDTH + right, bottom * _HEIGHT + up
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _inside(box: _Box) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[2] <= _WIDTH and box[3] <= _HEIGHT


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# -- stages ------------------------------------------------------------------------------------------------------------


class Piece(NamedTuple):
    """A block of a design: the category that most of its figure is of, and its share."""

    name: str
    category: str
    share: float
    text: str


class Strip(NamedTuple):
    """A figure of a design, block by block."""

    label: str
    text: str
    length: float
    pieces: list[Piece]


class Strips(NamedTuple):
    """A figure of all designs, block by block."""

    figure: Column
    strips: list[Strip]


def _strips(comparison: Comparison, name: str) -> Strips:
    figure = FIGURES[name]
    strips = []
    for side in comparison.sides:
        parts = side.account.by_block(1)
        saved, categories = side.saved_by_block(), _categories(side)
        numbers = [saved[part.name] if name == "saved_bytes" else getattr(part, name) for part in parts]
        whole = sum(numbers)
        pieces = [
            Piece(
                part.name,
                categories[part.name],
                number / whole,
                f"{part.name}: {number:,}, {percent(number / whole)}",
            )
            for part, number in zip(parts, numbers, strict=True)
            if number
        ]
        strips.append((side.label, whole, pieces))
    most = max(whole for _, whole, _ in strips)
    return Strips(
        figure, [Strip(label, f"{whole:,}", whole / most if most else 0, pieces) for label, whole, pieces in strips]
    )


def _categories(side: Side) -> dict[str, str]:
    """For each block what most of its parameters are of; of one without, what most of its layers are."""
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for row in side.account.rows:
        block = counts.setdefault(row.path[0], {})
        params, layers = block.get(row.category, (0, 0))
        block[row.category] = params + row.params, layers + 1
    return {name: max(block.items(), key=itemgetter(1))[0] for name, block in counts.items()}


# -- memory ------------------------------------------------------------------------------------------------------------


class Held(NamedTuple):
    """What lives at the peak of a design's training step, as shares of the largest peak."""

    label: str
    total: int
    parts: list[tuple[str, int, float]]


def _memory(comparison: Comparison) -> list[Held]:
    most = max(side.memory.training for side in comparison.sides)
    held = []
    for side in comparison.sides:
        if side.memory.timeline:
            parts = [(kind, size, size / most) for kind, size in side.memory.peak_by_kind.items() if size]
            held.append(Held(side.label, side.memory.training, parts))
    return held
