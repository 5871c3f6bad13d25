"""Ops that make one tensor of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from itertools import islice
from typing import Any, ClassVar

from archscope.arith import everywhere, maximum, prod, total
from archscope.ops.base import (
    MANY,
    TWO,
    Arity,
    Check,
    Contraction,
    Keep,
    KeepsNothing,
    NoContraction,
    NoWeights,
    NoWork,
    Op,
    Reads,
    Tensor,
    Tensors,
    Training,
    argument,
    register,
)
from archscope.ops.fields import Index
from archscope.ops.keeping import INPUT, own, the_input
from archscope.ops.shapes import axis, in_range
from archscope.ops.windows import ALL, SAME, Along, Placed


def _dimension(op: Op, ndims: int, dim: int) -> str:
    """The name of a dimension, for messages."""
    names = op.layout.get(ndims)
    return names[dim] if names else str(dim)


def _aligned(shape: tuple[int, ...], ndims: int) -> tuple[int, ...]:
    """The shape with leading ones, as broadcasting reads it."""
    return (1,) * (ndims - len(shape)) + shape


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape: in each dimension the sizes are equal or 1, so the largest is the one they take."""
    ndims = max(map(len, shapes))
    return tuple(reduce(maximum, sizes) for sizes in zip(*(_aligned(s, ndims) for s in shapes), strict=True))


def _broadcast_checks(op: Op, x: Tensors, apart: int = 0) -> Iterator[Check]:
    """The shapes broadcast, but for the last ``apart`` dimensions."""
    shapes = [tensor.shape for tensor in x]
    for number in range(1, len(shapes)):
        before, shape = _broadcast(*shapes[:number]), shapes[number]
        ndims = max(len(before), len(shape))
        sizes = zip(_aligned(before, ndims), _aligned(shape, ndims), strict=True)
        for dim, (a, b) in enumerate(islice(sizes, ndims - apart)):
            earlier = "input 1 is" if number == 1 else f"inputs 1 to {number} are together"
            name = _dimension(op, ndims, dim)
            yield _agreement((a == b) | (a == 1) | (b == 1), op, earlier, before, number + 1, shape, name, (a, b))


def _agreement(
    ok: bool,
    op: Op,
    earlier: str,
    first: tuple[int, ...],
    number: int,
    second: tuple[int, ...],
    dim: str,
    sizes: tuple[int, int],
) -> Check:
    """Input ``number`` agrees in a dimension with those before it; the message shows the shapes without the batch."""
    return Check(
        ok,
        "{op}: {earlier} {first} and input {number} is {second}: dimension {dim} differs ({a} and {b})",
        op=type(op).__name__,
        earlier=earlier,
        first=first[1:],
        number=number,
        second=second[1:],
        dim=dim,
        a=sizes[0],
        b=sizes[1],
    )


class _Elementwise(NoWeights, NoContraction):
    """Element by element, shapes broadcast as in torch: aligned at the end, a size of 1 repeats."""

    elementwise_rule = "one operation an output element for each input after the first"
    #: the function of torch that joins two tensors
    function: ClassVar[str]

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from _broadcast_checks(self, x)

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0].with_shape(*_broadcast(*(tensor.shape for tensor in x))),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel * (len(x) - 1)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return tuple(_broadcast_reads(tensor.shape, y[0].shape) for tensor in x)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function = getattr(torch, self.function)
        return lambda *tensors: reduce(function, tensors)


def _broadcast_reads(shape: tuple[int, ...], out: tuple[int, ...]) -> Along:
    """Every place reads its own, and all places along a dimension that is repeated the only one."""
    offset = len(out) - len(shape)
    repeated = [everywhere(size == 1) and not everywhere(out[i + offset] == 1) for i, size in enumerate(shape)]
    return Along(tuple(ALL if repeated[i] else (i + offset, SAME) for i in range(len(shape))))


@register
class Add(_Elementwise, KeepsNothing):
    """The sum of two or more tensors (torch.add)."""

    arity = MANY
    function = "add"


@register
class Subtract(_Elementwise, KeepsNothing):
    """The first tensor minus the second (torch.sub)."""

    arity = TWO
    function = "sub"


class _Folded(_Elementwise):
    """A function of two tensors that keeps them, applied from the left to the right."""

    #: whether a side is kept only where the other one needs a gradient
    crosswise: ClassVar[bool] = False

    def keeps(self, x: Tensors, y: Tensors, training: Training) -> Iterable[Keep]:
        left, needs = x[0], training.needs[0]
        for number in range(1, len(x)):
            right = training.needs[number]
            if right if self.crosswise else right or needs:
                yield the_input(0) if number == 1 else own(left, "what comes of the inputs before")
            if needs if self.crosswise else right or needs:
                yield the_input(number)
            left, needs = left.with_shape(*_broadcast(left.shape, x[number].shape)), needs or right


@register
class Multiply(_Folded):
    """The elementwise product of two or more tensors (torch.mul)."""

    crosswise = True

    arity = MANY
    function = "mul"


@register
class Divide(_Elementwise):
    """The first tensor by the second (torch.div)."""

    arity = TWO
    function = "div"

    def keeps(self, x: Tensors, y: Tensors, training: Training) -> Iterable[Keep]:
        yield the_input(1)
        if training.needs[1]:
            yield INPUT


@register
class Maximum(_Folded):
    """The elementwise maximum of two or more tensors (torch.maximum)."""

    arity = MANY
    function = "maximum"


@register
class Minimum(_Folded):
    """The elementwise minimum of two or more tensors (torch.minimum)."""

    arity = MANY
    function = "minimum"


class _Joining(KeepsNothing, NoWeights, NoWork):
    """What Concat and Stack share: copies of the inputs, side by side."""

    arity = Arity(1, None)
    takes = "any"

    def _like_first(self, x: Tensors, free: int | None) -> Iterator[Check]:
        """Every input has the type and the dimensions of the first, but for the ``free`` one."""
        name, first = type(self).__name__, x[0]
        for number, other in enumerate(x[1:], 2):
            yield Check(
                other.dtype == first.dtype,
                "{op}: input 1 holds {first} numbers and input {number} {second} numbers",
                op=name,
                first=first.dtype or "floating",
                number=number,
                second=other.dtype or "floating",
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
                    named = _dimension(self, len(first.shape), dim)
                    yield _agreement(a == b, self, "input 1 is", first.shape, number, other.shape, named, (a, b))


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
            window = Placed(padding=total(tensor.shape[dim] for tensor in x[:number]))
            readings.append(Along(tuple((i, window if i == dim else SAME) for i in range(ndim))))
        return tuple(readings)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda *tensors: torch.cat(tensors, dim)


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
        return tuple(Along(axes, ((dim, number),)) for number in range(len(x)))

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        dim = self.dim
        return lambda *tensors: torch.stack(tensors, dim)


@register
class MatMul(NoWeights):
    """The matrix product of the last two dimensions; the others broadcast (torch.matmul).

    A (..., n, m) by a (..., m, p): each of the ... x n x p outputs sums m products.
    """

    autocast = "lower"

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
                first=a[1:],
                second=b[1:],
                a=a[-1],
                b=b[-2],
            )
            yield from _broadcast_checks(self, x, apart=2)

    def outputs(self, *x: Tensor) -> Tensors:
        a, b = (tensor.shape for tensor in x)
        return (x[0].with_shape(*_broadcast(a[:-2], b[:-2]), a[-2], b[-1]),)

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        yield Contraction(y[0].numel * x[0].shape[-1], (0, 1))

    def keeps(self, x: Tensors, y: Tensors, training: Training) -> Iterable[Keep]:
        first, second = x[0].shape, x[1].shape
        alone = len(first) == len(second) == 3 and first[0] == 1 < second[0]
        if (len(first) == 2 < len(second) or alone) and training.needs[0]:
            # torch multiplies the transposes then, with the samples of the second laid out one after another
            *batch, rows, columns = second
            laid_out = prod(batch) == 1 or rows == 1 or columns == 1
            yield the_input(1) if laid_out else own(x[1], "an input, transposed")
            if training.needs[1]:
                yield INPUT
            return
        for number, tensor in enumerate(x):
            if training.needs[1 - number]:
                yield self._expanded(number, tensor, y[0].shape[:-2])

    def _expanded(self, number: int, tensor: Tensor, batch: tuple[int, ...]) -> Keep:
        """An input as the product reads it: repeated in memory where its samples are repeated among others.

        torch joins the leading dimensions into one; a repeated one next to one that is not has no stride.
        """
        leading = _aligned(tensor.shape[:-2], len(batch))
        wide = [size == own_size for size, own_size in zip(batch, leading, strict=True) if size != 1]
        if all(wide) or not any(wide):
            return the_input(number)
        return own(tensor.with_shape(*batch, *tensor.shape[-2:]), "an input, repeated")

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        ndim = len(y[0].shape)
        rows, columns = (_broadcast_reads(tensor.shape, y[0].shape).axes[:-2] for tensor in x)
        return Along((*rows, (ndim - 2, SAME), ALL)), Along((*columns, ALL, (ndim - 1, SAME)))

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 0

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        function: Callable[..., Any] = torch.matmul
        return function
