"""Keras 3: no counter of work; ``count_params`` has a normalisation's running statistics as non-trainable parameters.

keras/src/models/model.py counts the weights of all layers, and moving_mean and moving_variance are weights.
"""

from __future__ import annotations

from collections.abc import Iterable

from archscope.analysis.peers import base
from archscope.analysis.peers.base import Part, Peer
from archscope.analysis.traversal import Step


def _running(step: Step) -> Iterable[Part]:
    states = step.layer.op.buffers(*step.x).values()
    count = base.numel(tensor for tensor in states if tensor.dtype is None)
    yield Part("running statistics", count, "mean and variance, which are not trained")


PEER = Peer(
    "keras",
    "",
    "running mean and variance are (non-trainable) parameters; it has no counter of work",
    "",
    base.params_by(dict.fromkeys(base.all_params(), _running)),
    None,
)
