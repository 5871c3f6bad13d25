"""Values of imported constants: the built module of an import computes what the original does."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import archscope
from archscope.backends.torch.build import build
from archscope.backends.torch.imports import imported, targets
from archscope.backends.torch.imports.model import ImportTarget, Lifted
from archscope.backends.torch.imports.prove import prove
from archscope.backends.torch.imports.targets import Example, resolve
from archscope.backends.torch.source.write import unformatted
from archscope.cli import main
from archscope.errors import SpecError
from archscope.ops.tensors import Constant

SIZE, WIDTH = 16, 8
MODELS = str(Path(__file__).parents[3] / "data" / "models.py")
OUTPUTS = ["outputs in training", "outputs in eval"]
LEAST = torch.finfo(torch.float32).min


class Rotary(nn.Module):
    """Attention as models of today have it: turned by position, causal, with a table of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.register_buffer("inverse", 10000 ** (-torch.arange(0, WIDTH, 2) / WIDTH), persistent=False)
        self.register_buffer("mask", torch.full((SIZE, SIZE), float("-inf")).triu(1))
        self.register_buffer("table", torch.randn(SIZE, SIZE))
        self.steps = torch.tensor([1.0, 0.5, 0.25, 0.125])

    def forward(self, x):
        angles = torch.arange(x.shape[1])[:, None] * self.inverse
        angles = torch.cat([angles, angles], -1)
        fixed = (torch.arange(SIZE)[:, None] * self.steps).repeat(1, 2)
        q, k = (self._turned(one(x), angles) for one in (self.q, self.k))
        return (q @ (k * fixed.cos()).transpose(1, 2) + self.mask + self.table).softmax(-1)

    @staticmethod
    def _turned(x, angles):
        rotated = torch.cat([-x[..., WIDTH // 2 :], x[..., : WIDTH // 2]], -1)
        return x * angles.cos() + rotated * angles.sin()


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Rotary().eval(), torch.randn(2, SIZE, WIDTH)


def filled(network, original, names):
    state = original.state_dict()
    network.load_state_dict({name: state[names.get(name, name)] for name in network.state_dict()})
    return network.eval()


def same(network, original, x):
    with torch.no_grad():
        assert torch.allclose(network(x), original(x), atol=1e-6)


@pytest.mark.parametrize("flat", [True, False])
def test_the_built_module_computes_what_the_original_does(model, flat):
    original, x = model
    found = archscope.from_torch(original, x, flat=flat)
    assert found.ok, found.proof
    same(filled(build(found.design), original, found.names), original, x)


def test_what_is_arithmetic_is_said_so(model):
    found = archscope.from_torch(*model)
    assert 'value: "triu(diagonal=1, value=-inf)"' in found.spec
    assert "value: [1, 0.1, 0.01, 0.001], persistent: false" in found.spec
    assert "value: arange" in found.spec
    assert [*found.files] == ["Rotary.npz"]


def test_a_saved_program_keeps_its_values(model, tmp_path):
    original, x = model
    path = tmp_path / "saved.pt2"
    torch.export.save(torch.export.export(original, (x,)), path)
    done = CliRunner().invoke(main, ["import", str(path), "-o", str(tmp_path / "saved.yaml")])
    assert done.exit_code == 0, done.output
    assert "saved.npz, which belongs beside the spec" in done.output
    design = archscope.load(tmp_path / "saved.yaml")
    same(filled(build(design), original, {f"{name}.value": name for name in ("mask", "table")}), original, x)
    source = tmp_path / "model.py"
    assert CliRunner().invoke(main, ["export", str(tmp_path / "saved.yaml"), "-o", str(source)]).exit_code == 0
    exported = runpy.run_path(str(source))["Saved"]()
    same(filled(exported, original, {f"{name}.value": name for name in ("mask", "table")}), original, x)
    (tmp_path / "saved.npz").unlink()
    with pytest.raises(SpecError, match=r"saved.npz is not there"):
        build(design)


def test_values_live_as_long_as_the_import(model):
    found = archscope.from_torch(*model)
    design = found.design
    build(design)
    text = unformatted(design)
    assert 'stored("Rotary.npz", ' in text
    del found
    with pytest.raises(SpecError, match=r"Rotary.npz is not there"):
        build(design)


def test_source_says_which_values_lie_in_no_file_yet(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    original, x = model
    found = archscope.from_torch(original, x)
    with pytest.warns(UserWarning, match=r"reads Rotary.npz from beside it, and that is not there; .* Imported.files"):
        source = archscope.torch_source(found.design)
    for name, content in found.files.items():
        Path(name).write_bytes(content)
    assert archscope.torch_source(found.design) == source
    Path("model.py").write_text(source)
    network = filled(runpy.run_path("model.py")["Rotary"](), original, found.names)
    same(network, original, x)


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: torch.zeros(3, 4), 0),
        (lambda: torch.full((3, 4), 0.1), 0.1),
        (lambda: torch.arange(2, 14, 3).expand(3, 4), "arange(start=2, step=3)"),
        (lambda: torch.arange(3.0)[:, None].expand(3, 4), "arange(dim=-2)"),
        (lambda: torch.ones(3, 4, dtype=torch.bool).tril(-1), "tril(diagonal=-1)"),
        (
            lambda: torch.full((3, 4), LEAST).triu(1),
            f"triu(diagonal=1, value={LEAST})",
        ),
        (lambda: torch.tensor([0.1, -0.0, 3e38, float("-inf")]), (0.1, -0.0, 3e38, float("-inf"))),
    ],
)
def test_a_constant_is_told_in_as_few_words_as_say_it(make, value):
    class Adds(nn.Module):
        def forward(self, x):
            return torch.where(make(), x, 2 * x) if make().dtype == torch.bool else x + make()

    x = torch.ones(2, 3, 4)
    found = archscope.from_torch(Adds(), x)
    (constant,) = (layer.op for layer in found.design.layers if isinstance(layer.op, Constant))
    assert constant.value == value
    assert torch.equal(build(found.design)(x), Adds()(x))
    lower = build(found.design).bfloat16()(x.bfloat16())
    assert (lower.dtype, bool(lower.isnan().any())) == (torch.bfloat16, False)


# -- classes, and a proof that sees values -----------------------------------------------------------------------------


def outputs(proof):
    return {one.what: one for one in proof if one.what.startswith("outputs")}


def test_a_class_keeps_the_values_of_its_buffers_and_constants():
    """What the built module gives, with the class's own weights, is what torch gives."""
    found = imported(resolve(f"{MODELS}:Stated", [Example("", (12,))]))
    assert all(one.ok and one.measured is not None for one in found.proof)
    original = runpy.run_path(MODELS)["Stated"]()
    network = build(found.design)
    network.load_state_dict(dict(original.named_parameters()), strict=False)
    buffers = dict(network.named_buffers())
    for name, tensor in original.named_buffers():
        assert torch.equal(buffers[f"{name}.value"], tensor)
    x = torch.randn(3, 12)
    torch.testing.assert_close(network(x), original(x))


def test_the_proof_finds_a_lost_value():
    model = runpy.run_path(MODELS)["Stated"]()
    x = torch.zeros(2, 12)
    kept = archscope.from_torch(model, x)
    assert set(outputs(kept.proof)) == set(OUTPUTS)
    for stated in ("arange(start=1)", "tril"):
        assert f"value: {stated}" in kept.spec
        lost = archscope.load(kept.spec.replace(f"value: {stated}", "value: 0"))
        proof = prove(lost, ImportTarget(model, None, (x,), {}, "Stated", ""), Lifted(lost, names=dict(kept.names)))
        assert [one.what for one in proof if not one.ok] == OUTPUTS[:1]  # of the mode that the model is in


def test_values_that_nobody_knows_are_not_measured(monkeypatch):
    monkeypatch.setattr(targets, "MOST_VALUES", 0)
    found = imported(resolve(f"{MODELS}:Follows", [Example("", (12,))]))
    (one,) = outputs(found.proof).values()
    assert one.measured is None
    assert one.note == "the values of before are not known"
    assert found.notes == ("before: its values are not known, and the spec has 0",)
    with torch.device("meta"):
        model = runpy.run_path(MODELS)["Stated"]()
    (one,) = outputs(archscope.from_torch(model, torch.zeros(2, 12)).proof).values()
    assert one.note.startswith("the values of ")
    assert one.note.endswith(", and of 3 more are not known")


class Fills(nn.Module):
    """Tensors of one number, like ones that are not known."""

    def __init__(self):
        super().__init__()
        self.h = nn.Parameter(torch.zeros(1, 4))
        self.cell = nn.LSTMCell(4, 4)

    def forward(self, x):
        h = self.h.expand(x.shape[0], -1)
        c = torch.zeros_like(h)
        for _ in range(2):
            h, c = self.cell(x, (h, c))
        more = torch.full_like(h, 3.0) + h.new_ones(len(x), 4) + torch.ones_like(self.h) + torch.zeros(4)
        return h * more + h.new_zeros(4) + h.new_full((4,), 0.5)


def test_fills_are_known():
    found = archscope.from_torch(Fills(), torch.randn(2, 4))
    assert [one.measured for one in outputs(found.proof).values()] == ["the same within 0.001"] * 2
