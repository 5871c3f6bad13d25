"""Every op against the layer that it stands for: torch runs it on the meta device, on random cases."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from torch.utils import flop_counter

import tests.ops.records
from archscope.ops import REGISTRY, Tensor
from archscope.ops.fields import FieldError, Maybe, Real
from archscope.ops.fields import Kind as FieldKind
from archscope.ops.legal import apply
from archscope.ops.tensors import standing
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case
from tests.ops.variants import other_numbers, rebuilt

assert tests.ops.records
EXAMPLES = examples(60)
RELAXED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
each_op = pytest.mark.parametrize("name", sorted(RECORDS))


class Peer(NamedTuple):
    """Why torch's counter does not give an op's MACs, and another route to them, which is named."""

    reason: str
    route: str
    macs: Callable[[Case], int]


#: ops whose MACs torch's flop counter does not count as they are
PEER_DIFFERS: dict[str, Peer] = {
    "Bilinear": Peer(
        "torch's counter has no formula for its kernel and counts none",
        "the same sums as two matrix products, which are counted",
        lambda case: counted(_bilinear_by_products, case),
    ),
    "Opaque": Peer(
        "a stand-in computes nothing",
        "what was declared for one sample, for as many as arrive",
        lambda case: len(torch.empty(case.inputs[0].shape)) * int(case.op.arguments()["macs"]),
    ),
}

#: ops that refuse numbers with which torch runs, and why
STRICTER = {
    **{
        f"CircularPad{rank}d": "where one end is cropped and the other padded beyond what is left, "
        "torch copies memory that it has not written"
        for rank in (1, 2, 3)
    },
    "ScaledDotProductAttention": "torch broadcasts some of its kernels' inputs, and not those of others",
    "Opaque": "a stand-in takes what arrives; what was measured holds of one shape alone",
    "Squeeze": "torch leaves a dimension that is not 1 as it is",
    "Chunk": "torch gives fewer chunks where they do not come out",
    **dict.fromkeys(
        ("Parameter", "Buffer", "Constant"), "torch expands a dimension 0 that is already as large as the batch"
    ),
    "Einsum": "torch repeats a size of 1",
    "Expand": "torch takes the size of the batch, and no size at all",
    "Pad": "as CircularPad, which it is by one of its modes",
    "Tile": "torch repeats the batch, too",
}

#: ops that torch checks only in the kernels of a real device, and what it checks there
CHECKED_ON_CPU = {f"ConvTranspose{rank}d": "output_padding against stride and dilation" for rank in (1, 2, 3)}


def _bilinear_by_products(case: Case, first: Any, second: Any) -> None:
    weight = torch.empty(case.op.parameters(*case.inputs)["weight"].shape)  # out, in1, in2
    rows = torch.mm(first.flatten(0, -2), weight.transpose(0, 1).flatten(1)).unflatten(1, weight.shape[::2])
    torch.bmm(rows, second.flatten(0, -2).unsqueeze(2))


def counted(function: Callable[..., Any], case: Case) -> int:
    """MACs of a function of a case and its inputs, by torch's counter."""
    with torch.device("meta"), flop_counter.FlopCounterMode(display=False) as counter:
        function(case, *(torch.empty(x.shape) for x in case.inputs))
    return int(counter.get_total_flops()) // 2


class Run(NamedTuple):
    """What torch did with a case."""

    module: Any
    outputs: tuple[Any, ...]
    macs: float


def run(case: Case, device: str = "meta") -> Run:
    """Build and run a case."""
    with torch.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's future, at building; what is wrong is raised
        module = case.op.module(torch, *case.inputs)
        if isinstance(module, torch.nn.Module):
            module.eval()
        inputs = [torch.empty(x.shape, dtype=getattr(torch, x.dtype or "float32")) for x in case.inputs]
        with flop_counter.FlopCounterMode(display=False) as counter:
            outputs = module(*inputs)
    return Run(module, outputs if isinstance(outputs, tuple) else (outputs,), counter.get_total_flops() / 2)


Kind = tuple[tuple[int, ...], str | None]


def measured(tensor: Any) -> Kind:
    """Shape and type of a tensor of torch, which does not know which dimension is the batch."""
    return tuple(tensor.shape), None if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.")


def stated(tensors: Iterable[Tensor]) -> tuple[Kind, ...]:
    return tuple((tensor.shape, tensor.dtype) for tensor in tensors)


def named(tensors: dict[str, Tensor]) -> dict[str, Kind]:
    return dict(zip(tensors, stated(tensors.values()), strict=True))


@each_op
def test_torch_agrees_on_shapes_parameters_buffers_and_macs(name: str) -> None:
    @RELAXED
    @given(RECORDS[name].cases)
    def agrees(case: Case) -> None:
        op, x = case
        outputs, violations = apply(op, x)
        assert not violations
        ran = run(case)
        assert tuple(measured(y) for y in ran.outputs) == stated(outputs)
        is_module = isinstance(ran.module, torch.nn.Module)
        parameters = dict(ran.module.named_parameters()) if is_module else {}
        buffers = dict(ran.module.named_buffers()) if is_module and standing(op) is None else {}
        assert {key: measured(value) for key, value in parameters.items()} == named(op.parameters(*x))
        assert {key: measured(value) for key, value in buffers.items()} == named(op.buffers(*x))
        expected = PEER_DIFFERS[name].macs(case) if name in PEER_DIFFERS else ran.macs
        assert sum(contraction.macs for contraction in op.contractions(x, outputs)) == expected

    agrees()


@each_op
def test_torch_refuses_what_the_checks_refuse_and_nothing_else(name: str) -> None:
    @settings(RELAXED, max_examples=examples(36))
    @given(st.data())
    def agrees(data: st.DataObject) -> None:
        case = data.draw(RECORDS[name].cases)
        other = rebuilt(case, data.draw(other_numbers(case)))
        outputs, violations = apply(*other)
        refusal = None
        try:
            ran = run(other, "cpu" if name in CHECKED_ON_CPU else "meta")
        except (RuntimeError, ValueError, AssertionError, IndexError) as error:
            refusal = error
        if refusal is not None:
            assert violations, f"torch refuses it: {refusal}"
        else:
            empty = any(y.numel() == 0 for y in ran.outputs)  # torch allows empty maps, archscope does not
            assert not violations or empty or name in STRICTER, violations
            assert violations or tuple(measured(y) for y in ran.outputs) == stated(outputs)

    agrees()


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_borders_are_padded_along_as_many_axes_as_torch_pads(mode: str) -> None:
    """What is drawn for the record is what the checks let through: this asks for every number of axes."""
    for ndims in range(1, 6):
        for pairs in range(1, ndims + 1):
            x = torch.zeros((4,) * ndims)
            try:
                torch.nn.functional.pad(x, (1, 1) * pairs, mode)
                taken = True
            except (NotImplementedError, RuntimeError, AssertionError):
                taken = False
            _, violations = apply(REGISTRY["Pad"](pad=(1, 1) * pairs, mode=mode), (Tensor(tuple(x.shape)),))
            assert not violations if taken else violations, (ndims, pairs)


@each_op
def test_what_nothing_arrives_at_torch_refuses_too(name: str) -> None:
    """But for what stands by itself."""

    @settings(RELAXED, max_examples=1)
    @given(RECORDS[name].cases)
    def holds(case: Case) -> None:
        alone = case._replace(inputs=())
        _, violations = apply(*alone)
        if violations:
            assert standing(case.op) is None
        else:
            run(alone)

    holds()


SMALLEST = [
    *((f"Conv{rank}d", {"out_channels": 1, "kernel_size": 3}, 3, rank) for rank in (1, 2, 3)),
    *((f"ConvTranspose{rank}d", {"out_channels": 1, "kernel_size": 3, "padding": 1}, 1, rank) for rank in (1, 2, 3)),
    *((f"{kind}Pool{rank}d", {"kernel_size": 3}, 3, rank) for kind in ("Max", "Avg", "LP") for rank in (1, 2, 3)),
    *((f"ZeroPad{rank}d", {"padding": -1}, 3, rank) for rank in (1, 2, 3)),
    *((f"ReflectionPad{rank}d", {"padding": 1}, 2, rank) for rank in (1, 2, 3)),
    ("Upsample", {"scale_factor": 0.5}, 2, 1),
]


@pytest.mark.parametrize(("name", "arguments", "size", "rank"), SMALLEST)
def test_the_smallest_map_is_taken_and_the_next_refused(
    name: str, arguments: dict[str, Any], size: int, rank: int
) -> None:
    """As torch does: the cases of a record are those that the op's own checks let pass."""
    given = {"norm_type": 2, **arguments} if name.startswith("LP") else arguments
    for side in (size, size - 1):
        case = Case(REGISTRY[name](**given), (Tensor((2, 4, *(side,) * rank)),))
        outputs, violations = apply(*case)
        try:
            ran = run(case, "cpu")
            taken = all(y.numel() for y in ran.outputs)
        except (RuntimeError, ValueError):
            taken = False
        assert taken == (side == size) == (not violations)
        assert not taken or tuple(measured(y) for y in ran.outputs) == stated(outputs)


def _limited(kind: FieldKind) -> bool:
    kind = kind.kind if isinstance(kind, Maybe) else kind
    return isinstance(kind, Real) and (kind.low, kind.high) != (None, None)


#: arguments that are real numbers within limits; torch takes any epsilon, and gives nan for what lies below it
LIMITED = [
    (name, info.name)
    for name, op in sorted(REGISTRY.items())
    for info in op.fields
    if _limited(info.kind) and info.name not in ("eps", "scale_factor")
]


@pytest.mark.parametrize(("name", "argument"), LIMITED)
def test_the_limits_of_real_arguments_are_those_of_torch(name: str, argument: str) -> None:
    case = find(RECORDS[name].cases, lambda case: True, settings=settings(RELAXED, phases=[Phase.generate]))
    for value in (-0.25, 0.0, 0.5, 1.0, 1.25):
        try:
            op = type(case.op)(**{**case.op.non_default(), argument: value})
            taken = True
        except FieldError:
            op = case.op.replace(**{argument: value})  # which asks nothing
            taken = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a dropout between layers of which there is one
                module = op.module(torch, *case.inputs)
                if isinstance(module, torch.nn.Module):
                    module.train()
                module(*(torch.rand(x.shape) for x in case.inputs))
            runs = True
        except (RuntimeError, ValueError):
            runs = False
        less = (name, value) == ("ScaledDotProductAttention", -0.25)  # torch draws none
        assert taken == (runs and not less), value
