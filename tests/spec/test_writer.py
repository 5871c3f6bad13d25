"""A design written as a flat spec says the same when it is read again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

import archscope
from archscope.design import Design
from archscope.design.graph import Layer
from archscope.spec.writer import to_yaml
from tests.designs import designs
from tests.spec.asking import HEAD
from tests.spec.test_expansion import CONV, UNET

TEXTS = {
    "one layer": HEAD + "  - ReLU\n",
    "none": "input: [3]\nlayers: []\n",
    "a U-Net": UNET,
    "several inputs": "inputs: {a: [3, 8], b: {shape: [5], dtype: int64}, c: [3, 8]}\nlayers:\n"
    "  - {Embedding: {num_embeddings: 9, embedding_dim: 8}, from: b}\n  - Concat: [a, [], c]\n",
    "several outputs": "input: [4, 8]\nlayers:\n  - {Chunk: {chunks: 2, dim: 1}, name: c}\n"
    "  - {ReLU: , from: 'c[1]'}\n  - Add: ['c[0]', []]\noutputs: {sum: Add, part: 'c[1]', in: input}\n",
    "a recurrent layer": "input: [5, 4]\nlayers:\n  - {LSTM: {hidden_size: 3, num_layers: 2}, name: rnn}\n"
    "  - Linear: 2\noutputs: {a: Linear, b: 'rnn[2]'}\n",
    "shared weights": HEAD + f"  - {CONV}name: c}}\n  - reuse: c\n  - {{reuse: c, from: input}}\n",
    "a shared block": "input: [3]\nblocks:\n  f: [Linear: 3, Linear: 3]\nlayers: [{f: , name: a}, {reuse: a}]\n",
    "frozen": HEAD + f"  - {CONV}name: c, freeze: true}}\n  - {CONV}name: d}}\n",
    "words for names": "name: 'null'\ninput: [3]\n"
    "layers: [{ReLU: , name: 1}, {Tanh: , name: 'true'}, {ELU: , name: '1.50'}]\n",
    "words for arguments": HEAD + "  - Conv2d: {out_channels: 4, kernel_size: [1, 3], padding: same, bias: false}\n"
    "  - Upsample: {scale_factor: [2, 3], mode: bilinear, align_corners: true}\n",
}


def regions(design: Design) -> list[int]:
    """Which layers are recomputed together: the names of regions are not told in a flat spec."""
    seen: dict[str | None, int] = {None: -1}
    return [seen.setdefault(layer.checkpoint, len(seen)) for layer in design.layers]


def plain(design: Design) -> tuple[tuple[Layer, ...], object, object]:
    return tuple(replace(layer, checkpoint=None) for layer in design.layers), design.inputs, design.outputs


@pytest.mark.parametrize("text", [pytest.param(text, id=title) for title, text in TEXTS.items()])
def test_it_is_read_as_the_same_design(text: str) -> None:
    design = archscope.load(text)
    again = archscope.load(to_yaml(design))
    assert plain(again) == plain(design)
    assert regions(again) == regions(design)
    assert (again.name, again.vars, len(again.warnings)) == (design.name, (), len(design.warnings))
    assert to_yaml(again) == to_yaml(design)


def test_regions_stay_regions() -> None:
    text = "input: [3]\nblocks:\n  f: [ReLU, Tanh]\nlayers:\n  - {f: , checkpoint: true}\n  - {f: , checkpoint: true}\n"
    design = archscope.load(text + "  - ReLU\n  - {repeat: 2, layers: [ReLU], checkpoint: true}\n")
    again = archscope.load(to_yaml(design))
    assert regions(again) == regions(design) == [1, 1, 2, 2, -1, 3, 4]


@given(designs())
@settings(max_examples=30)
def test_random_designs(text: str) -> None:
    design = archscope.load(text)
    again = archscope.load(to_yaml(design))
    assert plain(again) == plain(design)
    assert archscope.analyze(again).total == archscope.analyze(design).total


def test_it_reads_well() -> None:
    design = archscope.load(
        "name: n\nsource: me\ninput: [3, 8, 8]\nlayers:\n  - Conv2d: {out_channels: 4, kernel_size: 3}\n  - ReLU\n"
    )
    assert (
        to_yaml(design)
        == """archscope: 1
name: n
source: me
inputs:
  input:
    shape: [3, 8, 8]
    dtype: float
layers:
- Conv2d:
    out_channels: 4
    kernel_size: [3, 3]
  name: Conv2d
- {ReLU: null, name: ReLU}
outputs: {output: ReLU}
"""
    )
