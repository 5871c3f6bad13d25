"""Which tensors of a program lie in one memory, so that what changes one in place changes others."""

from __future__ import annotations

from math import inf

from archscope.backends.torch.imports.calls import Call, Trace, TraceTensor


def in_place(call: Call) -> bool:
    """Whether a call changes what it reads."""
    schema = getattr(call.function, "_schema", None)
    first = schema.arguments[0].alias_info if schema is not None and schema.arguments else None
    return bool(first is not None and first.is_write)


def _shares(call: Call) -> bool:
    """Whether what a call gives lies in the memory of what it reads first."""
    schema = getattr(call.function, "_schema", None)
    if schema is None or not call.values or not any(one.alias_info is not None for one in schema.returns):
        return False
    return not call.target.startswith("aten.contiguous") or call.values[0].contiguous


class Aliases:
    """The tensors of a program by the memory that they lie in."""

    def __init__(self, program: Trace) -> None:
        self._itself: dict[str, str] = {}
        self._memory: dict[str, str] = {}
        self._last: dict[str, float] = {}
        self._kin: dict[str, list[str]] = {}
        self._made: dict[str, int] = {}
        for number, call in enumerate(program.calls):
            self._last |= dict.fromkeys((value.name for value in call.values), number)
            self._made |= dict.fromkeys((value.name for value in call.outputs if value is not None), number)
            if not _shares(call):
                continue
            first = call.values[0].name
            memory = self._memory.setdefault(first, first)
            for value in call.outputs:
                if value is not None:
                    self._memory[value.name] = memory
                    if in_place(call):
                        self._itself[value.name] = self._itself.get(first, first)
        self._last |= dict.fromkeys((value.name for value in program.outputs.values()), inf)
        for name, memory in self._memory.items():
            self._kin.setdefault(memory, []).append(name)

    def changed(self, value: TraceTensor) -> list[str]:
        """The names of a tensor that is changed in place: its own, and those that it had before."""
        itself = self._itself.get(value.name, value.name)
        return [
            name for name in self._kin.get(self._memory.get(value.name, ""), [value.name]) if self._is(name, itself)
        ]

    def seen(self, value: TraceTensor, number: int) -> list[str]:
        """Other tensors in its memory, made before the call of that number, that are read after it."""
        itself = self._itself.get(value.name, value.name)
        kin = (name for name in self._kin.get(self._memory.get(value.name, ""), []) if not self._is(name, itself))
        return [name for name in kin if self._made.get(name, -1) < number < self._last.get(name, -1)]

    def _is(self, name: str, itself: str) -> bool:
        return self._itself.get(name, name) == itself
