"""Arithmetic over vectors: every text is worked out again by Python's own eval, place by place."""

from __future__ import annotations

import pytest

from archscope.structure.arithmetic import (
    ABSENT,
    columns,
    constant,
    equal,
    formulas,
    linear,
    one,
    truths,
    two,
    usual,
)


def worked_out(text, candidates):
    """What a text gives in every place."""
    count = len(next(iter(candidates.values())))
    return [eval(text, {}, {name: vector[at] for name, vector in candidates.items()}) for at in range(count)]


@pytest.mark.parametrize(
    ("candidates", "values", "text"),
    [
        ({"width": [16, 24, 32]}, [64, 96, 128], "4 * width"),
        ({"width": [16, 24, 32]}, [8, 12, 16], "width // 2"),
        ({"kernel": [3, 5, 7]}, [1, 2, 3], "kernel // 2"),
        ({"a": [1, 2, 5]}, [5, 7, 13], "2 * a + 3"),
        ({"a": [3, 4, 5], "b": [7, 2, 9]}, [21, 8, 45], "a * b"),
        ({"a": [8, 9, 10], "b": [2, 3, 5]}, [10, 12, 15], "a + b"),
    ],
)
def test_a_text_gives_the_values(candidates, values, text):
    found = list(formulas((one, linear, two), [candidates], values))
    assert text in found
    assert all(worked_out(one_text, candidates) == values for one_text in found)


def test_places_that_do_not_matter_are_not_asked():
    assert "2 * a" in list(one({"a": [3, 4, ABSENT]}, [6, 8, ABSENT]))
    assert list(one({"a": [3, ABSENT]}, [6, 8])) == []  # nothing to work the second one out of


def test_true_is_no_1():
    assert constant([1, ABSENT, 1])
    assert not constant([1, True])
    assert equal({"flag": [True, True], "count": [1, 1]}, [1, 1]) == "count"


def test_lists_of_one_length_are_a_vector_for_each_place():
    assert columns([(1, 2), ABSENT, (3, 4)]) == [[1, ABSENT, 3], [2, ABSENT, 4]]
    assert columns([(1, 2), (3,)]) is None
    assert columns([(1, 2), 3]) is None


def test_conditions_are_what_holds_and_its_opposite():
    assert dict(truths({"a": [True, ABSENT, False], "n": [1, 2, 3]})) == {
        "a": [True, ABSENT, False],
        "not a": [False, ABSENT, True],
    }


def test_a_usual_value_is_one_that_occurs():
    assert usual("stride", [2, 1, 2]) == 1
    assert usual("stride", [2, 2]) is ABSENT
    assert usual("project", [True, False]) is False
    assert usual("width", [1, 2]) is ABSENT
