"""What a unit of a real map sees of an input, exactly, and which units see a place of it: borders included.

The closed form of :mod:`archscope.analysis.field.receptive_field` leaves borders aside. Here sets of elements go
through the graph, layer by layer, as the windows of the ops pair them (:mod:`archscope.analysis.field.carrying`): what
hangs over a border of any map on the way is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archscope.analysis.field.axis import Field
from archscope.analysis.field.carrying import Carrier
from archscope.analysis.field.receptive_field import ReceptiveFields, receptive_fields
from archscope.analysis.field.values import Values
from archscope.design import Design
from archscope.design.graph import Ref
from archscope.design.steps import Step
from archscope.errors import UsageError, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


_CARRIER = Carrier()


@dataclass(frozen=True)
class Region:
    """A box of places along the axes of an input or of a map.

    Attributes:
        axes: names of the axes.
        first: the first place along each; empty where nothing is seen.
        last: the last place along each, included.
        count: how many places of the box belong to the region (there may be holes).
    """

    axes: tuple[str, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    count: int

    @property
    def size(self) -> tuple[int, ...]:
        """Places along each axis."""
        return tuple(last - first + 1 for first, last in zip(self.first, self.last, strict=True))

    def __str__(self) -> str:
        if not self.count:
            return "nothing"
        if not self.axes:
            return "everything"
        parts = zip(self.axes, self.first, self.last, strict=True)
        return ", ".join(f"{axis} {first} to {last}" for axis, first, last in parts)


@dataclass(frozen=True)
class Sight:
    """What a unit sees of an input.

    Attributes:
        unit: its place along the axes of its map.
        unclipped: its field with the borders left aside, first and last place along each axis; ``None`` where every
            unit sees the whole input.
        seen: what it sees of the input.
        mask: the places that it sees, along the axes.
    """

    layer: str
    unit: tuple[int, ...]
    input: str
    unclipped: tuple[tuple[int, int], ...] | None
    seen: Region
    mask: Mask

    @property
    def padding_share(self) -> float:
        """The share of the unclipped field that lies outside the input."""
        if self.unclipped is None or not self.seen.first:
            return 0.0
        whole = inside = 1
        for (first, last), extent in zip(self.unclipped, self.mask.shape, strict=True):
            whole *= last - first + 1
            inside *= max(min(last, extent - 1) - max(first, 0) + 1, 0)
        return 1 - inside / whole


def sees(
    design: Design,
    layer: str,
    unit: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002  # named so everywhere
) -> Sight:
    """What a unit of a layer sees of an input, clipped to it.

    Args:
        unit: its place along the axes of the layer's map, counted from 0; all channels together. Nothing where the
            layer has no axes left.

    Raises:
        UsageError: there is no such layer, unit or input, or a map on the way is too large to go through.
    """
    fields, layer, seen, name, steps, shapes = _asked(design, layer, output, input)
    values = Values(steps, arrays=True)
    dims = box_dims(seen, shapes[Ref(layer, output)])
    masks = {Ref(layer, output): _only(layer, unit, shapes[Ref(layer, output)], dims)}
    for step in reversed(steps):
        for number in range(len(step.y)):
            wanted = masks.pop(Ref(step.layer.name, number), None)
            if wanted is None:
                continue
            for ref, tensor, reads in zip(step.layer.inputs, step.x, values.readings(step, number), strict=True):
                if reads is not None:
                    _unite(masks, ref, _CARRIER.back(wanted, reads, tensor.shape, step.y[number].shape))
    axes = tuple(field.axis for field in seen)
    mask = masks.get(Ref(name))
    along = [dim for (key, dim) in fields.tensors[Ref(name)] if key == name]
    flat = _flat(mask, shapes[Ref(name)], along)
    unclipped = None
    if not any(field.whole or field.untold_from or field.table is not None or not field.located for field in seen):
        at = dict(zip(dims, unit, strict=True))
        unclipped = tuple(field.region(0 if field.dim is None else at[field.dim]) for field in seen)
    return Sight(layer, tuple(unit), name, unclipped, _region(axes, flat), flat)


def seen_by(
    design: Design,
    layer: str,
    place: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002
) -> Region:
    """The units of a layer that see a place of an input.

    Args:
        place: along the axes of the input, counted from 0; all channels together.

    Raises:
        UsageError: there is no such layer, place or input, or a map on the way is too large to go through.
    """
    fields, layer, seen, name, steps, shapes = _asked(design, layer, output, input)
    values = Values(steps, arrays=True)
    dims = [dim for (key, dim) in fields.tensors[Ref(name)] if key == name]
    masks = {Ref(name): _only(f"input {name}", place, shapes[Ref(name)], dims)}
    for step in steps:
        for number in range(len(step.y)):
            for ref, tensor, reads in zip(step.layer.inputs, step.x, values.readings(step, number), strict=True):
                if reads is not None and ref in masks:
                    reached = _CARRIER.forth(masks[ref], reads, tensor.shape, step.y[number].shape)
                    _unite(masks, Ref(step.layer.name, number), reached)
        if step.layer.name == layer:
            break
    shape = shapes[Ref(layer, output)]
    map_dims = box_dims(seen, shape)
    along = ("".join(field.axis for field in seen if dim in field.dims) for dim in map_dims)
    beside = ("".join(field.axis for field in seen if dim in field.across) for dim in map_dims)
    axes = tuple(own or others for own, others in zip(along, beside, strict=True))
    return _region(axes, _flat(masks.get(Ref(layer, output)), shape, map_dims))


def _asked(
    design: Design, layer: str, output: int, name: str | None
) -> tuple[ReceptiveFields, str, tuple[Field, ...], str, tuple[Step, ...], dict[Ref, tuple[int, ...]]]:
    """What a question is about: the fields, the layer, its axes, the input, and all steps and shapes."""
    fields = receptive_fields(design)
    layer = fields.layer(layer)
    seen = fields.of(layer, output, name)
    steps = design.steps()
    return fields, layer, seen, _input_name(fields, layer, output, name), steps, _shapes(design, steps)


def _only(what: str, at: Sequence[int], shape: tuple[int, ...], dims: Sequence[int]) -> Mask:
    """A mask of one place along some dimensions, and of everything along the others (held once)."""
    check_place(what, at, [shape[dim] for dim in dims])
    mask: Mask = np.ones((1,) * len(shape), bool)
    for dim, place in zip(dims, at, strict=True):
        mask = np.asarray(mask & _CARRIER.one(place, dim, shape))
    return mask


def _shapes(design: Design, steps: Sequence[Step]) -> dict[Ref, tuple[int, ...]]:
    shapes = {Ref(node.name): node.tensor(1).shape for node in design.inputs}
    for step in steps:
        shapes |= {Ref(step.layer.name, i): tensor.shape for i, tensor in enumerate(step.y)}
    return shapes


def _input_name(fields: ReceptiveFields, layer: str, output: int, name: str | None) -> str:
    if name is not None:
        return name
    seen = next((key for key, _ in fields.tensors[Ref(layer, output)]), None)
    if seen is None:
        raise UsageError(f"{layer} sees no input")
    return seen


def box_dims(seen: Sequence[Field], shape: tuple[int, ...]) -> list[int]:
    """The dimensions of a tensor along which its units have places: those that the axes of the input go along."""
    dims = {dim for field in seen if not field.blended for dim in (*field.dims, *field.across)}
    return sorted(dim for dim in dims if dim < len(shape))


def check_place(what: str, unit: Sequence[int], sizes: Sequence[int]) -> None:
    """Hold that a place lies in a map.

    Raises:
        UsageError: it does not.
    """
    place_text = ",".join(map(str, unit))
    if len(unit) != len(sizes):
        axes = f"{len(sizes)} {'axis' if len(sizes) == 1 else 'axes'}"
        have = f"{axes} ({' x '.join(map(str, sizes))})" if sizes else "no axes"
        raise UsageError(f"{what} has {have}; {place_text or 'nothing'} names {counted(len(unit), 'place')}")
    for place, size in zip(unit, sizes, strict=True):
        if not 0 <= place < size:
            raise UsageError(
                f"{what} has {' x '.join(map(str, sizes))} places, counted from 0; {place_text} is none of them"
            )


def _flat(mask: Mask | None, shape: tuple[int, ...], dims: Sequence[int]) -> Mask:
    """A mask along some dimensions of a tensor, in full; nothing is none."""
    sizes = [shape[dim] for dim in dims]
    _CARRIER.hold_room(sizes)
    if mask is None:
        return np.zeros(sizes, bool)
    full: Mask = np.broadcast_to(_along(mask, dims), sizes)
    return full


def _along(mask: Any, dims: Sequence[int]) -> Mask:
    """A full mask along some of its dimensions."""
    others = tuple(dim for dim in range(mask.ndim) if dim not in dims)
    result: Mask = mask.any(axis=others)
    return result


def _region(axes: tuple[str, ...], mask: Mask) -> Region:
    count = int(mask.sum())
    if not count:
        return Region(axes, (), (), 0)
    first, last = [], []
    for dim in range(mask.ndim):
        along = np.flatnonzero(_along(mask, [dim]))
        first.append(int(along[0]))
        last.append(int(along[-1]))
    return Region(axes, tuple(first), tuple(last), count)


def _unite(masks: dict[Ref, Mask], ref: Ref, mask: Mask) -> None:
    masks[ref] = masks[ref] | mask if ref in masks else mask
