"""Calls as models make them, and the layers that they become; every figure is held against the model."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

import archscope
from archscope.errors import UsageError
from tests.backends.torch.imports.proofs import unproved


class Calls(nn.Module):
    """A function as a model, with a layer of weights before it."""

    def __init__(self, function, **held):
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.function = function
        for name, tensor in held.items():
            setattr(self, name, tensor)

    def forward(self, x):
        return self.function(self, self.fc(x))


def taken(function, *, size=(2, 4, 6), **held):
    """The kinds of layers behind the first; every figure is the model's."""
    found = archscope.from_torch(Calls(function, **held).train(), torch.rand(size))
    assert unproved(found) == []
    assert found.notes == ()
    return Counter(layer.kind for layer in found.design.layers[1:])


def table(x):
    """Positions for every sample, the batch in the middle."""
    return torch.ones(4, 1, 6).expand(-1, x.shape[0], -1)


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (lambda m, x: x.transpose(0, 1) * table(x), "Transpose Constant Permute Multiply"),
        (lambda m, x: x * torch.ones(x.shape[0], 4, 6), "Constant Contiguous Multiply"),
        (lambda m, x: x * torch.ones(1, 4, 6).expand(x.shape[0], -1, -1), "Constant Multiply"),
        (lambda m, x: torch.cat([x[:, :, :6], x[:, :, 6:]], -1), ""),
        (lambda m, x: x * F.dropout(torch.ones(1, 4, 6), 0.5), "Constant Dropout Multiply"),
        (lambda m, x: F.dropout(x + 1, 0.5, inplace=True), "Shift Dropout"),
        (lambda m, x: x.max(1)[0], "TopK Squeeze"),
        (lambda m, x: x.max(1, keepdim=True)[0], "TopK"),
        (lambda m, x: x.topk(2)[0], "TopK"),
        (lambda m, x: x.permute(0, 2, 1).contiguous().exp(), "Transpose Contiguous Exp"),
    ],
)
def test_functions(function, kinds):
    assert taken(function) == Counter(kinds.split())


def test_a_scalar_of_the_model_is_a_buffer_without_dimensions():
    scale = nn.Buffer(torch.tensor(2.0))
    assert taken(lambda m, x: x * m.scale, scale=scale) == Counter(["Buffer", "Multiply"])


def test_a_token_for_each_of_several_rows_a_sample():
    """What stands in front of every frame of a video: two frames a sample here."""

    def framed(m, x):
        frames = x.reshape(-1, 2, 6)
        return torch.cat([m.token.expand(frames.shape[0], -1, -1), frames], 1)

    kinds = taken(framed, token=nn.Parameter(torch.zeros(1, 1, 6)))
    assert (kinds["Parameter"], kinds["Expand"], kinds["Concat"]) == (1, 1, 1)


def test_a_table_repeated_for_every_sample():
    def rows(m, x):
        return x + m.table.repeat(x.shape[0], 1, 1)

    kinds = ["Buffer", "Unsqueeze", "Expand", "Contiguous", "Add"]
    assert taken(rows, table=nn.Buffer(torch.zeros(4, 6))) == Counter(kinds)


def test_plain_tensors_may_be_held():
    assert taken(lambda m, x: x * m.plain, plain=torch.ones(6)) == Counter(["Constant", "Multiply"])


def test_one_key_and_value_for_all_heads():
    def attend(m, x):
        queries = x.reshape(x.shape[0], 4, 3, 2).transpose(1, 2)
        return F.scaled_dot_product_attention(queries, x[:, None, :, :2], x[:, None, :, 2:4])

    found = archscope.from_torch(Calls(attend), torch.rand(2, 4, 6))
    assert {one.what for one in found.proof if not one.ok} == {"saved_bytes"}  # torch runs it by another kernel
    assert sum(layer.kind == "Expand" for layer in found.design.layers) == 2


class InPlace(nn.Module):
    """Changes tensors in place, and reads them under their first names."""

    def forward(self, x):
        y = x * 2
        y.relu_()
        y.add_(1).mul_(3)
        return y.sigmoid() + x.unsqueeze(1).squeeze(1) + y.unsqueeze(1).squeeze(1)


class PartInPlace(nn.Module):
    def forward(self, x):
        y = x * 2
        y[:, :2].add_(1)
        return y.sigmoid()


def test_what_is_changed_in_place_is_read_as_it_is_then():
    found = archscope.from_torch(InPlace(), torch.rand(2, 4))
    assert found.ok
    assert [layer.kind for layer in found.design.layers] == [
        "Scale", "ReLU", "Shift", "Scale", "Sigmoid", "Unsqueeze", "Squeeze", "Add", "Unsqueeze", "Squeeze", "Add",
    ]  # fmt: skip
    by_name = {layer.name: layer for layer in found.design.layers}
    for name in ("Sigmoid", "Unsqueeze_2"):
        assert [ref.node for ref in by_name[name].inputs] == ["Scale_2"]


def test_what_changes_a_part_of_another_tensor_is_refused():
    with pytest.raises(UsageError, match=r"aten\.add_\.Tensor changes another tensor that is read later"):
        archscope.from_torch(PartInPlace(), torch.rand(2, 4))


# -- weights that are cast where they are used -------------------------------------------------------------------------


def norm():
    return {"weight": nn.Parameter(torch.rand(6)), "bias": nn.Parameter(torch.rand(6))}


#: what a layer of full precision computes of inputs and weights that it casts; the op, and the modules that it reads
CAST = {
    "LayerNorm": (lambda m, x: F.layer_norm(x.float(), (6,), m.weight.float(), m.bias.float()).type_as(x), norm),
    "RMSNorm": (
        lambda m, x: F.rms_norm(x.float(), (6,), m.weight.float()).type_as(x),
        lambda: {"weight": nn.Parameter(torch.rand(6))},
    ),
    "Linear": (
        lambda m, x: F.linear(x.float(), m.l.weight.float(), m.l.bias.float()).type_as(x),
        lambda: {"l": nn.Linear(6, 3)},
    ),
    "Conv1d": (
        lambda m, x: F.conv1d(x.float(), m.c.weight.float(), m.c.bias.float()).type_as(x),
        lambda: {"c": nn.Conv1d(4, 2, 3)},
    ),
    "BatchNorm1d": (
        lambda m, x: F.batch_norm(
            x.float(), m.n.running_mean.float(), m.n.running_var.float(), m.n.weight.float(), m.n.bias.float()
        ).type_as(x),
        lambda: {"n": nn.BatchNorm1d(4)},
    ),
}


@pytest.mark.parametrize("kind", sorted({*CAST} - {"BatchNorm1d"}))
def test_a_cast_to_the_type_that_a_weight_has_is_the_weight(kind):
    """``weight.float()`` of a float32 model is the weight itself, and the call is the layer that it is at home in."""
    function, held = CAST[kind]
    assert taken(function, **held()) == {kind: 1}


@pytest.mark.parametrize("kind", sorted({*CAST} - {"Linear"}))
def test_a_layer_whose_weight_is_cast_to_another_type_is_refused_or_kept_as_a_box(kind):
    """What it keeps for the backward pass is not what ops side by side would."""
    function, held = CAST[kind]
    model = Calls(function, **held()).bfloat16()
    x = torch.rand(2, 4, 6, dtype=torch.bfloat16)
    with pytest.raises(UsageError, match="that is computed; needed: a layer whose weight is an input"):
        archscope.from_torch(model, x)
    boxed = archscope.from_torch(model, x, opaque=True)
    assert archscope.analyze(boxed.design).total.params == sum(one.numel() for one in model.parameters())


def test_a_linear_layer_whose_weight_is_cast_is_a_product_and_a_sum_and_keeps_what_torch_keeps():
    function, held = CAST["Linear"]
    model = Calls(function, **held()).bfloat16()
    found = archscope.from_torch(model, torch.rand(2, 4, 6, dtype=torch.bfloat16))
    assert unproved(found) == []
    assert [note.partition(":")[2] for note in found.notes if "product and a sum" in note]
    kinds = Counter(layer.kind for layer in found.design.layers)
    assert kinds["Cast"] == 4  # the input, the weight and the bias, and the result
    assert kinds["MatMul"] == kinds["Add"] == 1


class ChannelsNormalised(nn.LayerNorm):
    """torchvision.models.convnext.LayerNorm2d, by hand."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = nn.functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


def test_a_map_normalised_over_its_channels_is_one_layer():
    """What it saves and takes is proved against the module: a convolution behind it reads channels that lie last."""
    module = nn.Sequential(
        nn.Conv2d(3, 8, 4, 4), ChannelsNormalised(8, eps=1e-6), nn.Conv2d(8, 8, 7, padding=3, groups=8),
        ChannelsNormalised(8, bias=False), nn.ReLU(), ChannelsNormalised(8, elementwise_affine=False),
    )  # fmt: skip
    imported = archscope.from_torch(module, torch.zeros(2, 3, 32, 32))
    assert imported.ok
    norms = [layer.op for layer in imported.design.layers if layer.kind == "LayerNorm2d"]
    assert [(op.eps, op.elementwise_affine, op.bias) for op in norms] == [
        (1e-6, True, True), (1e-5, True, False), (1e-5, False, True)
    ]  # fmt: skip
