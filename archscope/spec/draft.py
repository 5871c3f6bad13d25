"""A design put together layer by layer: how models that are imported become one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from archscope.design import Design
from archscope.graph import Input, Layer, Ref
from archscope.ops import Op, Tensor
from archscope.ops.base import Tensors
from archscope.ops.legal import Violation, apply
from archscope.spec.document import LONGEST_NAME


class Unfit(Exception):
    """A layer that the inputs at hand do not allow; the message is the op's own."""


class Draft:
    """A flat design that is being put together.

    Args:
        name: of the design.
        batch: at which the layers are checked.
    """

    def __init__(self, name: str, *, batch: int = 2, source: str = "", description: str = "") -> None:
        self._name, self._batch, self._source, self._description = name, batch, source, description
        self._inputs: list[Input] = []
        self._layers: list[Layer] = []
        self._outputs: list[tuple[str, Ref]] = []
        self._tensors: dict[str, Tensors] = {}
        self._taken: set[str] = set()

    def input(self, name: str, shape: Sequence[int], dtype: str | None = None) -> Ref:
        """A graph input.

        Args:
            shape: without the batch.
            dtype: ``None`` is the floating type in which the design is analysed.
        """
        node = Input(self._free(name.replace(".", "_")), tuple(shape), dtype)
        self._inputs.append(node)
        self._tensors[node.name] = (node.tensor(self._batch),)
        return Ref(node.name)

    def layer(
        self, name: str, op: Op, inputs: Sequence[Ref], *, shares: str | None = None, frozen: bool = False
    ) -> tuple[Ref, ...]:
        """A layer behind those that there are; its outputs.

        Args:
            name: the path that it should have; where that is taken, it gets a number.
            shares: the layer whose weights it uses again.

        Raises:
            Unfit: the op does not take these inputs.
        """
        outputs, violations = apply(op, tuple(self.tensor(ref) for ref in inputs))
        if violations:
            raise Unfit(_told(violations))
        free = self._free(name)
        self._layers.append(Layer(free, op, tuple(inputs), shares=shares, frozen=frozen, named=True))
        self._tensors[free] = outputs
        return tuple(Ref(free, number) for number in range(len(outputs)))

    def output(self, name: str, ref: Ref) -> None:
        """A named result."""
        taken = {given for given, _ in self._outputs}
        self._outputs.append((_numbered(_legal(name.replace(".", "_")), taken), ref))

    def tensor(self, ref: Ref) -> Tensor:
        """A tensor at the batch of the draft."""
        return self._tensors[ref.node][ref.output]

    def design(self) -> Design:
        """The design as it stands."""
        return Design(
            self._name,
            tuple(self._inputs),
            tuple(self._layers),
            tuple(self._outputs),
            source=self._source,
            description=self._description,
        )

    def _free(self, name: str) -> str:
        """A name that nothing else has, neither as a layer nor as a block."""
        free = _numbered(".".join(_legal(part) for part in name.split(".")), self._taken)
        parts = free.split(".")
        self._taken.update(".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return free


def _legal(part: str) -> str:
    """A part of a name in the letters that names are made of."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", part)[:LONGEST_NAME] or "_"


def _numbered(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _told(violations: list[Violation]) -> str:
    return "; ".join(violation.message for violation in violations)
