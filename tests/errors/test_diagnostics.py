"""How a mistake is printed."""

from __future__ import annotations

import pickle

import pytest

from archscope.errors import ArchscopeError, SpecError, UsageError, closest, counted, suggestion
from archscope.errors.diagnostics import LONGEST_MESSAGE, Diagnostic, Mark, Source

SOURCE = Source("net.yaml", "input: [3]\nlayers:\n  - Conv2D: 3\n")


def test_all_parts() -> None:
    told = Diagnostic(
        "what", Mark(SOURCE, 3, 5, 6), "do this", ("block `a()`, called at b", "block `c()`, called at d")
    )
    assert (
        told.render()
        == """net.yaml:3:5: error: what
  3 |   - Conv2D: 3
    |     ^^^^^^
  in block `a()`, called at b
  in block `c()`, called at d
  hint: do this"""
    )


def test_a_message_alone() -> None:
    assert Diagnostic("what").render() == "error: what"
    assert Diagnostic("what", severity="warning").render() == "warning: what"


@pytest.mark.parametrize(
    ("text", "column", "length", "excerpt"),
    [
        ("abc", 1, 1, ["  1 | abc", "    | ^"]),
        ("abc", 2, 99, ["  1 | abc", "    |  ^^"]),
        ("abc", 4, 1, ["  1 | abc", "    |    ^"]),
        ("", 1, 1, ["  1 |", "    | ^"]),
        ("\ta: b", 2, 1, ["  1 |  a: b", "    |  ^"]),
        ("a\x1b[31mb", 2, 1, ["  1 | a\ufffd[31mb", "    |  ^"]),
        ("層: 中", 4, 1, ["  1 | 層: 中", "    |     ^^"]),
        ("x" * 60 + "y" + "z" * 60, 61, 1, ["  1 | " + "x" * 50 + "y" + "z" * 49, "    | " + " " * 50 + "^"]),
        ("x" * 200, 1, 200, ["  1 | " + "x" * 100, "    | " + "^" * 100]),
    ],
)
def test_the_line_and_the_caret(text: str, column: int, length: int, excerpt: list[str]) -> None:
    rendered = Diagnostic("m", Mark(Source("s", text), 1, column, length)).render()
    assert rendered.splitlines()[1:] == excerpt


def test_line_numbers_of_two_digits() -> None:
    source = Source("s", "\n" * 11 + "here\n")
    assert Diagnostic("m", Mark(source, 12, 1, 4)).render().splitlines()[1:] == ["  12 | here", "     | ^^^^"]


def test_a_place_behind_the_text_has_no_line() -> None:
    assert Diagnostic("m", Mark(Source("s", "a"), 9, 1)).render() == "s:9:1: error: m"


@pytest.mark.parametrize("text", ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc", "a\x85b\u2028c"])
def test_lines(text: str) -> None:
    assert Source("s", text).lines == ["a", "b", "c"]
    assert Source("s", "a\x0cb\x1cc").lines == ["a\x0cb\x1cc"]


def test_long_messages_are_cut() -> None:
    assert len(Diagnostic("x" * 10_000).render()) < LONGEST_MESSAGE + 20


def test_messages_cannot_write_to_the_terminal() -> None:
    told = Diagnostic("a\x1b[2J\rb", None, "c\nd\x07", ("e\x00",))
    assert told.render() == "error: a\ufffd[2J b\n  in e\ufffd\n  hint: c d\ufffd"


def test_marks_are_places() -> None:
    mark = Mark(SOURCE, 3, 5, 6)
    assert str(mark) == "net.yaml:3:5"
    assert mark.shifted(2, 3) == Mark(SOURCE, 3, 7, 3)
    assert mark.shifted(2, 0).length == 1


def test_a_spec_error_says_all_and_travels() -> None:
    error = SpecError([Diagnostic("one", Mark(SOURCE, 1, 1)), Diagnostic("two")])
    assert str(error) == "net.yaml:1:1: error: one\n  1 | input: [3]\n    | ^\n\nerror: two"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.diagnostics, again.exit_code) == (str(error), error.diagnostics, 2)
    assert isinstance(error, ArchscopeError)
    assert UsageError("x").exit_code == 2


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("Conv2D", ["Conv1d", "Conv2d"], "Conv2d"),
        ("relu", ["ReLU", "PReLU"], "ReLU"),
        ("kernal_size", ["kernel_size", "stride"], "kernel_size"),
        ("conv_bn", ["Conv3d"], ""),
        ("lambda", ["lambda"], ""),
        ("x" * 1000, ["x" * 999], ""),
        ("abc", [], ""),
        ("", ["a"], ""),
    ],
)
def test_suggestions(word: str, known: list[str], found: str) -> None:
    assert closest(word, known) == found
    assert suggestion(word, known) == (f"did you mean `{found}`?" if found else "")


def test_how_many_there_are():
    texts = [
        counted(count, what) for count, what in ((1, "place"), (0, "place"), (1234, "unit"), (2, "axis"), (1, "axis"))
    ]
    assert texts == ["1 place", "0 places", "1,234 units", "2 axes", "1 axis"]
