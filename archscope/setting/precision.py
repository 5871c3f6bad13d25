"""The precisions that a design is run in: how its numbers are held, what autocast lowers, and which units multiply.

They are the same in every command, in Python, in specs and in JSON: torch's full names and the short ones are both
understood, the name of the row is printed. A precision that is new is a row here, and its rules in
:mod:`archscope.autograd`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archscope.autograd.dtypes import short_for
from archscope.errors import UsageError, suggestion
from archscope.setting.devices import CUDNN


@dataclass(frozen=True, slots=True)
class Precision:
    """How the numbers of a run are held and multiplied.

    Attributes:
        name: as it is printed.
        floating: the type of weights, inputs and activations.
        about: in words.
        multiplied: number types in which contractions run, the first that a device has units for; none where nothing is
            known of a run.
        lower: the type that torch.autocast lowers to, if any.
        convolved: those of what cuDNN runs, where they are others.
        aliases: the other names that are understood.
    """

    name: str
    floating: str
    about: str
    multiplied: tuple[str, ...]
    lower: str | None = None
    convolved: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def of(self, kind: str) -> tuple[str, ...]:
        """Number types in which a kind of layer runs, the first that a device has."""
        return self.convolved if self.convolved and kind in CUDNN else self.multiplied

    @property
    def narrowest(self) -> str:
        """The type of what is multiplied: the one that autocast lowers to, if it does."""
        return self.lower or self.floating

    def runs(self, what: str) -> Precision:
        """The same, if it is known what a run in it does.

        Raises:
            UsageError: it is not.
        """
        if not self.multiplied:
            raise UsageError(
                f"{what} is not known in {self.name}: torch runs no layer in it, and scaled products are not modelled;"
                " what a design weighs in it is known: `analyze`"
            )
        return self


_ROWS = (
    Precision(
        "float32", "float32", "torch's default: TF32 in convolutions where the device has it",
        ("float32",), convolved=("tf32", "float32"), aliases=(*short_for("float32"), "float"),
    ),
    Precision("tf32", "float32", "TF32 everywhere", ("tf32",), convolved=("tf32", "float32")),
    Precision("ieee", "float32", "float32 in full everywhere", ("float32",)),
    Precision("bfloat16", "bfloat16", "weights and inputs in it", ("bfloat16",), aliases=short_for("bfloat16")),
    Precision("float16", "float16", "weights and inputs in it", ("float16",), aliases=short_for("float16")),
    Precision(
        "bf16-mixed", "float32", "torch.autocast to bfloat16; on GPUs before Ampere, to float16, which is as wide",
        ("bfloat16", "float16"), "bfloat16", aliases=("amp",),
    ),
    Precision("fp16-mixed", "float32", "torch.autocast to float16", ("float16",), "float16"),
    Precision("float64", "float64", "weights and inputs in it", ("float64",), aliases=short_for("float64")),
    Precision("float8", "float8", "what a design weighs in it; nothing is known of a run", (), aliases=("fp8",)),
)  # fmt: skip

#: every precision by the name that is printed; float32 as torch runs it by default:
#: ``torch.backends.cudnn.allow_tf32`` is True, and ``torch.get_float32_matmul_precision()`` "highest"; torch's word for
#: float32 in full everywhere is "ieee"
PRECISIONS: Mapping[str, Precision] = {row.name: row for row in _ROWS}
#: every word that is understood
WORDS: Mapping[str, Precision] = {word: row for row in _ROWS for word in (row.name, *row.aliases)}

#: types of elements that are none of numbers that are run in
_WHOLE = ("int4", "int8", "uint8", "int16", "int32", "int64", "bool")


def precision_of(word: str | Precision) -> Precision:
    """The precision that a word means: the name of a row or an alias, or torch's own name (``torch.bfloat16``).

    Raises:
        UsageError: it means none.
    """
    if isinstance(word, Precision):
        return word
    name = str(word).removeprefix("torch.").lower()
    if name in WORDS:
        return WORDS[name]
    names = f"one of {', '.join(PRECISIONS)}"
    if name in _WHOLE:
        weighs = "; `archscope memory` says what the weights alone weigh in int8 and int4"
        also = weighs if name in ("int8", "int4") else ""
        raise UsageError(f"{name} is no floating type, and no precision to run in{also}; {names}")
    if name.endswith("mixed"):
        raise UsageError(f"{word} does not say what is lowered to: bf16-mixed (or amp), or fp16-mixed")
    raise UsageError(f"unknown precision {word}; {suggestion(name, WORDS) or names}")
