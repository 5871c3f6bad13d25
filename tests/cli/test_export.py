"""``archscope export``."""

from __future__ import annotations

import json
import subprocess
import sys

import onnx
import pytest
from click.testing import CliRunner

from archscope.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["export", *arguments])


@pytest.mark.needs("torch")
def test_to_standard_output():
    result = run("lenet5", "--to", "torch")
    assert result.exit_code == 0
    assert "class LeNet5(nn.Module):" in result.output
    assert run("lenet5", "--to", "dot").output.startswith("digraph {")
    assert run("lenet5", "--to", "mermaid").output.startswith("flowchart TD")
    assert json.loads(run("lenet5", "--to", "json").output)["graph"]["name"] == "LeNet-5"
    assert json.loads(run("lenet5", "--to", "model-explorer").output)["graphs"][0]["id"] == "LeNet-5"
    data = json.loads(run("lenet5", "--to", "node-data", "--figure", "params").output)
    assert data["results"]["c1"]["value"] == 6 * 25 + 6
    assert json.loads(run("lenet5", "--to", "node-data").output)["name"] == "MACs"


@pytest.mark.needs("torch")
@pytest.mark.parametrize(
    ("file", "start"),
    [("m.py", '"""LeNet-5.'), ("m.dot", "digraph"), ("m.gv", "digraph"), ("m.mmd", "flowchart"), ("m.json", "{")],
)
def test_the_ending_says_the_format(file, start, tmp_path):
    assert run("lenet5", "-o", str(tmp_path / file)).output == ""
    assert (tmp_path / file).read_text().startswith(start)


@pytest.mark.needs("torch")
def test_a_variant_as_onnx(tmp_path):
    target = tmp_path / "m.onnx"
    assert run("lenet5", "--input", "1x32x32", "--seed", "1", "-o", str(target)).exit_code == 0
    sizes = onnx.load(target).graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_value for size in sizes][1:] == [1, 32, 32]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lenet5"], "say what to write: --to torch, onnx, dot, mermaid, json, model-explorer or node-data"),
        (["lenet5", "--to", "json", "--figure", "macs"], "--figure is for --to node-data: the other formats hold no"),
        (["lenet5", "--to", "node-data", "--figure", "mac"], "did you mean `macs`?"),
        (["lenet5", "-o", "model.txt"], "say what to write"),
        (["lenet5", "--to", "onnx"], "an ONNX model is not text: name a file"),
        (["lenet5", "--to", "dot", "--seed", "1"], "--seed is for --to onnx"),
        (["lenet6", "--to", "dot"], "did you mean `lenet5`?"),
        (["lenet5", "--to", "dot", "-o", "/nowhere/x.dot"], "/nowhere/x.dot cannot be written"),
    ],
)
def test_mistakes_end_with_two(arguments, says):
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize("form", ["torch", "onnx"])
def test_what_is_not_installed_is_named(form, tmp_path):
    code = "import sys; sys.modules['torch'] = None; from archscope.cli import main; main()"
    command = [sys.executable, "-c", code, "export", "lenet5", "--to", form, "-o", str(tmp_path / "m")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert f"--to {form} needs PyTorch: `pip install 'archscope[export]'`" in result.stderr


@pytest.mark.parametrize(("form", "ending"), [("onnx", "onnx"), ("torch", "py"), ("json", "json")])
def test_where_nothing_can_be_written_is_told_before_the_work(form, ending, tmp_path, monkeypatch):
    def loaded(*_, **__):
        raise AssertionError("a design is loaded")

    monkeypatch.setattr("archscope.cli.options.load_design", loaded)
    (tmp_path / "file").write_text("")
    result = run("lenet5", "--to", form, "-o", str(tmp_path / "file" / f"m.{ending}"))
    assert result.exit_code == 2
    assert "cannot be written: there is no folder" in result.stderr
