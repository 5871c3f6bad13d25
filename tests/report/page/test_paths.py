"""Curves: what is drawn, read back from the path, are the values."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archscope.report.page.paths import HEIGHT, WIDTH, Scale, area, dots, stairs, steps, ticks


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


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=50))
@example([1.0, 1e-309])  # far apart beyond what a float holds
@example([1.0, 1e-297])
@example([1e-320, 1e300])
def test_a_scale_holds_its_numbers_in_order(numbers: list[float]) -> None:
    scale = Scale.around(numbers)
    places = [scale.at(number) for number in sorted(numbers)]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] <= 1
    assert scale.log == (min(numbers) > 0 and max(numbers) > 12 * min(numbers))
    assert all(0 <= tick.at <= 1 for tick in scale.ticks(str))


@pytest.mark.parametrize(
    ("numbers", "labels"),
    [
        ((100, 160), ["100", "120", "140", "160"]),
        ((3, 90), ["5", "10", "20", "50", "100"]),  # a little beyond the last number
        ((2, 4_000_000), ["10", "100", "1000", "10000", "100000", "1e+06"]),
        ((7,), ["6.8", "6.9", "7", "7.1", "7.2"]),
    ],
)
def test_a_scale_is_marked_at_round_numbers(numbers: tuple[float, ...], labels: list[str]) -> None:
    scale = Scale.around(numbers)
    marks = scale.ticks("{:g}".format)
    assert [mark.label for mark in marks] == labels
    assert [scale.at(float(mark.label)) for mark in marks] == pytest.approx([mark.at for mark in marks])


def test_powers_of_ten_lie_evenly() -> None:
    scale = Scale.around((10, 1000))
    middle = scale.at(100)
    assert middle == pytest.approx(0.5)
    assert scale.at(1000) - middle == pytest.approx(middle - scale.at(10))


def test_dots_and_stairs_go_through_their_places() -> None:
    places = [(0.1, 0.2), (0.5, 0.6)]
    assert dots(places) == "M100 80h0M500 40h0"
    assert stairs(places) == "M100 80H500V40"
    assert stairs(places, across_first=False) == "M100 80V40H500"
    assert stairs([]) == dots([]) == ""
