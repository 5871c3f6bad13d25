"""Designs held against models, and that a design of another model is found out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import archscope
from archscope.backends.torch.build import inputs
from archscope.backends.torch.check import check
from archscope.backends.torch.imports.model import ImportTarget, Lifted, Unused
from archscope.backends.torch.imports.prove import prove
from archscope.report import checks

STATE = ["parameters by name and shape", "buffers by name and shape", "params", "trainable_params"]
RUN = ["unused_params", "output shapes", "macs", "backward_macs", "saved_bytes"]
OUTPUTS = ["outputs in training", "outputs in eval"]


def held(design, module, given=None, *, floating=torch.float32, **more):
    target = ImportTarget(module, None, given or inputs(design, 2), {}, "net", "", floating=floating)
    found = prove(design, target, Lifted(design, **more))
    assert [one.what for one in found] in ([*STATE, *RUN, *OUTPUTS], [*STATE, *RUN, "outputs"])
    return {one.what: one for one in found}


def wrong(found):
    return {one.what for one in found.values() if not one.ok}


def named(module, design):
    """The names of a built module's tensors by those of the design."""
    own = {}
    for layer in design.layers:
        if layer.shares is None:
            part = module.layer(layer.name)
            for name, _ in [*part.named_parameters(), *part.named_buffers()]:
                own[f"{layer.name}.{name}"] = f"{module.names[layer.name]}.{name}"
    return own


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("lenet5", None),
        ("resnet18", (3, 32, 32)),
        ("text_cnn", None),
        pytest.param("vit_b_16", (3, 32, 32), marks=pytest.mark.slow),
        pytest.param("googlenet_aux", None, marks=pytest.mark.slow),
    ],
)
def test_a_module_is_proved_to_be_its_design(name, size):
    design = archscope.load(name, input=size)
    module = archscope.build(design, device="meta")
    found = held(design, module, names=named(module, design))
    assert wrong(found) == set()
    real = {one.what: one for one in check(design)}
    for figure in ("params", "macs", "saved_bytes"):  # as on the meta device, and on real tensors
        assert found[figure].measured == real[figure].measured


def test_a_recurrent_network_keeps_what_torchs_own_kernels_keep():
    text = """
input: [6, 8]
layers:
  - {LSTM: {hidden_size: 5, batch_first: true, num_layers: 2}, name: lstm}
  - {GRU: {hidden_size: 4, batch_first: true}, name: gru, from: "lstm[0]"}
outputs: ["gru[0]"]
"""
    design = archscope.load(text)
    assert wrong(held(design, archscope.build(design))) == set()


def test_another_model_is_found_out():
    design, other = archscope.load("lenet5"), archscope.load("lenet5", set={"classes": 11})
    module = archscope.build(other)
    found = held(design, module, names=named(module, other))
    assert wrong(found) == {
        "parameters by name and shape", "params", "trainable_params", "output shapes", "macs", "backward_macs"
    }  # fmt: skip
    assert found["output shapes"].stated == "output 0: 2 x 10"
    assert found["output shapes"].measured == "output 0: 2 x 11"
    assert "(11, 84)" in found["parameters by name and shape"].measured


def test_other_names_are_found_out():
    design = archscope.load("input: [4]\nlayers: [{Linear: 3, name: fc}]\n")
    found = held(design, nn.Sequential(nn.Linear(4, 3)))
    assert wrong(found) == {"parameters by name and shape"}
    assert (
        wrong(held(design, nn.Sequential(nn.Linear(4, 3)), names={"fc.weight": "0.weight", "fc.bias": "0.bias"}))
        == set()
    )


def test_less_work_is_found_out():
    """The model applies its layer twice: 2 x 6 x 6 products more, and it keeps what is between."""
    design = archscope.load("input: [6]\nlayers: [{Linear: 6, name: fc}]\n")

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            return self.fc(self.fc(x))

    found = held(design, Twice())
    assert wrong(found) == {"macs", "backward_macs", "saved_bytes", "outputs in training"}
    assert (found["macs"].stated, found["macs"].measured) == (2 * 36, 2 * 72)
    assert (found["saved_bytes"].stated, found["saved_bytes"].measured) == (2 * 6 * 4, 2 * 2 * 6 * 4)


class Idle(nn.Module):
    """48 parameters that run, and others that do not."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(11, 4)
        self.aux = nn.Sequential(nn.Linear(11, 6), nn.Linear(6, 2))
        self.token = nn.Parameter(torch.zeros(3))
        self.register_buffer("idle", torch.zeros(2))

    def forward(self, x):
        return self.fc(x)


def test_what_never_runs_is_told_apart():
    design = archscope.load("input: [11]\nlayers: [{Linear: 4, name: fc}]\n")
    aux = (11 * 6 + 6) + (6 * 2 + 2)
    found = held(design, Idle(), unused=(Unused("aux", "Sequential", aux),))
    missing = {"parameters by name and shape", "buffers by name and shape", "params", "trainable_params"}
    assert wrong(found) == {*missing, "unused_params"}  # the state of the design is the state of the module
    assert found["params"].measured == 11 * 4 + 4 + aux + 3
    assert found["unused_params"].measured == aux + 3
    assert found["unused_params"].note == f"{aux} in 1 unused module (aux), 3 in 1 parameter (token) that nothing reads"


def test_what_never_runs_is_in_the_design():
    found = archscope.from_torch(Idle(), torch.rand(2, 11))
    assert [one for one in found.proof if not one.ok] == []
    spare = {layer.name: layer.kind for layer in found.design.layers if layer.kind != "Linear"}
    assert set(spare.values()) == {"Parameter", "Buffer"}
    state = {found.names.get(f"{name}.{'value' if kind == 'Buffer' else 'weight'}") for name, kind in spare.items()}
    assert state == set(Idle().state_dict()) - {"fc.weight", "fc.bias"}


def test_what_is_called_unused_and_runs_is_found_out():
    design = archscope.load("input: [4]\nlayers: [ReLU]\n")
    found = held(design, nn.Sequential(nn.Linear(4, 4), nn.ReLU()), unused=(Unused("0", "Linear", 20),))
    assert {"parameters by name and shape", "params", "macs"} <= wrong(found)


def test_tied_weights_count_once_by_their_first_name():
    text = """
inputs: {ids: {shape: [5], dtype: int64}}
layers:
  - {Embedding: {num_embeddings: 7, embedding_dim: 3}, name: embedding}
  - {Linear: {out_features: 7, bias: false}, name: out}
"""
    design = archscope.load(text)

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(7, 3), nn.Linear(3, 7, bias=False)
            self.out.weight = self.embedding.weight

        def forward(self, ids):
            return self.out(self.embedding(ids))

    found = held(design, Tied())
    assert wrong(found) == {"params", "trainable_params"}  # this design does not share them
    assert (found["params"].stated, found["params"].measured) == (2 * 21, 21)


def test_the_model_stays_as_it_was():
    design = archscope.load("input: [3, 8, 8]\nlayers: [{Conv2d: {out_channels: 4, kernel_size: 3}}, BatchNorm2d]\n")
    module = archscope.build(design, seed=0).eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    given = inputs(design, 2)
    random = torch.random.get_rng_state()
    assert wrong(held(design, module, given)) == set()
    assert not module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)


class Values(nn.Module):
    """Looks at the numbers, which fake tensors do not have."""

    def __init__(self, limit=0.0):
        super().__init__()
        self.fc, self.limit = nn.Linear(4, 3), limit

    def forward(self, x):
        return self.fc(x) if x.sum().item() <= self.limit else self.missing(x)


def test_a_model_that_looks_at_numbers_runs_on_real_ones():
    design = archscope.load("input: [4]\nlayers: [{Linear: 3, name: fc}]\n")
    found = held(design, Values())
    assert wrong(found) == set()
    assert found["macs"].measured == 2 * 12


def test_what_cannot_be_measured_says_why():
    design = archscope.load("input: [4]\nlayers: [{Linear: 3, name: fc}]\n")
    found = held(design, Values(limit=-1.0))
    assert [name for name, one in found.items() if one.measured is None] == [*RUN, *OUTPUTS]
    assert "'Values' object has no attribute 'missing'" in found["macs"].note
    assert checks.verdict(tuple(found.values())) == (
        f"proved: 4 of 11 figures are those of the original; not measured: {', '.join([*RUN, *OUTPUTS])}"
    )


def test_a_saved_program_is_held_too():
    design = archscope.load("input: [4]\nlayers: [{Linear: 3, name: fc}]\n")
    given = (torch.rand(2, 4),)
    program = torch.export.export(nn.Sequential(nn.Linear(4, 3)), given)
    target = ImportTarget(None, program, given, {}, "net", "")
    found = prove(design, target, Lifted(design, names={"fc.weight": "0.weight", "fc.bias": "0.bias"}))
    assert all(one.ok for one in found)
    assert [one.what for one in found if one.measured is None] == ["backward_macs", "saved_bytes", "outputs"]


def test_half_precision_is_held_in_it():
    design = archscope.load("input: [4]\nlayers: [{Linear: 3, name: fc}]\n")
    module = nn.Sequential(nn.Linear(4, 3)).half()
    names = {"fc.weight": "0.weight", "fc.bias": "0.bias"}
    found = held(design, module, (torch.rand(2, 4).half(),), floating=torch.float16, names=names)
    assert wrong(found) == set()
    assert (found["saved_bytes"].measured, found["output shapes"].measured) == (2 * 4 * 2, "2 x 3 float16")
    assert found["outputs in eval"].measured == "the same within 0.0078125"  # 8 units in the last of 10 bits
    other = held(design, module, (torch.rand(2, 4).half(),), floating=torch.float32, names=names)
    assert {"parameters by name and shape", "output shapes", "saved_bytes"} <= wrong(other)
