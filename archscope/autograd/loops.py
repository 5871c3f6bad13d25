"""Loops of very many steps (recurrent layers over long sequences): some are run, the rest are like one of them.

Steps behind the first few take, keep and free what the step before them does, one place further: a tape that has run
:data:`SHOWN` of them knows what each allocates from its marks, in the forward pass and, behind a step's first node, in
the backward pass. The block of one step, :data:`LIKE`, stands for the steps that were left out. What it takes and does
not free again in its own pass is there once more for each of them, until the backward pass has freed as many, or all go
together with the one that was made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from archscope.autograd.graph import Storage

#: loops of more steps are cut to so many, of which one stands for those left out
LONG, SHOWN, LIKE = 64, 12, 6
#: events that the steps left out may add to those of a step; of more only the first and the last are told
MOST_EVENTS = 20_000

Event = tuple[str, str, int]
#: a storage that was born (True) or freed, and how many events there had been
Entry = tuple["Storage", bool, int]


class Uneven(Exception):
    """Steps of a loop that are not alike: all have to be run."""


class LoopMark(NamedTuple):
    """A moment: how many events and entries of the log there had been, and bytes that lived."""

    event: int
    entry: int
    live: int


class Loop:
    """A loop in a forward pass.

    Attributes:
        left_out: steps that are not run.
        forward: where each step begins, and the last one ends.
        backward: where the backward pass of each step has ended, that of the last step first.
    """

    def __init__(self, count: int) -> None:
        self.left_out = max(0, count - SHOWN) if count > LONG else 0
        self.shown = count - self.left_out
        self.forward: list[LoopMark] = []
        self.backward: list[LoopMark] = []


class _Pass(NamedTuple):
    """The steps of a loop, forward or backward: the marks of each, and how many more there are like :data:`LIKE`."""

    marks: Sequence[LoopMark]
    more: int

    @property
    def begin(self) -> LoopMark:
        return self.marks[LIKE]

    @property
    def end(self) -> LoopMark:
        return self.marks[LIKE + 1]

    @property
    def grows(self) -> int:
        """Bytes that live more behind a step than before it."""
        return self.end.live - self.begin.live

    def holds(self, entry: int) -> bool:
        """Whether an entry of the log is of one of these steps."""
        return self.marks[0].entry <= entry < self.marks[-1].entry

    def block(self, events: Sequence[Event], step: int = LIKE) -> list[Event]:
        """The events of a step, with bytes counted from those that live when it begins."""
        first, last = self.marks[step], self.marks[step + 1]
        return [(phase, layer, live - first.live) for phase, layer, live in events[first.event : last.event]]

    def check(self, events: Sequence[Event]) -> None:
        """Raise :class:`Uneven` if the step behind the one that stands for others is another."""
        after = self.marks[LIKE + 2].live - self.end.live
        if self.block(events) != self.block(events, LIKE + 1) or after != self.grows:
            raise Uneven


class _Role(NamedTuple):
    """What a step leaves behind.

    Attributes:
        made: the pass that makes it.
        freed: the pass that frees it, step by step; none if all go together.
        gone: the event before which all do; none if they stay.
    """

    storage: Storage
    made: _Pass
    freed: _Pass | None
    gone: int | None
    entry: int


class _Segment(NamedTuple):
    """Events of the whole that are like some that were run, in the ``number``-th step that was left out."""

    start: int
    event: int
    of: _Pass | None
    number: int


class Stretched:
    """The events of all steps, made of those that were run.

    Attributes:
        events: of the whole.
        allocated: bytes that the steps left out allocate.
        copies: how often there is more of what a step leaves behind.

    Raises:
        Uneven: the steps are not alike.
    """

    def __init__(self, events: Sequence[Event], log: Sequence[Entry], loops: Iterable[Loop]) -> None:
        self._passes = [
            _Pass(marks, loop.left_out)
            for loop in loops
            for marks in (loop.forward, loop.backward)
            if loop.left_out and len(marks) > LIKE + 2
        ]
        if any(loop.left_out and len(loop.forward) <= LIKE + 2 for loop in loops):
            raise Uneven
        for one in self._passes:
            one.check(events)
        self._roles = list(_roles(log, self._passes))
        for one in self._passes:
            left = sum(role.storage.bytes for role in self._roles if role.made is one)
            if one.grows != left - sum(role.storage.bytes for role in self._roles if role.freed is one):
                raise Uneven
        self.copies = {role.storage: role.made.more for role in self._roles}
        self.allocated = sum(
            one.more * sum(storage.bytes for storage, born, _ in log[one.begin.entry : one.end.entry] if born)
            for one in self._passes
        )
        self.events: list[Event] = []
        self._segments: list[_Segment] = []
        self._lay(events)

    def _lay(self, events: Sequence[Event]) -> None:
        together = [role for role in self._roles if role.gone is not None]
        turns: list[tuple[int, int, _Pass | _Role]] = [(one.end.entry, one.end.event, one) for one in self._passes]
        turns += [(role.entry, role.gone or 0, role) for role in together]
        done = offset = 0
        for _, event, turn in sorted(turns, key=lambda entry: entry[0]):
            self._copy(events, done, event, offset)
            done = event
            if isinstance(turn, _Role):
                offset -= turn.made.more * turn.storage.bytes
                continue
            for number in _rounds(turn.more, turn.end.event - turn.begin.event):
                more = offset + number * turn.grows
                self._copy(events, turn.begin.event, turn.end.event, more, turn, number)
            offset += turn.more * turn.grows
        self._copy(events, done, len(events), offset)

    def _copy(
        self, events: Sequence[Event], first: int, last: int, more: int, of: _Pass | None = None, number: int = 0
    ) -> None:
        self._segments.append(_Segment(len(self.events), first, of, number))
        self.events += [(phase, layer, live + more) for phase, layer, live in events[first:last]]

    def at(self, event: int) -> tuple[int, list[tuple[Storage, int]]]:
        """The event that was run which one of the whole is like, and what lives then more often, with how much more."""
        place = bisect_right([segment.start for segment in self._segments], event) - 1
        segment = self._segments[place]
        run = segment.event + event - segment.start

        def progress(one: _Pass) -> int:
            return segment.number if segment.of is one else one.more if one.end.event <= run else 0

        more_of = []
        for role in self._roles:
            if role.gone is None or run < role.gone:
                more = progress(role.made) - (0 if role.freed is None else progress(role.freed))
                if more:
                    more_of.append((role.storage, more))
        return run, more_of


def _rounds(more: int, events: int) -> Iterable[int]:
    return range(1, more + 1) if more * events <= MOST_EVENTS else (1, more)


def _roles(log: Sequence[Entry], passes: Sequence[_Pass]) -> Iterator[_Role]:
    """What the steps that stand for others leave behind."""
    freed = {storage: number for number, (storage, born, _) in enumerate(log) if not born}
    for one in passes:
        for storage, born, _ in log[one.begin.entry : one.end.entry]:
            entry = freed.get(storage)
            if not born or (entry is not None and one.holds(entry)):
                continue
            other = next((some for some in passes if entry is not None and some.holds(entry)), None)
            gone = log[entry][2] if entry is not None and other is None else None
            yield _Role(storage, one, other, gone, entry or 0)
