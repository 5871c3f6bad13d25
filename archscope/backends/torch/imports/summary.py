"""The account of a model that is there already, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from archscope.analysis.counts.account import Account, analyze
from archscope.analysis.field.receptive_field import ReceptiveFields
from archscope.analysis.step.memory import Memory
from archscope.autograd.dtypes import full_name
from archscope.backends.importing.imported import Imported
from archscope.backends.torch.imports import Examples, imported, target_of
from archscope.backends.torch.imports.targets import DTYPES
from archscope.backends.torch.imports.trace import batch_of
from archscope.backends.torch.imports.twin import floating
from archscope.design import Design
from archscope.errors import UsageError, counted
from archscope.setting import Setting
from archscope.setting.precision import PRECISIONS
from archscope.shown import Shown

Sizes = Sequence[int] | Sequence[Sequence[int]] | Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Summary(Shown, report="summary"):
    """A model's account; ``str()`` of it is the layer table with its totals, memory, receptive field and proof.

    Attributes:
        imported: its design, and the proof that it is the model.
        setting: how it is run: the batch that is accounted for, in the floating type of its parameters.
    """

    imported: Imported
    setting: Setting

    @property
    def design(self) -> Design:
        """The model as a design: to change, compare, sweep, or write down."""
        return self.imported.design

    @cached_property
    def account(self) -> Account:
        """Every figure of every layer."""
        return analyze(self.design, self.setting)

    @property
    def memory(self) -> Memory:
        """What a training step (SGD) holds, and an inference."""
        return self.account.memory

    @property
    def fields(self) -> ReceptiveFields:
        """The receptive fields of all layers."""
        return self.account.fields


def summary(
    model: nn.Module,
    input_size: Sizes | None = None,
    input_data: Examples | None = None,
    *,
    batch: int | None = None,
    dtypes: Sequence[torch.dtype | str] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    opaque: bool = True,
) -> Summary:
    """Account for a model: the table, the memory and the fields of ``archscope analyze``, and the proof.

    The model is copied, without its numbers, and traced in the mode that it is in: in training it has its dropout, else
    it has none. It stays as it was.

    Args:
        input_size: the batch first: ``(1, 3, 224, 224)``; for several inputs a list of such, or a mapping of names.
        input_data: the inputs themselves, in place of their sizes: a tensor, several, or a mapping of names to them.
        batch: samples to account for; those of the inputs if left out.
        dtypes: of the inputs that ``input_size`` gives, such as ``torch.int64``; floating if left out.
        kwargs: other inputs by name.
        opaque: keep what no layer can represent as a black box with its measured totals; else it is refused.

    Raises:
        UsageError: the model does not take these inputs, or cannot be traced.
    """
    if input_size is not None and input_data is not None:
        raise UsageError("give either input_size or input_data: the data have sizes")
    inputs = _inputs(input_size, dtypes) if input_size is not None else input_data
    target = target_of(
        model, () if inputs is None else inputs, kwargs or {}, hint="input_size=(1, 3, 224, 224), the batch first"
    )
    own = batch_of((inputs, kwargs)) if batch is None else batch
    dtype = str(floating(model.parameters())).removeprefix("torch.")
    return Summary(imported(target, opaque=opaque), Setting(own, dtype if dtype in PRECISIONS else "float32"))


def _inputs(sizes: Sizes, dtypes: Sequence[torch.dtype | str] | None) -> Examples:
    """Inputs of these sizes, without values."""
    if isinstance(sizes, Mapping):
        return dict(zip(sizes, _tensors(list(sizes.values()), dtypes), strict=True))
    several: Any = [sizes] if all(isinstance(size, int) for size in sizes) else sizes
    return _tensors(several, dtypes)


def _tensors(sizes: Sequence[Sequence[int]], dtypes: Sequence[torch.dtype | str] | None) -> list[torch.Tensor]:
    stated = ["float32"] * len(sizes) if dtypes is None else dtypes
    kinds = [full_name(str(dtype).removeprefix("torch.")) for dtype in stated]
    if len(kinds) != len(sizes) or any(kind not in DTYPES for kind in kinds):
        raise UsageError(
            f"dtypes are one for each of {counted(len(sizes), 'input')}, of {', '.join(DTYPES)}; not {', '.join(kinds)}"
        )
    for size in sizes:
        if not size or any(not isinstance(length, int) or length < 1 for length in size):
            raise UsageError(
                f"an input_size is a tuple of sizes, the batch first, such as (1, 3, 224, 224); not {size!r}"
            )
    return [
        torch.empty(tuple(size), dtype=DTYPES[kind], device="meta") for size, kind in zip(sizes, kinds, strict=True)
    ]
