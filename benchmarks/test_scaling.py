"""Time is linear in the number of layers: chains of 2,500 to 10,000 layers, loaded from text and accounted for."""

from __future__ import annotations

import pytest

import archscope


def chain(layers: int) -> str:
    conv = "  - Conv2d: {out_channels: 8, kernel_size: 3, padding: 1}\n  - ReLU\n"
    return "input: [8, 32, 32]\nlayers:\n" + conv * (layers // 2)


@pytest.mark.benchmark(group="a chain of so many layers, in process", min_rounds=3)
@pytest.mark.parametrize("layers", [2_500, 5_000, 10_000])
def test_chain(benchmark, layers):
    text = chain(layers)
    account = benchmark(lambda: archscope.analyze(archscope.load(text)))
    assert account.total.layers == layers
    assert account.total.params == layers // 2 * (8 * 8 * 9 + 8)
