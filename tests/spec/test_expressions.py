"""The arithmetic of specs: what it computes, and what it refuses."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.spec.expressions import FUNCTIONS, ExpressionError, Word, evaluate
from archscope.spec.limits import LONGEST_EXPRESSION
from tests.spec.asking import Mistake, check, each, marked, messages, mistakes, place


class Table:
    """Names with values."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def lookup(self, name: str) -> Any:
        return self._values[name]

    def vocabulary(self) -> Sequence[str]:
        return list(self._values)

    def spend(self, values: int) -> None:
        pass


NAMES = Table(a=7, b=2.5, flags=(True, False), depths=(3, 4, 6, 3), deep=((1, 2), (3,)), act=Word("ReLU"), nothing=None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1_000", 1000),
        ("0x10", 16),
        ("2.5e1", 25.0),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-a", -7),
        ("+a", 7),
        ("--a", 7),
        ("7 / 2", 3.5),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 4", 1),
        ("2 ** 10", 1024),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2", -4),
        ("4 ** 0.5", 2.0),
        ("2 ** -1", 0.5),
        ("a * b", 17.5),
        ("a if a > 3 else b", 7),
        ("a if a > 9 else b", 2.5),
        ("1 / 0 if false else 3", 3),
        ("1 < a <= 7", True),
        ("1 < a < 7", False),
        ("a == 7 and b != 2.5", False),
        ("a or 1 / 0", 7),
        ("false or a", 7),
        ("true and a", 7),
        ("0 and 1 / 0", 0),
        ("not a", False),
        ("not nothing", True),
        ("true", True),
        ("null", None),
        ("True", True),
        ("depths[0]", 3),
        ("depths[-1]", 3),
        ("depths[a - 5]", 6),
        ("deep[0][1]", 2),
        ("depths[:2]", (3, 4)),
        ("depths[1:]", (4, 6, 3)),
        ("depths[-2:]", (6, 3)),
        ("depths[1:a]", (4, 6, 3)),
        ("depths[::-1]", (3, 6, 4, 3)),
        ("depths[3:1]", ()),
        ("sum(depths[:0])", 0),
        ("sum(depths[:3])", 13),
        ("prod(depths[1:3])", 24),
        ("deep[:1][0][1]", 2),
        ("int(a > 0)", 1),
        ("int(a > 9)", 0),
        ("8 * int(not flags[1])", 8),
        ("sum([int(true), int(3 in depths), int(a > 9)])", 2),
        ("[1, a, [2]]", (1, 7, (2,))),
        ("(1, 2)", (1, 2)),
        ("1, 2", (1, 2)),
        ("[]", ()),
        ("3 in depths", True),
        ("5 not in depths", True),
        ("act == 'ReLU'", True),
        ("act in ['GELU', 'ReLU']", True),
        ("'a' < 'b'", True),
        ("flags[0] and flags[1]", False),
        ("min(3, 1, 2)", 1),
        ("min(depths)", 3),
        ("max(depths)", 6),
        ("max(a, b)", 7),
        ("abs(-3)", 3),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("round(2.567, 1)", 2.6),
        ("ceil(7 / 2)", 4),
        ("floor(7 / 2)", 3),
        ("int(-3.7)", -3),
        ("sqrt(16)", 4.0),
        ("len(depths)", 4),
        ("sum(depths)", 16),
        ("prod(depths)", 216),
        ("divisible(24 * 1.4, 8)", 32),
        ("divisible(3, 8)", 8),
        ("divisible(100, 8)", 104),
        ("divisible(90.9, 8, 16)", 88),
        ("  7  ", 7),
    ],
)
def test_values(text: str, value: Any) -> None:
    found = evaluate(text, NAMES)
    assert (found, type(found)) == (value, type(value))


numbers = st.integers(-9, 9).map(str)
formulas = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "/", "<", "==", ">="]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        inner.map(lambda text: f"(- {text})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"max([{', '.join(items)}])"),
        inner.map(lambda text: f"int({text})"),
        st.tuples(inner, *[st.sampled_from(["", "0", "1", "-1", "2"])] * 2, st.sampled_from(["", ":2", ":-1"])).map(
            lambda p: f"max([{p[0]}, 5, 1, 2][{p[1]}:{p[2]}{p[3]}])"
        ),
    ),
    max_leaves=8,
)


@given(formulas)
def test_it_computes_as_python_does(text: str) -> None:
    """What has a value has Python's; truth values are no numbers here."""
    try:
        found = evaluate(text, Table())
    except ExpressionError as error:
        assert error.message
        return
    assert found == eval(compile(ast.parse(text, mode="eval"), "", "eval"), {"max": max, "int": int})


LISTING = (
    "numbers, names, + - * / // % **, comparisons, and/or/not, x if c else y, lists, indexing, slices, functions: "
    "min, max, abs, round, ceil, floor, int, sqrt, len, sum, prod, divisible"
)
FUNCTION_LIST = "functions: min, max, abs, round, ceil, floor, int, sqrt, len, sum, prod, divisible"
INT = "int: cut off towards zero; of a condition 1 or 0, as Python's int()"
PROD = "prod: the product of a list"
BATCH = "dimension 0 is the batch, whose size a spec leaves open; the others count from 1, as in torch"
KNOWN = "known here: in_channels, in_features, in_size, in_length, in_shape"


def wrong(expression: str, at: str, message: str, hint: str = "") -> Mistake:
    """An expression behind ``Linear:``, and the part of it that the carets stand under."""
    column = len("  - Linear: ") + expression.encode().find(at.encode()) + 1
    return Mistake(
        expression, f"input: [3, 32, 32]\nlayers:\n  - Linear: {expression}\n", f"3:{column}", at, message, hint
    )


def beyond(expression: str, at: str, shown: str = "") -> Mistake:
    return wrong(expression, at, f"`{shown or at}` is more than this arithmetic knows", LISTING)


MISTAKES = [
    wrong("9**9**9", "9**9**9", "a power beyond 256 bits"),
    wrong("1 + 10**1000", "10**1000", "a power beyond 256 bits"),
    wrong("2**257", "2**257", "a power beyond 256 bits"),
    wrong("2**200 * 2**200", "2**200 * 2**200", "a number beyond 256 bits"),
    wrong("1" * 90 + " + 1", "1" * 90, "a number beyond 256 bits"),
    wrong("1e308 * 10", "1e308 * 10", "the result is inf"),
    wrong("1e999", "1e999", "the result is inf"),
    wrong("10**70 / 1e-300", "10**70 / 1e-300", "the result is inf"),
    wrong("1e300**2", "1e300**2", "the result is too large"),
    wrong("round(1e300)", "round(1e300)", "a number beyond 256 bits"),
    wrong("2 + 1 / 0", "1 / 0", "division by zero: `0` is 0"),
    wrong("1 % (1 - 1)", "1 % (1 - 1)", "division by zero: `1 - 1` is 0"),
    wrong("0**-1", "0**-1", "a negative power of zero: `0` is 0"),
    wrong("(-8)**0.5", "(-8)**0.5", "a negative number has no such power"),
    wrong("""'"a" * 1000000000'""", '"a"', "arithmetic needs numbers; `'a'` is the word 'a'"),
    wrong(
        """'"%999999999d" % 1'""",
        '"%999999999d"',
        "arithmetic needs numbers; `'%999999999d'` is the word '%999999999d'",
    ),
    wrong("'[0] * 1000000000'", "[0]", "arithmetic needs numbers; `[0]` is a list"),
    wrong("true + 1", "true", "arithmetic needs numbers; `true` is true", "`int(true)` is 1 or 0"),
    wrong("1 @ 2", "1 @ 2", "`1 @ 2`: this operator is not part of the arithmetic"),
    wrong("1 << 99", "1 << 99", "`1 << 99`: this operator is not part of the arithmetic"),
    wrong("~1", "~1", "`~1` has no value: it is applied to 1"),
    wrong("-'a'", "-'a'", "`-'a'` has no value: it is applied to the word 'a'"),
    wrong("2 * in_chanels", "in_chanels", "unknown name `in_chanels`", "did you mean `in_channels`?"),
    wrong("2 * xyzzy", "xyzzy", "unknown name `xyzzy`", KNOWN),
    wrong("größe * 3 + länge", "größe", "unknown name `größe`", KNOWN),
    beyond("1 + (1).__class__", "(1).__class__", "1 .__class__"),
    beyond("in_size.index", "in_size.index"),
    beyond("in_size.__doc__", "in_size.__doc__"),
    beyond("'lambda x: 1'", "lambda x: 1"),
    beyond("'[x for x in [1]]'", "[x for x in [1]]"),
    beyond("(x for x in in_size)", "(x for x in in_size)"),
    beyond("'{1: 2}'", "{1: 2}"),
    beyond("'{1, 2}'", "{1, 2}"),
    beyond("f'{1}'", "f'{1}'"),
    beyond("await 3", "await 3"),
    wrong("b'x'", "b'x'", "b'x' is not a number"),
    wrong("1j", "1j", "1j is not a number"),
    wrong("...", "...", "Ellipsis is not a number"),
    wrong(
        "__import__('os').system('ls')",
        "__import__('os').system('ls')",
        "`__import__('os').system(...)` is not a function of this arithmetic",
        FUNCTION_LIST,
    ),
    wrong(
        "open('/etc/passwd')", "open('/etc/passwd')", "`open(...)` is not a function of this arithmetic", FUNCTION_LIST
    ),
    wrong("eval('1')", "eval('1')", "`eval(...)` is not a function of this arithmetic", FUNCTION_LIST),
    wrong("1 + rond(2.5)", "rond(2.5)", "`rond(...)` is not a function of this arithmetic", "did you mean `round`?"),
    wrong(
        "'floor(1, key=2)'", "floor(1, key=2)", "`floor(...)` takes its arguments without names", "floor: rounded down"
    ),
    wrong("max()", "max()", "`max` has no value for ()", "max: the largest of its arguments, or of a list"),
    wrong(
        "max(1, 'a')",
        "'a'",
        "max needs numbers; `'a'` is the word 'a'",
        "max: the largest of its arguments, or of a list",
    ),
    wrong("int('9')", "'9'", "int needs numbers; `'9'` is the word '9'", INT),
    wrong("len(3)", "len(3)", "`len` has no value for (3)", "len: the length of a list"),
    wrong("1 + sqrt(0 - 1)", "sqrt(0 - 1)", "`sqrt` has no value for (-1)", "sqrt: the square root"),
    wrong(
        "round(1, 2, 3)",
        "round(1, 2, 3)",
        "`round` has no value for (1, 2, 3)",
        "round: the nearest integer; halves go to the even one, as in Python",
    ),
    wrong(
        "divisible(1, 0)",
        "divisible(1, 0)",
        "`divisible` has no value for (1, 0)",
        "divisible: of (v, d) the multiple of d nearest to v, at least 0.9 v (make_divisible)",
    ),
    wrong("'[1, 2][5]'", "[1, 2][5]", "index 5 is outside a list of 2"),
    wrong("in_size[2]", "in_size[2]", "index 2 is outside a list of 2"),
    wrong(
        "'in_size[::0]'", "::0", "the step of a slice is 0", "`[::2]` takes every second, `[::-1]` turns a list round"
    ),
    wrong("'in_size[0.5:]'", "0.5", "an end of a slice must be a whole number, not 0.5"),
    wrong("'in_size[:true]'", "true", "an end of a slice must be a whole number, not true"),
    wrong("'in_size[::[1]]'", "[1]", "the step of a slice must be a whole number, not a list"),
    wrong("3[:1]", "3", "only a list can be indexed; `3` is 3"),
    wrong("in_shape[0] * 2", "in_shape[0]", "arithmetic needs numbers; `in_shape[0]` is the word 'N'", BATCH),
    *(
        wrong(f"'1 if {asked} else 2'", at, f"`{at}` compares what is no number", BATCH)
        for asked, at in (
            ("in_shape[0] == 1", "in_shape[0] == 1"),
            ("not 1 != in_shape[0]", "1 != in_shape[0]"),
            ("in_shape[0] > 1", "in_shape[0] > 1"),
            ("in_shape == [1, 3, 32, 32]", "in_shape == [1, 3, 32, 32]"),
            ("in_shape[0] in [1, 2]", "in_shape[0] in [1, 2]"),
        )
    ),
    wrong("1 if in_shape[0] else 2", "in_shape[0]", "expected a condition; `in_shape[0]` is the word 'N'", BATCH),
    *(
        wrong(f'"{asked}"', at, f"expected a condition; `{at}` is the word '{at[1:-1]}'", "write true or false")
        for asked, at in (
            ("1 if 'no' else 2", "'no'"),
            ("1 if not 'Off' else 2", "'Off'"),
            ("1 if 'yes' and 2 > 1 else 2", "'yes'"),
        )
    ),
    wrong("\"int('no' == false)\"", "'no' == false", "the word 'no' is neither true nor false", "write true or false"),
    wrong("prod(in_shape)", "in_shape", "prod needs a list of numbers, and no other values in it", PROD),
    wrong(
        "sum([1 < 2])", "[1 < 2]", "sum needs a list of numbers, and no other values in it", "sum: the sum of a list"
    ),
    wrong("abs(1 < 2)", "1 < 2", "abs needs numbers; `1 < 2` is true", "abs: the absolute value"),
    wrong("4 * (1 < 2)", "1 < 2", "arithmetic needs numbers; `1 < 2` is true", "`int(1 < 2)` is 1 or 0"),
    wrong("in_size[true]", "true", "an index must be a whole number, not true"),
    wrong("3[0]", "3", "only a list can be indexed; `3` is 3"),
    wrong("""'"a" < 1'""", '"a" < 1', "the word 'a' and 1 have no order"),
    wrong("1 in 2", "2", "`in` looks into a list; `2` is 2"),
    wrong("1 is 1", "1 is 1", "`1 is 1`: this comparison is not part of the arithmetic"),
    wrong("-" * 499 + "1", "-" * 499 + "1", "the expression is nested too deeply"),
    wrong("1" + "+1" * 300, "1" + "+1" * 300, "an expression of 601 characters; the most is 500"),
    wrong("2**-1000000000", "2**-1000000000", "`out_features` of Linear: expected an integer of at least 1, got 0"),
]


@each(MISTAKES)
def test_mistakes(mistake: Mistake) -> None:
    check(mistake)


@pytest.mark.parametrize(
    "text",
    ["1 +", "1 if 2", "x := 3", "1 2", "'1; 2'", "'# note'", "(1", "'x = 3'", "import os", "'%d'", "'  '", '"\\\\d +"'],
)
def test_no_expressions(text: str) -> None:
    (told,) = mistakes(f"input: [3]\nlayers:\n  - Linear: {text}\n")
    assert told.message.startswith("not an expression: ")
    assert place(told).startswith("3:1")
    assert len(marked(told)) >= 1


def test_places_inside_quoted_and_folded_text() -> None:
    (told,) = mistakes("input: [3]\nvars: {d: [1]}\nlayers: [Linear: 'd[0] + d[3]']\n")
    assert (place(told), marked(told)) == ("3:26", "d[3]")
    (told,) = mistakes("input: [3]\nlayers:\n  - Linear: 1 +\n      x\n")
    assert (place(told), told.message) == ("3:13", "unknown name `x`")
    (told,) = mistakes('input: [3]\nlayers: [Linear: "\\x31 + x"]\n')
    assert (place(told), told.message) == ("2:18", "unknown name `x`")


def test_lists_of_lists_end_somewhere() -> None:
    doubling = "vars:\n  a: [1, 1]\n" + "".join(f"  a{i}: '[a{i - 1 or ''}, a{i - 1 or ''}]'\n" for i in range(1, 60))
    assert messages(doubling + "input: [3]\nlayers: [Linear: a59]\n") == ["a list of more than 1,000 values"]


def test_words_are_values_with_a_hint() -> None:
    word = Word("widht", Table(width=1, depth=2))
    assert (word, word.hint) == ("widht", "did you mean `width`?")
    assert Word("xyz", Table(width=1)).hint == "known here: width"
    assert Word("xyz").hint == "no variables are known here"


def test_functions_are_described() -> None:
    assert all(description for _, description in FUNCTIONS.values())


@given(st.text(alphabet="0123456789abx_ +-*/%().,[]<>=!'\"\\{}:@&|^~#\n\té", max_size=40))
def test_any_text_has_a_value_or_a_message(text: str) -> None:
    try:
        evaluate(text, NAMES)
    except ExpressionError as error:
        assert error.message
        assert 0 <= error.offset <= max(1, len(text))


def test_the_longest_expression() -> None:
    assert evaluate("1" + "+1" * ((LONGEST_EXPRESSION - 1) // 2), NAMES) == 1 + (LONGEST_EXPRESSION - 1) // 2
