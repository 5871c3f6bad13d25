"""A space of ResNet-50-like designs: as a spec, built by hand in PyTorch, and counted by hand in closed form.

The space holds the plain ResNet-50, whose parameters and MACs are torchvision's published ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.models import parameters

#: the stages' depths make the graph; the rest are numbers
SPEC = """
name: ResNets
input: [3, 224, 224]
vars: {depths: [3, 4, 6, 3], width: 64, stem: 64, expansion: 4, groups: 1}
blocks:
  projection(out, stride):
    - Conv2d: {out_channels: out, kernel_size: 1, stride: stride, bias: false}
    - BatchNorm2d
  unit(width, stride):
    - Add:
      - - Conv2d: {out_channels: width, kernel_size: 1, bias: false}
        - BatchNorm2d
        - ReLU
        - Conv2d: {out_channels: width, kernel_size: 3, stride: stride, padding: 1, groups: groups, bias: false}
        - BatchNorm2d
        - ReLU
        - Conv2d: {out_channels: expansion * width, kernel_size: 1, bias: false}
        - BatchNorm2d
      - - projection: {out: expansion * width, stride: stride}
          when: stride > 1 or in_channels != expansion * width
    - ReLU
layers:
  - Conv2d: {out_channels: stem, kernel_size: 7, stride: 2, padding: 3, bias: false}
  - BatchNorm2d
  - ReLU
  - MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}
  - repeat: 4
    index: s
    layers:
      - repeat: depths[s]
        index: i
        layers:
          - unit: {width: width * 2 ** s, stride: 2 if s > 0 and i == 0 else 1}
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: 1000
"""

#: 10^7 designs: 50 choices of depths, each with 200,000 of the rest
VARY: dict[str, Sequence[int]] = {
    "depths[0]": range(2, 4),
    "depths[1]": range(2, 7),
    "depths[2]": range(4, 13, 2),
    "width": range(16, 96, 2),
    "stem": range(16, 116, 2),
    "expansion": range(1, 6),
    "groups": range(1, 3),
    "input": range(128, 288, 16),
}
#: torchvision's ResNet-50 as a design of this space
RESNET50 = {
    "depths[0]": 3, "depths[1]": 4, "depths[2]": 6, "width": 64, "stem": 64, "expansion": 4, "groups": 1, "input": 224,
}  # fmt: skip


def depths(values: Mapping[str, int]) -> tuple[int, ...]:
    """Units in each stage."""
    return (*(values[f"depths[{stage}]"] for stage in range(3)), 3)


class Unit(nn.Module):
    """1x1, 3x3, 1x1 with a shortcut."""

    def __init__(self, channels: int, width: int, out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.branch(x) + self.shortcut(x))


def module(values: Mapping[str, int]) -> nn.Module:
    """A design of the space."""
    stem, groups = values["stem"], values["groups"]
    layers: list[nn.Module] = [
        nn.Conv2d(3, stem, 7, 2, 3, bias=False),
        nn.BatchNorm2d(stem),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = stem
    for stage, depth in enumerate(depths(values)):
        width = values["width"] * 2**stage
        for index in range(depth):
            out = values["expansion"] * width
            layers.append(Unit(channels, width, out, 2 if stage > 0 and index == 0 else 1, groups))
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def by_torch(values: Mapping[str, int]) -> tuple[int, int]:
    """Parameters and MACs of a design, built on the meta device, run, and counted by torch."""
    with torch.device("meta"):
        model = module(values)
        x = torch.empty(1, 3, values["input"], values["input"])
    with FlopCounterMode(display=False) as counter:
        model(x)
    return parameters(model), counter.get_total_flops() // 2


def by_hand(values: Mapping[str, int]) -> tuple[int, int, int]:
    """Parameters, MACs and activations of a design in closed form, as one writes it for a single family."""
    stem, expansion, groups = values["stem"], values["expansion"], values["groups"]
    size = (values["input"] - 1) // 2 + 1
    params = 3 * 49 * stem + 2 * stem
    macs = 3 * 49 * stem * size**2
    activations = 3 * stem * size**2
    size = (size - 1) // 2 + 1
    activations += stem * size**2
    channels = stem
    for stage, depth in enumerate(depths(values)):
        width = values["width"] * 2**stage
        out = expansion * width
        for index in range(depth):
            stride = 2 if stage > 0 and index == 0 else 1
            small = (size - 1) // stride + 1
            weights, middle = channels * width, 9 * width * width // groups
            params += weights + middle + width * out + 4 * width + 2 * out
            macs += weights * size**2 + (middle + width * out) * small**2
            activations += 3 * width * size**2 + (3 * width + 4 * out) * small**2
            if stride > 1 or channels != out:
                params += channels * out + 2 * out
                macs += channels * out * small**2
                activations += 2 * out * small**2
            channels, size = out, small
    return params + 1000 * channels + 1000, macs + 1000 * channels, activations + channels + 1000
