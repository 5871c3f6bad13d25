"""Helpers where numbers meet structure: how many outputs, which names; and products with a real factor."""

import math

from hypothesis import given
from hypothesis import strategies as st

from archscope.arith import fixed, floor_mul
from archscope.arith.recorded import Recorder
from archscope.arith.traced import Traced
from tests.arith.blocks import worked_out

sizes = st.lists(st.integers(0, 10**6), min_size=1, max_size=5)


@given(sizes, st.floats(0.01, 100))
def test_floor_mul_rounds_as_a_double_does_in_every_reading(numbers, factor):
    expected = [math.floor(float(number) * factor) for number in numbers]
    assert [floor_mul(number, factor) for number in numbers] == expected
    assert worked_out({"a": numbers}, lambda v: [floor_mul(v["a"], factor)]) == [[one] for one in expected]
    assert floor_mul(Traced.symbol("I", numbers[0]), factor).value == expected[0]


def test_floor_mul_is_torchs_where_the_exact_product_is_not():
    assert floor_mul(10, 0.7) == 7  # 0.7 is below 7 / 10 as a double, and the product is rounded up
    assert floor_mul(100, 0.29) == 28  # 28.999999999999996


def test_floor_mul_is_explained_with_every_digit():
    size = floor_mul(Traced.symbol("H_in", 37), 1.625)
    assert (size.formula(), size.worked()) == ("floor(H_in x 1.625)", "floor(37 x 1.625)")
    assert floor_mul(Traced.symbol("H_in", 37), 2.0).formula() == "floor(H_in x 2)"


def test_a_number_that_decides_structure_is_plain():
    recorder = Recorder()
    number = recorder.variable("n", 3, (1, 5))
    assert fixed(3) == fixed(number) == fixed(Traced.symbol("n", 3)) == 3
    assert type(fixed(number)) is int
    assert recorder.decisions == {number: 3}


def test_a_truth_that_decides_structure_is_recorded_where_designs_differ():
    recorder = Recorder()
    number = recorder.variable("n", 3, (1, 5))
    assert fixed(2 == 1 + 1)
    assert fixed(number >= 1)
    assert not fixed(number == 4)
    assert bool(fixed(Traced.symbol("n", 2) == 2))
    assert list(recorder.decisions.values()) == [False]


def test_sizes_that_are_equal_in_all_designs_decide_nothing():
    recorder = Recorder()
    height = recorder.variable("height", 32, (8, 64))
    padded = (height + 2 * 1 - (3 - 1) - 1) // 1 + 1  # a 3x3 convolution with a padding of 1
    assert bool(padded == height)
    assert recorder.decisions == {}


def test_each_structure_is_read_once_however_its_designs_lie():
    """More designs than go through a program at once."""
    n = [17 * i % 7 for i in range(40_000)]
    m = [i // 3 % 5 for i in range(40_000)]
    reads = []

    def read(values):
        reads.append(1)
        return [fixed(values["n"]) * 10 + fixed(values["m"])]

    assert worked_out({"n": n, "m": m}, read) == [[a * 10 + b] for a, b in zip(n, m, strict=True)]
    assert len(reads) == 7 * 5
