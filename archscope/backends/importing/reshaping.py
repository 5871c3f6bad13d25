"""The ops that make one shape of another, the elements in their order.

The leading dimensions, as few as hold the same elements in both shapes, are kept apart from those behind them: so the
batch stays where it is, whatever becomes of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.sizes import LinearSize, in_words

Shape = Sequence[int | LinearSize]
#: an op of a design by name, with its arguments
Rearrangement = tuple[str, Mapping[str, Any]]


def reshaping(before: Shape, after: Shape, *, squeezes: bool = False) -> tuple[Rearrangement, ...]:
    """The ops that make one shape of another.

    Args:
        squeezes: whether a 1 is left out where it could be joined with its only neighbour as well.

    Raises:
        Unsupported: the shapes hold other elements, one has no dimensions, or the batch has none of its own.
    """
    if tuple(before) == tuple(after):
        return ()
    if not before or not after:
        raise Unsupported("a reshape of or to a tensor without dimensions", "a tensor with dimensions")
    leading, made = _leading(before, after)
    steps: list[Rearrangement] = []
    if leading > 1:
        steps.append(_join(before[:leading]))
    behind, wanted = before[leading:], after[made:]
    if tuple(behind) != tuple(wanted):
        if _product(behind) != _product(wanted):
            raise _unlike(before, after)
        steps.append(_behind(list(behind), list(wanted), squeezes=squeezes))
    if made > 1:
        steps.append(_split(after[:made], before[:leading]))
    return tuple(steps)


class _Product(NamedTuple):
    """A product of sizes of which one at most depends on the batch: ``rate * batch + rest``."""

    rate: int
    rest: int

    def times(self, size: int | LinearSize) -> _Product:
        """The product with one size more."""
        if not isinstance(size, LinearSize):
            return _Product(self.rate * size, self.rest * size)
        if self.rate:
            raise _twice()
        return _Product(self.rest * size.rate, self.rest * size.rest)


def _product(sizes: Shape) -> _Product:
    product = _Product(0, 1)
    for size in sizes:
        product = product.times(size)
    return product


def _twice() -> Unsupported:
    return Unsupported("a shape with the batch in two dimensions", "one dimension that has the batch")


def _leading(before: Shape, after: Shape) -> tuple[int, int]:
    """The fewest leading dimensions of both shapes that hold the same elements."""
    one, other = _product(before[:1]), _product(after[:1])
    i = j = 1
    while one != other:
        if i < len(before) and (one < other or j == len(after)):
            one, i = one.times(before[i]), i + 1
        elif j < len(after):
            other, j = other.times(after[j]), j + 1
        elif one.rate == other.rate == 0:
            raise _unlike(before, after)
        else:
            raise Unsupported("a reshape that mixes the batch", "the batch in a dimension of its own")
    return i, j


def _unlike(before: Shape, after: Shape) -> Unsupported:
    return Unsupported(f"a tensor of {in_words(before)} does not become {in_words(after)}", "as many elements")


def _behind(before: list[int | LinearSize], after: list[int | LinearSize], *, squeezes: bool) -> Rearrangement:
    """Other dimensions behind the first, by the op that says it best."""
    if len(after) == 1 and len(before) > (2 if squeezes else 1):
        return "Flatten", {}
    if len(after) == len(before) - 1 and (at := _gone(before, after)) is not None:
        return "Squeeze", {"dim": at + 1}
    if len(after) == len(before) + 1 and (at := _gone(after, before)) is not None:
        return "Unsqueeze", {"dim": at + 1}
    if (span := _joined(before, after)) is not None:
        first, end = span
        return "Flatten", {"start_dim": first + 1, **({} if end == len(before) else {"end_dim": end})}
    if (span := _joined(after, before)) is not None:
        first, end = span
        if not any(isinstance(size, LinearSize) for size in after[first:end]):
            return "Unflatten", {"dim": first + 1, "unflattened_size": after[first:end]}
    return "Reshape", {"shape": _open(after)}


def _open(sizes: Shape) -> list[int]:
    """Sizes, of which that which depends on the batch is left to be found."""
    if sum(isinstance(size, LinearSize) for size in sizes) > 1:
        raise _twice()
    return [-1 if isinstance(size, LinearSize) else size for size in sizes]


def _join(sizes: Shape) -> Rearrangement:
    """The leading dimensions made one; a single 1 among two is left out."""
    if len(sizes) == 2 and 1 in sizes:
        return "Squeeze", {"dim": list(sizes).index(1)}
    return "Flatten", {"start_dim": 0, "end_dim": len(sizes) - 1}


def _split(sizes: Shape, whole: Shape) -> Rearrangement:
    """The first dimension made several; a 1 beside it is put in."""
    if len(sizes) == 2 and len(whole) == 1 and 1 in sizes and whole[0] in sizes:
        return "Unsqueeze", {"dim": list(sizes).index(1)}
    return "Unflatten", {"dim": 0, "unflattened_size": _open(sizes)}


def _gone(longer: list[int | LinearSize], shorter: list[int | LinearSize]) -> int | None:
    """Where the longer of two shapes has a 1 more."""
    for at, size in enumerate(longer):
        if size == 1 and longer[:at] + longer[at + 1 :] == shorter:
            return at
    return None


def _joined(longer: list[int | LinearSize], shorter: list[int | LinearSize]) -> tuple[int, int] | None:
    """Where neighbours in the longer shape begin and end that are one dimension in the shorter one."""
    if len(longer) <= len(shorter):
        return None
    start = 0
    while start < len(shorter) and longer[start] == shorter[start]:
        start += 1
    end = 0
    while end < len(shorter) - start and longer[-1 - end] == shorter[-1 - end]:
        end += 1
    if len(shorter) - start - end != 1 or len(longer) - start - end < 2:
        return None
    return start, len(longer) - end
