"""The op registry: importing this package registers every op."""

from archscope.ops import (
    activation,
    attention,
    convolution,
    dropout,
    linear,
    merging,
    normalization,
    padding,
    pooling,
    recurrent,
    reduction,
    resampling,
    reshaping,
    splitting,
    tensors,
)
from archscope.ops.base import REGISTRY, Check, Contraction, Op, Tensor, failed

__all__ = [
    "REGISTRY",
    "Check",
    "Contraction",
    "Op",
    "Tensor",
    "activation",
    "attention",
    "convolution",
    "dropout",
    "failed",
    "linear",
    "merging",
    "normalization",
    "padding",
    "pooling",
    "recurrent",
    "reduction",
    "resampling",
    "reshaping",
    "splitting",
    "tensors",
]
