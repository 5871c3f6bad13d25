"""The entries of a list of layers: how they are put together, shortened and searched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from archscope.ops import Op
from archscope.ops.fields import FieldError
from archscope.spec.document import ENTRY_KEYS
from archscope.structure.overlay import Child
from archscope.structure.parts import Part

Entry = Any

#: arguments that stand alone, though they have a default
_BARE = ("p", "negative_slope", "dim")


def bare(op: Op, name: str) -> Any:
    """An argument; one number where all axes have the same."""
    value = op.arguments()[name]
    info = op.field(name)
    if not isinstance(value, tuple) or len(set(value)) != 1 or info is None:
        return value
    try:
        return value[0] if info.kind.read(value[0], op.rank) == value else value
    except FieldError:
        return value


def called(op: Op, arguments: dict[str, Any], inputs: list[Entry] | None) -> Any:
    """What stands behind an op's name."""
    bare = op.arity.most is None or op.arity.least > 1
    if inputs is not None:
        return inputs if not arguments and bare else {"inputs": inputs, **arguments}
    first = op.field(op.bare() or "")
    if first is not None and list(arguments) == [first.name] and (first.required or first.name in _BARE):
        value = arguments[first.name]
        listed = isinstance(value, (tuple, list))
        if value is not None and not (listed and bare):
            return value
    return arguments or None


def argument(entry: Entry) -> Any:
    """What stands behind the word of a named entry."""
    return [value for key, value in entry.items() if key not in ENTRY_KEYS]


def ungrouped(entry: Entry) -> list[Entry]:
    """The entries that a condition is about."""
    if "layers" in entry and "name" not in entry:
        return list(entry["layers"])
    return [shortened({key: value for key, value in entry.items() if key != "when"})]


def shortened(entry: Entry) -> Entry:
    """A word alone where nothing else is said."""
    if isinstance(entry, dict) and len(entry) == 1:
        ((word, value),) = entry.items()
        if value is None:
            return word
    return entry


def used(value: Any) -> set[str]:
    """The words in expressions and names of an entry, its own name and index apart."""
    if isinstance(value, dict):
        return {
            word
            for key, inner in value.items()
            if key != "index"
            for word in used(inner)
            if (key, inner) != ("name", "{i}")
        }
    if isinstance(value, (list, tuple)):
        return {word for inner in value for word in used(inner)}
    return set(re.findall(r"\w+", value)) if isinstance(value, str) else set()


def regions(entries: list[Entry], children: Sequence[Child]) -> list[Entry]:
    """Entries that are recomputed together in groups."""
    grouped: list[Entry] = []
    region: str | None = None
    for entry, child in zip(entries, children, strict=True):
        own = _region(child.some)
        if own is not None and own == region:
            grouped[-1]["layers"].append(entry)
        elif own is not None:
            grouped.append({"layers": [entry], "checkpoint": True})
        else:
            grouped.append(entry)
        region = own
    return grouped


def _region(part: Part) -> str | None:
    """The region that a part is recomputed with, if that is more than the part."""
    regions = {one.step.layer.checkpoint for one in part.every() if one.step is not None}
    return None if part.recomputed or len(regions) > 1 else regions.pop()
