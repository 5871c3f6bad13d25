"""The command line end to end: output, exit codes, standard output and standard error apart."""

import csv
import io
import json
import subprocess
import sys

import click
import pytest
import yaml
from click.testing import CliRunner

import archscope
from archscope.cli import main
from archscope.cli.main import LazyGroup
from archscope.ops import REGISTRY

SPEC = """
name: little
input: [3, 8, 8]
vars: {width: 4, classes: 10}
layers:
  - Conv2d: {out_channels: width, kernel_size: 3}
    name: conv
  - ReLU
  - Flatten
  - Linear: classes
    name: fc
expect:
  params: {value: 1562, source: by hand}   # 3 x 4 x 9 + 4 + 144 x 10 + 10
budget:
  params: <= 2e3
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "little.yaml"
    path.write_text(SPEC)
    return str(path)


def run(*arguments, text=None, code=0):
    result = CliRunner().invoke(main, list(arguments), input=text)
    assert result.exit_code == code, result.output
    return result


# -- analyze --


def test_analyze_prints_the_table(spec):
    out = run("analyze", spec).stdout
    assert "little   input 3 x 8 x 8, batch 1, float32" in out
    assert "1,562" in out
    assert "conv" in out


def test_analyze_a_variant(spec):
    out = run("analyze", spec, "--set", "width=8", "--set", "classes=2", "--input", "1x10x10").stdout
    assert f"{1 * 8 * 9 + 8 + 8 * 64 * 2 + 2:,}" in out


def test_analyze_standard_input_to_json_on_standard_output():
    result = run("analyze", "-", "--json", "-", "--batch", "4", text=SPEC)
    (design,) = json.loads(result.stdout)["designs"]
    assert design["setting"]["batch"] == 4
    assert design["totals"]["all"]["macs"] == 4 * (4 * 36 * 27 + 1440)


def test_analyze_writes_files_and_prints_the_table(spec, tmp_path):
    target = tmp_path / "out.csv"
    out = run("analyze", spec, "--csv", str(target), "--columns", "params,macs").stdout
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [row["name"] for row in rows] == ["conv", "ReLU", "Flatten", "fc"]
    assert sum(int(row["params [elements]"]) for row in rows) == 1562
    assert "1,562" in out


def test_analyze_several(spec):
    out = run("analyze", spec, spec, "--csv", "-").stdout
    assert len(list(csv.reader(io.StringIO(out)))) == 1 + 2 * 4
    assert run("analyze", spec, spec).stdout.count("little   input") == 2


def test_analyze_sorts_folds_and_lists_columns(spec):
    lines = run("analyze", spec, "--sort", "params").stdout.splitlines()
    assert lines[4].startswith("fc")
    assert "reuse" in run("analyze", spec, "--columns", "help").stdout
    assert "folded" not in run("analyze", spec, "--depth", "all").stdout


@pytest.mark.parametrize("form", [("--sort", "-params"), ("--sort=-params",)])
def test_a_sign_before_a_column_sorts_as_in_a_sweep(spec, form):
    assert run("analyze", spec, *form).stdout == run("analyze", spec, "--sort", "params").stdout
    told = run("analyze", spec, "--sort", "-parms", code=2).stderr
    assert "there is no column `parms`; did you mean `params`?" in told


def test_elements_of_lists_are_set_on_the_command_line():
    one = run("analyze", "densenet121", "--set", "depths[1]=3", "--set", "depths[3]=2", "--csv", "-").stdout
    assert one == run("analyze", "densenet121", "--set", "depths=[6,3,24,2]", "--csv", "-").stdout
    both = run("compare", "densenet121", "--with", "depths[1]=3,growth=8,depths[0]=2").stdout
    assert "(depths=[2,3,24,16]," in both
    told = run("analyze", "densenet121", "--set", "depths[x]=3", code=2).stderr
    assert "'depths[x]=3' is not of the form name=value, as in width=96 or depths[0]=6" in told


#: an option as users of other tools type it, and what is said of it
_OTHERS = {
    "--max-depth": "it is '--depth' here, as in --depth 2",
    "--max_depth": "it is '--depth' here, as in --depth 2",
    "--input-size": "it is '--input' here, without the batch, as in --input 3x224x224; the batch is --batch",
    "--batch-size": "it is '--batch' here, as in --batch 32",
}


@pytest.mark.parametrize("name", [name for name in LazyGroup.COMMANDS if name != "plot"])
def test_options_of_other_tools_are_told_with_ours(name, spec):
    """In every command that has ours, and in no other."""
    command = main.get_command(click.Context(main), name)
    own = {option for parameter in command.params for option in parameter.opts}
    for other, hint in _OTHERS.items():
        told = " ".join(run(name, spec, other, "2", code=2).stderr.split())
        if hint.split("'")[1] in own:
            assert f"No such option '{other}': {hint}" in told
        else:
            assert click.NoSuchOption(other).message in told
            assert hint not in told


def test_a_plot_says_which_of_its_options_is_meant(spec):
    assert "it is '--depth' here" in run("plot", "stages", spec, "--max-depth", "2", "-o", "a.svg", code=2).stderr


def test_warnings_go_to_standard_error():
    text = SPEC.replace(
        "  - ReLU\n", "  - ReLU\n  - Tanh:\n    name: idle\n    from: conv\n  - Identity:\n    from: ReLU\n"
    )
    loud, quiet = run("analyze", "-", text=text), run("analyze", "-", "-q", text=text)
    assert "warning: `idle` contributes to no output" in loud.stderr
    assert "idle` contributes" not in loud.stdout
    assert quiet.stderr == ""


def test_no_color_is_plain(spec):
    colored = CliRunner().invoke(main, ["analyze", spec], color=True).stdout
    plain = CliRunner().invoke(main, ["analyze", spec, "--no-color"], color=True).stdout
    assert "\x1b[" in colored
    assert "\x1b[" not in plain


# -- explain, verify, expand, ops, schema, list --


def test_explain(spec):
    assert "weight = K_h x K_w x C_in / groups x C_out = 3 x 3 x 3 / 1 x 4 = 108" in run("explain", spec, "conv").stdout
    layers = json.loads(run("explain", spec, "--json").stdout)["layers"]
    assert [one["layer"] for one in layers] == ["conv", "ReLU", "Flatten", "fc"]


def test_verify(spec, tmp_path):
    assert run("verify", spec).stdout.splitlines() == [
        "little   batch 1, float32",
        "",
        "ok     little: params = 1,562   by hand",
        "ok     little: params = 1,562   budget",
        "1 design, 2 figures: 2 ok",
    ]
    assert run("verify", spec, "--precision", "half").stdout.splitlines()[0] == "little   batch 1, float16"
    (tmp_path / "wrong.yaml").write_text(SPEC.replace("value: 1562", "value: 1500"))
    out = run("verify", str(tmp_path / "wrong.yaml"), code=1).stdout
    assert "FAILED little: params: expected 1,500, computed 1,562, +62 (+4.13%)   by hand" in out


def test_verify_a_folder(tmp_path):
    (tmp_path / "good.yaml").write_text(SPEC)
    (tmp_path / "blocks.yaml").write_text("blocks:\n  unit: [ReLU]\n")
    out = run("verify", str(tmp_path)).stdout
    assert "1 design, 2 figures: 2 ok" in out  # the file of blocks is not a design
    (tmp_path / "poor.yaml").write_text(SPEC.replace("<= 2e3", "<= 1e3"))
    assert "expected <= 1,000, computed 1,562" in run("verify", str(tmp_path), code=1).stdout
    (tmp_path / "wrong.yaml").write_text("layers: 3\n")
    result = run("verify", str(tmp_path), code=2)
    assert "wrong.yaml" in result.stdout
    assert "`layers:` is a list of layers" in result.stderr
    assert "3 designs, 4 figures: 3 ok, 1 failed, 1 spec wrong" in result.stdout


def test_verify_a_folder_takes_both_endings_and_nothing_hidden(tmp_path):
    (tmp_path / "one.yml").write_text(SPEC)
    (tmp_path / ".hidden").mkdir()
    for hidden in (".hidden/two.yaml", ".three.yaml"):
        (tmp_path / hidden).write_text("jobs: [build]\n")
    assert "1 design, 2 figures: 2 ok" in run("verify", str(tmp_path)).stdout


def test_verify_an_empty_folder(tmp_path):
    assert "no design" in run("verify", str(tmp_path), code=2).stderr


def test_expand_gives_a_spec_again(spec):
    text = run("expand", spec, "--set", "width=8").stdout
    assert yaml.safe_load(text)["layers"][0] == {"Conv2d": {"out_channels": 8, "kernel_size": [3, 3]}, "name": "conv"}
    assert "1,562" not in run("analyze", "-", text=text).stdout


def test_ops(spec):
    out = run("ops").stdout
    assert all(f"  {name} " in out for name in REGISTRY)
    one = run("ops", "Conv2d").stdout
    assert "out_channels" in one
    assert "required" in one
    assert "did you mean `Conv2d`" in run("ops", "conv2", code=2).stderr


def test_schema_is_json():
    assert "Conv2d" in json.loads(run("schema").stdout)["$defs"]["layer"]["anyOf"][1]["properties"]


@pytest.mark.slow
def test_list():
    out = run("list").stdout
    assert "vgg16" in out
    assert "138,357,544" in out
    assert "alexnet" in run("list", "-q").stdout.splitlines()


# -- mistakes --


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("analyze", "nosuch"), "there is no file or design called nosuch"),
        (("analyze", "vgg61"), "did you mean `vgg"),
        (("analyze", "no/such.yaml"), "there is no file no/such.yaml"),
        (("analyze", "-", "--columns", "mac"), "did you mean `macs`"),
        (("analyze", "-", "--sort", "kind"), "`kind` is no number"),
        (("analyze", "-", "--depth", "0"), "neither a number of at least 1 nor `all`"),
        (("analyze", "-", "--batch", "0"), "0 is not in the range"),
        (("analyze", "-", "--dtype", "float31"), "float31"),
        (("analyze", "-", "--dtype", "bool"), "bool is no floating type, and no precision"),
        (("explain", "-", "--dtype", "int64"), "int64 is no floating type"),
        (("analyze", "-", "--set", "width"), "not of the form name=value"),
        (("analyze", "-", "--set", "wdth=3"), "did you mean `width`"),
        (("analyze", "-", "--set", "width=[3"), "not YAML"),
        (("analyze", "-", "--input", "3xx8"), "not a shape"),
        (("analyze", "-", "--input", "mask=3x8x8"), "the design has no input `mask`"),
        (("analyze", "-", "--input", "3x8x8", "--input", "3x9x9"), "several --input need names"),
        (("analyze", "-", "--csv", "no/where/out.csv"), "cannot be written"),
        (("explain", "-", "cnv"), "did you mean `conv`"),
        (("analyze",), "Missing argument"),
        (("nosuch",), "No such command"),
        (("analyse", "-"), "No such command 'analyse'; did you mean `analyze`?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_end_with_2_and_say_what_is_wrong(arguments, words):
    result = run(*arguments, text=SPEC, code=2)
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_wrong_spec_ends_with_2_and_shows_the_line(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(SPEC.replace("kernel_size: 3", "kernel_size: 9"))
    result = run("analyze", str(path), code=2)
    assert f"{path}:6:48: error: kernel 9 (dilation 1) does not fit into a map of 8 with padding 0" in result.stderr
    assert "^" in result.stderr


# -- the shell --


def test_every_command_has_help_with_an_example():
    for name in LazyGroup.COMMANDS:
        out = run(name, "--help").stdout
        assert "Usage: " in out
        assert "archscope" in out.partition("Usage")[2].partition("\n")[2] or name == "list"
    assert "Exit codes" in run("--help").stdout


def test_the_module_and_the_script_run():
    result = subprocess.run(
        [sys.executable, "-m", "archscope", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("archscope ")


def test_shell_completion_offers_designs_columns_and_ops(monkeypatch):
    def complete(line):
        words = line.split(" ")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        monkeypatch.setenv("_ARCHSCOPE_COMPLETE", "bash_complete")
        result = CliRunner().invoke(main, [], prog_name="archscope")
        return [item.partition(",")[2] for item in result.output.splitlines()]

    assert "analyze" in complete("archscope ana")
    assert "vgg16" in complete("archscope analyze vgg1")
    assert "params,macs" in complete("archscope analyze vgg16 --columns params,mac")
    assert "Conv2d" in complete("archscope ops Conv2")


def test_a_closed_pipe_is_no_traceback(spec):
    command = f"{sys.executable} -m archscope analyze {spec} --json - | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert result.stdout == "{\n"
    assert "Traceback" not in result.stderr


def test_analyze_writes_a_report(tmp_path):
    file = tmp_path / "alexnet.html"
    result = run("analyze", "alexnet", "--html", str(file), "--device", "h200", "--batch", "8")
    assert "62,378,344" in result.stdout
    text = file.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "At least, on NVIDIA H200" in text
    assert run("analyze", "alexnet", "--html", "-").stdout.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alexnet", "vgg16", "--html", "-"), "archscope compare A B --html FILE"),
        (("alexnet", "--bound"), "are about times: add --device"),
        (("alexnet", "--html", "-", "--csv", "-"), "only one file can go to standard output"),
        (("alexnet", "--html", "-", "--profile", "nowhere.json"), "cannot be read"),
        (("alexnet", "--html", "/nowhere/x.html"), "cannot be written"),
    ],
)
def test_reports_that_cannot_be(arguments, message):
    assert message in run("analyze", *arguments, code=2).stderr


def test_verify_tells_the_setting_of_what_is_published():
    """Papers publish of one sample in float32; the JSON carries the setting whole, as every JSON does."""
    from archscope.report.results.verification import VerificationReport
    from archscope.verify import verify

    report = VerificationReport(verify(archscope.load("lenet5")))
    assert report.headline().words == "batch 1, float32"
    assert report.data()["setting"] == archscope.Setting().data()
    assert "setting" in report.schema()["required"]


@pytest.mark.needs("torch")
def test_csv_of_verify_tells_what_torch_has_and_what_is_wrong(tmp_path):
    """LeNet-5's 61,706 parameters, as its paper's and as torch's; a spec that is none is a row that is not ok."""
    (tmp_path / "bad.yaml").write_text("input: [3]\nlayers: [Lineer]\n")
    result = CliRunner().invoke(main, ["verify", "lenet5", str(tmp_path / "bad.yaml"), "--torch", "--csv", "-"])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == 2
    params = [row for row in rows if row["figure"] in ("params", "torch: params")]
    assert [(row["expected"], row["computed"], row["ok"]) for row in params] == [("61706", "61706", "True")] * 2
    assert [row["ok"] for row in rows if "there is no layer or block `Lineer`" in row["note"]] == ["False"]
