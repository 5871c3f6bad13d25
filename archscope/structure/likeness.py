"""Which parts of a design are alike: the same layers, wired in the same way, with numbers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archscope.design.graph import Ref
from archscope.structure.names import numbered, pattern
from archscope.structure.overlay import Unlike, overlaid
from archscope.structure.parts import Part, Path

#: so much apart that no parts of that name are alike; one less, and those of the same layers are
ALONE = 2
#: the share of their layers that parts have in common at least, if those that only some have are to be optional
_ALIKE = 0.5


@dataclass(eq=False)
class Rounds(Part):
    """Parts that are alike and follow each other, each on what the one before it gave: the rounds of a repeat.

    Attributes:
        prefix: what their names begin with; a number follows.
        first: the number of the first.
    """

    prefix: str = ""
    first: int = 0


def flow(part: Part) -> Ref | None:
    """The tensor that the part behind this one reads unless it says otherwise; ``None`` where it has to."""
    while part.step is None:
        part = part.parts[-1]
    op = part.step.layer.op
    if op.main_output is None and len(part.step.y) > 1:
        return None
    return Ref(part.step.layer.name, op.main_output or 0)


class Families:
    """The parts of a design by likeness; runs of parts that are alike become one part.

    Args:
        root: the parts; they are changed.
        apart: how much the parts of a pattern of names are to be kept apart.
        wrapped: parts that are like no other.
        runs: whether runs are looked for.
    """

    def __init__(self, root: Part, apart: Mapping[Path, int], wrapped: set[Part], *, runs: bool = True) -> None:
        self._ids: dict[Part, int] = {}
        self._joined: list[int] = []
        self._numbers: dict[Any, int] = {}
        self._some: list[list[Part]] = []
        self.members: dict[int, list[Part]] = {}
        #: families whose parts name tensors outside of them, and so have to stand where they are
        self.inline: set[int] = set()
        levels: dict[int, list[Part]] = {}
        for part in root.every():
            if part.step is None and part is not root and part.again is None:
                levels.setdefault(len(part.path), []).append(part)
        for depth in sorted(levels, reverse=True):
            for part in levels[depth]:
                if runs:
                    self._find_runs(part)
                alone = part in wrapped or apart.get(pattern(part.path)) == ALONE
                self._enlist(part, part.path if alone else None)
            self._join(levels[depth], apart)
        if runs:
            self._find_runs(root)
        for part in self._ids:
            self.members.setdefault(self.of(part), []).append(part)

    def of(self, part: Part) -> int:
        """The family of a part; that of a run is that of its rounds."""
        number = self._ids[part.parts[0] if isinstance(part, Rounds) else part]
        while self._joined[number] != number:
            number = self._joined[number]
        return number

    # -- the same layers -------------------------------------------------------------------------------------------

    def _enlist(self, part: Part, mark: Path | None) -> None:
        children, result = overlaid([part])
        kinds = [self._kind(child.some, part) for child in children]
        wires = [tuple(child.reads) for child in children]
        labels = tuple(child.label for child in children)
        key = (mark, len(part.inputs), labels, tuple(kinds), tuple(wires), tuple(result))
        if key not in self._numbers:
            self._numbers[key] = len(self._joined)
            self._joined.append(len(self._joined))
            self._some.append([part])
        self._ids[part] = self._numbers[key]

    def _kind(self, child: Part, around: Part) -> tuple[Any, ...]:
        target = None if child.again is None else child.again[len(around.path) :]
        if child.step is not None:
            return child.kind, target, child.marks, child.recomputed
        return (
            ("run", self.of(child))
            if isinstance(child, Rounds)
            else ("part", self._ids.get(child) and self.of(child), target, child.recomputed)
        )

    # -- nearly the same layers ------------------------------------------------------------------------------------

    def _join(self, parts: list[Part], apart: Mapping[Path, int]) -> None:
        """Make one family of those whose names differ by numbers only, where their layers allow it."""
        patterns: dict[Path, dict[int, int]] = {}
        for part in parts:
            members = patterns.setdefault(pattern(part.path), {})
            members[self.of(part)] = members.get(self.of(part), 0) + 1
        for name, counts in patterns.items():
            if name in apart or len(counts) < 2:
                continue
            order = sorted(counts, key=lambda n: (-len(self._some[n][0].parts), -counts[n]))
            for numbers in clusters([self._some[number] for number in order], self._fit):
                first, *others = (order[number] for number in numbers)
                for other in others:
                    self._joined[other] = first
                    self._some[first] += self._some[other]

    def _fit(self, some: list[Part]) -> bool:
        """Whether parts are nearly alike: one block fits all, with at least half of the layers in all of them."""
        names = [{child.label for child in part.parts} for part in some]
        if len(set.intersection(*names)) < _ALIKE * len(set.union(*names)):
            return False
        try:
            children, _ = overlaid(some)
            return all(self.alike([part for part in child.parts if part is not None]) for child in children)
        except Unlike:
            return False

    def alike(self, parts: list[Part]) -> bool:
        """Whether parts may stand for each other in blocks that are alike."""
        if parts[0].step is not None or parts[0].again is not None:
            kinds = {(part.kind, part.marks) for part in parts}
            return len(kinds) == 1
        if any(part.step is not None or part.again is not None for part in parts):
            return False
        return len({(self.of(part), isinstance(part, Rounds)) for part in parts}) == 1

    # -- runs ------------------------------------------------------------------------------------------------------

    def _find_runs(self, around: Part) -> None:
        parts: list[Part] = []
        for rounds in self._stretches(around.parts):
            if len(rounds) < 2 and not self._lone(around):
                parts += rounds
                continue
            prefix, first = numbered(rounds[0].label[-1]) or ("", 0)
            inside = {id(leaf) for one in rounds for leaf in one.every()}
            made = {ref for one in rounds for ref in one.outputs}
            inputs = dict.fromkeys(ref for one in rounds for ref in one.inputs if ref not in made)
            outputs = tuple(ref for ref in made if self._read_outside(ref, around, inside, rounds))
            run = Rounds(around.path, (f"{prefix}{first}+",), None, None, rounds, tuple(inputs), outputs)
            run.prefix, run.first = prefix, first
            parts.append(run)
            if len(rounds[0].inputs) > 1:
                self.inline.add(self.of(rounds[0]))
        around.parts = parts

    @staticmethod
    def _lone(around: Part) -> bool:
        """Whether a part is a stage of one round, as its neighbours may be of several."""
        only = around.parts[0]
        numbers = len(around.parts) == 1 and around.path and around.label[-1][-1:].isdigit() and only.label == ("0",)
        return bool(numbers) and only.step is None and only.again is None

    def _read_outside(self, ref: Ref, around: Part, inside: set[int], rounds: list[Part]) -> bool:
        """Whether anything but the rounds themselves reads a tensor."""
        others = (part for part in around.parts if id(part) not in inside)
        return ref in around.outputs or any(ref in part.inputs for part in others) or ref == flow(rounds[-1])

    def _stretches(self, parts: list[Part]) -> Iterator[list[Part]]:
        """The parts in groups of such as follow each other."""
        stretch: list[Part] = []
        for part in parts:
            if stretch and not self._follows(stretch, part):
                yield stretch
                stretch = []
            stretch.append(part)
        if stretch:
            yield stretch

    def _follows(self, stretch: list[Part], part: Part) -> bool:
        before = stretch[-1]
        if any(one.step is not None or one.again is not None or len(one.label) > 1 for one in (before, part)):
            return False
        if self.of(before) != self.of(part) or before.recomputed != part.recomputed:
            return False
        number, here = numbered(before.label[-1]), numbered(part.label[-1])
        result = flow(before)
        if number is None or here is None or here != (number[0], number[1] + 1) or result not in part.inputs:
            return False
        place = part.inputs.index(result)
        rest = part.inputs[:place] + part.inputs[place + 1 :]
        return rest == before.inputs[:place] + before.inputs[place + 1 :]


def clusters(groups: Sequence[list[Part]], fits: Callable[[list[Part]], bool]) -> list[list[int]]:
    """Groups of parts by number, together that fit: a group joins the first others that it fits with."""
    together: list[tuple[list[int], list[Part]]] = []
    for number, group in enumerate(groups):
        for numbers, parts in together:
            if fits([*parts, *group]):
                numbers.append(number)
                parts.extend(group)
                break
        else:
            together.append(([number], [*group]))
    return [numbers for numbers, _ in together]
