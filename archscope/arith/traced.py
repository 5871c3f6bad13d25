"""Numbers that remember where they came from: the explanation that a person reads.

``Traced.symbol("K_h", 11) * Traced.symbol("K_w", 11)`` has the value 121, the formula ``K_h x K_w`` and the worked
form ``11 x 11``. There is no second formula anywhere: what is explained is what was computed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from archscope.arith.helpers import PLAIN, Reading, plain


class _Node(NamedTuple):
    """One operation: its name and what it was applied to (numbers or traced numbers)."""

    name: str
    arguments: tuple[Any, ...]


#: printed sign and binding strength of every operator; a larger number binds tighter
_SIGNS: dict[str, tuple[str, int]] = {
    "==": (" == ", 1), "!=": (" != ", 1), "<": (" < ", 1), "<=": (" <= ", 1), ">": (" > ", 1), ">=": (" >= ", 1),
    "+": (" + ", 2), "-": (" - ", 2),
    "*": (" x ", 3), "exact_div": (" / ", 3), "ratio": (" / ", 3), "%": (" mod ", 3),
    "**": ("^", 5),
}  # fmt: skip
_ATOM = 9


@dataclass(frozen=True, slots=True, eq=False)
class Traced(Reading):
    """A number with its formula.

    Attributes:
        value: the plain number.
        source: a symbol's name, or the operation that made it; ``None`` for a literal.
    """

    value: Any
    source: str | _Node | None = None

    @classmethod
    def symbol(cls, name: str, value: int) -> Traced:
        """A named quantity: ``K_h`` with the value 11."""
        return cls(value, name)

    @classmethod
    def call(cls, name: str, arguments: tuple[Any, ...]) -> Traced:
        """The helper ``name`` applied to ``arguments``."""
        return cls(PLAIN[name](*(plain(a) for a in arguments)), _Node(name, arguments))

    def fixed(self) -> Any:
        """The plain value."""
        return self.value

    def formula(self) -> str:
        """The formula in symbols: ``floor((H_in + 2 x P_h - K_h) / S_h) + 1``."""
        return _write(self, worked=False)[0]

    def worked(self) -> str:
        """The same formula with its numbers: ``floor((227 + 2 x 0 - 11) / 4) + 1``."""
        return _write(self, worked=True)[0]

    def __bool__(self) -> bool:
        raise TypeError("a formula must not branch on a number: use where()")

    __hash__ = None  # type: ignore[assignment]  # equality of traced numbers is itself a formula

    def __neg__(self) -> Traced:
        return 0 - self

    def __add__(self, other: Any) -> Traced:
        return self if _is_nought(other) else _operate("+", operator.add, self, other)

    def __radd__(self, other: Any) -> Traced:
        return self if _is_nought(other) else _operate("+", operator.add, other, self)

    def __sub__(self, other: Any) -> Traced:
        return _operate("-", operator.sub, self, other)

    def __rsub__(self, other: Any) -> Traced:
        return _operate("-", operator.sub, other, self)

    def __mul__(self, other: Any) -> Traced:
        return _operate("*", operator.mul, self, other)

    def __rmul__(self, other: Any) -> Traced:
        return _operate("*", operator.mul, other, self)

    def __floordiv__(self, other: Any) -> Traced:
        return _operate("//", operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Traced:
        return _operate("//", operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Traced:
        return _operate("%", operator.mod, self, other)

    def __rmod__(self, other: Any) -> Traced:
        return _operate("%", operator.mod, other, self)

    def __pow__(self, other: Any) -> Traced:
        return _operate("**", operator.pow, self, other)

    def __rpow__(self, other: Any) -> Traced:
        return _operate("**", operator.pow, other, self)

    def __eq__(self, other: object) -> Traced:  # type: ignore[override]
        return _operate("==", operator.eq, self, other)

    def __ne__(self, other: object) -> Traced:  # type: ignore[override]
        return _operate("!=", operator.ne, self, other)

    def __lt__(self, other: Any) -> Traced:
        return _operate("<", operator.lt, self, other)

    def __le__(self, other: Any) -> Traced:
        return _operate("<=", operator.le, self, other)

    def __gt__(self, other: Any) -> Traced:
        return _operate(">", operator.gt, self, other)

    def __ge__(self, other: Any) -> Traced:
        return _operate(">=", operator.ge, self, other)


def _is_nought(value: Any) -> bool:
    """Whether a term is a literal 0, which a sum need not show."""
    return isinstance(value, int) and value == 0


def _operate(name: str, apply: Callable[[Any, Any], Any], left: Any, right: Any) -> Traced:
    return Traced(apply(plain(left), plain(right)), _Node(name, (left, right)))


def number(value: Any) -> str:
    """A number as prose prints it: thousands separated, a fraction to two places."""
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _write(value: Any, *, worked: bool) -> tuple[str, int]:
    """The text of a value and how tightly its outermost operator binds."""
    source = value.source if isinstance(value, Traced) else None
    if source is None:
        literal = plain(value)
        if isinstance(literal, float):  # as given, since the result depends on every digit
            return str(literal).removesuffix(".0"), _ATOM
        return number(literal), _ATOM if not isinstance(literal, int) or literal >= 0 else 2
    if isinstance(source, str):
        return (number(value.value) if worked else source), _ATOM
    name, arguments = source
    if name == "where":
        condition, yes, no = arguments
        if worked:
            return _write(yes if plain(condition) else no, worked=True)
        texts = [_write(a, worked=False)[0] for a in (yes, condition, no)]
        return f"({texts[0]} if {texts[1]} else {texts[2]})", _ATOM
    if name in ("//", "ceil_div"):
        rounding = "floor" if name == "//" else "ceil"
        return f"{rounding}({_infix('exact_div', arguments, worked=worked)[0]})", _ATOM
    if name == "floor_mul":
        return f"floor({_infix('*', arguments, worked=worked)[0]})", _ATOM
    if name in _SIGNS:
        return _infix(name, arguments, worked=worked)
    inner = ", ".join(_write(a, worked=worked)[0] for a in arguments)
    return f"{_FUNCTIONS.get(name, name)}({inner})", _ATOM


_FUNCTIONS = {"maximum": "max", "minimum": "min"}


def _infix(name: str, arguments: tuple[Any, ...], *, worked: bool) -> tuple[str, int]:
    sign, strength = _SIGNS[name]
    (left, left_strength), (right, right_strength) = (_write(a, worked=worked) for a in arguments)
    if left_strength < strength:
        left = f"({left})"
    # a - (b - c) and a / (b x c) keep their parentheses; a + (b + c) and a x (b x c) need none
    if right_strength < strength or (right_strength == strength and name not in ("+", "*")):
        right = f"({right})"
    return f"{left}{sign}{right}", strength
