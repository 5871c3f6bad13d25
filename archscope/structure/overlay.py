"""Parts that are alike laid over each other: what they have in common is a block of a spec, a class of source code.

Layers that only some of the parts have become optional; what others read of them is then what stands for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archscope.design.graph import Ref
from archscope.ops import Op
from archscope.structure.parts import Part, Path

#: where a value comes from within a class: an input (its number), or a part (its label) and which of its outputs
Local = tuple[int, Path]


class Unlike(Exception):
    """Parts that no class of one forward pass fits."""


@dataclass(eq=False)
class Child:
    """A part of a class.

    Attributes:
        parts: in every place where the class is used; ``None`` where it is left out.
        reads: where its inputs come from.
        otherwise: what stands for its output where it is left out, if anything reads that.
        module: source of the module; empty for a function, and for one that is applied again.
        values: source of a function's arguments.
        condition: source of when it is there; empty if always.
    """

    label: Path
    parts: list[Part | None]
    reads: list[Local] = field(default_factory=list)
    otherwise: Local | None = None
    module: str = ""
    values: dict[str, str] = field(default_factory=dict)
    condition: str = ""

    @property
    def some(self) -> Part:
        """It, in a place where it is."""
        return next(part for part in self.parts if part is not None)

    @property
    def optional(self) -> bool:
        """Whether it is left out somewhere."""
        return None in self.parts

    @property
    def op(self) -> Op | None:
        """Its op, if it is a layer."""
        return None if self.some.step is None else self.some.step.layer.op

    @property
    def kind(self) -> str:
        """The name of its op; empty for a block."""
        return self.some.kind

    @property
    def stateless(self) -> bool:
        """Whether it is a layer with nothing to remember, so that one module may serve in several places."""
        steps = [part.step for part in self.parts if part is not None]
        return all(
            step is not None
            and step.layer.dtype is None
            and not step.layer.op.parameters(*step.x)
            and not step.layer.op.buffers(*step.x)
            for step in steps
        )


def trim(parts: list[Part]) -> None:
    """Forget inputs that no part reads."""
    counts = {len(part.inputs) for part in parts}
    if len(counts) > 1 or not parts[0].path:
        return
    for number in reversed(range(counts.pop())):
        if all(part.inputs[number] not in {ref for child in part.parts for ref in child.inputs} for part in parts):
            for part in parts:
                part.inputs = part.inputs[:number] + part.inputs[number + 1 :]


def fit(parts: list[Part]) -> bool:
    """Whether one class fits all parts."""
    try:
        overlaid(parts)
    except Unlike:
        return False
    return True


def overlaid(parts: list[Part]) -> tuple[list[Child], list[Local]]:
    """The children of parts that are alike, and where their outputs come from.

    Raises:
        Unlike: they are not.
    """
    if len({(len(part.inputs), len(part.outputs)) for part in parts}) > 1:
        raise Unlike
    order = _merged([[child.label for child in part.parts] for part in parts])
    lookup = [{child.label: child for child in part.parts} for part in parts]
    children = [Child(label, [table.get(label) for table in lookup]) for label in order]
    wiring = _Wiring(parts, children)
    for child in children:
        present = [part for part in child.parts if part is not None]
        forms = {
            (len(one.inputs), len(one.outputs), one.again is None, one.recomputed, one.no_grad, one.dtype)
            for one in present
        }
        if len(forms) > 1:
            raise Unlike
        if len({_target(part, whole) for part, whole in zip(child.parts, parts, strict=True) if part is not None}) > 1:
            raise Unlike
        reads = [None if part is None else part.inputs for part in child.parts]
        child.reads = [wiring.resolve(reads, number) for number in range(len(present[0].inputs))]
    results = [part.outputs for part in parts]
    result = [wiring.resolve(results, number) for number in range(len(parts[0].outputs))]
    wiring.check()
    return children, result


def _target(part: Part, whole: Part) -> Path | None:
    """The part that is applied again, as seen from the part around it."""
    return None if part.again is None else part.again[len(whole.path) :]


def _merged(sequences: list[list[Path]]) -> list[Path]:
    """An order that all sequences follow.

    Raises:
        Unlike: there is none.
    """
    if all(sequence == sequences[0] for sequence in sequences):
        return sequences[0]
    order: list[Path] = []
    for sequence in sorted(sequences, key=len, reverse=True):
        at = 0
        for label in sequence:
            if label in order:
                if order.index(label) < at:
                    raise Unlike
                at = order.index(label) + 1
            else:
                order.insert(at, label)
                at += 1
    return order


class _Wiring:
    """Where the inputs of children come from, in all parts at once."""

    def __init__(self, parts: list[Part], children: list[Child]) -> None:
        self._children = {child.label: child for child in children}
        self._order = {child.label: number for number, child in enumerate(children)}
        self._places: list[dict[Ref, set[Local]]] = []
        for number, part in enumerate(parts):
            places: dict[Ref, set[Local]] = {}
            for position, ref in enumerate(part.inputs):
                places.setdefault(ref, set()).add((position, ()))
            for child in children:
                here = child.parts[number]
                for position, ref in enumerate(here.outputs if here is not None else ()):
                    places.setdefault(ref, set()).add((position, child.label))
            self._places.append(places)

    def resolve(self, refs: Sequence[tuple[Ref, ...] | None], position: int) -> Local:
        """The one place that an input comes from.

        Raises:
            Unlike: there is none.
        """
        candidates: dict[int, set[Local]] = {}
        for number, reads in enumerate(refs):
            if reads is not None:
                candidates[number] = self._places[number].get(reads[position], set())
        return self._common(candidates)

    def check(self) -> None:
        """See that what stands for a part that is left out is always there then.

        Raises:
            Unlike: it is not.
        """
        for child in self._children.values():
            instead = self._children.get(child.otherwise[1]) if child.otherwise is not None else None
            if instead is None or instead.otherwise is not None:
                continue
            if any(one is None and other is None for one, other in zip(child.parts, instead.parts, strict=True)):
                raise Unlike

    def _common(self, candidates: dict[int, set[Local]]) -> Local:
        shared = set.intersection(*candidates.values())
        if shared:
            return min(shared)
        for label in reversed(list(self._order)):
            child = self._children[label]
            there = {n: places for n, places in candidates.items() if child.parts[n] is not None}
            elsewhere = {n: places for n, places in candidates.items() if child.parts[n] is None}
            if there and elsewhere and all((0, label) in places for places in there.values()):
                otherwise = self._common(elsewhere)
                early = not otherwise[1] or self._order[otherwise[1]] < self._order[label]
                if not early or child.otherwise not in (None, otherwise):
                    raise Unlike
                child.otherwise = otherwise
                return (0, label)
        raise Unlike
