"""Who reads the values of a program, and what follows from that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from archscope.backends.torch.imports.calls import Call, Trace, TraceTensor

#: calls whose results no gradient passes
_CUT = re.compile(r"aten\.(detach_?|new_\w+|\w+_like)")
#: functions that draw random numbers: nothing that they make is a constant
_RANDOM = {
    "aten.rand", "aten.randn", "aten.rand_like", "aten.randn_like", "aten.randint", "aten.bernoulli", "aten.uniform",
    "aten.normal", "aten.randperm", "aten.multinomial", "aten.dropout", "aten.feature_dropout", "aten.alpha_dropout",
    "aten.feature_alpha_dropout",
}  # fmt: skip
#: reshapes, which copy what does not lie in order themselves
_RESHAPES = {"aten.view", "aten.reshape", "aten.flatten"}


def random(call: Call) -> bool:
    """Whether a call draws random numbers."""
    return call.packet.rstrip("_") in _RANDOM


class Uses:
    """Who reads the values of a program.

    Attributes:
        functions: those that read a value; tied weights are one.
        company: the weights that a weight is read together with, for each way in which it is.
        times: how often a value is read.
        trained: names of the values that gradients reach.
        upkeep: numbers of calls on buffers alone that nothing reads: they keep count, and are no work of the model.
        common: constants that several modules read: they stand where they are made, not in the first of these.
    """

    def __init__(self, program: Trace) -> None:
        self._program = program
        self.functions = _functions(program)
        self.company = _company(program)
        self.times = Counter(value.name for call in program.calls for value in call.values)
        self.trained = _trained(program)
        self.upkeep = _upkeep(program)
        self.common = _common(program)

    def reads(self, value: TraceTensor) -> bool:
        """Whether anything reads a value."""
        return value.name in self.times or value in self._program.outputs.values()

    def reshaped(self, call: Call) -> bool:
        """Whether what a call gives is read once, by a reshape."""
        name = call.outputs[0].name if call.outputs and call.outputs[0] else ""
        return self.times[name] == 1 and self.functions[name] <= _RESHAPES

    def around(self, calls: Sequence[Call]) -> tuple[list[TraceTensor], list[TraceTensor]]:
        """What calls read from outside, in the order in which they do, and what others read of them."""
        made = {value.name for call in calls for value in call.outputs if value is not None}
        outside = {value.name for call in self._others(calls) for value in call.values}
        outside |= {value.name for value in self._program.outputs.values()}
        read = {value.name: value for call in calls for value in call.values if value.name not in made}
        results = [value for call in calls for value in call.outputs if value is not None and value.name in outside]
        return list(read.values()), results

    def only_in(self, calls: Sequence[Call]) -> set[str]:
        """The weights that nothing but these calls reads."""
        others = {value.name for call in self._others(calls) for value in call.values}
        return {name for name in self._program.held if name not in others}

    def _others(self, calls: Sequence[Call]) -> Iterator[Call]:
        inside = {id(call) for call in calls}
        return (call for call in self._program.calls if id(call) not in inside)


def _functions(program: Trace) -> dict[str, set[str]]:
    functions: dict[str, set[str]] = {}
    of = {name: held.value.name for name, held in program.held.items()}
    for call in program.calls:
        for value in call.values:
            functions.setdefault(of.get(value.name, value.name), set()).add(call.packet)
    return functions


def _company(program: Trace) -> dict[str, set[frozenset[str]]]:
    company: dict[str, set[frozenset[str]]] = {}
    for call in program.calls:
        read = frozenset(value.name for value in call.values if value.name in program.held)
        for name in read:
            company.setdefault(name, set()).add(read)
    return company


def _trained(program: Trace) -> set[str]:
    trained = {name for name, held in program.held.items() if held.trained}
    for call in program.calls:
        if not call.grad or _CUT.fullmatch(call.packet):
            continue
        if any(one.name in trained for one in call.values):
            trained |= {one.name for one in call.outputs if one is not None and one.dtype.is_floating_point}
    return trained


def _upkeep(program: Trace) -> set[int]:
    of_buffers = {name for name, held in program.held.items() if not held.learnt}
    candidates = []
    for number, call in enumerate(program.calls):
        read = {value.name for value in call.values}
        if read and read <= of_buffers:
            candidates.append(number)
            of_buffers |= {value.name for value in call.outputs if value is not None}
    needed = {value.name for value in program.outputs.values()}
    upkeep = set()
    for number, call in reversed(list(enumerate(program.calls))):
        made = {value.name for value in call.outputs if value is not None}
        if number in candidates and not made & needed:
            upkeep.add(number)
        else:
            needed |= {value.name for value in call.values}
    return upkeep


def _common(program: Trace) -> set[str]:
    constants = set(program.constants)
    readers: dict[str, set[str]] = {}
    for call in program.calls:
        read = {value.name for value in call.values}
        if read <= constants and not random(call):
            constants |= {value.name for value in call.outputs if value is not None}
            continue
        for name in read & constants:
            readers.setdefault(name, set()).add(call.frames[-1].key if call.frames else "")
    return {name for name, frames in readers.items() if len(frames) > 1}
