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
from dataclasses import fields as dataclass_fields
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, combinations
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.analysis.field.values import Values
from archscope.arith import fixed, whole_number
from archscope.design import Design, hold_designs
from archscope.design.graph import Input, Ref
from archscope.design.steps import Step
from archscope.errors import UsageError, suggestion
from archscope.ops.legal import dim_names
from archscope.ops.readings import Rearranged, along_of
from archscope.ops.windows import (
    ITSELF,
    SAME,
    WHOLE,
    Along,
    Axis,
    Placed,
    Span,
    both_ends,
    hull,
    pointwise,
)
from archscope.shown import Shown

if TYPE_CHECKING:
    from archscope.analysis.field.extents import Extent, Table

#: dimensions that are no axes of a map
_NO_AXES = ("N", "C", "F", "E")


class Apart(NamedTuple):
    """Two paths whose fields have different centres.

    Attributes:
        layer: where they meet.
        first: the tensor whose field lies first along the axis, and the one whose lies last.
        by: the distance of their centres, in places of the input.
    """

    layer: str
    first: Ref
    second: Ref
    by: Fraction


def apart_words(layer: str, first: str, second: str, by: str) -> str:
    """Where and by how much two paths disagree; both may begin with one tensor, which a layer reads in two ways."""
    whose = f"of two readings of {first}" if first == second else f"of {first} and {second}"
    return f"at {layer} the centres {whose} are {by} apart"


@dataclass(frozen=True)
class Field:
    """The fields of the units of a tensor along one axis of an input.

    Attributes:
        axis: its name: ``h``, ``w``, ...
        extent: places of the input along it.
        units: places of the tensor along the first dimension that goes with it.
        dims: those dimensions; none where all units see the same.
        spans: what a unit sees; several where paths of unequal strides meet.
        small: the path with the smallest field, and the one with the largest.
        early: the path whose field lies first, and the one whose lies last.
        whole: whether every unit sees all that there was; the spans are then those of what was mixed.
        mixed_by: the layer that mixed everything.
        located: whether it is known where the units lie; not so behind a Flatten.
        blended: whether channels lie along those dimensions, too, so that their places are no units.
        untold_from: the layer from which on no closed form says what a unit sees, if any; the spans are then those
            of what that layer reads.
        untold_why: the reason, to be read after its name.
        among: how many units there were when they were mixed, or last known apart.
        apart: the first two paths that disagree, if any do.
        at_most: the layer of which some elements, or some values, leave a part of all this unseen; empty if none does.
        pace: places of the input between neighbouring units, where no closed form says them.
        table: what each unit sees, where no closed form says it; the spans are then those of what was laid anew.
        across: dimensions that go with other axes, along which what each unit sees differs, too.
    """

    axis: str
    extent: int
    units: int
    dims: tuple[int, ...]
    spans: tuple[Span, ...]
    small: Span
    large: Span
    early: Span
    late: Span
    whole: bool = False
    mixed_by: str = ""
    located: bool = True
    blended: bool = False
    untold_from: str = ""
    untold_why: str = ""
    among: int = 0
    apart: Apart | None = None
    at_most: str = ""
    pace: int | Fraction = 0
    table: Table | None = None
    across: tuple[int, ...] = ()

    @property
    def dim(self) -> int | None:
        """The one dimension along which it is known what each unit sees; ``None`` where there is none."""
        return self.dims[0] if self.dims and self.located else None

    @cached_property
    def sees(self) -> str:
        """``all`` of the input, ``a part`` of it, ``at most`` so much, or ``not told``."""
        if self.untold_from and not self.whole:
            return "not told"
        return f"at most {self._seen}" if self.at_most else self._seen

    @property
    def _seen(self) -> str:
        if self.table is not None:
            return "all" if self.table.all_see(0, self.extent - 1) else "a part"
        return "all" if self.whole and self.reach == (0, self.extent - 1) else "a part"

    @cached_property
    def reach(self) -> tuple[int, int]:
        """First and last place of the input that some unit saw before all were mixed."""
        if self.table is not None:
            return self.table.reach
        units = {unit for span in self.spans for unit in _outermost(span, self.among, self.extent)}
        seen = [ends for ends in map(self.region, units) if ends[0] <= ends[1]]
        if not seen:
            return 0, -1
        return max(min(first for first, _ in seen), 0), min(max(last for _, last in seen), self.extent - 1)

    def region(self, unit: int) -> tuple[int, int]:
        """First and last place that a unit sees; no such (first after last) if it sees nothing.

        Borders are left aside but where a table tells what each unit sees.
        """
        if self.table is not None:
            return self.table.of(unit)
        seen = [(first, first + size - 1) for first, size in (span.of(unit) for span in self.spans) if size]
        return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else (0, -1)

    @cached_property
    def size(self) -> int:
        """Places from the first to the last that a unit sees; where units differ, the most."""
        return self._extremes()[1]

    @cached_property
    def smallest(self) -> int:
        """The same; where units differ, the fewest."""
        return self._extremes()[0]

    def _extremes(self) -> tuple[int, int]:
        if self.table is not None:
            return self.table.sizes
        if len(self.spans) == 1:
            return self.spans[0].extremes(self.units)
        units = {unit for span in self.spans for unit in both_ends(range(self.units), span.period)}
        units |= {unit for one, other in combinations(self.spans, 2) for unit in _crossing(one, other, self.units)}
        sizes = [last - first + 1 for first, last in map(self.region, units)]
        return min(sizes), max(sizes)

    @property
    def paths(self) -> tuple[int, int]:
        """The sizes of the fields of the path with the smallest and of the one with the largest, if paths are told."""
        if self.table is not None:
            return self.size, self.size
        return self.small.extremes(self.units)[1], self.large.extremes(self.units)[1]

    @cached_property
    def jump(self) -> int | Fraction:
        """Places of the input between neighbouring units: the effective stride; of unequal ones the largest."""
        if self.table is not None:
            return self.pace
        return max(span.stride for span in self.spans)

    @cached_property
    def start(self) -> int:
        """The first place that the first unit sees, counted from 0; negative in the padding."""
        return self.region(0)[0]

    @cached_property
    def center(self) -> Fraction:
        """Centre of the first unit's field, the first place of the input being centred at 0.5."""
        first, last = self.region(0)
        return half(first + last + 1)

    @cached_property
    def padding(self) -> tuple[int, int]:
        """Effective padding: how far the fields of the outermost units hang over the input's borders."""
        ends = self.region(0), self.region((self.units if self.table is None else self.table.units) - 1)
        if self.table is None and all(span.even for span in self.spans):
            return -ends[0][0], ends[1][1] - (self.extent - 1)
        return -min(first for first, _ in ends), max(last for _, last in ends) - (self.extent - 1)

    @property
    def aligned(self) -> bool:
        """Whether all paths to a unit have the same centre."""
        return self.apart is None

    def changed(self, **changes: Any) -> Field:
        """The same with other values of some attributes; ``dataclasses.replace`` takes five times as long."""
        field = object.__new__(Field)
        vars(field).update(zip(_ATTRIBUTES, _attributes(self), strict=True), **changes)
        return field

    def _spans(self) -> Iterator[Span]:
        yield from (*self.spans, self.small, self.large, self.early, self.late)


_ATTRIBUTES = tuple(one.name for one in dataclass_fields(Field))
_attributes = attrgetter(*_ATTRIBUTES)

#: figures of a field along one axis, by name
_FIGURES: dict[str, Callable[[Field], Any]] = {
    "receptive_field": lambda field: field.size,
    "smallest_field": lambda field: field.smallest,
    "jump": lambda field: field.jump,
    "field_start": lambda field: field.start,
    "field_center": lambda field: field.center,
    "effective_padding": lambda field: field.padding[0],
}


class Axes(tuple[Field, ...]):
    """The fields of a tensor, axis by axis of an input, with their figures: most layers let those of others pass."""

    def figure(self, name: str) -> tuple[Any, ...]:
        """A figure of each: ``receptive_field``, ``smallest_field``, ``jump``, ``field_start``, ..."""
        own: dict[str, tuple[Any, ...]] = vars(self)
        if name not in own:
            read = _FIGURES[name]
            own[name] = tuple([whole_number(read(field)) for field in self])
        return own[name]


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
        tables.setdefault(ref, {})[key] = _one_by_one(key, tensors[ref], extent, shapes[ref])
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
        if units is None or units.all_see(*field.reach):
            return field
    dims = differing(extent, sorted(field.dims)) or tuple(sorted(field.dims))
    units = table(extent, sorted({*dims, *across}), shape)
    if units is None:
        return field
    return field.changed(
        table=units,
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
    arriving: dict[tuple[str, int], list[tuple[Ref, Field]]] = {}
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
        placed = {dim for entry in along.axes if type(_window(entry)) is Placed for dim in _targets(entry)}
        lying += [placed] if placed else []
        blended = _blended(along, fields, tensor.shape) if placed else frozenset()
        for key, field in fields.items():
            passed = through(field, along, tensor.shape, out, layer, blended)
            anew = placed and any(type(_window(along.axes[dim])) is Placed for dim in field.dims)
            if anew:
                beside.add(key)
            if not exact or (anew and not moved):
                passed = passed.changed(at_most=passed.at_most or layer)
            arriving.setdefault(key, []).append((ref, passed))
    units = {dim for paths in arriving.values() for _, field in paths if not field.blended for dim in field.dims}
    across = not units.isdisjoint(set().union(*lying))
    return {
        key: _laid_across(layer, paths)
        if across and key not in beside and _differ(paths, len(lying))
        else _joined(layer, paths, beside=key in beside)
        for key, paths in arriving.items()
    }


def _differ(paths: Sequence[tuple[Ref, Field]], count: int) -> bool:
    """Whether so many inputs see an axis otherwise, or some of them not at all."""
    first, *others = (field for _, field in paths)
    return len(paths) < count or not all(field == first for field in others)


def _laid_across(layer: str, paths: Sequence[tuple[Ref, Field]]) -> Field:
    """Of inputs that lie beside each other along another axis, each with fields of its own: no one form tells them."""
    fields = [field for _, field in paths]
    part = next((field for field in fields if not field.whole), fields[0])
    return part.changed(
        dims=tuple(sorted({dim for field in fields for dim in field.dims})),
        blended=any(field.blended for field in fields),
        whole=False,
        mixed_by="",
        located=False,
        untold_from=part.untold_from or layer,
        untold_why=part.untold_why or "lays units beside others that see otherwise",
        at_most=next((field.at_most for field in fields if field.at_most), ""),
        pace=part.pace if part.untold_from else part.jump,
    )


def _targets(entry: Axis | None) -> tuple[int, ...]:
    """The dimensions of the output that a dimension of the input goes to."""
    if entry is None:
        return ()
    dim, window = entry
    return (dim, *window.others) if type(window) is Placed else (dim,)


def _blended(along: Along, fields: Fields, shape: tuple[int, ...]) -> frozenset[int]:
    """The dimensions of the output into which something else than the axes of the input goes, too: channels."""
    axes = {dim for field in fields.values() for dim in field.dims if not field.blended}
    others = (entry for dim, entry in enumerate(along.axes) if dim and dim not in axes and not fixed(shape[dim] == 1))
    return frozenset(dim for entry in others for dim in _targets(entry))


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
    dims = tuple(dict.fromkeys(dim for entry in entries for dim in _targets(entry)))
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
    for span in field._spans():
        if id(span) not in changed:
            changed[id(span)] = change(span)
            if changed[id(span)] is None:
                why = f"has {field.units:,} units, of which no closed form tells what each sees"
                return field.changed(located=False, untold_from=layer, untold_why=why)
    spans = tuple(dict.fromkeys(changed[id(span)] for span in field.spans))
    small, large, early, late = (changed[id(s)] for s in (field.small, field.large, field.early, field.late))
    return field.changed(spans=spans, small=small, large=large, early=early, late=late)


def _outermost(span: Span, units: int, extent: int) -> Iterator[int]:
    """The first and the last of the units, of each that take turns, whose fields do not lie wholly in the padding."""
    if span.jump <= 0 or not span.even:
        yield from both_ends(range(units), span.period)
        return
    for phase, (first, size) in enumerate(zip(span.first, span.size, strict=True)):
        low = max(-((first + size - 1) // span.jump), 0)
        high = min((units - 1 - phase) // span.period, (extent - 1 - first) // span.jump)
        if size and low <= high:
            yield phase + low * span.period
            yield phase + high * span.period


def _crossing(one: Span, other: Span, units: int) -> Iterator[int]:
    """Units around which the first or the last places of two spans pass each other: there a hull is smallest."""
    ends = [(span.first[0], span.first[0] + span.size[0]) for span in (one, other)]
    steps = [(Fraction(span.jump, span.period), Fraction(span.jump + span.grow, span.period)) for span in (one, other)]
    for (a, b), (slower, faster) in zip(zip(*ends, strict=True), zip(*steps, strict=True), strict=True):
        if slower != faster:
            unit, around = int((b - a) / (slower - faster)), max(one.period, other.period)
            yield from range(max(unit - around, 0), min(unit + around + 1, units))


def half(number: int) -> Fraction:
    """Half of a whole number, as a plain one."""
    return Fraction(fixed(number), 2)


def _twice_center(span: Span, unit: int = 0) -> int:
    first, size = span.of(unit)
    return 2 * first + size


def _joined(layer: str, paths: list[tuple[Ref, Field]], *, beside: bool = False) -> Field:
    """What several paths see together; where they lie beside each other, each unit by one of them."""
    if len(paths) == 1:
        return paths[0][1]
    joined = _hulled(layer, paths, beside=beside)
    at_most = next((field.at_most for _, field in paths if field.at_most), "")
    return joined if joined.at_most == at_most else joined.changed(at_most=at_most)


def _hulled(layer: str, paths: list[tuple[Ref, Field]], *, beside: bool) -> Field:
    fields = [field for _, field in paths]
    dims = tuple(sorted({dim for field in fields for dim in field.dims}))
    of = next((field for field in fields if field.dims), fields[0])
    settled = next((field for field in fields if field.whole), None) or next(
        (field for field in fields if field.untold_from), None
    )
    if settled is not None and settled.whole and beside and not all(field.whole for field in fields):
        part = next(field for field in fields if not field.whole)
        why = "lays units that see all beside others"
        settled = part.changed(located=False, untold_from=part.untold_from or layer, untold_why=part.untold_why or why)
    if settled is not None:
        blended = any(field.blended for field in fields)
        return settled.changed(dims=dims, units=of.units, blended=blended)
    first = of
    if all(field == first for field in fields):
        return first
    units = first.units
    early_ref, early = min(paths, key=lambda path: _twice_center(path[1].early))
    late_ref, late = max(paths, key=lambda path: _twice_center(path[1].late))
    apart = next((field.apart for field in fields if field.apart is not None), None)
    located = len(dims) <= 1 and all(field.located for field in fields)  # else paths lay the axis along two dimensions
    gap = _twice_center(late.late) - _twice_center(early.early)
    if not all(span.even for field in fields for span in field.spans):  # paths part from unit to unit
        last = units - 1
        early_ref, early = min(paths, key=lambda path: _twice_center(path[1].early, last))
        late_ref, late = max(paths, key=lambda path: _twice_center(path[1].late, last))
        gap = max(gap, _twice_center(late.late, last) - _twice_center(early.early, last))
    if apart is None and located and gap and not beside:
        apart = Apart(layer, early_ref, late_ref, half(gap))
    return first.changed(
        dims=dims,
        blended=any(field.blended for field in fields),
        spans=hull([span for field in fields for span in field.spans]),
        small=min((field.small for field in fields), key=lambda span: span.extremes(units)[1]),
        large=max((field.large for field in fields), key=lambda span: span.extremes(units)[1]),
        early=early.early,
        late=late.late,
        located=located,
        apart=apart,
    )
