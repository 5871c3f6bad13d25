"""From a path, a name or a text to a design."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import isfinite
from numbers import Integral, Real
from typing import Any

from archscope.arith.recorded import Recorded
from archscope.collecting import uncollected
from archscope.design import Design, Origin
from archscope.errors import SpecError, UsageError
from archscope.errors.diagnostics import MOST_REPORTED, Diagnostic, Mark, Source
from archscope.spec import library
from archscope.spec.document import Document, load_document
from archscope.spec.expansion import expand
from archscope.spec.limits import MOST_BITS
from archscope.spec.reader import ListNode, Node, ScalarNode, read, read_file, read_stdin
from archscope.spec.suspicions import suspicions, unread

Shape = Sequence[int]


@uncollected()
def load(
    spec: str | os.PathLike[str] | Document,
    *,
    set: Mapping[str, Any] | None = None,  # noqa: A002  # the option is called so everywhere
    input: Shape | Mapping[str, Shape] | None = None,  # noqa: A002
    most_problems: int = MOST_REPORTED,
) -> Design:
    """Load a design.

    Args:
        spec: a path, the name of a design that ships with archscope, YAML text (with a line break in it), or ``-`` for
            standard input. A path wins over a name. Or a document that was read already, for many variants of it.
        set: values that replace those under ``vars:``; a string is read as the spec language reads it.
        input: the input's sizes without the batch, or a mapping of input names to sizes.
        most_problems: after so many mistakes it looks for no more.

    Returns:
        The design; its ``warnings`` list what is valid but perhaps not intended.

    Raises:
        SpecError: with every mistake that was found, each with its place.
        UsageError: ``input`` is neither a list of sizes nor a mapping of names to such lists.
    """
    document = spec if isinstance(spec, Document) else read_document(spec)
    nodes = {name: _as_node(value, name) for name, value in (set or {}).items()}
    try:
        design = variant(document, set, input, most_problems)
    except SpecError as error:  # a variable that nothing reads is often the other half of a misspelt name
        room = max(most_problems - len(error.diagnostics), 0)
        raise SpecError([*error.diagnostics, *islice(unread(document, nodes), room)]) from None

    def without(name: str) -> Design | None:
        try:
            return variant(document, {key: value for key, value in (set or {}).items() if key != name}, input, 1)
        except SpecError:
            return None

    more = islice(suspicions(document, design, nodes, without), most_problems)
    return design.with_warnings([*design.warnings, *more])


@uncollected()
def variant(
    document: Document,
    set: Mapping[str, Any] | None,  # noqa: A002
    input: Shape | Mapping[str, Shape] | None,  # noqa: A002
    most_problems: int = MOST_REPORTED,
) -> Design:
    """As :func:`load`, without looking for what was perhaps not meant: one of very many designs."""
    overrides = {name: _as_node(value, name) for name, value in (set or {}).items()}
    named = input if isinstance(input, Mapping) else {next(iter(document.inputs), "input"): input}
    shapes = {name: shape for name, shape in named.items() if shape is not None}
    nodes = {name: _as_list(shape, name) for name, shape in shapes.items()}
    design = expand(document, overrides, nodes, most_problems)
    object.__setattr__(design, "origin", Origin(document, dict(set or {}), shapes))  # nobody has seen it yet
    return design


@uncollected()
def read_document(spec: str | os.PathLike[str]) -> Document:
    """The document that a path, a name or a text means, not yet expanded.

    Raises:
        SpecError: it cannot be found or read.
    """
    if isinstance(spec, str) and ("\n" in spec or "\r" in spec):
        return load_document(Source("<text>", spec), None)
    if spec == "-":
        return load_document(read_stdin(), None)
    path = library.find(os.fspath(spec))
    return load_document(read_file(path), path.parent)


def _as_node(value: Any, name: str) -> Node:
    """A value given from outside as the spec language sees it."""
    if not isinstance(value, str):
        return _python_value(value, Mark(Source("set", _shown(name, value)), 1, len(name) + 2))
    shown, offset = Source("set", f"{name}={value}"), len(name) + 1
    try:
        node = read(Source("set", value))
    except SpecError as error:
        moved = [replace(d, mark=d.mark and _beside(d.mark, shown, offset)) for d in error.diagnostics]
        raise SpecError(moved) from None
    return _moved(node, shown, offset)


def _python_value(value: Any, mark: Mark) -> Node:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        return ListNode([_python_value(item, mark) for item in value], mark)
    if isinstance(value, Recorded):  # to whoever reads the node it is a number
        recorded: Any = value
        return ScalarNode(recorded, mark)
    if value is None or isinstance(value, (bool, str)):
        return ScalarNode(value, mark, inset=None)
    number = int(value) if isinstance(value, Integral) else float(value) if isinstance(value, Real) else None
    if number is None:
        raise SpecError([Diagnostic(f"a variable is a number, a word or a list, not {type(value).__name__}", mark)])
    if not isfinite(number) if isinstance(number, float) else number.bit_length() > MOST_BITS:
        raise SpecError([Diagnostic(f"a number is finite and has at most {MOST_BITS} bits", mark)])
    return ScalarNode(number, mark)


def _shown(name: str, value: Any) -> str:
    """``width=96``, as a message shows a value that was given from outside."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        text = "..."
    return f"{name}={text}"


def _beside(mark: Mark, source: Source, offset: int) -> Mark:
    """A place in a value as a place in the option that gives it."""
    column = mark.column + offset if mark.line == 1 else len(source.lines[0])
    return Mark(source, 1, column, mark.length)


def _moved(node: Node, source: Source, offset: int) -> Node:
    mark = _beside(node.mark, source, offset)
    if isinstance(node, ScalarNode):
        return ScalarNode(node.value, mark, node.inset, node.raw)
    if isinstance(node, ListNode):
        return ListNode([_moved(item, source, offset) for item in node.items], mark)
    raise SpecError([Diagnostic("a variable is a number, a word or a list", mark)])


def _as_list(shape: Shape, name: str) -> ListNode:
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise UsageError(f"the input `{name}` is a list of sizes such as (3, 224, 224), not {shape!r}")
    mark = Mark(Source("input", _shown(name, list(shape))), 1, len(name) + 2)
    return ListNode([_python_value(size, mark) for size in shape], mark)
