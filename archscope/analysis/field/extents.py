"""From which place of an input to which the elements of a map see, one by one, borders taken in.

Where places are laid anew, or only some of what a layer might read is read, no closed form tells the fields of units
(:mod:`archscope.analysis.field.receptive_field`). Here the first and the last place that each element sees go through
the graph, as far as there is room: what an element sees begins with the least of what those begin with that it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archscope.analysis.field.carrying import LEAST, NOWHERE, Carrier, TooLarge
from archscope.analysis.field.values import Values
from archscope.design.graph import Input, Ref
from archscope.design.steps import Step
from archscope.errors import counted
from archscope.ops.readings import AtMost, Reads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[Any]

#: elements of a tensor that are told one by one, and of all tensors of a design together
MOST_TOLD = 1 << 20
MOST_TOGETHER = 1 << 23

#: an axis of an input: its name and the dimension
Key = tuple[str, int]


class Extent(NamedTuple):
    """The first and the last place that elements see: arrays in the dimensions of a tensor, held once where alike.

    Attributes:
        last: negative, so that the least of it is the furthest.
        at_most: the layer by which some values might leave a part of it unseen; empty where none does.
    """

    first: Places
    last: Places
    at_most: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """What units see along an axis of an input: the first and the last place (none if the last is before it)."""

    first: Places
    last: Places

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Table)
            and np.array_equal(self.first, other.first)
            and np.array_equal(self.last, other.last)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none

    @property
    def sizes(self) -> tuple[int, int]:
        """Places from the first to the last one, of the units that have the fewest and the most."""
        sizes = np.maximum(self.last - self.first + 1, 0)
        return int(sizes.min()), int(sizes.max())

    def of(self, unit: int) -> tuple[int, int]:
        """First and last place that a unit sees, units being counted along all dimensions."""
        first, last = int(self.first.flat[unit]), int(self.last.flat[unit])
        return (first, last) if first <= last else (0, -1)

    @property
    def units(self) -> int:
        """How many there are."""
        return self.first.size

    @property
    def reach(self) -> tuple[int, int]:
        """First and last place that some unit sees."""
        some = self.first <= self.last
        return (int(self.first[some].min()), int(self.last[some].max())) if some.any() else (0, -1)

    def all_see(self, first: int, last: int) -> bool:
        """Whether every unit sees from one place to another."""
        return bool((self.first == first).all() and (self.last == last).all())


def table(extent: Extent, dims: Sequence[int], shape: Sequence[int]) -> Table | str:
    """What units see that have places along some dimensions of a tensor, all elements along the others together.

    Args:
        dims: in their order in the tensor.

    Returns:
        Why not, where there are too many units to be told one by one, alike as they may be.
    """
    others = tuple(dim for dim in range(extent.first.ndim) if dim not in dims)
    sizes = [shape[dim] for dim in dims]
    if prod(sizes) > MOST_TOLD:
        return _too_many(f"it has {counted(prod(sizes), 'unit')}")
    first, last = (np.minimum.reduce(of, axis=others) if others else of for of in extent[:2])
    return Table(np.broadcast_to(first, sizes), -np.broadcast_to(last, sizes))


def _too_many(what: str) -> str:
    return f"{what}: no more than {MOST_TOLD:,} are told one by one"


def differing(extent: Extent, dims: Sequence[int]) -> tuple[int, ...]:
    """Those of some dimensions along which units see otherwise."""
    return tuple(dim for dim in dims if any(bool((at != at.take([0], dim)).any()) for at in extent[:2]))


def extents(
    inputs: Sequence[Input], steps: Sequence[Step], wanted: Mapping[Key, set[Ref]]
) -> dict[tuple[Ref, Key], Extent | str]:
    """What the elements of some tensors see along some axes, as far as there is room; else why there is none.

    Args:
        wanted: the tensors, by the axis.
    """
    results: dict[tuple[Ref, Key], Extent | str] = {}
    values, room = Values(steps, arrays=True), MOST_TOGETHER
    for key, refs in wanted.items():
        node = next(node for node in inputs if node.name == key[0])
        shape = node.tensor(1).shape
        if shape[key[1]] > MOST_TOLD:
            why = _too_many(f"{node.name} has {shape[key[1]]:,} places")
            results |= {(ref, key): why for ref in refs}
            continue
        needed = _ancestors(steps, refs)
        places = np.arange(shape[key[1]], dtype=np.int32).reshape([-1 if d == key[1] else 1 for d in range(len(shape))])
        extents_of: dict[Ref, Extent | str] = {Ref(node.name): Extent(places, -places)}
        no_room = f"the maps on the way have more than {MOST_TOGETHER:,} places together"
        for step in steps:
            for output in range(len(step.y)):
                ref = Ref(step.layer.name, output)
                if ref not in needed or extents_of.keys().isdisjoint(step.layer.inputs):
                    continue
                extent = _extent(step, output, extents_of, values.readings(step, output)) if room > 0 else no_room
                extents_of[ref] = extent
                room -= 0 if isinstance(extent, str) else extent.first.size
        results |= {(ref, key): extents_of[ref] for ref in refs if ref in extents_of}
    return results


def _ancestors(steps: Sequence[Step], refs: set[Ref]) -> set[Ref]:
    """Tensors, and all that they are computed from."""
    needed = set(refs)
    for step in reversed(steps):
        if any(Ref(step.layer.name, output) in needed for output in range(len(step.y))):
            needed |= set(step.layer.inputs)
    return needed


def _extent(
    step: Step, output: int, extents_of: Mapping[Ref, Extent | str], readings: tuple[Reads, ...]
) -> Extent | str:
    """What the elements of an output see; why it is not told, where there is no room for that or what it reads."""
    carrier, out = Carrier(LEAST, MOST_TOLD), step.y[output].shape
    parts, at_most = [], ""
    for ref, tensor, reads in zip(step.layer.inputs, step.x, readings, strict=True):
        if reads is None or ref not in extents_of:
            continue
        extent = extents_of[ref]
        if isinstance(extent, str):
            return extent
        try:
            parts.append([_held_once(carrier.forth(of, reads, tensor.shape, out)) for of in extent[:2]])
        except TooLarge as error:
            return _too_many(f"{step.layer.name} goes through {counted(error.places, 'place')}")
        at_most = at_most or extent.at_most or (step.layer.name if isinstance(reads, AtMost) else "")
    if not parts:
        nowhere = np.full((1,) * len(out), NOWHERE, np.int32)
        return Extent(nowhere, nowhere)
    first, last = (_least(of) for of in zip(*parts, strict=True))
    return Extent(first, last, at_most)


def _least(arrays: Sequence[Places]) -> Places:
    least: Places = arrays[0]
    for array in arrays[1:]:
        least = np.minimum(least, array)
    return least


def _held_once(array: Places) -> Places:
    """The same, of size 1 along the dimensions along which all elements are alike."""
    for dim, size in enumerate(array.shape):
        one = array.take([0], dim)
        if size > 1 and not (array != one).any():
            array = one
    return array
