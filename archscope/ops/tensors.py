"""Ops that hand a tensor on, scale it, look it up, or are one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from archscope.autograd import aten
from archscope.ops.base import (
    FEATURES_LAST,
    Arity,
    Check,
    NoBuffers,
    NoChecks,
    NoContraction,
    NoWeights,
    NoWork,
    OneKernel,
    PlainTorchLayer,
    Pointwise,
    Reads,
    SameShape,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
    special_module,
)
from archscope.ops.fields import Flag, Index, Maybe, Real, Shape, Size


@register
class Identity(PlainTorchLayer, Pointwise, SameShape, NoWeights, NoWork, NoChecks):
    """The input itself (torch.nn.Identity)."""

    takes = "any"
    view = True

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return x[0]


@register
class Scale(Pointwise, OneKernel, SameShape, NoWeights, NoContraction, NoChecks):
    """The input times a constant."""

    elementwise_rule = "one multiplication an element"

    factor: float = argument(Real())

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        factor = self.factor
        return lambda tensor: tensor * factor


@register
class Embedding(PlainTorchLayer, Pointwise, NoBuffers, NoContraction):
    """A row of a table for every index (torch.nn.Embedding)."""

    takes = "int64"
    layout = FEATURES_LAST
    elementwise_rule = (
        "none (a lookup); with max_norm 3 an output element (power, add, scale) and 3 a row (root, compare, divide), "
        "as if no index came twice"
    )

    num_embeddings: int = argument(Size())
    embedding_dim: int = argument(Size(), symbol="F_out")
    padding_idx: int | None = argument(Maybe(Index(None)), None)
    max_norm: float | None = argument(Maybe(Real()), None)
    norm_type: float = argument(Real(), 2.0)
    scale_grad_by_freq: bool = argument(Flag(), False)
    sparse: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        if self.padding_idx is not None:
            yield Check(
                (self.num_embeddings > self.padding_idx) & (self.num_embeddings >= -self.padding_idx),
                "padding_idx ({p}) must be the index of one of num_embeddings ({n}) rows",
                field="padding_idx",
                p=self.padding_idx,
                n=self.num_embeddings,
            )
        yield Check(
            not (self.sparse and self.scale_grad_by_freq),
            "sparse gradients cannot be scaled by frequency",
            field="scale_grad_by_freq",
        )

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor((*x[0].shape, self.embedding_dim)),)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {"weight": Tensor((self.num_embeddings, self.embedding_dim))}

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 0 if self.max_norm is None else 3 * y[0].numel + 3 * x[0].numel

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.embedding(t, w["weight"], x[0], y[0].shape)


@register
class Parameter(NoBuffers, NoWork):
    """A learnable tensor, such as a position embedding; an input, if any, only lends its batch size.

    With ``expand`` its dimension 0, which must be 1, is repeated for every sample, as for the class token of a ViT.
    """

    arity = Arity(0, 1)
    takes = "any"

    shape: tuple[int, ...] = argument(Shape())
    expand: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        if self.expand:
            yield Check(
                bool(x),
                "expand repeats the tensor for every sample of an input, and none arrives",
                field="expand",
                hint="place the layer behind another one, or give it `from:`",
            )
            yield Check(
                self.shape[0] == 1,
                "expand needs a tensor whose dimension 0 is 1, not {s}",
                field="shape",
                s=self.shape[0],
            )

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor((x[0].shape[0], *self.shape[1:]) if self.expand else self.shape),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (None,) * len(x)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {"weight": Tensor(self.shape)}

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.expand(t, w["weight"], y[0].shape)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        forward = _expanded if self.expand else _itself
        layer = special_module(torch, self, x, forward)
        layer.weight = torch.nn.Parameter(torch.zeros(self.shape))
        module: Callable[..., Any] = layer
        return module


def _itself(layer: Any, *inputs: Any) -> Any:
    return layer.weight


def _expanded(layer: Any, tensor: Any) -> Any:
    return layer.weight.expand(tensor.shape[0], *layer.weight.shape[1:])
