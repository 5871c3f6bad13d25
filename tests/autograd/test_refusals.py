"""What may be overwritten, and when: torch refuses the rest, and so does archscope, with the place and what to do."""

from __future__ import annotations

import warnings
from functools import reduce
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import archscope
import tests.ops.records
from archscope.analysis.step.memory import memory
from archscope.autograd import aten
from archscope.autograd.tape import Tape
from archscope.backends.torch.check import plain
from archscope.errors import UsageError
from tests.analysis.step.test_memory import timeline
from tests.examples import examples
from tests.ops.measuring import NOT_STATED, Gradient, Module, Placed, values_of
from tests.ops.records.base import RECORDS, Case
from tests.oracle import inference, step

assert tests.ops.records

#: what torch says where it refuses
REFUSALS = (
    "modified by an inplace operation",
    "is being modified inplace",
    "has been modified inplace",
    "a leaf Variable",
    "more than one element of the written-to tensor",
)

#: and what archscope says
REFUSAL = r"^<text>:\d+:\d+: error: \S+ overwrites .* torch .*\n(.*\n)+  hint: leave out `inplace: true`"

every_op = pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))


def refused_by_torch(case: Case, behind: bool, place: int) -> bool:
    """Whether torch refuses a ReLU in place on an output, or on an input behind the op, in a training step."""
    module = Module(case, True, frozenset(), Placed.plain(case))
    _, x = module.inputs()
    y = module.outputs(x)
    try:
        torch.relu_((y if behind else x)[place])
        losses = [tensor.mean() for tensor in (*y, *x) if tensor.requires_grad]
        if losses:
            reduce(torch.add, losses).backward()
    except RuntimeError as error:
        assert any(words in str(error) for words in REFUSALS), error
        return True
    return False


def refused(case: Case, behind: bool, place: int) -> bool:
    """The same of a tape."""
    tape = Tape()
    x, y = values_of(tape, case)
    tensors = y if behind else x
    try:
        tensors[place] = aten.in_place(tape, tensors[place], saves="output")
        losses = [Gradient("mean", ()).on(tape, tensor) for tensor in (*y, *x) if tensor.node]
        if losses:
            tape.backward(reduce(lambda a, b: aten.add(tape, a, b), losses))
    except UsageError as error:
        assert "leave out `inplace: true`" in str(error)
        return True
    return False


def alike(name: str, case: Case, draw: Random) -> None:
    behind = draw.random() < 0.5
    tensors = case.op.outputs(*case.inputs) if behind else case.inputs
    floating = [place for place, tensor in enumerate(tensors) if tensor.floating]
    if not floating or (name in NOT_STATED and NOT_STATED[name](case)) or (case.op.in_place and not behind):
        return
    place = draw.choice(floating)
    with plain() if name == "LSTM" else warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = refused_by_torch(case, behind, place)
        except ValueError as error:
            assert "when training" in str(error)
            return
    assert refused(case, behind, place) == expected, (behind, place)


@every_op
def test_what_is_needed_later_is_not_overwritten(name):
    """What each op saves of its inputs and outputs, and views of which there are several."""

    @settings(
        max_examples=examples(6), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(RECORDS[name].cases, st.integers(0, 10**9))
    def some(case: Case, seed: int) -> None:
        alike(name, case, Random(seed))

    some()


@pytest.mark.slow
@every_op
def test_what_is_needed_later_is_not_overwritten_in_many_cases(name):
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(RECORDS[name].cases, st.integers(0, 10**9))
    def some(case: Case, seed: int) -> None:
        alike(name, case, Random(seed))

    some()


#: designs that torch refuses to train, by what is overwritten
ILLEGAL = {
    "what a layer saves of its output": "Linear: 4 | Softmax: 2 | RELU",
    "the same through a view": "Linear: 4 | Tanh | TURN | RELU",
    "the same through what is detached": "Linear: 4 | name: e, Exp: | Detach: | RELU | from: [e, ReLU], Add:",
    "what a layer saves of its input": "name: l, Linear: 4 | name: p, Power: 2 | from: l, RELU | from: [p, ReLU], Add:",
    "what is saved, where no gradient is taken": "Linear: 4 | name: e, Exp: | no_grad: true, RELU | from: e, Linear: 2",
    "a parameter": "name: l, Linear: 4 | Parameter: [4] | RELU | from: [l, ReLU], Add:",
    "a view of a parameter": "Parameter: [1, 3] | Squeeze: 0 | RELU",
    "one part of several": "Linear: 4 | HALVES | from: 'Split[0]', RELU",
    "a view of one part": "Linear: 4 | Chunk: {chunks: 2, dim: 2} | from: 'Chunk[1]', Unsqueeze: 1 | RELU",
    "what parts are of that are read later": "name: l, Linear: 4 | HALVES | from: l, RELU | from: 'Split[0]', Tanh:",
}
#: designs that it does not even run
NEVER = {
    "an expanded tensor": "Linear: 4 | Unsqueeze: 1 | Expand: {sizes: [-1, 3, -1, -1]} | RELU",
    "an expanded input": "Unsqueeze: 1 | Expand: {sizes: [-1, 3, -1, -1]} | RELU | Linear: 4",
}
#: designs that it trains
LEGAL = {
    "nobody needs it": "Linear: 4 | RELU | Linear: 3",
    "a view beside its base": "name: l, Linear: 4 | TURN | RELU | TURN | from: [Transpose_2, l], Add:",
    "a base beside its view": "name: l, Linear: 4 | TURN | from: l, RELU | from: Transpose, Sigmoid:",
    "a view behind another one": "name: l, Linear: 4 | name: a, Unsqueeze: 1 | from: l, TURN | RELU | from: a, Tanh:",
    "no gradient reaches what saves it": "Linear: 4 | Exp | Detach | RELU | Linear: 3",
    "a part that needs no gradient": "Split: {split_size_or_sections: 2, dim: 1} | from: 'Split[0]', RELU | Linear: 4",
    "what a recomputed block saves": "Linear: 4 | layers: [Sigmoid], checkpoint: true | RELU | Linear: 3",
    "what a block reads that never runs again": "Linear: 4 | RELU, checkpoint: true | Detach | Linear: 3",
    "the same of a block that saves more": "Linear: 4 | layers: [RELU, Tanh], checkpoint: true | Detach | Linear: 3",
    "a copy of what is expanded": "Linear: 4 | Unsqueeze: 1 | Expand: {sizes: [-1, 3, -1, -1]} | Contiguous | RELU",
}
WORDS = {
    "RELU": "ReLU: {inplace: true}",
    "TURN": "Transpose: {dim0: 1, dim1: 2}",
    "HALVES": "Split: {split_size_or_sections: 2, dim: 2}",
}


def designed(layers):
    for word, meaning in WORDS.items():
        layers = layers.replace(word, meaning)
    entries = "".join(f"  - {{{one.strip()} }}\n" if ":" in one else f"  - {one}\n" for one in layers.split("|"))
    return archscope.load(f"input: [6, 8]\nlayers:\n{entries}")


@pytest.mark.parametrize("layers", [pytest.param(layers, id=name) for name, layers in (ILLEGAL | NEVER).items()])
def test_a_design_that_torch_refuses_to_train_is_refused(layers):
    """With the place of the layer that overwrites, what it overwrites, and what to do."""
    design = designed(layers)
    with pytest.raises(RuntimeError, match="|".join((*REFUSALS, "a view of a leaf"))):
        step(design, 2, fake=False)
    with pytest.raises(UsageError, match=REFUSAL):
        memory(design, batch=2)


@pytest.mark.parametrize("layers", [pytest.param(layers, id=name) for name, layers in NEVER.items()])
def test_a_tensor_that_repeats_itself_is_not_overwritten_in_inference_either(layers):
    design = designed(layers)
    with pytest.raises(RuntimeError, match="more than one element"):
        inference(design, 2, fake=False)
    with pytest.raises(UsageError, match="repeats its elements"):
        memory(design, batch=2, mode="infer")


@pytest.mark.parametrize("layers", [pytest.param(layers, id=name) for name, layers in LEGAL.items()])
def test_what_torch_overwrites_is_counted(layers):
    """Every allocation of the step; a view whose memory was overwritten behind its back takes its base's history."""
    assert timeline(designed(layers), 2, "sgd") == step(designed(layers), 2, fake=False)


@pytest.mark.parametrize("layers", [pytest.param(layers, id=name) for name, layers in ILLEGAL.items()])
def test_what_is_refused_in_training_runs_in_inference(layers):
    design = designed(layers)
    assert memory(design, batch=2, mode="infer").inference >= max(inference(design, 2, fake=False), default=0)
