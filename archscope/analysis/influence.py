"""What a unit of a real map sees of an input, exactly, and which units see a place of it: borders included.

The closed form of :mod:`archscope.analysis.receptive_field` leaves borders aside. Here sets of elements go through the
graph, layer by layer, as the windows of the ops pair them: what hangs over a border of any map on the way is not seen.
Dimensions along which all elements are alike are held once (size 1), so that a map costs its area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from archscope.analysis.receptive_field import Field, ReceptiveFields, held_values, readings, receptive_fields
from archscope.design import Design
from archscope.errors import UsageError
from archscope.graph import Ref
from archscope.ops.windows import SAME, WHOLE, Either, Reads, Rearranged, Window
from archscope.steps import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


#: places of a map that are gone through one by one; where they only change places, as many times as many
MOST_PLACES = 1 << 23
_MOVED = 8


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
    held = held_values(design)
    dims = box_dims(seen, shapes[Ref(layer, output)])
    masks = {Ref(layer, output): _only(layer, unit, shapes[Ref(layer, output)], dims)}
    for step in reversed(steps):
        for number in range(len(step.y)):
            wanted = masks.pop(Ref(step.layer.name, number), None)
            if wanted is None:
                continue
            for ref, tensor, reads in zip(step.layer.inputs, step.x, readings(step, number, held), strict=True):
                if reads is not None:
                    _unite(masks, ref, _read(wanted, reads, tensor.shape, step.y[number].shape))
    axes = tuple(field.axis for field in seen)
    found = masks.get(Ref(name))
    along = [dim for (key, dim) in fields.tensors[Ref(name)] if key == name]
    flat = _flat(found, shapes[Ref(name)], along)
    unclipped = None
    if not any(field.whole or field.untold_from or not field.located for field in seen):
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
    held = held_values(design)
    dims = [dim for (key, dim) in fields.tensors[Ref(name)] if key == name]
    masks = {Ref(name): _only(f"input {name}", place, shapes[Ref(name)], dims)}
    for step in steps:
        for number in range(len(step.y)):
            for ref, tensor, reads in zip(step.layer.inputs, step.x, readings(step, number, held), strict=True):
                if reads is not None and ref in masks:
                    reached = _write(masks[ref], reads, tensor.shape, step.y[number].shape)
                    _unite(masks, Ref(step.layer.name, number), reached)
        if step.layer.name == layer:
            break
    shape = shapes[Ref(layer, output)]
    map_dims = box_dims(seen, shape)
    axes = {dim: "".join(field.axis for field in seen if dim in field.dims) for dim in map_dims}
    return _region(tuple(axes.values()), _flat(masks.get(Ref(layer, output)), shape, map_dims))


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
        mask = np.asarray(mask & _one(place, dim, shape))
    return mask


def _one(places: int | range, dim: int, shape: tuple[int, ...]) -> Mask:
    """A mask of one place (or some) along a dimension, and of everything along the others (held once)."""
    _hold_room([shape[dim]])
    one = np.zeros(shape[dim], bool)
    one[slice(places.start, places.stop) if isinstance(places, range) else places] = True
    return one.reshape([-1 if i == dim else 1 for i in range(len(shape))])


def _hold_room(shape: Sequence[int], times: int = 1) -> None:
    """Hold that places can be gone through one by one.

    Raises:
        UsageError: they are too many.
    """
    places = prod(shape)
    if places > MOST_PLACES * times:
        raise UsageError(
            f"what a unit sees is found place by place, of at most {MOST_PLACES * times:,}; "
            f"there are {places:,} on the way"
        )


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
    return sorted({dim for field in seen if not field.blended for dim in field.dims if dim < len(shape)})


def check_place(what: str, unit: Sequence[int], sizes: Sequence[int]) -> None:
    """Hold that a place lies in a map.

    Raises:
        UsageError: it does not.
    """
    given = ",".join(map(str, unit))
    if len(unit) != len(sizes):
        axes = f"{len(sizes)} {'axis' if len(sizes) == 1 else 'axes'}"
        have = f"{axes} ({' x '.join(map(str, sizes))})" if sizes else "no axes"
        raise UsageError(f"{what} has {have}; {given or 'nothing'} names {len(unit)} place{'s' * (len(unit) != 1)}")
    for place, size in zip(unit, sizes, strict=True):
        if not 0 <= place < size:
            raise UsageError(
                f"{what} has {' x '.join(map(str, sizes))} places, counted from 0; {given} is none of them"
            )


def _flat(mask: Mask | None, shape: tuple[int, ...], dims: Sequence[int]) -> Mask:
    """A mask along some dimensions of a tensor, in full; nothing is none."""
    sizes = [shape[dim] for dim in dims]
    _hold_room(sizes)
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


# -- one reading, in both directions -----------------------------------------------------------------------------------


def _read(wanted: Any, reads: Reads, shape: tuple[int, ...], out: tuple[int, ...]) -> Mask:
    """The elements of an input that some elements of an output are computed from."""
    if isinstance(reads, Rearranged):
        _hold_room(out, _MOVED)
        inner = [reads.inner[dim] for dim in reads.order]
        places = np.broadcast_to(wanted, out).reshape(inner)
        found: Mask = places.transpose(np.argsort(reads.order)).reshape(shape)
        return found
    assert reads is not None
    if isinstance(reads, Either):
        return _together([_read(wanted, part, shape, out) for part in reads.parts])
    for dim, some in reads.at:
        if wanted.shape[dim] > 1:
            wanted = wanted[(slice(None),) * dim + (slice(some.start, some.stop),)]
    paired = [entry for entry in reads.axes if entry is not None]
    others = tuple(dim for dim in range(len(out)) if dim not in {dim for dim, _ in paired})
    wanted = wanted.any(axis=others)  # what is left: the paired dimensions of the output, in order
    left = sorted(dim for dim, _ in paired)
    wanted = wanted.transpose([left.index(dim) for dim, _ in paired])
    chosen = dict(reads.only)
    for place, (size, entry) in enumerate(zip(shape, reads.axes, strict=True)):
        if entry is None:
            wanted = np.expand_dims(wanted, place)
            if place in chosen:
                wanted = wanted & _one(chosen[place], place, shape)
        else:
            wanted = _carry(wanted, place, entry[1], size, out[entry[0]], back=True)
    result: Mask = wanted
    return result


def _write(known: Any, reads: Reads, shape: tuple[int, ...], out: tuple[int, ...]) -> Mask:
    """The elements of an output that are computed from some elements of an input."""
    if isinstance(reads, Rearranged):
        _hold_room(shape, _MOVED)
        places = np.broadcast_to(known, shape).reshape(reads.inner)
        reached: Mask = places.transpose(reads.order).reshape(out)
        return reached
    assert reads is not None
    if isinstance(reads, Either):
        return _together([_write(known, part, shape, out) for part in reads.parts])
    for dim, place in reads.only:
        known = known & _one(place, dim, shape)
    everything = tuple(dim for dim, entry in enumerate(reads.axes) if entry is None)
    known = known.any(axis=everything)
    paired = [(entry, size) for entry, size in zip(reads.axes, shape, strict=True) if entry is not None]
    for place, ((dim, window), size) in enumerate(paired):
        known = _carry(known, place, window, size, out[dim], back=False)
    order = sorted(range(len(paired)), key=lambda i: paired[i][0][0])
    known = known.transpose(order)
    for dim in range(len(out)):
        if dim not in {entry[0] for entry, _ in paired}:
            known = np.expand_dims(known, dim)
    for dim, some in reads.at:
        known = known & _one(some, dim, out)
    result: Mask = known
    return result


def _together(masks: list[Mask]) -> Mask:
    united: Mask = np.asarray(np.logical_or.reduce(np.broadcast_arrays(*masks)))
    return united


def _carry(mask: Mask, dim: int, window: Window, size_in: int, size_out: int, *, back: bool) -> Mask:
    """One dimension of a mask from the output to the input (``back``), or from the input to the output."""
    if window is SAME:
        return mask
    if window is WHOLE:
        everything: Mask = np.asarray(np.any(mask, axis=dim, keepdims=True))
        return everything
    source = size_out if back else size_in
    others = prod(mask.shape) // mask.shape[dim]
    _hold_room([max(size_in, size_out), others])
    _hold_room([max(size_in, size_out), others, window.taps], _MOVED)
    moved = np.moveaxis(np.broadcast_to(mask, (*mask.shape[:dim], source, *mask.shape[dim + 1 :])), dim, 0)
    carried: Mask = np.moveaxis(window.carried(moved, size_in, size_out, back=back), 0, dim)
    return carried
