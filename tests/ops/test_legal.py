"""What is refused of an op and its inputs before its own checks are asked, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archscope.ops import REGISTRY, Tensor
from archscope.ops.legal import apply

MAP = (2, 4, 8, 8)


def told(name: str, arguments: dict[str, Any], *shapes: tuple[int, ...], dtypes: tuple[str | None, ...] = ()) -> str:
    """What is wrong, and the hint; empty where nothing is."""
    x = tuple(map(Tensor, shapes, dtypes or (None,) * len(shapes)))
    outputs, violations = apply(REGISTRY[name](**arguments), x)
    assert bool(outputs) != bool(violations)
    return "; ".join(filter(None, (part for one in violations for part in (one.message, one.hint))))


CONV = {"out_channels": 4, "kernel_size": 3}


@pytest.mark.parametrize(
    ("name", "arguments", "shapes", "says"),
    [
        ("ReLU", {}, [MAP, MAP], "ReLU takes 1 input; 2 given"),
        ("MultiheadAttention", {"num_heads": 2}, [(2, 3, 4)] * 4, "MultiheadAttention takes 1 to 3 inputs; 4 given"),
        ("Where", {}, [MAP], "Where takes 3 inputs; 1 given"),
        ("Add", {}, [MAP] * 257, "Add takes at most 256 inputs; 257 given"),
        ("Add", {}, [MAP] * 256, ""),
        ("Conv2d", CONV, [(2, 4, 8)],
         "Conv2d needs (N, C, H, W); what arrives is (N, 4, 8); the layer for 1 axis is Conv1d"),
        ("Conv1d", CONV, [MAP], "Conv1d needs (N, C, L); what arrives is (N, 4, 8, 8); the layer for 2 axes is Conv2d"),
        (
            "Conv2d", CONV, [(2, 256)],
            "Conv2d needs (N, C, H, W); what arrives is (N, 256); it has been flattened; Unflatten gives it axes again",
        ),
        ("Bilinear", {"out_features": 3}, [(2, 3), (2, 4)], ""),
        ("Softmax2d", {}, [(2, 3)], "Softmax2d needs (N, C, H, W); what arrives is (N, 3)"),
        ("MultiheadAttention", {"num_heads": 2}, [(2, 3, 4), (2, 4), (2, 3, 4)],
         "MultiheadAttention needs (N, L, F); input 2 is (N, 4)"),
        ("Reshape", {"shape": [1] * 257}, [(2, 1)], "`shape` of Reshape has 257 numbers; the most is 256"),
        ("Chunk", {"chunks": 1024, "dim": 1}, [(2, 2048)], ""),
        ("Chunk", {"chunks": 1025, "dim": 1}, [(2, 2050)], "`chunks` of Chunk is 1,025; the most is 1,024"),
        ("RNN", {"hidden_size": 2, "num_layers": 1025}, [(2, 3, 4)], "`num_layers` of RNN is 1,025; the most is 1,024"),
        ("Unsqueeze", {"dim": 1}, [(2,) + (1,) * 62], ""),
        ("Unsqueeze", {"dim": 1}, [(2,) + (1,) * 63], "the output has 65 dimensions; the most in torch is 64"),
        ("Linear", {"out_features": 2**62}, [(1, 3)], ""),
        ("Linear", {"out_features": 2**62}, [(2, 3)], f"the output {2**62} has more than 2^63 - 1 elements"),
    ],
)  # fmt: skip
def test_what_is_refused(name: str, arguments: dict[str, Any], shapes: list[tuple[int, ...]], says: str) -> None:
    assert told(name, arguments, *shapes) == says


def test_types_are_refused_in_words() -> None:
    assert told("ReLU", {}, (2, 3), dtypes=("int64",)) == "ReLU needs floating values; what arrives has int64 ones"
    assert "input 2 has bool ones" in told("MatMul", {}, (2, 3), (3, 4), dtypes=(None, "bool"))
    table = {"num_embeddings": 3, "embedding_dim": 2}
    assert told("Embedding", table, (2, 3)) == "Embedding needs int64 values; what arrives has floating ones"


def test_torch_has_no_more_dimensions() -> None:
    torch.zeros((1,) * 64).sum(0)
    with pytest.raises(RuntimeError, match="64"):
        torch.zeros((1,) * 65).sum(0)
