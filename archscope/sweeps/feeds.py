"""The axes of a space as variables: what is a number may vary within a structure, the rest decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.arith.operations import LARGEST
from archscope.arith.recorded import Recorder
from archscope.sweeps.space import Axis

#: makes the value of an axis, given its place among the axis's values
Show = Callable[[Recorder, int], Any]


class Feed:
    """One axis.

    Attributes:
        tables: by the name of a variable its value for each of the axis's values, int64 or float64.
    """

    def __init__(self, axis: Axis) -> None:
        self.tables: dict[str, npt.NDArray[Any]] = {}
        self.show = self._shown(axis.name, axis.values)

    def variables(self, choices: npt.NDArray[np.int32]) -> Mapping[str, npt.NDArray[Any]]:
        """The variables of some designs, given the places of their values."""
        return {name: table[choices] for name, table in self.tables.items()}

    def _shown(self, name: str, values: tuple[Any, ...]) -> Show:
        kinds = {_kind(value) for value in values}
        if len(set(map(repr, values))) == 1:
            return lambda recorder, place: values[0]
        if kinds in ({int}, {float}):
            return self._number(name, values)
        if kinds == {int, float}:
            return self._either(name, values)
        if kinds == {tuple} and len({len(value) for value in values}) == 1:
            parts = [self._shown(f"{name}[{i}]", column) for i, column in enumerate(zip(*values, strict=True))]
            return lambda recorder, place: tuple(part(recorder, place) for part in parts)
        decides = self._number(f"{name}#", tuple(range(len(values))))
        return lambda recorder, place: values[decides(recorder, place).fixed()]

    def _number(self, name: str, values: tuple[Any, ...]) -> Show:
        self.tables[name] = np.array(values)
        bounds = (min(values), max(values))
        return lambda recorder, place: recorder.variable(name, values[place], bounds)

    def _either(self, name: str, values: tuple[Any, ...]) -> Show:
        """Integers and real numbers, which arithmetic tells apart."""
        which = self._number(f"{name}?", tuple(int(isinstance(value, float)) for value in values))
        shows = []
        for kind in (int, float):
            some = next(value for value in values if isinstance(value, kind))
            shows.append(
                self._number(f"{name}:{kind.__name__}", tuple(v if isinstance(v, kind) else some for v in values))
            )
        return lambda recorder, place: shows[which(recorder, place).fixed()](recorder, place)


def _kind(value: Any) -> type:
    """int, float and tuple where values can be numbers of a design; else what decides."""
    if isinstance(value, bool) or (isinstance(value, int) and abs(value) > LARGEST):
        return object
    return type(value) if isinstance(value, (int, float, tuple)) else object
