"""The length of the sequences that a design reads: which of its sizes it is, and the variable that says it."""

from __future__ import annotations

from typing import NamedTuple

from archscope.design import Design
from archscope.design.graph import Input


class Length(NamedTuple):
    """The length of a sequence.

    Attributes:
        size: as it is.
        around: the shape of the input, without the batch.
        place: of the length in it.
        variable: that the spec writes there; empty where it is a number, or where it was given from outside.
    """

    size: int
    around: tuple[int, ...]
    place: int
    variable: str

    def shape(self, size: int) -> tuple[int, ...]:
        """The shape of the input at another length."""
        return (*self.around[: self.place], size, *self.around[self.place + 1 :])


def length_of(design: Design) -> Length | None:
    """The length of what a design reads: words (L), vectors (L, E), or channels (C, L) where a layer slides along them.

    Of several inputs those that have a length have one, which a variable says. ``None`` where there is none.
    """
    lengths = [one for node in design.inputs if (one := _of_input(node, design)) is not None]
    alike = {(one.size, one.variable) for one in lengths}
    if len(alike) != 1 or (len(design.inputs) > 1 and not lengths[0].variable):
        return None
    return lengths[0]


def _of_input(node: Input, design: Design) -> Length | None:
    if len(node.shape) not in (1, 2) or (len(node.shape) == 1 and node.floating):
        return None
    readers = [layer.op for layer in design.layers for ref in layer.inputs if ref.node == node.name]
    place = 1 if len(node.shape) == 2 and any(op.rank == 1 for op in readers) else 0
    return Length(node.shape[place], node.shape, place, _variable(node, place, design))


def _variable(node: Input, place: int, design: Design) -> str:
    origin = design.origin
    if origin is None or node.name in origin.shapes:
        return ""
    stated = origin.document.inputs[node.name].shape.items[place]
    text = getattr(stated, "text", "")
    return text if text in origin.document.vars else ""
