"""Points of a sweep as spec files: they load to the same designs."""

import os

import pytest
import yaml

import archscope
from archscope.errors import UsageError
from archscope.spec.library import specs_folder
from archscope.sweeps.emit import emitted
from archscope.sweeps.planning import planned

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


def hold(spec, values, target, **given):
    """The file says the same as the design."""
    plan = planned(spec, vary={name: [value] for name, value in values.items()}, **given)
    text = emitted(plan, values, str(target))
    target.write_text(text)
    found, design = archscope.load(target), plan.design(values)
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
    content = hold(file, values, tmp_path / "best.yaml")
    alone, emitted_design = archscope.load(file, **given), archscope.load(tmp_path / "best.yaml")
    assert (emitted_design.inputs, emitted_design.layers) == (alone.inputs, alone.layers)
    assert content["extends"] == "models/net.yaml"
    assert content["name"].startswith("swept: #1 (")
    assert set(content.get("vars", {})) == set(given.get("set", {}))
    assert ("inputs" in content) == ("input" in given)


def test_what_was_set_is_written_too(file, tmp_path):
    content = hold(file, {"width": 5}, tmp_path / "best.yaml", set={"channels": 1, "depths": "[2, 2]"})
    assert content["vars"] == {"channels": 1, "width": 5, "depths": "[2, 2]"}
    assert content["name"] == "swept: #1 (width=5)"


def test_a_batch_is_told_and_changes_nothing(file, tmp_path):
    content = hold(file, {"batch": 32}, tmp_path / "best.yaml")
    assert "batch=32" in content["description"]
    assert {"vars", "inputs"}.isdisjoint(content)


def test_paths_start_at_the_target(file, monkeypatch):
    deep = file.parent / "found" / "today"
    deep.mkdir(parents=True)
    assert hold(file, {"width": 8}, deep / "best.yaml")["extends"] == "../../net.yaml"
    monkeypatch.chdir(file.parent)
    assert yaml.safe_load(emitted(planned("net.yaml", vary={"width": [8]}), {"width": 8}))["extends"] == "net.yaml"


def test_designs_that_ship_go_by_their_names(tmp_path):
    content = hold("resnet50", {"depths": (1, 1, 1, 1), "input": 64}, tmp_path / "best.yaml")
    assert content["extends"] == "resnet50"


@pytest.mark.parametrize("there", ["resnet50.yaml", "resnet50"])
def test_a_file_of_that_name_is_not_taken_for_it(there, tmp_path):
    (tmp_path / there).write_text("name: another")
    for target in ("best.yaml", "resnet50.yaml"):
        content = hold("resnet50", {"classes": 1000}, tmp_path / target)
        assert os.path.samefile(tmp_path / content["extends"], specs_folder() / "resnet50.yaml")


def test_what_came_from_no_file_cannot_be_extended(tmp_path):
    with pytest.raises(UsageError, match=r"read from <text> cannot be extended; save it to a file first"):
        emitted(planned(SPEC, vary={"width": [8]}), {"width": 8}, str(tmp_path / "best.yaml"))


def test_a_spec_is_not_written_over_by_its_own_design(file):
    with pytest.raises(UsageError, match="is the spec that was swept; write the design to another file"):
        emitted(planned(file, vary={"width": [8]}), {"width": 8}, str(file))
