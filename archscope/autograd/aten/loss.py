"""The loss."""

from __future__ import annotations

from math import prod

from archscope.autograd.aten.casting import widened
from archscope.autograd.aten.kernels import softmax
from archscope.autograd.aten.views import one_ordered, reshape
from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape


def cross_entropy(t: Tape, x: Value) -> Value:
    """torch.nn.functional.cross_entropy over dimension 1, with classes by their numbers, averaged."""
    logarithms = softmax(t, widened(t, x, ("cpu", "cuda")))
    logarithms.storage.what = "the logarithms of the softmax"
    if len(x.shape) > 4:
        logarithms = reshape(t, logarithms, (*x.shape[:2], x.shape[2], prod(x.shape[3:])))
    loss, _ = t.make_all(((), logarithms.dtype, "the loss"), ((), logarithms.dtype, "the weight of the targets"))
    t.link(loss, (logarithms,), one_ordered, logarithms, _)
    return loss
