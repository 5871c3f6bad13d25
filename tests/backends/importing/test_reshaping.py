"""The ops that make one shape of another, held against torch."""

from __future__ import annotations

import pytest
import torch

from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.reshaping import reshaping
from archscope.backends.importing.sizes import BATCH, LinearSize, at
from archscope.ops import REGISTRY, Tensor
from archscope.ops.legal import apply

B = BATCH
CASES = [
    ((B, 3, 4, 5), (B, 60), ["Flatten"]),
    ((B, 3, 4, 5), (B, 3, 20), ["Flatten"]),
    ((B, 3, 20), (B, 3, 4, 5), ["Unflatten"]),
    ((B, 3, 1, 5), (B, 3, 5), ["Squeeze"]),
    ((B, 3, 5), (B, 3, 1, 5), ["Unsqueeze"]),
    ((B, 6, 4), (LinearSize(6, 0), 4), ["Flatten"]),  # every row a sample
    ((LinearSize(6, 0), 4), (B, 6, 4), ["Unflatten"]),
    ((B, 2, 3, 4), (B, 4, 6), ["Reshape"]),
    ((B, 3, 1, 2, 4), (B, 3, 8), ["Flatten"]),
    ((B, 4, 2, 8), (B, 8, 2, 4), ["Reshape"]),
    ((B, 5, 12), (LinearSize(5, 0), 3, 4), ["Flatten", "Unflatten"]),
    ((LinearSize(2, 0), 9), (LinearSize(3, 0), 6), ["Flatten", "Unflatten"]),  # 2 N x 9 = 3 N x 6
    ((1, 6), (6,), ["Squeeze"]),
    ((6,), (1, 6), ["Unsqueeze"]),
    ((2, 12), (2, 3, 4), ["Unflatten"]),
]


@pytest.mark.parametrize(("before", "after", "kinds"), CASES)
@pytest.mark.parametrize("batch", [2, 3])
def test_each_step_gives_the_next_shape_and_the_elements_stay_in_order(before, after, kinds, batch):
    steps = reshaping(before, after)
    assert [kind for kind, _ in steps] == kinds
    shape = tuple(at(size, batch) for size in before)
    x = torch.arange(torch.Size(shape).numel()).reshape(shape)
    y = x
    for kind, arguments in steps:
        op = REGISTRY[kind](**arguments)
        (stated,), violations = apply(op, (Tensor(tuple(y.shape)),))
        assert not violations
        y = y.reshape(stated.shape)
    assert torch.equal(y, x.reshape([at(size, batch) for size in after]))


def test_a_lone_neighbour_is_joined_or_left_out_as_the_call_says():
    assert reshaping((B, 3, 1), (B, 3)) == (("Flatten", {}),)
    assert reshaping((B, 3, 1), (B, 3), squeezes=True) == (("Squeeze", {"dim": 2}),)


def test_the_same_shape_takes_no_step():
    assert reshaping((B, 3), (B, 3)) == ()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ((B, 6), (B, 5), "a tensor of batch x 6 does not become batch x 5"),
        ((6,), (5,), "a tensor of 6 does not become 5"),
        ((B, 3), (), "without dimensions"),
        ((B, 3), (6,), "mixes the batch"),
        ((B, 4, B), (LinearSize(4, 0), 3), "a tensor of batch x 4 x batch does not become 4 batch x 3"),
        ((B, B), (6,), "the batch in two dimensions"),
    ],
)
def test_what_is_no_reshape_is_refused(before, after, says):
    with pytest.raises(Unsupported, match=says):
        reshaping(before, after)
