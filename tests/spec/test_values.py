"""The values of an axis: as text, in Python, and what is none."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.errors import UsageError
from archscope.spec.values import Target, read_values, value_text

LISTS = [
    ("128,160,224", (128, 160, 224)),
    ("[2, 3, 4]", (2, 3, 4)),
    ("64", (64,)),
    ("[3,4,6,3],[3,4,23,3]", ((3, 4, 6, 3), (3, 4, 23, 3))),
    ("[[3,4,6,3]]", ((3, 4, 6, 3),)),
    ("[[1, [2, x]], 3]", ((1, (2, "x")), 3)),
    ("ReLU, GELU, 'SiLU'", ("ReLU", "GELU", "SiLU")),
    ("true, false, null, ~", (True, False, None)),
    ("1, 1.0, true, 1, 1.0, true", (1, 1.0, True)),
    ("[1, 1], [1, 1.0], [1, 1]", ((1, 1), (1, 1.0))),
    ("1_000, 1e3, -.5", (1000, 1000.0, -0.5)),
    ("1/4, 3 * 2**5, -(1)", (0.25, 96, -1)),
]
RANGES = [
    ("16:128:8", tuple(range(16, 129, 8))),
    ("16:20", (16, 17, 18, 19, 20)),
    ("16:23:4", (16, 20)),
    ("16:16", (16,)),
    ("128:16:-32", (128, 96, 64, 32)),
    ("-2:2:2", (-2, 0, 2)),
    ("0.25:1:0.25", (0.25, 0.5, 0.75, 1.0)),
    ("0.1:0.3:0.1", (0.1, 0.2, 0.3)),
    ("1:2:0.5", (1.0, 1.5, 2.0)),
    ("1:0:-0.3", (1.0, 0.7, 0.4, 0.1)),
    ("0.5:3", (0.5, 1.5, 2.5)),
    ("1:2.5", (1, 2)),
    ("16:1024:*2", (16, 32, 64, 128, 256, 512, 1024)),
    ("16:1000:*2", (16, 32, 64, 128, 256, 512)),
    ("1024:16:*0.5", (1024, 512, 256, 128, 64, 32, 16)),
    ("16:90:*1.5", (16, 24, 36, 54, 81)),
    ("1:5:*1.5", (1, 2, 3)),  # of 1, 1.5, 2.25, 3.375
    ("0.001:1:*10", (0.001, 0.01, 0.1, 1.0)),
    ("16:1024:log7", (16, 32, 64, 128, 256, 512, 1024)),
    ("1024:16:log4", (1024, 256, 64, 16)),
    ("1:4:log9", (1, 2, 3, 4)),
    ("0.001:1:log4", (0.001, 0.01, 0.1, 1.0)),
    ("0.2:1:lin5", (0.2, 0.4, 0.6, 0.8, 1.0)),
    ("0:10:lin3", (0, 5, 10)),
    ("10:0:lin3", (10, 5, 0)),
    ("0:3:lin9", (0, 1, 2, 3)),
    ("0:1.0:lin3", (0.0, 0.5, 1.0)),
    ("8,16:64:16", (8, 16, 32, 48, 64)),
    ("[8, 16:64:16, 1:2, '5:6']", (8, 16, 32, 48, 64, 1, 2, 5, 6)),
    ("1:3,2:4", (1, 2, 3, 4)),
]


def exact(values: Any) -> list[tuple[type, Any]]:
    """Values that tell 1 from 1.0 and from true."""
    return [(type(v), exact(v) if isinstance(v, tuple) else v) for v in values]


@pytest.mark.parametrize(("text", "expected"), [*LISTS, *RANGES])
def test_values_as_text(text: str, expected: tuple[Any, ...]) -> None:
    assert exact(read_values(text, "width")) == exact(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (range(16, 129, 8), tuple(range(16, 129, 8))),
        ([2, 3, 4], (2, 3, 4)),
        ((2, 3.0, True, None, "ReLU"), (2, 3.0, True, None, "ReLU")),
        ([(3, 4), [5, 6]], ((3, 4), (5, 6))),
        (["8", "16:64:16", "1/2"], (8, 16, 32, 48, 64, 0.5)),
        (np.arange(3), (0, 1, 2)),
        (np.array([[1, 2], [3, 4]]), ((1, 2), (3, 4))),
        (np.linspace(0, 1, 3), (0.0, 0.5, 1.0)),
        ([np.int64(3), np.float32(0.5), np.bool_(True)], (3, 0.5, True)),
        (np.int8(3), (3,)),
        ([Fraction(1, 4)], (0.25,)),
        (5, (5,)),
        (False, (False,)),
        ("16:32:16", (16, 32)),
    ],
    ids=str,
)
def test_values_in_python(value: Any, expected: tuple[Any, ...]) -> None:
    assert exact(read_values(value, "width")) == exact(expected)


@pytest.mark.parametrize("name", ["input", "input.image"])
def test_sizes_of_inputs(name: str) -> None:
    assert read_values("128,3x160x192,[1,8]", name) == (128, (3, 160, 192), (1, 8))
    assert read_values("128:192:32", name) == (128, 160, 192)
    assert read_values([(3, 64, 64), 32], name) == ((3, 64, 64), 32)


CENTS = st.integers(-10_000, 10_000)


@given(CENTS, st.integers(1, 500), st.integers(0, 50))
def test_steps_are_those_of_decimals(start: int, step: int, steps: int) -> None:
    text = f"{start / 100:.2f}:{(start + steps * step) / 100:.2f}:{step / 100:.2f}"
    assert read_values(text, "width") == tuple(float(f"{start + n * step}e-2") for n in range(steps + 1))


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(2, 40))
def test_log_ranges_are_those_of_numpy(start: int, stop: int, points: int) -> None:
    values = read_values(f"{start}.5:{stop}.5:log{points}", "width")
    assert values[0] == start + 0.5
    assert values[-1] == stop + 0.5
    assert values == pytest.approx(list(dict.fromkeys(np.geomspace(start + 0.5, stop + 0.5, points)))[: len(values)])


@given(CENTS, CENTS, st.integers(2, 40), st.booleans())
def test_even_ranges_are_those_of_fractions(start: int, stop: int, points: int, whole: bool) -> None:
    """Half a whole number is rounded to the even one, as Python's round does."""
    given = (f"{start}", f"{stop}") if whole else (f"{start / 100:.2f}", f"{stop / 100:.2f}")
    first, last = map(Fraction, given)
    exact = [first + place * (last - first) / (points - 1) for place in range(points)]
    expected = tuple(dict.fromkeys(round(value) if whole else float(value) for value in exact))
    assert read_values(":".join(given) + f":lin{points}", "width") == expected


PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True).filter(
    lambda w: w not in ("true", "false", "null")
)
VALUES = st.recursive(PLAIN | WORDS, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=8)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_what_is_shown_can_be_read(values: list[Any]) -> None:
    once = list({repr(value): value for value in values}.values())
    text = f"[{', '.join(map(value_text, once))}]"
    assert exact(read_values(text, "width")) == exact(read_values(once, "width"))


def test_values_as_text_are_those_of_specs() -> None:
    shown = map(value_text, [(3, 4, (True, None)), 0.75, 1.0, 96, "ReLU", False])
    assert list(shown) == ["[3, 4, [true, null]]", "0.75", "1.0", "96", "ReLU", "false"]


# -- mistakes ----------------------------------------------------------------------------------------------------------

FORMS = "write 128,160,224 or 16:128:8 or 16:1024:*2 or 16:1024:log7 or 0:1:lin5 or [[3,4,6,3],[3,4,23,3]]"
MANNERS = "write start:stop, start:stop:step, start:stop:*factor, start:stop:logN or start:stop:linN, as in 16:128:8"
OPEN = "this `[` is not closed, or what stands in it is not separated by commas"
FALLING = "a range that falls has a negative step or a factor below 1: 128:16:-8, 1024:16:*0.5"
LARGER = "take a larger step, or a number of values: 1:1e9:log28"
SIZES = "it is a whole number of at least 1 or a shape without the batch: 224, 3x224x224 or [[3,224,224]]"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", f"there are no values; {FORMS}"),
        ([], f"there are no values; {FORMS}"),
        ("16:", f"`16:` cannot be read: found unexpected ':'; {FORMS}"),
        ("16:x", f"`16:x` is no range; {MANNERS}"),
        ("1:2:3:4", f"`1:2:3:4` is no range; {MANNERS}"),
        ("1:2:pow3", f"`1:2:pow3` is no range; {MANNERS}"),
        ("1:" + "9" * 300, f"`1:{'9' * 58}...` is no range; {MANNERS}"),
        ("16:128:0", f"the step of `16:128:0` is 0; {MANNERS}"),
        ("128:16", f"`128:16` leads away from 16; {FALLING}"),
        ("16:128:-8", f"`16:128:-8` leads away from 128; {FALLING}"),
        ("16:128:*0.5", f"`16:128:*0.5` leads away from 128; {FALLING}"),
        ("16:128:*1", "the factor of `16:128:*1` is 1; above 1 a range rises, below 1 it falls"),
        ("16:128:*-2", "the factor of `16:128:*-2` is -2; above 1 a range rises, below 1 it falls"),
        ("0:128:*2", f"`0:128:*2` multiplies, and so its ends are larger than 0; {MANNERS}"),
        ("-1:128:log3", f"`-1:128:log3` multiplies, and so its ends are larger than 0; {MANNERS}"),
        ("1:8:log1", "`1:8:log1` has no whole number of at least 2 behind log or lin; 16:1024:log7 has 7 values"),
        ("1:8:lin2.5", "`1:8:lin2.5` has no whole number of at least 2 behind log or lin; 16:1024:log7 has 7 values"),
        ("1:1e400", "`1e400` in `1:1e400` is beyond the numbers of a design"),
        ("1e-999:1:log9", "`1e-999` in `1e-999:1:log9` is beyond the numbers of a design"),
        ("1:1e9", f"`1:1e9` has more than 1,000,000 values; {LARGER}"),
        ("1:1e9:lin1000001", f"`1:1e9:lin1000001` has more than 1,000,000 values; {LARGER}"),
        ("1:1e300:*1.000001", f"`1:1e300:*1.000001` has more than 1,000,000 values; {LARGER}"),
        (range(10**30), f"the list has more than 1,000,000 values; {LARGER}"),
        ("1:600000, 600001:1200000", f"the list has more than 1,000,000 values; {LARGER}"),
        ("[1, 2", f"`[1, 2` cannot be read: {OPEN}; {FORMS}"),
        ("{a: 1}", f"a mapping is no value; {FORMS}"),
        ("a b", f"`a b` is no value; {FORMS}"),
        ("2 * width", f"`2 * width` is no value; {FORMS}"),
        ("1 < 2", f"`1 < 2` is no value; {FORMS}"),
        ("1e400", f"`1e400` is no value; {FORMS}"),
        ("3x160x160", f"`3x160x160` is no value; {FORMS}"),
        ("[[1:4]]", "the range `1:4` stands inside a value that is a list; write such values out"),
        (["a,b"], f"`a,b` is no value; {FORMS}"),
        ({1: 2}, "a value is a number, a word or a list, not dict"),
        ([b"a"], "a value is a number, a word or a list, not bytes"),
        ([float("inf")], "a number is finite, not inf"),
        (np.array([np.nan]), "a number is finite, not nan"),
        ([2**256], "a number has at most 256 bits"),
        ("9" * 99, "a number has at most 256 bits"),
        ("[" * 20 + "]" * 20, "lists in lists, more than 8 deep"),
        ([[0] * 1001], "a value that is a list has at most 1,000 numbers"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_no_value(value: Any, message: str) -> None:
    start = time.perf_counter()
    with pytest.raises(UsageError) as caught:
        read_values(value, "width")
    assert str(caught.value) == f"the values of `width`: {message}"
    assert time.perf_counter() - start < 20  # none of them hangs


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input", "0", f"an input is not 0; {SIZES}"),
        ("input", "0.5:2", f"an input is not 0.5; {SIZES}"),
        ("input", "true", f"an input is not true; {SIZES}"),
        ("input.a", "[[3, 0]]", f"an input is not [3, 0]; {SIZES}"),
        ("input", "[[]]", f"an input is not []; {SIZES}"),
        ("batch", "[[1]]", "a batch is not [1]; it is a whole number of at least 1"),
        ("batch", "0:8:4", "a batch is not 0; it is a whole number of at least 1"),
    ],
)
def test_what_is_no_size(name: str, value: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_values(value, name)
    assert str(caught.value) == f"the values of `{name}`: {message}"


def test_what_varies() -> None:
    read = {text: Target.read(text) for text in ("width", "depths[0]", "input", "input.left-eye", "batch", "a.b", "0")}
    assert read == {
        "width": Target("variable", "width"),
        "depths[0]": Target("element", "depths", 0),
        "input": Target("input"),
        "input.left-eye": Target("input", "left-eye"),
        "batch": Target("batch"),
        "a.b": None,
        "0": None,
    }
