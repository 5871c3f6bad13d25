"""The designs of a space, numbered: grids, random and quasi-random samples."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from itertools import pairwise, product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.qmc import Sobol

from archscope.errors import MissingLibrary, UsageError
from archscope.sweeps.space import Axis, Sample, Space, read_axis

COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def axes(*counts: int) -> tuple[Axis, ...]:
    """Axes with so many values each: the squares of their places."""
    return tuple(Axis(f"v{place}", tuple(n * n for n in range(count))) for place, count in enumerate(counts))


def columns(space: Space, start: int = 0, stop: int | None = None) -> list[tuple[int, ...]]:
    """The designs of a range, each as the places of its values."""
    return [tuple(column) for column in space.choices(start, space.count if stop is None else stop).T.tolist()]


# -- grids -------------------------------------------------------------------------------------------------------------


@given(COUNTS)
def test_a_grid_is_the_product_of_its_axes(counts: list[int]) -> None:
    space = Space(axes(*counts))
    assert space.size == space.count == prod(counts)
    assert columns(space) == list(product(*map(range, counts)))
    assert space.choices(0, 1).dtype == np.int32


def test_a_design_has_a_value_of_every_axis() -> None:
    space = Space((Axis("width", (16, 32)), Axis("depths", ((3, 4), (5, 6), (7, 8)))))
    assert [space.values(number) for number in (0, 1, 5)] == [
        {"width": 16, "depths": (3, 4)},
        {"width": 16, "depths": (5, 6)},
        {"width": 32, "depths": (7, 8)},
    ]


@given(st.integers(0, 10**18 - 10), st.integers(0, 9))
def test_a_design_far_in_has_the_digits_of_its_number(start: int, length: int) -> None:
    space = Space(axes(*[10] * 18))  # in a grid of tens the places are decimal digits
    assert columns(space, start, start + length) == [
        tuple(map(int, f"{number:018}")) for number in range(start, start + length)
    ]


@pytest.mark.parametrize("part", [(-1, 1), (3, 2), (0, 7), (7, 7)])
def test_there_are_no_other_designs(part: tuple[int, int]) -> None:
    with pytest.raises(IndexError, match=r"designs -?\d to \d of 6"):
        Space(axes(2, 3)).choices(*part)


# -- samples -----------------------------------------------------------------------------------------------------------

SPACES = {
    "grid": Space(axes(7, 11, 13)),
    "random": Space(axes(7, 11, 13), Sample(700, seed=3)),
    "beyond int64": Space(axes(*[1000] * 7), Sample(700, seed=3)),
    "sobol": Space(axes(7, 11, 13), Sample(700, seed=3, method="sobol")),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 700), max_size=6))
def test_however_it_is_cut_the_designs_are_the_same(space: Space, cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), 700]
    parts = [space.choices(start, stop) for start, stop in pairwise(borders)]
    assert np.array_equal(np.concatenate(parts, axis=1), space.choices(0, 700))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_worker_sees_the_same_designs(space: Space) -> None:
    other = pickle.loads(pickle.dumps(space))
    assert other == space
    assert np.array_equal(other.choices(100, 200), space.choices(100, 200))


@given(COUNTS.filter(lambda counts: prod(counts) > 1), st.integers(0, 2**70))
def test_a_random_sample_of_all_designs_but_one_has_each_once(counts: list[int], seed: int) -> None:
    space = Space(axes(*counts), Sample(prod(counts) - 1, seed))
    assert len(set(columns(space))) == space.count == prod(counts) - 1
    assert set(columns(space)) < set(product(*map(range, counts)))


@pytest.mark.parametrize("counts", [(1_000_000, 1_000_000, 1_000_000), (2,) * 62, (1000, 1009, 1013)])
def test_a_random_sample_of_a_large_space_has_no_design_twice(counts: tuple[int, ...]) -> None:
    assert len(set(columns(Space(axes(*counts), Sample(20_000, seed=1))))) == 20_000


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_sample_of_more_designs_than_there_are_is_the_grid(method: str) -> None:
    for count in (12, 13, 10**6):
        space = Space(axes(3, 4), Sample(count, seed=5, method=method))
        assert columns(space) == list(product(range(3), range(4)))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_another_seed_draws_other_designs(space: Space) -> None:
    if space.sample is not None:
        other = Space(space.axes, Sample(700, seed=4, method=space.sample.method))
        assert len(set(columns(other)) - set(columns(space))) > 100


def chi_square(observed: np.ndarray) -> float:
    expected = observed.sum() / observed.size
    return float(((observed - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("counts", [(8, 16, 24), (32, 32, *[1000] * 7)], ids=["shuffled", "drawn"])
def test_random_designs_are_spread_evenly(counts: tuple[int, ...]) -> None:
    choices = Space(axes(*counts), Sample(1_000, seed=7)).choices(0, 1_000)
    for one in range(3):
        for other in range(one):
            pairs = np.bincount(choices[one] % 8 * 4 + choices[other] % 4, minlength=32)
            assert chi_square(pairs) < 62  # 31 degrees of freedom: more in 1 of 1,000 samples; a fixed seed


def test_every_design_is_as_likely_as_every_other() -> None:
    first = np.array([Space(axes(3, 4), Sample(2, seed)).choices(0, 2).T @ [4, 1] for seed in range(6_000)])
    assert chi_square(np.bincount(first[:, 0], minlength=12)) < 31  # 11 degrees of freedom: 1 of 1,000
    pairs = np.bincount(first[:, 0] * 12 + first[:, 1], minlength=144)
    different = pairs[np.arange(144) % 13 != 0]
    assert chi_square(different) < 188  # 131 degrees of freedom: 1 of 1,000
    assert pairs.sum() == different.sum()


@pytest.mark.parametrize("seed", [0, 11])
def test_a_sobol_sample_is_that_of_scipy(seed: int) -> None:
    counts = (10, 20, 30)
    points = Sobol(3, bits=30, rng=np.random.default_rng(seed)).random(1024)
    space = Space(axes(*counts), Sample(1024, seed, "sobol"))
    assert np.array_equal(space.choices(0, 1024), np.floor(points.T * np.array(counts)[:, None]))


def test_a_sobol_sample_is_more_even_than_chance() -> None:
    choices = Space(axes(16, 16, 16), Sample(256, 1, "sobol")).choices(0, 256)
    for row in choices:
        assert np.array_equal(np.bincount(row), np.full(16, 16))  # 256 points, 16 in each of 16 slices
    assert np.array_equal(np.bincount(choices[0] // 4 * 4 + choices[1] // 4), np.full(16, 16))


def test_a_sobol_sample_needs_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats.qmc", None)
    with pytest.raises(MissingLibrary) as caught:
        Space(axes(16, 16, 17), Sample(9, 2**40, "sobol")).choices(0, 9)
    assert str(caught.value) == "Sobol samples need SciPy: `pip install 'archscope[sweep]'`"


# -- mistakes ----------------------------------------------------------------------------------------------------------


def told(kind: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(UsageError) as caught:
        kind(*arguments)
    return str(caught.value)


def test_what_is_no_space() -> None:
    width, depth = Axis("width", (1, 2)), Axis("depths[0]", (3,))
    assert told(Space, ()) == "a space has 1 to 500 axes, not 0; write what varies, as in width=16:128:8"
    assert told(Space, axes(*[1] * 501)) == "a space has 1 to 500 axes, not 501"
    assert told(Space, (width, Axis("depth", ()))) == "`depth` has 0 values; an axis has 1 to 1,000,000"
    assert told(Space, (width, width)) == "`width` is varied twice; write all its values in one list"
    assert told(Space, (depth, Axis("depths", ((1, 2),)))) == (
        "`depths[0]` and `depths` change the same thing; vary one of them"
    )
    assert told(Space, (Axis("input", (8,)), Axis("input.image", (8,)))).startswith("`input` and `input.image` change")
    assert told(Space, axes(*[10] * 30)) == (
        "the space has about 10^30 designs, too many to number; look at a sample of them"
    )
    assert told(Space, axes(*[10] * 400)).startswith("the space has about 10^400 designs")


def test_elements_of_one_list_and_inputs_of_several_vary_together() -> None:
    names = ("depths[0]", "depths[1]", "input.a", "input.b", "batch")
    assert Space(tuple(Axis(name, (1, 2)) for name in names)).size == 32


def test_what_is_no_sample() -> None:
    assert told(Sample, 0) == "a random sample has 1 to 4,611,686,018,427,387,904 designs, not 0"
    assert told(Sample, 2**31, 0, "sobol") == "a sobol sample has 1 to 1,073,741,824 designs, not 2,147,483,648"
    assert told(Sample, 5, -1) == "a seed is a whole number of at least 0, not -1"
    assert told(Sample, 5, 0, "halton") == "a sample is random or sobol, not halton"


# -- axes --------------------------------------------------------------------------------------------------------------


def test_an_axis_as_text() -> None:
    axis = read_axis(" depths[0] = 2:4,8")
    assert axis == Axis("depths[0]", (2, 3, 4, 8))
    assert str(axis) == "depths[0]=2,3,4,8"
    assert read_axis("flag=true,null") == Axis("flag", (True, None))
    assert read_axis(str(Axis("depths", ((3, 4), (5, 6))))) == Axis("depths", ((3, 4), (5, 6)))


def test_what_is_no_axis() -> None:
    assert told(read_axis, "width") == (
        "`width` is not of the form name=values, as in width=16:128:8 or input=128,160,224"
    )
    targets = "a variable such as `width`, an element of a list such as `depths[0]`, `input`, `input.NAME` or `batch`"
    for name in ("", "a b", "depths[]", "depths[-1]", "depths[01]", "input[0]", "input.", "batch[0]", "a.b", "3"):
        assert told(read_axis, f"{name}=1") == f"`{name}` cannot be varied; write {targets}"
