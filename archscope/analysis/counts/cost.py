"""What one layer costs, as figures that add.

Written in the arithmetic of :mod:`archscope.arith`, so that the same lines count on ints, on arrays, and on traced
numbers: what ``explain`` prints is this file's own computation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from operator import add, attrgetter, sub
from typing import Any

from archscope.arith import collected, prod, ratio, total
from archscope.autograd.dtypes import ITEM_BYTES
from archscope.ops import Contraction, Op
from archscope.ops.base import Operand, Tensors


@dataclass(frozen=True, slots=True)
class Cost:
    """The additive figures of a layer, of a block, or of a design; a total is a sum of these.

    Attributes:
        params: learnable elements; a reused layer adds none.
        trainable_params: those that are not frozen.
        unused_params: those that no computation reads; they have no gradient.
        biases: those in bias vectors.
        buffers: elements of state that is not learnt.
        unused_buffers: those that no computation reads.
        running_stats: floating buffers, which Keras counts as (non-trainable) parameters.
        second_biases: biases that Keras has not, where torch adds two; as :func:`second_biases` says.
        macs: multiply-accumulates of contractions, forward; bias excluded.
        elementwise: elementwise and reduction operations, forward.
        input_grad_macs: multiply-accumulates of the gradients of inputs (and of values between contractions).
        weight_grad_macs: multiply-accumulates of the gradients of weights.
        activations: elements of outputs that are new in memory; a view, what is overwritten in place, and what is there
            already and handed on (by a dropout at inference, a cast to the same type, Contiguous of what lies in order)
            add none.
        param_bytes: bytes of parameters.
        buffer_bytes: bytes of buffers.
        activation_bytes: bytes of activations, each in its type.
        bytes_moved: bytes of inputs as they arrive, of parameters as they are held and of outputs as they are written,
            each read or written once; a layer that makes none moves none.
        weight_layers: 1 for a convolution or fully connected layer.
    """

    params: int = 0
    trainable_params: int = 0
    unused_params: int = 0
    biases: int = 0
    buffers: int = 0
    unused_buffers: int = 0
    running_stats: int = 0
    second_biases: int = 0
    macs: int = 0
    elementwise: int = 0
    input_grad_macs: int = 0
    weight_grad_macs: int = 0
    activations: int = 0
    param_bytes: int = 0
    buffer_bytes: int = 0
    activation_bytes: int = 0
    bytes_moved: int = 0
    weight_layers: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*map(add, _figures(self), _figures(other)))

    def __sub__(self, other: Cost) -> Cost:
        return Cost(*map(sub, _figures(self), _figures(other)))

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        """The sum of any number of costs."""
        costs = list(costs)
        figures = {id(cost): _figures(cost) for cost in {id(cost): cost for cost in costs}.values()}
        if {*map(type, chain.from_iterable(figures.values()))} <= {int}:
            return cls(*map(sum, zip(*[figures[id(cost)] for cost in costs], strict=True)))
        times = Counter(map(id, costs))  # layers of repeated blocks share theirs
        return cls(*[collected(column, times.values()) for column in zip(*figures.values(), strict=True)])

    @property
    def weights(self) -> int:
        """Learnable elements that are not in bias vectors."""
        return self.params - self.biases

    @property
    def keras_params(self) -> int:
        """Parameters as Keras counts them."""
        return self.params - self.second_biases + self.running_stats

    @property
    def flops(self) -> int:
        """2 x MACs."""
        return 2 * self.macs

    @property
    def backward_macs(self) -> int:
        """Gradients of inputs and weights."""
        return self.input_grad_macs + self.weight_grad_macs

    @property
    def backward_flops(self) -> int:
        """2 x backward MACs."""
        return 2 * (self.input_grad_macs + self.weight_grad_macs)

    @property
    def reuse(self) -> Any:
        """Forward MACs a parameter; none where there is none."""
        return ratio(self.macs, self.params)

    @property
    def intensity(self) -> Any:
        """Arithmetic intensity: forward FLOPs a byte moved; none where none is."""
        return ratio(2 * self.macs, self.bytes_moved)


#: of the design's totals, in this order
CATEGORIES = ("conv", "fc", "other")


COST_FIELDS = tuple(f.name for f in fields(Cost))
_figures = attrgetter(*COST_FIELDS)
_COUNTED = {*COST_FIELDS, *(name for name, one in vars(Cost).items() if isinstance(one, property))}


#: figures that follow from those of a cost, by name; :mod:`archscope.figures` enters them
FOLLOWING: dict[str, Callable[[Cost], Any]] = {}


class Costed:
    """Anything that has a :class:`Cost` has every figure of it as an attribute."""

    __slots__ = ()
    cost: Cost

    def __getattr__(self, name: str) -> Any:
        if name in FOLLOWING:
            return FOLLOWING[name](self.cost)
        if name not in _COUNTED:
            raise AttributeError(f"{type(self).__name__} has no figure {name!r}")
        return getattr(self.cost, name)


def elements(shape: tuple[int, ...]) -> int:
    """Elements of a parameter, multiplied as a textbook reads a kernel: window, then inputs, then outputs."""
    return prod((*shape[2:], *shape[1::-1]))


def cost_of(
    op: Op,
    x: Tensors,
    y: Tensors,
    *,
    needs: tuple[bool, ...],
    learns: Collection[str] = (),
    frozen: Collection[str] = (),
    shared: bool = False,
    dtype: str = "float32",
    mark: str | None = None,
    unused: bool = False,
    training: bool = True,
    copied: bool = False,
) -> Cost:
    """The cost of one layer.

    Args:
        needs: for each input, whether the backward pass takes its gradient.
        learns: the parameters of which the backward pass takes the gradient.
        frozen: those of its parameters that are not trained.
        shared: its parameters are another layer's, and counted there.
        dtype: the floating type of parameters and activations.
        mark: the floating type of the layer's own parameters and buffers, if it is another one.
        unused: whether nothing reads what it holds.
        training: whether it is a training step.
        copied: of an op that copies what does not lie in order, whether it does.
    """
    parameters, buffers = op.parameters(*x), op.buffers(*x)
    counts = {name: elements(tensor.shape) for name, tensor in parameters.items()}
    states = [(tensor, elements(tensor.shape)) for tensor in buffers.values()]
    contractions = tuple(op.contractions(x, y))
    outputs = op.written(x, y, dtype, training=training, copied=copied)
    held = mark or dtype
    item = ITEM_BYTES[held]
    params = total(counts.values())
    param_bytes = params * item
    trained = total(count for name, count in counts.items() if name not in frozen) if frozen else params
    buffer_bytes = total(count * ITEM_BYTES[tensor.dtype or held] for tensor, count in states)
    written = [(tensor, tensor.numel) for tensor in outputs]
    output_bytes = total(count * ITEM_BYTES[tensor.dtype or dtype] for tensor, count in written)
    input_bytes = total(tensor.numel * ITEM_BYTES[tensor.dtype or dtype] for tensor in x) if outputs else 0
    return Cost(
        params=0 if shared else params,
        trainable_params=0 if shared else trained,
        unused_params=params if unused and not shared else 0,
        biases=0 if shared else total(count for name, count in counts.items() if "bias" in name),
        buffers=0 if shared else total(count for _, count in states),
        unused_buffers=total(count for _, count in states) if unused and not shared else 0,
        running_stats=0 if shared else total(count for tensor, count in states if tensor.floating),
        second_biases=0 if shared else second_biases(op, counts),
        macs=total(c.macs for c in contractions),
        elementwise=op.elementwise(x, y),
        input_grad_macs=total(_input_gradients(contractions, needs, learns)),
        weight_grad_macs=total(_weight_gradients(contractions, needs, learns)),
        activations=0 if op.in_place else total(count for _, count in written),
        param_bytes=0 if shared else param_bytes,
        buffer_bytes=0 if shared else buffer_bytes,
        activation_bytes=0 if op.in_place else output_bytes,
        bytes_moved=total((input_bytes, param_bytes, buffer_bytes, output_bytes)) if outputs else 0,
        weight_layers=1 if op.category != "other" and parameters else 0,
    )


def _needed(operand: Operand, needs: tuple[bool, ...], learns: Collection[str]) -> bool:
    if isinstance(operand, tuple):
        return any(_needed(part, needs, learns) for part in operand)
    return operand in learns if isinstance(operand, str) else needs[operand]


def _wanted(contraction: Contraction, needs: tuple[bool, ...], learns: Collection[str]) -> int:
    """How many operands that are no weights need a gradient."""
    operands = [operand for operand in contraction.operands if not isinstance(operand, str)]
    return sum(_needed(operand, needs, learns) for operand in operands)


def _input_gradients(
    contractions: tuple[Contraction, ...], needs: tuple[bool, ...], learns: Collection[str]
) -> Iterator[int]:
    for contraction in contractions:
        wanted = _wanted(contraction, needs, learns)
        yield from [contraction.macs] * wanted if contraction.backward is None else [contraction.backward][:wanted]


def _weight_gradients(
    contractions: tuple[Contraction, ...], needs: tuple[bool, ...], learns: Collection[str]
) -> Iterator[int]:
    for contraction in contractions:
        learnt = [operand for operand in contraction.operands if isinstance(operand, str) and operand in learns]
        if contraction.backward is None:
            yield from [contraction.macs] * len(learnt)
        elif learnt and not _wanted(contraction, needs, learns):
            yield contraction.backward  # else it is booked with the gradients of inputs


def second_biases(op: Op, counts: Mapping[str, int]) -> int:
    """Elements of the biases that torch's recurrent layers have, and Keras' have not.

    torch adds a bias to either product, that of what arrives and that of the state. keras.layers.LSTM and SimpleRNN
    have one for both: G (H (F + H) + H) parameters with G gates. keras.layers.GRU has both, since it is reset after
    the product (``reset_after=True``).

    Args:
        counts: elements of the op's parameters, by name.
    """
    if type(op).__name__ not in ("LSTM", "LSTMCell", "RNN", "RNNCell"):
        return 0
    return total(count for name, count in counts.items() if name.startswith("bias_hh"))


def dense_params(x: Tensors, y: Tensors) -> int:
    """Parameters of the dense layer (with bias) that would join the same maps: in x out + out, for one sample."""
    entering = prod(x[0].sizes)
    leaving = prod(y[0].sizes)
    return entering * leaving + leaving
