"""The layers that specs know, in every format, against torch's own signatures."""

import csv
import inspect
import io
import json

import pytest
import torch
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from archscope.cli import main
from archscope.ops import REGISTRY
from archscope.report.formats import FORMATS


def run(*arguments):
    result = CliRunner().invoke(main, ["ops", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all_ops_are_data_as_the_schema_says():
    data = json.loads(run("--json", "-"))
    Draft202012Validator(json.loads(CliRunner().invoke(main, ["schema", "ops"]).stdout)).validate(data)
    assert [one["op"] for one in data["ops"]] == list(REGISTRY)
    (head, *rows) = csv.reader(io.StringIO(run("--csv", "-")))
    assert head[:2] == ["op", "family"]
    assert [row[0] for row in rows] == list(REGISTRY)


@pytest.mark.parametrize("name", ["Conv2d", "Linear", "Dropout", "LSTM", "MaxPool2d"])
def test_an_op_has_the_arguments_of_torchs_layer(name):
    (op,) = json.loads(run(name, "--json", "-"))["ops"]
    layer = getattr(torch.nn, name)
    taken = set(inspect.signature(layer.__mro__[1] if name == "LSTM" else layer).parameters)
    told = {*(one["argument"] for one in op["arguments"]), *op["follows"], *op["refuses"]}
    assert told - taken == set()
    assert taken - told <= {"device", "dtype", "mode", "args", "kwargs", "return_indices"}
    (_, *rows) = csv.reader(io.StringIO(run(name, "--csv", "-")))
    assert [row[0] for row in rows] == [one["argument"] for one in op["arguments"]]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_format_is_all_that_is_printed(form):
    text = run("Conv2d", f"--{form}", "-")
    assert "out_channels" in text.replace("\\", "")
    assert form != "markdown" or text.startswith("### Conv2d")


def test_quiet_is_names_alone():
    assert run("--quiet").splitlines() == list(REGISTRY)
