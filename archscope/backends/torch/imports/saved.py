"""Saved programs at another batch than the one that they were saved at.

A program with a dynamic batch says how each size follows from it. One with a fixed batch has it written into its calls
(``view(x, [4, 8, 64])``, ``zeros([2, 4, 64])``). Where it may stand in several dimensions, the readings are tried one
after the other, until the program runs at another batch.
"""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from archscope.backends.torch.imports.calls import Trace
from archscope.backends.torch.imports.trace import batch_of, overlay, resized
from archscope.backends.torch.imports.twin import fake_mode
from archscope.errors import UsageError

#: calls that give the elements of a tensor in another shape
_VIEWS = {"aten.view", "aten.reshape", "aten._unsafe_view"}
_EXPANDS = {"aten.expand", "aten.broadcast_to"}
#: calls that make a tensor of a shape that may have the batch, and the number of the argument
_MAKERS = {
    "aten.repeat": 1, "aten.new_zeros": 1, "aten.new_ones": 1, "aten.new_empty": 1, "aten.new_full": 1,
    "aten.zeros": 0, "aten.ones": 0, "aten.empty": 0, "aten.full": 0, "aten.rand": 0, "aten.randn": 0,
    "aten.arange": 0, "aten.expand": 1, "aten.broadcast_to": 1,
}  # fmt: skip
_RECURRENT = ("aten.lstm", "aten.gru", "aten.rnn")
#: checks of sizes that make no layer
_CHECKS = ("_assert_scalar", "sym_constrain_range")
MOST_READINGS = 200


def trace_program(program: ExportedProgram, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trace:
    """The calls of a saved program.

    Args:
        args: example inputs, the batch their first dimension.

    Raises:
        UsageError: it was saved with a fixed batch, and does not say where it has it.
    """
    batch = batch_of((args, kwargs))
    leaves = [pytree.tree_leaves(resized((args, dict(kwargs)), batch, batch + more)) for more in range(3)]
    first = _Rerun(program, leaves[0], batch, batch, None).run()
    if _grows(program):
        second = _Rerun(program, leaves[1], batch, batch + 1, None).run()
    else:
        second = _read(program, leaves, batch)
    return overlay(program.module(), first, second, batch)


def _grows(program: ExportedProgram) -> bool:
    """Whether a program was saved with a dynamic batch."""
    places = (node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder")
    user_input = torch.export.graph_signature.InputKind.USER_INPUT
    return any(
        spec.kind is user_input and isinstance(val, torch.Tensor) and not isinstance(val.shape[0], int)
        for spec, val in zip(program.graph_signature.input_specs, places, strict=True)
    )


class _Readings:
    """Where the batch stands in calls that leave it open; calls of one kind and shape are read alike."""

    def __init__(self) -> None:
        self._picked: dict[str, int] = {}
        self._options: dict[str, list[int | None]] = {}

    def of(self, call: str, options: list[int | None]) -> int | None:
        """The dimension in a call; its first option where it has not been met before."""
        self._options.setdefault(call, options)
        return options[self._picked.setdefault(call, 0)]

    def next(self) -> bool:
        """Go to the next reading: another option for the last call that has one; whether there is one."""
        while self._picked:
            call = next(reversed(self._picked))
            if self._picked[call] + 1 < len(self._options[call]):
                self._picked[call] += 1
                return True
            del self._picked[call]
            del self._options[call]
        return False

    def others(self) -> Iterator[tuple[str, _Readings]]:
        """Readings that differ in one call that makes a tensor of its own."""
        for call, options in self._options.items():
            for number in range(len(options)):
                if number != self._picked[call] and call.startswith("new "):
                    other = _Readings()
                    other._picked, other._options = {**self._picked, call: number}, dict(self._options)
                    yield call.removeprefix("new "), other


def _read(program: ExportedProgram, leaves: list[list[Any]], saved: int) -> Any:
    """A program with a fixed batch at one more.

    Args:
        leaves: inputs at its batch, at one more, and at two more.

    Raises:
        UsageError: it does not run, or in more than one way.
    """
    fixed, better = f"the program was saved with a fixed batch of {saved}", "save it with a dynamic batch"
    readings = _Readings()
    failure = ""
    for _ in range(MOST_READINGS):
        try:
            reading = _tried(program, leaves, saved, readings)
            break
        except Exception as error:
            failure = failure or f"{type(error).__name__}: {error}".splitlines()[0]
        if not readings.next():
            raise UsageError(f"{fixed}, and does not run at another ({failure}); {better}")
    else:
        raise UsageError(f"{fixed}, which may stand in too many places; {better}")
    for call, other in readings.others():
        try:
            _tried(program, leaves, saved, other)
        except Exception:  # as it should be
            continue
        raise UsageError(f"{fixed}, and {call} may have it or not; {better}")
    return reading


def _tried(program: ExportedProgram, leaves: list[list[Any]], saved: int, readings: _Readings) -> Any:
    """The program at one more, as it is read.

    Raises:
        ValueError: its work does not grow in step with the batch, so samples meet. And whatever torch raises.
    """
    work, runs = [], []
    for more, inputs in enumerate(leaves):
        with FlopCounterMode(display=False) as counter:
            runs.append(_Rerun(program, inputs, saved, saved + more, readings if more else None).run())
        work.append(counter.get_total_flops())
    if work[2] - work[1] != work[1] - work[0]:
        raise ValueError("its work does not grow in step with the batch")
    return runs[1]


def _base(node: fx.Node) -> str:
    return ".".join(str(node.target).split(".")[:2])


def _sizes(node: fx.Node) -> list[Any]:
    """The shape of which a call makes a tensor; empty if it makes none so."""
    at = _MAKERS.get(_base(node), len(node.args))
    sizes: Any = node.args[at] if at < len(node.args) else []
    return list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]


class _Rerun:
    """A program at a batch: the same graph, its sizes as they are there.

    Args:
        saved: the batch that is written into its calls.
        readings: of the calls that leave it open; ``None`` where nothing has to be written anew.
    """

    def __init__(
        self, program: ExportedProgram, leaves: list[Any], saved: int, batch: int, readings: _Readings | None
    ) -> None:
        self._program, self._leaves, self._saved, self._batch, self._readings = program, leaves, saved, batch, readings
        self._shapes: dict[fx.Node | None, tuple[int, ...]] = {}

    def run(self) -> Any:
        """What is read of a program: its graph with sizes, and what belongs to it."""
        module = copy.deepcopy(self._program.graph_module)
        with fake_mode(), torch.no_grad():
            self._graph(module, list(self._placed()))
        return SimpleNamespace(
            graph_module=module,
            graph=module.graph,
            graph_signature=self._program.graph_signature,
            call_spec=self._program.call_spec,
            constants=self._program.constants,
        )

    def _placed(self) -> Iterator[Any]:
        """What the placeholders stand for."""
        inputs = iter(self._leaves)
        kinds = torch.export.graph_signature.InputKind
        for spec in self._program.graph_signature.input_specs:
            if spec.kind is kinds.USER_INPUT:
                yield self._empty(next(inputs))
            elif spec.kind in (kinds.PARAMETER, kinds.BUFFER) and spec.target in self._program.state_dict:
                yield self._empty(self._program.state_dict[spec.target])
            else:
                yield self._program.constants[spec.target]

    @staticmethod
    def _empty(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cpu")

    def _graph(self, module: fx.GraphModule, leaves: list[Any]) -> Any:
        """Run a graph; what its nodes give is noted in it, numbers take the place of the nodes that made them."""
        values: dict[fx.Node, Any] = {}
        if self._readings is not None:
            pairs = ((node, node.meta.get("val")) for node in module.graph.nodes)
            self._shapes |= {node: tuple(map(int, val.shape)) for node, val in pairs if isinstance(val, torch.Tensor)}
        rest = iter(leaves)
        result: Any = None
        for node in list(module.graph.nodes):
            if node.op == "placeholder":
                values[node] = next(rest)
            elif node.op == "get_attr":
                values[node] = operator.attrgetter(str(node.target))(module)
            elif node.op == "call_function" and not any(check in str(node.target) for check in _CHECKS):
                values[node] = self._call(node, values)
            node.args, node.kwargs = (self._literal(one, values) for one in (node.args, node.kwargs))
            if node.op == "output":
                result = fx.node.map_arg(node.args[0], lambda one: values[one])
            if isinstance(values.get(node), (torch.Tensor, tuple, list)):
                node.meta["val"] = values[node]
        for node in reversed(list(module.graph.nodes)):
            number = node.op == "call_function" and not isinstance(values.get(node), (torch.Tensor, tuple, list))
            if number and not node.users:
                module.graph.erase_node(node)
        return result

    @staticmethod
    def _literal(arguments: Any, values: Mapping[fx.Node, Any]) -> Any:
        def is_known(one: fx.Node) -> Any:
            value = values.get(one)
            return value if isinstance(value, (int, float, bool)) else one

        return fx.node.map_arg(arguments, is_known)

    def _call(self, node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
        if self._readings is not None:
            self._adjust(node, values, self._readings)
        args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), lambda one: values[one])
        if str(node.target) == "wrap_with_set_grad_enabled":
            inner: Any = args[1]
            return self._graph(inner, list(args[2:]))
        args, kwargs = pytree.tree_map_only(torch.device, lambda _: torch.device("cpu"), (args, kwargs))
        assert callable(node.target)
        return node.target(*args, **kwargs)

    # -- sizes that have the batch -----------------------------------------------------------------------------------

    def _adjust(self, node: fx.Node, values: Mapping[fx.Node, Any], readings: _Readings) -> None:
        """Write the batch into the sizes that a call was saved with."""
        source = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
        before, after = self._shapes.get(source, ()), self._shapes.get(node, ())
        now = values[source].shape if source is not None and before else ()
        grown = [at for at, (one, other) in enumerate(zip(before, now, strict=True)) if one != other]
        if grown and _base(node) in _VIEWS:
            (dim,) = grown
            at = readings.of(f"{_base(node)} {before}, {dim}, {after}", _places(before, dim, after, self._saved))
            sizes = [self._grown(size) if here == at else size for here, size in enumerate(after)]
            node.update_arg(1, sizes)
        elif grown and _base(node) in _EXPANDS:
            extra = len(after) - len(before)
            node.update_arg(1, [-1 if at - extra in grown else size for at, size in enumerate(_sizes(node))])
        elif self._saved in (sizes := _sizes(node)):
            at = readings.of(*self._options(node, sizes))
            if at is not None:
                sizes[at] = self._batch
                place = _MAKERS[_base(node)]
                node.update_arg(place, sizes if isinstance(node.args[place], (list, tuple)) else sizes[0])

    def _options(self, node: fx.Node, sizes: list[Any]) -> tuple[str, list[int | None]]:
        """What a call that makes a tensor is known by, and which of its sizes may be the batch."""
        call = f"{_base(node)} of {sizes}"
        places: list[int | None] = [at for at, size in enumerate(sizes) if size == self._saved]
        if any(_base(user).startswith(_RECURRENT) for user in node.users):
            return f"{call}, a state", [1]  # layers, batch, features
        if _base(node) in _EXPANDS and self._saved == 1:
            return call, [None, *places]  # as it is, where that will do
        return f"new {call}", [*places, None]

    def _grown(self, size: int) -> int:
        return size * self._batch // self._saved


def _places(before: tuple[int, ...], dim: int, after: tuple[int, ...], batch: int) -> list[int | None]:
    """Where the batch may stand after a reshape: with as many elements behind it as before; the likeliest first.

    Args:
        dim: the dimension before that has it: alone, or behind others, or before others.
    """
    places: list[int] = []
    for within in dict.fromkeys((before[dim] // batch, 1)):
        inner = within * math.prod(before[dim + 1 :])
        for at, size in enumerate(after):
            behind = math.prod(after[at + 1 :])
            if inner % behind == 0 and (size * behind) % (inner * batch) == 0 and at not in places:
                places.append(at)
    if not places:
        raise ValueError(f"a shape {list(after)} without the batch")
    whole = math.prod(before[dim:])  # most dimensions begin where others began
    return [*sorted(places, key=lambda at: math.prod(after[at:]) != whole)]
