"""Floating types side by side: what each op takes and gives, against the layer that it stands for, run on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import product
from math import prod

import pytest
import torch
from hypothesis import HealthCheck, given, settings

import tests.ops.records
from archscope.autograd.dtypes import FLOATING, HELD, Types
from archscope.errors import UsageError
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.legal import apply, has_type
from archscope.ops.merging import Concat
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
#: what is refused though torch runs it, and why
STRICTER = {
    "Einsum": "torch multiplies tensors of two types where nothing is summed",
    "LSTMCell": "torch lets the second state be of another type",
    **{f"InstanceNorm{rank}d": "torch ignores the type of statistics that it does not read" for rank in (1, 2, 3)},
    "Opaque": "a stand-in gives shapes alone",
}
#: more elements take seconds
MOST = 5_000
TYPES = ("float32", "bfloat16", "float64")


def given_as(case: Case, types: tuple[str, ...]) -> tuple[Tensor, ...]:
    """The inputs of a case, the floating ones in these types."""
    left = iter(types)
    return tuple(one._replace(dtype=next(left)) if one.floating else one for one in case.inputs)


def ran(module: object, x: tuple[Tensor, ...], floating: str) -> tuple[str, ...] | str:
    """The types that torch gives, or why it gives none."""
    make = {True: torch.ones, False: torch.zeros}  # the first row or class, where numbers are places
    made = [make[one.floating](one.shape, dtype=getattr(torch, one.dtype or floating)) for one in x]
    try:
        y = module(*made)  # type: ignore[operator]
    except (RuntimeError, ValueError) as error:
        return str(error)
    return tuple(str(one.dtype).removeprefix("torch.") for one in (y if isinstance(y, (tuple, list)) else (y,)))


def held_in(case: Case) -> Iterator[tuple[str | None, tuple[Tensor, ...]]]:
    """A case with its weights, if it has any, and its inputs in all types; none of very large ones and black boxes."""
    op, x = case
    floating = sum(one.floating for one in x)
    if type(op).__name__ == "Opaque" or floating > 3 or any(prod(one.shape) > MOST for one in x):
        return
    for own, *types in product(TYPES if has_type(op, x) else (None,), *[TYPES] * floating):
        yield own, given_as(case, tuple(types))


def built(op: Op, x: tuple[Tensor, ...], own: str | None) -> Callable[..., object]:
    """The layer that an op stands for, its weights in a type."""
    module = op.module(torch, *x)
    if isinstance(module, torch.nn.Module):
        module.eval()
        if own:
            module.to(getattr(torch, own))
    return module


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_torch_agrees_on_types_side_by_side(name: str) -> None:
    @settings(max_examples=examples(9), deadline=None, suppress_health_check=list(HealthCheck))
    @given(RECORDS[name].cases)
    def agrees(case: Case) -> None:
        for own, arriving in held_in(case):
            types = [one.dtype for one in arriving if one.floating]
            mixed = len({own, *types} - {None}) > 1
            if not mixed and "bfloat16" not in (own, *types):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = ran(built(case.op, arriving, own), arriving, "float32")
            y, violations = apply(case.op, arriving, own, Types())
            stated = tuple(one.dtype or "float32" for one in y)
            if isinstance(found, str):
                assert violations or "not implemented for" in found or not mixed, (own, types, found)
            else:
                assert stated == found or (violations and name in STRICTER), (own, types, violations)
                assert not violations or name in STRICTER, (own, types, violations)

    agrees()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_torch_agrees_on_types_under_autocast(name: str) -> None:
    """Of what arrives in any type, at weights of any type: what torch.autocast casts goes together, and gives this."""

    @settings(max_examples=examples(2), deadline=None, suppress_health_check=list(HealthCheck))
    @given(RECORDS[name].cases)
    def agrees(case: Case) -> None:
        for own, arriving in held_in(case):
            found = ran_under_autocast(case.op, arriving, own)
            types = [own, *(one.dtype for one in arriving if one.floating)]
            try:
                y, violations = apply(case.op, arriving, own, Types(lower="bfloat16"))
            except UsageError as error:
                assert "not known" in str(error)
                return
            stated = tuple(one.dtype or "float32" for one in y)
            if isinstance(found, str):
                assert violations or "not implemented for" in found or len({*types} - {None}) < 2, (types, found)
            else:
                assert stated == found or (violations and name in STRICTER), (types, stated, found, violations)
                assert not violations or name in STRICTER, (types, violations)

    agrees()


def ran_under_autocast(op: Op, x: tuple[Tensor, ...], own: str | None) -> tuple[str, ...] | str:
    """As :func:`ran`; recurrent layers without oneDNN, as they are modelled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
            return ran(built(op, x, own), x, "float32")


@pytest.mark.parametrize("lower", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["Concat", "Stack"])
def test_what_autocast_joins(name: str, lower: str) -> None:
    """Types in every order, alike ones among them: each of 16 bits has to be the lower one, or to follow float32."""
    for dtypes in (*product(HELD, repeat=2), *product(HELD, repeat=3)):
        x = tuple(Tensor((2, 3), dtype) for dtype in dtypes)
        op = REGISTRY[name](dim=1)
        with torch.autocast("cpu", getattr(torch, lower)):
            expected = ran(built(op, x, None), x, "float32")
        y, violations = apply(op, x, types=Types(lower=lower))
        stated = tuple(one.dtype or "float32" for one in y)
        if isinstance(expected, str):
            assert "Unexpected floating ScalarType" in expected
            assert violations, dtypes
        else:
            assert (stated, violations) == (expected, []), dtypes


@pytest.mark.parametrize("floating", HELD)
def test_a_run_in_another_type_is_torch_in_that_type(floating: str) -> None:
    """None is the type of the run: what is marked bfloat16 promotes with it as torch has it."""
    x = (Tensor((2, 3)), Tensor((2, 3), "bfloat16"))
    ((y,), _) = apply(REGISTRY["Add"](), x, types=Types(floating))
    expected = torch.promote_types(getattr(torch, floating), torch.bfloat16)
    assert getattr(torch, y.dtype or floating) == expected
    assert y.floating


def test_scalars_count_only_beside_whole_numbers() -> None:
    """As torch.result_type has it: a parameter of no dimensions in float32 leaves what is bfloat16 as it is."""
    x = (Tensor((2, 3), "bfloat16"), Tensor((), batch=None))
    ((y,), _) = apply(REGISTRY["Multiply"](), x)
    assert y.dtype == "bfloat16"
    assert (torch.ones(2, 3, dtype=torch.bfloat16) * torch.ones(())).dtype == torch.bfloat16


def test_whole_numbers_divided_are_of_torchs_default_type() -> None:
    whole = Tensor((2, 3), "int64")
    ((y,), _) = apply(REGISTRY["Divide"](), (whole, whole), types=Types("bfloat16"))
    assert y.dtype == "float32"
    assert (torch.ones(2, dtype=torch.int64) / torch.ones(2, dtype=torch.int64)).dtype == torch.float32


def test_no_list_mixes_whole_and_floating_numbers() -> None:
    x = (Tensor((2, 3), "bfloat16"), Tensor((2, 3), "int64"))
    (violation,) = apply(Concat(), x)[1]
    assert violation.message == "Concat: input 1 holds floating numbers and input 2 int64 numbers"


@pytest.mark.parametrize("dtype", FLOATING)
def test_every_floating_type_is_floating(dtype: str) -> None:
    assert Tensor((2,), dtype).floating
    assert Tensor((2,)).floating
    assert not Tensor((2,), "int64").floating
