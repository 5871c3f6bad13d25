"""Designs side by side: every figure of each, and its ratio to that of a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from archscope import figures
from archscope.analysis.counts.account import Account, Total, analyze
from archscope.design import Design, hold_designs
from archscope.errors import UsageError, counted, suggestion
from archscope.figures import Column, Figure
from archscope.revisions import place_of
from archscope.setting import Setting
from archscope.shown import Shown

if TYPE_CHECKING:
    from archscope.analysis.step.memory import Memory

#: every figure that designs are compared by, by name
FIGURES: Mapping[str, Figure] = {name: one for name, one in figures.FIGURES.items() if figures.DESIGN in one.scopes}
#: those that are shown unasked; times and an allocator need a device, and accuracies a design that records one
DEFAULT = (
    "params", "conv_params", "fc_params", "macs", "conv_macs", "fc_macs", "flops", "backward_flops", "elementwise",
    "activations", "layers", "weight_layers", "depth", "saved_bytes", "inference_bytes", "training_bytes",
    "allocated_bytes", "reserved_bytes", "infer_seconds", "train_seconds", "receptive_field", "top1", "top5",
    "accuracy_source",
)  # fmt: skip
#: what a stage is shown by
STAGE_FIGURES = ("params", "macs", "activations")
#: figures of which a ratio says something
_WITH_RATIO = ("count", "ratio", "seconds")


def choose_figures(names: Sequence[str]) -> tuple[Column, ...]:
    """Figures by name, each once.

    Raises:
        UsageError: there is none of that name.
    """
    for name in names:
        if name not in FIGURES:
            hint = suggestion(name, FIGURES) or f"figures: {', '.join(FIGURES)}"
            raise UsageError(f"designs have no figure `{name}`; {hint}")
    return tuple(FIGURES[name] for name in dict.fromkeys(names))


@dataclass(frozen=True)
class Side:
    """One design of a comparison.

    Attributes:
        label: its name, and what tells it apart from another of that name.
    """

    label: str
    account: Account

    @property
    def setting(self) -> Setting:
        """How it is run."""
        return self.account.setting

    @property
    def design(self) -> Design:
        """The design."""
        return self.account.design

    @property
    def memory(self) -> Memory:
        """Its memory."""
        return self.account.memory

    def saved_by_block(self, depth: int = 1) -> dict[str, int]:
        """What autograd keeps of each block that the first ``depth`` names of a layer's path tell apart."""
        sums: dict[str, int] = {}
        for name, size in self.memory.by_layer.items():
            block = ".".join(name.split(".")[:depth])
            sums[block] = sums.get(block, 0) + size
        return sums

    def figure(self, name: str) -> Any:
        """A figure of :data:`FIGURES`; ``None`` where the design has none.

        Raises:
            UsageError: the figure needs a device, or cannot be told of this design.
        """
        return FIGURES[name].value(self.account)


@dataclass(frozen=True)
class Stage:
    """A block, or a layer that stands in none, in each design that has one of that name.

    Attributes:
        parts: its totals in each design, or nothing.
        saved_bytes: what autograd keeps of it, or nothing.
    """

    name: str
    parts: tuple[Total | None, ...]
    saved_bytes: tuple[int | None, ...]


@dataclass(frozen=True)
class Comparison(Shown, report="comparison"):
    """Designs side by side.

    Attributes:
        sides: the designs.
        baseline: index of the one that ratios refer to.
        figures: those that are compared.
        values: for each design a value a figure; ``None`` where it has none.
    """

    sides: tuple[Side, ...]
    baseline: int
    setting: Setting
    figures: tuple[Column, ...]
    values: tuple[tuple[Any, ...], ...] = field(repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the designs are called."""
        return tuple(side.label for side in self.sides)

    @property
    def ratios(self) -> tuple[tuple[float | None, ...], ...]:
        """For each design the ratio of each figure to the baseline's; ``None`` where that says nothing."""
        base = self.values[self.baseline]
        return tuple(tuple(map(_ratio, self.figures, row, base)) for row in self.values)

    @property
    def times(self) -> str:
        """What times are: ``at least`` or ``estimate``; empty without a device."""
        if not self.setting.timed:
            return ""
        return "at least" if self.setting.calibration is None else "estimate"

    def stages(self, depth: int = 1) -> tuple[Stage, ...]:
        """Totals by block, those of one name beside each other, in an order that keeps that of each design.

        Args:
            depth: how many names of a layer's path tell blocks apart.
        """
        blocks = [{part.name: part for part in side.account.by_block(depth)} for side in self.sides]
        saved = [side.saved_by_block(depth) for side in self.sides]
        return tuple(
            Stage(name, tuple(parts.get(name) for parts in blocks), tuple(sizes.get(name) for sizes in saved))
            for name in _merged(blocks)
        )


def compare(
    designs: Sequence[Design],
    setting: Setting | None = None,
    *,
    baseline: int | str = 0,
    figures: Sequence[str] | None = None,
    **changes: Any,
) -> Comparison:
    """Compare designs.

    Args:
        setting: how they are run (:class:`~archscope.setting.Setting`). Times are told of a device of which
            peaks are known; a calibration makes estimates of them, which else are bounds.
        changes: fields of a setting that differ from it: ``batch=32``.
        baseline: the design that ratios refer to, by its index or its label.
        figures: names of :data:`FIGURES`; unasked, those of :data:`DEFAULT` that there are.

    Raises:
        UsageError: no design, an unknown baseline or figure, or an impossible setting.
    """
    if isinstance(designs, (Design, str)):
        raise UsageError("several designs are compared: give a list of them, as in compare([a, b])")
    if not designs:
        raise UsageError("there is nothing to compare: name a design")
    hold_designs(*designs)
    setting = timeable(Setting.of(setting, **changes))
    chosen = choose_figures(tuple(_default(designs, setting)) if figures is None else figures)
    sides = tuple(Side(label, analyze(design, setting)) for label, design in zip(labels(designs), designs, strict=True))
    at = _baseline(baseline, sides)
    values = tuple(tuple(side.figure(figure.name) for figure in chosen) for side in sides)
    return Comparison(sides, at, setting, chosen, values)


def _default(designs: Sequence[Design], setting: Setting) -> Iterator[str]:
    recorded = {fact.name for design in designs for fact in design.accuracy}
    sourced = any(fact.source for design in designs for fact in design.accuracy)
    for name in figures.of_mode(setting, DEFAULT):
        figure = FIGURES[name]
        if figure.kind == "time":
            there = setting.timed
        elif figure.kind == "allocator":
            there = setting.kind == "cuda"
        elif name == "accuracy_source":
            there = sourced
        else:
            there = figure.kind != "recorded" or name in recorded
        if there:
            yield name


def timeable(setting: Setting) -> Setting:
    """The same, if the device has units for the precision, wherever times are told.

    Raises:
        UsageError: it has none.
    """
    if setting.timed:
        from archscope.analysis.time.roofline import peak_of

        peak_of(setting.ceilings, setting.numbers)
    return setting


def _baseline(asked: int | str, sides: Sequence[Side]) -> int:
    if isinstance(asked, int):
        if not 0 <= asked < len(sides):
            raise UsageError(f"the baseline is one of {counted(len(sides), 'design')}, counted from 0, not {asked}")
        return asked
    names = [side.label for side in sides]
    folded = [name.lower() for name in (*names, *(side.design.name for side in sides))]
    if asked.lower() in folded:
        return folded.index(asked.lower()) % len(sides)
    raise UsageError(f"no design is called `{asked}`; {suggestion(asked, names) or 'one of ' + ', '.join(names)}")


def _ratio(figure: Column, value: Any, base: Any) -> float | None:
    if figure.style not in _WITH_RATIO or value is None or not base:
        return None
    return float(value / base)


def labels(designs: Sequence[Design]) -> tuple[str, ...]:
    """A name for each design that no other has: its own, and for others of that name how they differ from the first.

    ``ResNet-50`` and ``ResNet-50 (width=96, classes=10)``; where they differ in one thing alone, the first has it, too:
    ``ResNet-50 (width=64)``. If neither variables nor inputs nor files differ, a number.
    """
    alike: dict[str, list[dict[str, str]]] = {}
    for design in designs:
        alike.setdefault(design.name, []).append(_said(design))
    taken: set[str] = set()
    texts = []
    for design in designs:
        details = _details(_said(design), alike[design.name])
        label = wanted = (f"{design.name} ({', '.join(details)})" if details else design.name) + design.reserve
        number = 1
        while label in taken:
            number += 1
            label = f"{wanted} #{number}"
        taken.add(label)
        texts.append(label)
    return tuple(texts)


def _said(design: Design) -> dict[str, str]:
    """What may tell a design from another of its name, its file last."""
    said = {name: f"{name}={as_written(value)}" for name, value in design.vars}
    said |= {f"input {node.name}": f"{node.name}={'x'.join(map(str, node.shape))}" for node in design.inputs}
    place = place_of(design.file)
    return said | {"": PurePath(design.file).name if place is None else place.short}


def _details(said: Mapping[str, str], alike: Sequence[Mapping[str, str]]) -> list[str]:
    first = alike[0]
    differing = {name for other in alike for name in (*first, *other) if first.get(name) != other.get(name)}
    if len(differing) > 1:
        differing.discard("")  # files that differ say less than what they say
    words = said if len(differing) == 1 else {name: what for name, what in said.items() if what != first.get(name)}
    return [what for name, what in words.items() if name in differing and what]


def as_written(value: Any) -> str:
    """The value of a variable as ``--set`` takes it: ``[3,4,6,3]``."""
    if isinstance(value, tuple):
        return f"[{','.join(map(as_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _merged(sequences: Iterable[Iterable[str]]) -> list[str]:
    """All names, each behind those that it stands behind where it first occurs."""
    merged: list[str] = []
    for names in sequences:
        at, there = 0, set(merged)
        for name in names:
            if name in there:
                at = max(at, merged.index(name) + 1)
            else:
                merged.insert(at, name)
                at += 1
    return merged
