"""The page of one design."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archscope import figures
from archscope.analysis.counts.account import Account, Total
from archscope.analysis.explain import explain_account
from archscope.collecting import uncollected
from archscope.design import hold_drawn, incomplete
from archscope.errors import MissingLibrary, UsageError
from archscope.figures import Column
from archscope.figures.table import COLUMNS, Line, Table, tabulate_blocks
from archscope.report.page.curves import PHASES, growth, timeline, when
from archscope.report.page.graph import exact, graph_data
from archscope.report.page.render import render
from archscope.report.results.account import typed
from archscope.report.results.memory import TOLD, batches, within
from archscope.report.text import percent, shape, value
from archscope.setting import Setting
from archscope.verify import verify

if TYPE_CHECKING:
    from markupsafe import Markup

    from archscope.report.page.times import Times

#: columns of the layer table that are shown at first
SHOWN = ("kind", "output_shape", "params", "params_share", "macs", "macs_share", "activations", "saved_bytes",
         "receptive_field")  # fmt: skip
#: figures of which the stages are drawn
STAGE_FIGURES = ("params", "macs", "activations", "saved_bytes")
_STAGE_TITLES = dict(zip(STAGE_FIGURES, ("parameters", "MACs", "activations", "saved for backward"), strict=True))
_FEWEST_STAGES, _MOST_STAGES = 12, 40
_MOST_BOXES = 150  # of a picture
_MOST_OPEN = 60  # rows of the layer table that stand unfolded at first


@uncollected()
def design_page(account: Account, *, times: Sequence[Times] = ()) -> str:
    """The report of a design.

    Args:
        times: predicted and measured times of its layers.
    """
    design = account.design
    hold_drawn("a page", design)
    shown = figures.of_mode(account.setting, typed(account, SHOWN))
    layers = tabulate_blocks(
        account, [name for name, column in COLUMNS.items() if column.style != "share" or name in shown]
    )
    opened = _open_levels(layers.lines)
    cells = _shown(layers, shown)
    return render(
        "design.html",
        styles=("style.css", "graph.css"),
        scripts=("theme.js", "clipboard.js", "page.js", "vendor/dagre.min.js", "graph.js", "design.js"),
        account=account,
        design=design,
        incomplete=incomplete(design),
        variables=[(name, _variable(content)) for name, content in design.vars],
        totals=list(_totals(account)),
        categories=_categories(account),
        sentences=list(_sentences(account)),
        stages=_stages(account),
        stage_titles=[_STAGE_TITLES[name] for name in figures.of_mode(account.setting, STAGE_FIGURES)],
        lines=[
            StaticLine(line.label, line.level, line.role, line.level >= opened, _row(cells(line)))
            for line in layers.lines
        ],
        shown=[COLUMNS[name] for name in shown],
        total_cells=cells(layers.totals[-1]),
        growth=growth(account),
        timeline=timeline(account.memory),
        verdicts=verify(design, account=account if account.setting == Setting() else None).verdicts,
        fits=list(_fits(account)),
        times=times,
        conventions=[column for column in COLUMNS.values() if column.unit != "share"],
        data=_data(account, layers, opened, shown),
        run=figures.words_of(account.setting, TOLD),
        graph=graph_data(account),
        picture=_picture(account),
    )


def _picture(account: Account) -> str | None:
    """The folded graph for readers without JavaScript; nothing where it is too large, or Graphviz is not installed."""
    from markupsafe import Markup

    from archscope.report.graphs import graph_svg

    if len({row.path[0] for row in account.rows}) > _MOST_BOXES:
        return None  # what no folding makes small takes Graphviz long
    try:
        svg = graph_svg(account, most=_MOST_STAGES)
    except MissingLibrary:
        return None
    width = float(svg.split('viewBox="', 1)[1].split()[2])
    return Markup(svg.replace("<svg", f'<svg style="width:{1.3 * width:.0f}px"', 1))


def _variable(content: Any) -> str:
    return ", ".join(map(_variable, content)) if isinstance(content, tuple) else str(content)


# -- totals ------------------------------------------------------------------------------------------------------------


class Figure(NamedTuple):
    """A total as a tile shows it.

    Attributes:
        style: as of a :class:`~archscope.figures.table.Column`, or ``bytes``.
        sums: what it is the sum of; empty where it is no sum.
    """

    name: str
    title: str
    number: Any
    unit: str
    convention: str
    style: str = "count"
    sums: tuple[tuple[str, int], ...] = ()


def _totals(account: Account) -> Iterator[Figure]:
    parts = account.by_category()
    summed = ("params", "macs", "flops", "backward_flops", "elementwise", "activations")
    for name in figures.of_mode(account.setting, summed):
        column = COLUMNS[name]
        sums = tuple((part.name, getattr(part, name)) for part in parts if part.layers)
        yield Figure(name, column.title, getattr(account.total, name), column.unit, column.convention, sums=sums)
    yield from _memory(account)
    try:
        field = figures.figure(account, "receptive_field")
    except UsageError:  # an output that is an input sees nothing
        field = ()
    if field:
        yield Figure(
            "receptive_field", "receptive field", field, "places", "of the output, an axis of the input", "axes"
        )
    yield Figure("depth", "depth", account.depth, "weight layers", figures.FIGURES["depth"].convention)


def _memory(account: Account) -> Iterator[Figure]:
    """The memory of a training step, if it is one, and of an inference."""
    memory, setting = account.memory, account.setting
    if setting.trains:
        at_peak = tuple((kind, size) for kind, size in memory.peak_by_kind.items() if size) if memory.timeline else ()
        about = f"the peak of a step: {figures.words_of(setting, TOLD)}"
        yield Figure("training_bytes", "memory, training", memory.training, "bytes", about, "bytes", at_peak)
    standing = (("parameters", memory.parameters), ("buffers", memory.buffers), ("activations", memory.peak))
    about = f"the most at once: {figures.words_of(setting.but(mode='infer'), TOLD)}"
    parts = tuple((kind, size) for kind, size in standing if size)
    yield Figure("inference_bytes", "memory, inference", memory.inference, "bytes", about, "bytes", parts)


def _fits(account: Account) -> Iterator[str]:
    """What fits into the device, where its memory is known: where, and then a line each."""
    from archscope.analysis.step.fit import room

    device = account.setting.device
    space = room(device) if account.setting.trains else None
    if space is not None and account.memory.timeline:
        yield within(device, None, None, space)
        yield from batches(account.memory, space)


class Share(NamedTuple):
    """A part of a whole."""

    name: str
    number: int
    share: float
    layers: int


def _categories(account: Account) -> list[tuple[Column, list[Share]]]:
    """The classical split of each figure; figures that are zero are left out."""
    categories = []
    for name in ("params", "macs", "activations"):
        whole = getattr(account.total, name)
        parts = [part for part in account.by_category() if part.layers]
        if whole:
            shares = [Share(p.name, getattr(p, name), getattr(p, name) / whole, p.layers) for p in parts]
            categories.append((COLUMNS[name], shares))
    return categories


def _sentences(account: Account) -> Iterator[str]:
    """Where the figures sit, in words."""
    parts = [part for part in account.by_category() if part.layers]
    groups = {"conv": "convolutions", "fc": "fully connected layers", "other": "other layers"}
    for name, what in (("params", "parameters"), ("macs", "multiply-accumulates")):
        whole = getattr(account.total, name)
        if not whole:
            continue
        most = max(parts, key=lambda part, name=name: getattr(part, name))  # type: ignore[misc]
        row = max(account.rows, key=lambda row, name=name: getattr(row, name))  # type: ignore[misc]
        yield (
            f"{percent(getattr(most, name) / whole)} of the {what} sit in the {groups[most.name]}; "
            f"{row.name} alone has {percent(getattr(row, name) / whole)}."
        )
    memory = account.memory
    if memory.timeline:
        kind, size = max(memory.peak_by_kind.items(), key=lambda item: item[1])
        words = {"saved tensors": "what autograd keeps for the backward pass", "temporary": "temporary tensors"}
        share = percent(size / memory.training)
        yield f"A training step needs most memory {when(memory)}; {share} of it is {words.get(kind, kind)}."
    fields = account.fields[account.design.outputs[0][1].node] if account.rows else ()
    if fields and all(field.whole and field.sees == "all" for field in fields):
        sizes = shape(tuple(field.size for field in fields))
        mixed_by = fields[0].mixed_by
        yield f"The output sees the whole input: {mixed_by} mixes everything, of which each part sees {sizes}."
    elif fields:
        sizes, extents = (shape(tuple(getattr(f, name) for f in fields)) for name in ("size", "extent"))
        yield f"A unit of the output sees {sizes} of the {extents} input."


# -- stages ------------------------------------------------------------------------------------------------------------


class Stage(NamedTuple):
    """A part of the design with its figures and their shares.

    Attributes:
        cells: for each of :data:`STAGE_FIGURES` its number, its share, and its length against the longest.
    """

    name: str
    layers: int
    output: str
    cells: list[tuple[int, float, float]]


def _stages(account: Account) -> list[Stage]:
    """Blocks, deep enough to say something and few enough to be taken in; what has no figure at all is left out."""
    deepest = max((len(row.path) for row in account.rows), default=1)
    counts = {depth: len({row.path[:depth] for row in account.rows}) for depth in range(1, deepest + 1)}
    fitting = [depth for depth in counts if counts[depth] <= _MOST_STAGES]
    telling = [depth for depth in fitting if counts[depth] >= _FEWEST_STAGES]
    parts = account.by_block(min(telling) if telling else max(fitting, default=1))
    shown = figures.of_mode(account.setting, STAGE_FIGURES)
    numbers = [[_stage_figure(account, part, name) for name in shown] for part in parts]
    wholes = [sum(column) for column in zip(*numbers, strict=True)]
    longest = [max(column) for column in zip(*numbers, strict=True)]
    return [
        Stage(
            part.name,
            part.layers,
            shape(part.output_shape or ()),
            [
                (n, n / whole if whole else 0, n / most if most else 0)
                for n, whole, most in zip(row, wholes, longest, strict=True)
            ],
        )
        for part, row in zip(parts, numbers, strict=True)
        if any(row)
    ]


def _stage_figure(account: Account, part: Total, name: str) -> int:
    number: int = account.saved_bytes(part.name) if name == "saved_bytes" else getattr(part, name)
    return number


# -- the layer table ---------------------------------------------------------------------------------------------------


class StaticLine(NamedTuple):
    """A line of the layer table as it stands in the page; the scripts take it from there."""

    label: str
    level: int
    role: str
    hidden: bool
    cells: Markup


def _row(cells: Sequence[str]) -> Markup:
    """The cells of a line, escaped together."""
    from markupsafe import Markup, escape

    return Markup(str(escape("\0".join(["", *cells]))).replace("\0", "<td>"))


def _open_levels(lines: Sequence[Line]) -> int:
    """How many levels of blocks stand open at first: as many as give a table that can be taken in."""
    levels = [line.level for line in lines]
    fitting = [n for n in range(2, max(levels, default=0) + 2) if sum(level < n for level in levels) <= _MOST_OPEN]
    return max(fitting, default=1)


def _shown(table: Table, names: Sequence[str]) -> Callable[[Line], list[str]]:
    """What writes the cells of a line that are shown at first."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    shown = [(places[name], COLUMNS[name].style) for name in names]
    return lambda line: [value(line.cells[place], style) for place, style in shown]


def _data(account: Account, table: Table, opened: int, shown: Sequence[str]) -> dict[str, Any]:
    """What the scripts work with: every column, every line of arithmetic, each text and number once."""
    places = {line.cells[0]: place for place, line in enumerate(table.lines)}
    explanations = explain_account(account)
    lines = {id(line): line for one in explanations for line in one.lines}  # alike layers have the same ones
    arithmetic: dict[str, int] = {}
    numbers = {key: arithmetic.setdefault(str(line), len(arithmetic)) for key, line in lines.items()}
    worked = {one.layer: [numbers[id(line)] for line in one.lines] for one in explanations}
    memory = account.memory
    return {
        "design": account.design.title,
        "incomplete": incomplete(account.design),
        "opened": opened,
        "labels": [line.label for line in table.lines],
        "levels": [line.level for line in table.lines],
        "blocks": [int(line.role == "block") for line in table.lines],
        "shown": shown,
        "columns": [_column(column, table) for column in COLUMNS.values()],
        "arithmetic": list(arithmetic),
        "worked": [worked.get(line.cells[0], []) for line in table.lines],
        "titles": {places[one.layer]: one.title for one in explanations},
        "timeline": {
            "phases": [PHASES.index(moment.phase) for moment in memory.timeline],
            "layers": [places.get(moment.layer, moment.layer) for moment in memory.timeline],
            "live": [exact(moment.live) for moment in memory.timeline],
        },
    }


def _column(column: Column, table: Table) -> dict[str, Any]:
    """A column as its different values, and for each line which of them it has; shares follow from their figures."""
    said = {key: getattr(column, key) for key in ("name", "title", "unit", "convention", "style")}
    if column.style == "share":
        return said
    number = table.columns.index(column)
    contents = [line.cells[number] for line in table.lines]
    if column.style in ("shape", "axes"):
        texts = {content: value(content, column.style) for content in dict.fromkeys(contents)}
        contents = [texts[content] for content in contents]
    numbers: dict[Any, int] = {}
    at = [numbers.setdefault(content, len(numbers)) for content in contents]
    total = table.totals[-1].cells[number] if column.style in ("count", "ratio") else None
    return {**said, "total": exact(total), "values": list(map(exact, numbers)), "at": at}
