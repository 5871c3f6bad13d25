"""Two designs laid over each other block by block: what was added, removed and changed, and what each of it costs.

Parts are matched by their names, block by block. A name that only numbers (``layer3.5``, ``ReLU_2``) says less than one
that somebody gave: where the numbers no longer fit what they stand for, since something was put in between, parts are
matched by their sequence instead, first those that say the same, then those that are built alike. What stays unmatched
was added or removed.

Costs are those of the second design less those of the first. Every layer that costs something else stands in exactly
one line, so the lines add up to the difference of the totals.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any, NamedTuple

from archscope.analysis.counts.account import Account, Row, analyze
from archscope.analysis.counts.cost import Cost, Costed
from archscope.comparison import labels
from archscope.design import Design, hold_designs, hold_drawn
from archscope.design.graph import Layer, Ref
from archscope.errors import ArchscopeError
from archscope.ops.contents import files_of, regular, stored_in
from archscope.setting import Setting
from archscope.shown import Shown

ADDED, REMOVED, CHANGED, AFFECTED = KINDS = ("added", "removed", "changed", "affected")


class Edit(NamedTuple):
    """Something that a part says, before and after.

    Attributes:
        name: an argument of the op, or ``op``, ``name``, ``reads``, ``input_shape``, ``frozen``, ``no_grad``,
            ``dtype``, ``checkpoint``, ``reuse``.
        before, after: ``None`` where there is none.
    """

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change(Costed):
    """A layer or a block that is not as it was; every metric is an attribute, second design less first.

    Attributes:
        kind: ``added``, ``removed``, ``changed`` (it says something else), or ``affected`` (it says the same, and what
            arrives there is another: its input's shape, what is kept for it already, or what gradients are needed).
        before, after: its full names; ``None`` where there is none.
        op: the kind of layer; empty for a block.
        edits: what it says otherwise; of a block, its name.
        saved_bytes: what autograd keeps of it.
        layers: how many layers it covers that are not as they were.
        blocks: how many alike neighbours it sums up.
        children: what changed inside, or the neighbours that it sums up; what they cost adds up to what it costs.
    """

    kind: str
    before: str | None
    after: str | None
    op: str
    edits: tuple[Edit, ...]
    cost: Cost
    saved_bytes: int
    layers: int = 1
    blocks: int = 1
    children: tuple[Change, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """Where it is: its name in the second design, or in the first if it is only there."""
        return self.after or self.before or ""

    @property
    def parts(self) -> Iterator[Change]:
        """The layers that it covers, in order."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.parts


@dataclass(frozen=True)
class Difference(Shown, report="difference"):
    """The differences between two designs.

    Attributes:
        labels: what the designs are called.
        edits: of the designs themselves: variables, inputs, outputs.
        changes: blocks and layers that are not as they were, in order; they add up to the difference of the totals.
    """

    before: Account
    after: Account
    setting: Setting
    labels: tuple[str, str]
    edits: tuple[Edit, ...]
    changes: tuple[Change, ...]

    @cached_property
    def total(self) -> Change:
        """The whole difference, the sum of all changes."""
        return _sum(CHANGED, self.before.design.name, self.after.design.name, (), self.changes)

    @property
    def parts(self) -> Iterator[Change]:
        """Every layer that is not as it was, in order."""
        for change in self.changes:
            yield from change.parts


def diff(before: Design, after: Design, setting: Setting | None = None, **changes: Any) -> Difference:
    """Compare two designs, block by block.

    Args:
        setting: how they are run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        UsageError: an impossible setting.
    """
    hold_designs(before, after)
    hold_drawn("a difference", before, after)
    setting = Setting.of(setting, **changes)
    first, second = labels((before, after))
    sides = _Side.of(called_alike(before, after), setting), _Side.of(after, setting)
    return _Alignment(*sides).difference(setting, (first, second))


def called_alike(before: Design, after: Design) -> Design:
    """The first design, its files of values called as those of the second that hold the same.

    A file of a revision has another name than that of the disk; what a constant is are its numbers.
    """
    others = files_of(layer.op for layer in after.layers)
    files = [file for file in files_of(layer.op for layer in before.layers) if file not in others]
    if not files or not others:
        return before
    contents = {_content(file): file for file in others}
    names = {file: contents.get(_content(file), file) for file in files}

    def named(layer: Layer) -> Layer:
        stored = stored_in(getattr(layer.op, "value", None))
        if stored is None or stored.file not in names:
            return layer
        return replace(layer, op=layer.op.replace(value=str(stored._replace(file=names[stored.file]))))

    return replace(before, layers=tuple(map(named, before.layers)))


def _content(file: str) -> bytes | str:
    """What a file holds; of one that cannot be read its name."""
    try:
        return regular(file)
    except ArchscopeError:
        return file


# -- blocks ---


class _Node:
    """A block, or a layer in it.

    Attributes:
        key: its name within its block, and whether it is a layer.
        numbered: whether its name only numbers: nobody gave it, or it ends with a number that was counted.
        words: a number that those share that say the same, their names aside.
        build: a number that those share that are built of the same ops.
    """

    __slots__ = ("build", "children", "index", "key", "name", "numbered", "words")

    def __init__(self, name: str, key: tuple[str, bool], index: int = -1, kind: str = "") -> None:
        self.name, self.key, self.index = name, key, index
        self.numbered = key[0] == kind or re.fullmatch(r"\d+|.*_\d+", key[0]) is not None
        self.children: list[_Node] = []
        self.words = self.build = -1


class _Side(NamedTuple):
    account: Account
    saved: Mapping[str, int]
    root: _Node

    @classmethod
    def of(cls, design: Design, setting: Setting) -> _Side:
        account = analyze(design, setting)
        return cls(account, account.memory.by_layer, _tree(design.layers))

    def layer(self, node: _Node) -> Layer:
        return self.account.design.layers[node.index]

    def row(self, node: _Node) -> Row:
        return self.account.rows[node.index]


def _tree(layers: Sequence[Layer]) -> _Node:
    """Layers under their blocks, each block where its first layer stands."""
    root = _Node("", ("", False))
    blocks: dict[str, _Node] = {"": root}
    for index, layer in enumerate(layers):
        inside = ""
        for part in layer.path[:-1]:
            name = f"{inside}.{part}" if inside else part
            if name not in blocks:
                blocks[name] = _Node(name, (part, False))
                blocks[inside].children.append(blocks[name])
            inside = name
        blocks[inside].children.append(_Node(layer.name, (layer.path[-1], True), index, layer.kind))
    return root


class _Alignment:
    """Two designs, and which part of the one is which of the other."""

    def __init__(self, before: _Side, after: _Side) -> None:
        self.before, self.after = before, after
        self._numbers: dict[Hashable, int] = {}
        for side in (before, after):
            self._number(side, side.root)
        self._partners: dict[str, str] = {}  # layers, by name
        self._pairs: dict[_Node, dict[_Node, _Node]] = {}  # of a block of the first: its children, those of the second
        self._match(before.root, after.root)
        first, second = before.account.design, after.account.design
        inputs, others = ([node.name for node in design.inputs] for design in (first, second))
        same = dict(zip(inputs, others, strict=True)) if len(inputs) == len(others) else {}
        itself = {name: name for name in self._partners.values()}
        self._origins = _origins(first.layers, self._partners | same), _origins(second.layers, itself)

    def _number(self, side: _Side, node: _Node) -> None:
        for child in node.children:
            self._number(side, child)
        words: Hashable
        build: Hashable
        if node.key[1]:
            layer = side.layer(node)
            words = (layer.op, layer.frozen, layer.no_grad, layer.dtype, layer.shares is None, layer.checkpoint is None)
            build = layer.kind
        else:
            words = tuple(child.words for child in node.children)
            build = ("block", *(child.build for child in node.children))
        node.words = self._numbers.setdefault(("words", words), len(self._numbers))
        node.build = self._numbers.setdefault(build, len(self._numbers))

    def _match(self, before: _Node, after: _Node) -> int:
        """Match what is in two blocks; how many layers of the one are in the other."""
        matched = 0
        pairs: dict[_Node, _Node] = {}
        for a, b in match(before.children, after.children):
            first, second = before.children[a], after.children[b]
            if first.key[1]:
                self._partners[first.name] = second.name
                inside = 1
            else:
                inside = self._match(first, second)
            if inside:  # blocks that have nothing in common are two blocks
                pairs[first] = second
            matched += inside
        self._pairs[before] = pairs
        return matched

    # -- changes ---

    def difference(self, setting: Setting, names: tuple[str, str]) -> Difference:
        changes = tuple(self._inside(self.before.root, self.after.root))
        return Difference(self.before.account, self.after.account, setting, names, tuple(self._design_edits()), changes)

    def _inside(self, before: _Node, after: _Node) -> list[Change]:
        """What changed in a block, in the order of the second; what was removed stands where it stood."""
        pairs = self._pairs[before]
        place = {node: at for at, node in enumerate(after.children)}
        changes: list[tuple[tuple[int, int], Change]] = []  # each behind the place in the second, then in the first
        last = -1
        for at, node in enumerate(before.children, 1):
            partner = pairs.get(node)
            if partner is None:
                changes.append(((last, at), self._whole(self.before, node, REMOVED)))
                continue
            last = place.pop(partner)
            change = self._layer(node, partner) if node.key[1] else self._block(node, partner)
            if change is not None:
                changes.append(((last, 0), change))
        changes += [((at, 0), self._whole(self.after, node, ADDED)) for node, at in place.items()]
        changes.sort(key=lambda one: one[0])
        return _summed_up((at or there, change) for (there, at), change in changes)

    def _whole(self, side: _Side, node: _Node, kind: str) -> Change:
        """A part that is only in one of the designs."""
        before, after = (node.name, None) if kind == REMOVED else (None, node.name)
        if not node.key[1]:
            return _sum(
                kind,
                before,
                after,
                (),
                _summed_up(enumerate(self._whole(side, child, kind) for child in node.children)),
            )
        layer, cost, saved = side.layer(node), side.row(node).cost, side.saved[node.name]
        arguments = layer.op.non_default().items()
        if kind == REMOVED:
            edits = tuple(Edit(name, value, None) for name, value in arguments)
            return Change(kind, before, after, layer.kind, edits, Cost() - cost, -saved)
        return Change(
            kind, before, after, layer.kind, tuple(Edit(n, None, value) for n, value in arguments), cost, saved
        )

    def _block(self, before: _Node, after: _Node) -> Change | None:
        children = self._inside(before, after)
        edits = tuple(_renamed(before, after))
        if not children and not edits:
            return None
        kind = AFFECTED if not edits and all(child.kind == AFFECTED for child in children) else CHANGED
        return _sum(kind, before.name, after.name, edits, children)

    def _layer(self, before: _Node, after: _Node) -> Change | None:
        first, second = self.before.row(before), self.after.row(after)
        cost = second.cost - first.cost
        saved = self.after.saved[after.name] - self.before.saved[before.name]
        edits = [*_renamed(before, after), *self._words(self.before.layer(before), self.after.layer(after))]
        kind = CHANGED if edits else AFFECTED
        shapes = [tuple(tensor.sizes for tensor in row.x) for row in (first, second)]
        if shapes[0] != shapes[1]:
            edits.append(Edit("input_shape", *shapes))
        if not edits and not saved and cost == Cost():
            return None
        return Change(kind, before.name, after.name, second.kind, tuple(edits), cost, saved)

    def _words(self, before: Layer, after: Layer) -> Iterator[Edit]:
        """What a layer says otherwise."""
        if before.kind != after.kind:
            yield Edit("op", before.kind, after.kind)
        else:
            old, now = before.op.arguments(), after.op.arguments()
            for name in old:
                if old[name] != now[name]:
                    yield Edit(name, old[name], now[name])
        yield from _edit("frozen", before.frozen, after.frozen)
        yield from _edit("no_grad", before.no_grad, after.no_grad)
        yield from _edit("dtype", before.dtype, after.dtype)
        yield from _edit("checkpoint", before.checkpoint is not None, after.checkpoint is not None)
        shares = None if before.shares is None else self._partners.get(before.shares, before.shares)
        yield from _edit("reuse", shares, after.shares)
        reads, now_reads = (
            tuple(str(_origin(ref, origins)) for ref in layer.inputs)
            for origins, layer in zip(self._origins, (before, after), strict=True)
        )
        yield from _edit("reads", reads, now_reads)

    def _design_edits(self) -> Iterator[Edit]:
        before, after = self.before.account.design, self.after.account.design
        old, now = dict(before.vars), dict(after.vars)
        for name in dict.fromkeys([*old, *now]):
            yield from _edit(f"vars.{name}", old.get(name), now.get(name))
        shapes, now_shapes = ({node.name: node.shape for node in design.inputs} for design in (before, after))
        for name in dict.fromkeys([*shapes, *now_shapes]):
            yield from _edit(f"input.{name}", shapes.get(name), now_shapes.get(name))
        outputs, now_outputs = (
            {name: str(_origin(ref, origins)) for name, ref in design.outputs}
            for origins, design in zip(self._origins, (before, after), strict=True)
        )
        for name in dict.fromkeys([*outputs, *now_outputs]):
            yield from _edit(f"output.{name}", outputs.get(name), now_outputs.get(name))


def _edit(name: str, before: Any, after: Any) -> Iterator[Edit]:
    if before != after:
        yield Edit(name, before, after)


def _renamed(before: _Node, after: _Node) -> Iterator[Edit]:
    if not (before.numbered and after.numbered):
        yield from _edit("name", before.key[0], after.key[0])


def _origin(ref: Ref, origins: Mapping[str, Ref | str]) -> Ref:
    """The tensor that both designs have from which one comes."""
    origin = origins.get(ref.node, ref)
    return Ref(origin, ref.output) if isinstance(origin, str) else origin


def _origins(layers: Sequence[Layer], names: Mapping[str, str]) -> dict[str, Ref | str]:
    """For each node its name in the second design; for one that only one design has, the tensor behind it.

    Else whatever stands behind a layer that was put in would read another tensor.
    """
    origins: dict[str, Ref | str] = dict(names)
    for layer in layers:
        if layer.name not in origins and layer.inputs:
            origins[layer.name] = _origin(layer.inputs[0], origins)
    return origins


def _sum(
    kind: str, before: str | None, after: str | None, edits: tuple[Edit, ...], children: Sequence[Change]
) -> Change:
    """A block by what is inside."""
    cost = Cost.sum(child.cost for child in children)
    saved, layers = (sum(getattr(child, name) for child in children) for name in ("saved_bytes", "layers"))
    return Change(kind, before, after, "", edits, cost, saved, layers, children=tuple(children))


def _summed_up(changes: Iterable[tuple[int, Change]]) -> list[Change]:
    """Changes in their order, each with its place; neighbouring blocks that changed alike become one."""
    runs: list[tuple[int, list[Change]]] = []
    for place, change in changes:
        last, run = runs[-1] if runs else (-1, [])
        if run and place == last + 1 and not change.op and _form(change) == _form(run[0]):
            run.append(change)
            runs[-1] = (place, run)
        else:
            runs.append((place, [change]))
    return [run[0] if len(run) == 1 else _run(run) for _, run in runs]


def _run(alike: Sequence[Change]) -> Change:
    first = alike[0]
    return replace(_sum(first.kind, first.before, first.after, first.edits, alike), blocks=len(alike))


def _form(change: Change) -> tuple[Any, ...]:
    """What a change is, wherever it is."""
    inside = tuple((child.name.rpartition(".")[2], _form(child)) for child in change.children)
    return change.kind, change.op, change.edits, change.blocks, inside


# -- matching ---


def match(before: Sequence[_Node], after: Sequence[_Node]) -> list[tuple[int, int]]:
    """Which children of a block are which of another, by their places, in order; one that moved is another one."""
    place = {node.key: at for at, node in enumerate(after)}
    pairs = _chain([(at, place[node.key]) for at, node in enumerate(before) if not node.numbered and node.key in place])
    for find in (_by_number, _by_words, _by_build, _blocks_by_name, _one_by_one):
        more = []
        a = b = 0
        for to_a, to_b in [*pairs, (len(before), len(after))]:  # what is between neighbouring pairs
            more += [(a + one, b + other) for one, other in find(before[a:to_a], after[b:to_b])]
            a, b = to_a + 1, to_b + 1
        pairs = sorted([*pairs, *more])
    return pairs


def _chain(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most pairs, of some that are sorted by the first place, that are sorted by the second, too."""
    ends: list[int] = []  # the least place at which a run of each length ends
    at: list[int] = []  # which pair that is
    before: list[int] = []  # for each pair, the one before it in its run
    for index, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1], at[length : length + 1] = [place], [index]
    chain, index = [], at[-1] if at else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]


def _by_number(before: Sequence[_Node], after: Sequence[_Node]) -> list[tuple[int, int]]:
    """Parts of the same number, unless their sequence matches more: then something was put in between."""
    place = {node.key: at for at, node in enumerate(after)}
    named = [(at, place[node.key]) for at, node in enumerate(before) if node.key in place]
    alike = _chain([(a, b) for a, b in named if before[a].build == after[b].build])
    return alike if len(alike) == len(named) or len(alike) >= len(_by_build(before, after)) else []


def _by_words(before: Sequence[_Node], after: Sequence[_Node]) -> list[tuple[int, int]]:
    return _common([node.words for node in before], [node.words for node in after])


def _by_build(before: Sequence[_Node], after: Sequence[_Node]) -> list[tuple[int, int]]:
    """Parts that are built alike; a layer that somebody gave another name is another layer."""

    def build(node: _Node) -> tuple[int, str]:
        return node.build, node.key[0] if node.key[1] and not node.numbered else ""

    return _common([build(node) for node in before], [build(node) for node in after])


def _blocks_by_name(before: Sequence[_Node], after: Sequence[_Node]) -> list[tuple[int, int]]:
    place = {node.key: at for at, node in enumerate(after) if not node.key[1]}
    return _chain([(at, place[node.key]) for at, node in enumerate(before) if node.key in place])


def _one_by_one(before: Sequence[_Node], after: Sequence[_Node]) -> list[tuple[int, int]]:
    """As many layers on both sides, none of which anybody named: each was replaced by another op."""
    unnamed = all(node.key[1] and node.numbered for node in (*before, *after))
    return [(at, at) for at in range(len(before))] if unnamed and len(before) == len(after) else []


def _common(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Places of a common subsequence; the ends that are equal are not searched."""
    most = min(len(before), len(after))
    head = next((at for at in range(most) if before[at] != after[at]), most)
    tail = next((at for at in range(most - head) if before[-1 - at] != after[-1 - at]), most - head)
    pairs = [(at, at) for at in range(head)]
    matcher = SequenceMatcher(None, before[head : len(before) - tail], after[head : len(after) - tail], autojunk=False)
    for a, b, size in matcher.get_matching_blocks():
        pairs += [(head + a + at, head + b + at) for at in range(size)]
    return [*pairs, *((len(before) - tail + at, len(after) - tail + at) for at in range(tail))]
