"""The action and the hooks do what docs/pull-requests.md says: run in a scratch repository, step by step."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from archscope.cli import main
from tests.documents import DOCS, ROOT, Document
from tests.repository import NET, Repository, params

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
PAGE = Document(DOCS / "pull-requests.md")
#: in a step, `${{ inputs.at-most }}` or the like
EXPRESSION = re.compile(r"\$\{\{ *([\w.-]+) *\}\}")


# -- the action --


class Runner:
    """Runs the steps of a composite action as GitHub's runner does: each in a bash, outputs by files."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.summary, self.output = self.temp / "summary.md", self.temp / "output"
        self.values = {"github.action_path": str(ROOT), "runner.temp": str(self.temp)}
        for name, one in ACTION["inputs"].items():
            self.values[f"inputs.{name}"] = self.filled(inputs.get(name, str(one.get("default", ""))))

    def filled(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self.values[match[1]], text)

    def step(self, step: dict[str, Any], path: str = "") -> subprocess.CompletedProcess[str]:
        assert "${{" not in step["run"], "what comes from outside is never part of a script"
        self.output.write_text("")
        environment = {
            **os.environ,
            **{name: self.filled(str(value)) for name, value in step["env"].items()},
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}" if path else os.environ["PATH"],
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        for line in self.output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step.get('id')}.outputs.{name}"] = value
        return done


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def ran(folder: Path, **inputs: str) -> tuple[Runner, list[subprocess.CompletedProcess[str]]]:
    """The steps after the first one, archscope being this one."""
    runner = Runner(folder, **inputs)
    script(folder / "bin" / "archscope", f'exec {shlex.quote(sys.executable)} -m archscope "$@"')
    runner.values["steps.install.outputs.bin"] = str(folder / "bin")
    return runner, [runner.step(step) for step in ACTION["runs"]["steps"][1:]]


def test_the_action_installs_itself_into_an_environment_of_its_own(tmp_path):
    """With a Python that notes what it is told; it makes an environment whose Python does, too."""
    notes = tmp_path / "notes"
    script(tmp_path / "python", f'echo "$@" >> {notes}')
    script(tmp_path / "path" / "python3",
           f'echo "$@" >> {notes}; mkdir -p "$3/bin"; cp {tmp_path}/python "$3/bin/python"')  # fmt: skip
    runner = Runner(tmp_path)
    runner.step(ACTION["runs"]["steps"][0], str(tmp_path / "path"))
    place = runner.values["steps.install.outputs.bin"]
    assert place == str(runner.temp / "archscope-environment" / "bin")
    assert notes.read_text().splitlines()[0] == f"-m venv {Path(place).parent}"
    assert notes.read_text().splitlines()[1].endswith(str(ROOT))


def test_the_action_tells_what_changed(repository, tmp_path):
    limits = {"at-most": "params=1M\nmacs=1G", "grows-at-most": "params=300%", "options": "--batch=2"}
    runner, (told, end) = ran(tmp_path, specs="models", base="main", **limits)
    assert (told.returncode, end.returncode) == (0, 0), told.stderr
    comment = Path(runner.filled(ACTION["outputs"]["comment"]["value"]))
    assert runner.filled(ACTION["outputs"]["status"]["value"]) == "0"
    text = comment.read_text(encoding="utf-8")
    assert text == runner.summary.read_text(encoding="utf-8")
    assert f"| {params()} | {params(kernel=5)} | +{params(kernel=5) - params()} |" in text
    assert "batch 2," in text
    assert "--at-most macs=1G" in text
    assert "--grows-at-most params=300%" in text
    assert "<details>" in text
    assert "where this branch left main" in told.stdout


def test_the_action_fails_where_a_budget_is_broken(repository, tmp_path):
    runner, (told, end) = ran(tmp_path, specs="models", base="main", where="params < 10")
    assert (told.returncode, end.returncode) == (0, 1)
    assert "| FAILED |" in runner.summary.read_text(encoding="utf-8")
    assert ACTION["runs"]["steps"][2]["if"] == "inputs.fail == 'true' || steps.diff.outputs.status > 1"


def test_the_action_tells_what_is_wrong(repository, tmp_path):
    """A revision that is not there: the summary and the comment say so."""
    runner, (told, end) = ran(tmp_path, specs="models", base="0123456789012345678901234567890123456789")
    assert (told.returncode, end.returncode) == (0, 2)
    assert "git knows no revision `0123456789" in told.stderr
    assert "### archscope diff failed\n\n````text\nerror: git knows no" in runner.summary.read_text(encoding="utf-8")


def test_what_a_pull_request_says_is_run_by_no_shell(repository, tmp_path):
    evil = f"$(touch {tmp_path}/ran)`touch {tmp_path}/ran`; touch {tmp_path}/ran"
    repository.write(net=NET.replace("name: Net", "name: '::error::x'"))
    _, (told, _) = ran(tmp_path, specs=f"models\n{evil}", base=evil, where=evil, options="--batch=2")
    assert not (tmp_path / "ran").exists()
    first, *_, last = told.stdout.splitlines()
    assert first.startswith("::stop-commands::")
    assert last == f"::{first.removeprefix('::stop-commands::')}::"


# -- forms of issues --


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_of_issues_are_what_github_takes(path):
    """GitHub's syntax for form schema: ids are strings of letters, digits, - and _, each once (`true` is no string)."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    ids = [field["id"] for field in form["body"]]
    assert all(isinstance(one, str) and re.fullmatch(r"[\w-]+", one) for one in ids), ids
    assert len(set(ids)) == len(ids)


# -- hooks --


@pytest.mark.parametrize(
    ("hook", "more", "code"),
    [
        ("archscope-verify", ["models/"], 0),
        ("archscope-diff", ["models/"], 0),
        ("archscope-diff", ["--grows-at-most", "params=1%", "models/"], 1),
    ],
)
def test_hooks(repository, hook, more, code):
    """As pre-commit runs them: the entry, then the arguments."""
    repository.write(net=NET.replace("width: 4", "width: 6"))
    program, *arguments = shlex.split(HOOKS[hook]["entry"])
    assert program == "archscope"
    assert HOOKS[hook]["pass_filenames"] is False
    result = CliRunner().invoke(main, [*arguments, *more])
    assert result.exit_code == code, result.output


# -- the page --


def test_the_page_uses_what_there_is():
    workflow, hooks = (yaml.safe_load(block.text) for block in PAGE.blocks("yml"))
    (step,) = (one for one in workflow["jobs"]["designs"]["steps"] if "archscope/archscope" in one.get("uses", ""))
    assert step["with"].keys() <= ACTION["inputs"].keys()
    assert set(re.findall(r"steps\.archscope\.outputs\.(\w+)", PAGE.text)) <= ACTION["outputs"].keys()
    assert {one["id"] for one in hooks["repos"][0]["hooks"]} == HOOKS.keys()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("check-jsonschema") is None, reason="check-jsonschema is not installed")
@pytest.mark.parametrize(("kind", "text"), [
    ("vendor.github-actions", (ROOT / "action.yml").read_text()),
    ("vendor.github-workflows", PAGE.blocks("yml")[0].text),
    ("vendor.github-workflows", (ROOT / ".github" / "workflows" / "ci.yml").read_text()),
    ("vendor.github-issue-config", (ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text()),
    *(("vendor.github-issue-forms", path.read_text()) for path in FORMS),
])  # fmt: skip
def test_they_are_what_github_takes(kind, text, tmp_path):
    (tmp_path / "x.yml").write_text(text)
    command = ["check-jsonschema", "--builtin-schema", kind, str(tmp_path / "x.yml")]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pre-commit") is None, reason="pre-commit is not installed")
def test_pre_commit_runs_the_hooks(repository, tmp_path):
    """Really: it makes an environment with archscope in it, which takes a minute."""
    source = Repository(tmp_path / "archscope")
    for name in ("archscope", "specs", "pyproject.toml", "README.md", ".pre-commit-hooks.yaml"):
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source.folder / name)
    (config,) = (block.text for block in PAGE.blocks("yml") if "pre-commit" in block.title)
    config = config.replace("https://github.com/archscope/archscope", str(source.folder)).replace(
        "v0.1.0", source.commit()
    )
    (repository.folder / ".pre-commit-config.yaml").write_text(config)
    repository.write(net=NET.replace("width: 4", "width: 6"))
    repository.git("add", "--all")
    command = ["pre-commit", "run", "--all-files"]
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^archscope verify\.+Passed$", done.stdout, re.M)
    assert re.search(r"^archscope diff\.+Failed$", done.stdout, re.M)
    assert "FAILED Net: params grows <= 1%: +" in done.stdout
