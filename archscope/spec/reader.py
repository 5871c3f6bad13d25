"""YAML with positions: every value knows its line and column.

PyYAML (libyaml where it is compiled in) scans the text into events; the nodes are built from them here, because a
spec wants what no constructor gives: a mark on every value, duplicate keys as errors, YAML 1.2 scalars (``1e6`` is a
number, ``no`` is a word), and limits that turn bombs into messages.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from archscope.diagnostics import Diagnostic, Mark, Source
from archscope.errors import SpecError

LARGEST_FILE = 4 * 2**20
DEEPEST_NESTING = 100
MOST_ALIASED_NODES = 100_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

#: A scalar's value; a string may be an expression, which only the place where it stands can tell.
Plain = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A number, a truth value, a word, or nothing."""

    value: Plain
    mark: Mark
    plain: bool = True  # unquoted, on one line: a place inside its text is a place in the file
    size: int = 1

    @property
    def text(self) -> str:
        """The value as a key is read: always a string."""
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    items: list[Node]
    mark: Mark
    size: int = 1


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping, in the order of the file; keys are unique."""

    entries: dict[str, Node]
    keys: dict[str, Mark]
    mark: Mark
    size: int = 1


Node = ScalarNode | ListNode | MapNode


def read_file(path: Path) -> Source:
    """The text of a spec file.

    Raises:
        SpecError: it is missing, a folder, empty, too large, or not text.
    """
    name = str(path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise _failure(f"{name} is a folder, not a spec")
        if size > LARGEST_FILE:
            raise _failure(f"{name} has {size:,} bytes; a spec has at most {LARGEST_FILE:,}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise _failure(f"there is no file {name}") from None
    except OSError as error:
        raise _failure(f"{name} cannot be read: {error.strerror}") from None
    return Source(name, _decode(data, name))


def read_stdin() -> Source:
    """The text of a spec on standard input."""
    data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise _failure(f"standard input has more than {LARGEST_FILE:,} bytes, the most that a spec has")
    return Source("<stdin>", _decode(data, "<stdin>"))


def _decode(data: bytes, name: str) -> str:
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
    """The one YAML document in a text.

    Raises:
        SpecError: bad YAML, a duplicate key, no content, several documents, or a limit exceeded.
    """
    try:
        return _Composer(source).compose()
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        mark = Mark(source, place.line + 1, place.column + 1) if place else None
        problem = error.problem or error.context or "unreadable"
        raise _failure(f"not YAML: {problem}", mark, _yaml_hint(source, mark, problem)) from None
    except yaml.reader.ReaderError as error:
        line = source.text.count("\n", 0, error.position) + 1
        raise _failure(f"not YAML: {error.reason}", Mark(source, line, 1)) from None


def _yaml_hint(source: Source, mark: Mark | None, problem: str) -> str:
    line = source.lines[mark.line - 1] if mark and mark.line <= len(source.lines) else ""
    if "\t" in line:
        return "indent by spaces: YAML allows no tabs"
    if re.search(r"\w\[\d", line):
        return "inside [...] a reference to one output needs quotes: 'chunk[0]'"
    if "mapping values are not allowed" in problem:
        return "a colon inside a value needs quotes, or the line above is indented differently"
    return ""


class _Composer:
    """Nodes from events, with limits. Iterative, so that nesting cannot exhaust Python's stack."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._anchors: dict[str, Node | None] = {}  # None while the node is still being built
        self._aliased = 0
        self._problems: list[Diagnostic] = []

    def compose(self) -> Node:
        root: Node | None = None
        stack: list[_Open] = []
        for event in yaml.parse(self._source.text, Loader=_Loader):
            if isinstance(event, yaml.ScalarEvent):
                node: Node = self._scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                node = self._alias(event)
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._open(stack, event)
                continue
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                node = self._close(stack.pop())
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
        if root is None or (isinstance(root, ScalarNode) and root.value is None):
            raise _failure(f"{self._source.name} is empty", hint="a spec has at least `input:` and `layers:`")
        return root

    def _mark(self, event: yaml.Event) -> Mark:
        start, end = event.start_mark, event.end_mark
        assert start is not None  # every event of a text has marks
        assert end is not None
        length = end.column - start.column if end.line == start.line else 1
        return Mark(self._source, start.line + 1, start.column + 1, max(1, length))

    def _scalar(self, event: yaml.ScalarEvent) -> ScalarNode:
        mark = self._mark(event)
        self._refuse_tag(event.tag, mark)
        unquoted = event.style is None or event.style == ""
        value = _resolve(event.value) if unquoted else event.value
        lines = self._source.lines
        line = lines[mark.line - 1] if mark.line <= len(lines) else ""
        node = ScalarNode(value, mark, unquoted and line.startswith(event.value, mark.column - 1))
        self._name(event.anchor, node)
        return node

    def _alias(self, event: yaml.AliasEvent) -> Node:
        mark = self._mark(event)
        if event.anchor not in self._anchors:
            raise _failure(f"there is no anchor &{event.anchor} before this alias", mark)
        node = self._anchors[event.anchor]
        if node is None:
            raise _failure(f"&{event.anchor} contains itself through this alias", mark)
        self._aliased += node.size
        if self._aliased > MOST_ALIASED_NODES:
            raise _failure(f"the aliases stand for more than {MOST_ALIASED_NODES:,} values", mark, "use a block")
        return node

    def _open(self, stack: list[_Open], event: yaml.CollectionStartEvent) -> None:
        mark = self._mark(event)
        self._refuse_tag(event.tag, mark)
        if len(stack) >= DEEPEST_NESTING:
            raise _failure(f"more than {DEEPEST_NESTING} levels of nesting", mark)
        stack.append(_Open(mark, isinstance(event, yaml.MappingStartEvent), event.anchor, []))
        self._name(event.anchor, None)

    def _add(self, parent: _Open, node: Node) -> None:
        if parent.is_map and len(parent.nodes) % 2 == 0 and not isinstance(node, ScalarNode):
            raise _failure("a key must be a single word", node.mark, "quote it if it holds brackets or braces")
        parent.nodes.append(node)

    def _close(self, opened: _Open) -> Node:
        nodes, mark = opened.nodes, opened.mark
        size = 1 + sum(node.size for node in nodes)
        node: Node
        if opened.is_map:
            entries: dict[str, Node] = {}
            keys: dict[str, Mark] = {}
            for key, value in zip(nodes[::2], nodes[1::2], strict=True):
                assert isinstance(key, ScalarNode)
                if key.text in entries:
                    first = keys[key.text].line
                    message = f"`{key.text}` stands twice in this mapping (first on line {first})"
                    self._problems.append(Diagnostic(message, key.mark))
                entries[key.text], keys[key.text] = value, key.mark
            node = MapNode(entries, keys, mark, size)
        else:
            node = ListNode(nodes, mark, size)
        self._name(opened.anchor, node)
        return node

    def _name(self, anchor: str | None, node: Node | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _refuse_tag(self, tag: str | None, mark: Mark) -> None:
        if tag is not None and tag != "!":
            raise _failure(f"the tag {tag} has no meaning in a spec", mark)


@dataclass(frozen=True, slots=True)
class _Open:
    """A collection whose end has not been read yet."""

    mark: Mark
    is_map: bool
    anchor: str | None
    nodes: list[Node]


def _resolve(text: str) -> Plain:
    """An unquoted scalar by YAML 1.2's core schema (underscores in integers allowed besides)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) <= 100 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
