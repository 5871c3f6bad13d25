"""Every JSON that the program writes is described by a schema, to the last field."""

import copy
import json
import re

import click
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from archscope.analysis.peers import Measured
from archscope.backends.torch import calibrate
from archscope.backends.torch import check as _check  # noqa: F401  # takes its own name of what is put off below
from archscope.cli import main
from archscope.cli.schema import REPORTING
from archscope.cli.schema import command as schema_command
from archscope.figures import COSTS
from tests.analysis.time.test_roofline import calibration
from tests.repository import BLOCKS, NET, Repository

SPEC = """
name: all sorts
inputs: {words: {shape: [6], dtype: int64}, image: [3, 8, 8]}
vars: {width: 5, kind: ReLU}
layers:
  - {Embedding: {num_embeddings: 9, embedding_dim: width}, from: words}
  - LSTM: {hidden_size: 4, batch_first: true}
    name: lstm
  - {Flatten: , name: text}
  - {Conv2d: {out_channels: 4, kernel_size: 3}, name: conv, from: image, freeze: true}
  - {Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, name: again}
  - {reuse: again}
  - {Flatten: , name: flat}
  - {Concat: , from: [text, flat]}
  - Linear: 2
outputs: {answer: Linear, seen: "lstm[1]"}
"""
NAMES = next(param.type.choices for param in schema_command.params if param.name == "of")
#: command lines that write JSON to standard output, by the schema that describes it
LINES = [
    ("analyze", "analyze SPEC --json -"),
    ("analyze", "analyze SPEC lenet5 --json - --batch 3 --dtype float16"),
    ("explain", "explain SPEC --json"),
    ("explain", "explain lenet5 c1 --json"),
    ("receptive-field", "receptive-field lenet5 c3 --json"),
    ("receptive-field", "receptive-field lenet5 c3 --unit 1,1 --pixel 0,2 --measure --json"),
    ("receptive-field", "receptive-field lenet5 output --json"),
    ("receptive-field", "receptive-field tcn block0 --json"),
    ("compare", "compare SPEC lenet5 --json -"),
    ("compare", "compare lenet5 --with classes=11 --diff --device h100 --depth 2 --json -"),
    ("diff", "diff --base HEAD models --at-most macs=1 --grows-at-most params=1% --where macs>1 --json -"),
    ("sweep", "sweep lenet5 --vary classes=5,10 --json -"),
    ("memory", "memory SPEC --json -"),
    ("memory", "memory SPEC --json - --optimizer none"),
    ("memory", "memory lenet5 --json - --device h100 --optimizer adamw --dtype bf16-mixed"),
    ("predict", "predict lenet5 --device l4 --json -"),
    ("predict", "predict lenet5 --device l4 --mode infer --dtype bf16 --json -"),
    ("profile", "profile lenet5 --device cpu --seconds 0 --json -"),
    ("profile", "profile lenet5 --device cpu --seconds 0 --mode infer --calibration CALIBRATION --json -"),
    ("calibrate", "calibrate --output -"),
    ("reconcile", "reconcile SPEC --no-run --json -"),
    ("reconcile", "reconcile lenet5 --json -"),
    ("receptive-field", "receptive-field lenet5 --json -"),
    ("list", "list --json -"),
    ("ops", "ops --json -"),
    ("verify", "verify lenet5 alexnet --json -"),
    ("import", "import tests/data/models.py:Net --input 3x16x16 -o IMPORTED --json -"),
    ("export", "export SPEC --to json"),
    ("export", "export googlenet_aux --to json"),
]


def run(*arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (0, 1) or "wrong" in result.stderr, result.output
    return json.loads(result.stdout)


def validator(name):
    return Draft202012Validator(run("schema", name))


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """No stored calibration, none that takes a minute, and no peer that is really run."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(calibrate, "calibrate", lambda **_: calibration())
    monkeypatch.setattr("archscope.backends.torch.peers.measure", lambda *_: {"torch": Measured("1.0", 7, 8)})
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "calibration.json").write_text(json.dumps(calibration().as_data()))
    return tmp_path


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A design that changed, and one that is wrong now."""
    one = Repository(tmp_path_factory.mktemp("repository"))
    one.commit(net=NET, blocks=BLOCKS, wrong=NET)
    one.write(net=NET.replace("width: 4", "width: 6"), wrong="layers: 3\n")
    return one


def output(line, folder):
    places = {"SPEC": str(folder / "spec.yaml"), "CALIBRATION": str(folder / "calibration.json"),
              "IMPORTED": str(folder / "imported.yaml")}  # fmt: skip
    return run(*(places.get(word, word) for word in line.split()))


@pytest.mark.parametrize(("name", "line"), LINES, ids=[line for _, line in LINES])
def test_outputs_are_as_described(name, line, small, repository, monkeypatch):
    if name == "diff":
        monkeypatch.chdir(repository.folder)
    found = output(line, small)
    if line.startswith("calibrate"):
        found["machine"] = output("profile lenet5 --device cpu --seconds 0 --json -", small)["machine"]  # a real one
    errors = [f"{error.json_path}: {error.message[:200]}" for error in validator(name).iter_errors(found)]
    assert errors == []


def test_every_command_that_reports_has_a_schema():
    commands = {name: main.get_command(click.Context(main), name) for name in main.list_commands(click.Context(main))}
    assert {*REPORTING} == {name for name, command in commands.items() if hasattr(command.callback, "report")}


def test_every_schema_has_an_output():
    assert {name for name, _ in LINES} == {*NAMES} - {"spec"}


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_schemas(name):
    schema = run("schema", name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize(
    "line", ["analyze SPEC --json -", "memory lenet5 --json -", "reconcile SPEC --no-run --json -"]
)
def test_what_is_broken_is_seen(line, small):
    found = output(line, small)
    check = validator(line.split()[0])
    for broken in _broken(found):
        assert not check.is_valid(broken)


def _broken(found):
    """The output with a field more, and with one less or of another type; at the top, and in the first list."""
    inner = next(key for key, value in found.items() if isinstance(value, list) and value)
    for place in ((), (inner, 0)):
        for change in ("more", "less", "other"):
            copied = copy.deepcopy(found)
            at = copied
            for key in place:
                at = at[key]
            if change == "more":
                at["undocumented"] = 1
            elif change == "less":
                at.popitem()
            else:
                at[next(iter(at))] = {"no": "such"}
            yield copied


def test_another_version_is_another_format(small):
    found = output("analyze SPEC --json -", small)
    assert not validator("analyze").is_valid({**found, "format": found["format"] + 1})


def test_figures_say_their_unit_and_convention():
    layer = run("schema", "analyze")["$defs"]["layer"]["properties"]
    for name, metric in COSTS.items():
        assert layer[name]["description"] == f"{metric.convention} [{metric.unit}]"
    assert re.search(r"\[bytes\]$", layer["saved_bytes"]["description"])
