"""Which layers are the branches of a merging op.

The order of a spec is the order of execution, and branches stand in their merging op: so the branches of an op are
layers right before it, one stretch an operand, all beginning at one tensor. Where several readings are possible, the
one that has to name the fewest tensors is taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from archscope.structure.likeness import flow
from archscope.structure.overlay import Child, Local
from archscope.structure.parts import Part, Path

#: more layers than this are no branch
_LONGEST = 60
_START: Local = (0, ())


@dataclass(eq=False)
class Item:
    """A part in a list of layers.

    Attributes:
        branches: of a merging op, one an operand: the items of a branch, or ``None`` for a tensor that is there.
        reads: the tensors that it and what stands in it read from outside.
        labels: of itself and of what stands in it.
        base: the tensor that its branches begin at.
        result: the tensor that the next item reads unless it says otherwise.
    """

    child: Child
    branches: list[list[Item] | None] | None = None
    reads: set[Local] = field(default_factory=set)
    labels: list[Path] = field(default_factory=list)
    base: Local | None = None
    result: Local | None = None


def structured(children: Sequence[Child], result: Sequence[Local], whole: set[Path]) -> list[Item]:
    """The parts of a list with branches in their merging ops.

    Args:
        result: what is read outside of the list.
        whole: parts that take no branches.
    """
    return _Structure(children, result, whole).items


class _Structure:
    def __init__(self, children: Sequence[Child], result: Sequence[Local], whole: set[Path]) -> None:
        self.items: list[Item] = []
        self._at: dict[Path, int] = {}
        self._last: dict[Path, float] = {}
        for number, child in enumerate(children):
            self._last |= {label: number for _, label in self._reads(child)}
        self._last |= {label: inf for _, label in result}
        for number, child in enumerate(children):
            item = Item(child, reads=self._reads(child), labels=[child.label], result=_result(child.some))
            if _merges(child) and child.label not in whole:
                self._absorb(item, number)
            self._at[child.label] = len(self.items)
            self.items.append(item)

    @staticmethod
    def _reads(child: Child) -> set[Local]:
        return {*child.reads, *([child.otherwise] if child.otherwise is not None else [])}

    def _place(self, local: Local) -> int | None:
        """Which item gives a tensor as what the next one reads."""
        at = self._at.get(local[1])
        return at if at is not None and self.items[at].result == local else None

    def _flow(self, at: int) -> Local | None:
        """The tensor that the item at a place is given."""
        return self.items[at - 1].result if at > 0 else _START

    def _absorb(self, item: Item, number: int) -> None:
        reads = item.child.reads
        fresh = self._fresh(reads)
        if not fresh:
            return
        places = [place for _, place in fresh]
        floor = self._floor(places[0])
        starts = sorted(start for start in self._starts(reads, fresh) if start >= floor)
        lowest = starts[0]
        region = self.items[lowest:]
        best, least = None, float(len(set(reads)) - 1) + self._cost(region, self._flow(lowest))
        for start in reversed(starts):
            cost = self._cost(self.items[lowest:start], self._flow(lowest)) + self._inside(start, reads, fresh, number)
            if cost < least or (best is None and cost <= least):
                best, least = start, cost
        if best is not None and best < len(self.items):
            self._take(item, best, fresh)

    def _fresh(self, reads: list[Local]) -> list[tuple[int, int]]:
        """Operands (their numbers and the items that give them) that branches may end in, in the order of both."""
        places = [self._place(local) for local in reads]
        end = len(self.items) - 1
        last = next((j for j in reversed(range(len(reads))) if places[j] == end), None)
        if last is None or end < 0:
            return []
        operands = [(last, end)]
        for j in reversed(range(last)):
            place = places[j]
            if place is not None and place < operands[0][1]:
                operands.insert(0, (j, place))
        return operands

    def _floor(self, place: int) -> int:
        """Where a branch that ends at a place may begin at the earliest."""
        length, start = 0, place + 1
        while start > 0 and length + len(self.items[start - 1].labels) <= _LONGEST:
            start -= 1
            length += len(self.items[start].labels)
        return start

    def _starts(self, reads: list[Local], fresh: list[tuple[int, int]]) -> set[int]:
        """Where the first branch may begin."""
        first = fresh[0][1]
        taken = {operand for operand, _ in fresh}
        outside = {local for j, local in enumerate(reads) if j not in taken}
        for (_, before), (_, place) in itertools.pairwise(fresh):
            inside = {label for item in self.items[before + 1 : place + 1] for label in item.labels}
            outside |= {r for item in self.items[before + 1 : place + 1] for r in item.reads if r[1] not in inside}
        starts = {first + 1, first}
        for local in outside:
            at = -1 if local == _START else self._place(local)
            if at is not None and at <= first:
                starts.add(at + 1)
        return starts

    def _inside(self, start: int, reads: list[Local], fresh: list[tuple[int, int]], number: int) -> float:
        """What it costs to let the branches of an op begin at a place."""
        base = self._flow(start)
        branches = {operand for operand, place in fresh if place >= start}
        cost = float(sum(local != base for j, local in enumerate(reads) if j not in branches))
        before = start
        made: dict[Path, int] = {}
        for operand, place in fresh:
            if operand in branches:
                cost += self._cost(self.items[before : place + 1], base)
                made |= {label: operand for item in self.items[before : place + 1] for label in item.labels}
                before = place + 1
        if any(made.get(local[1], -1) > j for j, local in enumerate(reads) if j not in branches):
            return inf  # an operand would name what a later branch makes
        inner = [label for item in self.items[start:] for label in item.labels]
        return cost + sum(self._last.get(label, -1) > number for label in inner)

    @staticmethod
    def _cost(items: Sequence[Item], before: Local | None) -> float:
        """How many items of a chain have to name what they read."""
        cost = 0
        for item in items:
            if item.branches is not None:
                cost += item.base is not None and item.base != before
            elif item.child.reads:
                cost += (
                    len(set(item.child.reads) - {before}) if len(item.child.reads) > 1 else item.child.reads != [before]
                )
            before = item.result
        return float(cost)

    def _take(self, item: Item, start: int, fresh: list[tuple[int, int]]) -> None:
        item.branches = [None] * len(item.child.reads)
        item.base = self._flow(start)
        before = start
        for operand, place in fresh:
            if place >= start:
                item.branches[operand] = self.items[before : place + 1]
                before = place + 1
        taken = self.items[start:]
        del self.items[start:]
        for one in taken:
            del self._at[one.child.label]
            item.labels += one.labels
            item.reads |= one.reads
        inner = set(item.labels)
        item.reads = {local for local in item.reads if local[1] not in inner}


def _result(part: Part) -> Local | None:
    """What a part gives to the next one."""
    ref = flow(part)
    return (part.outputs.index(ref), part.label) if ref in part.outputs else None


def _merges(child: Child) -> bool:
    op = child.op
    return (
        op is not None
        and op.arity.most != 1
        and len(child.reads) > 1
        and not child.optional
        and child.some.again is None
    )
