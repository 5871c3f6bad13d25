"""What is new is written in as few files as docs/contributing says, and everything that reads a registry has it.

Each trial is made in a copy of the package, and asked there of all that follows by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent


class Trial(NamedTuple):
    """Something new.

    Attributes:
        edits: for each file that is touched, what is inserted before which text; a file that is new has no such text.
        asked: what must hold then, as Python; ``run`` runs a command line and gives what it prints.
    """

    edits: dict[str, tuple[str, str]]
    asked: str


_OF_A_FIGURE = """
import csv, io, json
from jsonschema import Draft202012Validator
design = archscope.load("lenet5")
account = archscope.analyze(design)
assert getattr(account.total, NAME) == archscope.figures.figure(account, NAME) == VALUE
assert getattr(account["c1"], NAME) is not None and account.frame[NAME]["c1"] == getattr(account["c1"], NAME)
assert NAME in run("analyze", "lenet5", "--columns", "help")
assert NAME in run("analyze", "lenet5", "--csv", "-").splitlines()[0]
data = json.loads(run("analyze", "lenet5", "--json", "-"))
assert data["designs"][0]["totals"]["all"][NAME] == VALUE
Draft202012Validator(json.loads(run("schema", "analyze"))).validate(data)
assert json.loads(run("compare", "lenet5", "--columns", NAME, "--json", "-"))["designs"][0]["figures"][NAME] == VALUE
asked = ("--vary", "classes=10,11", "--columns", NAME, "--where", f"{NAME} >= 0")
swept = json.loads(run("sweep", "lenet5", *asked, "--json", "-"))
assert swept["points"][0]["figures"][NAME] == VALUE
stated = f"expect: {{{NAME}: 1}}\\nbudget: {{{NAME}: <= 1e9}}\\n"
spec = archscope.load(f"input: [3, 8, 8]\\nlayers: [{{Linear: 2}}]\\n{stated}")
assert [one.figure for one in archscope.verify.verify(spec).verdicts][0] == NAME
assert f'"{NAME}"' in run("analyze", "lenet5", "--html", "-")
table = run("analyze", "lenet5", "--sort", NAME, "--columns", NAME, "--markdown", "-")
assert NAME in table.replace("\\\\", "").replace(" ", "_")
"""
TRIALS = {
    "an additive figure": Trial(
        {
            "figures/__init__.py": (
                '    _cost("flops", ',
                '    _cost("frozen_params", "elements", "learnable elements that are frozen",\n'
                "          by=lambda cost: cost.params - cost.trainable_params),\n",
            )
        },
        'NAME, VALUE = "frozen_params", 0\n'
        + _OF_A_FIGURE
        + "assert archscope.diff(design, design).total.frozen_params == 0",
    ),
    "a figure that does not add": Trial(
        {
            "figures/__init__.py": (
                '    _cost("flops", ',
                '    _cost("biased", "share", "share of the parameters that are biases", style="ratio",\n'
                '          by=lambda cost: __import__("archscope.arith").arith.ratio(cost.biases, cost.params)),\n',
            )
        },
        'NAME, VALUE = "biased", (6 + 16 + 120 + 84 + 10) / 61706\n' + _OF_A_FIGURE,
    ),
    "an optimizer": Trial(
        {
            "setting/optimizers.py": (
                '    "rmsprop"',
                '    "lion": Optimizer(1, counts=False, passing=(2, 1), foreach=1),\n',
            )
        },
        """
import json
ledger = json.loads(run("memory", "lenet5", "--optimizer", "lion", "--json", "-"))
assert ledger["optimizer_state"] == 61706 * 4 and ledger["setting"]["optimizer"] == "lion"
assert "lion" in run("memory", "--help") and "lion" in run("schema") and "lion" in run("schema", "memory")
assert "training with lion" in run("compare", "lenet5", "--optimizer", "lion")
assert json.loads(run("sweep", "lenet5", "--vary", "classes=10", "--optimizer", "lion", "--columns", "training_bytes",
                      "--json", "-"))["points"][0]["figures"]["training_bytes"] == ledger["training"]
""",
    ),
    "a precision": Trial(
        {
            "setting/precision.py": (
                '    Precision("float8", ',
                '    Precision("float8_e5m2", "float8_e5m2", "what a design weighs in it", (), aliases=("e5m2",)),\n',
            ),
            "autograd/dtypes.py": (
                "#: floating types in which a layer",
                'ITEM_BYTES["float8_e5m2"] = 1\nFLOATING = (*FLOATING, "float8_e5m2")\n\n',
            ),
        },
        """
import json
for word in ("float8_e5m2", "e5m2"):
    (design,) = json.loads(run("analyze", "lenet5", "--precision", word, "--json", "-"))["designs"]
    assert design["totals"]["all"]["param_bytes"] == 61706 and design["setting"]["precision"] == "float8_e5m2"
assert "float8_e5m2" in run("memory", "--help") and "float8_e5m2" in run("schema", "analyze")
assert "is not known in float8_e5m2" in run("memory", "lenet5", "--precision", "e5m2", code=2)
""",
    ),
    "a format": Trial(
        {
            "report/formats/tsv.py": (
                "",
                "from archscope.report.base import Report\nfrom archscope.report.formats.base import Format\n\n\n"
                'class Tsv(Format):\n    NAME, HELP = "tsv", "Write TSV."\n\n'
                "    def text(self, report: Report) -> str:\n        fields, rows = report.records().table\n"
                "        lines = [[field.name for field in fields], *rows]\n"
                '        return "".join("\\t".join(map(str, line)) + "\\n" for line in lines)\n',
            )
        },
        """
for command in (("analyze", "lenet5"), ("compare", "lenet5", "alexnet"), ("memory", "lenet5"), ("explain", "lenet5"),
                ("predict", "lenet5", "--device", "h200", "--bound"), ("reconcile", "lenet5", "--no-run"), ("list",),
                ("receptive-field", "lenet5"), ("verify", "lenet5"), ("sweep", "lenet5", "--vary", "classes=10")):
    assert run(*command, "--tsv", "-").splitlines()[0].count("\\t") > 2, command
""",
    ),
    "an op": Trial(
        {
            "ops/cubed.py": (
                "",
                "from archscope.autograd import aten\n"
                "from archscope.ops.base import (\n"
                "    NoChecks, NoContraction, NoWeights, Pointwise, SameShape, argument, register\n)\n\n\n"
                "@register\nclass Cubed(Pointwise, SameShape, NoWeights, NoContraction, NoChecks):\n"
                '    """x to the third."""\n\n    elementwise_rule = "two multiplications an element"\n\n'
                "    def elementwise(self, x, y):\n        return 2 * y[0].numel\n\n"
                '    def forward(self, t, w, x, y):\n        return aten.kernel(t, x[0], x[0].shape, saves="input")\n\n'
                "    def module(self, torch, *x):\n        return lambda tensor: tensor**3\n",
            )
        },
        """
import json
spec = "input: [3, 8, 8]\\nlayers: [Cubed, {Conv2d: {out_channels: 2, kernel_size: 3}}, Cubed]\\n"
design = archscope.load(spec)
account = archscope.analyze(design)
assert account["Cubed_1"].elementwise == 2 * 3 * 8 * 8 and account["Cubed_1"].activations == 3 * 8 * 8
assert "Cubed" in run("ops") and "two multiplications" in run("ops", "Cubed") and '"Cubed"' in run("schema")
assert account.memory.training > 0 and archscope.receptive_fields(design)["Cubed_2"][0].size == 3
assert "Cubed" in str(archscope.explain(design, "Cubed_1"))
varied = spec.replace("3, 8, 8", "3, n, n").replace("layers", "vars: {n: 8}\\nlayers")
assert len(archscope.sweep(varied, {"n": [8, 9]}).frame) == 2
""",
    ),
}
#: files that are touched, tests aside: what docs/contributing/index.md says
FILES = {
    "an additive figure": 1, "a figure that does not add": 1, "an optimizer": 1, "a precision": 2, "a format": 1,
    "an op": 1,
}  # fmt: skip
_BEGIN = """
import sys
from click.testing import CliRunner
import archscope, archscope.verify, archscope.figures
from archscope.cli import main
def run(*command, code=0):
    result = CliRunner().invoke(main, list(command))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output
assert archscope.__file__.startswith(sys.argv[1])
"""


@pytest.mark.parametrize("what", TRIALS)
def test_what_is_new_is_written_in_few_files_and_known_everywhere(what, tmp_path):
    trial = TRIALS[what]
    assert len(trial.edits) == FILES[what]
    package = tmp_path / "archscope"
    shutil.copytree(ROOT / "archscope", package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    for name, (before, text) in trial.edits.items():
        file = package / name
        held = file.read_text(encoding="utf-8") if file.exists() else ""
        assert not before or held.count(before) == 1, before
        file.write_text(held.replace(before, text + before) if before else held + text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + trial.asked, str(tmp_path)], cwd=tmp_path, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_table_of_the_documentation_says_so():
    lines = (ROOT / "docs" / "contributing" / "index.md").read_text(encoding="utf-8").splitlines()
    for what, files in FILES.items():
        assert any(line.startswith(f"| {what} | ") and line.split(" | ")[2] == str(files) for line in lines), what
