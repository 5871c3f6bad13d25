"""Types of numbers, promoted as torch promotes them."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from archscope.autograd.dtypes import promoted

NAMES = ("float32", "float16", "bfloat16", "int64", "int32", "bool")


@pytest.mark.parametrize("scalars", list(product([False, True], repeat=2)), ids=str)
def test_types_are_promoted_as_in_torch(scalars: tuple[bool, bool]) -> None:
    for first, second in product(NAMES, repeat=2):
        pair = [
            torch.zeros(() if scalar else (2,), dtype=getattr(torch, name))
            for scalar, name in zip(scalars, (first, second), strict=True)
        ]
        assert promoted(first, second, scalars=scalars) == str(torch.result_type(*pair)).removeprefix("torch.")
