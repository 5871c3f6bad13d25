"""In process: load and account for ResNet-50, against building it on the meta device and counting with torch."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archscope
from benchmarks.models import RESNET50_PARAMS, parameters, resnet50

MACS = 4_089_184_256  # published by torchvision: 4.089 G; exact by torch's counter


@pytest.mark.benchmark(group="ResNet-50, all figures, in process", min_rounds=10, warmup=True)
def test_archscope(benchmark):
    account = benchmark(lambda: archscope.analyze(archscope.load("specs/resnet50.yaml")))
    assert account.total.params == RESNET50_PARAMS
    assert account.total.macs == MACS


@pytest.mark.benchmark(group="ResNet-50, all figures, in process", min_rounds=10, warmup=True)
def test_torch_flop_counter(benchmark):
    def count() -> tuple[int, int]:
        with torch.device("meta"):
            model = resnet50()
            x = torch.empty(1, 3, 224, 224)
        with FlopCounterMode(display=False) as counter:
            model(x)
        return parameters(model), counter.get_total_flops()

    assert benchmark(count) == (RESNET50_PARAMS, 2 * MACS)
