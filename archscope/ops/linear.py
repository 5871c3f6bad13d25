"""Dense layers: every feature of a row meets every other through a weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.arith import prod
from archscope.autograd import aten
from archscope.ops.base import (
    FEATURES_LAST,
    TWO,
    Check,
    Contraction,
    NoBuffers,
    Reads,
    Tape,
    Tensor,
    Tensors,
    TorchLayer,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Flag, Size
from archscope.ops.windows import mixing


class _Dense(TorchLayer, NoBuffers):
    """What dense layers share: they work on the last dimension, row by row."""

    category = "fc"
    layout = FEATURES_LAST
    elementwise_rule = "bias: one addition an output element"

    out_features: int = argument(Size(), symbol="F_out")
    bias: bool = argument(Flag(), True)

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0].with_shape(*x[0].shape[:-1], self.out_features),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel if self.bias else 0

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return tuple(mixing(len(tensor.shape), (len(tensor.shape) - 1,)) for tensor in x)

    def _features_check(self, *x: Tensor) -> Check:
        return Check(
            all(len(tensor.shape) >= 2 for tensor in x),
            "{name} works on the last dimension, and an input has the batch alone",
            hint="give it an input of at least 2 dimensions",
            name=type(self).__name__,
        )


@register
class Linear(_Dense):
    """y = x A^T + b on the last dimension: rows x F_in x F_out MACs (torch.nn.Linear)."""

    follows: ClassVar = {"in_features": 0}

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"in_features": x[0].shape[-1]}

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield self._features_check(*x)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        weight = Tensor((self.out_features, x[0].shape[-1]))
        return {"weight": weight} | ({"bias": Tensor((self.out_features,))} if self.bias else {})

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        yield Contraction(y[0].numel * x[0].shape[-1], (0, "weight"))

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.linear(t, x[0], w["weight"], w.get("bias"))


@register
class Bilinear(_Dense):
    """y_k = x1^T A_k x2 + b_k on the last dimensions of two inputs (torch.nn.Bilinear).

    Counted as two products: x1 A_k for all k (rows x F_1 x F_2 x F_out MACs), and that with x2 (rows x F_2 x F_out).
    """

    arity = TWO
    follows: ClassVar = {"in1_features": 0, "in2_features": 1}

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"in1_features": x[0].shape[-1], "in2_features": x[1].shape[-1]}

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield self._features_check(*x)
        first, second = (tensor.shape[:-1] for tensor in x)
        yield Check(
            len(first) == len(second),
            "Bilinear: input 1 has {a} dimensions and input 2 has {b}",
            a=len(first) + 1,
            b=len(second) + 1,
        )
        for dim, (a, b) in enumerate(zip(first, second, strict=False)):
            yield Check(
                a == b,
                "Bilinear: all dimensions but the last must be equal, and dimension {d} is {a} in input 1 and {b} in "
                "input 2",
                d=dim,
                a=a,
                b=b,
            )

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        weight = Tensor((self.out_features, x[0].shape[-1], x[1].shape[-1]))
        return {"weight": weight} | ({"bias": Tensor((self.out_features,))} if self.bias else {})

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        rows = prod(x[0].shape[:-1])
        first, second = x[0].shape[-1], x[1].shape[-1]
        yield Contraction(rows * first * second * self.out_features, (0, "weight"), "x1 A")
        yield Contraction(rows * second * self.out_features, ((0, "weight"), 1), "(x1 A) x2")

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.bilinear(t, x[0], x[1], w["weight"], w.get("bias"))
