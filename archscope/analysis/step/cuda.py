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

from archscope.autograd.graph import Storage
from archscope.setting.devices import MIB

_LEAST, _SMALL, _SMALL_SEGMENT, _LARGE_SEGMENT, _LARGE = 512, MIB, 2 * MIB, 20 * MIB, 10 * MIB
_PLACE = 128  # bits of a place, and more than all segments take: behind a size in one number, quick to compare
_PLACES = (1 << _PLACE) - 1
_NO_LIMIT = 1 << _PLACE
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
        alike: the least of the limits with which all would have gone as it did, and the least one above them.
        segments: how many the device has been asked for.
        allocated, reserved: bytes of the blocks in use, and of all segments.
        most_allocated, most_reserved: the most of each since :meth:`reset`.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.allocated = self.reserved = self.most_allocated = self.most_reserved = 0
        self.segments = 0
        self.alike = (0, _NO_LIMIT)
        self._free: dict[bool, list[int]] = {True: [], False: []}  # sizes and places in one number, in order
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
        number = bisect_left(free, size << _PLACE)
        block = self._blocks[free.pop(number) & _PLACES] if number < len(free) else self._segment(size, small=small)
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
        free = self._free[block.small]
        before, after = block.before, block.after
        if before is not None and before.free:
            del free[bisect_left(free, before.size << _PLACE | before.place)]
            block = self._joined(before, block)
        if after is not None and after.free:
            del free[bisect_left(free, after.size << _PLACE | after.place)]
            block = self._joined(block, after)
        insort(free, block.size << _PLACE | block.place)

    def _segment(self, size: int, *, small: bool) -> Block:
        if small:
            whole = _SMALL_SEGMENT
        else:
            whole = _LARGE_SEGMENT if size < _LARGE else -(-size // _SMALL_SEGMENT) * _SMALL_SEGMENT
        least, above = self.alike
        if self.limit is not None and self.reserved + whole > self.limit:
            above = min(above, self.reserved + whole)
            for free in self._free.values():
                self._release(free)
            if self.reserved + whole > self.limit:
                self.alike = least, min(above, self.reserved + whole)
                raise OutOfMemory(self.reserved + whole - self.limit)
        self.alike = max(least, self.reserved + whole), above
        block = self._blocks[self._end] = Block(self._end, whole, small=small)
        self._end += whole
        self.reserved += whole
        self.segments += 1
        self.most_reserved = max(self.most_reserved, self.reserved)
        return block

    def _release(self, free: list[int]) -> None:
        """Give back the segments that are wholly free."""
        left = []
        for key in free:
            block = self._blocks[key & _PLACES]
            if block.before is block.after is None:
                del self._blocks[block.place]
                self.reserved -= block.size
            else:
                left.append(key)
        free[:] = left

    def _split(self, block: Block, size: int) -> None:
        rest = Block(block.place + size, block.size - size, small=block.small)
        rest.free, rest.before, rest.after = True, block, block.after
        if block.after is not None:
            block.after.before = rest
        block.after, block.size = rest, size
        self._blocks[rest.place] = rest
        insort(self._free[rest.small], rest.size << _PLACE | rest.place)

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

    def steps(self, allocator: CachingAllocator) -> Iterator[None]:
        """Run training steps, for ever; behind each of them the most of the allocator is that of this step.

        Raises:
            OutOfMemory: a step does not fit into the allocator's limit.
        """
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
            yield

    def most(self) -> tuple[int, int]:
        """The most that is allocated and reserved in the second of two training steps on a device without limit."""
        allocator = CachingAllocator()
        for _ in islice(self.steps(allocator), 2):
            pass
        return allocator.most_allocated, allocator.most_reserved

    def least_allocated(self) -> int:
        """Bytes that a step has allocated at one time at least, however its requests are laid out."""
        live = most = sum(map(_rounded, (*self.standing, *self.state))) + self.workspace
        for storage, born in (*self.step, *self.update):
            live += _rounded(storage) if born else -_rounded(storage)
            most = max(most, live)
        return most

    def fits(self, limit: int) -> bool:
        """Whether training runs within a limit.

        It runs if a step behind the second one asks the device for nothing any more (blocks settle as steps follow each
        other), or else if the first :data:`_SETTLED` steps do.
        """
        return self.least_allocated() <= limit and self._tried(limit)[0]

    def _tried(self, limit: int) -> tuple[bool, tuple[int, int]]:
        """Whether it runs within a limit, and the limits of which the same is to be said: the least, and one above."""
        allocator, asked = CachingAllocator(limit), 0
        try:
            for number, _ in enumerate(islice(self.steps(allocator), _SETTLED)):
                if number > 1 and allocator.segments == asked:
                    break
                asked = allocator.segments
        except OutOfMemory:
            return False, allocator.alike
        return True, allocator.alike

    def least(self) -> int:
        """The smallest limit, in whole segments, in which training runs."""
        allocated, reserved = self.most()
        low, high = allocated // _SMALL_SEGMENT - 1, -(-reserved // _SMALL_SEGMENT)
        while not self.fits(high * _SMALL_SEGMENT):
            low, high = high, high + _LARGE_SEGMENT // _SMALL_SEGMENT
        while high - low > 1:
            middle = (low + high) // 2
            runs, (least, above) = self._tried(middle * _SMALL_SEGMENT)
            low, high = (low, -(-least // _SMALL_SEGMENT)) if runs else (-(-above // _SMALL_SEGMENT) - 1, high)
        return high * _SMALL_SEGMENT


def _rounded(storage: Storage) -> int:
    return -(-storage.bytes // _LEAST) * _LEAST


def _follow(allocator: CachingAllocator, blocks: dict[Storage, Block], traffic: Iterable[tuple[Storage, bool]]) -> None:
    take, give = allocator.take, allocator.give
    for storage, born in traffic:
        if born:
            blocks[storage] = take(storage.bytes)
        else:
            give(blocks.pop(storage))
