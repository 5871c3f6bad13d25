"""Every window against what torch's own functions read, place by place: sets of places, and fields in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from math import lcm
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from archscope.ops.spans import ITSELF, Span, hull, union
from archscope.ops.windows import (
    WHOLE,
    Binned,
    From,
    Grouped,
    Listed,
    Mirrored,
    Ramp,
    Resampled,
    Slide,
    Spread,
    UpTo,
    Window,
)
from tests.examples import examples

Matrix = np.ndarray


class Case(NamedTuple):
    """A window on a dimension.

    Attributes:
        reads: which place of the output (first) reads which of the input, by torch.
        inside: the places of the output whose window does not reach over a border.
    """

    window: Window
    reads: Matrix
    inside: list[int]

    @property
    def sizes(self) -> tuple[int, int]:
        """Of the input, of the output."""
        return self.reads.shape[1], self.reads.shape[0]


def marks(size: int) -> torch.Tensor:
    """One sample for each place of an input, in which that place alone is not zero."""
    return torch.eye(size, dtype=torch.float64)[:, None]


def ones(kernel: int) -> torch.Tensor:
    return torch.ones(1, 1, kernel, dtype=torch.float64)


def read_by(outputs: torch.Tensor) -> Matrix:
    """What :func:`marks` have become: which place of the output is not zero for which of them."""
    return (outputs[:, 0] != 0).numpy().T


SIZES = st.integers(10, 24)
FEW = st.integers(1, 4)
ENDS = st.tuples(st.integers(0, 4), st.integers(0, 4))


@st.composite
def slides(draw: st.DrawFn) -> Case:
    size, kernel, stride, dilation = draw(SIZES), draw(FEW), draw(FEW), draw(st.integers(1, 3))
    (left, right), border = draw(ENDS), draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    padded = functional.pad(marks(size), (left, right), border)
    reads = read_by(functional.conv1d(padded, ones(kernel), stride=stride, dilation=dilation))
    starts = [unit * stride - left for unit in range(len(reads))]
    inside = [unit for unit, start in enumerate(starts) if start >= 0 and start + dilation * (kernel - 1) < size]
    return Case(Slide(kernel, stride, left, dilation, "zeros" if border == "constant" else border), reads, inside)


@st.composite
def spreads(draw: st.DrawFn) -> Case:
    size, kernel, stride, dilation, padding = draw(SIZES), draw(FEW), draw(FEW), draw(FEW), draw(st.integers(0, 4))
    y = functional.conv_transpose1d(marks(size), ones(kernel), stride=stride, padding=padding, dilation=dilation)
    reads, reach = read_by(y), dilation * (kernel - 1)
    inside = [unit for unit in range(len(reads)) if reach <= unit + padding < size * stride]
    return Case(Spread(kernel, stride, padding, dilation), reads, inside)


@st.composite
def bins(draw: st.DrawFn) -> Case:
    reads = read_by(functional.adaptive_avg_pool1d(marks(draw(SIZES)), draw(SIZES)))
    return Case(Binned(), reads, list(range(len(reads))))


@st.composite
def resampled(draw: st.DrawFn) -> Case:
    size, kind = draw(SIZES), draw(st.sampled_from(["nearest", "linear", "cubic"]))
    scale = draw(st.sampled_from([None, 2.0, 3.0, 0.5, 1.5, 0.25]))
    out = draw(st.integers(1, 24)) if scale is None else None
    aligned = kind != "nearest" and draw(st.booleans())
    # torch has the cubic one for maps alone: a map of one column
    mode, column = {"nearest": ("nearest", ()), "linear": ("linear", ()), "cubic": ("bicubic", (1,))}[kind]
    y = functional.interpolate(
        marks(size).reshape(size, 1, size, *column),
        (out, *column) if out else None,
        (scale, *map(float, column)) if scale else None,
        mode,
        aligned if kind != "nearest" else None,
        recompute_scale_factor=False,
    ).reshape(size, 1, -1)
    reads = read_by(torch.where(y.abs() < 1e-9, 0.0, y))  # a place that is met rounds to that place alone
    near = 2 * (kind != "nearest")  # a tap that a border holds back is no further
    inside = [u for u, row in enumerate(reads) if not row[:near].any() and not row[size - near :].any()]
    return Case(Resampled(kind, scale, aligned), reads, inside)


@st.composite
def ordered(draw: st.DrawFn) -> Case:
    """What is causal, runs backwards, or lies in another order."""
    size, by = draw(SIZES), draw(st.integers(-2, 2))
    start, step = draw(st.integers(0, 3)), draw(st.integers(1, 3))
    units = torch.arange(size)
    within = [unit for unit in range(size) if 0 <= unit + by < size]
    choice = draw(st.permutations(range(size)))
    everything = torch.ones(size, size)
    return draw(
        st.sampled_from(
            [
                Case(UpTo(by), everything.tril(by).bool().numpy(), within),
                Case(From(by), everything.triu(by).bool().numpy(), within),
                Case(Mirrored(), torch.eye(size).flip(0).bool().numpy(), [*range(size)]),
                Case(Ramp(start, step), torch.eye(size)[start::step].bool().numpy(), [*range(len(units[start::step]))]),
                Case(Listed(tuple(choice)), torch.eye(size)[choice].bool().numpy(), []),
                Case(WHOLE, everything.bool().numpy(), [*range(size)]),
            ]
        )
    )


@st.composite
def grouped(draw: st.DrawFn) -> Case:
    groups, reads, writes = draw(st.integers(2, 6)), draw(FEW), draw(FEW)
    weight = torch.ones(groups * writes, reads, 1).double()
    x = torch.eye(groups * reads).double()[:, :, None]
    return Case(
        Grouped(reads, writes),
        (functional.conv1d(x, weight, groups=groups)[:, :, 0] != 0).numpy().T,
        [*range(groups * writes)],
    )


CASES = st.one_of(slides(), spreads(), bins(), resampled(), ordered(), grouped())
#: units that take turns, that join in, that are left out, that run backwards, of which some see nothing
SPANS = st.sampled_from(
    [
        ITSELF,
        Span(2, (-3,), (7,)),
        Span(4, (0, 1, 3), (3, 1, 5)),
        Span(3, (2, 0), (0, 4)),
        Span(1, (5,), (0,)),
        Span(0, (0,), (1,), 1, even=False),
        Span(2, (-1,), (60,), -2, even=False),
        Span(0, (0, 0, -1), (1, 2, 4), 3, even=False),
        Span(-1, (40,), (1,), even=False),
        Span(-4, (90, 88, 85), (2, 4, 3), even=False),
    ]
)


def together(seen: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """From the first to the last place of some fields; none where they are empty."""
    ends = [(first, first + size) for first, size in seen if size > 0]
    return (min(start for start, _ in ends), max(end for _, end in ends)) if ends else None


def of(span: Span, unit: int) -> tuple[int, int] | None:
    return together([span.of(unit)])


@settings(max_examples=examples(300))
@given(CASES, st.randoms(use_true_random=False))
def test_places_are_carried_as_torch_reads_them(case: Case, draw: Random) -> None:
    size_in, size_out = case.sizes
    for back, reads in ((True, case.reads.T), (False, case.reads)):
        some = np.array([[draw.random() < share for share in (0.1, 0.6)] for _ in range(reads.shape[1])])
        expected = reads.astype(int) @ some.astype(int) > 0
        assert (case.window.carried(some, size_in, size_out, back=back) == expected).all()


@settings(max_examples=examples(400))
@given(CASES, SPANS)
def test_the_fields_of_units_hold_those_of_what_they_read(case: Case, span: Span) -> None:
    size_in, size_out = case.sizes
    behind = case.window.seen(span, size_in, size_out)
    some_see_nothing = not case.reads[case.inside].any(1).all()
    if isinstance(case.window, Listed) or (span.grow and some_see_nothing):
        assert behind is None  # no closed form
        return
    assert behind is not None
    for unit in case.inside:
        assert of(behind, unit) == together(map(span.of, np.flatnonzero(case.reads[unit]).tolist())), unit


@settings(max_examples=examples(300))
@given(CASES, SPANS)
def test_a_field_is_said_as_shortly_as_can_be(case: Case, span: Span) -> None:
    """Fewer units than take turns do not repeat themselves; even are those that move on and see equally many."""
    behind = case.window.seen(span, *case.sizes)
    if behind is None:
        return
    assert behind.even == (behind.jump >= 0 and behind.grow == 0)
    listed = [behind.of(unit) for unit in range(2 * behind.period)]
    if all(size > 0 for _, size in listed):
        for turn in range(1, behind.period):
            moves = {(b[0] - a[0], b[1] - a[1]) for a, b in zip(listed, listed[turn:], strict=False)}
            assert len(moves) > 1


@given(CASES, SPANS, st.integers(1, 24))
def test_the_smallest_and_the_largest_field_are_those_of_some_unit(case: Case, span: Span, units: int) -> None:
    behind = case.window.seen(span, *case.sizes)
    if behind is not None:
        sizes = [behind.of(unit)[1] for unit in range(units)]
        assert behind.extremes(units) == (min(sizes), max(sizes))


@given(SPANS, st.integers(-9, 9), st.integers(1, 30), st.integers(1, 5))
def test_a_union_is_of_all_its_units(span: Span, first: int, count: int, step: int) -> None:
    units = range(first, first + count * step, step)
    start, size = union(span, units)
    assert together([(start, size)]) == together(map(span.of, units))


@given(SPANS, SPANS)
def test_a_hull_is_of_both_paths(one: Span, other: Span) -> None:
    joined = hull([one, other])
    if len(joined) == 1:
        for unit in range(2 * lcm(one.period, other.period)):
            assert of(joined[0], unit) == together([one.of(unit), other.of(unit)])
    else:  # they drift apart
        assert joined == (one, other)
        assert one.stride != other.stride or not (one.even and other.even)
