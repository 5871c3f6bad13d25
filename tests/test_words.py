"""Names say what they hold: nothing (a variable, a function, a class) is called by a participle that fits all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import archscope

PACKAGE = Path(archscope.__file__).parent
#: what was found, given, ... is called after what it is
PARTICIPLES = {"found", "given", "kept", "known", "laid", "told"}


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What a module names, and what it calls by a name, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.arg | ast.keyword) and node.arg is not None:
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def named_so(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Those that are participles, with underscores or without."""
    return ((name, line) for name, line in names(tree) if _plain(name) in PARTICIPLES)


def _plain(name: str) -> str:
    """A name without underscores; of a class, without its capital. Constants are written in capitals."""
    word = name.strip("_")
    return word if word.isupper() else word[:1].lower() + word[1:]


def test_participles_name_nothing() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert len(paths) > 300
    named = [(path.relative_to(PACKAGE), *one) for path in paths for one in named_so(ast.parse(path.read_text()))]
    assert named == []


def test_that_test_can_fail() -> None:
    text = "class _Laid:\n    kept: int\n    def _told(self, given, *, laid_out):\n"
    text += "        self.found = f(known=known_to)\n"
    named = [("_Laid", 1), ("_told", 3), ("found", 4), ("given", 3), ("kept", 2), ("known", 4)]
    assert sorted(named_so(ast.parse(text))) == named
