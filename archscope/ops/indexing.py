"""Ops that lay places of a tensor anew: looked up by their numbers, rolled, turned round, repeated.

Dimensions count as in torch: 0 is the batch, a negative one counts from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from archscope.arith import fixed
from archscope.autograd import aten
from archscope.ops.base import (
    TWO,
    Check,
    NoWeights,
    NoWork,
    Reads,
    ReadsByValues,
    SameShape,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.contents import Content, places_of
from archscope.ops.fields import Index as IndexField
from archscope.ops.fields import Integers, Shape
from archscope.ops.readings import AtMost, Chained, Picked, in_order
from archscope.ops.shapes import axis, in_range, wanted_type
from archscope.ops.windows import ALL, SAME, WHOLE, Along, Listed, Mirrored, Placed, Slide, Window, pointwise


class _Lookup(ReadsByValues, NoWeights, NoWork):
    """What is looked up by whole numbers: the first input is read at the places that the second one tells."""

    arity = TWO
    takes = "any"

    dim: int = argument(IndexField(None))


@register
class Index(_Lookup):
    """The places of a dimension that an int64 tensor tells, of any shape (x[:, index], advanced indexing).

    A (..., n, ...) and index (i, j) make (..., i, j, ...): the dimension gives way to those of the index.
    """

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim, len(x[0].shape), "dim")
        yield wanted_type(x[1], "int64", "Index: input 2, the places,")

    def outputs(self, *x: Tensor) -> Tensors:
        at = axis(self.dim, len(x[0].shape))
        return (x[0].with_shape(*x[0].shape[:at], *x[1].shape, *x[0].shape[at + 1 :]),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return AtMost(self._along(x, WHOLE if len(x[1].shape) == 1 else None)), self._places(x)

    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        shape, ndim = x[0].shape, len(x[1].shape)
        at = axis(self.dim, len(shape))
        window = places_of(contents[1].value, 0, 1, shape[at]) if 1 in contents and ndim == 1 else None
        if window is not None:
            return self._along(x, window), self._places(x)
        if 1 not in contents or ndim == 0:
            return self.reads(x, y, output)
        along = self._along(x, WHOLE if ndim == 1 else Placed(others=tuple(range(at + 1, at + ndim))))
        if contents[1].array is None:  # it is known, and not asked for
            return AtMost(along), self._places(x)
        import numpy as np

        listed = np.broadcast_to(contents[1].array, x[1].shape).reshape(-1) % shape[at]
        first = Along(tuple((dim, Listed(listed) if dim == at else SAME) for dim in range(len(shape))))
        between = (*shape[:at], len(listed), *shape[at + 1 :])
        return Chained(first, between, in_order(between, y[0].shape), along), self._places(x)

    def _along(self, x: Tensors, window: Window | None) -> Along:
        """Along the dimension that is looked up a window, if the places stand along one."""
        at, places = axis(self.dim, len(x[0].shape)), len(x[1].shape)
        looked_up = ALL if window is None else (at, window)
        return Along(
            tuple(
                looked_up if dim == at else (dim if dim < at else dim + places - 1, SAME)
                for dim in range(len(x[0].shape))
            )
        )

    def _places(self, x: Tensors) -> Along:
        at = axis(self.dim, len(x[0].shape))
        return Along(tuple((at + dim, SAME) for dim in range(len(x[1].shape))))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        before = (slice(None),) * axis(self.dim, len(x[0].shape))

        def forward(tensor: Any, places: Any) -> Any:
            index = (*before, places)
            return tensor[index]

        return forward

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.indexed(t, x[0], x[1], axis(self.dim, len(x[0].shape)), y[0].shape)


@register
class Gather(_Lookup):
    """For each place of the index the element of its line along a dimension that it tells (torch.gather)."""

    def checks(self, *x: Tensor) -> Iterator[Check]:
        shape, places = x[0].shape, x[1].shape
        inside = in_range(self.dim, len(shape), "dim")
        yield inside
        yield wanted_type(x[1], "int64", "Gather: input 2, the places,")
        alike = len(shape) == len(places)
        yield Check(alike, "Gather: input 1 has {a} dimensions and input 2 has {b}", a=len(shape), b=len(places))
        for dim, (size, wanted) in enumerate(zip(shape, places, strict=False)):
            if alike and inside.ok and dim != axis(self.dim, len(shape)):
                yield Check(
                    wanted <= size,
                    "Gather: dimension {d} is {a} in input 1 and {b} in input 2",
                    d=dim,
                    a=size,
                    b=wanted,
                )

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0].with_shape(*x[1].shape),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return AtMost(self._along(x, WHOLE)), pointwise(len(x[0].shape))

    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        at, ndim = axis(self.dim, len(x[0].shape)), len(x[0].shape)
        window = places_of(contents[1].value, at, ndim, x[0].shape[at]) if 1 in contents else None
        if window is not None:
            return self._along(x, window), pointwise(ndim)
        if 1 not in contents or contents[1].array is None:
            return self.reads(x, y, output)
        return Picked(at, contents[1].array % x[0].shape[at], self._along(x, WHOLE)), pointwise(ndim)

    def _along(self, x: Tensors, window: Window) -> Along:
        ndim = len(x[0].shape)
        at = axis(self.dim, ndim)
        lines = Slide()  # of which the first ones are read
        return Along(tuple((dim, window if dim == at else lines) for dim in range(ndim)))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda tensor, places: torch.gather(tensor, dim, places)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.looked_up(t, x[0], x[1], y[0].shape, x[0])


@register
class Roll(SameShape, NoWeights, NoWork):
    """Dimensions rolled: what falls off one end comes in at the other (torch.roll)."""

    takes = "any"

    shifts: tuple[int, ...] = argument(Integers())
    dims: tuple[int, ...] = argument(Integers())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        for dim in self.dims:
            yield in_range(dim, len(x[0].shape), "dims")
        yield Check(
            len(self.shifts) == len(self.dims),
            "{s} shifts for {d} dimensions",
            field="shifts",
            s=len(self.shifts),
            d=len(self.dims),
        )

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        shifts = [0] * len(x[0].shape)
        for shift, dim in zip(self.shifts, self.dims, strict=True):
            shifts[dim] += shift
        windows = (Placed(shift, "circular") if shift else SAME for shift in shifts)
        return (Along(tuple(enumerate(windows))),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        shifts, dims = self.shifts, self.dims
        return lambda tensor: torch.roll(tensor, shifts, dims)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.rolled(t, x[0], self.shifts, [axis(dim, len(x[0].shape)) for dim in self.dims])


@register
class Flip(SameShape, NoWeights, NoWork):
    """Dimensions in reverse order (torch.flip)."""

    takes = "any"

    dims: tuple[int, ...] = argument(Integers())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        ndims = len(x[0].shape)
        for dim in self.dims:
            yield in_range(dim, ndims, "dims")
        yield Check(
            len({axis(dim, ndims) for dim in self.dims}) == len(self.dims),
            "dims {d} names a dimension twice",
            field="dims",
            d=self.dims,
        )

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        turned = {axis(dim, ndim) for dim in self.dims}
        return (Along(tuple((dim, Mirrored() if dim in turned else SAME) for dim in range(ndim))),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dims = self.dims
        return lambda tensor: torch.flip(tensor, dims)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.scaled(t, x[0])


@register
class Tile(NoWeights, NoWork):
    """Each dimension several times in a row (torch.tile); fewer factors than dimensions are for the last ones."""

    takes = "any"

    dims: tuple[int, ...] = argument(Shape())

    def _factors(self, ndims: int) -> tuple[int, ...]:
        return (1,) * (ndims - len(self.dims)) + self.dims

    def checks(self, *x: Tensor) -> Iterator[Check]:
        ndims = len(x[0].shape)
        yield Check(len(self.dims) <= ndims, "{f} factors for {n} dimensions", field="dims", f=len(self.dims), n=ndims)
        yield Check(
            self._factors(ndims)[0] == 1,
            "the batch, dimension 0, cannot be repeated {f} times",
            field="dims",
            f=self._factors(ndims)[0],
        )

    def outputs(self, *x: Tensor) -> Tensors:
        factors = self._factors(len(x[0].shape))
        return (x[0].with_shape(*(size * factor for size, factor in zip(x[0].shape, factors, strict=True))),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        once = [fixed(factor == 1) for factor in self._factors(len(x[0].shape))]
        return (Along(tuple((dim, SAME if one else Placed(border="circular")) for dim, one in enumerate(once))),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dims = self.dims
        return lambda tensor: torch.tile(tensor, dims)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.tiled(t, x[0], y[0].shape)
