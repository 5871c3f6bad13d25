"""The plan of a sweep: all that is needed to account for any design of a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archscope.analysis.counts.account import analyze
from archscope.arith import fixed
from archscope.comparison import Side
from archscope.design import Design
from archscope.errors.diagnostics import Diagnostic
from archscope.figures import Column
from archscope.load import variant
from archscope.spec.document import Document
from archscope.sweeps.model import Question
from archscope.sweeps.names import DesignNames
from archscope.sweeps.space import Space


@dataclass(frozen=True)
class Plan:
    """A space, what is asked of its designs, and how they are made; it can be sent to a worker.

    Attributes:
        document: the spec.
        sets: variables that replace the spec's and do not vary.
        shapes: input shapes by name, likewise.
        lists: of each variable of which an element varies, all elements where nothing does.
        inputs: of each input its shape where nothing varies, the first one first.
        incomplete: what the figures of a design lack (:func:`archscope.design.incomplete`).
        warnings: of the design where nothing varies.
        columns: of the rows, figures and derived ones.
        whole: for each column whether it holds integers.
    """

    document: Document
    sets: Mapping[str, Any]
    shapes: Mapping[str, Sequence[int]]
    lists: Mapping[str, Sequence[Any]]
    inputs: Mapping[str, tuple[int, ...]]
    space: Space
    question: Question
    incomplete: str | None = None
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False)
    columns: tuple[Column, ...] = ()
    whole: tuple[bool, ...] = ()

    def variant(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Sequence[Any]]]:
        """The variables and the input shapes that stand for values of the axes, plain or recorded."""
        sets, shapes = dict(self.sets), dict(self.shapes)
        for axis in self.space.axes:
            (kind, name, place), value = axis.target, values[axis.name]
            if kind == "element":
                elements = list(sets[name] if name in sets and name not in self.sets else self.lists[name])
                elements[place or 0] = value
                sets[name] = elements
            elif kind == "input":
                name = name or next(iter(self.inputs))
                shapes[name] = value if isinstance(value, tuple) else _resized(self.inputs[name], value)
            elif kind == "variable":
                sets[name] = value
        return sets, shapes

    def design(self, values: Mapping[str, Any], most_problems: int = 1) -> Design:
        """The design with these values of the axes.

        Raises:
            SpecError: there is no such design.
        """
        sets, shapes = self.variant(values)
        return variant(self.document, sets, shapes or None, most_problems)

    def names(self, design: Design, values: Mapping[str, Any]) -> DesignNames:
        """What is known of a design with these values of the axes.

        Raises:
            UsageError: it does not allow the batch.
        """

        def alone() -> Side:
            settled = {name: _settled(value) for name, value in values.items()}
            return self._side(self.design(settled), settled)

        return DesignNames(self._side(design, values), values, alone)

    def _side(self, design: Design, values: Mapping[str, Any]) -> Side:
        setting = self.question.setting
        return Side(design.name, analyze(design, setting, batch=values.get("batch", setting.batch)))


def _settled(value: Any) -> Any:
    """A value of an axis in plain numbers; designs with others have another structure."""
    return tuple(map(_settled, value)) if isinstance(value, tuple) else fixed(value)


def _resized(shape: tuple[int, ...], size: Any) -> tuple[Any, ...]:
    """An input's shape with another size of the map; one without a map is its size."""
    return (*shape[:1], *(size for _ in shape[1:])) if len(shape) > 1 else (size,)
