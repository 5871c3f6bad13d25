"""The README tells the truth: every console block is what the program prints, every Python block runs.

``python -m tests.test_readme`` writes the present output into the blocks.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import archscope
from archscope.cli import main
from archscope.figures import COSTS
from archscope.verify import verify

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ZOO = re.compile(r"(<!-- zoo -->\n)((?:\|.*\n)*)(<!-- end of the zoo -->)")
CONSOLE = re.compile(r"```console\n\$ (.+)\n((?:.*\n)*?)```")


def printed(command: str) -> str:
    """What a command line of the README prints, both streams; ``| head -N`` and ``| tail -N`` cut it."""
    command, *cuts = command.split(" | ")
    program, *arguments = shlex.split(command)
    assert program == "archscope"
    output = CliRunner(env={"COLUMNS": "100"}).invoke(main, arguments).output
    lines = [line.rstrip() for line in output.splitlines()]
    for cut in cuts:
        end, count = cut.split(" -")
        lines = lines[: int(count)] if end == "head" else lines[-int(count) :]
    return "\n".join(lines) + "\n"


def blocks() -> list[tuple[str, str]]:
    return CONSOLE.findall(README.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("command", [command for command, _ in blocks()])
def test_console_blocks_show_what_is_printed(command):
    assert dict(blocks())[command] == printed(command)


def test_there_is_a_block_for_every_command_that_computes():
    commands = " ".join(command for command, _ in blocks())
    assert all(
        f"archscope {name}" in commands
        for name in (
            "analyze",
            "explain",
            "verify",
            "ops",
            "receptive-field",
            "memory",
            "reconcile",
            "export",
            "predict",
            "sweep",
        )
    )


def test_the_python_block_runs(capsys):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert code is not None
    names: dict[str, object] = {}
    exec(code[1], names)
    account = names["account"]
    assert isinstance(account, archscope.Account)
    assert account.setting.batch == 32
    assert "conv1_1" in capsys.readouterr().out


def test_the_page_of_language_is_resnet_50():
    text = re.search(r"```yaml\n(name: ResNet-50\n.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert text is not None
    result = verify(archscope.load(text[1]))
    assert result.ok
    assert len(result.verdicts) == 2


def test_the_table_of_figures_is_that_of_the_program():
    assert figures() in README.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_table_of_designs_is_current():
    match = ZOO.search(README.read_text(encoding="utf-8"))
    assert match is not None
    assert match[2] == printed("archscope list --markdown -")


def figures() -> str:
    rows = (f"| `{m.name}` | {m.convention} [{m.unit}] |" for m in COSTS.values())
    return "\n".join(rows) + "\n"


def update() -> None:
    text = README.read_text(encoding="utf-8")
    text = CONSOLE.sub(lambda match: f"```console\n$ {match[1]}\n{printed(match[1])}```", text)
    table = re.compile(r"(\| figure \| counted as \|\n\| --- \| --- \|\n)(?:\|.*\n)*")
    text = table.sub(lambda match: match[1] + figures(), text)
    text = ZOO.sub(lambda match: match[1] + printed("archscope list --markdown -") + match[3], text)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(update())
