"""How numbers and shapes are written."""

import pytest

from archscope.report.text import binary, percent, plain, shape, short, value


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1 k"),
        (62_378_344, "62.38 M"),
        (999_960, "1 M"),
        (4_089_184_256, "4.089 G"),
        (1.5e20, "150 E"),
    ],
)
def test_short(number, text):
    assert short(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.00 KiB"), (249_513_376, "237.95 MiB"), (2**50, "1,024.00 TiB")],
)
def test_binary(number, text):
    assert binary(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (1, "100%"), (1 / 3, "33.3%"), (0.00001, "0.001%"), (1e-6, "0.0001%"), (4e-7, "<0.0001%")],
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("content", "style", "text"),
    [
        ((96, 55, 55), "shape", "96 x 55 x 55"),
        (((3, 8), (4,)), "shape", "3 x 8, 4"),
        ((), "shape", "1"),
        (None, "count", ""),
        (1234, "count", "1,234"),
        (2**53 + 1, "count", "9,007,199,254,740,993"),  # which no float is
        (0.93991, "share", "93.99%"),
        (12544.0, "ratio", "12,544.00"),
        ("x", "text", "x"),
    ],
)
def test_value(content, style, text):
    assert value(content, style) == text


def test_plain_and_shape():
    assert plain((96, 55, 55), "shape") == "96x55x55"
    assert plain(((3, 8), (4,)), "shape") == "3x8;4"
    assert plain(7, "count") == 7
    assert shape((3,)) == "3"
