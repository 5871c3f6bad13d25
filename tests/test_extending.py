"""What is new is written in as few files as docs/contributing says, and everything that reads a registry has it.

Each trial is made in a copy of the package, and asked there of all that follows by itself. What has a page in
docs/contributing is walked as that page says: its blocks are the change, and all that it shows is run and compared.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.documents import DOCS, Block, Document, change, changed

CONTRIBUTING = DOCS / "contributing"
#: walk-throughs whose tests take seconds
QUICK = {"device", "op"}
WALKS = [page for page in map(Document, sorted(CONTRIBUTING.glob("*.md"))) if page.changes]


class Trial(NamedTuple):
    """Something new.

    Attributes:
        edits: for each file that is touched, what is inserted before which text.
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
}
#: what must hold behind a walk, besides what its page shows
ASKED = {
    "figure": 'NAME, VALUE = "frozen_params", 0\n'
    + _OF_A_FIGURE
    + "assert archscope.diff(design, design).total.frozen_params == 0",
    "format": """
for command in (("analyze", "lenet5"), ("compare", "lenet5", "alexnet"), ("memory", "lenet5"), ("explain", "lenet5"),
                ("predict", "lenet5", "--device", "h200", "--bound"), ("reconcile", "lenet5", "--no-run"), ("list",),
                ("receptive-field", "lenet5"), ("verify", "lenet5"), ("sweep", "lenet5", "--vary", "classes=10")):
    assert run(*command, "--tsv", "-").splitlines()[0].count("\\t") > 2, command
""",
    "op": """
spec = "input: [3, n, n]\\nvars: {n: 8}\\n"
spec += "layers: [SquaredReLU, {Conv2d: {out_channels: 2, kernel_size: 3}}, SquaredReLU]\\n"
design = archscope.load(spec)
account = archscope.analyze(design)
assert account["SquaredReLU_1"].elementwise == 2 * 3 * 8 * 8 and account["SquaredReLU_1"].activations == 3 * 8 * 8
assert "SquaredReLU" in run("ops") and '"SquaredReLU"' in run("schema")
assert archscope.receptive_fields(design)["SquaredReLU_2"][0].size == 3
assert "SquaredReLU" in str(archscope.explain(design, "SquaredReLU_1"))
assert len(archscope.sweep(spec, {"n": [8, 9]}).frame) == 2
""",
}
#: what begins every trial
_BEGIN = """
import sys
from pathlib import Path
from click.testing import CliRunner
import archscope, archscope.verify, archscope.figures
from archscope.cli import main
def run(*command, code=0):
    result = CliRunner().invoke(main, list(command))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.output
assert archscope.__file__.startswith(sys.argv[1])
"""
_WALKED = """
from tests.documents import Document
page = Document(Path("docs", "contributing", sys.argv[2]).absolute())
page.run()
assert page.renewed() == page.text, "what it shows is not what is printed: python -m tests.test_docs " + page.name
"""


def trial(folder: Path, *arguments: str) -> None:
    """Run Python in a copy of the repository."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, text=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("torch")
@pytest.mark.parametrize("page", WALKS, ids=lambda page: page.path.stem)
def test_a_walk_through_leads_there(page, tmp_path):
    changed(tmp_path, page)
    trial(tmp_path, "-c", _BEGIN + ASKED.get(page.path.stem, "") + _WALKED, str(tmp_path), page.path.name)


def _slow(page):
    return () if page.path.stem in QUICK else pytest.mark.slow


@pytest.mark.needs("torch")
@pytest.mark.parametrize("page", [pytest.param(page, marks=_slow(page), id=page.path.stem) for page in WALKS])
def test_what_a_walk_through_says_holds_it_does(page, tmp_path):
    assert page.trials
    changed(tmp_path, page)
    for line in page.trials:
        trial(tmp_path, "-m", *shlex.split(line))


@pytest.mark.parametrize("what", TRIALS)
def test_what_is_new_is_written_in_few_files_and_known_everywhere(what, tmp_path):
    changed(tmp_path)
    for name, (before, text) in TRIALS[what].edits.items():
        added = "".join(f"+{line}\n" for line in text.splitlines())
        file = tmp_path / "archscope" / name
        whole = next(line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith(before))
        change(file, Block("diff", name, f"{added} {whole}", 0))
    trial(tmp_path, "-c", _BEGIN + TRIALS[what].asked, str(tmp_path))


def test_the_table_of_what_is_new_says_in_how_many_files():
    rows = [line.split(" | ") for line in (CONTRIBUTING / "index.md").read_text(encoding="utf-8").splitlines()]
    files = {row[0].removeprefix("| "): row[2] for row in rows if len(row) > 4}
    for page in WALKS:
        touched = {block.title for block in page.changes if block.title.startswith("archscope/")}
        assert next(count for what, count in files.items() if f"({page.path.name})" in what) == str(len(touched)), page
    for what, one in TRIALS.items():
        assert files[what] == str(len(one.edits)), what


def test_a_change_of_what_is_not_there_is_refused(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("one\ntwo\ntwo\n")
    change(file, Block("diff", "a.py", "-one\n+1\n two\n two\n", 1))
    assert file.read_text() == "1\ntwo\ntwo\n"
    for twice_or_never in (" two\n+3\n", " three\n"):
        with pytest.raises(AssertionError, match="stands there"):
            change(file, Block("diff", "a.py", twice_or_never, 1))
