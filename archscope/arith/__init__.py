"""The arithmetic that formulas are written in.

A formula uses ``+ - * // %``, comparisons and the helpers below, and never branches on a number. So it can be
read three ways: on Python ints, on :class:`~archscope.arith.recorded.Recorded` (numbers that become arrays: a block
of designs at once) and on :class:`~archscope.arith.traced.Traced` (numbers that remember their formula).

For the type checker a number is an ``int``. Traced numbers enter where an op's fields and shapes are replaced
(:meth:`archscope.ops.base.Op.replace`), recorded ones as values of a spec's variables, and nowhere else.
"""

from archscope.arith.helpers import (
    Reading,
    ceil_div,
    collected,
    exact_div,
    fixed,
    floor_mul,
    gcd,
    is_real,
    largest,
    maximum,
    minimum,
    plain,
    prod,
    ratio,
    total,
    where,
    whole_number,
)

__all__ = [
    "Reading", "ceil_div", "collected", "exact_div", "fixed", "floor_mul", "gcd", "is_real", "largest",
    "maximum", "minimum", "plain", "prod", "ratio", "total", "where", "whole_number",
]  # fmt: skip
