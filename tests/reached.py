"""Which elements of an input reach which of a layer: by gradients through the module that ``archscope.build`` gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

import archscope
from archscope.design.graph import Ref


def truth(design: archscope.Design, layer: str, output: int = 0) -> np.ndarray:
    """For each element of a map (its first dimensions) those of the input that reach it, over draws of weights."""
    reached: Any = False
    for seed in range(2):
        reached = reached | _gradients(design, layer, output, seed)
    return reached


def _gradients(design: archscope.Design, layer: str, output: int, seed: int) -> np.ndarray:
    torch.manual_seed(seed)
    network = archscope.build(design, seed=seed).double().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_((torch.rand(weight.shape) + 0.5) * (0.05 if seed else 1))  # small ones leave no tanh at 1
            weight.div_(max(weight[0].numel(), 1) if weight.ndim > 1 else 1)
    (node,) = design.inputs
    source = (torch.rand(1, *node.shape, dtype=torch.float64) + 0.5).requires_grad_()
    values = network.start(source)
    for step in network.layer_steps:
        values |= network.call(step.layer, values)
    result = values[Ref(layer, output)]
    rows = []
    for place in itertools.product(*map(range, result.shape[1:])):
        (found,) = torch.autograd.grad(result[(0, *place)], source, retain_graph=True, allow_unused=True)
        rows.append(torch.zeros_like(source[0]) if found is None else found[0])
    return np.asarray(torch.stack(rows).unflatten(0, result.shape[1:]) != 0)
