"""What tensors and layers are called in the lists of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archscope.design import Design
from archscope.design.graph import Ref
from archscope.ops import Tensor
from archscope.spec.folding.slots import Place, Unsaid
from archscope.spec.references import GIVEN
from archscope.structure.likeness import Rounds, flow
from archscope.structure.parts import Part, Path


class LocalNames:
    """What tensors and layers are called in a list, wherever that stands.

    Args:
        root: the parts of the design.
        calls: the parts that are calls of blocks: names are local there.
        tensors: what flows between the parts.

    Attributes:
        parts: all of them, by name.
    """

    def __init__(self, design: Design, root: Part, calls: Mapping[Part, int], tensors: Mapping[Ref, Tensor]) -> None:
        self._root, self._calls, self._tensors = root, calls, tensors
        self.parts = {part.path: part for part in root.every() if not isinstance(part, Rounds)}
        self._names = {part.name for part in self.parts.values()}
        self._steps = {part.name: part.step for part in self.parts.values() if part.step is not None}
        self._inputs = {node.name for node in design.inputs}

    def outside(self, ref: Ref) -> str:
        """What a tensor is called outside of all blocks."""
        return self.reference(Place(self._root, 0), ref)

    def word(self, place: Place, part: Part) -> str:
        """What a part is called, or the one around it if that is a number; empty where both are."""
        inside = part.path[len(self._call_of(place).path) :]
        return next((word for word in reversed(inside) if not word[:1].isdigit()), "")

    def arriving(self, refs: Sequence[Ref | None]) -> dict[str, list[Any]]:
        """What `in_channels` and `in_features` are."""
        if any(ref is None for ref in refs):
            return {}
        shapes = [self._tensors[ref].shape for ref in refs if ref is not None]
        if not all(shapes):
            return {}  # a tensor of no dimension has neither
        last = {"in_features": [shape[-1] for shape in shapes]}
        if any(len(shape) < 3 for shape in shapes):
            return last
        channels = {"in_channels": [shape[1] for shape in shapes]}
        return {**last, **channels} if all(len(shape) == 3 for shape in shapes) else {**channels, **last}

    def common(self, places: list[Place], refs: Sequence[Ref]) -> str:
        """What a tensor is called in a list, wherever the list stands.

        Raises:
            Unsaid: not the same everywhere.
        """
        words = {self.reference(place, ref) for place, ref in zip(places, refs, strict=True)}
        if len(words) > 1:
            raise Unsaid
        return words.pop()

    def _call_of(self, place: Place) -> Part:
        part = place.part
        while part not in self._calls and part.path:
            part = self.parts[part.path[:-1]] if part.path[:-1] in self.parts else self._above(part)
        return part

    def _above(self, part: Part) -> Part:
        path = part.path[:-1]
        while path not in self.parts:
            path = path[:-1]
        return self.parts[path]

    def reference(self, place: Place, ref: Ref) -> str:
        call = self._call_of(place)
        if call.path and ref in call.inputs:
            number = call.inputs.index(ref)
            return f"{GIVEN}[{number}]" if len(call.inputs) > 1 else GIVEN
        if ref.node in self._inputs:
            return self.relative(place, (ref.node,))
        step = self._steps[ref.node]
        path = step.layer.path
        if step.layer.op.main_output is None and len(step.y) > 1:
            return f"{self.relative(place, path)}[{ref.output}]"
        if ref.output != (step.layer.op.main_output or 0):
            return f"{self.relative(place, path)}[{ref.output}]"
        for depth in range(1, len(path)):
            part = self.parts.get(path[:depth])
            if part is not None and place.part.path[:depth] != path[:depth] and flow(part) == ref:
                return self.relative(place, part.path)
        return self.relative(place, path)

    def relative(self, place: Place, path: Path) -> str:
        """What a layer or part is called in a list: its path behind the lists that both stand in.

        Raises:
            Unsaid: something else has that name there, or it lies outside of the block.
        """
        around, border = place.part.path, len(self._call_of(place).path)
        if around[:border] != path[:border]:
            raise Unsaid
        lists = [depth for depth in range(border, len(around) + 1) if around[:depth] in self.parts]
        for depth in reversed(lists):
            if depth >= len(path) or around[:depth] != path[:depth]:
                continue
            name = path[depth:]
            deeper = (".".join((*around[:other], *name)) for other in lists if other > depth)
            if not any(other in self._names or other in self._inputs for other in deeper):
                return ".".join(name)
        raise Unsaid
