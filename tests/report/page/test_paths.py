"""Curves: what is drawn, read back from the path, are the values."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.report.page.paths import HEIGHT, WIDTH, area, steps, ticks


def drawn(path: str) -> list[tuple[float, float, float]]:
    """The horizontal pieces of a path of steps: from, to, and the share of the height."""
    pieces, x, y = [], 0.0, 0.0
    for command, numbers in re.findall(r"([MLHZ])([^MLHZ]*)", path):
        values = [float(number) for number in numbers.split()]
        if command == "H":
            pieces.append((x, values[0], 1 - y / HEIGHT))
            x = values[0]
        elif command in "ML":
            x, y = values
    return pieces


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200))
def test_a_path_has_the_values(values: list[int]) -> None:
    top = max(values) * 1.1 or 1.0
    places: list[float] = []
    for left, right, height in drawn(steps(values, top)):
        count = round((right - left) * len(values) / WIDTH)
        places += [height * top] * count
    assert places == pytest.approx(values, abs=1e-4 * top)


def test_no_peak_is_lost_among_more_values_than_pixels() -> None:
    values = [1] * 20_000
    values[12_345] = 9
    path = steps(values, 10)
    assert len(path) < 30_000
    assert max(height for _, _, height in drawn(path)) == pytest.approx(0.9)


def test_a_part_begins_where_the_one_before_ends() -> None:
    first, second = drawn(steps([1, 2], 4, count=4)), drawn(steps([3, 4], 4, start=2, count=4))
    assert (first[0][0], first[-1][1]) == (0, WIDTH / 2)
    assert (second[0][0], second[-1][1]) == (WIDTH / 2, WIDTH)
    assert area([1, 2], 4, count=4).endswith(f"L500 {HEIGHT}Z")
    assert area([], 4) == ""


@given(st.floats(1e-3, 1e15))
def test_ticks_are_few_and_round(top: float) -> None:
    marks = ticks(top, "{!r}".format)
    assert 3 <= len(marks) <= 6
    assert marks[0].at == 0
    assert marks[-1].at <= 1
    assert f"{float(marks[1].label):.0e}"[0] in "125"
    for mark in marks:
        assert float(mark.label) == pytest.approx(mark.at * top)


def test_ticks_of_bytes() -> None:
    assert [mark.label for mark in ticks(3.2 * 2**20, "{:.0f}".format, 2.0**20)] == [
        "0",
        "1048576",
        "2097152",
        "3145728",
    ]
