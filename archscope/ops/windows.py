"""What a place of an output reads of the input, dimension by dimension: the windows of ops.

A :class:`Window` says which places along one dimension of an input are read by a place along one dimension of the
output. An op states it once (:meth:`archscope.ops.base.Op.reads`); two analyses use it: the recurrence of receptive
fields, which needs it in closed form (:meth:`Window.seen`), and the exact search for what a unit of a real map sees,
which needs the pairs of places (:meth:`Window.pairs`).

The recurrence is that of Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill
2019, carried over to windows whose units take turns (transposed convolution, resampling, adaptive pooling).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple

from archscope.arith import fixed

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]


class Span(NamedTuple):
    """The fields of the units along one dimension, seen along one axis of an input, borders left aside.

    Unit q x period + phase sees ``size[phase]`` places from ``first[phase] + q x jump`` on; the period is the length of
    the two. A unit of size 0 sees nothing.

    Attributes:
        jump: places of the input from a unit to the one a period further.
        first: the first place that each unit of the first period sees.
        size: from the first to the last place that it sees, both included.
    """

    jump: int
    first: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def period(self) -> int:
        """How many units take turns."""
        return len(self.first)

    def of(self, unit: int) -> tuple[int, int]:
        """First place and size of the field of a unit."""
        turn, phase = divmod(unit, len(self.first))
        return self.first[phase] + turn * self.jump, self.size[phase]

    @property
    def largest(self) -> int:
        """The size of the largest field."""
        return self.size[0] if len(self.size) == 1 else max(self.size)

    @property
    def stride(self) -> int | Fraction:
        """Places of the input from a unit to the next, on average."""
        if len(self.first) == 1:
            return self.jump
        from fractions import Fraction

        return Fraction(fixed(self.jump), len(self.first))


#: the units of an input see themselves
ITSELF = Span(1, (0,), (1,))


def union(span: Span, units: Sequence[int], step: int = 1) -> tuple[int, int]:
    """First place and size of what some units see together.

    Args:
        units: in increasing order, ``step`` apart.
    """
    turns = span.period // gcd(step, span.period)
    ends = units if len(units) <= 2 * turns else [*units[:turns], *units[-turns:]]  # phases repeat in between
    seen = [(first, first + size) for first, size in map(span.of, ends) if size]
    if not seen:
        return 0, 0
    first = min(start for start, _ in seen)
    return first, max(end for _, end in seen) - first


class Window(ABC):
    """Which places along a dimension of an input a place along a dimension of the output reads.

    Windows are plain classes: they are made at every start of the program, and dataclasses take ten times as long.
    """

    __slots__ = ()

    @abstractmethod
    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        """The fields of the output's units, from those of the input's; ``None`` where a unit sees all of them."""

    @abstractmethod
    def pairs(self, size_in: int, size_out: int) -> Iterator[tuple[Places, Places]]:
        """Pairs (places of the output, places of the input that they read); together they are all there are.

        No place of the output occurs twice in one of the arrays.
        """


class _Turning(Window):
    """A window that repeats: ``period`` places further in the output it stands ``advance`` places further."""

    __slots__ = ()

    @abstractmethod
    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        """The period and the advance."""

    @abstractmethod
    def places(self, phase: int, size_in: int, size_out: int) -> Sequence[int]:
        """The places that a place of the first period reads, in increasing order and equally far apart."""

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        period, advance = self.turn(size_in, size_out)
        turns = span.period // gcd(advance, span.period)
        count = period * turns
        jump = span.jump * (advance * turns // span.period)
        if count > max(size_out, period):  # more phases than there are units
            jump, count = span.jump * advance * size_out // (span.period * period), size_out
        firsts, sizes = [], []
        for unit in range(count):
            turn, phase = divmod(unit, period)
            places = self.places(phase, size_in, size_out)
            shifted = [place + turn * advance for place in places]
            first, size = union(span, shifted, places[1] - places[0] if len(places) > 1 else 1)
            firsts.append(first)
            sizes.append(size)
        return _shortest(Span(jump, tuple(firsts), tuple(sizes)))

    def pairs(self, size_in: int, size_out: int) -> Iterator[tuple[Places, Places]]:
        import numpy as np

        period, advance = self.turn(size_in, size_out)
        for phase in range(min(period, size_out)):
            units = np.arange(phase, size_out, period)
            for place in self.places(phase, size_in, size_out):
                read = self.bordered(place + (units - phase) // period * advance, size_in)
                inside = (read >= 0) & (read < size_in)
                yield units[inside], read[inside]

    def bordered(self, read: Places, size_in: int) -> Places:
        """The places that are read where a window reaches over the border."""
        return read


def _shortest(span: Span) -> Span:
    """The same with the shortest period."""
    period = span.period
    for shorter in range(1, period):
        if period % shorter or span.jump * shorter % period:
            continue
        jump = span.jump * shorter // period
        if all(
            span.size[i] == span.size[i % shorter] and span.first[i] == span.first[i % shorter] + i // shorter * jump
            for i in range(period)
        ):
            return Span(jump, span.first[:shorter], span.size[:shorter])
    return span


class Slide(_Turning):
    """A window that slides: place o reads o x stride - padding + k x dilation for all k < kernel.

    Attributes:
        padding: how far the first window hangs over the near border; negative where it starts inside.
        border: what stands there: ``zeros``, ``reflect``, ``replicate``, ``circular``.
        kept: of a circular border, the part of the input that repeats: from, to (negative: from the end).
    """

    __slots__ = ("border", "dilation", "kept", "kernel", "padding", "stride")

    def __init__(
        self,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        border: str = "zeros",
        kept: tuple[int, int] = (0, 0),
    ) -> None:
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.border, self.kept = border, kept

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        if span.period > 1:
            return super().seen(span, size_in, size_out)
        (first,), (size,) = span.first, span.size
        if fixed(size == 0):  # what sees nothing shows nothing
            return Span(span.jump * self.stride, (0,), (0,))
        # the recurrence itself, in every reading: r = r + (k - 1) d j, start = start - p j, j = j s
        grown = size + (self.kernel - 1) * self.dilation * span.jump
        return Span(span.jump * self.stride, (first - self.padding * span.jump,), (grown,))

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        return 1, self.stride

    def places(self, phase: int, size_in: int, size_out: int) -> Sequence[int]:
        return range(-self.padding, (self.kernel - 1) * self.dilation - self.padding + 1, self.dilation)

    def bordered(self, read: Places, size_in: int) -> Places:
        import numpy as np

        if self.border == "replicate":
            return np.clip(read, 0, size_in - 1)
        if self.border == "reflect":
            read = np.abs(read)
            return np.where(read >= size_in, 2 * (size_in - 1) - read, read)
        if self.border == "circular":
            start, end = self.kept[0], size_in + self.kept[1]
            return (read - start) % (end - start) + start
        return read


class Placed(Slide):
    """A part of a dimension, from the place ``padding`` on: other places of the output read nothing of this input."""

    __slots__ = ()


class Joined(Slide):
    """A dimension that becomes part of another one (or several): where its places lie there, no formula says."""

    __slots__ = ()


class Mirrored(Joined):
    """A dimension in reverse order: place o of n reads n - 1 - o."""

    __slots__ = ()

    def bordered(self, read: Places, size_in: int) -> Places:
        return size_in - 1 - read


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

    def places(self, phase: int, size_in: int, size_out: int) -> Sequence[int]:
        reached = (phase + self.padding - k * self.dilation for k in reversed(range(self.kernel)))
        return [place // self.stride for place in reached if place % self.stride == 0]


class Binned(_Turning):
    """The windows of adaptive pooling: place o of m reads floor(o n / m) to ceil((o + 1) n / m) - 1 of n."""

    __slots__ = ()

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        size_in, size_out = fixed(size_in), fixed(size_out)
        common = gcd(size_in, size_out)
        return size_out // common, size_in // common

    def places(self, phase: int, size_in: int, size_out: int) -> Sequence[int]:
        return range(phase * size_in // size_out, -(-(phase + 1) * size_in // size_out))


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

    def places(self, phase: int, size_in: int, size_out: int) -> Sequence[int]:
        ratio = self._ratio(size_in, size_out)
        if self.mode == "nearest":
            return [int(phase * ratio)]
        source = phase * ratio if self.align_corners else ((2 * phase + 1) * ratio - 1) / 2
        left = source.numerator // source.denominator
        if left == source:  # the other taps have the weight 0
            return [left]
        return range(left, left + 2) if self.mode == "linear" else range(left - 1, left + 3)

    def bordered(self, read: Places, size_in: int) -> Places:
        import numpy as np

        return np.clip(read, 0, size_in - 1)


class Grouped(_Turning):
    """Groups side by side: a place reads all ``reads`` places of its group, which has ``writes`` places itself."""

    __slots__ = ("reads", "writes")

    def __init__(self, reads: int, writes: int) -> None:
        self.reads, self.writes = reads, writes

    def turn(self, size_in: int, size_out: int) -> tuple[int, int]:
        return fixed(self.writes), fixed(self.reads)

    def places(self, phase: int, size_in: int, size_out: int) -> Sequence[int]:
        return range(self.reads)


class Before(Window):
    """Place o reads the places up to o: what is causal."""

    __slots__ = ()

    def seen(self, span: Span, size_in: int, size_out: int) -> Span | None:
        return None

    def pairs(self, size_in: int, size_out: int) -> Iterator[tuple[Places, Places]]:
        import numpy as np

        for back in range(size_out):
            units = np.arange(back, size_out)
            read = units - back
            yield units[read < size_in], read[read < size_in]


SAME = Slide()
#: of a dimension of an input: every place of the output reads all of it
ALL = None


class Along(NamedTuple):
    """A reading that works on each dimension apart.

    Attributes:
        axes: for each dimension of the input, the dimension of the output that it goes with and the window, or
            :data:`ALL`.
        at: dimensions of the output of which only one place reads the input at all, each with that place.
        only: dimensions of the input (:data:`ALL` in ``axes``) of which a single place is read, each with that place.
    """

    axes: tuple[tuple[int, Window] | None, ...]
    at: tuple[tuple[int, int], ...] = ()
    only: tuple[tuple[int, int], ...] = ()


class Rearranged(NamedTuple):
    """A reading of each element by one place, which lies elsewhere.

    The output is the input in the shape ``inner``, its dimensions then taken in the order ``order``, then in the
    output's shape.

    Attributes:
        along: the same by dimension, as far as a field can be told from it.
    """

    inner: tuple[int, ...]
    order: tuple[int, ...]
    along: Along


#: ``None``: the op takes an input without reading its elements
Reads = Along | Rearranged | None


def pointwise(ndim: int) -> Along:
    """Every place reads the same place."""
    return Along(tuple((dim, SAME) for dim in range(ndim)))


def mixing(ndim: int, dims: Sequence[int]) -> Along:
    """Every place reads all places along some dimensions, and its own along the others."""
    return Along(tuple(ALL if dim in dims else (dim, SAME) for dim in range(ndim)))


def spatial(channels: Window | None, windows: Sequence[Window | None]) -> Along:
    """Samples apart; of the channels and of each further axis a window, or :data:`ALL`."""
    axes = enumerate((channels, *windows), 1)
    return Along(((0, SAME), *(ALL if window is None else (dim, window) for dim, window in axes)))


def permuted(order: Sequence[int]) -> Along:
    """Dimension i of the output is dimension ``order[i]`` of the input."""
    return Along(tuple((list(order).index(dim), SAME) for dim in range(len(order))))


def in_order(shape: tuple[int, ...], out: tuple[int, ...]) -> Rearranged:
    """Every element at its place in the order of the elements, whatever the shape."""
    axes: list[tuple[int, Window] | None] = [ALL] * len(shape)
    i = j = 0
    while i < len(shape):
        group, product, size, first = [i], shape[i], out[j] if j < len(out) else 1, j
        i, j = i + 1, j + 1
        while not fixed(product == size):
            if fixed(product < size):
                group, product, i = [*group, i], product * shape[i], i + 1
            else:
                size, j = size * out[j], j + 1
        wide = [dim for dim in group if not fixed(shape[dim] == 1)]
        targets = [dim for dim in range(first, min(j, len(out))) if not fixed(out[dim] == 1)]
        for dim in wide:  # a dimension of size 1 has one place, which every place of the output reads
            axes[dim] = (targets[0], SAME if len(wide) == len(targets) == 1 else Joined())
    return Rearranged(shape, tuple(range(len(shape))), Along(tuple(axes)))


def hull(spans: Sequence[Span]) -> tuple[Span, ...]:
    """What several paths see together; spans that drift apart (unequal strides) stay apart."""
    together: list[Span] = []
    for span in dict.fromkeys(spans):
        for i, other in enumerate(together):
            if span.stride == other.stride:
                together[i] = _hull(other, span)
                break
        else:
            together.append(span)
    return tuple(together)


def _hull(a: Span, b: Span) -> Span:
    period = lcm(a.period, b.period)
    firsts, sizes = [], []
    for unit in range(period):
        seen = [(first, first + size) for first, size in (a.of(unit), b.of(unit)) if size]
        first = min((start for start, _ in seen), default=0)
        firsts.append(first)
        sizes.append(max((end for _, end in seen), default=0) - first)
    return Span(a.jump * (period // a.period), tuple(firsts), tuple(sizes))
