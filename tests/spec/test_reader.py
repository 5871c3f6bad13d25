"""YAML with positions, and what is wrong with YAML."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

import archscope
from archscope.errors import SpecError
from archscope.errors.diagnostics import Source
from archscope.spec.limits import LARGEST_FILE
from archscope.spec.reader import ListNode, MapNode, ScalarNode, read
from tests.spec.asking import Mistake, check, each, layers, messages, mistakes, place

MISTAKES = [
    Mistake(
        "tabs",
        "input: [3]\nlayers:\n\t- ReLU\n",
        "3:1",
        "\t",
        "not YAML: found character that cannot start any token",
        "indent by spaces: YAML allows no tabs",
    ),
    Mistake(
        "an open bracket",
        "input: [3, 4\nlayers: [ReLU]\n",
        "1:8",
        "[",
        "not YAML: this `[` is not closed, or what stands in it is not separated by commas",
        "noticed on line 2",
    ),
    Mistake(
        "an open brace",
        "input: [3]\nlayers:\n  - Linear: {out_features: 3\n  - ReLU\n",
        "3:13",
        "{",
        "not YAML: this `{` is not closed, or what stands in it is not separated by commas",
        "noticed on line 5",
    ),
    Mistake(
        "an open quote",
        'name: "abc\ninput: [3]\nlayers: [ReLU]\n',
        "1:7",
        '"',
        "not YAML: this quote is not closed",
        "noticed on line 4",
    ),
    Mistake(
        "two colons",
        "input: [3]\nname: a: b\nlayers: [ReLU]\n",
        "2:8",
        ":",
        "not YAML: mapping values are not allowed in this context",
        "a colon inside a value needs quotes, or the line above is indented differently",
    ),
    Mistake(
        "an index in a flow list",
        "input: [3]\nvars: {d: [4]}\nlayers: [Linear: d[0]]\n",
        "3:19",
        "[",
        "not YAML: did not find expected ',' or ']'",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: 'd[0]'",
    ),
    Mistake(
        "a call in a flow mapping",
        "input: [3]\nvars: {w: [4], a: 2}\nlayers:\n  - {Linear: {out_features: int(w[0] * a)}}\n",
        "4:39",
        " ",
        "not YAML: did not find expected alphabetic or numeric character",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: 'int(w[0] * a)'",
    ),
    Mistake(
        "a call with a comma",
        "input: [3]\nvars: {w: [4], a: 2}\nlayers:\n  - Linear: {bias: false, out_features: max(w[0], a)}\n",
        "4:46",
        "[",
        "not YAML: did not find expected ',' or '}'",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: 'max(w[0], a)'",
    ),
    Mistake(
        "a call that its comma parts",
        "input: [3]\nlayers:\n  - Constant: {shape: [2, 2], value: arange(start=0, step=2, dim=0)}\n",
        "3:38",
        "arange(start=0, step=2, dim=0)",
        "a comma parts `arange(start=0, step=2, dim=0)` here",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: 'arange(start=0, step=2, dim=0)'",
    ),
    Mistake(
        "a beginning that its comma parts",
        "input: [3]\nlayers:\n  - Parameter: {init: uniform(b=-1, a=1), shape: [2]}\n",
        "3:23",
        "uniform(b=-1, a=1)",
        "a comma parts `uniform(b=-1, a=1)` here",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: 'uniform(b=-1, a=1)'",
    ),
    Mistake(
        "arithmetic that its comma parts",
        "input: [3]\nlayers:\n  - Linear: {out_features: 2 * max(4, 8)}\n",
        "3:28",
        "2 * max(4, 8)",
        "a comma parts `2 * max(4, 8)` here",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: '2 * max(4, 8)'",
    ),
    Mistake(
        "a size in a list that its comma parts",
        "input: [3, max(8, 2), 8]\nlayers: [ReLU]\n",
        "1:12",
        "max(8, 2)",
        "a comma parts `max(8, 2)` here",
        "inside [...] and {...} a value with brackets, commas or * needs quotes: 'max(8, 2)'",
    ),
    Mistake(
        "a layer without the colon that its condition needs",
        "input: [3]\nlayers:\n  - ReLU\n      when: true\n",
        "4:11",
        ":",
        "not YAML: mapping values are not allowed in this context",
        "a layer of which more is said has a colon: `- ReLU:`; then `when:`, in the column of its name",
    ),
    Mistake(
        "a layer without the colon that its arguments need",
        "input: [3]\nlayers:\n  - Linear\n      out_features: 3\n",
        "4:19",
        ":",
        "not YAML: mapping values are not allowed in this context",
        "a layer of which more is said has a colon: `- Linear:`; then `out_features:`, deeper than its name",
    ),
    Mistake(
        "a name below a bare value",
        "input: [3]\nlayers:\n  - Linear: 10\n      name: x\n",
        "4:11",
        ":",
        "not YAML: mapping values are not allowed in this context",
        "`name:` begins in the column of `Linear:`, or both are arguments in {...}",
    ),
    Mistake(
        "entries that do not line up",
        "input: [3]\nlayers:\n  - ReLU\n - ReLU\n",
        "4:2",
        "-",
        "not YAML: did not find expected key",
        "the entries of one list or mapping begin in the same column",
    ),
    Mistake(
        "a key without a colon",
        "input: [3]\nlayers\n",
        "3:1",
        "",
        "not YAML: could not find expected ':'",
        "a key ends with a colon; a value that goes on in the next line is indented",
    ),
    Mistake(
        "an at sign",
        "input: [3]\nname: @a\n",
        "2:7",
        "@",
        "not YAML: found character that cannot start any token",
        "a value that begins so needs quotes",
    ),
    Mistake(
        "a percent sign",
        "input: [3]\nname: %a\n",
        "2:7",
        "%",
        "not YAML: found character that cannot start any token",
        "a value that begins so needs quotes",
    ),
    Mistake(
        "a star",
        "input: [3]\nlayers:\n  - Linear: *w\n",
        "3:13",
        "*w",
        "there is no anchor &w before this alias",
        "a value that begins with * needs quotes, unless it repeats an earlier &value",
    ),
    Mistake(
        "the same key twice",
        "input: [3]\nlayers: [ReLU]\ninput: [4]\n",
        "3:1",
        "input",
        "`input` stands twice in this mapping (first on line 1)",
    ),
    Mistake(
        "the same argument twice",
        "input: [3]\nlayers:\n  - Linear: {out_features: 3, out_features: 4}\n",
        "3:31",
        "out_features",
        "`out_features` stands twice in this mapping (first on line 3)",
    ),
    Mistake(
        "a missing key",
        "input: [3]\n: 4\nlayers: [ReLU]\n",
        "2:1",
        ":",
        "not YAML: did not find expected key",
        "the entries of one list or mapping begin in the same column",
    ),
    Mistake(
        "a list as a key",
        "[a, b]: 3\n",
        "1:1",
        "[a, b]",
        "a key must be a single word",
        "quote it if it holds brackets or braces",
    ),
    Mistake(
        "a mapping as a key",
        "{a: b}: 3\n",
        "1:1",
        "{a: b}",
        "a key must be a single word",
        "quote it if it holds brackets or braces",
    ),
    Mistake(
        "a merge key",
        "input: [3]\nlayers:\n  - Linear: &a {out_features: 3}\n  - Linear: {<<: *a}\n",
        "4:14",
        "<<",
        "merge keys are no part of the spec language",
        "what several layers share goes into a block",
    ),
    Mistake(
        "a Python tag",
        "input: !!python/object/apply:os.system ['ls']\n",
        "1:8",
        "!!python/object/apply:os.system [",
        "the tag tag:yaml.org,2002:python/object/apply:os.system has no meaning in a spec",
    ),
    Mistake("a tag", "name: !foo 3\n", "1:7", "!foo 3", "the tag !foo has no meaning in a spec"),
    Mistake(
        "two documents",
        "input: [3]\nlayers: [ReLU]\n---\nname: b\n",
        "3:1",
        "---",
        "a second document begins here; a spec is one",
    ),
    Mistake(
        "an alias inside its own anchor",
        "vars:\n  a: &a [1, *a]\n",
        "2:13",
        "*a",
        "&a contains itself through this alias",
    ),
    Mistake(
        "a control character",
        "input: [3]\nname: a\x1b[31m\n",
        "2:8",
        "\x1b",
        "the character U+001B cannot stand in a spec",
    ),
    Mistake("a NUL", "input: [3]\nname: a\x00\n", "2:8", "\x00", "the character U+0000 cannot stand in a spec"),
    Mistake(
        "half a surrogate pair",
        "input: [3]\nname: \ud800\n",
        "2:7",
        "\ud800",
        "the character U+D800 cannot stand in a spec",
    ),
    Mistake(
        "a half in an escape", 'name: "\\ud800"\n', "1:10", "d", "not YAML: found invalid Unicode character escape code"
    ),
    Mistake("a YAML version", "%YAML 1.3\n---\nname: a\n", "1:1", "%", "not YAML: found incompatible YAML document"),
]


@each(MISTAKES)
def test_mistakes(mistake: Mistake) -> None:
    check(mistake)


def values(text: str) -> dict[str, object]:
    node = read(Source("test", text))
    assert isinstance(node, MapNode)
    return {key: value.value for key, value in node.entries.items() if isinstance(value, ScalarNode)}


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "a: 1e6\nb: no\nc: 0o7\nd: 1_000\ne: true\nf: ~\ng: \nh: '3'\ni: .5\nj: -3\nk: True\nl: 1.\nm: 1e400\n"
    text += "n: -.inf\no: .inf\n"
    assert values(text) == {
        "a": 1e6, "b": "no", "c": "0o7", "d": 1000, "e": True, "f": None, "g": None, "h": "3", "i": 0.5, "j": -3,
        "k": "True", "l": 1.0, "m": "1e400", "n": -math.inf, "o": math.inf,
    }  # fmt: skip


def test_keys_and_names_are_read_as_they_are_written() -> None:
    assert list(values("1: a\n1.50: b\ntrue: c\n~: d\n'e f': e\n1_0: f\n")) == ["1", "1.50", "true", "~", "e f", "1_0"]
    assert archscope.load("name: 1e3\ninput: [3]\nlayers: [ReLU]\n").name == "1e3"


def test_every_value_knows_its_place() -> None:
    node = read(Source("test", "a:\n  - [1, {b: two}]\n"))
    assert isinstance(node, MapNode)
    outer = node.entries["a"]
    assert isinstance(outer, ListNode)
    inner = outer.items[0]
    assert isinstance(inner, ListNode)
    mapping = inner.items[1]
    assert isinstance(mapping, MapNode)
    marks = [outer.mark, inner.mark, inner.items[0].mark, mapping.mark, mapping.keys["b"], mapping.entries["b"].mark]
    assert [(m.line, m.column, m.length) for m in marks] == [
        (2, 3, 1), (2, 5, 13), (2, 6, 1), (2, 9, 8), (2, 10, 1), (2, 13, 3)
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["\n", "# a note\n# and another\n", "---\n", "---\n...\n", "~\n", "\ufeff\n"])
def test_nothing_in_it(text: str) -> None:
    (told,) = mistakes(text)
    assert (told.message, told.hint) == ("<text> is empty", "a spec has at least `input:` and `layers:`")
    assert str(told.mark).startswith("<text>:")


def test_a_hundred_levels_are_enough() -> None:
    (told,) = mistakes("vars:\n  a: " + "[" * 101 + "\n")
    assert (told.message, place(told)) == ("more than 100 levels of nesting", "2:104")
    assert messages("vars:\n  " + "- " * 200) == ["more than 100 levels of nesting"]


@pytest.mark.parametrize("line_break", ["\r\n", "\r"])
def test_line_breaks_of_other_systems(line_break: str) -> None:
    (told,) = mistakes(line_break.join(["input: [3]", "layers:", "  - Linear: widht", ""]))
    assert place(told) == "3:13"
    assert "  3 |   - Linear: widht\n    |             ^^^^^\n" in told.render()


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    text = "input: [3]\nlayers: [ReLU]\n"
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert archscope.load(tmp_path / "bom.yaml") == archscope.load("\ufeff" + text) == archscope.load(text)


def test_lines_are_counted_as_yaml_counts_them() -> None:
    (told,) = mistakes("input: [3]\ndescription: a\u2028 b\x85 c\nlayers:\n  - Linear: widht\n")
    assert place(told) == "6:13"
    assert "|   - Linear: widht\n" in told.render()


def test_unicode_columns() -> None:
    (told,) = mistakes("input: [3]\nlayers: [{Linear: 1, name: 'größe 🎉'}]\n")
    assert place(told) == "2:28"
    (told,) = mistakes("input: [3]\nvars: {größe: 3}\nlayers:\n  - Linear: größe * groeße + 1\n")
    assert (place(told), told.hint) == ("4:21", "did you mean `größe`?")


def test_anchors_and_aliases_write_values_out() -> None:
    text = "input: [3, 8, 8]\nlayers:\n  - &conv\n    Conv2d: &a {out_channels: 3, kernel_size: 1}\n"
    text += "  - *conv\n  - Conv2d: *a\n  - Add: [&b [ReLU], *b]\n"
    assert layers(text) == [
        "Conv2d_1: Conv2d", "Conv2d_2: Conv2d", "Conv2d_3: Conv2d", "ReLU_1: ReLU", "ReLU_2: ReLU", "Add: Add"
    ]  # fmt: skip


def test_billions_of_laughs() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    (told,) = mistakes(bomb)
    assert (told.message, told.hint) == ("more than 150,000 values, aliases written out", "use blocks and repeats")
    deep = "a0: &a0 " + "[" * 60 + "]" * 60 + "\na1: " + "[" * 60 + "*a0" + "]" * 60 + "\n"
    assert messages(deep) == ["more than 100 levels of nesting"]


@pytest.mark.parametrize("opener", ["[", "{", "[a: ", "- ", "? ", "&a [", "'", "!", "|", "#", "%", "\\", "[[1], "])
def test_a_hundred_thousand_of_anything(opener: str) -> None:
    with pytest.raises(SpecError):
        archscope.load("a:\n  " + opener * 100_000)


def test_every_duplicate_is_told() -> None:
    assert messages("a: 1\na: 2\nb: {c: 1, c: 2}\n") == [
        "`c` stands twice in this mapping (first on line 3)",
        "`a` stands twice in this mapping (first on line 1)",
    ]


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_missing_file() -> None:
    (told,) = mistakes("no/such/file.yaml")
    assert told.render().startswith("error: there is no file no/such/file.yaml\n  hint: ")


def test_a_folder(tmp_path: Path) -> None:
    assert messages(str(tmp_path)) == [f"{tmp_path} is a folder, not a spec"]


def test_a_pipe_that_nobody_writes_keeps_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert messages(str(tmp_path / "pipe.yaml")) == [f"{tmp_path}/pipe.yaml is a pipe, not a spec"]
    (tmp_path / "spec.yaml").write_text("include: pipe.yaml\ninput: [3]\nlayers: [ReLU]\n")
    (found,) = messages(str(tmp_path / "spec.yaml"))
    assert "pipe.yaml is a pipe, not a spec" in found


def test_what_the_shell_has_opened_is_read() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        out.write("input: [3]\nlayers: [ReLU]\n")
    assert archscope.load(f"/dev/fd/{reading}").inputs[0].shape == (3,)
    os.close(reading)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.touch()
    assert messages(path) == [f"{path} is empty"]


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(b"name: \xff\xfe")
    assert messages(path) == [f"{path} is not text: byte 6 is not UTF-8"]
    path.write_bytes(b"name: \0\0")
    assert messages(path) == [f"{path} is not text: it holds NUL bytes"]
    path.write_bytes(bytes(range(256)))
    assert messages(path) == [f"{path} is not text: byte 128 is not UTF-8"]


def test_a_file_of_100_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert messages(path) == [f"{path} has more than {LARGEST_FILE:,} bytes, the most that a spec has"]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_file_without_an_end() -> None:
    assert messages("/dev/zero") == ["/dev/zero has more than 4,194,304 bytes, the most that a spec has"]


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("input: [3]\nlayers: [ReLU]\n")
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    assert messages(path) == [f"{path} cannot be read: Permission denied"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "x" * 5000 + ".yaml", "/" + "x" * 300 + "/a"])
def test_names_that_no_file_has(name: str) -> None:
    (told,) = mistakes(name)
    assert told.message.startswith("there is no file")
