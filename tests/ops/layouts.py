"""How the inputs of an op lie in memory, and the gradients of its outputs, in torch and on a tape alike."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import torch

from archscope.autograd import aten
from archscope.autograd.graph import Shape, Value
from archscope.autograd.tape import Tape


class Layout(NamedTuple):
    """A view of a tensor in order that has a shape.

    Attributes:
        order: the dimensions of the tensor in order, by their places in the view.
        cut: a dimension of which the tensor in order has two more, if any.
        repeated: a dimension in which the tensor in order has one element, and the view repeats it, if any.
    """

    order: tuple[int, ...]
    cut: int | None = None
    repeated: int | None = None

    def base(self, shape: Shape) -> Shape:
        """The shape of the tensor in order."""
        sizes = list(shape)
        if self.cut is not None:
            sizes[self.cut] += 2
        if self.repeated is not None:
            sizes[self.repeated] = 1
        return tuple(sizes[dim] for dim in self.order)

    def _places(self) -> list[int]:
        return sorted(range(len(self.order)), key=lambda place: self.order[place])

    def of(self, x: torch.Tensor, shape: Shape) -> torch.Tensor:
        """The view in torch."""
        y = x.permute(self._places()) if self.turned else x
        y = y if self.cut is None else y.narrow(self.cut, 0, shape[self.cut])
        return y if self.repeated is None else y.expand(shape)

    def on(self, t: Tape, x: Value, shape: Shape) -> Value:
        """The view on a tape."""
        y = aten.permute(t, x, self._places()) if self.turned else x
        y = y if self.cut is None else aten.part(t, y, self.cut, shape[self.cut], 1, alias=False)
        return y if self.repeated is None else aten.expand(t, y, shape)

    @property
    def turned(self) -> bool:
        """Whether dimensions change places."""
        return self.order != tuple(range(len(self.order)))

    @classmethod
    def drawn(cls, draw: Random, shape: Shape) -> Layout:
        """One for a shape."""
        order = list(range(len(shape)))
        kind = draw.choice(("turned", "turned", "last", "cut", "repeated", "cut and turned", "plain"))
        if "turned" in kind:
            draw.shuffle(order)
        if kind == "last" and len(order) > 2:
            order = [0, *range(2, len(order)), 1]
        cut = draw.choice(order) if order and "cut" in kind else None
        repeated = draw.choice(order) if order and kind == "repeated" else None
        return cls(tuple(order), cut, repeated)


class Gradient(NamedTuple):
    """What is done to an output, so that its gradient comes laid out so.

    Attributes:
        kind: ``mean``: in order; ``sum``: one number repeated; ``turned``: in the order of dimensions ``order``;
            ``cut``: with gaps in dimension ``order[0]``.
    """

    kind: str
    order: tuple[int, ...]

    def of(self, y: torch.Tensor) -> torch.Tensor:
        """The loss in torch."""
        if self.kind == "sum":
            return y.sum(tuple(range(y.ndim)))
        if self.kind == "turned":
            y = y.permute(self.order).contiguous()
        if self.kind == "cut":
            y = torch.cat([y, torch.zeros(y.shape, dtype=y.dtype)], self.order[0])
        return y.mean()

    def on(self, t: Tape, y: Value) -> Value:
        """The loss on a tape."""
        start = t.begin()
        loss = self._on(t, y)
        t.end(start, loss)
        return loss

    def _on(self, t: Tape, y: Value) -> Value:
        if self.kind == "sum":
            return aten.summed(t, y, (), range(len(y.shape)))
        if self.kind == "turned":
            y = aten.copied(t, aten.permute(t, y, self.order))
        if self.kind == "cut":
            dim = self.order[0]
            shape = (*y.shape[:dim], 2 * y.shape[dim], *y.shape[dim + 1 :])
            zeros = t.make(y.shape, y.dtype)
            y = aten.cat(t, [y, zeros], shape, dim)
            t.drop(zeros)
        return aten.mean(t, y, (), range(len(y.shape)))

    @classmethod
    def drawn(cls, draw: Random, shape: Shape) -> Gradient:
        """One for an output."""
        order = list(range(len(shape)))
        draw.shuffle(order)
        return cls(draw.choice(("mean", "sum", "turned", "turned", "cut")) if order else "mean", tuple(order))


def told(shape: Sequence[int], strides: Any) -> tuple[int, ...]:
    """Strides where they matter."""
    return tuple(stride for size, stride in zip(shape, strides, strict=True) if size > 1)
