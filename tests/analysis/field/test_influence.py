"""What a unit sees, place by place, against gradients through the real layers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, reject, settings
from hypothesis import strategies as st

import archscope
from archscope.analysis.field.influence import seen_by, sees
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.backends.torch.influence import influence
from archscope.errors import SpecError, UsageError
from tests.examples import examples
from tests.fields import line_designs, mapped_designs

relaxed = settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(mapped_designs(), st.randoms(use_true_random=False))
@relaxed
def test_a_unit_sees_what_gradients_reach(text, random):
    design = archscope.load(text)
    last = design.layers[-1].name
    unit = [random.randrange(size) for size in archscope.analyze(design).output_shape[1:]]
    sight = sees(design, last, unit)
    assert np.array_equal(sight.mask, influence(design, last, unit))


@given(mapped_designs(), st.randoms(use_true_random=False))
@relaxed
def test_units_see_the_places_that_see_them(text, random):
    """A unit sees a place if and only if the place is seen by the unit."""
    design = archscope.load(text)
    last = design.layers[-1].name
    shape = archscope.analyze(design).output_shape[1:]
    unit = [random.randrange(size) for size in shape]
    place = [random.randrange(size) for size in design.inputs[0].shape[1:]]
    sight = sees(design, last, unit)
    units = seen_by(design, last, place)
    inside = bool(units.first) and all(a <= u <= b for a, u, b in zip(units.first, unit, units.last, strict=True))
    if sight.mask[tuple(place)]:
        assert inside
    if units.count == np.prod(units.size) if units.first else True:  # the region has no holes
        assert bool(sight.mask[tuple(place)]) == inside


#: every second unit behind the transposed convolution sees nothing, and the slice keeps those
BLIND = """
input: [2, 600]
layers:
  - {ConvTranspose1d: {out_channels: 2, kernel_size: 1, stride: 2}}
  - {Slice: {dim: 2, start: 1, step: 2}}
  - {Conv1d: {out_channels: 2, kernel_size: 3, padding: 1}}
"""


@given(line_designs(), st.integers(-3, 3))
@example(BLIND, 0)
@relaxed
def test_the_closed_form_is_exact_where_no_border_shows(text, offset):
    try:
        design = archscope.load(text)
    except SpecError:
        reject()
    last = design.layers[-1].name
    (field,) = receptive_fields(design)[last]
    unit = field.units // 2 + offset
    assume(0 <= unit < field.units)
    first, end = field.region(unit)
    assume(first > end or (first >= 60 and end < 540))
    sight = sees(design, last, [unit])
    assert (*sight.seen.first, *sight.seen.last) == ((first, end) if first <= end else ())
    assert end - first + 1 <= field.size


@given(mapped_designs())
@relaxed
def test_the_closed_form_holds_all_that_is_seen(text):
    design = archscope.load(text)
    last = design.layers[-1].name
    fields = receptive_fields(design)[last]
    assume(not any(field.whole or not field.located for field in fields))
    beyond = ("reflect", "Reflection", "replicate", "Replication", "circular", "Circular", "Upsample")
    assume(not any(word in text for word in beyond))  # what stands behind such a border lies inside
    shape = archscope.analyze(design).output_shape[1:]
    sight = sees(design, last, [size - 1 for size in shape])
    if sight.unclipped is not None and sight.seen.first:
        for (first, end), a, b in zip(sight.unclipped, sight.seen.first, sight.seen.last, strict=True):
            assert first <= a
            assert b <= end


@pytest.mark.parametrize(
    ("size", "layer", "seen"),
    [
        (8_000_000, "AdaptiveAvgPool1d: 7999999", (3, 6)),  # floor(3 n / m) = 3, ceil(6 n / m) - 1 = 6
        (10**6, "ConvTranspose1d: {out_channels: 1, kernel_size: 3, stride: 7}", ()),  # 3 to 5 are no 7 u + k, k < 3
        (8_000_000, "CircularPad1d: 3", (0, 2)),
    ],
)
def test_a_unit_of_a_large_map_is_answered_in_a_second(size, layer, seen):
    design = archscope.load(
        f"input: [1, {size}]\nlayers: [{{{layer}}}, {{Conv1d: {{out_channels: 1, kernel_size: 3}}, name: b}}]"
    )
    begun = time.process_time()
    found = sees(design, "b", [3]).seen
    assert time.process_time() - begun < 3  # 0.7 s, where a traced run has time for it
    assert (*found.first, *found.last) == seen


@pytest.mark.parametrize(
    ("size", "layer"),
    [
        (2**32, "Conv1d: {out_channels: 1, kernel_size: 3}"),
        (2**40, f"AdaptiveAvgPool1d: {2**40 - 1}"),
        (1024, "ConvTranspose1d: {out_channels: 1, kernel_size: 1000003, stride: 1009, dilation: 3}"),
    ],
)
def test_a_map_that_is_too_large_to_go_through_is_refused(size, layer):
    design = archscope.load(f"input: [1, {size}]\nlayers: [{{{layer}, name: last}}]")
    for question in (sees, seen_by):
        with pytest.raises(UsageError, match=r"place by place, of at most [0-9,]*; there are [0-9,]* on the way"):
            question(design, "last", [5])


def test_regions_in_words():
    text = "input: [2, 6, 8]\nlayers:\n  - {name: conv, Conv2d: {out_channels: 2, kernel_size: 3}}\n"
    text += "  - {name: flat, Flatten}\n  - {name: fc, Linear: 4}\n"
    design = archscope.load(text)
    assert str(sees(design, "conv", [1, 2]).seen) == "h 1 to 3, w 2 to 4"
    assert str(seen_by(design, "fc", [1, 2])) == "everything"
    blind = archscope.load(
        "input: [2, 6]\nlayers: [{name: last, ConvTranspose1d: {out_channels: 2, kernel_size: 1, stride: 2}}]"
    )
    assert str(sees(blind, "last", [1]).seen) == "nothing"


def test_the_share_of_a_field_that_lies_in_the_padding():
    design = archscope.load(
        "input: [2, 6, 8]\nlayers: [{name: it, Conv2d: {out_channels: 2, kernel_size: 3, padding: 1}}]"
    )
    assert sees(design, "it", [0, 0]).padding_share == pytest.approx(1 - 2 * 2 / 9)
    assert sees(design, "it", [2, 7]).padding_share == pytest.approx(1 - 3 * 2 / 9)
    assert sees(design, "it", [2, 3]).padding_share == 0
