"""``benchmarks/on_device.sh``, as far as it goes without a device."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "on_device.sh"


def run(*arguments, **more):
    environment = os.environ | {"PYTHON": sys.executable, "PIP_NO_INDEX": "1"} | more
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_what_is_missing_is_told_with_the_remedy(tmp_path):
    """A Python without any package: `python -S` finds none."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    result = run(PYTHON=str(bare))
    assert result.returncode == 2
    assert "on_device.sh: No module named 'torch'" in result.stderr
    assert "run benchmarks/on_device.sh --pack where there is a package index" in result.stderr


@pytest.mark.slow
def test_it_runs_both_scripts_on_the_cpu(tmp_path):
    result = run("--cpu", OUT=str(tmp_path))
    assert result.returncode == 0, result.stderr
    (memory,) = tmp_path.glob("memory_*.csv")
    name = memory.stem.removeprefix("memory_")
    assert {path.name for path in tmp_path.iterdir()} == {
        memory.name, f"profile_{name}.csv", f"profile_{name}.html",
    }  # fmt: skip
    assert len(memory.read_text().splitlines()) == 1 + 2 * 4


def test_wheels_are_laid_open_without_pip(tmp_path):
    """A package of which only a wheel is there is found by the scripts; one that is installed stays."""
    text = SCRIPT.read_text()
    assert "pip install" not in text
    inner = text.split("<<'PY'\n")[1].split("\nPY\n")[0]
    for name in ("click-0.1-py3-none-any.whl", "missing_here-1.0-py3-none-any.whl"):
        with zipfile.ZipFile(tmp_path / name, "w") as wheel:
            wheel.writestr("module.py", "")
    found = subprocess.run([sys.executable, "-c", inner, tmp_path], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(tmp_path / "missing_here-1.0-py3-none-any.whl")]
