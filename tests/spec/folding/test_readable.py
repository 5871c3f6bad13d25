"""A folded design is read again as the design that it was, and looks as if a person had written it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import archscope
from archscope.design import Design, Scope
from archscope.design.graph import Ref
from archscope.spec.folding import readable
from archscope.spec.writer import to_yaml
from tests.designs import designs
from tests.examples import examples
from tests.spec.asking import HEAD
from tests.spec.folding.models import Model, encoder, mobilenet, resnet, unet
from tests.spec.test_writer import TEXTS, plain, regions

SPECS = sorted(path.stem for path in (Path(__file__).parents[3] / "specs").glob("*.yaml"))


def flat(text: str) -> Design:
    """A design as its list of layers, with no memory of what it was made of."""
    return archscope.load(to_yaml(archscope.load(text)))


def same(again: Design, design: Design) -> bool:
    return plain(again) == plain(design) and regions(again) == regions(design) and again.name == design.name


#: those of the default run: one a family, and none of the largest
QUICK = {
    "alexnet", "alexnet_two_tower", "densenet121", "efficientnet_b0", "googlenet_aux", "inception_v3", "unet",
    "resnet18", "resnet50", "resnext50_32x4d", "shufflenet_v1", "squeezenet1_0", "tcn", "text_cnn", "vgg16",
    "mobilenet_v3_small", "vit_b_16", "wavenet_stack", "yolov1",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if Path(name).stem in QUICK else [pytest.mark.slow]) for name in SPECS]
)
def test_every_design_comes_back(name: str) -> None:
    design = flat(name)
    text = readable(design)
    assert same(archscope.load(text), design)
    assert text != to_yaml(design)


@pytest.mark.parametrize("text", [pytest.param(text, id=title) for title, text in TEXTS.items()])
def test_special_designs_come_back(text: str) -> None:
    design = flat(text)
    assert same(archscope.load(readable(design)), design)


@given(designs())
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_designs_come_back(text: str) -> None:
    design = flat(text)
    again = readable(design)
    assert same(archscope.load(again), design)
    assert again != to_yaml(design)


# -- flat designs as they come from elsewhere

IMPORTED = {
    "resnet": resnet([3, 4, 6, 3]),
    "mobilenet": mobilenet(),
    "encoder": encoder(4),
    "interleaved": encoder(2, interleaved=True),
    "unet": unet(4),
}


@pytest.mark.parametrize("name", IMPORTED)
def test_imported_designs_come_back(name: str) -> None:
    text = readable(IMPORTED[name])
    assert same(archscope.load(text), IMPORTED[name])
    assert len(text.splitlines()) < 60
    assert max(map(len, text.splitlines())) <= 120


@st.composite
def tangles(draw: st.DrawFn) -> Design:
    """Layers that read any earlier ones, under names that nest in any way."""
    model = Model("tangle")
    tensors = [model.input(name, (4, 6)) for name in draw(st.sampled_from([["input"], ["x"], ["a", "b"]]))]
    words = st.sampled_from(["a", "b", "0", "1", "2", "ReLU", "Add", "Add_1", "Add_2", "b1"])
    homes: list[Ref] = []
    for _ in range(draw(st.integers(1, 14))):
        name = ".".join(draw(st.lists(words, min_size=1, max_size=3)))
        one, other = (draw(st.sampled_from(tensors[-4:] + tensors[:1])) for _ in range(2))
        kind = draw(st.sampled_from(["ReLU", "Linear", "Add", "Add", "Chunk", "Parameter", "Multiply"]))
        if kind == "Linear":
            shares = draw(st.sampled_from([None, *homes]))
            tensors.append(model(name, kind, one, out_features=6, shares=shares))
            homes += [] if shares else [tensors[-1]]
        elif kind in ("Add", "Multiply"):
            tensors.append(model(name, kind, one, other))
        elif kind == "Chunk":
            tensors.append(model(name, kind, one, chunks=1, dim=1))
        elif kind == "Parameter":
            inputs = [one] if draw(st.booleans()) else []
            tensors.append(model(f"{name}.Add", "Add", model(name, kind, *inputs, shape=(1, 4, 6)), other))
        else:
            tensors.append(model(name, kind, one))
    model.output("output", tensors[-1])
    if draw(st.booleans()):
        model.output("other", draw(st.sampled_from(tensors)))
    return model.design()


@given(tangles())
@settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_tangle_comes_back(design: Design) -> None:
    assert same(archscope.load(readable(design)), design)


def test_a_flat_list_comes_back_where_a_layer_that_needs_no_input_has_one() -> None:
    model = Model("m")
    x = model.input("x", (3,))
    model.output("y", model("Add", "Add", model("p", "Parameter", x, shape=(1, 3)), x))
    design = model.design()
    assert archscope.load(to_yaml(design)).layers == design.layers
    assert archscope.load(readable(design)).layers == design.layers


def test_rounds_that_differ_in_a_list_come_back() -> None:
    lines = []
    for stage, chances in enumerate(([0.1, 0.25], [0.3, 0.42], [0.5, 0.65])):
        for n, p in enumerate(chances):
            name = f"s.{stage}.blocks.{n}"
            lines += [
                f"  - {{Conv1d: {{out_channels: 6, kernel_size: 1}}, name: {name}.conv}}",
                f"  - {{Dropout: {p}, name: {name}.drop}}",
                f"  - {{ReLU: , name: {name}.act}}",
            ]
        lines.append(f"  - {{BatchNorm1d: , name: s.{stage}.norm}}")
    design = flat("\n".join(["input: [6, 4]", "layers:", *lines, ""]))
    assert same(archscope.load(readable(design)), design)


def test_what_is_recomputed_together_stays_together() -> None:
    blocks = "input: [3]\nblocks:\n  f: [ReLU, Tanh]\n  g: [{f: , name: a}, {f: , name: b}]\nlayers:\n"
    for layers in (
        "  - {f: , checkpoint: true}\n  - {f: , checkpoint: true}\n  - ReLU\n",
        "  - {repeat: 2, layers: [ReLU, Tanh], checkpoint: true}\n",
        "  - {layers: [ReLU, Linear: 3, Add: [[ReLU], []]], checkpoint: true}\n  - ReLU\n",
        "  - {g: , name: c}\n  - {layers: [{g: , name: d}, Tanh], checkpoint: true}\n  - {g: , name: e}\n",
        "  - {ReLU: , checkpoint: true}\n  - {name: n, layers: [Tanh, {ReLU: , checkpoint: true}, ELU]}\n",
    ):
        design = flat(blocks + layers)
        text = readable(design)
        assert same(archscope.load(text), design)
        assert "checkpoint: true" in text


def test_frozen_layers_stay_frozen() -> None:
    text = "input: [3]\nblocks:\n  f(n): [Linear: n, ReLU, Linear: 3]\nlayers:\n"
    design = flat(text + "  - {f: 4, name: a, freeze: true}\n  - {f: 5, name: b}\n  - {f: 6, name: c}\n")
    again = archscope.load(readable(design))
    assert [layer.frozen for layer in again.layers] == [("weight", "bias"), (), ("weight", "bias")] + [()] * 6
    assert same(again, design)


def test_layers_that_nothing_reads_stay() -> None:
    design = flat(HEAD + "  - {ReLU: , name: a}\n  - {Tanh: , name: b, from: input}\n  - {ELU: , name: c, from: a}\n")
    assert same(archscope.load(readable(design)), design)


# -- how it looks

RESNET = """
name: resnet
inputs: {x: [3, 64, 64]}
vars: {depths: [3, 4, 6, 3], classes: 1000}

blocks:
  bottleneck(out, stride=1, downsample=false):
    - Add:
      - - {name: conv1, Conv2d: {out_channels: out, kernel_size: 1, bias: false}}
        - {name: bn1, BatchNorm2d}
        - {name: relu, ReLU}
        - {name: conv2, Conv2d: {out_channels: out, kernel_size: 3, stride: stride, padding: 1, bias: false}}
        - {name: bn2, BatchNorm2d}
        - {name: relu_2, ReLU}
        - {name: conv3, Conv2d: {out_channels: 4 * out, kernel_size: 1, bias: false}}
        - {name: bn3, BatchNorm2d}
      - - name: downsample
          layers:
            - {name: 0, Conv2d: {out_channels: 4 * out, kernel_size: 1, stride: stride, bias: false}}
            - {name: 1, BatchNorm2d}
          when: downsample
    - {name: relu_3, ReLU}

layers:
  - {name: conv1, Conv2d: {out_channels: 64, kernel_size: 7, stride: 2, padding: 3, bias: false}}
  - {name: bn1, BatchNorm2d}
  - {name: relu, ReLU}
  - {name: maxpool, MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}}
  - repeat: 4
    index: stage
    name: layer{stage + 1}
    layers:
      - repeat: depths[stage]
        index: i
        layers:
          - name: "{i}"
            bottleneck: {out: 64 * 2**stage, stride: 2 if stage > 0 and i == 0 else 1, downsample: i == 0}
  - {name: avgpool, AdaptiveAvgPool2d: 1}
  - Flatten
  - {name: fc, Linear: classes}
"""


def test_a_resnet_reads_as_if_written() -> None:
    rounds = [f"layer{stage + 1}.{i}" for stage, depth in enumerate((3, 4, 6, 3)) for i in range(depth)]
    design = replace(IMPORTED["resnet"], scopes=tuple(Scope(name, "Bottleneck", ()) for name in rounds))
    assert readable(design).strip() == RESNET.strip()


def test_a_changed_variable_changes_the_design() -> None:
    design = archscope.load(readable(resnet([3, 4, 6, 3])), set={"depths": [3, 4, 23, 3], "classes": 10})
    by_hand = archscope.load("resnet101", set={"classes": 10}, input=(3, 64, 64))
    assert archscope.analyze(design).total.params == archscope.analyze(by_hand).total.params


@pytest.mark.parametrize(
    ("name", "most"),
    [("resnet50", 45), ("vit_b_16", 40), ("mobilenet_v2", 50), ("densenet121", 45), ("efficientnet_b0", 65),
     ("googlenet", 50), ("unet", 45), ("inception_v3", 105), ("resnet152", 45)],
)  # fmt: skip
def test_designs_stay_short(name: str, most: int) -> None:
    lines = readable(flat(f"extends: {name}.yaml\n")).splitlines()
    assert len(lines) <= most
    assert max(map(len, lines)) <= 120


def test_what_follows_from_what_arrives_is_said_so() -> None:
    text = readable(flat("extends: mobilenet_v2.yaml\n"))
    assert "groups: in_channels" in text
    assert "padding: kernel // 2" in text
    assert "conv_bn: 6 * in_channels" in text


def test_a_chain_names_no_tensor() -> None:
    for name in ("vgg16", "resnet50", "densenet121", "mobilenet_v2", "vit_b_16"):
        assert not re.search(r"\bfrom:", readable(flat(f"extends: {name}.yaml\n")))


def test_a_deep_network_is_no_longer_than_a_shallow_one() -> None:
    assert len(readable(resnet([3, 40, 150, 3])).splitlines()) < 45
