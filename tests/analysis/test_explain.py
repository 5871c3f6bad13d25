"""Explanations: every equation is true, and they read as a textbook writes."""

import re
from math import ceil, floor, gcd

import pytest
from hypothesis import HealthCheck, assume, given, settings

import archscope
from archscope.analysis.explain import traced_op
from archscope.errors import UsageError
from tests.designs import designs
from tests.examples import examples
from tests.fuzz.inputs import case_text
from tests.ops.records.base import RECORDS

TEXT = """
name: explained
input: [3, 227, 227]
layers:
  - Conv2d: {out_channels: 96, kernel_size: 11, stride: 4}
    name: conv1
  - ReLU
  - MaxPool2d: {kernel_size: 3, stride: 2}
  - Conv2d: {out_channels: 256, kernel_size: 5, padding: 2, groups: 2}
    name: conv2
  - Flatten
  - Linear: 10
"""


@pytest.fixture(scope="module")
def design():
    return archscope.load(TEXT)


def lines(design, layer, **options):
    (explanation,) = archscope.explain(design, layer, **options)
    return {line.figure: str(line) for line in explanation.lines}


def test_a_convolution_as_a_textbook_writes_it(design):
    conv1 = lines(design, "conv1")
    assert [*conv1][:5] == ["C_out", "H_out", "W_out", "weight", "bias"]  # the batch passes through
    assert conv1["weight"] == "weight = K_h x K_w x C_in / groups x C_out = 11 x 11 x 3 / 1 x 96 = 34,848"
    assert conv1["params"].endswith("= 11 x 11 x 3 / 1 x 96 + 96 = 34,944")
    assert conv1["H_out"].endswith("= floor((227 + 2 x 0 - 1 x (11 - 1) - 1) / 4) + 1 = 55")
    assert conv1["C_out"] == "C_out = 96"
    assert conv1["macs"].endswith(f"= {96 * 55 * 55 * 3 * 121:,}")
    assert "nothing upstream is trained" in conv1["input_grad_macs"]
    assert conv1["flops"] == "flops = 2 x macs = 2 x 105,415,200 = 210,830,400"
    assert conv1["reuse"].startswith("reuse = macs / params = 105,415,200 / 34,944 = 3,016.69")


def test_groups_stand_in_the_formula(design):
    assert "96 / 2 x 256" in lines(design, "conv2")["weight"]


def test_the_batch_stands_in_the_work(design):
    assert "N x " in lines(design, "conv1", batch=8)["macs"]
    assert "8 x 96 x 55 x 55" in lines(design, "conv1", batch=8)["macs"]


def test_a_view_says_so(design):
    assert "a view of its input" in lines(design, "Flatten")["activations"]


def test_all_layers_or_one_block_or_none(design):
    assert len(archscope.explain(design)) == 6
    with pytest.raises(UsageError, match="has no layer or block `conv3`; did you mean `conv2`"):
        archscope.explain(design, "conv3")


def test_as_data(design):
    (explanation,) = archscope.explain(design, "conv1")
    data = explanation.as_dict()
    assert data["layer"] == "conv1"
    assert {"figure", "formula", "worked", "result", "note"} == set(data["lines"][0])
    assert str(explanation).splitlines() == [
        "conv1: Conv2d(out_channels=96, kernel_size=11, stride=4)", *(f"  {line}" for line in explanation.lines)
    ]  # fmt: skip


def evaluate(worked: str) -> float:
    """The value of a worked formula, by Python."""
    python = re.sub(r"(?<=\d),(?=\d)", "", worked)
    python = python.replace(" x ", " * ").replace("^", "**").replace(" mod ", " % ")
    names = {"floor": floor, "ceil": ceil, "max": max, "min": min, "gcd": gcd, "__builtins__": {}}
    return eval(python, names)


@given(designs())
@settings(max_examples=examples(60), deadline=None)
def test_every_equation_is_true_and_equals_the_account(text):
    holds(archscope.load(text))


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_equation_of_every_op(name):
    @given(RECORDS[name].cases)
    @settings(max_examples=examples(3), deadline=None, suppress_health_check=list(HealthCheck))
    def check(case):
        text = case_text(case)
        assume(text)
        holds(archscope.load(text), batch=1)  # some work on the batch

    check()


def holds(design, batch=2):
    account = archscope.analyze(design, batch=batch)
    for explanation in archscope.explain(design, batch=batch):
        row = account[explanation.layer]
        for line in explanation.lines:
            if line.worked:
                assert evaluate(line.worked) == pytest.approx(line.result), str(line)
            if line.figure in ("params", "macs", "flops", "elementwise", "activations", "bytes_moved", "dense_params"):
                assert line.result == getattr(row, line.figure), str(line)


def test_a_traced_op_keeps_words_and_flags(design):
    op = design.layers[0].op
    traced = traced_op(op.replace(padding="same"))
    assert traced.padding == "same"
    assert traced.bias is True
    assert traced.kernel_size[0].formula() == "K_h"


def test_the_field_of_a_window_is_the_recurrence(design):
    """AlexNet's: 11 of stride 4, a pool of 3 by 2, then 5 with a padding of 2."""
    conv2 = lines(design, "conv2")
    assert conv2["receptive_field_h"].endswith("= 19 + (5 - 1) x 1 x 8 = 51")
    assert conv2["jump_w"] == "jump_w = jump_w_in x S_w = 8 x 1 = 8"
    assert conv2["field_start_w"].endswith("= 0 - 2 x 8 = -16")


FIELDS = """
input: [2, 8]
layers:
  - {name: add, Add: [[{name: three, Conv1d: {out_channels: 2, kernel_size: 3, padding: 1}}], []]}
  - {name: causal, CumSum: {dim: 2}}
  - {name: apart, Conv1d: {out_channels: 2, kernel_size: 3, stride: 2}}
  - {name: turned, Flip: {dims: 2}}
"""


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ("add", "receptive_field = 3    (the hull of three 3, input 1)"),
        # of 8 places: -1 to 1, -1 to 2, ..., -1 to 8
        ("causal", "receptive_field = 10    (unit u sees -1 to 1 + u: 3 to 10)"),
        ("apart", "receptive_field = 9    (unit u sees -1 to 3 + 2 u: 5 to 9)"),  # up to the units 2, 4, 6 of those
        ("turned", "receptive_field = 9    (unit u sees -1 to 7 - 2 u: 5 to 9)"),
    ],
)
def test_what_units_see_in_words(layer, field):
    assert lines(archscope.load(FIELDS), layer)["receptive_field"] == field


def test_arguments_are_shown_as_they_are_written():
    text = "input: [3, 9, 9]\nlayers:\n  - {name: it, Conv2d: {out_channels: 4, kernel_size: [3, 5], stride: [2, 2]}}\n"
    (explanation,) = archscope.explain(archscope.load(text), "it")
    assert explanation.title == "Conv2d(out_channels=4, kernel_size=[3, 5], stride=2)"


def test_many_equal_terms_stand_together():
    """Of the 99 upper layers of an LSTM each learns as many weights: 2 of 4 x 3 x 3, and 2 biases of 4 x 3."""
    text = "input: [5, 4]\nlayers: [{LSTM: {hidden_size: 3, num_layers: 100, batch_first: true}, name: it}]"
    (explanation,) = archscope.explain(archscope.load(text), "it")
    params = {line.figure: line for line in explanation.lines}["params"]
    assert params.worked == "4 x 4 x 3 + 100 x 3 x 4 x 3 + 200 x 4 x 3 + 99 x 3 x 1 x 4 x 3"
    assert params.result == (4 + 3) * 12 + 24 + 99 * ((3 + 3) * 12 + 24)


def test_a_sum_of_very_many_terms():
    text = "input: [2, 1]\nlayers: [{RNN: {hidden_size: 1, num_layers: 1000, batch_first: true}, name: it}]"
    (explanation,) = archscope.explain(archscope.load(text), "it")
    assert {line.figure: line.result for line in explanation.lines}["params"] == 1000 * 4
