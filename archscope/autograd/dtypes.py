"""Types of elements, what they weigh, and those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archscope.autograd.versions import TORCH, Version
from archscope.errors import UsageError, suggestion

#: bytes of an element
ITEM_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "float8": 1,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip

FLOATING = ("float64", "float32", "float16", "bfloat16", "float8")

#: floating types in which a layer can be held, and tensors be cast to
HELD = ("float64", "float32", "float16", "bfloat16")

#: short names of floating types, which are understood wherever a type or a precision is named; the full one is printed
SHORT = {
    "fp64": "float64", "double": "float64", "fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16",
}  # fmt: skip

#: words for how a run multiplies, or what it casts, which are no types of tensors
OF_RUNS = ("tf32", "ieee", "amp", "bf16-mixed", "fp16-mixed")

#: those in whose place torch's kernels sum in float32
NARROW = ("float16", "bfloat16")

#: kinds of numbers, each of which takes in those before it
_KINDS = (("bool",), ("uint8", "int8", "int16", "int32", "int64"), FLOATING)


def short_for(name: str) -> tuple[str, ...]:
    """The short names of a type."""
    return tuple(short for short, full in SHORT.items() if full == name)


def full_name(word: str) -> str:
    """Torch's full name of a type, of that or a short one; another word as it is."""
    return SHORT.get(word.lower(), word)


#: types of torch that no layer here works in: they were meant
_OTHERS = ("int8", "uint8", "int16", "uint16", "uint32", "uint64", "complex64", "complex128")


def misnamed(word: str, names: Sequence[str]) -> str:
    """A hint for a word that is not the name of a type: what it is, or what was meant; empty where nothing is close."""
    name = full_name(word.removeprefix("torch.")).lower()
    if name in OF_RUNS:
        return f"{word} is how a run computes, not a type of tensors: ask by `--precision {name}`"
    if name in ("fp8", "float8"):
        return "no layer of torch runs in float8: what a design weighs in it is `--precision float8`"
    if name in names:
        return f"did you mean `{name}`?"
    return "" if name in _OTHERS else suggestion(word, names)


class Types(NamedTuple):
    """How the numbers of a run are held, and what torch.autocast makes of them.

    Attributes:
        floating: the type of what is not marked with another.
        lower: the type that torch.autocast lowers to, if any.
        device: ``cpu`` or ``cuda``: whose lists autocast goes by.
        torch: of which version those are.
    """

    floating: str = "float32"
    lower: str | None = None
    device: str = "cpu"
    torch: Version = TORCH

    def __str__(self) -> str:
        return f"under torch.autocast to {self.lower}" if self.lower else f"in a run in {self.floating}"


class Unmixable(UsageError):
    """Tensors of types that a function does not take side by side."""


def promoted(first: str, second: str, *, scalars: tuple[bool, bool] = (False, False)) -> str:
    """The type of a function of two tensors (torch.promote_types).

    Args:
        scalars: whether each has no dimensions; its type then counts only where it is of a higher kind, as in
            torch.result_type.
    """
    kinds = [next(number for number, names in enumerate(_KINDS) if dtype in names) for dtype in (first, second)]
    if kinds[0] != kinds[1]:
        return first if kinds[0] > kinds[1] else second
    if scalars[0] != scalars[1]:
        return second if scalars[0] else first
    if first == second:
        return first
    if first in FLOATING:
        return "float64" if "float64" in (first, second) else "float32"
    return max(first, second, key=_KINDS[kinds[0]].index)
