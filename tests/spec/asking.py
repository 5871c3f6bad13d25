"""How tests ask the spec language: what a text gives, or what is wrong with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import archscope
from archscope.errors import SpecError
from archscope.errors.diagnostics import Diagnostic

#: where most texts begin
HEAD = "input: [3, 32, 32]\nlayers:\n"


class Mistake(NamedTuple):
    """A text and all that is said of it.

    Attributes:
        place: line and column of the caret.
        marked: what the carets stand under.
    """

    title: str
    text: str
    place: str
    marked: str
    message: str
    hint: str = ""


def mistakes(text: str, **options: Any) -> tuple[Diagnostic, ...]:
    """What is wrong with a text, without what it is warned of besides."""
    return tuple(one for one in refused(text, **options) if one.severity == "error")


def refused(text: str, **options: Any) -> tuple[Diagnostic, ...]:
    """All that is told of a text that is wrong."""
    with pytest.raises(SpecError) as caught:
        archscope.load(text, **options)
    return caught.value.diagnostics


def messages(text: str, **options: Any) -> list[str]:
    """What is wrong with a text, in one line each."""
    return [diagnostic.message for diagnostic in mistakes(text, **options)]


def place(diagnostic: Diagnostic) -> str:
    """Line and column of a diagnostic."""
    return f"{diagnostic.mark.line}:{diagnostic.mark.column}" if diagnostic.mark else ""


def marked(diagnostic: Diagnostic) -> str:
    """What the carets stand under."""
    mark = diagnostic.mark
    if mark is None:
        return ""
    return mark.source.lines[mark.line - 1][mark.column - 1 : mark.column - 1 + mark.length]


def check(mistake: Mistake) -> None:
    """Hold that a text has this mistake and no other."""
    (told,) = mistakes(mistake.text)
    found = Mistake(mistake.title, mistake.text, place(told), marked(told), told.message, told.hint)
    assert found == mistake


def each(table: list[Mistake]) -> pytest.MarkDecorator:
    """Run a test for each mistake of a table."""
    return pytest.mark.parametrize("mistake", [pytest.param(mistake, id=mistake.title) for mistake in table])


def layers(text: str, **options: Any) -> list[str]:
    """Names and kinds of the layers that a text gives."""
    return [f"{layer.name}: {layer.kind}" for layer in archscope.load(text, **options).layers]


def shapes(text: str, **options: Any) -> list[tuple[int, ...]]:
    """Shapes of the outputs that a text gives, without the batch."""
    design = archscope.load(text, **options)
    account = archscope.analyze(design)
    return [account[ref.node].y[ref.output].shape[1:] for _, ref in design.outputs]
