"""torch's own counter of work, with the groups that it forgets."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

aten = torch.ops.aten


def counter() -> FlopCounterMode:
    """torch.utils.flop_counter with the gradients of grouped convolutions counted as they are."""
    return FlopCounterMode(display=False, custom_mapping={aten.convolution_backward: _convolution_backward})


def _convolution_backward(
    grad: list[int], x: list[int], weight: list[int], *more: Any, out_shape: Any = None, **named: Any
) -> int:
    """Each gradient of a convolution has the products of the convolution itself.

    Of those, element ``(o, c, *k)`` of a weight ``(C_out, C_in / groups, *K)`` takes part in one for every place of the
    output of every sample: ``N x prod(L_out) x prod(weight)``. In a transposed one, whose weight is
    ``(C_in, C_out / groups, *K)``, for every place of the input. torch's formula for the gradient of the weight
    exchanges the channels and the batch, and takes ``C_in`` for ``C_in / groups``.
    """
    transposed, mask = more[4], more[7]
    places = (x if transposed else grad)[2:]
    return 2 * x[0] * prod(places) * prod(weight) * (bool(mask[0]) + bool(mask[1]))
