"""int64 arrays: equal to Python's integers element by element, and never wrapped."""

import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.arith import ceil_div, exact_div, gcd, maximum, minimum, prod, ratio, total, where
from archscope.arith.arrays import IntArray
from archscope.errors import NumberOverflow

LOWEST, HIGHEST = -(2**63), 2**63 - 1
int64 = st.integers(LOWEST, HIGHEST) | st.integers(-1000, 1000) | st.sampled_from([LOWEST, -1, 0, 1, HIGHEST])
blocks = st.lists(st.tuples(int64, int64), min_size=1, max_size=6)


def fits(values):
    return all(LOWEST <= value <= HIGHEST for value in values)


@given(blocks, st.sampled_from([operator.add, operator.sub, operator.mul]))
def test_sums_and_products_are_exact_or_refused(block, apply):
    left, right = zip(*block, strict=True)
    expected = [apply(a, b) for a, b in block]
    if fits(expected):
        assert apply(IntArray(left), IntArray(right)).data.tolist() == expected
    else:
        with pytest.raises(NumberOverflow, match="does not fit into int64"):
            apply(IntArray(left), IntArray(right))


@given(blocks, int64, st.sampled_from([operator.add, operator.sub, operator.mul]))
def test_a_plain_number_on_either_side(block, scalar, apply):
    values = [a for a, _ in block]
    for compute in (lambda a: apply(a, scalar), lambda a: apply(scalar, a)):
        expected = [compute(a) for a in values]
        if fits(expected):
            assert compute(IntArray(values)).data.tolist() == expected
        else:
            with pytest.raises(NumberOverflow):
                compute(IntArray(values))


@given(st.lists(st.tuples(int64, int64.filter(bool)), min_size=1, max_size=6))
def test_division_rounds_as_pythons_does(block):
    left, right = zip(*block, strict=True)
    a, b = IntArray(left), IntArray(right)
    if fits([x // y for x, y in block]):
        assert (a // b).data.tolist() == [x // y for x, y in block]
        assert (a % b).data.tolist() == [x % y for x, y in block]
    else:
        with pytest.raises(NumberOverflow):
            a // b


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**9)), min_size=1, max_size=6))
def test_helpers_equal_the_plain_ones(block):
    left, right = zip(*block, strict=True)
    a, b = IntArray(left), IntArray(right)
    for helper in (ceil_div, gcd, maximum, minimum):
        assert helper(a, b).data.tolist() == [helper(x, y) for x, y in block]
        assert helper(a, 7).data.tolist() == [helper(x, 7) for x, _ in block]
        assert helper(7, b).data.tolist() == [helper(7, y) for _, y in block]
    assert exact_div(a * b, b).data.tolist() == list(left)
    assert where(a < b, a, b).data.tolist() == [min(x, y) for x, y in block]
    assert ratio(a, b).tolist() == [x / y for x, y in block]
    assert prod([a, b]).data.tolist() == [x * y for x, y in block]
    assert total([a, b]).data.tolist() == [x + y for x, y in block]


def test_a_product_that_wraps_twice_is_refused():
    """2^32 x 2^32 wraps to 0 in int64: no sign would show it."""
    wide = IntArray([2**32, 5])
    assert (np.array([2**32]) * np.array([2**32])).tolist() == [0]
    with pytest.raises(NumberOverflow, match="18,446,744,073,709,551,616 does not fit"):
        wide * wide


def test_loose_bounds_are_tightened_before_anything_is_refused():
    grown = IntArray([3, 4]) * 2**40  # bounds now up to 2^42
    small = where(grown > 0, 1, grown)  # all ones, whatever the bounds say
    assert (small * IntArray([HIGHEST, HIGHEST])).data.tolist() == [HIGHEST, HIGHEST]


def test_the_message_names_the_design():
    with pytest.raises(NumberOverflow, match="design 2 of the block"):
        IntArray([1, 2, 2**62]) * 2


def test_a_formula_must_not_branch_on_an_array():
    with pytest.raises(TypeError, match="must not branch"):
        bool(IntArray([1]))


def test_power_is_repeated_multiplication():
    assert (IntArray([2, 3]) ** 5).data.tolist() == [32, 243]
    with pytest.raises(NumberOverflow):
        IntArray([10]) ** 19


def test_ratio_by_zero_is_nan():
    assert math.isnan(ratio(IntArray([1]), IntArray([0]))[0])
