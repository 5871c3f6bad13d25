"""What is chosen from rows, the moments, and merging, against slow and plain ways to the same."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archscope.sweeps import merging
from archscope.sweeps.merging import Merger, best, drawn, frontier, influence, joined, moments, relevant
from archscope.sweeps.model import Objective, Part, Question, Reason, Rows, Tally
from archscope.sweeps.space import Axis, Space
from tests.examples import examples
from tests.sweeps.grids import AXES, COLUMNS, MISFIT, QUESTION, part, swept

LARGE = 2**62
NOTHING = np.zeros((0, 0), np.int32)


def rows(*columns, numbers=None):
    count = len(columns[0])
    numbers = np.arange(count) if numbers is None else np.asarray(numbers)
    return Rows(numbers, np.zeros((0, count), np.int32), {f"c{at}": np.asarray(c) for at, c in enumerate(columns)})


def objectives(largest):
    return [Objective(f"c{at}", one) for at, one in enumerate(largest)]


def slow_frontier(found, wanted):
    """Each against each, in Python numbers of any size."""
    signs = [-1 if one.largest else 1 for one in wanted]
    values = [
        tuple(sign * cell for sign, cell in zip(signs, cells, strict=True))
        for cells in zip(*(found.columns[one.column].tolist() for one in wanted), strict=True)
    ]
    numbers = found.numbers.tolist()

    def beats(i, j):
        if values[i] == values[j]:
            return numbers[i] < numbers[j]
        return all(a <= b for a, b in zip(values[i], values[j], strict=True))

    there = [i for i, cells in enumerate(values) if not any(cell != cell for cell in cells)]  # noqa: PLR0124  # NaN
    return {numbers[j] for j in there if not any(beats(i, j) for i in there if i != j)}


few = st.integers(-3, 3)
near_the_limit = st.sampled_from([LARGE, LARGE + 1, LARGE + 2, -(2**63), 2**63 - 1])
real = st.one_of(st.sampled_from([0.0, -0.0, 0.5, np.nan, np.inf, -np.inf]), st.floats(-2, 2))


@st.composite
def tables(draw):
    count = draw(st.integers(0, 25))
    kinds = draw(st.lists(st.sampled_from([few, near_the_limit, real]), min_size=1, max_size=4))
    columns = [
        np.array(draw(st.lists(kind, min_size=count, max_size=count)), np.float64 if kind is real else np.int64)
        for kind in kinds
    ]
    largest = draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    numbers = draw(st.permutations(range(100, 100 + count)))
    return rows(*columns, numbers=np.array(numbers, np.int64)), objectives(largest)


@settings(max_examples=examples(300), deadline=None)
@given(tables(), st.integers(1, 4))
def test_the_frontier_is_what_no_design_is_better_than(case, leaf):
    found, wanted = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "_LEAF", leaf)  # so that few points are divided, too
        assert set(found.numbers[frontier(found, wanted)].tolist()) == slow_frontier(found, wanted)


@pytest.mark.parametrize("largest", [(False,), (False, True), (True, False, True), (False,) * 4, (True,) * 5])
def test_many_designs_are_sorted_out_alike(largest, monkeypatch):
    random = np.random.default_rng(len(largest))
    found = rows(*random.integers(0, 40, (len(largest), 3000)))
    plain = frontier(found, objectives(largest))
    monkeypatch.setattr(merging, "_MANY", 1500)
    assert (frontier(found, objectives(largest)) == plain).all()
    assert set(found.numbers[plain].tolist()) == slow_frontier(found.take(plain), objectives(largest))
    beaten = found.take(~plain)
    front = np.stack([found.columns[f"c{at}"][plain] for at in range(len(largest))])
    signs = np.array([-1 if one else 1 for one in largest])[:, None]
    for at in range(0, len(beaten), 50):
        one = np.array([[beaten.columns[f"c{row}"][at]] for row in range(len(largest))])
        assert (signs * front <= signs * one).all(axis=0).any()


def test_a_front_on_a_plane_is_whole():
    random = np.random.default_rng(1)
    points = np.unique(random.integers(0, 1000, (5000, 2)), axis=0)
    x, y = random.permutation(points).T
    found = rows(x, y, 2000 - x - y)
    assert frontier(found, objectives([False] * 3)).all()  # no sum is smaller than another


def test_without_objectives_nothing_is_on_the_frontier():
    assert not frontier(rows([1, 2]), []).any()


def test_the_best_come_first_and_those_without_a_value_last():
    found = rows([3.0, np.nan, 1.0, 3.0, np.inf], numbers=[7, 8, 9, 6, 5])
    assert best(found, Objective("c0"), 9).tolist() == [2, 3, 0, 4, 1]
    assert best(found, Objective("c0", largest=True), 9).tolist() == [4, 3, 0, 2, 1]
    assert best(found, Objective("c0"), 2).tolist() == [2, 3]
    assert best(found, None, 2).tolist() == [4, 3]
    assert best(found, Objective("c0"), 0).tolist() == []


@given(st.lists(st.one_of(st.just(np.nan), st.integers(0, 4)), max_size=30), st.integers(0, 31))
def test_the_best_are_those_of_a_stable_sort(values, count):
    column = pd.Series(values, dtype=float)
    expected = column.sort_values(kind="stable", na_position="last").index[:count].tolist()
    assert best(rows(column.to_numpy()), Objective("c0"), count).tolist() == expected


def test_whole_numbers_are_compared_as_such():
    found = rows([LARGE + 1, LARGE, LARGE + 2])  # as float64 they are one
    assert best(found, Objective("c0"), 3).tolist() == [1, 0, 2]
    assert best(rows([-(2**63), 0]), Objective("c0", largest=True), 1).tolist() == [1]  # -x would not do


def test_a_sample_is_even_and_stays_what_it_is():
    everyone = rows(np.zeros(100_000))
    some = drawn(everyone, 10_000)
    assert len(set(some.tolist())) == 10_000
    assert (np.diff(some) > 0).all()
    tenths = np.histogram(some, bins=10, range=(0, 100_000))[0]
    assert (abs(tenths - 1000) < 5 * np.sqrt(1000 * 0.9 * 0.9)).all()  # five standard deviations
    assert set(drawn(everyone, 100).tolist()) < set(some.tolist())
    assert len(set(drawn(everyone, 100, seed=1).tolist()) & set(drawn(everyone, 100).tolist())) < 10


def test_the_hash_is_splitmix64():
    """The first outputs of the generator with seed 1234567, as its authors' code prints them."""
    outputs = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    order = sorted(range(5), key=outputs.__getitem__)
    found = rows(np.zeros(5))
    for count in range(1, 6):
        # seed and number both count steps of the golden ratio, which 1234567 is none of: take the state there
        steps = 1234567 * pow(merging._GOLDEN, -1, 2**64) % 2**64
        assert drawn(found, count, seed=steps).tolist() == sorted(order[:count])


# -- moments --


def random_block(seed, count=500):
    random = np.random.default_rng(seed)
    sizes = (4, 1, 7)
    choices = np.stack([random.integers(0, size, count) for size in sizes]).astype(np.int32)
    choices[2][choices[2] == 3] = 4  # a value that none has
    real = random.normal(1e6, 3, count) + choices[0]
    real[random.random(count) < 0.3] = np.nan
    columns = {"whole": random.integers(0, 10**12, count), "real": real, "none": np.full(count, np.nan)}
    return choices, columns, sizes


def hold_moments(found, choices, columns, sizes):
    frame = pd.DataFrame(columns)
    np.testing.assert_array_equal(found.count, frame.count())
    np.testing.assert_allclose(found.mean[:2], frame.mean()[:2], rtol=1e-12)
    np.testing.assert_allclose(found.spread, frame.var(ddof=0).fillna(0) * frame.count(), rtol=1e-9)
    np.testing.assert_array_equal(found.least, frame.min())
    np.testing.assert_array_equal(found.most, frame.max())
    for axis, size, counts, means in zip(choices, sizes, found.axis_count, found.axis_mean, strict=True):
        groups = frame.groupby(axis)
        np.testing.assert_array_equal(counts, groups.count().reindex(range(size), fill_value=0))
        np.testing.assert_allclose(means, groups.mean().reindex(range(size)).fillna(0), rtol=1e-12)


def test_moments_are_those_of_pandas():
    block = random_block(1)
    hold_moments(moments(*block), *block)


@given(st.lists(st.integers(0, 500), max_size=6))
def test_moments_of_parts_add_up_to_those_of_the_whole(cuts):
    choices, columns, sizes = random_block(2)
    ends = [0, *sorted(cuts), 500]
    parts = [
        moments(choices[:, a:b], {name: column[a:b] for name, column in columns.items()}, sizes)
        for a, b in pairwise(ends)
    ]
    hold_moments(sum(parts[1:], parts[0]), choices, columns, sizes)


def test_nothing_and_a_part_is_the_part():
    choices, columns, sizes = random_block(3)
    whole = moments(choices, columns, sizes)
    nothing = moments(choices[:, :0], {name: column[:0] for name, column in columns.items()}, sizes)
    for both in (nothing + whole, whole + nothing):
        for name in ("count", "mean", "spread", "least", "most"):
            np.testing.assert_array_equal(getattr(both, name), getattr(whole, name))
        np.testing.assert_array_equal(both.axis_mean[0], whole.axis_mean[0])


def test_moments_of_other_columns_do_not_add():
    with pytest.raises(ValueError, match="moments of a and of b do not add"):
        _ = moments(NOTHING, {"a": np.zeros(0)}, []) + moments(NOTHING, {"b": np.zeros(0)}, [])


def test_what_is_not_finite_is_no_value():
    found = moments(np.zeros((1, 3), np.int32), {"a": np.array([np.inf, 2.0, np.nan])}, [1])
    assert (found.count[0], found.mean[0], found.most[0], found.share(0, "a")) == (1, 2.0, 2.0, None)


def test_shares_are_those_of_an_analysis_of_variance():
    """y = 3 a + b over a in 0, 1 and b in 0, 1, 2: variances 9/4 and 2/3."""
    a, b = np.divmod(np.arange(6), 3)
    found = moments(np.stack([a, b]).astype(np.int32), {"y": 3 * a + b}, [2, 3])
    assert found.share(0, "y") == pytest.approx((9 / 4) / (9 / 4 + 2 / 3))
    assert found.share(1, "y") == pytest.approx((2 / 3) / (9 / 4 + 2 / 3))


@pytest.mark.parametrize("values", [(0.1, 0.1, 0.1), (1e-200, 2e-200, 3e-200)])
def test_what_does_not_vary_has_no_share(values):
    assert moments(np.array([[0, 1, 0]], np.int32), {"y": np.array(values)}, [2]).share(0, "y") is None


def test_influence_names_the_strongest_axis_and_its_direction():
    found = {(one.axis, one.column): one for one in influence(swept())}
    assert [one.column for one in influence(swept())][::4] == ["params", "macs", "field", "ratio"]
    strongest = {}
    for one in influence(swept()):
        strongest.setdefault(one.column, one.axis)
    assert strongest == {"params": "width", "macs": "width", "field": "width", "ratio": "input"}
    assert found["width", "params"].share == pytest.approx(1)
    assert found["depths[0]", "field"].direction == "rises"
    widths = (12 * 1 + 12 * 2 + 8 * 4) / 32  # their part of the field, over the legal designs
    assert found["depths[0]", "field"].means == pytest.approx((widths + 2, widths + 4))
    assert found["width", "params"].means == (9 * 16**2, 9 * 32**2, 9 * 64**2)
    assert found["kind", "macs"].direction == ""  # words have no order
    assert found["kind", "ratio"].means[1] is None  # GELU has none
    assert found["kind", "params"].share == pytest.approx(0)


@pytest.mark.parametrize(
    ("values", "figures", "direction"),
    [((3, 1, 2), (30, 10, 20), "rises"), ((1, 2, 3), (5, 4, 4), "falls"), ((1, 2, 3), (1, 3, 2), "")],
)
def test_a_direction_goes_along_the_values(values, figures, direction):
    space = Space((Axis("a", values),))
    merger = Merger(space, Question(("c",)), COLUMNS[:1])
    choices = space.choices(0, 3)
    columns = {"params": np.array(figures)}
    found = moments(choices, columns, [3])
    merger.add(Part(0, 3, Rows(np.arange(3), choices, columns), Tally(3, passed=3), found))
    assert [one.direction for one in influence(merger.sweep("n", "", 1.0))] == [direction]


# -- merging --

COUNT = 36  # 3 x 2 x 2 x 3


def same_rows(one, other):
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_array_equal(one.choices, other.choices)
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        assert column.dtype == other.columns[name].dtype
        np.testing.assert_array_equal(column, other.columns[name])


@settings(deadline=None)
@given(st.lists(st.integers(0, COUNT), max_size=8), st.integers(0, 12), st.integers(0, 20), st.booleans())
def test_the_result_does_not_depend_on_the_cuts(cuts, most, waiting, everything):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "DRAWN", most)
        patch.setattr(merging, "_WAITING", waiting)
        whole = swept()
        merger = Merger(whole.space, QUESTION, COLUMNS)
        ends = [0, *sorted(cuts), COUNT]
        for start, stop in pairwise(ends):
            merger.add(relevant(part(whole.space, start, stop), QUESTION, everything=everything))
        found = merger.sweep("net", "net.yaml", 0.25)
    assert found.tally == whole.tally
    assert list(found.tally.invalid) == list(whole.tally.invalid)
    for name in ("top", "frontier", "sample"):
        same_rows(getattr(found, name), getattr(whole, name))
    assert (found.structural, found.structures, found.complete) == (("depths[0]",), 2, True)
    np.testing.assert_allclose(found.moments.mean, whole.moments.mean, rtol=1e-12)


def test_the_same_parts_give_the_same_bits():
    one, other = swept([5, 11, 30]), swept([5, 11, 30])
    for name in ("count", "mean", "spread", "least", "most"):
        assert getattr(one.moments, name).tobytes() == getattr(other.moments, name).tobytes()


def test_the_result_is_what_was_asked_for():
    found = swept([7])
    space = found.space
    legal = [values for values in map(space.values, range(COUNT)) if (values["width"], values["input"]) != (64, 8)]
    figures = [(9 * v["width"] ** 2, 9 * v["width"] ** 2 * (v["input"] // 4) ** 2 * v["depths[0]"]) for v in legal]
    assert found.tally.designs == COUNT
    assert found.tally.legal == len(legal) == 32
    assert found.tally.invalid == {MISFIT: Reason(4, 24, f"{MISFIT}: 2 < 3")}  # 64 is the third width: 2 x 12
    assert found.tally.missed == {"macs < 3e6": sum(macs >= 3e6 for _, macs in figures), "params < 1e5": 0}
    assert found.tally.passed == sum(macs < 3e6 for _, macs in figures)
    assert found.top.columns["macs"].tolist() == sorted(macs for _, macs in figures)[:5]
    # each width sees the most at depth 2; of equal designs the first, which is none of width 64 at input 8
    assert [space.values(int(number)) for number in found.frontier.numbers] == [
        {"width": width, "depths[0]": 2, "kind": "ReLU", "input": size} for width, size in [(16, 8), (32, 8), (64, 16)]
    ]
    assert len(found.sample) == found.tally.passed
    assert found.complete


def test_a_sweep_that_stopped_says_so():
    found = swept(stop=20)
    assert (found.tally.designs, found.complete) == (20, False)


def test_a_merger_without_parts_has_a_result():
    found = Merger(Space(AXES), QUESTION, COLUMNS).sweep("net", "", 0.0)
    assert (len(found.top), len(found.frontier), len(found.sample), found.complete) == (0, 0, 0, False)
    assert list(influence(found)) == []


def test_parts_come_in_order():
    space = Space(AXES)
    merger = Merger(space, QUESTION, COLUMNS)
    merger.add(part(space, 10, 20))
    with pytest.raises(ValueError, match="begins at 0 comes behind one that ends at 20"):
        merger.add(part(space, 0, 10))


def test_no_more_is_held_than_is_needed(monkeypatch):
    monkeypatch.setattr(merging, "DRAWN", 4)
    found = part(Space(AXES), 0, COUNT)
    fewer = relevant(found, QUESTION)
    assert len(fewer.rows) <= 4 + QUESTION.top + len(swept().frontier) < len(found.rows)
    assert relevant(found, QUESTION, everything=True) is found
    monkeypatch.setattr(merging, "_WAITING", 0)
    merger = Merger(Space(AXES), QUESTION, COLUMNS)
    for start in range(0, COUNT, 6):
        merger.add(part(merger.space, start, start + 6))
        assert len(merger._rows) + sum(map(len, merger._waiting)) <= 2 * (4 + QUESTION.top + 3)
    same_rows(relevant(fewer, QUESTION).rows, fewer.rows)


def test_reasons_are_told_by_the_first_design():
    one = Tally(10, {"a": Reason(2, 7, "a: 7")}, {"x": 1}, 5, {"x": 1})
    other = Tally(10, {"b": Reason(1, 12, "b: 12"), "a": Reason(3, 4, "a: 4")}, {"y": 2}, 6)
    both = Tally(20, {"a": Reason(5, 4, "a: 4"), "b": Reason(1, 12, "b: 12")}, {"x": 1, "y": 2}, 11, {"x": 1})
    assert one + other == other + one == both
    assert list((other + one).invalid) == ["a", "b"]
    assert both.legal == 14


def test_joined_rows_stand_behind_each_other():
    space = Space(AXES)
    whole, parts = part(space, 0, COUNT).rows, [part(space, 0, 9).rows, part(space, 9, COUNT).rows]
    same_rows(joined(parts), whole)
