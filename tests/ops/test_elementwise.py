"""Elementwise work by another route: counted window by window, and word by word from the stated rule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from archscope.ops.shapes import adaptive_total, pool_dim

SIZES = st.integers(1, 40)


def windows(size: int, out: int) -> list[int]:
    """Elements in each window of an adaptive pool, as torch cuts them."""
    return [-(-(i + 1) * size // out) - i * size // out for i in range(out)]


@given(SIZES, SIZES)
def test_adaptive_windows_hold_n_plus_m_minus_gcd_elements(size: int, out: int) -> None:
    assert adaptive_total(size, out) == sum(windows(size, out))


@given(SIZES, st.integers(1, 5), st.integers(1, 5), st.integers(0, 2), st.integers(1, 3), st.booleans())
def test_pool_positions_are_those_that_start_where_a_window_may(
    size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool
) -> None:
    padding = min(padding, kernel // 2)  # as torch has it
    extent = dilation * (kernel - 1) + 1
    padded = size + 2 * padding
    starts = [s for s in range(0, padded, stride) if s + extent <= padded]
    if ceil_mode and starts and starts[-1] + extent < padded and starts[-1] + stride < size + padding:
        starts.append(starts[-1] + stride)
    if starts:
        assert pool_dim(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode) == len(starts)


@given(st.tuples(SIZES, SIZES), st.tuples(SIZES, SIZES))
def test_adaptive_pools_count_every_window(sizes: tuple[int, int], out: tuple[int, int]) -> None:
    x = (Tensor((2, 3, *sizes)),)
    held = [a * b for a in windows(sizes[0], out[0]) for b in windows(sizes[1], out[1])]
    for name, expected in (("AdaptiveAvgPool2d", sum(held)), ("AdaptiveMaxPool2d", sum(held) - len(held))):
        op = REGISTRY[name](output_size=list(out))
        assert op.elementwise(x, op.outputs(*x)) == 2 * 3 * expected


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "expected"),
    [
        ("MaxPool2d", {"kernel_size": 3, "stride": 2}, (2, 96, 55, 55), 2 * 96 * 27 * 27 * (3 * 3 - 1)),
        ("AvgPool2d", {"kernel_size": [2, 3]}, (2, 5, 8, 9), 2 * 5 * 4 * 3 * (2 * 3)),
        ("LPPool1d", {"norm_type": 2, "kernel_size": 4}, (2, 5, 8), 2 * 5 * 2 * (4 + 3 + 1)),  # powers, additions, root
        ("BatchNorm2d", {}, (2, 3, 4, 5), 2 * (2 * 3 * 4 * 5)),
        ("BatchNorm2d", {"affine": False}, (2, 3, 4, 5), 2 * (2 * 3 * 4 * 5)),
        ("BatchNorm2d", {"track_running_stats": False}, (2, 3, 4, 5), (5 + 2) * (2 * 3 * 4 * 5)),
        ("InstanceNorm1d", {}, (2, 3, 4), 5 * (2 * 3 * 4)),
        ("InstanceNorm1d", {"affine": True, "bias": False}, (2, 3, 4), (5 + 1) * (2 * 3 * 4)),
        ("InstanceNorm1d", {"track_running_stats": True}, (2, 3, 4), 2 * (2 * 3 * 4)),
        ("GroupNorm", {"num_groups": 3}, (2, 6, 4), (5 + 2) * (2 * 6 * 4)),
        ("GroupNorm", {"num_groups": 3, "affine": False}, (2, 6, 4), 5 * (2 * 6 * 4)),
        ("LayerNorm", {}, (2, 6, 4), (5 + 2) * (2 * 6 * 4)),
        ("LayerNorm2d", {}, (2, 4, 3, 5), (5 + 2) * (2 * 4 * 3 * 5)),
        ("LayerNorm", {"bias": False}, (2, 6, 4), (5 + 1) * (2 * 6 * 4)),
        ("LayerNorm", {"elementwise_affine": False}, (2, 6, 4), 5 * (2 * 6 * 4)),
        ("RMSNorm", {}, (2, 6, 4), (3 + 1) * (2 * 6 * 4)),
        ("RMSNorm", {"elementwise_affine": False}, (2, 6, 4), 3 * (2 * 6 * 4)),
        ("LocalResponseNorm", {"size": 5}, (2, 96, 27, 27), (1 + 4 + 1 + 1 + 1 + 1) * (2 * 96 * 27 * 27)),
        ("GELU", {}, (2, 7), 5 * (2 * 7)),
        ("GELU", {"approximate": "tanh"}, (2, 7), 9 * (2 * 7)),
        ("ConstantPad1d", {"padding": 2, "value": 1}, (2, 3, 4), 0),
        ("Dropout", {}, (2, 3), 0),
        ("Min", {"dim": 1}, (2, 3, 4), 2 * 3 * 4),
        ("LogSumExp", {"dim": 1}, (2, 3, 4), 4 * (2 * 3 * 4) + 2 * (2 * 4)),
        ("Norm", {"dim": [1, 2]}, (2, 3, 4), 2 * (2 * 3 * 4) + 2),
        ("Var", {"dim": -1}, (2, 3, 4), 4 * (2 * 3 * 4) + 2 * (2 * 3)),
        ("Std", {"dim": -1}, (2, 3, 4), 4 * (2 * 3 * 4) + 3 * (2 * 3)),
        # steps x batch x hidden units, each: of every gate a sum of two products and two biases; then the rule
        ("RNN", {"hidden_size": 5}, (7, 2, 3), 7 * 2 * 5 * (1 * (1 + 2) + 1)),
        ("LSTM", {"hidden_size": 5}, (7, 2, 3), 7 * 2 * 5 * (4 * (1 + 2) + 3 * 4 + 2 + 3 + 1)),
        ("GRU", {"hidden_size": 5}, (7, 2, 3), 7 * 2 * 5 * (3 * (1 + 2) + 2 * 4 + 1 + 1 + 4)),
        ("LSTM", {"hidden_size": 5, "bias": False}, (7, 2, 3), 7 * 2 * 5 * (4 * 1 + 3 * 4 + 2 + 3 + 1)),
        ("GRU", {"hidden_size": 5, "bidirectional": True, "num_layers": 3}, (7, 2, 3), 2 * 3 * 7 * 2 * 5 * (9 + 14)),
        ("RNNCell", {"hidden_size": 5}, (2, 3), 2 * 5 * (1 * (1 + 2) + 1)),
        ("LSTMCell", {"hidden_size": 5}, (2, 3), 2 * 5 * (4 * (1 + 2) + 3 * 4 + 2 + 3 + 1)),
        ("GRUCell", {"hidden_size": 5}, (2, 3), 2 * 5 * (3 * (1 + 2) + 2 * 4 + 1 + 1 + 4)),
        ("GRUCell", {"hidden_size": 5, "bias": False}, (2, 3), 2 * 5 * (3 * 1 + 2 * 4 + 1 + 1 + 4)),
        # L x N x E: four projections with a bias, and of each head the scores of 3 queries and 3 keys
        ("MultiheadAttention", {"num_heads": 4}, (3, 2, 8), 4 * (3 * 2 * 8) + 6 * (2 * 4 * 3 * 3)),
        ("MultiheadAttention", {"num_heads": 4, "bias": False}, (3, 2, 8), 6 * (2 * 4 * 3 * 3)),
        ("MultiheadAttention", {"num_heads": 4, "batch_first": True, "bias": False}, (3, 2, 8), 6 * (3 * 4 * 2 * 2)),
        (
            "MultiheadAttention",
            {"num_heads": 2, "add_zero_attn": True, "add_bias_kv": True, "bias": False},
            (3, 2, 8),
            6 * (2 * 2 * 3 * (3 + 1 + 1)),
        ),
        ("Linear", {"out_features": 5}, (2, 3, 4), 2 * 3 * 5),
        ("Linear", {"out_features": 5, "bias": False}, (2, 3, 4), 0),
        ("Conv2d", {"out_channels": 5, "kernel_size": 3}, (2, 4, 8, 9), 2 * 5 * 6 * 7),
        ("Conv2d", {"out_channels": 5, "kernel_size": 3, "bias": False}, (2, 4, 8, 9), 0),
        ("ConvTranspose1d", {"out_channels": 5, "kernel_size": 3}, (2, 4, 8), 2 * 5 * 10),
        ("Upsample", {"size": 6}, (2, 3, 4), 0),
        ("Upsample", {"size": 6, "mode": "linear"}, (2, 3, 4), 2 * 3 * 6 * (2 + 1)),
        ("Upsample", {"size": 6, "mode": "bilinear"}, (2, 3, 4, 4), 2 * 3 * 6 * 6 * (4 + 3)),
        ("Upsample", {"size": 6, "mode": "bicubic"}, (2, 3, 4, 4), 2 * 3 * 6 * 6 * (16 + 15)),
        ("Upsample", {"size": 6, "mode": "trilinear"}, (2, 3, 4, 4, 4), 2 * 3 * 6**3 * (8 + 7)),
        ("Embedding", {"num_embeddings": 9, "embedding_dim": 4}, (2, 3), 0),
        ("Embedding", {"num_embeddings": 9, "embedding_dim": 4, "max_norm": 1.0}, (2, 3), 2 * 3 * (3 * 4 + 3)),
        ("EmbeddingBag", {"num_embeddings": 9, "embedding_dim": 4}, (2, 3), 2 * 3 * 4 + 2 * 4),  # the mean
        ("EmbeddingBag", {"num_embeddings": 9, "embedding_dim": 4, "mode": "sum"}, (2, 3), 2 * 3 * 4),
        (
            "EmbeddingBag",
            {"num_embeddings": 9, "embedding_dim": 4, "mode": "max", "max_norm": 1.0},
            (2, 3),
            2 * 3 * 4 + 2 * 3 * (3 * 4 + 3),
        ),
        ("Clamp", {"min": 0.0, "max": 6.0}, (2, 3), 2 * 2 * 3),
        ("Clamp", {"min": 0.0}, (2, 3), 2 * 3),
        ("Sum", {"dim": 1}, (2, 3, 4), 2 * 3 * 4),
        ("Mean", {"dim": 1}, (2, 3, 4), 2 * 3 * 4 + 2 * 4),
        ("Compare", {"operator": "gt", "other": 1.0}, (2, 3), 2 * 3),
        ("CumSum", {"dim": 1}, (2, 3), 2 * 3),
        ("TopK", {"k": 2, "dim": 1}, (2, 3), 2 * 3),
        ("ArgMax", {"dim": 1}, (2, 3), 2 * 3),
        ("Einsum", {"equation": "bij->bj"}, (2, 3, 4), 2 * 3 * 4),
        ("Einsum", {"equation": "bij->bji"}, (2, 3, 4), 0),
    ],
)
def test_work_by_hand(name: str, arguments: dict[str, object], shape: tuple[int, ...], expected: int) -> None:
    op = REGISTRY[name](**arguments)
    x = (Tensor(shape),)
    assert op.elementwise(x, op.outputs(*x)) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "shapes", "macs", "expected"),
    [
        ("Einsum", {"equation": "bij,bjk->bik"}, ((2, 3, 4), (2, 4, 5)), 2 * 3 * 4 * 5, 0),
        ("Einsum", {"equation": "bi,bj->bij"}, ((2, 3), (2, 4)), 0, 2 * 3 * 4),
        ("Einsum", {"equation": "bij,jk->bk"}, ((2, 3, 4), (4, 5)), 2 * 4 * 5, 2 * 3 * 4),  # i is summed before
        ("ScaledDotProductAttention", {}, ((2, 3, 8), (2, 5, 8), (2, 5, 6)), 2 * 3 * 5 * (8 + 6), 6 * (2 * 3 * 5)),
        ("Add", {}, ((2, 3), (2, 3), (2, 3)), 0, 2 * (2 * 3)),
        ("Multiply", {}, ((2, 3, 4), (2, 1, 4)), 0, 2 * 3 * 4),
        ("Where", {}, ((2, 3), (2, 3), (2, 1)), 0, 2 * 3),
        ("Bilinear", {"out_features": 5}, ((2, 3), (2, 4)), 2 * 5 * (3 * 4 + 4), 2 * 5),
        (
            "MultiheadAttention",  # 3 queries of 2 samples meet 5 keys; the heads' 8 features are two of 4
            {"num_heads": 2},
            ((3, 2, 8), (5, 2, 6), (5, 2, 7)),
            2 * (3 * 8 * 8 + 5 * 6 * 8 + 5 * 7 * 8 + 3 * 5 * 8 + 3 * 5 * 8 + 3 * 8 * 8),
            2 * (3 * 8) * 2 + 2 * (5 * 2 * 8) + 6 * (2 * 2 * 3 * 5),
        ),
        (
            "ScaledDotProductAttention",
            {},
            ((2, 3, 8), (2, 5, 8), (2, 5, 6), (3, 5)),
            2 * 3 * 5 * (8 + 6),
            (6 + 1) * (2 * 3 * 5),
        ),
    ],
)
def test_work_on_several_inputs_by_hand(
    name: str, arguments: dict[str, object], shapes: tuple[tuple[int, ...], ...], macs: int, expected: int
) -> None:
    op, x = REGISTRY[name](**arguments), tuple(map(Tensor, shapes))
    y = op.outputs(*x)
    assert sum(contraction.macs for contraction in op.contractions(x, y)) == macs
    assert op.elementwise(x, y) == expected


#: a rule of the form ``4 an element (negate, exp, add, divide)``
LISTED = re.compile(r"(\d+) an (?:output )?element \(([^()]*)\)")


@pytest.mark.parametrize("name", [name for name, op in sorted(REGISTRY.items()) if hasattr(op, "operations")])
def test_the_operations_listed_are_as_many_as_counted(name: str) -> None:
    rule = LISTED.fullmatch(REGISTRY[name].elementwise_rule)
    assert rule is not None
    words = re.split(r"[,;]", rule[2])
    assert sum(2 if "twice" in word else 1 for word in words) == int(rule[1]) == REGISTRY[name].operations  # type: ignore[attr-defined]
