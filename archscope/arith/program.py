"""What was recorded of one design, as a program over arrays: a block of designs in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archscope.arith.helpers import is_real
from archscope.arith.operations import COMPARISONS, OPERATIONS, on_arrays
from archscope.arith.recorded import Recorded, Truth, bounds_of

Array = npt.NDArray[Any]
_LOGIC = ("and", "or", "not")


class _Instruction(NamedTuple):
    """One operation.

    Attributes:
        apply, plain: on arrays, and on the numbers of one design.
        target: the register that takes the result.
        arguments: registers.
        expected: what the result has to be for the program to be the design's; ``None`` where it may be anything.
        free: registers that nobody reads afterwards.
    """

    apply: Callable[..., Any]
    plain: Callable[..., Any]
    target: int
    arguments: tuple[int, ...]
    expected: Any
    free: tuple[int, ...]


class Program:
    """The numbers of all designs of one structure.

    Args:
        outputs: numbers that are wanted, recorded or plain.
        decisions: what must fall alike, each with its value.

    Attributes:
        names: of the variables that it needs.
    """

    def __init__(self, outputs: Sequence[Any], decisions: Mapping[Recorded, Any]) -> None:
        needed = ingredients([*decisions, *(one for one in outputs if isinstance(one, Recorded))])
        self._registers: list[Any] = []
        at: dict[Any, int] = {}
        self._inputs: list[tuple[int, str]] = []
        self._expected: list[tuple[int, Any]] = []  # of inputs
        made: list[tuple[Recorded, int]] = []
        for number in needed:
            at[number] = self._register()
            if number.name in OPERATIONS:
                made.append((number, at[number]))
            else:
                self._inputs.append((at[number], number.name))
                if number in decisions:
                    self._expected.append((at[number], decisions[number]))

        def register(value: Any) -> int:
            if isinstance(value, Recorded):
                return at[value]
            key = (type(value), value)
            if key not in at:
                at[key] = self._register(value)
            return at[key]

        self.names = tuple(name for _, name in self._inputs)
        self.outputs = [register(output) for output in outputs]
        steps = [(number, target, tuple(map(register, number.arguments))) for number, target in made]
        self._code = self._compiled(steps, decisions)

    def __len__(self) -> int:
        """How many operations it has."""
        return len(self._code)

    def _register(self, value: Any = None) -> int:
        self._registers.append(value)
        return len(self._registers) - 1

    def _compiled(
        self, steps: list[tuple[Recorded, int, tuple[int, ...]]], decisions: Mapping[Recorded, Any]
    ) -> list[_Instruction]:
        needed = set(self.outputs)
        code = []
        for number, target, arguments in reversed(steps):
            free = tuple({one for one in (target, *arguments) if one not in needed and self._registers[one] is None})
            needed.update(arguments)
            code.append(
                _Instruction(
                    _array_operation(number),
                    OPERATIONS[number.name].plain,
                    target,
                    arguments,
                    decisions.get(number),
                    free,
                )
            )
        return code[::-1]

    def run(self, variables: Mapping[str, Array], designs: int) -> tuple[Array, list[Any]]:
        """The outputs of a block of designs.

        Args:
            variables: by name, int64 or float64, shape (designs,).
            designs: how many, at least one.

        Returns:
            Whether the program is the design's own, bool, shape (designs,); and the outputs, arrays of that shape or
            plain numbers. Where it is not, the outputs mean nothing.

        Raises:
            NumberOverflow: a number does not fit into int64.
        """
        registers = self._registers.copy()
        for register, name in self._inputs:
            registers[register] = variables[name]
        own = np.ones(designs, bool)
        with np.errstate(all="ignore"):  # designs that are not the program's own may divide by zero
            for register, expected in self._expected:
                own &= registers[register] == expected
            for apply, _, target, arguments, expected, free in self._code:
                result = registers[target] = apply(*[registers[one] for one in arguments])
                if expected is not None:
                    own &= result if expected is True else ~result if expected is False else result == expected
                for one in free:
                    registers[one] = None
        return own, [registers[one] for one in self.outputs]

    def one(self, variables: Mapping[str, Any]) -> list[Any] | None:
        """The outputs of one design in Python's numbers, of any size; ``None`` if the program is not its own."""
        registers = self._registers.copy()
        for register, name in self._inputs:
            registers[register] = variables[name]
        if any(registers[register] != expected for register, expected in self._expected):
            return None
        for _, plain, target, arguments, expected, _ in self._code:
            try:
                registers[target] = plain(*[registers[one] for one in arguments])
            except (ArithmeticError, ValueError):
                return None
            if expected is not None and registers[target] != expected:
                return None
        return [registers[one] for one in self.outputs]


def ingredients(wanted: Iterable[Recorded]) -> list[Recorded]:
    """All that some numbers are made of, and they themselves, each behind what it is made of."""
    numbers = {number.place: number for number in wanted}
    waiting = list(numbers.values())
    while waiting:
        for argument in waiting.pop().arguments:
            if isinstance(argument, Recorded) and argument.place not in numbers:
                numbers[argument.place] = argument
                waiting.append(argument)
    return [numbers[place] for place in sorted(numbers)]


def _kind(value: Any) -> str:
    return "b" if isinstance(value, (bool, Truth)) else "f" if is_real(value) else "i"


def _array_operation(number: Recorded) -> Callable[..., Any]:
    kinds = "".join(map(_kind, number.arguments))
    if number.name in _LOGIC:
        return getattr(np, OPERATIONS[number.name].array)  # type: ignore[no-any-return]
    bounds = [bounds_of(argument) for argument in number.arguments]
    result = OPERATIONS[number.name].bounds(*bounds) if number.name in COMPARISONS else number.bounds
    return on_arrays(number.name, kinds, bounds, result)
