"""Structures: designs that differ in numbers only, told apart by what decides.

A design is read on recorded numbers (:mod:`archscope.arith.recorded`). What it decides makes a path; designs of one
path have one program. All paths met so far make a tree, whose branches stand where two of them part: a block of designs
goes down it, and what arrives at no leaf, or at one that is not its own, is read in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.arith.operations import NumberOverflow
from archscope.arith.program import Program, ingredients
from archscope.arith.recorded import Recorded

Ints = npt.NDArray[np.int64]
#: so many designs go through a program at once: their numbers stay in a processor's cache
SLICE = 2**14


@dataclass(eq=False)
class Leaf:
    """All designs of one path.

    Attributes:
        program: what gives the outputs, once it is compiled.
        decisions: what decided, in order, each with its value.
        outputs: what is asked of a design, recorded or plain; nothing of one that is wrong.
        before_graph: how many of the decisions were made before the graph stood.
        graph: a fingerprint of the graph.
        reason: what is wrong, numbers left out; empty for legal designs.
        message: what is wrong with the design that was read.
    """

    decisions: tuple[tuple[Recorded, Any], ...]
    outputs: tuple[Any, ...] = ()
    before_graph: int = 0
    graph: int = 0
    reason: str = ""
    message: str = ""
    program: Program = field(init=False)

    def compile(self) -> list[Any]:
        """Make the program, and forget the formulas of the outputs; what they are in the design that was read."""
        self.program = Program(self.outputs, dict(self.decisions))
        alone = [output.value if isinstance(output, Recorded) else output for output in self.outputs]
        self.outputs = ()
        return alone

    @cached_property
    def laying(self) -> tuple[tuple[int, Any, frozenset[str]], ...]:
        """What was decided before the graph stood: a fingerprint, the value, and the variables that it depends on."""
        numbers: dict[Recorded, int] = {}
        return tuple(
            (fingerprint(number, numbers), value, _variables(number))
            for number, value in self.decisions[: self.before_graph]
        )


@dataclass(eq=False)
class Branch:
    """Where paths part.

    Attributes:
        place: of the decision among those of every path through here.
        number: what decides.
        ways: what lies behind each of its values.
    """

    place: int
    number: Recorded
    ways: dict[Any, Node] = field(default_factory=dict)

    @cached_property
    def program(self) -> Program:
        """What gives the number that decides."""
        return Program([self.number], {})


Node = Leaf | Branch


class Tree:
    """All structures met so far.

    Attributes:
        operations: of all their programs.
    """

    def __init__(self) -> None:
        self._root: Node | None = None
        self.operations = 0

    def sort(
        self, variables: Mapping[str, npt.NDArray[Any]], designs: int, read: Callable[[int], Leaf]
    ) -> Iterator[tuple[Leaf, Ints, list[Any]]]:
        """The structures of a block of designs.

        Args:
            variables: of all designs, by name.
            read: gives the leaf of a design by its place in the block.

        Yields:
            A leaf, the places of (some of) its designs, and their outputs, each an array or a number that they share;
            of a single design perhaps an integer beyond int64.
        """
        waiting = [np.arange(designs)]
        while waiting:
            lost: list[Ints] = []
            yield from self._settled(variables, waiting.pop(), lost)
            lost = [places for places in lost if len(places)]
            if lost:  # at several places of the tree: what is read for one of them says nothing of the others
                first, lost[0] = lost[0][:1], lost[0][1:]
                leaf = read(int(first[0]))
                self._root = leaf if self._root is None else _grown(self._root, leaf)
                outputs = leaf.compile()
                self.operations += len(leaf.program)
                yield leaf, first, outputs
                waiting += lost

    def _settled(
        self, variables: Mapping[str, npt.NDArray[Any]], places: Ints, lost: list[Ints]
    ) -> Iterator[tuple[Leaf, Ints, list[Any]]]:
        """What the leaves say of their designs; places of those without a leaf go to ``lost``."""
        waiting: list[tuple[Node | None, Ints]] = [(self._root, places)]
        while waiting:
            node, places = waiting.pop()
            if node is None:
                lost.append(places)
            elif isinstance(node, Branch):
                waiting.extend(_parted(node, variables, places))
            else:
                for own, mine, outputs in _run(node.program, variables, places):
                    lost.append(mine[~own])
                    if own.all():
                        yield node, mine, outputs
                    elif own.any():
                        yield node, mine[own], [_those(output, own) for output in outputs]


def _those(output: Any, which: npt.NDArray[np.bool_]) -> Any:
    return output[which] if isinstance(output, np.ndarray) else output


def _run(
    program: Program, variables: Mapping[str, npt.NDArray[Any]], places: Ints
) -> Iterator[tuple[npt.NDArray[np.bool_], Ints, list[Any]]]:
    """The outputs of some designs, slice by slice: which are the program's own, their places, and the outputs."""
    waiting = [places[start : start + SLICE] for start in range(0, len(places), SLICE)]
    while waiting:
        some = waiting.pop()
        block = {name: variables[name][some] for name in program.names}
        try:
            own, outputs = program.run(block, len(some))
        except NumberOverflow:  # of one design or more, which are looked for; Python's integers have no end
            if len(some) > 1:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
                continue
            one = program.one({name: values.item() for name, values in block.items()})
            own, outputs = np.array([one is not None]), one or [0] * len(program.outputs)
        yield own, some, outputs


def _parted(
    branch: Branch, variables: Mapping[str, npt.NDArray[Any]], places: Ints
) -> Iterator[tuple[Node | None, Ints]]:
    for own, some, (output,) in _run(branch.program, variables, places):
        if not own.all():
            yield None, some[~own]
        mine, values = some[own], np.broadcast_to(np.asarray(output), some.shape)[own]
        rest = np.ones(len(mine), bool)
        for value, node in branch.ways.items():
            here = values == value
            if here.any():
                yield node, mine[here]
                rest &= ~here
        if rest.any():
            yield None, mine[rest]


def _grown(node: Node, leaf: Leaf) -> Node:
    """A tree with one more leaf."""
    other = node
    while isinstance(other, Branch):
        other = next(iter(other.ways.values()))
    parting = _parting(other.decisions, leaf.decisions)
    if isinstance(node, Branch) and parting >= node.place:
        way = leaf.decisions[node.place][1]
        node.ways[way] = _grown(node.ways[way], leaf) if way in node.ways else leaf
        return node
    assert parting < min(len(other.decisions), len(leaf.decisions)), "two designs part where nothing was decided"
    number, value = leaf.decisions[parting]
    return Branch(parting, number, {other.decisions[parting][1]: node, value: leaf})


def _parting(a: Sequence[tuple[Recorded, Any]], b: Sequence[tuple[Recorded, Any]]) -> int:
    """The place of the first decision with different values; what is decided up to there is the same."""
    for place, ((_, mine), (_, other)) in enumerate(zip(a, b, strict=False)):
        if mine != other:
            return place
    return min(len(a), len(b))


def _variables(number: Recorded) -> frozenset[str]:
    return frozenset(one.name for one in ingredients([number]) if not one.arguments)


def hashed(text: str) -> int:
    """A number for a text, the same in every process (63 bits of BLAKE2)."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def fingerprint(number: Recorded, numbers: dict[Recorded, int]) -> int:
    """A number for a formula, the same in every process.

    Args:
        numbers: those of the formulas before it.
    """
    for one in ingredients([number]):
        if one not in numbers:
            parts = [f"{numbers[a]:x}" if isinstance(a, Recorded) else repr(a) for a in one.arguments]
            numbers[one] = hashed(f"{one.name}({','.join(parts)})")
    return numbers[number]
