"""The layout of the package: its page shows all of it, and the tests mirror it."""

import re
from pathlib import Path

import pytest

import archscope

PACKAGE = Path(archscope.__file__).parent
TESTS = Path(__file__).parent


def test_the_page_shows_every_room_and_file_at_the_top():
    page = TESTS.parent / "docs" / "contributing" / "architecture.md"
    text = page.read_text(encoding="utf-8").partition("## Layout\n")[2].split("```")[1]
    lines = re.findall(r"^  (\S.*?)(?:   |$)", text, re.MULTILINE)
    shown = {word.partition("/")[0] for line in lines for word in line.split("  ")}
    there = {one.name for one in PACKAGE.iterdir() if one.is_dir() or one.suffix == ".py"}
    assert shown == {name for name in there if not name.startswith("__")} - {"specs"}  # a wheel has them inside


@pytest.mark.parametrize("room", sorted(one.name for one in PACKAGE.iterdir() if (one / "__init__.py").exists()))
def test_every_room_has_its_tests(room):
    assert list((TESTS / room).rglob("test_*.py"))


def test_every_room_of_tests_is_a_room_of_the_package():
    rooms = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path("fuzz")}
    assert not [room for room in rooms if not (PACKAGE / room).is_dir()]
