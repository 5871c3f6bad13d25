"""``archscope receptive-field`` end to end."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from archscope.cli import main


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["receptive-field", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_table_of_a_design():
    out = run("alexnet").stdout
    assert "receptive field" in out
    (line,) = (line for line in out.splitlines() if line.startswith("pool3"))
    assert "256 x 6 x 6" in line
    assert " ".join(line.split()).endswith("195 x 195 32 x 32 -64 x -64 33.5 x 33.5 64 x 64 a part")
    assert any(line.startswith("fc1") and line.endswith("all") for line in out.splitlines())


def test_the_table_as_csv():
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(run("alexnet", "--csv", "-").stdout))}
    pool = rows["pool3"]
    assert (pool["receptive_field [places]"], pool["jump [places]"], pool["sees"]) == ("195x195", "32x32", "a part")


def test_a_unit_and_a_pixel():
    out = run("alexnet", "pool3", "--unit", "1,1", "--pixel", "0,0").stdout
    assert "h  field 195 of 227, jump 32, start -64 (center 33.5), effective padding 64 and 64" in out
    assert "unit (1, 1) sees h 0 to 162, w 0 to 162: 26,569 places" in out
    assert "of its field -32 to 162 x -32 to 162, 30.1% lie in the padding" in out
    assert "place (0, 0) of the input is seen by 9 units: h 0 to 2, w 0 to 2" in out


@pytest.mark.needs("torch")
def test_measured_by_gradients():
    out = run("alexnet", "pool3", "--unit", "1,1", "--measure").stdout
    assert "measured by gradients of the built module: 26,569 places, the same" in out


def test_what_mixes_everything():
    out = run("alexnet", "fc2").stdout
    assert "h  sees all 227: fc1 mixes everything, of which each part sees 195" in out


def test_paths_that_are_not_aligned():
    out = run("tcn", "block0").stdout
    assert "paths from 1 to 13" in out
    assert "not aligned: at block0.Add the centres of block0.Dropout_2 and block0.downsample are 6 apart" in out


def test_two_readings_of_one_tensor_that_are_not_aligned(tmp_path):
    """The last of 8 queries is itself at 7.5; the keys that it meets, 0 to 7, are centred at 4.0."""
    spec = tmp_path / "causal.yaml"
    layer = "{name: att, ScaledDotProductAttention: {is_causal: true}, from: [input, input, input]}"
    spec.write_text(f"input: [2, 8, 4]\nlayers:\n  - {layer}\n")
    out = run(str(spec), "att").stdout
    assert "not aligned: at att the centres of two readings of input are 3.5 apart" in out
    explained = CliRunner().invoke(main, ["explain", str(spec), "att"]).stdout
    assert "at att the centres of two readings of input are 3.5 apart" in explained


def test_data():
    data = json.loads(run("alexnet", "pool3", "--unit", "1,1", "--pixel", "3,3", "--json").stdout)
    assert data["axes"][0]["receptive_field"] == 195
    assert data["unit"]["sees"]["last"] == [162, 162]
    assert data["pixel"]["seen_by"]["units"] == 9


@pytest.mark.needs("torch")
def test_pictures(tmp_path):
    plot, draw, heat = (str(tmp_path / name) for name in ("a.svg", "b.png", "c.png"))
    result = run("lenet5", "--plot", plot, "--draw", draw, "--layers", "c1,c3")
    assert result.stdout == ""
    assert f"written: {plot}, {draw}" in result.stderr
    run("lenet5", "c3", "--unit", "3,3", "--heat", heat)
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("a.svg", "b.png", "c.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alexnet", "--unit", "1,1"), "name one"),
        (("alexnet", "pool3", "--measure"), "need a --unit"),
        (("alexnet", "--draw", "x.png"), "needs a LAYER"),
        (("alexnet", "pool3", "--unit", "a,b"), "is not a place"),
        (("alexnet", "pool3", "--unit", "1"), "2 axes (6 x 6); 1 names 1 place"),
        (("alexnet", "pool3", "--unit", "1,6"), "1,6 is none of them"),
        (("alexnet", "pool9"), "did you mean `pool"),
        (("alexnet", "pool3", "--unit", "1,1", "--from", "audio"), "has no input `audio`"),
        (("alexnet", "--plot", "x.gif"), "a picture ends with"),
        (("alexnet", "fc1", "--draw", "x.png"), "no map of two axes"),
    ],
)
def test_mistakes(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_units_that_differ_have_a_smallest_field(tmp_path):
    spec = tmp_path / "causal.yaml"
    spec.write_text("input: [2, 8]\nlayers: [{CumSum: {dim: 2}, name: sums}]\n")
    out = run(str(spec)).stdout
    assert "smallest field" in out
    (line,) = (line for line in out.splitlines() if line.startswith("sums"))
    assert " ".join(line.split()).startswith("sums CumSum 2 x 8 8 1 0 0")
    assert "smallest field" not in run("alexnet").stdout
    assert "field 1 to 8 of 8" in run(str(spec), "sums").stdout
    assert json.loads(run(str(spec), "sums", "--json").stdout)["axes"][0]["smallest_field"] == 1


@pytest.mark.parametrize(
    "option", [("--precision", "bf16"), ("--dtype", "float64"), ("--batch", "4"), ("--device", "h200")]
)
def test_options_on_which_nothing_depends_are_refused_with_the_reason(option):
    told = run("alexnet", *option, code=2).stderr
    assert "says nothing here: which elements a unit reads is the same in every precision" in told
    assert option[0] not in run("--help").stdout


def test_fields_are_told_whatever_the_types(tmp_path):
    """A window of 3 is one in every precision, also where float32 is none for the design to run in."""
    spec = tmp_path / "marked.yaml"
    spec.write_text(
        "input: [2, 8]\nlayers:\n  - {name: c, Conv1d: {out_channels: 2, kernel_size: 3}, dtype: bfloat16}\n"
    )
    assert json.loads(run(str(spec), "c", "--json").stdout)["axes"][0]["receptive_field"] == 3


def test_what_is_asked_of_a_unit_stands_in_every_format():
    """Unit (1, 1) of AlexNet's third pool sees 163 x 163 places: -32 to 162, cut at 0."""
    arguments = ("alexnet", "pool3", "--unit", "1,1", "--pixel", "0,0")
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv", "-").stdout)))
    assert [(row["axis"], row["unit"], row["unit_first"], row["unit_last"]) for row in rows] == [
        ("h", "1x1", "0", "162"), ("w", "1x1", "0", "162"),
    ]  # fmt: skip
    assert {row["unit_places [places]"] for row in rows} == {str(163 * 163)}
    assert {(row["seen_by_first"], row["seen_by_last"], row["seen_by [units]"]) for row in rows} == {
        ("0x0", "2x2", "9")
    }
    assert "unit" not in next(csv.DictReader(io.StringIO(run("alexnet", "pool3", "--csv", "-").stdout)))


def test_figures_have_the_names_of_the_registry():
    rows = csv.DictReader(io.StringIO(run("alexnet", "pool3", "--csv", "-").stdout))
    names = {name.split(" [")[0] for name in next(rows)}
    axis = json.loads(run("alexnet", "pool3", "--json", "-").stdout)["axes"][0]
    for told in (names, axis.keys()):
        assert {"receptive_field", "smallest_field", "jump", "field_start", "field_center", "effective_padding"} <= {
            *told
        }
        assert not {"smallest", "start", "center"} & {*told}


def test_json_says_how_the_design_is_run():
    for arguments in (("lenet5",), ("lenet5", "c1")):
        setting = json.loads(run(*arguments, "--json", "-").stdout)["setting"]
        assert (setting["batch"], setting["precision"], setting["mode"]) == (1, "float32", "train")
