"""Which floating types an op takes side by side, and which it gives: what torch's kernels allow and promote.

Four laws are enough. Types are names here (``bfloat16``); what holds whole numbers is none of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

from archscope.autograd.dtypes import NARROW, promoted


class TypedInput(NamedTuple):
    """A floating tensor that arrives at an op.

    Attributes:
        number: its place among the inputs, from 1.
        scalar: whether it has no dimensions.
    """

    number: int
    dtype: str
    scalar: bool


class Clash(NamedTuple):
    """Two types that do not go together: of the weights or an input, and of another input."""

    first: str
    wanted: str
    number: int
    dtype: str


class Law(ABC):
    """What an op makes of floating types.

    Attributes:
        named: whether its result may be of a type that is neither that of an input nor that of the layer.
    """

    named = False

    @abstractmethod
    def clashes(self, x: Sequence[TypedInput], own: str | None) -> Iterator[Clash]:
        """What torch refuses.

        Args:
            own: the type of the weights (and floating buffers), if there are any.
        """

    @abstractmethod
    def result(self, x: Sequence[TypedInput], own: str) -> str:
        """The type of the floating outputs.

        Args:
            own: the type in which the layer is held.
        """


class Alike(Law):
    """Inputs and weights have one type: a product of matrices, a convolution.

    Args:
        wide: the input (from 1) that may be float32 whatever the others are: the mask of attention.
    """

    def __init__(self, wide: int = 0) -> None:
        self._wide = wide

    def clashes(self, x: Sequence[TypedInput], own: str | None) -> Iterator[Clash]:
        first, wanted = ("the weights", own) if own else (f"input {x[0].number}", x[0].dtype) if x else ("", "")
        for one in x:
            if one.dtype != wanted and not (one.number == self._wide and one.dtype == "float32"):
                yield Clash(first, wanted, one.number, one.dtype)

    def result(self, x: Sequence[TypedInput], own: str) -> str:
        return x[0].dtype if x else own


class Promoted(Law):
    """The type to which torch promotes the inputs (torch.result_type).

    Args:
        whole: the type where whole numbers alone arrive, if it is not that of the layer.
    """

    def __init__(self, whole: str = "") -> None:
        self._whole, self.named = whole, bool(whole)

    def clashes(self, x: Sequence[TypedInput], own: str | None) -> Iterator[Clash]:
        return iter(())

    def result(self, x: Sequence[TypedInput], own: str) -> str:
        return reduce(_together, x).dtype if x else self._whole or own


def _together(a: TypedInput, b: TypedInput) -> TypedInput:
    return TypedInput(0, promoted(a.dtype, b.dtype, scalars=(a.scalar, b.scalar)), a.scalar and b.scalar)


class First(Law):
    """The type of the first input, whatever the others and the weights are."""

    def clashes(self, x: Sequence[TypedInput], own: str | None) -> Iterator[Clash]:
        return iter(())

    def result(self, x: Sequence[TypedInput], own: str) -> str:
        return x[0].dtype if x else own


class Normalised(First):
    """The type of the input; weights and statistics may be float32 beside a narrower one.

    As at::native::is_mixed_type has it.
    """

    def clashes(self, x: Sequence[TypedInput], own: str | None) -> Iterator[Clash]:
        for one in x:
            if own not in (None, one.dtype) and not (own == "float32" and one.dtype in NARROW):
                yield Clash("the weights", str(own), one.number, one.dtype)


class Own(Law):
    """The type in which the layer is held, whatever arrives."""

    def clashes(self, x: Sequence[TypedInput], own: str | None) -> Iterator[Clash]:
        return iter(())

    def result(self, x: Sequence[TypedInput], own: str) -> str:
        return own


ALIKE = Alike()
PROMOTED = Promoted()
FIRST = First()
NORMALISED = Normalised()
OWN = Own()
