"""Numbers of one design that remember how they come about in all designs of a space.

A design is read once, on recorded numbers: each has the value that it takes in this design, bounds on the values that
it takes in any, and the operation that made it. What is read does not notice. Where it decides something by a number
(a condition, a count of repeats, an index), the decision is recorded, unless the bounds make it for all designs: the
designs in which all decisions fall alike have the same structure, and the same operations give their numbers
(:mod:`archscope.arith.program`).
"""

from __future__ import annotations

import math
from typing import Any

from archscope.arith.helpers import Reading, fixed, is_real, plain
from archscope.arith.operations import COMPARISONS, OPERATIONS, Bounds, decided, simplified

Number = int | float


class Recorder:
    """One design as it is read.

    Attributes:
        decisions: what decided the structure so far, in order, with its value in this design; each once.
    """

    def __init__(self) -> None:
        self.decisions: dict[Recorded, Any] = {}
        self._numbers: dict[tuple[Any, ...], Any] = {}
        self._made = 0

    def variable(self, name: str, value: Number, bounds: Bounds) -> Recorded:
        """A number that differs from design to design.

        Args:
            bounds: the least and the largest value that it takes.
        """
        return self._new(Recorded, name, (), value, bounds)

    def _new(self, kind: type[Recorded], name: str, arguments: tuple[Any, ...], value: Any, bounds: Bounds) -> Recorded:
        self._made += 1
        return kind(self, self._made, name, arguments, value, bounds)

    def apply(self, name: str, *arguments: Any) -> Any:
        """An operation of :data:`~archscope.arith.operations.OPERATIONS`; a plain number if all designs share it."""
        key = (name, *[a if a.__class__ is Recorded else (a.__class__, a) for a in arguments])
        number = self._numbers.get(key)
        if number is None:
            number = simplified(name, arguments)
            if number is None:
                number = self._applied(name, arguments)
            self._numbers[key] = number
        return number

    def _applied(self, name: str, arguments: tuple[Any, ...]) -> Any:
        values = [plain(argument) for argument in arguments]
        bounds = [bounds_of(argument) for argument in arguments]
        if name in COMPARISONS:
            truth = decided(name, *bounds)
            if truth is not None:
                return truth
            return self._new(Truth, name, arguments, OPERATIONS[name].plain(*values), (0, 1))
        if name in ("and", "or", "not"):
            return self._new(Truth, name, arguments, OPERATIONS[name].plain(*values), (0, 1))
        value = OPERATIONS[name].plain(*values)
        least, most = OPERATIONS[name].bounds(*bounds)
        if isinstance(value, int) and least == most:
            return value
        return self._new(Recorded, name, arguments, value, (least, most))

    def close(self) -> None:
        """Nothing more will be recorded: what only served to find operations again is forgotten."""
        self._numbers.clear()

    def decide(self, number: Recorded) -> Any:
        """The value of a number or truth, on which the structure depends from now on."""
        return self.decisions.setdefault(number, number.value)


class Recorded(Reading):
    """A number, or a truth, with its value in the design that is read.

    Attributes:
        place: among the numbers of its recorder; what it is made of comes before it.
        name: the operation that made it, or the variable that it is.
        arguments: what the operation was applied to; empty for a variable.
        value: in the design that is read.
        bounds: the least and the largest value in any design; both may be infinite.
    """

    __slots__ = ("arguments", "bounds", "name", "place", "recorder", "value")

    def __init__(
        self, recorder: Recorder, place: int, name: str, arguments: tuple[Any, ...], value: Any, bounds: Bounds
    ) -> None:
        self.recorder, self.place, self.name, self.arguments = recorder, place, name, arguments
        self.value, self.bounds = value, bounds

    __hash__ = object.__hash__

    @classmethod
    def call(cls, name: str, arguments: tuple[Any, ...]) -> Any:
        """The helper ``name``; where its result would be an integer in some designs and real in others, a decision."""
        recorder: Recorder = next(a.recorder for a in arguments if isinstance(a, Recorded))
        if name == "ratio":
            a, b = arguments
            return None if b == 0 else a / b
        if name == "floor_mul":
            return recorder.apply("floor", recorder.apply("*", *arguments))
        if name == "exact_div":
            return recorder.apply("//", *arguments)
        if name in ("maximum", "minimum", "where") and is_real(arguments[-1]) != is_real(arguments[-2]):
            return _mixed(name, arguments)
        return recorder.apply(name, *arguments)

    def fixed(self) -> Any:
        """The value in this design; designs with another one have another structure."""
        return self.recorder.decide(self)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    def __format__(self, form: str) -> str:
        return format(self.value, form)

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __index__(self) -> int:
        if is_real(self):
            raise TypeError(f"{self.value} is no whole number")
        whole: int = self.fixed()
        return whole

    def __int__(self) -> int:
        return int(self.fixed())

    def __float__(self) -> float:
        return float(self.fixed())

    def __add__(self, other: Any) -> Any:
        return self.recorder.apply("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return self.recorder.apply("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self.recorder.apply("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.recorder.apply("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return self.recorder.apply("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.recorder.apply("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._divided("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._divided("/", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._divided("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._divided("//", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._divided("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._divided("%", other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def _divided(self, name: str, left: Any, right: Any) -> Any:
        if right == 0:
            raise ZeroDivisionError("division by zero")
        return self.recorder.apply(name, left, right)

    def __pow__(self, exponent: Any) -> Any:
        return self._power(self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return self._power(base, self)

    def _power(self, base: Any, exponent: Any) -> Any:
        if not is_real(base) and not is_real(exponent):
            exponent = fixed(exponent)
            if not isinstance(base, Recorded):
                return base**exponent
            if exponent >= 0:
                return self.recorder.apply("**", base, exponent)
        if base == 0 and exponent < 0:
            raise ZeroDivisionError("zero has no negative power")
        return self.recorder.apply("pow", base, exponent)

    def __neg__(self) -> Any:
        return self.recorder.apply("neg", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.recorder.apply("abs", self)

    def __round__(self, digits: int | None = None) -> Any:
        if digits is not None:
            return self.recorder.apply("round_to", self, digits)
        return self.recorder.apply("round", self) if is_real(self) else self

    def __floor__(self) -> Any:
        return self.recorder.apply("floor", self) if is_real(self) else self

    def __ceil__(self) -> Any:
        return self.recorder.apply("ceil", self) if is_real(self) else self

    def __trunc__(self) -> Any:
        return self.recorder.apply("trunc", self) if is_real(self) else self

    def sqrt(self) -> Any:
        """The square root; math.sqrt would take the plain value."""
        if self < 0:
            raise ValueError("a negative number has no square root")
        return self.recorder.apply("sqrt", self)

    def is_finite(self) -> bool:
        """Whether it is neither infinite nor no number."""
        return not is_real(self) or bool(abs(self) <= LARGEST_REAL)

    def is_integer(self) -> bool:
        """Whether it is a whole number."""
        return not is_real(self) or bool(self == math.floor(self))

    def __eq__(self, other: object) -> Any:
        return self._compared("==", other)

    def __ne__(self, other: object) -> Any:
        return self._compared("!=", other)

    def __lt__(self, other: Any) -> Any:
        return self._compared("<", other)

    def __le__(self, other: Any) -> Any:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(">=", other)

    def _compared(self, name: str, other: Any) -> Any:
        if not isinstance(other, (int, float, Recorded)):
            return NotImplemented
        return self.recorder.apply(name, self, other)


LARGEST_REAL = 1.7976931348623157e308


class Truth(Recorded):
    """Whether a condition holds; asking for it is a decision."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self.recorder.decide(self))

    def __and__(self, other: Any) -> Any:
        if isinstance(other, Truth):
            return self.recorder.apply("and", self, other)
        return self if other else False

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        if isinstance(other, Truth):
            return self.recorder.apply("or", self, other)
        return True if other else self

    __ror__ = __or__

    def __invert__(self) -> Any:
        return self.recorder.apply("not", self)


def bounds_of(value: Any) -> Bounds:
    """The least and the largest value in any design."""
    return value.bounds if isinstance(value, Recorded) else (value, value)


def _mixed(name: str, arguments: tuple[Any, ...]) -> Any:
    """A choice between an integer and a real number, as Python makes it."""
    if name == "where":
        condition, yes, no = arguments
        return yes if condition else no
    a, b = arguments
    return b if (b > a if name == "maximum" else b < a) else a
