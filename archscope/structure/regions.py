"""The parts of a design made ready: what is recomputed together, and parts of a single part."""

from __future__ import annotations

from collections import Counter

from archscope.structure.parts import Part, Path


class SplitRegion(Exception):
    """Layers are recomputed together that no part and no stretch of a list holds."""


def mark_regions(root: Part) -> set[Part]:
    """Tell which parts are recomputed as a whole; the names of regions do not matter.

    Returns:
        the parts within which several parts are recomputed together, and those around them.

    Raises:
        SplitRegion: there is a region that a spec cannot say.
    """
    leaves = [part.step.layer for part in root.every() if part.step is not None]
    sizes = Counter(layer.checkpoint for layer in leaves if layer.checkpoint is not None)
    wrapped: set[Part] = set()
    if sizes:
        _mark(root, sizes, wrapped)
    return wrapped


def _mark(part: Part, sizes: Counter[str], wrapped: set[Part]) -> None:
    inside = Counter(leaf.step.layer.checkpoint for leaf in part.every() if leaf.step is not None)
    part.recomputed = bool(part.path) and any(
        count == inside.total() == sizes.get(r) for r, count in inside.items() if r
    )
    if part.recomputed:
        for one in part.every():
            one.recomputed = one is part
        return
    for child in part.parts:
        _mark(child, sizes, wrapped)
    stretches: Counter[str] = Counter()
    before: str | None = None
    for child in part.parts:
        regions = {leaf.step.layer.checkpoint for leaf in child.every() if leaf.step is not None}
        region = regions.pop() if len(regions) == 1 and not child.recomputed else None
        if region is not None:
            stretches[region] += sum(leaf.step is not None for leaf in child.every())
            if region != before and stretches[region] > sum(leaf.step is not None for leaf in child.every()):
                raise SplitRegion
        before = region
    if any(count != sizes[region] for region, count in stretches.items()) and not part.path:
        raise SplitRegion
    if any(count == sizes[region] for region, count in stretches.items()) or any(c in wrapped for c in part.parts):
        wrapped.add(part)


def join_single(root: Part) -> None:
    """Let a part that holds a single part take its place, under both names: `heads.head`."""
    targets = {part.again for part in root.every() if part.again is not None}
    _join(root, targets)


def _join(around: Part, targets: set[Path]) -> None:
    for number, part in enumerate(around.parts):
        _join(part, targets)
        only = part.parts[0] if len(part.parts) == 1 else None
        if only is None or part.path in targets or part.again is not None or part.recomputed:
            continue
        if only.step is not None or not part.label[-1][-1:].isdigit():
            only.label = part.label + only.label
            around.parts[number] = only
