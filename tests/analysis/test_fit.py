"""The largest number that fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.analysis.fit import most


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 10**6))
def test_the_largest_that_fits(slope, offset, limit):
    found = most(lambda number: offset + slope * number, limit)
    largest = (limit - offset) // slope
    assert found == (largest if largest >= 1 else None)


def test_what_does_not_exist_does_not_fit():
    assert most(lambda number: number if number < 7 else None, 100) == 6
    assert most(lambda number: None, 100) is None


@pytest.mark.parametrize("ceiling", [1, 2, 8])
def test_the_search_ends(ceiling):
    assert most(lambda number: 0, 1, ceiling=ceiling) <= 2 * ceiling
