"""Attention written out by hand under a mask: the prefix of each query, by the definition of the mask."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import archscope
from archscope.analysis.field.axis import less_words
from archscope.analysis.field.influence import seen_by, sees
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.ops.activation import LogSoftmax, Softmax
from archscope.ops.base import ReadsByValues
from archscope.report.results.fields import FieldsReport
from tests.reached import truth

HEAD = """input: [{length}, 4]
layers:
  - {{Linear: 4, name: q}}
  - {{Linear: 4, from: input, name: k}}
  - {{Linear: 4, from: input, name: v}}
  - {{Transpose: {{dim0: 1, dim1: 2}}, from: k, name: kt}}
  - {{MatMul: , from: [q, kt], name: scores}}
"""
TAIL = "  - {Softmax: -1, name: weights}\n  - {MatMul: , from: [weights, v], name: last}\n"
ADDED = "  - {{{kind}: {{shape: [{length}, {length}], value: '{value}'}}, name: m}}\n  - {{Add: , from: [scores, m]}}\n"


def design(mask: str, length: int = 6, tail: str = TAIL) -> archscope.Design:
    return archscope.load(HEAD.format(length=length) + mask + tail)


def added(value: str, length: int = 6, kind: str = "Constant") -> str:
    return ADDED.format(kind=kind, length=length, value=value)


CAUSAL = {
    "minus infinity": added("triu(diagonal=1, value=-inf)"),
    "as BERT writes it": added("triu(diagonal=1, value=-10000)"),
    "of a buffer": added("triu(diagonal=1, value=-1e9)", kind="Buffer"),
    "filled": "  - {Buffer: {shape: [6, 6], value: tril}, name: t}\n  - {Compare: {operator: eq, other: 0}, name: m}\n"
    "  - {MaskedFill: {value: -.inf}, from: [scores, m]}\n",
    "subtracted": "  - {Constant: {shape: [6, 6], value: tril}}\n  - {Scale: -1}\n  - {Shift: 1}\n"
    "  - {Scale: 1e9, name: m}\n  - {Subtract: , from: [scores, m]}\n",
    "chosen": "  - {Constant: {shape: [6, 6], value: tril, dtype: bool}, name: m}\n"
    "  - {Constant: {shape: [1], value: -1e9}, name: low}\n  - {Where: , from: [m, scores, low]}\n",
    "scaled and dropped out": added("triu(diagonal=1, value=-inf)") + "  - {Scale: 0.5}\n  - {Dropout: 0.1}\n",
}


@pytest.mark.parametrize("mask", CAUSAL.values(), ids=CAUSAL)
def test_a_query_sees_what_the_mask_leaves(mask: str) -> None:
    one = design(mask)
    for unit in range(6):
        assert sees(one, "last", [unit]).mask.tolist() == [place <= unit for place in range(6)]
    assert seen_by(one, "last", [2]).count == 4  # 2 to 5
    (field,) = receptive_fields(one)["last"]
    assert (field.sees, field.smallest, field.size) == ("a part", 1, 6)


def test_a_score_depends_on_both_places_until_the_softmax() -> None:
    """q_1 k_3 - 10,000 is computed from places 1 and 3; of its weight, exp(-10,000) of something, nothing is left."""
    one = design("  - {Constant: {shape: [6, 6], value: 'triu(diagonal=1, value=-10000)'}, name: m}\n"
                 "  - {Add: , from: [scores, m], name: masked}\n")  # fmt: skip
    assert sees(one, "masked", [1, 3]).mask.tolist() == [place in (1, 3) for place in range(6)]
    assert not sees(one, "weights", [1, 3]).mask.any()
    assert sees(one, "weights", [3, 1]).mask.tolist() == [place <= 3 for place in range(6)]


def test_weights_that_nothing_is_made_of() -> None:
    one = design(CAUSAL["minus infinity"], tail="  - {Softmax: -1, name: last}\n")  # no product reads them
    assert sees(one, "last", [3]).mask.tolist() == [place <= 3 for place in range(6)]


def test_other_masks() -> None:
    banded = (
        "[" + ", ".join("0" if 0 <= row - column <= 1 else "-.inf" for row in range(6) for column in range(6)) + "]"
    )
    windows = {
        "triu(diagonal=2, value=-inf)": [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 5)],
        "tril(diagonal=-1, value=-inf)": [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (5, 5)],
        "triu(diagonal=1, value=-5)": [(0, 5)] * 6,  # which only weighs
        "tril": [(0, 5)] * 6,
    }
    for value, ends in windows.items():
        (field,) = receptive_fields(design(added(value)))["last"]
        seen = [field.region(unit) for unit in range(6)] if field.table is not None else [(0, field.extent - 1)] * 6
        assert seen == ends, value
    one = design(added("VALUE").replace("'VALUE'", banded))
    assert [sees(one, "last", [unit]).seen.first for unit in range(6)] == [(0,), (0,), (1,), (2,), (3,), (4,)]


def test_weights_under_a_mask_without_a_softmax() -> None:
    mask = "  - {Constant: {shape: [6, 6], value: tril}, name: m}\n  - {Multiply: , from: [scores, m], name: weights}\n"
    one = design(mask, tail="  - {MatMul: , from: [weights, v], name: last}\n")
    assert [sees(one, "last", [unit]).seen.last for unit in range(6)] == [(unit,) for unit in range(6)]


def test_heads_and_a_long_sequence() -> None:
    """A head each of 8; 1,024 x 1,024 scores are gone through one by one."""
    heads = """input: [1024, 16]
layers:
  - Linear: 16
  - {Unflatten: {dim: 2, unflattened_size: [8, 2]}}
  - {Transpose: {dim0: 1, dim1: 2}, name: q}
  - {Transpose: {dim0: 2, dim1: 3}, name: k}
  - {Constant: {shape: [1, 1, 1024, 1024], value: 'triu(diagonal=1, value=-inf)'}, name: m}
  - {MatMul: , from: [q, k], name: scores}
  - {Add: , from: [scores, m]}
  - Softmax: -1
  - {Identity: , name: w}
  - {MatMul: , from: [w, q]}
  - {Transpose: {dim0: 1, dim1: 2}}
  - {Flatten: 2, name: last}
"""
    (field,) = receptive_fields(archscope.load(heads))["last"]
    assert (field.sees, field.smallest, field.size) == ("a part", 1, 1024)
    assert field.region(700) == (0, 700)


def test_a_score_row_tells_what_gradients_reach() -> None:
    """q_i k_j is computed from places i and j, and so from |i - j| + 1 places from the first to the last."""
    one = design("", tail="  - {Identity: , from: scores, name: last}\n")
    (field,) = receptive_fields(one)["scores"]
    assert (field.smallest, field.size, field.sees) == (1, 6, "a part")
    reached = truth(one, "scores").any(-1)
    for i, j in product(range(6), repeat=2):
        assert np.flatnonzero(reached[i, j]).tolist() == sorted({i, j})
        assert field.region(6 * i + j) == (min(i, j), max(i, j))


def test_why_scores_are_not_told_where_they_are_many() -> None:
    """1,025 x 1,025 are 1,050,625, more than 2^20; no value has anything to do with it."""
    one = design("", length=1025, tail="  - {Softmax: -1, name: weights}\n")
    (scores,), (weights,) = (receptive_fields(one)[name] for name in ("scores", "weights"))
    assert scores.sees == weights.sees == "not told"
    assert scores.crowded == "it has 1,050,625 units: no more than 1,048,576 are told one by one"
    assert "1,050,625" in weights.crowded


def test_why_no_more_than_at_most_is_told_of_what_a_mask_leaves() -> None:
    """Of a mask in 1,025 x 1,025 it is known what it leaves: there is no room, and that is said."""
    one = design(added("triu(diagonal=1, value=-inf)", 1025), length=1025)
    (field,) = receptive_fields(one)["last"]
    assert field.at_most
    assert less_words(field.at_most, field.crowded).endswith(
        "reads a part, and weights goes through 1,050,625 places: no more than 1,048,576 are told one by one"
    )
    (seen,) = FieldsReport(receptive_fields(one), "last").data()["axes"]
    assert (seen["at_most"] is None) == (seen["crowded"] is None)


def test_a_softmax_says_itself_what_it_reads_of_masked_scores() -> None:
    assert issubclass(Softmax, ReadsByValues)
    assert issubclass(LogSoftmax, ReadsByValues)
