"""Published figures and budgets held against the computed account."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from archscope.analysis.counts.account import Account, analyze
from archscope.design import Budget, Condition, Design, Expectation
from archscope.errors import SpecError, UsageError, suggestion
from archscope.errors.diagnostics import Diagnostic
from archscope.figures import FIELDS, FIGURES, known_of, scope_of
from archscope.setting import Setting
from archscope.shown import Shown
from archscope.spec.expressions import ExpressionError, evaluate, names_in

Value = float | tuple[int, ...]
Stated = Expectation | Budget | Condition

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq,
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One figure held against what was stated about it.

    Attributes:
        figure: with the layer in front: ``conv1.params``.
        expected: the published figure, or a limit as the spec writes it.
        computed: what archscope computes; of a growth, and of a condition, in words.
        ok: whether they agree within the allowed difference.
        about: what was stated.
    """

    figure: str
    expected: Value | str
    computed: Value | str
    ok: bool
    about: Stated

    @property
    def note(self) -> str:
        """The source, and what was published where that is wrong."""
        if isinstance(self.about, Condition):
            return "condition"
        if isinstance(self.about, Budget):
            return self.about.source
        published = "" if self.about.stated is None else f"published: {self.about.stated} (wrong)"
        return "; ".join(part for part in (published, self.about.source) if part)

    @property
    def difference(self) -> float | None:
        """Computed minus expected; of numbers only."""
        if isinstance(self.expected, (str, tuple)) or isinstance(self.computed, (str, tuple)):
            return None
        return self.computed - self.expected


@dataclass(frozen=True)
class Verification(Shown, report="verification"):
    """All verdicts on a design.

    Attributes:
        setting: how it is run; figures are published of a batch of 1, and most in the usual precision.
    """

    design: Design
    verdicts: tuple[Verdict, ...]
    setting: Setting = Setting()

    @property
    def ok(self) -> bool:
        """Whether every published figure comes out and every budget is kept."""
        return all(verdict.ok for verdict in self.verdicts)


def verify(
    design: Design,
    setting: Setting | None = None,
    *,
    account: Account | None = None,
    base: Account | None = None,
    **changes: Any,
) -> Verification:
    """Hold every ``expect:`` and ``budget:`` of a design against its account.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.
        account: of it under that setting, where it is known already.
        base: of the design that it was before, under the same; without one no limit of growth is held.

    Raises:
        SpecError: an expectation or a budget names a figure or a layer that does not exist.
        UsageError: an impossible setting.
    """
    account = analyze(design, setting, **changes) if account is None else account
    return Verification(design, tuple(judged(account, [*design.expectations, *design.budgets], base)), account.setting)


def judged(account: Account, statements: Iterable[Stated], base: Account | None = None) -> list[Verdict]:
    """What is stated about a design held against its account, and against that of what it was before.

    Raises:
        SpecError: as :func:`verify`.
    """
    problems: list[Diagnostic] = []
    verdicts: list[Verdict] = []
    for stated in statements:
        mark = None if isinstance(stated, Condition) else stated.mark
        try:
            verdict = _judge(account, stated, base)
            if verdict is not None:
                verdicts.append(verdict)
        except ExpressionError as error:
            problems.append(Diagnostic(error.message, mark, error.hint))
        except UsageError as error:
            problems.append(Diagnostic(str(error), mark))
    if problems:
        raise SpecError(problems)
    return verdicts


class FigureNames:
    """The figures of a design, of a layer or of a block, as names of the expression language.

    ``fc1.params`` is the figure of a part, so that a part may be set against the whole.
    """

    def __init__(self, account: Account, layer: str | None) -> None:
        self._account, self._part = account, account[layer] if layer else None

    def lookup(self, name: str) -> Any:
        part, _, figure = name.rpartition(".")
        if part:
            inner = FigureNames(self._account, part)
            if figure not in inner.vocabulary():
                raise ExpressionError(f"`{part}` has no figure `{figure}`", suggestion(figure, inner.vocabulary()))
            return inner.lookup(figure)
        if name not in self.vocabulary():
            raise KeyError(name)
        return FIGURES[name].value(self._account, self._part)

    def spend(self, values: int) -> None:
        """A spec states so many figures at most."""

    def vocabulary(self) -> Sequence[str]:
        return list(known_of(scope_of(self._account, self._part)))


def _judge(account: Account, stated: Stated, base: Account | None) -> Verdict | None:
    if isinstance(stated, Expectation):
        return _expectation(account, stated)
    if isinstance(stated, Condition):
        return _condition(account, stated)
    return _growth(account, stated, base) if stated.grows else _budget(account, stated)


def _expectation(account: Account, stated: Expectation) -> Verdict:
    figure = "keras_params" if stated.convention == "keras" and stated.figure == "params" else stated.figure
    computed = evaluate(figure, FigureNames(account, stated.layer))
    if isinstance(computed, tuple) != isinstance(stated.value, tuple) and stated.figure not in FIELDS:
        kinds = ("a shape", "a number") if isinstance(computed, tuple) else ("a number", "a shape")
        if computed is not None:
            raise ExpressionError(f"`{stated.figure}` is {kinds[0]}, not {kinds[1]}")
    name = f"{stated.layer}.{stated.figure}" if stated.layer else stated.figure
    return Verdict(name, stated.value, computed, _agree(stated, computed), stated)


def _agree(stated: Expectation, computed: Any) -> bool:
    if isinstance(computed, tuple) and not isinstance(stated.value, tuple) and stated.figure in FIELDS:
        return bool(computed) and all(_agree(stated, value) for value in computed)  # one number for all axes
    if isinstance(stated.value, tuple) or isinstance(computed, tuple) or computed is None:
        return bool(stated.value == computed)
    allowed = stated.within * abs(stated.value) if stated.relative else stated.within
    return bool(abs(computed - stated.value) <= allowed)


def _budget(account: Account, stated: Budget) -> Verdict:
    computed = _limited(account, stated)
    values = computed if isinstance(computed, tuple) else (computed,)
    ok = computed is not None and all(_COMPARISONS[stated.comparison](value, stated.limit) for value in values)
    return Verdict(stated.figure, str(stated), computed, ok, stated)


def _limited(account: Account, stated: Budget) -> Any:
    computed = evaluate(stated.figure, FigureNames(account, None))
    if isinstance(computed, tuple) and stated.figure not in FIELDS:
        raise ExpressionError(f"`{stated.figure}` is a shape, and has no limit")
    return computed


def _growth(account: Account, stated: Budget, base: Account | None) -> Verdict | None:
    """How much more a figure is than before; the axes of a field each by itself. Without a base there is nothing."""
    now = _limited(account, stated)
    before = None if base is None else _limited(base, stated)
    if before is None or now is None:
        return None
    pairs = zip(_axes(before), _axes(now), strict=False)  # as many axes as both have
    steps = [growth(*pair) if stated.relative else pair[1] - pair[0] for pair in pairs]
    most = max(steps, default=0)
    grew = f"{100 * most:+,.3g}%" if stated.relative else f"{most:+,.10g}"
    words = f"{grew}, {_written(before)} -> {_written(now)}"
    return Verdict(stated.figure, str(stated), words, _COMPARISONS[stated.comparison](most, stated.limit), stated)


def growth(before: float, now: float) -> float:
    """``(now - before) / before``; infinite where there was nothing, unless there still is nothing."""
    return (now - before) / before if before else inf if now > 0 else 0.0


def _axes(figure: Any) -> tuple[Any, ...]:
    return figure if isinstance(figure, tuple) else (figure,)


def _written(figure: Any) -> str:
    return " x ".join(f"{one:,.10g}" for one in _axes(figure))


def _condition(account: Account, stated: Condition) -> Verdict:
    names = FigureNames(account, None)
    holds = evaluate(stated.text, names)
    if not isinstance(holds, bool):
        raise ExpressionError(f"`{stated.text}` is no condition", "one such as `params < 5e6` is needed")
    figures = (f"{name} = {_written(evaluate(name, names))}" for name in names_in(stated.text) if name in FIGURES)
    return Verdict(stated.text, "to hold", ", ".join(figures), holds, stated)
