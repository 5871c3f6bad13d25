"""Test records of attention."""

from hypothesis import strategies as st

from archscope.ops import REGISTRY, Tensor
from tests.ops.records.base import Case, ErrorCase, default_or, record

_SIZES = st.integers(1, 6)
_FLAG = default_or(st.booleans())
_SHARE = default_or(st.sampled_from([0.0, 0.1, 0.5]))


@st.composite
def _scaled_dot_product(draw: st.DrawFn) -> Case:
    leading = draw(st.lists(_SIZES, min_size=1, max_size=3))
    length, keys, embed, value = (draw(_SIZES) for _ in range(4))
    given = {
        "dropout_p": draw(_SHARE),
        "is_causal": draw(_FLAG),
        "scale": draw(default_or(st.none() | st.floats(0.1, 2))),
        "enable_gqa": draw(_FLAG),
    }
    shared = list(leading)
    if given["enable_gqa"] is True and len(leading) > 1:
        leading[-1] *= draw(st.integers(1, 3))
    op = REGISTRY["ScaledDotProductAttention"](**{key: v for key, v in given.items() if v is not ...})
    shapes = ((*leading, length, embed), (*shared, keys, embed), (*shared, keys, value))
    return Case(op, tuple(map(Tensor, shapes)))


record(
    "ScaledDotProductAttention",
    _scaled_dot_product(),
    ErrorCase({}, ((2, 4, 8), (2, 1, 4, 8), (2, 4, 8)), "must have equally many dimensions, not 3, 4 and 3"),
    ErrorCase({}, ((2, 4, 8), (2, 4, 6), (2, 4, 8)), "query has 8 features and key 6"),
    ErrorCase({}, ((2, 4, 8), (2, 5, 8), (2, 4, 8)), "key has 5 positions and value 4"),
    ErrorCase({}, ((2, 4, 8), (2, 4, 8), (3, 4, 8)), "dimension 0 is 2 in key and 3 in value"),
    ErrorCase({}, ((2, 6, 4, 8), (2, 3, 4, 8), (2, 3, 4, 8)), "dimension 1 is 6 in query and 3 in key"),
    ErrorCase(
        {"enable_gqa": True},
        ((2, 6, 4, 8), (2, 4, 4, 8), (2, 4, 4, 8)),
        "the heads of the query (6) must be divisible by those of the key (4)",
    ),
)


@st.composite
def _multihead(draw: st.DrawFn) -> Case:
    heads = draw(st.integers(1, 4))
    embed, length, keys, batch = (heads * draw(_SIZES), *(draw(_SIZES) for _ in range(3)))
    given = {
        "num_heads": heads,
        "dropout": draw(_SHARE),
        "bias": draw(_FLAG),
        "add_bias_kv": draw(_FLAG),
        "add_zero_attn": draw(_FLAG),
        "batch_first": draw(_FLAG),
    }
    op = REGISTRY["MultiheadAttention"](**{key: v for key, v in given.items() if v is not ...})

    def sequence(positions: int, features: int) -> Tensor:
        return Tensor((batch, positions, features) if given["batch_first"] is True else (positions, batch, features))

    if draw(st.booleans()):
        return Case(op, (sequence(length, embed),))
    widths = draw(st.just((embed, embed)) | st.tuples(st.just(embed) | _SIZES, st.just(embed) | _SIZES))
    return Case(op, (sequence(length, embed), *(sequence(keys, width) for width in widths)))


record(
    "MultiheadAttention",
    _multihead(),
    ErrorCase({"num_heads": 3}, ((5, 2, 8),), "the features of the query (8) must be divisible by num_heads (3)"),
    ErrorCase({"num_heads": 2}, ((5, 2, 8), (5, 2, 8)), "one input, or three (query, key and value), not two"),
    ErrorCase(
        {"num_heads": 2}, ((5, 2, 8), (4, 3, 8), (4, 3, 8)), "the batch (dimension 1) is 2 in query and 3 in key"
    ),
    ErrorCase({"num_heads": 2}, ((5, 2, 8), (4, 2, 8), (6, 2, 8)), "dimension 0 is 4 in key and 6 in value"),
)
