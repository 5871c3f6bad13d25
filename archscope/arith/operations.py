"""The operations on numbers: on plain ones, on arrays of them, and on bounds.

An array operation gives, element by element and to the bit, what the plain one gives. NumPy's own is taken where the
bounds of the arguments promise that: no integer beyond int64, none beyond 2^53 where it meets a real number. Elsewhere
the plain operation is applied to every element.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from archscope.arith.helpers import PLAIN, plain

Bounds = tuple[int | float, int | float]
UNBOUNDED: Bounds = (-math.inf, math.inf)
LARGEST = 2**63 - 1
_EXACT = 2**53


class NumberOverflow(ArithmeticError):
    """A number of a block does not fit into int64; whoever asked for the block asks for its designs one by one."""


class Operation(NamedTuple):
    """One operation.

    Attributes:
        plain: on Python's numbers.
        array: the name of NumPy's function, or none; ``int`` behind a colon where it gives whole real numbers.
        bounds: of the result, from those of the arguments.
    """

    plain: Callable[..., Any]
    array: str
    bounds: Callable[..., Bounds]


def _corners(apply: Callable[[Any, Any], Any]) -> Callable[[Bounds, Bounds], Bounds]:
    """Bounds of what is monotone in each argument."""

    def bounds(a: Bounds, b: Bounds) -> Bounds:
        try:
            values = [apply(x, y) for x in a for y in b]
        except (OverflowError, ZeroDivisionError, ValueError):
            return UNBOUNDED
        return UNBOUNDED if any(map(math.isnan, values)) else (min(values), max(values))

    return bounds


def _quotient(apply: Callable[[Any, Any], Any]) -> Callable[[Bounds, Bounds], Bounds]:
    corners = _corners(apply)

    def bounds(a: Bounds, b: Bounds) -> Bounds:
        low, high = b
        if low == 0 and isinstance(low, int) and high > 0:
            low = 1  # by zero nothing is divided
        return UNBOUNDED if low <= 0 <= high else corners(a, (low, high))

    return bounds


def _monotone(apply: Callable[[Any], Any]) -> Callable[[Bounds], Bounds]:
    def bounds(a: Bounds) -> Bounds:
        try:
            return apply(a[0]), apply(a[1])
        except (OverflowError, ValueError):
            return UNBOUNDED

    return bounds


def _remainder(a: Bounds, b: Bounds) -> Bounds:
    low, high = b
    if low < 0:
        return UNBOUNDED
    most = high - 1 if all(isinstance(end, int) for end in (*a, *b)) else high
    return 0, min(a[1], most) if a[0] >= 0 else most


def _power(a: Bounds, b: Bounds) -> Bounds:
    try:
        return (a[0] ** b[0], a[1] ** b[1]) if a[0] >= 0 and b[0] >= 0 else UNBOUNDED
    except OverflowError:
        return UNBOUNDED


def _real_power(a: float, b: float) -> float:
    try:
        result = a**b
    except OverflowError:  # no number, as whoever asks whether it is finite will find
        return math.inf
    if isinstance(result, complex):
        raise ValueError("a negative number has no such power")
    return float(result)


def _common(a: Bounds, b: Bounds) -> Bounds:
    if a[0] > 0 and b[0] > 0:
        return 1, min(a[1], b[1])
    return 0, max(abs(end) for ends in (a, b) for end in ends)


def _absolute(a: Bounds) -> Bounds:
    low, high = sorted((abs(a[0]), abs(a[1])))
    return 0 if a[0] <= 0 <= a[1] else low, high


def _either(_: Bounds, a: Bounds, b: Bounds) -> Bounds:
    return min(a[0], b[0]), max(a[1], b[1])


def _unbounded(*_: Bounds) -> Bounds:
    return UNBOUNDED


def _truth(*_: Bounds) -> Bounds:
    return 0, 1


COMPARISONS: dict[str, Operation] = {
    "<": Operation(operator.lt, "less", _truth),
    "<=": Operation(operator.le, "less_equal", _truth),
    ">": Operation(operator.gt, "greater", _truth),
    ">=": Operation(operator.ge, "greater_equal", _truth),
    "==": Operation(operator.eq, "equal", _truth),
    "!=": Operation(operator.ne, "not_equal", _truth),
}

OPERATIONS: dict[str, Operation] = COMPARISONS | {
    "and": Operation(lambda a, b: a and b, "logical_and", _truth),
    "or": Operation(lambda a, b: a or b, "logical_or", _truth),
    "not": Operation(operator.not_, "logical_not", _truth),
    "+": Operation(operator.add, "add", _corners(operator.add)),
    "-": Operation(operator.sub, "subtract", _corners(operator.sub)),
    "*": Operation(operator.mul, "multiply", _corners(operator.mul)),
    "/": Operation(operator.truediv, "true_divide", _quotient(operator.truediv)),
    "//": Operation(operator.floordiv, "floor_divide", _quotient(operator.floordiv)),
    "%": Operation(operator.mod, "remainder", _remainder),
    "**": Operation(operator.pow, "power", _power),
    "pow": Operation(_real_power, "", _unbounded),  # NumPy's powers differ from C's in the last place
    "neg": Operation(operator.neg, "negative", lambda a: (-a[1], -a[0])),
    "abs": Operation(abs, "absolute", _absolute),
    "round": Operation(round, "rint:int", _monotone(round)),
    "round_to": Operation(round, "", _unbounded),
    "floor": Operation(math.floor, "floor:int", _monotone(math.floor)),
    "ceil": Operation(math.ceil, "ceil:int", _monotone(math.ceil)),
    "trunc": Operation(math.trunc, "trunc:int", _monotone(math.trunc)),
    "sqrt": Operation(math.sqrt, "sqrt", _monotone(math.sqrt)),
    "ceil_div": Operation(PLAIN["ceil_div"], "ceil_div", _quotient(PLAIN["ceil_div"])),
    "gcd": Operation(math.gcd, "gcd", _common),
    "maximum": Operation(max, "maximum", lambda a, b: (max(a[0], b[0]), max(a[1], b[1]))),
    "minimum": Operation(min, "minimum", lambda a, b: (min(a[0], b[0]), min(a[1], b[1]))),
    "where": Operation(PLAIN["where"], "where", _either),
}


def decided(name: str, a: Bounds, b: Bounds) -> bool | None:
    """What a comparison gives whatever the values within their bounds; ``None`` if it depends on them."""
    if name in ("==", "!="):
        if a[0] > b[1] or b[0] > a[1]:
            return name == "!="
        return name == "==" if a[0] == a[1] == b[0] == b[1] else None
    if name in (">", ">="):
        a, b, name = b, a, {">": "<", ">=": "<="}[name]
    holds, fails = (a[1] < b[0], a[0] >= b[1]) if name == "<" else (a[1] <= b[0], a[0] > b[1])
    return True if holds else False if fails else None


def simplified(name: str, arguments: tuple[Any, ...]) -> Any:
    """What an operation gives in every design, where that is one of its arguments or a number; else ``None``."""
    if len(arguments) != 2:
        return None
    a, b = arguments
    whole = isinstance(b, int)
    if name in ("+", "-") and whole:
        return _shifted(name, a, b)
    if name == "+" and isinstance(a, int):
        return b if a == 0 else b + a if isinstance(b.value, int) else None
    if name == "*":
        one, other = (a, b) if isinstance(a, int) else (b, a)
        if isinstance(one, int) and one == 1:
            return other
        if isinstance(one, int) and one == 0 and isinstance(plain(other), int):
            return 0
    if a is b:
        return _alone(name, a)
    if name in ("//", "%") and whole and isinstance(plain(a), int):
        return _multiple(name, a, b)
    return None


def _shifted(name: str, number: Any, by: int) -> Any:
    """A number and a constant: what was shifted before is shifted once, so that equal sizes are one number."""
    if by == 0:
        return number
    if not isinstance(number.value, int):
        return None
    if name == "-":
        return number + -by
    if number.name == "+" and isinstance(number.arguments[1], int):
        return number.arguments[0] + (number.arguments[1] + by)
    return None


def _alone(name: str, a: Any) -> Any:
    """An operation on a number and itself."""
    if name in ("maximum", "minimum"):
        return a
    if not isinstance(a.value, int):
        return None
    results = {"-": 0, "//": 1, "%": 0, "==": True, "<=": True, ">=": True, "!=": False, "<": False, ">": False}
    return results.get(name)


def _multiple(name: str, a: Any, divisor: int) -> Any:
    """A quotient or a remainder of what is a multiple already."""
    if divisor == 1:
        return a if name == "//" else 0
    if getattr(a, "name", "") != "*":
        return None
    factor, other = a.arguments if isinstance(a.arguments[0], int) else reversed(a.arguments)
    if not isinstance(factor, int) or divisor <= 0 or factor % divisor:
        return None
    return other * (factor // divisor) if name == "//" else 0


# -- on arrays ---------------------------------------------------------------------------------------------------------


def on_arrays(name: str, kinds: str, bounds: Sequence[Bounds], result: Bounds) -> Callable[..., Any]:
    """An operation on arrays (and plain numbers) of known kinds and bounds.

    Args:
        kinds: of each argument ``i`` (int64), ``f`` (float64) or ``b`` (bool).
        result: bounds of what comes out.

    Returns:
        A function that raises :class:`NumberOverflow` where a result does not fit into int64.
    """
    fast = _numpys(name, kinds, bounds, result)
    return _careful(name, kinds) if fast is None else fast


def _numpys(name: str, kinds: str, bounds: Sequence[Bounds], result: Bounds) -> Callable[..., Any] | None:
    """NumPy's function, if it is exact within these bounds."""
    import numpy as np

    function, _, rounds = OPERATIONS[name].array.partition(":")
    if name in ("//", "%") and "f" in kinds:
        return None
    integers = [ends for kind, ends in zip(kinds, bounds, strict=True) if kind == "i"]
    if "f" in kinds or name in ("/", "sqrt"):
        exact = all(low >= -_EXACT and high <= _EXACT for low, high in integers) and (not rounds or _fits(result))
    else:
        exact = _fits(result, *integers)
    if not exact or not function:
        return None
    fast: Callable[..., Any] = getattr(np, function) if function != "ceil_div" else _ceil_div
    return (lambda values: fast(values).astype(np.int64)) if rounds else fast


def _fits(*bounds: Bounds) -> bool:
    """Whether all lies within int64; the least integer has no opposite, and is left out."""
    return all(low >= -LARGEST and high <= LARGEST for low, high in bounds)


def _ceil_div(a: Any, b: Any) -> Any:
    return -(-a // b)


def _careful(name: str, kinds: str) -> Callable[..., Any]:
    """An operation that looks at the numbers first, and takes the plain one where NumPy's is not exact."""
    operation = OPERATIONS[name]

    def apply(*arguments: Any) -> Any:
        bounds = [_reach(argument) for argument in arguments]
        fast = _numpys(name, kinds, bounds, operation.bounds(*bounds))
        return _one_by_one(operation, arguments) if fast is None else fast(*arguments)

    return apply


def _reach(values: Any) -> Bounds:
    return (values, values) if isinstance(values, (int, float)) else (values.min().item(), values.max().item())


def _one_by_one(operation: Operation, arguments: tuple[Any, ...]) -> Any:
    """The plain operation on every element, worked out once for elements that are alike."""
    import numpy as np

    arrays = np.broadcast_arrays(*(np.array(a, object) if isinstance(a, int) else a for a in arguments))
    results: dict[tuple[Any, ...], Any] = {}
    values = []
    for key in zip(*(array.tolist() for array in arrays), strict=True):
        if key not in results:
            results[key] = _one(operation.plain, key)
        values.append(results[key])
    nothing = math.nan if any(isinstance(value, float) for value in results.values()) else 0
    return np.array([nothing if value is None else value for value in values])


def _one(plain: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        value = plain(*arguments)
    except (ArithmeticError, ValueError):  # of a design that is not the program's own, or will be found not to be
        return None
    if isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
        raise NumberOverflow(f"{value:,} does not fit into int64")
    return value
