"""The whole memory ledger of ResNet-50, against building it and asking autograd's hooks what is kept."""

from __future__ import annotations

import pytest
import torch

import archscope
from archscope.backends.torch.build import build, inputs

BATCH = 2
GROUP = "ResNet-50, the memory of a step of two images with Adam, in process"


@pytest.mark.benchmark(group=GROUP, min_rounds=10, warmup=True)
def test_archscope(benchmark):
    design = archscope.load("resnet50")
    found = benchmark(lambda: archscope.memory(design, batch=BATCH, optimizer="adam"))
    assert found.saved_bytes == hooked()


@pytest.mark.benchmark(group=GROUP, min_rounds=3)
def test_saved_tensors_hooks(benchmark):
    assert benchmark(hooked) == archscope.memory(archscope.load("resnet50"), batch=BATCH).saved_bytes


def hooked() -> int:
    saved: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        held = tensor.detach()
        saved.setdefault(held.untyped_storage().data_ptr(), held)
        return held

    network = build(archscope.load("resnet50")).train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(*inputs(network.design, BATCH))
    own = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers()]}
    return sum(tensor.untyped_storage().nbytes() for place, tensor in saved.items() if place not in own)
