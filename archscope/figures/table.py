"""The one table that every renderer sees: columns with names, units and conventions; rows with levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archscope.analysis.counts.account import Account, Row, Total, block_total
from archscope.errors import UsageError, counted, suggestion
from archscope.figures import (
    COSTS,
    DESIGN,
    FIELDS,
    FIGURES,
    SAVED,
    SCOPES,
    SIZES,
    SUM,
    Column,
    Figure,
    dependence,
    scope_of,
)


@dataclass(frozen=True)
class Line:
    """One row of a table.

    Attributes:
        label: what the first column shows: a name, or a name within the blocks above it.
        level: depth of indentation.
        role: ``layer``, ``folded`` (a block with its sums), ``heading`` (a block, no figures), ``block`` (a block with
            its sums, above what is in it), or ``total``.
        cells: a value a column; ``None`` where there is none.
    """

    label: str
    level: int
    role: str
    cells: tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """A table of a design.

    Attributes:
        account: what it shows.
        lines: layers and blocks.
        totals: conv, fc, other (those that occur) and the whole; each is the sum of the layer lines it covers.
        folded: the depth at which blocks were folded, if any were.
    """

    account: Account
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    totals: tuple[Line, ...]
    folded: int | None


_TEXT = {
    "name": ("layer", "full name of the layer"),
    "kind": ("op", "kind of the layer"),
    "category": ("split", "conv, fc or other"),
    "input_shape": ("input", "shapes of the inputs, without the batch"),
}
_SHARE, _WHOLE = "_share", "total"
#: styles of figures that sums over layers are shown of
_SUMMED = ("count", "ratio")


def _all_columns() -> dict[str, Column]:
    columns: dict[str, Column] = {
        name: Column(name, title, "", convention, "shape" if name.endswith("_shape") else "text", additive=False)
        for name, (title, convention) in _TEXT.items()
    }
    columns["output_shape"] = FIGURES["output_shape"]
    columns["dtype"] = Column(
        "dtype", "type", "", "type of the (first) output", "text", additive=False,
        depends=("precision",), lowered=("torch", "device"),
    )  # fmt: skip
    for name, figure in COSTS.items():
        columns[name] = figure
        if figure.additive:
            share = name + _SHARE
            columns[share] = Column(
                share, "%", "share", f"share of the total {figure.title}", "share", additive=True,
                **dependence(figure),
            )  # fmt: skip
    columns |= SIZES | FIELDS | SAVED
    sees = "`all` of the input, or `a part`; `at most` so much where values or channels tell; "
    sees += "`not told` where nothing says it"
    columns["sees"] = Column("sees", "sees", "", sees, "text", additive=False)
    return columns


#: every column by name
COLUMNS: dict[str, Column] = _all_columns()
#: what a terminal shows unasked, and which of it goes first where the terminal is narrow
DEFAULT = ("name", "kind", "output_shape", "params", "params_share", "macs", "macs_share")
DROPPED_FIRST = ("kind", "params_share", "macs_share")
#: columns of receptive fields
SEEN = (
    "name", "kind", "output_shape", "receptive_field", "smallest_field", "jump", "field_start", "field_center",
    "effective_padding", "sees",
)  # fmt: skip


def field_columns(account: Account) -> tuple[str, ...]:
    """Those of them that say something: the smallest field does where units of a layer differ."""
    differ = any(field.smallest != field.size for row in account.rows for field in account.fields[row.name])
    return SEEN if differ else tuple(name for name in SEEN if name != "smallest_field")


def choose(names: Sequence[str]) -> tuple[Column, ...]:
    """Columns by name; the layer's name is always the first.

    Raises:
        UsageError: an unknown column.
    """
    for name in names:
        if name not in COLUMNS:
            hint = suggestion(name, COLUMNS) or f"columns: {', '.join(COLUMNS)}"
            raise UsageError(f"there is no column `{name}`; {hint}")
    return tuple(COLUMNS[name] for name in dict.fromkeys(["name", *names]))


def sorted_by(text: str) -> Column:
    """The column that rows are ordered by: ``macs``, or ``-macs`` as whoever sweeps writes it.

    Raises:
        UsageError: an unknown column.
    """
    return choose([text.removeprefix("-")])[-1]


def tabulate_account(
    account: Account,
    columns: Sequence[str] = DEFAULT,
    *,
    depth: int | None = None,
    sort: str | None = None,
    most: int | None = None,
    by_kind: bool = False,
) -> Table:
    """The table of an account.

    Args:
        columns: names of :data:`COLUMNS`.
        depth: fold blocks deeper than so many names; ``None`` folds none (or as ``most`` asks).
        sort: order by this column, the largest first, instead of by execution; ``-macs`` says the same.
        most: without ``depth``: fold as little as keeps the table at this many rows.
        by_kind: a row for each kind of op instead of each layer.

    Raises:
        UsageError: an unknown column, or one that cannot be sorted by.
    """
    chosen = choose(columns)
    if depth is None and most is not None and not by_kind:
        depth = fitting_depth(account, most)
    groups: list[Row | Total] = list(account.by_kind()) if by_kind else _groups(account, depth)
    if sort is not None:
        groups = sorted(groups, key=_sort_key(account, sorted_by(sort)), reverse=True)
    cells = cells_of(account, chosen)
    if by_kind or sort is not None:
        lines = [_line(group, group.name, 0, cells) for group in groups]
    else:
        lines = _tree(groups, cells, (None,) * len(chosen))
    parts = [part for part in account.by_category() if part.layers]
    totals = [_total_line(part, part.name, cells) for part in parts if len(parts) > 1]
    totals.append(_total_line(account.total, _WHOLE + account.design.reserve, cells))
    deepest = max((len(row.path) for row in account.rows), default=0)
    return Table(account, chosen, tuple(lines), tuple(totals), depth if depth and depth < deepest else None)


def tabulate_blocks(account: Account, columns: Sequence[str]) -> Table:
    """The table with every block's sums above the lines of what is in it, for readers that fold by themselves.

    A block that holds nothing but one layer or one block stands in that one's label.

    Raises:
        UsageError: an unknown column.
    """
    chosen = choose(columns)
    cells = cells_of(account, chosen)
    lines = list(_with_sums(account.rows, (), 0, cells))
    whole = _total_line(account.total, _WHOLE + account.design.reserve, cells)
    return Table(account, chosen, tuple(lines), (whole,), None)


def _with_sums(rows: Sequence[Row], prefix: tuple[str, ...], level: int, cells: _Cells) -> Iterator[Line]:
    parts: dict[tuple[str, bool], list[Row]] = {}  # a layer may be called as what is around another one
    for row in rows:
        parts.setdefault((row.path[len(prefix)], len(row.path) > len(prefix) + 1), []).append(row)
    for inside in parts.values():
        path = _common_path(inside)
        first = path[len(prefix) :]
        # a number stands with the name of what it counts
        label = ".".join((*prefix[-1:], *first) if first[0].isdigit() else first)
        if len(inside) == 1:
            yield _line(inside[0], label, level, cells)
            continue
        block = block_total(".".join(path), inside)
        yield replace(_line(block, label, level, cells), role="block")
        yield from _with_sums(inside, path, level + 1, cells)


def _common_path(rows: Sequence[Row]) -> tuple[str, ...]:
    """The longest path of blocks that all these layers are in; of one layer, its own."""
    first, last = min(row.path for row in rows), max(row.path for row in rows)
    around = len(first) if len(rows) == 1 else min(len(row.path) for row in rows) - 1
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), around)][:around]


def fitting_depth(account: Account, most: int) -> int | None:
    """The deepest folding that gives at most ``most`` rows (the shallowest there is, if none does)."""
    if len(account.rows) <= most:
        return None
    deepest = max(len(row.path) for row in account.rows)
    fitting = [d for d in range(1, deepest) if len({row.path[:d] for row in account.rows}) <= most]
    return max(fitting, default=1)


def _groups(account: Account, depth: int | None) -> list[Row | Total]:
    """Rows, with blocks deeper than ``depth`` summed."""
    if depth is None:
        return list(account.rows)
    by_name = {row.name: row for row in account.rows}
    return [by_name.get(part.name, part) for part in account.by_block(depth)]


def _sort_key(account: Account, column: Column) -> Callable[[Row | Total], Any]:
    if column.style in ("text", "shape", "axes"):
        raise UsageError(f"`{column.name}` is no number; sort by a figure such as macs")

    def key(group: Row | Total) -> Any:
        value = cell(account, group, column)
        return -1 if value is None else value

    return key


def _tree(groups: list[Row | Total], cells: _Cells, blank: tuple[None, ...]) -> list[Line]:
    """Lines indented under headings of their blocks; a block of one line stands in that line's label."""
    sizes: dict[tuple[str, ...], int] = {}
    paths = [tuple(group.name.split(".")) for group in groups]
    for path in paths:
        for length in range(1, len(path)):
            sizes[path[:length]] = sizes.get(path[:length], 0) + 1
    lines: list[Line] = []
    open_blocks: list[tuple[str, ...]] = []
    for group, path in zip(groups, paths, strict=True):
        while open_blocks and path[: len(open_blocks[-1])] != open_blocks[-1]:
            open_blocks.pop()
        start = len(open_blocks[-1]) if open_blocks else 0
        for length in range(start + 1, len(path)):
            # a heading wherever a block holds more than the one block inside it; a number stands with its name
            if not path[length].isdigit() and sizes[path[:length]] > max(1, sizes.get(path[: length + 1], 0)):
                lines.append(Line(".".join(path[start:length]), len(open_blocks), "heading", blank))
                open_blocks.append(path[:length])
                start = length
        lines.append(_line(group, ".".join(path[start:]), len(open_blocks), cells))
    return lines


def _line(group: Row | Total, label: str, level: int, cells: _Cells) -> Line:
    return Line(label, level, "layer" if isinstance(group, Row) else "folded", cells(group))


def _total_line(part: Total, label: str, cells: _Cells) -> Line:
    return Line(label, 0, "total", cells(part))


# -- cells -------------------------------------------------------------------------------------------------------------

#: what gives the value of a column for a part of an account
_Reader = Callable[[Account, Any], Any]
#: what gives the values of all columns of a table for a part of its account
_Cells = Callable[[Row | Total], tuple[Any, ...]]


def cell(account: Account, group: Row | Total, column: Column) -> Any:
    """The value of a column for a layer, a block or a total; ``None`` where it has none."""
    return _reader(account, column, scope_of(account, group))(account, group)


def cells_of(account: Account, columns: Sequence[Column]) -> _Cells:
    """The same for many parts: how a column is read follows from the scope of the part, and is found once.

    What follows from a cost, or from receptive fields, is read once of all layers that share them.
    """
    readers = {scope: [_reader(account, column, scope) for column in columns] for scope in SCOPES}
    kinds = [_kind_of(column) for column in columns]
    shared = {kind: [at for at, one in enumerate(kinds) if one == kind] for kind in _SOURCES if kind in kinds}
    own = [at for at, one in enumerate(kinds) if one not in shared]
    read_before: dict[tuple[str, str, int], tuple[Any, list[Any]]] = {}

    def cells(group: Row | Total) -> tuple[Any, ...]:
        scope = scope_of(account, group)
        read = readers[scope]
        if scope in (DESIGN, SUM):
            return tuple([one(account, group) for one in read])
        contents: list[Any] = [None] * len(read)
        for at in own:
            contents[at] = read[at](account, group)
        for kind, places in shared.items():
            source = _SOURCES[kind](account, group)
            key = scope, kind, id(source)
            if key not in read_before:  # the source is kept, so that its id stays its own
                read_before[key] = source, [read[at](account, group) for at in places]
            for at, content in zip(places, read_before[key][1], strict=True):
                contents[at] = content
        return tuple(contents)

    return cells


#: what columns of some kinds follow from, which several layers may have in common
_SOURCES: Mapping[str, Callable[[Account, Any], Any]] = {
    "cost": lambda _, part: part.cost,
    "field": lambda account, part: account.fields[part.name],
}


def _kind_of(column: Column) -> str:
    """The kind of the figure that a column shows, or shows the share of; ``sees`` is of the fields."""
    if isinstance(column, Figure):
        return column.kind
    return "cost" if column.style == "share" else "field" if column.name == "sees" else ""


def _reader(account: Account, column: Column, scope: str) -> _Reader:
    if isinstance(column, Figure):
        cuts = scope in (DESIGN, SUM) and column.style not in _SUMMED
        return column.of if scope in column.scopes and not cuts else _nothing
    if column.style == "share":
        figure = FIGURES[column.name.removesuffix(_SHARE)]
        whole = figure.value(account)
        return (lambda account, group: figure.of(account, group) / whole) if whole else _nothing
    return _WORDS[column.name]


def _nothing(_: Account, __: Any) -> None:
    return None


def _kind(account: Account, group: Row | Total) -> str:
    """The kind of a layer; of layers together how many there are, or how often the block that is repeated."""
    if isinstance(group, Row):
        return group.kind
    if group.output_shape is not None and group.name in account.rounds:
        count, word = account.rounds[group.name]
        return f"{count} x {word}"
    return counted(group.layers, "layer")


def _dtype(account: Account, group: Row | Total) -> str | None:
    return (group.y[0].dtype or account.setting.numbers.floating) if isinstance(group, Row) else None


def _sees(account: Account, group: Row | Total) -> str | None:
    """What a layer, or the last layer of a block, sees; nothing for other sums."""
    if isinstance(group, Total) and group.output_shape is None:
        return None
    seen = {field.sees for field in account.fields[group.name]}
    if len(seen) < 2 or "not told" in seen:
        return "not told" if len(seen) > 1 else seen.pop() if seen else None
    whole = "all" if all(word.endswith("all") for word in seen) else "a part"
    return f"at most {whole}" if any(word.startswith("at most") for word in seen) else whole


#: what the columns say that are no figures
_WORDS: Mapping[str, Callable[[Account, Row | Total], Any]] = {
    "name": lambda _, group: group.name,
    "kind": _kind,
    "category": lambda _, group: group.category if isinstance(group, Row) else None,
    "input_shape": lambda _, group: tuple(t.sizes for t in group.x) if isinstance(group, Row) else None,
    "dtype": _dtype,
    "sees": _sees,
}
