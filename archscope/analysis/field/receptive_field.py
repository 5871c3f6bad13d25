"""Receptive fields of all layers in closed form: one pass over the edges of the graph.

The field of a unit is what it can see of an input of the design, axis by axis: from the first to the last place that
takes part in computing it for any weights, the borders of the maps left aside, and all channels together (of one
direction that is cut out of a bidirectional layer it is what both see). Sizes, jumps and starts follow the
recurrence of Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019:

    size = size + (kernel - 1) x dilation x jump,  start = start - padding x jump,  jump = jump x stride

Where units take turns (behind a transposed convolution, a resampling), or see more the later they come (behind what is
causal), the largest field counts, and the smallest is told beside it. Where several paths lead to a layer, the field is
the hull of theirs; of parts joined along channels, too, and it stays so where one of them is taken out again (what a
unit of it sees is found exactly). A layer that mixes everything sees the whole input; the field of what it mixes stays
visible. Where places have been laid anew (rolled, joined to others, cut into windows) and a layer then reads some of
them, only some elements of a layer read at all, or parts that see otherwise lie beside each other along another axis,
no closed form says what units see: they are told one by one, borders taken in (archscope.analysis.field.extents). Where
there is no room for that, it is said that the field is not told, or that it is so large at most; what a single unit
sees is found exactly (archscope.analysis.field.influence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from archscope.analysis.field import parts
from archscope.analysis.field.axis import Axes, Field
from archscope.analysis.field.joining import differ, joined, laid_across
from archscope.analysis.field.values import Values
from archscope.arith import fixed
from archscope.design import Design, hold_designs
from archscope.design.graph import Input, Ref
from archscope.design.steps import Step
from archscope.errors import UsageError, counted, suggestion
from archscope.ops.legal import dim_names
from archscope.ops.readings import Rearranged, along_of
from archscope.ops.spans import ITSELF, Span
from archscope.ops.windows import SAME, WHOLE, Along, Axis, Placed, pointwise, targets
from archscope.shown import Shown

if TYPE_CHECKING:
    from archscope.analysis.field.extents import Extent

#: dimensions that are no axes of a map
_NO_AXES = ("N", "C", "F", "E")

#: fields by the input and the dimension of it that they are about
Fields = Mapping[tuple[str, int], Field]


@dataclass(frozen=True)
class ReceptiveFields(Shown, report="fields"):
    """The fields of a design.

    Attributes:
        tensors: of every tensor, by input and dimension.
    """

    design: Design
    tensors: Mapping[Ref, Fields]

    def of(self, name: str, output: int = 0, input: str | None = None) -> Axes:  # noqa: A002
        """The field of the output of a layer (of a block, its last one), axis by axis of an input.

        Args:
            input: the input that is seen; the first one if left out.

        Raises:
            UsageError: there is no such layer or input, or the layer does not read that input.
        """
        fields = self.tensors.get(Ref(self.layer(name), output))
        if fields is None:
            raise UsageError(f"`{name}` has no output {output}; they are counted from 0")
        names = [node.name for node in self.design.inputs]
        if input is not None and input not in names:
            raise UsageError(f"{self.design.name} has no input `{input}`; inputs: {', '.join(names)}")
        return seen_of(fields, input)

    def layer(self, name: str) -> str:
        """A layer by its full name; the last one of a block.

        Raises:
            UsageError: there is no such layer or block.
        """
        if Ref(name) in self.tensors:
            return name
        if name not in self._last:
            hint = suggestion(name, {ref.node for ref in self.tensors})
            raise UsageError(f"{self.design.name} has no layer or block `{name}`{'; ' + hint if hint else ''}")
        return self._last[name]

    @cached_property
    def _last(self) -> dict[str, str]:
        """The last layer of every block."""
        return {part: layer.name for layer in self.design.layers for part in accumulate(layer.path, "{}.{}".format)}

    def __getitem__(self, name: str) -> Axes:
        """The field of a layer's first output, axis by axis of the (first) input that it sees."""
        return self._first[name if name in self._first else self.layer(name)]

    @cached_property
    def _first(self) -> dict[str, Axes]:
        """The fields of the first outputs, which are asked for again and again; where they pass through, the same."""
        different = {id(fields): fields for fields in self.tensors.values()}
        seen = {key: seen_of(fields) for key, fields in different.items()}
        return {ref.node: seen[id(fields)] for ref, fields in self.tensors.items() if not ref.output}


def seen_of(fields: Fields, input: str | None = None) -> Axes:  # noqa: A002
    """The axes of one input; of the first that is seen where none is named."""
    chosen = next((name for name, _ in fields), None) if input is None else input
    return Axes([field for (name, _), field in fields.items() if name == chosen])


def receptive_fields(design: Design, *, batch: int = 1) -> ReceptiveFields:
    """The receptive fields of all layers, in time linear in the edges of the graph."""
    hold_designs(design)
    steps = design.steps(batch)
    readers: dict[str, Step] = {}
    for step in steps:
        for ref in step.layer.inputs:
            readers.setdefault(ref.node, step)
    tensors: dict[Ref, Fields] = {}
    values = Values(steps)
    for node in design.inputs:
        tensors[Ref(node.name)] = dict(_axes(node, readers.get(node.name)))
    for step in steps:
        for output in range(len(step.y)):
            tensors[Ref(step.layer.name, output)] = _behind(step, output, tensors, values)
    _tell(design, steps, tensors)
    return ReceptiveFields(design, tensors)


def _tell(design: Design, steps: tuple[Step, ...], tensors: dict[Ref, Fields]) -> None:
    """Tell unit by unit what the closed form does not tell, as far as there is room."""
    wanted: dict[tuple[str, int], set[Ref]] = {}
    for ref, fields in tensors.items():
        for key, field in fields.items():
            if field.untold_from or field.at_most:
                wanted.setdefault(key, set()).add(ref)
    if not wanted:
        return
    from archscope.analysis.field.extents import extents

    shapes = {Ref(step.layer.name, output): of.shape for step in steps for output, of in enumerate(step.y)}
    tables: dict[Ref, dict[tuple[str, int], Field]] = {}
    for (ref, key), extent in extents(design.inputs, steps, wanted).items():
        field = tensors[ref][key]
        tables.setdefault(ref, {})[key] = (
            field.changed(crowded=extent)
            if isinstance(extent, str)
            else _one_by_one(key, tensors[ref], extent, shapes[ref])
        )
    for ref, fields in tables.items():
        tensors[ref] = {**tensors[ref], **fields}


def _one_by_one(key: tuple[str, int], fields: Fields, extent: Extent, shape: tuple[int, ...]) -> Field:
    """The field of an axis as its units tell it, which lie along the dimensions of the input's other axes, too."""
    from archscope.analysis.field.extents import differing, table

    field = fields[key]
    pace = field.pace if field.untold_from else field.jump
    field = field.changed(at_most=extent.at_most, pace=pace)
    beside = {dim for (name, _), of in fields.items() if name == key[0] and not of.blended for dim in of.dims}
    across = differing(extent, sorted(beside - set(field.dims)))
    if field.whole:
        units = table(extent, sorted({*field.dims, *across}), shape)
        if isinstance(units, str):
            return fields[key].changed(crowded=units)
        if units.all_see(*field.reach):
            return field
    dims = differing(extent, sorted(field.dims)) or tuple(sorted(field.dims))
    units = table(extent, sorted({*dims, *across}), shape)
    if isinstance(units, str):
        return fields[key].changed(crowded=units)
    return field.changed(
        table=units,
        parts=None,
        hull_from="",
        dims=dims,
        across=across,
        units=shape[dims[0]] if dims else 1,
        located=True,
        whole=False,
        mixed_by="",
        untold_from="",
        untold_why="",
    )


def _axes(node: Input, reader: Step | None) -> Iterator[tuple[tuple[str, int], Field]]:
    """The axes of an input, as the first layer that reads it understands its dimensions."""
    ndim = len(node.shape) + 1
    names = dim_names(type(reader.layer.op), ndim) if reader else ("N", *(f"d{i}" for i in range(1, ndim)))
    dims = [dim for dim in range(1, ndim) if names[dim] not in _NO_AXES] or list(range(1, ndim))
    for dim in dims:
        size = node.shape[dim - 1]
        axis = names[dim].lower()
        yield (node.name, dim), Field(axis, size, size, (dim,), (ITSELF,), *(ITSELF,) * 4)


def _behind(step: Step, output: int, tensors: Mapping[Ref, Fields], values: Values) -> Fields:
    """The fields of an output of a layer from those of what it reads."""
    arriving: dict[tuple[str, int], list[parts.Path]] = {}
    beside: set[tuple[str, int]] = set()  # axes along which inputs lie beside each other, and not on each other
    lying: list[set[int]] = []  # of each input that is laid anew, along which dimensions of the output
    out, layer, readings = step.y[output].shape, step.layer.name, values.readings(step, output)
    if len(readings) == 1 and readings[0] is pointwise(len(out)):  # most layers are so
        return tensors[step.layer.inputs[0]]
    for ref, tensor, reads in zip(step.layer.inputs, step.x, readings, strict=True):
        fields = tensors[ref]
        if reads is None:
            continue
        along, moved = along_of(reads), isinstance(reads, Rearranged)
        exact = moved or isinstance(reads, Along)
        placed = {dim for entry in along.axes if type(_window(entry)) is Placed for dim in targets(entry)}
        lying += [placed] if placed else []
        blended = _blended(along, fields, tensor.shape) if placed else frozenset()
        mixed = parts.mixed(fields.values(), along, tensor.shape)
        where = () if moved else tuple(_where(along, tensor.shape))
        for key, field in fields.items():
            behind = partial(through, along=along, shape=tensor.shape, out=out, layer=layer, blended=blended)
            passed = parts.carried(field, reads, (tensor.shape, out), mixed, (layer, ref), behind)
            if passed is None:
                continue
            anew = placed and any(type(_window(along.axes[dim])) is Placed for dim in field.dims)
            if anew:
                beside.add(key)
            if not exact or (anew and not moved):
                passed = passed.changed(at_most=passed.at_most or layer)
            own = tuple(one for one in where if one[0] not in passed.dims)
            arriving.setdefault(key, []).append(parts.Path(ref, passed, own))
    units = {dim for paths in arriving.values() for _, field, _ in paths if not field.blended for dim in field.dims}
    across = len(lying) if not units.isdisjoint(set().union(*lying)) else 0
    return {
        key: _met(layer, paths, out, beside=key in beside, across=across if key not in beside else 0)
        for key, paths in arriving.items()
    }


def _met(layer: str, paths: Sequence[parts.Path], out: tuple[int, ...], *, beside: bool, across: int) -> Field:
    """What the inputs show together.

    Args:
        beside: whether they lie beside each other along the axis.
        across: how many lie beside each other along another one.
    """
    pairs = [(ref, field) for ref, field, _ in paths]
    if across and differ(pairs, across):
        return laid_across(layer, pairs)
    hull = joined(layer, pairs, beside=beside)
    return parts.met(layer, hull, paths, out) if len(paths) > 1 else hull


def _where(along: Along, shape: tuple[int, ...]) -> Iterator[tuple[int, range]]:
    """The dimensions of an output along which only some places read an input, each with those."""
    yield from along.at
    for size, entry in zip(shape, along.axes, strict=True):
        if entry is not None and type(entry[1]) is Placed and entry[1].border == "zeros" and not entry[1].others:
            yield entry[0], range(entry[1].padding, entry[1].padding + size)


def _blended(along: Along, fields: Fields, shape: tuple[int, ...]) -> frozenset[int]:
    """The dimensions of the output into which something else than the axes of the input goes, too: channels."""
    axes = {dim for field in fields.values() for dim in field.dims if not field.blended}
    others = (entry for dim, entry in enumerate(along.axes) if dim and dim not in axes and not fixed(shape[dim] == 1))
    return frozenset(dim for entry in others for dim in targets(entry))


def through(
    field: Field,
    along: Along,
    shape: tuple[int, ...],
    out: tuple[int, ...],
    layer: str = "",
    blended: frozenset[int] = frozenset(),
) -> Field:
    """The fields of an output's units along an axis, from those of an input's.

    Args:
        along: what the output reads of the input.
        shape: of the input.
        out: of the output.
        blended: dimensions of the output that hold channels of the input, too.
    """
    if not field.dims:
        return field
    entries = [along.axes[dim] for dim in field.dims]
    if all(entry == (dim, SAME) for dim, entry in zip(field.dims, entries, strict=True)):
        return field
    dims = tuple(dict.fromkeys(dim for entry in entries for dim in targets(entry)))
    moved = field.changed(
        dims=dims, units=out[dims[0]] if dims else 1, blended=field.blended or not blended.isdisjoint(dims)
    )
    if field.whole:
        return moved
    if field.untold_from:
        return moved.changed(pace=field.pace * _pace(entries, field.dims, shape, out))
    if not field.located or type(_window(entries[0])) is Placed:
        before = moved.changed(among=field.units) if field.located else moved
        return _unlocated(before, entries, along, layer, field.jump * _pace(entries, field.dims, shape, out))
    (dim,), window = field.dims, _window(entries[0])
    if window is None or window is WHOLE:
        place = 0 if fixed(shape[dim] == 1) else dict(along.only).get(dim)
        if place is not None:  # the unit that is there, or taken, is what all see
            return _mapped(moved, lambda span: _of_one(span, fixed(place)))
        return moved.changed(whole=True, mixed_by=layer, among=field.units)
    if window is SAME:
        return moved
    mapped = _mapped(moved, lambda span: window.seen(span, shape[dim], moved.units), layer)
    return mapped.changed(pace=field.jump * window.pace(shape[dim], moved.units)) if mapped.untold_from else mapped


def _window(entry: Axis | None) -> Any:
    return None if entry is None else entry[1]


def _pace(
    entries: Sequence[Axis | None], dims: tuple[int, ...], shape: tuple[int, ...], out: tuple[int, ...]
) -> int | Fraction:
    """How far a layer moves from a unit to the next; units that have places along several dimensions stay in step."""
    if len(dims) != 1 or entries[0] is None:
        return 1
    target, window = entries[0]
    return window.pace(shape[dims[0]], out[target])


def _unlocated(moved: Field, entries: list[Axis | None], along: Along, layer: str, pace: int | Fraction) -> Field:
    """The field of units that lie somewhere along dimensions: still that of each, or all where all are mixed."""
    windows = [_window(entry) for entry in entries]
    if all(window is SAME or type(window) is Placed for window in windows):
        return moved.changed(located=False)
    if all(window is None or window is WHOLE for window in windows) and not along.only:
        return moved.changed(whole=True, mixed_by=layer)
    why = "reads some places of what was laid anew"
    return moved.changed(located=False, untold_from=layer, untold_why=why, pace=pace)


def _of_one(span: Span, unit: int) -> Span:
    """What one unit sees, for all units behind."""
    first, size = span.of(unit)
    return Span(0, (first,), (size,))


def _mapped(field: Field, change: Callable[[Span], Span | None], layer: str = "") -> Field:
    """The field with each span changed by a layer; not told any more where one of them cannot be."""
    changed: dict[int, Any] = {}
    for span in field.all_spans():
        if id(span) not in changed:
            changed[id(span)] = change(span)
            if changed[id(span)] is None:
                why = f"has {counted(field.units, 'unit')}, of which no closed form tells what each sees"
                return field.changed(located=False, untold_from=layer, untold_why=why)
    spans = tuple(dict.fromkeys(changed[id(span)] for span in field.spans))
    small, large, early, late = (changed[id(s)] for s in (field.small, field.large, field.early, field.late))
    return field.changed(spans=spans, small=small, large=large, early=early, late=late)
