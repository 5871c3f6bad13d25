"""Recurrent cells: one step of an RNN, an LSTM or a GRU, on a tensor and perhaps the states before it.

A step multiplies its G x H gate rows by what arrives (F features) and by the hidden state: N x G H x (F + H) MACs.
Without a state torch begins with zeros, whose product it computes all the same.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from archscope.autograd.recurrent import CellStep, ElmanStep, GRUStep, LSTMStep, stepped
from archscope.ops.base import (
    FEATURES_LAST,
    Arity,
    Check,
    Contraction,
    InfersArguments,
    NoBuffers,
    Reads,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
)
from archscope.ops.fields import Choice, Flag, Size
from archscope.ops.windows import mixing, pointwise


class _Cell(InfersArguments, NoBuffers):
    """What all cells share: they read (N, F), perhaps the states (N, H) before, and give the states behind."""

    ndims = (2,)
    layout = FEATURES_LAST
    #: rows of the weights, in units of the hidden size
    gates: ClassVar[int]
    #: how many states there are
    states: ClassVar[int] = 1
    follows: ClassVar = {"input_size": 0}

    hidden_size: int = argument(Size(), symbol="H_out")
    bias: bool = argument(Flag(), True)

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"input_size": x[0].shape[-1]}

    def checks(self, *x: Tensor) -> Iterator[Check]:
        if self.states > 1:
            yield Check(len(x) != 2, "a cell takes one input, or three (the input and both states before it), not two")
        for tensor in x[1:]:
            batch, size = tensor.shape
            yield Check(
                size == self.hidden_size,
                "a state has {s} features, and hidden_size is {h}",
                field="hidden_size",
                s=size,
                h=self.hidden_size,
            )
            yield Check(
                batch == x[0].shape[0],
                "the batch (dimension 0) is {a} in the input and {b} in a state",
                a=x[0].shape[0],
                b=batch,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0].with_shape(x[0].shape[0], self.hidden_size),) * self.states

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        rows = self.gates * self.hidden_size
        weights = {"weight_ih": Tensor((rows, x[0].shape[-1])), "weight_hh": Tensor((rows, self.hidden_size))}
        return weights | ({"bias_ih": Tensor((rows,)), "bias_hh": Tensor((rows,))} if self.bias else {})

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        rows = x[0].shape[0] * self.gates * self.hidden_size
        yield Contraction(rows * x[0].shape[-1], (0, "weight_ih"), "input")
        yield Contraction(rows * self.hidden_size, (1, "weight_hh") if len(x) > 1 else ("weight_hh",), "hidden")

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel * (self.gates * (3 if self.bias else 1) + self._unit_work())

    @abstractmethod
    def _unit_work(self) -> int:
        """Elementwise operations a hidden unit, without the sums of products and biases."""

    @abstractmethod
    def _cell(self) -> CellStep:
        """The step, in memory."""

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (*(mixing(2, (1,)) for _ in x[:2]), *(pointwise(2) for _ in x[2:]))

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return stepped(t, self._cell(), x[0], x[1:], w, hidden=self.hidden_size)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        layer = getattr(torch.nn, type(self).__name__)(**self.inferred(*x), **self.arguments())
        layer.register_forward_pre_hook(_two_arguments)
        module: Callable[..., Any] = layer
        return module


def _two_arguments(layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """torch's LSTMCell takes both states as a pair."""
    return (inputs[0], inputs[1:]) if len(inputs) > 2 else inputs


@register
class RNNCell(_Cell):
    """h' = tanh(W_ih x + W_hh h + b), or relu (torch.nn.RNNCell; Elman, 1990)."""

    arity = Arity(1, 2)
    gates = 1
    elementwise_rule = "a hidden unit: the sum of the products, two biases, and the nonlinearity (1)"

    nonlinearity: str = argument(Choice(("tanh", "relu")), "tanh")

    def _unit_work(self) -> int:
        return 1

    def _cell(self) -> CellStep:
        return ElmanStep()


@register
class LSTMCell(_Cell):
    """i, f, o = sigmoid(...), g = tanh(...), c' = f c + i g, h' = o tanh(c'); outputs h' and c' (torch.nn.LSTMCell)."""

    arity = Arity(1, 3)
    gates = 4
    states = 2
    elementwise_rule = (
        "a hidden unit: for each of 4 gates the sum of the products and two biases; 3 sigmoids of 4 (negate, exp, add, "
        "divide), 2 tanh, c' = f c + i g (3), h' = o tanh(c') (1)"
    )

    def _unit_work(self) -> int:
        return 3 * 4 + 2 + 3 + 1

    def _cell(self) -> CellStep:
        return LSTMStep()


@register
class GRUCell(_Cell):
    """r, z = sigmoid(...), n = tanh(W x + b + r (W h + b)), h' = (1 - z) n + z h (torch.nn.GRUCell)."""

    arity = Arity(1, 2)
    gates = 3
    elementwise_rule = (
        "a hidden unit: for each of 3 gates the sum of the products and two biases; 2 sigmoids of 4 (negate, exp, add, "
        "divide), the product with r, tanh, h' = (1 - z) n + z h (4)"
    )

    def _unit_work(self) -> int:
        return 2 * 4 + 1 + 1 + 4

    def _cell(self) -> CellStep:
        return GRUStep()
