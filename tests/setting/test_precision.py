"""One table of precisions, and one vocabulary: torch's full names and the short ones, in commands and in Python."""

import click
import pytest
import torch
from click.testing import CliRunner

import archscope
from archscope.autograd.dtypes import ITEM_BYTES
from archscope.cli.main import LazyGroup, main
from archscope.cli.settings import PrecisionName
from archscope.errors import UsageError
from archscope.setting.precision import PRECISIONS, WORDS, precision_of

#: the words, and the names that are printed for them; torch's dtypes print their full names
SAID = {
    "fp32": "float32", "float": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16",
    "amp": "bf16-mixed", "fp64": "float64", "double": "float64", "fp8": "float8",
}  # fmt: skip


def test_short_names_and_torchs_own_mean_the_rows():
    assert {word: row.name for word, row in WORDS.items() if word != row.name} == SAID
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        assert precision_of(str(dtype)).floating == str(dtype).removeprefix("torch.")
        assert precision_of(dtype).name == str(dtype).removeprefix("torch.")
    for row in PRECISIONS.values():
        assert precision_of(row) is row
        assert str(row) == row.name


@pytest.mark.parametrize("row", [row for row in PRECISIONS.values() if row.multiplied], ids=str)
def test_types_are_torchs(row):
    assert getattr(torch, row.floating).itemsize == ITEM_BYTES[row.floating]
    assert getattr(torch, row.narrowest).is_floating_point
    if row.lower:
        with torch.autocast("cpu", getattr(torch, row.lower)):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, row.lower)


@pytest.mark.parametrize("word", ["int8", "uint8", "int16", "int32", "int64", "bool"])
def test_what_is_no_floating_type_is_refused(word):
    assert not getattr(torch, word).is_floating_point
    with pytest.raises(UsageError, match=f"{word} is no floating type"):
        precision_of(word)


def test_misspelt_words_are_told_what_they_were_meant_to_be():
    with pytest.raises(UsageError, match="unknown precision fp166; did you mean `fp16`"):
        precision_of("fp166")
    with pytest.raises(UsageError, match="unknown precision q; one of float32, tf32, ieee, bfloat16, float16"):
        precision_of("q")


def _precisions():
    """The option of every command that has one, of groups too."""
    for name in LazyGroup.COMMANDS:
        command = main.get_command(click.Context(main), name)
        for part in command.commands.values() if isinstance(command, click.Group) else [command]:
            for option in part.params:
                if {"--dtype", "--precision"} & set(option.opts):
                    yield f"{name} {part.name}", option


def test_every_command_has_the_same_words():
    found = dict(_precisions())
    assert {"analyze analyze", "memory memory", "predict predict", "plot roofline", "plot memory"} <= set(found)
    for option in found.values():
        assert set(option.opts) == {"--dtype", "--precision"}
        assert isinstance(option.type, PrecisionName)


@pytest.mark.parametrize("words", ["bf16", "bfloat16"])
def test_one_of_the_words_is_printed(words):
    for arguments in (("analyze", "lenet5"), ("memory", "lenet5"), ("predict", "lenet5", "--device", "h200")):
        found = CliRunner().invoke(main, [*arguments, "--precision", words])
        assert found.exit_code == 0
        assert "bfloat16" in found.stdout.splitlines()[0]
        assert "bf16" not in found.stdout


def test_what_is_not_known_of_float8_is_refused_and_what_it_weighs_is_not():
    """A byte each: torch.float8_e4m3fn and torch.float8_e5m2 are as wide."""
    design = archscope.load("lenet5")
    assert torch.float8_e4m3fn.itemsize == torch.float8_e5m2.itemsize == 1
    account = archscope.analyze(design, precision="fp8")
    assert account.total.param_bytes == account.total.params
    with pytest.raises(UsageError, match="memory is not known in float8: torch runs no layer in it"):
        archscope.memory(design, precision="float8")
    with pytest.raises(UsageError, match="a peak is not known in float8"):
        archscope.predict(design, device="h200", precision="float8")


@pytest.mark.parametrize("word", ["mixed", "16-mixed", "fp32-mixed"])
def test_mixed_precision_says_what_is_lowered_to(word):
    """torch.autocast takes bfloat16 and float16."""
    with pytest.raises(UsageError, match=rf"{word} does not say what is lowered to: bf16-mixed \(or amp\), or"):
        precision_of(word)


@pytest.mark.parametrize("word", ["int8", "int4"])
def test_whole_types_are_led_to_what_their_weights_weigh(word):
    with pytest.raises(UsageError, match=f"{word} is no floating type.*`archscope memory` says what the weights alone"):
        precision_of(word)
