"""The receptive fields of the units of a tensor along one axis of an input, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.arith import fixed, whole_number
from archscope.design.graph import Ref
from archscope.ops.spans import Span, both_ends

if TYPE_CHECKING:
    from archscope.analysis.field.extents import Table
    from archscope.analysis.field.parts import Parts


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
        crowded: why there is no room to tell one by one what each unit sees, where no closed form says it.
        parts: channels that see otherwise than others; all this is the hull of what they see.
        hull_from: the layer from which on it is not told which channels see otherwise; empty where none do.
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
    crowded: str = ""
    parts: Parts | None = None
    hull_from: str = ""

    @property
    def dim(self) -> int | None:
        """The one dimension along which it is known what each unit sees; ``None`` where there is none."""
        return self.dims[0] if self.dims and self.located else None

    @cached_property
    def sees(self) -> str:
        """``all`` of the input, ``a part`` of it, ``at most`` so much, or ``not told``."""
        if self.untold_from and not self.whole:
            return "not told"
        return f"at most {self._seen}" if self.at_most or self.hull_from else self._seen

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
        """The same; where units, or parts of their channels, differ, the fewest."""
        own = self._extremes()[0]
        if self.parts is None or self.whole or self.untold_from or self.table is not None:
            return own
        return min(own, *(field.smallest for field in self.parts.fields))

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
    def sizes(self) -> tuple[int, int]:
        """Both."""
        return self.smallest, self.size

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

    @property
    def channels(self) -> list[tuple[int, int, int, int]]:
        """Of each part that sees otherwise the first and the last channel, and the sizes of its fields."""
        if self.parts is None or len(self.parts.dims) > 1:
            return []
        seen = ((first, last, field) for first, last, field in self.parts.places() if field is not None)
        return [(first, last, *((field.extent,) * 2 if field.whole else field.sizes)) for first, last, field in seen]

    def changed(self, **changes: Any) -> Field:
        """The same with other values of some attributes; ``dataclasses.replace`` takes five times as long."""
        field = object.__new__(Field)
        vars(field).update(zip(_ATTRIBUTES, _attributes(self), strict=True), **changes)
        return field

    def all_spans(self) -> Iterator[Span]:
        """Those that a layer changes."""
        yield from (*self.spans, self.small, self.large, self.early, self.late)


_ATTRIBUTES = tuple(one.name for one in dataclass_fields(Field))
_attributes = attrgetter(*_ATTRIBUTES)

#: parts of the channels that are told one by one
_MOST_PARTS = 8

#: figures of a field along one axis, by name
_FIGURES: dict[str, Callable[[Field], Any]] = {
    "receptive_field": lambda field: field.size,
    "smallest_field": lambda field: field.smallest,
    "jump": lambda field: field.jump,
    "field_start": lambda field: field.start,
    "field_center": lambda field: field.center,
    "effective_padding": lambda field: field.padding[0],
}


def less_words(layer: str, crowded: str) -> str:
    """Why less may be seen: by the values that a layer reads, or since there is no room to tell what it reads."""
    why = f"{layer} reads a part, and {crowded}" if crowded else f"what {layer} reads is told by values"
    return f"at most: {why}"


def hull_words(layer: str) -> str:
    """That a field is of all channels together, which a layer has laid anew."""
    return f"at most: the hull of what channels see, which {layer} lays anew"


def channel_words(channels: Sequence[tuple[int, int, int, int]]) -> str:
    """What the channels of a unit see, from the first to the last of each part: from so many places to so many."""
    parts = [
        f"{_range(first, last)} {'sees' if first == last else 'see'} {_range(least, most)}"
        for first, last, least, most in channels[:_MOST_PARTS]
    ]
    more = len(channels) - len(parts)
    return f"by channel: {', '.join(parts)}" + (f", and so on ({more:,} more parts)" if more > 0 else "")


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


class Axes(tuple[Field, ...]):
    """The fields of a tensor, axis by axis of an input, with their figures: most layers let those of others pass."""

    def figure(self, name: str) -> tuple[Any, ...]:
        """A figure of each: ``receptive_field``, ``smallest_field``, ``jump``, ``field_start``, ..."""
        own: dict[str, tuple[Any, ...]] = vars(self)
        if name not in own:
            read = _FIGURES[name]
            own[name] = tuple([whole_number(read(field)) for field in self])
        return own[name]


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
