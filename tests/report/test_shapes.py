"""Shapes of tensors without a batch, and of those whose batch is not their first dimension, in every output."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import archscope
from archscope.cli import main

#: a tied head, as GPT-2 has it, and a recurrent layer whose state has the batch second
SPEC = """name: tied
inputs: {ids: {shape: [8], dtype: int64}}
layers:
  - {Parameter: {shape: [100, 16]}, name: wte}
  - {Index: {dim: 0}, from: [wte, ids], name: emb}
  - {LSTM: {hidden_size: 16, batch_first: true}, name: lstm}
  - {ReLU: , from: 'lstm[1]', name: state}
  - {Transpose: {dim0: 0, dim1: 1}, from: wte, name: turned}
  - {MatMul: , from: ['lstm[0]', turned], name: head}
outputs: {logits: head, state: state}
"""
SHAPES = {"wte": (100, 16), "emb": (8, 16), "lstm": (8, 16), "state": (1, 16), "turned": (16, 100), "head": (8, 100)}


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "tied.yaml"
    path.write_text(SPEC)
    return str(path)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def written(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def test_the_table_csv_and_markdown(spec: str) -> None:
    table = run("analyze", spec, "--batch", "3", "--columns", "kind,output_shape")
    markdown = run("analyze", spec, "--batch", "3", "--columns", "kind,output_shape", "--markdown", "-")
    rows = list(csv.DictReader(io.StringIO(run("analyze", spec, "--batch", "3", "--csv", "-"))))
    assert {row["name"]: row["output_shape"] for row in rows} == {
        name: "x".join(map(str, shape)) for name, shape in SHAPES.items()
    }
    for name, shape in SHAPES.items():
        for text in (table, markdown):
            (line,) = [line for line in text.splitlines() if line.strip("| `").startswith(name)]
            assert written(shape) in line


def test_json_has_every_output(spec: str) -> None:
    (design,) = json.loads(run("analyze", spec, "--batch", "3", "--json", "-"))["designs"]
    found = {layer["name"]: layer for layer in design["layers"]}
    assert {name: tuple(layer["output_shapes"][0]) for name, layer in found.items()} == SHAPES
    assert found["lstm"]["output_shapes"] == [[8, 16], [1, 16], [1, 16]]
    assert found["head"]["input_shapes"] == [[8, 16], [16, 100]]


def test_frames_pages_pictures_and_explanations(spec: str, tmp_path: Path) -> None:
    frame = archscope.analyze(archscope.load(spec), batch=3).frame
    assert dict(zip(frame.index, frame["output_shape"], strict=True)) == SHAPES
    page, graph = tmp_path / "page.html", tmp_path / "graph.dot"
    run("analyze", spec, "--html", str(page))
    run("export", spec, "--to", "dot", "-o", str(graph))
    for text in (page.read_text(), graph.read_text()):
        assert written(SHAPES["wte"]) in text
        assert written(SHAPES["turned"]) in text
    assert "  d0_out = d1_in = 16\n  d1_out = d0_in = 100\n" in run("explain", spec, "turned")


def test_what_is_expected_of_a_weight(tmp_path: Path) -> None:
    path = tmp_path / "expect.yaml"
    path.write_text(SPEC + "expect: {layers: {wte: {output_shape: [100, 16]}}}\n")
    assert "wte.output_shape = 100 x 16" in run("verify", str(path))
