"""Mutation testing of archscope/ops and archscope/analysis: change one thing, see whether a test falls.

    pip install cosmic-ray pytest-cov
    python -m benchmarks.mutants --count 1000 --seed 16 --out mutants.jsonl

cosmic-ray says what may be changed; of each place that it changes one mutant is drawn, over all modules in proportion,
and at least a dozen of each. What is equal by construction is left out: type annotations, texts of messages, decorators
that only remember. The tests run once under coverage, which tells which of them execute which line. A mutant is run
by a fork of a process that has torch imported, and nothing of archscope: it imports archscope with the mutant in its
place, and runs the tests that execute the line, those of the same op first, then the quickest, up to ``--cap`` seconds.
A test that falls, or hangs, kills it. Whoever survives is judged by hand: reports/mutation.md.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import gc
import importlib.machinery
import io
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("ops", "analysis")
TESTS = ("tests/ops", "tests/analysis", "tests/autograd")
#: mutants of each module at least; seconds that a mutant may take for each second of its tests, and besides
LEAST, PATIENCE, START = 12, 4, 30
#: decorators that change nothing that a test could see
SILENT = re.compile(r"@(functools\.)?(lru_cache|cache|abstractmethod|final|overload|override)\b")
#: passed to every run: what takes time and says nothing, and no shrinking of what hypothesis finds
QUIET = ("cacheprovider", "xdist", "benchmark", "faulthandler", "unraisableexception", "threadexception")
OPTIONS = ("-o", "addopts=", "-m", "not slow", "-x", "-q", "-W", "ignore::pytest.PytestAssertRewriteWarning")


class Mutant(NamedTuple):
    """A changed module.

    Attributes:
        path: of the module, from the root.
        line: where it is changed.
        source: all of it, changed.
    """

    path: str
    line: int
    operator: str
    source: str

    def difference(self) -> list[str]:
        """The lines that are not the same, old and new."""
        old = (ROOT / self.path).read_text(encoding="utf-8").splitlines()
        lines = difflib.unified_diff(old, self.source.splitlines(), lineterm="", n=0)
        return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


def left_out(tree: ast.Module) -> Iterator[ast.AST]:
    """What may change without a difference: annotations, and texts made of values."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from (arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg) and arg.annotation)
            if node.returns is not None:
                yield node.returns
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif isinstance(node, ast.JoinedStr):
            yield node


def places(path: Path) -> Iterator[tuple[tuple[int, int], str, int]]:
    """Where cosmic-ray changes a module: the position, the operator, the number of the occurrence."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    source = path.read_text(encoding="utf-8")
    out = [(n.lineno, n.col_offset, n.end_lineno, n.end_col_offset) for n in left_out(ast.parse(source))]  # type: ignore[attr-defined]
    nodes, lines = list(ast_nodes(get_ast_from_path(path))), source.splitlines()
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue
        found = (start for node in nodes for start, _ in operator().mutation_positions(node))
        for occurrence, start in enumerate(found):
            silent = SILENT.search(lines[start[0] - 1]) and name.endswith("RemoveDecorator")
            if not silent and not any(one[:2] <= tuple(start) < one[2:] for one in out):
                yield tuple(start), name, occurrence


def drawn(count: int, seed: int) -> list[Mutant]:
    """A sample of mutants: of each place and kind of change one, in proportion over the modules."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    draw = random.Random(seed)
    modules: dict[Path, list[tuple[tuple[int, int], str, int]]] = {}
    for path in sorted(file for package in PACKAGES for file in (ROOT / "archscope" / package).glob("*.py")):
        sites = defaultdict(list)
        for place in places(path):
            sites[place[0], place[1].partition("_")[0]].append(place)
        modules[path] = [draw.choice(sites[site]) for site in sorted(sites)]
    every, chosen = sum(map(len, modules.values())), []
    for path, found in modules.items():
        source = path.read_text(encoding="utf-8")
        for start, name, occurrence in draw.sample(found, min(len(found), max(LEAST, count * len(found) // every))):
            changed = mutate_code(source, get_operator(name)(), occurrence)
            chosen.append(Mutant(str(path.relative_to(ROOT)), start[0], name, changed))
    draw.shuffle(chosen)
    return chosen


# -- which tests execute a line ----------------------------------------------------------------------------------------


class Covered(NamedTuple):
    """What a run of all tests has shown.

    Attributes:
        tests: by module and line, those that execute it.
        seconds: of each test.
    """

    tests: Mapping[str, Mapping[int, set[str]]]
    seconds: Mapping[str, float]

    def of(self, mutant: Mutant) -> list[str]:
        """The tests of a mutant: of the class that it changes first, then the quickest ones.

        What runs when a module is imported is the matter of all tests that execute any of it.
        """
        lines = self.tests[mutant.path]
        there = lines.get(mutant.line, set())
        if not there or "" in there:
            there = set().union(*lines.values())
        named = re.compile(rf"[\[-]{_class_at(mutant) or '$^'}[-\]]")
        return sorted(there - {""}, key=lambda test: (not named.search(test), self.seconds.get(test, 0.0), test))


def _class_at(mutant: Mutant) -> str | None:
    tree = ast.parse((ROOT / mutant.path).read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return next((node.name for node in classes if node.lineno <= mutant.line <= (node.end_lineno or 0)), None)


class Forgetting:
    """A plugin: each test begins with empty caches, so that it is seen to execute what it needs."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Forget what functions of archscope remember."""
        for one in gc.get_objects():
            if hasattr(type(one), "cache_clear") and str(getattr(one, "__module__", "")).startswith("archscope"):
                one.cache_clear()


def covered(folder: Path) -> Covered:
    """Run all tests once."""
    import coverage

    data, log = folder / "coverage", folder / "log"
    settings = folder / "settings"
    sources = ",".join(f"archscope/{package}" for package in PACKAGES)
    settings.write_text(f"[run]\nsource = {sources}\ndata_file = {data}\n", encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.mutants", "--cover", str(settings), "--out", str(log)]
    subprocess.run(command, cwd=ROOT, check=True)
    seconds: dict[str, float] = defaultdict(float)
    for time_, test in re.findall(r"^([\d.]+)s (?:call|setup) +(\S.*)$", log.read_text(encoding="utf-8"), re.M):
        seconds[test] += float(time_)
    found = coverage.CoverageData(str(data))
    found.read()
    tests = {
        str(Path(file).relative_to(ROOT)): {
            line: {context.partition("|")[0] for context in contexts}
            for line, contexts in found.contexts_by_lineno(file).items()
        }
        for file in found.measured_files()
    }
    return Covered(tests, seconds)
