"""Ops that take a tensor apart along a dimension; the parts are views of it.

Dimensions count as in torch: 0 is the batch, a negative one counts from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from archscope.arith import ceil_div, fixed, maximum, minimum, total, where
from archscope.autograd import aten
from archscope.ops.base import (
    Check,
    NoWeights,
    NoWork,
    Reads,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import MOST_PARTS, Index, Maybe, Size, SizeOrShape
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import ALL, SAME, Along, Slide


class _Part(NoWeights, NoWork):
    """What all splitting ops share."""

    takes = "any"
    view = True
    disorders = True


def _resized(tensor: Tensor, dim: int, size: int) -> Tensor:
    """The tensor with another size of one dimension."""
    at = axis(dim, len(tensor.shape))
    return tensor.with_shape(*tensor.shape[:at], size, *tensor.shape[at + 1 :])


def _part(tensor: Tensor, dim: int, start: int, step: int = 1) -> Along:
    """A reading of every ``step``-th place of a dimension, from ``start`` on."""
    ndim = len(tensor.shape)
    window = Slide(stride=step, padding=-start)
    return Along(tuple((i, window if i == axis(dim, ndim) else SAME) for i in range(ndim)))


@register
class Chunk(_Part):
    """``chunks`` parts of ceil(size / chunks) each, the last of what is left (torch.chunk).

    torch gives fewer parts where the size is used up before; here that is an error.
    """

    main_output = None

    chunks: int = argument(Index(1))
    dim: int = argument(Index(None), 0)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            size = x[0].shape[self.dim]
            each = ceil_div(size, self.chunks)
            yield Check(
                each * (self.chunks - 1) < size,
                "a size of {s} does not make {c} chunks of ceil({s} / {c}) = {e}",
                field="chunks",
                c=self.chunks,
                s=size,
                e=each,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        size = x[0].shape[self.dim]
        each = ceil_div(size, self.chunks)
        last = size - each * (self.chunks - 1)
        return tuple(_resized(x[0], self.dim, part) for part in [each] * (self.chunks - 1) + [last])

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (_part(x[0], self.dim, output * ceil_div(x[0].shape[self.dim], self.chunks)),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        chunks, dim = self.chunks, self.dim
        return lambda tensor: torch.chunk(tensor, chunks, dim)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        at = axis(self.dim, len(x[0].shape))
        return aten.split(t, x[0], at, [part.shape[at] for part in y])


@register
class Split(_Part):
    """Parts of one given size (the last of what is left), or of a list of sizes (torch.split)."""

    main_output = None

    split_size_or_sections: int | tuple[int, ...] = argument(SizeOrShape())
    dim: int = argument(Index(None), 0)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if not inside.ok:
            return
        if not isinstance(self.split_size_or_sections, tuple):
            parts = ceil_div(x[0].shape[self.dim], self.split_size_or_sections)
            yield Check(
                parts <= MOST_PARTS,
                "{p} parts of a size of {s}; the most is {m}",
                field="split_size_or_sections",
                p=parts,
                s=x[0].shape[self.dim],
                m=MOST_PARTS,
            )
        else:
            whole = total(self.split_size_or_sections)
            yield Check(
                whole == x[0].shape[self.dim],
                "the sections {p} add up to {t}, not to the size {s}",
                field="split_size_or_sections",
                p=self.split_size_or_sections,
                t=whole,
                s=x[0].shape[self.dim],
            )

    def outputs(self, *x: Tensor) -> Tensors:
        return tuple(_resized(x[0], self.dim, part) for part in self._sections(x[0].shape[self.dim]))

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (_part(x[0], self.dim, total(self._sections(x[0].shape[self.dim])[:output])),)

    def _sections(self, size: int) -> tuple[int, ...]:
        each = self.split_size_or_sections
        if isinstance(each, tuple):
            return each
        count = fixed(ceil_div(size, each))
        return (each,) * (count - 1) + (size - each * (count - 1),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        parts, dim = self.split_size_or_sections, self.dim
        return lambda tensor: torch.split(tensor, parts if isinstance(parts, int) else list(parts), dim)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        at = axis(self.dim, len(x[0].shape))
        return aten.split(t, x[0], at, [part.shape[at] for part in y])


@register
class Select(_Part):
    """One place of a dimension, which is left out (torch.select); a negative one counts from the end."""

    dim: int = argument(Index(None))
    index: int = argument(Size(None))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            size = x[0].shape[self.dim]
            yield Check(
                (self.index < size) & (self.index >= -size),
                "index {i} is not one of the {s} places of dimension {d}",
                field="index",
                i=self.index,
                s=size,
                d=self.dim,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        at = axis(self.dim, len(x[0].shape))
        return (x[0].with_shape(*x[0].shape[:at], *x[0].shape[at + 1 :]),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        at = axis(self.dim, ndim)
        place = where(self.index < 0, self.index + x[0].shape[at], self.index)
        axes = tuple(ALL if dim == at else (dim - (dim > at), SAME) for dim in range(ndim))
        return (Along(axes, only=((at, place),)),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim, index = self.dim, self.index
        return lambda tensor: tensor.select(dim, index)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.select(t, x[0], axis(self.dim, len(x[0].shape)))


@register
class Slice(_Part):
    """Every ``step``-th place from ``start`` to before ``end`` of a dimension, as Python's x[start:end:step].

    Negative places count from the end; places beyond either end are cut off.
    """

    dim: int = argument(Index(None))
    start: int = argument(Size(None), 0)
    end: int | None = argument(Maybe(Size(None)), None)
    step: int = argument(Size(), 1)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            size = x[0].shape[self.dim]
            yield Check(
                self._places(size) >= 1,
                "nothing is left of a size of {s} from {a} to {b}",
                field="start",
                s=size,
                a=self.start,
                b="its end" if self.end is None else self.end,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        return (_resized(x[0], self.dim, self._places(x[0].shape[self.dim])),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        start = _clipped(self.start, x[0].shape[self.dim])
        return (_part(x[0], self.dim, start, self.step),)

    def _places(self, size: int) -> int:
        """ceil((end - start) / step)."""
        end = size if self.end is None else _clipped(self.end, size)
        return ceil_div(end - _clipped(self.start, size), self.step)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        at = axis(self.dim, len(x[0].shape))
        index = (slice(None),) * at + (slice(self.start, self.end, self.step),)
        return lambda tensor: tensor[index]

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        at = axis(self.dim, len(x[0].shape))
        alias = self.start == 0 and self.step == 1 and (self.end is None or self.end >= x[0].shape[at])
        return aten.part(t, x[0], at, y[0].shape[at], self.step, alias=alias)


def _clipped(place: int, size: int) -> int:
    """A place from 0 to ``size``; a negative one counts from the end."""
    return where(place < 0, maximum(size + place, 0), minimum(place, size))
