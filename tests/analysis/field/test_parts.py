"""Channels that see otherwise than others, against the gradients of the built module, channel by channel."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

import archscope
from archscope.analysis.field.parts import _cut, _overlaid
from archscope.analysis.field.receptive_field import receptive_fields
from tests.examples import examples
from tests.reached import truth

LENGTH = 24
WIDE = "{Conv1d: {out_channels: 2, kernel_size: 5, padding: 2}}"
FAR = "{Conv1d: {out_channels: 3, kernel_size: 3, padding: 4, dilation: 4}}"
#: channels 0 and 1 see 5 places, 2 to 4 see 9, 5 and 6 one
CAT = f"{{Concat: [[{WIDE}], [{FAR}], []], name: cat}}"
SHUFFLE = (
    "{Slice: {dim: 1, start: 1}}", "{Reshape: [2, 3, 24]}", "{Transpose: {dim0: 1, dim1: 2}}",
    "{Flatten: {start_dim: 1, end_dim: 2}, name: shuffled}",
)  # fmt: skip
GROUPED = "{Conv1d: {out_channels: 4, kernel_size: 3, padding: 1, groups: 2}, name: grouped}"


def sizes(design: archscope.Design, layer: str) -> np.ndarray:
    """Places from the first to the last that reaches each channel of the middle unit, by gradients."""
    reached = truth(design, layer)
    reached = reached.any(-2)[..., LENGTH // 2, :]  # all channels of the input, the middle unit
    return np.apply_along_axis(lambda places: int(np.ptp(np.flatnonzero(places))) + 1, -1, reached)


@pytest.mark.parametrize(
    "layers",
    [
        (CAT,),
        (CAT, "{ReLU: }", "{AvgPool1d: {kernel_size: 3, stride: 1, padding: 1}, name: last}"),
        (CAT, "{Slice: {dim: 1, start: 2, end: 5}, name: last}"),
        (CAT, "{Slice: {dim: 1, start: 1, end: 7, step: 2}, name: last}"),
        (CAT, "{Flip: {dims: 1}, name: last}"),
        (CAT, "{Select: {dim: 1, index: 6}, name: last}"),
        (CAT, "{Conv1d: {out_channels: 14, kernel_size: 3, padding: 1, groups: 7}, name: last}"),
        (CAT, "{Slice: {dim: 1, start: 1}}", GROUPED),
        (CAT, *SHUFFLE),
        (CAT, *SHUFFLE, GROUPED),
        (CAT, *SHUFFLE, "{Conv1d: {out_channels: 2, kernel_size: 3, padding: 1, groups: 2}}",
         "{Slice: {dim: 1, end: 1}, name: last}"),
        (CAT, f"{{Concat: [[], [{WIDE}]], name: last}}"),
        (CAT, "{Add: [[], [{Flip: {dims: 1}}]], name: last}"),
        ("{Stack: {inputs: [[], [{Conv1d: {out_channels: 2, kernel_size: 5, padding: 2}}]], dim: 1}}",
         "{Flatten: {start_dim: 1, end_dim: 2}, name: last}"),
        (CAT, "{Conv1d: {out_channels: 2, kernel_size: 1}, name: last}"),
    ],
)  # fmt: skip
def test_channels_see_what_gradients_reach(layers: tuple[str, ...]) -> None:
    design = archscope.load(f"input: [2, {LENGTH}]\nlayers:\n" + "".join(f"  - {layer}\n" for layer in layers))
    last = design.layers[-1].name
    (field,) = receptive_fields(design)[last]
    expected = sizes(design, last)
    assert (field.smallest, field.size) == (expected.min(), expected.max())  # all have one centre
    assert not field.hull_from
    if field.channels:
        told = [most for first, end, least, most in field.channels for _ in range(first, end + 1)]
        assert told == expected.tolist()
    else:
        assert len(set(expected.reshape(-1))) == 1


def test_of_channels_that_lie_along_the_axis_the_hull_is_told() -> None:
    """Behind the Flatten no dimension is the channels'; what is cut out there sees at most the hull."""
    text = f"input: [2, {LENGTH}]\nlayers:\n  - {CAT}\n  - {{Flatten: , name: flat}}\n"
    (field,) = receptive_fields(archscope.load(text))["flat"]
    assert (field.sees, field.size, field.hull_from) == ("at most a part", 9, "flat")
    mixed = archscope.load(text + "  - {Linear: 3, name: last}\n")
    assert [field.sees for field in receptive_fields(mixed)["last"]] == ["all"]


def test_a_part_that_is_mixed_beside_one_that_is_not() -> None:
    """All channels together see all; of the two parts cut out of them, one sees all and one a place."""
    text = f"input: [2, {LENGTH}]\nlayers:\n  - {{Concat: [[{{Softmax: 2}}], []], name: cat}}\n"
    text += "  - {Split: {split_size_or_sections: 2, dim: 1}, name: s}\n"
    text += '  - {Identity: , from: "s[0]", name: mixed}\n  - {Identity: , from: "s[1]", name: plain}\n'
    text += "outputs: [mixed, plain]\n"
    fields = receptive_fields(archscope.load(text))
    assert [fields[name][0].sees for name in ("cat", "mixed", "plain")] == ["all", "all", "a part"]
    assert fields["plain"][0].size == 1
    reached = truth(archscope.load(text), "plain").any((0, 2))
    assert reached.tolist() == np.eye(LENGTH, dtype=bool).tolist()


def test_what_a_dense_block_joins_is_told_part_by_part() -> None:
    """DenseNet-121's first block: each layer adds 32 channels, and its 3 x 3 convolution sees 2 x 4 places more."""
    (field, _) = receptive_fields(archscope.load("densenet121"))["denseblock1"]
    assert field.channels == [(0, 63, 11, 11)] + [
        (64 + 32 * layer, 95 + 32 * layer, 19 + 8 * layer, 19 + 8 * layer) for layer in range(6)
    ]
    assert (field.smallest, field.size) == (11, 59)


def test_runs_are_cut_and_laid_on_each_other_as_lists_are() -> None:
    """The same with lists of channels: slices, and unions place by place."""
    draw = random.Random(0)
    for _ in range(examples(200)):
        length = draw.randrange(1, 9)
        lists = [[frozenset(draw.choices(range(3), k=draw.randrange(2))) for _ in range(length)] for _ in range(3)]
        runs = [_runs(one) for one in lists]
        first, count = draw.randrange(-4, 6), draw.randrange(1, 12)
        cut = [lists[0][place] if 0 <= place < length else frozenset() for place in range(first, first + count)]
        assert _each(_cut(runs[0], first, count)) == cut
        assert _each(_overlaid(runs)) == [a | b | c for a, b, c in zip(*lists, strict=True)]


def _runs(channels):
    starts = [place for place in range(len(channels)) if not place or channels[place] != channels[place - 1]]
    return [(end - start, channels[start]) for start, end in pairwise([*starts, len(channels)])]


def _each(runs):
    return [of for count, of in runs for _ in range(count)]
