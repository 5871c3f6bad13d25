"""Pictures are written in the format of their suffix, the same each time, and say what they show."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

import archscope
from archscope.errors import UsageError
from archscope.report.figures import growth, heat, memory_timeline, nested, save

PNG = b"\x89PNG"


def svg(figure, path):
    target = path / "picture.svg"
    save(figure, str(target))
    return target.read_text(encoding="utf-8")


def test_growth_tells_the_input_the_fields_and_what_mixes(tmp_path):
    text = svg(growth(archscope.load("resnet18")), tmp_path)
    for words in ("ResNet-18: what a unit sees", "input: 224", "receptive field (h and w)", "from avgpool on: all"):
        assert words in text


def test_growth_draws_axes_apart_where_they_differ(tmp_path):
    text = "input: [1, 20, 30]\nlayers: [{Conv2d: {out_channels: 2, kernel_size: [3, 5]}}, ReLU]\n"
    drawn = svg(growth(archscope.load(text)), tmp_path)
    assert "receptive field (h)" in drawn
    assert "receptive field (w)" in drawn
    assert "input: 20" in drawn
    assert "input: 30" in drawn


def test_the_same_picture_is_the_same_file(tmp_path):
    assert svg(growth(archscope.load("lenet5")), tmp_path) == svg(growth(archscope.load("lenet5")), tmp_path)


@pytest.mark.parametrize(("suffix", "start"), [("png", PNG), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_formats_follow_the_suffix(tmp_path, suffix, start):
    target = tmp_path / f"fields.{suffix}"
    save(nested(archscope.load("alexnet"), ["conv1", "pool3"]), str(target))
    assert target.read_bytes().startswith(start)


def test_nested_fields_name_layers_sizes_and_padding(tmp_path):
    text = svg(nested(archscope.load("alexnet"), ["conv1", "pool3"]), tmp_path)
    assert "conv1: 11 x 11" in text
    assert "pool3: 195 x 195" in text


def test_nested_fields_over_an_image(tmp_path):
    picture = tmp_path / "noise.png"
    save(growth(archscope.load("lenet5")), str(picture))
    target = tmp_path / "over.png"
    save(nested(archscope.load("alexnet"), ["pool2"], str(picture)), str(target))
    assert target.read_bytes().startswith(PNG)


@pytest.mark.parametrize("image", ["missing.png", "text.png"])
def test_an_image_that_cannot_be_read_is_told(tmp_path, image):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UsageError, match="cannot be read"):
        nested(archscope.load("alexnet"), ["pool2"], str(tmp_path / image))


def test_a_layer_without_a_map_has_no_nested_field():
    with pytest.raises(UsageError, match="no map of two axes"):
        nested(archscope.load("alexnet"), ["fc1"])


def test_heat_shows_weights_in_one_and_two_axes(tmp_path):
    weights = np.full((227, 227), 1 / 227**2)
    assert "effective receptive field of pool3 (1, 1)" in svg(
        heat(archscope.load("alexnet"), "pool3", (1, 1), weights), tmp_path
    )
    line = archscope.load("input: [1, 20]\nlayers: [{Conv1d: {out_channels: 2, kernel_size: 3}, name: conv}]\n")
    assert "of conv (4)" in svg(heat(line, "conv", (4,), np.full(20, 0.05)), tmp_path)
    with pytest.raises(UsageError, match="one or two axes"):
        heat(line, "conv", (4,), np.zeros((2, 2, 2)))


@pytest.mark.parametrize(
    ("target", "message"), [("x.gif", r"a picture ends with"), ("no/such/x.svg", "there is no folder")]
)
def test_targets_that_cannot_be_written(target, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        save(growth(archscope.load("lenet5")), target)


def test_the_caller_keeps_the_style_of_pictures(tmp_path):
    """A notebook's own pictures look after ours as they did before; the words in an SVG are words."""
    before = dict(matplotlib.rcParams)
    save(memory_timeline(archscope.memory(archscope.load("lenet5"))), str(tmp_path / "step.svg"))
    save(growth(archscope.load("lenet5")), str(tmp_path / "field.svg"))
    assert dict(matplotlib.rcParams) == before
    assert "<text" in (tmp_path / "step.svg").read_text()
