"""The engine of a sweep: a part of a space, many designs in one pass.

Numbers are vectorised, structure is enumerated: what decides the graph is found while designs are read
(:mod:`archscope.sweeps.structures`), and all that read alike are counted together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.arith.operations import LARGEST
from archscope.arith.recorded import Recorder
from archscope.design import Design
from archscope.errors import SpecError, UsageError
from archscope.errors.diagnostics import numberless
from archscope.sweeps.feeds import Feed
from archscope.sweeps.merging import moments
from archscope.sweeps.model import Decision, Part, Reason, Rows, Tally
from archscope.sweeps.plan import Plan
from archscope.sweeps.structures import Leaf, Tree, hashed

#: structures that take more are forgotten, and read again when they are met again; some 250 bytes each
MOST_OPERATIONS = 1_500_000


class Engine:
    """Reads designs of a plan, and counts together what is alike."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._feeds = {axis.name: Feed(axis) for axis in plan.space.axes}
        self._axes = {name: place for place, feed in enumerate(self._feeds.values()) for name in feed.tables}
        self._tree = Tree()

    def part(self, start: int, stop: int) -> Part:
        """What there is to know of the designs numbered ``start`` to ``stop - 1``; all rows that pass."""
        plan, count = self.plan, stop - start
        if self._tree.operations > MOST_OPERATIONS:
            self._tree = Tree()
        choices = plan.space.choices(start, stop)
        variables: dict[str, npt.NDArray[Any]] = {}
        for feed, column in zip(self._feeds.values(), choices, strict=True):
            variables |= feed.variables(column)
        passing = _Passing(plan, start, count)
        for leaf, places, outputs in self._tree.sort(variables, count, lambda place: self._read(choices[:, place])):
            passing.add(leaf, places, outputs)
        return passing.part(choices, self._decisions(passing.legal))

    def _read(self, column: npt.NDArray[np.int32]) -> Leaf:
        """The leaf of a design."""
        recorder = Recorder()
        places = zip(self._feeds.items(), column.tolist(), strict=True)
        values = {name: feed.show(recorder, place) for (name, feed), place in places}
        outputs: list[Any] = []
        message, before_graph, graph = "", 0, 0
        try:
            design = self.plan.design(values)
            before_graph, graph = len(recorder.decisions), _drawn(design)
            outputs = self.plan.names(design, values).answers(self.plan.question)
        except SpecError as error:
            message = in_one_line(error)
        except UsageError as error:
            message = str(error)
        recorder.close()
        decisions = tuple(recorder.decisions.items())
        return Leaf(decisions, tuple(outputs), before_graph, graph, _without_numbers(message), message)

    def _decisions(self, leaves: Iterable[Leaf]) -> dict[Decision, frozenset[int]]:
        """What the graphs of some leaves followed from; nothing decided is the same in all of them."""
        graphs_of: dict[Decision, set[int]] = {}
        for leaf in leaves:
            graphs_of.setdefault(Decision(0, 0, ()), set()).add(leaf.graph)
            for what, value, names in leaf.laying:
                axes = tuple(sorted({self._axes[name] for name in names}))
                graphs_of.setdefault(Decision(what, value, axes), set()).add(leaf.graph)
        return {decision: frozenset(graphs) for decision, graphs in graphs_of.items()}


def _drawn(design: Design) -> int:
    """A fingerprint of a layer graph: its layers, their kinds, and what they read."""
    return hashed("\n".join(f"{layer.name} {layer.kind} {' '.join(map(str, layer.inputs))}" for layer in design.layers))


def in_one_line(error: SpecError) -> str:
    """The first mistake of a spec in one line, with its place."""
    first = error.diagnostics[0]
    place = f"{first.mark}: " if first.mark else ""
    return f"{place}{first.message}{'; ' + first.hint if first.hint else ''}"


@lru_cache(maxsize=10_000)
def _without_numbers(message: str) -> str:
    """A message with the numbers behind its place left out, so that mistakes of one kind are one."""
    place = re.match(r"[^ ]+:\d+:\d+: ", message)
    at = place.end() if place else 0
    return message[:at] + numberless(message[at:])


class _Passing:
    """What is found in a part, structure by structure.

    Attributes:
        legal: the leaves of legal designs.
    """

    def __init__(self, plan: Plan, start: int, count: int) -> None:
        self._plan, self._start, self._count = plan, start, count
        self._columns = [np.zeros(count, np.int64 if whole else np.float64) for whole in plan.whole]
        self._legal = np.zeros(count, bool)
        self._holds = [np.zeros(count, bool) for _ in plan.question.where]
        self._invalid: dict[str, Reason] = {}
        self._undefined: Counter[str] = Counter()
        self.legal: set[Leaf] = set()

    def add(self, leaf: Leaf, places: npt.NDArray[np.int64], outputs: list[Any]) -> None:
        """Some designs of a structure."""
        reason, message = leaf.reason, leaf.message
        columns = list(zip(self._plan.columns, self._columns, outputs, strict=False))
        for column, cells, values in columns:
            if reason:
                break
            if isinstance(values, int) and abs(values) > LARGEST:  # of one design, which comes alone
                reason = f"{column.name} is larger than 2^63 - 1"
                message = f"{column.name} is {values:,}, and larger than 2^63 - 1"
            elif cells.dtype.kind == "i" and not _whole(values):
                reason = message = f"{column.name} is a whole number in other designs, and none here; write 1.0 * ..."
        if reason:
            self._reject(reason, message, places)
            return
        self.legal.add(leaf)
        self._legal[places] = True
        for _, cells, values in columns:
            cells[places] = np.nan if values is None else values
        for text, holds, values in zip(self._plan.question.where, self._holds, outputs[len(columns) :], strict=True):
            holds[places] = False if values is None else values
            self._undefined[text] += len(places) if values is None else 0

    def _reject(self, reason: str, message: str, places: npt.NDArray[np.int64]) -> None:
        first = self._start + int(places.min())
        before = self._invalid.get(reason, Reason(0, first, message))
        self._invalid[reason] = Reason(before.designs + len(places), min(first, before.first), message)

    def part(self, choices: npt.NDArray[np.int32], decisions: Mapping[Decision, frozenset[int]]) -> Part:
        """The part, with all designs that pass."""
        plan = self._plan
        passing = self._legal.copy()
        missed: Counter[str] = Counter()
        for text, holds in zip(plan.question.where, self._holds, strict=True):
            missed[text] += int((self._legal & ~holds).sum())
            passing &= holds
        columns = {column.name: cells for column, cells in zip(plan.columns, self._columns, strict=True)}
        stop, numbers = self._start + self._count, self._start + np.arange(self._count)
        every = Rows(numbers, choices, columns)
        legal = every if self._legal.all() else every.take(self._legal)
        sums = moments(legal.choices, legal.columns, [len(axis.values) for axis in plan.space.axes])
        rows = every if passing.all() else every.take(passing)
        undefined = {text: count for text, count in self._undefined.items() if count}
        tally = Tally(self._count, self._invalid, dict(missed), len(rows), undefined)
        return Part(self._start, stop, rows, tally, sums, decisions)


def _whole(values: Any) -> bool:
    return isinstance(values, int) or (isinstance(values, np.ndarray) and values.dtype.kind == "i")
