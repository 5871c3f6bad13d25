"""Designs from paths, names, texts and standard input, with variables and sizes from outside."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import archscope
from archscope.errors import SpecError, UsageError
from archscope.spec import reader
from archscope.spec.library import names

TEXT = """name: net
input: [3, 8, 8]
vars: {w: 4, act: ReLU, sizes: [1, 2], twice: 2 * w}
layers:
  - Conv2d: {out_channels: w, kernel_size: 1}
  - act
"""


UNCLOSED = "is not closed, or what stands in it is not separated by commas"


def only(**options: Any) -> Any:
    """The one mistake of TEXT with options; that nothing reads some of its variables is warned of besides."""
    with pytest.raises(SpecError) as caught:
        archscope.load(TEXT, **options)
    (told,) = (one for one in caught.value.diagnostics if one.severity == "error")
    return told


def test_text_paths_and_standard_input_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    design = archscope.load(TEXT)
    assert archscope.load(path) == archscope.load(str(path)) == archscope.load("-") == design
    assert (design.file, archscope.load(path).file) == ("<text>", str(path))


def test_the_suffix_may_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    assert archscope.load("net") == archscope.load("./net") == archscope.load(tmp_path / "net") == archscope.load(TEXT)


def test_names_of_designs_that_ship() -> None:
    assert "resnet50" in names()
    assert archscope.load("resnet50").name == "ResNet-50"


def test_a_path_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50.yaml").write_text(TEXT)
    assert archscope.load("resnet50").name == "net"


def test_a_misspelt_name() -> None:
    with pytest.raises(SpecError) as caught:
        archscope.load("resnet5O")
    assert str(caught.value) == "error: there is no file or design called resnet5O\n  hint: did you mean `resnet50`?"
    with pytest.raises(SpecError, match=r"there is no file gone\.yaml\n  hint: `archscope list` shows"):
        archscope.load("gone.yaml")


def test_standard_input_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"#" * (5 * 2**20))))
    with pytest.raises(SpecError, match="<stdin> has more than 4,194,304 bytes, the most that a spec has"):
        archscope.load("-")


# -- variables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "width"),
    [(8, 8), ("8", 8), ("4 * 4", 16), (8.0, 8), (np.int64(8), 8), (np.float64(8), 8), (True + 1, 2), ("'3'", 3)],
)
def test_a_variable_is_set(value: Any, width: int) -> None:
    design = archscope.load(TEXT, set={"w": value})
    assert design.layers[0].op.out_channels == width
    assert dict(design.vars)["twice"] == 2 * width


def test_lists_words_and_nothing_are_set() -> None:
    for value in ([3, 4], (3, 4), "[3, 4]", "[3, 2 * 2]", np.array([3, 4]).tolist()):
        assert dict(archscope.load(TEXT, set={"sizes": value}).vars)["sizes"] == (3, 4)
    assert archscope.load(TEXT, set={"act": "GELU"}).layers[1].kind == "GELU"
    assert dict(archscope.load(TEXT, set={"sizes": None}).vars)["sizes"] is None
    assert dict(archscope.load(TEXT, set={"sizes": ""}).vars)["sizes"] is None
    assert dict(archscope.load(TEXT, set={"sizes": ["a", ["b", True]]}).vars)["sizes"] == ("a", ("b", True))


def test_a_set_variable_uses_those_above_it() -> None:
    assert dict(archscope.load(TEXT, set={"twice": "3 * w", "w": 5}).vars)["twice"] == 15


def test_an_element_of_a_list_is_set() -> None:
    values = {"sizes": [3, 4], "sizes[1]": "2 * w"}
    assert dict(archscope.load(TEXT, set=values).vars)["sizes"] == (3, 8)
    values = {"sizes[0]": 7, "sizes": "[1, 2]", "sizes[1]": [5]}
    assert dict(archscope.load(TEXT, set=values).vars)["sizes"] == (7, (5,))


def test_an_element_that_is_set_makes_the_design_of_the_whole_list() -> None:
    one, whole = (archscope.load("densenet121", set=each) for each in ({"depths[1]": 3}, {"depths": [6, 3, 24, 16]}))
    assert one == whole != archscope.load("densenet121")


def test_setting_the_same_value_is_the_same_design() -> None:
    assert archscope.load(TEXT, set={"w": 4}) == archscope.load(TEXT)
    assert archscope.load(TEXT, set={"w": 5}) != archscope.load(TEXT)


@pytest.mark.parametrize(
    ("name", "value", "shown", "column", "message"),
    [
        ("width", 3, "width=3", 1, "the design has no variable `width`"),
        ("width[0]", 3, "width[0]=3", 1, "the design has no variable `width`"),
        ("w[0]", 3, "w[0]=3", 1, "`w` is 4, no list"),
        ("sizes[2]", 3, "sizes[2]=3", 1, "`sizes` has 2 elements"),
        ("sizes[0]", "1 / 0", "sizes[0]=1 / 0", 10, "division by zero: `0` is 0"),
        ("w", "1 +", "w=1 +", 3, "not an expression: invalid syntax"),
        ("w", "2 * act", "w=2 * act", 7, "the variable `act` has no value yet"),
        ("w", "2 * wdth", "w=2 * wdth", 7, "unknown name `wdth`"),
        ("w", "w", "w=w", 3, "the variable `w` has no value yet"),
        ("w", "[", "w=[", 3, "not YAML: did not find expected node content"),
        ("w", "[1, 2", "w=[1, 2", 3, f"not YAML: this `[` {UNCLOSED}"),
        ("w", "{a: 1}", "w={a: 1}", 3, "a variable is a number, a word or a list"),
        ("w", "[1, {a: 1}]", "w=[1, {a: 1}]", 7, "a variable is a number, a word or a list"),
        ("w", "*a", "w=*a", 3, "there is no anchor &a before this alias"),
        ("w", "!tag x", "w=!tag x", 3, "the tag !tag has no meaning in a spec"),
        ("w", {"a": 1}, "w={'a': 1}", 3, "a variable is a number, a word or a list, not dict"),
        ("w", b"8", "w=b'8'", 3, "a variable is a number, a word or a list, not bytes"),
        ("w", 3j, "w=3j", 3, "a variable is a number, a word or a list, not complex"),
        ("w", float("nan"), "w=nan", 3, "a number is finite and has at most 256 bits"),
        ("w", float("inf"), "w=inf", 3, "a number is finite and has at most 256 bits"),
        ("w", 10**100, f"w={10**100}", 3, "a number is finite and has at most 256 bits"),
        ("w", "\ud800", "w=\ud800", 3, "the character U+D800 cannot stand in a spec"),
    ],
)  # fmt: skip
def test_mistakes_in_what_is_set(name: str, value: Any, shown: str, column: int, message: str) -> None:
    told = only(set={name: value})
    assert (told.message, told.mark.column, told.mark.line, told.mark.source.text) == (message, column, 1, shown)


def test_numbers_that_python_does_not_print() -> None:
    for options in ({"set": {"w": 10**5000}}, {"input": (3, 10**5000, 3)}):
        told = only(**options)
        assert told.message == "a number is finite and has at most 256 bits"
        assert told.mark.source.text.endswith("=...")


def test_a_misspelt_variable_has_a_hint() -> None:
    assert only(set={"siezs": 3}).hint == "did you mean `sizes`?"
    assert only(set={"xyz": 3}).hint == "variables: w, act, sizes, twice"


def test_a_wrong_value_is_told_where_it_is_used() -> None:
    told = only(set={"w": 0})
    assert told.message == "`out_channels` of Conv2d: expected an integer of at least 1, got 0"
    assert str(told.mark) == "<text>:5:28"


# -- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [(3, 16, 12), [3, 16, 12], (3, np.int64(16), 12.0), ("3", "16", "4 * 3"), ["w - 1", 16, 12]]
)
def test_the_input_is_replaced(size: Any) -> None:
    assert archscope.load(TEXT, input=size).inputs[0].shape == (3, 16, 12)
    assert archscope.load(TEXT, input={"input": size}).inputs[0].shape == (3, 16, 12)


def test_one_of_several_inputs_is_replaced() -> None:
    text = "inputs: {a: [3], b: {shape: [4], dtype: int64}}\nlayers: [ReLU]\n"
    assert [node.shape for node in archscope.load(text, input=(5,)).inputs] == [(5,), (4,)]
    changed = archscope.load(text, input={"b": (5,)}).inputs
    assert [(node.shape, node.dtype) for node in changed] == [((3,), None), ((5,), "int64")]


@pytest.mark.parametrize(
    ("size", "shown", "message"),
    [
        ((3, 0, 3), "input=[3, 0, 3]", "expected an integer of at least 1, got 0"),
        ((3, -1, 3), "input=[3, -1, 3]", "expected an integer of at least 1, got -1"),
        ((3, 2.5, 3), "input=[3, 2.5, 3]", "expected an integer of at least 1, got 2.5"),
        ((3, "x", 3), "input=[3, 'x', 3]", "expected an integer of at least 1, got 'x'"),
        ((3, None, 3), "input=[3, None, 3]", "expected an integer of at least 1, got nothing"),
        ((3, 2**70, 3), f"input=[3, {2**70}, 3]", f"{2**70} is larger than any tensor can be (2^63 - 1)"),
        ({"image": (3, 4, 4)}, "image=[3, 4, 4]", "the design has no input `image`"),
        ((3, 4), "input", "Conv2d needs (N, C, H, W); what arrives is (N, 3, 4)"),
    ],
)
def test_mistakes_in_sizes(size: Any, shown: str, message: str) -> None:
    told = only(input=size)
    assert told.message == message
    assert shown in (told.mark.source.text, "input")


@pytest.mark.parametrize("size", [3, "3x8x8", "388", {"input": 3}, 3.5])
def test_what_is_no_size_at_all(size: Any) -> None:
    with pytest.raises(UsageError, match="the input `input` is a list of sizes such as"):
        archscope.load(TEXT, input=size)


def test_a_library_is_parsed_once_until_it_changes(tmp_path, monkeypatch):
    """Two designs that include it, and one that does when it says something else."""
    parsed = []
    compose = reader._Composer.compose
    monkeypatch.setattr(reader._Composer, "compose", lambda self: parsed.append(self._source.text) or compose(self))
    text = "blocks: {{block(): [{{Linear: {width}}}, ReLU]}}\n"
    library = tmp_path / "library.yaml"
    library.write_text(text.format(width=5))
    spec = "include: library.yaml\ninput: [3]\nlayers: [block]\n"
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(f"name: {name}\n{spec}")
    one, two = (archscope.load(tmp_path / name) for name in ("one.yaml", "two.yaml"))
    assert parsed.count(library.read_text()) == 1
    assert archscope.analyze(one).total.params == archscope.analyze(two).total.params == 3 * 5 + 5
    library.write_text(text.format(width=7))
    assert archscope.analyze(archscope.load(tmp_path / "one.yaml")).total.params == 3 * 7 + 7
