"""Warnings of what has a meaning that nobody meant: each held against what the built module does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archscope
from archscope.backends.torch.build import build
from archscope.errors import SpecError
from archscope.spec import library
from tests.spec.asking import mistakes, refused

HEAD = "input: [16, 64]\nlayers:\n"
ARRIVING = "in what arrives, (N, 16, 64), dimension 0 is the batch"
TURNED = "  - Transpose: {dim0: 0, dim1: 1}\n"
ATTENTION = "  - MultiheadAttention: {num_heads: 4, batch_first: %s}\n"
OUT = "  - {ReLU: , from: 'r[0]'}\n"
SWAPPED = [TURNED, ATTENTION % "false", TURNED]  # as CLIP does it, which is right
MERGED = "  - Flatten: {start_dim: 0, end_dim: 1}\n  - Unflatten: {dim: 0, unflattened_size: %s}\n"
ROWS = "  - {Reshape: [1024], name: a}\n"
#: layers, and the kind that joins the samples of a batch, if one does
CASES = {
    "attention over the batch": ([ATTENTION % "false"], "MultiheadAttention"),
    "attention over the sequence": ([ATTENTION % "true"], None),
    "attention, the batch second": (SWAPPED, None),
    "attention over the batch, which is second": ([TURNED, ATTENTION % "true"], "MultiheadAttention"),
    "LSTM over the batch": (["  - {LSTM: 8, name: r}\n", OUT], "LSTM"),
    "GRU over the batch": (["  - {GRU: 8, name: r}\n", OUT], "GRU"),
    "LSTM over the sequence": (["  - {LSTM: {hidden_size: 8, batch_first: true}, name: r}\n", OUT], None),
    "softmax over the batch": (["  - Softmax: 0\n"], "Softmax"),
    "softmax of a sample": (["  - Softmax: 1\n"], None),
    "a mean over the batch": (["  - Mean: {dim: [0, 1]}\n"], "Mean"),
    "a sum up to each sample": (["  - CumSum: 0\n"], "CumSum"),
    "samples rolled": (["  - Roll: {shifts: 1, dims: 0}\n"], "Roll"),
    "places rolled": (["  - Roll: {shifts: 1, dims: 1}\n"], None),
    "samples rolled, the batch second": ([TURNED, "  - Roll: {shifts: 1, dims: 1}\n", TURNED], "Roll"),
    "samples in reverse order": (["  - Flip: {dims: 0}\n"], "Flip"),
    "a batch behind another": (["  - Concat: {dim: 0, inputs: [[Flip: {dims: 1}], []]}\n"], "Concat"),
    "a batch in two, stacked": (["  - Stack: {dim: 0, inputs: [[Flip: {dims: 1}], []]}\n"], None),
    "the first sample": (["  - Slice: {dim: 0, end: 1}\n"], "Slice"),
    "every second sample": (["  - Slice: {dim: 0, step: 2}\n"], "Slice"),
    "a sample": (["  - Select: {dim: 0, index: 0}\n"], "Select"),
    "a row of each sample": (["  - Select: {dim: 1, index: 0}\n"], None),
    "windows of samples": (
        ["  - Reshape: [4, 4, 64]\n  - Flatten: {start_dim: 0, end_dim: 1}\n", ATTENTION % "true",
         "  - Unflatten: {dim: 0, unflattened_size: [-1, 4]}\n"], None,
    ),
    "one part a sample": (["  - {Split: {split_size_or_sections: 1, dim: 0}, name: r}\n", OUT], "Split"),
    "eight samples a part": (["  - {Split: {split_size_or_sections: 8, dim: 0}, name: r}\n", OUT], "Split"),
    "at most eight samples": (["  - Slice: {dim: 0, end: 8}\n"], "Slice"),
    "parts of a sample": (["  - {Split: {split_size_or_sections: 8, dim: 1}, name: r}\n", OUT], None),
    "one chunk": (["  - {Chunk: {chunks: 1, dim: 0}, name: r}\n", OUT], None),
    "the largest of a batch": (["  - {TopK: {k: 1, dim: 0}, name: r}\n", OUT], "TopK"),
    "the best sample": (["  - Max: {dim: 0}\n"], "Max"),
    "samples around samples": (["  - Pad: [0, 0, 0, 0, 1, 1]\n"], "Pad"),
    "samples looked up": (
        ["  - {Identity: , name: a}\n  - {Constant: {shape: [1], dtype: int64, value: 0}, name: i}\n",
         "  - {Index: {dim: 0}, from: [a, i]}\n"], "Index",
    ),
    "samples beside each other": (["  - Flatten: {start_dim: 0, end_dim: 1}\n"], None),
    "and apart again": ([MERGED % "[-1, 16]"], None),
    "and apart otherwise": ([MERGED % "[16, -1]"], "Unflatten"),
    "places of samples beside each other, apart again": (
        [TURNED, MERGED % "[16, -1]"], None,
    ),
    "each sample by each": (
        [ROWS, "  - {Transpose: {dim0: 0, dim1: 1}, name: t}\n  - {MatMul: , from: [a, t]}\n"], "MatMul",
    ),
    "each sample by each, as letters": ([ROWS + "  - {Einsum: 'ni,mi->nm', from: [a, a]}\n"], "Einsum"),
    "each sample and each": (
        [ROWS, "  - {Select: {dim: 1, index: 0}, from: a, name: s}\n  - {Unsqueeze: 1, name: u}\n",
         "  - {Add: , from: [s, u]}\n"], "Add",
    ),
    "a convolution over the batch": (
        ["  - Permute: [2, 1, 0]\n  - Conv1d: {out_channels: 3, kernel_size: 3, padding: 1}\n"], "Conv1d",
    ),
    "batch statistics": (["  - BatchNorm1d: {track_running_stats: false}\n"], None),  # which are what it is for
    "the usual": (["  - Linear: 8\n  - LayerNorm\n  - Flatten\n  - Linear: 3\n"], None),
}  # fmt: skip


BATCH = 9  # more than eight, and no size of a sample


def joins(text: str) -> bool:
    """Whether an output of the built module is not of one sample, one has none, or they lie elsewhere than they came.

    What changes with a sample is of it.
    """
    module = build(archscope.load(text)).eval()
    x = torch.randn(BATCH, 16, 64)
    owned = []
    for sample in range(BATCH):
        other = x.clone()
        other[sample] = torch.randn(16, 64)
        owned.append(module(other) != module(x))
    places = [mask.nonzero() for mask in owned]
    dim = next((dim for dim, size in enumerate(owned[0].shape) if size == BATCH), 0)
    beside = max(owned[0].shape[dim] // BATCH, 1)  # places of a sample
    moved = any(bool((at[:, dim] // beside != sample).any()) for sample, at in enumerate(places))
    return moved or not all(map(len, places)) or bool((torch.stack(owned).sum(0) > 1).any())


@pytest.mark.parametrize(("layers", "kind"), CASES.values(), ids=CASES)
def test_layers_that_join_samples_are_those_whose_samples_change_with_others(
    layers: list[str], kind: str | None
) -> None:
    text = HEAD + "".join(layers)
    warned = [w.message.partition(" ")[0] for w in archscope.load(text).warnings]
    assert warned == ([] if kind is None else [kind])
    if "track_running_stats" not in text:
        assert joins(text) == (kind is not None)


#: layers that torch does not run at another batch than 1, the warning, and the remedy
ALONE = {
    "sections of the batch": (
        "  - {Split: {split_size_or_sections: [1], dim: 0}, name: r}\n" + OUT,
        "Split does not allow batch 8: the sections (1,) add up to 1, not to the size 8",
        f"{ARRIVING}: count dimensions from 1, or from the end",
    ),
    "a batch of one left out": (
        "  - Squeeze: 0\n  - Unflatten: {dim: 0, unflattened_size: [4, 4]}\n",
        "Squeeze does not allow batch 8: dimension 0 has the size 8; only a size of 1 can be left out",
        f"{ARRIVING}: count dimensions from 1, or from the end",
    ),
    "a token for one sample": (
        "  - {Identity: , name: a}\n  - {Parameter: {shape: [1, 1, 64]}, name: p}\n"
        "  - Concat: {dim: 1, inputs: [p, a]}\n",
        "Concat does not allow batch 8: input 1 is (1, 64) and input 2 is (16, 64): dimension N differs (1 and 8)",
        "what is held by the design has no batch; `expand: true` gives each sample its own",
    ),
    "features of all samples": (
        TURNED + "  - Reshape: [64]\n",
        "Reshape does not allow batch 8: 512 elements do not fit into (64,)",
        "in what arrives, (16, N, 64), dimension 1 is the batch: only dimensions beside it are a sample's own",
    ),
    "statistics of each sample": (
        TURNED + "  - BatchNorm1d\n",
        "BatchNorm1d has weights for each sample: `weight` is [1] at batch 1, [8] at 8",
        "in what arrives, (16, N, 64), dimension 1 is the batch: only dimensions beside it are a sample's own",
    ),
}


@pytest.mark.parametrize(("layers", "message", "hint"), ALONE.values(), ids=ALONE)
def test_layers_that_allow_one_sample_only_are_warned_of(layers: str, message: str, hint: str) -> None:
    design = archscope.load(HEAD + layers)
    module = build(design).eval()
    module(torch.randn(1, 16, 64))
    with pytest.raises((RuntimeError, ValueError)):
        module(torch.randn(8, 16, 64))
    (told,) = design.warnings
    assert (told.message, told.hint) == (message, hint)


def test_a_mistake_in_the_batch_says_that_it_is_the_batch() -> None:
    (told,) = mistakes(f"{HEAD}  - GLU: 0\n")
    assert told.hint == "dimension 0 is the batch: count dimensions from 1, or from the end"


def test_the_warning_has_the_numbers_of_torchs_counter_and_the_remedy() -> None:
    text = HEAD + ATTENTION % "false"
    counted = []
    module = build(archscope.load(text)).train()
    for batch in (1, 8):
        with (
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            module(torch.zeros(batch, 16, 64))
        counted.append(counter.get_total_flops() // 2)
    (told,) = archscope.load(text).warnings
    work = f"{counted[0]:,} MACs at batch 1, {counted[1]:,} at batch 8"
    assert (
        told.render()
        == f"""<text>:3:5: warning: MultiheadAttention joins the samples of a batch: {work}
  3 |   - MultiheadAttention: {{num_heads: 4, batch_first: false}}
    |     ^^^^^^^^^^^^^^^^^^
  hint: {ARRIVING}: say `batch_first: true`, else it is taken for the sequence"""
    )
    assert counted[1] > 8 * counted[0]


def test_other_remedies() -> None:
    hints = {
        "  - Softmax: 0\n": f"{ARRIVING}: count dimensions from 1, or from the end",
        "  - Permute: {dims: [1, 2, 0]}\n  - Linear: 3\n": "in what arrives, (16, 64, N), dimension 2 is the batch: "
        "only dimensions beside it are a sample's own",
    }
    for layers, hint in hints.items():
        (told,) = archscope.load(HEAD + layers).warnings
        assert told.hint == hint


def test_a_place_is_warned_of_once_however_often_it_is_laid() -> None:
    text = "input: [16, 64]\nlayers:\n  - repeat: 24\n    layers:\n    - MultiheadAttention: 4\n"
    (told,) = archscope.load(text).warnings
    assert told.mark is not None
    assert told.mark.line == 5


UNREAD = "input: [4]\nvars: {modules: [1], width: 3}\nlayers: [Linear: width]\n"


def test_a_variable_that_nothing_reads() -> None:
    (told,) = archscope.load(UNREAD).warnings
    assert (
        told.render()
        == """<text>:2:17: warning: nothing reads the variable `modules`
  2 | vars: {modules: [1], width: 3}
    |                 ^^^
  hint: take it out, or write it where it is meant"""
    )


MISSPELT = "input: [4]\nvars: {width: 3, depth: 2}\nlayers: [Linear: widht, {repeat: depth, layers: [ReLU]}]\n"


def test_what_nothing_reads_is_told_beside_the_mistake_that_it_is_behind() -> None:
    mistake, warning = refused(MISSPELT)
    assert (mistake.severity, mistake.hint) == ("error", "did you mean `width`?")
    assert (warning.severity, warning.message) == ("warning", "nothing reads the variable `width`")
    with pytest.raises(SpecError, match=r"error: .*\n(.*\n)*.*warning: nothing reads"):
        archscope.load(MISSPELT)
    _, *warnings = refused(MISSPELT, set={"width": 5})
    assert [told.message for told in warnings] == ["another value of `width` changes nothing"]


def test_other_warnings_are_told_beside_mistakes() -> None:
    text = "input: [4]\nlayers:\n  - {ReLU: , dtype: bfloat16}\n  - Linear: no\n"
    assert [told.severity for told in refused(text)] == ["error", "warning"]


def test_nothing_is_called_unread_where_a_part_of_the_design_could_not_be_read() -> None:
    text = "input: [4]\nvars: {width: 3}\nlayer: [Linear: width]\n"
    assert {told.severity for told in refused(text)} == {"error"}


@pytest.mark.parametrize(
    "text",
    [
        "input: [n]\nvars: {n: 4}\nlayers: [ReLU]\n",
        "input: [4]\nvars: {n: 4, m: n}\nlayers: [Linear: m]\n",
        "input: [4]\nvars: {n: 4}\nblocks: {'f(a=n)': [Linear: a]}\nlayers: [f]\n",
        "input: [4]\nvars: {n: 4}\nblocks: {f: [Linear: n]}\nlayers: [ReLU]\n",  # of a block that is kept for later
        "input: [4]\nvars: {act: ReLU}\nlayers: [act]\n",
        "input: [4]\nvars: {act: ReLU}\nlayers: [{act: , name: a}]\n",
        "input: [4]\nvars: {n: 4}\nlayers: [{ReLU: , when: n > 3}, Linear: 3]\n",
        "input: [4]\nvars: {n: 4}\nlayers: [{repeat: n, layers: [ReLU]}]\n",
        "input: [4]\nvars: {n: a}\nlayers: [{ReLU: , name: 'x{n}'}]\n",
        "input: [4]\nvars: {n: true}\nlayers: [{ReLU: , name: a}]\noutputs: {o: {from: a, when: n}}\n",
    ],
)
def test_variables_that_something_reads(text: str) -> None:
    assert archscope.load(text).warnings == ()


def test_an_argument_of_the_same_name_reads_no_variable() -> None:
    text = "input: [3, 8, 8]\nvars: {stride: 2}\nlayers: [Conv2d: {out_channels: 3, kernel_size: 1, stride: 1}]\n"
    assert [w.message for w in archscope.load(text).warnings] == ["nothing reads the variable `stride`"]


def test_whoever_includes_or_extends_reads_for_others(tmp_path: Path) -> None:
    (tmp_path / "lib.yaml").write_text("vars: {unused: 1, gain: 2}\nblocks: {'f(a)': [Linear: a * gain]}\n")
    (tmp_path / "base.yaml").write_text("include: lib.yaml\ninput: [4]\nvars: {n: 3}\nlayers: [f: n]\n")
    (tmp_path / "child.yaml").write_text("extends: base.yaml\nvars: {n: 5, m: 6}\n")
    assert archscope.load(tmp_path / "base.yaml").warnings == ()  # what a library offers besides is for others
    assert [w.message for w in archscope.load(tmp_path / "child.yaml").warnings] == ["nothing reads the variable `m`"]


def test_another_value_that_changes_nothing() -> None:
    (told,) = archscope.load(UNREAD, set={"modules": "[9]"}).warnings
    assert (
        told.render()
        == """set:1:9: warning: another value of `modules` changes nothing
  1 | modules=[9]
    |         ^^^
  hint: nothing reads it"""
    )
    text = "input: [4]\nvars: {wide: false, width: 3}\nlayers: [Linear: width if wide else 2]\n"
    (told,) = archscope.load(text, set={"width": 7}).warnings
    assert (told.message, told.hint) == (
        "another value of `width` changes nothing", "the design is the same where it is 3",
    )  # fmt: skip
    assert archscope.load(text, set={"width": 7, "wide": True}).warnings == ()
    assert archscope.load(text, set={"width": 3}).warnings == ()  # which is no other value
    assert archscope.load("input: [4]\nvars: {n: 0}\nlayers: [Linear: n]\n", set={"n": 2}).warnings == ()


@pytest.mark.parametrize("name", ["lenet5", "resnext50_32x4d", "vit_b_16", "shufflenet_v1", "tcn", "unet"])
def test_shipped_designs_have_no_warnings(name: str) -> None:
    assert archscope.load(name).warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names())
def test_no_shipped_design_has_a_warning(name: str) -> None:
    assert archscope.load(name).warnings == ()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("Conv2d: {out_channels: 8, kernel_size: 3}", "8 x 6 x 6 map, 48 rows of 6 features"),
        ("Conv2d: {out_channels: 8, kernel_size: 3}}, BatchNorm2d, ReLU, {Dropout: 0.5", "8 x 6 x 6 map, 48 rows"),
        ("AdaptiveAvgPool2d: 1", "3 x 1 x 1 map, 3 rows of 1 feature"),
        ("Conv2d: {out_channels: 8, kernel_size: 3}}, {Flatten: ", ""),
        ("Conv2d: {out_channels: 8, kernel_size: 3}}, {Permute: [0, 2, 3, 1]}, {LayerNorm: ", ""),  # channels last
        ("Linear: 5", ""),  # nobody has said what the axes are
        ("Conv2d: {out_channels: 8, kernel_size: 3}}, {Flatten: 2", ""),  # along the tokens, as a mixer does
    ],
)
def test_a_dense_layer_behind_a_map_is_told(layers, words):
    """torch's Linear takes (*, F): the last axis of a map that is not flattened; 8 x 6 rows of 6."""
    design = archscope.load(f"input: [3, 8, 8]\nlayers: [{{{layers}}}, {{Linear: 10}}]")
    told = [str(one) for one in design.warnings if "works along the last axis" in str(one)]
    assert bool(told) == bool(words)
    assert all(words in one for one in told)
