"""What is shown moves no cursor, changes no colour, and turns no line."""

from unicodedata import category

import pytest

from archscope.errors.printable import STAND_IN, one_line, printable


def test_every_character_of_the_classes_that_nobody_sees():
    """Unicode's own classes: controls, formats, surrogates, line and paragraph separators."""
    seen = {"\n", "\t", "\u200c", "\u200d"}  # line ends and tabs; joiners of letters and of emoji
    for number in range(0x110000):
        char = chr(number)
        if category(char) == "Cn":  # in another version of Unicode it may be one of them
            continue
        hidden = category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in seen
        assert printable(char) == (STAND_IN if hidden else char), hex(number)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, two\nlines\tand a tab", "plain, two\nlines\tand a tab"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("user\u202e // \u2066admin", "user\ufffd // \ufffdadmin"),
        ("汉字 é 🧑\u200d💻", "汉字 é 🧑\u200d💻"),
    ],
)
def test_texts(text, shown):
    assert printable(text) == shown


def test_one_line_keeps_every_place():
    assert one_line("a\nb\u2028c\x1bd\r") == "a b c\ufffdd "
