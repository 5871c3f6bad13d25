"""The values that something takes in a sweep: lists, ranges and log ranges, as text, in a spec and in Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from math import isfinite
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeGuard

from archscope.errors import SpecError, UsageError
from archscope.errors.diagnostics import Source
from archscope.spec.expressions import ExpressionError, NoNames, evaluate, extent
from archscope.spec.limits import LONGEST_LIST, MOST_BITS
from archscope.spec.ranges import MOST_VALUES, ValuesError, cut, read_range, too_many
from archscope.spec.reader import ListNode, MapNode, Node, read, resolve

DEEPEST_LIST = 8

FORMS = "128,160,224 or 16:128:8 or 16:1024:*2 or 16:1024:log7 or 0:1:lin5 or [[3,4,6,3],[3,4,23,3]]"
_SIZES = "a whole number of at least 1 or a shape without the batch: 224, 3x224x224 or [[3,224,224]]"

_TARGET = re.compile(r"(?P<name>[^\W\d]\w*)(?:\[(?P<place>0|[1-9][0-9]{0,3})\])?")
_NAMED_INPUT = re.compile(r"input\.([A-Za-z0-9_-]+)")
_SHAPE = re.compile(r"[0-9]{1,18}(x[0-9]{1,18})+")


class Target(NamedTuple):
    """What an axis of a sweep changes.

    Attributes:
        kind: ``variable``, ``element`` (of a variable that is a list), ``input`` or ``batch``.
        name: of the variable, or of the input (empty: the only one, or the first).
        place: of the element, from 0.
    """

    kind: str
    name: str = ""
    place: int | None = None

    @classmethod
    def read(cls, text: str) -> Target | None:
        """``width``, ``depths[0]``, ``input``, ``input.image`` or ``batch``; ``None`` is none of them."""
        if text in ("input", "batch"):
            return cls(text)
        named = _NAMED_INPUT.fullmatch(text)
        if named:
            return cls("input", named[1])
        match = _TARGET.fullmatch(text)
        if match is None or (match["place"] and match["name"] in ("input", "batch")):
            return None
        return cls("element", match["name"], int(match["place"])) if match["place"] else cls("variable", text)

    def overlaps(self, other: Target) -> bool:
        """Whether both change the same thing, in part at least."""
        kinds = {self.kind, other.kind}
        if kinds == {"input"}:
            return self.name == other.name or not (self.name and other.name)
        return self == other or (kinds == {"variable", "element"} and self.name == other.name)


TARGETS = "a variable such as `width`, an element of a list such as `depths[0]`, `input`, `input.NAME` or `batch`"


def read_values(value: Any, name: str) -> tuple[Any, ...]:
    """The values of an axis as Python or a command line gives them.

    Args:
        value: a text (:data:`FORMS`; several forms may stand in one list, as in ``8,16:64:16``), or a range, a list, a
            tuple, a NumPy array or scalar. A list holds the values; a value that is a list stands in another.
        name: of the axis, as :meth:`Target.read` knows it.

    Returns:
        numbers (whole ones int, others float), words, true, false, null, or tuples of those, all different.

    Raises:
        UsageError: a name or a value that cannot be.
    """
    target = Target.read(name)
    if target is None:
        raise UsageError(f"`{name}` cannot be varied; write {TARGETS}")
    try:
        return gathered(spread(entry, target) for entry in _entries(value))
    except ValuesError as error:
        hint = f"; {error.hint}" if error.hint else ""
        raise UsageError(f"the values of `{name}`: {error.message}{hint}") from None


def gathered(parts: Iterable[Sequence[Any]], most: int = MOST_VALUES) -> tuple[Any, ...]:
    """The values of some entries, each once: 1, 1.0 and true are three.

    Raises:
        ValuesError: there are none, or, those that stand there twice included, too many.
    """
    sequences: list[Sequence[Any]] = []
    count = 0
    for part in parts:
        sequences.append(part)
        count += len(part)
        if count > most:
            raise too_many("the list", most)
    if not sequences:
        raise ValuesError("there are no values", f"write {FORMS}")
    if len(sequences) == 1:  # a range has none twice
        return tuple(sequences[0])
    distinct: dict[Any, Any] = {}
    for value in chain.from_iterable(sequences):
        distinct.setdefault(_identity(value), value)
    return tuple(distinct.values())


def _identity(value: Any) -> Any:
    return tuple(map(_identity, value)) if isinstance(value, tuple) else (type(value), value)


def _entries(value: Any) -> Iterable[Any]:
    """What stands in a list of values, each a value or a range."""
    value = _without_numpy(value)
    if isinstance(value, str):
        return entries_in(value)
    if not _is_list(value):
        return (value,)
    if value[MOST_VALUES:]:
        raise too_many("the list", MOST_VALUES)
    return value


def entries_in(text: str) -> list[Any]:
    """What stands between the commas of a text, as YAML reads it; of a single list its entries.

    Raises:
        ValuesError: brackets or quotes that do not close, and the like.
    """
    try:
        node = read(Source("values", f"[{text}]"))
    except SpecError as error:
        problem = error.diagnostics[0].message.removeprefix("not YAML: ")
        raise ValuesError(f"`{cut(text)}` cannot be read: {problem}", f"write {FORMS}") from None
    assert isinstance(node, ListNode)  # it begins with a bracket
    single = node.items[0] if len(node.items) == 1 else None
    return [plain(item) for item in (single if isinstance(single, ListNode) else node).items]


def plain(node: Node) -> Any:
    """What a part of a spec says, without its place.

    Raises:
        ValuesError: it is a mapping.
    """
    if isinstance(node, MapNode):
        raise ValuesError("a mapping is no value", f"write {FORMS}")
    return [plain(item) for item in node.items] if isinstance(node, ListNode) else node.value


def spread(entry: Any, target: Target, most: int = MOST_VALUES) -> Sequence[Any]:
    """The values that an entry of a list stands for: itself, or those of a range.

    Raises:
        ValuesError: it is neither, or not a value that the target can have.
    """
    values = read_range(entry, most) if isinstance(entry, str) and ":" in entry else (_value(entry, target),)
    if target.kind in ("input", "batch"):
        for value in values:
            _check_size(value, target)
    return values


def _check_size(value: Any, target: Target) -> None:
    sizes = value if isinstance(value, tuple) and target.kind == "input" else (value,)
    if not sizes or not all(type(size) is int and size >= 1 for size in sizes):
        what = "an input is" if target.kind == "input" else "a batch is"
        hint = _SIZES if target.kind == "input" else "a whole number of at least 1"
        raise ValuesError(f"{what} not {value_text(value)}", f"it is {hint}")


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _without_numpy(value: Any) -> Any:
    """Arrays and their scalars as lists and plain numbers; NumPy is not imported to ask."""
    return value.tolist() if hasattr(value, "tolist") else value


def _value(value: Any, target: Target, depth: int = 0) -> Any:
    value = _without_numpy(value)
    if isinstance(value, str):
        value = _scalar(value.strip(), target)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        if int(value).bit_length() > MOST_BITS:
            raise ValuesError(f"a number has at most {MOST_BITS} bits")
        return int(value)
    if isinstance(value, Real):
        if not isfinite(value):
            raise ValuesError(f"a number is finite, not {value}")
        return float(value)
    if not _is_list(value):
        raise ValuesError(f"a value is a number, a word or a list, not {type(value).__name__}")
    if depth >= DEEPEST_LIST:
        raise ValuesError(f"lists in lists, more than {DEEPEST_LIST} deep")
    items = tuple(_value(item, target, depth + 1) for item in value[: LONGEST_LIST + 1])
    if extent(items) > LONGEST_LIST:
        raise ValuesError(f"a value that is a list has at most {LONGEST_LIST:,} numbers")
    return items


def _scalar(text: str, target: Target) -> Any:
    """A number, a word, true, false or null; numbers may be arithmetic: ``1/4``, ``2**10``."""
    value = resolve(text)
    if text and (not isinstance(value, str) or text.isidentifier()):
        return value
    if target.kind == "input" and _SHAPE.fullmatch(text):
        return tuple(map(int, text.split("x")))
    if ":" in text:
        raise ValuesError(f"the range `{cut(text)}` stands inside a value that is a list", "write such values out")
    try:
        number = evaluate(text, NoNames())
    except ExpressionError:
        number = None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValuesError(f"`{cut(text)}` is no value", f"write {FORMS}")
    return number


def value_text(value: Any) -> str:
    """A value as a spec and a table write it: ``[3, 4, 6, 3]``, ``true``, ``0.75``, ``ReLU``."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
