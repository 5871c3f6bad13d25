"""``archscope import`` of ONNX files."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import archscope
from archscope.cli import main
from tests.backends.onnx.graphs import node, save, weight


def _run(*arguments: object):
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


@pytest.mark.needs("torch")
def test_a_file_becomes_a_spec_and_is_proved(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Conv", "x conv.weight"), node("Relu", "y", "z")],
                {"conv.weight": weight(6, 4, 3, 3)}, outputs=("z",))  # fmt: skip
    result = _run(path, "-o", tmp_path / "net.yaml")
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "proved: 4 of 4 figures are those of the original"
    assert archscope.analyze(archscope.load(tmp_path / "net.yaml")).total.params == 6 * 4 * 3 * 3


def test_what_cannot_be_said_is_refused(tmp_path):
    result = _run(save(tmp_path / "net.onnx", [node("Hardmax", "x")]))
    assert result.exit_code == 2
    assert "node /y/Hardmax (op Hardmax): no op; needed: an op that does what Hardmax does" in result.output
    assert "Traceback" not in result.output


def test_open_sizes_are_given_by_the_option(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Relu", "x")], inputs={"x": ("N", 3, "H", "W")})
    result = _run(path, "--input", "3x5x7", "--quiet")
    assert (result.exit_code, archscope.load(result.stdout).inputs[0].shape) == (0, (3, 5, 7))


def test_options_of_models_that_run_are_refused(tmp_path):
    path = save(tmp_path / "net.onnx", [node("Relu", "x")])
    result = _run(path, "--opaque")
    assert result.exit_code == 2
    assert "--kwargs and --opaque are for models that are run" in result.output
