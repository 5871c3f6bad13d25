"""Published figures and budgets held against the computed account."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archscope.analysis.counts.account import Account, analyze
from archscope.design import Budget, Design, Expectation
from archscope.errors import SpecError, UsageError, suggestion
from archscope.errors.diagnostics import Diagnostic
from archscope.figures import FIELDS, FIGURES, known_of, scope_of
from archscope.setting import Setting
from archscope.shown import Shown
from archscope.spec.expressions import ExpressionError, evaluate

Value = float | tuple[int, ...]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "==": operator.eq,
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One figure held against what was stated about it.

    Attributes:
        figure: with the layer in front: ``conv1.params``.
        expected: the published figure, or a limit as the spec writes it.
        computed: what archscope computes.
        ok: whether they agree within the allowed difference.
        about: what was stated.
    """

    figure: str
    expected: Value | str
    computed: Value
    ok: bool
    about: Expectation | Budget

    @property
    def note(self) -> str:
        """The source, and what was published where that is wrong."""
        if isinstance(self.about, Budget):
            return "budget"
        published = "" if self.about.stated is None else f"published: {self.about.stated} (wrong)"
        return "; ".join(part for part in (published, self.about.source) if part)

    @property
    def difference(self) -> float | None:
        """Computed minus expected; of numbers only."""
        if isinstance(self.expected, (str, tuple)) or isinstance(self.computed, tuple):
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
    design: Design, setting: Setting | None = None, *, account: Account | None = None, **changes: Any
) -> Verification:
    """Hold every ``expect:`` and ``budget:`` of a design against its account.

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`).
        changes: fields of a setting that differ from it: ``batch=32``.
        account: of it under that setting, where it is known already.

    Raises:
        SpecError: an expectation or a budget names a figure or a layer that does not exist.
        UsageError: a setting that cannot be.
    """
    account = analyze(design, setting, **changes) if account is None else account
    problems: list[Diagnostic] = []
    verdicts: list[Verdict] = []
    statements: list[Expectation | Budget] = [*design.expectations, *design.budgets]
    for stated in statements:
        try:
            verdicts.append(_judge(account, stated))
        except ExpressionError as error:
            problems.append(Diagnostic(error.message, stated.mark, error.hint))
        except UsageError as error:
            problems.append(Diagnostic(str(error), stated.mark))
    if problems:
        raise SpecError(problems)
    return Verification(design, tuple(verdicts), account.setting)


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


def _judge(account: Account, stated: Expectation | Budget) -> Verdict:
    return _expectation(account, stated) if isinstance(stated, Expectation) else _budget(account, stated)


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
    computed = evaluate(stated.figure, FigureNames(account, None))
    if isinstance(computed, tuple) and stated.figure not in FIELDS:
        raise ExpressionError(f"`{stated.figure}` is a shape, and has no limit")
    values = computed if isinstance(computed, tuple) else (computed,)
    ok = computed is not None and all(_COMPARISONS[stated.comparison](value, stated.limit) for value in values)
    return Verdict(stated.figure, f"{stated.comparison} {stated.limit:,.10g}", computed, ok, stated)
