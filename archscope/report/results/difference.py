"""What makes one design of another; the records are the layers that are not as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from archscope import figures
from archscope.analysis.counts.cost import Cost
from archscope.comparison import as_written
from archscope.comparison.difference import ADDED, AFFECTED, CHANGED, KINDS, REMOVED, Change, Difference, Edit
from archscope.design import incomplete
from archscope.errors import counted
from archscope.figures import Column, words_of
from archscope.figures.table import COLUMNS
from archscope.report import schema as js
from archscope.report.base import Field, Records, Report, Said, run_of
from archscope.report.blocks import Block, Cell, Grid, Head, Headline, Notes, Room, Row
from archscope.report.text import shape, value

#: rows that are shown unasked
MOST_ROWS = 120
#: the costs that machines are told
COSTS = tuple(name for name, one in figures.COSTS.items() if one.additive)

_SHOWN_COSTS = ("params", "macs", "saved_bytes")
_COLORS = {ADDED: "green", REMOVED: "red", CHANGED: "yellow"}
_AFFECTED = "affected: says the same, but another input arrives, or what is kept or propagated for it is another"


@dataclass(frozen=True)
class DifferenceReport(Report):
    """What was added, removed and changed, block by block, and what each costs; the rows of a level add up.

    Attributes:
        depth: how many blocks within each other are opened; unasked, as many as give 120 rows.
    """

    VERSION = 2
    result: Difference
    depth: int | None = None

    @property
    def said(self) -> Said:
        return Said.of(self.result.before.design, self.result.after.design)

    def headline(self) -> Headline:
        difference = self.result
        words = words_of(difference.setting, shown_costs(difference))
        return Headline(" -> ".join(difference.labels), words, (*self.said.lines, *map(said, difference.edits)))

    def blocks(self, room: Room) -> Iterator[Block]:
        yield self.headline()
        yield from self._layers()

    def inner(self, room: Room) -> Iterator[Block]:
        """The same where the designs are named already: what they say otherwise, and the layers."""
        yield Notes(tuple(map(said, self.result.edits)), faint=False)
        yield from self._layers()

    def _layers(self) -> Iterator[Block]:
        if not self.result.changes:
            yield Notes(("no layer differs",), faint=False)
            return
        lines = difference_lines(self.result, self.depth)
        costs = (Head(one.title, "signed") for one in shown_costs(self.result))
        yield Grid((Head(""), Head(""), Head("", wrapped=True), *costs), tuple(map(_row, lines)))
        if any(line.kind == AFFECTED for line in lines):
            yield Notes((_AFFECTED,))

    def records(self) -> Records:
        costs = [COLUMNS[name] for name in (*COSTS, "saved_bytes")]
        texts = map(Field, ("change", "before", "after", "op", "what"))
        rows = (
            [one.kind, one.before, one.after, one.op, "; ".join(map(said, one.edits)),
             *(getattr(one, column.name) for column in costs)]
            for one in self.result.parts
        )  # fmt: skip
        fields = [*texts, *(Field(column.name, column.unit) for column in costs)]
        return Records(fields, rows, "change", self.said.lacking, run_of(self.result.setting, costs))

    def data(self) -> dict[str, Any]:
        """A tree whose every level adds up to the total."""
        return self.headed(_data(self.result))

    @classmethod
    def schema(cls) -> js.Schema:
        difference, change = schemas(cls.VERSION)
        return js.titled("compare --diff", {**difference, "$defs": {"change": change}})


class Line(NamedTuple):
    """A row of a difference.

    Attributes:
        level: blocks that it is inside of.
        kind: what happened; empty for a total.
    """

    level: int
    kind: str
    name: str
    what: str
    costs: tuple[int, ...]


def _row(line: Line) -> Row:
    costs = (Cell(cost, "signed") for cost in line.costs)
    kind = Cell(line.kind, color=_COLORS.get(line.kind, ""))
    return Row(("", kind, line.what, *costs), line.name, line.level, "" if line.kind else "total")


def difference_lines(difference: Difference, depth: int | None = None) -> list[Line]:
    """The rows of a difference, the total last."""
    shown = tuple(one.name for one in shown_costs(difference))
    costs = _costs(difference.total, shown)
    name = "total (incomplete)" if incomplete(difference.before.design, difference.after.design) else "total"
    total = Line(0, "", name, counted(difference.total.layers, "layer"), costs)
    at = depth or max((change.name.count(".") + 1 for change in difference.parts), default=1)
    while True:
        lines = [line for change in difference.changes for line in _lines(change, ("", ""), 0, at, shown)]
        if depth is not None or len(lines) < MOST_ROWS or at == 1:
            return [*lines, total]
        at -= 1


def _lines(change: Change, inside: tuple[str, str], level: int, depth: int, shown: Sequence[str]) -> Iterator[Line]:
    yield Line(level, change.kind, _label(change, inside), _what(change), _costs(change, shown))
    if change.kind != CHANGED or level + 1 >= depth:  # a part that is new or as before is one line
        return
    opened = _laid_together(change.children) if change.blocks > 1 else change
    names = opened.before or "", opened.after or ""
    affected = [child for child in opened.children if child.kind == AFFECTED]
    for child in opened.children:
        if child.kind != AFFECTED or len(affected) == 1:
            yield from _lines(child, names, level + 1, depth, shown)
    if len(affected) > 1:
        layers = sum(child.layers for child in affected)
        costs = [sum(cost) for cost in zip(*(_costs(child, shown) for child in affected), strict=True)]
        yield Line(level + 1, AFFECTED, counted(layers, "layer"), "", tuple(costs))


def _laid_together(alike: Sequence[Change]) -> Change:
    """Blocks that changed alike as one: each part is the sum of theirs."""
    first = alike[0]
    children = tuple(map(_laid_together, zip(*(change.children for change in alike), strict=True)))
    return replace(
        first,
        cost=Cost.sum(change.cost for change in alike),
        saved_bytes=sum(change.saved_bytes for change in alike),
        layers=sum(change.layers for change in alike),
        children=children,
    )


def shown_costs(difference: Difference) -> tuple[Column, ...]:
    """What the rows of a difference tell: of an inference nothing that is of a training step alone."""
    return tuple(COLUMNS[name] for name in figures.of_mode(difference.setting, _SHOWN_COSTS))


def _costs(change: Change, shown: Sequence[str]) -> tuple[int, ...]:
    return tuple(getattr(change, name) for name in shown)


def _label(change: Change, inside: tuple[str, str]) -> str:
    """A name within the block around it; of several blocks, the first and the last."""
    ends = (change.children[0], change.children[-1]) if change.blocks > 1 else (change,)
    names = [next((end.name[len(p) + 1 :] for p in inside if p and end.name.startswith(f"{p}.")), end.name)
             for end in ends]  # fmt: skip
    return " to ".join(names)


def _what(change: Change) -> str:
    words = [change.op] if change.op else []
    if change.blocks > 1:
        words.append(counted(change.blocks, "block"))
    if not change.op:
        words.append(counted(change.layers, "layer"))
    # of a block that says the same, what arrives there
    words += map(said, next(change.parts).edits if change.kind == AFFECTED else change.edits)
    if change.kind == AFFECTED and change.op and not change.edits:
        words.append("other gradients" if not change.saved_bytes else "keeps more" if change.saved_bytes > 0
                     else "keeps less")  # fmt: skip
    return ", ".join(words)


def said(edit: Edit) -> str:
    """``out_channels 64 -> 96``; of a part that is only there once, its argument."""
    of, _, own = edit.name.partition(".")
    both = (edit.before, edit.after)
    if own:  # of the design itself
        name = own if of in ("vars", own) else f"{of} {own}"
        form: Callable[[Any], str] = {"vars": as_written, "input": shape}.get(of, str)
        return f"{name} {' -> '.join('none' if content is None else form(content) for content in both)}"
    name = "input" if of == "input_shape" else of
    form = _shapes if of == "input_shape" else _value
    return f"{name} {' -> '.join(form(content) for content in both if content is not None)}"


def _shapes(content: Any) -> str:
    return value(content, "shape")


def _value(content: Any) -> str:
    if isinstance(content, tuple):
        return (
            "x".join(map(str, content))
            if all(isinstance(one, int) for one in content)
            else ", ".join(map(_value, content))
        )
    return str(content).lower() if isinstance(content, bool) else str(content)


def _data(difference: Difference) -> dict[str, Any]:
    return {
        "setting": difference.setting.data(),
        "before": difference.labels[0],
        "after": difference.labels[1],
        "edits": list(map(_edit_data, difference.edits)),
        "total": _cost_data(difference.total),
        "changes": list(map(_change_data, difference.changes)),
    }


def _edit_data(edit: Edit) -> dict[str, Any]:
    return edit._asdict()


def _cost_data(change: Change) -> dict[str, int]:
    return {name: getattr(change, name) for name in (*COSTS, "saved_bytes")}


def _change_data(change: Change) -> dict[str, Any]:
    return {
        "change": change.kind,
        "before": change.before,
        "after": change.after,
        "op": change.op or None,
        "edits": list(map(_edit_data, change.edits)),
        "layers": change.layers,
        "blocks": change.blocks,
        **_cost_data(change),
        "children": list(map(_change_data, change.children)),
    }


def schemas(version: int) -> tuple[js.Schema, js.Schema]:
    """The schema of a difference, and that of a change in it, as ``#/$defs/change``."""
    costs = {name: js.figure(name) for name in (*COSTS, "saved_bytes")}
    edit = {"name": js.text("an argument, or another thing that a layer or design says"), "before": {}, "after": {}}
    edits = js.many(js.record(edit), "what is said otherwise")
    change = {
        "change": js.chosen(KINDS),
        "before": js.nullable(js.text("full name in the first design")),
        "after": js.nullable(js.text("full name in the second design")),
        "op": js.nullable(js.text("kind of the layer; none for a block")),
        "edits": edits,
        "layers": js.count("that it covers"),
        "blocks": js.count("alike neighbours that it sums up"),
        **costs,
        "children": js.many({"$ref": "#/$defs/change"}, "what changed inside; it adds up"),
    }
    difference = {
        "format": js.version_is(version),
        "archscope": js.text("version of archscope"),
        "incomplete": js.lacking(),
        "warnings": js.warned(),
        "setting": js.setting(),
        "before": js.text("label of the first design"),
        "after": js.text("label of the second design"),
        "edits": edits,
        "total": js.record(costs, about="the second design less the first"),
        "changes": js.many({"$ref": "#/$defs/change"}),
    }
    return js.record(difference, about="with --diff"), js.record(change)
