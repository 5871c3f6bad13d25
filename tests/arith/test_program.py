"""Arithmetic on blocks of designs: to the bit what Python gives of each design alone."""

import math
import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archscope.arith import ceil_div, collected, exact_div, floor_mul, gcd, maximum, minimum, prod, ratio, total, where
from archscope.spec.expressions import ExpressionError, evaluate
from tests.arith.blocks import Refused, worked_out
from tests.examples import examples

LOWEST, HIGHEST = -(2**63), 2**63 - 1
int64 = (
    st.integers(LOWEST + 1, HIGHEST)
    | st.integers(-1000, 1000)
    | st.sampled_from([LOWEST + 1, -(2**53) - 1, -1, 0, 1, 2**53 + 1, 2**62, HIGHEST])
)
pairs = st.lists(st.tuples(int64, int64), min_size=1, max_size=6)
reals = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 0.5, 1.5, 2.5, 0.1, 1e300, 2.0**63])


def both(block, apply):
    """A function of two numbers of each design, worked out together and one by one; nothing by zero."""

    def each(a, b):
        try:
            return [apply(a, b)]
        except ZeroDivisionError:
            return None

    def read(values):
        try:
            return [apply(values["a"], values["b"])]
        except ZeroDivisionError:
            raise Refused from None

    left, right = zip(*block, strict=True)
    return worked_out({"a": left, "b": right}, read), [each(a, b) for a, b in block]


OPERATORS = [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.truediv, divmod]


@given(pairs, st.sampled_from(OPERATORS[:-1]))
def test_integers_of_any_size(block, apply):
    found, expected = both(block, apply)
    assert found == expected


@given(st.lists(st.tuples(int64 | reals, reals), min_size=1, max_size=6), st.sampled_from(OPERATORS[:-1]))
def test_real_numbers_to_the_bit(block, apply):
    if len({type(a) for a, _ in block}) > 1:
        block = [(float(a), b) for a, b in block]
    found, expected = both(block, apply)
    assert found == expected


@given(pairs | st.lists(st.tuples(int64, reals), min_size=1, max_size=6))
def test_comparisons_are_exact_beyond_what_a_double_holds(block):
    left, right = zip(*block, strict=True)

    def read(values):
        a, b = values["a"], values["b"]
        return [a < b, a <= b, a > b, a >= b, a == b, a != b]

    expected = [[a < b, a <= b, a > b, a >= b, a == b, a != b] for a, b in block]
    assert worked_out({"a": left, "b": right}, read) == expected


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 10**9)), min_size=1, max_size=6))
def test_helpers_equal_the_plain_ones(block):
    def read(values):
        a, b = values["a"], values["b"]
        return [
            *(helper(x, y) for helper in (ceil_div, gcd, maximum, minimum) for x, y in ((a, b), (a, 7), (7, b))),
            exact_div(a * b, b), where(a < b, a, b), ratio(a, b), prod([a, b]), total([a, b]), floor_mul(a, 1.7),
            abs(a), -a, a**3, b**0,
        ]  # fmt: skip

    left, right = zip(*block, strict=True)
    assert worked_out({"a": left, "b": right}, read) == [read({"a": a, "b": b}) for a, b in block]


@given(st.lists(st.floats(-1e19, 1e19) | st.sampled_from([0.5, 1.5, -2.5]), min_size=1, max_size=6))
def test_rounding(numbers):
    def read(values):
        a = values["a"]
        return [round(a), math.floor(a), math.ceil(a), math.trunc(a), abs(a), round(a, 2)]

    assert worked_out({"a": numbers}, read) == [read({"a": a}) for a in numbers]


def test_a_product_that_wraps_twice_is_exact():
    """2^32 x 2^32 wraps to 0 in int64: no sign would show it."""
    assert worked_out({"a": [2**32, 5]}, lambda v: [v["a"] * v["a"]]) == [[2**64], [25]]


@given(pairs, st.lists(st.tuples(st.sampled_from(["a", "b", "three"]), st.integers(1, 5)), max_size=9))
def test_a_total_of_terms_that_repeat(block, terms):
    def read(values):
        return [collected([{**values, "three": 3}[one] for one, _ in terms], [times for _, times in terms])]

    left, right = zip(*block, strict=True)
    found = worked_out({"a": left, "b": right}, read)
    assert found == [[sum({"a": a, "b": b, "three": 3}[one] * times for one, times in terms)] for a, b in block]


@given(pairs, st.lists(st.integers(-3, 3), min_size=1, max_size=4))
def test_a_number_that_is_shifted_again_and_again(block, shifts):
    def read(values):
        number = values["a"]
        for by in shifts:
            number = by + (number - 2) + by
        return [number, number - values["b"], number == values["a"]]

    left, right = zip(*block, strict=True)
    assert worked_out({"a": left, "b": right}, read) == [read({"a": a, "b": b}) for a, b in block]


def test_a_ratio_to_nothing_is_nothing():
    found = worked_out({"a": [1, 2], "b": [0, 4]}, lambda v: [ratio(v["a"], v["b"])])
    assert found == [[None], [0.5]]


def test_an_integer_or_a_real_number_as_python_chooses():
    found = worked_out({"a": [1, 2, 3]}, lambda v: [maximum(v["a"], 1.5), minimum(2.0, v["a"])])
    assert [[type(n) for n in one] for one in found] == [[float, int], [int, float], [int, float]]
    assert found == [[1.5, 1], [2, 2.0], [3, 2.0]]


_NAMES = ("a", "b", "x", "y")
_leaves = st.sampled_from([*_NAMES, "0", "1", "2", "3", "7", "8", "64", "0.5", "2.5", "depths[0]", "depths[1]"])
_texts = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.sampled_from(["2", "3", "0.5", "b", "-1", "-0.5", "(0 - b)", "y"])).map(
            "({0[0]} ** {0[1]})".format
        ),
        st.tuples(inner, st.sampled_from(["<", "<=", "==", "!=", ">"]), inner, inner, inner).map(
            "({0[3]} if {0[0]} {0[1]} {0[2]} else {0[4]})".format
        ),
        st.tuples(st.sampled_from(["round", "floor", "ceil", "int", "abs", "sqrt"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max", "divisible"]), inner, inner).map("{0[0]}({0[1]}, {0[2]})".format),
        st.tuples(inner, st.sampled_from(["<", "=="]), inner).map("int({0[0]} {0[1]} {0[2]})".format),
        st.tuples(inner, st.sampled_from(["+", "*"]), inner, inner).map(
            "(({0[0]} < 3) {0[1]} {0[2]} if b > 5 else sum([{0[3]}, a, b][b % 3:]))".format
        ),
        st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} and not {0[2]} or b > 3 else depths[b % 2])".format),
    ),
    max_leaves=8,
)
_designs = st.lists(
    st.tuples(st.integers(-5, 300), st.integers(0, 9), st.floats(-4, 4), st.sampled_from([0.25, 0.5, 1.0, 1.4])),
    min_size=1,
    max_size=8,
)


class Names:
    def __init__(self, values):
        self.values = values | {"depths": (values["a"], values["b"])}

    def spend(self, values):
        pass

    def lookup(self, name):
        return self.values[name]

    def known(self):
        return list(self.values)


@settings(max_examples=examples(400), deadline=None)
@given(_texts, _designs)
def test_the_language_of_specs_gives_each_design_what_it_gives_alone(text, designs):
    def alone(values):
        try:
            return [evaluate(text, Names(values))]
        except ExpressionError:
            return None

    def read(values):
        try:
            return [evaluate(text, Names(values))]
        except ExpressionError:
            raise Refused from None

    columns = dict(zip(_NAMES, zip(*designs, strict=True), strict=True))
    expected = [alone(dict(zip(_NAMES, design, strict=True))) for design in designs]
    found = worked_out(columns, read)
    assert [(one, one and type(one[0])) for one in found] == [(one, one and type(one[0])) for one in expected]


def test_the_bounds_decide_what_holds_in_all_designs():
    """Then it is no decision: one program for all."""
    seen = []

    def read(values):
        seen.append(values)
        return [1 if values["a"] >= 1 and values["a"] * 2 + 3 < 100 and values["a"] % 1 == 0 else 2]

    worked_out({"a": [1, 7, 40]}, read)
    assert len(seen) == 1


@pytest.mark.parametrize("text", ["a * b // 4", "(4 * a) // 4", "4 * a % 2", "max(a, 3) - a", "a // a"])
def test_one_reading_serves_all_designs_of_a_structure(text):
    seen = []

    def read(values):
        seen.append(values)
        return [evaluate(text, Names(values))]

    designs = {"a": list(range(1, 50)), "b": list(range(1, 50))}
    assert worked_out(designs, read) == [[evaluate(text, Names({"a": a, "b": a}))] for a in range(1, 50)]
    assert len(seen) == 1
