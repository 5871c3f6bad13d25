"""int64 arrays that cannot wrap: a block of designs read in one pass.

Every array carries bounds on its values as Python ints. As long as the bounds of a result fit into int64 (nearly
always), the NumPy operation runs unchecked; where they do not, the bounds are first made tight from the data, and
then the operation is checked element by element. A result that does not fit raises
:class:`~archscope.errors.NumberOverflow`; it never wraps.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.arith.helpers import Reading
from archscope.errors import NumberOverflow, UsageError

Ints = npt.NDArray[np.int64]
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class IntArray(Reading):
    """A one-dimensional block of exact integers, one for each design.

    Attributes:
        data: int64 values, shape (designs,).
    """

    __slots__ = ("_bounds", "data")
    __hash__ = None  # type: ignore[assignment]  # equality is elementwise
    __array_ufunc__ = None  # NumPy must not broadcast over us: our operators check for overflow

    def __init__(self, data: npt.ArrayLike, bounds: tuple[int, int] | None = None) -> None:
        self.data: Ints = np.asarray(data, dtype=np.int64)
        self._bounds = bounds

    @property
    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value that may occur (not always attained)."""
        if self._bounds is None:
            self._bounds = (int(self.data.min()), int(self.data.max())) if self.data.size else (0, 0)
        return self._bounds

    def __repr__(self) -> str:
        return f"IntArray({self.data!r})"

    def __bool__(self) -> bool:
        raise TypeError("a formula must not branch on a number: use where()")

    @classmethod
    def call(cls, name: str, arguments: tuple[Any, ...]) -> Any:
        """The helper ``name`` applied elementwise; a ratio is a plain float64 array, NaN where it has no value."""
        if name == "where":
            condition, yes, no = (_data(a) for a in arguments)
            return IntArray(np.where(condition, yes, no))
        a, b = arguments
        if name == "ratio":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(_data(b) == 0, np.nan, _data(a) / _data(b))
        if name == "floor_mul":
            return cls._floor_mul(_data(a), b)
        if name == "ceil_div":
            return -((-cls._lift(a)) // b)
        if name == "exact_div":
            return cls._lift(a) // b
        functions: dict[str, Callable[[Any, Any], Any]] = {"gcd": np.gcd, "maximum": np.maximum, "minimum": np.minimum}
        return IntArray(functions[name](_data(a), _data(b)))

    @classmethod
    def _floor_mul(cls, data: Ints, factor: float) -> IntArray:
        products = np.floor(data.astype(np.float64) * factor)
        if np.any(np.abs(products) >= float(_HIGHEST)):
            raise NumberOverflow(f"{np.max(np.abs(products)):g} does not fit into int64")
        return cls(products.astype(np.int64))

    def fixed(self, what: str) -> int:
        """The value that all designs of the block share."""
        low, high = int(self.data.min()), int(self.data.max())
        if low != high:
            raise UsageError(f"{what} decides the structure of a design, and here it varies from {low:,} to {high:,}")
        return low

    @classmethod
    def _lift(cls, value: Any) -> IntArray:
        if isinstance(value, IntArray):
            return value
        if not _LOWEST <= int(value) <= _HIGHEST:
            raise NumberOverflow(f"{value} does not fit into int64")
        return cls(np.int64(value), (int(value), int(value)))

    def __neg__(self) -> IntArray:
        return 0 - self

    def __add__(self, other: Any) -> IntArray:
        return _checked(operator.add, self, other)

    def __radd__(self, other: Any) -> IntArray:
        return _checked(operator.add, other, self)

    def __sub__(self, other: Any) -> IntArray:
        return _checked(operator.sub, self, other)

    def __rsub__(self, other: Any) -> IntArray:
        return _checked(operator.sub, other, self)

    def __mul__(self, other: Any) -> IntArray:
        return _checked(operator.mul, self, other)

    def __rmul__(self, other: Any) -> IntArray:
        return _checked(operator.mul, other, self)

    def __pow__(self, exponent: int) -> IntArray:
        result = IntArray._lift(1)
        for _ in range(exponent):
            result = result * self
        return result

    def __floordiv__(self, other: Any) -> IntArray:
        return _divided(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> IntArray:
        return _divided(operator.floordiv, other, self)

    def __mod__(self, other: Any) -> IntArray:
        return _divided(operator.mod, self, other)

    def __rmod__(self, other: Any) -> IntArray:
        return _divided(operator.mod, other, self)

    def __eq__(self, other: object) -> Any:
        return self.data == _data(other)

    def __ne__(self, other: object) -> Any:
        return self.data != _data(other)

    def __lt__(self, other: Any) -> Any:
        return self.data < _data(other)

    def __le__(self, other: Any) -> Any:
        return self.data <= _data(other)

    def __gt__(self, other: Any) -> Any:
        return self.data > _data(other)

    def __ge__(self, other: Any) -> Any:
        return self.data >= _data(other)


def _data(value: Any) -> Any:
    return value.data if isinstance(value, IntArray) else value


def _reach(apply: Callable[[int, int], int], a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Bounds of ``apply`` over two intervals; right for sums, differences and products."""
    corners = [apply(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _fits(bounds: tuple[int, int]) -> bool:
    return bounds[0] >= _LOWEST and bounds[1] <= _HIGHEST


def _checked(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> IntArray:
    a, b = IntArray._lift(left), IntArray._lift(right)
    bounds = _reach(apply, a.bounds, b.bounds)
    if not _fits(bounds):
        a, b = IntArray(a.data), IntArray(b.data)  # forget the loose bounds, look at the data
        bounds = _reach(apply, a.bounds, b.bounds)
    if _fits(bounds):
        return IntArray(apply(a.data, b.data), bounds)
    exact = apply(a.data.astype(object), b.data.astype(object))  # Python ints: slow, exact, and rarely reached
    values = np.atleast_1d(exact)
    beyond = [i for i, value in enumerate(values) if not _LOWEST <= value <= _HIGHEST]
    if beyond:
        raise NumberOverflow(f"design {beyond[0]} of the block: {values[beyond[0]]:,} does not fit into int64")
    return IntArray(exact.astype(np.int64))


def _divided(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> IntArray:
    a, b = IntArray._lift(left), IntArray._lift(right)
    if np.any((a.data == _LOWEST) & (b.data == -1)):
        raise NumberOverflow(f"{-_LOWEST:,} does not fit into int64")
    with np.errstate(divide="ignore"):  # a zero divisor stands only in designs that a check masks
        return IntArray(apply(a.data, b.data))
