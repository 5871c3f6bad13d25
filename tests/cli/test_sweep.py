"""``archscope sweep`` end to end."""

import csv
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from archscope.cli import main

SPEC = """
name: little
input: [3, 8, 8]
vars: {width: 4, kernel: 3, depths: [1, 2], act: ReLU, wide: false}
layers:
  - {name: conv, Conv2d: {out_channels: width, kernel_size: kernel}}
  - {name: again, repeat: "depths[0]", layers: [act]}
  - {when: wide, name: extra, layers: [{Conv2d: {out_channels: width, kernel_size: 1}}]}
  - Flatten
  - {name: fc, Linear: 10}
"""
SWEEP = """
sweep:
  vary: {width: [2, 4, 6, 8], kernel: [1, 3]}
  where: params < 2500
  pareto: params, -macs
  sort: -macs
  top: 3
  sample: {count: 6, seed: 2}
"""
WIDTHS = ("--vary", "width=2:8:2")


def params(width, kernel=3):
    """Of the convolution, and of the last layer, which sees a map of 9 - kernel."""
    return width * (3 * kernel**2 + 1) + 10 * (width * (9 - kernel) ** 2 + 1)


def macs(width, kernel=3):
    return width * 3 * kernel**2 * (9 - kernel) ** 2 + 10 * width * (9 - kernel) ** 2


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "little.yaml").write_text(SPEC)
    (tmp_path / "swept.yaml").write_text(SPEC + SWEEP)
    return tmp_path


def run(*arguments, code=0, text=None):
    result = CliRunner().invoke(main, ["sweep", *arguments], input=text)
    assert result.exit_code == code, result.output
    assert not isinstance(result.exception, Exception)
    return result


def data(*arguments, **options):
    return json.loads(run(*arguments, "--json", "-", **options).stdout)


def figures(found):
    return [point["figures"] for point in found["points"]]


def table(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def analyzed(*arguments):
    """The totals that ``archscope analyze`` finds."""
    content = json.loads(CliRunner().invoke(main, ["analyze", *arguments, "--json", "-"]).stdout)
    return {name: content["designs"][0]["totals"]["all"][name] for name in ("params", "macs")}


# -- what is counted --


def test_the_designs_are_those_of_hand_arithmetic():
    found = data("little.yaml", *WIDTHS, "--vary", "kernel=1,3,5")
    assert [(one["params"], one["macs"]) for one in figures(found)] == [
        (params(width, kernel), macs(width, kernel)) for width in (2, 4, 6, 8) for kernel in (1, 3, 5)
    ]


def test_text():
    out = run("little.yaml", *WIDTHS, "--vary", "kernel=3,9", "--where", "params < 2500 and macs > 1",
              "--sort", "-macs", "--pareto", "params,-macs").stdout  # fmt: skip
    assert "little   batch 1\n" in out  # all that parameters and MACs depend on
    assert re.search(r"^8  designs in .* a second$", out, re.M)
    assert re.search(r"^3  with params < 2500, macs > 1$", out, re.M)
    assert re.search(r"^  4  little.yaml:6:61: kernel 9 \(dilation 1\) does not fit into a map of 8", out, re.M)
    assert "the first: width=2, kernel=9" in out
    assert re.search(rf"^1\* +6 +3 +{params(6):,} +{macs(6):,}$", out, re.M)
    assert out.index("The best 3: large MACs") < out.index("What moves what")


def test_what_changes_the_graph_is_told():
    found = data(
        "little.yaml", *WIDTHS, "--vary", "depths[0]=1:3", "--vary", "act=ReLU,SiLU", "--vary", "wide=true,false"
    )
    assert {axis["name"]: axis["structural"] for axis in found["axes"]} == {
        "width": False, "depths[0]": True, "act": True, "wide": True,
    }  # fmt: skip


def test_the_sweep_of_a_spec():
    found = data("swept.yaml")
    assert [(axis["name"], axis["values"]) for axis in found["axes"]] == [("width", [2, 4, 6, 8]), ("kernel", [1, 3])]
    assert found["sample"] == {"method": "random", "count": 6, "seed": 2}
    assert (found["designs"], len([one for one in found["points"] if one["rank"]])) == (6, 3)
    assert found["where"] == [
        {"constraint": "params < 2500", "missed": found["legal"] - found["passed"], "undefined": 0}
    ]
    best = [one["figures"]["macs"] for one in found["points"] if one["rank"]]
    assert best == sorted(best, reverse=True)


def test_options_replace_what_the_spec_says():
    assert data("swept.yaml", "--sample", "5", "--seed", "9", "--method", "sobol")["sample"] == {
        "method": "sobol", "count": 5, "seed": 9,
    }  # fmt: skip
    assert data("swept.yaml", "--seed", "9")["sample"] == {"method": "random", "count": 6, "seed": 9}
    assert data("swept.yaml", *WIDTHS, "--where", "macs > 0", "--top", "1")["passed"] == 4
    found = data("swept.yaml", "--batch", "3", "--dtype", "bf16", "--optimizer", "adam", "--device", "h200", "--bound")
    run = found["setting"]
    assert (run["batch"], run["precision"], run["optimizer"], run["device"]) == (3, "bfloat16", "adam", "h200")


def test_samples_follow_from_their_seed():
    def drawn(*how):
        found = data("little.yaml", "--vary", "width=1:100", "--vary", "input=8:60", "--sample", "1.5e1", *how)
        return [point["values"] for point in found["points"]]

    assert drawn("--seed", "1") == drawn("--seed", "1")
    assert drawn("--seed", "1") != drawn("--seed", "2")
    assert drawn() == drawn("--seed", "0", "--method", "random")
    assert len(drawn("--method", "sobol", "--seed", "3")) == 15


def test_figures_variables_and_derived_columns():
    found = data(
        "little.yaml", *WIDTHS, "--vary", "depths[0]=1,2",
        "--derive", "share=conv.macs / macs", "--derive", "half='again.0'.elementwise / 2",
        "--columns", "conv.params,receptive_field,receptive_field.w", "--where", "receptive_field.h == 3",
        "--sort", "-share",
    )  # fmt: skip
    assert [column["name"] for column in found["columns"]] == [
        "conv.params", "receptive_field", "receptive_field.w", "share", "half",
    ]  # fmt: skip
    assert all(one["share"] == 27 / 37 and one["receptive_field"] == one["receptive_field.w"] for one in figures(found))
    assert {one["conv.params"] for one in figures(found)} == {28 * width for width in (2, 4, 6, 8)}


def test_designs_without_a_value_do_not_satisfy_a_condition():
    found = data(
        "little.yaml", "--vary", "width=3,4,5", "--where", "1 / (width - 4) < 5", "--derive", "x=1 / (width - 4)"
    )
    assert found["where"] == [{"constraint": "1 / (width - 4) < 5", "missed": 1, "undefined": 1}]
    assert [one["x"] for one in figures(found)] == [-1.0, 1.0]


def test_figures_beyond_int64_are_no_designs():
    found = data("little.yaml", "--vary", "width=4,3000000000000000000,99999999999999999999")
    assert (found["legal"], sum(reason["designs"] for reason in found["invalid"])) == (1, 2)
    assert any("2^63 - 1" in reason["message"] for reason in found["invalid"])


def test_values_of_all_kinds():
    found = data("little.yaml", "--vary", "width=0,4,-4,0.5,true,null,ReLU,[1,2]")
    assert (found["legal"], found["points"][0]["values"]) == (1, {"width": 4})
    assert [reason["first"] for reason in found["invalid"]] == sorted({reason["first"] for reason in found["invalid"]})


def test_figures_equal_those_of_analyze():
    found = data("mobilenet_v1", "--vary", "alpha=0.3:1:0.35", "--vary", "input=96,160")
    for point in found["points"]:
        size = point["values"]["input"]
        alone = analyzed("mobilenet_v1", "--set", f"alpha={point['values']['alpha']}", "--input", f"3x{size}x{size}")
        assert point["figures"] == alone


def test_one_design_has_the_figures_that_it_has_among_all():
    every = data("little.yaml", *WIDTHS, "--vary", "kernel=1,3", "--columns", "params,training_bytes,infer_seconds",
                 "--device", "l4", "--bound")  # fmt: skip
    for number in (0, 5):
        one = data("little.yaml", *WIDTHS, "--vary", "kernel=1,3", "--columns", "params,training_bytes,infer_seconds",
                   "--device", "l4", "--bound", "--design", str(number))  # fmt: skip
        assert figures(one) == [figures(every)[number]]
    out = run("little.yaml", *WIDTHS, "--design", "4", code=2).stderr
    assert "there is no design 4; the space has 4, counted from 0" in out


def test_json_is_valid():
    schema = json.loads(CliRunner().invoke(main, ["schema", "sweep"]).stdout)
    for arguments in (("swept.yaml",), ("little.yaml", "--vary", "act=ReLU,null", "--vary", "depths=[[1,2],[3]]")):
        Draft202012Validator(schema).validate(data(*arguments))


# -- files --


def test_all_that_is_written(home):
    run("swept.yaml", "--sample", "8", "-o", "rows.csv", "-o", "page.html", "--json", "out.json",
        "--markdown", "out.md", "--emit", "best.yaml")  # fmt: skip
    assert not [name for name in os.listdir(home) if name.startswith(".") or name.endswith(".parts")]
    wanted = [(width, kernel) for width in (2, 4, 6, 8) for kernel in (1, 3) if params(width, kernel) < 2500]
    assert [int(row["params [elements]"]) for row in table("rows.csv")] == [params(*one) for one in wanted]
    best = max(wanted, key=lambda one: macs(*one))
    assert analyzed("best.yaml") == {"params": params(*best), "macs": macs(*best)}
    assert "The best 3: large MACs" in (home / "out.md").read_text()
    assert json.loads((home / "out.json").read_text())["passed"] == len(wanted)
    assert "<html" in (home / "page.html").read_text()


def test_parquet():
    parquet = pytest.importorskip("pyarrow.parquet")
    run("little.yaml", *WIDTHS, "--vary", "act=ReLU,SiLU", "-o", "rows.parquet")
    rows = parquet.read_table("rows.parquet").to_pylist()
    assert [row["params"] for row in rows] == [params(width) for width in (2, 4, 6, 8) for _ in range(2)]
    assert [row["act"] for row in rows] == ["ReLU", "SiLU"] * 4


def test_only_the_frontier(home):
    (home / "front.csv").write_text("old")
    found = data(
        "little.yaml", *WIDTHS, "--vary", "kernel=1,3", "--pareto", "params,-macs", "--frontier", "-o", "front.csv"
    )
    assert len(table("front.csv")) == found["frontier"] < found["passed"]


def test_each_of_the_best_as_a_spec():
    found = data("little.yaml", *WIDTHS, "--vary", "input=8,12", "--sort", "macs", "--top", "3", "--emit", "no{}.yaml")
    for point in found["points"]:
        assert analyzed(f"no{point['rank']}.yaml") == point["figures"]
    assert not os.path.exists("no4.yaml")


def test_the_spec_of_a_shipped_design_and_of_one_with_other_options():
    out = run("lenet5", "--vary", "classes=3,4", "--sort", "-params", "--emit", "-").stdout
    assert out.startswith("archscope: 1\nname: LeNet-5 (classes=4)")
    assert "extends: lenet5" in out
    run("little.yaml", *WIDTHS, "--set", "kernel=5", "--input", "3x9x9", "--sort", "macs", "--emit", "set.yaml")
    assert analyzed("set.yaml") == analyzed("little.yaml", "--set", "width=2", "--set", "kernel=5", "--input", "3x9x9")


def test_a_page_of_a_space_whose_first_design_is_not_legal(home):
    run("little.yaml", "--vary", "kernel=9,3", "-o", "page.html", "--sort", "macs", "--emit", "best.yaml")
    assert "extends: little.yaml" in (home / "page.html").read_text()
    assert analyzed("best.yaml") == {"params": params(4), "macs": macs(4)}


def test_from_standard_input(home):
    assert data("-", *WIDTHS, text=SPEC)["passed"] == 4
    run("-", *WIDTHS, "-o", "page.html", text=SPEC)
    assert "extends:" not in (home / "page.html").read_text()
    assert "cannot be extended" in run("-", *WIDTHS, "--sort", "macs", "--emit", "x.yaml", text=SPEC, code=2).stderr


def test_workers_change_nothing():
    arguments = (
        "little.yaml",
        "--vary",
        "width=1:200",
        "--vary",
        "input=8:108",
        "--sort",
        "-macs",
        "--pareto",
        "params,-macs",
    )
    alone, together = data(*arguments), data(*arguments, "--workers", "2")
    assert {**alone, "seconds": 0} == {**together, "seconds": 0}


def test_a_sweep_that_is_done_is_not_resumed_and_can_be_written_again():
    run("little.yaml", *WIDTHS, "-o", "rows.csv")
    run("little.yaml", "--vary", "width=3,4,5", "-o", "rows.csv", "--resume")
    assert len(table("rows.csv")) == 3
    run("little.yaml", *WIDTHS, "-o", "rows.csv", "--restart")
    assert len(table("rows.csv")) == 4


# -- in a terminal --


def test_progress_is_shown_in_a_terminal_only():
    assert not run("little.yaml", *WIDTHS).stderr
    for quiet in ((), ("-q",)):
        mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        line = [sys.executable, "-m", "archscope", "sweep", "little.yaml", *WIDTHS, *quiet]
        done = subprocess.run(
            line, stdout=subprocess.PIPE, stderr=theirs, check=True, env=os.environ | {"PYTHONPATH": ROOT}
        )
        shown = os.read(mine, 10_000).decode() if select.select([mine], [], [], 0)[0] else ""
        os.close(theirs)
        os.close(mine)
        assert ("designs/s" in shown) == (not quiet)
        assert b"4  designs in" in done.stdout


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_columns_can_be_listed():
    listed = run("little.yaml", "--columns", "help").stdout
    assert re.search(r"^train_seconds +time of a training step", listed, re.M)
    assert "output_shape" not in listed


@pytest.mark.parametrize(
    ("line", "begun", "found"),
    [
        (["sweep"], "lenet", "lenet5"),
        (["sweep", "lenet5", "--columns"], "params,train_s", "params,train_seconds"),
        (["sweep", "lenet5", "--sort"], "trainable", "trainable_params"),
        (["sweep", "lenet5", "--pareto"], "macs,-recept", "macs,-receptive_field"),
        (["sweep", "lenet5", "--method"], "so", "sobol"),
    ],
)  # fmt: skip
def test_shell_completion(line, begun, found):
    completed = ShellComplete(main, {}, "archscope", "_ARCHSCOPE_COMPLETE").get_completions(line, begun)
    assert found in [item.value for item in completed]


# -- mistakes --


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("little.yaml", "nothing varies: give --vary width=16:128:8"),
        ("nofile.yaml --vary width=4,8", "there is no file nofile.yaml"),
        ("little.yaml --vary widht=4,8", "did you mean `width`?"),
        ("little.yaml --vary width", "`width` is not of the form name=values"),
        ("little.yaml --vary width=", "there are no values"),
        ("little.yaml --vary width=16:4:2", "`16:4:2` leads away from 4"),
        ("little.yaml --vary width=1:1e9", "more than 1,000,000 values"),
        ("little.yaml --vary width=4,8 --vary width=2", "`width` is varied twice"),
        ("little.yaml --vary width=4,8 --set width=2", "`width` is varied and set"),
        ("little.yaml --vary input=8,9 --input 3x8x8", "`input` is varied and given"),
        ("little.yaml --vary batch=1,2 --batch 1", "`batch` is varied and given"),
        ("little.yaml --vary batch=0,2", "a batch is not 0"),
        ("little.yaml --vary width=4,8 --where params", "`params` is no condition"),
        ("little.yaml --vary width=4,8 --top 0", "0 is not in the range x>=1"),
        ("little.yaml --vary width=4,8 --sample 0", "'0' is not a number of designs"),
        ("little.yaml --vary width=4,8 --sample 1.5", "'1.5' is not a number of designs"),
        ("little.yaml --vary width=4,8 --sample 1e19", "not 10,000,000,000,000,000,000"),
        ("little.yaml --vary width=4,8 --seed 1", "say which designs --sample looks at"),
        ("little.yaml --vary width=4,8 --derive x=macs --derive x=params", "--derive gives two columns one name"),
        ("little.yaml --vary width=4,8 --frontier", "--frontier writes the frontier of --pareto"),
        ("little.yaml --vary width=4,8 --bound", "add --device"),
        ("little.yaml --vary width=4,8 --columns train_seconds", "times are those of a device"),
        ("little.yaml --vary width=4,8 --device t4 --dtype bf16", "no peak of bfloat16 is known of NVIDIA T4"),
        ("little.yaml --vary width=4,8 --resume", "nothing to resume or restart"),
        ("little.yaml --vary width=4,8 -o a.csv --resume --restart", "resumed or restarted, not both"),
        ("little.yaml --vary width=4,8 -o a.txt", "none of the files that -o writes"),
        ("little.yaml --vary width=4,8 -o a.csv -o b.parquet", "are of one kind"),
        ("little.yaml --vary width=4,8 -o nowhere/a.csv", "there is no folder nowhere"),
        ("little.yaml --vary width=4,8 --json nowhere/a.json", "there is no folder nowhere"),
        ("little.yaml --vary width=4,8 --sort macs --emit nowhere/a.yaml", "there is no folder nowhere"),
        ("little.yaml --vary width=4,8 --markdown home.md/..", "it is a folder"),
        ("little.yaml --vary width=4,8 --sort macs --emit little.yaml", "is the spec that was swept"),
        ("little.yaml --vary width=4,8 --emit a.yaml", "say with --sort what it is best in"),
        ("little.yaml --vary width=4,8 --json - --markdown -", "only one file can go to standard output"),
        ("little.yaml --vary width=4,8 --sort macs --where macs<0 --emit a.yaml", "no design satisfies the conditions"),
        ("little.yaml --vary width=1:100000 --vary kernel=1:100000 --vary input=1:100000 --vary batch=1:100000",
         "about 10^20 designs, too many to number; look at a sample"),
        ("little.yaml --vary width=4,8 --scheduler nonsense", "no Dask scheduler answers at nonsense"),
    ],
)  # fmt: skip
def test_mistakes(home, arguments, words):
    (home / "home.md").mkdir()
    before = set(os.listdir(home))
    if "--scheduler" in arguments:
        pytest.importorskip("distributed")
    result = run(*arguments.split(), code=2)
    assert words in re.sub(r"\s+", " ", result.stderr)
    assert not result.stdout
    assert set(os.listdir(home)) <= before | {"home"}


def test_a_space_without_a_legal_design_says_why():
    result = run("little.yaml", "--vary", "kernel=9:12", code=2)
    assert "kernel 9 (dilation 1) does not fit into a map of 8" in result.stdout
    assert "none of the 4 designs is legal" in result.stderr


def test_conditions_that_no_design_satisfies_are_no_mistake():
    out = run("little.yaml", *WIDTHS, "--where", "params < 0", "--pareto", "params", "-o", "none.csv").stdout
    assert re.search(r"^0  with params < 0$", out, re.M)
    assert re.search(r"^params < 0 +4 +100.0%$", out, re.M)
    assert table("none.csv") == []


def test_the_usual_device_may_be_named(tmp_path, monkeypatch):
    """Where it is not calibrated, only times cannot be told of it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    asked = ["sweep", "lenet5", "--vary", "batch=1,2"]
    named = CliRunner().invoke(main, [*asked, "--device", "cpu", "--json", "-"])
    unnamed = CliRunner().invoke(main, [*asked, "--json", "-"])
    assert named.exit_code == unnamed.exit_code == 0
    first, second = (json.loads(result.stdout) for result in (named, unnamed))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    times = CliRunner().invoke(main, [*asked, "--device", "cpu", "--columns", "train_seconds"])
    assert times.exit_code == 2
    assert "no peaks are published of a CPU" in times.output


def test_tables_of_designs_name_their_columns_alike(tmp_path):
    """Those of the file for all designs stand in the report's, which tells ranks besides."""
    rows, report = tmp_path / "rows.csv", tmp_path / "report.csv"
    arguments = ["sweep", "lenet5", "--vary", "classes=1:4", "-o", str(rows), "--csv", str(report), "--quiet"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    heads = [path.read_text(encoding="utf-8-sig").splitlines()[0].split(",") for path in (rows, report)]
    assert {*heads[0]} == {*heads[1]} - {"rank", "frontier"}
    assert heads[0][0] == heads[1][0] == "design"
    assert "batch [samples]" in heads[0]
