"""Traced numbers: their values are right, their texts say what was computed, and they refuse to be branched on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.arith import ceil_div, exact_div, gcd, maximum, minimum, prod, ratio, total, where
from archscope.arith.traced import Traced, number


def symbol(name, value):
    return Traced.symbol(name, value)


def test_a_convolution_reads_as_in_a_textbook():
    k_h, k_w, c_in = symbol("K_h", 11), symbol("K_w", 11), symbol("C_in", 3)
    weights = k_h * k_w * exact_div(c_in, symbol("groups", 1)) * symbol("C_out", 96)
    assert weights.formula() == "K_h x K_w x C_in / groups x C_out"
    assert weights.worked() == "11 x 11 x 3 / 1 x 96"
    assert weights.value == 34_848


def test_a_floor_is_written_as_one():
    height, kernel, stride = symbol("H_in", 227), symbol("K_h", 11), symbol("S_h", 4)
    size = (height + 2 * symbol("P_h", 0) - kernel) // stride + 1
    assert size.formula() == "floor((H_in + 2 x P_h - K_h) / S_h) + 1"
    assert size.worked() == "floor((227 + 2 x 0 - 11) / 4) + 1"
    assert size.value == 55


A, B, C = symbol("a", 7), symbol("b", 3), symbol("c", 2)


@pytest.mark.parametrize(
    ("traced", "formula", "value"),
    [
        (A - (B - C), "a - (b - c)", 6),
        (A - B - C, "a - b - c", 2),
        (A + (B + C), "a + b + c", 12),
        ((A + B) * C, "(a + b) x c", 20),
        (A * (B + C), "a x (b + c)", 35),
        (exact_div(A, B * C), "a / (b x c)", 1),
        (-A + B, "0 - a + b", -4),
        (A**C, "a^c", 49),
        ((A + B) ** 2, "(a + b)^2", 100),
        (A % B, "a mod b", 1),
        (ceil_div(A, B), "ceil(a / b)", 3),
        (maximum(A, B), "max(a, b)", 7),
        (minimum(A, 5), "min(a, 5)", 5),
        (gcd(A, B), "gcd(a, b)", 1),
        (where(A > B, A, B), "(a if a > b else b)", 7),
        (ratio(A, C), "a / c", 3.5),
        (prod([A, B, C]), "a x b x c", 42),
        (total([A, B, C]), "a + b + c", 12),
        (A + 0, "a", 7),
        (A == B, "a == b", False),
        (A != B, "a != b", True),
        (A <= B, "a <= b", False),
    ],
)
def test_formulas(traced, formula, value):
    assert traced.formula() == formula
    assert traced.value == value


def test_the_worked_form_takes_the_branch_that_holds():
    assert where(A > B, A * 2, B).worked() == "7 x 2"
    assert where(A < B, A * 2, B).worked() == "3"


def test_a_formula_must_not_branch_on_a_number():
    with pytest.raises(TypeError, match="must not branch"):
        bool(A > B)
    with pytest.raises(TypeError, match="must not branch"):
        max(A, B)


numbers = st.integers(-50, 50)


@given(numbers, numbers, numbers)
def test_values_are_those_of_plain_arithmetic(a, b, c):
    x, y, z = symbol("x", a), symbol("y", b), symbol("z", c)
    assert (x * (y - z) + 3).value == a * (b - c) + 3
    assert (2 - x + y * y).value == 2 - a + b * b
    if c:
        assert ((x + y) // z).value == (a + b) // c
        assert (x % z).value == a % c
        assert (7 // z).value == 7 // c


@given(numbers, numbers, numbers, numbers)
def test_the_worked_form_evaluates_to_the_value(a, b, c, d):
    w, x, y, z = (symbol(n, v) for n, v in zip("wxyz", (a, b, c, d), strict=True))
    for traced in (w - (x - y) * z, (w + x) * (y - z), w * x - y * z, w - (x + y) - z):
        text = traced.worked().replace(" x ", " * ")
        assert eval(text, {"__builtins__": {}}) == traced.value


def test_numbers_as_prose_prints_them():
    assert number(62_378_344) == "62,378,344"
    assert number(1.5) == "1.50"
