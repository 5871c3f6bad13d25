"""Values that differ between the places where a list of layers stands, as a spec writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Any

from archscope.spec.folding.slots import Expression, Place, Slot, Unsaid
from archscope.spec.folding.variables import RESERVED_NAMES, Variables, identifier, variable, written
from archscope.structure.arithmetic import (
    ABSENT,
    Vector,
    agrees,
    columns,
    constant,
    equal,
    formulas,
    linear,
    one,
    present,
    same,
    truths,
    two,
    usual,
    whole,
)
from archscope.structure.parts import Part

_PLURAL = {"count": "depths", "out": "widths", "kernel": "kernels", "stride": "strides"}
#: the longest list of lists that stands for a formula
_LONGEST_TABLE = 64


class BlockParameters:
    """A block (or the design itself) with its parameters.

    Args:
        name: empty for the design itself.
        calls: the parts that are this block.
        variables: of the design.

    Attributes:
        parameters: the value in each call; ``ABSENT`` where the call has no use for it.
        made: parameters that are numbers of channels or features made.
        sketched: whether only what is always there is looked at, to find the parameters that matter most.
    """

    def __init__(self, name: str, calls: list[Part], variables: Variables) -> None:
        self.name, self.calls = name, calls
        self.parameters: dict[str, list[Any]] = {}
        self.made: set[str] = set()
        self.sketched = False
        self._variables = variables
        self._ambiguous: set[str] = set()
        self._labels: dict[str, str] = {}
        self._tables: dict[str, Callable[[Place], Any]] = {}
        self._counts: dict[str, Any] = {}

    # -- values ----------------------------------------------------------------------------------------------------

    def express(self, slot: Slot) -> Any:
        """What a spec writes for a value: itself where it is the same everywhere, else arithmetic.

        Raises:
            Unsaid: it follows from nothing that has a name.
        """
        follows = slot.follows()
        if slot.constant:
            value = present(slot.values)[0]
            return Expression(follows) if slot.field == "groups" and follows and value > 1 else value
        if slot.field == "groups" and follows:
            return Expression(follows)
        listed = self._elementwise(slot)
        if listed is not None:
            return listed
        if self.name and _constant([place.call for place in slot.places], slot.values):
            return Expression(self._of_call(slot))
        text = self._of_round(slot)
        if text is None and self.name:
            text = self._listed(slot)
        if text is None:
            raise Unsaid
        return Expression(text)

    def _elementwise(self, slot: Slot) -> Any:
        """A list of which every number is the same everywhere, or something that has a name."""
        numbers = columns(slot.values)
        if not numbers:
            return None
        candidates = {**slot.arriving, **self._spread(slot.places)}
        elements: list[Any] = []
        for column in numbers:
            name = equal(candidates, column)
            if constant(column):
                elements.append(present(column)[0])
            elif name is not None:
                elements.append(Expression(name))
            else:
                return None
        return elements

    def _of_call(self, slot: Slot) -> str:
        """A value that is the same in all places of a call."""
        candidates = self._spread(slot.places)
        likely = dict(sorted(candidates.items(), key=lambda item: item[0].partition("_")[0] != slot.name))
        name = equal(likely, slot.values) or slot.follows()
        if name is not None:
            return name
        candidates = {key: vector for key, vector in candidates.items() if _covers(vector, slot.values)}
        if whole(slot.values):
            sources = [candidates, slot.arriving] if slot.made else [candidates]
            texts = chain(formulas((one, linear), sources, slot.values), two(candidates, slot.values))
            for text in texts:
                return text
        return self._add(slot.name, self._by_call(slot), slot.label, made=slot.made)

    def _by_call(self, slot: Slot) -> list[Any]:
        vector = [ABSENT] * len(self.calls)
        for place, value in zip(slot.places, slot.values, strict=True):
            if value is not ABSENT:
                vector[place.call] = value
        return vector

    def _spread(self, places: Sequence[Place]) -> dict[str, list[Any]]:
        """What has a name, by place."""
        vectors = {name: [vector[place.call] for place in places] for name, vector in self.parameters.items()}
        for text, held in self._tables.items():
            vector = [held(place) for place in places]
            if ABSENT not in vector:
                vectors[text] = vector
        return {name: vector for name, vector in vectors.items() if not any(isinstance(v, list) for v in vector)}

    def _add(self, name: str, vector: list[Any], label: str, *, made: bool = False) -> str:
        for other, held in self.parameters.items():
            if held == vector and other.startswith(name):
                return other
        if name in self.parameters:
            self._ambiguous.add(name)
        if name in self._ambiguous and label:
            name = _joint(label, name)
        name = variable(name, {*self.parameters, *RESERVED_NAMES})
        self.parameters[name], self._labels[name] = vector, label
        self.made |= {name} if made else set()
        return name

    def forget_but(self, used: set[str]) -> None:
        """Forget the parameters that nothing uses."""
        self.parameters = {name: vector for name, vector in self.parameters.items() if name in used}

    def settle(self) -> None:
        """Call parameters of one kind after their layers, where there are several."""
        for name in self._ambiguous & set(self.parameters):
            label = self._labels[name]
            better = variable(_joint(label, name), {*self.parameters, *RESERVED_NAMES}) if label else name
            self.parameters = {better if key == name else key: held for key, held in self.parameters.items()}
            self.made |= {better} if name in self.made else set()

    def _of_round(self, slot: Slot) -> str | None:
        """A value that differs from round to round: arithmetic over indexes, lists, and what arrives."""
        if all(isinstance(value, bool) for value in slot.values if value is not ABSENT):
            return self.holds(slot)
        candidates = self._spread(slot.places)
        return (
            equal(candidates, slot.values)
            or slot.follows()
            or self._counted(slot, candidates)
            or self._either(slot)
            or self._first(slot)
            or self._parted(slot)
            or self._table(slot)
        )

    def _counted(self, slot: Slot, candidates: dict[str, list[Any]]) -> str | None:
        """Arithmetic over an index, over what has a name, or over what arrives."""
        if not whole(slot.values):
            return None
        sources = [candidates, slot.arriving] if slot.made else [candidates]
        return next(chain(_progress(slot), formulas((one,), sources, slot.values)), None)

    def _either(self, slot: Slot) -> str | None:
        """``2 if stage > 0 and i == 0 else 1``."""
        if not whole(slot.values):
            return None
        distinct = list(dict.fromkeys(present(slot.values)))
        if len(distinct) != 2:
            return None
        for chosen, other in (distinct, distinct[::-1]):
            truth = slot._replace(values=[v if v is ABSENT else v == chosen for v in slot.values])
            condition = next(self._conditions(truth), None)
            if condition is not None:
                return f"{chosen} if {condition} else {other}"
        return None

    def _first(self, slot: Slot) -> str | None:
        """``stride if i == 0 else 1``."""
        for index in _indexes(slot.places)[::-1]:
            first, rest = slot.where(index, 0), slot.where(index, 0, other=True)
            if not rest.constant or not present(rest.values) or not present(first.values):
                continue
            text = self.express(first)
            inner = f"({text})" if isinstance(text, str) and " if " in text else written(text)
            return f"{inner} if {index} == 0 else {written(present(rest.values)[0])}"
        return None

    def _parted(self, slot: Slot) -> str | None:
        """``in_channels if stage == 0 else 6 * in_channels``."""
        if not slot.made or not whole(slot.values):
            return None
        for index in _indexes(slot.places):
            parts = [slot.where(index, 0), slot.where(index, 0, other=True)]
            if all(present(part.values) for part in parts):
                texts = [part.follows() or next(one(dict(slot.arriving), part.values), None) for part in parts]
                if None not in texts:
                    return f"{texts[0]} if {index} == 0 else {texts[1]}"
        return None

    def _table(self, slot: Slot) -> str | None:
        """A list with a value for every round, which becomes a variable of the design."""
        indexes = _indexes(slot.places)
        for some in (*((index,) for index in indexes), *combinations(indexes, 2)):
            keys = [tuple(dict(place.indexes)[index] for index in some) for place in slot.places]
            if not _constant(keys, slot.values):
                continue
            held = {key: value for key, value in zip(keys, slot.values, strict=True) if value is not ABSENT}
            table = _nested(held)
            if table is None:
                continue
            text = self._variables.add(_plural(slot.name), table) + "".join(f"[{index}]" for index in some)
            self._tables[text] = _reader(held, some)
            return text
        return None

    def _listed(self, slot: Slot) -> str | None:
        """A parameter that is a list with a value for every round."""
        for index in _indexes(slot.places):
            keys = [(place.call, dict(place.indexes)[index]) for place in slot.places]
            if not _constant(keys, slot.values):
                continue
            by_call: list[dict[tuple[int, ...], Any]] = [{} for _ in self.calls]
            for (call, number), value in zip(keys, slot.values, strict=True):
                if value is not ABSENT:
                    by_call[call][number,] = value
            vector = [_nested(held) if held else ABSENT for held in by_call]
            if None not in vector:
                return f"{self._add(_plural(slot.name), vector, slot.label)}[{index}]"
        return None

    # -- conditions ------------------------------------------------------------------------------------------------

    def holds(self, slot: Slot) -> str:
        """A condition that is true in some places, false in others.

        Raises:
            Unsaid: it follows from nothing that has a name.
        """
        for text in self._conditions(slot):
            return text
        slot = slot._replace(field=identifier(slot.field))
        if self.name and _constant([place.call for place in slot.places], slot.values):
            return self._add(slot.name, self._by_call(slot), "")
        expression = self._listed(slot) if self.name else self._table(slot)
        if expression is None:
            raise Unsaid
        return expression

    def _conditions(self, slot: Slot) -> Iterator[str]:
        truth, atoms = slot.values, list(self._atoms(slot))
        for text, vector in atoms:
            if agrees(vector, truth):
                yield text
        needed = [number for number, holds in enumerate(truth) if holds is True]
        few = [(text, vector) for text, vector in atoms if all(vector[number] is True for number in needed)]
        for (a, first), (b, second) in combinations(few, 2):
            both = [x is True and y is True for x, y in zip(first, second, strict=True)]
            if a.partition(" ")[0] != b.partition(" ")[0] and agrees(both, truth):
                yield f"{a} and {b}"

    def _atoms(self, slot: Slot) -> Iterator[tuple[str, list[Any]]]:
        candidates = self._spread(slot.places)
        yield from truths(candidates)
        for index in _indexes(slot.places):
            numbers = [dict(place.indexes)[index] for place in slot.places]
            yield f"{index} == 0", [number == 0 for number in numbers]
            yield f"{index} > 0", [number > 0 for number in numbers]
            if index in self._counts and len(set(numbers)) > 2:
                count, rounds = self._counts[index]
                last = count - 1 if isinstance(count, int) else f"{count} - 1"
                yield f"{index} < {last}", [dict(p.indexes)[index] < rounds[_key(p, index)] - 1 for p in slot.places]
        for key, vector in candidates.items():
            if not whole(vector) or ABSENT in vector:
                continue
            if key == "stride":
                yield "stride > 1", [value > 1 for value in vector]
                yield "stride == 1", [value == 1 for value in vector]
            for name, sizes in slot.arriving.items():
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
        self._counts[index] = (text, rounds)

    # -- the signature ---------------------------------------------------------------------------------------------

    def default(self, name: str) -> Any:
        """The usual value of a parameter, which calls leave out; ``ABSENT`` if it has none."""
        values = [value for value in self.parameters[name] if value is not ABSENT]
        missing = len(values) < len(self.parameters[name])
        if any(isinstance(value, (list, tuple)) for value in values):
            return ABSENT if not missing else values[0]
        if (value := usual(name, values)) is not ABSENT:
            return value
        most = max(values, key=values.count)
        often = name not in self.made and len(values) > 2 and 2 * values.count(most) >= len(values)
        return most if missing or often else ABSENT

    def signature(self) -> str:
        """As the spec writes it: ``conv_bn(out, kernel=1)``."""
        names = [name for name in self.parameters if self.default(name) is ABSENT]
        usual = [f"{name}={written(self.default(name))}" for name in self.parameters if name not in names]
        return f"{self.name}({', '.join([*names, *usual])})"


def _key(place: Place, index: str) -> Any:
    """The repeat around a place that an index counts."""
    names = [name for name, _ in place.indexes]
    return place.call, place.indexes[: names.index(index)]


def _progress(slot: Slot) -> Iterator[str]:
    """A sum or a power of an index, where three rounds or more confirm it."""
    for index in _indexes(slot.places):
        pairs = {(dict(p.indexes)[index], v) for p, v in zip(slot.places, slot.values, strict=True) if v is not ABSENT}
        table = sorted(pairs)
        if len(pairs) < 3 or len({number for number, _ in pairs}) < len(pairs) or table[0][0] != 0:
            continue
        first, second = table[0][1], table[1][1]
        step = (second - first) // (table[1][0] or 1)
        if all(value == first + step * number for number, value in table):
            product = index if step == 1 else f"{abs(step)} * {index}"
            yield product if first == 0 else f"{first} {'+' if step > 0 else '-'} {product}"
        factor = second // first if first > 0 and table[1][0] == 1 else 0
        if factor > 1 and all(value == first * factor**number for number, value in table):
            yield f"{first} * {factor}**{index}" if first != 1 else f"{factor}**{index}"


def _plural(name: str) -> str:
    return _PLURAL.get(name, name if name.endswith("s") else f"{name}s")


def _covers(vector: Vector, values: Vector) -> bool:
    """Whether there is a number wherever one is wanted."""
    return all(v is ABSENT or c is not ABSENT for c, v in zip(vector, values, strict=True))


def _indexes(places: Sequence[Place]) -> list[str]:
    return [name for name, _ in places[0].indexes]


def _constant(keys: Sequence[Any], values: Vector) -> bool:
    """Whether the value follows from the key."""
    first: dict[Any, Any] = {}
    for key, value in zip(keys, values, strict=True):
        if value is not ABSENT and not same(first.setdefault(key, value), value):
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


def _joint(label: str, name: str) -> str:
    """The name of a parameter for one layer: `branch1` is how many channels that makes."""
    return identifier(label + name[3:] if re.match(r"out(_|$)", name) else f"{label}_{name}")
