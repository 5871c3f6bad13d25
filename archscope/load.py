"""From a path, a name or a text to a design."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archscope.design import Design
from archscope.diagnostics import Diagnostic, Mark, Source
from archscope.errors import SpecError
from archscope.spec import library
from archscope.spec.document import Document, load_document
from archscope.spec.expansion import expand
from archscope.spec.reader import ListNode, Node, ScalarNode, read, read_file, read_stdin

Shape = Sequence[int]


def load(
    spec: str | os.PathLike[str],
    *,
    set: Mapping[str, Any] | None = None,  # noqa: A002  # the option is called so everywhere
    input: Shape | Mapping[str, Shape] | None = None,  # noqa: A002
) -> Design:
    """Load a design.

    Args:
        spec: a path, the name of a design that ships with archscope, YAML text (with a line break in it), or ``-`` for
            standard input. A path wins over a name.
        set: values that replace those under ``vars:``; a string is read as the spec language reads it.
        input: the input's sizes without the batch, or a mapping of input names to sizes.

    Raises:
        SpecError: with every mistake that was found, each with its place.
    """
    document = read_document(spec)
    overrides = {name: _as_node(value, f"{name}={value}", len(name) + 1) for name, value in (set or {}).items()}
    shapes: Mapping[str, Shape] = {}
    if isinstance(input, Mapping):
        shapes = input
    elif input is not None:
        shapes = {next(iter(document.inputs), "input"): input}
    nodes = {name: _as_list(shape, f"{name}={'x'.join(map(str, shape))}") for name, shape in shapes.items()}
    return expand(document, overrides, nodes)


def read_document(spec: str | os.PathLike[str]) -> Document:
    """The document that a path, a name or a text means, not yet expanded.

    Raises:
        SpecError: it cannot be found or read.
    """
    if isinstance(spec, str) and "\n" in spec:
        return load_document(Source("<text>", spec), None)
    if spec == "-":
        return load_document(read_stdin(), None)
    path = library.find(os.fspath(spec))
    return load_document(read_file(path), Path(path).parent)


def _as_node(value: Any, text: str, offset: int) -> Node:
    """A value given from outside as the spec language sees it."""
    if isinstance(value, str):
        source = Source("set", value)
        return _moved(read(source), Source("set", text), offset)
    mark = Mark(Source("set", text), 1, offset + 1, max(1, len(text) - offset))
    if value is None or isinstance(value, (bool, int, float)):
        return ScalarNode(value, mark)
    if isinstance(value, Sequence):
        return ListNode([_as_node(item, text, offset) for item in value], mark)
    raise SpecError([Diagnostic(f"a variable is a number, a word or a list, not {value!r}", mark)])


def _moved(node: Node, source: Source, offset: int) -> Node:
    mark = Mark(source, 1, node.mark.column + offset, node.mark.length)
    if isinstance(node, ScalarNode):
        return ScalarNode(node.value, mark, node.plain)
    if isinstance(node, ListNode):
        return ListNode([_moved(item, source, offset) for item in node.items], mark)
    raise SpecError([Diagnostic("a variable is a number, a word or a list", mark)])


def _as_list(shape: Shape, text: str) -> ListNode:
    mark = Mark(Source("input", text), 1, 1, len(text))
    return ListNode([ScalarNode(size, mark) for size in shape], mark)
