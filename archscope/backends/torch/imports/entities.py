"""What a value of a program may have become in a design.

One of: a tensor of the design (:class:`~archscope.design.graph.Ref`), a parameter or buffer that has not met its layer
yet (:class:`LooseWeight`), what is known without any input (:class:`Constant`), or what came of a call that cannot be
represented (:class:`Broken`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensor

from archscope.backends.torch.imports.calls import ModelTensor, TraceTensor
from archscope.design.graph import Ref

#: how dtypes are called in a design
DTYPES: Mapping[torch.dtype, str] = {
    torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16", torch.float64: "float64",
    torch.int64: "int64", torch.int32: "int32", torch.bool: "bool",
}  # fmt: skip


@dataclass(frozen=True)
class LooseWeight:
    """A parameter or buffer that no layer holds yet."""

    held: ModelTensor


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that is known without any input, at the batch of the trace."""

    tensor: torch.Tensor
    value: TraceTensor

    @property
    def idle(self) -> bool:
        """Whether it is a mere number, or a mask that hides nothing."""
        return self.tensor.ndim == 0 or (self.tensor.dtype == torch.bool and bool(self.tensor.all()))

    @property
    def zero(self) -> bool:
        """Whether all of it is zero."""
        return not bool(self.tensor.any())


@dataclass(frozen=True)
class Broken:
    """What came of a call that cannot be represented."""


Entity = Ref | LooseWeight | Constant | Broken | None


def word(dtype: torch.dtype, floating: torch.dtype) -> str:
    """How an op of a design calls a dtype; ``float`` is the floating type of the run."""
    return "float" if dtype == floating else DTYPES[dtype]


def without_values(tensor: torch.Tensor | None) -> bool:
    """Whether nobody knows what a tensor holds."""
    return tensor is None or ((tensor.is_meta or isinstance(tensor, FakeTensor)) and tensor.numel() > 0)
