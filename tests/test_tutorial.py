"""The tutorial in specs/README.md: its design is short and true to its paper, its console blocks show what is printed.

``python -m tests.test_tutorial`` writes the present output into the blocks.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

import archscope
from archscope.verify import verify
from tests.test_readme import CONSOLE, printed

PAGE = Path(__file__).resolve().parent.parent / "specs" / "README.md"
DESIGN, MORE = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)


@pytest.fixture(autouse=True)
def _in_a_folder_with_the_designs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path)


def lay_out(folder: Path) -> None:
    (folder / "senet.yaml").write_text(DESIGN, encoding="utf-8")
    wrong = DESIGN.replace("reduction * in_channels", "in_channels")
    assert wrong != DESIGN
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")


def test_it_takes_less_than_sixty_lines():
    assert len(DESIGN.splitlines()) < 60


def test_it_is_true_to_its_paper():
    both = DESIGN + MORE.removeprefix("expect:\n")
    result = verify(archscope.load(both))
    assert len(result.verdicts) == 5
    assert result.ok


def test_without_the_module_it_is_the_papers_resnet_50():
    """torchvision's parameters; the MACs of the paper's stride placement, 3.86e9 in Table 2."""
    total = archscope.analyze(archscope.load(DESIGN, set={"reduction": 0})).total
    assert total.params == 25557032
    assert round(total.macs / 1e9, 2) == 3.86


@pytest.mark.parametrize("command", [command for command, _ in CONSOLE.findall(PAGE.read_text(encoding="utf-8"))])
def test_console_blocks_show_what_is_printed(command):
    assert dict(CONSOLE.findall(PAGE.read_text(encoding="utf-8")))[command] == printed(command)


def update() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        lay_out(Path(folder))
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(CONSOLE.sub(lambda m: f"```console\n$ {m[1]}\n{printed(m[1])}```", text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(update())
