"""What the backward pass of an op keeps of its forward pass, as torch's autograd keeps it (derivatives.yaml).

The law is what torch 2.13 does. It differs between devices in a few places (a dropout's mask is a float on the CPU and
a bool on CUDA), so a reading is told the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from archscope.ops.base import Tensor


class Training(NamedTuple):
    """Where a layer stands in a training step.

    Attributes:
        needs: for each input, whether the backward pass needs its gradient.
        trained: whether its own parameters need gradients.
        device: ``cpu`` or ``cuda``.
    """

    needs: tuple[bool, ...]
    trained: bool
    device: str = "cpu"

    @property
    def any(self) -> bool:
        """Whether there is a backward pass through the layer at all."""
        return self.trained or any(self.needs)


class Keep(NamedTuple):
    """One tensor that is kept.

    Attributes:
        source: ``input``, ``output``, ``own`` (a tensor that only the layer has), or ``weight`` (a parameter).
        place: which input or output.
        tensor: an own tensor; its dtype ``None`` is that of what arrives.
        what: a word on an own tensor, or the parameter's name.
    """

    source: str
    place: int = 0
    tensor: Tensor | None = None
    what: str = ""


#: the first input, the first output
INPUT, OUTPUT = Keep("input"), Keep("output")


def the_input(index: int) -> Keep:
    """An input."""
    return Keep("input", index)


def own(tensor: Tensor, what: str) -> Keep:
    """A tensor of the layer's own."""
    return Keep("own", 0, tensor, what)


def weight(name: str = "weight") -> Keep:
    """A parameter."""
    return Keep("weight", 0, None, name)
