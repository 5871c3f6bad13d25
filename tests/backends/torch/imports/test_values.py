"""Values of imported constants: the built module of an import computes what the original does."""

from __future__ import annotations

import runpy

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import archscope
from archscope.backends.torch.build import build
from archscope.backends.torch.source.write import unformatted
from archscope.cli import main
from archscope.errors import UsageError
from archscope.ops.tensors import Constant

SIZE, WIDTH = 16, 8
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
    with pytest.raises(UsageError, match=r"saved.npz is not there"):
        build(design)


def test_values_live_as_long_as_the_import(model):
    found = archscope.from_torch(*model)
    design = found.design
    build(design)
    text = unformatted(design)
    assert 'stored("Rotary.npz", ' in text
    del found
    with pytest.raises(UsageError, match=r"Rotary.npz is not there"):
        build(design)


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
