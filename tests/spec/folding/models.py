"""Flat designs as an import makes them: layers by the paths of their modules, functional calls by their kind."""

from __future__ import annotations

from typing import Any

from archscope.backends.importing.draft import Draft
from archscope.design import Design
from archscope.design.graph import Ref
from archscope.ops import REGISTRY


class Model(Draft):
    """A draft with short calls."""

    def __call__(self, name: str, kind: str, *inputs: Ref, shares: Ref | None = None, **arguments: Any) -> Ref:
        return self.layer(name, REGISTRY[kind](**arguments), inputs, shares=shares)[0]

    def conv_bn(self, names: tuple[str, str], x: Ref, out: int, **arguments: Any) -> Ref:
        return self(names[1], "BatchNorm2d", self(names[0], "Conv2d", x, out_channels=out, bias=False, **arguments))


def resnet(depths: list[int], channels: int = 64) -> Design:
    """A ResNet of bottlenecks, named as torchvision's; its modules apply one ReLU several times."""
    model = Model("resnet")
    x = model.conv_bn(("conv1", "bn1"), model.input("x", (3, 64, 64)), channels, kernel_size=7, stride=2, padding=3)
    x = model("maxpool", "MaxPool2d", model("relu", "ReLU", x), kernel_size=3, stride=2, padding=1)
    for stage, depth in enumerate(depths):
        for i in range(depth):
            at, width, stride = f"layer{stage + 1}.{i}", channels * 2**stage, 2 if stage and not i else 1
            y = model.conv_bn((f"{at}.conv1", f"{at}.bn1"), x, width, kernel_size=1)
            y = model(f"{at}.relu", "ReLU", y)
            y = model.conv_bn((f"{at}.conv2", f"{at}.bn2"), y, width, kernel_size=3, stride=stride, padding=1)
            y = model(f"{at}.relu", "ReLU", y)
            y = model.conv_bn((f"{at}.conv3", f"{at}.bn3"), y, 4 * width, kernel_size=1)
            names = (f"{at}.downsample.0", f"{at}.downsample.1")
            shortcut = x if i else model.conv_bn(names, x, 4 * width, kernel_size=1, stride=stride)
            x = model(f"{at}.relu", "ReLU", model(f"{at}.Add", "Add", y, shortcut))
    x = model("Flatten", "Flatten", model("avgpool", "AdaptiveAvgPool2d", x, output_size=1))
    model.output("output", model("fc", "Linear", x, out_features=1000))
    return model.design()


def mobilenet() -> Design:
    """MobileNetV2, named as torchvision's: the numbers of a unit without expansion are shifted."""
    model = Model("mobilenet")

    def conv(at: str, x: Ref, out: int, **arguments: Any) -> Ref:
        return model(f"{at}.2", "ReLU6", model.conv_bn((f"{at}.0", f"{at}.1"), x, out, **arguments))

    x = conv("features.0", model.input("x", (3, 64, 64)), 32, kernel_size=3, stride=2, padding=1)
    here, number = 32, 1
    for widen, out, count, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)):
        for i in range(count):
            at, shift, width, y = f"features.{number}.conv", 0, widen * here, x
            if widen > 1:
                y, shift = conv(f"{at}.0", y, width, kernel_size=1), 1
            stride = 1 if i else first
            y = conv(f"{at}.{shift}", y, width, kernel_size=3, stride=stride, padding=1, groups=width)
            y = model.conv_bn((f"{at}.{shift + 1}", f"{at}.{shift + 2}"), y, out, kernel_size=1)
            x = model(f"features.{number}.Add", "Add", x, y) if i else y
            here, number = out, number + 1
    x = conv(f"features.{number}", x, 1280, kernel_size=1)
    x = model("Flatten", "Flatten", model("AdaptiveAvgPool2d", "AdaptiveAvgPool2d", x, output_size=1))
    x = model("classifier.1", "Linear", model("classifier.0", "Dropout", x, p=0.2), out_features=1000)
    model.output("output", x)
    return model.design()


def encoder(layers: int, width: int = 64, heads: int = 4, *, interleaved: bool = False) -> Design:
    """A transformer encoder that writes its attention out."""
    model = Model("encoder")
    words = model.input("input_ids", (16,), "int64")
    x = model("embeddings.word", "Embedding", words, num_embeddings=100, embedding_dim=width)
    position = model("embeddings.position", "Parameter", shape=(1, 16, width))
    x = model("embeddings.norm", "LayerNorm", model("embeddings.Add", "Add", x, position), normalized_shape=width)
    for i in range(layers):
        at = f"encoder.layer.{i}"
        steps = []
        for name in ("query", "key", "value"):
            y = model(f"{at}.attention.{name}", "Linear", x, out_features=width)
            steps.append(y if interleaved else split(model, f"{at}.attention", y, heads))
        if interleaved:
            steps = [split(model, f"{at}.attention", y, heads) for y in steps]
        y = model(f"{at}.attention.Attention", "ScaledDotProductAttention", *steps)
        y = model(f"{at}.attention.Transpose", "Transpose", y, dim0=1, dim1=2)
        y = model(f"{at}.attention.Reshape", "Reshape", y, shape=(16, width))
        y = model(f"{at}.output.dense", "Linear", y, out_features=width)
        x = model(f"{at}.output.norm", "LayerNorm", model(f"{at}.output.Add", "Add", y, x), normalized_shape=width)
        y = model(f"{at}.mlp.fc1", "Linear", x, out_features=4 * width)
        y = model(f"{at}.mlp.fc2", "Linear", model(f"{at}.mlp.act", "GELU", y), out_features=width)
        x = model(f"{at}.Add", "Add", x, y)
    model.output("last", x)
    model.output("pooled", model("pooler", "Linear", x, out_features=width))
    return model.design()


def split(model: Model, at: str, x: Ref, heads: int) -> Ref:
    """Features by head."""
    _, length, width = model.tensor(x).shape
    x = model(f"{at}.Reshape", "Reshape", x, shape=(length, heads, width // heads))
    return model(f"{at}.Transpose", "Transpose", x, dim0=1, dim1=2)


def unet(levels: int = 3) -> Design:
    """A U-Net with all its modules side by side."""
    model = Model("unet")

    def double(at: str, x: Ref, out: int) -> Ref:
        for number in (0, 3):
            x = model(f"{at}.{number}", "Conv2d", x, out_channels=out, kernel_size=3, padding=1)
            x = model(f"{at}.{number + 2}", "ReLU", model(f"{at}.{number + 1}", "BatchNorm2d", x))
        return x

    x, skips = model.input("image", (1, 64, 64)), []
    for level in range(levels):
        x = double(f"down{level + 1}", x, 16 * 2**level)
        skips.append(x)
        x = model("pool", "MaxPool2d", x, kernel_size=2)
    x = double("middle", x, 16 * 2**levels)
    for level in reversed(range(levels)):
        out = 16 * 2**level
        x = model(f"up{level + 1}", "ConvTranspose2d", x, out_channels=out, kernel_size=2, stride=2)
        x = double(f"back{level + 1}", model("Concat", "Concat", skips[level], x), out)
    model.output("mask", model("head", "Conv2d", x, out_channels=1, kernel_size=1))
    return model.design()
