"""The layers of a design as nested parts: what becomes blocks of a spec, or modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any

from archscope.design import Design, Scope
from archscope.design.graph import Ref
from archscope.design.steps import Step
from archscope.ops import Tensor

Path = tuple[str, ...]


@dataclass(eq=False)
class Part:
    """A layer, or a block of them, in its place.

    Attributes:
        path: its full name by blocks.
        label: its name within the part around it.
        step: the layer with its tensors; ``None`` for a block.
        scope: the block call or the round of a repeat that it is, if any.
        parts: of a block, in the order of execution.
        inputs: the tensors that it reads from outside; a block call reads what it is given, in that order.
        outputs: the tensors that others read.
        again: the part whose module it applies again, if any.
        recomputed: whether it is recomputed in the backward pass as a whole.
    """

    path: Path
    label: Path
    step: Step | None = None
    scope: Scope | None = None
    parts: list[Part] = field(default_factory=list)
    inputs: tuple[Ref, ...] = ()
    outputs: tuple[Ref, ...] = ()
    again: Path | None = None
    recomputed: bool = False

    @property
    def name(self) -> str:
        """Its full name."""
        return ".".join(self.path)

    @property
    def kind(self) -> str:
        """The name of its op; empty for a block."""
        return "" if self.step is None else self.step.layer.kind

    @property
    def no_grad(self) -> bool:
        """Whether it is a layer that runs without gradients."""
        return self.step is not None and self.step.layer.no_grad

    @property
    def dtype(self) -> str | None:
        """The floating type in which it is held whatever the precision of the run, if it is a layer of such a mark."""
        return None if self.step is None else self.step.layer.dtype

    @property
    def marks(self) -> tuple[Any, ...]:
        """What stands beside it besides its name: layers that stand for each other have the same."""
        frozen = () if self.step is None else self.step.layer.frozen
        return frozen, self.no_grad, self.dtype

    def every(self) -> Iterator[Part]:
        """All parts within, the innermost first, and the part itself."""
        for part in self.parts:
            yield from part.every()
        yield self


def tree(design: Design, *, whole: bool = True, opened: Iterable[Path] = ()) -> Part:
    """The parts of a design; the outermost is the design itself.

    Args:
        whole: whether a block that is another one applied again is told as such, and not layer by layer.
        opened: names of blocks that are to be no parts: their layers stand among those around them.
    """
    steps = list(design.steps())
    paths = [step.layer.path for step in steps]
    mirrored = _mirrored(steps) if whole else {}
    names = {*paths, *((node.name,) for node in design.inputs)}
    open_parts = _scattered(paths) | _reaching(steps, mirrored) | names | {*opened}
    mirrored = {path: first for path, first in mirrored.items() if not _open_above(first, open_parts)}
    scopes = {scope.name: scope for scope in design.scopes}
    root = Part((), ())
    stack = [root]
    for step in steps:
        blocks = [path for path in _above(step.layer.path) if path not in open_parts]
        while stack[-1].path != () and stack[-1].path not in blocks:
            stack.pop()
        for path in blocks[len(stack) - 1 :]:
            _enter(stack, Part(path, (), scope=scopes.get(".".join(path)), again=mirrored.get(path)))
        shares = None if any(part.again for part in stack) else step.layer.shares
        leaf = Part(step.layer.path, (), step, again=None if shares is None else tuple(shares.split(".")))
        leaf.recomputed = step.layer.checkpoint == leaf.name
        _enter(stack, leaf)
        stack.pop()
    _connect(root, design, steps)
    return root


def tensors(design: Design) -> dict[Ref, Tensor]:
    """What flows between the layers of a design, for one sample."""
    flows = {Ref(node.name): node.tensor(1) for node in design.inputs}
    for step in design.steps():
        flows |= dict(zip(step.writes, step.y, strict=True))
    return flows


def _enter(stack: list[Part], part: Part) -> None:
    part.label = part.path[len(stack[-1].path) :]
    stack[-1].parts.append(part)
    stack.append(part)


def _above(path: Path) -> list[Path]:
    """The blocks around a layer, the outermost first."""
    return [path[:depth] for depth in range(1, len(path))]


def _open_above(path: Path, open_parts: set[Path]) -> bool:
    return path in open_parts or any(above in open_parts for above in _above(path))


def _scattered(paths: Iterable[Path]) -> set[Path]:
    """Names of blocks whose layers do not follow each other: they are no call, but only a common name."""
    closed: set[Path] = set()
    current: list[Path] = []
    scattered: set[Path] = set()
    for path in paths:
        blocks = _above(path)
        closed.update(block for block in current if block not in blocks)
        scattered.update(block for block in blocks if block in closed)
        current = blocks
    return scattered


def _mirrored(steps: list[Step]) -> dict[Path, Path]:
    """Blocks that are wholly another block applied again, the outermost ones, each with that block."""
    of: dict[Path, set[Path | None]] = {}
    size: dict[Path, int] = {}
    for step in steps:
        shares = None if step.layer.shares is None else tuple(step.layer.shares.split("."))
        for block in _above(step.layer.path):
            inner = step.layer.path[len(block) :]
            same = shares is not None and shares[len(shares) - len(inner) :] == inner
            first = shares[: len(shares) - len(inner)] if shares is not None and same else None
            of.setdefault(block, set()).add(first or None)
            size[block] = size.get(block, 0) + 1
    alike: dict[Path, Path] = {}
    for block, firsts in of.items():
        first = next(iter(firsts))
        if len(firsts) == 1 and first is not None and size.get(first) == size[block]:
            alike[block] = first
    return {block: first for block, first in alike.items() if not any(above in alike for above in _above(block))}


def _reaching(steps: list[Step], mirrored: dict[Path, Path]) -> set[Path]:
    """Blocks with layers whose weights are at home outside of them."""
    reaching = set()
    for step in steps:
        if step.layer.shares is None:
            continue
        home = tuple(step.layer.shares.split("."))
        inside = next((block for block in _above(step.layer.path) if block in mirrored), None)
        home = home if inside is None else mirrored[inside]
        for block in _above(step.layer.path) if inside is None else _above(inside):
            if home[: len(block)] != block:
                reaching.add(block)
    return reaching


def _connect(root: Part, design: Design, steps: list[Step]) -> None:
    """Find what every part reads from outside and what others read of it."""
    place = {step.layer.name: number for number, step in enumerate(steps)}
    last: dict[Ref, float] = {}
    for step in steps:
        last |= dict.fromkeys(step.layer.inputs, place[step.layer.name])
    last |= {ref: inf for _, ref in design.outputs}
    for part in root.every():
        if part.step is not None:
            made = [Ref(part.step.layer.name, number) for number in range(len(part.step.y))]
            part.inputs, part.outputs = part.step.layer.inputs, tuple(made)
            continue
        if part is root:
            continue
        inside = [leaf.step.layer for leaf in part.every() if leaf.step is not None]
        start, end = place[inside[0].name], place[inside[-1].name]
        read = dict.fromkeys(ref for layer in inside for ref in layer.inputs if place.get(ref.node, -1) < start)
        reads = part.scope.reads if part.scope is not None else ()
        part.inputs = (*reads, *(ref for ref in read if ref not in reads))
        made = [ref for child in part.parts for ref in child.outputs]
        part.outputs = tuple(ref for ref in made if last.get(ref, -1) > end)
        part.recomputed = all(layer.checkpoint == part.name for layer in inside)
    root.inputs = tuple(Ref(node.name) for node in design.inputs)
    root.outputs = tuple(ref for _, ref in design.outputs)


def mirrors(part: Part, first: Part) -> bool:
    """Whether applying a part again gives another: the same layers in the same order, wired alike."""
    mine, others = ([one for one in some.every() if one.step is not None] for some in (part, first))
    if len(mine) != len(others):
        return False
    named = {Ref(a.name, n): Ref(b.name, n) for a, b in zip(mine, others, strict=True) for n in range(len(a.outputs))}
    named[part.inputs[0]] = first.inputs[0]
    return all(
        a.path[len(part.path) :] == b.path[len(first.path) :]
        and a.step is not None and b.step is not None
        and a.step.layer.op == b.step.layer.op
        and tuple(named.get(ref) for ref in a.inputs) == b.inputs
        for a, b in zip(mine, others, strict=True)
    )  # fmt: skip
