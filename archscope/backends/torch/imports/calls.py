"""What a model does, as its trace says it: calls, and the tensors that they read and make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as pytree

from archscope.backends.importing.sizes import LinearSize

#: arguments of a call by the names of its schema
Arguments = Mapping[str, Any]


class Frame(NamedTuple):
    """A module at work around a call: the key that torch gives it, its path, and the full name of its class."""

    key: str
    path: str
    kind: str


@dataclass(frozen=True)
class TraceTensor:
    """A tensor of the program.

    Attributes:
        name: of the node that makes it, with the number of the output where there are several.
        shape: each size, and how it depends on the batch.
        contiguous: whether its elements lie in their order in memory.
    """

    name: str
    shape: tuple[int | LinearSize, ...]
    dtype: torch.dtype
    contiguous: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class Call:
    """One call of the program.

    Attributes:
        target: ``aten.conv2d.default``.
        function: what is called.
        args: tensors are :class:`TraceTensor`, numbers that depend on the batch are :class:`LinearSize`.
        outputs: the tensors that it makes.
        frames: the modules around it, the outermost first.
        grad: whether gradients are recorded.
        recomputed: the number of the part that it is recomputed with in the backward pass, if it is.
        own: the ``torch.autograd.Function`` that it stands in, if any, and the number of that.
    """

    target: str
    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[TraceTensor | None, ...]
    frames: tuple[Frame, ...]
    grad: bool
    recomputed: int | None = None
    own: str | None = None

    @property
    def values(self) -> list[TraceTensor]:
        """The tensors that it reads."""
        return [leaf for leaf in pytree.tree_leaves((self.args, dict(self.kwargs))) if isinstance(leaf, TraceTensor)]

    @property
    def packet(self) -> str:
        """The name of the function without its overload: ``aten.add_``."""
        return ".".join(self.target.split(".")[:2])

    @property
    def functional(self) -> str:
        """The name of the function that works in no place, without ``aten.``: ``add``."""
        name = self.packet.removeprefix("aten.")
        return name[:-1] if name.endswith("_") and not name.endswith("__") else name

    @property
    def arguments(self) -> Arguments:
        """The arguments by the names of the schema, defaults included."""
        names = [(one.name, one.default_value) for one in self.function._schema.arguments]
        arguments = dict(names)
        arguments.update(zip((name for name, _ in names), self.args, strict=False))
        arguments.update(self.kwargs)
        return arguments

    @property
    def module(self) -> str:
        """The path of the innermost module around it; empty for the model itself."""
        return self.frames[-1].path if self.frames else ""


@dataclass(frozen=True)
class ModelTensor:
    """A tensor that the model holds.

    Attributes:
        name: in ``state_dict()``; of tied ones the first.
        learnt: whether it is a parameter.
        trained: whether it is a parameter that needs a gradient.
        persistent: whether it is in ``state_dict()``.
    """

    name: str
    value: TraceTensor
    learnt: bool
    trained: bool
    persistent: bool = True


@dataclass(frozen=True)
class Trace:
    """What a model does: the calls that it makes.

    Attributes:
        batch: at which it was traced (and one more).
        inputs: the tensors that the model is given, by name.
        held: parameters and buffers that it reads, by the name of their values.
        constants: tensors that are neither, and were made before it ran.
        outputs: by name.
    """

    batch: int
    inputs: Mapping[str, TraceTensor]
    held: Mapping[str, ModelTensor]
    constants: Mapping[str, torch.Tensor]
    calls: tuple[Call, ...]
    outputs: Mapping[str, TraceTensor]
