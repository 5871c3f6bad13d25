"""Kinds of arguments that hold words, lists and names."""

import math

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.ops import REGISTRY
from archscope.ops.fields import Choice, FieldError, Index, Kind, Listed, Maybe, Named, Real, Reals, Shape, Sizes, Text

SHAPES = Listed(Listed(Index()))
NAMED = Named(Listed(Index()))
WORDS = Named(Choice(("float", "int64")))


@pytest.mark.parametrize(
    ("kind", "given", "held", "written"),
    [
        (Text(), "a.b: c", "a.b: c", "a.b: c"),
        (SHAPES, [], (), []),
        (Maybe(SHAPES), None, None, None),
        (Maybe(SHAPES), [[3, 4]], ((3, 4),), [[3, 4]]),
        (SHAPES, [[3, 4], []], ((3, 4), ()), [[3, 4], []]),
        (NAMED, {}, (), {}),
        (NAMED, {"b.weight": [2, 3], "a": []}, (("b.weight", (2, 3)), ("a", ())), {"b.weight": [2, 3], "a": []}),
        (WORDS, {"ids": "int64"}, (("ids", "int64"),), {"ids": "int64"}),
        (Shape(scalar=True), [], (), []),
    ],
)
def test_values_are_read_held_and_written(kind: Kind, given: object, held: object, written: object) -> None:
    assert kind.read(given, None) == held
    assert kind.read(held, None) == held
    assert kind.written(held) == written
    schema = {**kind.schema(), "$defs": {"expression": {"type": "string"}}}
    assert jsonschema.Draft202012Validator(schema).is_valid(written)


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (Text(), 3, "expected a text, got 3"),
        (SHAPES, 3, "expected a list, of each a list, of each an integer of at least 1, got 3"),
        (SHAPES, [3], "expected a list, of each an integer of at least 1, got 3"),
        (SHAPES, [[0]], "expected an integer of at least 1, got 0"),
        (NAMED, [3, 4], "expected names, of each a list, of each an integer of at least 1, got [3, 4]"),
        (NAMED, {"a": [0]}, "a: expected an integer of at least 1, got 0"),
        (NAMED, [["a", [1]], ["a", [2]]], "expected names, each once, got 'a'"),
        (NAMED, {1: [1]}, "expected names, each once, got 1"),
        (WORDS, {"ids": "int8"}, "ids: expected one of float, int64, got 'int8'"),
    ],
)
def test_what_is_none_of_them_is_refused_in_words(kind: Kind, given: object, says: str) -> None:
    with pytest.raises(FieldError) as refused:
        kind.read(given, None)
    assert refused.value.message == says


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Sizes(), "an integer of at least 1, or a list of one an axis"),
        (Sizes(0, per_axis=2), "an integer of at least 0, or a list of one an axis and end"),
        (Real(), "a number"),
        (Real(0), "a number of at least 0"),
        (Real(0, 1), "a number from 0 to 1"),
        (Reals(0), "a number of at least 0, or a list of one an axis"),
        (Shape(rest=True), "an integer of at least 1, or -1; or a list of such"),
        (Shape(scalar=True), "an integer of at least 1; or a list of such, which may be empty"),
        (Maybe(Index(None)), "an integer, or null"),
    ],
)
def test_kinds_in_words(kind: Kind, says: str) -> None:
    assert kind.describe() == says


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (math.nan, False), (math.inf, True), (2**63, False), (-(2**63), False), (2**63 - 1, True), (1e300, True),
        (True, False), ("1", False), (None, False), (7, True),
    ],
)  # fmt: skip
def test_real_numbers(value: object, taken: bool) -> None:
    """Whole ones as far as torch's integers go."""
    if taken:
        assert Real().read(value, None) == float(value)  # type: ignore[arg-type]
    else:
        with pytest.raises(FieldError, match="expected a number, got"):
            Real().read(value, None)


def test_real_numbers_within_limits() -> None:
    share = Real(0, 1)
    assert [share.read(value, None) for value in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    for value in (-0.1, 1.1):
        with pytest.raises(FieldError, match="expected a number from 0 to 1, got"):
            share.read(value, None)


def test_only_what_may_be_without_dimensions_takes_no_sizes() -> None:
    with pytest.raises(FieldError, match="expected at least one size, got an empty list"):
        Shape().read([], None)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([], {**Shape().schema(), "$defs": {"expression": {"type": "string"}}})


#: values of every sort that a spec may hold
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from([-2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 7.25]),
    lambda one: st.lists(one, max_size=7),
    max_leaves=7,
)
#: a mapping is held as pairs, which a spec does not write
KINDS = sorted(
    {info.kind for op in REGISTRY.values() for info in op.fields if not isinstance(info.kind, Named)}, key=repr
)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_the_schema_allows_what_is_read(kind: Kind) -> None:
    """No literal value is taken that an editor marks as wrong; of single numbers none is refused that it lets pass."""
    validator = jsonschema.Draft202012Validator({**kind.schema(), "$defs": {"expression": {"type": "string"}}})

    @given(VALUES, st.sampled_from([None, 1, 2, 3]))
    def agrees(value: object, rank: int | None) -> None:
        try:
            kind.read(value, rank)
            taken = True
        except FieldError:
            taken = False
        if taken or not isinstance(value, list) or not value:
            assert validator.is_valid(value) == taken

    agrees()
