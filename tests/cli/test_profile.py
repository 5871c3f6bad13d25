"""``archscope profile`` end to end; no time is held to anything."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

import archscope
from archscope.backends.torch import machine, profile
from archscope.cli import calibrations, main
from archscope.setting.devices import processor
from tests.analysis.time.test_roofline import CEILINGS, calibration


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["profile", *arguments])
    assert result.exit_code == code, result.output
    return result


SHORT = ("lenet5", "--device", "cpu", "--batch", "2", "--seconds", "0")


def test_totals_layers_and_machine():
    out = run(*SHORT, "--layers").stdout
    lines = out.splitlines()
    assert lines[0] == f"LeNet-5   batch 2, float32, training with sgd on {processor()}"
    assert "samples/s; median of 5 runs" in out
    assert "no ceilings are known here; --measure-peak, or `archscope calibrate`, finds them" in out
    for layer in archscope.load("lenet5").layers:
        assert any(line.startswith(layer.name) for line in lines), layer.name
    assert "one by one, " in out
    assert "most work: " in out
    assert lines[-1].startswith("torch ")


def test_the_slowest_layers_unasked():
    assert "more; `--layers` shows all" in run(*SHORT, "--top", "3").stdout


def test_files(tmp_path):
    rows = list(csv.DictReader(io.StringIO(run(*SHORT, "--csv", "-").stdout)))
    assert [row["name"] for row in rows][-2:] == ["the loss", "the update"]
    assert len(rows) == len(archscope.load("lenet5").layers) + 2
    assert {row["cpu"] for row in rows} == {processor()}
    assert all(float(row["forward_median [seconds]"]) >= 0 for row in rows)
    target = tmp_path / "profile.json"
    run(*SHORT, "--mode", "infer", "--channels-last", "--json", str(target), "--quiet")
    data = json.loads(target.read_text())
    run_ = data["setting"]
    assert (run_["mode"], run_["channels_last"], run_["compile"], run_["batch"]) == ("infer", True, False, 2)
    assert data["whole"].keys() == {"forward", "step"}
    assert data["machine"]["archscope"] == archscope.__version__
    assert data["prediction"] is None


def test_measured_peaks_make_a_bound(monkeypatch):
    monkeypatch.setattr(machine, "measure_peaks", lambda *_: CEILINGS)
    out = run(*SHORT, "--measure-peak").stdout
    assert "at least" in out
    assert "of 1 TFLOP/s" in out


def test_a_stored_calibration_gives_an_estimate_with_its_error():
    path = calibrations.place_of(processor())
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(calibration().as_data()))
    out = run(*SHORT).stdout
    assert "estimate" in out
    assert "% off" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SHORT, "--device", "cuda"), "there is no CUDA device here"),
        ((*SHORT, "--dtype", "tf32"), "tf32 is a format of CUDA devices"),
        ((*SHORT, "--batch", "0"), "0 is not in the range"),
        (("lenett5",), "did you mean `lenet5`"),
    ],
)
def test_mistakes(arguments, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(profile, "free_memory", lambda _: 2**20)
    assert "LeNet-5 does not fit: it needs" in run("lenet5", "--device", "cpu", "--batch", "4096", code=2).stderr


def test_a_calibration_of_other_threads_is_told():
    path = calibrations.place_of(processor())
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**calibration().as_data(), "machine": {"threads": 999}}))
    assert "the calibration is of 999 threads, and " in run(*SHORT).stderr
    assert "999" not in run(*SHORT, "--quiet").stderr
