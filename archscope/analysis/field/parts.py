"""Channels that see otherwise than others: of which of several fields each is.

A unit is a place of a map with all its channels, and its field the hull of what they see. Where parts have been joined
along channels, each with a field of its own, it is kept here whose each channel is, until a layer reads all of them: of
what is cut out of such a map, of a group of its channels, the field is that of its part again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby, product
from math import prod
from typing import NamedTuple

from archscope.analysis.field.axis import Field
from archscope.analysis.field.joining import joined
from archscope.design.graph import Ref
from archscope.ops.readings import Reads, Rearranged, along_of
from archscope.ops.runs import Runs
from archscope.ops.windows import SAME, WHOLE, Along, Axis, Slide, targets

#: channels that are told one by one, and readings of them that are gone through
MOST_CHANNELS = 1 << 14
MOST_READINGS = 1 << 18

#: the numbers of the fields that a channel is of: several where it is computed from channels of several
Numbers = frozenset[int]
#: so many channels one after another are of the same
Run = tuple[int, Numbers]

_NONE = Numbers()


class Parts(NamedTuple):
    """Whose the channels of a tensor are.

    Attributes:
        dims: the dimensions along which they lie.
        runs: how many channels one after another, those dimensions in order, are of the field of which number; -1
            where they see nothing.
        fields: those fields.
    """

    dims: tuple[int, ...]
    runs: tuple[tuple[int, int], ...]
    fields: tuple[Field, ...]

    def places(self) -> Iterator[tuple[int, int, Field | None]]:
        """The first and the last channel of each run, and its field; ``None`` of what sees nothing."""
        for end, (count, number) in zip(accumulate(count for count, _ in self.runs), self.runs, strict=True):
            yield end - count, end - 1, None if number < 0 else self.fields[number]

    def numbered(self, first: int = 0) -> list[Run]:
        """The same with sets of numbers, the fields being counted from ``first``."""
        return [(count, _NONE if number < 0 else Numbers((first + number,))) for count, number in self.runs]


class Path(NamedTuple):
    """A tensor that a layer reads, as its output sees it.

    Attributes:
        where: dimensions of the output along which only some places read it, each with those.
    """

    ref: Ref
    field: Field
    where: tuple[tuple[int, range], ...] = ()

    @property
    def fields(self) -> tuple[Field, ...]:
        """Of its channels, or the one that it has."""
        return (self.field,) if self.field.parts is None else self.field.parts.fields

    @property
    def dims(self) -> set[int]:
        """The dimensions of the output along which channels see otherwise by it."""
        return {dim for dim, _ in self.where}.union(() if self.field.parts is None else self.field.parts.dims)


# -- through one reading -----------------------------------------------------------------------------------------------


def mixed(fields: Iterable[Field], along: Along, shape: tuple[int, ...]) -> bool:
    """Whether every place of an output reads all channels of an input, which has these fields."""
    if along.only or all(field.parts is None and not field.hull_from for field in fields):
        return False
    units = {dim for field in fields if not field.blended for dim in field.dims}
    channels = (dim for dim in range(1, len(shape)) if shape[dim] != 1 and dim not in units)
    return all((entry := along.axes[dim]) is None or entry[1] is WHOLE for dim in channels)


def carried(
    field: Field,
    reads: Reads,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    mixed: bool,
    path: tuple[str, Ref],
    through: Callable[[Field], Field],
) -> Field | None:
    """What an output sees by an input; ``None`` where it reads only channels of it that see nothing.

    Args:
        field: of the input.
        shapes: of the input and of the output.
        mixed: whether all channels are read together.
        path: the layer, and the input.
        through: the field of an output from that of an input, of the reading.
    """
    passed = through(field)
    if field.parts is None and not field.hull_from:
        return passed
    if mixed:
        return passed.changed(parts=None, hull_from="")
    if field.parts is None:
        return passed
    moved = _moved(field.parts, reads, *shapes)
    if moved is None or not set(moved[0]).isdisjoint(passed.dims):
        return passed.changed(parts=None, hull_from=path[0])
    behind = field.parts.fields if passed is field else [through(one) for one in field.parts.fields]
    return _of_channels(passed, *moved, lambda of: joined(path[0], [(path[1], behind[one]) for one in sorted(of)]))


def _of_channels(
    hull: Field, dims: tuple[int, ...], runs: Sequence[Run], tell: Callable[[Numbers], Field]
) -> Field | None:
    """A hull with whose its channels are; of one part alone its own field.

    Args:
        tell: the field of a channel that is of some.
    """
    different = list(dict.fromkeys(of for _, of in runs if of))
    if not different:
        return None
    fields = [tell(of) for of in different]
    if all(one == fields[0] for one in fields[1:]):
        return fields[0]
    number = {of: place for place, of in enumerate(different)}
    numbered = tuple((count, number.get(of, -1)) for count, of in runs)
    return hull.changed(parts=Parts(dims, numbered, tuple(fields)), hull_from="")


def _moved(
    parts: Parts, reads: Reads, shape: tuple[int, ...], out: tuple[int, ...]
) -> tuple[tuple[int, ...], list[Run]] | None:
    """Where the channels lie behind a reading, and of which fields each is; ``None`` where that is not told."""
    if isinstance(reads, Rearranged):
        return _rearranged(parts, reads, shape, out)
    along = along_of(reads)
    entries = [along.axes[dim] for dim in parts.dims]
    shift = _shift(entries[0])
    if len(entries) == 1 and entries[0] is not None and shift is not None:
        dim, _ = entries[0]
        return (dim,), _cut(parts.numbered(), shift, out[dim])
    sizes, lying, channels = [shape[dim] for dim in parts.dims], list[int](), _each(parts.numbered())
    for place, (dim, entry) in enumerate(zip(parts.dims, entries, strict=True)):
        if entry is not None and entry[1] is SAME and out[entry[0]] == sizes[place]:
            lying.append(entry[0])
            continue
        read = _read(along, dim, sizes[place], out)
        if read is None or sum(map(len, set(read))) * len(channels) > MOST_READINGS:
            return None
        channels = _united(channels, sizes, place, read)
        sizes[place] = len(read)
        lying.append(-1 if entry is None or len(read) == 1 else entry[0])
    if prod(sizes) > MOST_CHANNELS:
        return None
    order = sorted((place for place, target in enumerate(lying) if target >= 0), key=lying.__getitem__)
    return tuple(lying[place] for place in order), _in_runs(_transposed(channels, sizes, order))


def _shift(entry: Axis | None) -> int | None:
    """How far on the one channel lies that each of the output reads; ``None`` where they do not read so."""
    return entry[1].shift if entry is not None and isinstance(entry[1], Slide) else None


def _cut(runs: Sequence[Run], first: int, count: int) -> list[Run]:
    """So many channels from one on; those that are not there see nothing."""
    cut, end = [(min(max(-first, 0), count), _NONE)], 0
    for size, of in runs:
        end += size
        cut.append((min(end, first + count) - max(end - size, first), of))
    cut.append((first + count - max(end, first), _NONE))
    return [(size, of) for size, of in cut if size > 0]


def _each(runs: Iterable[Run]) -> list[Numbers]:
    return [of for count, of in runs for _ in range(count)]


def _in_runs(channels: Iterable[Numbers]) -> list[Run]:
    return [(len(list(same)), of) for of, same in groupby(channels)]


def _read(along: Along, dim: int, size: int, out: tuple[int, ...]) -> list[range] | None:
    """The channels that each of the output reads, or that all do; ``None`` where they are not told."""
    entry, only = along.axes[dim], dict(along.only)
    if entry is None or entry[1] is WHOLE:
        return [range(only[dim], only[dim] + 1) if dim in only else range(size)]
    if max(size, out[entry[0]]) > MOST_CHANNELS:
        return None
    read = entry[1].read(size, out[entry[0]])
    if not isinstance(read, Runs):
        return None
    return [range(max(first, 0), min(last, size - 1) + 1) for first, last in zip(*map(list, read), strict=True)]


def _united(channels: Sequence[Numbers], sizes: Sequence[int], place: int, read: Sequence[range]) -> list[Numbers]:
    """What some channels along one of their dimensions are of together, for each place of an output."""
    inner = prod(sizes[place + 1 :])
    united: dict[tuple[int, range, int], Numbers] = {}
    for key in product(range(prod(sizes[:place])), read, range(inner)):
        if key not in united:
            before, some, behind = key
            united[key] = _NONE.union(*(channels[(before * sizes[place] + one) * inner + behind] for one in some))
    return [united[key] for key in product(range(prod(sizes[:place])), read, range(inner))]


def _transposed(channels: list[Numbers], sizes: Sequence[int], order: Sequence[int]) -> list[Numbers]:
    """Channels with their dimensions in another order; those that are left out have one place."""
    if list(order) == sorted(order):
        return channels
    strides = [prod(sizes[place + 1 :]) for place in range(len(sizes))]
    steps = ([one * strides[place] for one in range(sizes[place])] for place in order)
    return [channels[sum(at)] for at in product(*steps)]


def _rearranged(
    parts: Parts, reads: Rearranged, shape: tuple[int, ...], out: tuple[int, ...]
) -> tuple[tuple[int, ...], list[Run]] | None:
    """The same of channels that are laid anew, which each take their number along."""
    entries = [entry for dim in parts.dims if (entry := reads.along.axes[dim]) is not None]
    if len(entries) == 1 and entries[0][1] is SAME:
        return (entries[0][0],), parts.numbered()
    if prod(out[dim] for dim in {dim for entry in entries for dim in targets(entry)}) > MOST_CHANNELS:
        return None
    import numpy as np

    from archscope.analysis.field.carrying import LEAST, Carrier

    numbers = np.repeat([number for _, number in parts.runs], [count for count, _ in parts.runs])
    sizes = [size if dim in parts.dims else 1 for dim, size in enumerate(shape)]
    rearranged = Carrier(LEAST).forth(numbers.reshape(sizes), reads, shape, out)
    dims = tuple(dim for dim, size in enumerate(rearranged.shape) if size > 1)
    return dims, _in_runs(_NONE if number < 0 else Numbers((number,)) for number in rearranged.reshape(-1).tolist())


# -- where several meet ------------------------------------------------------------------------------------------------


def met(layer: str, hull: Field, paths: Sequence[Path], out: tuple[int, ...]) -> Field:
    """What several inputs show together, with whose the channels of the output are."""
    dims = tuple(sorted(set().union(*(path.dims for path in paths))))
    if not dims:
        return hull
    fields = [one for path in paths for one in path.fields]
    if all(one == fields[0] for one in fields[1:]):
        return hull.changed(parts=None)
    if prod(out[dim] for dim in dims) > MOST_CHANNELS or not set(dims).isdisjoint(hull.dims):
        return hull.changed(parts=None, hull_from=layer)
    refs = [path.ref for path in paths for _ in path.fields]
    firsts = accumulate((len(path.fields) for path in paths), initial=0)
    runs = _overlaid([_runs(path, dims, out, first) for path, first in zip(paths, firsts, strict=False)])
    parted = _of_channels(hull, dims, runs, lambda of: joined(layer, [(refs[one], fields[one]) for one in sorted(of)]))
    return hull if parted is None else parted


def _runs(path: Path, dims: tuple[int, ...], out: tuple[int, ...], first: int) -> list[Run]:
    """Of which fields, counted from ``first``, each channel of an output is by one input."""
    parts, where = path.field.parts, dict(path.where)
    if len(dims) == 1 and parts is None:
        own = where[dims[0]] if where else range(out[dims[0]])
        return [(own.start, _NONE), (len(own), Numbers((first,))), (out[dims[0]] - own.stop, _NONE)]
    if parts is not None and parts.dims == dims:
        runs = parts.numbered(first)
        if all(dim in parts.dims for dim in where):  # they lie where they are read
            return runs
    own_dims = () if parts is None else parts.dims
    channels = [Numbers((first,))] if parts is None else _each(parts.numbered(first))
    steps = [prod(out[dim] for dim in own_dims[own_dims.index(dim) + 1 :]) if dim in own_dims else 0 for dim in dims]
    inside = [where.get(dim, range(out[dim])) for dim in dims]
    return _in_runs(
        channels[sum(map(int.__mul__, at, steps))] if all(map(range.__contains__, inside, at)) else _NONE
        for at in product(*(range(out[dim]) for dim in dims))
    )


def _overlaid(paths: Sequence[list[Run]]) -> list[Run]:
    """Several runs over the same channels on each other."""
    ends = [list(accumulate(count for count, _ in runs)) for runs in paths]
    at, overlaid, start = [0] * len(paths), list[Run](), 0
    for end in sorted({end for path in ends for end in path if end}):
        for path, places in enumerate(ends):
            while places[at[path]] < end:
                at[path] += 1
        overlaid.append((end - start, _NONE.union(*(runs[place][1] for runs, place in zip(paths, at, strict=True)))))
        start = end
    return overlaid
