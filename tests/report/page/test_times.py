"""Times that a page shows: predicted here, or measured and written by ``archscope profile --json``."""

import json
from pathlib import Path

import pytest

import archscope
from archscope.errors import UsageError
from archscope.report.page.times import of_prediction, read_profile

MEASURED = {
    "format": 1, "design": "LeNet-5",
    "setting": {"mode": "train", "batch": 2, "precision": "float32", "channels_last": False, "compile": False},
    "whole": {"step": {"median": 0.005, "spread": 0.0, "runs": 7}},
    "prediction": {"seconds": 0.004, "label": "estimate"},
    "machine": {"gpu": "", "cpu": "An Old CPU", "torch": "2.13.0", "date": "2026-01-02"},
    "parts": [
        {"name": "c1", "forward_median": 0.001, "backward_median": 0.002, "calculated": 0.0025},
        {"name": "the loss", "forward_median": 0.0001, "backward_median": None, "calculated": None},
    ],
}  # fmt: skip


def written(tmp_path: Path, content: object) -> str:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(content))
    return str(file)


def test_a_profile_is_read(tmp_path: Path) -> None:
    found = read_profile(written(tmp_path, MEASURED), archscope.load("lenet5"))
    assert found.title == "Measured on An Old CPU"
    assert (found.seconds, found.predicted, found.label) == (0.005, 0.004, "estimate")
    assert [(part.name, part.seconds) for part in found.slowest] == [("c1", 0.003), ("the loss", 0.0001)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "is no profile"),
        ({}, "is no profile"),
        ({**MEASURED, "parts": [{"name": "conv1"}]}, "is no profile"),
        ({**MEASURED, "parts": [{**MEASURED["parts"][0], "name": "conv9"}]}, "with a layer `conv9` that LeNet-5"),  # type: ignore[index, dict-item]
    ],
)
def test_what_is_no_profile_is_told(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_profile(written(tmp_path, content), archscope.load("lenet5"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_profile(str(tmp_path / "none.json"), archscope.load("lenet5"))
    (tmp_path / "profile.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        read_profile(str(tmp_path / "profile.json"), archscope.load("lenet5"))


def test_a_prediction_is_told() -> None:
    prediction = archscope.predict(archscope.load("alexnet"), device="h200", batch=8)
    found = of_prediction(prediction)
    assert found.title == f"At least, on {prediction.ceilings.name}"
    assert found.seconds == pytest.approx(sum(part.seconds for part in found.parts))
    assert found.slowest[0].seconds == found.longest
