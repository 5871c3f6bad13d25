"""What is frozen: by layer, by name, by pattern; what fits nothing is told."""

import pytest

import archscope
from archscope.backends.torch.build import build
from archscope.backends.torch.source import torch_source
from archscope.errors import SpecError
from archscope.spec.folding import readable
from archscope.spec.writer import to_yaml
from tests.backends.torch.test_source import module_of

HEAD = "input: [3, 8, 8]\n"
CONV = "Conv2d: {out_channels: 3, kernel_size: 1}"


def frozen(text: str, **more: object) -> list[str]:
    """What is frozen, as the built module has it."""
    return [name for name, one in build(archscope.load(text, **more)).named_parameters() if not one.requires_grad]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (f"layers:\n  - {{{CONV}, name: a, freeze: [bias]}}\n", ["a.bias"]),
        (f"layers:\n  - {{{CONV}, name: a, freeze: [bias, weight]}}\n", ["a.weight", "a.bias"]),
        (f"layers:\n  - {{{CONV}, name: a, freeze: [w*]}}\n  - {{{CONV}, name: b}}\n", ["a.weight"]),
        (f"freeze: ['*.bias']\nlayers:\n  - {{{CONV}, name: a}}\n  - {{{CONV}, name: b}}\n", ["a.bias", "b.bias"]),
        (f"freeze: [b.*]\nlayers:\n  - {{{CONV}, name: a}}\n  - {{{CONV}, name: b}}\n", ["b.weight", "b.bias"]),
        (f"freeze: true\nlayers:\n  - {{{CONV}, name: a}}\n", ["a.weight", "a.bias"]),
        (  # of a block, names are those within it
            f"blocks:\n  f: [{{{CONV}, name: a}}, {{{CONV}, name: b}}]\nlayers:\n"
            "  - {f: , name: x, freeze: [a.bias]}\n  - {f: , name: y, freeze: ['*.weight']}\n",
            ["x.a.bias", "y.a.weight", "y.b.weight"],
        ),
        (  # of a repeat, those within each round
            f"layers:\n  - {{repeat: 2, name: r, layers: [{{{CONV}, name: a}}], freeze: [a.bias]}}\n",
            ["r.0.a.bias", "r.1.a.bias"],
        ),
        (  # of a group without a name, those of the list around it
            f"layers:\n  - {{layers: [{{{CONV}, name: a}}, {{{CONV}, name: b}}], freeze: [a.bias]}}\n",
            ["a.bias"],
        ),
        (  # of a merging op, those of its branches
            f"layers:\n  - {{Add: [[{{{CONV}, name: a}}], [{{{CONV}, name: b}}]], freeze: [b.bias]}}\n",
            ["b.bias"],
        ),
        (  # what is around it counts, too
            f"freeze: ['*.weight']\nlayers:\n  - {{{CONV}, name: a, freeze: [bias]}}\n  - {{{CONV}, name: b}}\n",
            ["a.weight", "a.bias", "b.weight"],
        ),
        (  # expressions in a pattern
            f"vars: {{n: 1}}\nfreeze: ['c{{n}}.*']\nlayers:\n  - {{{CONV}, name: c0}}\n  - {{{CONV}, name: c1}}\n",
            ["c1.weight", "c1.bias"],
        ),
        (f"vars: {{which: [bias]}}\nlayers:\n  - {{{CONV}, name: a, freeze: which}}\n", ["a.bias"]),
    ],
)
def test_what_is_frozen(body: str, names: list[str]) -> None:
    design = archscope.load(HEAD + body)
    assert not design.warnings
    assert frozen(HEAD + body) == names
    assert frozen(to_yaml(design)) == names
    assert frozen(readable(design)) == names
    exported = module_of(torch_source(design))
    assert [name for name, one in exported.named_parameters() if not one.requires_grad] == names
    counts = {name: one.numel() for name, one in exported.named_parameters()}
    total = archscope.analyze(design).total
    assert total.trainable_params == sum(counts.values()) - sum(counts[name] for name in names)


def test_a_list_of_words_may_be_varied() -> None:
    text = HEAD + f"vars: {{which: [bias]}}\nlayers:\n  - {{{CONV}, name: a, freeze: which}}\n"
    assert frozen(text, set={"which": ["weight"]}) == ["a.weight"]


def test_a_pattern_that_fits_nothing_is_told() -> None:
    text = HEAD + f"layers:\n  - {{{CONV}, name: a, freeze: [biass]}}\n  - {{ReLU: , freeze: [weight]}}\n"
    first, second = archscope.load(text).warnings
    assert first.message == "`freeze: [biass]` fits no parameter"
    assert first.hint == "did you mean `bias`?"
    assert (first.mark.line, first.mark.column) == (3, 67)
    assert (second.message, second.hint) == ("`freeze: [weight]` fits no parameter", "there are no parameters here")
    (other,) = archscope.load(HEAD + f"freeze: [conv.x]\nlayers:\n  - {{{CONV}, name: a}}\n").warnings
    assert other.hint == "the parameters here are a.weight, a.bias"


def test_what_is_used_again_is_frozen_where_it_is_at_home() -> None:
    text = HEAD + f"layers:\n  - {{{CONV}, name: a}}\n  - {{reuse: a, name: b, freeze: true}}\n"
    design = archscope.load(text)
    (warning,) = design.warnings
    assert warning.message == "`freeze:` says nothing here: the weights are those of `a`"
    assert frozen(text) == []
    assert archscope.analyze(design)["b"].weight_grad_macs == 3 * 3 * 8 * 8
    both = archscope.load(text.replace("name: a}", "name: a, freeze: [weight]}").replace(", freeze: true", ""))
    assert [row.weight_grad_macs for row in archscope.analyze(both).rows] == [0, 0]


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("bias", "unknown name `bias`", "`freeze: [bias]` freezes the parameters of that name"),
        ("[1]", "a pattern of parameter names is expected here", "as in `freeze: [bias]`"),
        ("{a: b}", "expected a value, not a mapping", ""),
        ("['{a']", "", ""),
    ],
)
def test_what_cannot_be_a_pattern(value: str, message: str, hint: str) -> None:
    text = HEAD + f"layers:\n  - {{{CONV}, name: a, freeze: {value}}}\n"
    if not message:
        assert archscope.load(text).warnings
        return
    with pytest.raises(SpecError) as error:
        archscope.load(text)
    assert message in str(error.value)
    assert hint in str(error.value)
