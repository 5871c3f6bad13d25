"""Optimizers in memory: the state that they keep, and what they need in passing, as in torch.optim.

Where torch updates all parameters at once (``foreach``, the default on CUDA), an intermediate result is a copy of all
of them; else it is one of a parameter at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape


class Optimizer(NamedTuple):
    """What an optimizer keeps and needs.

    Attributes:
        states: tensors of a parameter's size that it keeps.
        counts: whether it counts the steps of each parameter (a float32, in the memory of the host).
        passing: tensors of a parameter's size that an update needs in passing, parameter by parameter: how many are
            made, and how many of them are dropped again at once.
        foreach: the same where all parameters are updated at once.
        torch: the class of torch.optim; none where torch has no such optimizer.
        options: what it is made with.
    """

    states: int
    counts: bool
    passing: tuple[int, int]
    foreach: int
    torch: str = ""
    options: Mapping[str, Any] = MappingProxyType({})


OPTIMIZERS: Mapping[str, Optimizer] = {
    "none": Optimizer(0, counts=False, passing=(0, 0), foreach=0),
    "sgd": Optimizer(0, counts=False, passing=(0, 0), foreach=0, torch="SGD"),
    "momentum": Optimizer(1, counts=False, passing=(0, 0), foreach=0, torch="SGD", options={"momentum": 0.9}),
    "nesterov": Optimizer(
        1, counts=False, passing=(1, 1), foreach=0, torch="SGD", options={"momentum": 0.9, "nesterov": True}
    ),
    "adam": Optimizer(2, counts=True, passing=(2, 1), foreach=1, torch="Adam"),
    "adamw": Optimizer(2, counts=True, passing=(2, 1), foreach=1, torch="AdamW"),
    "adamax": Optimizer(2, counts=True, passing=(1, 1), foreach=1, torch="Adamax"),
    "rmsprop": Optimizer(1, counts=True, passing=(1, 0), foreach=1, torch="RMSprop"),
    "adagrad": Optimizer(1, counts=True, passing=(1, 0), foreach=2, torch="Adagrad"),
    "lamb": Optimizer(2, counts=False, passing=(2, 1), foreach=2),
}

#: bytes of a step counter: one float32
STEP_BYTES = 4


def update(tape: Tape, name: str, parameters: list[Value], *, foreach: bool) -> None:
    """Run the update of all parameters that have a gradient, with what it allocates in passing."""
    tape.phase = "optimizer"
    optimizer = OPTIMIZERS[name]
    updated = [value for value in parameters if value.node in tape.gradients]
    if foreach:
        for _ in range(optimizer.foreach):
            tape.make_all(*((value.shape, value.dtype, "an update") for value in updated))
    else:
        made, dropped = optimizer.passing
        before: Value | None = None
        for value in updated if made else ():
            tape.layer = value.storage.layer
            fresh = [tape.make(value.shape, value.dtype, "an update") for _ in range(made)]
            last = fresh[-1] if made > dropped else None
            if last is not None:
                tape.hold(last)
            tape.close()
            if before is not None:  # its name is given to the next one only now
                tape.release(before)
            before = last
        if before is not None:
            tape.release(before)
    tape.close()
