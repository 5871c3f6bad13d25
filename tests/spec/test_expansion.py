"""What blocks, repeats, conditions and branches become."""

from __future__ import annotations

import pickle

import pytest

import archscope
from archscope.autograd.dtypes import OF_RUNS
from archscope.errors import SpecError
from archscope.setting import Setting
from archscope.setting.precision import WORDS
from archscope.spec.writer import to_yaml
from tests.spec.asking import HEAD, layers, mistakes, shapes

UNET = """input: [1, 64, 64]
vars: {depth: 3, width: 8, act: ReLU}
blocks:
  double(out):
    - repeat: 2
      layers: [Conv2d: {out_channels: out, kernel_size: 3, padding: 1}, act]
  unet(depth, width):
    - double: width
    - Concat:
      - []
      - - MaxPool2d: 2
        - unet: {depth: depth - 1, width: 2 * width}
        - ConvTranspose2d: {out_channels: width, kernel_size: 2, stride: 2}
      when: depth > 0
    - double: width
layers:
  - unet: {depth: depth, width: width}
  - Conv2d: {out_channels: 2, kernel_size: 1}
"""


def test_a_u_net_is_one_recursive_block() -> None:
    design = archscope.load(UNET)
    assert shapes(UNET) == [(2, 64, 64)]
    convs = [layer for layer in design.layers if layer.kind == "Conv2d"]
    assert [layer.op.out_channels for layer in convs] == [8, 8, 16, 16, 32, 32, 64, 64, 64, 64, 32, 32, 16, 16, 8, 8, 2]
    assert sum(layer.kind == "Concat" for layer in design.layers) == 3
    assert len(archscope.load(UNET, set={"depth": 0}).layers) == 2 * 4 + 1


def test_signatures_and_defaults() -> None:
    text = """input: [3, 16, 16]
vars: {width: 5}
blocks:
  conv(out, kernel=3, padding=kernel // 2, groups=1, act=ReLU, bias=width == 5):
    - Conv2d: {out_channels: out, kernel_size: kernel, padding: padding, groups: groups, bias: bias}
    - act
  plain:
    - Tanh
  empty(): []
layers:
  - conv: 4
  - conv: {out: 2 * width, kernel: 5, act: GELU, bias: false}
  - conv: {out: in_channels, groups: in_channels}
  - plain
  - plain: {}
  - plain:
  - empty
"""
    first, _, second, gelu, third, *rest = archscope.load(text).layers
    assert (first.op.padding, second.op.padding, third.op.padding) == ((1, 1), (2, 2), (1, 1))
    assert (first.op.bias, second.op.bias, third.op.groups, gelu.kind) == (True, False, 10, "GELU")
    assert [layer.kind for layer in rest] == ["ReLU", "Tanh", "Tanh", "Tanh"]
    assert [layer.name for layer in rest[1:]] == ["plain_1.Tanh", "plain_2.Tanh", "plain_3.Tanh"]


def test_a_parameter_is_seen_inside_its_block_alone() -> None:
    text = """input: [3]
vars: {n: 1}
blocks:
  outer(n): [inner, {Linear: n}]
  inner: [Linear: n]
layers: [outer: 5, Linear: n]
"""
    assert [layer.op.out_features for layer in archscope.load(text).layers] == [1, 5, 1]


def test_a_parameter_may_hold_a_list_a_word_or_a_block() -> None:
    text = """input: [3]
blocks:
  mlp(sizes, act=ReLU, last=none):
    - repeat: len(sizes)
      index: i
      layers: [Linear: 'sizes[i]', act]
    - last
  none: []
  head: [Linear: 2]
layers:
  - mlp: {sizes: [4, 5], act: Tanh, last: head}
  - mlp: {sizes: [7]}
"""
    assert layers(text) == [
        "mlp_1.repeat.0.Linear: Linear",
        "mlp_1.repeat.0.act: Tanh",
        "mlp_1.repeat.1.Linear: Linear",
        "mlp_1.repeat.1.act: Tanh",
        "mlp_1.last.Linear: Linear",
        "mlp_2.repeat.0.Linear: Linear",
        "mlp_2.repeat.0.act: ReLU",
    ]


def test_variables_hold_names_of_layers_and_blocks() -> None:
    text = "input: [4]\nvars: {act: LeakyReLU, other: act, part: head, acts: [ReLU, GELU]}\n"
    text += "blocks:\n  head(n=2): [Linear: n]\n  use(what): [what]\n"
    text += "layers: [act, act: 0.3, other, part, part: 3, {use: 'acts[1]'}]\n"
    assert [layer.kind for layer in archscope.load(text).layers] == [
        "LeakyReLU", "LeakyReLU", "LeakyReLU", "Linear", "Linear", "GELU"
    ]  # fmt: skip


# -- repeats -------------------------------------------------------------------------------------------------------


def test_repeats_count_from_0() -> None:
    text = HEAD + "  - repeat: 3\n    index: i\n    layers: [Conv2d: {out_channels: 4 + i, kernel_size: 1}, ReLU]\n"
    assert [name for name in layers(text) if "Conv" in name] == [
        "repeat.0.Conv2d: Conv2d",
        "repeat.1.Conv2d: Conv2d",
        "repeat.2.Conv2d: Conv2d",
    ]
    assert [layer.op.out_channels for layer in archscope.load(text).layers if layer.kind == "Conv2d"] == [4, 5, 6]


def test_repeats_nest() -> None:
    text = """input: [3]
vars: {depths: [1, 0, 2]}
layers:
  - repeat: len(depths)
    index: stage
    layers:
      - repeat: depths[stage]
        index: i
        layers: [Linear: 10 * stage + i + 1]
"""
    assert layers(text) == [f"stage.{place}.Linear: Linear" for place in ("0.Linear.0", "2.Linear.0", "2.Linear.1")]
    assert [layer.op.out_features for layer in archscope.load(text).layers] == [1, 21, 22]


def test_names_of_repeats() -> None:
    def names(more: str) -> list[str]:
        return [layer.name for layer in archscope.load(HEAD + f"  - {{repeat: 2, layers: [ReLU], {more}}}\n").layers]

    assert names("when: true") == names("index: i") == names("index: stage") == ["ReLU.0.ReLU", "ReLU.1.ReLU"]
    assert names("name: part") == ["part.0.ReLU", "part.1.ReLU"]
    assert names("index: i, name: 'layer{i + 1}'") == ["layer1.ReLU", "layer2.ReLU"]
    assert names("index: i, name: 'a{i}.b{2 * i}'") == ["a0.b0.ReLU", "a1.b2.ReLU"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{repeat: 1, index: i, layers: [cell: 2]}", "cell.0.cell.Conv2d"),
        ("{repeat: 1, layers: [cell: 2]}", "cell.0.cell.Conv2d"),
        ("{repeat: 1, layers: [{cell: 2, name: one}]}", "cell.0.one.Conv2d"),
        ("{repeat: 1, index: i, layers: [cell: 2, Tanh]}", "repeat.0.cell.Conv2d"),
        ("{repeat: 1, index: stage, layers: [cell: 2, Tanh]}", "stage.0.cell.Conv2d"),
        ("{repeat: 1, index: i, layers: [Add: [[cell: 3], []]]}", "repeat.0.cell.Conv2d"),
        ("{repeat: 1, index: i, layers: [{repeat: 1, layers: [cell: 3]}]}", "repeat.0.cell.0.cell.Conv2d"),
    ],
)
def test_a_repeat_without_a_name_is_called_after_the_block_that_it_lays(entry: str, expected: str) -> None:
    text = f"input: [3, 8, 8]\nblocks:\n  cell(w): [Conv2d: {{out_channels: w, kernel_size: 1}}]\nlayers: [{entry}]\n"
    assert archscope.load(text).layers[0].name == expected


def test_a_repeat_of_none_is_nothing() -> None:
    assert layers(HEAD + "  - {repeat: 0, layers: [Conv2D: 3]}\n  - ReLU\n") == ["ReLU: ReLU"]
    assert layers(HEAD + "  - {repeat: 3, layers: []}\n  - ReLU\n") == ["ReLU: ReLU"]


def test_an_index_hides_a_variable_of_its_name() -> None:
    text = "input: [3]\nvars: {i: 7}\nlayers:\n  - {repeat: 2, index: i, layers: [Linear: i + 1]}\n  - Linear: i\n"
    assert [layer.op.out_features for layer in archscope.load(text).layers] == [1, 2, 7]


# -- conditions ----------------------------------------------------------------------------------------------------


def test_when_may_stand_on_anything() -> None:
    text = """input: [3, 8, 8]
vars: {on: true}
blocks:
  f: [Tanh]
layers:
  - {ReLU: , when: on}
  - {f: , when: on}
  - {repeat: 2, layers: [GELU], when: on}
  - {layers: [SiLU], when: on}
  - {name: g, layers: [ELU], when: on}
  - {reuse: ReLU, when: on}
  - Add:
    - [{Sigmoid: , when: on}]
    - []
    when: on
"""
    kinds = [layer.kind for layer in archscope.load(text).layers]
    assert kinds == ["ReLU", "Tanh", "GELU", "GELU", "SiLU", "ELU", "ReLU", "Sigmoid", "Add"]
    assert archscope.load(text, set={"on": False}).layers == ()


@pytest.mark.parametrize(
    ("condition", "there"),
    [
        ("1", True), ("0", False), ("w > 3", True), ("w > 3 and act == 'GELU'", False), ("in_channels == 3", True),
        ("in_size[0] < in_size[1]", True), ("in_features == 16", True), ("not w", False), ("w in [4, 5]", True),
    ],
)  # fmt: skip
def test_conditions(condition: str, there: bool) -> None:
    text = f'input: [3, 8, 16]\nvars: {{w: 4, act: ReLU}}\nlayers:\n  - ReLU:\n    when: "{condition}"\n'
    assert bool(archscope.load(text).layers) is there


def test_what_is_left_out_is_not_read() -> None:
    assert layers(HEAD + "  - {Conv2D: {a: 1 / 0}, when: false}\n") == []


def test_names_are_numbered_whatever_is_left_out() -> None:
    text = """input: [3, 8, 8]
vars: {first: true}
layers:
  - {Conv2d: {out_channels: 3, kernel_size: 1}, when: first}
  - ReLU
  - Add:
    - [{Conv2d: {out_channels: 3, kernel_size: 1}, when: first}]
    - [Conv2d: {out_channels: 3, kernel_size: 1}]
"""
    assert layers(text) == [
        "Conv2d_1: Conv2d", "ReLU: ReLU", "Conv2d_2: Conv2d", "Conv2d_3: Conv2d", "Add: Add"
    ]  # fmt: skip
    assert layers(text, set={"first": False}) == ["ReLU: ReLU", "Conv2d_3: Conv2d", "Add: Add"]


# -- names and groups ----------------------------------------------------------------------------------------------


def test_names() -> None:
    text = """input: [3, 8, 8]
vars: {n: 5}
blocks:
  f: [ReLU, {Tanh: , name: last}]
layers:
  - {ReLU: , name: a}
  - {ReLU: , name: 'b{n}'}
  - {ReLU: , name: deep.er-1}
  - {ReLU: , name: 7}
  - ReLU
  - f
  - {f: , name: block}
  - {name: group, layers: [ReLU, f]}
  - layers: [ReLU, Tanh]
"""
    assert layers(text) == [
        "a: ReLU", "b5: ReLU", "deep.er-1: ReLU", "7: ReLU", "ReLU_1: ReLU",
        "f.ReLU: ReLU", "f.last: Tanh", "block.ReLU: ReLU", "block.last: Tanh",
        "group.ReLU: ReLU", "group.f.ReLU: ReLU", "group.f.last: Tanh", "ReLU_2: ReLU", "Tanh: Tanh",
    ]  # fmt: skip


def test_the_same_name_may_stand_in_two_blocks() -> None:
    text = "input: [3]\nblocks:\n  f: [{ReLU: , name: x}]\nlayers: [f, f, {name: g, layers: [f, {ReLU: , name: x}]}]\n"
    assert layers(text) == ["f_1.x: ReLU", "f_2.x: ReLU", "g.f.x: ReLU", "g.x: ReLU"]


# -- branches ------------------------------------------------------------------------------------------------------


def test_branches_start_from_what_arrives() -> None:
    text = """input: [4, 8, 8]
layers:
  - {ReLU: , name: first}
  - Tanh
  - Concat:
    - []
    - first
    - input
    - - Conv2d: {out_channels: 2, kernel_size: 1}
      - ReLU
    - [Sigmoid]
  - Add: {inputs: [[], [Tanh]]}
"""
    concat = archscope.load(text).graph.layers[5]
    assert [str(ref) for ref in concat.inputs] == ["Tanh_1", "first", "input", "ReLU", "Sigmoid"]
    assert shapes(text) == [(4 + 4 + 4 + 2 + 4, 8, 8)]


def test_merges_nest() -> None:
    text = "input: [2]\nlayers:\n  - Add: [[Add: [[ReLU], []]], [Multiply: [[Sigmoid], [Tanh]]], []]\n"
    assert layers(text) == [
        "ReLU: ReLU", "Add_1: Add", "Sigmoid: Sigmoid", "Tanh: Tanh", "Multiply: Multiply", "Add_2: Add"
    ]  # fmt: skip


def test_a_conditional_branch_entry_leaves_the_identity() -> None:
    text = "input: [2]\nvars: {project: false}\nlayers: [Add: [[ReLU], [{Linear: 2, when: project}]]]\n"
    assert [str(ref) for ref in archscope.load(text).layers[-1].inputs] == ["ReLU", "input"]
    assert [str(ref) for ref in archscope.load(text, set={"project": True}).layers[-1].inputs] == ["ReLU", "Linear"]


def test_arguments_beside_branches() -> None:
    text = "input: [2, 8]\nlayers:\n  - Concat: {inputs: [[], []], dim: 2}\n"
    assert shapes(text) == [(2, 16)]


# -- what arrives --------------------------------------------------------------------------------------------------


def test_what_arrives() -> None:
    text = """input: [6, 9, 12]
layers:
  - Conv2d: {out_channels: in_channels, kernel_size: 3, groups: in_channels}
  - Conv2d: {out_channels: in_channels // 2, kernel_size: ['in_size[0]', 1]}
  - AvgPool2d: {kernel_size: in_size}
  - Flatten
  - Linear: 2 * in_features + in_channels
"""
    depthwise, tall, pool, _, linear = archscope.load(text).layers
    assert (depthwise.op.groups, tall.op.out_channels, tall.op.kernel_size) == (6, 3, (7, 1))
    assert (pool.op.kernel_size, linear.op.out_features) == ((1, 10), 9)


def test_any_dimension_of_what_arrives() -> None:
    """As the ``shape`` of torch's tensors has them: (N, 12, 5, 7), (N, 12, 35), (N, 420)."""
    text = """input: [12, 5, 7]
layers:
  - Conv2d: {out_channels: 'in_shape[1] + len(in_shape)', kernel_size: ['in_shape[2]', 'in_shape[-1] - 6']}
  - {Conv2d: {out_channels: 12, kernel_size: 1}, from: input}
  - Flatten: 2
  - Linear: prod(in_shape[1:])
"""
    first, _, flat, linear = archscope.load(text).layers
    assert (first.op.out_channels, first.op.kernel_size) == (12 + 4, (5, 1))
    assert linear.op.out_features == 12 * 5 * 7
    torch = pytest.importorskip("torch")
    x = torch.zeros(2, 12, 5, 7).flatten(2)
    assert archscope.load(text).graph.tensors(2)[flat.name][0].shape == tuple(x.shape)


@pytest.mark.parametrize(("arriving", "length"), [([9], 9), ([9, 16], 9), ([4, 9, 16], 9)])
def test_the_length_of_a_sequence(arriving: list[int], length: int) -> None:
    """(N, L) of words, (N, L, E) behind an embedding, (N, heads, L, E) in attention."""
    text = f"input: {arriving}\nlayers: [{{Linear: in_length, name: a}}]\n"
    assert archscope.load(text).layers[0].op.out_features == length


def test_the_batch_is_no_number() -> None:
    (told,) = mistakes("input: [3, 4]\nlayers: [{Linear: 'in_shape[0]'}]\n")
    assert told.message == "`out_features` of Linear: expected an integer of at least 1, got 'N'"
    assert told.hint == "dimension 0 is the batch, whose size a spec leaves open; the others count from 1, as in torch"


def test_the_batch_is_no_condition() -> None:
    (told,) = mistakes("input: [3, 4]\nlayers: [{ReLU: , when: 'in_shape[0]'}]\n")
    assert told.message == "expected a condition, got the word 'N'"
    assert told.hint == "dimension 0 is the batch, whose size a spec leaves open; the others count from 1, as in torch"


def test_the_batch_is_no_part_of_a_name() -> None:
    (told,) = mistakes("input: [3, 4]\nlayers: [{ReLU: , name: 'a{in_shape[0]}'}]\n")
    assert told.message == "`in_shape[0]` has no value here"
    assert told.hint == "dimension 0 is the batch, whose size a spec leaves open; the others count from 1, as in torch"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{repeat: 2, index: i, from: 'a{i}', layers: [ReLU]}", "`i` has no value here"),
        ("{repeat: 2, index: i, when: i > 0, layers: [ReLU]}", "`i > 0` compares what is no number"),
        ("{repeat: i + 1, index: i, layers: [ReLU]}", "arithmetic needs numbers; `i` is the word 'i'"),
        ("Add: [{repeat: 2, index: i, from: input, when: i}, []]", "expected a condition, got the word 'i'"),
    ],
)
def test_an_index_has_no_value_beside_its_repeat(entry: str, message: str) -> None:
    (told,) = mistakes(f"input: [3]\nlayers:\n  - {entry}\n")
    assert told.message == message
    assert told.hint == ("`i` counts inside the repeat: its `from:`, `when:` and count are read before the first round")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("repeat: 2, when: i > 0", "`i > 0` compares what is no number"),
        ("repeat: i", "expected an integer of at least 0, got 'i'"),
    ],
)
def test_nor_has_it_beside_outputs_that_it_counts(more: str, message: str) -> None:
    layers = "[{ReLU: , name: a0}, {ReLU: , name: a1}]"
    (told,) = mistakes(f"input: [3]\nlayers: {layers}\noutputs: [{{from: 'a{{i}}', index: i, {more}}}]\n")
    assert told.message == message
    assert told.hint == ("`i` counts inside the repeat: its `from:`, `when:` and count are read before the first round")


def test_an_index_that_hides_a_variable() -> None:
    """Python's own loops: in the inner one the name is the inner index, and outside of both the variable."""
    inner = "[{repeat: 2, index: i, layers: [Linear: 1 + i]}]"
    text = f"input: [3]\nvars: {{i: 7}}\nlayers: [{{repeat: 1, index: i, layers: {inner}}}, Linear: i]\n"
    design = archscope.load(text)
    assert [layer.op.out_features for layer in design.layers] == [1, 2, 7]
    assert [(told.mark.line, told.message) for told in design.warnings] == [
        (3, "`i` is the index of this repeat, and hides a variable of that name")
    ] * 2
    assert not archscope.load(
        text.replace("vars: {i: 7}\n", "vars: {n: 7}\n")
        .replace("Linear: i]", "Linear: n]")
        .replace(inner, "[Linear: 1 + i]")
    ).warnings


def test_outputs_that_a_hiding_index_counts() -> None:
    text = "input: [3]\nvars: {i: 1}\nlayers: [{ReLU: , name: a0}, {ReLU: , name: 'a{i}'}]\n"
    design = archscope.load(text + "outputs: [{repeat: 2, index: i, from: 'a{i}'}]\n")
    assert [name for name, _ in design.outputs] == ["a0", "a1"]
    assert [told.message for told in design.warnings] == [
        "`i` is the index of this repeat, and hides a variable of that name"
    ]


@pytest.mark.parametrize("word", ["no", "off", "False", "false"])
def test_a_variable_that_other_versions_of_yaml_take_for_false(word: str) -> None:
    """Never true: YAML 1.1 reads all of them as false, YAML 1.2 the first two as words, which are refused."""
    text = f"input: [3]\nvars: {{flag: {word}}}\nlayers: [{{Linear: 4 if flag else 5}}]\n"
    if word in ("no", "off"):
        (told,) = mistakes(text)
        assert (told.message, told.hint) == (
            f"expected a condition; `flag` is the word '{word}'",
            "write true or false",
        )
    else:
        assert archscope.load(text).layers[0].op.out_features == 5


def test_a_name_counts_as_true_beside_null() -> None:
    text = (
        "input: [3, 8, 8]\nvars: {norm: null}\nlayers: [{Conv2d: {out_channels: 4, kernel_size: 1, bias: not norm}}]\n"
    )
    assert archscope.load(text).layers[0].op.bias
    assert not archscope.load(text, set={"norm": "BatchNorm2d"}).layers[0].op.bias


def test_what_arrives_in_a_block_a_condition_and_a_name() -> None:
    text = """input: [6]
blocks:
  f(out=in_features // 2): [Linear: out]
layers:
  - f
  - {f: in_features + 1, when: in_features == 3, name: 'from{in_features}'}
  - {repeat: in_features, layers: [ReLU]}
"""
    assert layers(text) == ["f.Linear: Linear", "from3.Linear: Linear", *(f"ReLU.{i}.ReLU: ReLU" for i in range(4))]


def test_what_arrives_is_what_from_says() -> None:
    text = "input: [6]\nlayers: [{Linear: 2}, {Linear: in_features, from: input}]\n"
    assert archscope.load(text).layers[1].op.out_features == 6


# -- freeze, checkpoint, reuse -------------------------------------------------------------------------------------

CONV = "{Conv2d: {out_channels: 3, kernel_size: 1}, "


def test_freeze() -> None:
    text = f"""input: [3, 8, 8]
vars: {{stem: true}}
blocks:
  f: [{CONV}name: a}}, {{layers: [{CONV}name: b}}]}}]
layers:
  - {CONV}name: c, freeze: stem}}
  - {{f: , freeze: true}}
  - {{repeat: 1, layers: [{CONV}name: d}}], freeze: not stem}}
  - {{layers: [{CONV}name: e, freeze: false}}], freeze: true}}
  - {CONV}name: g}}
"""
    frozen = {layer.name for layer in archscope.load(text).layers if layer.frozen}
    assert frozen == {"c", "f.a", "f.b", "e"}
    assert archscope.load(text, set={"stem": False}).layers[3].frozen


def test_checkpoint_names_the_outermost_region() -> None:
    text = """input: [3]
blocks:
  f: [ReLU, {g: , checkpoint: true}]
  g: [Tanh, Tanh]
layers:
  - {f: , checkpoint: true}
  - f
  - {repeat: 2, layers: [ReLU], checkpoint: true}
  - {layers: [GELU, GELU], checkpoint: true}
  - {layers: [GELU], checkpoint: true}
  - {ReLU: , checkpoint: true}
"""
    regions = [layer.checkpoint for layer in archscope.load(text).layers]
    assert regions == [
        "f_1", "f_1", "f_1", None, "f_2.g", "f_2.g", "ReLU_1.0", "ReLU_1.1", "group_1", "group_1", "group_2", "ReLU_2"
    ]  # fmt: skip


def test_groups_in_repeats_are_regions_of_their_own() -> None:
    text = HEAD + "  - {repeat: 2, layers: [{layers: [ReLU, Tanh], checkpoint: true}]}\n"
    first, second, third, fourth = (layer.checkpoint for layer in archscope.load(text).layers)
    assert first == second != third == fourth


def test_a_reused_layer_shares_weights_and_works_again() -> None:
    text = HEAD + f"  - {CONV}name: c}}\n  - reuse: c\n  - {{reuse: c, name: third}}\n  - reuse: third\n"
    design = archscope.load(text)
    assert [(layer.name, layer.shares) for layer in design.layers] == [
        ("c", None), ("c_reuse", "c"), ("third", "c"), ("third_reuse", "c")
    ]  # fmt: skip
    total = archscope.analyze(design).total
    assert (total.params, total.macs) == (3 * 3 + 3, 4 * 3 * 3 * 32 * 32)


def test_reuse_of_a_block_and_of_a_part_of_it() -> None:
    text = """input: [3, 8, 8]
blocks:
  f(n):
    - {repeat: n, layers: [Conv2d: {out_channels: 3, kernel_size: 1}]}
    - ReLU
layers:
  - {f: 2, name: a}
  - {reuse: a, name: b}
  - {reuse: a.Conv2d.0.Conv2d, name: c}
  - {reuse: a, name: d, from: input}
"""
    design = archscope.load(text)
    assert {layer.name: layer.shares for layer in design.layers if layer.kind == "Conv2d"} == {
        "a.Conv2d.0.Conv2d": None,
        "a.Conv2d.1.Conv2d": None,
        "b.Conv2d.0.Conv2d": "a.Conv2d.0.Conv2d",
        "b.Conv2d.1.Conv2d": "a.Conv2d.1.Conv2d",
        "c": "a.Conv2d.0.Conv2d",
        "d.Conv2d.0.Conv2d": "a.Conv2d.0.Conv2d",
        "d.Conv2d.1.Conv2d": "a.Conv2d.1.Conv2d",
    }
    assert [str(ref) for ref in design.layers[-3].inputs] == ["input"]
    assert archscope.analyze(design).total.params == 2 * (3 * 3 + 3)


def test_reuse_in_a_repeat_is_a_recurrent_net() -> None:
    text = HEAD + f"  - {CONV}name: c}}\n  - {{repeat: 3, layers: [reuse: c]}}\n"
    assert archscope.analyze(archscope.load(text)).total.params == 12
    assert layers(text)[-1] == "repeat.2.c_reuse: Conv2d"


def test_reuse_keeps_what_the_first_use_was_given() -> None:
    text = "input: [3]\nblocks:\n  f(n, act): [Linear: n, act]\nlayers:\n"
    text += "  - {f: {n: 3, act: Tanh}, name: a, freeze: true}\n  - reuse: a\n"
    again = archscope.load(text).layers[2:]
    assert [(layer.kind, layer.frozen) for layer in again] == [("Linear", ("weight", "bias")), ("Tanh", ())]


def test_a_reused_layer_of_other_maps_is_fine() -> None:
    text = HEAD + f"  - {CONV}name: c}}\n  - MaxPool2d: 2\n  - reuse: c\n"
    assert archscope.analyze(archscope.load(text)).total.macs == 9 * (32 * 32 + 16 * 16)


# -- designs are values --------------------------------------------------------------------------------------------


def test_designs_are_equal_when_they_say_the_same() -> None:
    long = "# a note\ninput: [3, 32, 32]\nblocks:\n  f(n): [Conv2d: {out_channels: n, kernel_size: 3}]\nlayers:\n\n"
    long += "  - {f: 2 * 4, name: a}\n  - {layers: [ReLU], checkpoint: true}\n"
    short = "input: [3, 32, 32]\nlayers:\n"
    short += "  - {name: a, layers: [Conv2d: {out_channels: 8, kernel_size: [3, 3], stride: 1}]}\n"
    short += "  - {layers: [ReLU], checkpoint: true}\n"
    assert archscope.load(long) == archscope.load(short)
    assert hash(archscope.load(long)) == hash(archscope.load(short))
    assert archscope.load(short) != archscope.load(short.replace("stride: 1", "stride: 2"))


def test_designs_travel() -> None:
    for text in (UNET, HEAD + f"  - {CONV}name: c}}\n  - reuse: c\n"):
        design = archscope.load(text)
        again = pickle.loads(pickle.dumps(design))
        assert again == design
        assert archscope.analyze(again).total == archscope.analyze(design).total


def test_a_layer_that_nobody_reads_is_a_warning() -> None:
    (warning,) = archscope.load(HEAD + "  - {Tanh: , name: lost}\n  - {ReLU: , from: input}\n").warnings
    assert (
        warning.render()
        == """<text>:3:6: warning: `lost` contributes to no output
  3 |   - {Tanh: , name: lost}
    |      ^^^^"""
    )


def test_fifty_blocks_deep() -> None:
    text = "input: [3]\nblocks:\n  f(n): [Add: [[], [{f: n - 1, when: n > 0}]]]\nlayers: [f: 45]\n"
    assert len(archscope.load(text).layers) == 46


def test_ten_thousand_layers() -> None:
    assert len(archscope.load(HEAD + "  - {repeat: 5000, layers: [ReLU, BatchNorm2d]}\n").layers) == 10_000


def test_what_needs_no_input_may_stand_behind_a_layer_of_several_outputs() -> None:
    text = "input: [4, 4]\nlayers:\n  - Chunk: {chunks: 2, dim: 1}\n  - {Parameter: [1, 4, 4], name: p}\n  - ReLU\n"
    layers = archscope.load(text).layers
    assert [[ref.node for ref in layer.inputs] for layer in layers] == [["input"], [], ["p"]]


# -- floating types ----------------------------------------------------------------------------------------------------


def test_a_mark_of_a_block_holds_of_its_layers_and_may_be_taken_back():
    design = archscope.load(
        "inputs: {input: {shape: [8], dtype: bfloat16}}\nvars: {kind: bfloat16}\nlayers:\n"
        "  - {name: body, dtype: kind, layers: [{name: a, Linear: 8}, ReLU, {name: b, Linear: 8}]}\n"
        "  - {name: c, dtype: float64, layers: [{Cast: float}, {Linear: 8}]}\n"
        "  - {name: d, dtype: bfloat16, layers: [{Cast: float32}, {name: e, Linear: 8, dtype: float}]}\n"
        "  - {Add: [[{Linear: 8}], []], dtype: float}\n"
    )
    held = {layer.name: layer.dtype for layer in design.layers}
    assert [held[name] for name in ("body.a", "body.ReLU", "body.b", "d.e")] == ["bfloat16", None, "bfloat16", None]
    assert held["c.Linear"] == held["c.Cast"] == "float64"  # a cast to `float` is one to the type of its mark
    assert [note.message for note in design.warnings] == []
    assert archscope.load(to_yaml(design)).layers == design.layers


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("{Linear: 4, dtype: bfloat61}",
         "the word 'bfloat61' is no floating type to hold a layer in", "did you mean `bfloat16`?"),
        ("{Linear: 4, dtype: amp}", "the word 'amp' is no floating type to hold a layer in",
         "amp is how a run computes, not a type of tensors: ask by `--precision amp`"),
        ("{Linear: 4, dtype: 3}", "3 is no floating type to hold a layer in",
         "one of float, float64, float32, float16, bfloat16"),
        ("{MatMul: [[{Cast: float16}], [Cast: float64, Transpose: {dim0: 1, dim1: 2}]]}",
         "MatMul: input 1 is float16, and input 2 is float64; torch does not mix them", "`Cast: float16` before it"),
    ],
)  # fmt: skip
def test_what_torch_does_not_mix_is_told_with_its_place(entry, message, hint):
    with pytest.raises(SpecError) as caught:
        archscope.load(f"input: [3, 4]\nlayers:\n  - {entry}\n")
    (found,) = caught.value.diagnostics
    assert (found.message, found.hint, found.mark.line) == (message, hint, 3)


@pytest.mark.parametrize(
    ("word", "name"),
    [("half", "float16"), ("fp16", "float16"), ("bf16", "bfloat16"), ("BF16", "bfloat16"),
     ("double", "float64"), ("fp64", "float64"), ("fp32", "float32")],
)  # fmt: skip
def test_short_names_of_types_are_understood_and_torchs_are_printed(word, name):
    """Half and double are torch's own words: torch.half is torch.float16, torch.double torch.float64."""
    design = archscope.load(
        f"inputs: {{input: {{shape: [8], dtype: {word}}}}}\nlayers:\n  - {{Linear: 4, dtype: {word}}}\n"
        f"  - Cast: {word}\n  - {{Constant: {{shape: [1, 4], dtype: {word}}}}}\n"
    )
    linear, cast, constant = design.layers
    assert (design.inputs[0].dtype, linear.dtype, cast.op.dtype, constant.op.dtype) == (name,) * 4
    assert word not in to_yaml(design)
    assert Setting(precision=word).precision == name


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("tf32", "tf32 is how a run computes, not a type of tensors: ask by `--precision tf32`"),
        ("bf16-mixed", "bf16-mixed is how a run computes, not a type of tensors: ask by `--precision bf16-mixed`"),
        ("fp8", "no layer of torch runs in float8: what a design weighs in it is `--precision float8`"),
        ("torch.bfloat16", "did you mean `bfloat16`?"),
    ],
)
@pytest.mark.parametrize("entry", ["Cast: {0}", "{{Linear: 4, dtype: {0}}}", "{{Buffer: {{shape: [4], dtype: {0}}}}}"])
def test_words_of_runs_are_no_types_of_tensors(word, hint, entry):
    with pytest.raises(SpecError) as caught:
        archscope.load(f"input: [4]\nlayers:\n  - {entry.format(word)}\n")
    assert [found.hint for found in caught.value.diagnostics] == [hint]
    assert {*OF_RUNS} < {*WORDS}


def test_a_mark_that_says_nothing_is_told():
    (note,) = archscope.load("input: [4]\nlayers:\n  - {ReLU: , dtype: bfloat16}\n").warnings
    assert note.message == "`dtype:` says nothing here: ReLU has no floating parameters and buffers"
