"""``archscope memory`` end to end."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from archscope.cli import main


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["memory", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_ledger():
    """VGG-16: 138,357,544 parameters of 4 bytes; Adam keeps two of each and a counter for each of 32 tensors."""
    out = run("vgg16", "--batch", "2", "--optimizer", "adam").stdout
    lines = {line.split("  ")[0].strip() or line.strip().split("  ")[0]: line for line in out.splitlines()}
    assert f"{4 * 138357544:,} B" in lines["parameters"]
    assert f"{4 * 138357544:,} B" in lines["gradients"]
    assert f"{8 * 138357544 + 32 * 4:,} B" in lines["optimizer state"]
    assert "weights alone: float32 527.79 MiB, bfloat16 263.90 MiB" in out
    assert "a file of float32: 553.43 MB, 527.79 MiB" in out
    assert "kept, the largest first" in out
    assert "`--layers` shows all" in out


def test_all_layers_in_order():
    out = run("lenet5", "--layers").stdout
    assert "kept, in the order of the forward pass" in out
    assert "c1: the input" in out


def test_inference_alone():
    out = run("lenet5", "--optimizer", "none").stdout
    assert "training" not in out
    assert "inference" in out


def test_files(tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("lenet5", "--csv", "-").stdout)))
    assert rows[0] == {"layer": "c1", "what": "the input", "bytes": str(28 * 28 * 4), "shared_with": ""}
    target = tmp_path / "ledger.json"
    run("lenet5", "--batch", "3", "--json", str(target))
    data = json.loads(target.read_text())
    assert data["parameters"] == 4 * 61706
    assert data["kept_bytes"] == sum(piece["bytes"] for piece in data["kept"])
    assert data["weights"]["int8"] == 61706


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet5", "--optimizer", "adamx"), "'adamx' is not one of"),
        (("lenet5", "--batch", "0"), "0 is not in the range"),
        (("lenet5", "--dtype", "bf16-mixed", "--device", "cuda"), "mixed precision is known of the CPU only"),
        (("lenett5",), "did you mean `lenet5`"),
    ],
)
def test_mistakes(arguments, message):
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
