"""What is shipped: a wheel to run and a source distribution to build and test, no larger than they have to be.

They are built as pip builds them, by the backend that pyproject.toml names.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import archscope

backend = pytest.importorskip("hatchling.build", reason="hatchling builds the packages: it comes with archscope[test]")

ROOT = Path(__file__).parent.parent
#: bytes: 1.11 MB and 1.91 MB on the day of 0.1.0, and room for a year's work, not for a trace by mistake
LARGEST = {"wheel": 1_250_000, "sdist": 2_300_000}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The wheel and the source distribution."""
    target, before = tmp_path_factory.mktemp("dist"), Path.cwd()
    os.chdir(ROOT)  # where a backend is called
    try:
        return {
            "wheel": target / backend.build_wheel(str(target)),
            "sdist": target / backend.build_sdist(str(target)),
        }
    finally:
        os.chdir(before)


def in_wheel(packages):
    with zipfile.ZipFile(packages["wheel"]) as file:
        return {one.filename: one.file_size for one in file.infolist()}


def in_sdist(packages):
    with tarfile.open(packages["sdist"]) as file:
        return {one.name.partition("/")[2]: one.size for one in file.getmembers()}


def tracked(*folders):
    """The files of some folders, and files, that are the project's: no caches, nothing that a test has left."""
    paths = (path for folder in folders for path in (ROOT / folder, *(ROOT / folder).rglob("*")))
    return {str(path.relative_to(ROOT)) for path in paths if path.is_file() and "__pycache__" not in path.parts}


def metadata(packages):
    with zipfile.ZipFile(packages["wheel"]) as file:
        (name,) = (name for name in file.namelist() if name.endswith("METADATA"))
        return Parser().parsestr(file.read(name).decode())


def test_a_wheel_has_the_package_and_the_designs_and_nothing_else(packages):
    names = {name for name in in_wheel(packages) if ".dist-info/" not in name}
    specs = {f"archscope/{name}" for name in tracked("specs")}
    assert names == tracked("archscope") | specs


def test_a_source_distribution_has_what_its_tests_read(packages):
    names = set(in_sdist(packages))
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    read = {name for text in tests for name in re.findall(r'\bROOT / "([^"/]+)', text)}
    assert names >= tracked("archscope", "benchmarks", "tests", *read)
    assert names >= {"README.md", "CHANGELOG.md", "LICENSE", "NOTICE", "CITATION.cff", "pyproject.toml", "noxfile.py"}


@pytest.mark.parametrize("kind", LARGEST)
def test_the_size_is_watched(packages, kind):
    size = packages[kind].stat().st_size
    most = sorted((in_wheel if kind == "wheel" else in_sdist)(packages).items(), key=lambda one: -one[1])[:5]
    assert LARGEST[kind] / 2 < size < LARGEST[kind], most


def test_the_metadata_names_the_licence_as_pep_639_does(packages):
    data = metadata(packages)
    assert data["License-Expression"] == "Apache-2.0"
    vendored = "archscope/report/page/vendor/dagre.LICENSE"
    assert sorted(data.get_all("License-File")) == ["LICENSE", "NOTICE", vendored]
    assert not [one for one in data.get_all("Classifier") if one.startswith("License")]  # PEP 639 wants either
    assert data["Version"] == archscope.__version__


def test_code_of_others_is_named_in_the_notice():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    vendored = {path.name for path in (ROOT / "archscope/report/page/vendor").glob("*.js")}
    assert vendored
    assert [name for name in vendored if name not in notice] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGEST)
def test_it_runs_where_nothing_else_of_the_project_is(packages, kind, tmp_path):
    """Installed as pip installs it; the source distribution is built for that."""
    isolated = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", *isolated, "--target", str(tmp_path / "site")]
    subprocess.run([*install, str(packages[kind])], check=True, cwd=tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def python(*arguments):
        command = [sys.executable, *arguments]
        return subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True, text=True).stdout

    file = python("-c", "import archscope; print(archscope.__file__)").strip()
    assert Path(file).is_relative_to(tmp_path)
    assert python("-m", "archscope", "--version") == f"archscope {archscope.__version__}\n"
    assert "61,706" in python("-m", "archscope", "analyze", "lenet5")  # a design that lies inside
    assert "<svg" in python("-m", "archscope", "analyze", "lenet5", "--html", "-")  # templates, styles and scripts
