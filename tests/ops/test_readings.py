"""One formula, three readings: arrays and traced numbers give what plain ints give, on random cases of every op."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tests.ops.records
from archscope.arith import plain
from archscope.arith.traced import Traced
from tests.arith.blocks import Refused, worked_out
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case
from tests.ops.variants import numbers, other_numbers, rebuilt

assert tests.ops.records
EXAMPLES = examples(60)
DESIGNS = 6
RELAXED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
each_op = pytest.mark.parametrize("name", sorted(RECORDS))


def figures(case: Case) -> tuple[Any, list[Any]]:
    """What an op says of a case: everything that is structure, and all numbers in one list."""
    op, x = case
    y = op.outputs(*x)
    tensors = [*y, *op.parameters(*x).values(), *op.buffers(*x).values()]
    work = list(op.contractions(x, y))
    structure = (
        len(y),
        [*op.parameters(*x), *op.buffers(*x)],
        [(len(tensor.shape), tensor.dtype) for tensor in tensors],
        [(contraction.operands, contraction.label) for contraction in work],
    )
    sizes = [size for tensor in tensors for size in tensor.shape]
    measured = (contraction.backward for contraction in work if contraction.backward is not None)
    return structure, [*sizes, *(contraction.macs for contraction in work), *measured, op.elementwise(x, y)]


@each_op
def test_the_array_reading_gives_the_scalar_results(name: str) -> None:
    @RELAXED
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        case = data.draw(RECORDS[name].cases)
        rows = [[number.value for number in numbers(case)]]
        rows += data.draw(st.lists(other_numbers(case), min_size=DESIGNS - 1, max_size=DESIGNS - 1))
        structures: list[Any] = []

        def read(values: dict[str, Any]) -> list[Any]:
            design = rebuilt(case, list(values.values()))
            if not all(check.ok for check in design.op.checks(*design.inputs)):
                raise Refused
            structure, found = figures(design)
            structures.append(structure)
            return [len(structures) - 1, *found]

        columns = {f"v{i}": column for i, column in enumerate(zip(*rows, strict=True))} or {"none": [0] * DESIGNS}
        for row, found in zip(rows, worked_out(columns, read if rows[0] else lambda _: read({})), strict=True):
            design = rebuilt(case, row)
            if all(check.ok for check in design.op.checks(*design.inputs)):
                assert figures(design) == (structures[found[0]], found[1:]), design
            else:
                assert found is None, design

    holds()


@each_op
def test_the_traced_reading_gives_the_scalar_results_and_its_text_is_right(name: str) -> None:
    @RELAXED
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        symbols = [Traced.symbol(number.name, number.value) for number in numbers(case)]
        structure, traced = figures(rebuilt(case, symbols))
        assert figures(case) == (structure, [plain(number) for number in traced])
        for number in traced:
            if isinstance(number, Traced):
                assert evaluated(number.worked()) == number.value, number.worked()
                assert number.formula()

    holds()


def _rounded(rounding: Callable[[Fraction], int]) -> Callable[[Fraction], Fraction]:
    return lambda value: Fraction(rounding(value))


_FUNCTIONS = {
    "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil),
    "max": max,
    "min": min,
    "gcd": lambda a, b: Fraction(math.gcd(int(a), int(b))),
    "F": Fraction,
}


def _literal(found: re.Match[str]) -> str:
    """A whole number as a fraction; a decimal stays a double, which its product is rounded to."""
    return found[0] if "." in found[0] else f"F({found[0].replace(',', '')})"


def evaluated(text: str) -> Fraction:
    """The value of a worked formula, read as a person would: ``x`` multiplies, ``/`` divides exactly."""
    words = {" x ": " * ", "^": "**", " mod ": " % "}
    for word, sign in words.items():
        text = text.replace(word, sign)
    text = re.sub(r"\d+\.\d+|\d{1,3}(?:,\d{3})+(?!\d)|\d+", _literal, text)
    value: Fraction = eval(text, {"__builtins__": {}}, _FUNCTIONS)  # the text is archscope's own
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("floor((227 + 2 x 0 - 11) / 4) + 1", 55),
        ("1,234,567 x 3^2 - 4", 11111099),
        ("7 / 2 x 2 + 7 mod 4", 10),
        ("max(1, 2) + min(3, 4) + gcd(12, 1,008) + ceil(1 / 3)", 18),
        ("-(-3) - -2", 5),
    ],
)
def test_worked_text_is_evaluated_by_the_rules_of_arithmetic(text: str, value: int) -> None:
    assert evaluated(text) == value
