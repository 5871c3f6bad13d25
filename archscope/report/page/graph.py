"""The data that ``graph.js`` draws: the whole layer graph with its blocks, in columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from archscope.analysis.counts.account import Account, Row
from archscope.design import Design
from archscope.figures.table import COLUMNS, cells_of
from archscope.report.outline import channels_of, telling_arguments
from archscope.report.text import shape, value

#: figures that a box may show the share of
FIGURES = ("params", "macs", "activations", "saved_bytes")

_LARGEST = 2**53 - 1  # of the whole numbers that JavaScript reads exactly


def graph_data(account: Account) -> dict[str, Any]:
    """The layer graph of an account, ready for JSON; its size and its time are linear in the graph.

    Nodes are numbered: the inputs first, then the layers in order of execution. A column is a list with an entry a node
    (or a block); texts that repeat are coded, ``{"of": texts, "at": numbers of texts}``. Figures beyond 2**53 are
    texts, since JavaScript reads no larger number exactly.

    Returns:
        ``name`` and ``batch``; ``figures``, those of :data:`FIGURES` with ``title``, ``unit`` and ``convention``;
        ``inputs``, how many there are; ``nodes``, columns ``part`` (the last part of the name), ``block``, ``kind``,
        ``arguments``, ``family``, ``shape``, ``field`` and the figures; ``blocks``, columns ``part``, ``parent`` (the
        first block is the design and has none: -1), ``layers``, ``shape`` and the figures; ``edges``, columns
        ``source`` and ``target``; ``outputs``, pairs of a name and a node; ``shares``, pairs of a layer and the one
        whose weights it uses.
    """
    design = account.design
    blocks = _Blocks(design.name)
    inputs, rows = design.inputs, account.rows
    names = [*(node.name for node in inputs), *(row.name for row in rows)]
    numbers = {name: number for number, name in enumerate(names)}
    home = [0] * len(inputs) + [blocks.around(row) for row in rows]
    cells = cells_of(account, [COLUMNS[name] for name in (*FIGURES, "sees", "receptive_field")])
    contents = [cells(row) for row in rows]
    figures = {name: [0] * len(inputs) + [content[at] for content in contents] for at, name in enumerate(FIGURES)}
    nodes = {
        "part": [node.name for node in inputs] + [row.path[-1] for row in rows],
        "block": home,
        "kind": _coded([""] * len(inputs) + [row.kind for row in rows]),
        "arguments": _coded([""] * len(inputs) + _arguments(account)),
        "family": _coded(
            ["input"] * len(inputs) + [type(layer.op).__module__.split(".")[-1] for layer in design.layers]
        ),
        "shape": _coded([shape(node.shape) for node in inputs] + [shape(row.output_shape) for row in rows]),
        "field": _coded([""] * len(inputs) + [_field(*content[len(FIGURES) :]) for content in contents]),
    }
    return {
        "name": design.title,
        "batch": account.setting.batch,
        "figures": [
            {"name": name, "title": column.title, "unit": column.unit, "convention": column.convention}
            for name, column in ((name, COLUMNS[name]) for name in FIGURES)
        ],
        "inputs": len(inputs),
        "nodes": nodes | {name: list(map(exact, column)) for name, column in figures.items()},
        "blocks": blocks.columns(rows, home[len(inputs) :], {name: c[len(inputs) :] for name, c in figures.items()}),
        "edges": _edges(design, numbers),
        "outputs": [[name, numbers[ref.node]] for name, ref in design.outputs],
        "shares": [[numbers[row.name], numbers[row.shares]] for row in rows if row.shares],
    }


class _Blocks:
    """The blocks that names speak of, numbered as they come; block 0 is the design."""

    def __init__(self, design: str) -> None:
        self._part, self._parent = [design], [-1]
        self._numbers: dict[tuple[str, ...], int] = {(): 0}

    def around(self, row: Row) -> int:
        """The number of the block in which a layer lies."""
        number = 0
        for depth, part in enumerate(row.path[:-1], start=1):
            parent, number = number, self._numbers.setdefault(row.path[:depth], len(self._part))
            if number == len(self._part):
                self._part.append(part)
                self._parent.append(parent)
        return number

    def columns(self, rows: Sequence[Row], home: Sequence[int], figures: dict[str, list[int]]) -> dict[str, Any]:
        """Columns of the blocks; a figure of a block is the sum over its layers, its shape that of the last of them."""
        count = len(self._part)
        layers, last = [0] * count, [""] * count
        sums = {name: [0] * count for name in figures}
        for number, row in enumerate(rows):
            block, sizes = home[number], shape(row.output_shape)
            while block >= 0:
                layers[block] += 1
                last[block] = sizes
                for name, column in figures.items():
                    sums[name][block] += column[number]
                block = self._parent[block]
        columns = {"part": self._part, "parent": self._parent, "layers": layers, "shape": _coded(last)}
        return columns | {name: list(map(exact, column)) for name, column in sums.items()}


def _field(sees: str | None, field: tuple[Any, ...] | None) -> str:
    return "all of the input" if sees == "all" else value(field, COLUMNS["receptive_field"].style)


def _arguments(account: Account) -> list[str]:
    """What tells each layer from its like; alike layers are told once."""
    layers = [(layer.op, channels_of(row)) for layer, row in zip(account.design.layers, account.rows, strict=True)]
    different = {(id(op), channels): (op, channels) for op, channels in layers}
    texts = {key: telling_arguments(*one) for key, one in different.items()}
    return [texts[id(op), channels] for op, channels in layers]


def _edges(design: Design, numbers: Mapping[str, int]) -> dict[str, list[int]]:
    """The edges by the number of their source, each once however often a layer reads another."""
    readers: dict[int, dict[int, None]] = {number: {} for number in numbers.values()}
    for layer in design.layers:
        for ref in layer.inputs:
            readers[numbers[ref.node]][numbers[layer.name]] = None
    pairs = [(source, target) for source, targets in readers.items() for target in targets]
    return {"source": [source for source, _ in pairs], "target": [target for _, target in pairs]}


def _coded(column: Sequence[Hashable]) -> dict[str, list[Any]]:
    codes = {content: code for code, content in enumerate(dict.fromkeys(column))}
    return {"of": list(codes), "at": [codes[content] for content in column]}


def exact(number: Any) -> Any:
    """A figure as JSON for JavaScript, which reads no whole number beyond 2**53 exactly: such a one is text."""
    return str(number) if isinstance(number, int) and abs(number) > _LARGEST else number
