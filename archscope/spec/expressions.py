"""The arithmetic of specs: a walker over Python's syntax tree that knows numbers, words, lists, and little else."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, Protocol

from archscope.arith import Reading, fixed, is_real, maximum, minimum, plain, prod, total, where
from archscope.arith.recorded import Recorded, Truth
from archscope.errors import suggestion
from archscope.spec.limits import LONGEST_EXPRESSION, LONGEST_LIST, MOST_BITS

TEMPLATE = re.compile(r"\{([^{}]*)\}")
#: no float has more decimals, and no number of so many bits as many digits
_MOST_DIGITS = 400
#: the first number that has more bits than one may have
_BEYOND = 2**MOST_BITS
#: names that a hint lists
_MOST_LISTED = 50
#: what YAML 1.1 took for true and false, and 1.2 reads as words
_SWITCHES = ("yes", "no", "on", "off")


class ExpressionError(ValueError):
    """An expression that has no value.

    Attributes:
        offset, length: the place at fault inside its text.
        undefined: whether the numbers at hand are at fault, so that others may give it a value.
    """

    def __init__(
        self, message: str, hint: str = "", offset: int = 0, length: int = 0, *, undefined: bool = False
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.offset, self.length, self.undefined = message, hint, offset, length, undefined


class Word(str):
    """A plain word that is no name here: a mode or an op's name, or a misspelt variable, which ``hint`` then says.

    Or what stands for a number that nobody knows; ``why`` tells what it is.
    """

    names: Names
    why: str

    def __new__(cls, text: str, names: Names | None = None, why: str = "") -> Word:
        word = super().__new__(cls, text)
        word.names, word.why = names or NoNames(), why
        return word

    @property
    def hint(self) -> str:
        """What it may have been meant to be."""
        return self.why or name_hint(self, self.names.vocabulary())

    @property
    def variable(self) -> str:
        """The name that is close to it, if one is: where words are values too, and not all names are worth a list."""
        return suggestion(self, self.names.vocabulary())

    def __reduce__(self) -> tuple[type[Word], tuple[str]]:
        return Word, (str(self),)


class Names(Protocol):
    """What an expression may refer to."""

    def lookup(self, name: str) -> Any:
        """The value of a name; raises KeyError where there is none."""

    def vocabulary(self) -> Sequence[str]:
        """All names, for suggestions."""

    def spend(self, values: int) -> None:
        """Count values that were looked through, where that is limited."""


class NoNames:
    """Arithmetic on numbers alone: ``3 * 9 * 64**2``."""

    def lookup(self, name: str) -> Any:
        """None is known."""
        raise KeyError(name)

    def spend(self, values: int) -> None:
        """Texts on their own are short."""

    def vocabulary(self) -> Sequence[str]:
        """None."""
        return ()


def evaluate(text: str, names: Names) -> Any:
    """The value of an expression.

    Args:
        text: Python syntax, of which numbers, names, words in quotes, lists, ``+ - * / // % **``, comparisons,
            ``and or not``, ``x if c else y``, indexing, slices and the functions of :data:`FUNCTIONS` are known.
        names: the variables.

    Raises:
        ExpressionError: bad syntax, an unknown name, an operation that has no value or too large a one.
    """
    tree = _parse(text)
    try:
        return _walk(tree, names)
    except RecursionError:
        raise ExpressionError("the expression is nested too deeply") from None
    except ExpressionError as error:
        if not text.isascii():  # Python's syntax tree counts bytes
            start, end = (
                len(text.encode()[:place].decode(errors="ignore"))
                for place in (error.offset, error.offset + error.length)
            )
            error.offset, error.length = start, end - start
        raise


def fill(text: str, names: Names) -> str:
    """A name with every ``{...}`` in it evaluated: ``layer{stage + 1}``.

    Raises:
        ExpressionError: as :func:`evaluate`.
    """
    return TEMPLATE.sub(lambda match: _written(match[1], names), text)


def _written(text: str, names: Names) -> str:
    value = fixed(evaluate(text, names))
    if why := _unnumbered(value):
        raise ExpressionError(f"`{text.strip()}` has no value here", why)
    return str(value)


def names_in(text: str) -> list[str]:
    """The names that an expression uses, dotted ones whole, in the order in which they stand.

    Raises:
        ExpressionError: bad syntax.
    """
    names: list[str] = []
    waiting: list[ast.AST] = [_parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Name, ast.Attribute)):
            names.append(ast.unparse(node))
        else:
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return list(dict.fromkeys(names))


def conjuncts(text: str) -> list[str]:
    """The conditions that ``a and b and c`` joins, each as it stands there; of anything else the text itself.

    Raises:
        ExpressionError: bad syntax.
    """
    tree = _parse(text)
    if not isinstance(tree, ast.BoolOp) or not isinstance(tree.op, ast.And):
        return [text.strip()]
    return [ast.get_source_segment(text.strip(), part) or ast.unparse(part) for part in tree.values]


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(f"an expression of {len(text):,} characters; the most is {LONGEST_EXPRESSION}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on "\d" and the like: it is no Python that is written here
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"not an expression: {error.msg}", offset=(error.offset or 1) - 1, length=1) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"not an expression: {error}") from None


def _divisible(value: float, divisor: int, least: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to a value, never below 90% of it (MobileNet's make_divisible)."""
    result = maximum(divisor if least is None else least, math.trunc(value + divisor / 2) // divisor * divisor)
    return where(result < 0.9 * value, result + divisor, result)


def _whole(value: Any) -> Any:
    """Cut off towards zero; of a condition 1 where it holds, else 0."""
    return where(value, 1, 0) if _is_truth(value) else math.trunc(value)


def _sqrt(value: float) -> Any:
    return value.sqrt() if isinstance(value, Recorded) else math.sqrt(value)


def _rounded(value: float, digits: int = 0) -> Any:
    """As Python rounds; to an integer where no digits are asked for. Python would write out 10^(10^8)."""
    digits = fixed(digits)
    if not digits:
        return round(value)
    return round(value, max(-_MOST_DIGITS, min(_MOST_DIGITS, digits)))


def _extreme(pick: Callable[..., Any], pairwise: Callable[[int, int], int]) -> Callable[..., Any]:
    def function(*values: Any) -> Any:
        items = values[0] if len(values) == 1 and isinstance(values[0], (list, tuple)) else values
        if not any(isinstance(v, Reading) for v in items):
            return pick(items)
        result = items[0]
        for value in items[1:]:
            result = pairwise(result, value)
        return result

    return function


#: The functions that an expression may call, each with one line on what it does.
FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "min": (_extreme(min, minimum), "the smallest of its arguments, or of a list"),
    "max": (_extreme(max, maximum), "the largest of its arguments, or of a list"),
    "abs": (abs, "the absolute value"),
    "round": (_rounded, "the nearest integer; halves go to the even one, as in Python"),
    "ceil": (math.ceil, "rounded up"),
    "floor": (math.floor, "rounded down"),
    "int": (_whole, "cut off towards zero; of a condition 1 or 0, as Python's int()"),
    "sqrt": (_sqrt, "the square root"),
    "len": (len, "the length of a list"),
    "sum": (total, "the sum of a list"),
    "prod": (prod, "the product of a list"),
    "divisible": (_divisible, "of (v, d) the multiple of d nearest to v, at least 0.9 v (make_divisible)"),
}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def _error(node: ast.expr, message: str, hint: str = "", *, undefined: bool = False) -> ExpressionError:
    end = node.end_col_offset if node.end_col_offset is not None else node.col_offset + 1
    return ExpressionError(message, hint, node.col_offset, end - node.col_offset, undefined=undefined)


def _walk(node: ast.expr, names: Names) -> Any:
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise _beyond(node)
    return handler(node, names)


def _beyond(node: ast.expr) -> ExpressionError:
    parts = "numbers, names, + - * / // % **, comparisons, and/or/not, x if c else y, lists, indexing, slices"
    hint = f"{parts}, functions: {', '.join(FUNCTIONS)}"
    return _error(node, f"`{ast.unparse(node)}` is more than this arithmetic knows", hint)


def _constant(node: ast.Constant, names: Names) -> Any:
    if node.value is None or isinstance(node.value, (bool, int, float, str)):
        return _bounded(node, node.value)
    raise _error(node, f"{node.value!r} is not a number")


def _name(node: ast.Name, names: Names) -> Any:
    if node.id in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[node.id]
    try:
        return names.lookup(node.id)
    except KeyError:
        raise _error(node, f"unknown name `{node.id}`", name_hint(node.id, names.vocabulary())) from None
    except ExpressionError as error:
        raise _error(node, error.message, error.hint, undefined=error.undefined) from None


def _dotted(node: ast.Attribute, names: Names) -> Any:
    """``fc1.params``: one dotted name, where the names at hand have such; never an attribute of a value."""
    text = ast.unparse(node)
    quoted = re.fullmatch(r"'([A-Za-z0-9_.-]+)'\.(\w+)", text)  # of a part whose name is no Python: 'layer1.0'.macs
    if quoted is not None:
        text = f"{quoted[1]}.{quoted[2]}"
    elif not re.fullmatch(r"[A-Za-z0-9_.]+", text):
        raise _beyond(node)
    try:
        return names.lookup(text)
    except KeyError:
        raise _beyond(node) from None
    except ExpressionError as error:
        raise _error(node, error.message, error.hint, undefined=error.undefined) from None


def name_hint(name: str, vocabulary: Sequence[str]) -> str:
    """What to say of a name that is not known: the closest one, or all there are."""
    if name.lower() in ("inf", "infinity"):
        return "infinity is written `.inf`, and below all numbers `-.inf`"
    more = f" and {len(vocabulary) - _MOST_LISTED:,} more" if len(vocabulary) > _MOST_LISTED else ""
    listing = (
        f"known here: {', '.join(vocabulary[:_MOST_LISTED])}{more}" if vocabulary else "no variables are known here"
    )
    return suggestion(name, vocabulary) or listing


def _binary(node: ast.BinOp, names: Names) -> Any:
    left, right = _walk(node.left, names), _walk(node.right, names)
    for side, value in ((node.left, left), (node.right, right)):
        if not _is_number(value):
            text = ast.unparse(side)
            hint = value.hint if isinstance(value, Word) else f"`int({text})` is 1 or 0" if _is_truth(value) else ""
            raise _error(side, f"arithmetic needs numbers; `{text}` is {in_words(value)}", hint)
    apply = _BINARY.get(type(node.op))
    if apply is None:
        raise _error(node, f"`{ast.unparse(node)}`: this operator is not part of the arithmetic")
    if isinstance(node.op, ast.Pow):
        _check_power(node, left, right)
    try:
        result = apply(left, right)
    except ZeroDivisionError:
        zero = node.left if isinstance(node.op, ast.Pow) else node.right
        what = "a negative power of zero" if isinstance(node.op, ast.Pow) else "division by zero"
        raise _error(node, f"{what}: `{ast.unparse(zero)}` is 0", undefined=True) from None
    except OverflowError:
        raise _error(node, "the result is too large", undefined=True) from None
    return _bounded(node, result)


def _check_power(node: ast.expr, base: Any, exponent: Any) -> None:
    """Refuse a huge power before it is computed."""
    if is_real(base) or is_real(exponent):
        if base < 0 and is_real(exponent) and not exponent.is_integer():
            raise _error(node, "a negative number has no such power")
        return
    exponent = fixed(exponent)
    if exponent > MOST_BITS or (exponent > 0 and abs(base) >= 2 ** (MOST_BITS // exponent + 1)):
        raise _error(node, f"a power beyond {MOST_BITS} bits")


def _bounded(node: ast.expr, value: Any) -> Any:
    if isinstance(plain(value), int) and abs(value) >= _BEYOND:
        raise _error(node, f"a number beyond {MOST_BITS} bits")
    if not (value.is_finite() if isinstance(value, Recorded) else not isinstance(value, float) or isfinite(value)):
        raise _error(node, f"the result is {value}")
    return value


def in_words(value: Any) -> str:
    """A value as messages call it."""
    if isinstance(value, str):
        return f"the word '{shown(value)}'"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "nothing" if value is None else shown(value)


def shown(value: Any) -> str:
    """A value as a spec would write it, cut where it is long."""
    text = str(list(value)) if isinstance(value, tuple) else str(value)
    text = {"True": "true", "False": "false", "None": "null"}.get(text, text)
    return text if len(text) <= 60 else text[:60] + "..."


def extent(value: Any) -> int:
    """How many values a list holds, lists in lists written out; 1 of anything else."""
    if not isinstance(value, (list, tuple)):
        return 1
    if not any(issubclass(kind, (list, tuple)) for kind in {*map(type, value)}):  # a thousand at once
        return len(value)
    return len(value) + sum([extent(part) - 1 for part in value if isinstance(part, (list, tuple))])


def doubt(value: Any) -> str:
    """What to say of a word that is neither true nor false though it reads so; nothing of other values.

    Any other word counts as true, as in Python: ``not norm`` holds where a layer's name is null.
    """
    if isinstance(value, str) and value.lower() in _SWITCHES:
        return "write true or false"
    return _unnumbered(value) if isinstance(value, str) else ""


def _unnumbered(value: Any) -> str:
    """What a word stands for, alone or in a list, that is a number nobody knows; nothing of other values."""
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_unnumbered, value)), "")
    return value.why if isinstance(value, Word) else ""


def _condition(node: ast.expr, names: Names) -> Any:
    """A value that is asked whether it holds."""
    value = _walk(node, names)
    if isinstance(value, str) and doubt(value):
        raise _error(node, f"expected a condition; `{ast.unparse(node)}` is {in_words(value)}", doubt(value))
    return value


def _unary(node: ast.UnaryOp, names: Names) -> Any:
    if isinstance(node.op, ast.Not):
        return not _condition(node.operand, names)
    value = _walk(node.operand, names)
    if isinstance(node.op, ast.Invert) or not _is_number(value):
        raise _error(node, f"`{ast.unparse(node)}` has no value: it is applied to {in_words(value)}")
    return -value if isinstance(node.op, ast.USub) else value


def _compare(node: ast.Compare, names: Names) -> Any:
    left = _walk(node.left, names)
    result: Any = True
    for sign, other in zip(node.ops, node.comparators, strict=True):
        right = _walk(other, names)
        apply = _COMPARE.get(type(sign))
        if isinstance(sign, (ast.In, ast.NotIn)) and not isinstance(right, (list, tuple)):
            raise _error(other, f"`in` looks into a list; `{ast.unparse(other)}` is {in_words(right)}")
        if apply is None:
            raise _error(node, f"`{ast.unparse(node)}`: this comparison is not part of the arithmetic")
        _check_sides(node, left, right)
        try:
            holds = apply(left, right)
        except TypeError:
            raise _error(node, f"{in_words(left)} and {in_words(right)} have no order") from None
        result = holds if result is True else result & holds
        if result is False:
            return False
        left = right
    return result


def _check_sides(node: ast.expr, left: Any, right: Any) -> None:
    """Refuse what would be unequal, and is no number or no truth to be compared with one."""
    why = _unnumbered(left) or _unnumbered(right)
    if why:
        raise _error(node, f"`{ast.unparse(node)}` compares what is no number", why)
    for value, other in ((left, right), (right, left)):
        if _is_truth(value) and doubt(other):
            raise _error(node, f"{in_words(other)} is neither true nor false", doubt(other))


def _boolean(node: ast.BoolOp, names: Names) -> Any:
    value: Any = isinstance(node.op, ast.And)
    for part in node.values:
        value = _condition(part, names)
        if bool(value) is not isinstance(node.op, ast.And):
            return value
    return value


def _conditional(node: ast.IfExp, names: Names) -> Any:
    return _walk(node.body if _condition(node.test, names) else node.orelse, names)


def _list(node: ast.List | ast.Tuple, names: Names) -> Any:
    values = tuple(_walk(item, names) for item in node.elts)
    written = extent(values)
    names.spend(written)
    if written > LONGEST_LIST:
        raise _error(node, f"a list of more than {LONGEST_LIST:,} values")
    return values


def _subscript(node: ast.Subscript, names: Names) -> Any:
    sequence = _walk(node.value, names)
    if not isinstance(sequence, (list, tuple)):
        raise _error(node.value, f"only a list can be indexed; `{ast.unparse(node.value)}` is {in_words(sequence)}")
    if isinstance(node.slice, ast.Slice):
        return _slice(node.slice, sequence, names)
    index = _place(node.slice, "an index", names)
    if not -len(sequence) <= index < len(sequence):
        raise _error(node, f"index {index} is outside a list of {len(sequence)}")
    return sequence[index]


def _slice(node: ast.Slice, sequence: Sequence[Any], names: Names) -> Any:
    """A part of a list, as Python cuts it: an end that lies outside is the list's own."""
    start, stop = (None if end is None else _place(end, "an end of a slice", names) for end in (node.lower, node.upper))
    step = None if node.step is None else _place(node.step, "the step of a slice", names)
    if step == 0:
        raise _error(node, "the step of a slice is 0", "`[::2]` takes every second, `[::-1]` turns a list round")
    part = tuple(sequence[start:stop:step])
    names.spend(extent(part))
    return part


def _place(node: ast.expr, what: str, names: Names) -> int:
    """A whole number on which structure depends."""
    place = fixed(_walk(node, names))
    if isinstance(place, bool) or not isinstance(place, int):
        raise _error(node, f"{what} must be a whole number, not {in_words(place)}")
    return place


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Reading)) and not _is_truth(value)


def _is_truth(value: Any) -> bool:
    return isinstance(value, (bool, Truth))


def _call(node: ast.Call, names: Names) -> Any:
    name = ast.unparse(node.func)
    if name not in FUNCTIONS:
        hint = suggestion(name, FUNCTIONS) or f"functions: {', '.join(FUNCTIONS)}"
        raise _error(node, f"`{name}(...)` is not a function of this arithmetic", hint)
    function, description = FUNCTIONS[name]
    if node.keywords:
        raise _error(node, f"`{name}(...)` takes its arguments without names", f"{name}: {description}")
    values = [_walk(argument, names) for argument in node.args]
    for argument, value in zip(node.args, values, strict=True):
        if (_is_truth(value) and name != "int") or isinstance(value, str) or value is None:
            hint = value.hint if isinstance(value, Word) else f"{name}: {description}"
            raise _error(argument, f"{name} needs numbers; `{ast.unparse(argument)}` is {in_words(value)}", hint)
        if function is not len and isinstance(value, (list, tuple)) and not all(map(_is_number, value)):
            message = f"{name} needs a list of numbers, and no other values in it"
            raise _error(argument, message, f"{name}: {description}")
    try:
        return _bounded(node, function(*values))
    except ExpressionError:
        raise
    except (TypeError, ValueError, OverflowError, ZeroDivisionError, IndexError):
        arguments = ", ".join(map(shown, values))
        message = f"`{name}` has no value for ({arguments})"
        raise _error(node, message, f"{name}: {description}", undefined=True) from None


_HANDLERS: dict[type[ast.expr], Callable[[Any, Names], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _dotted,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Subscript: _subscript,
    ast.Call: _call,
}
