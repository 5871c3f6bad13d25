"""What older versions of torch keep or cast otherwise, with the arithmetic in view."""

import pytest

import archscope
from archscope.analysis.step.memory import memory
from archscope.autograd.versions import TORCH, spelled, version
from archscope.errors import UsageError

ROWS, CLASSES = 8, 16


def kept(text, *, batch=ROWS, **setting):
    return memory(archscope.load(text), batch=batch, **setting).saved_bytes


@pytest.mark.parametrize("op", ["Softmax: {dim: 1}", "Softmin: {dim: 1}", "LogSoftmax: {dim: 1}"])
def test_softmax_kept_its_input_before_1_11(op):
    """github.com/pytorch/pytorch/pull/65242: "avoid saving self for softmax and log_softmax"."""
    text = f"input: [{CLASSES}]\nlayers: [{{Linear: {CLASSES}}}, {{{op}}}, {{Linear: 3}}]\n"
    assert kept(text, torch="1.10.2") - kept(text, torch="1.11") == ROWS * CLASSES * 4
    assert kept(text, torch="1.11") == kept(text)


def test_the_losss_softmax_did_too():
    """The logits live as long as their logarithms: 8 rows of 1,000 classes more at the peak of a classifier's step."""
    design = archscope.load("input: [2]\nlayers: [{Linear: 1000}]\n")
    ledgers = [memory(design, batch=ROWS, torch=torch) for torch in ("1.10", "1.12")]
    tops = [max(one.live for one in ledger.timeline if one.phase == "backward") for ledger in ledgers]
    assert tops[0] - tops[1] == ROWS * 1000 * 4


def test_attention_was_copied_on_the_cpu_before_2_5():
    """github.com/pytorch/pytorch/pull/134656: "make the stride of output align with input".

    Of torch.nn.MultiheadAttention(12, 3, batch_first=True) over 2 x 5 x 12 torch 2.4.0 keeps 5,304 bytes, 2.13.0 4,824:
    what it gives was copied for the linear layer behind it, and both are kept.
    """
    text = "input: [5, 12]\nlayers:\n  - {MultiheadAttention: {num_heads: 3, batch_first: true}}\n"
    before, since = (kept(text, batch=2, torch=torch) for torch in ("2.4", "2.5"))
    assert before - since == 5304 - 4824 == 2 * 5 * 12 * 4
    assert since == kept(text, batch=2)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_autocast_resampled_in_the_lower_type_before_2_4(mode):
    """github.com/pytorch/pytorch/pull/121324: "force upsample to be float32"; the output is read in half precision."""
    text = f"""input: [4, 8, 8]
layers:
  - {{Conv2d: {{out_channels: 4, kernel_size: 1}}}}
  - {{Upsample: {{scale_factor: 2, mode: {mode}}}}}
  - {{ReLU: }}
  - Flatten
  - {{Linear: 3}}
"""
    there = {"device": "cuda", "precision": "fp16-mixed"}
    before, since = (kept(text, torch=torch, **there) for torch in ("2.3", "2.4"))
    narrow = ROWS * 4 * 16 * 16 * 2
    assert since - before == 2 * narrow  # ReLU keeps four bytes a number and Linear a cast of two, for two by both
    assert kept(text, torch="2.3") == kept(text)  # nothing is cast without autocast


def test_parameters_were_updated_one_by_one_before_2_0():
    """Adam's root of the second moments: of ten parameters at once, or two tensors of one beside the root before it."""
    design = archscope.load(
        "input: [64]\nlayers:\n  - {repeat: 10, layers: [{Linear: {out_features: 64, bias: false}}]}\n"
    )
    together, alone = (
        max(one.live for one in memory(design, **setting, torch=torch).timeline if one.phase == "optimizer")
        for setting in [{"optimizer": "adam", "device": "cuda"}]
        for torch in ("2.0", "1.13")
    )
    assert together - alone == (10 - 3) * 64 * 64 * 4


def test_what_is_not_known_of_a_version_is_told():
    transformer = archscope.load("input: [4, 8]\nlayers: [{MultiheadAttention: {num_heads: 2}}]\n")
    with pytest.raises(UsageError, match=r"what attention keeps before torch 2.0 is not known"):
        memory(transformer, torch="1.13")
    for text, words in (("1.9", "before 1.10"), ("two", "no version of torch"), ("2", "no version of torch")):
        with pytest.raises(UsageError, match=words):
            memory(transformer, torch=text)


def test_versions_are_read_as_torch_spells_them():
    assert [version(text) for text in ("2.13.0+cpu", "1.12.1", "2.0")] == [(2, 13), (1, 12), (2, 0)]
    assert spelled(TORCH) == "2.13"
