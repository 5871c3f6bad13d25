"""Memory of a CUDA device: torch's caching allocator replayed over a training step.

The allocator's rules are those of c10/cuda/CUDACachingAllocator.cpp with its default settings. Requests are rounded up
to 512 bytes; those of at most 1 MiB are cut from segments of 2 MiB, those below 10 MiB from segments of 20 MiB, larger
ones get a segment of their own in steps of 2 MiB. The smallest free block that is large enough is taken; its rest is
split off if it is usable (512 bytes of a small block, more than 1 MiB of a large one), else it counts as allocated.
A block that is freed joins its free neighbours. A segment that the device has no room for makes the allocator give back
all segments that are wholly free, and ask again (release_cached_blocks); only then it is out of memory.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from archscope.autograd.tape import Storage
from archscope.setting.devices import MIB

_LEAST, _SMALL, _SMALL_SEGMENT, _LARGE_SEGMENT, _LARGE = 512, MIB, 2 * MIB, 20 * MIB, 10 * MIB
_SETTLED = 8  # steps; few designs need more than three until the last one asks for nothing


class Block:
    """A part of a segment."""

    __slots__ = ("after", "before", "free", "place", "size", "small")

    def __init__(self, place: int, size: int, *, small: bool) -> None:
        self.place, self.size, self.small = place, size, small
        self.free = False
        self.before: Block | None = None
        self.after: Block | None = None


class OutOfMemory(Exception):
    """A segment that the device has no room for, even when all that are wholly free are given back.

    Attributes:
        missing: bytes that are missing.
    """

    def __init__(self, missing: int) -> None:
        super().__init__(f"{missing:,} bytes are missing")
        self.missing = missing


class CachingAllocator:
    """torch's caching allocator of CUDA memory, one stream.

    Attributes:
        limit: bytes that all segments may have together; none where there is no limit.
        segments: how many the device has been asked for.
        allocated, reserved: bytes of the blocks in use, and of all segments.
        most_allocated, most_reserved: the most of each since :meth:`reset`.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.allocated = self.reserved = self.most_allocated = self.most_reserved = 0
        self.segments = 0
        self._free: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        self._blocks: dict[int, Block] = {}
        self._end = 0

    def reset(self) -> None:
        """Forget the most so far (torch.cuda.reset_peak_memory_stats)."""
        self.most_allocated, self.most_reserved = self.allocated, self.reserved

    def take(self, size: int) -> Block:
        """A block of at least ``size`` bytes, which is not 0.

        Raises:
            OutOfMemory: the limit leaves no room for it.
        """
        size = -(-size // _LEAST) * _LEAST
        small = size <= _SMALL
        free = self._free[small]
        place = bisect_left(free, (size, -1))
        block = self._blocks[free.pop(place)[1]] if place < len(free) else self._segment(size, small=small)
        rest = block.size - size
        if rest >= _LEAST if small else rest > _SMALL:
            self._split(block, size)
        block.free = False
        self.allocated += block.size
        self.most_allocated = max(self.most_allocated, self.allocated)
        return block

    def give(self, block: Block) -> None:
        """Free a block."""
        self.allocated -= block.size
        block.free = True
        for other in (block.before, block.after):
            if other is not None and other.free:
                self._free[other.small].remove((other.size, other.place))
                block = self._joined(block, other) if block.place < other.place else self._joined(other, block)
        insort(self._free[block.small], (block.size, block.place))

    def _segment(self, size: int, *, small: bool) -> Block:
        if small:
            whole = _SMALL_SEGMENT
        else:
            whole = _LARGE_SEGMENT if size < _LARGE else -(-size // _SMALL_SEGMENT) * _SMALL_SEGMENT
        self._make_room(whole)
        block = self._blocks[self._end] = Block(self._end, whole, small=small)
        self._end += whole
        self.reserved += whole
        self.segments += 1
        self.most_reserved = max(self.most_reserved, self.reserved)
        return block

    def _make_room(self, whole: int) -> None:
        if self.limit is None or self.reserved + whole <= self.limit:
            return
        for free in self._free.values():
            self._release(free)
        if self.reserved + whole > self.limit:
            raise OutOfMemory(self.reserved + whole - self.limit)

    def _release(self, free: list[tuple[int, int]]) -> None:
        """Give back the segments that are wholly free."""
        kept = []
        for size, place in free:
            block = self._blocks[place]
            if block.before is block.after is None:
                del self._blocks[place]
                self.reserved -= size
            else:
                kept.append((size, place))
        free[:] = kept

    def _split(self, block: Block, size: int) -> None:
        rest = Block(block.place + size, block.size - size, small=block.small)
        rest.free, rest.before, rest.after = True, block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after, block.size = rest, size
        self._blocks[rest.place] = rest
        insort(self._free[rest.small], (rest.size, rest.place))

    def _joined(self, first: Block, second: Block) -> Block:
        first.size += second.size
        first.after = second.after
        if second.after is not None:
            second.after.before = first
        del self._blocks[second.place]
        return first


class OnCuda(NamedTuple):
    """What a training step shows on a CUDA device.

    Attributes:
        allocated: torch.cuda.max_memory_allocated() of a step, cuBLAS' workspace included, cuDNN's not.
        reserved: torch.cuda.max_memory_reserved() where nothing is short; within a limit the allocator gives back
            segments and does with less.
        workspace: bytes of cuBLAS' workspace in them.
        cudnn: what cuDNN's workspaces may add to ``allocated``: the least and the most, if an algorithm unfolds its
            whole input; which algorithm cuDNN chooses cannot be known.
    """

    allocated: int
    reserved: int
    workspace: int
    cudnn: tuple[int, int]


class Traffic(NamedTuple):
    """What a training step asks of the allocator.

    Attributes:
        standing: parameters, buffers, inputs and targets, which come first.
        step: what the step makes (True) and frees (False) up to the optimizer's update.
        state: the optimizer's state, which its first update makes.
        update: what the update makes and frees.
        workspace: taken when the first step starts, and kept.
    """

    standing: tuple[Storage, ...]
    step: tuple[tuple[Storage, bool], ...]
    state: tuple[Storage, ...]
    update: tuple[tuple[Storage, bool], ...]
    workspace: int

    def steps(self, limit: int | None = None) -> Iterator[CachingAllocator]:
        """The allocator behind each of some training steps, for ever; its most is that of the last one.

        Raises:
            OutOfMemory: a step does not fit into the limit.
        """
        allocator = CachingAllocator(limit)
        for storage in self.standing:
            if storage.bytes:
                allocator.take(storage.bytes)
        if self.workspace:
            allocator.take(self.workspace)
        state = self.state
        while True:
            allocator.reset()
            blocks: dict[Storage, Block] = {}
            _follow(allocator, blocks, self.step)
            for storage in state:
                allocator.take(storage.bytes)
            state = ()
            _follow(allocator, blocks, self.update)
            for block in blocks.values():  # zero_grad
                allocator.give(block)
            yield allocator

    def most(self) -> tuple[int, int]:
        """The most that is allocated and reserved in the second of two training steps on a device without limit."""
        _, second = islice(self.steps(), 2)
        return second.most_allocated, second.most_reserved

    def shortage(self, limit: int) -> int:
        """Bytes that training lacks within a limit; 0 if it runs.

        It runs if a step behind the second one asks the device for nothing any more (blocks settle as steps follow each
        other), or else if the first :data:`_SETTLED` steps do.
        """
        asked = 0
        try:
            for number, allocator in enumerate(islice(self.steps(limit), _SETTLED)):
                if number > 1 and allocator.segments == asked:
                    break
                asked = allocator.segments
        except OutOfMemory as error:
            return error.missing
        return 0

    def least(self) -> int:
        """The smallest limit, in whole segments, in which training runs."""
        allocated, reserved = self.most()
        low, high = allocated // _SMALL_SEGMENT - 1, -(-reserved // _SMALL_SEGMENT)
        while self.shortage(high * _SMALL_SEGMENT):
            low, high = high, high + _LARGE_SEGMENT // _SMALL_SEGMENT
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.shortage(middle * _SMALL_SEGMENT) else (low, middle)
        return high * _SMALL_SEGMENT


def _follow(allocator: CachingAllocator, blocks: dict[Storage, Block], traffic: Iterable[tuple[Storage, bool]]) -> None:
    for storage, born in traffic:
        if born:
            blocks[storage] = allocator.take(storage.bytes)
        else:
            allocator.give(blocks.pop(storage))
