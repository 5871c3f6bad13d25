"""Values that differ between the places where a list of layers stands, as a spec writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from archscope.spec.document import ENTRY_KEYS, is_variable
from archscope.spec.expressions import FUNCTIONS
from archscope.spec.folding.formulas import ABSENT, Vector, agrees, linear, mapped, one, same, two, whole
from archscope.spec.folding.tree import Part, Path

#: parameters are called after arguments, in the words of specs/
_SHORT = {
    "out_channels": "out", "out_features": "out", "kernel_size": "kernel", "num_heads": "heads", "hidden_size": "hidden",
    "normalized_shape": "shape", "num_features": "features", "num_groups": "groups",
}  # fmt: skip
_PLURAL = {"count": "depths", "out": "widths", "kernel": "kernels", "stride": "strides"}
_USUAL = {"stride": 1, "groups": 1, "dilation": 1, "padding": 0}
#: arguments that are numbers of channels or features made
_MADE = ("out_channels", "out_features", "out")
#: the longest list of lists that stands for a formula
_LONGEST_TABLE = 64


class Unsaid(Exception):
    """Something that the language has no words for here.

    Attributes:
        patterns: names of the parts that were to be said at once.
    """

    def __init__(self, patterns: Iterable[Path] = ()) -> None:
        super().__init__()
        self.patterns = frozenset(patterns)


class Expression(str):
    """Arithmetic, as distinct from a word."""

    __slots__ = ()


class Place(NamedTuple):
    """Where a list of layers stands once.

    Attributes:
        part: whose list it is.
        call: the number of the call of the block around it.
        indexes: the rounds of the repeats around it, the outermost first.
    """

    part: Part
    call: int
    indexes: tuple[tuple[str, int], ...] = ()


class Variables:
    """The lists that become variables of the design."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> str:
        """A variable with a value; one that there is already, if it has that value and that name."""
        for known, held in self.values.items():
            if held == value and known.rstrip("_0123456789") == name:
                return known
        name = free(name, {*self.values, *RESERVED_NAMES})
        self.values[name] = value
        return name


class Scope:
    """A block (or the design itself) with its parameters.

    Args:
        calls: the parts that are this block.
        variables: of the design.
    """

    def __init__(self, name: str, calls: list[Part], variables: Variables) -> None:
        self.name, self.calls = name, calls
        self.parameters: dict[str, list[Any]] = {}
        self._variables = variables
        #: whether only what is always there is looked at, to find the parameters that matter most
        self.sketched = False
        self._tables: dict[str, Callable[[Place], Any]] = {}
        self._ambiguous: set[str] = set()
        self._labels: dict[str, str] = {}
        self.counts: dict[str, Any] = {}

    # -- values ----------------------------------------------------------------------------------------------------

    def express(self, places: Sequence[Place], values: Vector, field: str, label: str, arriving: Mapping[str, list[Any]]) -> Any:  # fmt: skip
        """What a spec writes for a value: itself where it is the same everywhere, else arithmetic.

        Args:
            values: one a place; ``ABSENT`` where it does not matter.
            field: the argument.
            label: the layer.
            arriving: what `in_channels` and `in_features` are.

        Raises:
            Unsaid: it follows from nothing that has a name.
        """
        present = [value for value in values if value is not ABSENT]
        follows = next((name for name, vector in arriving.items() if agrees(vector, values)), None)
        if all(same(value, present[0]) for value in present):
            return Expression(follows) if field == "groups" and follows and present[0] > 1 else present[0]
        if field == "groups" and follows:
            return Expression(follows)
        listed = self._elementwise(places, values, field, arriving)
        if listed is not None:
            return listed
        if self.name and _constant([place.call for place in places], values):
            return Expression(self._of_call(places, values, field, label, arriving))
        found = self._of_round(places, values, field, arriving)
        if found is None and self.name:
            found = self._listed(places, values, field, label)
        if found is None:
            raise Unsaid
        return Expression(found)

    def _elementwise(self, places: Sequence[Place], values: Vector, field: str, arriving: Mapping[str, list[Any]]) -> Any:
        """A list of which every number is the same everywhere, or something that has a name."""
        lengths = {len(value) if isinstance(value, tuple) else 0 for value in values if value is not ABSENT}
        if len(lengths) > 1 or lengths == {0}:
            return None
        known = {**arriving, **self._spread(places)}
        found: list[Any] = []
        for number in range(lengths.pop()):
            column = [value if value is ABSENT else value[number] for value in values]
            present = [value for value in column if value is not ABSENT]
            name = next((key for key, vector in known.items() if agrees(vector, column)), None)
            if name is None and not all(same(value, present[0]) for value in present):
                return None
            found.append(present[0] if name is None or all(same(v, present[0]) for v in present) else Expression(name))
        return found

    def _of_call(self, places: Sequence[Place], values: Vector, field: str, label: str, arriving: Mapping[str, list[Any]]) -> str:  # fmt: skip
        """A value that is the same in all places of a call."""
        known = self._spread(places)
        name = _SHORT.get(field, field)
        for key in sorted(known, key=lambda key: key.partition("_")[0] != name):
            if agrees(known[key], values):
                return key
        follows = next((key for key, vector in arriving.items() if agrees(vector, values)), None)
        if follows is not None:
            return follows
        known = {key: vector for key, vector in known.items() if _covers(vector, values)}
        sources = [known, arriving] if field in _MADE else [known]
        if whole(values):
            for form in (one, linear):
                for found in (text for some in sources for text in form(some, values)):
                    return found
            for found in two(known, values):
                return found
        vector = [ABSENT] * len(self.calls)
        for place, value in zip(places, values, strict=True):
            if value is not ABSENT:
                vector[place.call] = value
        return self._add(name, vector, label)

    def _spread(self, places: Sequence[Place]) -> dict[str, list[Any]]:
        """What has a name, by place."""
        known = {name: [vector[place.call] for place in places] for name, vector in self.parameters.items()}
        for text, held in self._tables.items():
            vector = [held(place) for place in places]
            if ABSENT not in vector:
                known[text] = vector
        return {name: vector for name, vector in known.items() if not any(isinstance(v, list) for v in vector)}

    def _add(self, name: str, vector: list[Any], label: str) -> str:
        if name in self.parameters:
            self._ambiguous.add(name)
        if name in self._ambiguous and label:
            name = _joint(label, name)
        name = free(name, {*self.parameters, *RESERVED_NAMES})
        self.parameters[name], self._labels[name] = vector, label
        return name

    def settle(self) -> None:
        """Call parameters of one kind after their layers, where there are several."""
        for name in self._ambiguous & set(self.parameters):
            label = self._labels[name]
            better = free(_joint(label, name), {*self.parameters, *RESERVED_NAMES}) if label else name
            self.parameters = {better if key == name else key: held for key, held in self.parameters.items()}

    def _of_round(self, places: Sequence[Place], values: Vector, field: str, arriving: Mapping[str, list[Any]]) -> str | None:  # fmt: skip
        """A value that differs from round to round: arithmetic over indexes, lists, and what arrives."""
        known = self._spread(places)
        name = _SHORT.get(field, field)
        for key, vector in known.items():
            if agrees(vector, values):
                return key
        for key, vector in arriving.items():
            if agrees(vector, values):
                return key
        if all(isinstance(value, bool) for value in values if value is not ABSENT):
            return self.holds(places, values, name, arriving)
        if whole(values):
            for found in (*self._progress(places, values), *one(known, values)):
                return found
            if field in _MADE:
                for found in one(dict(arriving), values):
                    return found
        distinct = list(dict.fromkeys(value for value in values if value is not ABSENT))
        if len(distinct) == 2 and all(type(value) is int for value in distinct):
            for chosen, other in (distinct, distinct[::-1]):
                truth = mapped(values, lambda value, chosen=chosen: value == chosen)
                condition = next(self._conditions(places, truth, arriving), None)
                if condition is not None:
                    return f"{chosen} if {condition} else {other}"
        return (
            self._first(places, values, field, arriving)
            or self._parted(places, values, field, arriving)
            or self._table(places, values, name)
        )

    def _parted(self, places: Sequence[Place], values: Vector, field: str, arriving: Mapping[str, list[Any]]) -> str | None:
        """``in_channels if stage == 0 else 6 * in_channels``."""
        if not whole(values):
            return None
        for index in _indexes(places):
            found = []
            for first in (True, False):
                some = [v if (dict(p.indexes)[index] == 0) == first else ABSENT for p, v in zip(places, values, strict=True)]
                found.append(next((k for k, v in arriving.items() if agrees(v, some)), None) or next(one(dict(arriving), some), None))
            if None not in found:
                return f"{found[0]} if {index} == 0 else {found[1]}"
        return None

    def _first(self, places: Sequence[Place], values: Vector, field: str, arriving: Mapping[str, list[Any]]) -> str | None:  # fmt: skip
        """``stride if i == 0 else 1``."""
        for index in _indexes(places)[::-1]:
            first = [
                value if dict(place.indexes)[index] == 0 else ABSENT
                for place, value in zip(places, values, strict=True)
            ]
            rest = [
                value if dict(place.indexes)[index] != 0 else ABSENT
                for place, value in zip(places, values, strict=True)
            ]
            later = {repr(value) for value in rest if value is not ABSENT}
            if len(later) != 1 or all(value is ABSENT for value in first):
                continue
            text = self.express(places, first, field, "", arriving)
            constant = next(value for value in rest if value is not ABSENT)
            if isinstance(text, str) and " if " in text:
                text = f"({text})"
            return f"{written(text)} if {index} == 0 else {written(constant)}"
        return None

    def _progress(self, places: Sequence[Place], values: Vector) -> Iterator[str]:
        """A sum or a power of an index, where three rounds or more confirm it."""
        for index in _indexes(places):
            pairs = {(dict(p.indexes)[index], v) for p, v in zip(places, values, strict=True) if v is not ABSENT}
            if len(pairs) < 3 or len({i for i, _ in pairs}) < len(pairs):
                continue
            table = sorted(pairs)
            (at, first), (_, second) = table[0], table[1]
            step = second - first
            if all(value == first + step * (i - at) for i, value in table):
                start = first - step * at
                product = index if step == 1 else f"{step} * {index}"
                yield product if start == 0 else f"{start} + {product}" if step > 0 else f"{start} - {-step} * {index}"
            if first > 0 and second % first == 0 and second // first > 1 and at == 0:
                factor = second // first
                if all(value == first * factor**i for i, value in table):
                    yield f"{first} * {factor}**{index}" if first != 1 else f"{factor}**{index}"

    def _table(self, places: Sequence[Place], values: Vector, name: str) -> str | None:
        """A list with a value for every round, which becomes a variable of the design."""
        indexes = _indexes(places)
        for some in (*((index,) for index in indexes), *combinations(indexes, 2)):
            keys = [tuple(dict(place.indexes)[index] for index in some) for place in places]
            if not _constant(keys, values):
                continue
            held = {key: value for key, value in zip(keys, values, strict=True) if value is not ABSENT}
            table = _nested(held)
            if table is None:
                continue
            variable = self._variables.add(_PLURAL.get(name, f"{name}s" if not name.endswith("s") else name), table)
            text = variable + "".join(f"[{index}]" for index in some)
            self._tables[text] = _reader(held, some)
            return text
        return None

    def _listed(self, places: Sequence[Place], values: Vector, field: str, label: str) -> str | None:
        """A parameter that is a list with a value for every round."""
        for index in _indexes(places):
            keys = [(place.call, dict(place.indexes)[index]) for place in places]
            if not _constant(keys, values):
                continue
            vector: list[Any] = []
            for call in range(len(self.calls)):
                held = {(key[1],): v for key, v in zip(keys, values, strict=True) if key[0] == call and v is not ABSENT}
                vector.append(_nested(held) if held else ABSENT)
            if None in vector:
                continue
            name = _SHORT.get(field, field)
            return f"{self._add(_PLURAL.get(name, f'{name}s'), vector, label)}[{index}]"
        return None

    # -- conditions ------------------------------------------------------------------------------------------------

    def holds(self, places: Sequence[Place], truth: Vector, label: str, arriving: Mapping[str, list[Any]]) -> str:
        """A condition that is true in some places, false in others.

        Raises:
            Unsaid: it follows from nothing that has a name.
        """
        for text in self._conditions(places, truth, arriving):
            return text
        if self.name and _constant([place.call for place in places], truth):
            vector = [ABSENT] * len(self.calls)
            for place, value in zip(places, truth, strict=True):
                vector[place.call] = value
            return self._add(identifier(label), vector, "")
        found = (
            self._table(places, truth, identifier(label)) if not self.name else self._listed(places, truth, label, "")
        )
        if found is None:
            raise Unsaid
        return found

    def _conditions(self, places: Sequence[Place], truth: Vector, arriving: Mapping[str, list[Any]]) -> Iterator[str]:
        atoms = list(self._atoms(places, arriving))
        for text, vector in atoms:
            if agrees(vector, truth):
                yield text
        few = [
            (text, vector)
            for text, vector in atoms
            if not any(t is True and v is not True for v, t in zip(vector, truth, strict=True))
        ]
        for (a, first), (b, second) in combinations(few, 2):
            if a.partition(" ")[0] != b.partition(" ")[0] and agrees([x is True and y is True for x, y in zip(first, second, strict=True)], truth):
                yield f"{a} and {b}"

    def _atoms(self, places: Sequence[Place], arriving: Mapping[str, list[Any]]) -> Iterator[tuple[str, list[Any]]]:
        known = self._spread(places)
        for key, vector in known.items():
            if all(isinstance(value, bool) for value in vector if value is not ABSENT):
                yield key, vector
                yield f"not {key}", mapped(vector, lambda value: not value)
        for index in _indexes(places):
            numbers = [dict(place.indexes)[index] for place in places]
            yield f"{index} == 0", [number == 0 for number in numbers]
            yield f"{index} > 0", [number > 0 for number in numbers]
            if index in self.counts and len(set(numbers)) > 2:
                count, rounds = self.counts[index]
                last = count - 1 if isinstance(count, int) else f"{count} - 1"
                yield f"{index} < {last}", [dict(p.indexes)[index] < rounds[_key(p, index)] - 1 for p in places]
        for key, vector in known.items():
            if not whole(vector) or ABSENT in vector:
                continue
            if key == "stride":
                yield "stride > 1", [value > 1 for value in vector]
                yield "stride == 1", [value == 1 for value in vector]
            for name, sizes in arriving.items():
                yield f"{name} != {key}", [a != b for a, b in zip(sizes, vector, strict=True)]
                yield f"{name} == {key}", [a == b for a, b in zip(sizes, vector, strict=True)]

    def mark(self) -> tuple[Any, ...]:
        """What has been named so far, to come back to."""
        return dict(self.parameters), dict(self._tables), dict(self._variables.values)

    def back(self, mark: tuple[Any, ...]) -> None:
        """Forget what has been named since."""
        self.parameters, self._tables, self._variables.values = map(dict, mark)

    def cost(self, mark: tuple[Any, ...]) -> int:
        """How much has been named since, in characters."""
        lists = [value for name, value in self._variables.values.items() if name not in mark[2]]
        return len(str(lists)) + 150 * sum(
            any(isinstance(value, list) for value in vector)
            for name, vector in self.parameters.items()
            if name not in mark[0]
        )

    def count(self, index: str, text: Any, rounds: Mapping[Any, int]) -> None:
        """Note how often a repeat is carried out, so that its last round can be told."""
        self.counts[index] = (text, rounds)

    # -- the signature ---------------------------------------------------------------------------------------------

    def default(self, name: str) -> Any:
        """The usual value of a parameter, which calls leave out; ``ABSENT`` if it has none."""
        values = [value for value in self.parameters[name] if value is not ABSENT]
        missing = len(values) < len(self.parameters[name])
        if any(isinstance(value, (list, tuple)) for value in values):
            return ABSENT if not missing else values[0]
        if False in [value for value in values if isinstance(value, bool)]:
            return False
        usual = _USUAL.get(name, ABSENT)
        if usual in values:
            return usual
        most = max(values, key=values.count)
        often = name == "kernel" and 2 * values.count(most) >= len(values)
        return most if missing or often else ABSENT

    def signature(self) -> str:
        """As the spec writes it: ``conv_bn(out, kernel=1)``."""
        given = [name for name in self.parameters if self.default(name) is ABSENT]
        usual = [f"{name}={written(self.default(name))}" for name in self.parameters if name not in given]
        return f"{self.name}({', '.join([*given, *usual])})"


RESERVED_NAMES = {*FUNCTIONS, *ENTRY_KEYS, "i", "j", "k", "stage", "input"}


def _key(place: Place, index: str) -> Any:
    """The repeat around a place that an index counts."""
    names = [name for name, _ in place.indexes]
    return place.call, place.indexes[: names.index(index)]


def _covers(vector: Vector, values: Vector) -> bool:
    """Whether there is a number wherever one is wanted."""
    return all(v is ABSENT or c is not ABSENT for c, v in zip(vector, values, strict=True))


def _indexes(places: Sequence[Place]) -> list[str]:
    return [name for name, _ in places[0].indexes]


def _constant(keys: Sequence[Any], values: Vector) -> bool:
    """Whether the value follows from the key."""
    found: dict[Any, Any] = {}
    for key, value in zip(keys, values, strict=True):
        if value is not ABSENT and not same(found.setdefault(key, value), value):
            return False
    return True


def _nested(held: Mapping[tuple[int, ...], Any]) -> Any:
    """A list (of lists) by its indexes; ``None`` where it has holes or is too long."""
    if len(held) > _LONGEST_TABLE or () in held:
        return None
    heads = sorted({key[0] for key in held})
    if heads != list(range(len(heads))):
        return None
    if all(len(key) == 1 for key in held):
        return [held[number,] for number in heads]
    inner = [_nested({key[1:]: value for key, value in held.items() if key[0] == number}) for number in heads]
    return None if None in inner else inner


def _reader(held: Mapping[tuple[int, ...], Any], some: tuple[str, ...]) -> Callable[[Place], Any]:
    def read(place: Place) -> Any:
        indexes = dict(place.indexes)
        return held.get(tuple(indexes[index] for index in some), ABSENT) if set(some) <= set(indexes) else ABSENT

    return read


def free(name: str, taken: set[str]) -> str:
    """The name, with a number if something else has it."""
    stem, number = name, 2
    while name in taken or not is_variable(name):
        name, number = f"{stem}_{number}", number + 1
    return name


def _joint(label: str, name: str) -> str:
    """The name of a parameter for one layer: `branch1` is how many channels that makes."""
    return identifier(label + name[3:] if re.match(r"out(_|$)", name) else f"{label}_{name}")


def identifier(label: str) -> str:
    """A label as the name of a variable."""
    word = re.sub(r"\W+", "_", label).strip("_").lower()
    return word if word[:1].isalpha() else f"with_{word}"


def written(value: Any) -> str:
    """A value inside an expression."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, str):
        return str(value)
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
    )
