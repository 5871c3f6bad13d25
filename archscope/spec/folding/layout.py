"""The lines of a spec: short things in one line, long ones by indentation, as people write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

WIDTH = 120
#: a line with layers in it is broken earlier
_COMFORTABLE = 100

#: more layers than these stand in lines of their own
_MOST = 3

_PLAIN = re.compile(r"[A-Za-z0-9_(.][^\n\t]*|-(?=[A-Za-z0-9_(])[^\n\t]*")
_FLOW = re.compile(r"[,\[\]{}]")
_WORDS = {"", "~", "null", "true", "false"}


class Quoted(str):
    """A text that would be read as a number."""

    __slots__ = ()


def document(parts: dict[str, Any]) -> str:
    """The text of a spec; a blank line before every section of several lines."""
    lines: list[str] = []
    for key, value in parts.items():
        if key == "blocks":
            lines += ["", "blocks:"]
            for number, (signature, body) in enumerate(value.items()):
                lines += [*([""] if number else []), *_block(f"{quoted(signature, flow=False)}:", body, 2)]
        elif key == "layers":
            lines += ["", "layers:" if value else "layers: []", *_entries(value, 2)]
        elif key == "vars" and len(f"vars: {in_line(value)}") > WIDTH:
            lines += ["vars:", *(f"  {name}: {in_line(one)}" for name, one in value.items())]
        elif key == "vars":
            lines.append(f"vars: {in_line(value)}")
        else:
            lines += _pair(key, value, 0)
    return "\n".join(lines) + "\n"


def _block(head: str, body: list[Any], indent: int) -> Iterator[str]:
    line = f"{' ' * indent}{head} {in_line(body)}"
    if len(body) == 1 and not isinstance(body[0], dict) and len(line) <= WIDTH:
        yield line
        return
    yield " " * indent + head
    yield from _entries(body, indent + 2)


def _entries(entries: list[Any], indent: int) -> Iterator[str]:
    for entry in entries:
        yield from _item(entry, indent)


def _item(entry: Any, indent: int) -> Iterator[str]:
    """``- `` and what stands behind it."""
    short = in_line(entry)
    if isinstance(entry, dict) and len(entry) == 1 and short.startswith("{") and _simple(next(iter(entry.values()))):
        ((key, value),) = entry.items()
        bare = (
            f"{quoted(key, flow=False)}: {in_line(value) if not isinstance(value, str) else quoted(value, flow=False)}"
        )
        if value is not None and indent + 2 + len(bare) <= WIDTH:
            yield f"{' ' * indent}- {bare}"
            return
    if indent + 2 + len(short) <= (WIDTH if _simple(entry) else _COMFORTABLE) and _size(entry) <= _MOST:
        yield f"{' ' * indent}- {short}"
        return
    if isinstance(entry, list):
        lines = list(_entries(entry, indent + 2))
    else:
        lines = [line for key, value in entry.items() for line in _pair(key, value, indent + 2)]
    yield f"{' ' * indent}- {lines[0].lstrip(' ')}"
    yield from lines[1:]


def _pair(key: str, value: Any, indent: int) -> Iterator[str]:
    space, key = " " * indent, quoted(key, flow=False)
    short = in_line(value) if not isinstance(value, str) else quoted(value, flow=False)
    if value is None:
        yield f"{space}{key}:"
    elif isinstance(value, str) or (len(space + key + short) + 2 <= WIDTH and _size(value) <= _MOST and _plain(value)):
        yield f"{space}{key}: {short}"
    elif isinstance(value, dict):
        yield f"{space}{key}:"
        for name, inner in value.items():
            yield from _pair(name, inner, indent + 2)
    elif isinstance(value, list):
        yield f"{space}{key}:"
        yield from _entries(value, indent + (2 if key == "layers" else 0))
    else:
        yield f"{space}{key}: {short}"


def _plain(value: Any) -> bool:
    return _simple(value) or len(in_line(value)) <= 80


def _simple(value: Any) -> bool:
    """Whether there are no layers in it."""
    return _size(value) == 0


def _size(value: Any) -> int:
    """How many layers stand in it, if it is a branch or a list of layers."""
    if isinstance(value, dict):
        return sum(map(_size, value.values())) + (_MOST if "repeat" in value else 0)
    if isinstance(value, list):
        return sum(1 + _size(item) if isinstance(item, (dict, str)) else _size(item) for item in value)
    return 0


def in_line(value: Any) -> str:
    """A value as it stands within a line."""
    if isinstance(value, dict):
        inner = [quoted(k) if v is None else f"{quoted(k)}: {in_line(v)}" for k, v in value.items()]
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_within(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return re.sub(r"e-0", "e-", repr(value))
    return "null" if value is None else quoted(value) if isinstance(value, str) else str(value)


def _within(item: Any) -> str:
    """An item of a list: a pair of one key needs no braces there."""
    text = in_line(item)
    return text[1:-1] if isinstance(item, dict) and len(item) == 1 and next(iter(item.values())) is not None else text


def quoted(text: str, *, flow: bool = True) -> str:
    """A text, in quotes where YAML would read it as something else."""
    plain = (
        not isinstance(text, Quoted)
        and _PLAIN.fullmatch(text)
        and not (flow and _FLOW.search(text))
        and text.lower() not in _WORDS
    )
    if plain and ": " not in text and " #" not in text and not text.endswith((":", " ")):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
