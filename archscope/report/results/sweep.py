"""A space of designs; the records are the best of them, then the others of the frontier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.figures import fields_of, figures_in
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Cell, Fact, Facts, Grid, Head, Headline, Notes, Room, Row
from archscope.report.results.comparison import time_note
from archscope.report.text import cut, line, short
from archscope.setting.sizes import duration
from archscope.spec.expressions import names_in
from archscope.spec.values import value_text
from archscope.sweeps.space import DESIGN, axis_columns

if TYPE_CHECKING:
    from archscope.figures import Column
    from archscope.sweeps.merging import Influence
    from archscope.sweeps.model import Objective, Rows, Sweep
    from archscope.sweeps.space import Space

#: reasons why designs are none that people are shown, and designs of a frontier where none were asked for
_MOST_REASONS, _MOST_FRONTIER = 5, 20
_WIDEST_VALUES = 44
_ON_FRONTIER = "*"
_COUNTLESS = 10**15
_ARROWS = {"rises": " ↑", "falls": " ↓", "": "  "}
_INFLUENCE = "What moves what: the share of a figure's variance that an axis explains by itself"


@dataclass(frozen=True)
class SweepReport(Report):
    """What became of the designs, the best of them, and which axis moves which figure."""

    VERSION = 3
    result: Sweep

    @property
    def said(self) -> Said:
        return Said(self.result.incomplete, self.result.warnings)

    def headline(self) -> Headline:
        return Headline(self.result.title, setting_text(self.result), self.said.lines)

    def blocks(self, room: Room) -> Iterator[Block]:
        sweep = self.result
        yield self.headline()
        yield Facts((tuple(Fact("", (count,), words) for count, words in counts(sweep)),), widths=(0, 0))
        yield _axes(sweep)
        if sweep.tally.invalid:
            yield _reasons(sweep)
        if sweep.tally.missed:
            yield _missed(sweep)
        if len(_listed(sweep)):
            yield _best(sweep, room)
        if any(True for _ in _influence(sweep)):
            yield _moved(sweep)
        yield Notes(tuple(notes(sweep)))

    def records(self) -> Records:
        sweep = self.result
        figures = (Field(column.name, column.unit) for column in sweep.columns)
        names = axis_columns(sweep.space.axes, [column.name for column in sweep.columns])
        axes = (Field(name, style="value") for name in names)
        rows = ([point.number, *point.values, *point.figures, point.rank, point.frontier] for point in points(sweep))
        fields = [Field(DESIGN), *axes, *figures, Field("rank"), Field("frontier", style="value")]
        return Records(fields, rows, DESIGN, sweep.incomplete, run_of(sweep.setting, sweep.columns))

    def data(self) -> dict[str, Any]:
        return self.headed(_data(self.result))

    @classmethod
    def schema(cls) -> js.Schema:
        return _schema(cls.VERSION)


class Point(NamedTuple):
    """A design of a result.

    Attributes:
        number: its place in the space.
        values: of the axes, in their order.
        figures: of the columns, in their order; ``None`` where it has none.
        rank: its place among the best, from 1; ``None`` if it is not one of those shown.
        frontier: whether no other design is better.
    """

    number: int
    values: tuple[Any, ...]
    figures: tuple[int | float | None, ...]
    rank: int | None
    frontier: bool


def points(sweep: Sweep) -> list[Point]:
    """The best designs in their order, then those of the frontier that are none of them."""
    best = _points(sweep, sweep.top)
    shown = {point.number for point in best}
    ranked = [point._replace(rank=rank) for rank, point in enumerate(best, 1)]
    return [*ranked, *(point for point in _points(sweep, sweep.frontier) if point.number not in shown)]


def _points(sweep: Sweep, rows: Rows) -> list[Point]:
    on_frontier = set(sweep.frontier.numbers.tolist())
    axes = zip(sweep.space.axes, rows.choices.tolist(), strict=True)
    values = [[axis.values[place] for place in places] for axis, places in axes]
    figures = [[_finite(cell) for cell in rows.columns[column.name].tolist()] for column in sweep.columns]
    return [
        Point(
            number,
            tuple(axis[at] for axis in values),
            tuple(column[at] for column in figures),
            None,
            number in on_frontier,
        )
        for at, number in enumerate(rows.numbers.tolist())
    ]


def _finite(figure: float) -> float | None:
    return figure if isfinite(figure) else None


def axis_titles(sweep: Sweep) -> list[str]:
    """Names of the axes; of one that is called as a figure is, that it is one."""
    figures = {column.name for column in sweep.columns}
    return [f"{axis.name} (axis)" if axis.name in figures else axis.name for axis in sweep.space.axes]


# -- in words ---


def setting_text(sweep: Sweep) -> str:
    """How the designs are run; the batch if it is the same for all."""
    varied = [axis.name for axis in sweep.space.axes]
    shown = [name for name in fields_of(sweep.setting, _figures(sweep)) if name not in varied]
    return sweep.setting.words(*shown) if shown else ""


def _figures(sweep: Sweep) -> Iterator[Column]:
    """The figures that are told: columns, and what the constraints are about."""
    yield from sweep.columns
    yield from figures_in(name for text in sweep.question.where for name in names_in(text))


def counts(sweep: Sweep) -> Iterator[tuple[str, str]]:
    """How many designs there were and how many were left at each step: a number, and what it counts."""
    tally, space, question = sweep.tally, sweep.space, sweep.question
    rate = f", {rate_text(sweep)} a second" if rate_text(sweep) else ""
    rate += f"; {sweep.stored:,} of them were stored before" if sweep.stored else ""
    stopped = "" if sweep.complete else f", stopped; there are {space.count:,}"
    drawn = space.sample
    sample = ""
    if drawn and space.count < space.size:
        method = "Sobol" if drawn.method == "sobol" else drawn.method
        sample = f", a {method} sample of {size_text(space)}, seed {drawn.seed}"
    yield (
        f"{tally.designs:,}",
        f"design{'s' * (tally.designs != 1)} in {duration(sweep.seconds)}{rate}{sample}{stopped}",
    )
    yield f"{tally.legal:,}", "legal" if tally.invalid else "legal, all of them"
    if question.where:
        yield f"{tally.passed:,}", f"with {', '.join(question.where)}"
    if question.pareto:
        yield f"{len(sweep.frontier):,}", f"on the frontier: {_wanted(sweep, question.pareto)}"


def rate_text(sweep: Sweep) -> str:
    """Designs a second, those left out that were stored before; empty if no time was taken."""
    fresh = sweep.tally.designs - sweep.stored
    return short(round(fresh / sweep.seconds, 1)) if sweep.seconds > 0 and fresh else ""


def size_text(space: Space) -> str:
    """How many combinations there are, in digits that people still read."""
    return f"{space.size:,}" if space.size < _COUNTLESS else f"about 10^{log10(space.size):.0f}"


def _wanted(sweep: Sweep, objectives: Sequence[Objective]) -> str:
    titles = {column.name: column.title for column in sweep.columns}
    return ", ".join(f"{'large' if one.largest else 'small'} {titles[one.column]}" for one in objectives)


def structure_text(sweep: Sweep) -> str:
    """Which axes change the graph."""
    if not sweep.tally.legal:
        return "no design is legal, so that no graph is known"
    if not sweep.structural:
        return "all axes change numbers only: one graph serves all designs"
    every = len(sweep.structural) == len(sweep.space.axes)
    others = "" if every else "; the others change numbers only"
    verb = "change" if len(sweep.structural) > 1 else "changes"
    return f"{', '.join(sweep.structural)} {verb} the graph{others}"


def listed_title(sweep: Sweep) -> str:
    """What :func:`best_cells` lists."""
    question, count = sweep.question, len(_listed(sweep))
    if _listed(sweep) is sweep.frontier:
        part = f", {_MOST_FRONTIER} of {count:,}" if count > _MOST_FRONTIER else ""
        return f"The frontier{part}: {_wanted(sweep, question.pareto)}"
    many = f" {count:,}" if count != 1 else ""
    if question.sort:
        return f"The best{many}: {_wanted(sweep, [question.sort])}"
    return f"The first{many} design{'s' * (count != 1)}"


def notes(sweep: Sweep) -> Iterator[str]:
    """What must be known to read the tables."""
    if len(sweep.frontier) and _listed(sweep) is not sweep.frontier:
        yield f"{_ON_FRONTIER} on the frontier"
    if any(True for _ in _influence(sweep)):
        yield "↑ the mean rises along the axis, ↓ it falls; what is missing to 100% the axes do together"
        if sweep.tally.invalid or sweep.space.count < sweep.space.size:
            yield "where combinations are left out, axes depend on each other and their shares overlap"
    if any(column.style == "seconds" for column in sweep.columns):
        yield time_note(sweep.question.setting)


# -- tables ---


def _axes(sweep: Sweep) -> Grid:
    """A row an axis: its values, and what it changes."""
    rows = []
    for axis in sweep.space.axes:
        changes = "the graph" if axis.name in sweep.structural else "numbers"
        if len(axis.values) == 1 or not sweep.tally.legal:
            changes = ""
        rows.append(Row((axis.name, len(axis.values), _values_text(axis.values, _WIDEST_VALUES), changes)))
    heads = Head("axis"), Head("", "count"), Head("values", wrapped=True), Head("changes")
    return Grid(heads, tuple(rows), title=f"Axes: {structure_text(sweep)}")


def _reasons(sweep: Sweep) -> Facts:
    """Why designs are none, the most frequent reason first, each with the first design and its message."""
    reasons = sorted(sweep.tally.invalid.values(), key=lambda reason: -reason.designs)
    facts = []
    for reason in reasons[:_MOST_REASONS]:
        values = ", ".join(f"{name}={axis_text(one)}" for name, one in sweep.space.values(reason.first).items())
        first = f"{'the first: ' if reason.designs > 1 else ''}{values}"
        facts.append(Fact("", (f"{reason.designs:,}",), f"{reason.message}\n{first}", 1))
    more = len(reasons) - _MOST_REASONS
    if more > 0:
        facts.append(Fact("", (), f"and {more:,} more reasons; JSON has all", 1))
    count = sum(reason.designs for reason in reasons)
    return Facts(
        tuple((fact,) for fact in facts),
        f"{count:,} {'is no design' if count == 1 else 'are no designs'}",
        widths=(0, 0),
    )


def _missed(sweep: Sweep) -> Grid:
    """A row a constraint: how many legal designs do not satisfy it."""
    legal, undefined = sweep.tally.legal, sweep.tally.undefined
    rows = [
        Row((line(text), count, count / legal if legal else None) + ((undefined.get(text, 0),) if undefined else ()))
        for text, count in sweep.tally.missed.items()
    ]
    heads = [Head("constraint"), Head("missed by", "count"), Head("%", "part")]
    heads += [Head("no value in", "count")] if undefined else []
    return Grid(tuple(heads), tuple(rows), title="What the constraints refuse")


def _best(sweep: Sweep, room: Room) -> Grid:
    """A row a design: its place, the values of the axes that have several, its figures."""
    axes = [at for at, axis in enumerate(sweep.space.axes) if len(axis.values) > 1]
    listed = _listed(sweep)
    whole = listed is sweep.frontier
    titles = axis_titles(sweep)
    rows = []
    for place, point in enumerate(_points(sweep, listed)[: _MOST_FRONTIER if whole else None], 1):
        mark = _ON_FRONTIER if point.frontier and not whole else " "
        figures = (_figure(one, column) for one, column in zip(point.figures, sweep.columns, strict=True))
        rows.append(Row((Cell(f"{place}{mark}"), *(Cell(axis_text(point.values[at])) for at in axes), *figures)))
    words = [any(isinstance(one, str | tuple) for one in sweep.space.axes[at].values) for at in axes]
    heads = [Head("", "count")]
    heads += [Head(titles[at], "text" if said else "count") for at, said in zip(axes, words, strict=True)]
    heads += [Head(column.title, "count") for column in sweep.columns]
    shown = rows[: room.listed] if room.rest else rows
    more = room.more(len(rows) - len(shown), "--top")
    return Grid(tuple(heads), tuple(shown), title=listed_title(sweep), more=more, pinned=(0,))


def _figure(figure: float | None, column: Column) -> Cell:
    return Cell(figure, "count" if column.style == "axes" else column.style, column.unit)


def _moved(sweep: Sweep) -> Grid:
    """A row an axis, a column for each figure that varies: the share of its variance, and its direction."""
    shares = {(one.axis, one.column): one for one in _influence(sweep)}
    columns = [column for column in sweep.columns if any(name == column.name for _, name in shares)]
    axes = [axis.name for axis in sweep.space.axes if len(axis.values) > 1]
    rows = (Row((axis, *(_share(shares[axis, column.name]) for column in columns))) for axis in axes)
    heads = Head(""), *(Head(column.title, "count") for column in columns)
    return Grid(heads, tuple(rows), title=_INFLUENCE, pinned=(0,))


def _share(one: Influence) -> Cell:
    return Cell(f"{one.share:.0%}{_ARROWS[one.direction]}")


def _listed(sweep: Sweep) -> Rows:
    """What people are shown: the best, or the frontier where only that was asked for."""
    return sweep.frontier if sweep.question.pareto and sweep.question.sort is None else sweep.top


def _values_text(values: Sequence[Any], room: int) -> str:
    texts = [axis_text(one) for one in values]
    whole = ", ".join(texts)
    return cut(whole if len(whole) <= room else f"{', '.join(texts[:3])}, …, {texts[-1]}", room)


def axis_text(content: Any) -> str:
    """A value of an axis as people read it."""
    return f"{content:.6g}" if isinstance(content, float) else line(value_text(content))


def _influence(sweep: Sweep) -> Iterator[Influence]:
    from archscope.sweeps.merging import influence  # NumPy is for when there is a sweep

    return influence(sweep)


def _objective(one: Objective) -> dict[str, Any]:
    return {"column": one.column, "largest": one.largest}


def _point(sweep: Sweep, point: Point) -> dict[str, Any]:
    return {
        "number": point.number,
        "values": {axis.name: one for axis, one in zip(sweep.space.axes, point.values, strict=True)},
        "figures": {column.name: one for column, one in zip(sweep.columns, point.figures, strict=True)},
        "rank": point.rank,
        "frontier": point.frontier,
    }


# -- for machines ---


def _data(sweep: Sweep) -> dict[str, Any]:
    """All that is known, with the designs of :func:`points`."""
    space, question, tally, moments = sweep.space, sweep.question, sweep.tally, sweep.moments
    drawn, varied = space.sample, [axis.name for axis in space.axes]
    derived = dict(question.derived)
    return {
        "name": sweep.name,
        "file": sweep.file,
        "setting": question.setting.data() | ({"batch": None} if "batch" in varied else {}),
        "axes": [
            {"name": axis.name, "values": list(axis.values), "structural": axis.name in sweep.structural}
            for axis in space.axes
        ],
        "size": space.size,
        "sample": {"method": drawn.method, "count": drawn.count, "seed": drawn.seed} if drawn else None,
        "seconds": sweep.seconds,
        "stored": sweep.stored,
        "complete": sweep.complete,
        "structures": sweep.structures,
        "designs": tally.designs,
        "legal": tally.legal,
        "passed": tally.passed,
        "invalid": [
            {
                "what": what,
                "designs": reason.designs,
                "first": reason.first,
                "values": space.values(reason.first),
                "message": reason.message,
            }
            for what, reason in tally.invalid.items()
        ],
        "where": [
            {"constraint": text, "missed": tally.missed.get(text, 0), "undefined": tally.undefined.get(text, 0)}
            for text in question.where
        ],
        "pareto": [_objective(one) for one in question.pareto],
        "sort": None if question.sort is None else _objective(question.sort),
        "columns": [
            {
                "name": column.name,
                "title": column.title,
                "unit": column.unit,
                "convention": column.convention,
                "derived": derived.get(column.name),
                "count": int(moments.count[at]),
                "mean": float(moments.mean[at]) if moments.count[at] else None,
                "least": _finite(float(moments.least[at])),
                "most": _finite(float(moments.most[at])),
            }
            for at, column in enumerate(sweep.columns)
        ],
        "influence": [one._asdict() for one in _influence(sweep)],
        "frontier": len(sweep.frontier),
        "points": [_point(sweep, point) for point in points(sweep)],
    }


def _schema(version: int) -> js.Schema:
    """What each field is."""
    values = js.mapping({}, "by axis")
    objective = js.record({"column": js.text(), "largest": js.flag("whether it is to be large")})
    axis = {
        "name": js.text("a variable, an element of one, `input` or `batch`"),
        "values": js.many({}, "numbers, words, true, false, null, or lists of those"),
        "structural": js.flag("whether it was seen to change the graph, not only numbers"),
    }
    sample = {"method": js.text("how it was drawn"), "count": js.count("that was asked for"), "seed": js.count()}
    invalid = {
        "what": js.text("what is wrong, without its numbers"),
        "designs": js.count("of which that is so"),
        "first": js.count("number of the first of them"),
        "values": js.mapping({}, "of its axes"),
        "message": js.text("what is wrong with it, as `archscope analyze` says it"),
    }
    column = {
        "name": js.text("as in the points"),
        "title": js.text("as people read it"),
        "unit": js.text("empty for text and plain ratios"),
        "convention": js.text("how it is counted"),
        "derived": js.nullable(js.text("the expression that it is the value of")),
        "count": js.count("legal designs that have a value"),
        "mean": js.nullable(js.number("over them")),
        "least": js.nullable(js.number("of them")),
        "most": js.nullable(js.number("of them")),
    }
    influence = {
        "axis": js.text(),
        "column": js.text(),
        "share": js.number("of the column's variance that the axis explains by itself, from 0 to 1"),
        "direction": js.chosen(("rises", "falls", ""), "of the means along a numeric axis; empty if neither"),
        "means": js.many(js.nullable(js.number()), "of the column, a value of the axis each"),
    }
    point = {
        "number": js.count("its place in the space, or in the sample, from 0"),
        "values": values,
        "figures": js.mapping(js.nullable(js.number()), "by column"),
        "rank": js.nullable(js.count("among the best, from 1")),
        "frontier": js.flag("whether no other design is better in all of `pareto`"),
    }
    fields = {
        "name": js.text("of the design, as the spec gives it"),
        "file": js.text("the spec; empty where it was no file"),
        "setting": js.setting(batch_varies=True),
        "axes": js.many(js.record(axis)),
        "size": js.count("all combinations of the values"),
        "sample": js.nullable(js.record(sample)),
        "seconds": js.number("that the sweep took", "s"),
        "stored": js.number("designs that an interrupted sweep had left", "designs"),
        "complete": js.flag("whether all designs were looked at, not only the first ones"),
        "structures": js.count("different graphs that were met in one part of the sweep"),
        "designs": js.count("that were looked at"),
        "legal": js.count("of them"),
        "passed": js.count("legal ones that satisfy all constraints"),
        "invalid": js.many(js.record(invalid), "designs that are not legal, by what is wrong"),
        "where": js.many(
            js.record(
                {
                    "constraint": js.text(),
                    "missed": js.count("legal designs that do not satisfy it"),
                    "undefined": js.count("those of them in which it has no value"),
                }
            )
        ),
        "pareto": js.many(objective, "what the frontier is about"),
        "sort": js.nullable(objective),
        "columns": js.many(js.record(column)),
        "influence": js.many(js.record(influence), "by column, the strongest axis first"),
        "frontier": js.count("designs on it"),
        "points": js.many(js.record(point), "the best, then the others of the frontier"),
    }
    return js.document("sweep", version, fields)
