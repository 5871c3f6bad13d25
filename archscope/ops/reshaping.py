"""Ops that give a tensor another shape and leave its elements alone.

Dimensions count as in torch: 0 is the batch, a negative one counts from the end. The outputs are views of their input;
torch copies where the elements do not lie in order, as after a permutation, and then they are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

from archscope.arith import exact_div, fixed, maximum, prod, where
from archscope.autograd import aten
from archscope.ops.base import (
    Arity,
    Check,
    NoWeights,
    NoWork,
    PlainTorchLayer,
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
from archscope.ops.fields import Index, Integers, Shape
from archscope.ops.promotion import FIRST
from archscope.ops.readings import in_order
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import SAME, WHOLE, Along, permuted


class _View(NoWeights, NoWork):
    """What all reshaping ops share."""

    takes = "any"
    view = True


class _InOrder(_View):
    """A view whose elements keep their order; a copy where they do not lie in it."""

    copies = True

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.reshape(t, x[0], y[0].shape)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (in_order(x[0].shape, y[0].shape),)


def _filled(sizes: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """The sizes, with what the others leave of ``numel`` elements in place of a -1."""
    rest = exact_div(numel, prod(maximum(size, 1) for size in sizes))
    return tuple(where(size == -1, rest, size) for size in sizes)


def _fill_checks(sizes: tuple[int, ...], numel: int, field: str) -> Iterator[Check]:
    for a, b in combinations(sizes, 2):
        yield Check(maximum(a, b) != -1, "only one size may be -1", field=field)
    yield Check(
        prod(_filled(sizes, numel)) == numel,
        "{n} elements do not fit into {s}",
        field=field,
        n=numel,
        s=sizes,
    )


@register
class Flatten(_InOrder, PlainTorchLayer):
    """Dimensions start_dim to end_dim joined into one (torch.nn.Flatten)."""

    start_dim: int = argument(Index(None), 1)
    end_dim: int = argument(Index(None), -1)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        ndims = len(x[0].shape)
        yield in_range(self.start_dim, ndims, "start_dim")
        yield in_range(self.end_dim, ndims, "end_dim")
        yield Check(
            axis(self.start_dim, ndims) <= axis(self.end_dim, ndims),
            "start_dim ({s}) must not come after end_dim ({e}) in {n} dimensions",
            field="start_dim",
            s=self.start_dim,
            e=self.end_dim,
            n=ndims,
        )

    def outputs(self, *x: Tensor) -> Tensors:
        shape = x[0].shape
        start, end = axis(self.start_dim, len(shape)), axis(self.end_dim, len(shape)) + 1
        return (x[0].with_shape(*shape[:start], prod(shape[start:end]), *shape[end:]),)


@register
class Unflatten(_InOrder, PlainTorchLayer):
    """One dimension split into several; one of them may be -1 (torch.nn.Unflatten)."""

    dim: int = argument(Index(None))
    unflattened_size: tuple[int, ...] = argument(Shape(rest=True))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            yield from _fill_checks(self.unflattened_size, x[0].shape[self.dim], "unflattened_size")

    def outputs(self, *x: Tensor) -> Tensors:
        shape, dim = x[0].shape, axis(self.dim, len(x[0].shape))
        return (x[0].with_shape(*shape[:dim], *_filled(self.unflattened_size, shape[dim]), *shape[dim + 1 :]),)


@register
class Reshape(_InOrder):
    """Another shape for the elements of each sample: the batch stays, one size may be -1 (torch.Tensor.reshape)."""

    shape: tuple[int, ...] = argument(Shape(rest=True))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(bool(x[0].shape), "Reshape keeps the batch, and what arrives has no dimensions")
        yield from _fill_checks(self.shape, prod(x[0].shape[1:]), "shape")

    def outputs(self, *x: Tensor) -> Tensors:
        batch, *sizes = x[0].shape
        return (x[0].with_shape(batch, *_filled(self.shape, prod(sizes))),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        shape = self.shape
        return lambda tensor: tensor.reshape(tensor.shape[0], *shape)


@register
class Permute(_View):
    """All dimensions in another order (torch.permute)."""

    disorders = True

    dims: tuple[int, ...] = argument(Integers())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        ndims = len(x[0].shape)
        yield Check(
            sorted(axis(dim, ndims) for dim in self.dims) == list(range(ndims)),
            "dims {d} must name each of the {n} dimensions once",
            field="dims",
            hint="dimension 0 is the batch",
            d=self.dims,
            n=ndims,
        )

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0].with_shape(*(x[0].shape[dim] for dim in self.dims)),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (permuted(tuple(axis(dim, len(self.dims)) for dim in self.dims)),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dims = self.dims
        return lambda tensor: tensor.permute(dims)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.permute(t, x[0], [axis(dim, len(self.dims)) for dim in self.dims])


@register
class Transpose(_View):
    """Two dimensions exchanged (torch.transpose)."""

    disorders = True

    dim0: int = argument(Index(None))
    dim1: int = argument(Index(None))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim0, len(x[0].shape), "dim0")
        yield in_range(self.dim1, len(x[0].shape), "dim1")

    def outputs(self, *x: Tensor) -> Tensors:
        shape = list(x[0].shape)
        shape[self.dim0], shape[self.dim1] = shape[self.dim1], shape[self.dim0]
        return (x[0].with_shape(*shape),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        order = list(range(len(x[0].shape)))
        order[self.dim0], order[self.dim1] = order[self.dim1], order[self.dim0]
        return (permuted(tuple(order)),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim0, dim1 = self.dim0, self.dim1
        return lambda tensor: tensor.transpose(dim0, dim1)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.swapped(t, x[0], self.dim0, self.dim1)


@register
class Squeeze(_InOrder):
    """A dimension of size 1 left out (torch.squeeze)."""

    dim: int = argument(Index(None))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        inside = in_range(self.dim, len(x[0].shape), "dim")
        yield inside
        if inside.ok:
            yield Check(
                x[0].shape[self.dim] == 1,
                "dimension {d} has the size {s}; only a size of 1 can be left out",
                field="dim",
                d=self.dim,
                s=x[0].shape[self.dim],
            )

    def outputs(self, *x: Tensor) -> Tensors:
        shape, dim = x[0].shape, axis(self.dim, len(x[0].shape))
        return (x[0].with_shape(*shape[:dim], *shape[dim + 1 :]),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda tensor: tensor.squeeze(dim)


@register
class Unsqueeze(_InOrder):
    """A new dimension of size 1, at the place ``dim`` of the output (torch.unsqueeze)."""

    dim: int = argument(Index(None))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim, len(x[0].shape) + 1, "dim")

    def outputs(self, *x: Tensor) -> Tensors:
        shape, dim = x[0].shape, axis(self.dim, len(x[0].shape) + 1)
        return (x[0].with_shape(*shape[:dim], 1, *shape[dim:]),)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda tensor: tensor.unsqueeze(dim)


@register
class Expand(_View):
    """Dimensions of size 1 repeated to the given sizes; -1 keeps one (torch.Tensor.expand).

    Dimension 0 is the batch, which stays; a second input lends its batch, for every sample of which it is repeated.
    """

    disorders = True

    arity = Arity(1, 2)
    types = FIRST

    sizes: tuple[int, ...] = argument(Shape(rest=True))

    def checks(self, *x: Tensor) -> Iterator[Check]:
        shape = x[0].shape
        alike = len(self.sizes) == len(shape)
        yield Check(
            alike, "{s} has {m} sizes for {n} dimensions", field="sizes", s=self.sizes, m=len(self.sizes), n=len(shape)
        )
        yield Check(
            self.sizes[0] == -1,
            "the size of dimension 0, the batch, must be -1, not {s}",
            field="sizes",
            hint="a second input lends its batch",
            s=self.sizes[0],
        )
        if len(x) > 1:
            yield Check(
                shape[0] == 1, "a batch is lent to a tensor whose dimension 0 is 1, not {s}", field="sizes", s=shape[0]
            )
        for dim, (size, wanted) in enumerate(zip(shape, self.sizes, strict=False)):
            yield Check(
                (wanted == -1) | (wanted == size) | (size == 1),
                "dimension {d} has the size {s}; only a size of 1 can be repeated to {w}",
                field="sizes",
                d=dim,
                s=size,
                w=wanted,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        pairs = zip(x[0].shape[1:], self.sizes[1:], strict=True)
        return (x[0].with_shape(x[-1].shape[0], *(where(wanted == -1, size, wanted) for size, wanted in pairs)),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        sizes = enumerate(zip(x[0].shape, y[0].shape, strict=True))
        axes = tuple((dim, WHOLE if fixed(a == 1) and not fixed(b == 1) else SAME) for dim, (a, b) in sizes)
        return (Along(axes), *(None for _ in x[1:]))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        sizes = self.sizes[1:]
        return lambda tensor, *lender: tensor.expand(lender[0].shape[0] if lender else -1, *sizes)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.expand(t, x[0], y[0].shape)
