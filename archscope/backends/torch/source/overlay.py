"""What parts that are alike have in common, as a class of the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archscope.backends.torch.source.express import Parameters
from archscope.spec.folding.formulas import ABSENT
from archscope.spec.folding.overlay import Child, Local
from archscope.spec.folding.tree import Part

_USUAL: dict[str, Any] = {"stride": 1, "groups": 1, "dilation": 1, "padding": 0}


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
        return [next(value for value in self.parameters.used[parameter] if value is not ABSENT)] * len(values)

    def default(self, parameter: str) -> Any:
        """The usual value of a parameter, where it has one; else ``ABSENT``."""
        values = self.parameters.used[parameter]
        if False in [value for value in values if isinstance(value, bool)]:
            return False
        usual = _USUAL.get(parameter, ABSENT)
        return usual if usual is not ABSENT and any(value == usual for value in values) else ABSENT

    def signature(self) -> list[str]:
        """The parameters, those with a default last."""
        first = {"in_channels": 0, "in_features": 0}
        return sorted(self.parameters.used, key=lambda name: (self.default(name) is not ABSENT, first.get(name, 1)))
