"""The helpers on plain ints, against Python's own arithmetic."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from archscope.arith import ceil_div, exact_div, gcd, maximum, minimum, prod, ratio, total, where

integers = st.integers(-(10**30), 10**30)


@given(integers, integers.filter(bool))
def test_ceil_div_is_the_ceiling_of_the_exact_quotient(a, b):
    assert ceil_div(a, b) == math.ceil(Fraction(a, b))


@given(integers, integers.filter(bool))
def test_exact_div_undoes_a_multiplication(a, b):
    assert exact_div(a * b, b) == a


@given(integers, integers)
def test_two_numbers(a, b):
    assert {maximum(a, b), minimum(a, b)} == {a, b}
    assert maximum(a, b) >= minimum(a, b)
    assert gcd(a, b) == math.gcd(a, b)
    assert where(a < b, a, b) == minimum(a, b)


@given(st.lists(integers))
def test_prod_and_total(values):
    assert prod(values) == math.prod(values)
    assert total(values) == sum(values)


def test_a_total_of_floats_is_the_same_on_every_python():
    """One by one, so 1 is lost behind 1e16, which leaves no digit for it; ``sum`` saves it since Python 3.12."""
    assert total([1e16, 1.0, -1e16]) == 0.0


def test_ratio_of_nothing_is_nothing():
    assert ratio(3, 2) == 1.5
    assert ratio(3, 0) is None
