"""What stands behind an op's name: values without a name, and arguments that follow from what arrives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import archscope
from archscope.ops import REGISTRY
from archscope.ops.base import InfersArguments
from archscope.spec import library, words
from archscope.spec.document import ARRIVING
from tests.ops.test_contract import a_case, torch_parameters
from tests.spec.asking import HEAD, Mistake, check, each, marked, mistakes, place

_CONV = {"out_channels": 4, "kernel_size": 1}
_MAPS = {1: (6, 9), 2: (6, 9, 8), 3: (6, 9, 8, 7)}

#: for every op with arguments that follow: the others, the inputs without the batch, and what torch's layer is given
FOLLOWS: dict[str, tuple[dict[str, Any], list[tuple[int, ...]], dict[str, int]]] = {
    "Linear": ({"out_features": 4}, [(5, 7)], {"in_features": 7}),
    "Bilinear": ({"out_features": 4}, [(5, 7), (5, 8)], {"in1_features": 7, "in2_features": 8}),
    "GroupNorm": ({"num_groups": 3}, [(6, 9, 8)], {"num_channels": 6}),
    "MultiheadAttention": (
        {"num_heads": 2, "batch_first": True},
        [(5, 8), (3, 6), (3, 4)],
        {"embed_dim": 8, "kdim": 6, "vdim": 4},
    ),
    **{name: ({"hidden_size": 4, "batch_first": True}, [(5, 7)], {"input_size": 7}) for name in ("RNN", "LSTM", "GRU")},
    **{name: ({"hidden_size": 4}, [(7,)], {"input_size": 7}) for name in ("RNNCell", "LSTMCell", "GRUCell")},
    **{f"Conv{n}d": (_CONV, [_MAPS[n]], {"in_channels": 6}) for n in _MAPS},
    **{f"ConvTranspose{n}d": (_CONV, [_MAPS[n]], {"in_channels": 6}) for n in _MAPS},
    **{f"BatchNorm{n}d": ({}, [_MAPS[n]], {"num_features": 6}) for n in _MAPS},
    "LayerNorm2d": ({}, [_MAPS[2]], {"normalized_shape": 6}),
    **{f"InstanceNorm{n}d": ({"affine": True}, [_MAPS[n]], {"num_features": 6}) for n in _MAPS},
}  # fmt: skip
each_following = pytest.mark.parametrize("name", sorted(FOLLOWS))


class LayerNorm2d(nn.LayerNorm):
    """torchvision.models.convnext.LayerNorm2d, by hand."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def torch_layer(name: str) -> type[nn.Module]:
    """The layer that an op is named after."""
    layer: type[nn.Module] = LayerNorm2d if name == "LayerNorm2d" else getattr(nn, name)
    return layer


def said(name: str, arguments: dict[str, Any]) -> str:
    """A spec of one layer."""
    _, inputs, _ = FOLLOWS[name]
    declared = "".join(f"  x{i}: {list(shape)}\n" for i, shape in enumerate(inputs))
    inner = ", ".join(f"{key}: {str(value).lower()}" for key, value in arguments.items())
    sources = ", ".join(f"x{i}" for i in range(len(inputs)))
    main = "" if REGISTRY[name].main_output is not None else "outputs: ['a[0]']\n"
    return f"inputs:\n{declared}layers:\n  - {{{name}: {{{inner}}}, from: [{sources}], name: a}}\n{main}"


def runs(name: str, arguments: dict[str, Any]) -> bool:
    """Whether torch's layer with these arguments takes the inputs."""
    layer = torch_layer(name)(**arguments).eval()
    try:
        layer(*(torch.zeros(2, *shape) for shape in FOLLOWS[name][1]))
    except (RuntimeError, AssertionError, ValueError):
        return False
    return True


def test_every_op_with_such_arguments_is_listed_here() -> None:
    assert {name for name, op in REGISTRY.items() if op.follows} == set(FOLLOWS)
    for name, (_, _, follow) in FOLLOWS.items():
        assert set(REGISTRY[name].follows) == set(follow)


@pytest.mark.parametrize("name", sorted(name for name, op in REGISTRY.items() if issubclass(op, InfersArguments)))
def test_what_an_op_infers_may_be_said(name: str) -> None:
    op, x = a_case(name)
    assert isinstance(op, InfersArguments)
    assert set(op.inferred(*x)) - set(op.arguments()) == set(op.follows)


@each_following
def test_they_stand_where_torch_has_them(name: str) -> None:
    theirs = list(torch_parameters(torch_layer(name)))
    assert [key for key in REGISTRY[name].order() if key in theirs] == [
        key for key in theirs if key in REGISTRY[name].order()
    ]


@each_following
@pytest.mark.filterwarnings("ignore:input's size at dim=1 does not match num_features")
def test_what_agrees_is_a_warning_and_what_does_not_a_mistake(name: str) -> None:
    others, _, follow = FOLLOWS[name]
    plain = archscope.load(said(name, others))
    again = archscope.load(said(name, {**others, **follow}))
    assert plain.warnings == ()
    assert again.layers == plain.layers
    assert runs(name, {**others, **follow})
    assert [(w.severity, w.message, w.hint) for w in again.warnings] == [
        ("warning", f"`{key}` of {name} follows from what arrives", f"{value} here: leave it out")
        for key, value in follow.items()
    ]
    for key, value in follow.items():
        wrong = {**follow, key: 2 * value}
        (told,) = mistakes(said(name, {**others, **wrong}))
        assert told.message == f"`{key}` of {name} is {2 * value}, and {value} arrive"
        assert (marked(told), told.hint) == (str(2 * value), "it follows from what arrives: leave it out")
        assert not runs(name, {**others, **wrong}) or not others  # torch's batch norm without weights takes any


@pytest.mark.parametrize("name", sorted(name for name in REGISTRY if hasattr(nn, name) and REGISTRY[name].fields))
def test_a_bare_value_is_the_argument_that_a_reader_of_torch_expects(name: str) -> None:
    op, theirs = REGISTRY[name], torch_parameters(torch_layer(name))
    needed = [key for key in op.order() if (info := op.field(key)) is not None and info.required]
    first = next(iter(theirs), op.fields[0].name)  # that of a parameter or a buffer is its shape
    assert op.bare() == (first if first in needed or not needed else needed[0])


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kind", ["BatchNorm", "InstanceNorm"])
def test_a_bare_number_of_channels_is_not_the_epsilon(kind: str, n: int) -> None:
    text = f"input: {list(_MAPS[n])}\nlayers: [{kind}{n}d: "
    (told,) = mistakes(f"{text}64]\n")
    assert told.message == f"`num_features` of {kind}{n}d is 64, and 6 arrive"
    design = archscope.load(f"{text}6]\n")
    assert design.layers[0].op == REGISTRY[f"{kind}{n}d"]()
    assert design.layers[0].op.arguments()["eps"] == getattr(nn, f"{kind}{n}d")(6).eps


def test_a_warning_has_its_place_and_is_told_once() -> None:
    text = "input: [3, 8, 8]\nblocks:\n  f: [BatchNorm2d: 3]\nlayers: [f, f, f]\n"
    (told,) = archscope.load(text).warnings
    assert (
        told.render()
        == """<text>:3:20: warning: `num_features` of BatchNorm2d follows from what arrives
  3 |   f: [BatchNorm2d: 3]
    |                    ^
  in block `f()`, called at <text>:4:10
  hint: 3 here: leave it out"""
    )


def test_what_torch_takes_none_for_may_be_null() -> None:
    text = "input: [5, 8]\nlayers: [MultiheadAttention: {num_heads: 2, batch_first: true, kdim: null, vdim: null}]\n"
    assert archscope.load(text).warnings == ()


def test_a_sweep_tells_designs_that_agree_from_those_that_do_not() -> None:
    text = (
        "input: [3, 8, 8]\nvars: {width: 16, told: 16}\n"
        "layers: [Conv2d: {out_channels: width, kernel_size: 1}, BatchNorm2d: told]\n"
    )
    found = archscope.sweep(text, {"width": [8, 16, 24, 32], "told": [8, 16, 32]}, columns="params")
    legal = {(row.width, row.told): row.params for row in found.frame.itertuples()}
    # (3 + 1) x width of the convolution, 2 x width of the norm; legal where both are the same
    assert legal == {(w, w): (3 + 1) * w + 2 * w for w in (8, 16, 32)}


ALSO = "arguments go by name: "
HINTS = [
    Mistake(
        "a call",
        HEAD + "  - Conv2d(32, 3)\n",
        "3:5",
        "Conv2d(32, 3)",
        "there is no layer or block `Conv2d(32, 3)`",
        f"{ALSO}`Conv2d: {{out_channels: 32, kernel_size: 3}}`",
    ),
    Mistake(
        "a call of torch's",
        HEAD + "  - nn.Conv2d(3, 32, 3, padding=1, bias=False)\n",
        "3:5",
        "nn.Conv2d(3, 32, 3, padding=1, bias=False)",
        "there is no layer or block `nn.Conv2d(3, 32, 3, padding=1, bias=False)`",
        f"{ALSO}`Conv2d: {{out_channels: 32, kernel_size: 3, padding: 1, bias: false}}`",
    ),
    Mistake(
        "a call without arguments",
        HEAD + "  - ReLU()\n",
        "3:5",
        "ReLU()",
        "there is no layer or block `ReLU()`",
        "it is written `ReLU`",
    ),
    Mistake(
        "a call of a block",
        "input: [3]\nblocks: {'f(a, b=1)': [{Linear: a, when: b}]}\nlayers:\n  - f(4, b=2)\n",
        "4:5",
        "f(4, b=2)",
        "there is no layer or block `f(4, b=2)`",
        f"{ALSO}`f: {{a: 4, b: 2}}`",
    ),
    Mistake(
        "torch's name in full",
        HEAD + "  - torch.nn.ReLU\n",
        "3:5",
        "torch.nn.ReLU",
        "there is no layer or block `torch.nn.ReLU`",
        "did you mean `ReLU`?",
    ),
    Mistake(
        "torch's arguments as a list",
        HEAD + "  - Conv2d: [3, 64, 3]\n",
        "3:13",
        "[3, 64, 3]",
        "`out_channels` of Conv2d: expected an integer of at least 1, got [3, 64, 3]",
        f"{ALSO}`Conv2d: {{out_channels: 64, kernel_size: 3}}`",
    ),
    Mistake(
        "our arguments as a list",
        HEAD + "  - Conv2d: [64, 3]\n",
        "3:13",
        "[64, 3]",
        "`out_channels` of Conv2d: expected an integer of at least 1, got [64, 3]",
        f"{ALSO}`Conv2d: {{out_channels: 64, kernel_size: 3}}`",
    ),
    Mistake(
        "groups and channels as a list",
        HEAD + "  - GroupNorm: [3, 64]\n",
        "3:16",
        "[3, 64]",
        "`num_groups` of GroupNorm: expected an integer of at least 1, got [3, 64]",
        f"{ALSO}`GroupNorm: {{num_groups: 3}}`",
    ),
    Mistake(
        "an activation as an argument",
        HEAD + "  - Conv2d: {out_channels: 4, kernel_size: 1, activation: relu}\n",
        "3:47",
        "activation",
        "Conv2d has no argument `activation`",
        "an activation is a layer of its own: `- ReLU` after it",
    ),
    Mistake(
        "another activation",
        HEAD + "  - Linear: {out_features: 4, activation: leaky_relu}\n",
        "3:31",
        "activation",
        "Linear has no argument `activation`",
        "an activation is a layer of its own: `- LeakyReLU` after it",
    ),
    Mistake(
        "Keras' filters",
        HEAD + "  - Conv2d: {filters: 4, kernel_size: 1}\n",
        "3:14",
        "filters",
        "Conv2d has no argument `filters`",
        "did you mean `out_channels`?",
    ),
    Mistake(
        "what arrives under another layer's name",
        HEAD + "  - Conv2d: {in_features: 3, out_channels: 4, kernel_size: 1}\n",
        "3:14",
        "in_features",
        "Conv2d has no argument `in_features`",
        "what arrives is inferred: leave it out",
    ),
    Mistake(
        "Swish", HEAD + "  - Swish\n", "3:5", "Swish", "there is no layer or block `Swish`", "it is written `SiLU`"
    ),
    Mistake(
        "DropPath",
        HEAD + "  - DropPath: 0.1\n",
        "3:5",
        "DropPath",
        "there is no layer or block `DropPath`",
        "it is written `StochasticDepth: {p: 0.1, mode: row}`",
    ),
    Mistake(
        "Dense",
        HEAD + "  - Dense: 10\n",
        "3:5",
        "Dense",
        "there is no layer or block `Dense`",
        "it is written `Linear: ...`",
    ),
    Mistake(
        "a sequence",
        HEAD + "  - Sequential: [ReLU]\n",
        "3:5",
        "Sequential",
        "there is no layer or block `Sequential`",
        "a list of layers under `layers:` is a sequence",
    ),
    Mistake(
        "a bare value where nobody expects one",
        "inputs: {q: [4, 8], k: [4, 8], v: [4, 8]}\nlayers:\n  - {ScaledDotProductAttention: 0.5, from: [q, k, v]}\n",
        "3:33",
        "0.5",
        "ScaledDotProductAttention takes no argument without its name",
        "give it branches: a list whose entries are lists of layers or names of earlier ones",
    ),
]


@each(HINTS)
def test_hints(mistake: Mistake) -> None:
    check(mistake)


def test_a_call_that_yaml_parts_at_its_commas() -> None:
    first, second = mistakes("input: [3, 8, 8]\nlayers: [Conv2d(32, 3), ReLU]\n")
    assert (place(first), first.hint) == (
        "2:10",
        "arguments stand behind a colon: `Conv2d: {out_channels: ..., kernel_size: ...}`",
    )
    assert (place(second), second.hint) == ("2:21", "arguments stand behind a colon, in {...}")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("Deconv3d", "it is written `ConvTranspose3d: {out_channels: ..., kernel_size: ...}`"),
        ("GlobalAveragePooling1D", "it is written `AdaptiveAvgPool1d: 1`"),
        ("MaxPooling2D", "it is written `MaxPool2d: ...`"),
        ("Conv1D", "did you mean `Conv1d`?"),
        ("HardSwish", "did you mean `Hardswish`?"),
        ("leaky_relu", "did you mean `LeakyReLU`?"),
        ("MinPool2d", "there is none: Negative, MaxPool2d, Negative"),
        ("TransformerEncoderLayer", "write it as a block of LayerNorm, MultiheadAttention and Linear, as in vit_b_16"),
    ],
)
def test_words_with_another_meaning_than_those_that_look_alike(word: str, hint: str) -> None:
    (told,) = mistakes(f"{HEAD}  - {word}: 3\n")
    assert told.hint == hint


def test_the_words_of_other_libraries_lead_to_layers_that_exist() -> None:
    lower = {name.lower() for name in REGISTRY}
    for word, written in words.LAYERS.items():
        assert word not in lower
        name, _, rest = written.removeprefix("{").partition(":")
        op = REGISTRY[name]
        for argument in rest.strip(" {}").split(", ") if "{" in rest else ():
            assert op.field(argument.partition(":")[0]) is not None
        for rank in "123" if "2d" in written else ():
            assert name.replace("2d", f"{rank}d") in REGISTRY
    assert not {*words.OTHERWISE} & ({*words.LAYERS} | lower)
    assert "vit_b_16" in library.names()
    known = {info.name for op in REGISTRY.values() for info in op.fields}
    assert set(words.ARGUMENTS.values()) <= known


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        ("Parameter: {shape: [2], init: foo}", ""),
        ("Conv2d: {out_channels: 3, kernel_size: 1, padding_mode: foo}", ""),
        ("Parameter: {shape: [2], init: somewher}", "did you mean `somewhere`?"),
        (
            "Conv2d: {out_channels: foo, kernel_size: 1}",
            "known here: somewhere, " + ", ".join(ARRIVING),
        ),
    ],
)
def test_variables_are_not_listed_where_the_message_lists_words(layer: str, hint: str) -> None:
    """The message names what may stand there; all variables below it would only mislead."""
    (found,) = mistakes(f"input: [3, 8, 8]\nvars: {{somewhere: 3}}\nlayers: [{{{layer}}}]\n")
    assert (found.hint or "") == hint
