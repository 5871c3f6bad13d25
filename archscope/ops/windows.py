"""What a place of an output reads of the input, dimension by dimension: the windows of ops.

A :class:`Window` says which places along one dimension of an input are read by a place along one dimension of the
output. An op states it once (:meth:`archscope.ops.base.Op.reads`); two analyses use it: the recurrence of receptive
fields, which needs it in closed form (:meth:`Window.seen`), and the exact search for what a unit of a real map sees,
which carries sets of places through it (:meth:`Window.carried`).

The recurrence is that of Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill
2019, carried over to windows whose units take turns (transposed convolution, resampling, adaptive pooling).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.arith import fixed
from archscope.ops.runs import Pairs, Runs, carried_in_pairs, carried_in_runs, least_of_runs
from archscope.ops.spans import MOST_PHASES, Span, union

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class Window(ABC):
    """Which places along a dimension of an input a place along a dimension of the output reads.

    Windows are plain classes: they are made at every start of the program, and dataclasses take ten times as long.

    Attributes:
        others: further dimensions of the output along which the places lie, too.
    """

    __slots__ = ()
    others: tuple[int, ...] = ()

    @abstractmethod
    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        """The fields of the output's units, from those of the input's; ``None`` where no closed form says them."""

    @property
    @abstractmethod
    def taps(self) -> int:
        """How many places it goes through one by one where sets of places are carried; 1 where they are a run."""

    @abstractmethod
    def pace(self, size_in: int, size_out: int) -> int | Fraction:
        """How far it moves from a place of the output to the next, on average."""

    @abstractmethod
    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        """Which places each place of the output reads; what lies outside the input may be among runs."""

    def carried(self, mask: Mask, size_in: int, size_out: int, *, back: bool) -> Mask:
        """Which places are read by some places of the output (``back``), or which read some places of the input.

        Args:
            mask: those places, along its first dimension.
        """
        read = self.read(size_in, size_out)
        if isinstance(read, Runs):
            return carried_in_runs(mask, *read, size_in, back=back)
        return carried_in_pairs(mask, read, size_in if back else size_out, back=back)

    def least(self, values: Places, size_in: int, size_out: int, nothing: int) -> Places:
        """The least value among the places that each place of the output reads.

        Args:
            values: of the places, along its first dimension.
            nothing: what a place has that reads none.
        """
        read = self.read(size_in, size_out)
        if isinstance(read, Runs):
            return least_of_runs(values, *read, size_in, nothing)
        import numpy as np

        result = np.full((size_out, *values.shape[1:]), nothing, values.dtype)
        for units, places in read:  # no place of the output occurs twice in one of the arrays
            result[units] = np.minimum(result[units], values[places])
        return result


class _Turning(Window):
    """A window that repeats: ``period`` places further in the output it stands ``advance`` places further."""

    __slots__ = ()

    @abstractmethod
    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        """The period and the advance."""

    @abstractmethod
    def places(self, phase: int, size_in: int, size_out: int) -> range:
        """The places that a place of the first period reads, in increasing order."""

    @property
    def taps(self) -> int:
        return 1

    def pace(self, size_in: int, size_out: int) -> int | Fraction:
        from fractions import Fraction

        period, advance = self.turn(size_in, size_out)
        return Fraction(advance, period)

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        period, advance = self.turn(size_in, size_out)
        turns = span.period // gcd(advance, span.period)
        count = period * turns
        steps = advance * turns // span.period
        jump, grow = span.jump * steps, span.grow * steps
        if count > max(size_out, period):  # more phases than there are units
            jump, count = span.jump * advance * size_out // (span.period * period), size_out
            grow = span.grow * advance * size_out // (span.period * period)
        if count * turns > MOST_PHASES:
            return None
        firsts, sizes = [], []
        for unit in range(count):
            turn, phase = divmod(unit, period)
            places = self.places(phase, size_in, size_out)
            if span.grow and not places:  # what sees nothing does not grow as the others do
                return None
            moved = turn * advance
            first, size = union(span, range(places.start + moved, places.stop + moved, places.step))
            firsts.append(first)
            sizes.append(size)
        return _shortest(Span(jump, tuple(firsts), tuple(sizes), grow, span.even))


def _shortest(span: Span) -> Span:
    """The same with the shortest period."""
    period = span.period
    for shorter in range(1, period):
        if period % shorter or span.jump * shorter % period or span.grow * shorter % period:
            continue
        jump, grow = span.jump * shorter // period, span.grow * shorter // period
        if all(
            span.size[i] == span.size[i % shorter] + i // shorter * grow
            and span.first[i] == span.first[i % shorter] + i // shorter * jump
            for i in range(period)
        ):
            return Span(jump, span.first[:shorter], span.size[:shorter], grow, span.even)
    return span


class Line(NamedTuple):
    """A place that moves steadily: ``start`` for the first unit, ``step`` further for each one after it."""

    start: int
    step: int

    def at(self, unit: int) -> int:
        """The place for a unit."""
        return self.start + unit * self.step


def _between(span: Span, low: Line, high: Line) -> Span:
    """The fields of units that each read those from a low one to a high one, of which none take turns."""
    (first,), (size,) = span.first, span.size
    ahead = span.jump + span.grow  # how far the last place moves from one unit to the next
    near = low if fixed(span.jump >= 0) else high
    far = high if fixed(ahead >= 0) else low
    start, end = first + near.start * span.jump, first + size + far.start * ahead
    jump = near.step * span.jump
    grow = far.step * ahead - jump
    return Span(jump, (start,), (end - start,), grow, fixed(jump >= 0) and fixed(grow == 0))


class Slide(_Turning):
    """A window that slides: place o reads o x stride - padding + k x dilation for all k < kernel.

    Attributes:
        padding: how far the first window hangs over the near border; negative where it starts inside.
        border: what stands there: ``zeros``, ``reflect``, ``replicate``, ``circular``.
        cut: of a circular border, the part of the input that repeats: from, to (negative: from the end).
    """

    __slots__ = ("border", "cut", "dilation", "kernel", "padding", "stride")

    def __init__(
        self,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        border: str = "zeros",
        cut: tuple[int, int] = (0, 0),
    ) -> None:
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.border, self.cut = border, cut

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        if span.period > 1:
            return super().seen(span, size_in, size_out)
        (first,), (size,) = span.first, span.size
        reach = (self.kernel - 1) * self.dilation
        if not span.even:
            return _between(span, Line(-self.padding, self.stride), Line(reach - self.padding, self.stride))
        if fixed(size == 0):  # what sees nothing shows nothing
            return Span(span.jump * self.stride, (0,), (0,))
        # the recurrence itself, in every reading: r = r + (k - 1) d j, start = start - p j, j = j s
        grown = size + (self.kernel - 1) * self.dilation * span.jump
        return Span(span.jump * self.stride, (first - self.padding * span.jump,), (grown,))

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        return 1, fixed(self.stride)

    def places(self, phase: int, size_in: int, size_out: int) -> range:
        padding, dilation = fixed(self.padding), fixed(self.dilation)
        return range(-padding, (fixed(self.kernel) - 1) * dilation - padding + 1, dilation)

    @property
    def taps(self) -> int:
        return 1 if self.border == "zeros" and self.dilation == 1 else self.kernel

    @property
    def shift(self) -> int | None:
        """How far on the place lies that each place reads, where it reads that one alone, and all equally far."""
        alone = self.kernel == self.stride == 1 and self.border == "zeros" and not self.others
        return -self.padding if alone else None

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        start = np.arange(size_out) * self.stride - self.padding
        if self.taps == 1 and self.border == "zeros":
            return Runs(start, start + self.kernel - 1)
        return self._pairs(start, size_in)

    def _pairs(self, start: Places, size_in: int) -> Iterator[Pairs]:
        import numpy as np

        units = np.arange(len(start))
        for reach in range(0, self.kernel * self.dilation, self.dilation):
            read = self._bordered(start + reach, size_in)
            inside = (read >= 0) & (read < size_in)
            yield Pairs(units[inside], read[inside])

    def _bordered(self, read: Places, size_in: int) -> Places:
        """The places that are read where a window reaches over the border."""
        import numpy as np

        if self.border == "replicate":
            return np.clip(read, 0, size_in - 1)
        if self.border == "reflect":
            read = np.abs(read)
            return np.where(read >= size_in, 2 * (size_in - 1) - read, read)
        if self.border == "circular":
            start, end = self.cut[0], size_in + self.cut[1]
            return (read - start) % (end - start) + start
        return read


class Placed(Slide):
    """Places that lie elsewhere in the output, where no formula says: rolled, or part of it, ``padding`` places on."""

    __slots__ = ("others",)

    def __init__(self, padding: int = 0, border: str = "zeros", others: tuple[int, ...] = ()) -> None:
        super().__init__(padding=padding, border=border)
        self.others = others


class Spread(_Turning):
    """The transpose of :class:`Slide`.

    Place o reads every place i for which i x stride - padding + k x dilation is o for some k < kernel.
    """

    __slots__ = ("dilation", "kernel", "padding", "stride")

    def __init__(self, kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> None:
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        if fixed(self.stride == 1):
            return self._slide().seen(span, size_in, size_out)
        return super().seen(span, size_in, size_out)

    def _slide(self) -> Slide:
        """With stride 1 place o reads o + padding - k x dilation."""
        return Slide(self.kernel, 1, (self.kernel - 1) * self.dilation - self.padding, self.dilation)

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        return fixed(self.stride), 1

    def places(self, phase: int, size_in: int, size_out: int) -> range:
        kernel, stride, dilation = fixed(self.kernel), fixed(self.stride), fixed(self.dilation)
        reached, common = phase + fixed(self.padding), gcd(dilation, stride)
        every = stride // common  # of the taps, that many apart, the stride divides what is reached
        if reached % common:
            return range(0)
        taps = range(reached // common * pow(dilation // common, -1, every) % every, kernel, every)
        if not taps:
            return range(0)
        step = dilation // common
        first = (reached - taps[-1] * dilation) // stride
        return range(first, first + len(taps) * step, step)

    @property
    def taps(self) -> int:
        return 1 if self.dilation == 1 else self.kernel

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        if self.taps > 1:
            return self._pairs(size_in, size_out)
        reached = np.arange(size_out) + self.padding
        first = -((self.kernel - 1 - reached) // self.stride)  # rounded up
        return Runs(first, reached // self.stride)

    def _pairs(self, size_in: int, size_out: int) -> Iterator[Pairs]:
        import numpy as np

        places = np.arange(size_in)
        for reach in range(0, self.kernel * self.dilation, self.dilation):
            units = places * self.stride - self.padding + reach
            inside = (units >= 0) & (units < size_out)
            yield Pairs(units[inside], places[inside])


class Binned(_Turning):
    """The windows of adaptive pooling: place o of m reads floor(o n / m) to ceil((o + 1) n / m) - 1 of n."""

    __slots__ = ()

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        size_in, size_out = fixed(size_in), fixed(size_out)
        common = gcd(size_in, size_out)
        return size_out // common, size_in // common

    def places(self, phase: int, size_in: int, size_out: int) -> range:
        size_in, size_out = fixed(size_in), fixed(size_out)
        return range(phase * size_in // size_out, -(-(phase + 1) * size_in // size_out))

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        units = np.arange(size_out)
        first, last = units * size_in // size_out, -((units + 1) * -size_in // size_out) - 1
        return Runs(first, last)


class Resampled(_Turning):
    """The taps of an interpolation (torch.nn.functional.interpolate).

    Attributes:
        mode: ``nearest``, ``linear`` or ``cubic``.
        scale: the factor that was given; where a size was given, it follows from the sizes.
        align_corners: whether the corner points of input and output are the same.
    """

    __slots__ = ("align_corners", "mode", "scale")

    def __init__(self, mode: str, scale: float | None = None, align_corners: bool = False) -> None:
        self.mode, self.scale, self.align_corners = mode, scale, align_corners

    def _ratio(self, size_in: int, size_out: int) -> Fraction:
        """Places of the input for one of the output."""
        from fractions import Fraction

        if self.align_corners:
            return Fraction(size_in - 1, size_out - 1) if size_out > 1 else Fraction(0)
        if self.scale is None:
            return Fraction(size_in, size_out)
        return 1 / Fraction(self.scale).limit_denominator(10_000)

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        ratio = self._ratio(fixed(size_in), fixed(size_out))
        return ratio.denominator, ratio.numerator

    def places(self, phase: int, size_in: int, size_out: int) -> range:
        above, below = self._source(phase, self._ratio(fixed(size_in), fixed(size_out)))
        left = above // below
        before, after = self._taps(between=above % below != 0)
        return range(left - before, left + after + 1)

    def _source(self, unit: Any, ratio: Fraction) -> tuple[Any, int]:
        """Where a place (or places) of the output lies in the input: numerator and denominator."""
        above, below = ratio.numerator, ratio.denominator
        if self.align_corners or self.mode == "nearest":
            return unit * above, below
        return (2 * unit + 1) * above - below, 2 * below

    def _taps(self, *, between: bool) -> tuple[int, int]:
        """How many places before and after the left one have a weight; of a place itself the others have none."""
        if self.mode == "nearest" or not between:
            return 0, 0
        return (0, 1) if self.mode == "linear" else (1, 2)

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        above, below = self._source(np.arange(size_out), self._ratio(size_in, size_out))
        left, between = above // below, above % below != 0
        before, after = self._taps(between=True)
        first = np.clip(np.where(between, left - before, left), 0, size_in - 1)
        last = np.clip(np.where(between, left + after, left), 0, size_in - 1)
        return Runs(first, last)


class Grouped(_Turning):
    """Groups side by side: a place reads all ``reads`` places of its group, which has ``writes`` places itself."""

    __slots__ = ("reads", "writes")

    def __init__(self, reads: int, writes: int) -> None:
        self.reads, self.writes = reads, writes

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        return fixed(self.writes), fixed(self.reads)

    def places(self, phase: int, size_in: int, size_out: int) -> range:
        return range(fixed(self.reads))

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        first = np.arange(size_out) // self.writes * self.reads
        return Runs(first, first + self.reads - 1)


class _Ordered(Window):
    """A window of which both ends move steadily, each by a step of its own."""

    __slots__ = ()

    @property
    def taps(self) -> int:
        return 1

    @abstractmethod
    def ends(self, size_in: int) -> tuple[Line, Line]:
        """The first and the last place that is read."""

    def pace(self, size_in: int, size_out: int) -> int | Fraction:
        return self.ends(size_in)[0].step

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        low, high = self.ends(size_in)
        if span.period == 1:
            return span if span.even and fixed(span.size[0] == 0) else _between(span, low, high)
        count = 1 if not low.step and not high.step else span.period
        if count * span.period > MOST_PHASES:
            return None
        near, far = (low, high) if span.jump >= 0 else (high, low)
        jump = span.jump * near.step * count // span.period
        ahead = (span.jump + span.grow) * far.step * count // span.period
        firsts, sizes = [], []
        for phase in range(count):
            # the widest window of each phase tells: at a border fewer units than take turns are read
            turn = max(size_out - 1 - phase, 0) // count if high.step > low.step else 0
            unit = turn * count + phase
            first, size = union(span, range(low.at(unit), high.at(unit) + 1))
            firsts.append(first - turn * jump)
            sizes.append(size - turn * (ahead - jump))
        even = jump >= 0 and ahead == jump
        return _shortest(Span(jump, tuple(firsts), tuple(sizes), ahead - jump, even))

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        low, high = self.ends(size_in)
        units = np.arange(size_out)
        return Runs(low.at(units), high.at(units))  # type: ignore[arg-type]


class UpTo(_Ordered):
    """Place o reads the places up to o + ``by``: what is causal."""

    __slots__ = ("by",)

    def __init__(self, by: int = 0) -> None:
        self.by = by

    def ends(self, size_in: int) -> tuple[Line, Line]:
        return Line(0, 0), Line(self.by, 1)


class From(_Ordered):
    """Place o reads the places from o + ``by`` on: what runs backwards."""

    __slots__ = ("by",)

    def __init__(self, by: int = 0) -> None:
        self.by = by

    def ends(self, size_in: int) -> tuple[Line, Line]:
        return Line(self.by, 1), Line(size_in - 1, 0)


class Ramp(_Ordered):
    """Place o reads the place ``start`` + o x ``step``, whichever way that goes."""

    __slots__ = ("start", "step")

    def __init__(self, start: int, step: int) -> None:
        self.start, self.step = start, step

    def ends(self, size_in: int) -> tuple[Line, Line]:
        line = Line(self.start, self.step)
        return line, line


class Listed(Window):
    """Place o reads the o-th of some places: a permutation, a choice."""

    __slots__ = ("places",)

    def __init__(self, places: Sequence[int] | Places) -> None:
        self.places = places

    @property
    def taps(self) -> int:
        return 1

    def pace(self, size_in: int, size_out: int) -> int | Fraction:
        steps = Counter(int(after - before) for before, after in pairwise(self.places))
        return steps.most_common(1)[0][0] if steps else 0

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        return None

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        import numpy as np

        places = np.asarray(self.places)
        return Runs(places, places)


class Met(Window):
    """Place o reads those places that a table of truth values tells, places of the output first."""

    __slots__ = ("table",)

    def __init__(self, table: Mask) -> None:
        self.table = table

    @property
    def taps(self) -> int:
        taps: int = self.table.shape[1]
        return taps

    def pace(self, size_in: int, size_out: int) -> int | Fraction:
        return 0

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        return None

    def read(self, size_in: int, size_out: int) -> Runs | Iterator[Pairs]:
        return self._pairs(size_in)

    def _pairs(self, size_in: int) -> Iterator[Pairs]:
        import numpy as np

        for place in range(size_in):
            units = np.flatnonzero(self.table[:, place])
            yield Pairs(units, np.full(len(units), place))


class Mirrored(_Ordered):
    """A dimension in reverse order: place o of n reads n - 1 - o."""

    __slots__ = ()

    def ends(self, size_in: int) -> tuple[Line, Line]:
        return Line(size_in - 1, -1), Line(size_in - 1, -1)


class _Whole(_Ordered):
    """Every place reads all places."""

    __slots__ = ()

    def ends(self, size_in: int) -> tuple[Line, Line]:
        return Line(0, 0), Line(size_in - 1, 0)


SAME = Slide()
#: every place of the output's dimension reads all of the input's
WHOLE = _Whole()
#: of a dimension of an input that the output has not: every place of the output reads all of it
ALL = None


#: the dimension of the output that a dimension of an input goes with, and the window
Axis = tuple[int, Window]


def targets(entry: Axis | None) -> tuple[int, ...]:
    """The dimensions of the output that a dimension of the input goes to."""
    return () if entry is None else (entry[0], *entry[1].others)


class Along(NamedTuple):
    """A reading that works on each dimension apart.

    Attributes:
        axes: for each dimension of the input, the dimension of the output that it goes with and the window, or
            :data:`ALL`.
        at: dimensions of the output of which only some places read the input at all, each with those.
        only: dimensions of the input (:data:`ALL` in ``axes``) of which a single place is read, each with that place.
    """

    axes: tuple[Axis | None, ...]
    at: tuple[tuple[int, range], ...] = ()
    only: tuple[tuple[int, int], ...] = ()


@cache
def pointwise(ndim: int) -> Along:
    """Every place reads the same place."""
    return Along(tuple((dim, SAME) for dim in range(ndim)))


def mixing(ndim: int, dims: Collection[int]) -> Along:
    """Every place reads all places along some dimensions, and its own along the others."""
    if not dims:
        return pointwise(ndim)
    return Along(tuple((dim, WHOLE if dim in dims else SAME) for dim in range(ndim)))


def spatial(channels: Window, windows: Sequence[Window]) -> Along:
    """Samples apart; of the channels and of each further axis a window."""
    return Along(((0, SAME), *enumerate((channels, *windows), 1)))


def permuted(order: Sequence[int]) -> Along:
    """Dimension i of the output is dimension ``order[i]`` of the input."""
    return Along(tuple((list(order).index(dim), SAME) for dim in range(len(order))))
