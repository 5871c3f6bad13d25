"""From what a person asks to the plan of a sweep; what cannot be asked is said before anything is counted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any

from archscope.analysis.metrics import FIELD_FIGURES, METRICS
from archscope.comparison import Setting
from archscope.design import Design, Origin
from archscope.diagnostics import Diagnostic
from archscope.errors import SpecError, UsageError, suggestion
from archscope.load import load, read_document
from archscope.spec.axes import Axis, Sample, read_axis
from archscope.spec.document import Document
from archscope.spec.expressions import ExpressionError, conjuncts, names_in
from archscope.spec.reader import ListNode, ScalarNode
from archscope.spec.section import SweepSection, Varied, unknown_axes
from archscope.sweeps.model import Objective, Question
from archscope.sweeps.names import SWEPT, Unanswerable
from archscope.sweeps.plan import Plan
from archscope.sweeps.space import Space
from archscope.table import Column

#: columns that are shown besides those that are asked for
DEFAULT = ("params", "macs")
#: so many designs are tried, and so many legal ones asked, to see what an expression gives
_TRIED, _ENOUGH = 50, 3
_REAL = ("jump", "field_center")  # figures that are whole in most designs, not in all

Vary = Mapping[str, Any] | Iterable[Axis | str]
Texts = str | Sequence[str]


def planned(
    spec: str | os.PathLike[str] | Document | Design,
    *,
    vary: Vary | None = None,
    where: Texts | None = None,
    derive: Mapping[str, str] | None = None,
    columns: Texts | None = None,
    pareto: Texts | None = None,
    sort: str | None = None,
    top: int | None = None,
    sample: int | Sample | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002  # the option is called so everywhere
    input: Sequence[int] | Mapping[str, Sequence[int]] | None = None,  # noqa: A002
    setting: Setting | Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of a sweep; what is not given is what the spec's ``sweep:`` says.

    Args:
        vary: values by variable, as :meth:`Axis.read` takes them; or axes, or texts such as ``width=16:128:8``.
        where: conditions, joined by ``and`` or one by one.
        derive: further columns: expressions by name.
        columns: figures that are columns; unasked, parameters, MACs, and what else the question names.
        pareto: figures, or derived columns, to be small, or, behind a ``-``, large.
        sort: the same for the order of the best.
        setting: how the designs are run; or what of it differs from what the spec says.

    Raises:
        SpecError: the spec, or its ``sweep:``, is wrong.
        UsageError: what is asked cannot be answered.
    """
    origin = _origin(spec)
    document: Document = origin.document
    section: SweepSection | None = document.sweep
    own = set or {}
    given = input if isinstance(input, Mapping) else {next(iter(document.inputs), "input"): input} if input else {}
    axes = tuple(_axes(vary)) if vary is not None else section.axes if section else ()
    if not axes:
        raise UsageError("nothing varies: give --vary width=16:128:8, or write `sweep:` into the spec")
    _check_axes(document, axes, own, given)
    taken = [_taken(document, axis) for axis in axes]  # what a design was loaded with gives way to what varies
    sets = {name: value for name, value in origin.sets.items() if ("variable", name) not in taken} | dict(own)
    shapes = {name: shape for name, shape in origin.shapes.items() if ("input", name) not in taken} | dict(given)
    if isinstance(sample, int):
        sample = Sample(sample)
    space = Space(axes, sample if sample is not None else section.sample if section else None)
    base = load(document, set=sets, input=shapes or None)
    asked = _Asked(section, where, derive, columns, pareto, sort)
    question = Question(
        asked.figures(axes),
        asked.derive,
        asked.where,
        asked.pareto,
        asked.sort,
        top or (section.top if section else None) or 20,
        (setting if isinstance(setting, Setting) else _setting(section)._replace(**(setting or {}))).check(),
    )
    lists = dict(_lists(document, axes, sets, base))
    inputs = {node.name: node.shape for node in base.inputs}
    plan = Plan(document, sets, shapes, lists, inputs, space, question)
    return _told(plan, asked)


def _origin(spec: str | os.PathLike[str] | Document | Design) -> Origin:
    if not isinstance(spec, Design):
        return Origin(spec if isinstance(spec, Document) else read_document(spec), {}, {})
    if spec.origin is None:
        raise UsageError(f"{spec.name} was unpickled, and has forgotten its spec; load it again")
    return spec.origin


def _axes(vary: Vary) -> Iterator[Axis]:
    if isinstance(vary, Mapping):
        yield from (Axis.read(name, values) for name, values in vary.items())
    else:
        yield from (one if isinstance(one, Axis) else read_axis(one) for one in vary)


def _check_axes(document: Document, axes: Sequence[Axis], sets: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
    """What varies is there, and is not given besides."""
    varied = tuple(Varied(axis, None) for axis in axes)  # type: ignore[arg-type]  # it stands in no spec
    for problem in unknown_axes(document, SweepSection(None, varied)):  # type: ignore[arg-type]
        raise UsageError(f"{problem.message}{'; ' + problem.hint if problem.hint else ''}")
    for axis in axes:
        kind, name = _taken(document, axis)
        if kind == "variable" and name in sets:
            raise UsageError(f"`{name}` is varied and set; leave one of them out")
        if kind == "input" and name in shapes:
            raise UsageError(f"`{axis.name}` is varied and given; leave one of them out")


def _taken(document: Document, axis: Axis) -> tuple[str, str]:
    """What an axis changes as a whole: its kind, and the name of the variable or the input."""
    kind, name, _ = axis.target
    return kind, name or (next(iter(document.inputs), "") if kind == "input" else "")


def _lists(
    document: Document, axes: Sequence[Axis], sets: Mapping[str, Any], base: Design
) -> Iterator[tuple[str, Sequence[Any]]]:
    """The elements of lists of which one varies, as they stand in the spec: the others may follow from variables."""
    variables = dict(base.vars)
    for axis in axes:
        kind, name, place = axis.target
        if kind != "element":
            continue
        value, node = variables[name], document.vars[name]
        if not isinstance(value, tuple):
            raise UsageError(f"`{axis.name}` cannot be varied: `{name}` is no list")
        if (place or 0) >= len(value):
            raise UsageError(f"`{axis.name}` cannot be varied: `{name}` has {len(value)} elements, numbered from 0")
        stated = node.items if isinstance(node, ListNode) and name not in sets else []
        if stated and all(isinstance(item, ScalarNode) for item in stated):
            yield name, [item.value for item in stated if isinstance(item, ScalarNode)]
        else:
            yield name, value


def _setting(section: SweepSection | None) -> Setting:
    """What a spec says of how its designs are run."""
    if section is None:
        return Setting()
    given = {"batch": section.batch} | {
        name: stated and stated.text for name, stated in (
            ("dtype", section.dtype), ("optimizer", section.optimizer), ("device", section.device),
        )
    }  # fmt: skip
    return Setting(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


class _Asked:
    """What is asked of every design, by options or by the spec."""

    def __init__(
        self,
        section: SweepSection | None,
        where: Texts | None,
        derive: Mapping[str, str] | None,
        columns: Texts | None,
        pareto: Texts | None,
        sort: str | None,
    ) -> None:
        self._section = section
        self._columns = _several(columns)
        stated = section or SweepSection(None)  # type: ignore[arg-type]
        conditions = (
            [one.text for one in stated.where] if where is None else [where] if isinstance(where, str) else where
        )
        try:
            self.where = tuple(dict.fromkeys(part for text in conditions if text.strip() for part in conjuncts(text)))
        except ExpressionError as error:
            raise UsageError(f"{error.message}; as in 'params < 5e6 and macs < 600e6'") from None
        own = {name: one.text for name, one in stated.derive}
        self.derive = tuple((own if derive is None else dict(derive)).items())
        self.pareto = tuple(
            map(Objective.read, _several(pareto) if pareto is not None else [p.text for p in stated.pareto])
        )
        text = sort if sort is not None else stated.sort.text if stated.sort else None
        self.sort = None if text is None else Objective.read(text)

    def figures(self, axes: Sequence[Axis]) -> tuple[str, ...]:
        """The columns that are figures.

        Raises:
            UsageError: a figure that there is not.
        """
        derived = [name for name, _ in self.derive]
        for name in derived:
            if name in SWEPT or not name.isidentifier():
                raise UsageError(f"a derived column cannot be called `{name}`; choose another name")
        wanted = [one.column for one in (*self.pareto, *([self.sort] if self.sort else []))]
        hidden = {axis.name for axis in axes}
        try:
            used = [name for text in (*self.where, *(text for _, text in self.derive)) for name in names_in(text)]
        except ExpressionError as error:
            raise UsageError(f"{error.message}; {error.hint}" if error.hint else error.message) from None
        mentioned = [name for name in used if name in SWEPT and name not in hidden]
        chosen = self._columns or (*DEFAULT, *mentioned)
        found = tuple(dict.fromkeys(name for name in (*chosen, *wanted) if name not in derived))
        for name in found:
            if name not in SWEPT and "." not in name:
                hint = suggestion(name, [*SWEPT, *derived]) or f"figures: {', '.join(SWEPT)}"
                raise UsageError(f"there is no figure `{name}`; {hint}")
        return found

    def refusal(self, error: Unanswerable) -> SpecError | UsageError:
        """The same error with its place, if it is the spec that asks."""
        stated = [*self._section.where, *(one for _, one in self._section.derive)] if self._section else []
        for one in stated:
            offset = one.text.find(error.text)
            if offset >= 0:
                mark = one.at(offset + error.error.offset, error.error.length)
                return SpecError([Diagnostic(error.error.message, mark, error.error.hint)])
        return error


def _several(texts: Texts | None) -> list[str]:
    """Names, separated by commas or one by one."""
    parts = texts.split(",") if isinstance(texts, str) else texts or []
    return [part.strip() for part in parts if part.strip()]


def _told(plan: Plan, asked: _Asked) -> Plan:
    """The plan with its columns, after a few designs have been asked for them.

    Raises:
        SpecError, UsageError: a question makes no sense, or has no answer in any of them.
    """
    question = plan.question
    try:
        answers = _first_answers(plan)
    except Unanswerable as error:
        raise asked.refusal(error) from None
    texts = [*question.figures, *(text for _, text in question.derived), *question.where]
    for text, values in zip(texts[len(texts) - len(question.where) :], answers[-len(question.where) :], strict=False):
        if not all(isinstance(value, bool) or value is None for value in values):
            raise UsageError(f"`{text}` is no condition; one such as `params < 5e6` is needed")
    columns, whole = [], []
    names = [*question.figures, *(name for name, _ in question.derived)]
    for name, text, values in zip(names, texts, answers, strict=False):
        if any(isinstance(value, bool) or not isinstance(value, (int, float, NoneType)) for value in values):
            raise UsageError(f"`{text}` is no number, and cannot be a column")
        whole.append(_is_whole(name, values))
        columns.append(_column(name, text, whole[-1]))
    return replace(plan, columns=tuple(columns), whole=tuple(whole))


def _first_answers(plan: Plan) -> list[list[Any]]:
    """What a few legal designs answer, question by question; no answers if none of those tried is legal.

    Raises:
        Unanswerable: a question makes no sense, or has no answer in any of them.
    """
    count, question = plan.space.count, plan.question
    asked = [*question.figures, *(text for _, text in question.derived), *question.where]
    found: list[list[Any]] = []
    for number in dict.fromkeys(round(i * (count - 1) / (_TRIED - 1)) for i in range(_TRIED)):
        values = plan.space.values(number)
        try:
            names = plan.names(plan.design(values), values)
        except (SpecError, UsageError):
            continue
        found.append(names.answers(question))
        if len(found) == _ENOUGH:
            break
    columns = [list(column) for column in zip(*found, strict=True)] or [[] for _ in asked]
    for text, answers in zip(asked, columns, strict=True):
        if answers and all(answer is None for answer in answers):
            raise Unanswerable(text, names.undefined[text])
    return columns


def _column(name: str, text: str, whole: bool) -> Column:
    """What is known of a column; its style is ``count`` if it holds integers."""
    number = "count" if whole else "ratio"
    if name in SWEPT:
        column = SWEPT[name]
        smallest = "; the smallest over the axes" if name in FIELD_FIGURES else ""
        style = column.style if column.style == "seconds" else number
        return replace(column, style=style, convention=column.convention + smallest)
    part, _, figure = name.rpartition(".")
    if part and figure in METRICS:
        metric = METRICS[figure]
        return Column(name, name, metric.unit, f"{metric.convention}; of {part}", number, additive=False)
    return Column(name, name, "", text, number, additive=False)


def _is_whole(name: str, values: Sequence[Any]) -> bool:
    """Whether a column holds integers: a figure that is counted, or an expression that gives such."""
    last = name.rpartition(".")[2] if "." in name else name
    if last in _REAL or name.rpartition(".")[0] in _REAL:
        return False
    if name in SWEPT:
        return SWEPT[name].style in ("count", "axes")
    return bool(values) and all(isinstance(value, int) for value in values)
