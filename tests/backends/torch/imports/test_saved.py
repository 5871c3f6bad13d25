"""Saved programs, with one batch and with any, against the import of the modules that they were made of."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import archscope
from archscope import UsageError
from archscope.backends.torch.imports import imported
from archscope.backends.torch.imports.targets import resolve

BATCH = 4


class Block(nn.Module):
    def __init__(self, width, out, stride):
        super().__init__()
        self.conv = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.shortcut = nn.Conv2d(width, out, 1, stride)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)) + self.shortcut(x))


class Residual(nn.Module):
    """Its maps are flattened by a size that has the batch."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(3, 8, 1), Block(8, 16, 2))
        self.head = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        return self.head(self.blocks(x).view(x.shape[0], -1))


class Encoder(nn.Module):
    """A class token for every sample; attention, whose batch is moved behind the words, and joined with the heads."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.cls, self.layers = nn.Parameter(torch.zeros(1, 1, 16)), nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)
        return self.layers(x)


class Tagger(nn.Module):
    """Its first states are made anew, with the batch in them; there are as many of them as samples."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.lstm = nn.LSTM(8, 8, 2, batch_first=True, bidirectional=True)

    def forward(self, ids):
        return self.lstm(self.words(ids))[0]


class Ambiguous(nn.Module):
    def forward(self, x):
        return x + torch.ones(x.shape[0], 1)


MODELS = {
    Residual: torch.rand(BATCH, 3, 8, 8),
    Encoder: torch.rand(BATCH, 5, 16),
    Tagger: torch.zeros(BATCH, 7, dtype=torch.int64),
}


def saved(model, given, path, *, dynamic=False):
    shapes = ({0: torch.export.Dim("batch", min=1)},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the weights of an LSTM
        program = torch.export.export(model, (given,), dynamic_shapes=shapes)
    torch.export.save(program, path / "saved.pt2")
    return imported(resolve(str(path / "saved.pt2"), name=type(model).__name__))


@pytest.mark.parametrize(
    "batch",
    [
        1,
        pytest.param("any", marks=pytest.mark.slow),
        pytest.param(2, marks=pytest.mark.slow),
        pytest.param(BATCH, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("kind", MODELS)
def test_a_saved_program_is_its_module(kind, batch, tmp_path):
    model, given = kind(), MODELS[kind]
    dynamic = batch == "any"
    found = saved(model, given if dynamic else given[:batch], tmp_path, dynamic=dynamic)
    whole = archscope.from_torch(model, given).design
    assert found.ok
    assert [one.shape for one in found.design.inputs] == [one.shape for one in whole.inputs]
    for at in (1, BATCH, 7):  # also at batches that nobody saved
        totals = [archscope.analyze(design, batch=at).total for design in (found.design, whole)]
        for figure in ("params", "buffers", "macs", "elementwise"):
            assert len({getattr(total, figure) for total in totals}) == 1, figure
        kept = {archscope.memory(design, batch=at).saved_bytes for design in (found.design, whole)}
        assert len(kept) == 1
    if kind is not Encoder:  # whose attention comes as the parts that it is made of
        assert found.design.layers == whole.layers


def test_a_batch_that_may_stand_in_two_places_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        saved(Ambiguous(), torch.rand(1, 1), tmp_path)
    assert str(caught.value) == (
        "the program was saved with a fixed batch of 1, and aten.ones of [1, 1] may have it or not; save it with a "
        "dynamic batch"
    )
    assert saved(Ambiguous(), torch.rand(3, 1), tmp_path).ok


def test_a_program_that_runs_at_no_other_batch_is_refused(tmp_path):
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(9, 2)

        def forward(self, x):
            return self.head(x.reshape(9))

    with pytest.raises(
        UsageError, match=r"a fixed batch of 3, and does not run at another \(RuntimeError: .*\); save it"
    ):
        saved(Joined(), torch.rand(3, 3), tmp_path)
