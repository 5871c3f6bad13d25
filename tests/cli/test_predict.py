"""``archscope predict`` end to end."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner

from archscope.cli import calibrations, main
from tests.analysis.time.test_roofline import calibration


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["predict", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_a_bound_by_published_peaks():
    out = run("lenet5", "--device", "h200", "--batch", "8", "--dtype", "bf16").stdout
    assert "LeNet-5   batch 8, bfloat16, training with sgd, torch 2.13 on NVIDIA H200" in out
    assert "at least" in out
    assert "bfloat16 989.5 TFLOP/s" in out
    assert "NVIDIA H200 Tensor Core GPU data sheet (SXM); its tensor figures are with sparsity, and halved" in out


def test_what_takes_no_time_takes_none(tmp_path):
    """LeNet-5's 61,706 weights stay in the T4's cache of 4 MiB; a ReLU of six numbers does not leave it either."""
    lines = run("lenet5", "--device", "t4").stdout.splitlines()
    assert [line.split()[1:] for line in lines if "update  " in line] == [["0", "µs"]]
    spec = tmp_path / "relu.yaml"
    spec.write_text("input: [6]\nlayers: [ReLU]\n")
    out = run(str(spec), "--device", "t4").stdout
    assert "at least\n" in out
    assert "limited by" + " " * 18 + "none\n" in out


def test_an_estimate_stands_beside_the_bound_where_timings_are_published():
    """VGG-16, channels last on an RTX 3090: 1,729 images/s (timm, benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv)."""
    options = ("--dtype", "amp", "--mode", "infer", "--batch", "1024", "--channels-last")
    data = json.loads(run("vgg16", "--device", "rtx3090", *options, "--json", "-").stdout)
    assert data["seconds"] < 1024 / 1729.39
    assert data["estimate"]["seconds"] == pytest.approx(1024 / 1729.39, rel=data["estimate"]["ninetieth"])
    out = run("lenet5", "--device", "rtx3090", *options).stdout
    assert re.search(
        r"^estimate .*; off by \d+% in half, by at most \d+% in 90% of networks of other families$", out, re.M
    )
    assert "results/benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv" in out
    assert "fitted on batches of 64 to 1,024" in run("lenet5", "--device", "rtx3090", *options[:4]).stdout
    assert "none: no published timings of such steps" in run("lenet5", "--device", "a100-40gb", *options).stdout


def test_the_head_says_how_the_step_runs():
    out = run("resnet18", "--device", "a100-40gb", "--channels-last", "--compile").stdout
    head = "batch 1, float32, training with sgd, channels last, compiled, torch 2.13 on NVIDIA A100 40GB"
    assert head in out.splitlines()[0]
    assert "all fused that can be" in out
    assert "predicted" not in out.lower()


def test_the_most_are_shown_or_all():
    out = run("lenet5", "--device", "t4", "--top", "2").stdout
    assert "more; `--layers` shows all" in out
    every = run("lenet5", "--device", "t4", "--layers").stdout
    assert "more;" not in every
    assert "the update" in every


def test_files_have_every_part_and_add_up(tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("lenet5", "--device", "l4", "--csv", "-").stdout)))
    target = tmp_path / "times.json"
    run("lenet5", "--device", "l4", "--json", str(target))
    data = json.loads(target.read_text())
    assert [row["name"] for row in rows] == [part["name"] for part in data["parts"]]
    total = sum(float(row["forward_seconds [seconds]"]) + float(row["backward_seconds [seconds]"]) for row in rows)
    assert total == pytest.approx(data["seconds"])
    assert {row["times"] for row in rows} == {"bounds"}
    assert data["label"] == "at least"
    assert int(rows[0]["forward_flops [FLOPs]"]) == 2 * 6 * 25 * 28 * 28  # c1: 6 maps of 28 x 28, windows of 5 x 5


def test_what_each_call_costs_comes_on_top(home):
    def seconds(*options):
        data = json.loads(run("lenet5", "--device", "l4", "--json", "-", *options).stdout)
        return data["seconds"], sum(part["forward_calls"] + part["backward_calls"] for part in data["parts"])

    bound, calls = seconds()
    assert seconds("--launch", "4")[0] == pytest.approx(bound + calls * 4e-6)
    path = calibrations.place_of("NVIDIA L4")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(calibration().as_data()))
    assert "add --bound" in run("lenet5", "--device", "l4", "--launch", "4", code=2).output
    assert seconds("--launch", "4", "--bound")[0] == pytest.approx(bound + calls * 4e-6)


def test_a_stored_calibration_makes_it_an_estimate(home):
    path = calibrations.place_of("NVIDIA H200")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(calibration().as_data()))
    assert "estimate;" in run("lenet5", "--device", "h200").stdout
    assert "at least;" in run("lenet5", "--device", "h200", "--bound").stdout
    assert "at least;" in run("lenet5", "--device", "l4").stdout
    assert path.is_relative_to(home)


def test_a_calibration_in_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(calibration().as_data()))
    out = run("lenet5", "--device", "cpu", "--calibration", str(path)).stdout
    assert "on a device" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet5",), "add --device, such as --device h200"),
        (("lenet5", "--device", "h300"), "'h300' is not one of"),
        (("lenet5", "--device", "t4", "--dtype", "bf16"), "no peak of bfloat16 is known of NVIDIA T4"),
        (("lenet5", "--device", "cpu"), "`archscope calibrate --device cpu` measures them"),
        (("lenet5", "--device", "cpu", "--calibration", "no.json"), "no.json cannot be read: No such file"),
    ],
)
def test_mistakes(arguments, message):
    result = run(*arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_calibration_that_is_none(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("{")
    assert "is no calibration" in run("lenet5", "--device", "t4", "--calibration", str(path), code=2).stderr


def test_where_calibrations_lie(monkeypatch, home):
    assert calibrations.folder() == home / "archscope" / "calibrations"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert calibrations.folder().name == "calibrations"


def test_times_of_a_tiny_design_are_readable():
    """2 FLOPs at 67 TFLOP/s are 3e-14 s."""
    text = "name: tiny\ninput: [1]\nlayers: [Linear: 1]\n"
    out = CliRunner().invoke(main, ["predict", "-", "--device", "h200", "--mode", "infer"], input=text).stdout
    assert "step           under 1 ns   at least" in out
    assert "16 B moved in 1 call\n" in out
    assert "e-" not in out
