"""The JSON schema agrees with the reader: what loads is valid, and plain mistakes are not."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

import archscope
from archscope.autograd.dtypes import SHORT
from archscope.ops import REGISTRY
from archscope.spec.document import _READERS, CONVENTIONS, DTYPES, ENTRY_KEYS
from archscope.spec.schema import default_text, schema
from archscope.spec.section import KEYS
from tests.spec.asking import HEAD
from tests.spec.test_expansion import UNET

VALIDATOR = jsonschema.Draft202012Validator(schema())

FULL = """name: net
source: me
description: words
inputs: {image: [3, size, 32], ids: {shape: [5], dtype: int64}}
vars: {size: 32, act: ReLU, depths: [1, 2], flag: true, none: null}
blocks:
  f(out, k=1): [Conv2d: {out_channels: out, kernel_size: k}, act]
  two: {layers: [{ReLU: , name: a}, {Tanh: , name: c}], outputs: {a: a, b: {from: c, when: flag}}}
layers:
  - f: 4
  - {f: {out: 2 * 4, k: [1, 1]}, name: 'b{size}', when: flag, freeze: true}
  - {repeat: 'depths[0]', index: i, layers: [ReLU], checkpoint: true}
  - {layers: [ReLU], from: image}
  - {name: g, layers: [act]}
  - Add: [[], [ReLU], g]
  - Add: [{repeat: 2, index: j, name: 'r{j}', layers: [act]}, {from: g, when: flag}, {layers: [], when: size > 3}]
  - {Add: , from: [g, {repeat: 2, index: j, from: 'r{j}'}, {from: g, when: flag}]}
  - {two: , name: t, init: {"*": 0, Conv2d: {weight: kaiming_normal(mode=fan_out)}}}
  - {Add: , from: [t.a, 't[1]']}
  - Concat: {inputs: [[], []], dim: 1}
  - {reuse: g, when: size > 3}
  - MaxPool2d: 2
  - Upsample: {scale_factor: 2, mode: nearest}
  - Flatten:
  - {Add: , from: [Flatten, Flatten]}
  - Linear: size
init: {Linear: {weight: normal(std=0.02), bias: 0}, "*.bias": ones}
outputs: {a: Linear, b: g}
expect:
  params: {value: 5, within: 1%, convention: keras, source: me, stated: 6M}
  macs: 5e6
  fc_params / params: 50%
  layers: {Linear: {params: 4, output_shape: [5]}}
budget: {params: <= 5e6}
accuracy: {top1: {value: 76.1, source: me}}
sweep:
  vary: {size: 16:128:8, act: [ReLU, GELU], 'depths[0]': '0:2', input.image: [3x32x32, 64], batch: [1, 8]}
  derive: {density: macs / params, one: 1}
  where: [params < 5e6, macs < 600e6]
  pareto: params, -macs
  sort: -density
  top: 20
  sample: {count: 1000, seed: 1, method: sobol}
  dtype: amp
  optimizer: adam
  device: h100
"""


@pytest.mark.parametrize("text", [UNET, FULL, HEAD + "  - ReLU\n", "include: [resnet50]\ninput: [3]\nlayers: []\n"])
def test_what_loads_is_valid(text: str) -> None:
    archscope.load(text)
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "inptu: [3]\n",
        "input: 3\n",
        "input: [0]\n",
        "input: {shape: [3], dtype: int8}\n",
        "inputs: [3]\n",
        "name: [a]\n",
        "layers: {ReLU: }\n",
        "layers: [3]\n",
        "layers: [{}]\n",
        "layers: [Conv2D]\n",
        "layers: [Conv2D: 3]\n",
        "layers: [Conv2d: {kernel_size: 3}]\n",
        "layers: [Conv2d: {out_channels: 0, kernel_size: 3}]\n",
        "layers: [Conv2d: {out_channels: 3, kernal_size: 3}]\n",
        "layers: [Linear: {out_features: 3, bias: 3}]\n",
        "layers: [{repeat: -1, layers: []}]\n",
        "layers: [{repeat: 3, layers: ReLU}]\n",
        "layers: [{reuse: 3}]\n",
        "blocks: {f: ReLU}\n",
        "expect: {params: {valeu: 3}}\n",
        "expect: {params: {value: 3, convention: tf}}\n",
        "budget: {params: 3}\n",
        "outputs: 3\n",
        "sweep: [vary]\n",
        "sweep: {top: 3}\n",
        "sweep: {vary: {a: {b: 1}}}\n",
        "sweep: {vary: {a: 1}, top: 0}\n",
        "sweep: {vary: {a: 1}, sort: [a]}\n",
        "sweep: {vary: {a: 1}, sample: {seed: 1}}\n",
        "sweep: {vary: {a: 1}, sample: {count: 3, method: grid}}\n",
        "sweep: {vary: {a: 1}, dtype: int8}\n",
        "sweep: {vary: {a: 1}, where: 3}\n",
        "sweep: {vary: {a: 1}, varied: 3}\n",
    ],
)
def test_plain_mistakes_are_not(text: str) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(text))


def test_it_is_a_schema_that_can_be_written_down() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()


def test_it_knows_what_the_reader_knows() -> None:
    found = schema()
    assert set(found["properties"]) == set(_READERS)
    entry = found["$defs"]["layer"]["anyOf"][1]["properties"]
    assert set(entry) == {*ENTRY_KEYS, *REGISTRY}
    assert found["$defs"]["input"]["anyOf"][1]["properties"]["dtype"]["enum"] == [*DTYPES, *SHORT]
    assert set(found["properties"]["sweep"]["properties"]) == set(KEYS)
    assert found["$defs"]["figure"]["anyOf"][1]["properties"]["convention"]["enum"] == list(CONVENTIONS)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_is_described_with_its_arguments(name: str) -> None:
    op = REGISTRY[name]
    described: dict[str, Any] = schema()["$defs"]["layer"]["anyOf"][1]["properties"][name]
    assert described["description"]
    arguments = described["anyOf"][0]["properties"]
    assert {info.name for info in op.fields} == set(arguments) - {"inputs", *op.follows}
    assert set(op.follows) == {name for name, one in arguments.items() if one.get("deprecated")}
    for info in op.fields:
        assert arguments[info.name].get("default") == (None if info.required else default_text(info.default))
