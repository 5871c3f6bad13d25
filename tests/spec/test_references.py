"""Names of tensors: what ``from:``, branches, ``reuse:`` and ``outputs:`` may say, and from where it is seen."""

from __future__ import annotations

import pytest

import archscope
from tests.spec.asking import HEAD, messages, mistakes, shapes


def reads(text: str, name: str) -> list[str]:
    """What a layer reads."""
    (layer,) = (layer for layer in archscope.load(text).layers if layer.name == name)
    return [str(ref) for ref in layer.inputs]


def test_a_layer_reads_the_one_above_it() -> None:
    text = HEAD + "  - {ReLU: , name: a}\n  - {ReLU: , name: b}\n"
    assert (reads(text, "a"), reads(text, "b")) == (["input"], ["a"])


def test_from_names_another_and_the_chain_goes_on_there() -> None:
    text = (
        HEAD + "  - {ReLU: , name: a}\n  - {ReLU: , name: b}\n  - {ReLU: , name: c, from: a}\n  - {ReLU: , name: d}\n"
    )
    assert (reads(text, "c"), reads(text, "d")) == (["a"], ["c"])


def test_from_names_several() -> None:
    text = HEAD + "  - {ReLU: , name: a}\n  - {Tanh: , name: b}\n  - {Add: , name: sum, from: [a, b, input]}\n"
    assert reads(text, "sum") == ["a", "b", "input"]


def test_from_on_a_block_a_group_and_a_repeat() -> None:
    text = """input: [3]
blocks:
  f: [{ReLU: , name: x}]
layers:
  - {Tanh: , name: a}
  - {Tanh: , name: b}
  - {f: , name: f, from: a}
  - {name: g, layers: [{ReLU: , name: x}], from: a}
  - {layers: [{ReLU: , name: loose}], from: a}
  - {repeat: 2, name: r, layers: [{ReLU: , name: x}], from: a}
"""
    assert [reads(text, name) for name in ("f.x", "g.x", "loose", "r.0.x", "r.1.x")] == [["a"]] * 4 + [["r.0.x"]]


def test_branches_start_at_from() -> None:
    text = (
        HEAD
        + "  - {Tanh: , name: a}\n  - {Tanh: , name: b}\n  - {Add: [[{ReLU: , name: x}], []], from: a, name: sum}\n"
    )
    assert (reads(text, "x"), reads(text, "sum")) == (["a"], ["x", "a"])


@pytest.mark.parametrize("reference", ["g", "g.b", "inner.deep", "g.inner.deep"])
def test_parts_of_groups_are_named_by_path(reference: str) -> None:
    text = (
        HEAD
        + "  - name: g\n    layers:\n      - {name: inner, layers: [{ReLU: , name: deep}]}\n      - {Tanh: , name: b}\n"
    )
    if reference == "inner.deep":
        (told,) = mistakes(text + "  - {ELU: , from: inner.deep, name: last}\n")
        assert told.hint == "did you mean `g.inner.deep`?"
    else:
        expected = {"g": "g.b", "g.b": "g.b", "g.inner.deep": "g.inner.deep"}[reference]
        assert reads(text + f"  - {{ELU: , from: {reference}, name: last}}\n", "last") == [expected]


def test_iterations_have_names() -> None:
    text = HEAD + "  - {repeat: 3, index: i, layers: [ReLU, Tanh]}\n"
    for reference, expected in (
        ("repeat.0", "repeat.0.Tanh"),
        ("repeat.1.ReLU", "repeat.1.ReLU"),
        ("repeat", "repeat.2.Tanh"),
    ):
        assert reads(text + f"  - {{ELU: , from: {reference}, name: last}}\n", "last") == [expected]


def test_the_nearest_name_wins() -> None:
    text = HEAD + "  - {ReLU: , name: a}\n  - {name: g, layers: [{Tanh: , name: a}, {ELU: , from: a, name: b}]}\n"
    assert reads(text, "g.b") == ["g.a"]
    outside = HEAD + "  - {ReLU: , name: a}\n  - Tanh\n  - {name: g, layers: [{ELU: , from: a, name: b}]}\n"
    assert reads(outside, "g.b") == ["a"]


def test_names_do_not_enter_blocks_and_leave_them_by_path() -> None:
    text = "input: [3]\nblocks: {f: [{ReLU: , name: x}, Tanh, {Add: [[], x], name: sum}]}\n"
    text += "layers:\n  - {f: , name: one}\n"
    assert reads(text, "one.sum") == ["one.Tanh", "one.x"]
    assert reads(text + "  - {ELU: , from: one.x, name: last}\n", "last") == ["one.x"]
    (told,) = mistakes("input: [3]\nblocks:\n  f: [{ReLU: , from: a}]\nlayers: [{ReLU: , name: a}, f]\n")
    assert told.hint == "inside a block only its own layers have names; what it was given is `input`"


def test_recursive_blocks_keep_their_names_apart() -> None:
    text = "input: [3]\nblocks:\n  f(n): [{ReLU: , name: x}, {f: n - 1, when: n > 0}, {Add: [[], x], name: s}]\n"
    assert reads(text + "layers: [f: 2]\n", "f.f.s") == ["f.f.f.s", "f.f.x"]


# -- ops with several outputs --------------------------------------------------------------------------------------

SPLIT = "input: [4, 8]\nlayers:\n  - {Chunk: {chunks: 2, dim: 1}, name: c}\n"


def test_an_output_is_chosen_by_number() -> None:
    text = SPLIT + "  - {ReLU: , from: 'c[0]', name: a}\n  - Multiply: [a, 'c[1]']\n"
    assert (reads(text, "a"), reads(text, "Multiply")) == (["c"], ["a", "c[1]"])
    assert shapes(text) == [(2, 8)]


def test_outputs_are_chosen_in_branches_and_lists() -> None:
    text = (
        SPLIT
        + "  - {Concat: , from: ['c[1]', 'c[0]'], name: swapped}\n"
        + "  - Add: [[{ReLU: , from: 'c[0]'}], [{Tanh: , from: 'c[1]'}]]\n"
    )
    assert reads(text, "swapped") == ["c[1]", "c"]
    assert reads(text, "Tanh") == ["c[1]"]


def test_a_list_of_sizes_has_as_many_outputs() -> None:
    text = "input: [6, 8]\nlayers:\n  - {Split: {split_size_or_sections: [1, 2, 3], dim: 1}, name: s}\n"
    text += "outputs: ['s[0]', 's[2]']\n"
    assert shapes(text) == [(1, 8), (3, 8)]
    assert messages(text.replace("s[2]", "s[3]")) == ["`s` has 3 outputs, numbered from 0"]


def test_a_main_output_need_not_be_chosen() -> None:
    text = "input: [5, 4]\nlayers:\n  - {LSTM: 3, name: rnn}\n  - Linear: 2\noutputs: {all: Linear, last: 'rnn[1]'}\n"
    assert shapes(text)[0] == (5, 2)
    assert [str(ref) for _, ref in archscope.load(text).outputs] == ["Linear", "rnn[1]"]


def test_a_group_that_ends_with_several() -> None:
    text = "input: [4, 8]\nlayers:\n  - {name: g, layers: [Chunk: {chunks: 2, dim: 1}]}\n  - {ReLU: , from: 'g[1]'}\n"
    assert reads(text, "ReLU") == ["g.Chunk[1]"]
    (told,) = mistakes(text.replace("g[1]", "g"))
    assert (told.message, told.hint) == ("`g.Chunk` has 2 outputs; say which one is meant", "`from: Chunk[0]`")


# -- inputs and outputs --------------------------------------------------------------------------------------------


def test_several_inputs() -> None:
    text = """inputs:
  image: [3, 8, 8]
  ids: {shape: [5], dtype: int64}
layers:
  - {Flatten: , name: flat}
  - {Embedding: {num_embeddings: 10, embedding_dim: 4}, from: ids}
  - {Flatten: , name: words}
  - Concat: [flat, words]
"""
    assert (reads(text, "flat"), reads(text, "Embedding")) == (["image"], ["ids"])
    assert shapes(text) == [(3 * 8 * 8 + 5 * 4,)]


def test_outputs() -> None:
    text = HEAD + "  - {ReLU: , name: a}\n  - {name: g, layers: [Flatten]}\n"
    assert [(name, str(ref)) for name, ref in archscope.load(text).outputs] == [("output", "g.Flatten")]
    listed = archscope.load(text + "outputs: [g, a, input]\n").outputs
    assert [(name, str(ref)) for name, ref in listed] == [("g", "g.Flatten"), ("a", "a"), ("input", "input")]
    named = archscope.load(text + "outputs: {logits: g, aux: a, again: a}\n").outputs
    assert [(name, str(ref)) for name, ref in named] == [("logits", "g.Flatten"), ("aux", "a"), ("again", "a")]


def test_a_design_without_layers_gives_its_input() -> None:
    assert [str(ref) for _, ref in archscope.load("input: [3]\nlayers: []\n").outputs] == ["input"]


def test_the_suggestion_is_the_closest_of_many() -> None:
    text = HEAD + "".join(f"  - {{ReLU: , name: conv{i}}}\n" for i in range(600))
    assert mistakes(text + "  - {ReLU: , from: conv5999}\n")[0].hint == "did you mean `conv599`?"


# -- what a block is given ---------------------------------------------------------------------------------------------

TWO = """input: [3]
blocks:
  two: [{ReLU: , name: h}, {Tanh: , name: p, from: "input[1]"}, {Add: [h, p, "input[0]"], name: sum}]
layers:
  - {ELU: , name: a}
  - {SELU: , name: b}
"""


def test_a_block_is_given_two_tensors() -> None:
    text = TWO + "  - {name: t, two: , from: [b, a]}\n"
    assert [reads(text, f"t.{name}") for name in ("h", "p", "sum")] == [["b"], ["a"], ["t.h", "t.p", "b"]]


def test_what_a_block_is_given_belongs_to_that_call_and_not_to_the_blocks_inside() -> None:
    text = "input: [3]\nblocks:\n  inner: [{ReLU: , name: x, from: input}]\n"
    text += "  outer: [{Tanh: , name: t}, inner, {Add: [inner, input], name: sum}]\nlayers: [ELU, outer]\n"
    assert reads(text, "outer.inner.x") == ["outer.t"]
    assert reads(text, "outer.sum") == ["outer.inner.x", "ELU"]


def test_a_block_is_given_a_layer_of_several_outputs() -> None:
    text = "input: [4]\nblocks: {f: [{ReLU: , name: x, from: 'input[1]'}]}\n"
    text += "layers:\n  - {Chunk: {chunks: 2, dim: 1}, name: c}\n  - f\n"
    assert reads(text, "f.x") == ["c[1]"]


def test_a_block_applied_again_is_given_other_tensors() -> None:
    text = "input: [3]\nblocks:\n  two: [{Linear: 3, name: h}, {Add: [h, 'input[1]'], name: sum}]\nlayers:\n"
    text += "  - {ELU: , name: a}\n  - {name: t, two: , from: [input, a]}\n  - {name: u, reuse: t, from: [t, a]}\n"
    assert (reads(text, "u.h"), reads(text, "u.sum")) == (["t.sum"], ["u.h", "a"])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{two: , from: [a, b, a]}", "the block `two` reads 2 tensors, not 3"),
        ("{two: , from: []}", "the block `two` is given no tensor"),
        ("two", "`input` has 1 output, numbered from 0"),
    ],
)
def test_a_block_is_given_as_many_tensors_as_it_reads(entry: str, message: str) -> None:
    assert messages(TWO + f"  - {entry}\n") == [message]


def test_of_several_tensors_one_is_named() -> None:
    text = "input: [3]\nblocks: {f: [{Add: [input, 'input[1]']}]}\nlayers:\n  - ReLU\n  - {f: , from: [ReLU, input]}\n"
    (told,) = mistakes(text)
    assert told.message == "the block was given 2 tensors; say which one is meant"
    assert told.hint == "`input[0]` to `input[1]`"


def test_nothing_inside_a_block_is_called_input() -> None:
    (told,) = mistakes("input: [3]\nblocks: {f: [{ReLU: , name: input}]}\nlayers: [f]\n")
    assert told.message == "inside a block `input` is what the block was given"


# -- computed references -----------------------------------------------------------------------------------------------

CHAIN = """input: [3]
vars: {last: 3}
layers:
  - {ReLU: , name: cell0}
  - {ReLU: , name: cell1}
  - repeat: last - 1
    index: i
    layers: [{name: "cell{i + 2}", Add: ["cell{i + 1}", "cell{i}"]}]
outputs: ["cell{last}"]
"""


def test_references_are_computed() -> None:
    assert [reads(CHAIN, f"cell{i}") for i in (2, 3)] == [["cell1", "cell0"], ["cell2", "cell1"]]
    assert [(name, str(ref)) for name, ref in archscope.load(CHAIN).outputs] == [("cell3", "cell3")]


def test_from_and_reuse_are_computed() -> None:
    text = HEAD + "  - {ReLU: , name: a1}\n  - {ELU: , name: b}\n  - {Tanh: , name: c, from: 'a{2 - 1}'}\n"
    assert reads(text, "c") == ["a1"]
    assert archscope.load(text + "  - {reuse: 'a{3 - 2}', name: d}\n").layers[-1].shares == "a1"


def test_a_computed_reference_is_arithmetic() -> None:
    assert messages(HEAD + "  - {ReLU: , from: 'a{width}'}\n") == ["unknown name `width`"]
    assert messages(HEAD + "  - {ReLU: , from: 'a{1 + 1}'}\n") == ["there is no layer `a2` before this one"]


def test_a_repeat_whose_layers_all_have_computed_names_adds_no_level() -> None:
    names = [layer.name for layer in archscope.load(CHAIN).layers]
    assert names == ["cell0", "cell1", "cell2", "cell3"]
    partly = HEAD + "  - repeat: 2\n    index: i\n    layers: [{name: 'a{i}', ReLU: }, Tanh]\n"
    assert [layer.name for layer in archscope.load(partly).layers][:2] == ["repeat.0.a0", "repeat.0.Tanh"]
    branch = HEAD + "  - repeat: 1\n    index: i\n    layers: [{name: 'a{i}', Add: [[ReLU], []]}]\n"
    assert [layer.name for layer in archscope.load(branch).layers] == ["repeat.0.ReLU", "repeat.0.a0"]


def test_names_that_a_repeat_computes_alike_are_a_mistake() -> None:
    text = HEAD + "  - repeat: 2\n    index: i\n    layers: [{name: 'a{i // 2}', ReLU: }]\n"
    assert messages(text) == ["two parts of the design are called `a0`"]


# -- outputs that depend on a variable ---------------------------------------------------------------------------------

HEADS = """input: [3]
vars: {aux: false}
layers:
  - {ReLU: , name: trunk}
  - {Tanh: , name: head, when: aux}
outputs: {main: trunk, aux: {from: head, when: aux}}
"""


def test_an_output_may_have_a_condition() -> None:
    assert [name for name, _ in archscope.load(HEADS).outputs] == ["main"]
    assert [name for name, _ in archscope.load(HEADS, set={"aux": True}).outputs] == ["main", "aux"]
    listed = HEADS.replace("{main: trunk, aux: {from: head, when: aux}}", "[trunk, {from: head, when: aux}]")
    assert [name for name, _ in archscope.load(listed, set={"aux": True}).outputs] == ["trunk", "head"]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ("{a: {from: trunk, when: false}}", "no output is left"),
        ("{'a{i}': {repeat: 0, index: i, from: trunk}}", "no output is left"),
        ("{a: {when: aux}}", "an output needs `from:`"),
        ("{a: {from: trunk, if: aux}}", "unknown key `if` of an output"),
        ("{a: {from: trunk, when: axu}}", "unknown name `axu`"),
    ],
)
def test_mistakes_in_conditions_of_outputs(outputs: str, message: str) -> None:
    text = HEADS.replace("{main: trunk, aux: {from: head, when: aux}}", outputs)
    assert messages(text) == [message]
