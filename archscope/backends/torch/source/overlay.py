"""What parts that are alike have in common, as a class of the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archscope.backends.torch.source.express import Parameters
from archscope.structure.arithmetic import ABSENT, present, usual
from archscope.structure.overlay import Child, Local
from archscope.structure.parts import Part


@dataclass(eq=False)
class Class:
    """What parts that are alike have in common.

    Attributes:
        parts: the places where it is used.
        children: in the order of execution; none for a series.
        result: where its outputs come from.
        series: source of its modules, for one that is an ``nn.Sequential``.
    """

    name: str
    parts: list[Part]
    parameters: Parameters
    children: list[Child] = field(default_factory=list)
    result: list[Local] = field(default_factory=list)
    series: str = ""

    def argument(self, part: Part, parameter: str) -> Any:
        """The value of a parameter in one place."""
        return self.parameters.used[parameter][self.parts.index(part)]

    def some(self, parameter: str, values: list[Any]) -> list[Any]:
        """The values, or, where none of them matters, any that the parameter has elsewhere."""
        if any(value is not ABSENT for value in values):
            return values
        return present(self.parameters.used[parameter])[:1] * len(values)

    def default(self, parameter: str) -> Any:
        """The usual value of a parameter, where it has one; else ``ABSENT``."""
        return usual(parameter, self.parameters.used[parameter])

    def signature(self) -> list[str]:
        """The parameters, those with a default last."""
        first = {"in_channels": 0, "in_features": 0}
        return sorted(self.parameters.used, key=lambda name: (self.default(name) is not ABSENT, first.get(name, 1)))
