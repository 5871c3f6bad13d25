"""The modules of a model at work."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from archscope.backends.torch.imports.calls import Call, Frame

#: a word of a class's name: Bert, MLP, Conv1D
_WORD = re.compile(r"[A-Z]+(?![a-z])\d*[A-Z]*(?![a-z])|[A-Z]?[^A-Z]+|[A-Z]+")
#: calls that make no layer
SILENT = {
    "aten._assert_tensor_metadata", "aten.alias", "aten.lift_fresh_copy",
    "aten.contiguous", "aten.sym_size", "aten.zeros", "aten.ones", "aten.arange", "aten.full", "aten._assert_scalar",
    "aten.empty", "aten.new_zeros", "aten.new_ones", "aten.to", "aten.type_as",
}  # fmt: skip
#: a layer that does nothing, and leaves no call
IDENTITY = "torch.nn.modules.linear.Identity"


@dataclass
class _Instance:
    """One module at work.

    Attributes:
        calls: numbers of those that it makes itself.
        parent: the one around it.
        inner: whether it runs others.
    """

    frame: Frame
    name: str
    parent: str
    calls: list[int] = field(default_factory=list)
    inner: bool = False


class Instances:
    """The modules at work, each with a name of its own: that of its path, numbered where it runs again."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._of: dict[str, _Instance] = {}
        self._calls = calls
        times: dict[tuple[str, str], int] = {}
        for number, call in enumerate(calls):
            around = ""
            for frame in call.frames:
                if frame.key not in self._of:
                    times[around, frame.path] = count = times.get((around, frame.path), 0) + 1
                    self._of[frame.key] = _Instance(frame, self._named(frame, around, count), around)
                    if around:
                        self._of[around].inner = True
                around = frame.key
            if around:
                self._of[around].calls.append(number)

    def _named(self, frame: Frame, around: str, count: int) -> str:
        name = frame.path
        if around:
            outer = self._of[around]
            if frame.path.startswith(f"{outer.frame.path}."):
                name = outer.name + frame.path[len(outer.frame.path) :]
        return name if count == 1 else f"{name}_{count}"

    def name(self, call: Call) -> str:
        """The name of the innermost module around a call; empty for the model itself."""
        return self._of[call.frames[-1].key].name if call.frames else ""

    def alone(self, call: Call) -> bool:
        """Whether a call is all that the module around it does."""
        if not call.frames:
            return False
        instance = self._of[call.frames[-1].key]
        if instance.frame.kind == IDENTITY:
            return True
        calls = [self._calls[n] for n in instance.calls]
        working = [one for one in calls if one.packet not in SILENT] or [one for one in calls if one.outputs != (None,)]
        return not instance.inner and working == [call]

    def blocks(self, model: str) -> Iterator[tuple[str, str]]:
        """The modules that are not torch's own, each with its class; what all are called after is left out.

        Args:
            model: the class of the model: a ``BertLayer`` of a ``BertModel`` is a ``Layer``.
        """
        for instance in self._of.values():
            kind = instance.frame.kind
            if not kind.startswith("torch.nn."):
                own, whole = (_WORD.findall(name) for name in (kind.rpartition(".")[2], model))
                alike = takewhile(lambda pair: pair[0] == pair[1], zip(own, whole, strict=False))
                yield instance.name, "".join(own[len(list(alike)) :] or own)

    def idle(self, path: str) -> bool:
        """Whether a module makes no call but to hand on what it holds."""
        numbers = [n for one in self._of.values() if one.frame.path == path for n in one.calls]
        inner = any(one.inner for one in self._of.values() if one.frame.path == path)
        return not inner and all(self._calls[n].packet in (*SILENT, "aten.expand") for n in numbers)

    def leaves(self) -> Iterator[list[int]]:
        """The calls of each module that runs no other."""
        for instance in self._of.values():
            if not instance.inner:
                yield instance.calls

    def groups(self, keys: Iterable[str]) -> dict[str, list[int]]:
        """All calls within modules, by their keys; a call that is in none is one by itself, by what it makes."""
        wanted = set(keys)
        numbers: dict[str, list[int]] = {}
        for number, call in enumerate(self._calls):
            key = next((one for one in (call.own, *(frame.key for frame in call.frames)) if one in wanted), None)
            if key is None and call.outputs and call.outputs[0] is not None and call.outputs[0].name in wanted:
                key = call.outputs[0].name
            if key is not None:
                numbers.setdefault(key, []).append(number)
        return numbers
