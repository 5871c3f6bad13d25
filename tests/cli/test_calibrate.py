"""``archscope calibrate`` end to end, with a calibration that is given."""

import json

import pytest
from click.testing import CliRunner

from archscope.backends.torch import calibrate as module
from archscope.cli import calibrations, main
from archscope.setting.calibration import from_data
from tests.analysis.time.test_roofline import calibration


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    found = []

    def calibrate(**options):
        found.append(options)
        options["tick"](1.0)
        return calibration()

    monkeypatch.setattr(module, "calibrate", calibrate)
    return found


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["calibrate", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_it_is_stored_under_the_name_of_the_device(asked):
    out = run("--device", "cpu").stdout
    path = calibrations.place_of("a device")
    assert f"stored in {path}" in out
    assert calibrations.read(path) == calibration()
    assert (asked[0]["device"], asked[0]["precisions"], asked[0]["seconds"]) == ("cpu", ("float32",), 60.0)
    assert "convolution" in out
    assert "50.0%" in out
    assert "1 TFLOP/s" in out


def test_another_place_and_other_types(asked, tmp_path):
    target = tmp_path / "mine.json"
    run("--dtype", "bf16", "--dtype", "amp", "--seconds", "5", "--output", str(target), "--quiet")
    assert asked[0]["precisions"] == ("bfloat16", "bf16-mixed")
    assert from_data(json.loads(target.read_text()), "") == calibration()
    assert not calibrations.place_of("a device").exists()


@pytest.mark.usefixtures("asked")
def test_it_can_be_printed():
    assert from_data(json.loads(run("--output", "-").stdout), "") == calibration()


@pytest.mark.usefixtures("asked")
def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(blocked))
    assert "cannot be made: Not a directory" in run(code=2).stderr


def test_a_dtype_that_is_none():
    assert "int8 is no floating type" in run("--dtype", "int8", code=2).stderr
