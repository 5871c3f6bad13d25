"""The ``sweep:`` section of a spec: what varies, and what is asked of every design."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from archscope.errors import UsageError, counted, nearest, suggestion
from archscope.errors.diagnostics import Diagnostic, Mark
from archscope.setting import PLACES
from archscope.setting.optimizers import OPTIMIZERS
from archscope.setting.precision import WORDS
from archscope.spec.axes import METHODS, MOST_AXES, Axis, Sample
from archscope.spec.expressions import ExpressionError, names_in
from archscope.spec.limits import MOST_SWEPT
from archscope.spec.ranges import ValuesError
from archscope.spec.reader import ListNode, MapNode, Node, ScalarNode
from archscope.spec.values import TARGETS, Target, entries_in, gathered, plain, spread

if TYPE_CHECKING:
    from archscope.spec.document import Document

KEYS = (
    "vary",
    "derive",
    "where",
    "pareto",
    "sort",
    "top",
    "sample",
    "batch",
    "precision",
    "dtype",
    "optimizer",
    "device",
)
_SAMPLE_KEYS = ("count", "seed", "method")
_LARGER = "give larger ones to `archscope sweep`"
_EXPRESSION = "an expression, as in `params < 5e6` or `macs / params`"


@dataclass(frozen=True)
class Stated:
    """Words of a spec that are looked into later, and where they stand.

    Attributes:
        mark: where the text begins, if ``verbatim``; else where the value that holds it does.
        verbatim: whether the text stands there letter by letter.
    """

    text: str
    mark: Mark = field(compare=False, repr=False)
    verbatim: bool = field(default=True, compare=False, repr=False)

    def at(self, offset: int, length: int) -> Mark:
        """The place of a part of the text; of the whole where it has no such place."""
        return self.mark.shifted(offset, length) if self.verbatim and length else self.mark


@dataclass(frozen=True)
class Varied:
    """An axis, and where its name stands."""

    axis: Axis
    mark: Mark | None = field(compare=False, repr=False)


@dataclass(frozen=True)
class SweepSection:
    """What a spec says of its sweep.

    Attributes:
        vary: the axes, in the order of the spec.
        derive: columns that follow from others: a name and an expression each.
        where: expressions that must hold, each on its own.
        pareto, sort: columns; those that begin with - are to be large.
        top: how many of the best are shown; ``None`` where the spec leaves it open, as all below.
    """

    mark: Mark | None = field(compare=False, repr=False)
    vary: tuple[Varied, ...] = ()
    derive: tuple[tuple[str, Stated], ...] = ()
    where: tuple[Stated, ...] = ()
    pareto: tuple[Stated, ...] = ()
    sort: Stated | None = None
    top: int | None = None
    sample: Sample | None = None
    batch: int | None = None
    precision: Stated | None = None
    optimizer: Stated | None = None
    device: Stated | None = None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes without their places."""
        return tuple(varied.axis for varied in self.vary)


class Reader(Protocol):
    """Who reads the rest of the spec."""

    def error(self, message: str, mark: Mark | None, hint: str = "") -> None:
        """Note a mistake."""

    def mapping(self, node: Node, what: str, keys: Iterable[str] | None = None) -> Iterable[tuple[str, Node, Mark]]:
        """The entries of a mapping; wrong ones are reported and left out."""


def read_section(node: Node, reader: Reader) -> SweepSection:
    """What stands under ``sweep:``; mistakes are told to the reader, and what they are in is left out."""
    return _Section(reader).read(node)


class _Section:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._error = reader.error

    def read(self, node: Node) -> SweepSection:
        form = "what varies, `vary: {width: 16:128:8}`, and what is asked"
        entries = {key: value for key, value, _ in self._reader.mapping(node, form, KEYS)}
        if "vary" not in entries and isinstance(node, MapNode) and len(entries) == len(node.entries):
            self._error("a sweep needs `vary:`", node.mark, "as in `vary: {width: 16:128:8}`")
        if "dtype" in entries:
            also = entries.pop("dtype")
            if "precision" in entries:
                self._error("`precision` and `dtype` are two words for one thing", also.mark, "leave one of them out")
            entries.setdefault("precision", also)
        parts: dict[str, Any] = {key: getattr(self, f"_{key}")(value) for key, value in entries.items()}
        section = SweepSection(node.mark, **parts)
        varied = next((one for one in section.vary if one.axis.name == "batch"), None)
        if varied is not None and section.batch is not None:
            self._error("`batch` is varied and stated", varied.mark, "leave one of them out")
        return section

    # -- what varies --

    def _vary(self, node: Node) -> tuple[Varied, ...]:
        axes: list[Varied] = []
        if not (node.entries if isinstance(node, MapNode) else isinstance(node, ListNode) or node.text):
            self._error("nothing varies", node.mark, "as in `vary: {width: 16:128:8}`")
        room = MOST_SWEPT
        for name, values, mark in self._reader.mapping(node, "variables and their values: `width: 16:128:8`"):
            if len(axes) == MOST_AXES or room < 0:
                limits = f"{MOST_AXES} axes and {MOST_SWEPT:,} values"
                self._error(f"the sweep of a spec has at most {limits}", mark, _LARGER)
                break
            target = Target.read(name)
            if target is None:
                self._error(f"`{name}` cannot be varied", mark, f"write {TARGETS}")
                continue
            other = next((one for one in axes if one.axis.target.overlaps(target)), None)
            if other is not None:
                self._error(f"`{other.axis.name}` and `{name}` change the same thing", mark, "vary one of them")
            read = self._values(values, target)
            room -= len(read)
            if read:
                axes.append(Varied(Axis(name, read), mark))
        return tuple(axes)

    def _values(self, node: Node, target: Target) -> tuple[Any, ...]:
        """The values of an axis; none after a mistake."""
        try:
            if isinstance(node, ListNode):
                return self._entries(node.items, target)
            value = plain(node)
            entries = entries_in(value or "") if value is None or isinstance(value, str) else [value]
            return gathered((spread(entry, target, MOST_SWEPT) for entry in entries), MOST_SWEPT)
        except ValuesError as error:
            self._error(error.message, node.mark, error.hint)
            return ()

    def _entries(self, nodes: list[Node], target: Target) -> tuple[Any, ...]:
        """The values of the entries of a list; none after a mistake, of which all are told."""
        parts: list[Sequence[Any]] = []
        wrong, room = False, MOST_SWEPT
        for node in nodes:
            try:
                parts.append(spread(plain(node), target, MOST_SWEPT))
            except ValuesError as error:
                self._error(error.message, node.mark, error.hint)
                wrong = True
            else:
                room -= len(parts[-1])
            if room < 0:  # gathered() says so
                break
        return () if wrong else gathered(parts, MOST_SWEPT)

    # -- what is asked --

    def _derive(self, node: Node) -> tuple[tuple[str, Stated], ...]:
        columns = []
        for name, value, mark in self._reader.mapping(node, "new columns: `density: macs / params`"):
            if not name.isidentifier():
                self._error(f"`{name}` cannot be the name of a column", mark, "letters, digits and _")
            elif isinstance(value, ListNode):
                self._error(f"expected {_EXPRESSION}", value.mark)
            else:
                columns += [(name, stated) for stated in self._expressions(value)]
        return tuple(columns)

    def _where(self, node: Node) -> tuple[Stated, ...]:
        return tuple(self._expressions(node))

    def _expressions(self, node: Node) -> Iterator[Stated]:
        """The expressions of a value, or of a list of such."""
        for stated in self._stated(node, _EXPRESSION):
            try:
                names_in(stated.text)
            except ExpressionError as error:
                self._error(error.message, stated.at(error.offset, error.length), error.hint)
            else:
                yield stated

    def _stated(self, node: Node, what: str) -> Iterator[Stated]:
        """A text, or the texts of a list."""
        for one in node.items if isinstance(node, ListNode) else [node]:
            text = one.text.strip() if isinstance(one, ScalarNode) else ""
            if not isinstance(one, ScalarNode) or not text:
                self._error(f"expected {what}", one.mark)
            elif one.inset is None:
                yield Stated(text, one.mark, verbatim=False)
            else:
                yield Stated(text, one.mark.shifted(one.inset + one.text.index(text), len(text)))

    def _pareto(self, node: Node) -> tuple[Stated, ...]:
        figures = []
        for stated in self._stated(node, "figures such as `params, -receptive_field`"):
            offset = 0
            for part in stated.text.split(","):
                name = part.strip()
                mark = stated.at(offset + part.index(name), len(name))
                if name.strip("- "):
                    figures.append(Stated(name, mark, stated.verbatim))
                else:
                    self._error("a figure is missing", mark, "as in `params, -receptive_field`")
                offset += len(part) + 1
        return tuple(figures)

    def _sort(self, node: Node) -> Stated | None:
        figures = self._pareto(node)
        if len(figures) > 1:
            self._error("designs are sorted by one figure", figures[1].mark, "the frontier of several is `pareto:`")
        return figures[0] if figures else None

    # -- how --

    def _whole(self, node: Node, least: int) -> int | None:
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, float) and isfinite(value) and value.is_integer():
            value = int(value)
        if type(value) is int and value >= least:
            return value
        self._error(f"expected a whole number of at least {least}", node.mark)
        return None

    def _top(self, node: Node) -> int | None:
        return self._whole(node, 1)

    def _batch(self, node: Node) -> int | None:
        return self._whole(node, 1)

    def _sample(self, node: Node) -> Sample | None:
        entries = {"count": node}
        if isinstance(node, MapNode):
            entries = {key: value for key, value, _ in self._reader.mapping(node, "a sample", _SAMPLE_KEYS)}
            if "count" not in entries:
                self._error("a sample needs `count:`", node.mark, "as in `sample: {count: 1e6, seed: 1}`")
                return None
        arguments: dict[str, Any] = {"count": self._whole(entries["count"], 1)}
        if "seed" in entries:
            arguments["seed"] = self._whole(entries["seed"], 0)
        if "method" in entries:
            method = self._one_of(entries["method"], "method", METHODS)
            arguments["method"] = method and method.text
        if None in arguments.values():
            return None
        try:
            return Sample(**arguments)
        except UsageError as error:
            self._error(str(error), node.mark)
            return None

    def _precision(self, node: Node) -> Stated | None:
        return self._one_of(node, "precision", WORDS)

    def _optimizer(self, node: Node) -> Stated | None:
        return self._one_of(node, "optimizer", [name for name in OPTIMIZERS if name != "none"])

    def _device(self, node: Node) -> Stated | None:
        return self._one_of(node, "device", PLACES)

    def _one_of(self, node: Node, what: str, words: Iterable[str]) -> Stated | None:
        for stated in self._stated(node, f"one of {', '.join(words)}"):
            if stated.text.lower() in words:
                return replace(stated, text=stated.text.lower())
            hint = nearest(stated.text, words) or f"one of {', '.join(words)}"
            self._error(f"unknown {what} `{stated.text}`", stated.mark, hint)
        return None


def unknown_axes(document: Document, sweep: SweepSection) -> Iterator[Diagnostic]:
    """What varies in a sweep, but is not in the design; where a mistake has left much out, nothing is said."""
    for varied in sweep.vary:
        (kind, name, place), mark = varied.axis.target, varied.mark
        if kind == "input" and name and name not in document.inputs and not document.broken & {"input:", "inputs:"}:
            hint = suggestion(name, document.inputs) or f"inputs: {', '.join(document.inputs)}"
            yield Diagnostic(f"the design has no input `{name}`", mark, hint)
        if kind not in ("variable", "element") or "vars:" in document.broken:
            continue
        node = document.vars.get(name)
        if node is None:
            names = (*document.vars, "input", "batch")
            hint = suggestion(name, names) or f"variables: {', '.join(document.vars) or 'none'}"
            yield Diagnostic(f"the design has no variable `{name}`", mark, hint)
        elif place is not None and isinstance(node, ListNode) and place >= len(node.items):
            yield Diagnostic(f"`{name}` has {counted(len(node.items), 'element')}, numbered from 0", mark)
        elif place is not None and isinstance(node, ScalarNode) and not isinstance(node.value, str):
            yield Diagnostic(f"`{name}` is no list", mark, f"vary `{name}` itself")
