"""Designs put together layer by layer."""

import pytest

import archscope
from archscope.backends.importing.draft import Draft, Unfit
from archscope.ops import REGISTRY
from archscope.spec.writer import to_yaml


def functions(draft, block, x, *kinds):
    for kind in kinds:
        (x,) = draft.layer(block, REGISTRY[kind](), [x], numbered=True)
    return x


def test_calls_without_a_name_are_numbered_as_a_spec_numbers_them():
    draft = Draft("m")
    x = functions(draft, "", draft.input("input", (3,)), "ReLU", "Tanh", "ReLU")
    x = functions(draft, "head", x, "Tanh")
    draft.output("output", x)
    text = "input: [3]\nlayers:\n  - ReLU\n  - Tanh\n  - ReLU\n  - {name: head, layers: [Tanh]}\n"
    assert [layer.name for layer in draft.design().layers] == [layer.name for layer in archscope.load(text).layers]


def test_names_are_legal_unique_and_their_own():
    draft = Draft("m")
    x = draft.input("a.b", (3,))
    for name in ("ReLU", "part", "part", "größe.0"):
        (x,) = draft.layer(name, REGISTRY["Tanh"](), [x])
    x = functions(draft, "", x, "ReLU")
    x = functions(draft, "part", x, "Tanh")
    draft.output("output", x)
    design = draft.design()
    assert [layer.name for layer in design.layers] == ["ReLU", "part", "part_2", "gr__e.0", "ReLU_2", "part_Tanh"]
    assert design.inputs[0].name == "a_b"
    assert archscope.load(to_yaml(design)).layers == design.layers


def test_weights_are_shared_by_the_tensor_that_they_made():
    draft = Draft("m")
    (x,) = draft.layer("fc", REGISTRY["Linear"](out_features=3), [draft.input("input", (3,))])
    (y,) = draft.layer("fc_2", REGISTRY["Linear"](out_features=3), [x], shares=x)
    draft.output("output", y)
    assert archscope.analyze(draft.design()).total.params == 3 * 3 + 3


def test_what_does_not_fit_is_refused_in_the_op_s_words():
    draft = Draft("m")
    with pytest.raises(Unfit, match=r"Conv2d needs \(N, C, H, W\)"):
        draft.layer("conv", REGISTRY["Conv2d"](out_channels=3, kernel_size=1), [draft.input("input", (3,))])
