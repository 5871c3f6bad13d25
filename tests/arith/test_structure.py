"""Helpers where numbers meet structure: how many outputs, which names; and products with a real factor."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.arith import everywhere, fixed, floor_mul
from archscope.arith.arrays import IntArray
from archscope.arith.traced import Traced
from archscope.errors import NumberOverflow, UsageError

sizes = st.lists(st.integers(0, 10**6), min_size=1, max_size=5)


@given(sizes, st.floats(0.01, 100))
def test_floor_mul_rounds_as_a_double_does_in_every_reading(numbers, factor):
    expected = [math.floor(float(number) * factor) for number in numbers]
    assert [floor_mul(number, factor) for number in numbers] == expected
    assert floor_mul(IntArray(numbers), factor).data.tolist() == expected
    assert floor_mul(Traced.symbol("I", numbers[0]), factor).value == expected[0]


def test_floor_mul_is_torchs_where_the_exact_product_is_not():
    assert floor_mul(10, 0.7) == 7  # 0.7 is below 7 / 10 as a double, and the product is rounded up
    assert floor_mul(100, 0.29) == 28  # 28.999999999999996


def test_floor_mul_is_explained_with_every_digit():
    size = floor_mul(Traced.symbol("H_in", 37), 1.625)
    assert (size.formula(), size.worked()) == ("floor(H_in x 1.625)", "floor(37 x 1.625)")
    assert floor_mul(Traced.symbol("H_in", 37), 2.0).formula() == "floor(H_in x 2)"


def test_floor_mul_never_wraps():
    with pytest.raises(NumberOverflow, match="does not fit into int64"):
        floor_mul(IntArray([1, 2**62]), 4.0)


def test_a_number_that_all_designs_share_is_structure():
    assert fixed(3, "x") == fixed(IntArray([3, 3]), "x") == fixed(Traced.symbol("n", 3), "x") == 3


def test_a_number_that_varies_is_no_structure():
    with pytest.raises(
        UsageError, match=r"^the count decides the structure of a design, and here it varies from 2 to 3$"
    ):
        fixed(IntArray([2, 3, 2]), "the count")


def test_everywhere():
    assert everywhere(2 == 1 + 1)
    assert everywhere(IntArray([2, 2]) == 2)
    assert everywhere(Traced.symbol("n", 2) == 2)
    assert not everywhere(IntArray([2, 3]) == 2)
    assert not everywhere(Traced.symbol("n", 2) == 3)
