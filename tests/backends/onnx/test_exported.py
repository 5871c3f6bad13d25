"""Files that torch's two exporters write, and those that archscope writes, read back."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

import archscope
from archscope.backends.onnx.reading import read_onnx
from archscope.backends.torch.onnx import to_onnx
from archscope.backends.torch.onnx_proof import prove_onnx
from archscope.spec.library import names as spec_names

QUICK = ("lenet5", "separable_convolution")
#: what torch cannot say in ONNX, or not in a file that its checker takes
UNSAID: frozenset[str] = frozenset()


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.rnn = nn.LSTM(8, 6, bidirectional=True, batch_first=True)
        self.tags = nn.Linear(12, 5)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.tags(self.rnn(self.words(words))[0])


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.SiLU(), nn.GroupNorm(2, 4))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x + self.layer1(x))


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.rand(1, 5, 16))
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x + self.place)


MODULES = {
    "a residual": (Residual, torch.rand(2, 4, 8, 8)),
    "a tagger": (Tagger, torch.zeros(2, 7, dtype=torch.int64)),
    "an encoder": (Encoder, torch.rand(2, 5, 16)),
}


@contextmanager
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


WAYS = [(title, way) for title in MODULES for way in ("dynamo", "script", "script, a batch of 1")]
LONG = {("a tagger", "dynamo"), ("an encoder", "dynamo")}


@pytest.mark.parametrize(
    ("title", "way"), [pytest.param(*one, marks=[pytest.mark.slow] if one in LONG else []) for one in WAYS]
)
def test_a_module_that_torch_exported(title, way, tmp_path):
    make, x = MODULES[title]
    torch.manual_seed(0)
    module = make().eval()
    for parameter in module.parameters():  # the exporter stores equal weights once
        nn.init.normal_(parameter)
    path = tmp_path / "model.onnx"
    with quiet():
        if way == "dynamo":
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(module, (x,), dynamo=True, dynamic_shapes=shapes, verbose=False).save(path)
        else:
            if title == "an encoder":
                pytest.skip("torch's older exporter cannot say its attention")
            axes = {} if way.endswith("a batch of 1") else {"input": {0: "batch"}}
            x = x if axes else x[:1]
            torch.onnx.export(module, (x,), path, dynamo=False, input_names=["input"], dynamic_axes=axes)
    model = read_onnx(path)
    *checks, outputs = prove_onnx(model)
    assert [check for check in checks if not check.ok] == []
    assert outputs.measured == "those of the file", outputs.note
    left = [part for part in module.modules() if not isinstance(part, nn.BatchNorm2d)]  # the exporters fold those away
    params = sum(p.numel() for part in left for p in part.parameters(recurse=False))
    assert archscope.analyze(model.design).total.params == params
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        module.train()(x.repeat(2 // len(x), *(1 for _ in x.shape[1:])))
    if title != "a tagger":  # the counter knows no fused LSTM
        assert archscope.analyze(model.design, batch=2).total.macs * 2 == counter.get_total_flops()


def _round_trip(name, path):
    design = archscope.load(name)
    to_onnx(design, path, seed=0)
    model = read_onnx(path)
    assert [check for check in prove_onnx(model, most_macs=30_000_000) if not check.ok] == []
    stated, found = (archscope.analyze(one) for one in (design, model.design))
    assert (found.total.params, found.total.macs) == (stated.total.params, stated.total.macs)
    if name != "vit_b_16":  # its attention comes back as the products that it is made of
        assert found.total.elementwise == stated.total.elementwise
    assert [shape_of(found, ref) for _, ref in found.design.outputs] == [
        shape_of(stated, ref) for _, ref in stated.design.outputs
    ]


RECURRENT = ("num_layers: 2, bidirectional: true", "num_layers: 2", "bidirectional: true", "bias: false")


@pytest.mark.slow  # torch's exporter takes its time
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("more", RECURRENT)
def test_recurrent_layers_written_and_read_are_those_of_torch(kind, more, tmp_path):
    """The gates, cut and joined in the file, are again the tensors of torch's layer; onnxruntime runs the file."""
    runtime = pytest.importorskip("onnxruntime")
    arguments = f"hidden_size: 4, batch_first: true, {more}"
    design = archscope.load(f"input: [7, 3]\nlayers: [{{{kind}: {{{arguments}}}, name: rnn}}]")
    path = tmp_path / "model.onnx"
    to_onnx(design, path, seed=0)
    module = archscope.build(design, seed=0).eval()
    x = torch.rand(2, 7, 3)
    (out,) = runtime.InferenceSession(str(path)).run(None, {"input": x.numpy()})
    torch.testing.assert_close(torch.from_numpy(out), module(x), rtol=1e-5, atol=1e-6)
    model = read_onnx(path)
    assert [check for check in prove_onnx(model) if not check.ok] == []
    state = module.state_dict()
    arrays = {one.source: one.array for parts in model.weights.values() for one in parts.values()}
    if kind != "RNN":  # which torch's exporter writes out step by step
        assert arrays.keys() == state.keys()
        assert all((tensor.numpy() == arrays[name]).all() for name, tensor in state.items())
        assert {layer.kind for layer in model.design.layers} == {"Transpose", kind}
    assert archscope.analyze(model.design).total.params == sum(p.numel() for p in module.parameters())


def shape_of(account, ref):
    return account[ref.node].y[ref.output].shape


@pytest.mark.parametrize("name", QUICK)
def test_a_design_written_and_read_has_the_same_figures(name, tmp_path):
    _round_trip(name, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(spec_names()) - set(QUICK) - UNSAID))
def test_every_design_written_and_read_has_the_same_figures(name, tmp_path):
    _round_trip(name, tmp_path / "model.onnx")
