"""Receptive fields in closed form: the recurrence, several paths, what mixes everything, and every reading of it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import archscope
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.errors import UsageError
from archscope.ops.spans import ITSELF, Span, hull, union
from archscope.ops.windows import Slide
from tests.arith.blocks import worked_out


def fields(layers, shape="[2, 32, 32]"):
    text = f"input: {shape}\nlayers:\n" + "".join(f"  - {layer}\n" for layer in layers)
    return receptive_fields(archscope.load(text))


def field(*layers, shape="[2, 100]"):
    """The field of the last layer along the only axis."""
    found = fields([*layers, "{Identity: , name: last}"], shape)["last"]
    (one,) = found
    return one


CONV = "Conv1d: {{out_channels: 2, kernel_size: {}, stride: {}, padding: {}, dilation: {}}}"


@pytest.mark.parametrize(
    ("layers", "size", "jump", "start"),
    [
        ([CONV.format(3, 1, 0, 1)], 3, 1, 0),
        ([CONV.format(3, 2, 1, 1), CONV.format(3, 2, 1, 1)], 7, 4, -3),
        ([CONV.format(3, 1, 2, 4)], 9, 1, -2),
        (["ZeroPad1d: [3, 1]", CONV.format(4, 2, 0, 1)], 4, 2, -3),
        (["Conv1d: {out_channels: 2, kernel_size: 4, padding: same}"], 4, 1, -1),
        (["MaxPool1d: {kernel_size: 3, stride: 2, padding: 1, dilation: 2}"], 5, 2, -1),
        (["Slice: {dim: 2, start: 5, step: 3}"], 1, 3, 5),
        (["Upsample: {scale_factor: 2}"], 1, Fraction(1, 2), 0),
        (["Upsample: {scale_factor: 2, mode: linear}"], 2, Fraction(1, 2), -1),
        (["ConvTranspose1d: {out_channels: 2, kernel_size: 3, stride: 2}"], 2, Fraction(1, 2), -1),
        (
            ["ConvTranspose1d: {out_channels: 2, kernel_size: 2, stride: 2}", CONV.format(3, 1, 1, 1)],
            2,
            Fraction(1, 2),
            -1,
        ),
        (["AdaptiveAvgPool1d: 40"], 3, Fraction(5, 2), 0),
        (["AdaptiveAvgPool1d: 50"], 2, 2, 0),
    ],
)
def test_windows(layers, size, jump, start):
    one = field(*layers)
    assert (one.size, one.jump, one.start) == (size, jump, start)


def test_a_pixel_shuffle_makes_places_of_channels():
    one = fields(["{Conv2d: {out_channels: 4, kernel_size: 3}, name: conv}", "{PixelShuffle: 2, name: up}"])["up"]
    assert [(axis.size, axis.jump, axis.start) for axis in one] == [(3, Fraction(1, 2), 0)] * 2


def test_axes_differ():
    layer = "Conv2d: {out_channels: 2, kernel_size: [3, 5], stride: [2, 1], padding: [1, 0], dilation: [1, 2]}"
    height, width = fields([f"{{{layer}, name: conv}}"])["conv"]
    assert (height.axis, height.size, height.jump, height.start, height.padding) == ("h", 3, 2, -1, (1, 0))
    assert (width.axis, width.size, width.jump, width.start, width.padding) == ("w", 9, 1, 0, (0, 0))


def test_three_axes():
    found = fields(["{Conv3d: {out_channels: 2, kernel_size: [1, 3, 5]}, name: conv}"], "[2, 8, 9, 10]")["conv"]
    assert [(axis.axis, axis.size) for axis in found] == [("d", 1), ("h", 3), ("w", 5)]


def test_paths_are_joined_to_their_hull():
    one = field(f"Add: [[{{{CONV.format(5, 1, 2, 1)}}}], [{{{CONV.format(3, 1, 1, 1)}}}], []]")
    assert (one.size, *one.paths) == (5, 1, 5)
    assert one.aligned


def test_paths_that_are_not_aligned_are_named():
    pads = "{layers: [{ZeroPad1d: [4, 0]}, {Conv1d: {out_channels: 2, kernel_size: 5}, name: causal}]}"
    found = fields([f"{{Add: [[{pads}], []], name: sum}}", "{ReLU: , name: last}"], "[2, 20]")
    (one,) = found["last"]
    assert (one.start, one.size, *one.paths) == (-4, 5, 1, 5)
    assert one.apart is not None
    assert (one.apart.layer, str(one.apart.first), str(one.apart.second), one.apart.by) == ("sum", "causal", "input", 2)


def test_paths_of_unequal_strides_drift_apart():
    slices = "{Slice: {dim: 2, step: 2}}", "{Slice: {dim: 2, end: 10}}"
    one = field(f"Add: [[{slices[0]}], [{slices[1]}]]", shape="[2, 20]")
    assert one.region(0) == (0, 0)
    assert one.region(9) == (9, 18)
    assert (one.size, one.jump) == (10, 2)


@pytest.mark.parametrize(
    ("layers", "mixing"),
    [
        (["{Flatten: }", "{Linear: 4, name: last}"], "last"),
        (["{AdaptiveAvgPool1d: 1, name: last}"], "last"),
        (["{Mean: [2], name: pool}", "{Linear: 3, name: last}"], "pool"),
        (["{Softmax: {dim: 2}, name: last}"], "last"),
        (["{GroupNorm: 1, name: last}"], "last"),
        (
            ["{Transpose: {dim0: 1, dim1: 2}}", "{MultiheadAttention: {num_heads: 2, batch_first: true}, name: last}"],
            "last",
        ),
        (
            [
                "{Transpose: {dim0: 1, dim1: 2}}",
                "{LSTM: {hidden_size: 3, batch_first: true, bidirectional: true}, name: last}",
            ],
            "last",
        ),
    ],
)
def test_what_mixes_everything_sees_all_and_keeps_the_field_before_it(layers, mixing):
    text = f"{{{CONV.format(7, 1, 3, 1)}}}"
    (one,) = fields([text, *layers], "[2, 20]")["last"]
    assert one.whole
    assert one.mixed_by == mixing
    assert one.size == 7


def test_a_flatten_alone_mixes_nothing():
    (one,) = fields([f"{{{CONV.format(3, 1, 0, 1)}}}", "{Flatten: , name: last}"], "[2, 20]")["last"]
    assert not one.whole
    assert not one.located
    assert one.size == 3


def test_a_sequence_of_features_has_its_places_first():
    (one,) = fields(
        ["{Linear: 4}", "{Transpose: {dim0: 1, dim1: 2}}", f"{{{CONV.format(3, 1, 0, 1)}, name: last}}"], "[20, 8]"
    )["last"]
    assert (one.axis, one.extent, one.size) == ("l", 20, 3)


def test_several_inputs_have_fields_of_their_own():
    text = """
inputs: {a: [2, 20], b: [2, 30]}
layers:
  - {Conv1d: {out_channels: 2, kernel_size: 3}, name: one, from: a}
  - {Conv1d: {out_channels: 2, kernel_size: 13}, name: two, from: b}
  - {Add: [one, two], name: sum}
"""
    found = receptive_fields(archscope.load(text))
    assert [one.size for one in found.of("sum", input="a")] == [3]
    assert [one.size for one in found.of("sum", input="b")] == [13]
    assert found.of("one", input="b") == ()
    with pytest.raises(UsageError, match="no input `c`"):
        found.of("sum", input="c")


def test_names_are_layers_or_blocks():
    found = receptive_fields(archscope.load("resnet18"))
    assert found["layer1"] == found["layer1.1.relu"]
    with pytest.raises(UsageError, match="did you mean `layer1"):
        found.of("layer1.1.rel")
    with pytest.raises(UsageError, match="has no output 3"):
        found.of("conv1", 3)


def test_the_recurrence_is_array_valued():
    """A block of windows at once, element by element what each gives alone."""
    names = ("kernel", "stride", "padding", "dilation", "jump", "first", "size")
    rows = [(1, 1, 0, 1, 1, 0, 1), (3, 2, 1, 2, 2, -3, 7), (7, 4, 3, 3, 8, 5, 30)]

    def seen(v):
        after = Slide(*(v[name] for name in names[:4])).seen(Span(v["jump"], (v["first"],), (v["size"],)), 99, 99)
        return [after.jump, *after.first, *after.size]

    found = worked_out(dict(zip(names, zip(*rows, strict=True), strict=True)), seen)
    assert found == [seen(dict(zip(names, row, strict=True))) for row in rows]


def test_a_union_of_units_looks_at_both_ends():
    turning = Span(4, (0, 1, 3), (3, 1, 5))
    for units in (range(1), range(1, 3), range(7), range(-3, 9, 2), range(0, 40, 3)):
        seen = [place for unit in units for place in range(turning.of(unit)[0], sum(turning.of(unit)))]
        assert union(turning, units) == (min(seen), max(seen) - min(seen) + 1)


def test_a_hull_holds_all_and_no_more():
    a, b = Span(2, (0,), (3,)), Span(4, (1, 2), (1, 6))
    (both,) = hull([a, b])
    for unit in range(-4, 5):
        ends = [(first, first + size) for first, size in (a.of(unit), b.of(unit))]
        first, size = both.of(unit)
        assert (first, first + size) == (min(e[0] for e in ends), max(e[1] for e in ends))
    assert hull([a, a]) == (a,)
    assert len(hull([a, ITSELF])) == 2


def test_units_that_see_nothing_are_none():
    one = field("ConvTranspose1d: {out_channels: 2, kernel_size: 1, stride: 3}")
    first, last = one.region(1)
    assert first > last
    assert one.size == 1


def test_values_are_python_numbers():
    for layer_fields in receptive_fields(archscope.load("unet")).tensors.values():
        for one in layer_fields.values():
            assert isinstance(one.size, int)
            assert not isinstance(one.size, np.integer)


HUGE = 2**40


@pytest.mark.parametrize(
    ("layers", "size", "sizes"),
    [
        ([f"AdaptiveAvgPool1d: {HUGE - 1}"], HUGE, None),  # so many windows take turns: that is said
        ([f"Upsample: {{size: {HUGE - 1}, mode: linear}}"], 1000, None),
        (["AdaptiveAvgPool1d: 3"], HUGE, (366503875926, 366503875926)),  # ceil(2^40 / 3), each
        ([f"Upsample: {{size: {HUGE}}}"], HUGE // 4, (1, 1)),
        # of 2^20 units one after another each meets 2^40 / 2^20 taps
        ([f"ConvTranspose1d: {{out_channels: 1, kernel_size: {HUGE}, stride: {2**15}}}"], 8, (2**25, 2**25)),
    ],
)
def test_windows_are_never_gone_through(layers, size, sizes):
    one = field(*layers, shape=f"[1, {size}]")
    assert (one.sees == "not told") == (sizes is None)
    assert one.located == (sizes is not None)
    if sizes is not None:
        assert (one.smallest, one.size) == sizes


@pytest.mark.parametrize(
    ("layers", "spans"),
    [
        (["CumSum: {dim: 2}"], ((0, 1), 1, 8)),
        (["Flip: {dims: 2}", "CumSum: {dim: 2}", "Flip: {dims: 2}"], ((0, 8), 1, 8)),  # what comes after
        (["Flip: {dims: 2}"], ((7, 1), 1, 1)),
        (["CumSum: {dim: 2}", CONV.format(3, 2, 0, 1)], ((0, 3), 3, 7)),  # units read 0 to 2, 2 to 4, 4 to 6
        (["CumSum: {dim: 2}", "Flip: {dims: 2}"], ((0, 8), 1, 8)),
        # x_u and x_(7-u): 8 places apart at the ends, 2 in the middle
        (["Add: [[{Flip: {dims: 2}}], []]"], ((0, 8), 2, 8)),
        (["CumSum: {dim: 2}", "Select: {dim: 2, index: 4}"], ((0, 5), 5, 5)),
    ],
)
def test_what_is_ordered(layers, spans):
    """First place and size of the first unit; the smallest and the largest size: of 8 places, by hand."""
    one = field(*layers, shape="[2, 8]")
    first, last = one.region(0)
    assert ((first, last - first + 1), one.smallest, one.size) == spans


ROLL = "Roll: {shifts: 3, dims: 2}"


@pytest.mark.parametrize(
    ("layers", "ends"),
    [
        ([ROLL], [5, 6, 7, 0, 1, 2, 3, 4]),
        # units 0 to 2 and 3 to 7 lie beside each other, the border cuts the outermost: 5 6 7 | 0 1 2 3 4
        (
            [ROLL, CONV.format(3, 1, 1, 1)],
            [(5, 6), (5, 7), (0, 7), (0, 7), (0, 2), (1, 3), (2, 4), (3, 4)],
        ),
        (["Reshape: [2, 2, 4]", "Flatten: {start_dim: 2}", CONV.format(3, 1, 0, 1)], [(u, u + 2) for u in range(6)]),
        # windows of 4, each running on its own
        (["Reshape: [2, 2, 4]", "CumSum: {dim: 3}", "Flatten: {start_dim: 2}"], [(u // 4 * 4, u) for u in range(8)]),
        (["Concat: {inputs: [[], [{Conv1d: {out_channels: 2, kernel_size: 5}}]], dim: 2}"],
         [*range(8), *((u, u + 4) for u in range(4))]),
        (["Concat: {inputs: [[{Softmax: {dim: 2}}], []], dim: 2}"], [(0, 7)] * 8 + [*range(8)]),
        (["Tile: {dims: 2}", "MaxPool1d: {kernel_size: 2, stride: 3}"], [(0, 1), (3, 4), (6, 7), (1, 2), (4, 5)]),
        ([ROLL, "Slice: {dim: 2, start: 2, end: 6}", CONV.format(2, 2, 0, 1)], [(0, 7), (1, 2)]),
    ],
)  # fmt: skip
def test_what_is_laid_anew_is_told_unit_by_unit(layers, ends):
    """From where to where each unit sees, borders taken in: of 8 places, by hand."""
    one = field(*layers, shape="[2, 8]")
    expected = [end if isinstance(end, tuple) else (end, end) for end in ends]
    sizes = [last - first + 1 for first, last in expected]
    assert (one.smallest, one.size) == (min(sizes), max(sizes))
    assert [one.region(unit) for unit in range(one.units)] == expected
    assert one.sees == "a part"


def test_what_mixes_all_that_was_laid_anew_sees_all():
    one = field(ROLL, "Softmax: {dim: 2}", shape="[2, 8]")
    assert (one.sees, one.mixed_by, one.size) == ("all", "Softmax", 1)


def test_of_what_is_laid_anew_no_more_is_told_than_there_is_room_for():
    """A map of 2^21 places is gone through by no one; it is told as soon as it is small enough."""
    layers = [ROLL, CONV.format(3, 1, 1, 1)]
    one = field(*layers, shape=f"[1, {2**21}]")
    assert (one.sees, one.untold_from) == ("not told", "Conv1d")
    assert field(*layers, shape=f"[1, {2**20}]").sees == "a part"


def test_what_is_mixed_of_a_part_is_no_more_than_that_part():
    one = field("Slice: {dim: 2, end: 5}", "Softmax: {dim: 2}", shape="[2, 8]")
    assert one.whole
    assert (one.sees, one.reach) == ("a part", (0, 4))


def test_units_that_see_padding_alone_are_none_of_those_that_are_mixed():
    """Places -1 and 1 of two are read: place 1 is all that is seen."""
    one = field("Conv1d: {out_channels: 2, kernel_size: 1, stride: 2, padding: 1}", "Softmax: {dim: 2}", shape="[2, 2]")
    assert (one.sees, one.reach) == ("a part", (1, 1))


@pytest.mark.parametrize(
    ("size", "out", "first", "sizes", "jump"),
    [
        (
            5,
            9,
            0,
            (1, 2),
            Fraction(1, 2),
        ),  # (5 - 1) / (9 - 1): every second unit lies on a place, the others between two
        (9, 5, 0, (1, 1), 2),  # 8 / 4: every second place
        (7, 3, 0, (1, 1), 3),  # 6 / 2
        (5, 4, 0, (1, 2), Fraction(4, 3)),
        (6, 1, 0, (1, 1), 0),  # the first corner
    ],
)
def test_corners_that_are_aligned(size, out, first, sizes, jump):
    """Unit u lies at u (size - 1) / (out - 1) of the input, whose corners are those of the output."""
    one = field(f"Upsample: {{size: {out}, mode: linear, align_corners: true}}", shape=f"[2, {size}]")
    assert (one.start, one.smallest, one.size, one.jump) == (first, *sizes, jump)
    if out > 1:
        assert one.region(out - 1)[0] == size - 1


def test_units_that_see_all_beside_others_are_not_all_units():
    one = field("Concat: {inputs: [[{Softmax: {dim: 2}}], []], dim: 2}", shape="[2, 8]")
    assert (one.sees, one.smallest, one.size) == ("a part", 1, 8)
    assert field("Concat: {inputs: [[{Softmax: {dim: 2}}], []], dim: 1}", shape="[2, 8]").sees == "all"


def test_the_fields_of_paths_that_cross_are_smallest_where_they_do():
    """x_u beside x_(7-u), whichever comes first: 8 places apart at the ends, 2 in the middle."""
    for branches in ("[[{Flip: {dims: 2}}], []]", "[[], [{Flip: {dims: 2}}]]"):
        one = field(f"Add: {branches}", shape="[2, 8]")
        assert (one.smallest, one.size) == (2, 8)
    # from 3 u - 1 and from 21 - 3 u on, 3 places each: |22 - 6 u| apart, which is 2 at unit 4 and 22 at unit 0
    strided = f"{{{CONV.format(3, 3, 0, 1)}}}"
    branches = (f"[{{ZeroPad1d: [1, 0]}}, {strided}]", f"[{strided}, {{Flip: {{dims: 2}}}}]")
    for first, second in (branches, branches[::-1]):
        one = field(f"Add: [{first}, {second}]", shape="[2, 24]")
        assert (one.smallest, one.size) == (2 + 3, 22 + 3)


@pytest.mark.parametrize(
    ("layers", "padding"),
    [
        ([CONV.format(3, 1, 1, 1), "CumSum: {dim: 2}"], (1, 1)),  # -1 to 1 first, -1 to 8 last
        ([CONV.format(5, 1, 2, 1), "Flip: {dims: 2}"], (2, 2)),
        (["ZeroPad1d: [3, 0]", CONV.format(4, 1, 0, 1), "CumSum: {dim: 2}"], (3, 0)),
        (["ZeroPad1d: [0, 3]", CONV.format(4, 1, 0, 1), "Flip: {dims: 2}"], (0, 3)),
    ],
)
def test_the_padding_of_what_is_ordered(layers, padding):
    assert field(*layers, shape="[2, 8]").padding == padding
