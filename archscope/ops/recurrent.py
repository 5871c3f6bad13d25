"""Recurrent layers: RNN, LSTM and GRU over sequences, stacked and in both directions.

Each step of a layer multiplies its G x H gate rows by what arrives (F features) and by the hidden state (H_out), so a
layer and direction takes N x L x G H x (F + H_out) MACs; a projection (proj_size) adds N x L x H x H_out. The hidden
state of the first step is zero: torch computes its product all the same, but no gradient of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from archscope.arith import fixed
from archscope.autograd.recurrent import CellStep, ElmanStep, GRUStep, LSTMStep, recurrent
from archscope.ops.base import (
    FEATURES_LAST,
    Check,
    Contraction,
    InfersArguments,
    NoBuffers,
    NoChecks,
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
from archscope.ops.fields import Choice, Flag, Index, Real, Size
from archscope.ops.readings import Either
from archscope.ops.windows import ALL, SAME, WHOLE, Along, Axis, From, UpTo


class _Recurrent(InfersArguments, NoBuffers):
    """What all recurrent layers share: outputs (N, L, D H_out) of the last layer, and the states (D layers, N, H)."""

    ndims = (3,)
    layout = FEATURES_LAST
    disorders = True
    #: rows of the weights, in units of the hidden size
    gates: ClassVar[int]
    follows: ClassVar = {"input_size": 0}

    hidden_size: int = argument(Size(), symbol="H_out")
    num_layers: int = argument(Index(1), 1)
    bias: bool = argument(Flag(), True)
    batch_first: bool = argument(Flag(), False)
    dropout: float = argument(Real(0, 1), 0.0)
    bidirectional: bool = argument(Flag(), False)

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"input_size": x[0].shape[-1]}

    @abstractmethod
    def _out(self) -> int:
        """Size of the hidden state that leaves a step."""

    @abstractmethod
    def _states(self) -> tuple[int, ...]:
        """Sizes of the states that are returned."""

    @abstractmethod
    def _projected(self) -> bool:
        """Whether the hidden state is projected (``weight_hr``)."""

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return recurrent(
            t,
            self._cell(),
            x[0],
            w,
            hidden=self.hidden_size,
            layers=self.num_layers,
            directions=self._directions(),
            batch_first=self.batch_first,
            dropout=self.dropout,
        )

    @abstractmethod
    def _cell(self) -> CellStep:
        """One step of it, in memory."""

    @abstractmethod
    def _unit_work(self) -> int:
        """Elementwise operations a hidden unit and step, without the sums of products and biases."""

    def _directions(self) -> tuple[str, ...]:
        """Suffix of the parameters of each direction."""
        return ("", "_reverse") if self.bidirectional else ("",)

    def _layers(self, x: Tensor) -> Iterator[tuple[int, str, int]]:
        """Number of the layer, suffix of its parameters, and features that arrive, for every layer and direction."""
        for layer in range(self.num_layers):
            arriving = x.shape[-1] if layer == 0 else self._out() * len(self._directions())
            for direction in self._directions():
                yield layer, f"l{layer}{direction}", arriving

    def _sequences(self, x: Tensor) -> tuple[int, int]:
        """How many sequences there are, and how long they are."""
        first, second, _ = x.shape
        return (first, second) if self.batch_first else (second, first)

    def outputs(self, *x: Tensor) -> Tensors:
        batch, _ = self._sequences(x[0])
        directions = len(self._directions())
        states = (x[0].with_shape(directions * self.num_layers, batch, size) for size in self._states())
        return (x[0].with_shape(*x[0].shape[:2], directions * self._out()), *states)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        weights: dict[str, Tensor] = {}
        rows, out = self.gates * self.hidden_size, self._out()
        for _, name, arriving in self._layers(x[0]):
            weights |= {f"weight_ih_{name}": Tensor((rows, arriving)), f"weight_hh_{name}": Tensor((rows, out))}
            if self.bias:
                weights |= {f"bias_ih_{name}": Tensor((rows,)), f"bias_hh_{name}": Tensor((rows,))}
            if self._projected():
                weights |= {f"weight_hr_{name}": Tensor((out, self.hidden_size))}
        return weights

    def _kinds(self) -> tuple[str, ...]:
        """The weights of a layer and direction: of what arrives, of the hidden state, of its projection."""
        return ("ih", "hh", "hr") if self._projected() else ("ih", "hh")

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        batch, length = self._sequences(x[0])
        steps, rows = batch * length, self.gates * self.hidden_size
        arrived: tuple[int | str, ...] = (0,)
        learnt: tuple[str, ...] = ()
        here = 0
        for layer, name, arriving in self._layers(x[0]):
            if layer > here:  # what arrives is computed from the op's input, and the parameters of all layers below
                arrived, here, learnt = (*arrived, *learnt), layer, ()
            learnt = (*learnt, *self._learnt(name))
            own = [f"weight_{kind}_{name}" for kind in self._kinds()]
            behind = (*arrived, *self._learnt(name))
            yield Contraction(steps * rows * arriving, (arrived if layer else 0, own[0]), f"input {name}")
            yield Contraction(batch * rows * self._out(), (own[1],), f"first hidden {name}")
            yield Contraction(batch * (length - 1) * rows * self._out(), (behind, own[1]), f"hidden {name}")
            if self._projected():
                work, first = self.hidden_size * self._out(), tuple(part for part in behind if part != own[2])
                yield Contraction(batch * work, (first, own[2]), f"first projection {name}")
                yield Contraction(batch * (length - 1) * work, (behind, own[2]), f"projection {name}")

    def _learnt(self, name: str) -> tuple[str, ...]:
        """The parameters of a layer and direction."""
        biases = (f"bias_ih_{name}", f"bias_hh_{name}") if self.bias else ()
        return (*(f"weight_{kind}_{name}" for kind in self._kinds()), *biases)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        batch, length = self._sequences(x[0])
        sums = self.gates * (3 if self.bias else 1)
        cells = self.num_layers * len(self._directions())
        return batch * length * cells * self.hidden_size * (sums + self._unit_work())

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        batch, steps = (0, 1) if self.batch_first else (1, 0)
        if output:  # the states are those of the last step, which each direction has come to through all others
            return (Along(tuple((1, SAME) if dim == batch else ALL for dim in range(3))),)
        samples = (batch, SAME)
        if not self.bidirectional:
            return (Along(_by_steps(samples, (steps, UpTo()), (2, WHOLE))),)
        both = Along(_by_steps(samples, (steps, WHOLE), (2, WHOLE)))
        if self.num_layers > 1:  # the second layer reads both directions of the first
            return (both,)
        out = fixed(self._out())
        forth, back = range(out), range(out, 2 * out)
        return (
            Either(
                (
                    Along(_by_steps(samples, (steps, UpTo()), ALL), ((2, forth),)),
                    Along(_by_steps(samples, (steps, From()), ALL), ((2, back),)),
                ),
                both,
            ),
        )

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        layer = getattr(torch.nn, type(self).__name__)(**self.inferred(*x), **self.arguments())
        layer.register_forward_hook(_flat)
        module: Callable[..., Any] = layer
        return module


def _by_steps(samples: Axis, steps: Axis, features: Axis | None) -> tuple[Axis | None, ...]:
    """What is read along samples and steps, each in its dimension, and along the features."""
    return (*sorted((samples, steps), key=lambda axis: axis[0]), features)


def _flat(layer: Any, inputs: tuple[Any, ...], outputs: tuple[Any, Any]) -> tuple[Any, ...]:
    output, states = outputs
    return (output, *states) if isinstance(states, tuple) else (output, states)


class _Plain(_Recurrent, NoChecks):
    """A recurrent layer with one state and no projection."""

    refuses: ClassVar[Mapping[str, str]] = {"proj_size": "torch projects the hidden state of an LSTM only"}

    def _out(self) -> int:
        return self.hidden_size

    def _states(self) -> tuple[int, ...]:
        return (self.hidden_size,)

    def _projected(self) -> bool:
        return False


@register
class RNN(_Plain):
    """h' = tanh(W_ih x + W_hh h + b), or relu (torch.nn.RNN; Elman, 1990)."""

    gates = 1
    elementwise_rule = "a hidden unit and step: the sum of the products, two biases, and the nonlinearity (1)"

    nonlinearity: str = argument(Choice(("tanh", "relu")), "tanh")

    def _cell(self) -> CellStep:
        return ElmanStep()

    def _unit_work(self) -> int:
        return 1


@register
class LSTM(_Recurrent):
    """i, f, o = sigmoid(...), g = tanh(...), c' = f c + i g, h' = o tanh(c') (torch.nn.LSTM)."""

    gates = 4
    elementwise_rule = (
        "a hidden unit and step: for each of 4 gates the sum of the products and two biases; 3 sigmoids of 4 (negate, "
        "exp, add, divide), 2 tanh, c' = f c + i g (3), h' = o tanh(c') (1)"
    )

    proj_size: int = argument(Index(0), 0)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            self.hidden_size > self.proj_size,
            "proj_size ({p}) must be smaller than hidden_size ({h})",
            field="proj_size",
            p=self.proj_size,
            h=self.hidden_size,
        )

    def _cell(self) -> CellStep:
        return LSTMStep()

    def _out(self) -> int:
        return self.proj_size or self.hidden_size

    def _states(self) -> tuple[int, ...]:
        return (self._out(), self.hidden_size)

    def _projected(self) -> bool:
        return self.proj_size > 0

    def _unit_work(self) -> int:
        return 3 * 4 + 2 + 3 + 1


@register
class GRU(_Plain):
    """r, z = sigmoid(...), n = tanh(W x + b + r (W h + b)), h' = (1 - z) n + z h (torch.nn.GRU; Cho et al., 2014)."""

    gates = 3
    elementwise_rule = (
        "a hidden unit and step: for each of 3 gates the sum of the products and two biases; 2 sigmoids of 4 (negate, "
        "exp, add, divide), the product with r, tanh, h' = (1 - z) n + z h (4)"
    )

    def _unit_work(self) -> int:
        return 2 * 4 + 1 + 1 + 4

    def _cell(self) -> CellStep:
        return GRUStep()
