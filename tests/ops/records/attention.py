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
    length, keys, embed = (draw(_SIZES) for _ in range(3))
    value = draw(st.just(embed) | _SIZES)  # the fused kernel takes equal ones
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
    masks = [] if given["is_causal"] is True else draw(st.lists(_mask((*leading, length, keys)), max_size=1))
    return Case(op, (*map(Tensor, shapes), *masks))


@st.composite
def _mask(draw: st.DrawFn, scores: tuple[int, ...]) -> Tensor:
    """A mask that broadcasts to the scores."""
    kept = scores[draw(st.integers(0, len(scores) - 2)) :]
    shape = tuple(draw(st.sampled_from([size, size, 1])) for size in kept)
    return Tensor(shape, draw(st.sampled_from([None, "bool"])))


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
    ErrorCase({}, ((2, 8),) * 3, "(N, L, E), (N, H, L, E) or (N, G, H, L, E), not 2 dimensions"),
    ErrorCase({}, ((2, 4, 8),) * 3, "the key must hold floating values, not int64 ones", (None, "int64", None)),
    ErrorCase({}, (*((2, 4, 8),) * 3, (4, 4)), "floating or bool values, not int64 ones", (None, None, None, "int64")),
    ErrorCase({"is_causal": True}, (*((2, 4, 8),) * 3, (4, 4)), "is_causal is for attention without a mask"),
    ErrorCase({}, (*((2, 4, 8),) * 3, (4,)), "the mask has 1 dimensions, not 2 to the 3 of the scores"),
    ErrorCase({}, (*((2, 4, 8),) * 3, (3, 4)), "the mask (3, 4) does not broadcast to the scores (2, 4, 4)"),
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
