"""Designs are values."""

import pickle
from dataclasses import FrozenInstanceError

import pytest

import archscope

TEXT = (
    "name: a\ninput: [3, 8, 8]\nvars: {act: ReLU, sizes: [1, 2]}\nlayers:\n  - act\n  - MaxPool2d: 2\n    name: pool\n"
)


def test_equal_when_they_say_the_same():
    one, two = (
        archscope.load(TEXT),
        archscope.load(TEXT.replace("  - MaxPool2d: 2\n", "  - MaxPool2d: {kernel_size: 1 + 1}\n")),
    )
    assert one == two
    assert hash(one) == hash(two)
    assert one != archscope.load(TEXT.replace("MaxPool2d: 2", "MaxPool2d: 4"))
    assert one != archscope.load(TEXT, input=(3, 16, 16))
    assert one != archscope.load(TEXT, set={"act": "GELU"})


def test_cached_pickled_and_sent():
    design = archscope.load(TEXT)
    assert design.graph is design.graph
    again = pickle.loads(pickle.dumps(design))
    assert again == design
    assert {design: 1}[again] == 1
    assert archscope.analyze(again).total == archscope.analyze(design).total


def test_frozen():
    design = archscope.load(TEXT)
    with pytest.raises(FrozenInstanceError):
        design.name = "b"
    with pytest.raises(AttributeError, match="MaxPool2d is immutable"):
        design.layers[1].op.stride = 3
