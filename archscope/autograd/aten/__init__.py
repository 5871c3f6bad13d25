"""The functions of torch that layers call, each with what it allocates, keeps, and allocates in its backward pass.

Names and laws are torch's: derivatives.yaml for what is kept, the formulas of FunctionsManual.cpp for the order of a
backward pass. What torch.autocast casts is the function's to say, as it is there.
"""

from __future__ import annotations

from archscope.autograd.aten.activations import clamped, derived, magnitude, plus, prelu, rrelu
from archscope.autograd.aten.casting import autocast, cast, converted, lowered, widened
from archscope.autograd.aten.dropping import dropout, native_dropout, thinned
from archscope.autograd.aten.elementwise import (
    add,
    broadcast,
    divide,
    elementwise,
    extremum,
    masked_fill,
    multiply,
    pointwise,
    power,
    scaled,
    subtract,
    where,
)
from archscope.autograd.aten.joining import cat, circular_pad, rolled, stack, tiled, unbind
from archscope.autograd.aten.kernels import as_formatted, in_place, kernel, like, one_like, with_extra
from archscope.autograd.aten.lookup import embedding, embedding_bag, looked_up
from archscope.autograd.aten.loss import cross_entropy
from archscope.autograd.aten.normalisation import averaged, local_response_norm, normalized, repeat, repeat_as, rms_norm
from archscope.autograd.aten.products import added, batched, bilinear, convolution, linear, matmul
from archscope.autograd.aten.reductions import accumulated, global_mean, largest, mean, power_pool, summed
from archscope.autograd.aten.views import (
    copied,
    detached,
    expand,
    one_ordered,
    ordered,
    part,
    permute,
    picked,
    reshape,
    select,
    split,
    strides_of,
    swapped,
    view,
    view_or_copy,
)

__all__ = [
    "accumulated",
    "add",
    "added",
    "as_formatted",
    "autocast",
    "averaged",
    "batched",
    "bilinear",
    "broadcast",
    "cast",
    "cat",
    "circular_pad",
    "clamped",
    "converted",
    "convolution",
    "copied",
    "cross_entropy",
    "derived",
    "detached",
    "divide",
    "dropout",
    "elementwise",
    "embedding",
    "embedding_bag",
    "expand",
    "extremum",
    "global_mean",
    "in_place",
    "kernel",
    "largest",
    "like",
    "linear",
    "local_response_norm",
    "looked_up",
    "lowered",
    "magnitude",
    "masked_fill",
    "matmul",
    "mean",
    "multiply",
    "native_dropout",
    "normalized",
    "one_like",
    "one_ordered",
    "ordered",
    "part",
    "permute",
    "picked",
    "plus",
    "pointwise",
    "power",
    "power_pool",
    "prelu",
    "repeat",
    "repeat_as",
    "reshape",
    "rms_norm",
    "rolled",
    "rrelu",
    "scaled",
    "select",
    "split",
    "stack",
    "strides_of",
    "subtract",
    "summed",
    "swapped",
    "thinned",
    "tiled",
    "unbind",
    "view",
    "view_or_copy",
    "where",
    "widened",
    "with_extra",
]
