"""From what a person asks to the plan of a sweep; what cannot be asked is said before anything is counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import NoneType
from typing import Any

from archscope.comparison import timeable
from archscope.design import Design, Origin, incomplete
from archscope.errors import SpecError, UsageError, counted, suggestion
from archscope.errors.diagnostics import Diagnostic, Mark
from archscope.figures import COSTS, FIELDS, Column, dependence, figures_in
from archscope.load import load, read_document, variant
from archscope.setting import Setting
from archscope.spec.axes import Axis, Sample, read_axis
from archscope.spec.document import Document
from archscope.spec.expressions import ExpressionError, conjuncts, names_in
from archscope.spec.reader import ListNode, ScalarNode
from archscope.spec.section import SweepSection, Varied, unknown_axes
from archscope.spec.values import Target
from archscope.sweeps.model import Objective, Question
from archscope.sweeps.names import SWEPT, Unanswerable
from archscope.sweeps.plan import Plan
from archscope.sweeps.space import Space

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
    **changes: Any,
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
        changes: fields of a setting that differ from it: ``batch=32``.

    Raises:
        SpecError: the spec, or its ``sweep:``, is wrong.
        UsageError: what is asked cannot be answered.
    """
    origin = _origin(spec)
    document: Document = origin.document
    if document.problems:
        _base(document, (), origin.sets, origin.shapes)  # which tells them all, in their places
    section: SweepSection | None = document.sweep
    run, batch_asked = _setting(section, setting, changes)
    own = set or {}
    named = input if isinstance(input, Mapping) else {next(iter(document.inputs), "input"): input} if input else {}
    axes = tuple(_axes(vary)) if vary is not None else section.axes if section else ()
    if not axes:
        raise UsageError("nothing varies: give --vary width=16:128:8, or write `sweep:` into the spec")
    if vary is not None:
        _check_axes(document, axes)
    _check_once(document, axes, own, named, batch_asked=batch_asked)
    taken = [_taken(document, axis) for axis in axes]  # what a design was loaded with gives way to what varies
    loaded = {name: value for name, value in origin.sets.items() if not any(_sets(name, axis) for axis in axes)}
    sets = loaded | dict(own)
    shapes = {name: shape for name, shape in origin.shapes.items() if ("input", name) not in taken} | dict(named)
    space = Space(axes, _sample(sample) if sample is not None else section.sample if section else None)
    base = _base(document, axes, sets, shapes)
    asked = _Asked(section, where, derive, columns, pareto, sort)
    question = Question(
        asked.figures(axes),
        asked.derive,
        asked.where,
        asked.pareto,
        asked.sort,
        _whole("top", top) if top is not None else (section.top if section else None) or 20,
        timeable(run),
    )
    lists = dict(_lists(document, axes, sets, base))
    inputs = {node.name: node.shape for node in base.inputs}
    warnings = (*base.warnings, *_hidden(question, dict(base.vars), {axis.name for axis in axes}))
    plan = Plan(document, sets, shapes, lists, inputs, space, question, incomplete(base), warnings)
    return _with_columns(plan, asked)


def _hidden(question: Question, variables: Mapping[str, Any], varied: Collection[str]) -> Iterator[Diagnostic]:
    """Variables that are called as figures are, where a condition or a formula may mean either."""
    texts = (*(text for _, text in question.derived), *question.where)
    named = dict.fromkeys(name for text in texts for name in names_in(text))
    for name in named:
        if name in SWEPT and name in variables:
            here, other = ("the variable that varies", "figure") if name in varied else ("the figure", "variable")
            message = f"`{name}` is {here} in conditions and formulas, and not the {other} of that name"
            yield Diagnostic(message, None, "give the variable another name", severity="warning")


def _origin(spec: str | os.PathLike[str] | Document | Design) -> Origin:
    if not isinstance(spec, Design):
        return Origin(spec if isinstance(spec, Document) else read_document(spec), {}, {})
    if spec.origin is None:
        raise UsageError(f"{spec.name} was unpickled, and has forgotten its spec; load it again")
    return spec.origin


def _setting(
    section: SweepSection | None, setting: Setting | Mapping[str, Any] | None, changes: Mapping[str, Any]
) -> tuple[Setting, bool]:
    """How the designs are run, and whether the batch is asked for."""
    if isinstance(setting, Setting):
        return setting.but(**changes), "batch" in changes  # one that varies is not that of the setting
    if setting is not None and not isinstance(setting, Mapping):
        raise UsageError(f"a setting is an archscope.Setting, not {setting!r}")
    asked = {**(setting or {}), **changes}
    return Setting(**_stated(section)).but(**asked), "batch" in asked


def _whole(what: str, number: Any) -> int:
    """A number of designs; 1e6 is one."""
    try:
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if whole < 1 or whole != number or isinstance(number, bool):
        raise UsageError(f"`{what}` is a whole number of at least 1, not {number!r}")
    return whole


def _sample(sample: int | Sample) -> Sample:
    return sample if isinstance(sample, Sample) else Sample(_whole("sample", sample))


def _axes(vary: Vary) -> Iterator[Axis]:
    if isinstance(vary, str):
        yield read_axis(vary)
    elif isinstance(vary, Mapping):
        yield from (Axis.read(name, values) for name, values in vary.items())
    else:
        yield from (one if isinstance(one, Axis) else read_axis(one) for one in vary)


def _check_axes(document: Document, axes: Sequence[Axis]) -> None:
    """What varies is there; of a ``sweep:`` the spec's other mistakes are told with it, in their places."""
    varied = tuple(Varied(axis, None) for axis in axes)  # it stands in no spec
    for problem in unknown_axes(document, SweepSection(None, varied)):
        raise UsageError(f"{problem.message}{'; ' + problem.hint if problem.hint else ''}")


def _check_once(
    document: Document,
    axes: Sequence[Axis],
    sets: Mapping[str, Any],
    shapes: Mapping[str, Any],
    *,
    batch_asked: bool,
) -> None:
    """What varies is not given besides."""
    for axis in axes:
        kind, name = _taken(document, axis)
        if any(_sets(stated, axis) for stated in sets):
            raise UsageError(f"`{axis.name}` is varied and set; leave one of them out")
        if kind == "input" and name in shapes:
            raise UsageError(f"`{axis.name}` is varied and given; leave one of them out")
        if kind == "batch" and batch_asked:
            raise UsageError("`batch` is varied and given; leave one of them out")


def _sets(stated: str, axis: Axis) -> bool:
    """Whether what is set is what an axis varies, or an element of it."""
    target = Target.read(stated)
    whole = axis.target.kind == "variable"
    return target is not None and (target == axis.target or (whole and target.name == axis.target.name))


def _base(
    document: Document, axes: Sequence[Axis], sets: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]
) -> Design:
    """The design where nothing varies; where it takes one of the values that vary to be legal, one with such.

    Raises:
        SpecError: the spec is wrong, or none of those tried is legal.
    """
    try:
        return load(document, set=sets, input=shapes or None)
    except SpecError:
        variables = tuple(axis for axis in axes if axis.target.kind == "variable")
        if not variables or document.problems:
            raise
        some = Space(variables, Sample(_TRIED))
        for number in range(some.count):
            with suppress(SpecError):
                return variant(document, {**sets, **some.values(number)}, shapes or None)
        raise


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
            raise UsageError(
                f"`{axis.name}` cannot be varied: `{name}` has {counted(len(value), 'element')}, numbered from 0"
            )
        stated = node.items if isinstance(node, ListNode) and name not in sets else []
        if stated and all(isinstance(item, ScalarNode) for item in stated):
            yield name, [item.value for item in stated if isinstance(item, ScalarNode)]
        else:
            yield name, value


def _stated(section: SweepSection | None) -> dict[str, Any]:
    """What a spec says of how its designs are run."""
    if section is None:
        return {}
    parts = {name: getattr(section, name) for name in ("precision", "optimizer", "device")}
    words = {name: stated.text for name, stated in parts.items() if stated is not None}
    return words if section.batch is None else {"batch": section.batch, **words}


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
        stated = section or SweepSection(None)
        self._stated = [
            *stated.where, *(one for _, one in stated.derive), *stated.pareto, *([stated.sort] if stated.sort else []),
        ]  # fmt: skip
        self._columns = _several("columns", columns) if columns is not None else []
        conditions = _texts("where", where) if where is not None else [one.text for one in stated.where]
        self.where = tuple(
            dict.fromkeys(part for text in conditions if text.strip() for part in self._read(conjuncts, text))
        )
        formulas = dict(derive or {})
        _texts("derive", list(formulas.values()))
        self.derive = tuple(({name: one.text for name, one in stated.derive} | formulas).items())
        objectives = _several("pareto", pareto) if pareto is not None else [one.text for one in stated.pareto]
        self.pareto = tuple(map(Objective.read, objectives))
        sorts = _several("sort", sort) if sort is not None else [stated.sort.text] if stated.sort else []
        if len(sorts) > 1:
            raise UsageError("designs are sorted by one figure; the frontier of several is `pareto`")
        self.sort = Objective.read(sorts[0]) if sorts else None

    def _read(self, reading: Callable[[str], list[str]], text: str) -> list[str]:
        try:
            return reading(text)
        except ExpressionError as error:
            hint = error.hint or "as in `params < 5e6 and macs < 600e6` or `macs / params`"
            raise self.refused(text, f"`{text}`: {error.message}", hint) from None

    def figures(self, axes: Sequence[Axis]) -> tuple[str, ...]:
        """The columns that are figures.

        Raises:
            SpecError, UsageError: a figure that there is not, or a column whose name is taken.
        """
        derived, varied = [name for name, _ in self.derive], [axis.name for axis in axes]
        for name, text in self.derive:
            if name in SWEPT or name in varied or not name.isidentifier():
                raise self.refused(text, f"a derived column cannot be called `{name}`", "choose another name")
        used = [
            name for text in (*self.where, *(text for _, text in self.derive)) for name in self._read(names_in, text)
        ]
        words = {value for axis in axes for value in axis.values if isinstance(value, str)}
        for name in used:
            if name in words and name not in (*SWEPT, *derived, *varied):
                raise self.refused(name, f"unknown name `{name}`", f"a word stands in quotes: '{name}'")
        mentioned = [name for name in used if name in SWEPT and name not in varied]
        wanted = [one.column for one in (*self.pareto, *([self.sort] if self.sort else []))]
        chosen = self._columns or (*DEFAULT, *mentioned)
        figures = tuple(dict.fromkeys(name for name in (*chosen, *wanted) if name not in derived))
        for name in figures:
            if name not in SWEPT and "." not in name:
                hint = (
                    f"derive a column from it: size={name}" if name in varied else suggestion(name, [*SWEPT, *derived])
                )
                raise self.refused(name, f"there is no figure `{name}`", hint or f"figures: {', '.join(SWEPT)}")
        for name in {one.column: one for one in self.pareto}:
            if sum(one.column == name for one in self.pareto) > 1:
                raise self.refused(name, f"`{name}` stands twice in the frontier's figures", "leave one of them out")
        return figures

    def refused(self, text: str, message: str, hint: str = "") -> SpecError | UsageError:
        """What is wrong with a text, with its place, if it is the spec that says it."""
        mark = self._mark(text, 0, len(text))
        return SpecError([Diagnostic(message, mark, hint)]) if mark else UsageError(f"{message}; {hint}")

    def refusal(self, error: Unanswerable) -> SpecError | UsageError:
        """The same error with its place, if it is the spec that asks."""
        mark = self._mark(error.text, error.error.offset, error.error.length)
        return SpecError([Diagnostic(error.error.message, mark, error.error.hint)]) if mark else error

    def _mark(self, text: str, offset: int, length: int) -> Mark | None:
        """The place of a part of a text in the spec."""
        for one in sorted(self._stated, key=lambda one: one.text != text):  # that itself, or what it is a part of
            start = one.text.find(text)
            if start >= 0:
                return one.at(start + offset, length)
        return None


def _texts(what: str, value: Any) -> list[str]:
    """Texts, of which one may stand alone."""
    texts = list(value) if isinstance(value, (list, tuple)) else [value]
    for one in texts:
        if not isinstance(one, str):
            raise UsageError(f"`{what}` is a text, or several, not {one!r}")
    return texts


def _several(what: str, names: Texts) -> list[str]:
    """Names, separated by commas or one by one."""
    parts = [part.strip() for text in _texts(what, names) for part in text.split(",")]
    if not all(part.strip("- ") for part in parts):
        raise UsageError(f"a figure is missing in `{what}`; it is written as in params,macs")
    return parts


def _with_columns(plan: Plan, asked: _Asked) -> Plan:
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
            raise asked.refused(text, f"`{text}` is no condition", "one such as `params < 5e6` is needed")
    columns, whole = [], []
    names = [*question.figures, *(name for name, _ in question.derived)]
    for name, text, values in zip(names, texts, answers, strict=False):
        if any(isinstance(value, bool) or not isinstance(value, (int, float, NoneType)) for value in values):
            raise asked.refused(text, f"`{text}` is no number", "a column holds numbers")
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
    rows: list[list[Any]] = []
    for number in dict.fromkeys(round(i * (count - 1) / (_TRIED - 1)) for i in range(_TRIED)):
        values = plan.space.values(number)
        try:
            names = plan.names(plan.design(values), values)
        except (SpecError, UsageError):
            continue
        rows.append(names.answers(question))
        if len(rows) == _ENOUGH:
            break
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in asked]
    for text, answers in zip(asked, columns, strict=True):
        if answers and all(answer is None for answer in answers):
            raise Unanswerable(text, names.undefined[text])
    return columns


def _column(name: str, text: str, whole: bool) -> Column:
    """What is known of a column; its style is ``count`` if it holds integers."""
    number = "count" if whole else "number"
    if name in SWEPT:
        column = SWEPT[name].column
        smallest = "; the smallest over the axes" if name in FIELDS else ""
        style = column.style if column.style in ("seconds", "ratio") else number
        return replace(column, style=style, convention=column.convention + smallest)
    part, _, figure = name.rpartition(".")
    if part and figure in COSTS:
        metric = COSTS[figure]
        return Column(
            name, name, metric.unit, f"{metric.convention}; of {part}", number, additive=False, **dependence(metric)
        )
    return Column(name, name, "", text, number, additive=False, **dependence(*figures_in(names_in(text))))


def _is_whole(name: str, values: Sequence[Any]) -> bool:
    """Whether a column holds integers: a figure that is counted, or an expression that gives such."""
    last = name.rpartition(".")[2] if "." in name else name
    if last in _REAL or name.rpartition(".")[0] in _REAL:
        return False
    if name in SWEPT:
        return SWEPT[name].style in ("count", "axes")
    return bool(values) and all(isinstance(value, int) for value in values)
