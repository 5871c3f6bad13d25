"""The parts of a spec, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

import archscope
from archscope.design import Accuracy, Budget, Expectation
from archscope.design.graph import Input
from archscope.errors import SpecError
from tests.spec.asking import Mistake, check, each, layers, marked, messages, mistakes

TAIL = "input: [3]\nlayers: [ReLU]\n"
FUNCTIONS = "functions: min, max, abs, round, ceil, floor, int, sqrt, len, sum, prod, divisible"
KEYS = (
    "a spec has the keys archscope, name, source, description, include, extends, input, inputs, vars, blocks, layers, "
    "freeze, init, outputs, expect, budget, accuracy, sweep"
)

MISTAKES = [
    Mistake(
        "a word",
        "hello\n\n",
        "1:1",
        "hello",
        "a spec is a mapping",
        "it has keys such as `name:`, `input:` and `layers:`",
    ),
    Mistake(
        "a list", "- a\n- b\n", "1:1", "-", "a spec is a mapping", "it has keys such as `name:`, `input:` and `layers:`"
    ),
    Mistake(
        "an unknown key",
        "input: [3]\nlayer:\n  - ReLU\nlayers: [ReLU]\n",
        "2:1",
        "layer",
        "unknown key `layer`",
        "did you mean `layers`?",
    ),
    Mistake("a key like none", "input: [3]\nxyzzy: 3\nlayers: [ReLU]\n", "2:1", "xyzzy", "unknown key `xyzzy`", KEYS),
    Mistake(
        "no input",
        "layers: [ReLU]\n",
        "1:1",
        "l",
        "a design needs an `input:`",
        "the sizes without the batch: `input: [3, 224, 224]`",
    ),
    Mistake("no layers", "input: [3]\n", "1:1", "i", "a design has no `layers:`", "a file of blocks is for `include:`"),
    Mistake(
        "a bare size",
        "input: 3\nlayers: [ReLU]\n",
        "1:8",
        "3",
        "an input is a list of sizes without the batch",
        "as in `input: [3, 224, 224]`",
    ),
    Mistake(
        "layers that are a mapping",
        "input: [3]\nlayers: {ReLU: }\n",
        "2:9",
        "{ReLU: }",
        "`layers:` is a list of layers",
        "begin each with `- `",
    ),
    Mistake("a name that is a list", "name: [a]\ninput: [3]\nlayers: [ReLU]\n", "1:7", "[a]", "expected text"),
    Mistake(
        "vars that are a list",
        "vars: [1]\ninput: [3]\nlayers: [ReLU]\n",
        "1:7",
        "[1]",
        "expected variables: `width: 64`",
    ),
    Mistake(
        "a size of zero", "input: [3, 0]\nlayers: [ReLU]\n", "1:12", "0", "expected an integer of at least 1, got 0"
    ),
    Mistake(
        "a size with a fraction",
        "input: [3.5]\nlayers: [ReLU]\n",
        "1:9",
        "3.5",
        "expected an integer of at least 1, got 3.5",
        "round it: `round(...)`, `floor(...)` or `//`",
    ),
    Mistake(
        "a size that is a word",
        "vars: {size: 3}\ninput: [sise]\nlayers: [ReLU]\n",
        "2:9",
        "sise",
        "expected an integer of at least 1, got 'sise'",
        "did you mean `size`?",
    ),
    Mistake(
        "a size beyond int64",
        "input: [10000000000000000000]\nlayers: [ReLU]\n",
        "1:9",
        "10000000000000000000",
        "10000000000000000000 is larger than any tensor can be (2^63 - 1)",
    ),
    Mistake(
        "an unknown dtype",
        "input: {shape: [3], dtype: int8}\nlayers: [Identity]\n",
        "1:28",
        "int8",
        "unknown dtype `int8`",
        "one of float, float64, float32, float16, bfloat16, int64, int32, bool",
    ),
    Mistake(
        "an unknown dtype, from which nothing follows",
        "inputs: {ids: {shape: [3], dtype: int8}, x: [3]}\n"
        "layers: [{Add: [ids, x]}, {Embedding: {num_embeddings: 4, embedding_dim: 3}, from: ids}]\n",
        "1:35",
        "int8",
        "unknown dtype `int8`",
        "one of float, float64, float32, float16, bfloat16, int64, int32, bool",
    ),
    Mistake(
        "an input without a shape",
        "inputs: {ids: {sahpe: [3]}}\nlayers: [ReLU]\n",
        "1:16",
        "sahpe",
        "unknown key `sahpe`",
        "did you mean `shape`?",
    ),
    Mistake(
        "a bad input name",
        "inputs: {a b: [3]}\nlayers: [ReLU]\n",
        "1:10",
        "a b",
        "`a b` is not a name",
        "letters, digits, _ and -",
    ),
    Mistake(
        "an input twice",
        "input: [3]\ninputs: {input: [3]}\nlayers: [ReLU]\n",
        "2:17",
        "[3]",
        "the input `input` is declared twice",
    ),
    Mistake(
        "a bad variable name",
        "vars: {a b: 1}\ninput: [3]\nlayers: [ReLU]\n",
        "1:8",
        "a b",
        "`a b` is not a variable name",
        "letters, digits and _",
    ),
    Mistake(
        "a reserved variable name",
        "vars: {in_channels: 1}\ninput: [3]\nlayers: [ReLU]\n",
        "1:8",
        "in_channels",
        "`in_channels` has a meaning of its own",
        "choose another name",
    ),
    Mistake(
        "a Python keyword",
        "vars: {lambda: 1}\ninput: [3]\nlayers: [ReLU]\n",
        "1:8",
        "lambda",
        "`lambda` has a meaning of its own",
        "choose another name",
    ),
    Mistake(
        "a mapping variable",
        "vars: {a: {b: 1}}\ninput: [3]\nlayers: [ReLU]\n",
        "1:11",
        "{b: 1}",
        "expected a value, not a mapping",
    ),
    Mistake(
        "a later variable",
        "vars: {b: a + 1, a: 3}\ninput: [3]\nlayers: [Linear: b]\n",
        "1:11",
        "a",
        "the variable `a` has no value yet",
        "a variable may use those above it",
    ),
    Mistake(
        "a variable of itself",
        "vars: {a: a}\ninput: [3]\nlayers: [ReLU]\n",
        "1:11",
        "a",
        "the variable `a` has no value yet",
        "a variable may use those above it",
    ),
    Mistake(
        "a capital block",
        "blocks:\n  Conv(a): [ReLU]\ninput: [3]\nlayers: [ReLU]\n",
        "2:3",
        "Conv(a)",
        "`Conv` cannot be the name of a block",
        "a small letter, then letters, digits and _: ops are capitalised, blocks are not",
    ),
    Mistake(
        "a block called repeat",
        "blocks:\n  repeat(a): [ReLU]\ninput: [3]\nlayers: [ReLU]\n",
        "2:3",
        "repeat(a)",
        "`repeat` cannot be the name of a block",
        "it means something else in a layer",
    ),
    Mistake(
        "a body that is a word",
        "blocks:\n  f(): ReLU\ninput: [3]\nlayers: [f]\n",
        "2:8",
        "ReLU",
        "the body of block `f` is a list of layers",
        "begin each layer with `- `",
    ),
    Mistake(
        "a signature with stars",
        "blocks:\n  f(*a): [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f(*a)",
        "`f(*a)` is not a block's signature",
        "write it like `conv_bn(out, kernel=1):`",
    ),
    Mistake(
        "a default before none",
        "blocks:\n  f(a=1, b): [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f(a=1, b)",
        "`f(a=1, b)` is not a block's signature",
        "write it like `conv_bn(out, kernel=1):`",
    ),
    Mistake(
        "a parameter twice",
        "blocks:\n  f(a, a): [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f(a, a)",
        "`f(a, a)` is not a block's signature",
        "write it like `conv_bn(out, kernel=1):`",
    ),
    Mistake(
        "an open signature",
        "blocks:\n  f(a: [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f(a",
        "`f(a` is not a block's signature",
        "write it like `conv_bn(out, kernel=1):`",
    ),
    Mistake(
        "a result",
        "blocks:\n  f() -> int: [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f() -> int",
        "`f() -> int` is not a block's signature",
        "write it like `conv_bn(out, kernel=1):`",
    ),
    Mistake(
        "smuggled code",
        "blocks:\n  'f(): import os #': [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "'f(): import os #'",
        "`f(): import os #` is not a block's signature",
        "write it like `conv_bn(out, kernel=1):`",
    ),
    Mistake(
        "a call as a default",
        "blocks:\n  f(a=open()): [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f(a=open())",
        "`open(...)` is not a function of this arithmetic",
        FUNCTIONS,
    ),
    Mistake(
        "a reserved parameter",
        "blocks:\n  f(in_size): [ReLU]\ninput: [3]\nlayers: [f]\n",
        "2:3",
        "f(in_size)",
        "`in_size` has a meaning of its own",
        "choose another name",
    ),
    Mistake(
        "a block twice",
        "blocks:\n  f(a): [ReLU]\n  f(b): [ReLU]\ninput: [3]\nlayers: [ReLU]\n",
        "3:3",
        "f(b)",
        "the block `f` is defined twice",
    ),
    Mistake(
        "outputs that are a word",
        "input: [3]\nlayers: [ReLU]\noutputs: ReLU\n",
        "3:10",
        "ReLU",
        "`outputs:` is a list of layers, or a mapping of names to layers",
        "`outputs: [head, aux]`, or `outputs: {logits: head}`",
    ),
    Mistake(
        "no outputs",
        "input: [3]\nlayers: [ReLU]\noutputs: []\n",
        "3:10",
        "[]",
        "`outputs:` is a list of layers, or a mapping of names to layers",
        "`outputs: [head, aux]`, or `outputs: {logits: head}`",
    ),
    Mistake(
        "an unknown output",
        "input: [3]\nlayers: [ReLU]\noutputs: [relu]\n",
        "3:11",
        "relu",
        "there is no layer `relu`",
        "did you mean `ReLU`?",
    ),
    Mistake(
        "an output twice",
        "input: [3]\nlayers: [ReLU]\noutputs: [ReLU, ReLU]\n",
        "3:17",
        "ReLU",
        "two outputs are called `ReLU`",
        "name them: `outputs: {a: head, b: head}`",
    ),
    Mistake(
        "HTML in an output's name",
        "input: [3]\nlayers: [ReLU]\noutputs: {<b>: ReLU}\n",
        "3:11",
        "<b>",
        "`<b>` is not a name",
        "letters, digits, _ and -; dots between parts",
    ),
    Mistake(
        "an output that is a list",
        "input: [3]\nlayers: [ReLU]\noutputs: {a: [ReLU]}\n",
        "3:14",
        "[ReLU]",
        "expected the name of an earlier layer",
    ),
    Mistake(
        "a figure without a value",
        "input: [3]\nlayers: [ReLU]\nexpect:\n  params: {source: me}\n",
        "4:3",
        "params",
        "`params` has no `value:`",
    ),
    Mistake(
        "a figure that is a word",
        "input: [3]\nlayers: [ReLU]\nexpect: {params: many}\n",
        "3:18",
        "many",
        "expected a number, a percentage or a shape",
        "as in `34944`, `94.6%` or `[96, 55, 55]`",
    ),
    Mistake(
        "an unknown key of a figure",
        "input: [3]\nlayers: [ReLU]\nexpect:\n  params: {value: 3, withn: 1%}\n",
        "4:22",
        "withn",
        "unknown key `withn`",
        "did you mean `within`?",
    ),
    Mistake(
        "a tolerance that is a word",
        "input: [3]\nlayers: [ReLU]\nexpect:\n  params: {value: 3, within: near}\n",
        "4:30",
        "near",
        "`within:` is a share such as 1%, or a number",
    ),
    Mistake(
        "an unknown convention",
        "input: [3]\nlayers: [ReLU]\nexpect:\n  params: {value: 3, convention: tf}\n",
        "4:34",
        "tf",
        "unknown convention `tf`",
        "torch or keras",
    ),
    Mistake(
        "a list of figures",
        "input: [3]\nlayers: [ReLU]\nexpect: [params]\n",
        "3:9",
        "[params]",
        "expected published figures: `params: 61100840`",
    ),
    Mistake(
        "figures of layers that are a list",
        "input: [3]\nlayers: [ReLU]\nexpect: {layers: [ReLU]}\n",
        "3:18",
        "[ReLU]",
        "expected figures by layer",
    ),
    Mistake(
        "a budget without a comparison",
        "input: [3]\nlayers: [ReLU]\nbudget: {params: 5e6}\n",
        "3:18",
        "5e6",
        "`params` has no limit",
        "write `<= 5e6`; `'>= 1e6'` needs quotes in YAML",
    ),
    Mistake(
        "an accuracy that is a word",
        "input: [3]\nlayers: [ReLU]\naccuracy: {top1: good}\n",
        "3:18",
        "good",
        "expected a number, a percentage or a shape",
        "as in `34944`, `94.6%` or `[96, 55, 55]`",
    ),
    Mistake(
        "an include that is a number",
        "include: 3\ninput: [3]\nlayers: [ReLU]\n",
        "1:10",
        "3",
        "expected the path or the name of a spec",
    ),
    Mistake(
        "an include that does not exist",
        "include: [no_such_file.yaml]\ninput: [3]\nlayers: [ReLU]\n",
        "1:11",
        "no_such_file.yaml",
        "there is no file no_such_file.yaml",
        "`archscope list` shows the designs that ship with archscope",
    ),
    Mistake(
        "a misspelt base",
        "extends: resnet5O\n",
        "1:10",
        "resnet5O",
        "there is no file or design called resnet5O",
        "did you mean `resnet50`?",
    ),
    Mistake(
        "nothing to extend",
        "extends:\ninput: [3]\nlayers: [ReLU]\n",
        "1:9",
        "",
        "expected the path or the name of a spec",
    ),
]


@each(MISTAKES)
def test_mistakes(mistake: Mistake) -> None:
    check(mistake)


def test_what_a_design_says_of_itself() -> None:
    design = archscope.load(f"name: Net\nsource: 'Me, 2024'\ndescription: |\n  two\n  lines\n{TAIL}")
    assert (design.name, design.source, design.description) == ("Net", "Me, 2024", "two\nlines\n")
    assert archscope.load(TAIL).name == "design"


def test_lists_end_somewhere() -> None:
    (told,) = mistakes(f"vars: {{a: [{'1, ' * 1001}]}}\n{TAIL}")
    assert told.message == "a list of more than 1,000 values"
    assert layers(f"vars: {{a: [{'1, ' * 999}]}}\n{TAIL}") == ["ReLU: ReLU"]


def test_inputs() -> None:
    assert archscope.load(TAIL).inputs == (Input("input", (3,)),)
    text = "vars: {size: 8}\ninputs:\n  image: [3, size, size // 2]\n  ids: {shape: [5], dtype: int64}\n"
    text += "  mask: {shape: [5], dtype: bool}\n  x: {shape: [1], dtype: float}\nlayers: [ReLU]\n"
    assert archscope.load(text).inputs == (
        Input("image", (3, 8, 4)), Input("ids", (5,), "int64"), Input("mask", (5,), "bool"), Input("x", (1,))
    )  # fmt: skip


def test_variables_use_those_above_them() -> None:
    text = "vars: {a: 3, b: a + 1, c: '[a, b]', d: ['c[1] * 2', b], act: ReLU, other: act, flag: true, none: null}\n"
    assert dict(archscope.load(text + TAIL).vars) == {
        "a": 3, "b": 4, "c": (3, 4), "d": (8, 4), "act": "ReLU", "other": "ReLU", "flag": True, "none": None
    }  # fmt: skip


def test_a_mistake_in_a_variable_is_told_once() -> None:
    assert messages("vars: {a: 1 / 0}\ninput: [3]\nlayers: [Linear: a, Linear: 2 * a, a]\n") == [
        "division by zero: `0` is 0"
    ]


def test_a_mistake_in_a_block_is_told_once() -> None:
    assert messages("blocks:\n  f(a: [ReLU]\ninput: [3]\nlayers: [f: 3, f]\n") == ["`f(a` is not a block's signature"]


@pytest.mark.parametrize("key", ["vars", "blocks", "expect", "budget", "accuracy", "inputs", "sweep"])
def test_a_part_may_be_empty(key: str) -> None:
    assert archscope.load(f"{key}:\n{TAIL}") == archscope.load(TAIL)


def test_a_library_alone_is_no_design() -> None:
    assert messages("blocks:\n  f: [ReLU]\n") == ["a design needs an `input:`"]


def test_no_layers_at_all() -> None:
    assert archscope.load("input: [3]\nlayers: []\n").layers == ()


# -- figures, limits, facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        ("params: 61100840", Expectation("params", 61100840)),
        ("params: 5e6", Expectation("params", 5e6)),
        ("params: {value: 25_557_032, source: torchvision}", Expectation("params", 25557032, source="torchvision")),
        ("macs: {value: 4.1e9, within: 1%}", Expectation("macs", 4.1e9, within=0.01, relative=True)),
        ("macs: {value: 4.1e9, within: 0.5 %}", Expectation("macs", 4.1e9, within=0.005, relative=True)),
        ("macs: {value: 7, within: 2}", Expectation("macs", 7, within=2.0)),
        ("params: {value: 3, convention: keras}", Expectation("params", 3, convention="keras")),
        ("params: {value: 3, stated: 60M}", Expectation("params", 3, stated="60M")),
        ("fc_params / params: 94.6%", Expectation("fc_params / params", 0.946)),
        ("output_shape: [96, 55, 55]", Expectation("output_shape", (96, 55, 55))),
        ("layers: {ReLU: {params: 0}}", Expectation("params", 0, layer="ReLU")),
        ("layers:\n    a.b:\n      output_shape: [3]", Expectation("output_shape", (3,), layer="a.b")),
    ],
)
def test_figures(figure: str, expected: Expectation) -> None:
    (found,) = archscope.load(f"{TAIL}expect:\n  {figure}\n").expectations
    assert found == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("params: <= 5e6", Budget("params", "<=", 5e6)),
        ("params: <5_000_000", Budget("params", "<", 5e6)),
        ("macs: '>= 1.5e3'", Budget("macs", ">=", 1500)),
        ("macs: '> 7'", Budget("macs", ">", 7)),
        ("depth: == 50", Budget("depth", "==", 50)),
        ("fc_params / params: <= 50%", Budget("fc_params / params", "<=", 0.5)),
    ],
)
def test_budgets(limit: str, expected: Budget) -> None:
    (found,) = archscope.load(f"{TAIL}budget:\n  {limit}\n").budgets
    assert found == expected


def test_accuracy() -> None:
    found = archscope.load(f"{TAIL}accuracy:\n  top1: {{value: 76.1, source: torchvision}}\n  top5: 93\n").accuracy
    assert found == (Accuracy("top1", 76.1, "torchvision"), Accuracy("top5", 93.0))


def test_what_is_recorded_of_a_design_is_not_of_its_variants() -> None:
    text = "input: [3]\nvars: {width: 4}\nlayers: [Linear: width]\naccuracy: {top1: 76.1}\n"
    assert archscope.load(text).accuracy == (Accuracy("top1", 76.1),)
    assert archscope.load(text, set={"width": 5}).accuracy == ()
    assert archscope.load(text, input=(4,)).accuracy == ()


def test_a_very_long_number_takes_no_time() -> None:
    digits = "9" * 1_000_000
    assert len(messages(f"{TAIL}expect: {{params: {digits}x%}}\nbudget: {{params: <= {digits}x}}\n")) == 2


# -- include, extends ----------------------------------------------------------------------------------------------


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_include_gives_blocks_and_variables(tmp_path: Path) -> None:
    write(tmp_path, one="vars: {w: 8}\nblocks:\n  f(n): [Linear: n * w]\n", two="blocks:\n  g: [f: 2]\n")
    write(tmp_path, net="include: [one.yaml, two]\ninput: [3]\nlayers: [g, {f: 1}]\n")
    design = archscope.load(tmp_path / "net.yaml")
    assert [layer.op.out_features for layer in design.layers] == [16, 8]
    assert dict(design.vars) == {"w": 8}
    assert archscope.load(tmp_path / "net.yaml", set={"w": 2}).layers[0].op.out_features == 4


def test_what_a_file_says_itself_wins_over_what_it_includes(tmp_path: Path) -> None:
    write(tmp_path, lib="vars: {w: 8}\nblocks:\n  f: [ReLU]\n")
    write(tmp_path, net="include: lib.yaml\nvars: {w: 3}\nblocks:\n  f: [Linear: w]\ninput: [3]\nlayers: [f]\n")
    assert layers(tmp_path / "net.yaml") == ["f.Linear: Linear"]
    assert dict(archscope.load(tmp_path / "net.yaml").vars) == {"w": 3}


BASE = """name: base
source: Me
description: the base
input: [3, 8, 8]
vars: {w: 4, depth: 1}
blocks:
  f(n): [Conv2d: {out_channels: n, kernel_size: 1}]
layers:
  - repeat: depth
    layers: [f: w]
outputs: {logits: f}
expect: {params: 16}
budget: {params: <= 100}
accuracy: {top1: 50}
"""


def test_extends_takes_what_it_leaves_out(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, net="extends: base.yaml\nname: net\nvars: {depth: 2}\n")
    base, net = archscope.load(tmp_path / "base.yaml"), archscope.load(tmp_path / "net.yaml")
    assert (net.name, net.source, net.description, len(net.layers)) == ("net", "Me", "", 2)
    assert dict(net.vars) == {"w": 4, "depth": 2}
    assert net.inputs == base.inputs
    assert [name for name, _ in net.outputs] == ["logits"]
    assert len(base.expectations) == len(base.budgets) == len(base.accuracy) == 1
    assert (net.expectations, net.budgets, net.accuracy) == ((), (), ())


def test_extends_replaces_blocks_layers_and_inputs(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    write(tmp_path, block="extends: base\nblocks:\n  f(n): [Tanh]\n", size="extends: base\ninput: [3, 4, 4]\n")
    write(tmp_path, list="extends: base\nlayers: [{f: 7}]\noutputs: [f]\n", grand="extends: list\nvars: {w: 1}\n")
    assert layers(tmp_path / "block.yaml") == ["f.0.f.Tanh: Tanh"]
    assert archscope.load(tmp_path / "size.yaml").inputs[0].shape == (3, 4, 4)
    assert layers(tmp_path / "list.yaml") == layers(tmp_path / "grand.yaml") == ["f.Conv2d: Conv2d"]


def test_extends_a_design_that_ships(tmp_path: Path) -> None:
    write(tmp_path, net="extends: resnet50\nvars: {classes: 10}\n")
    design = archscope.load(tmp_path / "net.yaml")
    assert design.layers[-1].op.out_features == 10


def test_a_path_beside_the_file_wins_over_a_name(tmp_path: Path) -> None:
    write(tmp_path, resnet50="input: [3]\nlayers: [Tanh]\n", net="extends: resnet50\n")
    assert layers(tmp_path / "net.yaml") == ["Tanh: Tanh"]


@pytest.mark.parametrize("word", ["include", "extends"])
def test_circles(tmp_path: Path, word: str) -> None:
    write(tmp_path, one=f"{word}: two.yaml\n{TAIL}", two=f"{word}: one.yaml\n{TAIL}")
    write(tmp_path, self=f"{word}: self.yaml\n{TAIL}")
    for name in ("one", "two", "self"):
        (told,) = mistakes(tmp_path / f"{name}.yaml")
        assert told.message.endswith(" includes or extends itself")
        assert marked(told).endswith(".yaml")


def test_a_chain_without_an_end(tmp_path: Path) -> None:
    write(tmp_path, **{f"n{i}": f"extends: n{i + 1}.yaml\n" for i in range(60)})
    (told,) = mistakes(tmp_path / "n0.yaml")
    assert told.message == "more than 50 files"


def test_a_tree_without_an_end(tmp_path: Path) -> None:
    write(tmp_path, **{f"n{i}": f"include: [{', '.join([f'n{i + 1}.yaml'] * 20)}]\n" for i in range(20)})
    with pytest.raises(SpecError, match="more than 50 files"):
        archscope.load(tmp_path / "n0.yaml")


def test_mistakes_of_an_included_file_stand_in_that_file(tmp_path: Path) -> None:
    write(tmp_path, lib="vars: {a b: 1}\nblocks:\n  f: [Relu]\n", net="include: lib.yaml\ninput: [3]\nlayers: [f]\n")
    bad_name, bad_op = mistakes(tmp_path / "net.yaml")
    lib = tmp_path / "lib.yaml"
    assert (str(bad_name.mark), str(bad_op.mark)) == (f"{lib}:1:8", f"{lib}:3:7")
    assert bad_op.trail == (f"block `f()`, called at {tmp_path / 'net.yaml'}:3:10",)


def test_every_file_that_cannot_be_read_is_told_with_the_other_mistakes(tmp_path: Path) -> None:
    write(tmp_path, broken="a: [\n", net="include: [gone.yaml, broken.yaml]\nlayer: [f]\ninput: [3]\n")
    gone, broken, key = mistakes(tmp_path / "net.yaml")
    assert (gone.message, marked(gone)) == ("there is no file gone.yaml", "gone.yaml")
    assert (broken.message[:8], broken.mark.source.name) == ("not YAML", str(tmp_path / "broken.yaml"))
    assert key.message == "unknown key `layer`"


def test_an_included_file_that_is_empty(tmp_path: Path) -> None:
    write(tmp_path, lib="", net="include: lib.yaml\ninput: [3]\nlayers: [f]\n")
    (told,) = mistakes(tmp_path / "net.yaml")
    assert (told.message, marked(told)) == (f"{tmp_path / 'lib.yaml'} is empty", "lib.yaml")
