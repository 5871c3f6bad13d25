"""Numbers that remember where they came from: the explanation that a person reads.

``Traced.symbol("K_h", 11) * Traced.symbol("K_w", 11)`` has the value 121, the formula ``K_h x K_w`` and the worked
form ``11 x 11``. There is no second formula anywhere: what is explained is what was computed.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

from archscope.arith.helpers import PLAIN, Reading, plain

#: one operation: its name and what it was applied to (numbers or traced numbers)
_Node = tuple[str, tuple[Any, ...]]


#: printed sign and binding strength of every operator; a larger number binds tighter
_SIGNS: dict[str, tuple[str, int]] = {
    "==": (" == ", 1), "!=": (" != ", 1), "<": (" < ", 1), "<=": (" <= ", 1), ">": (" > ", 1), ">=": (" >= ", 1),
    "+": (" + ", 2), "-": (" - ", 2),
    "*": (" x ", 3), "exact_div": (" / ", 3), "ratio": (" / ", 3), "%": (" mod ", 3),
    "**": ("^", 5),
}  # fmt: skip
_ATOM = 9


#: a value in writing: its formula in symbols, how tightly its outermost operator binds, and both for that with numbers
_Text = tuple[str, int, str, int]


class Traced(Reading):
    """A number with its formula; it does not change.

    Attributes:
        value: the plain number.
        source: a symbol's name, or the operation that made it; ``None`` for a literal.
    """

    __slots__ = ("_memo", "source", "value")

    def __init__(self, value: Any, source: str | _Node | None = None) -> None:
        self.value, self.source = value, source
        self._memo: _Text | None = None

    def written(self) -> _Text:
        """It in writing; several formulas may go on with it."""
        if self._memo is None:
            self._memo = _written(self.value, self.source)
        return self._memo

    def __repr__(self) -> str:
        return f"Traced({self.value!r}, {self.formula()!r})"

    @classmethod
    def symbol(cls, name: str, value: int) -> Traced:
        """A named quantity: ``K_h`` with the value 11."""
        return cls(value, name)

    @classmethod
    def call(cls, name: str, arguments: tuple[Any, ...]) -> Traced:
        """The helper ``name`` applied to ``arguments``."""
        return cls(PLAIN[name](*(plain(a) for a in arguments)), (name, arguments))

    def fixed(self) -> Any:
        """The plain value."""
        return self.value

    def texts(self) -> tuple[str, str]:
        """The formula in symbols, and with its numbers."""
        symbols, _, numbers, _ = self.written()
        return symbols, numbers

    def formula(self) -> str:
        """The formula in symbols: ``floor((H_in + 2 x P_h - K_h) / S_h) + 1``."""
        return self.texts()[0]

    def worked(self) -> str:
        """The same formula with its numbers: ``floor((227 + 2 x 0 - 11) / 4) + 1``."""
        return self.texts()[1]

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
    return Traced(apply(plain(left), plain(right)), (name, (left, right)))


def number(value: Any) -> str:
    """A number as prose prints it: thousands separated, a fraction to two places."""
    if type(value) is int:
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _text(value: Any) -> _Text:
    return value.written() if isinstance(value, Traced) else _literal(plain(value))


def _written(value: Any, source: str | _Node | None) -> _Text:
    if isinstance(source, str):
        return source, _ATOM, number(value), _ATOM
    if source is None:
        return _literal(value)
    name, arguments = source
    if name == "+":
        return _sum(*arguments)
    if name in _SIGNS:
        return _infix(name, arguments)
    if name == "where":
        yes, condition, no = map(_text, (arguments[1], arguments[0], arguments[2]))
        _, _, numbers, binds = yes if plain(arguments[0]) else no
        return f"({yes[0]} if {condition[0]} else {no[0]})", _ATOM, numbers, binds
    if name in _ROUNDED:
        rounding, inner = _ROUNDED[name]
        symbols, _, numbers, _ = _infix(inner, arguments)
        return f"{rounding}({symbols})", _ATOM, f"{rounding}({numbers})", _ATOM
    function, texts = _FUNCTIONS.get(name, name), [_text(argument) for argument in arguments]
    symbols, numbers = ", ".join(text[0] for text in texts), ", ".join(text[2] for text in texts)
    return f"{function}({symbols})", _ATOM, f"{function}({numbers})", _ATOM


def _literal(value: Any) -> _Text:
    # a real number as given, since the result depends on every digit
    text = str(value).removesuffix(".0") if isinstance(value, float) else number(value)
    strength = _SIGNS["-"][1] if isinstance(value, int) and value < 0 else _ATOM
    return text, strength, text, strength


#: of longer sums equal terms are written once: those of the layers of an LSTM
_LONG_SUM = 8


def _sum(value: Any, last: Any) -> _Text:
    """A sum, whose terms are gone through one by one: of a thousand layers none may stand within the other."""
    terms = [_text(last)]
    while isinstance(value, Traced) and isinstance(value.source, tuple) and value.source[0] == "+":
        value, last = value.source[1]
        terms.append(_text(last))
    terms = [_text(value), *reversed(terms)]
    if len(terms) > _LONG_SUM:
        terms = [term if many == 1 else _times(many, term) for term, many in Counter(terms).items()]
    sign, strength = _SIGNS["+"]
    symbols = sign.join(_within(text, binds, strength) for text, binds, _, _ in terms)
    return symbols, strength, sign.join(_within(text, binds, strength) for _, _, text, binds in terms), strength


def _times(many: int, term: _Text) -> _Text:
    sign, strength = _SIGNS["*"]
    symbols, numbers = _within(*term[:2], strength), _within(*term[2:], strength)
    return f"{many:,}{sign}{symbols}", strength, f"{many:,}{sign}{numbers}", strength


def _within(text: str, binds: int, strength: int) -> str:
    """A term where an operator stands beside it that binds so tightly."""
    return f"({text})" if binds < strength else text


#: functions that round what an operator gives: what they are called, and the operator
_ROUNDED = {"//": ("floor", "exact_div"), "ceil_div": ("ceil", "exact_div"), "floor_mul": ("floor", "*")}
_FUNCTIONS = {"maximum": "max", "minimum": "min"}


def _infix(name: str, arguments: tuple[Any, Any]) -> _Text:
    sign, strength = _SIGNS[name]
    left, left_binds, left_worked, left_worked_binds = _text(arguments[0])
    right, right_binds, right_worked, right_worked_binds = _text(arguments[1])
    # a - (b - c) and a / (b x c) keep their parentheses; a x (b x c) needs none
    tight = strength if name == "*" else strength + 1
    if left_binds < strength:
        left = f"({left})"
    if right_binds < tight:
        right = f"({right})"
    if left_worked_binds < strength:
        left_worked = f"({left_worked})"
    if right_worked_binds < tight:
        right_worked = f"({right_worked})"
    return left + sign + right, strength, left_worked + sign + right_worked, strength
