"""Values in a list of layers, in every place where the list stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from archscope.structure.arithmetic import ABSENT, Vector, constant, equal
from archscope.structure.parts import Part, Path

#: parameters are called after arguments, in the words of specs/
_SHORT = {
    "out_channels": "out",
    "out_features": "out",
    "kernel_size": "kernel",
    "num_heads": "heads",
    "hidden_size": "hidden",
    "normalized_shape": "shape",
    "num_features": "features",
    "num_groups": "groups",
}
#: arguments that are numbers of channels or features made
MADE = {"out_channels", "out_features"}


class Unsaid(Exception):
    """Something that the language has no words for here.

    Attributes:
        patterns: names of the parts that were to be said at once.
        part: the only part that was to be said.
    """

    def __init__(self, patterns: Iterable[Path] = (), part: Path = ()) -> None:
        super().__init__()
        self.patterns, self.part = frozenset(patterns), part


class Expression(str):
    """Arithmetic, as distinct from a word."""

    __slots__ = ()


class Place(NamedTuple):
    """Where a list of layers stands once.

    Attributes:
        part: whose list it is.
        call: the number of the call of the block around it.
        indexes: the rounds of the repeats around it, the outermost first.
    """

    part: Part
    call: int
    indexes: tuple[tuple[str, int], ...] = ()


class Slot(NamedTuple):
    """A value in a list of layers, wherever the list stands.

    Attributes:
        values: one a place; ``ABSENT`` where it does not matter.
        field: the argument.
        label: a word for the layer; may be empty.
        arriving: what `in_channels` and `in_features` are.
        made: whether it is a number of channels or features that is made.
    """

    places: Sequence[Place]
    values: Vector
    field: str
    label: str = ""
    arriving: Mapping[str, list[Any]] = {}
    made: bool = False

    @property
    def name(self) -> str:
        """What a parameter for it is called."""
        return _SHORT.get(self.field, self.field)

    @property
    def constant(self) -> bool:
        """Whether it is the same everywhere."""
        return constant(self.values)

    def where(self, index: str, number: int, *, other: bool = False) -> Slot:
        """Its values in the rounds of a number, or in all others."""
        chosen = [(dict(place.indexes)[index] == number) != other for place in self.places]
        return self._replace(values=[v if here else ABSENT for v, here in zip(self.values, chosen, strict=True)])

    def follows(self) -> str | None:
        """What arrives, where it is that."""
        return equal(self.arriving, self.values)
