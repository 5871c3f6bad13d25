"""The arguments of ops: typed fields that read, check and describe themselves.

A field's kind is the one place that knows which values it takes: the spec language reads values through it, the JSON
schema and ``archscope ops`` print it, and the property tests draw from it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan, trunc
from typing import Any, ClassVar, NamedTuple

from archscope.arith import fixed, is_real, plain
from archscope.autograd.dtypes import HELD, OF_RUNS, full_name, misnamed, short_for
from archscope.errors import counted, suggestion

#: An argument or a dimension beyond this is a mistake: torch counts elements in int64.
LARGEST = 2**63 - 1
#: chunks, sections or stacked layers beyond this are a mistake: each is a tensor with a shape of its own
MOST_PARTS = 1024

#: types of the numbers that a tensor holds; ``float`` is the floating type of the layer: its mark's, else the run's
DTYPES = ("float", *HELD, "int64", "int32", "bool")
#: floating types in which a layer can be held
MARKS = ("float", *HELD)

#: stands for the default of an argument that must be given
REQUIRED: Any = object()


class FieldError(ValueError):
    """A value that a field does not take."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class SameAs:
    """A default that repeats another field, as the stride of a pooling layer repeats its kernel_size."""

    field: str


@dataclass(frozen=True)
class Kind(ABC):
    """What values a field takes."""

    #: whether the value is a number (or numbers) that may vary within a structure; else it is structure itself
    numeric: ClassVar[bool] = False

    @abstractmethod
    def read(self, value: Any, rank: int | None) -> Any:
        """The value in its canonical form.

        Args:
            value: as it stands in a spec, expressions already evaluated.
            rank: number of spatial axes of the op, for kinds that take one number an axis.

        Raises:
            FieldError: the field does not take this value.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """JSON schema of the literal values (an expression is allowed besides, where ``takes_expression``)."""

    @abstractmethod
    def describe(self) -> str:
        """One short phrase for help texts and error messages."""

    def takes_word(self, word: str) -> bool:
        """Whether a plain word is itself a value (``same``), and not an expression."""
        return False

    @property
    def lists_words(self) -> bool:
        """Whether plain words are values, which :meth:`describe` lists."""
        return False

    def tells_of(self, text: str) -> bool:
        """Whether a text that is no arithmetic is meant as a value, so that the field says better what is wrong."""
        return False

    def written(self, value: Any) -> Any:
        """A value in its canonical form as a spec writes it: plain numbers and words, lists and mappings."""
        return list(value) if isinstance(value, tuple) else value


def _show(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _counted(minimum: int | None) -> str:
    return "an integer" if minimum is None else f"an integer of at least {minimum}"


def _integer(value: Any, minimum: int | None, what: str = "") -> int:
    """A whole number of at least a minimum; ``what`` is how a mistake calls it, if not so."""
    if type(value) is int and -LARGEST <= value <= LARGEST and (minimum is None or value >= minimum):
        return value
    what = what or _counted(minimum)
    if is_real(value) and value.is_integer() and abs(value) <= 2**53:
        value = trunc(value)
    if is_real(value):
        raise FieldError(f"expected {what}, got {value}", "round it: `round(...)`, `floor(...)` or `//`")
    if isinstance(value, bool) or not isinstance(plain(value), int):
        raise FieldError(f"expected {what}, got {_show(value)}")
    if minimum is not None and value < minimum:
        raise FieldError(f"expected {what}, got {value}")
    if abs(value) > LARGEST:
        raise FieldError(f"{value} is larger than any tensor can be (2^63 - 1)")
    whole: int = value
    return whole


@dataclass(frozen=True)
class Size(Kind):
    """A whole number."""

    numeric: ClassVar[bool] = True
    minimum: int | None = 1

    def read(self, value: Any, rank: int | None) -> int:
        return _integer(value, self.minimum)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"} if self.minimum is None else {"type": "integer", "minimum": self.minimum}

    def describe(self) -> str:
        return _counted(self.minimum)


@dataclass(frozen=True)
class Index(Size):
    """A whole number that is structure: a dimension's index, a number of chunks or of stacked layers."""

    numeric: ClassVar[bool] = False

    def read(self, value: Any, rank: int | None) -> int:
        number: int = fixed(super().read(value, rank))
        return number


@dataclass(frozen=True)
class Sizes(Kind):
    """One whole number an axis; a single number stands for all axes.

    Attributes:
        per_axis: numbers an axis (2 for paddings that differ at both ends).
        optional: whether an axis may be left as it arrives, by ``null``.
    """

    numeric: ClassVar[bool] = True
    minimum: int | None = 1
    per_axis: int = 1
    optional: bool = False

    def read(self, value: Any, rank: int | None) -> tuple[int | None, ...]:
        count = (rank or 1) * self.per_axis
        if not isinstance(value, (tuple, list)):
            return (self._one(value),) * count
        if len(value) == 1 and count > 1:
            raise FieldError(f"expected {count} numbers, got 1", f"write {value[0]} without brackets for every axis")
        if len(value) != count:
            raise FieldError(f"expected {self._words(count)}, got {counted(len(value), 'number')}")
        return tuple(self._one(v) for v in value)

    def _one(self, value: Any) -> int | None:
        if value is None and self.optional:
            return None
        return _integer(value, self.minimum)

    @staticmethod
    def _words(count: int) -> str:
        return "one number" if count == 1 else f"one number or a list of {count}"

    def schema(self) -> dict[str, Any]:
        one = Size(self.minimum).schema()
        item = {"anyOf": [one, {"type": "null"}]} if self.optional else one
        return {"anyOf": [item, {"type": "array", "items": _or_expression(item), "minItems": 1, "maxItems": 6}]}

    def describe(self) -> str:
        ends = " and end" if self.per_axis == 2 else ""
        return f"{_counted(self.minimum)}, or a list of one an axis{ends}"


@dataclass(frozen=True)
class Integers(Kind):
    """A list of whole numbers of any length (a single number stands for a list of one); structure, not a number."""

    minimum: int | None = None

    def read(self, value: Any, rank: int | None) -> tuple[int, ...]:
        values = value if isinstance(value, (tuple, list)) else [value]
        if not values:
            raise FieldError("expected at least one number, got an empty list")
        return tuple(fixed(_integer(v, self.minimum)) for v in values)

    def schema(self) -> dict[str, Any]:
        one = Size(self.minimum).schema()
        return {"anyOf": [one, {"type": "array", "items": _or_expression(one), "minItems": 1}]}

    def describe(self) -> str:
        return f"{_counted(self.minimum)}, or a list of them"


@dataclass(frozen=True)
class Shape(Kind):
    """A list of sizes (a single number stands for a list of one); its length is structure, its numbers are not.

    Attributes:
        rest: whether a size may be -1: what the others leave, as in ``torch.Tensor.reshape``.
        scalar: whether the list may be empty: a tensor without dimensions.
    """

    numeric: ClassVar[bool] = True
    rest: bool = False
    scalar: bool = False

    @property
    def minimum(self) -> int:
        """The smallest size."""
        return -1 if self.rest else 1

    def read(self, value: Any, rank: int | None) -> tuple[int, ...]:
        values = value if isinstance(value, (tuple, list)) else [value]
        if not values and not self.scalar:
            raise FieldError("expected at least one size, got an empty list")
        return tuple(self._one(v) for v in values)

    def _one(self, value: Any) -> int:
        size = _integer(value, self.minimum, self._words())
        if size == 0:
            raise FieldError(f"expected {self._words()}, got 0")
        return size

    def _words(self) -> str:
        return "an integer of at least 1" + (", or -1" if self.rest else "")

    def schema(self) -> dict[str, Any]:
        one: dict[str, Any] = {"type": "integer", "minimum": 1}
        if self.rest:
            one = {"anyOf": [one, {"const": -1}]}
        return {"anyOf": [one, {"type": "array", "items": _or_expression(one), "minItems": int(not self.scalar)}]}

    def describe(self) -> str:
        return f"{self._words()}; or a list of such" + (", which may be empty" if self.scalar else "")


@dataclass(frozen=True)
class SizeOrShape(Kind):
    """A whole number, or a list of them that means something else (the size of all pieces, or of each)."""

    numeric: ClassVar[bool] = True
    minimum: ClassVar[int] = 1

    def read(self, value: Any, rank: int | None) -> int | tuple[int, ...]:
        if isinstance(value, (tuple, list)):
            return Shape().read(value, rank)
        return Size().read(value, rank)

    def schema(self) -> dict[str, Any]:
        return Shape().schema()

    def describe(self) -> str:
        return "an integer of at least 1, or a list of them"


@dataclass(frozen=True)
class Real(Kind):
    """A real number that no count depends on (a slope, a probability, an epsilon)."""

    low: float | None = None
    high: float | None = None

    def read(self, value: Any, rank: int | None) -> float:
        if isinstance(value, bool) or not isinstance(plain(value), (int, float)):
            raise FieldError(f"expected {self.describe()}, got {_show(value)}")
        if isinstance(value, float) and isnan(value):
            raise FieldError(f"expected {self.describe()}, got nan")
        if not is_real(value) and abs(value) > LARGEST:
            raise FieldError(f"expected {self.describe()}, got an integer beyond 2^63 - 1")
        if not (self.low is None or value >= self.low) or not (self.high is None or value <= self.high):
            raise FieldError(f"expected {self.describe()}, got {value}")
        number: float = value * 1.0
        return number

    def schema(self) -> dict[str, Any]:
        limits = {"minimum": self.low, "maximum": self.high}
        return {"type": "number"} | {k: v for k, v in limits.items() if v is not None}

    def describe(self) -> str:
        if self.low is not None and self.high is not None:
            return f"a number from {self.low:g} to {self.high:g}"
        return "a number" if self.low is None else f"a number of at least {self.low:g}"


@dataclass(frozen=True)
class Reals(Kind):
    """A real number, or a list of one an axis; structure, not a number."""

    low: float | None = None

    def read(self, value: Any, rank: int | None) -> tuple[float, ...]:
        values = value if isinstance(value, (tuple, list)) else [value]
        if not values:
            raise FieldError("expected at least one number, got an empty list")
        numbers = tuple(fixed(Real(self.low).read(v, rank)) for v in values)
        if not all(isfinite(number) for number in numbers):
            raise FieldError(f"expected {self.describe()}, got {_show(value)}")
        return numbers

    def schema(self) -> dict[str, Any]:
        one = Real(self.low).schema()
        return {"anyOf": [one, {"type": "array", "items": _or_expression(one), "minItems": 1}]}

    def describe(self) -> str:
        return f"{Real(self.low).describe()}, or a list of one an axis"


@dataclass(frozen=True)
class Flag(Kind):
    """true or false."""

    def read(self, value: Any, rank: int | None) -> bool:
        if not isinstance(value, bool):
            raise FieldError(f"expected true or false, got {_show(value)}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def describe(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: Any, rank: int | None) -> str:
        if value not in self.words:
            hint = suggestion(value, self.words) if isinstance(value, str) else ""
            raise FieldError(f"expected {self.describe()}, got {_show(value)}", hint)
        return str(value)

    @property
    def lists_words(self) -> bool:
        return True

    def takes_word(self, word: str) -> bool:
        return word in self.words

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}

    def describe(self) -> str:
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True)
class TypeName(Kind):
    """The name of a type of elements, torch's full one or a short one (``bf16``); the full one is what is read."""

    words: tuple[str, ...]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All that is understood."""
        return (*self.words, *(short for word in self.words for short in short_for(word)))

    def read(self, value: Any, rank: int | None) -> str:
        name = full_name(value) if isinstance(value, str) else value
        if name not in self.words:
            hint = misnamed(value, self.words) if isinstance(value, str) else ""
            raise FieldError(f"expected {self.describe()}, got {_show(value)}", hint)
        return str(name)

    @property
    def lists_words(self) -> bool:
        return True

    def takes_word(self, word: str) -> bool:
        return full_name(word.removeprefix("torch.")) in self.words or word.lower() in OF_RUNS

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.vocabulary)}

    def describe(self) -> str:
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True)
class Equation(Kind):
    """Letters of the dimensions of one or two tensors, and of the result: ``bij,bjk->bik``."""

    _FORM: ClassVar[str] = "[A-Za-z]+(,[A-Za-z]+)?->[A-Za-z]*"

    def read(self, value: Any, rank: int | None) -> str:
        plain_text = value.replace(" ", "") if isinstance(value, str) else ""
        if not re.fullmatch(self._FORM, plain_text):
            raise FieldError(f"expected {self.describe()}, got {_show(value)}", "every dimension is one letter")
        terms, _, out = plain_text.partition("->")
        if any(len({*term}) < len(term) for term in (*terms.split(","), out)):
            raise FieldError(f"a letter stands twice in one tensor of {plain_text}")
        unknown = sorted({*out} - {*terms})
        if unknown:
            raise FieldError(f"no tensor of {plain_text} has the letter {unknown[0]}")
        return plain_text

    def takes_word(self, word: str) -> bool:
        return "->" in word

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self._FORM}$"}

    def describe(self) -> str:
        return "an equation of one or two tensors, such as bij,bjk->bik"


@dataclass(frozen=True)
class Either(Kind):
    """The values of either of two kinds: a number or a word, as in ``padding: same``."""

    first: Kind
    second: Kind

    @property
    def numeric(self) -> bool:  # type: ignore[override]
        """As the first kind is; a value of the second kind is structure all the same."""
        return self.first.numeric

    def read(self, value: Any, rank: int | None) -> Any:
        chosen = self.second if isinstance(value, str) else self.first
        try:
            return chosen.read(value, rank)
        except FieldError as error:
            raise FieldError(f"expected {self.describe()}, got {_show(value)}", error.hint) from error

    @property
    def lists_words(self) -> bool:
        return self.first.lists_words or self.second.lists_words

    def takes_word(self, word: str) -> bool:
        return self.first.takes_word(word) or self.second.takes_word(word)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.first.schema(), self.second.schema()]}

    def describe(self) -> str:
        return f"{self.first.describe()}, or {self.second.describe()}"


@dataclass(frozen=True)
class Maybe(Kind):
    """The values of a kind, or ``null``."""

    kind: Kind

    @property
    def numeric(self) -> bool:  # type: ignore[override]
        """As the kind is; ``null`` is structure all the same."""
        return self.kind.numeric

    def read(self, value: Any, rank: int | None) -> Any:
        return None if value is None else self.kind.read(value, rank)

    def written(self, value: Any) -> Any:
        return None if value is None else self.kind.written(value)

    @property
    def lists_words(self) -> bool:
        return self.kind.lists_words

    def takes_word(self, word: str) -> bool:
        return self.kind.takes_word(word)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}

    def describe(self) -> str:
        return f"{self.kind.describe()}, or null"


@dataclass(frozen=True)
class Text(Kind):
    """Words for people."""

    def read(self, value: Any, rank: int | None) -> str:
        if not isinstance(value, str):
            raise FieldError(f"expected {self.describe()}, got {_show(value)}", "put it in quotes")
        return str(value)

    def takes_word(self, word: str) -> bool:
        return True

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def describe(self) -> str:
        return "a text"


@dataclass(frozen=True)
class Listed(Kind):
    """A list, maybe an empty one, of values of a kind; structure, not numbers."""

    kind: Kind

    def read(self, value: Any, rank: int | None) -> tuple[Any, ...]:
        if not isinstance(value, (tuple, list)):
            raise FieldError(f"expected {self.describe()}, got {_show(value)}")
        return tuple(fixed(self.kind.read(one, rank)) for one in value)

    @property
    def lists_words(self) -> bool:
        return self.kind.lists_words

    def takes_word(self, word: str) -> bool:
        return self.kind.takes_word(word)

    def written(self, value: Any) -> Any:
        return [self.kind.written(one) for one in value]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": _or_expression(self.kind.schema())}

    def describe(self) -> str:
        return f"a list, of each {self.kind.describe()}"


@dataclass(frozen=True)
class Named(Kind):
    """Values of a kind by name, held as pairs in the order of the spec; structure, not numbers."""

    kind: Kind

    def read(self, value: Any, rank: int | None) -> tuple[tuple[str, Any], ...]:
        pairs = list(value.items()) if isinstance(value, Mapping) else value
        if not isinstance(pairs, (tuple, list)) or not all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs):
            raise FieldError(f"expected {self.describe()}, got {_show(value)}")
        values: dict[str, Any] = {}
        for name, one in pairs:
            if not isinstance(name, str) or not name or name in values:
                raise FieldError(f"expected names, each once, got {_show(name)}")
            try:
                values[name] = self.kind.read(one, rank)
            except FieldError as error:
                raise FieldError(f"{name}: {error.message}", error.hint) from error
        return tuple(values.items())

    @property
    def lists_words(self) -> bool:
        return self.kind.lists_words

    def takes_word(self, word: str) -> bool:
        return self.kind.takes_word(word)

    def written(self, value: Any) -> Any:
        return {name: self.kind.written(one) for name, one in value}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": _or_expression(self.kind.schema())}

    def describe(self) -> str:
        return f"names, of each {self.kind.describe()}"


def _or_expression(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"$ref": "#/$defs/expression"}]}


def value_schema(kind: Kind) -> dict[str, Any]:
    """JSON schema of a field in a spec: its literal values, or an expression."""
    return _or_expression(kind.schema())


@dataclass(frozen=True)
class FieldInfo:
    """One argument of an op.

    Attributes:
        name: as in ``torch.nn``.
        kind: the values it takes.
        default: as in ``torch.nn``; ``REQUIRED`` where it must be given.
        symbol: how formulas print it; the axes' letters are appended where it has one number an axis.
    """

    name: str
    kind: Kind
    default: Any
    symbol: str

    @property
    def required(self) -> bool:
        """Whether a spec must give it."""
        return self.default is REQUIRED


class Argument(NamedTuple):
    """The declaration of an argument in an op's class body."""

    kind: Kind
    default: Any
    symbol: str


def argument(kind: Kind, default: Any = REQUIRED, symbol: str = "") -> Any:
    """Declare an argument of an op (to the type checker: of any type; on an instance: what ``kind.read`` returns)."""
    return Argument(kind, default, symbol)


def field_infos(cls: type[Any]) -> tuple[FieldInfo, ...]:
    """The arguments that a class and its bases declare, a base's first."""
    declared: dict[str, Argument] = {}
    for base in reversed(cls.__mro__):
        declared |= {name: value for name, value in vars(base).items() if isinstance(value, Argument)}
    return tuple(FieldInfo(name, a.kind, a.default, a.symbol or name) for name, a in declared.items())
