"""Ops that make one tensor of several."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from archscope.arith import fixed, maximum, total
from archscope.autograd import aten
from archscope.autograd.dtypes import promoted
from archscope.ops.base import (
    MANY,
    TWO,
    Arity,
    Check,
    Contraction,
    NoContraction,
    NoWeights,
    NoWork,
    Op,
    Reads,
    ReadsByValues,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.contents import Content, met_in
from archscope.ops.fields import Index
from archscope.ops.promotion import PROMOTED, Promoted
from archscope.ops.readings import AtMost
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import ALL, SAME, WHOLE, Along, Placed

if TYPE_CHECKING:
    from archscope.ops.contents import Mask


def _dimension(op: Op, ndims: int, dim: int) -> str:
    """The name of a dimension, for messages."""
    names = op.layout.get(ndims)
    return names[dim] if names else str(dim)


def _aligned(shape: tuple[int, ...], ndims: int) -> tuple[int, ...]:
    """The shape with leading ones, as broadcasting reads it."""
    return (1,) * (ndims - len(shape)) + shape


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape: in each dimension the sizes are equal or 1, so the largest is the one they take."""
    ndims = max(map(len, shapes))
    return tuple(reduce(maximum, sizes) for sizes in zip(*(_aligned(s, ndims) for s in shapes), strict=True))


def broadcast_checks(op: Op, x: Tensors, apart: int = 0) -> Iterator[Check]:
    """The shapes broadcast, but for the last ``apart`` dimensions."""
    for number in range(1, len(x)):
        before, other = _together(x[:number]), x[number]
        ndims = max(len(before.shape), len(other.shape))
        sizes = zip(_aligned(before.shape, ndims), _aligned(other.shape, ndims), strict=True)
        for dim, (a, b) in enumerate(islice(sizes, ndims - apart)):
            earlier = "input 1 is" if number == 1 else f"inputs 1 to {number} are together"
            yield _agreement((a == b) | (a == 1) | (b == 1), op, earlier, before, number + 1, other, dim, (a, b))


def _together(x: Tensors) -> Tensor:
    """What some tensors broadcast to."""
    if len(x) == 1:
        return x[0]
    with_batch = any(tensor.batch is not None for tensor in x)
    return Tensor(broadcast(*(tensor.shape for tensor in x)), batch=0 if with_batch else None)


def _agreement(
    ok: bool, op: Op, earlier: str, first: Tensor, number: int, second: Tensor, dim: int, sizes: tuple[int, int]
) -> Check:
    """Input ``number`` agrees in a dimension with those before it; the message shows the shapes without the batch.

    Dimensions have letters where all tensors have the batch; where one has none, they are numbered.
    """
    ndims = max(len(first.shape), len(second.shape))
    return Check(
        ok,
        "{op}: {earlier} {first} and input {number} is {second}: dimension {dim} differs ({a} and {b})",
        op=type(op).__name__,
        earlier=earlier,
        first=first.sizes,
        number=number,
        second=second.sizes,
        dim=dim if first.batch is None or second.batch is None else _dimension(op, ndims, dim),
        a=sizes[0],
        b=sizes[1],
    )


class Broadcasting(NoWeights, NoContraction):
    """Element by element, shapes broadcast as in torch: aligned at the end, a size of 1 repeats."""

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return broadcast_reads(x, y)


def broadcast_reads(x: Tensors, y: Tensors) -> tuple[Along, ...]:
    """What is read of each input where shapes broadcast."""
    return tuple(_repeated_reads(tensor.shape, y[0].shape) for tensor in x)


class _Elementwise(Broadcasting):
    """A function that joins two tensors, and the result with the next one; types are promoted as in torch."""

    takes = "any"
    types = PROMOTED
    elementwise_rule = "one operation an output element for each input after the first"
    #: the function of torch that joins two tensors, from the left to the right
    function: ClassVar[str]
    #: whether whole numbers give whole numbers
    whole: ClassVar[bool] = True

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from broadcast_checks(self, x)

    def outputs(self, *x: Tensor) -> Tensors:
        shape = broadcast(*(tensor.shape for tensor in x))
        return (Tensor(shape, common_dtype(x) if self.whole else None),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel * (len(x) - 1)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function = getattr(torch, self.function)
        return lambda *tensors: reduce(function, tensors)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        so_far = x[0]
        for number, other in enumerate(x[1:], 2):
            before, so_far = so_far, self._joined(t, so_far, other)
            if number < len(x):
                so_far.storage.what = f"inputs 1 to {number} together"
            if number > 2:
                t.drop(before)
        return so_far

    @abstractmethod
    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        """Two tensors joined, in memory."""


def common_dtype(x: Tensors) -> str | None:
    """The type of what is computed of several tensors, as torch promotes theirs; floating ones are not told apart."""
    return reduce(_promoted, x).dtype


def _promoted(a: Tensor, b: Tensor) -> Tensor:
    """A tensor of the type to which two are promoted, with as many dimensions as the larger one."""
    kinds = ["float32" if tensor.floating else str(tensor.dtype) for tensor in (a, b)]
    dtype = promoted(kinds[0], kinds[1], scalars=(not a.shape, not b.shape))
    return Tensor(max(a.shape, b.shape, key=len), None if dtype == "float32" else dtype)


def _repeated_reads(shape: tuple[int, ...], out: tuple[int, ...]) -> Along:
    """Every place reads its own, and all places along a dimension that is repeated the only one."""
    offset = len(out) - len(shape)
    repeated = [fixed(size == 1) and not fixed(out[i + offset] == 1) for i, size in enumerate(shape)]
    return Along(tuple((i + offset, WHOLE if repeated[i] else SAME) for i in range(len(shape))))


@register
class Add(_Elementwise):
    """The sum of two or more tensors (torch.add)."""

    arity = MANY
    function = "add"

    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        return aten.add(t, a, b)


@register
class Subtract(_Elementwise):
    """The first tensor minus the second (torch.sub)."""

    takes = "number"
    arity = TWO
    function = "sub"

    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        return aten.subtract(t, a, b)


@register
class Multiply(_Elementwise):
    """The elementwise product of two or more tensors (torch.mul)."""

    arity = MANY
    function = "mul"

    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        return aten.multiply(t, a, b)


@register
class Divide(_Elementwise):
    """The first tensor by the second (torch.div); floating, whatever arrives."""

    whole = False
    types = Promoted(whole="float32")
    arity = TWO
    function = "div"

    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        return aten.divide(t, a, b)


@register
class Maximum(_Elementwise):
    """The elementwise maximum of two or more tensors (torch.maximum)."""

    arity = MANY
    function = "maximum"

    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        return aten.extremum(t, a, b)


@register
class Minimum(_Elementwise):
    """The elementwise minimum of two or more tensors (torch.minimum)."""

    arity = MANY
    function = "minimum"

    def _joined(self, t: Tape, a: Value, b: Value) -> Value:
        return aten.extremum(t, a, b)


class _Joining(NoWeights, NoWork):
    """What Concat and Stack share: copies of the inputs, side by side."""

    arity = Arity(1, None)
    takes = "any"
    types = PROMOTED

    def _like_first(self, x: Tensors, free: int | None) -> Iterator[Check]:
        """Every input has the type and the dimensions of the first, but for the ``free`` one."""
        name, first = type(self).__name__, x[0]
        for number, other in enumerate(x[1:], 2):
            yield Check(
                other.dtype == first.dtype or (other.floating and first.floating),
                "{op}: input 1 holds {first} numbers and input {number} {second} numbers",
                op=name,
                first="floating" if first.floating else first.dtype,
                number=number,
                second="floating" if other.floating else other.dtype,
            )
            yield Check(
                len(other.shape) == len(first.shape),
                "{op}: input 1 has {first} dimensions and input {number} has {second}",
                op=name,
                first=len(first.shape),
                number=number,
                second=len(other.shape),
            )
            for dim, (a, b) in enumerate(zip(first.shape, other.shape, strict=False)):
                if dim != free:
                    yield _agreement(a == b, self, "input 1 is", first, number, other, dim, (a, b))


@register
class Concat(_Joining):
    """The inputs one after another along a dimension, the channels if none is given (torch.cat)."""

    dim: int = argument(Index(None), 1)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim, len(x[0].shape), "dim")
        yield from self._like_first(x, axis(self.dim, len(x[0].shape)))

    def outputs(self, *x: Tensor) -> Tensors:
        shape = list(x[0].shape)
        shape[self.dim] = total(tensor.shape[self.dim] for tensor in x)
        return (x[0].with_shape(*shape),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim, dim = len(x[0].shape), axis(self.dim, len(x[0].shape))
        readings = []
        for number in range(len(x)):
            window = Placed(total(tensor.shape[dim] for tensor in x[:number]))
            readings.append(Along(tuple((i, window if i == dim else SAME) for i in range(ndim))))
        return tuple(readings)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda *tensors: torch.cat(tensors, dim)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.cat(t, x, y[0].shape, axis(self.dim, len(y[0].shape)))


@register
class Stack(_Joining):
    """Inputs of one shape along a new dimension, at the place ``dim`` of the output (torch.stack)."""

    dim: int = argument(Index(None), 0)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield in_range(self.dim, len(x[0].shape) + 1, "dim")
        yield from self._like_first(x, None)

    def outputs(self, *x: Tensor) -> Tensors:
        shape, dim = x[0].shape, axis(self.dim, len(x[0].shape) + 1)
        return (x[0].with_shape(*shape[:dim], len(x), *shape[dim:]),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(x[0].shape)
        dim = axis(self.dim, ndim + 1)
        axes = tuple((i if i < dim else i + 1, SAME) for i in range(ndim))
        return tuple(Along(axes, ((dim, range(number, number + 1)),)) for number in range(len(x)))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda *tensors: torch.stack(tensors, dim)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.stack(t, x, y[0].shape, axis(self.dim, len(y[0].shape)))


def _meeting(along: Along, zero: Mask | bool, axis: tuple[int, int], shape: tuple[int, ...], *, turned: bool) -> Reads:
    """What is read of one matrix, where some elements of the other one are zero.

    Args:
        axis: the dimension along which it is summed, and the dimension of the output that the other one lends.
        shape: of the other one.
        turned: whether its rows are what is summed.
    """
    if isinstance(zero, bool):
        return AtMost(along) if zero else along
    import numpy as np

    if any(size > 1 for size in zero.shape[:-2]):
        return AtMost(along)
    table = ~np.broadcast_to(zero.reshape(zero.shape[-2:]), shape[-2:])
    axes = list(along.axes)
    axes[axis[0]] = (axis[1], met_in(table.T if turned else table))
    return along._replace(axes=tuple(axes))


@register
class MatMul(ReadsByValues, NoWeights):
    """The matrix product of the last two dimensions; the others broadcast (torch.matmul).

    A (..., n, m) by a (..., m, p): each of the ... x n x p outputs sums m products.
    """

    arity = TWO
    layout: ClassVar[Mapping[int, tuple[str, ...]]] = {
        2: ("N", "F"), 3: ("N", "L", "F"), 4: ("N", "H", "L", "F"),
    }  # fmt: skip

    def checks(self, *x: Tensor) -> Iterator[Check]:
        a, b = (tensor.shape for tensor in x)
        matrices = len(a) >= 2 and len(b) >= 2
        yield Check(matrices, "MatMul needs inputs of at least 2 dimensions, got {a} and {b}", a=len(a), b=len(b))
        if matrices:
            yield Check(
                a[-1] == b[-2],
                "MatMul: input 1 is {first} and input 2 is {second}: {a} columns cannot meet {b} rows",
                first=x[0].sizes,
                second=x[1].sizes,
                a=a[-1],
                b=b[-2],
            )
            yield from broadcast_checks(self, x, apart=2)

    def outputs(self, *x: Tensor) -> Tensors:
        a, b = (tensor.shape for tensor in x)
        return (x[0].with_shape(*broadcast(a[:-2], b[:-2]), a[-2], b[-1]),)

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        yield Contraction(y[0].numel * x[0].shape[-1], (0, 1))

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.matmul(t, *x)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return self._products(x, y)

    def _products(self, x: Tensors, y: Tensors) -> tuple[Along, Along]:
        ndim = len(y[0].shape)
        rows, columns = (_repeated_reads(tensor.shape, y[0].shape).axes[:-2] for tensor in x)
        return Along((*rows, (ndim - 2, SAME), ALL)), Along((*columns, ALL, (ndim - 1, SAME)))

    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        """Nothing is taken of what zeros of the other matrix meet."""
        ndim, (left, right) = len(y[0].shape), self._products(x, y)
        zeros = [contents[number].masked.zero if number in contents else False for number in range(2)]
        of_left = _meeting(left, zeros[1], (-1, ndim - 1), x[1].shape, turned=True)
        return of_left, _meeting(right, zeros[0], (-2, ndim - 2), x[0].shape, turned=False)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 0

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function: Callable[..., Any] = torch.matmul
        return function
