"""Spaces of small designs of several families: structure and numbers vary, and some combinations are none."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st


class Family(NamedTuple):
    """A spec, and what its variables may be.

    Attributes:
        values: of each variable the values that a test draws some of.
    """

    text: str
    values: dict[str, tuple]


RESNET = Family(
    """
name: ResNet-like
input: [3, 64, 64]
vars: {depths: [2, 2, 1], width: 16, stem: 16, expand: 4, groups: 1, kernel: 3, bias: false, act: ReLU}
blocks:
  conv_bn(out, kernel=1, stride=1, groups=1):
    - Conv2d: {out_channels: out, kernel_size: kernel, stride: stride, padding: kernel // 2, groups: groups, bias: bias}
    - BatchNorm2d
  bottleneck(width, stride=1):
    - Add:
      - - conv_bn: width
        - act
        - conv_bn: {out: width, kernel: kernel, stride: stride, groups: groups}
        - act
        - conv_bn: expand * width
      - - conv_bn: {out: expand * width, stride: stride}
          when: in_channels != expand * width or stride > 1
    - act
layers:
  - conv_bn: {out: stem, kernel: 7, stride: 2}
  - act
  - MaxPool2d: {kernel_size: 3, stride: 2, padding: 1}
  - repeat: 3
    index: stage
    layers:
      - repeat: depths[stage]
        index: i
        layers: [bottleneck: {width: width * 2**stage, stride: 2 if stage and not i else 1}]
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: 10
""",
    {
        "depths[0]": (0, 1, 2, 3),
        "depths[2]": (1, 2, 4),
        "width": (1, 4, 8, 12, 16, 24),
        "stem": (4, 16, 32, 64),
        "expand": (1, 2, 4),
        "groups": (1, 2, 4, 3),
        "kernel": (1, 3, 5, 4),
        "bias": (True, False),
        "act": ("ReLU", "SiLU"),
        "input": (16, 33, 64, 96),
    },
)

MOBILENET = Family(
    """
name: MobileNet-like
input: [3, 96, 96]
vars: {alpha: 1.0, rows: [[1, 16, 1, 1], [6, 24, 2, 2], [6, 40, 2, 2]], last: 160, dropout: 0.2}
blocks:
  inverted(out, stride, expand):
    - Add:
      - []
      - - conv: {out: in_channels * expand}
        - Conv2d: {out_channels: in_channels, kernel_size: 3, stride: stride, padding: 1, groups: in_channels}
        - BatchNorm2d
        - ReLU6
        - Conv2d: {out_channels: out, kernel_size: 1, bias: false}
        - BatchNorm2d
      when: stride == 1 and in_channels == out
    - layers:
      - conv: {out: in_channels * expand}
      - Conv2d: {out_channels: out, kernel_size: 3, stride: stride, padding: 1, bias: false}
      when: not (stride == 1 and in_channels == out)
  conv(out):
    - Conv2d: {out_channels: out, kernel_size: 1, bias: false}
    - BatchNorm2d
    - ReLU6
layers:
  - Conv2d: {out_channels: "divisible(32 * alpha, 8)", kernel_size: 3, stride: 2, padding: 1}
  - repeat: len(rows)
    index: r
    layers:
      - repeat: "rows[r][2]"
        index: i
        layers:
          - inverted:
              out: divisible(rows[r][1] * alpha, 8)
              stride: rows[r][3] if i == 0 else 1
              expand: rows[r][0]
  - conv: "max(last, int(last * alpha))"
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Dropout: dropout
  - Linear: round(100 * alpha ** 0.5)
""",
    {
        "alpha": (1.0, 0.75, 0.5, 0.25, 1.4, 0.33, 2, 1),
        "last": (1, 160, 320),
        "dropout": (0.0, 0.2),
        "rows[1]": ((6, 24, 2, 2), (4, 24, 2, 2), (6, 32, 3, 1), (6, 24, 1, 2)),
        "input": (96, 128, 37, 8),
        "batch": (1, 3),
    },
)

DENSENET = Family(
    """
name: DenseNet-like
input: [3, 48, 48]
vars: {growth: 12, depths: [2, 3, 2], theta: 0.5, stem: 24, bottleneck: 4}
blocks:
  dense():
    - Concat:
      - []
      - - BatchNorm2d
        - ReLU
        - Conv2d: {out_channels: bottleneck * growth, kernel_size: 1, bias: false}
        - Conv2d: {out_channels: growth, kernel_size: 3, padding: 1, bias: false}
layers:
  - Conv2d: {out_channels: stem, kernel_size: 3, padding: 1, bias: false}
  - repeat: 3
    index: b
    layers:
      - repeat: depths[b]
        layers: [dense: ]
      - layers:
          - Conv2d: {out_channels: floor(in_channels * theta), kernel_size: 1, bias: false}
          - AvgPool2d: 2
        when: b < 2
  - BatchNorm2d
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: 10
""",
    {
        "growth": (1, 4, 12, 32),
        "depths[0]": (0, 1, 3),
        "depths[1]": (1, 2, 6),
        "theta": (0.5, 0.7, 1.0, 0.01),
        "stem": (8, 24, 65),
        "bottleneck": (1, 4),
        "input": (48, 31, 3),
    },
)

UNET = Family(
    """
name: U-Net-like
input: [1, 64, 64]
vars: {depth: 3, base: 16, kernel: 3, classes: 2}
blocks:
  double(out):
    - Conv2d: {out_channels: out, kernel_size: kernel, padding: kernel // 2}
    - ReLU
    - Conv2d: {out_channels: out, kernel_size: kernel, padding: kernel // 2}
    - ReLU
  level(width, depth):
    - double: width
    - layers:
      - Concat:
        - []
        - - MaxPool2d: 2
          - level: {width: 2 * width, depth: depth - 1}
          - ConvTranspose2d: {out_channels: width, kernel_size: 2, stride: 2}
      - double: width
      when: depth > 0
layers:
  - level: {width: base, depth: depth}
  - Conv2d: {out_channels: classes, kernel_size: 1}
""",
    {
        "depth": (0, 1, 2, 3, 4),
        "base": (1, 8, 16, 24),
        "kernel": (1, 2, 3, 5),
        "classes": (2, 21),
        "input": (64, 48, 40, 16, (1, 32, 64), (3, 64, 32)),
    },
)

TRANSFORMER = Family(
    """
name: Transformer-like
inputs: {tokens: {shape: [16], dtype: int64}}
vars: {layers: 2, width: 32, heads: 4, ratio: 4.0, vocabulary: 100}
layers:
  - Embedding: {num_embeddings: vocabulary, embedding_dim: width}
  - repeat: layers
    layers:
      - Add:
        - []
        - - LayerNorm: width
          - MultiheadAttention: {num_heads: heads, batch_first: true}
      - Add:
        - []
        - - LayerNorm: width
          - Linear: int(ratio * width)
          - GELU
          - Linear: width
  - Linear: vocabulary
""",
    {
        "layers": (0, 1, 3),
        "width": (8, 12, 32),
        "heads": (1, 2, 3, 4),
        "ratio": (1.0, 2.7, 4.0),
        "vocabulary": (7, 100),
        "input": (1, 16, 50),
        "batch": (1, 4),
    },
)

FAMILIES = {
    "resnet": RESNET, "mobilenet": MOBILENET, "densenet": DENSENET, "unet": UNET, "transformer": TRANSFORMER,
}  # fmt: skip


def axes(family: Family) -> st.SearchStrategy[dict[str, list]]:
    """Some values of each variable, in any order; at least three variables."""
    values = {
        name: st.lists(st.sampled_from(known), min_size=1, unique_by=repr) for name, known in family.values.items()
    }
    return st.permutations(sorted(values)).flatmap(
        lambda names: st.integers(3, len(names)).flatmap(
            lambda count: st.fixed_dictionaries({name: values[name] for name in names[:count]})
        )
    )
