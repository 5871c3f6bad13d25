"""YAML with positions: every value knows its line and column.

PyYAML (libyaml where it is compiled in) scans the text into events; the nodes are built from them here, because a
spec wants what no constructor gives: a mark on every value, duplicate keys as errors, YAML 1.2 scalars (``1e6`` is a
number, ``no`` is a word), and limits that turn bombs into messages.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import yaml

from archscope import revisions
from archscope.errors import SpecError
from archscope.errors.diagnostics import MOST_REPORTED, Diagnostic, Mark, Source
from archscope.files import irregular
from archscope.spec.expressions import FUNCTIONS
from archscope.spec.limits import DEEPEST_NESTING, LARGEST_FILE, MOST_VALUES

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_BEGINS_NUMBERS = frozenset("0123456789+-.")
#: what no text holds: control characters, and halves of surrogate pairs
_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: arithmetic that YAML's brackets would part: an index or a call
_INDEXED = re.compile(r"(?<=[:,\[{] )[-+(]*[A-Za-z_][\w.]*[\[(]|(?<=[\[{])[-+(]*[A-Za-z_][\w.]*[\[(]")
#: what is no key of a mapping: what is wrong with it, and a hint
_NO_KEYS = {
    "": ("a key is missing before the colon", "as in `name: value`"),
    "<<": ("merge keys are no part of the spec language", "what several layers share goes into a block"),
}
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

#: texts that are remembered, of so many characters at most
_MOST_REMEMBERED, _LONGEST_REMEMBERED = 32, 2**16

#: what an entry of a list of layers may say besides its op or block
MODIFIERS = ("name", "from", "when", "freeze", "checkpoint", "no_grad", "dtype", "init")

#: A scalar's value; a string may be an expression, which only the place where it stands can tell.
Plain = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A number, a truth value, a word, or nothing."""

    value: Plain
    mark: Mark
    inset: int | None = 0  # how far behind the mark its text begins; None if it does not stand there letter by letter
    raw: str | None = None

    @property
    def text(self) -> str:
        """The value as its author wrote it, without quotes: always a string."""
        return self.raw if self.raw is not None else "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: list[Node]
    mark: Mark


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping, in the order of the file; keys are unique."""

    entries: dict[str, Node]
    keys: dict[str, Mark]
    mark: Mark


Node = ScalarNode | ListNode | MapNode


def read_file(path: Path) -> Source:
    """The text of a spec file.

    Raises:
        SpecError: it is missing (on the disk, or in its revision), a folder, empty, too large, or not text.
    """
    name = str(path)
    try:
        strange = irregular(path)
        if strange and strange != "a device":  # of which no more is read than a spec may have
            raise _failure(f"{name} is {strange}, not a spec")
        place = None if path.exists() else revisions.place_of(path)
        if place is not None:
            return Source(name, _decode(revisions.read(place, LARGEST_FILE + 1), name))
        with path.open("rb") as file:
            return Source(name, _decode(file.read(LARGEST_FILE + 1), name))
    except FileNotFoundError:
        raise _failure(f"there is no file {name}") from None
    except OSError as error:
        raise _failure(f"{name} cannot be read: {error.strerror}") from None


def read_stdin() -> Source:
    """The text of a spec on standard input."""
    if sys.stdin is None:  # as the shell's <&- leaves it
        raise _failure("standard input cannot be read: it is closed")
    try:
        return Source("<stdin>", _decode(sys.stdin.buffer.read(LARGEST_FILE + 1), "<stdin>"))
    except OSError as error:
        raise _failure(f"standard input cannot be read: {error.strerror}") from None


def _decode(data: bytes, name: str) -> str:
    if len(data) > LARGEST_FILE:
        raise _failure(f"{name} has more than {LARGEST_FILE:,} bytes, the most that a spec has")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _failure(f"{name} is not text: byte {error.start} is not UTF-8") from None
    if "\0" in text:
        raise _failure(f"{name} is not text: it holds NUL bytes")
    return text


def _failure(message: str, mark: Mark | None = None, hint: str = "") -> SpecError:
    return SpecError([Diagnostic(message, mark, hint)])


def read(source: Source) -> Node:
    """The one YAML document in a text; nothing (a scalar without a value) where there is none.

    Raises:
        SpecError: bad YAML, a duplicate key, several documents, or a limit exceeded.
    """
    strange = _NO_TEXT.search(source.text)
    if strange is not None:
        before = Source(source.name, source.text[: strange.start()]).lines
        raise _no_text(strange, Mark(source, len(before), len(before[-1]) + 1))
    try:
        return _composed(source) if len(source.text) <= _LONGEST_REMEMBERED else _Composer(source).compose()
    except yaml.MarkedYAMLError as error:
        raise _explained(error, source) from None


@lru_cache(_MOST_REMEMBERED)
def _composed(source: Source) -> Node:
    """The document in a short text, remembered by the text: many designs include the same library of blocks."""
    return _Composer(source).compose()


def _no_text(strange: re.Match[str], mark: Mark) -> SpecError:
    return _failure(f"the character U+{ord(strange[0]):04X} cannot stand in a spec", mark)


def _explained(error: yaml.MarkedYAMLError, source: Source) -> SpecError:
    """What YAML says of its mistake, told where its author looks for it: an open bracket where it was opened."""
    place, start = error.problem_mark or error.context_mark, error.context_mark
    problem, context = error.problem or error.context or "unreadable", error.context or ""
    if place is None:
        return _failure(f"not YAML: {problem}")
    line = source.lines[place.line] if place.line < len(source.lines) else ""
    if start is not None and place.line > start.line and ("flow" in context or "quoted" in context):
        opener = source.lines[start.line][start.column : start.column + 1]
        problem = f"this `{opener}` is not closed, or what stands in it is not separated by commas"
        message = f"not YAML: {'this quote is not closed' if 'quoted' in context else problem}"
        mark = Mark(source, start.line + 1, start.column + 1)
        return _failure(message, mark, f"noticed on line {place.line + 1}")
    mark = Mark(source, place.line + 1, place.column + 1)
    above = source.lines[place.line - 1] if place.line else ""
    return _failure(f"not YAML: {problem}", mark, _yaml_hint(above, line, place.column, problem))


def _yaml_hint(above: str, line: str, column: int, problem: str) -> str:
    if "\t" in line:
        return "indent by spaces: YAML allows no tabs"
    value = _value_around(line, column)
    if value and ("did not find expected" in problem or "cannot start any token" in problem):
        return _quoted(value)
    if "mapping values are not allowed" in problem:
        return _colon_hint(above, line)
    if "cannot start any token" in problem:
        return "a value that begins so needs quotes"
    if "could not find expected ':'" in problem:
        return "a key ends with a colon; a value that goes on in the next line is indented"
    if "did not find expected key" in problem or "block" in problem:
        return "the entries of one list or mapping begin in the same column"
    return ""


def _quoted(value: str) -> str:
    return f"inside [...] and {{...}} a value with brackets, commas or * needs quotes: '{value}'"


def _value_around(line: str, column: int) -> str:
    """The arithmetic at a place inside [...] or {...}, as far as its own brackets go; empty where none is indexed."""
    for match in _INDEXED.finditer(line[: column + 200]):
        end = _closing(line, match.start())
        if match.start() <= column <= end:
            return line[match.start() : end].rstrip()
    return ""


def _closing(line: str, start: int) -> int:
    """Where a value that begins at a place ends: at a comma or a bracket that is not its own."""
    depth = 0
    for place, char in enumerate(line[start:], start):
        depth += (char in "([{") - (char in ")]}")
        if depth < 0 or (char == "," and not depth):
            return place
    return len(line)


def _colon_hint(above: str, line: str) -> str:
    """What to do about a colon that YAML does not expect: the line above is often a layer that wants one too."""
    word = re.fullmatch(r"\s*- +(?P<word>[A-Za-z_]\w*)\s*", above)
    key = re.match(r"\s*(?P<key>\w+):", line)
    if word is not None and key is not None:
        where = "in the column of its name" if key["key"] in MODIFIERS else "deeper than its name"
        return f"a layer of which more is said has a colon: `- {word['word']}:`; then `{key['key']}:`, {where}"
    entry = re.match(r"\s*- +(?P<word>[A-Za-z_]\w*):\s*\S", above)
    if entry is not None and key is not None:
        return f"`{key['key']}:` begins in the column of `{entry['word']}:`, or both are arguments in {{...}}"
    return "a colon inside a value needs quotes, or the line above is indented differently"


class _Composer:
    """Nodes from events, with limits. Iterative, so that nesting cannot exhaust Python's stack."""

    def __init__(self, source: Source) -> None:
        self._source, self._lines = source, source.lines
        self._anchors: dict[str, Node | None] = {}  # None while the node is still being built
        self._values = 0
        self._problems: list[Diagnostic] = []

    def compose(self) -> Node:
        root: Node | None = None
        stack: list[_Open] = []
        for event in yaml.parse(self._source.text, Loader=_Loader):
            if isinstance(event, yaml.ScalarEvent):
                node: Node = self._scalar(event)
                if stack and stack[-1].flow and not event.style and stack[-1].takes(event.value):
                    self._refuse_parted(event.value, node.mark)
            elif isinstance(event, yaml.AliasEvent):
                node = self._alias(event, len(stack))
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._open(stack, event)
                continue
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                node = self._close(stack.pop(), event)
            else:
                if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                    raise _failure("a second document begins here; a spec is one", self._mark(event))
                continue
            if stack:
                self._add(stack[-1], node)
            else:
                root = node
        if self._problems:
            raise SpecError(self._problems)
        return ScalarNode(None, Mark(self._source, 1, 1)) if root is None else root

    def _mark(self, event: yaml.Event) -> Mark:
        start, end = event.start_mark, event.end_mark
        assert start is not None  # every event of a text has marks
        assert end is not None
        line, column = start.line, start.column
        length = end.column - column if end.line == line else 1
        return Mark(self._source, line + 1, column + 1, max(1, length))

    def _scalar(self, event: yaml.ScalarEvent) -> ScalarNode:
        mark, text, style = self._mark(event), event.value, event.style
        self._refuse_tag(event.tag, mark)
        strange = _NO_TEXT.search(text) if style == '"' else None  # written as an escape, "\x1b"
        if strange is not None:
            raise _no_text(strange, mark)
        line = self._lines[mark.line - 1] if mark.line <= len(self._lines) else ""
        inset = 1 if style else 0
        verbatim = line.startswith(text, mark.column - 1 + inset)
        node = ScalarNode(text if style else resolve(text), mark, inset if verbatim else None, text)
        self._count(mark)
        self._name(event.anchor, node)
        return node

    def _refuse_parted(self, text: str, mark: Mark) -> None:
        """Tell of a call that a comma has parted: YAML knows no parentheses."""
        if text.count("(") <= text.count(")"):
            return
        line, start = self._source.lines[mark.line - 1], mark.column - 1
        value = line[start : _closing(line, start)].rstrip()
        parted = value.startswith(text) and value[len(text) :].lstrip().startswith(",")
        if parted and value.count("(") == value.count(")"):
            raise _failure(f"a comma parts `{value}` here", mark.shifted(0, len(value)), _quoted(value))

    def _count(self, mark: Mark) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _failure(f"more than {MOST_VALUES:,} values, aliases written out", mark, "use blocks and repeats")

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        mark = self._mark(event)
        if event.anchor not in self._anchors:
            hint = "a value that begins with * needs quotes, unless it repeats an earlier &value"
            raise _failure(f"there is no anchor &{event.anchor} before this alias", mark, hint)
        node = self._anchors[event.anchor]
        if node is None:
            raise _failure(f"&{event.anchor} contains itself through this alias", mark)
        return self._copied(node, mark, depth)

    def _copied(self, node: Node, alias: Mark, depth: int) -> Node:
        """What an alias stands for, as if it were written out there: entries are told apart by their nodes."""
        self._count(alias)
        if depth > DEEPEST_NESTING:
            raise _failure(f"more than {DEEPEST_NESTING} levels of nesting", alias)
        if isinstance(node, ListNode):
            return replace(node, items=[self._copied(item, alias, depth + 1) for item in node.items])
        if isinstance(node, MapNode):
            entries = {key: self._copied(value, alias, depth + 1) for key, value in node.entries.items()}
            return replace(node, entries=entries)
        return replace(node)

    def _open(self, stack: list[_Open], event: yaml.CollectionStartEvent) -> None:
        mark = self._mark(event)
        self._refuse_tag(event.tag, mark)
        self._count(mark)
        if len(stack) >= DEEPEST_NESTING:
            raise _failure(f"more than {DEEPEST_NESTING} levels of nesting", mark)
        stack.append(_Open(mark, isinstance(event, yaml.MappingStartEvent), bool(event.flow_style), event.anchor, []))
        self._name(event.anchor, None)

    def _add(self, parent: _Open, node: Node) -> None:
        if parent.is_map and len(parent.nodes) % 2 == 0 and not isinstance(node, ScalarNode):
            raise _failure("a key must be a single word", node.mark, "quote it if it holds brackets or braces")
        parent.nodes.append(node)

    def _close(self, opened: _Open, event: yaml.Event) -> Node:
        nodes, mark, end = opened.nodes, opened.mark, self._mark(event)
        if opened.flow and end.line == mark.line:
            mark = Mark(self._source, mark.line, mark.column, end.column + end.length - mark.column)
        node: Node
        if opened.is_map:
            entries: dict[str, Node] = {}
            keys: dict[str, Mark] = {}
            for key, value in zip(nodes[::2], nodes[1::2], strict=True):
                assert isinstance(key, ScalarNode)
                text = key.text
                if text in keys or text in _NO_KEYS:
                    self._refuse_key(key, keys)
                entries[text], keys[text] = value, key.mark
            node = MapNode(entries, keys, mark)
        else:
            node = ListNode(nodes, mark)
        self._name(opened.anchor, node)
        return node

    def _refuse_key(self, key: ScalarNode, earlier: dict[str, Mark]) -> None:
        if key.text in earlier:
            first = f"first on line {earlier[key.text].line}"
            message, hint = f"`{key.text}` stands twice in this mapping ({first})", ""
        else:
            message, hint = _NO_KEYS[key.text]
        self._problems.append(Diagnostic(message, key.mark, hint))
        if len(self._problems) >= MOST_REPORTED:
            raise SpecError(self._problems)

    def _name(self, anchor: str | None, node: Node | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _refuse_tag(self, tag: str | None, mark: Mark) -> None:
        if tag is not None and tag != "!":
            raise _failure(f"the tag {tag} has no meaning in a spec", mark)


#: the words before brackets
_CALLED = re.compile(r"(\w+)\(")


class _Open(NamedTuple):
    """A collection whose end has not been read yet."""

    mark: Mark
    is_map: bool
    flow: bool
    anchor: str | None
    nodes: list[Node]

    def takes(self, text: str) -> bool:
        """Whether a text stands where a value does; in a list it may be a layer, unless it calls a function."""
        if self.is_map:
            return len(self.nodes) % 2 == 1
        return any(word in FUNCTIONS for word in _CALLED.findall(text))


def resolve(text: str) -> Plain:
    """An unquoted scalar by YAML 1.2's core schema (underscores in integers allowed besides)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _BEGINS_NUMBERS:
        return text
    if _INT.fullmatch(text):
        return int(text) if len(text) <= 100 else text
    if _FLOAT.fullmatch(text):
        return float(text) if isfinite(float(text)) else text
    return float(text.replace(".", "")) if _INFINITE.fullmatch(text) else text
