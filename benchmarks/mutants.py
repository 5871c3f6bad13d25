"""Mutation testing: change one thing in a module, and see whether a test falls.

    pip install cosmic-ray pytest-cov
    python -m benchmarks.mutants archscope/ops archscope/analysis --count 1000 --out mutants.jsonl

cosmic-ray says what may be changed; of each place and kind of change one mutant is drawn, over all modules in
proportion, and a dozen of each at least. Left out is what is equal by construction: annotations, texts with values in
them, decorators that only remember. The tests run once under coverage, which tells who executes which line. Each mutant
is run by a fork of a process that has torch imported and nothing of archscope: the fork imports archscope, the mutant
in its place, and runs the tests that execute the line, those of the same op first, then the quickest, for ``--cap``
seconds at most. A test that falls or hangs kills it. Who survives is judged by hand: ``reports/mutation.md``.
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
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import pytest

ROOT = Path(__file__).parent.parent
#: mutants of each module at least; seconds that a run may take, and for each second of its tests
LEAST, START, PATIENCE = 12, 30, 4
#: decorators without which a test sees no difference
SILENT = re.compile(r"@(functools\.)?(lru_cache|cache|abstractmethod|final|overload|override)\b")
#: plugins that take time and tell nothing here
PLUGINS = ("cacheprovider", "xdist", "benchmark", "faulthandler", "unraisableexception", "threadexception")
OPTIONS = [
    "-q", "-x", "-o", "addopts=", "-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning",
    *(word for name in PLUGINS for word in ("-p", f"no:{name}")),
]  # fmt: skip


class Mutant(NamedTuple):
    """A module with one thing changed, on a line of it."""

    path: str
    line: int
    operator: str
    source: str

    def difference(self) -> list[str]:
        """The lines that differ, as they were and as they are."""
        lines = difflib.unified_diff(_lines(self.path), self.source.splitlines(), lineterm="", n=0)
        return [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]


@cache
def _lines(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


@cache
def _classes(path: str) -> dict[int, str]:
    """The class that each line of a module belongs to."""
    tree = ast.parse("\n".join(_lines(path)))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {line: node.name for node in classes for line in range(node.lineno, (node.end_lineno or 0) + 1)}


# -- mutants -----------------------------------------------------------------------------------------------------------


def _left_out(tree: ast.Module) -> Iterator[Any]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.arg, ast.AnnAssign)) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.JoinedStr):
            yield node


def _places(path: str) -> Iterator[tuple[tuple[int, int], str, int]]:
    """Where a module may be changed: the position, by which operator, the number of its occurrence."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    lines = _lines(path)
    text = "\n".join(lines)
    out = [(n.lineno, n.col_offset, n.end_lineno, n.end_col_offset) for n in _left_out(ast.parse(text))]
    nodes = list(ast_nodes(get_ast(text)))
    for name in operator_names():
        if get_operator(name).arguments():
            continue
        starts = (start for node in nodes for start, _ in get_operator(name)().mutation_positions(node))
        for occurrence, (line, column) in enumerate(starts):
            silent = name.endswith("RemoveDecorator") and SILENT.search(lines[line - 1])
            if not silent and not any(one[:2] <= (line, column) < one[2:] for one in out):
                yield (line, column), name, occurrence


def drawn(modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """A sample of the mutants of some modules."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    draw, found = random.Random(seed), {}
    for path in modules:
        sites = defaultdict(list)
        for place in _places(path):
            sites[place[0], place[1].partition("_")[0]].append(place)
        found[path] = [draw.choice(sites[site]) for site in sorted(sites)]
    every, chosen = sum(map(len, found.values())), []
    for path, places in found.items():
        share = min(len(places), max(LEAST, round(count * len(places) / max(every, 1))))
        for (line, _), name, occurrence in draw.sample(places, share):
            changed = mutate_code("\n".join(_lines(path)) + "\n", get_operator(name)(), occurrence)
            chosen.append(Mutant(path, line, name, changed))
    draw.shuffle(chosen)
    return chosen


# -- the tests of a line -----------------------------------------------------------------------------------------------


class Covered(NamedTuple):
    """What a run of all tests has shown.

    Attributes:
        tests: by module and line, those that execute it.
        seconds: that each test takes.
    """

    tests: Mapping[str, Mapping[int, set[str]]]
    seconds: Mapping[str, float]

    def of(self, mutant: Mutant, cap: float) -> tuple[list[str], float]:
        """The tests that are run for a mutant, and how long they take.

        What is executed by an import is the matter of all tests that execute any of the module, have the name of the
        class, or stand in the module's own file of tests: some only look at what is declared.
        """
        lines = self.tests.get(mutant.path, {})
        there = lines.get(mutant.line, set())
        named = re.compile(rf"[\[-]{_classes(mutant.path).get(mutant.line, '$^')}[-\]]")
        if not there or "" in there:
            _, *rooms, name = Path(mutant.path).parts
            own = "/".join(["tests", *rooms, f"test_{name}::"])
            there = set().union(*lines.values(), (t for t in self.seconds if t.startswith(own) or named.search(t)))
        chosen, total = [], 0.0
        for test in sorted(there - {""}, key=lambda one: (not named.search(one), self.seconds.get(one, 0.0), one)):
            total += self.seconds.get(test, 0.0)
            if chosen and total > cap:
                break
            chosen.append(test)
        return chosen, total


class Watching:
    """A plugin: each test begins with empty caches, so that it executes what it needs; how long it takes is kept."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.caches: list[Any] = []

    def pytest_collection_finish(self) -> None:
        """All modules are imported by now."""
        self.caches = [one for one in gc.get_objects() if type(one) is type(_lines) and "archscope" in one.__module__]

    def pytest_runtest_setup(self) -> None:
        """Forget what functions remember."""
        for one in self.caches:
            one.cache_clear()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a part of a test."""
        self.seconds[report.nodeid] += report.duration


def covered(modules: Sequence[str], tests: Sequence[str]) -> Covered:
    """Run the tests once, in a process of their own."""
    import coverage

    with TemporaryDirectory() as folder:
        data, times = Path(folder, "coverage"), Path(folder, "times")
        settings = Path(folder, "settings")
        listed = "\n    ".join(modules)
        settings.write_text(f"[run]\ninclude =\n    {listed}\ndata_file = {data}\n", encoding="utf-8")
        if not (child := os.fork()):
            watching = Watching()
            more = ["-p", "pytest_cov", "--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
            code = pytest.main([*(word for word in OPTIONS if word != "-x"), *more, *tests], plugins=[watching])
            times.write_text(json.dumps(watching.seconds), encoding="utf-8")
            os._exit(code)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise click.ClickException("a test falls without any mutant")
        found = coverage.CoverageData(str(data))
        found.read()
        executed = {
            path: {
                line: {context.partition("|")[0] for context in contexts}
                for line, contexts in found.contexts_by_lineno(str(ROOT / path)).items()
            }
            for path in modules
        }
        return Covered(executed, json.loads(times.read_text(encoding="utf-8")))


# -- runs --------------------------------------------------------------------------------------------------------------


class Chosen:
    """A plugin: the tests that are asked for, in that order, and the first that falls."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.places = {test: place for place, test in enumerate(tests)}
        self.fallen = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep those, in their order."""
        items[:] = sorted((i for i in items if i.nodeid in self.places), key=lambda item: self.places[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember who falls."""
        self.fallen = report.nodeid if report.failed else self.fallen


def _prepare() -> None:
    """Import what takes long and is not changed; a run of nothing imports pytest's own parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fvcore.nn  # noqa: F401
        import hypothesis.strategies  # noqa: F401
        import networkx  # noqa: F401
        import pandas  # noqa: F401
        import torch

    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*OPTIONS, "--collect-only", "--noconftest", str(ROOT / "benchmarks" / "mutants.py")])
    assert not any(name.partition(".")[0] in ("archscope", "tests") for name in sys.modules)
    gc.collect()
    gc.freeze()


def _put(mutant: Mutant) -> None:
    """Let a later import of the module find the mutant."""
    from hypothesis import Phase, settings

    original, register = importlib.machinery.SourceFileLoader.get_code, settings.register_profile

    def get_code(loader: Any, name: str) -> Any:
        there = loader.path == str(ROOT / mutant.path)
        return compile(mutant.source, loader.path, "exec", dont_inherit=True) if there else original(loader, name)

    def unshrunk(name: str, *args: Any, **options: Any) -> None:
        register(name, *args, **options, phases=(Phase.explicit, Phase.generate))

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
    type.__setattr__(settings, "register_profile", staticmethod(unshrunk))


def outcome(mutant: Mutant, tests: Sequence[str], limit: float) -> tuple[str, str]:
    """What becomes of a mutant: ``killed``, ``hangs`` or ``survives``; and by which test."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        _put(mutant)
        chosen = Chosen(tests)
        code = pytest.main([*OPTIONS, *sorted({test.partition("::")[0] for test in tests})], plugins=[chosen])
        os.write(writing, json.dumps(["killed" if code else "survives", chosen.fallen]).encode())
        os._exit(0)
    os.close(writing)
    ready, *_ = select.select([reading], [], [], limit)
    text = os.read(reading, 1 << 16) if ready else b""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    state, by = json.loads(text) if text else ("killed" if ready else "hangs", "")
    return state, by


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--tests", multiple=True, default=["tests/ops", "tests/analysis", "tests/autograd"], show_default=True)
@click.option("--count", default=600, show_default=True, help="How many mutants are drawn.")
@click.option("--seed", default=16, show_default=True)
@click.option("--cap", default=25.0, show_default=True, help="Seconds of tests for each.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="One line of JSON for each.")
def main(sources: tuple[str, ...], tests: tuple[str, ...], count: int, seed: int, cap: float, out: Path) -> None:
    """Draw mutants of SOURCES (modules, folders) and see who survives."""
    os.chdir(ROOT)
    files = (file for one in map(Path, sources) for file in (sorted(one.rglob("*.py")) if one.is_dir() else [one]))
    modules = [str(file) for file in files]
    mutants, found = drawn(modules, count, seed), covered(modules, tests)
    _prepare()
    with out.open("w", encoding="utf-8") as lines:
        for mutant in mutants:
            chosen, seconds = found.of(mutant, cap)
            began = time.monotonic()
            state, by = outcome(mutant, chosen, START + PATIENCE * seconds) if chosen else ("no test", "")
            told = {"path": mutant.path, "line": mutant.line, "operator": mutant.operator, "state": state, "by": by}
            told |= {"seconds": round(time.monotonic() - began, 1), "difference": mutant.difference()}
            lines.write(json.dumps(told) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
