"""Attention: softmax(Q K^T / sqrt(E)) V, plain and with its projections.

Q K^T takes E products for each of the queries x keys scores of a head, the sum over V as many for each of its features.
A causal mask saves nothing here: the products are counted in full, as torch's own counter does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from archscope.arith import exact_div, fixed, prod
from archscope.autograd.attention import attention, multihead
from archscope.ops.base import (
    FEATURES_LAST,
    Arity,
    Check,
    Contraction,
    InfersArguments,
    NoBuffers,
    NoWeights,
    Reads,
    ReadsByValues,
    Tape,
    Tensor,
    Tensors,
    Value,
    Values,
    Weights,
    argument,
    register,
    special_module,
)
from archscope.ops.contents import LOW, Content, met_by, met_in
from archscope.ops.fields import Flag, Maybe, Real, Size
from archscope.ops.promotion import Alike
from archscope.ops.readings import AtMost
from archscope.ops.shapes import wanted_type
from archscope.ops.windows import ALL, SAME, WHOLE, Along, Grouped, UpTo, Window, mixing

#: operations a score: scale, and softmax (maximum, subtract, exp, sum, divide)
_SCORE = 1 + 5


@register
class ScaledDotProductAttention(ReadsByValues, NoWeights):
    """softmax(scale Q K^T) V over (N, ..., L, E), (N, ..., S, E), (N, ..., S, E_v).

    torch.nn.functional.scaled_dot_product_attention; as a layer, its dropout rests at inference. With ``enable_gqa``
    dimension -3 is the heads, and several heads of the query share one of key and value. A fourth input is the mask,
    which broadcasts to (N, ..., L, S): floating, added to the scores, or bool, true where a key takes part.
    """

    arity = Arity(3, 4)
    takes = "any"
    disorders = True  # fused kernels lay their output as their inputs lay, or with the heads behind
    types = Alike(wide=4)
    layout: ClassVar[Mapping[int, tuple[str, ...]]] = {
        3: ("N", "L", "E"), 4: ("N", "H", "L", "E"), 5: ("N", "G", "H", "L", "E"),
    }  # fmt: skip
    elementwise_rule = (
        "6 a score: scale, and softmax (maximum, subtract, exp, sum, divide); 1 more for a mask; a causal one is not "
        "counted"
    )

    dropout_p: float = argument(Real(0, 1), 0.0)
    is_causal: bool = argument(Flag(), False)
    scale: float | None = argument(Maybe(Real()), None)
    enable_gqa: bool = argument(Flag(), False)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        query, key, value = (tensor.shape for tensor in x[:3])
        for tensor, which in zip(x[:3], ("the query", "the key", "the value"), strict=True):
            yield wanted_type(tensor, None, f"{type(self).__name__}: {which}")
        alike = len(query) == len(key) == len(value)
        yield Check(
            len(query) in self.layout,
            "query, key and value need (N, L, E), (N, H, L, E) or (N, G, H, L, E), not {n} dimensions",
            n=len(query),
        )
        yield Check(
            alike,
            "query, key and value must have equally many dimensions, not {q}, {k} and {v}",
            q=len(query),
            k=len(key),
            v=len(value),
        )
        if not alike or len(query) not in self.layout:
            return
        if len(x) > 3:
            yield from self._mask_checks(x[3], (*query[:-1], key[-2]))
        grouped = len(query) - 3 if self.enable_gqa and len(query) > 3 else None
        yield Check(query[-1] == key[-1], "query has {q} features and key {k}", q=query[-1], k=key[-1])
        yield Check(key[-2] == value[-2], "key has {k} positions and value {v}", k=key[-2], v=value[-2])
        for dim, (q, k, v) in enumerate(zip(query[:-2], key[:-2], value[:-2], strict=True)):
            yield Check(k == v, "dimension {d} is {k} in key and {v} in value", d=dim, k=k, v=v)
            if dim == grouped:
                yield Check(
                    q % k == 0,
                    "the heads of the query ({q}) must be divisible by those of the key ({k})",
                    field="enable_gqa",
                    q=q,
                    k=k,
                )
            else:
                yield Check(q == k, "dimension {d} is {q} in query and {k} in key", d=dim, q=q, k=k)

    def _mask_checks(self, mask: Tensor, scores: tuple[int, ...]) -> Iterator[Check]:
        yield Check(
            mask.floating or mask.dtype == "bool",
            "the mask must hold floating or bool values, not {t} ones",
            t=mask.dtype,
        )
        yield Check(not self.is_causal, "is_causal is for attention without a mask", field="is_causal")
        fits = 2 <= len(mask.shape) <= len(scores)
        yield Check(
            fits, "the mask has {m} dimensions, not 2 to the {n} of the scores", m=len(mask.shape), n=len(scores)
        )
        if fits:
            for size, wanted in zip(reversed(mask.shape), reversed(scores), strict=False):
                yield Check(
                    (size == wanted) | (size == 1),
                    "the mask {m} does not broadcast to the scores {s}",
                    m=mask.shape,
                    s=scores,
                )

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0].with_shape(*x[0].shape[:-1], x[2].shape[-1]),)

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        scores = self._scores(*x)
        yield Contraction(scores * x[0].shape[-1], (0, 1), "scores")
        yield Contraction(scores * x[2].shape[-1], ((0, 1, *range(3, len(x))), 2), "values")  # a mask may learn, too

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return (_SCORE + (len(x) - 3)) * self._scores(*x)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        readings = self._reads(x, UpTo() if self.is_causal else WHOLE)
        if len(x) == 3:
            return readings
        query, key, value, mask = readings
        return query, AtMost(key), AtMost(value), mask

    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        if 3 not in contents:
            return self.reads(x, y, output)
        truth = x[3].dtype == "bool"
        window = met_by(contents[3].value, truth=truth) if fixed(x[3].shape[-2] == x[0].shape[-2]) else None
        if window is None and contents[3].array is not None:
            window = _met_in(contents[3].array, x[0].shape[-2], x[1].shape[-2], truth=truth)
        return self.reads(x, y, output) if window is None else self._reads(x, window)

    def _reads(self, x: Tensors, window: Window) -> tuple[Along, ...]:
        """A query meets the keys, and takes of the values, those in a window."""
        last = len(x[0].shape) - 1
        samples: tuple[tuple[int, Window], ...] = tuple((dim, SAME) for dim in range(last - 1))
        met = samples
        if self.enable_gqa and len(samples) > 1:  # several heads of the query share one of key and value
            shared = exact_div(x[0].shape[last - 2], x[1].shape[last - 2])
            met = (*samples[:-1], (last - 2, Grouped(1, shared)))
        keys = (last - 1, window)
        query = Along((*samples, (last - 1, SAME), ALL))
        readings = query, Along((*met, keys, ALL)), Along((*met, keys, (last, SAME)))
        return readings if len(x) == 3 else (*readings, self._mask_reads(x[3].shape, x[0].shape))

    @staticmethod
    def _mask_reads(shape: tuple[int, ...], query: tuple[int, ...]) -> Along:
        """Each query reads its own row; the only place of a dimension that is repeated is read by all."""
        offset = len(query) - len(shape)
        repeated = [fixed(size == 1) and not fixed(query[dim + offset] == 1) for dim, size in enumerate(shape[:-1])]
        return Along((*((dim + offset, WHOLE if one else SAME) for dim, one in enumerate(repeated)), ALL))

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return attention(t, *x, dropout=self.dropout_p, causal=self.is_causal)

    def _scores(self, *x: Tensor) -> int:
        return prod(x[0].shape[:-1]) * x[1].shape[-2]

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        attend, p = torch.nn.functional.scaled_dot_product_attention, self.dropout_p
        options = {"is_causal": self.is_causal, "scale": self.scale, "enable_gqa": self.enable_gqa}

        def forward(layer: Any, *inputs: Any) -> Any:
            return attend(*inputs, dropout_p=p if layer.training else 0.0, **options)

        layer: Callable[..., Any] = special_module(torch, self, x, forward)
        return layer


def _met_in(mask: Any, queries: int, keys: int, *, truth: bool) -> Window | None:
    """The window of the keys that a query meets under a mask; ``None`` if they are others by sample or by head."""
    import numpy as np

    if any(size > 1 for size in mask.shape[:-2]):
        return None
    table = mask.reshape(mask.shape[-2:])
    return met_in(np.broadcast_to(table != 0 if truth else table > LOW, (queries, keys)))


@register
class MultiheadAttention(InfersArguments, NoBuffers):
    """Attention in ``num_heads`` heads between linear projections (torch.nn.MultiheadAttention; Vaswani et al., 2017).

    One input attends to itself; three are query, key and value. embed_dim, kdim and vdim are the sizes of their last
    dimensions. The output is the attention's alone (``need_weights=False``). The projections take rows x F x E MACs
    each, and over all heads the scores take L x S x E a sample, as do the values; add_bias_kv and add_zero_attn each
    lengthen S by one.
    """

    arity = Arity(1, 3)
    ndims = (3,)
    layout = FEATURES_LAST
    disorders = True
    elementwise_rule = (
        "bias: one addition a projected element; 6 a score: scale, and softmax (maximum, subtract, exp, sum, divide)"
    )
    follows: ClassVar = {"embed_dim": 0, "kdim": 6, "vdim": 7}

    num_heads: int = argument(Size())
    dropout: float = argument(Real(0, 1), 0.0)
    bias: bool = argument(Flag(), True)
    add_bias_kv: bool = argument(Flag(), False)
    add_zero_attn: bool = argument(Flag(), False)
    batch_first: bool = argument(Flag(), False)

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {"embed_dim": x[0].shape[-1], "kdim": x[len(x) // 2].shape[-1], "vdim": x[-1].shape[-1]}

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(
            len(x) != 2,
            "attention takes one input, or three (query, key and value), not two",
            hint="give key and value both, even where they are the same",
        )
        query, key, value = x if len(x) == 3 else (x[0],) * 3
        yield Check(
            query.shape[-1] % self.num_heads == 0,
            "the features of the query ({e}) must be divisible by num_heads ({h})",
            field="num_heads",
            e=query.shape[-1],
            h=self.num_heads,
        )
        batch = 0 if self.batch_first else 1
        yield Check(
            query.shape[batch] == key.shape[batch],
            "the batch (dimension {d}) is {q} in query and {k} in key",
            field="batch_first",
            d=batch,
            q=query.shape[batch],
            k=key.shape[batch],
        )
        for dim, (k, v) in enumerate(zip(key.shape[:2], value.shape[:2], strict=True)):
            yield Check(k == v, "dimension {d} is {k} in key and {v} in value", d=dim, k=k, v=v)

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0],)

    def _packed(self, *x: Tensor) -> bool:
        """Whether the three projections are one weight in ``state_dict()``: then query, key and value are alike."""
        return all(fixed(tensor.shape[-1] == x[0].shape[-1]) for tensor in x[1:])

    def _projections(self, *x: Tensor) -> tuple[tuple[int, Tensor, str], ...]:
        """Query, key and value: the index of the input, the input, and the name of its weight."""
        names = ["in_proj_weight"] * 3 if self._packed(*x) else ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
        places = (0, 1, 2) if len(x) == 3 else (0, 0, 0)
        return tuple((place, x[place], name) for place, name in zip(places, names, strict=True))

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        embed = x[0].shape[-1]
        if self._packed(*x):
            weights = {"in_proj_weight": Tensor((3 * embed, embed))}
        else:
            weights = {name: Tensor((embed, tensor.shape[-1])) for _, tensor, name in self._projections(*x)}
        if self.bias:
            weights |= {"in_proj_bias": Tensor((3 * embed,))}
        if self.add_bias_kv:
            weights |= {"bias_k": Tensor((1, 1, embed)), "bias_v": Tensor((1, 1, embed))}
        weights |= {"out_proj.weight": Tensor((embed, embed))}
        return weights | ({"out_proj.bias": Tensor((embed,))} if self.bias else {})

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        embed = x[0].shape[-1]
        projections = self._projections(*x)
        for label, (place, tensor, name) in zip(("query", "key", "value"), projections, strict=True):
            yield Contraction(tensor.numel * embed, (place, name), label)
        shift = ("in_proj_bias",) if self.bias else ()
        query, key, value = ((place, name, *shift) for place, _, name in projections)
        if self.add_bias_kv:
            key, value = (*key, "bias_k"), (*value, "bias_v")
        yield Contraction(y[0].numel * self._keys(*x), (query, key), "scores")
        yield Contraction(y[0].numel * self._keys(*x), ((*query, *key), value), "values")
        yield Contraction(y[0].numel * embed, ((*query, *key, *value), "out_proj.weight"), "output")

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return multihead(
            t,
            x,
            w,
            heads=self.num_heads,
            packed=self._packed(*(Tensor(value.shape) for value in x)),
            dropout=self.dropout,
            batch_first=self.batch_first,
            add_zero_attn=self.add_zero_attn,
        )

    def _keys(self, *x: Tensor) -> int:
        """Positions that a query meets."""
        keys = (x[1] if len(x) == 3 else x[0]).shape[1 if self.batch_first else 0]
        added = self.add_bias_kv + self.add_zero_attn
        return keys + added if added else keys

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        rows = prod(y[0].shape[:-1])
        scores = _SCORE * rows * self.num_heads * self._keys(*x)
        if not self.bias:
            return scores
        keys = prod((x[1] if len(x) == 3 else x[0]).shape[:-1])
        return scores + 2 * y[0].numel + 2 * keys * y[0].shape[-1]

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        batch = 0 if self.batch_first else 1
        met = mixing(3, (1 - batch, 2))
        return (met,) if len(x) == 1 else (mixing(3, (2,)), met, met)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        layer = torch.nn.MultiheadAttention(**self.inferred(*x), **self.arguments())
        layer.register_forward_pre_hook(_three_inputs, with_kwargs=True)
        layer.register_forward_hook(_without_weights)
        module: Callable[..., Any] = layer
        return module


def _three_inputs(layer: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return inputs * 3 if len(inputs) == 1 else inputs, {"need_weights": False, **options}


def _without_weights(layer: Any, inputs: tuple[Any, ...], outputs: tuple[Any, Any]) -> Any:
    return outputs[0]
