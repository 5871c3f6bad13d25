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
    for reference, expected in (("i.0", "i.0.Tanh"), ("i.1.ReLU", "i.1.ReLU"), ("i", "i.2.Tanh")):
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
    (told,) = mistakes("input: [3]\nblocks:\n  f: [{ReLU: , from: input}]\nlayers: [f]\n")
    assert told.hint == "inside a block only the block's own layers have names"


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
