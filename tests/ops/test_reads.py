"""What every op says that it reads, element by element, against torch's own layer: what changes when one is changed.

The layer that the op stands for is run twice, and one element of an input is another the second time. The elements of
the output that come out otherwise have read it; over some changes (larger, smaller, of another draw) and draws these
are all that read it. Nothing here asks the op but for the layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings

import tests.ops.records
from archscope.analysis.field.carrying import Carrier
from archscope.ops import REGISTRY, Tensor
from tests.examples import examples
from tests.ops.records.base import RECORDS, Case

assert tests.ops.records
RELAXED = settings(
    max_examples=examples(9),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
each_op = pytest.mark.parametrize("name", sorted(set(RECORDS) - {"Opaque"}))  # a stand-in computes nothing
#: elements of a case's inputs, of its outputs
LARGEST = (48, 400)


def small(case: Case) -> bool:
    """Whether a case is quickly tried out."""
    y = case.op.outputs(*case.inputs)
    sizes = [sum(int(np.prod(tensor.shape)) for tensor in some) for some in (case.inputs, y)]
    return all(size <= most << 3 * (case.op.rank == 3) for size, most in zip(sizes, LARGEST, strict=True))


def _alone(size: Callable[[Case], int]) -> Callable[[Case], bool]:
    return lambda case: size(case) == 1


def _along(case: Case) -> int:
    return case.inputs[0].shape[case.op.arguments()["dim"]]


def _reduced(case: Case) -> int:
    return int(np.prod([case.inputs[0].shape[dim] for dim in case.op.arguments()["dim"]]))


def _normalized(case: Case) -> int:
    given = case.op.arguments()["normalized_shape"]
    return int(np.prod(given)) if given else case.inputs[0].shape[-1]


def _keys(case: Case) -> int:
    x = case.inputs
    return x[len(x) // 2].shape[1 if case.op.arguments()["batch_first"] else 0]


def _rows(case: Case) -> int:
    return int(case.op.arguments()["num_embeddings"])


def _two(case: Case) -> int:
    return 2


def _spread(case: Case) -> bool:
    return _reduced(case) <= max(case.op.arguments()["correction"], 1)


#: cases in which less makes a difference than is read, and why
RESTS: dict[str, Callable[[Case], bool]] = {
    # which element is taken is told by values; draws come by some of them
    **dict.fromkeys(("Index", "Gather", "ArgMax", "TopK", "Compare", "Where", "Logical", "MaskedFill"), lambda _: True),
    # of one number: the softmax is 1, the normalised value 0, the spread none
    **dict.fromkeys(("Softmax", "Softmin", "LogSoftmax"), _alone(_along)),
    "Softmax2d": _alone(lambda case: case.inputs[0].shape[1]),
    "LayerNorm": _alone(_normalized),
    "LayerNorm2d": _alone(lambda case: case.inputs[0].shape[1]),
    "GroupNorm": _alone(
        lambda case: case.inputs[0].numel // case.inputs[0].shape[0] // case.op.arguments()["num_groups"]
    ),
    "InstanceNorm1d": _alone(lambda case: int(np.prod(case.inputs[0].shape[2:]))),
    "MultiheadAttention": _alone(_keys),
    # a causal query meets one key to begin with, and a mask of truth values may leave one
    "ScaledDotProductAttention": lambda case: (
        case.inputs[1].shape[-2] == 1 or case.inputs[-1].dtype == "bool" or case.op.arguments()["is_causal"]
    ),
    "Std": _spread,
    "Var": _spread,
    # a factor or a power of next to 0 leaves nothing, and so do bounds that lie together
    "Scale": lambda case: abs(case.op.arguments()["factor"]) < 1e-6,
    "LocalResponseNorm": lambda case: min(case.op.arguments()["alpha"], case.op.arguments()["beta"]) < 1e-3,
    "Clamp": lambda case: True,
    "Cast": lambda case: case.op.arguments()["dtype"] != "float",
    "Power": lambda case: not case.op.arguments()["exponent"],
}


class Drawn:
    """A layer with weights and inputs of a draw: positive or not, so that nothing rests in a flat part for ever."""

    def __init__(self, case: Case, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.signed = seed % 2 == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's future, at building
            self.module = case.op.module(torch, *case.inputs)
        if isinstance(self.module, torch.nn.Module):
            self.module.double().eval()
            with torch.no_grad():
                for parameter in self.module.parameters():
                    parameter.copy_(self.numbers(parameter.shape, 0.7))
        #: whole numbers lie below it
        self.most = min(
            2,
            {"Index": _along, "Gather": _along, "Embedding": _rows, "EmbeddingBag": _rows}.get(
                type(case.op).__name__, _two
            )(case),
        )
        self.inputs = [self.input(tensor) for tensor in case.inputs]

    def numbers(self, shape: Any, scale: float = 1.0) -> torch.Tensor:
        drawn = torch.rand(shape, generator=self.generator, dtype=torch.float64) + 0.1
        if self.signed:
            drawn = torch.where(torch.rand(shape, generator=self.generator) < 0.5, -drawn, drawn)
        return drawn * scale

    def input(self, tensor: Tensor) -> torch.Tensor:
        if tensor.dtype is None:
            return self.numbers(tensor.shape)
        drawn = torch.randint(0, self.most, tensor.shape, generator=self.generator)
        return drawn.to(getattr(torch, tensor.dtype))

    def run(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        with torch.no_grad():
            found = self.module(*(x.clone() for x in inputs))
        return list(found) if isinstance(found, tuple) else [found]


def changes(value: torch.Tensor, drawn: Drawn) -> Iterator[Any]:
    """Other values of an element."""
    if value.dtype is torch.bool:
        yield ~value
    elif not value.is_floating_point():
        yield (1 - value) % drawn.most
    else:
        yield from (value + 50, value - 50, value + 0.3, -value, drawn.numbers(()))


def read_by(case: Case, draws: int = 2) -> list[list[np.ndarray]]:
    """For each output and input: which elements of the output (first) read which of the input."""
    found: list[list[Any]] = []
    for seed in range(draws):
        drawn = Drawn(case, seed)
        before = drawn.run(drawn.inputs)
        if not found:
            found = [[np.zeros((y.numel(), x.numel()), bool) for x in drawn.inputs] for y in before]
        for number, x in enumerate(drawn.inputs):
            for place in range(x.numel()):
                for other in changes(x.flatten()[place], drawn):
                    changed = x.clone()
                    changed.view(-1)[place] = other
                    after = drawn.run([*drawn.inputs[:number], changed, *drawn.inputs[number + 1 :]])
                    for output, (a, b) in enumerate(zip(before, after, strict=True)):
                        found[output][number][:, place] |= differs(a, b).flatten().numpy()
    return found


def differs(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Where two results are not the same, but for rounding."""
    if not a.is_floating_point():
        return a != b
    return ~torch.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)


def said_of(case: Case, output: int, number: int) -> np.ndarray:
    """What the op says: which elements of an output (first) read which of an input."""
    y, x = case.op.outputs(*case.inputs)[output].shape, case.inputs[number].shape
    reads = case.op.reads(case.inputs, case.op.outputs(*case.inputs), output)[number]
    said = np.zeros((int(np.prod(y)), int(np.prod(x))), bool)
    for unit in range(len(said)) if reads is not None else ():
        wanted = np.zeros(len(said), bool)
        wanted[unit] = True
        said[unit] = np.broadcast_to(Carrier().back(wanted.reshape(y), reads, x, y), x).flatten()
    return said


def holds_if_small(case: Case) -> None:
    assume(small(case))
    holds(case)


def holds(case: Case) -> None:
    """What is said to be read is what makes a difference."""
    floating = all(tensor.dtype is None for tensor in case.inputs)  # of whole numbers draws hold few values
    rests = RESTS.get(type(case.op).__name__)
    for output, of in enumerate(read_by(case)):
        for number, truth in enumerate(of):
            said = said_of(case, output, number)
            assert not (truth & ~said).any(), "more is read than is said"
            if floating and not (rests and rests(case)):
                assert not (said & ~truth).any(), "less is read than is said"


@pytest.mark.filterwarnings("ignore:.*degrees of freedom", "ignore:Using padding='same'")
@each_op
def test_what_is_read_is_what_makes_a_difference(name: str) -> None:
    few = settings(RELAXED, max_examples=examples(3))  # in three dimensions one takes as long as ten
    (few if REGISTRY[name].rank == 3 else RELAXED)(given(RECORDS[name].cases)(holds_if_small))()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*degrees of freedom", "ignore:Using padding='same'")
@each_op
def test_what_is_read_is_what_makes_a_difference_in_many_cases(name: str) -> None:
    settings(RELAXED, max_examples=60)(given(RECORDS[name].cases)(holds_if_small))()


_INT = "int64"
#: what a few random cases seldom are: indices of several dimensions, masks that are repeated, states, groups of heads
SELDOM = [
    ("Index", {"dim": 1}, [(2, 3, 4), (2,)], (None, _INT)),
    ("Index", {"dim": 1}, [(2, 3, 2), (2, 2)], (None, _INT)),
    ("Index", {"dim": -1}, [(2, 2, 3), (3,)], (None, _INT)),
    ("Gather", {"dim": 1}, [(2, 3, 2), (2, 2, 1)], (None, _INT)),
    *(
        ("ScaledDotProductAttention", {}, [(2, 2, 3, 2), (2, 2, 3, 2), (2, 2, 3, 1), mask], (None,) * 4)
        for mask in ((3, 3), (1, 3), (2, 1, 3, 3), (1, 2, 1, 3))
    ),
    ("ScaledDotProductAttention", {"enable_gqa": True}, [(1, 4, 2, 2), (1, 2, 3, 2), (1, 2, 3, 2)], (None,) * 3),
    ("MultiheadAttention", {"num_heads": 2, "batch_first": True}, [(2, 2, 2), (2, 3, 2), (2, 3, 1)], (None,) * 3),
    *((name, {"hidden_size": 2, "bidirectional": True, "num_layers": layers}, [(3, 2, 2)], (None,))
      for name in ("RNN", "LSTM", "GRU") for layers in (1, 2)),
    ("LSTM", {"hidden_size": 2, "batch_first": True, "proj_size": 1}, [(2, 3, 2)], (None,)),
    ("GLU", {"dim": 1}, [(2, 4, 3)], (None,)),
    ("PixelShuffle", {"upscale_factor": 2}, [(2, 4, 2, 2)], (None,)),
    ("PixelUnshuffle", {"downscale_factor": 2}, [(1, 1, 4, 6)], (None,)),
    ("ChannelShuffle", {"groups": 2}, [(1, 6, 3)], (None,)),
    ("Tile", {"dims": [2, 3]}, [(2, 2, 3)], (None,)),
    ("Roll", {"shifts": [1, -2], "dims": [2, 1]}, [(2, 3, 4)], (None,)),
    *(("Pad", {"pad": [1, 2, 0, 1], "mode": mode}, [(1, 2, 3, 4)], (None,))
      for mode in ("constant", "reflect", "replicate", "circular")),
    ("Einsum", {"equation": "bij,bjk->bik"}, [(2, 2, 3), (2, 3, 2)], (None,) * 2),
    ("Einsum", {"equation": "bij,j->ib"}, [(2, 2, 3), (3,)], (None,) * 2),
    ("Bilinear", {"out_features": 2}, [(2, 2, 2), (2, 2, 3)], (None,) * 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "shapes", "dtypes"), SELDOM)
def test_what_is_read_where_options_meet(
    name: str, arguments: dict[str, Any], shapes: list[tuple[int, ...]], dtypes: tuple[str | None, ...]
) -> None:
    case = Case(REGISTRY[name](**arguments), tuple(map(Tensor, shapes, dtypes)))
    holds(case)
