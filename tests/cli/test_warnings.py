"""Warnings on the command line: once, on standard error, with the exit code as it is; and in what is JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from archscope.cli import main

SPEC = "name: odd\ninput: [16, 64]\nvars: {spare: 3}\nlayers: [MultiheadAttention: 4]\n"
TOLD = ["nothing reads the variable `spare`", "MultiheadAttention joins the samples of a batch"]
COMMANDS = [
    ("analyze",), ("analyze", "--csv", "-"), ("compare",), ("compare", "--with", "input=8x64"), ("explain",),
    ("memory",),
    ("receptive-field",), ("reconcile",), ("verify",), ("expand",), ("predict", "--device", "h200"),
    ("sweep", "--vary", "spare=1,2"),
]  # fmt: skip


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "odd.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_tells_each_once_and_ends_well(spec: str, command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [command[0], spec, *command[1:]])
    assert result.exit_code == 0
    for words in TOLD:
        assert result.stderr.count(words) == 1
        assert words not in result.stdout
    assert f"{spec}:3:15: warning: nothing reads the variable `spare`\n  3 | vars: {{spare: 3}}\n" in result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_quiet_is_quiet(spec: str, command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [command[0], spec, *command[1:], "-q"])
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        ("analyze", "--json", "-"), ("compare", "--json", "-"), ("explain", "--json"), ("memory", "--json", "-"),
        ("receptive-field", "MultiheadAttention", "--json"), ("reconcile", "--json", "-"),
        ("predict", "--device", "h200", "--json", "-"), ("sweep", "--vary", "spare=1,2", "--json", "-"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_json_has_them(spec: str, command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [command[0], spec, *command[1:], "-q"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["warnings"]
    assert {one["message"].partition(":")[0] for one in found} == set(TOLD)
    assert {one["place"] for one in found} == {f"{spec}:3:15", f"{spec}:4:10"}
    assert all(one["hint"] for one in found)


@pytest.mark.needs("torch")
def test_a_model_that_is_imported_with_the_batch_for_its_sequence_is_warned_of(tmp_path: Path) -> None:
    model, spec = tmp_path / "net.py", tmp_path / "net.yaml"
    model.write_text("from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Linear(8, 8), Own())\n\n"
                     "class Own(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
                     "        self.a = nn.MultiheadAttention(8, 2)\n"
                     "    def forward(self, x):\n        return self.a(x, x, x, need_weights=False)[0]\n")  # fmt: skip
    result = CliRunner().invoke(main, ["import", f"{model}:net", "--input", "4x8", "-o", str(spec)])
    assert result.exit_code == 0, result.output
    assert f"{spec}:" in result.stderr
    assert "warning: MultiheadAttention joins the samples of a batch" in result.stderr
