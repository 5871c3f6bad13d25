"""The names of all figures, each with its unit and convention.

They are the same in Python, in columns, in JSON, in ``expect:``, in ``budget:`` and in the explanations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from archscope.analysis.cost import Cost
from archscope.arith import ratio

CATEGORIES = ("conv", "fc", "other")


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of a layer, a block or a design.

    Attributes:
        unit: what is counted.
        convention: how it is counted, in one sentence.
        of: the figure from the additive costs.
        additive: whether a total is the sum over layers.
        style: how it is printed: ``count``, ``ratio``.
    """

    name: str
    unit: str
    convention: str
    of: Callable[[Any], Any]
    additive: bool = True
    style: str = "count"


def _cost(name: str, unit: str, convention: str) -> Metric:
    return Metric(name, unit, convention, lambda cost: getattr(cost, name))


_METRICS = (
    _cost("params", "elements", "learnable elements; a reused layer's are counted once"),
    _cost("trainable_params", "elements", "learnable elements that are not frozen"),
    _cost("unused_params", "elements", "learnable elements that no computation reads: they have no gradient"),
    _cost("unused_buffers", "elements", "elements of buffers that no computation reads"),
    Metric("weights", "elements", "learnable elements that are not in bias vectors", lambda c: c.params - c.biases),
    _cost("biases", "elements", "learnable elements in bias vectors"),
    _cost("buffers", "elements", "state that is not learnt, batch counters included"),
    Metric(
        "keras_params",
        "elements",
        "parameters as Keras counts them: running mean and variance included, one bias in RNN and LSTM",
        lambda c: c.params - c.second_biases + c.running_stats,
    ),
    _cost("macs", "MACs", "forward multiply-accumulates of contractions; bias excluded"),
    Metric("flops", "FLOPs", "2 x MACs", lambda c: 2 * c.macs),
    _cost("elementwise", "operations", "forward elementwise and reduction operations, as `archscope ops` states by op"),
    _cost("input_grad_macs", "MACs", "backward: gradients of inputs; none where nothing upstream is trained"),
    _cost("weight_grad_macs", "MACs", "backward: gradients of weights; none where frozen"),
    Metric(
        "backward_macs",
        "MACs",
        "gradients of inputs and weights, each contraction counted as it is",
        lambda c: c.input_grad_macs + c.weight_grad_macs,
    ),
    Metric("backward_flops", "FLOPs", "2 x backward MACs", lambda c: 2 * (c.input_grad_macs + c.weight_grad_macs)),
    _cost("activations", "elements", "elements of outputs, for the whole batch; a view makes none"),
    _cost("param_bytes", "bytes", "parameters in the chosen dtype"),
    _cost("buffer_bytes", "bytes", "buffers in their dtypes"),
    _cost("activation_bytes", "bytes", "activations in the chosen dtype"),
    _cost("bytes_moved", "bytes", "inputs, parameters, buffers and outputs, each moved once"),
    _cost("weight_layers", "layers", "convolutions and fully connected layers"),
    Metric(
        "reuse",
        "MACs/param",
        "forward MACs a parameter",
        lambda c: ratio(c.macs, c.params),
        additive=False,
        style="ratio",
    ),
    Metric(
        "intensity",
        "FLOPs/byte",
        "arithmetic intensity: forward FLOPs a byte moved",
        lambda c: ratio(2 * c.macs, c.bytes_moved),
        additive=False,
        style="ratio",
    ),
)

#: every figure that follows from a :class:`~archscope.analysis.cost.Cost`, by name
METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}

#: figures of a whole design that no layer has, each with its convention
DESIGN_FIGURES: dict[str, str] = {
    "layers": "layers of any kind",
    "depth": "weight layers on the longest path from an input to an output",
    "output_shape": "shape of the (first) output, without the batch",
    "inference_bytes": "peak memory of an inference: parameters, buffers, and what else lives at once",
    "training_bytes": "peak memory of a training step with SGD",
} | {
    f"{category}_{figure}": f"{figure} of the {words}"
    for category, words in (("conv", "convolutions"), ("fc", "fully connected layers"), ("other", "other layers"))
    for figure in ("params", "weights", "macs", "activations", "activation_bytes")
}

#: figures of one layer that do not add
LAYER_FIGURES: dict[str, str] = {
    "output_shape": "shape of the (first) output, without the batch",
    "input_elements": "elements of the inputs, for the whole batch",
    "output_elements": "elements of the outputs, for the whole batch",
    "dense_params": "parameters of the dense layer (with bias) that would join the same maps",
}


#: figures of one layer's receptive field, one value an axis of the input that it sees
FIELD_FIGURES: dict[str, str] = {
    "receptive_field": "places of the input that a unit sees, an axis; where it sees all, those of what was mixed",
    "smallest_field": "the same of the unit that sees the fewest, where units differ",
    "jump": "effective stride: places of the input between neighbouring units",
    "field_start": "first place that the first unit sees, counted from 0; negative in the padding",
    "field_center": "centre of the first unit's field; the first place of the input is centred at 0.5",
    "effective_padding": "how far the first unit's field hangs over the border of the input",
}


#: figures of the memory of a layer or a design
MEMORY_FIGURES: dict[str, str] = {
    "kept_bytes": "what autograd keeps of the forward pass, by the layer that keeps it first",
}


class Figures:
    """Anything that has a :class:`~archscope.analysis.cost.Cost` has every metric as an attribute."""

    __slots__ = ()
    cost: Cost

    def __getattr__(self, name: str) -> Any:
        metric = METRICS.get(name)
        if metric is None:
            raise AttributeError(f"{type(self).__name__} has no figure {name!r}")
        return metric.of(self.cost)
