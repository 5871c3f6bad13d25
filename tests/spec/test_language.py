"""The version of the spec language at the top of a spec."""

from __future__ import annotations

import pytest
import yaml
from jsonschema import Draft202012Validator

import archscope
from archscope.spec.schema import schema
from archscope.spec.writer import to_yaml
from tests.spec.asking import Mistake, check, each, messages

TAIL = "input: [3]\nlayers: [ReLU]\n"
NUMBER = "the version of the spec language is a whole number"
HINT = "as in `archscope: 1`"

MISTAKES = [
    Mistake(
        "a newer one",
        f"archscope: 2\n{TAIL}",
        "1:12",
        "2",
        "version 2 of the spec language; this archscope reads version 1",
        "`pip install --upgrade archscope`",
    ),
    Mistake("a word", f"archscope: x\n{TAIL}", "1:12", "x", NUMBER, HINT),
    Mistake("text", f"archscope: '1'\n{TAIL}", "1:12", "'1'", NUMBER, HINT),
    Mistake("a flag", f"archscope: true\n{TAIL}", "1:12", "true", NUMBER, HINT),
    Mistake("a release", f"archscope: 0.1\n{TAIL}", "1:12", "0.1", NUMBER, HINT),
    Mistake("none yet", f"archscope: 0\n{TAIL}", "1:12", "0", NUMBER, HINT),
    Mistake("a list", f"archscope: [1]\n{TAIL}", "1:12", "[1]", NUMBER, HINT),
]


@each(MISTAKES)
def test_what_is_no_version_that_is_read(mistake: Mistake) -> None:
    check(mistake)


@pytest.mark.parametrize("mistake", [pytest.param(mistake, id=mistake.title) for mistake in MISTAKES])
def test_the_schema_refuses_it_as_well(mistake: Mistake) -> None:
    assert list(Draft202012Validator(schema()).iter_errors(yaml.safe_load(mistake.text)))


def test_it_may_stand_anywhere_or_nowhere_and_changes_nothing() -> None:
    plain = archscope.load(TAIL)
    assert archscope.load(f"archscope: 1\n{TAIL}") == plain
    assert archscope.load(f"{TAIL}archscope: 1\n") == plain


def test_of_a_newer_one_nothing_else_is_told() -> None:
    """What is wrong by the rules of today may be right by those of tomorrow."""
    assert messages(f"outputss: x\narchscope: 7\n{TAIL}") == [
        "version 7 of the spec language; this archscope reads version 1"
    ]


def test_each_file_has_its_own(tmp_path) -> None:
    (tmp_path / "blocks.yaml").write_text("archscope: 3\nblocks: {f: [ReLU]}\n", encoding="utf-8")
    (tmp_path / "net.yaml").write_text(f"archscope: 1\ninclude: blocks.yaml\n{TAIL}", encoding="utf-8")
    with pytest.raises(archscope.SpecError, match=r"blocks\.yaml:1:12: error: version 3 of the spec language"):
        archscope.load(tmp_path / "net.yaml")


def test_what_is_written_says_it() -> None:
    text = to_yaml(archscope.load(TAIL))
    assert text.startswith("archscope: 1\n")
    assert archscope.load(text).layers == archscope.load(TAIL).layers
