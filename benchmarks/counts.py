"""What the peers count for ResNet-50: ``python -m benchmarks.counts``."""

from __future__ import annotations

import logging

import torch
import torchinfo
from fvcore.nn import FlopCountAnalysis
from torch.utils.flop_counter import FlopCounterMode

import archscope
from benchmarks.models import resnet50


def main() -> None:
    """Print the work of a forward pass at 3 x 224 x 224, batch 1, as each tool reports it."""
    logging.disable(logging.WARNING)  # fvcore warns of every operator that it leaves out
    model = resnet50().eval()
    x = torch.zeros(1, 3, 224, 224)
    with FlopCounterMode(display=False) as counter:
        model(x)
    print(f"archscope    {archscope.analyze(archscope.load('resnet50')).total.macs:>13,} MACs")
    print(f"torch        {counter.get_total_flops():>13,} FLOPs")
    print(f"fvcore       {int(FlopCountAnalysis(model, x).total()):>13,} 'flops'")
    print(f"torchinfo    {torchinfo.summary(model, input_data=x, verbose=0).total_mult_adds:>13,} mult-adds")


if __name__ == "__main__":
    main()
