"""The largest number that fits, the largest batch, and what makes a step fit."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archscope
from archscope.analysis.step.fit import largest_batch, most, recomputed, remedies, room
from archscope.analysis.step.memory import memory
from archscope.errors import UsageError
from archscope.setting import Setting
from archscope.setting.devices import DEVICES

GIB = 2**30


@given(st.integers(1, 1000), st.integers(0, 1000), st.integers(0, 10**6), st.integers(-5, 2000))
def test_the_largest_that_fits(slope, offset, limit, guess):
    found = most(lambda number: offset + slope * number <= limit, guess=guess)
    largest = (limit - offset) // slope
    assert found == (largest if largest >= 1 else None)


def test_the_numbers_behind_one_that_does_not_fit_are_tried():
    """Blocks may fall better for a larger batch."""
    assert most(lambda number: number <= 40 or number in (42, 43)) == 43
    assert most(lambda number: number <= 40 or number == 43) == 43
    assert most(lambda number: False) is None


@pytest.mark.parametrize("ceiling", [1, 2, 8])
def test_the_search_ends(ceiling):
    assert most(lambda number: True, ceiling=ceiling) == ceiling


def test_a_good_guess_is_a_short_search():
    asked = []
    assert most(lambda number: asked.append(number) or number <= 1000, guess=1010) == 1000
    assert len(asked) < 15


#: what ran on an RTX 3090 of 24 GiB under torch 1.12, fp16 autocast, channels last, SGD with Nesterov's momentum, and
#: the batch that ran out of memory before it: results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv of
#: github.com/huggingface/pytorch-image-models, whose benchmark.py goes from 512 to 384, 256, 192, ... until one runs
PUBLISHED = {"vgg16": (384, 512), "resnet50": (512, None), "resnet152": (192, 256)}
THERE = {"optimizer": "nesterov", "precision": "fp16-mixed", "accumulate": True, "channels_last": True}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_largest_batch_is_as_published(name):
    ran, failed = PUBLISHED[name]
    found = archscope.largest_batch(archscope.load(name), device="rtx3090", **THERE)
    assert ran <= found
    assert failed is None or found < failed


@pytest.mark.slow
def test_the_report_holds_all_that_is_published():
    """65 of its 70 rows and more lie between what ran and what did not."""
    path = Path(__file__).parents[3] / "benchmarks" / "largest_batch.py"
    spec = importlib.util.spec_from_file_location("largest_batch", path)
    report = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(report)
    found = list(report.rows())
    assert len(found) == 70
    assert sum(row.verdict == "agrees" for row in found) >= 65
    assert report.OUT.read_text(encoding="utf-8") == report.page(found)


def test_what_tensors_get():
    """24,576 MiB of an RTX 3090 as nvidia-smi has it."""
    assert room("rtx3090", context=0) == 24_576 * 2**20
    assert room("rtx3090") == DEVICES["rtx3090"].memory - DEVICES["rtx3090"].context
    assert (room("cuda", 100), room("rtx3090", 100), room("cpu", 100, 30)) == (100, 100, 70)
    assert room("cuda") is None
    with pytest.raises(UsageError, match="the memory of cpu is not known: give a limit, or a device by name"):
        archscope.largest_batch(archscope.load("lenet5"))


def test_each_remedy_makes_the_step_fit():
    design, limit = archscope.load("resnet18"), GIB
    setting = {"device": "cuda", "optimizer": "adamw"}
    assert not memory(design, batch=96, **setting).fits(limit)
    found = {remedy.what: remedy.needed for remedy in remedies(design, Setting.of(batch=96, **setting), limit)}
    assert all(needed <= limit for needed in found.values())
    largest = largest_batch(design, limit=limit, **setting)
    assert found[f"a batch of {largest}"] == memory(design, batch=largest, **setting).needed
    assert memory(design, batch=largest + 1, **setting).needed > limit
    (parts,) = [what for what in found if what.startswith("gradients accumulated")]
    number, size = (int(word) for word in parts.split() if word.isdecimal())
    assert number * size == 96
    assert memory(design, batch=size, accumulate=True, **setting).fits(limit)
    assert not memory(design, batch=96 // (number - 1), accumulate=True, **setting).fits(limit)


def test_without_a_training_step_there_is_nothing_to_accumulate():
    design = archscope.load("lenet5")
    found = [remedy.what for remedy in remedies(design, Setting(10**4, optimizer="none"), 10**8)]
    assert found[0] == f"a batch of {largest_batch(design, limit=10**8, optimizer='none'):,}"
    assert not any("accumulated" in what or "checkpoint" in what for what in found)


def test_blocks_are_recomputed_by_the_beginnings_of_their_names():
    text = """
input: [3]
blocks:
  inner: [{Linear: 3, name: fc}]
  outer: [{inner: , name: a}, {ReLU: , name: act}]
layers:
  - {Linear: 3, name: stem}
  - {outer: , name: one}
  - {outer: , name: two, checkpoint: true}
"""
    design = archscope.load(text)
    own = design.layers[-1].checkpoint
    assert [layer.name for layer in design.layers] == ["stem", "one.a.fc", "one.act", "two.a.fc", "two.act"]
    assert [layer.checkpoint for layer in recomputed(design, 1).layers] == [None, "one", "one", own, own]
    assert [layer.checkpoint for layer in recomputed(design, 2).layers] == [None, "one.a", None, own, own]


def test_the_largest_batch_goes_as_far_as_memory_does():
    """Beyond 2^20 samples LeNet-5 still does not fill an H200, and with one more than are told it does not fit."""
    design = archscope.load("lenet5")
    found = largest_batch(design, device="h200")
    space = room("h200")
    assert found > 2**20
    assert memory(design, device="h200", batch=found).fits(space)
    assert not any(memory(design, device="h200", batch=found + more).fits(space) for more in (1, 2, 3))
