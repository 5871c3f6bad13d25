"""A scratch repository of git for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_NOBODY = {
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c", "GIT_AUTHOR_DATE": "2020-02-02T02:02:02Z",
    "GIT_COMMITTER_DATE": "2020-02-02T02:02:02Z", "GIT_DEFAULT_HASH": "sha1",
}  # fmt: skip


class Repository:
    """One in a folder; commits have the same names wherever and whenever they are made."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        if not (folder / ".git").exists():
            self.git("init", "-q", "-b", branch)

    def copied(self, folder: Path) -> Repository:
        """The same in another folder: quicker than made anew."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Repository(folder)

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env={**environment, **_NOBODY}
        ).stdout.strip()

    def write(self, **files: str) -> None:
        """Files by their names in the folder ``models``, without the ending."""
        for name, text in files.items():
            self.write_file(f"models/{name}.yaml", text)

    def write_file(self, name: str, text: str) -> None:
        """A file by its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self, **files: str) -> str:
        """Write files, commit all that there is, and name the commit."""
        self.write(**files)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "more")
        return self.git("rev-parse", "HEAD")


#: a block that designs include, and a design of it: 3 x 3 windows on 3 maps, a batch norm, ten units
BLOCKS = """
blocks:
  unit(out, kernel=3):
    - Conv2d: {out_channels: out, kernel_size: kernel, padding: kernel // 2, bias: false}
    - BatchNorm2d
    - ReLU
"""
NET = """
name: Net
include: blocks.yaml
input: [3, 8, 8]
vars: {width: 4}
layers:
  - unit: width
  - AdaptiveAvgPool2d: 1
  - Flatten
  - Linear: 10
"""


def params(width: int = 4, kernel: int = 3) -> int:
    """Weights of the convolution, scales and shifts of the norm, weights and biases of the classifier."""
    return 3 * width * kernel**2 + 2 * width + 10 * width + 10


def macs(width: int = 4, kernel: int = 3) -> int:
    """A map of 8 x 8 places, and the classifier."""
    return 3 * width * kernel**2 * 8 * 8 + 10 * width


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A branch that widened the windows of the block, and left main, which has widened the design since."""
    one = Repository(tmp_path_factory.mktemp("template"))
    one.commit(net=NET, blocks=BLOCKS)
    one.git("switch", "-q", "-c", "change")
    one.commit(blocks=BLOCKS.replace("kernel=3", "kernel=5"))
    one.git("switch", "-q", "main")
    one.commit(net=NET.replace("width: 4", "width: 9"))
    one.git("switch", "-q", "change")
    return one


@pytest.fixture
def repository(template: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A copy of the template, to work in."""
    one = template.copied(tmp_path / "one")
    monkeypatch.chdir(one.folder)
    return one
