"""The engine of a sweep: a part of a space, many designs in one pass.

Numbers are vectorised, structure is enumerated: what decides the graph is found while designs are read
(:mod:`archscope.sweeps.structures`), and all that read alike are counted together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from archscope.analysis.account import analyze
from archscope.analysis.traffic import numbers
from archscope.arith.recorded import Recorder
from archscope.comparison import Side
from archscope.design import Design
from archscope.errors import SpecError, UsageError
from archscope.load import load
from archscope.spec.document import Document
from archscope.spec.expressions import ExpressionError, evaluate
from archscope.sweeps.feeds import Feed
from archscope.sweeps.model import Part, Question, Reason, Rows, Tally
from archscope.sweeps.names import DesignNames
from archscope.sweeps.space import Space
from archscope.sweeps.structures import Leaf, Tree
from archscope.table import Column

#: structures beyond this are forgotten, and read again when they are met again
MOST_LEAVES = 4096


@dataclass(frozen=True)
class Plan:
    """All that is needed to account for any design of a space; it can be sent to a worker.

    Attributes:
        document: the spec.
        sets: variables that replace the spec's and do not vary.
        shapes: input shapes by name, likewise.
        base: the variables in force where nothing varies.
        inputs: of each input its shape where nothing varies, the first one first.
        columns: of the rows, figures and derived ones.
        whole: for each column whether it holds integers.
    """

    document: Document
    sets: Mapping[str, Any]
    shapes: Mapping[str, Sequence[int]]
    base: Mapping[str, Any]
    inputs: Mapping[str, tuple[int, ...]]
    space: Space
    question: Question
    columns: tuple[Column, ...] = ()
    whole: tuple[bool, ...] = ()

    def design(self, values: Mapping[str, Any], most_problems: int = 1) -> Design:
        """The design with these values of the axes, plain or recorded.

        Raises:
            SpecError: there is no such design.
        """
        sets, shapes = assigned(values, self.base, self.inputs)
        return load(
            self.document,
            set={**self.sets, **sets},
            input={**self.shapes, **shapes} or None,
            most_problems=most_problems,
        )

    def names(self, values: Mapping[str, Any], most_problems: int = 1) -> DesignNames:
        """What is known of a design.

        Raises:
            SpecError, UsageError: there is no such design.
        """
        design = self.design(values, most_problems)
        setting = self.question.setting._replace(batch=values.get("batch", self.question.setting.batch))
        account = analyze(design, batch=setting.batch, dtype=numbers(setting.dtype).floating)
        return DesignNames(Side(design.name, account, setting), values)


def assigned(
    values: Mapping[str, Any], base: Mapping[str, Any], inputs: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """The variables and the input shapes that values of axes stand for."""
    sets: dict[str, Any] = {}
    shapes: dict[str, tuple[Any, ...]] = {}
    for name, value in values.items():
        variable, _, rest = name.partition("[")
        if rest:
            elements = list(sets.get(variable, base[variable]))
            elements[int(rest[:-1])] = value
            sets[variable] = elements
        elif name == "input" or name.startswith("input."):
            node = name.partition(".")[2] or next(iter(inputs))
            shape = inputs[node]
            several = isinstance(value, tuple)
            shapes[node] = (
                value if several else (*shape[:-1][:1], *(value for _ in shape[1:])) if shape[1:] else (value,)
            )
        elif name != "batch" or name in base:
            sets[name] = value
    return sets, shapes


class Engine:
    """Reads designs of a plan and counts what is alike together."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._feeds = {axis.name: Feed(axis) for axis in plan.space.axes}
        self._tree = Tree()

    def part(self, start: int, stop: int) -> Part:
        """What there is to know of the designs numbered ``start`` to ``stop - 1``."""
        plan, count = self.plan, stop - start
        if self._tree.leaves > MOST_LEAVES:
            self._tree = Tree()
        choices = plan.space.choices(start, stop)
        variables: dict[str, npt.NDArray[Any]] = {}
        for feed, column in zip(self._feeds.values(), choices, strict=True):
            variables |= feed.variables(column)
        found = _Found(plan, start, count)
        for leaf, places, outputs in self._tree.sort(variables, count, lambda place: self._read(choices[:, place])):
            found.add(leaf, places, outputs)
        return found.part(choices)

    def _read(self, column: npt.NDArray[np.int32]) -> Leaf:
        """The leaf of a design."""
        recorder = Recorder()
        places = zip(self._feeds.items(), column.tolist(), strict=True)
        values = {name: feed.show(recorder, place) for (name, feed), place in places}
        outputs: list[Any] = []
        message = ""
        try:
            names = self.plan.names(values)
            outputs = list(answers(names, self.plan.question))
        except SpecError as error:
            message = told(error)
        except UsageError as error:
            message = str(error)
        leaf = Leaf(tuple(recorder.decisions.items()), tuple(outputs), _without_numbers(message), message)
        recorder.close()
        return leaf


def answers(names: DesignNames, question: Question) -> list[Any]:
    """All columns of a design, then what the constraints say of it; ``None`` where an expression has no value.

    Raises:
        ExpressionError: an expression that no design gives a value to.
    """
    found = [_defined(figure, names) for figure in question.figures]
    for name, text in question.derived:
        names.columns[name] = _defined(text, names)
        found.append(names.columns[name])
    return found + [_defined(text, names) for text in question.where]


def _defined(text: str, names: DesignNames) -> Any:
    try:
        return evaluate(text, names)
    except ExpressionError as error:
        if error.undefined:
            return None
        raise UsageError(f"`{text}`: {error.message}{'; ' + error.hint if error.hint else ''}") from None


def told(error: SpecError) -> str:
    """The first mistake of a spec in one line, with its place."""
    first = error.diagnostics[0]
    place = f"{first.mark}: " if first.mark else ""
    return f"{place}{first.message}{'; ' + first.hint if first.hint else ''}"


@lru_cache(maxsize=10_000)
def _without_numbers(message: str) -> str:
    """A message with the numbers behind its place left out, so that mistakes of one kind are one."""
    place = re.match(r"[^ ]+:\d+:\d+: ", message)
    at = place.end() if place else 0
    return message[:at] + re.sub(r"\d[\d,.]*\d|\d", "N", message[at:])


class _Found:
    """What is found in a part, design by design."""

    def __init__(self, plan: Plan, start: int, count: int) -> None:
        self._plan, self._start, self._count = plan, start, count
        self._columns = [np.zeros(count, np.int64 if whole else np.float64) for whole in plan.whole]
        self._legal = np.zeros(count, bool)
        self._holds = [np.zeros(count, bool) for _ in plan.question.where]
        self._invalid: dict[str, Reason] = {}

    def add(self, leaf: Leaf, places: npt.NDArray[np.int64], outputs: list[Any]) -> None:
        """Designs of one structure."""
        if leaf.reason:
            self._reject(leaf.reason, leaf.message, places)
            return
        self._legal[places] = True
        width = len(self._columns)
        for column, values in zip(self._columns, outputs[:width], strict=True):
            column[places] = np.nan if values is None else values
        for holds, values in zip(self._holds, outputs[width:], strict=True):
            holds[places] = False if values is None else values

    def _reject(self, reason: str, message: str, places: npt.NDArray[np.int64]) -> None:
        first = self._start + int(places.min())
        before = self._invalid.get(reason, Reason(0, first, message))
        self._invalid[reason] = Reason(before.designs + len(places), min(first, before.first), message)

    def part(self, choices: npt.NDArray[np.int32]) -> Part:
        question = self._plan.question
        passing = self._legal.copy()
        missed: Counter[str] = Counter()
        for text, holds in zip(question.where, self._holds, strict=True):
            missed[text] += int((self._legal & ~holds).sum())
            passing &= holds
        names = [column.name for column in self._plan.columns]
        which = np.flatnonzero(passing)
        rows = Rows(
            self._start + which,
            choices[:, which],
            {name: column[which] for name, column in zip(names, self._columns, strict=True)},
        )
        tally = Tally(self._count, self._invalid, dict(missed), len(which))
        return Part(self._start, self._start + self._count, rows, tally, None)  # type: ignore[arg-type]
