"""The largest batches by archscope beside published ones: ``python -m benchmarks.largest_batch``.

Published: results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv and ...-nchw-... of
github.com/huggingface/pytorch-image-models (timm) at aa4b585: training steps on an RTX 3090 of 24 GiB under torch 1.12
and CUDA 11.3, torch.autocast to float16, SGD with Nesterov's momentum, gradients zeroed and not dropped (the default of
zero_grad() before torch 2.0). timm's benchmark.py starts at a batch of 512 and goes on to 384, 256, 192, 128, 96, ...
each time that a step fails: the batch in the table ran, and the one before it did not. Here the networks stand that
both timm and specs/ have; where the two are not layer for layer the same, nothing is corrected.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import archscope
from archscope.analysis.step.fit import largest_batch, room
from archscope.analysis.step.memory import memory
from archscope.setting.devices import DEVICES

OUT = Path(__file__).parents[1] / "reports" / "largest_batch.md"
CARD = DEVICES["rtx3090"]
SETTING = {"device": "rtx3090", "optimizer": "nesterov", "precision": "fp16-mixed", "accumulate": True}
STEPS = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
FAILED = {less: more for more, less in pairwise(STEPS)}  # what had failed before a batch ran


class Published(NamedTuple):
    """A network in timm's tables.

    Attributes:
        design: the spec.
        timm: what timm calls it.
        size: of the image.
        last, first: the batch that ran with the channels last and first.
    """

    design: str
    timm: str
    size: int
    last: int
    first: int


PUBLISHED = (
    Published("vgg11", "vgg11", 224, 512, 512),
    Published("vgg13", "vgg13", 224, 384, 512),
    Published("vgg16", "vgg16", 224, 384, 384),
    Published("vgg19", "vgg19", 224, 384, 384),
    Published("vgg11_bn", "vgg11_bn", 224, 384, 384),
    Published("vgg13_bn", "vgg13_bn", 224, 256, 256),
    Published("vgg16_bn", "vgg16_bn", 224, 256, 256),
    Published("vgg19_bn", "vgg19_bn", 224, 256, 256),
    Published("resnet18", "resnet18", 224, 512, 512),
    Published("resnet34", "resnet34", 224, 512, 512),
    Published("resnet50", "resnet50", 224, 512, 512),
    Published("resnet101", "resnet101", 224, 256, 256),
    Published("resnet152", "resnet152", 224, 192, 192),
    Published("resnext50_32x4d", "resnext50_32x4d", 224, 384, 384),
    Published("wide_resnet50_2", "wide_resnet50_2", 224, 384, 384),
    Published("densenet121", "densenet121", 224, 256, 256),
    Published("densenet161", "densenet161", 224, 128, 128),
    Published("densenet169", "densenet169", 224, 256, 256),
    Published("densenet201", "densenet201", 224, 192, 192),
    Published("inception_v3", "inception_v3", 299, 384, 384),
    Published("inception_resnet_v2", "inception_resnet_v2", 299, 192, 192),
    Published("xception", "xception", 299, 128, 128),
    Published("nasnet_large", "nasnetalarge", 331, 32, 32),
    Published("mobilenet_v2", "mobilenetv2_100", 224, 512, 512),
    Published("mobilenet_v3_large", "mobilenetv3_large_100", 224, 512, 512),
    Published("mobilenet_v3_small", "mobilenetv3_small_100", 224, 512, 512),
    Published("mnasnet1_0", "mnasnet_b1", 224, 512, 512),
    Published("efficientnet_b0", "efficientnet_b0", 224, 512, 384),
    Published("efficientnet_b1", "efficientnet_b1", 224, 256, 256),
    Published("efficientnet_b2", "efficientnet_b2", 256, 256, 256),
    Published("efficientnet_b3", "efficientnet_b3", 288, 128, 128),
    Published("efficientnet_b4", "efficientnet_b4", 320, 96, 96),
    Published("efficientnet_b5", "efficientnet_b5", 456, 32, 32),
    Published("efficientnet_b6", "efficientnet_b6", 528, 16, 16),
    Published("efficientnet_b7", "efficientnet_b7", 600, 8, 8),
)


class Row(NamedTuple):
    """A network under one memory format.

    Attributes:
        ours: the largest batch by archscope.
        at: bytes that the batch needs that failed, if one did; else the one that ran.
    """

    one: Published
    channels_last: bool
    ours: int
    at: int

    @property
    def ran(self) -> int:
        """The batch that ran."""
        return self.one.last if self.channels_last else self.one.first

    @property
    def verdict(self) -> str:
        """Whether ours lies between what ran and what failed."""
        if self.ours < self.ran:
            return "too small"
        failed = FAILED.get(self.ran)
        return "too large" if failed is not None and self.ours >= failed else "agrees"


def rows() -> Iterator[Row]:
    """Every network under both formats."""
    for one in PUBLISHED:
        design = archscope.load(one.design, input=(3, one.size, one.size))
        for last in (True, False):
            ran = one.last if last else one.first
            ours = largest_batch(design, channels_last=last, **SETTING)
            at = memory(design, batch=FAILED.get(ran, ran), channels_last=last, **SETTING).needed
            yield Row(one, last, ours or 0, at)


def page(found: list[Row]) -> str:
    """The report as Markdown."""
    gib = 2**30
    counts = {verdict: sum(row.verdict == verdict for row in found) for verdict in ("agrees", "too small", "too large")}
    lines = [
        "# The largest batch, beside published ones",
        "",
        "Made by `python -m benchmarks.largest_batch`. The published figures are from "
        "[timm's training benchmarks](https://github.com/huggingface/pytorch-image-models/tree/"
        "aa4b5850c1543fa488abf260f18390eda46cf85d/results) on an RTX 3090 (24 GiB), torch 1.12, CUDA 11.3, fp16 "
        "autocast, SGD with Nesterov's momentum, kept gradients. `ran` is the published batch, `failed` the one before "
        "it that did not fit (none where the first, 512, ran). `archscope` is its largest batch, in "
        f"{room('rtx3090') / gib:.2f} GiB: what is left of {CARD.memory / gib:.0f} GiB less {CARD.context / gib:.2f} "
        "for the CUDA context and whatever else is not a tensor. The last column is what a batch of `failed` (else "
        "`ran`) needs.",
        "",
        f"Of {len(found)} rows {counts['agrees']} agree, {counts['too small']} are too small, {counts['too large']} "
        "too large. What is too large is so by little: cuDNN's workspaces, which are not counted, or a desktop may "
        "have taken the rest. Inception-ResNet-v2 is Keras', whose batch norms shift and do not scale; "
        "the shift is a layer of its own here, which autocast runs in float32. Figures follow torch 2.13.",
        "",
        "| spec | timm | image | format | ran | failed | archscope | | needs |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | --- | ---: |",
    ]
    for row in found:
        form = "channels last" if row.channels_last else "channels first"
        failed = FAILED.get(row.ran, "")
        lines.append(
            f"| {row.one.design} | {row.one.timm} | {row.one.size} | {form} | {row.ran} | {failed} | {row.ours:,} "
            f"| {row.verdict} | {row.at / gib:.2f} GiB |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    OUT.write_text(page(list(rows())), encoding="utf-8")
