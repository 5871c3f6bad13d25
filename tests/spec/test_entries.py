"""Inputs of merges and of ``from:`` that a repeat counts or a condition leaves, and blocks of several outputs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archscope
from tests.spec.asking import Mistake, check, each, layers, mistakes

DATA = Path(__file__).parent.parent / "data"
HEAD = "input: [3, 8, 8]\nvars: {n: 3, wide: true}\nlayers:\n"


def reads(text: str, name: str) -> list[str]:
    (layer,) = (one for one in archscope.load(text).layers if one.name == name)
    return [str(ref) for ref in layer.inputs]


# -- merges -----------------------------------------------------------------------------------------------------------


def test_a_repeat_among_the_inputs_of_a_merge_is_a_branch_a_round() -> None:
    """The branches of an ASPP: 1x1, then 3x3 dilated by 6, 12 and 18, side by side."""
    text = (
        HEAD
        + """  - Concat:
      - [Conv2d: {out_channels: 4, kernel_size: 1}]
      - repeat: n
        index: i
        name: "rate{i}"
        layers: [Conv2d: {out_channels: 5 + i, kernel_size: 3, padding: 6 * (i + 1), dilation: 6 * (i + 1)}]
      - []
"""
    )
    design = archscope.load(text)
    assert [layer.name for layer in design.layers] == [
        "Conv2d", "rate0.Conv2d", "rate1.Conv2d", "rate2.Conv2d", "Concat"
    ]  # fmt: skip
    assert reads(text, "Concat") == ["Conv2d", "rate0.Conv2d", "rate1.Conv2d", "rate2.Conv2d", "input"]
    assert design.graph.tensors(1)["Concat"][0].shape == (1, 4 + 5 + 6 + 7 + 3, 8, 8)


def test_a_repeat_of_branches_without_a_name_counts_its_rounds() -> None:
    text = HEAD + "  - Add: [{repeat: 2, layers: [ReLU, Tanh]}, []]\n"
    assert layers(text)[:4] == [
        "repeat.0.ReLU: ReLU",
        "repeat.0.Tanh: Tanh",
        "repeat.1.ReLU: ReLU",
        "repeat.1.Tanh: Tanh",
    ]
    assert reads(text, "Add") == ["repeat.0.Tanh", "repeat.1.Tanh", "input"]


def test_a_repeat_of_names() -> None:
    named = "  - {repeat: n, index: i, layers: [{ReLU: , name: 'a{i}'}]}\n"
    for entry in (
        "Add: [{repeat: n, index: j, from: 'a{j}'}]",
        "{Add: , from: {repeat: n, index: j, from: 'a{j}'}}",
        "{Add: , from: [a0, {repeat: n - 1, index: j, from: 'a{j + 1}'}]}",
    ):
        assert reads(HEAD + named + f"  - {entry}\n", "Add") == ["a0", "a1", "a2"]
    pairs = HEAD + named + "  - Add: [{repeat: 2, index: j, from: ['a{j}', input]}]\n"
    assert reads(pairs, "Add") == ["a0", "input", "a1", "input"]


def test_a_block_is_given_as_many_tensors_as_a_repeat_counts() -> None:
    text = "input: [3]\nblocks: {last: [{Add: ['input[0]', 'input[2]']}]}\nlayers:\n"
    text += "  - {repeat: 3, index: i, layers: [{ReLU: , name: 'a{i}'}]}\n"
    text += "  - {last: , from: {repeat: 3, index: j, from: 'a{j}'}}\n"
    assert reads(text, "last.Add") == ["a0", "a2"]


@pytest.mark.parametrize("wide", [True, False])
def test_an_add_that_is_there_or_not(wide: bool) -> None:
    """Without its shortcut it is its branch, which has its name for whoever reads it."""
    text = HEAD + "  - {Add: [[{Conv2d: [3, 1]}], {layers: [], when: wide}], name: sum}\n  - {ReLU: , from: sum}\n"
    text = text.replace("{Conv2d: [3, 1]}", "{Conv2d: {out_channels: 3, kernel_size: 1}}")
    design = archscope.load(text, set={"wide": wide})
    assert [layer.kind for layer in design.layers] == (["Conv2d", "Add", "ReLU"] if wide else ["Conv2d", "ReLU"])
    assert [str(ref) for ref in design.layers[-1].inputs] == ["sum" if wide else "Conv2d"]
    module = archscope.build(design)
    x = torch.randn(2, 3, 8, 8)
    branch = module.state_dict()["Conv2d.weight"], module.state_dict()["Conv2d.bias"]
    y = nn.functional.conv2d(x, *branch)
    torch.testing.assert_close(module(x), (x + y if wide else y).relu())


def test_conditions_of_names_and_of_branches() -> None:
    text = HEAD + "  - {ReLU: , name: a}\n  - {Tanh: , name: b}\n"
    text += "  - {Add: [a, {from: b, when: wide}, {layers: [GELU], from: a, when: n == 3, name: g}], name: sum}\n"
    assert reads(text, "sum") == ["a", "b", "g.GELU"]
    assert reads(text, "g.GELU") == ["a"]
    assert reads(text.replace("wide: true", "wide: false"), "sum") == ["a", "g.GELU"]
    assert reads(text.replace("n: 3", "n: 2"), "sum") == ["a", "b"]


def test_a_merge_of_plain_branches_still_needs_two() -> None:
    assert mistakes(HEAD + "  - Add: [[ReLU]]\n")


def test_a_count_that_differs_in_a_sweep_is_another_structure() -> None:
    """Each design of a sweep is what it is alone."""
    text = (
        HEAD
        + "  - Concat: [[], {repeat: n, index: i, name: 'b{i}', layers: [Conv2d: {out_channels: n, kernel_size: 1}]}]\n"
    )
    found = archscope.sweep(text, {"n": [0, 1, 4]}, columns=["params"])
    assert [int(one) for one in found.frame["params"]] == [0, 1 * (3 * 1 + 1), 4 * (3 * 4 + 4)]


MISTAKES = [
    Mistake(
        "a layer for a branch", HEAD + "  - Add: [{ReLU: {inplace: true}}, []]\n", "4:11", "{ReLU: {inplace: true}}",
        "a branch is a list of layers", "begin it with `- - ` or put it in [...]",
    ),
    Mistake(
        "a repeat of nothing", HEAD + "  - Add: [{repeat: 2}, []]\n", "4:12", "repeat",
        "a repeat needs `layers:`, a list",
    ),
    Mistake(
        "a condition of nothing", HEAD + "  - Add: [{when: wide}, []]\n", "4:11", "{when: wide}",
        "this input names no tensor", "as in `{from: part, when: wide}`",
    ),
    Mistake(
        "a name of a name", HEAD + "  - Add: [{from: input, name: a}, []]\n", "4:25", "name",
        "`name:` says nothing of an input without `layers:`",
    ),
    Mistake(
        "layers under from", HEAD + "  - {Add: , from: {repeat: 2, layers: [ReLU], from: input}}\n", "4:20", "repeat",
        "`from:` names tensors, and lays no layers",
        "a branch stands among the inputs of a merging op, as in `Add: [[ReLU], []]`",
    ),
    Mistake(
        "an unknown name in a round", HEAD + "  - Add: [{repeat: 2, index: j, from: 'b{j}'}, []]\n", "4:39", "'b{j}'",
        "there is no layer `b0` before this one",
    ),
    Mistake(
        "several for one branch", HEAD + "  - Add: [{repeat: 2, from: [input, input], layers: [ReLU]}, []]\n",
        "4:12", "repeat", "a branch starts from one tensor, not 2",
    ),
    Mistake(
        "two that are called alike", HEAD + "  - Add: [{repeat: 2, name: '{n}', layers: [ReLU]}, []]\n",
        "4:12", "repeat", "two parts of the design are called `3`", "put the index into it: `name: block{i}`",
    ),
]  # fmt: skip


@each(MISTAKES)
def test_mistakes_in_inputs(mistake: Mistake) -> None:
    check(mistake)


# -- HRNet ------------------------------------------------------------------------------------------------------------


def conv_bn(inner: int, out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inner, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)]


class Exchange(nn.Module):
    """The exchange unit of HRNet as its authors' code has it: every branch receives all others, resampled."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.fuse = nn.ModuleList(
            nn.ModuleList(self.path(widths, i, j) for j in range(len(widths))) for i in range(len(widths))
        )

    @staticmethod
    def path(widths: list[int], i: int, j: int) -> nn.Module:
        if j > i:
            return nn.Sequential(*conv_bn(widths[j], widths[i], 1), nn.Upsample(scale_factor=2 ** (j - i)))
        steps: list[nn.Module] = []
        for k in range(i - j):
            last = k == i - j - 1
            steps += [*conv_bn(widths[j], widths[i] if last else widths[j], 3, 2), *([] if last else [nn.ReLU()])]
        return nn.Sequential(*steps)

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        return [sum(path(one) for path, one in zip(row, x, strict=True)).relu() for row in self.fuse]  # type: ignore[union-attr]


EXCHANGE = """inputs: {a: [4, 16, 16], b: [8, 8, 8], c: [16, 4, 4]}
vars: {widths: [4, 8, 16]}
blocks:
  conv_bn(out, kernel=3, stride=1):
    - Conv2d: {out_channels: out, kernel_size: kernel, stride: stride, padding: kernel // 2, bias: false}
    - BatchNorm2d
  exchange(n):
    layers:
      - repeat: n
        index: i
        name: "fuse{i}"
        layers:
          - Add:
              - repeat: n
                index: j
                name: "from{j}"
                from: "input[{j}]"
                layers:
                  - {conv_bn: {out: 'widths[i]', kernel: 1}, when: j > i}
                  - {Upsample: {scale_factor: 2**(j - i)}, when: j > i}
                  - repeat: max(i - j, 0)
                    index: k
                    name: "down{k}"
                    layers:
                      - conv_bn: {out: 'widths[i if k == i - j - 1 else j]', stride: 2}
                      - {ReLU: , when: k < i - j - 1}
          - ReLU
    outputs: {high: fuse0, middle: fuse1, low: fuse2}
layers:
  - {exchange: 3, name: x, from: [a, b, c]}
outputs: {high: x.high, middle: x.middle, low: x.low}
"""


def test_hrnets_exchange_is_that_of_its_authors() -> None:
    module, theirs = archscope.build(archscope.load(EXCHANGE), seed=1), Exchange([4, 8, 16])
    weights = list(module.state_dict().values())
    theirs.load_state_dict(dict(zip(theirs.state_dict(), weights, strict=True)))
    torch.manual_seed(0)
    x = [torch.randn(2, 4, 16, 16), torch.randn(2, 8, 8, 8), torch.randn(2, 16, 4, 4)]
    ours = module(*x)
    for one, other in zip(ours.values() if isinstance(ours, dict) else ours, theirs(x), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("width", "params", "gflops"), [(18, 21_299_004, 3.99), (32, 41_232_680, 8.31)])
def test_hrnet_has_its_published_figures(width: int, params: int, gflops: float) -> None:
    """README of HRNet/HRNet-Image-Classification, HRNet-W18-C and HRNet-W32-C: 21.3M and 41.2M, 3.99 and 8.31 GFLOPs.

    Its code says GFLOPs of 2**30 multiply-adds. Every digit of the parameters is asserted by a port of it:
    ``hrnetv2_w18`` and ``hrnetv2_w32`` of osmr/imgclsmob, ``pytorch/pytorchcv/models/hrnet.py`` at 1d6feaf3.
    """
    total = archscope.analyze(archscope.load(DATA / "hrnet_w18.yaml", set={"width": width})).total
    assert total.params == params
    assert total.macs / 2**30 == pytest.approx(gflops, abs=0.005)


def test_hrnet_is_counted_as_by_its_authors() -> None:
    """What their code prints of W18, as two users of it quote it.

    "Total Parameters: 21,299,004", "Total Multiply Adds (For Convolution and Linear Layers only): 3.9893547743558884
    GFLOPs", "Conv2d : 325 layers", "BatchNorm2d : 325 layers", "Upsample : 31 layers".
    """
    design = archscope.load(DATA / "hrnet_w18.yaml")
    assert archscope.analyze(design).total.macs == 3.9893547743558884 * 2**30
    counts = Counter(layer.kind for layer in design.layers)
    assert (counts["Conv2d"], counts["BatchNorm2d"], counts["Upsample"]) == (325, 325, 31)


# -- blocks of several outputs ----------------------------------------------------------------------------------------

NECK = """input: [3, 16, 16]
blocks:
  neck(out, deep=true):
    layers:
      - {name: a, Conv2d: {out_channels: out, kernel_size: 1}}
      - {name: b, Conv2d: {out_channels: 2 * out, kernel_size: 2, stride: 2}}
      - {name: c, Conv2d: {out_channels: 4 * out, kernel_size: 2, stride: 2}}
    outputs: {p3: a, p4: b, p5: {from: c, when: deep}}
layers:
  - neck: 4
"""


@pytest.mark.parametrize(
    ("reference", "source"),
    [
        ("neck.p3", "neck.a"),
        ("neck.p5", "neck.c"),
        ("neck[1]", "neck.b"),
        ("neck.b", "neck.b"),
        ("neck.p{2 + 2}", "neck.b"),
    ],
)
def test_outputs_of_a_block_are_read_by_name_and_by_place(reference: str, source: str) -> None:
    assert reads(NECK + f"  - {{ReLU: , name: last, from: '{reference}'}}\n", "last") == [source]


def test_outputs_of_a_block_are_those_of_a_design() -> None:
    design = archscope.load(NECK + "outputs: {fine: neck.p3, coarse: 'neck[2]'}\n")
    assert [(name, str(ref)) for name, ref in design.outputs] == [("fine", "neck.a"), ("coarse", "neck.c")]


def test_a_block_reads_the_outputs_of_the_one_before_it() -> None:
    text = NECK.replace(
        "layers:\n  - neck: 4", "  head: [{Add: ['input[0]', input.p3]}]\nlayers:\n  - neck: 4\n  - head"
    )
    assert reads(text, "head.Add") == ["neck.a", "neck.a"]


def test_a_list_of_outputs_has_the_names_of_the_layers() -> None:
    text = (
        NECK.replace("{p3: a, p4: b, p5: {from: c, when: deep}}", "[a, c]")
        + "  - {ReLU: , name: last, from: 'neck[1]'}\n"
    )
    assert reads(text, "last") == ["neck.c"]


def test_as_many_outputs_as_a_repeat_counts() -> None:
    text = """input: [3, 8, 8]
vars: {n: 3}
blocks:
  neck(k):
    layers: [{repeat: k, index: i, layers: [{name: "h{i}", ReLU}]}]
    outputs: [{repeat: k, index: i, from: "h{i}"}]
layers: [neck: n]
outputs: {"p{i + 3}": {repeat: n, index: i, from: "neck.h{i}"}, last: "neck[2]", idle: {repeat: 0, from: neck.h0}}
"""
    outputs = [(name, str(ref)) for name, ref in archscope.load(text).outputs]
    assert outputs == [("p3", "neck.h0"), ("p4", "neck.h1"), ("p5", "neck.h2"), ("last", "neck.h2")]


def test_one_output_needs_no_name() -> None:
    text = NECK.replace("{p3: a, p4: b, p5: {from: c, when: deep}}", "{p3: a}") + "  - {ReLU: , name: last}\n"
    assert reads(text, "last") == reads(text.replace("name: last", "name: last, from: neck.p3"), "last") == ["neck.a"]


def test_a_block_applied_again_has_its_outputs() -> None:
    text = NECK + "  - {reuse: neck, name: again, from: input}\n  - {ReLU: , name: last, from: again.p4}\n"
    assert reads(text, "last") == ["again.b"]


def test_outputs_are_those_of_the_module_by_hand() -> None:
    text = NECK + "  - {Flatten: , from: neck.p4}\noutputs: {p3: neck.p3, rows: Flatten}\n"
    module = archscope.build(archscope.load(text), seed=0)
    weights = module.state_dict()
    x = torch.randn(2, 3, 16, 16)
    a = nn.functional.conv2d(x, weights["neck.a.weight"], weights["neck.a.bias"])
    b = nn.functional.conv2d(a, weights["neck.b.weight"], weights["neck.b.bias"], stride=2)
    ours = module(x)
    torch.testing.assert_close(ours["p3"] if isinstance(ours, dict) else ours[0], a)
    torch.testing.assert_close(ours["rows"] if isinstance(ours, dict) else ours[1], b.flatten(1))


def neck(more: str, **changes: str) -> str:
    text = NECK
    for old, new in changes.items():
        text = text.replace(old, new)
    return text + more


OUTPUT_MISTAKES = [
    Mistake(
        "an output that is not there", NECK + "  - {ReLU: , from: neck.p6}\n", "11:20", "neck.p6",
        "`neck` has no output `p6`", "outputs: p3, p4, p5",
    ),
    Mistake(
        "a misspelt output", NECK.replace("p5:", "pool5:") + "  - {ReLU: , from: neck.pol5}\n", "11:20", "neck.pol5",
        "`neck` has no output `pol5`", "did you mean `pool5`?",
    ),
    Mistake(
        "an output left out", NECK.replace("neck: 4", "neck: {out: 4, deep: false}") + "  - {ReLU: , from: neck.p5}\n",
        "11:20", "neck.p5", "`neck` has no output `p5`", "outputs: p3, p4",
    ),
    Mistake(
        "a place beyond", NECK + "  - {ReLU: , from: 'neck[3]'}\n", "11:20", "'neck[3]'",
        "`neck` has 3 outputs, numbered from 0",
    ),
    Mistake(
        "none is said", NECK + "  - ReLU\n", "11:5", "ReLU",
        "`neck` has 3 outputs; say which one is meant", "`from: neck.p3`, or `neck.p4`, `neck.p5`",
    ),
    Mistake(
        "the width of several", NECK + "  - {neck: in_features, name: again}\n", "11:12", "in_features",
        "`in_features` has no value: 3 tensors arrive", "a `from:` says which one is meant",
    ),
    Mistake(
        "an output that is a layer besides", NECK.replace("p3: a", "b: a") + "  - {ReLU: , from: neck.p4}\n", "8:14",
        "{b: a, p4: b, p5: {from: c, when: deep}}", "`b` is an output of the block, and another layer in it",
        "give one of them another name",
    ),
    Mistake(
        "a name with a dot", NECK.replace("p3: a", "p.3: a") + "  - {ReLU: , from: neck.p4}\n",
        "8:14", "{p.3: a, p4: b, p5: {from: c, when: deep}}",
        "`p.3` is not the name of an output", "letters, digits, _ and -",
    ),
    Mistake(
        "a key of a block", NECK.replace("    outputs:", "    outpts:") + "  - {ReLU: , from: neck.a}\n",
        "8:5", "outpts",
        "unknown key `outpts`", "did you mean `outputs`?",
    ),
    Mistake(
        "outputs by the thousand", HEAD + "  - {ReLU: , name: a}\noutputs: [{repeat: 1001, from: a}]\n",
        "5:20", "1001", "1,001 outputs; the most is 1,000",
    ),
    Mistake(
        "an index of nothing", HEAD + "  - {ReLU: , name: a}\noutputs: [{index: i, from: a}]\n", "5:19", "i",
        "`index:` names the variable that counts a repeat",
        'as in `{from: aux.fc, when: aux}` or `{repeat: 3, index: i, from: "head{i}"}`',
    ),
    Mistake(
        "outputs that are called alike", HEAD + "  - {ReLU: , name: a}\noutputs: [{repeat: 2, from: a}]\n", "5:11",
        "{repeat: 2, from: a}", "two outputs are called `a`", "name them: `outputs: {a: head, b: head}`",
    ),
    Mistake(
        "outputs without layers", "input: [3]\nblocks: {neck: {outputs: [a]}}\nlayers: [ReLU]\n",
        "2:16", "{outputs: [a]}",
        "the body of block `neck` is a list of layers",
        "of several outputs it is `{layers: [...], outputs: [...]}`",
    ),
]  # fmt: skip


@each(OUTPUT_MISTAKES)
def test_mistakes_in_outputs(mistake: Mistake) -> None:
    check(mistake)
