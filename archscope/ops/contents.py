"""What a tensor holds: one number, a few, a ramp, a triangle, numbers in a file; or how a weight begins."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from weakref import WeakValueDictionary

from archscope import revisions
from archscope.arith import fixed, plain
from archscope.autograd.dtypes import HELD
from archscope.errors import UsageError, counted, suggestion
from archscope.ops.fields import FieldError, Kind
from archscope.ops.windows import From, Listed, Met, Ramp, Slide, UpTo, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Elements = NDArray[Any]
    Mask = NDArray[Any]

#: a longer list stands in a file beside the spec
MOST_LISTED = 256
_LARGEST = 2**53
#: scores from here on down are masks: of exp of less than -745 a double holds nothing (BERT adds this, others more)
LOW = -1e4

#: arguments and their usual values, by the word of torch
Words = Mapping[str, Mapping[str, float | str]]

#: how a tensor that is known is computed
COMPUTED: Words = {
    "arange": {"start": 0, "step": 1, "dim": -1},
    "tril": {"diagonal": 0, "value": 1},
    "triu": {"diagonal": 0, "value": 1},
}
#: how a weight begins: the functions of torch.nn.init
BEGINNINGS: Words = {
    "zeros": {},
    "ones": {},
    "normal": {"mean": 0, "std": 1},
    "uniform": {"a": 0, "b": 1},
    "trunc_normal": {"mean": 0, "std": 1, "a": -2, "b": 2},
    "xavier_uniform": {"gain": 1},
    "xavier_normal": {"gain": 1},
    "kaiming_uniform": {"a": 0, "mode": "fan_in", "nonlinearity": "leaky_relu"},
    "kaiming_normal": {"a": 0, "mode": "fan_in", "nonlinearity": "leaky_relu"},
    "orthogonal": {"gain": 1},
    "eye": {},
    "dirac": {},
}
#: what the arguments that are words may be (torch.nn.init.calculate_gain)
CHOICES: Mapping[str, tuple[str, ...]] = {
    "mode": ("fan_in", "fan_out"),
    "nonlinearity": ("leaky_relu", "relu", "linear", "sigmoid", "tanh", "selu"),
}
#: of how many dimensions a tensor is, at least and at most, that begins so: most ask how many places a weight joins
MATRICES: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"), (2, 99)),
    "eye": (2, 2),
    "dirac": (3, 5),
}


def dimensions(word: str) -> str:
    """Of how many dimensions a tensor is that begins so, in words."""
    least, most = MATRICES[word]
    return f"exactly {least}" if least == most else f"{least} to {most}" if most < 99 else f"at least {least}"


_CALL = re.compile(r"([a-z_]+)(?:\(([^()]*)\))?")
#: what is meant as such a word, or as a number that arithmetic does not write so
_MEANT = re.compile(r"[A-Za-z_][\w.]*\([^()]*\)|[-+]?(?:inf|nan)")
_FILE = re.compile(r"([^\[\]]+\.npz)\[([^\[\]]+)\]")

#: values of files that may not be written yet, by ``FILE.npz[NAME]``, as long as anybody holds them
_AT_HAND: WeakValueDictionary[str, Any] = WeakValueDictionary()


class Called(NamedTuple):
    """A word of torch with its numbers; the arguments of some (:data:`CHOICES`) are words."""

    word: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.word}({arguments})" if arguments else self.word


class Masked(NamedTuple):
    """Elements that count for nothing, whatever arrives: of size 1 where they are alike along a dimension.

    ``True`` where some may, and it is not known which; ``False`` where none is known to.

    Attributes:
        low: so low that nothing is left of them behind a softmax.
        zero: of which nothing is left in a product.
    """

    low: Mask | bool = False
    zero: Mask | bool = False


class Content(NamedTuple):
    """What a tensor holds, whatever arrives.

    Attributes:
        value: as a Constant holds it; ``None`` for what is computed from constants.
        array: the elements, where they are asked for and few enough; of size 1 where they are alike along a dimension.
        masked: those of its elements that count for nothing.
        whole: whether all of it is known, and not these alone.
    """

    value: Any
    array: Elements | None = None
    masked: Masked = Masked()
    whole: bool = True


class Stored(NamedTuple):
    """Numbers in a file (NumPy's ``.npz``), under a name."""

    file: str
    key: str

    def __str__(self) -> str:
        return f"{self.file}[{self.key}]"


@dataclass(frozen=True)
class _Calls(Kind):
    """A number that all elements are, or a word of torch with its numbers."""

    words: ClassVar[Words]

    def _read(self, value: Any) -> Any:
        if not isinstance(value, str):
            return number(value, self.describe())
        match = _CALL.fullmatch(value.replace(" ", ""))
        if match is None or match[1] not in self.words:
            raise FieldError(f"expected {self.describe()}, got '{value}'", self._hint(value))
        return str(Called(match[1], dict(self._arguments(match[1], match[2] or ""))))

    def _hint(self, value: str) -> str:
        if value.lstrip("+-") == "inf":
            return f"infinity is written `{value.replace('inf', '.inf')}`; no type of whole numbers holds it"
        return suggestion(value.partition("(")[0], [*self.words])

    def _arguments(self, word: str, text: str) -> Iterator[tuple[str, float | str]]:
        """Those that are not as usual, in their order."""
        usual = self.words[word]
        numbers: dict[str, float | str] = {}
        for part in filter(None, text.split(",")):
            name, sign, value = part.partition("=")
            if not sign or name not in usual or name in numbers:
                example = ", ".join(f"{one}={default}" for one, default in usual.items())
                raise FieldError(f"'{part}' is no argument of {word}", f"`{word}({example})`" if example else "")
            if name in CHOICES:
                value = value.strip("\"'")
                if value not in CHOICES[name]:
                    hint = suggestion(value, CHOICES[name])
                    raise FieldError(f"`{name}` of {word}: {value} is none of {', '.join(CHOICES[name])}", hint)
                numbers[name] = value
                continue
            try:
                numbers[name] = number(float(value), "a number")
            except ValueError:
                raise FieldError(f"`{name}` of {word}: expected a number, got '{value}'") from None
        yield from ((name, numbers[name]) for name in usual if name in numbers and numbers[name] != usual[name])

    @property
    def lists_words(self) -> bool:
        return True

    def takes_word(self, word: str) -> bool:
        return word.partition("(")[0].strip() in self.words or stored_in(word) is not None

    def tells_of(self, text: str) -> bool:
        return _MEANT.fullmatch(text.strip()) is not None

    def _schema(self) -> list[dict[str, Any]]:
        words = "|".join(self.words)
        return [{"type": ["number", "boolean"]}, {"type": "string", "pattern": rf"^({words})(\(.*\))?$"}]


@dataclass(frozen=True)
class Beginning(_Calls):
    """How a weight begins: a number, or a function of torch.nn.init with its numbers: ``trunc_normal(std=0.02)``."""

    words: ClassVar[Words] = BEGINNINGS

    def read(self, value: Any, rank: int | None) -> Any:
        return self._read(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": self._schema()}

    def describe(self) -> str:
        return f"a number, or one of {', '.join(self.words)}"


@dataclass(frozen=True)
class Contents(_Calls):
    """What the elements are: a number, a list of as many, an arithmetic word, or ``FILE.npz[NAME]``."""

    words: ClassVar[Words] = COMPUTED

    def read(self, value: Any, rank: int | None) -> Any:
        if isinstance(value, (tuple, list)):
            numbers = tuple(number(one, "numbers") for one in _flat(value))
            if len(numbers) > MOST_LISTED:
                raise FieldError(
                    f"a list of {counted(len(numbers), 'number')}; the most is {MOST_LISTED}",
                    "more stand in a file: `value: FILE.npz[NAME]`",
                )
            return numbers
        stored = stored_in(value)
        return self._read(value) if stored is None else str(stored)

    def schema(self) -> dict[str, Any]:
        file = {"type": "string", "pattern": r"^[^\[\]]+\.npz\[[^\[\]]+\]$"}
        return {"anyOf": [*self._schema(), {"type": "array"}, file]}

    def describe(self) -> str:
        return f"a number, a list of numbers, one of {', '.join(self.words)}, or FILE.npz[NAME]"


def number(value: Any, what: str) -> float:
    """A number as it is kept: a whole one is an int.

    Raises:
        FieldError: it is none.
    """
    if not isinstance(plain(value), (bool, int, float)):
        shown = f"'{value}'" if isinstance(value, str) else "nothing" if value is None else value
        raise FieldError(f"expected {what}, got {shown}")
    one: float = fixed(value)
    if isinstance(one, float) and isnan(one):
        raise FieldError(f"expected {what}, got nan")
    if abs(one) not in (0, inf) and abs(one) > _LARGEST and isinstance(one, int):
        raise FieldError(f"{one} is beyond 2^53")
    whole = isinstance(one, bool) or (one.is_integer() if isinstance(one, float) else True)
    return int(one) if whole and str(one) != "-0.0" and abs(one) <= _LARGEST else float(one)


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value


def called(value: Any) -> Called | None:
    """The word that a value in its canonical form is, its arguments complete; ``None`` is another form."""
    match = _CALL.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if match is None:
        return None
    numbers = dict(part.split("=") for part in (match[2] or "").split(",") if part)
    usual = COMPUTED.get(match[1]) or BEGINNINGS[match[1]]
    read = {name: text if name in CHOICES else number(float(text), "") for name, text in numbers.items()}
    return Called(match[1], {**usual, **read})


def elements(value: Any, shape: tuple[int, ...], dtype: str) -> Elements | None:
    """What a value in its canonical form says of each element (of size 1 where they are alike along a dimension).

    ``None`` where its file cannot be read: only what is run needs that.
    """
    import numpy as np

    word, stored = called(value), stored_in(value)
    if stored is not None:
        try:
            return np.asarray(array(stored, shape, dtype))
        except UsageError:
            return None
    if isinstance(value, tuple):
        return np.reshape(value, shape)
    if word is None:
        return np.full((1,) * len(shape), value)
    numbers = word.arguments
    if word.word == "arange":
        dim = int(numbers["dim"]) % len(shape)
        line = np.asarray(numbers["start"] + numbers["step"] * np.arange(shape[dim]))
        return line.reshape([-1 if i == dim else 1 for i in range(len(shape))])
    rows, columns = np.indices(shape[-2:], sparse=True)
    below = columns - rows <= numbers["diagonal"] if word.word == "tril" else columns - rows >= numbers["diagonal"]
    return np.where(below, numbers["value"], 0).reshape((1,) * (len(shape) - 2) + shape[-2:])


def places_of(value: Any, dim: int, ndim: int, size: int) -> Window | None:
    """The window of what is looked up at places that are known, along a dimension of so many; ``None`` if unknown.

    Args:
        value: what the places are, as a Constant holds them.
        dim: the dimension of the index along which they stand.
        ndim: how many it has.
    """
    word = called(value)
    if isinstance(value, tuple) and ndim == 1:
        return Listed(tuple(int(place) % size for place in value))
    if word is not None and word.word == "arange" and int(word.arguments["dim"]) % ndim == dim:
        start, step = int(word.arguments["start"]), int(word.arguments["step"])
        return Slide(stride=step, padding=-start) if step > 0 <= start else Ramp(start, step) if start >= 0 else None
    return None


def met_by(value: Any, *, truth: bool) -> Window | None:
    """The window of the keys that a query meets under a mask that is known; ``None`` if that is no triangle.

    Args:
        value: what the mask holds, as a Constant does.
        truth: whether these are truth values; else it holds minus infinity where nothing is met.
    """
    word = called(value)
    if word is None or word.word not in ("tril", "triu"):
        return None
    diagonal, held_, below = int(word.arguments["diagonal"]), word.arguments["value"], word.word == "tril"
    if truth and held_:
        return UpTo(diagonal) if below else From(diagonal)
    if not truth and held_ <= LOW:
        return From(diagonal + 1) if below else UpTo(diagonal - 1)
    return None


def met_in(table: Mask) -> Window:
    """The window of the places that a table of truth values tells, places of the output first."""
    import numpy as np

    rows, columns = table.shape
    last, first = int(table[0].sum()) - 1, columns - int(table[-1].sum())
    if np.array_equal(table, np.tri(rows, columns, last, dtype=bool)):
        return UpTo(last)
    if np.array_equal(table, ~np.tri(rows, columns, first - rows, dtype=bool)):
        return From(first - rows + 1)
    return Met(table)


def stored_in(value: Any) -> Stored | None:
    """The place in a file that a value names; ``None`` where it names none."""
    match = _FILE.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else Stored(match[1], match[2])


def beside(value: Any, folder: Path) -> Any:
    """A value that names a file as seen from here; it is written as seen from a folder."""
    stored = stored_in(value)
    return value if stored is None else str(stored._replace(file=(folder / stored.file).as_posix()))


def held(value: Any) -> bool:
    """Whether a value is numbers that have to be kept somewhere, and not arithmetic."""
    return isinstance(value, tuple) or stored_in(value) is not None


# -- numbers in files --------------------------------------------------------------------------------------------------


def at_hand(stored: Stored, values: Any) -> None:
    """Take what a file holds under a name from an array of NumPy, as long as anybody holds that."""
    _AT_HAND[str(stored)] = values


def array(stored: Stored, shape: tuple[int, ...], dtype: str) -> Any:
    """The numbers under a name in a file, as a NumPy array.

    Args:
        dtype: of the tensor that they are for.

    Raises:
        UsageError: there is no such file, it holds nothing of that name, or something of another shape or type.
    """
    at_hand = _AT_HAND.get(str(stored))
    values = at_hand if at_hand is not None else _read(stored, shape)
    kinds = "b" if dtype == "bool" else "fiub" if dtype in ("float", *HELD) else "iub"
    if values.dtype.kind not in kinds:
        raise UsageError(f"{stored} holds {values.dtype}, and its layer says {dtype}")
    return values


def files_of(ops: Iterable[Any]) -> list[str]:
    """The files that hold values of ops, each once."""
    places = (stored_in(getattr(op, "value", None)) for op in ops)
    return list(dict.fromkeys(stored.file for stored in places if stored is not None))


def regular(file: str) -> bytes:
    """What a file of values holds.

    Raises:
        UsageError: it is not there, or cannot be read.
    """
    try:
        content = _present(file)
        return content.read() if isinstance(content, BytesIO) else content.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None


def _present(file: str) -> Path | BytesIO:
    """Where it is on the disk, or what it holds in its revision."""
    place = None if os.path.exists(file) else revisions.place_of(file)
    if place is not None:
        return BytesIO(revisions.read(place))
    if not os.path.isfile(file):
        there = "is no file" if os.path.exists(file) else "is not there"
        raise UsageError(f"{file} {there}: it holds the values of constants, and goes where its spec goes")
    return Path(file)


def _read(stored: Stored, shape: tuple[int, ...]) -> Any:
    import numpy as np

    try:
        with zipfile.ZipFile(_present(stored.file)) as archive:
            if f"{stored.key}.npy" not in archive.namelist():
                raise UsageError(f"{stored.file} holds nothing under the name {stored.key}")
            with archive.open(f"{stored.key}.npy") as member:
                header = _header(member)
            if header != shape:
                raise UsageError(f"{stored} has the shape {list(header)}, and its layer says {list(shape)}")
            with archive.open(f"{stored.key}.npy") as member:
                return np.lib.format.read_array(member, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UsageError(f"{stored.file} cannot be read: {str(error).strip() or type(error).__name__}") from None


def _header(member: Any) -> tuple[int, ...]:
    """The shape of an array, before any of it is read."""
    from numpy.lib import format as npy

    version = npy.read_magic(member)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return tuple(read(member)[0])


def fits(value: Any, dtype: str) -> bool:
    """Whether a tensor of a type can hold what a value says, as far as that can be told without its file."""
    if dtype in ("float", *HELD) or stored_in(value) is not None:
        return True
    word = called(value)
    least, most = {"int64": (-_LARGEST, _LARGEST), "int32": (-(2**31), 2**31 - 1), "bool": (0, 1)}[dtype]
    if word is None:
        numbers = value if isinstance(value, tuple) else (value,)
    else:
        numbers = tuple(v for name, v in word.arguments.items() if name in ("start", "step", "value"))
    return all(isinstance(one, int) and least <= one <= most for one in numbers) and not (
        dtype == "bool" and word is not None and word.word == "arange"
    )
