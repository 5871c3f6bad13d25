"""Attention: scaled dot products, and torch.nn.MultiheadAttention around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archscope.autograd import aten
from archscope.autograd.dtypes import promoted
from archscope.autograd.gradients import passed_on
from archscope.autograd.graph import Gradients, Node, Value
from archscope.autograd.tape import Tape
from archscope.autograd.versions import ATTENTION_LIES_AS_ITS_QUERY, FUSED_ATTENTION, spelled
from archscope.errors import UsageError


def attention(
    t: Tape,
    query: Value,
    key: Value,
    value: Value,
    mask: Value | None = None,
    *,
    dropout: float = 0.0,
    causal: bool = False,
) -> Value:
    """scaled_dot_product_attention: by the fused kernel where torch takes it, else by its products."""
    start = t.begin()
    query, key, value, *masks = aten.lowered(t, query, key, value, *(() if mask is None else (mask,)))
    bias = _as_bias(t, masks[0], query.dtype) if masks else None
    y = _attention(t, query, key, value, bias, dropout if t.training else 0.0, causal=causal)
    t.end(start, y)
    return y


def _as_bias(t: Tape, mask: Value, dtype: str) -> Value:
    """What is added to the scores: a bool mask becomes 0 and minus infinity (convert_boolean_attn_mask)."""
    if mask.dtype != "bool":
        return mask
    zero, low = t.make((), dtype), t.make((), dtype)
    bias = t.make(mask.shape, dtype, "the mask, as what is added to the scores")
    t.drop(zero, low)
    return bias


def _fuses(query: Value, key: Value, value: Value, bias: Value | None) -> bool:
    """Whether the fused kernel takes these shapes, features side by side, and a mask (use_flash_attention_cpp)."""
    alike = query.shape[-1] == key.shape[-1] == value.shape[-1]
    masked = bias is None or (len(bias.shape) in (2, 4) and bias.node is None)
    dense = all(aten.strides_of(x)[-1] == 1 for x in (query, key, value))
    return len(query.shape) == 4 and alike and dense and masked


def _attention(
    t: Tape, query: Value, key: Value, value: Value, bias: Value | None, dropout: float, *, causal: bool
) -> Value:
    if t.torch < FUSED_ATTENTION:
        raise UsageError(f"{t.layer}: what attention keeps before torch {spelled(FUSED_ATTENTION)} is not known")
    if not _fuses(query, key, value, bias) or (dropout > 0 and t.device == "cpu"):
        return _products(t, query, key, value, bias, dropout, causal=causal)
    y, sums = t.make_all(
        (query.shape, query.dtype, ""),
        (query.shape[:-1], promoted(query.dtype, "float32"), "the logarithms of the sums of exponentials"),
    )
    fixed = t.device == "cpu" and t.torch < ATTENTION_LIES_AS_ITS_QUERY
    y.strides = _by_place(query) if fixed else aten.strides_behind(query.shape, query)

    def back(t: Tape, node: Node, gradients: Gradients) -> Gradients:
        made = t.make_all(*((v.shape, v.dtype, "") for v in (query, key, value)))
        for gradient in made:
            gradient.strides = _by_place(gradient)
        return [g if v.node is not None else None for g, v in zip(made, (query, key, value), strict=True)]

    t.link(y, (query, key, value), back, query, key, value, y, sums, *(() if bias is None else (bias,)))
    return y


def _by_place(x: Value) -> tuple[int, ...]:
    """The strides of a value that lies place by place, the heads of a place together."""
    _, heads, length, size = x.shape
    return length * heads * size, size, heads * size, 1


def _products(
    t: Tape, query: Value, key: Value, value: Value, bias: Value | None, dropout: float, *, causal: bool
) -> Value:
    """_scaled_dot_product_attention_math: in float32, out of autocast's reach."""
    own, lower, t.lower = query.dtype, t.lower, None
    if own in ("bfloat16", "float16"):
        query, key, value = (aten.cast(t, tensor, "float32") for tensor in (query, key, value))
    length, keys = query.shape[-2], key.shape[-2]
    query = aten.scaled(t, query)
    if causal:
        ones = t.make((length, keys), "bool")
        mask = t.make((length, keys), "bool")
        t.drop(ones)
        low, zero = t.make((), query.dtype), t.make((), query.dtype)
        bias = t.make((length, keys), query.dtype)
        t.drop(low, zero, mask)
    key, value = (_for_each_head(t, tensor, query) for tensor in (key, value))
    turned = aten.scaled(t, aten.swapped(t, key, -1, -2))
    scores = aten.matmul(t, query, turned)
    t.drop(turned)
    if bias is not None:
        biased = aten.add(t, scores, bias) if t.watched else aten.added(t, scores, bias)
        t.drop(scores)
        scores = biased
    soft = aten.softmax(t, scores)
    if not t.watched:  # at::_safe_softmax looks for rows in which all is masked
        masked = t.make(scores.shape, "bool")
        rows = t.make((*scores.shape[:-1], 1), "bool")
        t.drop(masked, rows)
    t.drop(scores)
    if dropout > 0:
        certain, mask = soft, aten.like(t, soft, "the mask")
        soft = aten.multiply(t, certain, mask)
        t.drop(certain, mask)
    aten.cast(t, soft, own)  # nobody reads it
    y = aten.cast(t, aten.matmul(t, soft, value), own)
    t.lower = lower
    return y


def _for_each_head(t: Tape, x: Value, query: Value) -> Value:
    """Keys or values repeated for the heads of the query that share them (repeat_interleave)."""
    shape = (*query.shape[:-2], *x.shape[-2:])
    if x.shape == shape:
        return x
    y = t.make(shape, x.dtype, f"{x.storage.what}, repeated")
    t.link(y, (x,), aten.one_ordered)
    return y


def multihead(
    t: Tape,
    x: tuple[Value, ...],
    w: Mapping[str, Value],
    *,
    heads: int,
    packed: bool,
    dropout: float,
    batch_first: bool,
    add_zero_attn: bool,
) -> Value:
    """torch.nn.functional.multi_head_attention_forward, without weights."""
    plain = packed and len(x) == 1 and "in_proj_bias" in w and "bias_k" not in w and not add_zero_attn
    if plain and batch_first and heads % 2 == 0 and t.lower is None and not (t.training or t.grad):
        return t.make(x[0].shape, x[0].dtype)  # torch's fast path: one kernel
    if batch_first:
        turned = {id(value): aten.swapped(t, value, 0, 1) for value in dict.fromkeys(x)}
        x = tuple(turned[id(value)] for value in x)
    query, key, value = x if len(x) == 3 else x * 3
    (length, batch, embed), head = query.shape, query.shape[-1] // heads
    start = t.begin()
    q, k, v = _projected(t, query, key, value, w, packed=packed)
    if "bias_k" in w:
        k = _lengthened(t, k, w["bias_k"], batch)
        v = _lengthened(t, v, w["bias_v"], batch)
    q, k, v = (aten.swapped(t, aten.reshape(t, a, (a.shape[0], batch * heads, head)), 0, 1) for a in (q, k, v))
    t.end(start, q, k, v)
    if add_zero_attn:
        k = _with_zeros(t, k)
        v = _with_zeros(t, v)
    t.end(start, q, k, v)
    q, k, v = (aten.reshape(t, a, (batch, heads, a.shape[1], head)) for a in (q, k, v))
    attended = aten.permute(t, attention(t, q, k, v, dropout=dropout), (2, 0, 1, 3))
    t.end(start, attended)
    rows = aten.reshape(t, attended, (length * batch, embed))
    if rows.storage is not attended.storage:
        rows.storage.what = "the heads' outputs"
    t.end(start, rows)
    y = aten.reshape(t, aten.linear(t, rows, w["out_proj.weight"], w.get("out_proj.bias")), (length, batch, embed))
    return aten.swapped(t, y, 0, 1) if batch_first else y


def _projected(
    t: Tape, query: Value, key: Value, value: Value, w: Mapping[str, Value], *, packed: bool
) -> Sequence[Value]:
    """Query, key and value behind their projections (_in_projection_packed, _in_projection)."""
    embed, bias = query.shape[-1], w.get("in_proj_bias")
    if packed and query is key is value:
        start = t.begin()
        parts = _unpacked(t, aten.linear(t, query, w["in_proj_weight"], bias), 3)
        t.end(start, *parts)
        return parts
    if packed and key is value:
        first, rest = aten.split(t, w["in_proj_weight"], 0, (embed, 2 * embed))
        shifts = [None, None] if bias is None else aten.split(t, bias, 0, (embed, 2 * embed))
        q, start = aten.linear(t, query, first, shifts[0]), t.begin()
        parts = _unpacked(t, aten.linear(t, key, rest, shifts[1]), 2)
        t.end(start, *parts)
        return q, *parts
    if packed:
        weights = aten.split(t, w["in_proj_weight"], 0, (embed,) * 3)
    else:
        weights = [w["q_proj_weight"], w["k_proj_weight"], w["v_proj_weight"]]
    shifts = [None] * 3 if bias is None else aten.split(t, bias, 0, (embed,) * 3)
    return [aten.linear(t, a, weight, b) for a, weight, b in zip((query, key, value), weights, shifts, strict=True)]


def _unpacked(t: Tape, joined: Value, parts: int) -> list[Value]:
    """What one projection made of several, laid out one after another, and taken apart."""
    length, batch, width = joined.shape
    apart = aten.reshape(t, joined, (1, length, batch, parts, width // parts))
    turned = aten.reshape(t, aten.permute(t, apart, (3, 1, 2, 0, 4)), (parts, length, batch, width // parts))
    laid_out = aten.copied(t, turned, "queries, keys and values")
    return [aten.select(t, laid_out, 0) for _ in range(parts)]


def _lengthened(t: Tape, x: Value, bias: Value, batch: int) -> Value:
    """Keys or values with a learnt one more; the shorter ones are given up."""
    repeated = t.make((1, batch, bias.shape[-1]), bias.dtype)
    t.link(repeated, (bias,), passed_on if batch == 1 else aten.one_ordered)
    y = aten.cat(t, (x, repeated), (x.shape[0] + 1, *x.shape[1:]), 0)
    t.drop(x, repeated)
    return y


def _with_zeros(t: Tape, x: Value) -> Value:
    """Keys or values with a zero one more; the shorter ones are given up."""
    zeros = t.make((x.shape[0], 1, x.shape[2]), x.dtype)
    y = aten.cat(t, (x, zeros), (x.shape[0], x.shape[1] + 1, x.shape[2]), 1)
    t.drop(x, zeros)
    return y
