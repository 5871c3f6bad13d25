"""A design put together layer by layer: how models that are imported become one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from archscope.autograd.dtypes import Types
from archscope.backends.importing.sizes import LinearSize, size_of
from archscope.design import Design
from archscope.design.graph import Input, Layer, Ref
from archscope.ops import Op, Tensor
from archscope.ops.base import Tensors
from archscope.ops.legal import apply
from archscope.spec.limits import LONGEST_NAME
from archscope.structure.names import free


class Unfit(Exception):
    """A layer that the inputs at hand do not allow; the message is the op's own."""


class Draft:
    """A flat design that is being put together.

    Until it is a design its tensors are known by their references alone; names are settled at the end.

    Args:
        name: of the design.
        batch: at which the layers are checked; at one more, too.
        floating: the floating type of the run, with which they are checked.
    """

    def __init__(
        self, name: str, *, batch: int = 2, source: str = "", description: str = "", floating: str = "float32"
    ) -> None:
        self._name, self._batch, self._source, self._description = name, batch, source, description
        self._inputs: list[Input] = []
        self._layers: dict[str, Layer] = {}
        self._outputs: list[tuple[str, Ref]] = []
        self._tensors: dict[str, tuple[Tensors, Tensors]] = {}
        self._wanted: dict[str, tuple[str, bool]] = {}
        self.no_grad = False
        self.checkpoint: str | None = None
        self.floating = floating

    def input(self, name: str, shape: Sequence[int], dtype: str | None = None) -> Ref:
        """A graph input.

        Args:
            shape: without the batch.
            dtype: ``None`` is the floating type in which the design is analysed.
        """
        label = free(_legal(name.replace(".", "_")), {node.name for node in self._inputs})
        node = Input(label, tuple(shape), dtype)
        self._inputs.append(node)
        self._tensors[label] = (node.tensor(self._batch),), (node.tensor(self._batch + 1),)
        return Ref(label)

    def layer(
        self,
        name: str,
        op: Op,
        inputs: Sequence[Ref],
        *,
        numbered: bool = False,
        shares: Ref | None = None,
        frozen: Iterable[str] = (),
        dtype: str | None = None,
    ) -> tuple[Ref, ...]:
        """A layer behind those that there are; its outputs.

        Args:
            name: the path that it should have; where that is taken, it gets a number.
            numbered: ``name`` is the block it stands in, and it is called after its op there, as an unnamed layer is.
            shares: an output of the layer whose weights it uses again.
            frozen: those of its parameters that are not trained; of one that shares, those of that layer.
            dtype: the floating type in which it is held, if that is not the one of the run; likewise.

        Raises:
            Unfit: the op does not take these inputs.
        """
        owner = self._layers[shares.node] if shares else None
        held = dtype if owner is None else owner.dtype
        outputs = self._applied(op, inputs, held, 0), self._applied(op, inputs, held, 1)
        key = f"#{len(self._tensors)}"
        self._layers[key] = Layer(
            key,
            op,
            tuple(inputs),
            shares=None if owner is None else owner.name,
            frozen=tuple(frozen) if owner is None else owner.frozen,
            checkpoint=self.checkpoint,
            no_grad=self.no_grad,
            dtype=held,
        )
        self._tensors[key] = outputs
        self.call(key, name, numbered=numbered)
        return tuple(Ref(key, number) for number in range(len(outputs[0])))

    def _applied(self, op: Op, inputs: Sequence[Ref], dtype: str | None, which: int) -> Tensors:
        x = tuple(self._tensors[ref.node][which][ref.output] for ref in inputs)
        outputs, violations = apply(op, x, dtype, Types(self.floating))
        if violations:
            raise Unfit("; ".join(violation.message for violation in violations))
        return outputs

    def call(self, key: str, name: str, *, numbered: bool = False) -> None:
        """Say what a layer is called, by the node of its references: as in :meth:`layer`."""
        self._layers[key] = replace(self._layers[key], named=not numbered)
        self._wanted[key] = (".".join(_legal(part) for part in name.split(".")) if name else "", numbered)

    def prune(self, results: Iterable[Ref]) -> None:
        """Forget the layers that contribute to none of these tensors."""
        reached = {ref.node for ref in results}
        for key, layer in reversed(self._layers.items()):
            if key in reached:
                reached.update(ref.node for ref in layer.inputs)
                reached.update(filter(None, [layer.shares]))
        self._layers = {key: layer for key, layer in self._layers.items() if key in reached}
        self._wanted = {key: self._wanted[key] for key in self._layers}

    @property
    def keys(self) -> Collection[str]:
        """The nodes of the layers' references, in the order of execution."""
        return self._layers.keys()

    @contextmanager
    def under(self, *, no_grad: bool = False, checkpoint: str | None = None) -> Iterator[None]:
        """Let the layers that are entered meanwhile run so.

        Args:
            no_grad: without gradients.
            checkpoint: a word for the layers, one after another, that are recomputed together in the backward pass.
        """
        before = self.no_grad, self.checkpoint
        self.no_grad, self.checkpoint = no_grad, checkpoint
        try:
            yield
        finally:
            self.no_grad, self.checkpoint = before

    def output(self, name: str, ref: Ref) -> None:
        """A named result."""
        taken = {output_name for output_name, _ in self._outputs}
        self._outputs.append((free(_legal(name.replace(".", "_")), taken), ref))

    def tensor(self, ref: Ref) -> Tensor:
        """A tensor at the batch of the draft."""
        return self._tensors[ref.node][0][ref.output]

    def sizes(self, ref: Ref) -> tuple[int | LinearSize, ...]:
        """The shape of a tensor at any batch."""
        one, other = (tensors[ref.output].shape for tensors in self._tensors[ref.node])
        if len(one) != len(other):
            raise Unfit("the number of its dimensions depends on the batch")
        return tuple(size_of(a, b, self._batch) for a, b in zip(one, other, strict=True))

    def names(self) -> dict[str, str]:
        """The layers' names by the nodes of their references."""
        taken = {node.name for node in self._inputs}
        names: dict[str, str] = {}

        def take(key: str, name: str) -> None:
            names[key] = name = free(name, taken)
            parts = name.split(".")
            taken.update(".".join(parts[:depth]) for depth in range(1, len(parts) + 1))

        kinds = {layer.name: layer.kind for layer in self._layers.values()}
        wanted = {key: name for key, (name, numbered) in self._wanted.items() if not numbered}
        blocks = {name[:at] for name in wanted.values() for at, letter in enumerate(name) if letter == "."}
        for key, name in wanted.items():
            take(key, f"{name}.{kinds[key]}" if name in blocks else name)  # a layer with children stands among them
        layers = set(names.values())
        called = {key: kind for key, kind in kinds.items() if self._wanted[key][1]}
        counts = Counter((self._wanted[key][0], kind) for key, kind in called.items())
        seen: Counter[tuple[str, str]] = Counter()
        for key, kind in called.items():
            block = self._wanted[key][0]
            seen[block, kind] += 1
            label = kind if counts[block, kind] == 1 else f"{kind}_{seen[block, kind]}"
            joint = "_" if block in layers else "."  # a layer is no block as well
            take(key, f"{block}{joint}{label}" if block else label)
        return names

    def design(self) -> Design:
        """The design as it stands."""
        names = self.names()

        def named(ref: Ref) -> Ref:
            return Ref(names.get(ref.node, ref.node), ref.output)

        layers = tuple(
            replace(
                layer,
                name=names[layer.name],
                inputs=tuple(map(named, layer.inputs)),
                shares=None if layer.shares is None else names[layer.shares],
            )
            for layer in self._layers.values()
        )
        return Design(
            self._name,
            tuple(self._inputs),
            layers,
            tuple((name, named(ref)) for name, ref in self._outputs),
            source=self._source,
            description=self._description,
        )


def _legal(part: str) -> str:
    """A part of a name in the letters that names are made of."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", part)[:LONGEST_NAME] or "_"
