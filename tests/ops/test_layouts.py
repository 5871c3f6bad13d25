"""Every op on tensors that do not lie in order, and behind gradients that do not, against torch on the CPU.

Transposed and permuted inputs, channels last, slices with gaps, repeated dimensions: what is kept, every allocation of
forward and backward, and how the outputs and the gradients of the inputs lie, so that what follows is right, too.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import tests.ops.records
from archscope.backends.torch.check import plain
from archscope.errors import UsageError
from tests.examples import examples
from tests.ops.measuring import (
    NOT_STATED,
    REFUSED,
    Placed,
    allocated,
    frozen_of,
    in_passing,
    measured,
    requested,
    stated,
)  # fmt: skip
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
FEW = settings(
    max_examples=examples(27),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
PRECISIONS = {"float32": ("float32", None), "bfloat16": ("bfloat16", None), "bf16-mixed": ("float32", "bfloat16")}

#: what torch says of cases that it does not take in a type, or in a layout of weights
ELSEWHERE = (*REFUSED, "not implemented for")

#: what torch says of tensors that may not be overwritten, or not be joined: archscope refuses those, too
REFUSED_TOO = (
    "more than one element of the written-to tensor",
    "modified by an inplace operation",
    "is being modified inplace",
    "view size is not compatible",
)
every_op = pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))


#: ops whose kernels take workspaces, which are not counted, and so cannot be told from copies:
WORKSPACES = {
    # oneDNN's, by what the processor can do and the number of threads; and columns of windows where torch unfolds them
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    # a few numbers a channel, a group, or a feature and a thread
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "LayerNorm", "LayerNorm2d",
    # tables of places and weights, of indices and dimensions
    "EmbeddingBag", "Tile", "Upsample",
    # blocks of scores, by the number of threads (a fused kernel)
    "MultiheadAttention",
    # products, summed one by one
    "Bilinear",
}  # fmt: skip


def native(case: Case) -> bool:
    """Whether torch may give a convolution of volumes to its own kernels instead of oneDNN's (ConvParams::use_mkldnn).

    That is so of small ones, and depends on the number of threads; their results lie in order. So do those of groups of
    one number each, in which torch's own kernels see no format.
    """
    if case.op.category != "conv":
        return False
    arguments, shape = case.op.arguments(), case.inputs[0].shape
    padding = zip(arguments.get("output_padding", ()), arguments["stride"], strict=False)
    own = any(extra >= step for extra, step in padding)  # always, which an op states
    if case.op.rank != 3:
        return own and arguments["groups"] == shape[1] > 1 and all(size == 1 for size in shape[2:])
    stepping = any(step > 1 for name in ("stride", "dilation") for step in arguments[name])
    flat = shape[0] < 16 and all(size == 1 for size in arguments["kernel_size"][-2:])
    large = arguments["groups"] > 1 or all(size > 3 for size in arguments["kernel_size"][-2:]) or shape[0] > 1
    return not own and ((flat and not stepping) or not large)


def fused(case: Case) -> bool:
    """Whether torch may take its fused kernel of attention, whose blocks of scores depend on the number of threads."""
    if type(case.op).__name__ != "ScaledDotProductAttention":
        return False
    return len(case.inputs[0].shape) == 4 and len({x.shape[-1] for x in case.inputs[:3]}) == 1


def crashes(case: Case, placed: Placed) -> bool:
    """Whether torch may end the process: oneDNN's transposed convolutions in bfloat16 with the channels last."""
    narrow = placed.floating == "bfloat16" or placed.lower is not None
    orders = (placed.inputs[0].order, placed.outputs[0].order) if case.op.category == "conv" else ()
    last = any(len(order) > 3 and order[-1] == 1 for order in orders)
    return narrow and last and type(case.op).__name__.startswith("ConvTranspose")


def ends(name: str, placed: Placed) -> bool:
    """Whether torch ends the process: behind maps whose channels lie last, which need no gradient.

    The backward pass of a group norm then writes where nothing is (native/cpu/group_norm_kernel.cpp).
    """
    return name == "GroupNorm" and len(placed.inputs[0].order) > 3 and placed.inputs[0].order[-1] == 1


def holds(name: str, case: Case, draw: Random, precision: str) -> None:
    floating, lower = PRECISIONS[precision]
    frozen = frozen_of(case, draw) if draw.random() < 0.3 else frozenset()
    needs = draw.random() < 0.8
    placed = Placed.drawn(draw, case, floating, lower)
    needs |= ends(name, placed)
    assume(name not in NOT_STATED or not NOT_STATED[name](case))
    assume(not native(case) and not crashes(case, placed))
    with plain() if name == "LSTM" else warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = measured(case, needs, frozen, placed)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            if any(words in str(error) for words in REFUSED_TOO):
                with pytest.raises(UsageError, match="torch"):
                    stated(case, needs, frozen, placed)
                return
            assert any(words in str(error) for words in ELSEWHERE), error
            return
    try:
        found = stated(case, needs, frozen, placed)
    except UsageError as error:
        assert "not known" in str(error)
        assume(False)
    if in_passing(case, frozen):
        assert (found.kept, found.outputs) == (expected.kept, expected.outputs)
    else:
        assert found == expected, placed


@every_op
def test_an_op_lays_and_copies_as_torch_does(name: str) -> None:
    @FEW
    @given(RECORDS[name].cases, st.integers(0, 10**9), st.sampled_from(["float32", *PRECISIONS]))
    def some(case: Case, seed: int, precision: str) -> None:
        holds(name, case, Random(seed), precision)

    some()


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@every_op
def test_an_op_lays_and_copies_as_torch_does_in_many_cases(name: str, precision: str) -> None:
    @settings(FEW, max_examples=450, derandomize=False)
    @given(RECORDS[name].cases, st.integers(0, 10**9))
    def some(case: Case, seed: int) -> None:
        holds(name, case, Random(seed), precision)

    some()


def test_what_is_not_counted_is_documented():
    """Besides the ops left out here, attention by the fused kernel."""
    text = Path("docs/memory.md").read_text(encoding="utf-8").partition("## Temporary memory of kernels")[2]
    rows = [line.split("|")[1] for line in text.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    assert {*re.findall(r"`(\w+)`", "".join(rows))} == WORKSPACES | {"ScaledDotProductAttention"}


@pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"} - WORKSPACES))
def test_an_op_asks_of_the_allocator_what_it_says(name: str) -> None:
    """Copies that kernels make of what does not lie as they read it are seen by no mode, but by the allocator.

    Single numbers, in which torch wraps scalars, are left out.
    """

    @settings(FEW, max_examples=examples(9))
    @given(RECORDS[name].cases, st.integers(0, 10**9))
    def some(case: Case, seed: int) -> None:
        draw = Random(seed)
        placed = Placed.drawn(draw, case, "float32", None)
        assume(name not in NOT_STATED or not NOT_STATED[name](case))
        assume(not fused(case))
        with plain() if name == "LSTM" else warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = allocated(case, True, frozenset(), placed)
            except (ValueError, RuntimeError) as error:
                assert any(words in str(error) for words in (*ELSEWHERE, *REFUSED_TOO)), error
                return
        found = requested(case, True, frozenset(), placed)
        assert {size: n for size, n in (expected - found).items() if size > 8} == {}
        assert {size: n for size, n in (found - expected).items() if size > 8} == {}

    some()
