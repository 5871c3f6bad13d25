"""The script that holds predictions against a device, as far as it goes on the CPU."""

import csv
import importlib.util
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

import archscope

pytestmark = pytest.mark.needs("torch")

PATH = Path(__file__).parents[1] / "benchmarks" / "memory_on_device.py"


def script():
    spec = importlib.util.spec_from_file_location("memory_on_device", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_it_measures_and_compares(tmp_path):
    target = tmp_path / "memory.csv"
    options = ["--device", "cpu", "--design", "fashion_mnist_mlp", "--batch", "16", "--out", str(target)]
    result = CliRunner().invoke(script().main, options)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [(row["optimizer"], row["precision"]) for row in rows] == [
        ("momentum", "float32"),
        ("adam", "float32"),
        ("momentum", "bf16-mixed"),
        ("adam", "bf16-mixed"),
    ]
    plain = [row for row in rows if row["precision"] == "float32"]
    assert all(abs(float(row["error"])) < 0.01 for row in plain)  # products take nothing for themselves


def test_its_designs_can_be_trained_at_its_batches():
    module = script()
    assert len(module.DESIGNS) >= 20
    for name in module.DESIGNS:
        ledger = archscope.memory(archscope.load(name), batch=8, precision="bf16-mixed", device="h100")
        taken = {layer.name: 1000 for layer in ledger.design.layers}
        assert module.with_workspaces(ledger, taken) == ledger.cuda.allocated + 1000


def test_without_a_device_it_says_so(monkeypatch):
    module = script()
    monkeypatch.setattr(module.torch.cuda, "is_available", lambda: False)
    result = CliRunner().invoke(module.main, [])
    assert (result.exit_code, "there is no CUDA device here" in result.output) == (2, True)
