"""What constants, buffers and parameters hold: words, lists and files, as torch makes them."""

from __future__ import annotations

import copy
import inspect
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import archscope
from archscope.backends.torch.build import build
from archscope.errors import SpecError
from archscope.ops.contents import BEGINNINGS, fits
from tests.spec.asking import marked

INF = float("inf")


def alone(kind: str, arguments: str) -> torch.nn.Module:
    """The module of a layer that reads nothing."""
    spec = f"input: [1]\nlayers:\n  - {{name: it, {kind}: {{{arguments}}}}}\n  - {{Identity: , from: input}}\n"
    return build(archscope.load(spec), seed=0).layer("it")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("shape: [2, 2]", torch.zeros(2, 2)),
        ("shape: [2], value: 0.5", torch.full((2,), 0.5)),
        ("shape: [2], value: true, dtype: bool", torch.ones(2, dtype=torch.bool)),
        ("shape: [2, 2], value: [[1, 2.5], [-3, .inf]]", torch.tensor([[1, 2.5], [-3, INF]])),
        ("shape: [], value: [7], dtype: int64", torch.tensor(7)),
        ("shape: [5], value: arange, dtype: int64", torch.arange(5)),
        ("shape: [1, 3], value: 'arange(start=4, step=-2)'", torch.tensor([[4.0, 2.0, 0.0]])),
        ("shape: [2, 3], value: arange(dim=0), dtype: int32", torch.arange(2, dtype=torch.int32)[:, None].repeat(1, 3)),
        ("shape: [3], value: 'arange(start=0.1, step=0.1)'", torch.arange(0.1, 0.35, 0.1)),
        ("shape: [3, 3], value: tril, dtype: bool", torch.ones(3, 3, dtype=torch.bool).tril()),
        ("shape: [3, 3], value: 'triu(diagonal=1, value=-inf)'", torch.full((3, 3), -INF).triu(1)),
    ],
)
@pytest.mark.parametrize("kind", ["Constant", "Buffer"])
def test_a_tensor_holds_what_it_says(kind, arguments, expected):
    found = alone(kind, arguments)()
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_a_weight_begins_as_torch_begins_it():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = torch.nn.init.trunc_normal_(torch.empty(64, 64), std=0.02)
    assert torch.equal(alone("Parameter", "shape: [64, 64], init: trunc_normal(std=0.02)").weight, expected)
    assert torch.equal(alone("Parameter", "shape: [2], init: 0.5").weight, torch.full((2,), 0.5))
    assert torch.equal(alone("Parameter", "shape: [2, 2], init: eye").weight, torch.eye(2))


BESIDE = """
input: [2, 3]
layers:
  - {name: table, Constant: {shape: [2, 3], value: "numbers.npz[table]"}}
  - {Add: [input, table]}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(BESIDE)
    return tmp_path / "spec.yaml"


def test_values_in_a_file_travel_with_the_spec(spec, monkeypatch, tmp_path):
    values = np.array([[0.5, 1, 2], [3, 4, 5]], np.float32)
    np.savez(spec.parent / "numbers.npz", table=values)
    x = torch.zeros(1, 2, 3)
    network = build(archscope.load(spec))
    assert torch.equal(network(x)[0], torch.from_numpy(values))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert torch.equal(build(archscope.load("../spec.yaml"))(x), network(x))
    (spec.parent / "numbers.npz").unlink()
    assert torch.equal(copy.deepcopy(network)(x), network(x))  # it has its values


def test_what_is_wrong_with_a_file_is_told(spec):
    design, file = archscope.load(spec), spec.parent / "numbers.npz"
    assert archscope.analyze(design).total.params == 0  # no figure needs the values
    build(design, device="meta")
    with pytest.raises(SpecError, match=r"numbers.npz is not there: it holds the values of constants, and") as caught:
        build(design)
    (told,) = caught.value.diagnostics
    assert told.mark is not None
    assert (told.mark.source.name, marked(told)) == (str(spec), "Constant")
    np.savez(file, other=np.zeros(2))
    with pytest.raises(SpecError, match=r"numbers\.npz holds nothing under the name table"):
        build(design)
    np.savez(file, table=np.zeros((3, 2)))
    with pytest.raises(SpecError, match=r"numbers.npz\[table\] has the shape \[3, 2\], and its layer says \[2, 3\]"):
        build(design)
    np.savez(file, table=np.array([[{}] * 3] * 2))
    with pytest.raises(SpecError, match=r"numbers\.npz cannot be read: Object arrays cannot be loaded"):
        build(design)
    file.write_bytes(b"PK nothing")
    with pytest.raises(SpecError, match=r"numbers\.npz cannot be read: File is not a zip file"):
        build(design)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(SpecError, match=r"numbers\.npz is no file"):
        build(design)


def test_an_array_that_says_more_than_its_layer_is_not_read(spec):
    with zipfile.ZipFile(spec.parent / "numbers.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
        archive.writestr("table.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(10**6))
    with pytest.raises(SpecError, match=r"has the shape \[1000000000000\]"):
        build(archscope.load(spec))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("arrange", "got 'arrange'"),
        ("arrange", "did you mean `arange`?"),
        ("arnge(start=1)", "did you mean `arange`?"),
        ("arange(stop=3)", "'stop=3' is no argument of arange"),
        ("arange(start=a)", "`start` of arange: expected a number, got 'a'"),
        ("[1, [x]]", "expected numbers, got 'x'"),
        (str([0] * 257), "a list of 257 numbers; the most is 256"),
    ],
)
def test_what_no_tensor_holds_is_told_in_its_place(value, message):
    quoted = value if value[0] == "[" else f"'{value}'"
    with pytest.raises(SpecError) as caught:
        archscope.load(f"input: [4]\nlayers:\n  - Constant: {{shape: [4], value: {quoted}}}\n")
    assert message in str(caught.value)
    assert "<text>:3:" in str(caught.value)


@pytest.mark.parametrize(
    "value", [0, 1, 2, -1, -(2**31), -(2**31) - 1, 2**31 - 1, 2**31, 2**40, 0.5, -2.5, float("inf")]
)
@pytest.mark.parametrize("dtype", ["float", "int64", "int32", "bool"])
def test_a_type_holds_what_torch_keeps_in_it(value, dtype):
    """What comes back from a tensor of that type as it was."""
    try:
        kept = torch.tensor(value, dtype=torch.float64 if dtype == "float" else getattr(torch, dtype))
        whole = dtype == "float" or isinstance(value, int)  # a fraction, of which torch keeps the whole, is a mistake
        assert fits(value, dtype) == (whole and kept.item() == value)
    except (RuntimeError, OverflowError):
        assert not fits(value, dtype)


@pytest.mark.parametrize("name", BEGINNINGS)
def test_the_beginnings_are_those_of_torch(name):
    theirs = inspect.signature(getattr(torch.nn.init, f"{name}_")).parameters
    for key, value in BEGINNINGS[name].items():
        assert theirs[key].default == value, key
    needed = {key for key, one in theirs.items() if one.default is inspect.Parameter.empty}
    assert needed == {"tensor"}
