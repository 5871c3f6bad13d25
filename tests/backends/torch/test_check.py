"""The figures of designs against their modules, and that a wrong figure is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

import archscope
from archscope.analysis.peers.base import Measured
from archscope.backends.torch import check as checks
from archscope.backends.torch.peers import measure
from archscope.cli import main
from archscope.errors import SpecError
from archscope.spec import library

RECURRENT = """
input: [6, 8]
layers:
  - {GRU: {hidden_size: 5, batch_first: true, num_layers: 2}, name: gru}
  - {RNN: {hidden_size: 4, batch_first: true, bidirectional: true}, name: rnn, from: "gru[0]"}
  - {LSTM: {hidden_size: 3, batch_first: true, num_layers: 2}, name: lstm, from: "rnn[0]"}
outputs: ["lstm[0]"]
"""


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("lenet5", None),
        ("resnet18", (3, 64, 64)),
        ("mobilenet_v3_small", (3, 64, 64)),
        pytest.param("vit_b_16", (3, 64, 64), marks=pytest.mark.slow),
        ("text_cnn", None),
        ("tcn", None),
        pytest.param("shufflenet_v1", (3, 64, 64), marks=pytest.mark.slow),
        (RECURRENT, None),
    ],
)
def test_all_figures_are_the_modules(name, size):
    found = list(checks.check(archscope.load(name, input=size)))
    assert [one for one in found if not one.ok] == []
    assert {"params", "macs", "backward_macs", "output shapes and types", "saved_bytes", "flops by fvcore"} <= {
        one.what for one in found
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_all_figures_of_all_designs_are_the_modules(name):
    found = list(checks.check(archscope.load(name)))
    assert [one for one in found if not one.ok] == []
    assert {"params", "macs", "backward_macs", "output shapes and types", "saved_bytes"} <= {one.what for one in found}


MIXED = """
input: [6, 8]
layers:
  - {Linear: 8, dtype: bfloat16}
  - {MultiheadAttention: {num_heads: 2, batch_first: true}, dtype: bfloat16}
  - {LayerNorm: , dtype: float32}
  - {Cast: float32}
  - {Conv1d: {out_channels: 4, kernel_size: 3}, dtype: float32}
"""


@pytest.mark.parametrize("precision", ["bfloat16", "float64", "bf16-mixed", "fp16-mixed"])
@pytest.mark.parametrize("design", ["lenet5", RECURRENT, MIXED])
def test_all_figures_are_the_modules_in_every_precision(design, precision):
    loaded, run = archscope.load(design), archscope.Setting(batch=2, precision=precision)
    if design == MIXED and precision == "float64":  # what arrives first is float64, and the weights are not
        with pytest.raises(SpecError):
            list(checks.check(loaded, run))
        return
    found = list(checks.check(loaded, run))
    assert [one for one in found if not one.ok] == []
    assert f"; {precision}, CPU" in found[-1].note
    assert found[-1].measured is not None


def test_a_type_that_torch_does_not_give_is_found(monkeypatch):
    design, run = (
        archscope.load("input: [4]\nlayers: [{Linear: 3}]\n"),
        archscope.Setting(batch=2, precision="bfloat16"),
    )
    account = archscope.analyze(design, run)
    (row,) = account.rows
    (y,) = row.y
    wrong = replace(account, rows=(replace(row, y=(y._replace(dtype="float32"),)),))
    monkeypatch.setattr(checks, "analyze", lambda *_, **__: wrong)
    found = {one.what: one for one in checks.check(design, run)}
    assert found["output shapes and types"].measured == "Linear gives bfloat16"


def test_what_torchs_counter_counts_too_much_is_named():
    """Two groups: the weight gradient, 9 x 9 places x 9 x 4 x 6 / 2 products a sample, is counted twice."""
    text = "input: [4, 11, 11]\nlayers: [{Conv2d: {out_channels: 6, kernel_size: 3, groups: 2}}]\n"
    found = {one.what: one for one in checks.check(archscope.load(text), archscope.Setting(batch=3))}
    assert found["backward_macs"].ok
    assert f"less the {3 * 81 * 9 * 4 * 6 // 2:,} that it counts too much" in found["backward_macs"].note


def test_a_wrong_account_does_not_mend_the_measurement(monkeypatch):
    """The products that torch's counter counts too much are those of its calls, not those of the account."""
    text = "input: [4, 11, 11]\nlayers: [{Conv2d: {out_channels: 6, kernel_size: 3, groups: 2}}]\n"
    account = archscope.analyze(archscope.load(text), batch=3)
    wrong = replace(
        account, rows=tuple(replace(row, cost=replace(row.cost, weight_grad_macs=0)) for row in account.rows)
    )
    monkeypatch.setattr(checks, "analyze", lambda *_, **__: wrong)
    found = {one.what: one for one in checks.check(archscope.load(text), archscope.Setting(batch=3))}
    assert found["backward_macs"].measured == 3 * 81 * 9 * 4 * 6 // 2  # the images need no gradient
    assert not found["backward_macs"].ok


def test_what_fvcore_counts_besides_or_does_not_see_is_named():
    found = {one.what: one for one in checks.check(archscope.load("vit_b_16", input=(3, 64, 64)))}
    assert "no handle for scaled_dot_product_attention" in found["flops by fvcore"].note
    text = """
input: [3, 8, 8]
layers: [{Conv2d: {out_channels: 4, kernel_size: 3, padding: same}}, BatchNorm2d]
"""
    found = {one.what: one for one in checks.check(archscope.load(text), archscope.Setting(batch=2))}
    macs, norm = 2 * 64 * 27 * 4, 2 * 2 * 64 * 4
    assert found["flops by fvcore"].measured == norm
    assert found["flops by fvcore"].note == (
        f"macs - {macs:,} not counted (Conv2d: no handle for padding by a word) + {norm:,} batch norm (2 an element)"
    )


def test_a_difference_is_found(monkeypatch):
    design, other = archscope.load("lenet5"), archscope.load("lenet5", set={"classes": 11})
    monkeypatch.setattr(checks, "build", lambda _, **options: archscope.build(other, **options))
    monkeypatch.setattr(checks, "measure", lambda _, *options: measure(other, *options))
    wrong = {one.what for one in checks.check(design) if not one.ok}
    always = {
        "parameters by name and shape",
        "params",
        "output shapes and types",
        "macs",
        "backward_macs",
        "flops by fvcore",
    }
    assert wrong == always | (wrong & {"saved_bytes"})


def test_a_counter_that_is_not_installed_is_told_as_not_asked(monkeypatch):
    monkeypatch.setattr(checks, "measure", lambda *_: {"fvcore": Measured(failure="not installed")})
    (one,) = [one for one in checks.check(archscope.load("lenet5")) if one.what == "flops by fvcore"]
    assert one.measured is None
    assert one.ok
    assert one.note == "fvcore is not installed: `pip install fvcore`"


def test_the_command_line():
    result = CliRunner().invoke(main, ["verify", "lenet5", "--torch"])
    assert result.exit_code == 0
    assert "LeNet-5: torch: params = 61,706" in result.stdout


def test_a_figure_of_another_batch_says_so(tmp_path):
    spec = tmp_path / "a.yaml"
    spec.write_text("name: a\ninput: [5]\nlayers: [Linear: 7]\nexpect: {macs: 35, saved_bytes: 20}\n")
    result = CliRunner().invoke(main, ["verify", str(spec), "--torch"])
    assert result.exit_code == 0
    assert "a: macs = 35\n" in result.stdout  # 5 x 7, of one sample
    assert "a: torch: macs at batch 2 = 70   torch.utils.flop_counter, halved\n" in result.stdout
    for figure in ("backward_macs", "flops by fvcore", "saved_bytes"):
        assert f"a: torch: {figure} at batch 2 = " in result.stdout


TIED = """inputs: {ids: {shape: [8], dtype: int64}}
layers:
  - {Parameter: {shape: [100, 16]}, name: wte}
  - {Index: {dim: 0}, from: [wte, ids], name: emb}
  - {Linear: 16, name: fc}
  - {Transpose: {dim0: 0, dim1: 1}, from: wte, name: turned}
  - {MatMul: , from: [fc, turned], name: head}
"""


def test_a_design_whose_first_step_has_no_input():
    found = list(checks.check(archscope.load(TIED)))
    assert [one for one in found if not one.ok] == []
    macs = next(one for one in found if one.what == "macs")
    assert macs.measured == 2 * (8 * 16 * 16 + 8 * 16 * 100)  # two samples: the dense layer, and the head


def test_a_view_without_gradients_is_counted():
    """Under a dispatch mode, as torch's counter is, a view under no_grad of what needs a gradient needs one, too."""
    text = """
input: [1, 4, 4]
layers: [{Conv2d: {out_channels: 1, kernel_size: 1}}, {Flatten: null, no_grad: true}, {Linear: 5}]
"""
    found = {one.what: one for one in checks.check(archscope.load(text))}
    assert (
        found["backward_macs"].measured == found["backward_macs"].stated == 2 * 16 * 5
    )  # the weights of the linear layer alone
