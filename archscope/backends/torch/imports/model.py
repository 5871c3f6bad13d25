"""What passes between the parts of an import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from archscope.backends.torch.check import Check
from archscope.design import Design
from archscope.shown import Told


@dataclass(frozen=True)
class Target:
    """A model that is to be imported, with inputs to run it on.

    Attributes:
        module: the model, on the meta device where it could be put there; ``None`` for a saved program.
        program: a saved ``torch.export`` program; ``None`` for a module.
        args: positional inputs; tensors have the batch first.
        kwargs: inputs by name.
        name: of the design.
        source: where the model comes from, in words.
        notes: what a user should know about how it was made.
    """

    module: nn.Module | None
    program: torch.export.ExportedProgram | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    source: str
    notes: tuple[str, ...] = ()


class Unused(NamedTuple):
    """A submodule, or a parameter of one, that never ran.

    Attributes:
        kind: its class.
        params: parameters in it.
    """

    path: str
    kind: str
    params: int


class Refusal(NamedTuple):
    """What a design cannot represent.

    Attributes:
        place: the path of the module.
        what: the call that is meant: ``aten.fft_fftn``.
        needed: what would be needed: ``an op for the Fourier transform``.
    """

    place: str
    what: str
    needed: str


@dataclass(frozen=True)
class Lifted:
    """A traced model as a flat design.

    Attributes:
        unused: what never ran, and is not in the design.
        names: names of the design's parameters and buffers (``LAYER.NAME``) to those in the model's ``state_dict()``;
            one that is left out has the same name in both.
        notes: what a user should know.
    """

    design: Design
    unused: tuple[Unused, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported(Told):
    """An imported model: its design, as it loads from its spec, and the proof that it is the model.

    Attributes:
        spec: the text of the spec.
        flat: whether the spec is a plain list of layers.
        proof: every figure, as the design states it and as the original has it.
        unused: what never ran, and is not in the design.
        notes: what a user should know.
        opaque: layers that are kept as black boxes.
    """

    design: Design
    spec: str = field(repr=False)
    flat: bool
    proof: tuple[Check, ...]
    unused: tuple[Unused, ...] = ()
    notes: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no figure differs from the original's."""
        return all(one.ok for one in self.proof)
