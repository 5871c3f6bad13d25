"""What of a setting a figure depends on, as it declares: nothing else ever changes it, and each does somewhere."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from click.testing import CliRunner

import archscope
from archscope.cli import main
from archscope.errors import UsageError
from archscope.figures import FIGURES, LAYER, words_of
from archscope.setting import FIELDS, Setting
from tests.analysis.time.test_roofline import calibration

#: a copy in channels last, a type that autocast gives otherwise on CUDA and before torch 2.4, a dropout, a softmax that
#: before 1.11 keeps its input, weights that no cache of a T4 holds
MAPS = """
name: maps
input: [3, 64, 64]
layers:
  - Conv2d: {out_channels: 16, kernel_size: 3, padding: 1}
  - BatchNorm2d
  - ReLU
  - Upsample: {scale_factor: 2, mode: bilinear}
  - Cast: float
  - Cast: bfloat16
  - Cast: float
  - AdaptiveAvgPool2d: 32
  - Conv2d: {out_channels: 16, kernel_size: 1}
  - ReLU
  - Flatten
  - Linear: 256
  - Softmax: {dim: 1}
  - Dropout: 0.5
  - Linear: 256
"""
COPY = """
name: copy
input: [128, 64, 64]
layers: [Flatten, {Linear: 2}]
"""
ATTENTION = """
name: attention
input: [64, 64]
layers:
  - LayerNorm: 64
  - Add: [[], [MultiheadAttention: {num_heads: 2, batch_first: true, dropout: 0.1}]]
  - Dropout: 0.1
  - GELU
  - Linear: 500
"""
BASES = (
    Setting(batch=2),
    Setting(batch=3, precision="bf16-mixed"),
    Setting(batch=8, device="t4"),
    Setting(batch=8, device="a100-40gb", precision="bf16-mixed", optimizer="adam"),
    Setting(batch=8, mode="infer", device="t4", precision="fp16-mixed"),
)
OTHERS: dict[str, tuple[Any, ...]] = {
    "batch": (64,),
    "precision": ("float16", "float32", "bf16-mixed"),
    "mode": ("train", "infer"),
    "optimizer": ("sgd", "adam"),
    "device": ("cpu", "cuda", "t4"),
    "accumulate": (True,),
    "channels_last": (True,),
    "compile": (True,),
    "launch": (1e-4,),
    "torch": ("1.10", "2.3"),
    "calibration": (calibration(),),
}
REFUSED = "refused"


@cache
def design(text: str) -> Any:
    return archscope.load(text)


@cache
def values(text: str, setting: Setting) -> dict[str, Any]:
    """Every figure of a design under a setting, those of layers by layer."""
    account = archscope.analyze(design(text), setting)
    found = {}
    for name, one in FIGURES.items():
        parts = [part for part in (None, *account.rows) if one.known_of(account, part)]
        assert parts or one.scopes
        found[name] = [_asked(one.value, account, part) for part in (parts if LAYER in one.scopes else parts[:1])]
    return found


def _asked(question: Any, *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except UsageError:
        return REFUSED


def pairs() -> Any:
    """Settings that differ in one field (a calibration brings its device), and the fields in which they do."""
    for base in BASES:
        for name, others in OTHERS.items():
            for other in others:
                changed = _asked(lambda base=base, name=name, other=other: base.but(**{name: other}))
                if changed not in (REFUSED, base):
                    yield base, changed, {one for one in FIELDS if getattr(base, one) != getattr(changed, one)}


def _where_both(some: list[Any], others: list[Any]) -> tuple[list[Any], list[Any]]:
    known = [pair for pair in zip(some, others, strict=True) if REFUSED not in pair]
    return [one for one, _ in known], [other for _, other in known]


def test_a_figure_depends_on_what_it_declares_and_on_nothing_else() -> None:
    seen: dict[str, set[str]] = {name: set() for name in FIGURES}
    for text in (MAPS, COPY, ATTENTION):
        for base, changed, fields in pairs():
            for name, figure in FIGURES.items() if takes(text, base, changed) else ():
                pair = values(text, base)[name], values(text, changed)[name]
                if not (base.runs and changed.runs):  # what is not known has no value
                    pair = _where_both(*pair)
                if pair[0] != pair[1]:
                    assert fields & {*figure.fields(base), *figure.fields(changed)}, (name, fields, base, changed)
                    seen[name] |= fields
    for name, figure in FIGURES.items():
        if name not in NEVER_MOVED:
            assert {*figure.depends, *figure.lowered} <= seen[name], name


def takes(text: str, *settings: Setting) -> bool:
    """Whether a design can be run so: attention before torch 2.0 is not known."""
    return all(_asked(values, text, one) != REFUSED for one in settings)


#: convolutions and dense layers rest in no mode and copy nothing, but declare what all do; no other has MACs here
NEVER_MOVED = {
    "other_macs", *(f"{kind}_{figure}" for kind in ("conv", "fc") for figure in ("activations", "activation_bytes")),
}  # fmt: skip


def test_a_declaration_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ({"depends": ()}, {"depends": FIELDS}):
        monkeypatch.setitem(FIGURES, "macs", replace(FIGURES["macs"], **wrong))  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="macs"):
            test_a_figure_depends_on_what_it_declares_and_on_nothing_else()


#: a setting whose every field has a word of its own
TOLD = Setting(batch=7, precision="bf16-mixed", optimizer="lamb", device="h200", accumulate=True, channels_last=True,
               compile=True, launch=2e-6, torch="2.5")  # fmt: skip
WORDS = {
    "batch": "batch 7", "precision": "bf16-mixed", "mode": "training", "optimizer": "lamb", "device": "H200",
    "accumulate": "accumulate", "channels_last": "channels last", "compile": "compiled", "launch": "2 µs",
    "torch": "torch 2.5",
}  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_a_head_says_what_the_figures_depend_on_and_nothing_else(name: str) -> None:
    told = words_of(TOLD, [FIGURES[name]])
    depends = FIGURES[name].fields(TOLD)
    assert {field for field, word in WORDS.items() if word in told} == {*depends} & WORDS.keys()


@pytest.mark.parametrize("name", ["params", "macs", "param_bytes", "activation_bytes", "saved_bytes", "training_bytes"])
@pytest.mark.parametrize("command", ["compare", "sweep"])
def test_commands_tell_the_setting_of_what_they_show(command: str, name: str) -> None:
    depends = FIGURES[name].fields(Setting())
    asked = [command, "lenet5", "--columns", name, *(["--vary", "classes=10,11"] if command == "sweep" else [])]
    head = CliRunner().invoke(main, asked).stdout.splitlines()[0]
    assert head.endswith(Setting().words(*depends) if depends else ("1 design", "LeNet-5")[command == "sweep"])
    (first, *_) = csv.reader(io.StringIO(CliRunner().invoke(main, [*asked, "--csv", "-"]).stdout))
    columns = {one.partition(" [")[0] for one in first}
    assert columns & set(FIELDS) == set(depends)
    if command == "sweep":
        with NamedTemporaryFile(suffix=".csv") as rows:
            CliRunner().invoke(main, [*asked, "-o", rows.name])
            (first, *_) = csv.reader(Path(rows.name).read_text(encoding="utf-8").splitlines())
        assert {one.partition(" [")[0] for one in first} & set(FIELDS) == set(depends)
