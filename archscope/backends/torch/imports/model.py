"""What passes between the parts of an import from PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from archscope.backends.importing.constants import ValueFile
from archscope.backends.importing.imported import Unused
from archscope.design import Design


@dataclass(frozen=True)
class ImportTarget:
    """A model that is to be imported, with inputs to run it on.

    Attributes:
        module: the model, or a copy of it without numbers; ``None`` for a saved program.
        program: a saved ``torch.export`` program; ``None`` for a module.
        args: positional inputs; tensors have the batch first.
        kwargs: inputs by name.
        name: of the design.
        source: where the model comes from, in words.
        notes: what a user should know about how it was made.
        shown: the inputs as they were given, where that is with another batch.
        original: the module of which ``module`` is a copy without numbers.
        floating: the floating type in which the model runs: what is of another type is said so in the design.
    """

    module: nn.Module | None
    program: torch.export.ExportedProgram | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    source: str
    notes: tuple[str, ...] = ()
    shown: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    original: nn.Module | None = None
    floating: torch.dtype = torch.float32


@dataclass(frozen=True)
class Lifted:
    """A traced model as a flat design.

    Attributes:
        unused: what never ran.
        names: names of the design's parameters and buffers (``LAYER.NAME``) to those in the model's ``state_dict()``;
            one that is left out has the same name in both.
        notes: what a user should know.
        value_file: values of constants that go into a file beside the spec.
        unknown: layers whose values nobody knows, for the model has them on the meta device; the design says zero.
    """

    design: Design
    unused: tuple[Unused, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    value_file: ValueFile | None = field(default=None, repr=False, compare=False)
    unknown: tuple[str, ...] = ()
