"""The page of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice, pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope.report.page.graph import exact
from archscope.report.page.paths import Scale, Tick, dots, stairs
from archscope.report.page.render import render
from archscope.report.results.sweep import rate_text, setting_text, size_text
from archscope.report.text import percent, short, value
from archscope.setting.sizes import duration
from archscope.spec.values import value_text

if TYPE_CHECKING:
    from archscope.figures import Column
    from archscope.sweeps.merging import Influence
    from archscope.sweeps.model import Reason, Rows, Sweep
    from archscope.sweeps.space import Axis

_MOST_BEST, _MOST_FRONTIER, _MOST_SAMPLE = 1_000, 5_000, 2_000
_MOST_CELLS = 90_000  # numbers of the frontier; of the best and of the sample less in proportion
_MOST_SPECS = 1_000_000  # characters
_MOST_ROWS = 100  # of a table at first
_MOST_LABELS = 60  # an axis of more numbers is drawn like a figure
_MOST_MEANS = 60
_MOST_VALUES = 12  # of an axis in words


def sweep_page(sweep: Sweep, specs: Callable[[int], str] | None = None) -> str:
    """The report of a sweep.

    Args:
        specs: makes the spec of a design of its number; without it the page has no specs.
    """
    designs = _Designs(sweep)
    variables = [*_axes(sweep, designs), *_figures(sweep, designs)]
    plot = _plot(sweep, designs, variables) if designs.numbers else None
    influence = _influence(sweep)
    data = {
        "design": sweep.title,
        "incomplete": sweep.incomplete,
        "variables": [variable.data for variable in variables],
        "numbers": designs.numbers,
        "best": designs.best,
        "frontier": designs.frontier,
        "sample": designs.sample,
        "objectives": _objectives(sweep),
        "axes": [] if plot is None else [plot.x, plot.y],
        "sort": _place(sweep, sweep.question.sort.column) if sweep.question.sort else None,
        "specs": None if specs is None else _specs(designs.numbers, specs),
        "rows": _MOST_ROWS,
        "means": _means(sweep),
        "overall": [_number(mean) for mean in sweep.moments.mean.tolist()],
    }
    return render(
        "sweep.html",
        styles=("style.css", "sweep.css"),
        scripts=(
            "theme.js", "clipboard.js", "page.js", "sweep.js", "sweep_scatter.js", "sweep_parallel.js",
            "sweep_tables.js", "sweep_means.js",
        ),
        sweep=sweep,
        wishes=[(largest, _title(sweep, name)) for name, largest in sweep.question.pareto],
        sorted_by=_title(sweep, sweep.question.sort.column) if sweep.question.sort else None,
        tiles=list(_tiles(sweep)),
        chips=list(_chips(sweep)),
        axes=[(axis.name, *_values(axis), axis.name in sweep.structural) for axis in sweep.space.axes],
        constraints=list(_constraints(sweep)),
        reasons=[_refusal(sweep, message, reason) for message, reason in _by_count(sweep)],
        designs=designs,
        variables=variables,
        plot=plot,
        best=[_row(place, designs, variables) for place in designs.best[:_MOST_ROWS]],
        frontier=[_row(place, designs, variables) for place in designs.frontier[:_MOST_ROWS]],
        titles=[_title(sweep, name) for name in sweep.moments.columns],
        influence=influence,
        together=_together(influence),
        data=data,
    )  # fmt: skip


# -- what was asked and what became of it ------------------------------------------------------------------------------


class Tile(NamedTuple):
    """A number of the sweep, and how it is counted."""

    title: str
    text: str
    note: str


def _tiles(sweep: Sweep) -> Iterator[Tile]:
    tally, space = sweep.tally, sweep.space
    sampled = f"of which {space.count:,} were drawn" if space.count < space.size else "all combinations of the values"
    yield Tile("designs in the space", size_text(space), sampled)
    if tally.designs < space.count or space.count < space.size:
        yield Tile("looked at", f"{tally.designs:,}", f"{_percent(tally.designs, space.count)} of what was asked for")
    yield Tile("legal", f"{tally.legal:,}", f"{_percent(tally.legal, tally.designs)} of those looked at")
    if sweep.question.where:
        share = _percent(tally.passed, tally.legal)
        yield Tile("satisfy the constraints", f"{tally.passed:,}", f"{share} of the legal ones")
    if sweep.question.pareto:
        yield Tile(
            "on the frontier",
            f"{len(sweep.frontier):,}",
            "no other design is as good in every objective and better in one",
        )
    rate = rate_text(sweep)
    yield Tile("time", duration(sweep.seconds), f"{rate} designs a second" if rate else "")
    yield Tile("different graphs", f"{sweep.structures:,}", "each evaluated for many designs at once")


def _chips(sweep: Sweep) -> Iterator[tuple[str, str]]:
    sample = sweep.space.sample
    yield "state", "complete" if sweep.complete else "interrupted"
    yield "run", setting_text(sweep)
    if sample is not None and sweep.space.count < sweep.space.size:
        yield "sample", f"{sample.method}, seed {sample.seed}"
    for name, expression in sweep.question.derived:
        yield name, f"= {expression}"


def _values(axis: Axis) -> tuple[int, str]:
    texts = [value_text(content) for content in axis.values]
    if len(texts) > _MOST_VALUES:
        texts = [*texts[:5], "…", *texts[-2:]]
    return len(axis.values), ", ".join(texts)


class Constraint(NamedTuple):
    """What must hold, how many legal designs it refused, and in how many of them it has no value."""

    text: str
    refused: int
    share: float
    undefined: int


def _constraints(sweep: Sweep) -> Iterator[Constraint]:
    for text in sweep.question.where:
        refused = sweep.tally.missed.get(text, 0)
        share = refused / sweep.tally.legal if sweep.tally.legal else 0.0
        yield Constraint(text, refused, share, sweep.tally.undefined.get(text, 0))


class Refusal(NamedTuple):
    """Why some designs are none, with the first of them."""

    reason: str
    designs: int
    share: float
    number: int
    values: str
    message: str


def _by_count(sweep: Sweep) -> list[tuple[str, Reason]]:
    return sorted(sweep.tally.invalid.items(), key=lambda item: -item[1].designs)


def _refusal(sweep: Sweep, text: str, reason: Reason) -> Refusal:
    values = ", ".join(f"{name} {value_text(content)}" for name, content in sweep.space.values(reason.first).items())
    return Refusal(text, reason.designs, reason.designs / sweep.tally.designs, reason.first, values, reason.message)


def _percent(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "0%"


# -- designs -----------------------------------------------------------------------------------------------------------


class _Designs:
    """The designs that the page knows, each once: first the best, then the frontier, then the sample.

    Attributes:
        numbers: in the space.
        choices, columns: as of :class:`~archscope.sweeps.model.Rows`, as lists.
        best, frontier, sample: places among ``numbers``.
    """

    def __init__(self, sweep: Sweep) -> None:
        width = len(sweep.space.axes) + len(sweep.columns)
        parts = [
            (rows, _even(len(rows), max(1, min(most, _MOST_CELLS * most // _MOST_FRONTIER // width))))
            for rows, most in ((sweep.frontier, _MOST_FRONTIER), (sweep.sample, _MOST_SAMPLE))
        ]
        parts.insert(0, (sweep.top, list(range(min(len(sweep.top), _MOST_BEST)))))
        places: dict[int, int] = {}
        self.choices: list[list[int]] = [[] for _ in sweep.space.axes]
        self.columns: dict[str, list[Any]] = {column.name: [] for column in sweep.columns}
        self.best, self.frontier, self.sample = (self._add(rows, taken, places) for rows, taken in parts)
        self.numbers = list(places)

    def _add(self, rows: Rows, taken: list[int], places: dict[int, int]) -> list[int]:
        numbers = rows.numbers[taken].tolist()
        new = [at for at, number in zip(taken, numbers, strict=True) if number not in places]
        for axis, choices in zip(self.choices, rows.choices, strict=True):
            axis.extend(choices[new].tolist())
        for name, column in self.columns.items():
            column.extend(map(_number, rows.columns[name][new].tolist()))
        return [places.setdefault(number, len(places)) for number in numbers]


def _even(count: int, most: int) -> list[int]:
    """So many places of a list, evenly spread, with both ends."""
    if count <= most:
        return list(range(count))
    return [round(at * (count - 1) / max(1, most - 1)) for at in range(most)]


def _number(content: float) -> Any:
    """As JSON can have it: what is no number is nothing; of a float as many digits as anyone compares."""
    if isinstance(content, float):
        return float(f"{content:.10g}") if isfinite(content) else None
    return content


class Variable(NamedTuple):
    """An axis of the space, or a figure: something that each design has a value of.

    Attributes:
        text: what a table says of a design, by its place.
        number: what a plot draws of a design; nothing where there is none.
        data: for the scripts.
    """

    name: str
    title: str
    unit: str
    convention: str
    numeric: bool
    text: Callable[[int], str]
    number: Callable[[int], float | None]
    data: dict[str, Any]

    @property
    def full(self) -> str:
        """With its unit, where the title does not say it."""
        return f"{self.title} [{self.unit}]" if self.unit not in ("", self.title) else self.title


def _axes(sweep: Sweep, designs: _Designs) -> Iterator[Variable]:
    for axis, choices in zip(sweep.space.axes, designs.choices, strict=True):
        numeric = _is_numeric(axis)
        used = sorted(set(choices), key=axis.values.__getitem__ if numeric else None)
        at = {choice: place for place, choice in enumerate(used)}
        contents = [axis.values[choice] for choice in used]
        data = {"name": axis.name, "title": axis.name, "unit": "", "style": "plain", "axis": True}
        if numeric and len(used) > _MOST_LABELS:
            data["values"] = [axis.values[choice] for choice in choices]
        else:
            data["labels"] = list(map(value_text, contents))
            data["numbers"] = contents if numeric else None
            data["at"] = [at[choice] for choice in choices]

        def text(place: int, axis: Axis = axis, choices: Sequence[int] = choices) -> str:
            return value_text(axis.values[choices[place]])

        def number(place: int, axis: Axis = axis, choices: Sequence[int] = choices) -> float | None:
            return axis.values[choices[place]]  # type: ignore[no-any-return]  # asked of numeric axes alone

        what = "changes the graph" if axis.name in sweep.structural else "changes numbers only"
        yield Variable(axis.name, axis.name, "", what, numeric, text, number, data)


def _is_numeric(axis: Axis) -> bool:
    return all(isinstance(content, (int, float)) and not isinstance(content, bool) for content in axis.values)


def _figures(sweep: Sweep, designs: _Designs) -> Iterator[Variable]:
    for column in sweep.columns:
        values, style = designs.columns[column.name], _style(column)
        data = {
            "name": column.name, "title": column.title, "unit": column.unit, "convention": column.convention,
            "style": style, "axis": False, "values": list(map(exact, values)),
        }  # fmt: skip

        def text(place: int, values: Sequence[Any] = values, style: str = style) -> str:
            return value(values[place], style)

        yield Variable(column.name, column.title, column.unit, column.convention, True, text, values.__getitem__, data)


def _style(column: Column) -> str:
    """Here every figure is a single number, also one that otherwise has several."""
    return column.style if column.style in ("ratio", "share", "percent", "seconds") else "count"


def _title(sweep: Sweep, name: str) -> str:
    return next(column.title for column in sweep.columns if column.name == name)


def _place(sweep: Sweep, name: str) -> int:
    """Where a figure stands among the variables."""
    return len(sweep.space.axes) + [column.name for column in sweep.columns].index(name)


def _objectives(sweep: Sweep) -> list[tuple[int, bool]]:
    return [(_place(sweep, name), largest) for name, largest in sweep.question.pareto]


def _row(place: int, designs: _Designs, variables: Sequence[Variable]) -> tuple[str, list[str]]:
    return f"{designs.numbers[place]:,}", [variable.text(place) for variable in variables]


def _specs(numbers: Sequence[int], specs: Callable[[int], str]) -> dict[str, Any]:
    """The spec of each design, every line once; the last ones have none if they are too long together."""
    lines: dict[str, int] = {}
    of: list[list[int]] = []
    size = 0
    for number in numbers:
        met = len(lines)
        of.append([lines.setdefault(line, len(lines)) for line in specs(number).splitlines()])
        size += sum(map(len, islice(lines, met, None))) + 5 * len(of[-1])
        if size > _MOST_SPECS:
            break
    return {"lines": list(lines), "of": of}


# -- the plot as it stands in the page ---------------------------------------------------------------------------------


class Plot(NamedTuple):
    """Designs as points.

    Attributes:
        x, y: places of what is drawn, among the variables.
        across, up: ticks.
        sample, frontier, best, stairs: paths.
    """

    x: int
    y: int
    across: list[Tick]
    up: list[Tick]
    sample: str
    frontier: str
    best: str
    stairs: str
    summary: str


def _plot(sweep: Sweep, designs: _Designs, variables: Sequence[Variable]) -> Plot:
    """The first two objectives; where there are fewer, other figures in their place."""
    objectives = _objectives(sweep)
    axes = len(sweep.space.axes)
    others = [*range(axes, len(variables)), *(at for at in range(axes) if variables[at].numeric)]
    order = list(dict.fromkeys([*(place for place, _ in objectives), *others]))
    x, y = (order * 2)[:2]
    scales = [Scale.around(_numbers_of(designs, variables[at])) for at in (x, y)]

    def points(places: Iterable[int]) -> list[tuple[float, float]]:
        pairs = [[variables[at].number(place) for at in (x, y)] for place in places]
        return [(scales[0].at(a), scales[1].at(b)) for a, b in pairs if a is not None and b is not None]

    frontier = points(designs.frontier)
    listed = set(designs.frontier) | set(designs.best)
    joined = [place for place, _ in objectives] == [x, y]
    return Plot(
        x,
        y,
        scales[0].ticks(_tick(variables[x])),
        scales[1].ticks(_tick(variables[y])),
        dots(points(place for place in designs.sample if place not in listed)),
        dots(frontier),
        dots(points(designs.best)),
        stairs(sorted(frontier), across_first=not objectives[0][1]) if joined else "",
        f"{variables[x].title} across, {variables[y].title} upwards: {len(designs.frontier):,} on the frontier, "
        f"{len(designs.best):,} of the best, and others.",
    )


def _numbers_of(designs: _Designs, variable: Variable) -> list[float]:
    numbers = map(variable.number, range(len(designs.numbers)))
    return [number for number in numbers if number is not None]


def _tick(variable: Variable) -> Callable[[float], str]:
    style = variable.data["style"]
    if style in ("share", "seconds"):
        return lambda number: value(number, style)
    return short


# -- what moves what ---------------------------------------------------------------------------------------------------


def _influence(sweep: Sweep) -> list[tuple[str, list[Influence | None]]]:
    """For each axis what it does to each column; nothing to a column that does not vary."""
    from archscope.sweeps.merging import influence

    shares = {(one.axis, one.column): one for one in influence(sweep)}
    columns = sweep.moments.columns
    return [(axis.name, [shares.get((axis.name, column)) for column in columns]) for axis in sweep.space.axes]


def _together(influence: Sequence[tuple[str, Sequence[Influence | None]]]) -> list[float | None]:
    """What no axis explains alone; unknown where the axes depend on each other, as illegal designs may make them."""
    rest = []
    for column in zip(*(effects for _, effects in influence), strict=True):
        shares = [effect.share for effect in column if effect is not None]
        left = 1 - sum(shares)
        rest.append(max(0.0, left) if shares and left > -1e-6 else None)
    return rest


def _means(sweep: Sweep) -> list[dict[str, Any]]:
    """For each axis the means of every column by its values; many values are bundled."""
    moments = sweep.moments
    return [
        _mean_curves(axis, counts.tolist(), means.tolist())
        for axis, counts, means in zip(sweep.space.axes, moments.axis_count, moments.axis_mean, strict=True)
    ]


def _mean_curves(axis: Axis, counts: list[list[int]], means: list[list[float]]) -> dict[str, Any]:
    order = list(range(len(axis.values)))
    if _is_numeric(axis):
        order.sort(key=axis.values.__getitem__)
    cuts = [0, *accumulate(_shares(len(order), _MOST_MEANS))]
    bundles = [order[a:b] for a, b in pairwise(cuts)]
    totals = [[sum(column) for column in zip(*(counts[at] for at in bundle), strict=True)] for bundle in bundles]
    return {
        "labels": [_bundle_label([axis.values[at] for at in bundle]) for bundle in bundles],
        "line": _is_numeric(axis),
        "designs": totals,
        "means": [
            [
                _number(sum(counts[at][c] * means[at][c] for at in bundle) / total) if total else None
                for c, total in enumerate(row)
            ]
            for bundle, row in zip(bundles, totals, strict=True)
        ],
    }


def _shares(count: int, most: int) -> list[int]:
    """So many things in at most so many bundles."""
    bundles = min(count, most)
    return [count // bundles + (at < count % bundles) for at in range(bundles)]


def _bundle_label(contents: Sequence[Any]) -> str:
    return value_text(contents[0]) if len(contents) == 1 else f"{value_text(contents[0])} to {value_text(contents[-1])}"
