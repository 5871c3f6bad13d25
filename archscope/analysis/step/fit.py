"""What fits: the largest batch, or the largest input, whose training step a device has the memory for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from archscope.analysis.step.memory import Memory, hold_known, memory
from archscope.design import Design, hold_designs
from archscope.errors import ArchscopeError, UsageError
from archscope.setting import Setting
from archscope.setting.devices import DEVICES
from archscope.setting.sizes import bytes_of

CEILING = 2**40  # samples, or whatever is counted; no more are tried
_BEYOND = 3  # how many numbers behind one that does not fit are tried: blocks may fall better for a larger one
_GUESSED_AT = 8  # a batch whose memory tells about that of others
_NEAR = 32  # a guess is near that differs by less than such a part
_GUESSES = 3
_DEEPEST = 3  # names of a path
_MOST_PARTS = 64  # of a batch, whose gradients are accumulated


def most(fits: Callable[[int], bool], *, guess: int = 1, ceiling: int = CEILING) -> int | None:
    """The largest number from 1 on that fits, where more nearly never fits if less does not.

    Args:
        guess: where the search starts; a good one makes it short.
        ceiling: the largest number that is tried.

    Returns:
        The number, or ``None`` if even 1 does not fit.
    """
    fits = cache(fits)
    if not fits(1):
        return None
    guess = max(1, min(guess, ceiling))
    low, high = _above(fits, guess, ceiling) if fits(guess) else _below(fits, guess)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    beyond = [number for number in range(low + 1, low + 1 + _BEYOND) if number <= ceiling and fits(number)]
    return beyond[-1] if beyond else low


def _above(fits: Callable[[int], bool], low: int, ceiling: int) -> tuple[int, int]:
    """A number that fits and a larger one that does not, or is beyond the ceiling, from one that does."""
    width = max(1, low // _NEAR)
    while low + width <= ceiling and fits(low + width):
        low, width = low + width, 2 * width
    return low, min(low + width, ceiling + 1)


def _below(fits: Callable[[int], bool], high: int) -> tuple[int, int]:
    """The same from one that does not fit."""
    width = max(1, high // _NEAR)
    while high - width > 1 and not fits(high - width):
        high, width = high - width, 2 * width
    return max(1, high - width), high


def guessed(
    size: Callable[[int], int | None], limit: int, first: int, *, power: int = 1, ceiling: int = CEILING
) -> int:
    """A number that about fits into a limit, where what it takes grows as its power.

    Args:
        size: what a number takes; ``None`` where there is no such number.
        first: the first guess.
    """
    begin, number = size(1), max(1, min(first, ceiling))
    for _ in range(_GUESSES):
        taken = size(number)
        if begin is None or taken is None or number == 1:
            break
        growth = (taken - begin) / (number**power - 1)
        better = 1 + max(0, limit - begin) / growth if growth > 0 else ceiling**power
        better = max(1, min(int(better ** (1 / power)), ceiling))
        near = abs(better - number) <= number // _NEAR
        number = better
        if near:
            break
    return number


def probes(
    ledger: Callable[[int], Memory | None], limit: int
) -> tuple[Callable[[int], int | None], Callable[[int], bool]]:
    """What a step of some size takes, and whether it fits into a limit; each is found out once."""

    @cache
    def probe(number: int) -> tuple[int | None, bool]:
        one = ledger(number)
        return (None, False) if one is None else (one.training, one.fits(limit))

    return lambda number: probe(number)[0], lambda number: probe(number)[1]


class Wish(NamedTuple):
    """A design that is to be run.

    Attributes:
        setting: how, whatever its batch.
    """

    design: Design
    setting: Setting

    def ledger(self, batch: int) -> Memory | None:
        """Its memory; none if there is no such batch."""
        try:
            return memory(self.design, self.setting, batch=batch)
        except ArchscopeError:
            return None

    def fits(self, batch: int, limit: int) -> bool:
        """Whether a step of a batch fits into a limit."""
        ledger = self.ledger(batch)
        return ledger is not None and ledger.fits(limit)

    def largest(self, limit: int) -> int | None:
        """The largest batch that fits into a limit; none if not even one sample does."""
        size, fits = probes(self.ledger, limit)
        return most(fits, guess=guessed(size, limit, _GUESSED_AT))

    def but(self, **changed: Any) -> Wish:
        """The same with other settings."""
        return Wish(self.design, self.setting.but(**changed))


def room(device: str, limit: int | None = None, context: int | None = None) -> int | None:
    """Bytes that tensors get: of a limit, or of the memory of a device by name; none if there is neither.

    Args:
        context: what they do not get of them; unasked, of a device its cautious figure, of a limit nothing.

    Raises:
        UsageError: the context leaves nothing.
    """
    if limit is not None:
        whole, less = limit, context or 0
    elif device in DEVICES:
        whole, less = DEVICES[device].memory, DEVICES[device].context if context is None else context
    else:
        return None
    if less >= whole:
        raise UsageError(f"a context of {less:,} bytes leaves nothing of {whole:,}")
    return whole - less


def largest_batch(
    design: Design,
    setting: Setting | None = None,
    *,
    limit: int | str | None = None,
    context: int | str | None = None,
    **changes: Any,
) -> int | None:
    """The largest batch whose training step fits into a limit of bytes, or into the memory of a device by name.

    ``largest_batch(design, device="rtx3090", precision="bf16-mixed", optimizer="adamw")``

    Args:
        setting: how it is run (:class:`~archscope.setting.Setting`), whatever its batch.
        changes: fields of a setting that differ from it: ``batch=32``.
        limit: bytes, or a size such as ``24GiB``; unasked, the memory of the device.
        context: what tensors do not get of it (:func:`room`), as the limit.

    Returns:
        ``None`` if not even one sample fits.

    Raises:
        UsageError: there is neither a limit nor a device whose memory is known, or it is not known what a run takes.
    """
    hold_designs(design)
    setting = Setting.of(setting, **changes)
    hold_known(setting)
    space = room(setting.device, *(None if size is None else bytes_of(size) for size in (limit, context)))
    if space is None:
        raise UsageError(
            f"the memory of {setting.device} is not known: give a limit, or a device by name, such as h200"
        )
    return Wish(design, setting).largest(space)


class Remedy(NamedTuple):
    """A change with which a step fits.

    Attributes:
        what: in words.
        needed: bytes that it then needs.
    """

    what: str
    needed: int


def remedies(design: Design, setting: Setting, limit: int, largest: Memory | None = None) -> Iterator[Remedy]:
    """What makes a step fit that does not, each change on its own, and each computed.

    Args:
        largest: the memory at the largest batch that fits, where that has been looked for.
    """
    wish, batch = Wish(design, setting), setting.batch
    number = wish.largest(limit) if largest is None else largest.setting.batch
    if number is not None:
        largest = largest or wish.ledger(number)
        yield Remedy(f"a batch of {number:,}", _needed(largest))
    if setting.trains:
        yield from _in_parts(wish, batch, limit)
        yield from _recomputing(wish, batch, limit)
    if setting.precision == "float32":
        for precision in ("bf16-mixed", "bfloat16"):
            other = wish.but(precision=precision)
            if other.fits(batch, limit):
                yield _remedy(f"`--precision {precision}`", other, batch)


def _in_parts(wish: Wish, batch: int, limit: int) -> Iterator[Remedy]:
    """Gradients accumulated over parts of a batch."""
    parts = wish.but(accumulate=True)
    for number in range(2, min(batch, _MOST_PARTS) + 1):
        size = -(-batch // number)
        if batch % number == 0 and parts.fits(size, limit):
            yield _remedy(f"gradients accumulated over {number} steps of {size:,} (`--accumulate`)", parts, size)
            return


def _recomputing(wish: Wish, batch: int, limit: int) -> Iterator[Remedy]:
    """The largest blocks that it helps to recompute: fewer inputs of blocks are kept, but more lives in each."""
    for levels in range(1, _DEEPEST + 1):
        blocks = recomputed(wish.design, levels)
        named = [new.checkpoint for new, old in zip(blocks.layers, wish.design.layers, strict=True) if new != old]
        other = Wish(blocks, wish.setting)
        if named and other.fits(batch, limit):
            yield _remedy(f"`checkpoint: true` on every block like `{named[0]}`", other, batch)
            return


def _remedy(what: str, wish: Wish, batch: int) -> Remedy:
    return Remedy(what, _needed(wish.ledger(batch)))


def _needed(ledger: Memory | None) -> int:
    assert ledger is not None  # of what fits
    return ledger.needed


def recomputed(design: Design, levels: int) -> Design:
    """A design whose blocks are recomputed in the backward pass: layers whose names begin alike."""
    layers = tuple(
        layer
        if layer.checkpoint is not None or len(layer.path) <= levels
        else replace(layer, checkpoint=".".join(layer.path[:levels]))
        for layer in design.layers
    )
    return replace(design, layers=layers)
