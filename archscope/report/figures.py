"""Pictures: the growth of the receptive field, nested fields over an input, heat maps, memory over a step.

matplotlib is imported here and in charts, nowhere else. SVG, PNG or PDF by the suffix of the file. Colours are those of
Okabe and Ito, which colour-blind readers tell apart.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archscope.analysis.field.axis import Field
from archscope.analysis.field.influence import sees
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.design import Design
from archscope.errors import UsageError
from archscope.files import check_target, write
from archscope.report.text import binary, cut, line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from archscope.analysis.step.memory import Memory

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLE: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "svg.hashsalt": "archscope", "svg.fonttype": "none", "legend.frameon": False,
    "text.parse_math": False,  # a name may hold any character
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house's style, and leave the caller's as it was."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


@styled()
def save(figure: Figure, target: str) -> None:
    """Write a picture; the same figure gives the same bytes.

    Raises:
        UsageError: it cannot be written.
    """
    check_target(target)
    suffix = Path(target).suffix.lower()
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    drawn = io.BytesIO()
    with any_letters():
        figure.savefig(drawn, format=suffix[1:], dpi=150, bbox_inches="tight", metadata=metadata)
    write(drawn.getvalue(), target)


@contextmanager
def any_letters() -> Iterator[None]:
    """Draw letters that the font lacks as boxes, without a warning; in an SVG the viewer's font has them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def blank(width: float, height: float) -> Figure:
    """An empty picture, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = blank(width, height)
    return figure, figure.add_subplot()


@styled()
def growth(design: Design) -> Figure:
    """The receptive field of every layer, in the order of execution, against the size of the input.

    The line is the field, the band reaches from the smallest path to the largest; where paths are one there is none.
    Dots mark the layers that stride. A layer that sees all is drawn with the field of what it mixes, in grey.

    Raises:
        UsageError: no layer sees an input along an axis.
    """
    fields = receptive_fields(design)
    names = [layer.name for layer in design.layers if fields[layer.name]]
    if not names:
        raise UsageError(f"{design.name} has no layer with a receptive field")
    figure, axes = _figure(8.5, 4)
    axis_names = [field.axis for field in fields[names[0]]]
    columns = [[fields[name][i] for name in names] for i in range(len(axis_names))]
    drawn: list[list[int]] = []
    for i, column in enumerate(columns):
        sizes = [field.size for field in column]
        if sizes in drawn:
            continue
        drawn.append(sizes)
        alike = [axis_names[j] for j, other in enumerate(columns) if [field.size for field in other] == sizes]
        _line(axes, column, sizes, COLORS[i % len(COLORS)], " and ".join(alike))
    for extent in sorted({field.extent for column in columns for field in column[:1]}):
        axes.axhline(extent, color="0.4", linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"input: {extent}", (0, extent), xytext=(2, 3), textcoords="offset points", color="0.3", fontsize=8
        )
    axes.set_title(titled(design, ": what a unit sees", figure), loc="left", fontweight="bold")
    axes.set_ylabel("receptive field [places of the input]")
    step = max(1, len(names) // 24)
    axes.set_xticks(
        range(0, len(names), step), [shortened(name) for name in names[::step]], rotation=60, ha="right", fontsize=7
    )
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="0.9")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0.93))
    return figure


def shortened(name: str) -> str:
    """The end of a long name."""
    return name if len(name) <= 22 else "…" + name[-21:]


def titled(design: Design, words: str, figure: Figure) -> str:
    """A title that is no wider than its picture; what its figures lack in a line of its own."""
    name = cut(line(design.name), max(20, int(9 * figure.get_figwidth()) - len(words)))
    return f"{name}{words}" + (f"\n{design.reserve.strip()}" if design.opaque else "")


def labelled(design: Design, most: int) -> str:
    """The name of a design among others, in so many letters; one that is incomplete says so besides."""
    return cut(line(design.name), most) + (" (incomplete)" if design.opaque else "")


def _line(axes: Axes, column: Sequence[Field], sizes: Sequence[int], color: str, label: str) -> None:
    places = np.arange(len(column))
    mixed = next((i for i, field in enumerate(column) if field.whole), len(column))
    lone = "_" if len(column) == 1 else None  # a line through one place is none
    axes.step(places[:mixed], sizes[:mixed], where="mid", color=color, marker=lone, label=f"receptive field ({label})")
    if mixed < len(column):
        label_mixed = f"from {cut(str(column[mixed].mixed_by), 40)} on: all; its input sees {sizes[mixed]}"
        axes.step(
            places[mixed:], sizes[mixed:], where="mid", color="0.6", linestyle=":", marker=lone, label=label_mixed
        )
    small = [min(field.paths[0], size) for field, size in zip(column, sizes, strict=True)]
    if small[:mixed] != list(sizes[:mixed]):
        axes.fill_between(
            places[:mixed],
            small[:mixed],
            sizes[:mixed],
            step="mid",
            color=color,
            alpha=0.15,
            linewidth=0,
            label="from the smallest path to the hull of all",
        )
    jumps = [field.jump for field in column]
    strides = [i for i in range(1, mixed) if jumps[i] != jumps[i - 1]]
    axes.plot(strides, [sizes[i] for i in strides], "o", color=color, markersize=4, label="the stride changes")


@styled()
def nested(design: Design, layers: Sequence[str], image: str | None = None) -> Figure:
    """The exact fields of the middle units of some layers, over the grid of the input or over an image.

    Args:
        layers: layers or blocks whose maps have two axes.
        image: a picture, stretched over the input.

    Raises:
        UsageError: a layer has no map of two axes, or the image cannot be read.
    """
    from matplotlib.patches import Rectangle

    fields = receptive_fields(design)
    sights = []
    for name in layers:
        seen = fields[name]
        if len(seen) != 2 or any(field.dim is None for field in seen):
            raise UsageError(f"`{name}` has no map of two axes, so that its unit has no place")
        ordered = sorted(seen, key=lambda field: field.dim or 0)
        sights.append((name, seen, sees(design, name, [field.units // 2 for field in ordered])))
    figure, axes = _figure(6.5, 5.2)
    height, width = (field.extent for field in fields[layers[0]])
    _background(axes, height, width, image)
    for i, (name, seen, sight) in enumerate(sights):
        (top, left), (bottom, right) = sight.seen.first or (0, 0), sight.seen.last or (-1, -1)
        color = COLORS[i % len(COLORS)]
        size = " x ".join(str(field.size) for field in seen)
        label = f"{name}: {size}" + ("" if sight.padding_share == 0 else f", {sight.padding_share:.0%} in the padding")
        box = (left, top), right - left + 1, bottom - top + 1
        axes.add_patch(Rectangle(*box, fill=False, edgecolor="white", linewidth=3.4))
        axes.add_patch(Rectangle(*box, fill=False, edgecolor=color, linewidth=2, label=label))
    axes.set_title(titled(design, ": what the middle unit of a layer sees", figure), loc="left", fontweight="bold")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="layer: its field")
    return figure


def _background(axes: Axes, height: int, width: int, image: str | None) -> None:
    """An input's area: an image, or a grid of at most some thirty lines."""
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")
    if image is not None:
        axes.imshow(_read_image(image), extent=(0, width, height, 0), aspect="auto")
        axes.set_aspect("equal")
        return
    step = max(1, round(max(height, width) / 28))
    axes.set_xticks(range(0, width + 1, step), minor=True)
    axes.set_yticks(range(0, height + 1, step), minor=True)
    axes.grid(which="minor", color="0.88", linewidth=0.6)
    axes.tick_params(which="minor", length=0)


def _read_image(path: str) -> Any:
    from matplotlib.image import imread

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return imread(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"the image {path} cannot be read: {error}") from None


@styled()
def heat(design: Design, layer: str, unit: Sequence[int], weights: NDArray[np.float64]) -> Figure:
    """How much each place of the input weighs in a unit, with the outline of what it sees: the effective field.

    Args:
        weights: along the axes of the input, as :func:`archscope.backends.torch.influence.effective_field` gives them.

    Raises:
        UsageError: the input has not one or two axes.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Rectangle

    if weights.ndim not in (1, 2):
        raise UsageError(f"a heat map has one or two axes, and the input of {design.name} has {weights.ndim}")
    sight = sees(design, layer, unit)
    figure, axes = _figure(6.5, 5.2 if weights.ndim == 2 else 3)
    if weights.ndim == 1:
        axes.plot(weights, color=COLORS[0], linewidth=1)
        axes.axvspan(sight.seen.first[0], sight.seen.last[0] + 1, color=COLORS[1], alpha=0.1, label="receptive field")
        axes.set_ylabel("share of the gradient")
    else:
        image = axes.imshow(
            weights,
            cmap="magma",
            norm=PowerNorm(0.4),
            interpolation="nearest",
            extent=(0, weights.shape[1], weights.shape[0], 0),
        )
        figure.colorbar(image, ax=axes, label="share of the gradient", shrink=0.85)
        (top, left), (bottom, right) = sight.seen.first, sight.seen.last
        box = Rectangle((left, top), right - left + 1, bottom - top + 1, fill=False, edgecolor=COLORS[5], linewidth=1.6)
        box.set_label(f"receptive field: {sight.seen}")
        axes.add_patch(box)
    place = ", ".join(map(str, unit))
    words = f": effective receptive field of {layer} ({place})"
    axes.set_title(titled(design, words, figure), loc="left", fontweight="bold")
    axes.legend(loc="upper right", fontsize=8, labelcolor="0.2" if weights.ndim == 1 else "white")
    return figure


_PHASES = {"forward": COLORS[0], "loss": COLORS[4], "backward": COLORS[1], "optimizer": COLORS[2]}


@styled()
def memory_timeline(memory: Memory) -> Figure:
    """Memory over a training step, allocation by allocation, the peak marked with its layer."""
    figure, axes = _figure(8, 3.6)
    moments = memory.timeline
    live = [moment.live / 2**20 for moment in moments]
    begin = 0
    for phase, color in _PHASES.items():
        count = sum(moment.phase == phase for moment in moments)
        places = range(begin, begin + count + 1)
        held = [*live[begin : begin + count], *live[begin + count - 1 : begin + count]]  # until the next phase
        if count:
            axes.fill_between(places, held, step="post", color=color, alpha=0.35, linewidth=0)
            axes.step(places, held, where="post", color=color, linewidth=1, label=phase)
        begin += count
    standing = (memory.parameters + memory.buffers + memory.optimizer_state + memory.inputs) / 2**20
    axes.axhline(standing, color="0.3", linewidth=0.8, linestyle="--")
    axes.annotate("parameters, buffers, optimizer state, inputs", (0, standing), (2, 3), textcoords="offset points")
    if moments:
        _mark_peak(axes, memory, live)
    axes.set_ylim(0, 1.22 * max(live, default=1))
    axes.set_xlim(0, max(len(live), 1))
    axes.set_xlabel("allocations")
    axes.set_ylabel("MiB")
    axes.legend(loc="upper left", ncols=len(_PHASES))
    words = f", {memory.setting.words('batch', 'precision', 'mode', 'optimizer')}"
    axes.set_title(titled(memory.design, words, figure), loc="left")

    return figure


def _mark_peak(axes: Axes, memory: Memory, live: list[float]) -> None:
    place = memory.timeline.index(memory.top)
    left = place > len(live) / 2
    axes.plot(place + 0.5, live[place], "o", color="black", markersize=4)
    axes.annotate(
        f"{binary(memory.top.live)}: {memory.top.phase} of {cut(memory.top.layer, 40)}",
        (place + 0.5, live[place]),
        (-6 if left else 6, 6),
        textcoords="offset points",
        ha="right" if left else "left",
    )
