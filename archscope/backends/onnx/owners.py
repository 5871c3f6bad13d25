"""Which layers the stored tensors of a file belong to."""

from __future__ import annotations

from collections.abc import Mapping

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.onnx.values import Constant
from archscope.design.graph import Ref
from archscope.ops import Op


class Owners:
    """Which layers the stored tensors of a file belong to; one kind of layer each.

    Attributes:
        doubled: stored tensors that several layers use, of which each counts its own.
    """

    def __init__(self) -> None:
        self._layers: dict[tuple[str, ...], tuple[Op, Ref]] = {}
        self._names: dict[str, str] = {}
        self.doubled: set[str] = set()

    def name(self, source: str) -> str | None:
        """The name of the layer that a stored tensor belongs to, if there is one."""
        return self._names.get(source)

    def first(self, op: Op, weights: Mapping[str, Constant]) -> Ref | None:
        """The earlier layer that has the same weights.

        Raises:
            Unsupported: an earlier layer of another kind has some of them.
        """
        names = _sources(weights)
        if not all(names):
            return None
        if names in self._layers and self._layers[names][0] == op:
            return self._layers[names][1]
        mine = [value.source for value in weights.values() if value.source in self._names and len(value.shape) > 1]
        self.doubled.update(name for name in names if name in self._names)
        if mine:
            raise Unsupported(
                f"its weight {mine[0]} is also that of {self._names[mine[0]]}, which is another kind of layer",
                "weights that one kind of layer uses",
            )
        return None

    def enter(self, op: Op, weights: Mapping[str, Constant], name: str, ref: Ref) -> None:
        """Note what the weights of a layer are."""
        names = _sources(weights)
        if names and all(names) and self._layers.get(names, (None,))[0] != op:
            self._layers[names] = op, ref
        for source in filter(None, names):
            self._names.setdefault(source, name)

    def release(self, weights: Mapping[str, Constant]) -> None:
        """Forget the layer of these weights: another takes its place."""
        names = _sources(weights)
        self._layers.pop(names, None)
        for name in names:
            self._names.pop(name, None)

    def alone(self, source: str) -> None:
        """Let a layer that gives a stored tensor as it is be no layer with weights."""
        self._layers.pop((source,), None)


def _sources(weights: Mapping[str, Constant]) -> tuple[str, ...]:
    return tuple(value.source for value in weights.values())
