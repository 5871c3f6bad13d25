"""The ``sweep:`` section of a spec, and what is wrong with it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import archscope
from archscope.errors.diagnostics import Source
from archscope.load import read_document
from archscope.setting.optimizers import OPTIMIZERS
from archscope.spec.axes import Axis, Sample
from archscope.spec.reader import MapNode, ScalarNode, read
from archscope.spec.section import Stated, SweepSection
from tests.spec.asking import Mistake, check, each, marked, mistakes
from tests.spec.test_values import FALLING, FORMS, MANNERS

HEAD = "input: [3, 8, 8]\nvars: {width: 8, depths: [1, 2], n: 3, words: '[n, n]'}\nlayers: [ReLU]\n"
SWEEP = HEAD + "sweep:\n  vary: {width: 1}\n"
VARY = HEAD + "sweep:\n  vary: "
TARGETS = "write a variable such as `width`, an element of a list such as `depths[0]`, `input`, `input.NAME` or `batch`"


def sweep_of(text: str) -> SweepSection:
    document = read_document(text)
    assert document.problems == []
    assert document.sweep is not None
    return document.sweep


def test_a_sweep() -> None:
    found = sweep_of(f"""{HEAD}sweep:
  vary: {{width: 16:48:16, depths: [[3, 4], [5, 6]], input: [128, 3x160x160], 'words[1]': 2:4, n: 8, batch: '1,2'}}
  derive: {{density: macs / params, one: 1}}
  where: [params < 5e6, macs < 600e6]
  pareto: [params, -macs]
  sort: -density
  top: 20
  sample: {{count: 1e6, seed: 1, method: sobol}}
  dtype: amp
  optimizer: adam
  device: h100
""")
    assert found.axes == (
        Axis("width", (16, 32, 48)),
        Axis("depths", ((3, 4), (5, 6))),
        Axis("input", (128, (3, 160, 160))),
        Axis("words[1]", (2, 3, 4)),
        Axis("n", (8,)),
        Axis("batch", (1, 2)),
    )
    texts = [("density", "macs / params"), ("one", "1")]
    assert [(name, stated.text) for name, stated in found.derive] == texts
    assert [stated.text for stated in found.where] == ["params < 5e6", "macs < 600e6"]
    assert [stated.text for stated in found.pareto] == ["params", "-macs"]
    assert (found.sort and found.sort.text, found.top) == ("-density", 20)
    assert found.sample == Sample(1_000_000, 1, "sobol")
    assert [stated and stated.text for stated in (found.precision, found.optimizer, found.device)] == [
        "amp", "adam", "h100"
    ]  # fmt: skip


def test_short_forms() -> None:
    found = sweep_of(
        f"{HEAD}sweep:\n  vary:\n    width: 8, 16:64:16\n  where: params < 5e6 and n < 3\n"
        "  pareto: params, -macs\n  sample: 1000\n  batch: 32\n"
    )
    assert found.axes == (Axis("width", (8, 16, 32, 48, 64)),)
    assert [stated.text for stated in found.where] == ["params < 5e6 and n < 3"]
    assert [stated.text for stated in found.pareto] == ["params", "-macs"]
    assert (found.sample, found.batch, found.top, found.sort) == (Sample(1000), 32, None, None)


def test_every_text_knows_its_place() -> None:
    found = sweep_of(
        f"{SWEEP}  derive: {{d: 'macs / params'}}\n  where: [' a < b ']\n  pareto: 'params, -macs'\n  sort: n\n"
        "  dtype: bf16\n"
    )
    ((_, derived),) = found.derive
    stated = [derived, *found.where, *found.pareto, found.sort, found.precision]
    for one in stated:
        assert one is not None
        line = one.mark.source.lines[one.mark.line - 1]
        assert line[one.mark.column - 1 :].startswith(one.text)
        assert one.mark.length == len(one.text)
    assert derived.at(7, 6).column == derived.mark.column + 7
    (varied,) = found.vary
    assert varied.mark.source.lines[varied.mark.line - 1][varied.mark.column - 1 :].startswith("width")


def test_a_text_over_several_lines_is_marked_as_a_whole() -> None:
    found = sweep_of(f"{SWEEP}  where: >-\n    params <\n    5e6\n")
    assert found.where == (Stated("params < 5e6", found.mark),)
    assert found.where[0].at(3, 2) == found.where[0].mark


@pytest.mark.parametrize("text", ["16:128:8", "2:6", "16:1024:*2", "1:30:59", "0.2:1:lin5"])
def test_ranges_stay_text_in_yaml(text: str) -> None:
    """PyYAML by itself reads 2:6 as 126, in minutes and seconds."""
    for spec in (f"a: {text}\n", f"{{a: {text}, b: 1}}\n"):
        node = read(Source("x", spec))
        assert isinstance(node, MapNode)
        value = node.entries["a"]
        assert isinstance(value, ScalarNode)
        assert value.value == text


def test_a_design_is_what_it_is_whatever_its_sweep() -> None:
    assert archscope.load(SWEEP) == archscope.load(HEAD)


def test_a_sweep_is_inherited(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(SWEEP)
    (tmp_path / "child.yaml").write_text("extends: base\nvars: {width: 9}\n")
    (tmp_path / "other.yaml").write_text("extends: base\nvars: {m: 9}\nsweep: {vary: {m: 1:3, width: 2}}\n")
    (tmp_path / "user.yaml").write_text("include: base\ninput: [3]\nlayers: [ReLU]\n")
    child, other, user = (read_document(str(tmp_path / f"{name}.yaml")).sweep for name in ("child", "other", "user"))
    assert child is not None
    assert child.axes == (Axis("width", (1,)),)
    assert other is not None
    assert other.axes == (Axis("m", (1, 2, 3)), Axis("width", (2,)))
    assert user is None


MISTAKES = [
    Mistake(
        "a sweep that is a list",
        HEAD + "sweep: [width]\n",
        "4:8",
        "[width]",
        "expected what varies, `vary: {width: 16:128:8}`, and what is asked",
    ),
    Mistake("an unknown key", SWEEP + "  topp: 3\n", "6:3", "topp", "unknown key `topp`", "did you mean `top`?"),
    Mistake(
        "nothing that varies",
        HEAD + "sweep: {top: 3}\n",
        "4:8",
        "{top: 3}",
        "a sweep needs `vary:`",
        "as in `vary: {width: 16:128:8}`",
    ),
    Mistake("an empty vary", VARY + "{}\n", "5:9", "{}", "nothing varies", "as in `vary: {width: 16:128:8}`"),
    Mistake("no vary", VARY + "\n", "5:8", " ", "nothing varies", "as in `vary: {width: 16:128:8}`"),
    Mistake(
        "axes in a list", VARY + "[width]\n", "5:9", "[width]", "expected variables and their values: `width: 16:128:8`"
    ),
    Mistake(
        "an unknown variable",
        VARY + "{widht: 1}\n",
        "5:10",
        "widht",
        "the design has no variable `widht`",
        "did you mean `width`?",
    ),
    Mistake(
        "a variable like none",
        VARY + "{xyzzy: 1}\n",
        "5:10",
        "xyzzy",
        "the design has no variable `xyzzy`",
        "variables: width, depths, n, words",
    ),
    Mistake(
        "an unknown input",
        VARY + "{input.image: 1}\n",
        "5:10",
        "input.image",
        "the design has no input `image`",
        "inputs: input",
    ),
    Mistake(
        "an element too far",
        VARY + "{'depths[2]': 1}\n",
        "5:10",
        "'depths[2]'",
        "`depths` has 2 elements, numbered from 0",
    ),
    Mistake("an element of a number", VARY + "{'n[0]': 1}\n", "5:10", "'n[0]'", "`n` is no list", "vary `n` itself"),
    Mistake("no name", VARY + "{a b: 1}\n", "5:10", "a b", "`a b` cannot be varied", TARGETS),
    Mistake(
        "a list and its element",
        VARY + "{depths: [[1, 2]], 'depths[0]': 3}\n",
        "5:28",
        "'depths[0]'",
        "`depths` and `depths[0]` change the same thing",
        "vary one of them",
    ),
    Mistake(
        "too many values",
        VARY + "{width: 1:6000, n: 1:6000, depths: [[1]]}\n",
        "5:36",
        "depths",
        "the sweep of a spec has at most 500 axes and 10,000 values",
        "give larger ones to `archscope sweep`",
    ),
    Mistake("no values", VARY + "{width: ''}\n", "5:17", "''", "there are no values", FORMS),
    Mistake("an empty list", VARY + "{width: []}\n", "5:17", "[]", "there are no values", FORMS),
    Mistake("a mapping", VARY + "{width: {a: 1}}\n", "5:17", "{a: 1}", "a mapping is no value", FORMS),
    Mistake("no range", VARY + "{width: 16:x}\n", "5:17", "16:x", "`16:x` is no range", MANNERS),
    Mistake(
        "no range in a list",
        VARY + "{width: [1, 16:8, 3]}\n",
        "5:21",
        "16:8",
        "`16:8` leads away from 8",
        FALLING,
    ),
    Mistake(
        "half a sample",
        VARY + "{batch: [1, 0.5]}\n",
        "5:21",
        "0.5",
        "a batch is not 0.5",
        "it is a whole number of at least 1",
    ),
    Mistake(
        "a batch twice",
        VARY + "{batch: [1, 2]}\n  batch: 8\n",
        "5:10",
        "batch",
        "`batch` is varied and stated",
        "leave one of them out",
    ),
    Mistake(
        "a condition that breaks off",
        SWEEP + "  where: [macs < 5, (params]\n",
        "6:21",
        "(",
        "not an expression: '(' was never closed",
    ),
    Mistake(
        "a condition that is a list",
        SWEEP + "  where: [[params]]\n",
        "6:11",
        "[params]",
        "expected an expression, as in `params < 5e6` or `macs / params`",
    ),
    Mistake(
        "a column without a name",
        SWEEP + "  derive: {a b: 3}\n",
        "6:12",
        "a b",
        "`a b` cannot be the name of a column",
        "letters, digits and _",
    ),
    Mistake(
        "a column of several",
        SWEEP + "  derive: {a: [1, 2]}\n",
        "6:15",
        "[1, 2]",
        "expected an expression, as in `params < 5e6` or `macs / params`",
    ),
    Mistake(
        "a figure left out",
        SWEEP + "  pareto: params, -\n",
        "6:19",
        "-",
        "a figure is missing",
        "as in `params, -receptive_field`",
    ),
    Mistake(
        "two to sort by",
        SWEEP + "  sort: params, macs\n",
        "6:17",
        "macs",
        "designs are sorted by one figure",
        "the frontier of several is `pareto:`",
    ),
    Mistake("none at the top", SWEEP + "  top: 0\n", "6:8", "0", "expected a whole number of at least 1"),
    Mistake("a batch of a word", SWEEP + "  batch: big\n", "6:10", "big", "expected a whole number of at least 1"),
    Mistake("half a design", SWEEP + "  sample: 0.5\n", "6:11", "0.5", "expected a whole number of at least 1"),
    Mistake(
        "a seed below 0",
        SWEEP + "  sample: {count: 1e6, seed: -1}\n",
        "6:30",
        "-1",
        "expected a whole number of at least 0",
    ),
    Mistake(
        "more points than Sobol has",
        SWEEP + "  sample: {count: 1e10, method: sobol}\n",
        "6:11",
        "{count: 1e10, method: sobol}",
        "a sobol sample has 1 to 1,073,741,824 designs, not 10,000,000,000",
    ),
    Mistake(
        "a sample without a count",
        SWEEP + "  sample: {seed: 1}\n",
        "6:11",
        "{seed: 1}",
        "a sample needs `count:`",
        "as in `sample: {count: 1e6, seed: 1}`",
    ),
    Mistake(
        "an unknown method",
        SWEEP + "  sample: {count: 9, method: sobl}\n",
        "6:30",
        "sobl",
        "unknown method `sobl`",
        "did you mean `sobol`?",
    ),
    Mistake(
        "an unknown precision",
        SWEEP + "  dtype: fp166\n",
        "6:10",
        "fp166",
        "unknown precision `fp166`",
        "did you mean `fp16`?",
    ),
    Mistake(
        "no optimizer",
        SWEEP + "  optimizer: none\n",
        "6:14",
        "none",
        "unknown optimizer `none`",
        "one of " + ", ".join(name for name in OPTIMIZERS if name != "none"),
    ),
    Mistake(
        "an unknown device",
        SWEEP + "  device: h1000\n",
        "6:11",
        "h1000",
        "unknown device `h1000`",
        "did you mean `h100`?",
    ),
]


@each(MISTAKES)
def test_mistakes(mistake: Mistake) -> None:
    check(mistake)


def test_all_mistakes_are_told() -> None:
    told = mistakes(VARY + "{widht: 1, width: [1:0, 2:1], n: a b}\n  top: 0\n  sort: ''\n")
    assert [marked(one) for one in told] == ["1:0", "2:1", "a b", "0", "''", "widht"]


@pytest.mark.parametrize(
    "vary",
    [
        "{width: [" + "1:1000000, " * 10_000 + "]}",
        "{" + ", ".join(f"x{i}: 1:1000000" for i in range(10_000)) + "}",
        "{" + ", ".join(f"x{i}: 1" for i in range(10_000)) + "}",
        "{width: [" + "1:1e300:*1.0000001, " * 10_000 + "]}",
    ],
    ids=["many ranges", "many long axes", "many axes", "many small factors"],
)
def test_nobody_waits_for_a_sweep_too_large(vary: str) -> None:
    start = time.perf_counter()
    assert mistakes(VARY + vary + "\n")
    assert time.perf_counter() - start < 20  # a guard against hanging, not a measurement


def test_variables_that_a_mistake_has_left_out_are_not_missed() -> None:
    (told,) = mistakes("input: [3]\nvras: {width: 8}\nlayers: [ReLU]\nsweep: {vary: {width: 1}}\n")
    assert told.message == "unknown key `vras`"
