"""What the expressions of a sweep may name: figures of a design, of its parts, its variables, columns before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from typing import Any

from archscope.arith import minimum
from archscope.comparison import FIGURES, Side
from archscope.errors import UsageError, suggestion
from archscope.figures import FIELDS, Figure
from archscope.spec.expressions import ExpressionError, evaluate
from archscope.sweeps.model import Question
from archscope.verify import FigureNames

#: styles of figures that are numbers that can be computed
_NUMBERS = ("count", "ratio", "seconds", "axes")
#: every figure of a design that a sweep can tell
SWEPT: dict[str, Figure] = {name: column for name, column in FIGURES.items() if column.style in _NUMBERS}


#: what a condition may name of how the designs are run
BATCH = "batch"


class Unanswerable(UsageError):
    """An expression that no design gives a value to.

    Attributes:
        text: the expression.
        error: what is wrong with it.
    """

    def __init__(self, text: str, error: ExpressionError) -> None:
        super().__init__(f"`{text}`: {error.message}{'; ' + error.hint if error.hint else ''}")
        self.text, self.error = text, error

    def __reduce__(self) -> tuple[Any, ...]:
        return UsageError, (str(self),)  # from a worker, as words


class DesignNames:
    """The names that are known of one design.

    A varied variable hides a figure of its name, a figure a variable that stays as it is; ``batch`` is that of the run
    where no variable is called so.

    Args:
        axes: the values of what varies.
        alone: makes the design in plain numbers, for figures that decide by every number.

    Attributes:
        columns: derived ones, as far as they are known.
        undefined: what has no value in this design, and why.
    """

    def __init__(self, side: Side, axes: Mapping[str, Any], alone: Callable[[], Side]) -> None:
        self._side, self._axes, self._alone = side, axes, alone
        self._variables = dict(side.design.vars)
        self.columns: dict[str, Any] = {}
        self.undefined: dict[str, ExpressionError] = {}

    def lookup(self, name: str) -> Any:
        """The value of a name.

        Raises:
            KeyError: there is none.
            ExpressionError: a part of the design, or what is known of it, does not exist.
        """
        for values in (self._axes, self.columns):
            if name in values:
                return values[name]
        if name in SWEPT or "." in name:
            return self.column(name)
        return self._batch if name == BATCH and BATCH not in self._variables else self._variables[name]

    @property
    def _batch(self) -> int:
        return self._side.account.setting.batch

    def figure(self, name: str) -> Any:
        """A figure of the design; of a receptive field, the smallest over the axes."""
        value = (self._plain if SWEPT[name].kind == "allocator" else self._side).figure(name)
        if name not in FIELDS:
            return value
        if not value:
            raise ExpressionError("the output sees no input", undefined=True)
        return reduce(minimum, value)

    @cached_property
    def _plain(self) -> Side:
        return self._alone()

    def _along(self, figure: str, axis: str) -> Any:
        output = self._side.design.outputs[0][1].node
        axes = [field.axis for field in self._side.account.fields[output]]
        if axis not in axes:
            raise ExpressionError(f"the output sees no axis `{axis}`; it sees {', '.join(axes)}", undefined=True)
        return self._side.figure(figure)[axes.index(axis)]

    def of_part(self, part: str, figure: str) -> Any:
        """A figure of a layer or a block."""
        try:
            names = FigureNames(self._side.account, part)
        except UsageError as error:  # other designs may have it
            raise ExpressionError(str(error), undefined=True) from None
        if figure not in names.vocabulary():
            hint = suggestion(figure, names.vocabulary())
            raise ExpressionError(f"`{part}` has no figure `{figure}`", hint)
        value = names.lookup(figure)
        if isinstance(value, tuple) and figure in FIELDS:
            return reduce(minimum, value)
        return value

    def column(self, name: str) -> Any:
        """A figure of the design, or one of a part (``LAYER.figure``), whatever varies by its name.

        Raises:
            ExpressionError: there is none.
        """
        if name in SWEPT:
            return self.figure(name)
        part, _, figure = name.rpartition(".")
        return self._along(part, figure) if part in FIELDS else self.of_part(part, figure)

    def answers(self, question: Question) -> list[Any]:
        """All columns, then what the constraints say; ``None`` where a design has no such figure.

        Raises:
            Unanswerable: an expression that no design gives a value to.
        """
        answers = [self._answer(name, self.column, name) for name in question.figures]
        for name, text in question.derived:
            self.columns[name] = self._answer(text, evaluate, text, self)
            answers.append(self.columns[name])
        return answers + [self._answer(text, evaluate, text, self) for text in question.where]

    def _answer(self, text: str, tell: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return tell(*arguments)
        except ExpressionError as error:
            if not error.undefined:
                raise Unanswerable(text, error) from None
            self.undefined[text] = error
            return None

    def spend(self, values: int) -> None:
        """A sweep takes as long as its designs."""

    def vocabulary(self) -> Sequence[str]:
        """All names but those of parts."""
        return [*self._axes, *self.columns, *SWEPT, *self._variables, BATCH]
