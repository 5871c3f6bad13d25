"""The arithmetic that formulas are written in.

A formula uses ``+ - * // %``, comparisons and the helpers below, and never branches on a number. So it can be
read three ways: on Python ints, on :class:`~archscope.arith.arrays.IntArray` (a block of designs at once) and on
:class:`~archscope.arith.traced.Traced` (numbers that remember their formula).

For the type checker a number is an ``int``; the other two readings enter where an op's fields and shapes are
replaced (:meth:`archscope.ops.base.Op.replace`), and nowhere else.
"""

from archscope.arith.helpers import (
    Reading,
    ceil_div,
    everywhere,
    exact_div,
    fixed,
    floor_mul,
    gcd,
    maximum,
    minimum,
    prod,
    ratio,
    total,
    where,
)

__all__ = [
    "Reading", "ceil_div", "everywhere", "exact_div", "fixed", "floor_mul", "gcd", "maximum", "minimum", "prod",
    "ratio", "total", "where",
]  # fmt: skip
