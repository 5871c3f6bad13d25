"""From the parts of a sweep to its result: the frontier, the best, a sample, and what moves what.

All that is chosen from rows is chosen so that choosing from parts, and then from what was chosen, gives what choosing
from all would give: the result does not depend on how a space was cut, and no more is held than the result needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archscope.figures import Column
from archscope.sweeps.model import Decision, Moments, Objective, Part, Question, Rows, Sweep, Tally
from archscope.sweeps.space import Axis, Space

Numbers = npt.NDArray[Any]
Places = npt.NDArray[np.int64]

#: designs of the sample that a sweep keeps, and what its draw begins with
DRAWN, SEED = 5000, 0

_LEAF = 192  # points of which each is compared with each
_MANY = 1 << 14  # rows of which the bulk is sorted out by a few strong ones
_WAITING = 1 << 14  # rows of parts that are put together at once
_GOLDEN = 0x9E3779B97F4A7C15
_ALMOST = 1e-9  # of means, relative: what rounding makes of equal ones


# -- choosing ----------------------------------------------------------------------------------------------------------


def frontier(rows: Rows, objectives: Sequence[Objective]) -> npt.NDArray[np.bool_]:
    """Which designs no other one is better than: at least as good in every objective, and better in one.

    Of designs that are equal in all objectives the one with the smallest number is on the frontier. A design without
    a value (NaN) in an objective never is. Whole numbers are compared as such.

    Returns:
        a mask of shape (designs,); all false without objectives.
    """
    on = np.zeros(len(rows), bool)
    if objectives:
        on[_frontier([_key(rows, one) for one in objectives], rows.numbers)] = True
    return on


def best(rows: Rows, objective: Objective | None, count: int) -> Places:
    """Places of the designs that are best in a column, the best first.

    Of equal ones the smaller number comes first, and those without a value (NaN) come last. Without an objective they
    are those with the smallest numbers.
    """
    return _smallest(rows.numbers if objective is None else _key(rows, objective), rows.numbers, count)


def drawn(rows: Rows, count: int, seed: int = SEED) -> Places:
    """Places of so many designs, drawn evenly, in their order; the same ones for a seed, however often it is drawn.

    They are those whose numbers have the smallest hashes (splitmix64), which no two numbers share.
    """
    mixed = rows.numbers.astype(np.uint64) * np.uint64(_GOLDEN) + np.uint64((seed + 1) * _GOLDEN % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.sort(_smallest(mixed ^ (mixed >> np.uint64(31)), rows.numbers, count))


def _key(rows: Rows, objective: Objective) -> Numbers:
    """A column as one that is to be small; ``~x`` is ``-x - 1``, which every int64 has."""
    column = rows.columns[objective.column]
    return column if not objective.largest else ~column if column.dtype.kind == "i" else -column


def _smallest(key: Numbers, numbers: Numbers, count: int) -> Places:
    near = np.arange(len(key))
    if 0 < count < len(key):
        limit = np.partition(key, count - 1)[count - 1]
        near = np.flatnonzero(~(key > limit))  # with what is NaN, which is sorted to the end
    return near[np.lexsort((numbers[near], key[near]))[:count]]


def _frontier(keys: Sequence[Numbers], numbers: Numbers) -> Places:
    """Places of the frontier of columns that are all to be small."""
    numbered = np.ones(len(numbers), bool)
    for key in keys:
        if key.dtype.kind == "f":
            numbered &= ~np.isnan(key)
    left = np.flatnonzero(numbered)
    if len(left) > _MANY:
        left = _not_weak(keys, numbers, left)
    left = left[np.lexsort((numbers[left], *(key[left] for key in reversed(keys))))]
    ranks = np.stack([np.unique(key[left], return_inverse=True)[1] for key in keys])
    first = np.ones(len(left), bool)
    first[1:] = (ranks[:, 1:] != ranks[:, :-1]).any(axis=0)
    places: Places = left[first][_undominated(ranks[:, first])]
    return places


def _not_weak(keys: Sequence[Numbers], numbers: Numbers, left: Places) -> Places:
    """What is left when everything is gone that a few good rows are better than."""
    some = left[:: len(left) // 1024]
    strong = some[_frontier([key[some] for key in keys], numbers[some])]
    for one in strong[:: len(strong) // 32 + 1]:
        beaten, better = np.ones(len(left), bool), np.zeros(len(left), bool)
        for key in keys:
            values = key[left]
            beaten &= values >= key[one]
            better |= values > key[one]
        left = left[~(beaten & better)]
    return left


def _undominated(points: Numbers) -> Places:
    """Places of the points that none before them is at most in every row; divide and conquer (Kung et al. 1975).

    Args:
        points: shape (objectives, points), ordered by the first row, then the second and so on, all different.
    """
    rows, count = points.shape
    if rows == 1:
        return np.arange(min(count, 1))
    if rows == 2:
        least = np.minimum.accumulate(points[1])
        return np.flatnonzero(np.concatenate([np.ones(min(count, 1), bool), points[1, 1:] < least[:-1]]))
    rest = points[1:]  # in the first row, what comes before is never larger
    if count <= _LEAF:
        return np.flatnonzero(~np.triu(_at_most(rest, rest), 1).any(axis=0))
    middle = count // 2
    low, high = _undominated(points[:, :middle]), middle + _undominated(points[:, middle:])
    return np.concatenate([low, high[~_beaten(rest[:, low], rest[:, high])]])


def _at_most(some: Numbers, others: Numbers) -> npt.NDArray[np.bool_]:
    """For each pair whether the one is in no row larger than the other."""
    result = np.ones((some.shape[1], others.shape[1]), bool)
    for one, other in zip(some, others, strict=True):
        result &= one[:, None] <= other
    return result


def _beaten(strong: Numbers, points: Numbers) -> npt.NDArray[np.bool_]:
    """For each of the points whether one of the strong ones is in no row larger."""
    beaten = np.zeros(points.shape[1], bool)
    if not strong.shape[1] or not points.shape[1]:
        return beaten
    if len(strong) == 1:
        return np.asarray(points[0] >= strong[0].min())
    if len(strong) == 2:
        order = np.argsort(strong[0])
        least = np.minimum.accumulate(strong[1, order])
        up_to = np.searchsorted(strong[0, order], points[0], side="right")
        return np.asarray((up_to > 0) & (least[up_to - 1] <= points[1]))
    if strong.shape[1] * points.shape[1] <= _LEAF**2:
        return np.asarray(_at_most(strong, points).any(axis=0))
    values = np.unique(strong[0])
    middle = values[(len(values) - 1) // 2]
    low, far = strong[0] <= middle, points[0] >= values[-1] if len(values) == 1 else points[0] > middle
    beaten[far] = _beaten(strong[1:, low], points[1:, far])  # the first row is settled
    if len(values) > 1:
        beaten[~far] = _beaten(strong[:, low], points[:, ~far])
        left = far & ~beaten
        beaten[left] = _beaten(strong[:, ~low], points[:, left])
    return beaten


# -- means and spreads -------------------------------------------------------------------------------------------------


def moments(choices: npt.NDArray[np.int32], columns: Mapping[str, Numbers], sizes: Sequence[int]) -> Moments:
    """The moments of some designs; what is not finite is no value.

    Args:
        choices: shape (axes, designs), as in :class:`~archscope.sweeps.model.Rows`.
        columns: by name, shape (designs,).
        sizes: how many values each axis has.
    """
    places = [axis.astype(np.intp) for axis in choices]
    all_counts = [np.bincount(at, minlength=size) for at, size in zip(places, sizes, strict=True)]
    width = len(columns)
    result = Moments(
        tuple(columns),
        np.zeros(width, np.int64),
        np.zeros(width),
        np.zeros(width),
        np.full(width, np.nan),
        np.full(width, np.nan),
        tuple(np.zeros((size, width), np.int64) for size in sizes),
        tuple(np.zeros((size, width)) for size in sizes),
    )
    for at, column in enumerate(columns.values()):
        values, where, counts = column.astype(np.float64), places, all_counts
        finite = None if column.dtype.kind == "i" else np.isfinite(values)
        if finite is not None and not finite.all():
            values, where = values[finite], [axis[finite] for axis in places]
            counts = [np.bincount(axis, minlength=size) for axis, size in zip(where, sizes, strict=True)]
        if not len(values):
            continue
        result.count[at] = len(values)
        result.mean[at] = values.mean()
        result.least[at], result.most[at] = values.min(), values.max()
        from_mean = values - result.mean[at]
        result.spread[at] = np.square(from_mean).sum()  # a product of BLAS depends on how many threads it has
        for axis, count, axis_count, axis_mean in zip(where, counts, result.axis_count, result.axis_mean, strict=True):
            axis_count[:, at] = count
            sums = np.bincount(axis, from_mean, minlength=len(count))
            axis_mean[:, at] = np.where(count > 0, result.mean[at] + sums / np.maximum(count, 1), 0)
    return result


class Influence(NamedTuple):
    """What one axis does to one column.

    Attributes:
        axis, column: their names.
        share: of the column's variance, what the axis explains by itself, from 0 to 1.
        direction: ``rises`` or ``falls`` where the means do all along the values of a numeric axis, else empty.
        means: for each value of the axis the column's mean over the legal designs; ``None`` where there are none.
    """

    axis: str
    column: str
    share: float
    direction: str
    means: tuple[float | None, ...]


def influence(sweep: Sweep) -> Iterator[Influence]:
    """Which axis moves which column: column by column, the strongest axis first; columns that vary, and all axes."""
    moments = sweep.moments
    for at, column in enumerate(moments.columns):
        shares = []
        for place, axis in enumerate(sweep.space.axes):
            share = moments.share(place, column)
            if share is not None:
                counted = zip(moments.axis_mean[place][:, at], moments.axis_count[place][:, at], strict=True)
                means = tuple(float(mean) if count else None for mean, count in counted)
                shares.append(Influence(axis.name, column, share, _direction(axis, means), means))
        yield from sorted(shares, key=lambda one: -one.share)


def _direction(axis: Axis, means: Sequence[float | None]) -> str:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in axis.values):
        return ""
    ordered = sorted((value, mean) for value, mean in zip(axis.values, means, strict=True) if mean is not None)
    steps = [0.0 if abs(b - a) <= _ALMOST * max(abs(a), abs(b)) else b - a for (_, a), (_, b) in pairwise(ordered)]
    rises, falls = any(step > 0 for step in steps), any(step < 0 for step in steps)
    return "" if rises == falls else "rises" if rises else "falls"


# -- merging -----------------------------------------------------------------------------------------------------------


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of several one behind the other; at least one, all with the same axes and columns."""
    return Rows(
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.choices for part in parts], axis=1),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
    )


def relevant(part: Part, question: Question, *, everything: bool = False) -> Part:
    """A part with only those rows that the result can need: of its own frontier, best and sample; or with all."""
    return part if everything else replace(part, rows=_needed(part.rows, question))


def _needed(rows: Rows, question: Question) -> Rows:
    needed = frontier(rows, question.pareto)
    needed[best(rows, question.sort, question.top)] = True
    needed[drawn(rows, DRAWN)] = True
    return rows if needed.all() else rows.take(needed)


def structural(decisions: Mapping[Decision, frozenset[int]]) -> set[int]:
    """Places of the axes that change the graph: other graphs came of one value of a decision than of another."""
    axes: set[int] = set()
    first: dict[int, frozenset[int]] = {}
    for decision, graphs in decisions.items():
        if first.setdefault(decision.what, graphs) != graphs:
            axes.update(decision.axes)
    return axes


class Merger:
    """Puts the parts of a sweep together; holds the frontier, the best and the sample, whatever the space's size.

    Rows and counts of the result do not depend on how the space was cut; moments, which are rounded, are the same for
    the same cuts. A column has the same dtype in all parts.
    """

    def __init__(self, space: Space, question: Question, columns: Sequence[Column]) -> None:
        self.space, self.question, self.columns = space, question, tuple(columns)
        nothing = {column.name: np.zeros(0, np.int64) for column in columns}
        choices = np.zeros((len(space.axes), 0), np.int32)
        self._rows = Rows(np.zeros(0, np.int64), choices, nothing)
        self._waiting: list[Rows] = []
        self._moments = moments(choices, nothing, [len(axis.values) for axis in space.axes])
        self._tally = Tally()
        self._decisions: dict[Decision, frozenset[int]] = {}
        self._stop = 0

    def add(self, part: Part) -> None:
        """Add a part; parts come in the order of their designs.

        Raises:
            ValueError: it begins before the end of the one before it.
        """
        if part.start < self._stop:
            raise ValueError(f"a part that begins at {part.start} comes behind one that ends at {self._stop}")
        self._stop = part.stop
        self._waiting.append(_needed(part.rows, self.question))
        if sum(map(len, self._waiting)) > max(_WAITING, len(self._rows)):  # so that a large frontier is not seen often
            self._condense()
        self._tally += part.tally
        self._moments += part.moments
        for decision, graphs in part.decisions.items():
            self._decisions[decision] = self._decisions.get(decision, frozenset()) | graphs

    def _condense(self) -> None:
        self._rows = _needed(joined([self._rows, *self._waiting]), self.question)
        self._waiting = []

    def sweep(self, name: str, file: str, seconds: float) -> Sweep:
        """The result of the parts that were added so far.

        Args:
            name: of the design.
            file: where its spec came from.
            seconds: that the sweep took.
        """
        self._condense()
        rows, question = self._rows, self.question
        return Sweep(
            name=name,
            file=file,
            space=self.space,
            question=question,
            columns=self.columns,
            tally=self._tally,
            moments=self._moments,
            top=rows.take(best(rows, question.sort, question.top)),
            frontier=self._ordered_frontier(),
            sample=rows.take(drawn(rows, DRAWN)),
            structural=tuple(self.space.axes[place].name for place in sorted(structural(self._decisions))),
            structures=len(frozenset().union(*self._decisions.values())),
            seconds=seconds,
            complete=self._tally.designs == self.space.count,
        )

    def _ordered_frontier(self) -> Rows:
        pareto = self.question.pareto
        rows = self._rows.take(frontier(self._rows, pareto))
        return rows.take(best(rows, pareto[0], len(rows))) if pareto else rows
