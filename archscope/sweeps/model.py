"""What a sweep is asked and what it finds: the values that its parts hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.errors.diagnostics import Diagnostic
from archscope.setting import Setting
from archscope.shown import Shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from archscope.figures import Column
    from archscope.sweeps.space import Space


class Objective(NamedTuple):
    """A column that is to be small, or large.

    Attributes:
        column: its name.
        largest: whether more is better.
    """

    column: str
    largest: bool = False

    @classmethod
    def read(cls, text: str) -> Objective:
        """``params`` is to be small, ``-receptive_field`` large."""
        text = text.strip()
        return cls(text[1:].strip(), largest=True) if text.startswith("-") else cls(text)

    def __str__(self) -> str:
        return f"-{self.column}" if self.largest else self.column


@dataclass(frozen=True)
class Question:
    """What is asked of every design of a space.

    Attributes:
        figures: names of figures, each a column: those of :data:`archscope.comparison.FIGURES`, or ``LAYER.figure``.
        derived: columns that follow from others: a name and an expression each.
        where: expressions that must hold of a design, each on its own.
        pareto: the frontier consists of the designs to which no other one is equal in all of these, and better in one.
        sort: the figure that orders the best designs.
        top: how many of the best are shown.
        setting: how its designs are run.
    """

    figures: tuple[str, ...]
    derived: tuple[tuple[str, str], ...] = ()
    where: tuple[str, ...] = ()
    pareto: tuple[Objective, ...] = ()
    sort: Objective | None = None
    top: int = 20
    setting: Setting = Setting()


@dataclass(frozen=True, eq=False)
class Rows:
    """Some designs of a space, column by column.

    Attributes:
        numbers: of the designs, int64, shape (designs,): their places in the space, from 0 on.
        choices: int32, shape (axes, designs): for each axis of the space the place of the design's value among the
            axis's values.
        columns: by name, int64 or float64, shape (designs,); NaN where a design has no such figure.
    """

    numbers: npt.NDArray[np.int64]
    choices: npt.NDArray[np.int32]
    columns: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, which: npt.NDArray[Any]) -> Rows:
        """Those of a mask or of an array of places."""
        columns = {name: values[which] for name, values in self.columns.items()}
        return Rows(self.numbers[which], self.choices[:, which], columns)


class Reason(NamedTuple):
    """Why some designs are none.

    Attributes:
        designs: how many.
        first: the number of the first of them.
        message: what is wrong with that one, as ``archscope analyze`` would say it.
    """

    designs: int
    first: int
    message: str


@dataclass(frozen=True)
class Tally:
    """What became of the designs of a part of a space.

    Attributes:
        designs: all that were looked at.
        invalid: those that are no legal design, by what is wrong (numbers left out).
        missed: by the text of a constraint, how many legal designs do not satisfy it; one design may miss several.
        passed: legal designs that satisfy all constraints.
        undefined: of those that miss a constraint, in how many it has no value.
    """

    designs: int = 0
    invalid: Mapping[str, Reason] = field(default_factory=dict)
    missed: Mapping[str, int] = field(default_factory=dict)
    passed: int = 0
    undefined: Mapping[str, int] = field(default_factory=dict)

    @property
    def legal(self) -> int:
        """Designs that are legal, whatever the constraints say."""
        return self.designs - sum(reason.designs for reason in self.invalid.values())

    def __add__(self, other: Tally) -> Tally:
        """That of both parts together; of designs that are wrong in the same way the first one speaks for all."""
        invalid = dict(self.invalid)
        for what, reason in other.invalid.items():
            first = invalid.get(what)
            if first is None:
                invalid[what] = reason
            else:
                speaks = min(first, reason, key=lambda one: one.first)
                invalid[what] = speaks._replace(designs=first.designs + reason.designs)
        ordered = dict(sorted(invalid.items(), key=lambda item: item[1].first))
        return Tally(
            self.designs + other.designs,
            ordered,
            _added(self.missed, other.missed),
            self.passed + other.passed,
            _added(self.undefined, other.undefined),
        )


def _added(some: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    return {text: some.get(text, 0) + others.get(text, 0) for text in dict.fromkeys([*some, *others])}


@dataclass(frozen=True, eq=False)
class Moments:
    """Of each column its mean and spread over the legal designs, and its means by the values of each axis.

    Attributes:
        columns: names of the columns, C of them.
        count: int64, shape (C,): designs that have a value.
        mean: float64, shape (C,).
        spread: float64, shape (C,): sum of the squared distances from the mean.
        least, most: float64, shape (C,): the smallest and the largest value; NaN where there is none.
        axis_count: for each axis an int64 array of shape (values of the axis, C).
        axis_mean: for each axis a float64 array of the same shape; 0 where nothing was counted.
    """

    columns: tuple[str, ...]
    count: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    least: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    axis_count: tuple[npt.NDArray[np.int64], ...]
    axis_mean: tuple[npt.NDArray[np.float64], ...]

    def __add__(self, other: Moments) -> Moments:
        """Those of both parts together (Chan, Golub and LeVeque 1979).

        Raises:
            ValueError: they are not of the same columns.
        """
        import numpy as np

        if self.columns != other.columns:
            raise ValueError(f"moments of {', '.join(self.columns)} and of {', '.join(other.columns)} do not add")
        count, mean, weight = _pooled(self.count, self.mean, other.count, other.mean)
        axes = [_pooled(*pair) for pair in zip(
            self.axis_count, self.axis_mean, other.axis_count, other.axis_mean, strict=True
        )]  # fmt: skip
        return Moments(
            self.columns,
            count,
            mean,
            self.spread + other.spread + (other.mean - self.mean) ** 2 * weight * self.count,
            np.fmin(self.least, other.least),
            np.fmax(self.most, other.most),
            tuple(counts for counts, _, _ in axes),
            tuple(means for _, means, _ in axes),
        )

    def share(self, axis: int, column: str) -> float | None:
        """The part of a column's variance that an axis explains by itself, from 0 to 1.

        It is the variance of the means by the axis's values (the first-order effect of a sensitivity analysis).
        The shares of all axes of a full grid add up to at most 1; the rest is what they do together.

        Returns:
            ``None`` where the column does not vary (or by so little or much that floats have no square of it).
        """
        at = self.columns.index(column)
        if not (self.least[at] < self.most[at] and 0 < self.spread[at] < inf):
            return None
        means, counts = self.axis_mean[axis][:, at], self.axis_count[axis][:, at]
        return min(1.0, float((counts * (means - self.mean[at]) ** 2).sum() / self.spread[at]))


def _pooled(count: Any, mean: Any, more: Any, their: Any) -> tuple[Any, Any, Any]:
    """Count and mean of two groups together, and the weight of the second; nothing and a group is the group."""
    import numpy as np

    together = count + more
    weight = more / np.maximum(together, 1)
    return together, mean + (their - mean) * weight, weight


class Decision(NamedTuple):
    """Something that was decided when a design was laid out.

    Attributes:
        what: a fingerprint of the formula that decided.
        value: that it had.
        axes: places of the axes that it depends on.
    """

    what: int
    value: int | float
    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """What was found in a part of a space.

    Attributes:
        start, stop: numbers of its first design and of the one behind its last.
        rows: the designs that satisfy all constraints, in the order of their numbers; or of them those that are kept.
        moments: of all legal designs of the part.
        decisions: what was decided in the legal designs, each with the fingerprints of the graphs that came of it.
    """

    start: int
    stop: int
    rows: Rows
    tally: Tally
    moments: Moments
    decisions: Mapping[Decision, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sweep(Shown, report="sweep"):
    """The result of a sweep.

    Attributes:
        name: of the design.
        file: where its spec came from.
        space: the space.
        question: what was asked.
        columns: what is known of each column of the rows (name, unit, convention, style), in their order.
        tally, moments: of all designs that were looked at.
        top: the best designs by ``question.sort``, the best first (without it those with the smallest numbers).
        frontier: the designs that no other is better than, in the order of the first objective; empty without any.
        sample: some designs that satisfy all constraints, drawn evenly, in the order of their numbers.
        structural: names of the axes that change the graph; the others change numbers only.
        structures: how many different graphs were met.
        seconds: that it took.
        complete: whether the whole space was looked at.
        stored: of the designs, those that an interrupted sweep had left, which took no time.
        incomplete: what the figures lack (:func:`archscope.design.incomplete`), as far as the design where nothing
            varies tells.
        warnings: of that design.
    """

    name: str
    file: str
    space: Space
    question: Question
    columns: tuple[Column, ...]
    tally: Tally
    moments: Moments
    top: Rows
    frontier: Rows
    sample: Rows
    structural: tuple[str, ...]
    structures: int
    seconds: float
    complete: bool
    stored: int = 0
    incomplete: str | None = None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def setting(self) -> Setting:
        """How its designs are run, as other results have it; a batch that varies is that of each design."""
        return self.question.setting

    @property
    def title(self) -> str:
        """The name of the design, for the head of a report."""
        return self.name if self.incomplete is None else f"{self.name} (incomplete)"
