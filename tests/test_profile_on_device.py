"""The script that profiles designs on a device, as far as it goes on the CPU."""

import csv
import importlib.util
import io
from pathlib import Path

import pytest
from click.testing import CliRunner

import archscope
from archscope.analysis.time.roofline import predict
from archscope.setting.devices import CONTRACTING, MOVING, Ceilings
from tests.analysis.time.test_roofline import calibration

pytestmark = pytest.mark.needs("torch")

PATH = Path(__file__).parents[1] / "benchmarks" / "profile_on_device.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("profile_on_device", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shares = dict.fromkeys((*CONTRACTING, *MOVING), 0.5)
    ceilings = Ceilings("a device", {"float32": 1e11, "bfloat16": 1e11}, 1e10, "a test")
    both = {dtype: {"forward": shares, "backward": shares} for dtype in module.PRECISIONS}
    one = calibration()
    made = type(one)("a device", ceilings, both, one.launch, one.machine)
    monkeypatch.setattr(module, "calibrate", lambda **_: made)
    return module


@pytest.mark.slow
def test_it_profiles_and_compares(script, tmp_path):
    options = ["--device", "cpu", "--design", "lenet5", "--design", "fashion_mnist_mlp", "--batch", "2"]
    result = CliRunner().invoke(script.main, [*options, "--minutes", "5", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (table,) = tmp_path.glob("profile_*.csv")
    found = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [(one["precision"], one["mode"]) for one in found] == [
        (dtype, mode) for _ in range(2) for dtype in ("float32", "bfloat16") for mode in ("train", "infer")
    ]
    for one in found:
        error = float(one["estimate"]) / float(one["seconds"]) - 1
        assert float(one["error"]) == pytest.approx(error)
        assert one["bound_holds"] == str(float(one["bound"]) <= float(one["seconds"]))
    (page,) = tmp_path.glob("profile_*.html")
    assert page.stem == table.stem
    assert page.read_text().count("<tr>") == 1 + len(found)
    assert "8 runs of 2 designs in" in result.output


def test_without_time_it_says_what_is_left_out(script, tmp_path):
    options = ["--device", "cpu", "--design", "lenet5", "--minutes", "0", "--out", str(tmp_path)]
    result = CliRunner().invoke(script.main, options)
    assert result.exit_code == 1
    assert "lenet5, bfloat16, infer: no time is left" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_its_designs_can_be_predicted_at_its_batch(script):
    assert len(script.DESIGNS) >= 15
    for name in script.DESIGNS:
        for dtype in script.PRECISIONS:
            assert predict(archscope.load(name), device="h200", batch=32, precision=dtype).seconds > 0


def test_without_a_device_it_says_so(script, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = CliRunner().invoke(script.main, ["--out", "."])
    assert (result.exit_code, "there is no CUDA device here" in result.output) == (2, True)
