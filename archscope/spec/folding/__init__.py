"""A flat design as the spec that a person would write: the inverse of expansion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archscope.design import Design
from archscope.errors import SpecError
from archscope.errors.diagnostics import Source
from archscope.spec.document import load_document
from archscope.spec.expansion import expand
from archscope.spec.folding.bodies import Bodies
from archscope.spec.folding.layout import document
from archscope.spec.folding.slots import Unsaid
from archscope.spec.writer import to_yaml
from archscope.structure.likeness import ALONE, Families
from archscope.structure.parts import Path, tensors, tree
from archscope.structure.regions import SplitRegion, join_single, mark_regions

__all__ = ["readable", "said"]

#: each time some parts more are told apart, or dissolved
_MOST_TRIES = 50


def readable(design: Design) -> str:
    """The spec of a design with blocks, repeats and branches. Loading it gives the same layers in the same order.

    Blocks are called after those in ``design.scopes``, where it has any: who imports a model tells its classes there.
    What cannot be said so, because of names that hide each other for instance, comes back as the flat list of layers.
    Published figures, budgets and facts are left out: they are about the spec that states them.
    """
    apart: dict[Path, int] = {}
    opened: set[Path] = set()
    whole = runs = True
    for _ in range(_MOST_TRIES):
        try:
            text = _folded(design, apart, opened, whole=whole, runs=runs)
            if _says(text, design):
                return text
        except Unsaid as error:
            if any(apart.get(name, 0) < ALONE for name in error.patterns):
                apart |= {name: min(apart.get(name, 0) + 1, ALONE) for name in error.patterns}
                continue
            if error.part and error.part not in opened:
                opened.add(error.part)
                continue
        except SplitRegion:
            break
        if not whole and not runs:
            break
        whole, runs = False, whole and runs
    return to_yaml(design)


def _folded(design: Design, apart: dict[Path, int], opened: set[Path], *, whole: bool, runs: bool) -> str:
    root = tree(design, whole=whole, opened=opened)
    wrapped = mark_regions(root)
    join_single(root)
    families = Families(root, apart, wrapped, runs=runs)
    bodies = Bodies(design, root, families, wrapped, tensors(design))
    parts: dict[str, Any] = {"name": design.name}
    if design.source:
        parts["source"] = design.source
    if design.description:
        parts["description"] = design.description
    parts |= _inputs(design)
    if bodies.variables.values:
        parts["vars"] = bodies.variables.values
    if bodies.blocks:
        parts["blocks"] = {scope.signature(): entries for scope, entries in bodies.blocks}
    parts["layers"] = bodies.layers
    last = bodies.last
    if [ref for _, ref in design.outputs] != [last] or design.outputs[0][0] != "output":
        parts["outputs"] = {name: bodies.references.outside(ref) for name, ref in design.outputs}
    return document(parts)


def _inputs(design: Design) -> dict[str, Any]:
    shapes = {
        node.name: list(node.shape) if node.dtype is None else {"shape": list(node.shape), "dtype": node.dtype}
        for node in design.inputs
    }
    return {"input": shapes["input"]} if list(shapes) == ["input"] else {"inputs": shapes}


def _says(text: str, design: Design) -> bool:
    """Whether a text gives the design when it is loaded."""
    try:
        again = expand(load_document(Source("<text>", text), None), {}, {})
    except SpecError:
        return False
    return bool(said(again) == said(design))


def said(design: Design) -> Any:
    """What a design is; regions that are recomputed count by their layers, not by their names."""
    seen: dict[str | None, int] = {None: 0}
    layers = [(replace(one, checkpoint=None), seen.setdefault(one.checkpoint, len(seen))) for one in design.layers]
    return design.inputs, layers, design.outputs
