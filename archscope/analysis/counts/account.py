"""The account of a design: what every layer costs, and every total of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from archscope.analysis.counts.cost import CATEGORIES, Cost, Costed, cost_of, dense_params
from archscope.analysis.step.run import steps_under
from archscope.autograd.dtypes import Types
from archscope.design import Design, hold_designs
from archscope.design.steps import Step, unused
from archscope.errors import UsageError, suggestion
from archscope.ops import Tensor
from archscope.setting import Setting
from archscope.setting.precision import PRECISIONS
from archscope.shown import Shown

if TYPE_CHECKING:
    from archscope.analysis.field.receptive_field import ReceptiveFields
    from archscope.analysis.step.memory import Memory


@dataclass(frozen=True)
class Total(Costed):
    """The sum over some layers.

    Attributes:
        name: what was summed: a block's path, an op's name, a category, or the design's name.
        layers: how many.
        output_shape: of a block, the shape that its last layer gives; else nothing.
    """

    name: str
    layers: int
    cost: Cost
    output_shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Row(Costed):
    """One layer of an account.

    Attributes:
        kind: the op's name.
        category: conv, fc or other.
        x: input tensors, batch included.
        y: output tensors, batch included.
        cost: its additive figures; every metric is an attribute of the row.
        shares: the layer whose weights it uses again, if any.
        frozen: those of its parameters that are not trained.
    """

    name: str
    kind: str
    category: str
    x: tuple[Tensor, ...]
    y: tuple[Tensor, ...]
    cost: Cost
    shares: str | None = None
    frozen: tuple[str, ...] = ()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the first output, without the batch."""
        return self.y[0].sizes

    @property
    def input_elements(self) -> int:
        """Elements of the inputs, for the whole batch."""
        return sum(tensor.numel for tensor in self.x)

    @property
    def output_elements(self) -> int:
        """Elements of the outputs, for the whole batch."""
        return sum(tensor.numel for tensor in self.y)

    @property
    def dense_params(self) -> int | None:
        """Parameters of the dense layer that would join the same maps; of layers with weights only."""
        return dense_params(self.x, self.y) if self.cost.weight_layers else None

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The name by its blocks."""
        return tuple(self.name.split("."))


@dataclass(frozen=True)
class Account(Shown, report="account"):
    """A design's figures under a setting, by layer and in total.

    Attributes:
        setting: how it is run.
        rows: one row per layer, in order of execution.
        depth: weight layers on the longest path from an input to an output.
    """

    design: Design
    setting: Setting
    rows: tuple[Row, ...]
    depth: int

    @cached_property
    def total(self) -> Total:
        """The whole design."""
        return total_of(self.design.name, self.rows)

    @property
    def opaque(self) -> tuple[str, ...]:
        """The layers that are declared black boxes; where there are any, totals are incomplete."""
        return self.design.opaque

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the design's first output, without the batch."""
        _, ref = self.design.outputs[0]
        for row in self.rows:
            if row.name == ref.node:
                return row.y[ref.output].sizes
        return next(node.shape for node in self.design.inputs if node.name == ref.node)

    def __getitem__(self, name: str) -> Row | Total:
        """A layer's row, or the total of a block.

        Raises:
            UsageError: there is no layer or block of that name.
        """
        inside = []
        for row in self.rows:
            if row.name == name:
                return row
            if row.name.startswith(name + "."):
                inside.append(row)
        if not inside:
            parts = (".".join(row.path[:length]) for row in self.rows for length in range(1, len(row.path) + 1))
            hint = suggestion(name, dict.fromkeys(parts))
            raise UsageError(f"{self.design.name} has no layer or block `{name}`{'; ' + hint if hint else ''}")
        return block_total(name, inside)

    def _grouped(self, key: Callable[[Row], str]) -> dict[str, list[Row]]:
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(key(row), []).append(row)
        return groups

    def by_block(self, depth: int = 1) -> tuple[Total, ...]:
        """Totals of the parts that the first ``depth`` names of a layer's path tell apart."""
        if depth not in self._by_block:
            parts = self._grouped(lambda row: ".".join(row.path[:depth]))
            self._by_block[depth] = tuple(block_total(*part) for part in parts.items())
        return self._by_block[depth]

    @cached_property
    def _by_block(self) -> dict[int, tuple[Total, ...]]:
        """The totals by block, once they have been asked for, by depth."""
        return {}

    @cached_property
    def rounds(self) -> Mapping[str, tuple[int, str]]:
        """Of every repeat that is called after what it lays, by its name: how often it does, and what."""
        parts = {part for row in self.rows for part in accumulate(row.path, "{}.{}".format)}
        words = {scope.name: scope.repeats for scope in self.design.scopes if scope.repeats and scope.name in parts}
        rounds: dict[str, list[str]] = {}
        for name, word in words.items():
            rounds.setdefault(name.rpartition(".")[0], []).append(word)
        return {name: (len(several), several[0]) for name, several in rounds.items()}

    def by_kind(self) -> tuple[Total, ...]:
        """Totals by kind of op."""
        return tuple(total_of(*part) for part in self._grouped(lambda row: row.kind).items())

    def by_category(self) -> tuple[Total, ...]:
        """Totals of convolutions, fully connected layers and others, in this order, empty ones included."""
        return self._by_category

    @cached_property
    def _by_category(self) -> tuple[Total, ...]:
        return tuple(total_of(category, [r for r in self.rows if r.category == category]) for category in CATEGORIES)

    @cached_property
    def fields(self) -> ReceptiveFields:
        """The receptive fields of all layers."""
        from archscope.analysis.field.receptive_field import receptive_fields

        return receptive_fields(self.design)

    def field_figure(self, layer: str, name: str) -> tuple[Any, ...]:
        """A figure of the receptive field of a layer (of a block, its last one), one value an axis.

        Raises:
            UsageError: there is no such layer, or it sees no input.
        """
        return self.fields[layer].figure(name)

    @cached_property
    def memory(self) -> Memory:
        """The memory of a training step and of an inference under the setting."""
        from archscope.analysis.step.memory import memory

        return memory(self.design, self.setting)

    def saved_bytes(self, part: str | None = None) -> int:
        """What autograd keeps of the forward pass: of the design, a layer, or a block."""
        return self.memory.saved_bytes if part is None else self._saved_by_part.get(part, 0)

    @cached_property
    def _saved_by_part(self) -> dict[str, int]:
        """What layers and blocks of any depth keep."""
        sizes: dict[str, int] = {}
        for row in self.rows:
            for part in accumulate(row.path, "{}.{}".format):
                sizes[part] = sizes.get(part, 0) + self.memory.by_layer[row.name]
        return sizes


def total_of(name: str, rows: Sequence[Row]) -> Total:
    """The sum over some layers."""
    return Total(name, len(rows), Cost.sum(row.cost for row in rows))


def block_total(name: str, rows: Sequence[Row]) -> Total:
    """The sum over the layers of a block, which are given in the order of execution."""
    return replace(total_of(name, rows), output_shape=rows[-1].output_shape)


def runnable(design: Design) -> Setting:
    """The setting of whoever asks for no run: the usual one, if the types that a design names go together in it."""
    types = design.graph.runs_in if design.graph.typed else Types()
    rows = (row for row in PRECISIONS.values() if (row.floating, row.lower) == (types.floating, types.lower))
    return Setting(precision=next(rows).name, device=types.device)


def analyze(design: Design, setting: Setting | None = None, **changes: Any) -> Account:
    """Compute all figures of a design.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        UsageError: an impossible setting, or a layer of which it is not known what autocast does in it.
    """
    hold_designs(design)
    setting = Setting.of(setting, **changes)
    costs: dict[tuple[Any, ...], Cost] = {}
    steps = steps_under(design, setting)
    idle = unused(steps)
    rows = tuple(_row(step, setting, costs, unread=step.layer.name in idle) for step in steps)
    return Account(design, setting, rows, _depth(design, rows))


def _row(step: Step, setting: Setting, costs: dict[tuple[Any, ...], Cost], *, unread: bool) -> Row:
    """The row of a layer; ``costs`` holds the costs of the layers before it, since repeated blocks are alike."""
    layer, x, y, needs, learns, *_ = step
    op, shared = layer.op, layer.shares is not None
    mark = layer.dtype
    key = (id(op), x, needs, learns, layer.frozen, shared, mark, unread, step.copied)
    cost = costs.get(key)
    if cost is None:
        cost = costs[key] = cost_of(
            op, x, y, needs=needs, learns=learns, frozen=layer.frozen, shared=shared, dtype=setting.numbers.floating,
            mark=mark, unused=unread, training=setting.trains, copied=step.copied,
        )  # fmt: skip
    return Row(layer.name, layer.kind, op.category, x, y, cost, layer.shares, layer.frozen)


def _depth(design: Design, rows: tuple[Row, ...]) -> int:
    deepest: dict[str, int] = {node.name: 0 for node in design.inputs}
    for layer, row in zip(design.layers, rows, strict=True):
        before = [deepest[node] for node, _ in layer.inputs]
        deepest[layer.name] = max(before, default=0) + row.cost.weight_layers
    return max((deepest[ref.node] for _, ref in design.outputs), default=0)
