"""Receptive fields: those of all layers in closed form, of one unit exactly, and of one unit by gradients."""

from __future__ import annotations

import numpy as np
import pytest

import archscope
from archscope.backends.torch.influence import influence

#: the stem, the pool, and each stage: a 3x3 adds two jumps, and the first one of a stage still has the jump before it
SEES = 7 + 4 + 3 * 8 + (8 + 7 * 16) + (16 + 35 * 32) + (32 + 2 * 64)


@pytest.mark.benchmark(group="ResNet-152, fields of all 515 layers, in process", min_rounds=10, warmup=True)
def test_all_layers(benchmark):
    design = archscope.load("resnet152")
    fields = benchmark(lambda: archscope.receptive_fields(design))
    assert fields["layer4"][0].size == SEES


@pytest.mark.benchmark(group="ResNet-50, what unit (3, 3) of layer3 sees, in process", min_rounds=3)
def test_one_unit(benchmark):
    design = archscope.load("resnet50")
    sight = benchmark(lambda: archscope.sees(design, "layer3", (3, 3)))
    assert sight.seen.first == (0, 0)


@pytest.mark.benchmark(group="ResNet-50, what unit (3, 3) of layer3 sees, in process", min_rounds=3)
def test_one_unit_by_gradients(benchmark):
    design = archscope.load("resnet50")
    mask = benchmark(lambda: influence(design, "layer3", (3, 3)))
    assert np.array_equal(mask, archscope.sees(design, "layer3", (3, 3)).mask)


@pytest.mark.benchmark(group="fields of a chain of so many layers, in process", min_rounds=3)
@pytest.mark.parametrize("layers", [2_500, 5_000, 10_000])
def test_chain(benchmark, layers):
    conv = "  - Conv2d: {out_channels: 8, kernel_size: 3, padding: 1}\n  - ReLU\n"
    design = archscope.load("input: [8, 32, 32]\nlayers:\n" + conv * (layers // 2))
    fields = benchmark(lambda: archscope.receptive_fields(design))
    assert fields[design.layers[-1].name][0].size == layers + 1
