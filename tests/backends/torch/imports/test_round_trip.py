"""Designs that are built, and imported from their module: every figure of every layer, every tensor, every number."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings

import archscope
from archscope.analysis.step.memory import Memory
from archscope.backends.importing.draft import Draft
from archscope.backends.torch.build import inputs
from archscope.backends.torch.imports.lift import lift
from archscope.backends.torch.imports.model import ImportTarget
from archscope.figures.table import COLUMNS, tabulate_account
from archscope.ops import Tensor
from archscope.ops.legal import apply
from archscope.spec.library import names
from tests.designs import designs
from tests.ops.records.base import RECORDS

BATCH = 2
#: what is tried always, on maps as small as the design allows
QUICK = {
    "lenet5": None,
    "resnet18": (3, 64, 64),
    "squeezenet1_1": (3, 64, 64),
    "text_cnn": None,
    "tcn": None,
}


def back(design):
    """A design by way of its module."""
    module = archscope.build(design, device="meta")
    found = archscope.from_torch(module, inputs(design, BATCH, device="meta"), name=design.name)
    assert [one for one in found.proof if not one.ok] == []
    assert archscope.load(found.spec) == found.design
    return found.design


def figures(design):
    """Every column of every layer but its name, those of the sums, and the ledger of the memory."""
    account = archscope.analyze(design, batch=BATCH)
    table = tabulate_account(account, list(COLUMNS))
    lines = [line.cells[1:] for line in (*table.lines, *table.totals) if line.role != "heading"]
    memory = archscope.memory(design, batch=BATCH)
    ledger = {field.name: getattr(memory, field.name) for field in fields(Memory)}
    numbers = {name: value for name, value in ledger.items() if isinstance(value, int)}
    moments = [[(one.phase, one.live) for one in line] for line in (memory.timeline, memory.inferring)]
    kept = [one.bytes for one in memory.saved]
    return {"lines": lines, "kept": kept, "moments": moments, "training": memory.training} | numbers


def same(design, other):
    """Hold that two designs have the same figures, tensors, and, with the same weights, results."""
    stated, found = figures(design), figures(other)
    assert {key: (stated[key], found[key]) for key in stated if stated[key] != found[key]} == {}
    named, again = ([one.name for one in net.layers if one.shares is None] for net in (design, other))
    assert again == named  # a layer that is used again is numbered, for the module does not say what it was called
    module, twin = (archscope.build(one, seed=seed).eval() for seed, one in enumerate((design, other)))
    for kind in ("named_parameters", "named_buffers"):
        ours, theirs = ({name: one.shape for name, one in getattr(net, kind)()} for net in (module, twin))
        assert ours == theirs
    twin.load_state_dict(module.state_dict())
    torch.manual_seed(0)
    x = inputs(design, BATCH)
    with torch.no_grad():
        results = [torch.utils._pytree.tree_leaves(net(*x)) for net in (module, twin)]
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("name", QUICK)
def test_a_design_comes_back_from_its_module(name):
    shape = QUICK[name]
    design = archscope.load(name, **({"input": shape} if shape else {}))
    same(design, back(design))


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_design_comes_back_from_its_module(name):
    design = archscope.load(name)
    same(design, back(design))


few = settings(max_examples=4, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))


@given(designs())
@few
def test_a_random_design_comes_back_from_its_module(text):
    design = archscope.load(text)
    same(design, back(design))


@pytest.mark.slow
@given(designs())
@settings(few, max_examples=40)
def test_random_designs_come_back_from_their_modules(text):
    design = archscope.load(text)
    same(design, back(design))


# -- every op ----------------------------------------------------------------------------------------------------------

_COUNTED = "torch counts dimensions from the front"
_FILLED = "the call has the sizes at hand"
#: ops that come back in other words, and why; their figures are held all the same
IN_OTHER_WORDS = {
    "AlphaDropout": "torch's layer never works in place",
    "FeatureAlphaDropout": "torch's layer never works in place",
    "BatchNorm1d": "without running statistics a momentum of None is the call's 0",
    "BatchNorm2d": "without running statistics a momentum of None is the call's 0",
    "BatchNorm3d": "without running statistics a momentum of None is the call's 0",
    "InstanceNorm1d": "a momentum of None is the call's 0, and without affine there is no bias to leave out",
    "InstanceNorm2d": "a momentum of None is the call's 0, and without affine there is no bias to leave out",
    "InstanceNorm3d": "a momentum of None is the call's 0, and without affine there is no bias to leave out",
    "Chunk": "one chunk is the tensor itself",
    "GroupNorm": "without affine there is no bias to leave out",
    "LayerNorm": "one last dimension is what it normalises if nothing else is said",
    "PReLU": "no call says what its slopes were at first",
    "RMSNorm": "one last dimension is what it normalises if nothing else is said",
    "Split": "one part is the tensor itself",
    "Constant": "a constant is called after what it is, for no module of the model has it",
    "Embedding": "without max_norm nothing asks for its norm_type, and torch counts padding_idx from the front",
    "Expand": _FILLED,
    "Reshape": f"{_FILLED}, and Flatten, Unflatten, Squeeze and Unsqueeze say more where they fit",
    "Index": _COUNTED,
    "Pad": "around maps, what a layer of torch does is that layer",
    "Permute": f"{_COUNTED}; two that change places are a Transpose",
    "Slice": "an end that is that of the dimension is none",
    "Squeeze": _COUNTED,
    "Transpose": _COUNTED,
    "Unsqueeze": _COUNTED,
    "StochasticDepth": "its chance is what is left of one that the call says, 1 - (1 - p)",
    "Tile": "dimensions that are not repeated may be left out",
    "Upsample": "one size for all axes is one an axis in the call",
}
#: arguments with which a layer cannot be traced (a batch norm that asks how often it ran), or is none (no chance)
GONE = {
    **dict.fromkeys(
        ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"],
        lambda case: case.op.track_running_stats and case.op.momentum is None,
    ),
    "Cast": lambda case: case.inputs[0].dtype == (None if case.op.dtype == "float" else case.op.dtype),
    "StochasticDepth": lambda case: 1 - case.op.p in (0, 1),
}
#: what nobody can trace
CLOSED = {
    "Contiguous": "a tensor that lies in order, as an input does, is not copied",
    "Opaque": "a black box gives no values",
}


def alone(case):
    """A design of one op."""
    draft = Draft("one", batch=BATCH)
    several = len(case.inputs) > 1 or any(x.dtype is not None for x in case.inputs)
    refs = [draft.input(f"x{at}" if several else "input", x.shape[1:], x.dtype) for at, x in enumerate(case.inputs)]
    if not refs:
        draft.input("input", (1,))
    made = draft.layer("op", case.op, refs)
    for number, ref in enumerate(made):
        draft.output(f"y{number}" if len(made) > 1 else "output", ref)
    return draft.design()


def for_any_batch(case):
    """Whether an op works at any batch, the first dimension of all that goes in and comes out."""
    if not all(x.shape for x in case.inputs):
        return False
    for batch in (1, 2, 3):
        y, wrong = apply(case.op, tuple(Tensor((batch, *x.shape[1:]), x.dtype) for x in case.inputs))
        if wrong or (case.inputs and y[0].shape[:1] != (batch,)):
            return False
    return True


def totals(design):
    account, memory = archscope.analyze(design, batch=BATCH), archscope.memory(design, batch=BATCH)
    shapes = [account.output_shape] if False else []
    return account.total.cost, memory.saved_bytes, memory.peak, memory.training, memory.inference, shapes


def op_comes_back(case):
    name = type(case.op).__name__
    assume(for_any_batch(case) and not (name in GONE and GONE[name](case)))
    design = alone(case)
    module = archscope.build(design, device="meta")
    other = lift(ImportTarget(module, None, inputs(design, BATCH, "meta"), {}, "one", "")).design
    assert totals(other) == totals(design)
    if name not in IN_OTHER_WORDS:
        assert other == design


OPS = [name for name in RECORDS if name not in CLOSED]


@pytest.mark.parametrize("name", OPS)
def test_an_op_comes_back_from_its_module(name):
    settings(few, max_examples=1)(given(RECORDS[name].cases)(op_comes_back))()


@pytest.mark.slow
@pytest.mark.parametrize("name", OPS)
def test_an_op_with_any_arguments_comes_back_from_its_module(name):
    settings(few, max_examples=20)(given(RECORDS[name].cases)(op_comes_back))()
