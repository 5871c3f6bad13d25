"""The work of grouped convolutions: that of as many convolutions side by side, as torch's own counter has it."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archscope.backends.torch.counting import counter


def backward(work, modules, x):
    """FLOPs of the backward pass through modules that each see a part of the channels."""
    parts = x.split(x.shape[1] // len(modules), dim=1)
    y = [module(part) for module, part in zip(modules, parts, strict=True)]
    with work:
        torch.autograd.backward([one.sum() for one in y])
    return work.get_total_flops()


@pytest.mark.parametrize("needs", [True, False], ids=["inputs need gradients", "only weights do"])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d])
def test_groups_are_convolutions_side_by_side(kind, groups, needs):
    with torch.device("meta"):
        grouped = kind(6, 12, 3, stride=2, groups=groups)
        alone = [kind(6 // groups, 12 // groups, 3, stride=2) for _ in range(groups)]
        x = torch.empty(4, 6, *[7] * (grouped.weight.dim() - 2), requires_grad=needs)
    expected = backward(FlopCounterMode(display=False), alone, x)
    assert backward(counter(), [grouped], x) == expected
    weights = expected // (2 if needs else 1)  # both gradients have the same products; torch forgets groups in this one
    assert backward(FlopCounterMode(display=False), [grouped], x) == expected + (groups - 1) * weights
