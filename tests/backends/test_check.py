"""The figures of designs against their modules, and that a wrong figure is found."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import archscope
from archscope.backends.torch import check as checks
from archscope.cli import main


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("lenet5", None),
        ("resnet18", (3, 64, 64)),
        ("mobilenet_v3_small", (3, 64, 64)),
        ("vit_b_16", (3, 64, 64)),
        ("text_cnn", None),
        ("tcn", None),
    ],
)
def test_all_figures_are_the_modules(name, size):
    found = list(checks.check(archscope.load(name, input=size)))
    assert [one for one in found if not one.ok] == []
    assert {"params", "macs", "output shapes", "kept_bytes", "macs by fvcore"} <= {one.what for one in found}


def test_what_fvcore_does_not_see_is_named():
    found = {one.what: one for one in checks.check(archscope.load("vit_b_16", input=(3, 64, 64)))}
    assert "fvcore does not see inside MultiheadAttention" in found["macs by fvcore"].note


def test_a_difference_is_found(monkeypatch):
    design, other = archscope.load("lenet5"), archscope.load("lenet5", set={"classes": 11})
    monkeypatch.setattr(checks, "build", lambda _, **options: archscope.build(other, **options))
    wrong = {one.what for one in checks.check(design) if not one.ok}
    assert wrong == {"params", "output shapes", "macs", "macs by fvcore"} | (wrong & {"kept_bytes"})


def test_the_command_line():
    result = CliRunner().invoke(main, ["verify", "lenet5", "--torch"])
    assert result.exit_code == 0
    assert "LeNet-5: torch: params = 61,706" in result.stdout
    assert "torch.utils.flop_counter, halved; batch 2" in result.stdout
