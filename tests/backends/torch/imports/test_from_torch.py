"""Modules that become designs: what they are made of, that they stay as they were, and what is said of them."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import archscope
from archscope import UsageError
from archscope.backends.importing import imported as written_side
from archscope.backends.importing.imported import written
from tests.backends.torch.imports.proofs import unproved

DATA = Path(__file__).parents[3] / "data" / "models.py"
_spec = importlib.util.spec_from_file_location("models_to_import", DATA)
models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(models)


def ids(*shape):
    return torch.zeros(shape, dtype=torch.int64)


def kinds(design):
    return [layer.kind for layer in design.layers]


@pytest.mark.parametrize(
    ("module", "given"),
    [
        (models.Net, torch.rand(1, 3, 16, 16)),
        (models.Tagger, ids(3, 7)),
        (models.Positions, torch.rand(2, 4, 6)),
        (models.Volume, torch.rand(2, 1, 8, 8, 8)),
        (models.UNet, torch.rand(2, 1, 16, 16)),
    ],
)
def test_every_figure_is_the_models(module, given):
    found = archscope.from_torch(module(), given)
    assert unproved(found) == []
    assert archscope.load(found.spec) == found.design
    assert found.design.name == module.__name__


def test_shared_weights_count_once_and_work_twice():
    found = archscope.from_torch(models.Twice(), torch.rand(2, 6))
    total = archscope.analyze(found.design).total
    assert (total.params, total.macs) == (6 * 6 + 6, 2 * 6 * 6)
    assert [layer.shares for layer in found.design.layers if layer.kind == "Linear"] == [None, "shared"]


def test_tied_weights_count_once():
    found = archscope.from_torch(models.Tied(), ids(2, 7))
    assert found.ok
    assert archscope.analyze(found.design).total.params == 30 * 8 + 2 * 8


def test_what_never_runs_is_reported():
    found = archscope.from_torch(models.Lazy(), torch.rand(2, 6))
    assert found.ok
    assert [tuple(part) for part in found.unused] == [("spare", "Sequential", (6 * 6 + 6) + (6 * 2 + 2))]
    assert "unused: spare (Sequential, 56 parameters) never runs: no gradient reaches it" in str(found)
    unread = "56 in 1 unused module (spare), 3 in 1 parameter (token) that nothing reads"
    assert f"unused_params = {56 + 3}   {unread}" in str(found)
    assert archscope.analyze(found.design).total.params == 28 + 56 + 3


def test_parameters_and_buffers_outside_layers_are_kept():
    design = archscope.from_torch(models.Positions(), torch.rand(2, 4, 6)).design
    held = {layer.name: layer.kind for layer in design.layers if layer.kind in ("Parameter", "Buffer")}
    assert held == {"cls": "Parameter", "table": "Buffer", "shift": "Buffer"}


def test_inputs_by_name_and_outputs_by_name():
    given = {"ids": ids(2, 4), "scale": torch.rand(2, 6)}
    design = archscope.from_torch(models.Several(), given, name="two").design
    assert [(node.name, node.shape, node.dtype) for node in design.inputs] == [
        ("ids", (4,), "int64"),
        ("scale", (6,), None),
    ]
    assert [name for name, _ in design.outputs] == ["logits", "pooled"]
    assert (
        archscope.from_torch(models.Several(), ids(2, 4), kwargs={"scale": torch.rand(2, 6)}, name="two").design
        == design
    )


def test_flat_is_a_plain_list():
    found = archscope.from_torch(models.Net(), torch.rand(2, 3, 16, 16), flat=True)
    assert found.flat
    assert "blocks:" not in found.spec
    assert found.spec.count("name: blocks.") == 14  # each residual block: 2 convolutions, 2 norms, 2 ReLU, 1 Add


def test_a_readable_spec_that_says_something_else_is_not_taken(monkeypatch):
    design = archscope.load("lenet5")
    monkeypatch.setattr(written_side, "readable", lambda _: "input: [3]\nlayers: [ReLU]\n")
    loaded, text, flat, (note,) = written(design)
    assert flat
    assert (loaded.layers, archscope.load(text).layers) == (design.layers, design.layers)
    assert note == "written flat, for the readable spec is another design; please report it"
    monkeypatch.setattr(written_side, "readable", lambda _: "input: [3]\nlayers: [ReLUU]\n")
    assert "written flat, for the readable spec does not load: " in written(design)[3][0]


class Noisy(models.Net):
    """Draws numbers from every generator there is."""

    def forward(self, x):
        random.random()
        np.random.rand()
        return super().forward(nn.functional.dropout(x, 0.5, self.training))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training):
    module = Noisy().train(training)
    module.stem.weight.grad = torch.ones_like(module.stem.weight)
    module.head.requires_grad_(False)
    handle = module.stem.register_forward_hook(lambda *_: None)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    places = {name: tensor.data_ptr() for name, tensor in module.state_dict().items()}
    given = torch.rand(4, 3, 16, 16)
    states = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    found = archscope.summary(module, input_data=given)
    assert found.imported.ok
    assert (torch.random.get_rng_state() == states[0]).all()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert all(part.training is training for part in module.modules())
    assert {name: tensor.data_ptr() for name, tensor in module.state_dict().items()} == places
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert {name for name, p in module.named_parameters() if not p.requires_grad} == {"head.weight", "head.bias"}
    assert torch.equal(module.stem.weight.grad, torch.ones_like(module.stem.weight))
    assert list(module.stem._forward_hooks) == [handle.id]
    assert torch.equal(given, given.clone())


def test_what_is_computed_anew_in_each_pass_can_be_copied():
    """A weight norm of the old kind keeps its weight as an attribute that has a history."""
    with pytest.warns(FutureWarning):
        module = nn.utils.weight_norm(nn.Linear(4, 3))
    module(torch.rand(2, 4))
    copy, args, kwargs = archscope.backends.torch.imports.twin.faked((module, (torch.rand(2, 4),), {}))
    assert copy(*args, **kwargs).shape == (2, 3)


def test_what_cannot_be_copied_is_taken_as_it_is():
    class Single(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("there is only one of me")

    found = archscope.from_torch(nn.Sequential(Single(4, 3)), torch.rand(2, 4))
    assert "taken as it is, for it cannot be copied: RuntimeError: there is only one of me" in found.notes[0]
    measured = {one.what for one in found.proof if one.measured is not None}
    assert measured == {"parameters by name and shape", "buffers by name and shape", "params", "trainable_params"}


# -- the summary -------------------------------------------------------------------------------------------------------


def test_a_summary_is_the_account_of_the_batch():
    found = archscope.summary(models.Net(), (5, 3, 16, 16))
    macs = 8 * 8 * 27 * 8 + 4 * 8 * 8 * 72 * 8 + 8 * 10  # the stem, 4 convolutions, the head
    assert (found.account.setting.batch, found.account.total.macs) == (5, 5 * macs)
    assert found.memory.setting.batch == 5
    assert found.fields["stem"][0].size == 3
    assert found.frame.loc["head", "params"] == 8 * 10 + 10
    text = str(found)
    assert len(repr(found)) < 120
    assert f"{5 * macs:,}" in text
    assert "memory: training " in text
    assert "receptive field: 19 x 19 of 16 x 16 at blocks.1." in text  # 3, and 4 of 3 x 3 at a stride of 2
    assert text.splitlines()[-1] == "proved: 11 of 11 figures are those of the original"
    html = found._repr_html_()
    assert html.startswith('<div class="archscope"')
    assert "proved: 11 of 11 figures" in html


def test_a_summary_by_sizes_by_data_and_by_name_is_the_same():
    module = models.Several()
    data = archscope.summary(module, input_data=(ids(3, 4), torch.rand(3, 6)))
    sizes = archscope.summary(module, [(3, 4), (3, 6)], dtypes=[torch.int64, torch.float32])
    named = archscope.summary(module, {"ids": (3, 4), "image": (3, 6)}, dtypes=["int64", "float32"])
    assert data.account == sizes.account == named.account
    assert archscope.summary(module, input_data={"ids": ids(3, 4)}, batch=7).account.setting.batch == 7


def test_the_bytes_of_a_half_precision_model():
    found = archscope.summary(models.Twice().half(), (2, 6))
    assert found.account.setting.precision == "float16"
    assert found.memory.parameters == (6 * 6 + 6) * 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "give the inputs: input_size=(1, 3, 224, 224), the batch first; the model is called as Net.forward(x)"),
        ({"input_size": (1, 3, 8, 8), "input_data": torch.rand(1, 3, 8, 8)}, "give either input_size or input_data"),
        (
            {"input_size": (0, 3, 8, 8)},
            "is a tuple of sizes, the batch first, such as (1, 3, 224, 224); not (0, 3, 8, 8)",
        ),
        ({"input_size": "1x3x8x8"}, "is a tuple of sizes"),
        ({"input_size": [(1, 3, 8, 8), (1, 3)]}, "too many positional arguments"),
        ({"input_size": (1, 3, 8, 8), "dtypes": ["complex64"]}, "dtypes are one for each of 1 input"),
        ({"input_data": torch.rand(2, 5, 8, 8)}, "torch.export cannot trace Net: "),
        ({"input_data": torch.tensor(1.0)}, "the example inputs need a tensor whose first dimension is the batch"),
        ({"input_data": torch.rand(0, 3, 8, 8)}, "the batch must be at least 1"),
    ],
)
def test_what_a_summary_refuses(given, says):
    with pytest.raises(UsageError) as caught:
        archscope.summary(models.Net(), **given)
    assert says in str(caught.value)


def test_what_is_no_module():
    with pytest.raises(UsageError, match=r"a model is an nn.Module, not a function"):
        archscope.from_torch(models.broken, torch.rand(2, 3))


class Bare(nn.Module):
    """Holds the weights of a layer itself."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(5, 4)), nn.Parameter(torch.zeros(5))

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


@pytest.mark.parametrize(
    ("module", "shape", "kind", "macs"),
    [
        (nn.Linear(4, 5), (2, 4), "Linear", 2 * 4 * 5),
        (Bare(), (2, 4), "Linear", 2 * 4 * 5),
        (nn.Conv2d(3, 8, 3, padding=1), (2, 3, 6, 6), "Conv2d", 2 * 36 * 27 * 8),
        (nn.BatchNorm2d(3), (2, 3, 6, 6), "BatchNorm2d", 0),
        (nn.GRU(4, 5, batch_first=True), (2, 7, 4), "GRU", 2 * 7 * 3 * 5 * (4 + 5)),
    ],
)
def test_a_single_layer_is_a_model(module, shape, kind, macs):
    found = archscope.from_torch(module, torch.rand(shape))
    assert [one for one in found.proof if not one.ok] == []
    assert [(layer.name, layer.kind) for layer in found.design.layers] == [(kind, kind)]
    assert archscope.analyze(found.design, batch=2).total.macs == macs


def test_attention_between_other_tensors_comes_as_its_parts():
    query, key = torch.rand(2, 5, 16), torch.rand(2, 7, 16)
    assert archscope.from_torch(nn.MultiheadAttention(16, 4, batch_first=True), (query, key, key)).ok


@pytest.mark.parametrize("training", [True, False])
def test_attention_drops_out_in_training_alone(training):
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.25, batch_first=True).train(training)
    found = archscope.from_torch(layer, torch.rand(2, 5, 16))
    assert found.ok
    (attention,) = [one.op for one in found.design.layers if one.kind == "MultiheadAttention"]
    assert attention.dropout == (0.25 if training else 0)


def test_inputs_of_any_number_are_numbered():
    class Sum(nn.Module):
        def forward(self, first, *rest):
            return first + rest[0] * rest[1]

    found = archscope.from_torch(Sum(), [torch.rand(2, 3)] * 3)
    assert [node.name for node in found.design.inputs] == ["first", "rest_0", "rest_1"]


def test_dropout_works_in_place():
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5, inplace=True))
    design = archscope.from_torch(model, torch.rand(2, 4)).design
    assert (design.layers[1].op.p, design.layers[1].op.inplace) == (0.5, True)


def test_a_mask_is_padded():
    class Padded(nn.Module):
        def forward(self, x, mask):
            return x.masked_fill(nn.functional.pad(mask, (0, 1)), 0.0)

    found = archscope.from_torch(Padded(), (torch.rand(2, 3, 5), torch.zeros(2, 3, 4, dtype=torch.bool)))
    assert found.ok
    assert kinds(found.design) == ["Pad", "MaskedFill"]


class Branching(nn.Module):
    def forward(self, x):
        return -x if x.sum() > 0 else x


class Sized(nn.Module):
    def forward(self, x):
        return x.nonzero()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Branching, f"decides by the values of a tensor ({__file__}:"),
        (Sized, "makes a tensor whose size depends on the values of another, so no one design describes it"),
    ],
)
def test_what_depends_on_values_is_refused_in_a_line(kind, says, capfd):
    with pytest.raises(UsageError) as caught:
        archscope.from_torch(kind(), torch.rand(2, 3))
    assert str(caught.value).startswith(f"{kind.__name__} {says}")
    assert capfd.readouterr() == ("", "")
