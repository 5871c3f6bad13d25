"""How parameters begin: what is read, what holds, and that built modules and exported source begin so."""

from __future__ import annotations

import torch
from torch import nn

import archscope
from archscope.spec.writer import to_yaml
from tests.spec.asking import Mistake, check, each

SPEC = """input: [3, 8, 8]
vars: {std: 0.01}
init:
  Conv2d: {weight: "kaiming_normal(mode=fan_out, nonlinearity=relu)"}
  BatchNorm2d: {weight: 1, bias: 0}
  fc.*: 0
blocks:
  unit(w):
    - {name: conv, Conv2d: {out_channels: w, kernel_size: 3, padding: 1}}
    - {name: bn, BatchNorm2d, init: {weight: 0}}
layers:
  - {name: u, unit: 4}
  - {name: v, unit: 4, init: {conv.weight: xavier_uniform(gain=2), "*.bias": trunc_normal(std=0.02)}}
  - Flatten
  - {name: fc, Linear: 2, init: {weight: normal(std=0.01)}}
  - {name: plain, Linear: 2}
"""


def begun(name: str) -> dict[str, float | str]:
    (layer,) = (one for one in archscope.load(SPEC).layers if one.name == name)
    return dict(layer.begins)


def test_what_is_said_last_and_innermost_holds() -> None:
    conv = "kaiming_normal(mode=fan_out, nonlinearity=relu)"
    assert begun("u.conv") == {"weight": conv}
    assert begun("u.bn") == {"weight": 0, "bias": 0}
    assert begun("v.conv") == {"weight": "xavier_uniform(gain=2)", "bias": "trunc_normal(std=0.02)"}
    assert begun("v.bn") == {"weight": 0, "bias": "trunc_normal(std=0.02)"}
    assert begun("fc") == {"weight": "normal(std=0.01)", "bias": 0}
    assert begun("plain") == {}


def by_hand() -> nn.ModuleDict:
    """The same network with torch.nn.init called at its end, as the code of models does."""
    torch.manual_seed(7)
    layers = {
        "u_conv": nn.Conv2d(3, 4, 3, padding=1), "u_bn": nn.BatchNorm2d(4),
        "v_conv": nn.Conv2d(4, 4, 3, padding=1), "v_bn": nn.BatchNorm2d(4),
        "fc": nn.Linear(4 * 8 * 8, 2), "plain": nn.Linear(2, 2),
    }  # fmt: skip
    nn.init.kaiming_normal_(layers["u_conv"].weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(layers["u_bn"].weight)
    nn.init.zeros_(layers["u_bn"].bias)
    nn.init.xavier_uniform_(layers["v_conv"].weight, gain=2)
    nn.init.trunc_normal_(layers["v_conv"].bias, std=0.02)
    nn.init.zeros_(layers["v_bn"].weight)
    nn.init.trunc_normal_(layers["v_bn"].bias, std=0.02)
    nn.init.normal_(layers["fc"].weight, std=0.01)
    nn.init.zeros_(layers["fc"].bias)
    return nn.ModuleDict(layers)


def test_a_built_module_begins_as_torch_does_by_hand() -> None:
    ours = archscope.build(archscope.load(SPEC), seed=7).state_dict()
    for name, tensor in by_hand().state_dict().items():
        assert torch.equal(ours[name.replace("u_", "u.").replace("v_", "v.")], tensor), name


def test_exported_source_begins_as_the_built_module_does() -> None:
    design = archscope.load(SPEC)
    module: dict[str, type[nn.Module]] = {}
    exec(archscope.torch_source(design), module)
    torch.manual_seed(7)
    theirs = module["Design"]().state_dict()
    for name, tensor in archscope.build(design, seed=7).state_dict().items():
        assert torch.equal(theirs[name], tensor), name


def test_no_figure_depends_on_how_weights_begin() -> None:
    plain = SPEC[: SPEC.index("init:")] + SPEC[SPEC.index("blocks:") :]
    for said in (
        ", init: {weight: 0}",
        ', init: {conv.weight: xavier_uniform(gain=2), "*.bias": trunc_normal(std=0.02)}',
    ):
        plain = plain.replace(said, "")
    plain = plain.replace(", init: {weight: normal(std=0.01)}", "")
    one, other = archscope.load(SPEC), archscope.load(plain)
    assert archscope.analyze(one).total == archscope.analyze(other).total
    assert archscope.memory(one).peak == archscope.memory(other).peak
    assert one != other


def test_a_flat_spec_says_it_too() -> None:
    design = archscope.load(SPEC)
    assert archscope.load(to_yaml(design)).layers == design.layers


def test_every_function_of_torch_is_called_with_its_arguments() -> None:
    for text in ("zeros", "ones", "0.5", "uniform(a=-1, b=1)", "orthogonal(gain=2)", "dirac", "kaiming_uniform(a=1)"):
        conv = "Conv2d: {out_channels: 4, kernel_size: 3}, name: a"
        spec = f"input: [3, 8, 8]\nlayers: [{{{conv}, init: {{weight: '{text}'}}}}]\n"
        ours = archscope.build(archscope.load(spec), seed=3).state_dict()["a.weight"]
        torch.manual_seed(3)
        weight = nn.Conv2d(3, 4, 3).weight
        word, _, arguments = text.partition("(")
        call = f"nn.init.{word}_(weight, {arguments[:-1]})" if word != "0.5" else "nn.init.constant_(weight, 0.5)"
        eval(call, {"nn": nn, "weight": weight})
        assert torch.equal(ours, weight), text


def test_a_variable_says_how_a_weight_begins() -> None:
    text = "input: [4]\nvars: {start: ones}\nlayers: [{Linear: 2, init: {weight: start, bias: 1 / 4}}]\n"
    assert dict(archscope.load(text, set={"start": "eye"}).layers[0].begins) == {"weight": "eye", "bias": 0.25}


def test_what_fits_nothing_is_a_warning() -> None:
    text = "input: [4]\ninit: {Conv2d: {weight: 0}, head.weight: 0}\nlayers: [{Linear: 2, name: fc}]\n"
    told = [one.message for one in archscope.load(text).warnings]
    assert told == ["`init: {Conv2d: {weight: ...}}` fits no parameter", "`init: {head.weight: ...}` fits no parameter"]
    again = "input: [4]\nlayers: [{Linear: 4, name: fc}, {reuse: fc, init: {weight: 0}}]\n"
    assert archscope.load(again).warnings[0].message == "`init:` says nothing here: the weights are those of `fc`"


def layer(init: str) -> str:
    return f"input: [4]\nlayers:\n  - {{Linear: 2, init: {init}}}\n"


WORDS = "zeros, ones, normal, uniform, trunc_normal, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal"
MISTAKES = [
    Mistake(
        "no mapping", layer("zeros"), "3:23", "zeros", "`init:` says of parameters, by name, how they begin",
        "as in `init: {weight: kaiming_normal, bias: 0}` or `init: {Linear: {weight: normal(std=0.01)}}`",
    ),
    Mistake(
        "a misspelt function", layer("{weight: kaiming_norml}"), "3:32", "kaiming_norml",
        f"`init:` of `weight`: expected a number, or one of {WORDS}, orthogonal, eye, dirac, got 'kaiming_norml'",
        "did you mean `kaiming_normal`?",
    ),
    Mistake(
        "a misspelt mode", layer("{weight: kaiming_normal(mode=fan_on)}"), "3:32", "kaiming_normal(mode=fan_on)",
        "`init:` of `weight`: `mode` of kaiming_normal: fan_on is none of fan_in, fan_out", "did you mean `fan_in`?",
    ),
    Mistake(
        "a misspelt layer", "input: [4]\ninit: {Linaer: {weight: 0}}\nlayers: [{Linear: 2}]\n", "2:8", "Linaer",
        "there is no layer `Linaer`", "did you mean `Linear`?",
    ),
    Mistake(
        "a vector for a matrix", layer("{'*': xavier_uniform}"), "3:24", "'*'",
        "xavier_uniform begins a tensor of at least 2 dimensions, and `bias` of Linear has 1",
        "say which parameters are meant: `{weight: ...}`, or of which layers: `{Conv2d: {weight: ...}}`",
    ),
    Mistake(
        "a matrix for a kernel", layer("{weight: dirac}"), "3:24", "weight",
        "dirac begins a tensor of 3 to 5 dimensions, and `weight` of Linear has 2",
        "say which parameters are meant: `{weight: ...}`, or of which layers: `{Conv2d: {weight: ...}}`",
    ),
    Mistake(
        "a list", layer("{weight: [1, 2]}"), "3:32", "[1, 2]",
        "a parameter begins as a number, or by a function of torch.nn.init",
        "as in `init: {weight: kaiming_normal, bias: 0}` or `init: {Linear: {weight: normal(std=0.01)}}`",
    ),
]  # fmt: skip


@each(MISTAKES)
def test_mistakes(mistake: Mistake) -> None:
    check(mistake)


def test_the_argument_of_a_parameter_gives_way() -> None:
    text = "input: [4]\nlayers:\n  - {Parameter: {shape: [1, 4], init: ones}, name: a, init: {weight: 0.5}}\n"
    text += "  - Add: [input, a]\n"
    assert torch.equal(archscope.build(archscope.load(text)).state_dict()["a.weight"], torch.full((1, 4), 0.5))
