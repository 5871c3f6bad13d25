"""The kept figures of the designs that ship with archscope: taken where they hold, else counted."""

import json
import shutil

import pytest
from click.testing import CliRunner

import archscope
from archscope.cli import main
from archscope.report import zoo
from archscope.spec import library


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of three designs and their kept figures, where the designs of archscope are looked for."""
    (tmp_path / "blocks").mkdir()
    for name in ("lenet5.yaml", "resnet18.yaml", "resnet50.yaml", "blocks/resnet.yaml"):
        shutil.copy(library.specs_folder() / name, tmp_path / name)
    monkeypatch.setattr(library, "specs_folder", lambda: tmp_path)
    zoo.keep()
    return tmp_path


def test_a_list_counts_nothing(monkeypatch):
    def counted(*_, **__):
        raise AssertionError("a design is counted")

    monkeypatch.setattr(zoo, "analyze", counted)
    result = CliRunner().invoke(main, ["list"], catch_exceptions=False)
    assert result.exit_code == 0
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("resnet50 "))
    assert line.split()[:6] == ["resnet50", "ResNet-50", "3", "x", "224", "x"]
    assert "25,557,032" in line  # torchvision's documentation


@pytest.mark.parametrize("change", ["lenet5.yaml", "blocks/resnet.yaml", "zoo.json"])
def test_what_does_not_hold_is_counted(folder, change):
    """A change in a spec, or in what specs include; kept figures that cannot be read."""
    assert zoo.table() is not None
    with (folder / change).open("a") as file:
        file.write("# changed\n")
    assert zoo.table() is None
    assert archscope.load(str(folder / "resnet18.yaml"))
    assert "61,706" in CliRunner().invoke(main, ["list"], catch_exceptions=False).stdout  # LeCun's, with full pooling


def test_where_none_are_kept_they_are_counted(folder):
    kept = zoo.table()
    (folder / zoo.FILE).unlink()
    assert zoo.table() is None
    assert list(zoo.counted(library.names())) == kept


def test_figures_are_plain(folder):
    first, second, _ = json.loads((folder / zoo.FILE).read_text())["designs"]
    assert (first["name"], first["input"], first["incomplete"]) == ("lenet5", [[1, 28, 28]], None)
    assert (second["params"], second["macs"]) == (11_689_512, 1_814_073_344)  # torchvision's documentation, and counter
