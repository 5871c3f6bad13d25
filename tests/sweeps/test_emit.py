"""Points of a sweep as spec files: they load to the same designs."""

import os

import pytest
import yaml

import archscope
from archscope.errors import UsageError
from archscope.spec.library import specs_folder
from archscope.sweeps.emit import emitted

SPEC = """
name: "swept: #1"
source: nobody
inputs: {image: ["channels", 32, 32], words: {shape: [5], dtype: int64}}
vars: {channels: 3, width: 8, depths: [1, 2], twice: 2 * width, kind: ReLU, bias: true}
layers:
  - {Conv2d: {out_channels: twice, kernel_size: 3, bias: bias}, from: image}
  - repeat: depths[1]
    layers: [Conv2d: {out_channels: width, kernel_size: 1}]
  - {when: kind == "ReLU", ReLU: }
  - {AdaptiveAvgPool2d: 1}
  - {Flatten: , name: flat}
  - {Embedding: {num_embeddings: 9, embedding_dim: width}, from: words}
  - {Flatten: , name: text}
  - {Concat: , from: [flat, text]}
expect: {params: 1}
"""


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "net.yaml"
    path.write_text(SPEC)
    return path


def hold(design, values, target, **more):
    """The file says the same as the design."""
    text = emitted(design, values, str(target), **more)
    target.write_text(text)
    found = archscope.load(target)
    assert (found.inputs, found.layers, found.outputs, found.vars) == (
        design.inputs, design.layers, design.outputs, design.vars,
    )  # fmt: skip
    assert found.source == design.source
    assert found.expectations == ()
    return yaml.safe_load(text)


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ({"width": 6}, {"set": {"width": 6}}),
        ({"depths[1]": 4, "width": 6}, {"set": {"depths": [1, 4], "width": 6}}),
        ({"depths": (3, 1)}, {"set": {"depths": (3, 1)}}),
        ({"kind": "GELU", "bias": False}, {"set": {"kind": "GELU", "bias": False}}),
        ({"input": 16}, {"input": {"image": (3, 16, 16)}}),
        ({"input.words": (7,), "channels": 1}, {"set": {"channels": 1}, "input": {"words": (7,)}}),
    ],
)
def test_a_point_is_the_design_of_its_file(values, given, file, tmp_path):
    content = hold(archscope.load(file, **given), values, tmp_path / "best.yaml")
    assert content["extends"] == "models/net.yaml"
    assert content["name"].startswith("swept: #1 (")
    assert set(content.get("vars", {})) == set(given.get("set", {}))
    assert ("inputs" in content) == ("input" in given)


def test_what_was_fixed_is_written_too(file, tmp_path):
    design = archscope.load(file, set={"width": 5, "channels": 1})
    content = hold(design, {"width": 5}, tmp_path / "best.yaml", fixed=["channels"])
    assert content["vars"] == {"channels": 1, "width": 5}
    assert content["name"] == "swept: #1 (width=5)"


def test_a_batch_is_told_and_changes_nothing(file, tmp_path):
    content = hold(archscope.load(file), {"batch": 32}, tmp_path / "best.yaml")
    assert "batch=32" in content["description"]
    assert {"vars", "inputs"}.isdisjoint(content)


def test_paths_start_at_the_target(file, monkeypatch):
    deep = file.parent / "found" / "today"
    deep.mkdir(parents=True)
    assert hold(archscope.load(file), {"width": 8}, deep / "best.yaml")["extends"] == "../../net.yaml"
    monkeypatch.chdir(file.parent)
    design = archscope.load("net.yaml")
    assert yaml.safe_load(emitted(design, {"width": 8}))["extends"] == "net.yaml"


def test_designs_that_ship_go_by_their_names(tmp_path):
    design = archscope.load("resnet50", set={"depths": [1, 1, 1, 1]}, input=(3, 64, 64))
    content = hold(design, {"depths": (1, 1, 1, 1), "input": 64}, tmp_path / "best.yaml")
    assert content["extends"] == "resnet50"


@pytest.mark.parametrize("there", ["resnet50.yaml", "resnet50"])
def test_a_file_of_that_name_is_not_taken_for_it(there, tmp_path):
    design = archscope.load("resnet50")
    (tmp_path / there).write_text("name: another")
    for target in ("best.yaml", "resnet50.yaml"):
        content = hold(design, {"classes": 1000}, tmp_path / target)
        assert os.path.samefile(tmp_path / content["extends"], specs_folder() / "resnet50.yaml")


def test_what_came_from_no_file_cannot_be_extended(tmp_path):
    with pytest.raises(UsageError, match=r"read from <text> cannot be extended; save it to a file first"):
        emitted(archscope.load(SPEC), {"width": 8}, str(tmp_path / "best.yaml"))


def test_a_spec_is_not_written_over_by_its_own_design(file):
    with pytest.raises(UsageError, match="is the spec that was swept; write the design to another file"):
        emitted(archscope.load(file), {"width": 8}, str(file))
