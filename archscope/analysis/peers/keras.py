"""Keras 3: no counter of work; ``count_params`` has a normalisation's running statistics as non-trainable parameters.

keras/src/models/model.py counts the weights of all layers, and moving_mean and moving_variance are weights. Its LSTM
and SimpleRNN have one bias where torch's have two (keras/src/layers/rnn/lstm.py: ``bias`` of shape (4 units,)); its
GRU has both (keras/src/layers/rnn/gru.py: (2, 3 units), as ``reset_after`` is True).
"""

from __future__ import annotations

from collections.abc import Iterable

from archscope.analysis.counts.cost import second_biases
from archscope.analysis.peers import base
from archscope.analysis.peers.base import Part, Peer
from archscope.design.steps import Step


def _weights(step: Step) -> Iterable[Part]:
    states = step.layer.op.buffers(*step.x).values()
    count = base.numel(tensor for tensor in states if tensor.floating)
    yield Part("running statistics", count, "mean and variance, which are not trained")
    counts = {name: tensor.numel for name, tensor in step.layer.op.parameters(*step.x).items()}
    second = second_biases(step.layer.op, counts)
    if second:
        yield Part("second bias", -second, "Keras adds one bias where torch adds two")


PEER = Peer(
    "keras",
    "",
    "running mean and variance are (non-trainable) parameters; it has no counter of work",
    "",
    base.params_by(dict.fromkeys(base.all_params(), _weights)),
    None,
)
