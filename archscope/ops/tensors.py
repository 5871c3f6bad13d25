"""Ops that hand a tensor on, convert it, scale it, shift it, look it up, or are one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, ClassVar

from archscope.arith import fixed, prod
from archscope.autograd import aten
from archscope.ops.base import (
    FEATURES_LAST,
    Arity,
    Check,
    NoBuffers,
    NoChecks,
    NoContraction,
    NoWeights,
    NoWork,
    Op,
    PlainTorchLayer,
    Pointwise,
    Reads,
    SameShape,
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
from archscope.ops.contents import MATRICES, Beginning, Contents, array, called, dimensions, fits, held, stored_in
from archscope.ops.fields import DTYPES, Choice, Flag, Index, Maybe, Real, Shape, Size, TypeName
from archscope.ops.promotion import OWN
from archscope.ops.windows import mixing


@register
class Identity(PlainTorchLayer, Pointwise, SameShape, NoWeights, NoWork, NoChecks):
    """The input itself (torch.nn.Identity)."""

    takes = "any"
    view = True

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return x[0]


@register
class Detach(Pointwise, SameShape, NoWeights, NoWork, NoChecks):
    """The input itself, but no gradient passes it (torch.Tensor.detach)."""

    takes = "any"
    view = True
    differentiable = False

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.detached(t, x[0])

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        return lambda tensor: tensor.detach()


@register
class Cast(Pointwise, NoWeights, NoWork, NoChecks):
    """The input in another type (torch.Tensor.to); ``float`` is the floating type of the run, or of its mark."""

    takes = "any"
    types = OWN
    gives_alike = True

    dtype: str = argument(TypeName(DTYPES))

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor(x[0].shape, _typed(self.dtype)),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.converted(t, x[0], y[0].dtype or t.floating)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        if self.dtype != "float":
            dtype = getattr(torch, self.dtype)
            return lambda tensor: tensor.to(dtype)
        module: Callable[..., Any] = _following(torch, self, x, lambda layer, tensor: tensor.to(layer.floating))
        return module


class _WithNumber(Pointwise, SameShape, NoWeights, NoContraction):
    """The input and a constant; whole numbers with a whole one stay whole."""

    takes = "number"

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return y[0].numel


@register
class Contiguous(Pointwise, SameShape, NoWeights, NoWork, NoChecks):
    """The same elements, in their order in memory: a copy where they lie otherwise (torch.Tensor.contiguous)."""

    takes = "any"
    copies = True

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.copied(t, x[0])

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        return lambda tensor: tensor.contiguous()


@register
class Scale(_WithNumber):
    """The input times a constant."""

    elementwise_rule = "one multiplication an element"

    factor: float = argument(Real())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from suits(self.factor, x[0], "factor")

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.scaled(t, x[0])

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        factor = as_in(x[0], self.factor)
        return lambda tensor: tensor * factor


@register
class Shift(_WithNumber):
    """The input plus a constant."""

    elementwise_rule = "one addition an element"

    value: float = argument(Real())

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from suits(self.value, x[0], "value")

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.plus(t, x[0])

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        value = as_in(x[0], self.value)
        return lambda tensor: tensor + value


#: the largest number that may stand beside a tensor of a type; beyond 2^53 a double does not hold each whole number
_LARGEST = {"int64": 2**53, "int32": 2**31 - 1, "bool": 1}


def suits(number: float, x: Tensor, field: str) -> Iterator[Check]:
    """A number can stand beside the elements of a tensor: any beside floating ones, else one of their kind."""
    if not x.floating:
        value = fixed(number)
        yield Check(
            float(value).is_integer() and abs(value) <= _LARGEST[str(x.dtype)],
            "{f} ({v:g}) must be one of the {d} numbers that arrive",
            field=field,
            hint="`Cast: float` before it makes them floating",
            f=field,
            v=value,
            d=x.dtype,
        )


def as_in(x: Tensor, number: float) -> float:
    """A number as it stands beside the elements of a tensor in Python."""
    return number if x.floating else int(number)


class _Table(PlainTorchLayer, NoBuffers, NoContraction):
    """A table whose rows are looked up by their indices."""

    takes = "int64"
    layout = FEATURES_LAST

    num_embeddings: int = argument(Size())
    embedding_dim: int = argument(Size(), symbol="F_out")
    # in torch's order, which is another one in a bag
    padding_idx: int | None
    max_norm: float | None
    scale_grad_by_freq: bool
    sparse: bool

    @abstractmethod
    def _own_checks(self) -> Iterator[Check]:
        """What must hold besides."""

    def checks(self, *x: Tensor) -> Iterator[Check]:
        if self.padding_idx is not None:
            yield Check(
                (self.num_embeddings > self.padding_idx) & (self.num_embeddings >= -self.padding_idx),
                "padding_idx ({p}) must be the index of one of num_embeddings ({n}) rows",
                field="padding_idx",
                p=self.padding_idx,
                n=self.num_embeddings,
            )
        yield Check(
            not (self.sparse and self.scale_grad_by_freq),
            "sparse gradients cannot be scaled by frequency",
            field="scale_grad_by_freq",
        )
        yield from self._own_checks()

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {"weight": Tensor((self.num_embeddings, self.embedding_dim))}

    def _scaling(self, rows: int) -> int:
        """What ``max_norm`` does to the rows that are looked up, as if no index came twice."""
        return 0 if self.max_norm is None else 3 * rows * self.embedding_dim + 3 * rows


@register
class Embedding(Pointwise, _Table):
    """A row of a table for every index (torch.nn.Embedding)."""

    elementwise_rule = (
        "none (a lookup); with max_norm 3 an output element (power, add, scale) and 3 a row (root, compare, divide), "
        "as if no index came twice"
    )

    padding_idx: int | None = argument(Maybe(Index(None)), None)
    max_norm: float | None = argument(Maybe(Real()), None)
    norm_type: float = argument(Real(), 2.0)
    scale_grad_by_freq: bool = argument(Flag(), False)
    sparse: bool = argument(Flag(), False)

    def _own_checks(self) -> Iterator[Check]:
        return iter(())

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor((*x[0].shape, self.embedding_dim)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return self._scaling(x[0].numel)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        places = x[0] if self.max_norm is None else aten.copied(t, x[0])  # torch.embedding_renorm_ wants them in order
        return aten.embedding(t, w["weight"], places, y[0].shape)


@register
class EmbeddingBag(_Table):
    """The mean, sum or maximum of the rows of a table for the indices of a bag (torch.nn.EmbeddingBag).

    A bag is a row of the input (N, L).
    """

    ndims = (2,)
    refuses: ClassVar = {"include_last_offset": "it is for bags of different lengths, and a row of the input is a bag"}
    elementwise_rule = (
        "one addition or comparison an element that is looked up, with mean one division an output element; with "
        "max_norm 3 more an element and 3 a row, as if no index came twice"
    )

    max_norm: float | None = argument(Maybe(Real()), None)
    norm_type: float = argument(Real(), 2.0)
    scale_grad_by_freq: bool = argument(Flag(), False)
    mode: str = argument(Choice(("sum", "mean", "max")), "mean")
    sparse: bool = argument(Flag(), False)
    padding_idx: int | None = argument(Maybe(Index(None)), None)

    def _own_checks(self) -> Iterator[Check]:
        yield Check(
            not (self.mode == "max" and (self.sparse or self.scale_grad_by_freq)),
            "a maximum has neither sparse gradients nor ones that are scaled by frequency",
            field="mode",
        )

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor((x[0].shape[0], self.embedding_dim)),)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        divided = y[0].numel if self.mode == "mean" else 0
        return x[0].numel * self.embedding_dim + divided + self._scaling(x[0].numel)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (mixing(2, (1,)),)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.embedding_bag(t, w["weight"], x[0], self.mode, padded=self.padding_idx is not None)


class _Held(NoWork):
    """A tensor that no input is computed into; an input, if any, only lends its batch size.

    With ``expand`` its dimension 0, which must be 1, is repeated for every sample, as for the class token of a ViT.
    """

    arity = Arity(0, 1)
    takes = "any"
    types = OWN
    differentiable = False
    disorders = True

    shape: tuple[int, ...] = argument(Shape(scalar=True))
    expand: bool = argument(Flag(), False)

    def _fits(self, *x: Tensor) -> Iterator[Check]:
        if self.expand:
            yield Check(
                bool(x),
                "expand repeats the tensor for every sample of an input, and none arrives",
                field="expand",
                hint="place the layer behind another one, or give it `from:`",
            )
            first = self.shape[0] if self.shape else 0
            if x:
                yield Check(
                    bool(x[0].shape),
                    "expand takes the batch of an input, and this one has no dimensions",
                    field="expand",
                )
            yield Check(
                first == 1,
                "expand needs a tensor whose dimension 0 is 1, not {s}",
                field="shape",
                s=first,
            )

    def outputs(self, *x: Tensor) -> Tensors:
        return (Tensor((x[0].shape[0], *self.shape[1:]) if self.expand else self.shape, self._type()),)

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (None,) * len(x)

    @abstractmethod
    def _type(self) -> str | None:
        """The type of the tensor."""


@register
class Parameter(NoBuffers, _Held):
    """A learnable tensor, such as a position embedding; an input, if any, only lends its batch size.

    With ``expand`` its dimension 0, which must be 1, is repeated for every sample, as for the class token of a ViT.
    ``init`` says how it begins: a number, or a function of torch.nn.init with its numbers, ``trunc_normal(std=0.02)``.
    """

    held = True

    init: float | str = argument(Beginning(), 0)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from self._fits(*x)
        word = called(self.init)
        if word is not None and word.word in MATRICES:
            least, most = MATRICES[word.word]
            yield Check(
                least <= len(self.shape) <= most,
                "{w} begins a tensor of {l} dimensions, not of {n}",
                field="init",
                w=word.word,
                l=dimensions(word.word),
                n=len(self.shape),
            )

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {"weight": Tensor(self.shape)}

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.expand(t, w["weight"], y[0].shape)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        expand, word = self.expand, called(self.init)
        layer = special_module(torch, self, x, lambda layer, *x: _repeated(layer.weight, x, expand=expand))
        if word is None:
            weight = torch.full(self.shape, float(self.init))
        else:
            weight = getattr(torch.nn.init, f"{word.word}_")(torch.empty(self.shape), **word.arguments)
        layer.weight = torch.nn.Parameter(weight)
        module: Callable[..., Any] = layer
        return module

    def _type(self) -> str | None:
        return None


#: what a tensor of a type can hold, in words (archscope.ops.contents.fits)
_HOLDS = {
    "int64": "whole numbers up to 2^53, no infinity",
    "int32": "whole numbers from -2^31 to 2^31 - 1, no infinity",
    "bool": "false and true, 0 and 1",
}


class _WithContent(_Held):
    """A tensor that is not learnt: what it holds is known.

    ``value`` is a number that all elements are, a list of as many numbers, ``arange(start=0, step=1, dim=-1)``,
    ``tril(diagonal=0, value=1)`` or ``triu(...)`` (zero in the other triangle), or ``FILE.npz[NAME]``: an array in a
    file of NumPy, as seen from the spec.
    """

    dtype: str = argument(TypeName(DTYPES), "float")
    value: Any = argument(Contents(), 0)

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield from self._fits(*x)
        yield Check(
            fits(self.value, self.dtype),
            "value ({v}) does not suit a tensor of {d}: it holds {r}",
            field="value",
            v=self.value if not isinstance(self.value, tuple) else "a list",
            d=self.dtype,
            r=_HOLDS.get(self.dtype, "numbers"),
        )
        word, count = called(self.value), len(self.shape)
        if isinstance(self.value, tuple):
            yield Check(
                len(self.value) == prod(self.shape),
                "value lists {v} numbers, and a tensor of {s} has {n}",
                field="value",
                v=len(self.value),
                s=list(self.shape),
                n=prod(self.shape),
            )
        elif word is not None and word.word == "arange":
            dim = word.arguments["dim"]
            yield Check(
                isinstance(dim, int) and -count <= dim < count,
                "dim ({d}) of arange must be one of {n} dimensions",
                field="value",
                d=dim,
                n=count,
            )
        elif word is not None:
            yield Check(
                count > 1 and isinstance(word.arguments["diagonal"], int),
                "{w} needs at least 2 dimensions, and a whole diagonal",
                field="value",
                w=word.word,
            )

    def _type(self) -> str | None:
        return _typed(self.dtype)

    def _made(self, torch: Any, **where: Any) -> Any:
        """What it holds, as a tensor.

        Raises:
            UsageError: a file that holds it cannot be read.
        """
        shape, word, stored = self.shape, called(self.value), stored_in(self.value)
        if stored is not None:
            made = torch.empty(shape, **where)
            if made.is_meta:
                return made
            return made.copy_(torch.from_numpy(array(stored, shape, self.dtype)))
        if isinstance(self.value, tuple):
            return torch.tensor(self.value, **where).reshape(shape)
        if word is None or word.word != "arange":
            number = self.value if word is None else word.arguments["value"]
            made = torch.full(shape, _within(torch, number, where["dtype"]), **where)
            return made if word is None else getattr(made, f"{word.word}_")(word.arguments["diagonal"])
        dim = int(word.arguments["dim"]) % len(shape)
        line = torch.arange(*bounds(word.arguments, shape[dim]), **where)
        return line.reshape(-1, *[1] * (len(shape) - dim - 1)).expand(shape).contiguous()


def _within(torch: Any, value: float, dtype: Any) -> float:
    """A number as a type has it; of those that it does not reach its last one."""
    if not dtype.is_floating_point or value in (inf, -inf):
        return value
    most: float = torch.finfo(dtype).max
    return max(-most, min(value, most))


def bounds(ramp: Mapping[str, float], count: int) -> tuple[float, float, float]:
    """Start, end and step of a ramp, as torch.arange takes them."""
    start, step = ramp["start"], ramp["step"]
    whole = isinstance(start, int) and isinstance(step, int)
    return start, start + step * (count if whole else count - 0.5), step


@register
class Buffer(_WithContent):
    """A tensor of the model that is not learnt, such as a table of positions; an input only lends its batch size.

    With ``expand`` its dimension 0, which must be 1, is repeated for every sample. One that is not ``persistent`` is
    left out of ``state_dict()``. ``value`` says what it begins with, as for a ``Constant``.
    """

    held = True

    persistent: bool = argument(Flag(), True)

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {}

    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        return {"value": Tensor(self.shape, _typed(self.dtype))}

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        return aten.expand(t, w["value"], y[0].shape)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        expand = self.expand
        layer = special_module(torch, self, x, lambda layer, *x: _repeated(layer.value, x, expand=expand))
        layer.register_buffer("value", self._made(torch, dtype=getattr(torch, self.dtype)), persistent=self.persistent)
        module: Callable[..., Any] = layer
        return module


@register
class Constant(NoWeights, _WithContent):
    """A tensor known without any input, made anew in each forward pass: indices, a mask, a table of angles.

    An input only lends its batch size: with ``expand`` dimension 0, which must be 1, is repeated for every sample.
    ``value`` is a number that all elements are, a list of as many numbers, ``arange(start=0, step=1, dim=-1)``,
    ``tril(diagonal=0, value=1)`` or ``triu(...)`` (zero in the other triangle), or ``FILE.npz[NAME]``: an array in a
    file of NumPy, as seen from the spec. Numbers of a list and of a file lie in memory all the time, as a buffer that
    is in no ``state_dict()``; the forward pass gives a copy.
    """

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        word, dtype = called(self.value), y[0].dtype or t.floating
        line = None
        if word is not None and word.word == "arange" and self.shape[int(word.arguments["dim"])] != prod(self.shape):
            line = t.make((self.shape[int(word.arguments["dim"])],), dtype)  # it is then spread over the others
        made = t.make(self.shape, dtype)
        if line is not None:
            t.drop(line)
        return aten.expand(t, made, y[0].shape)

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        return self._listed(torch, x) if held(self.value) else self._computed(torch, x)

    def _listed(self, torch: Any, x: Tensors) -> Callable[..., Any]:
        expand = self.expand
        layer = special_module(torch, self, x, lambda layer, *x: _repeated(layer.value.clone(), x, expand=expand))
        layer.register_buffer("value", self._made(torch, dtype=getattr(torch, self.dtype)), persistent=False)
        module: Callable[..., Any] = layer
        return module

    def _computed(self, torch: Any, x: Tensors) -> Callable[..., Any]:
        expand, dtype = self.expand, None if self.dtype == "float" else getattr(torch, self.dtype)

        def forward(layer: Any, *x: Any) -> Any:
            device = x[0].device if x else layer.device
            return _repeated(self._made(torch, dtype=dtype or layer.floating, device=device), x, expand=expand)

        module: Callable[..., Any] = _following(torch, self, x, forward)
        return module


def standing(op: Op) -> Tensor | None:
    """What a constant keeps in memory all the time, besides what it gives."""
    return Tensor(op.shape, op._type()) if isinstance(op, Constant) and held(op.value) else None


def _typed(dtype: str) -> str | None:
    """The type as tensors have it."""
    return None if dtype == "float" else dtype


def _repeated(tensor: Any, x: Sequence[Any], *, expand: bool) -> Any:
    return tensor.expand(x[0].shape[0], *tensor.shape[1:]) if expand else tensor


def _following(torch: Any, op: Op, x: Tensors, forward: Callable[..., Any]) -> Any:
    """A module that knows on which device, and in which floating type, the model is, and has no tensor to tell it."""

    def moved(layer: Any, function: Callable[[Any], Any], recurse: bool = True) -> Any:
        probe = function(torch.empty(0, dtype=layer.floating, device=layer.device))
        layer.floating, layer.device = probe.dtype, probe.device
        return torch.nn.Module._apply(layer, function, recurse)

    layer = special_module(torch, op, x, forward, _apply=moved)
    layer.floating, layer.device = torch.get_default_dtype(), torch.empty(0).device
    return layer
