"""Receptive fields of all layers in closed form: one pass over the edges of the graph.

The field of a unit is what it can see of an input of the design, axis by axis: from the first to the last place that
takes part in computing it for any weights, the borders of the maps left aside. Sizes, jumps and starts follow the
recurrence of Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019:

    size = size + (kernel - 1) x dilation x jump,  start = start - padding x jump,  jump = jump x stride

Where units take turns (behind a transposed convolution, a resampling) the largest field counts. Where several paths
lead to a layer, the field is the hull of theirs. A layer that mixes everything sees the whole input; the field of what
it mixes stays visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from archscope.analysis.traversal import Step, walk
from archscope.arith import fixed
from archscope.design import Design
from archscope.errors import UsageError, suggestion
from archscope.graph import Input, Ref
from archscope.ops.legal import dim_names
from archscope.ops.windows import ITSELF, SAME, Before, Joined, Placed, Reads, Rearranged, Span, hull
from archscope.shown import Shown

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


@dataclass(frozen=True, slots=True)
class Field:
    """The fields of the units of a tensor along one axis of an input.

    Attributes:
        axis: its name: ``h``, ``w``, ...
        extent: places of the input along it.
        units: places of the tensor along the dimension that goes with it.
        dim: that dimension; ``None`` where all units see the same.
        spans: what a unit sees; several where paths of unequal strides meet.
        small: the path with the smallest field, and the one with the largest.
        early: the path whose field lies first, and the one whose lies last.
        whole: whether every unit sees the whole input; the spans are then those of what was mixed.
        mixed_by: the layer that mixed everything.
        located: whether it is known where the units lie; not so behind a Flatten.
        apart: the first two paths that disagree, if any do.
    """

    axis: str
    extent: int
    units: int
    dim: int | None
    spans: tuple[Span, ...]
    small: Span
    large: Span
    early: Span
    late: Span
    whole: bool = False
    mixed_by: str = ""
    located: bool = True
    apart: Apart | None = None

    def region(self, unit: int) -> tuple[int, int]:
        """First and last place that a unit sees, borders left aside; no such (first after last) if it sees nothing."""
        seen = [(first, first + size - 1) for first, size in (span.of(unit) for span in self.spans) if size]
        return (min(first for first, _ in seen), max(last for _, last in seen)) if seen else (0, -1)

    @property
    def size(self) -> int:
        """Places from the first to the last that a unit sees; of units that take turns, the most."""
        if len(self.spans) == 1:
            return self.spans[0].largest
        ends = {unit for span in self.spans for phase in range(span.period) for unit in (phase, self.units - 1 - phase)}
        regions = [self.region(unit) for unit in ends if unit >= 0]
        return max(last - first + 1 for first, last in regions)

    @property
    def jump(self) -> int | Fraction:
        """Places of the input between neighbouring units: the effective stride; of unequal ones the largest."""
        return max(span.stride for span in self.spans)

    @property
    def start(self) -> int:
        """The first place that the first unit sees, counted from 0; negative in the padding."""
        return self.region(0)[0]

    @property
    def center(self) -> Fraction:
        """Centre of the first unit's field, the first place of the input being centred at 0.5."""
        first, last = self.region(0)
        return half(first + last + 1)

    @property
    def padding(self) -> tuple[int, int]:
        """Effective padding: how far the fields of the first and the last unit hang over the input's borders."""
        return -self.start, self.region(self.units - 1)[1] - (self.extent - 1)

    @property
    def aligned(self) -> bool:
        """Whether all paths to a unit have the same centre."""
        return self.apart is None

    def _spans(self) -> Iterator[Span]:
        yield from (*self.spans, self.small, self.large, self.early, self.late)


#: fields by the input and the dimension of it that they are about
Fields = Mapping[tuple[str, int], Field]


@dataclass(frozen=True)
class ReceptiveFields(Shown):
    """The fields of a design.

    Attributes:
        tensors: of every tensor, by input and dimension.
    """

    design: Design
    tensors: Mapping[Ref, Fields]

    def of(self, name: str, output: int = 0, input: str | None = None) -> tuple[Field, ...]:  # noqa: A002
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

    def __getitem__(self, name: str) -> tuple[Field, ...]:
        """The field of a layer's first output, axis by axis of the (first) input that it sees."""
        return self._first[name] if name in self._first else self.of(name)

    @cached_property
    def _first(self) -> dict[str, tuple[Field, ...]]:
        """The fields of the first outputs, which are asked for again and again."""
        return {ref.node: seen_of(fields) for ref, fields in self.tensors.items() if not ref.output}


def seen_of(fields: Fields, input: str | None = None) -> tuple[Field, ...]:  # noqa: A002
    """The axes of one input; of the first that is seen where none is named."""
    chosen = next((name for name, _ in fields), None) if input is None else input
    return tuple(field for (name, _), field in fields.items() if name == chosen)


def receptive_fields(design: Design, *, batch: int = 1) -> ReceptiveFields:
    """The receptive fields of all layers, in time linear in the edges of the graph."""
    steps = walk(design.graph, batch)
    readers: dict[str, Step] = {}
    for step in steps:
        for ref in step.layer.inputs:
            readers.setdefault(ref.node, step)
    tensors: dict[Ref, Fields] = {}
    for node in design.inputs:
        tensors[Ref(node.name)] = dict(_axes(node, readers.get(node.name)))
    for step in steps:
        for output in range(len(step.y)):
            tensors[Ref(step.layer.name, output)] = _behind(step, output, tensors)
    return ReceptiveFields(design, tensors)


def _axes(node: Input, reader: Step | None) -> Iterator[tuple[tuple[str, int], Field]]:
    """The axes of an input, as the first layer that reads it understands its dimensions."""
    ndim = len(node.shape) + 1
    names = dim_names(type(reader.layer.op), ndim) if reader else ("N", *(f"d{i}" for i in range(1, ndim)))
    dims = [dim for dim in range(1, ndim) if names[dim] not in _NO_AXES] or list(range(1, ndim))
    for dim in dims:
        size = node.shape[dim - 1]
        axis = names[dim].lower()
        yield (node.name, dim), Field(axis, size, size, dim, (ITSELF,), *(ITSELF,) * 4)


def _behind(step: Step, output: int, tensors: Mapping[Ref, Fields]) -> Fields:
    """The fields of an output of a layer from those of what it reads."""
    arriving: dict[tuple[str, int], list[tuple[Ref, Field]]] = {}
    for ref, tensor, reads in zip(step.layer.inputs, step.x, step.layer.op.reads(step.x, step.y, output), strict=True):
        if reads is None:
            continue
        for key, field in tensors[ref].items():
            passed = through(field, reads, tensor.shape, step.y[output].shape, step.layer.name)
            arriving.setdefault(key, []).append((ref, passed))
    return {key: _joined(step.layer.name, paths) for key, paths in arriving.items()}


def through(field: Field, reads: Reads, shape: tuple[int, ...], out: tuple[int, ...], layer: str = "") -> Field:
    """The fields of an output's units along an axis, from those of an input's.

    Args:
        reads: what the output reads of the input.
        shape: of the input.
        out: of the output.
    """
    if field.whole or field.dim is None or reads is None:
        return field
    along = reads.along if isinstance(reads, Rearranged) else reads
    entry = along.axes[field.dim]
    if entry is None:
        alone = fixed(shape[field.dim] == 1)
        place = 0 if alone else fixed(dict(along.only).get(field.dim))
        if place is not None and (alone or field.located):  # the unit that is there, or taken, is what all see
            return _mapped(replace(field, dim=None, units=1), lambda span: _of_one(span, place))
        return replace(field, dim=None, whole=True, mixed_by=layer)
    dim, window = entry
    units = out[dim]
    if isinstance(window, (Joined, Placed)) or not field.located:
        if window is SAME or isinstance(window, (Joined, Placed)):
            return replace(field, dim=dim, located=False)
        return replace(field, dim=None, whole=True, mixed_by=layer)
    if window is SAME:
        return field if field.dim == dim else replace(field, dim=dim)
    size = shape[field.dim]
    if isinstance(window, Before):
        return replace(field, dim=None, whole=True, mixed_by=layer)
    return _mapped(replace(field, dim=dim, units=units), lambda span: window.seen(span, size, units))


def _of_one(span: Span, unit: int) -> Span:
    """What one unit sees, for all units behind."""
    first, size = span.of(unit)
    return Span(0, (first,), (size,))


def _mapped(field: Field, change: Any) -> Field:
    known: dict[int, Span] = {}
    for span in field._spans():
        if id(span) not in known:
            known[id(span)] = change(span)
    spans = tuple(dict.fromkeys(known[id(span)] for span in field.spans))
    small, large, early, late = (known[id(s)] for s in (field.small, field.large, field.early, field.late))
    return replace(field, spans=spans, small=small, large=large, early=early, late=late)


def half(number: int) -> Fraction:
    """Half of a whole number, as a plain one."""
    return Fraction(fixed(number), 2)


def _twice_center(span: Span) -> int:
    return 2 * span.first[0] + span.size[0]


def _joined(layer: str, paths: list[tuple[Ref, Field]]) -> Field:
    """What several paths see together."""
    if len(paths) == 1:
        return paths[0][1]
    fields = [field for _, field in paths]
    whole = next((field for field in fields if field.whole), None)
    if whole is not None:
        return whole
    first = next((field for field in fields if field.dim is not None), fields[0])
    if all(field == first for field in fields):
        return first
    early_ref, early = min(paths, key=lambda path: _twice_center(path[1].early))
    late_ref, late = max(paths, key=lambda path: _twice_center(path[1].late))
    apart = next((field.apart for field in fields if field.apart is not None), None)
    dims = {field.dim for field in fields if field.dim is not None}
    located = len(dims) <= 1 and all(field.located for field in fields)  # else paths lay the axis along two dimensions
    gap = _twice_center(late.late) - _twice_center(early.early)
    if apart is None and located and gap:
        apart = Apart(layer, early_ref, late_ref, half(gap))
    return replace(
        first,
        spans=hull([span for field in fields for span in field.spans]),
        small=min((field.small for field in fields), key=lambda span: span.largest),
        large=max((field.large for field in fields), key=lambda span: span.largest),
        early=early.early,
        late=late.late,
        located=located,
        apart=apart,
    )
