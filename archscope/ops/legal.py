"""What makes an op and its inputs legal, stated once: the compiler and every later inference ask here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from archscope.arith import prod
from archscope.autograd.dtypes import HELD, Types, Unmixable
from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape
from archscope.errors import counted
from archscope.ops.base import REGISTRY, Op, Tensor, Tensors
from archscope.ops.fields import LARGEST, MOST_PARTS, Index, Named
from archscope.ops.promotion import OWN, Clash, TypedInput

MOST_INPUTS = LONGEST_ARGUMENT = 256
#: dimensions of a tensor that torch reduces, permutes or sorts (at::dim_bitset_size)
MOST_DIMENSIONS = 64

#: dtypes that a word of :attr:`Op.takes` stands for
_TAKEN: Mapping[str | None, tuple[str | None, ...]] = {
    "any": (None, "int64", "int32", "bool"),
    "number": (None, "int64", "int32"),
}


_HELD = frozenset(HELD)


class Violation(NamedTuple):
    """A rule that an op and its inputs break.

    Attributes:
        field: the argument at fault; may be empty.
        fit: whether a window does not fit into a map.
        rank: whether what arrives has another number of dimensions than the op takes.
        types: whether floating types do not go together: in a run in another precision they may.
    """

    message: str
    hint: str = ""
    field: str = ""
    fit: bool = False
    rank: bool = False
    types: bool = False


def shape_text(tensor: Tensor) -> str:
    """A shape as messages print it, without the batch: ``96 x 55 x 55``."""
    if not tensor.shape:
        return "scalar"
    return " x ".join(map(str, tensor.sizes)) if tensor.sizes else f"{tensor.shape[0]} alone"


def dim_names(op: type[Op], ndim: int) -> tuple[str, ...]:
    """Names of the dimensions of an input of an op: ``("N", "C", "H", "W")``."""
    return op.layout.get(ndim) or ("N", *(f"d{i}" for i in range(1, ndim)))


def apply(
    op: Op, x: Tensors, mark: str | None = None, types: Types | None = None, name: str = ""
) -> tuple[Tensors, list[Violation]]:
    """The outputs of an op on plain numbers, or what is wrong with it (then no outputs, but where it is the types).

    Args:
        mark: the floating type in which the layer is held, if that is not the one of the run.
        types: those of the run; without any, types are told as in one in float32, and none is refused beside others.
        name: of the layer.

    Raises:
        UsageError: it is not known what torch.autocast does in it.
    """
    violations = [*_structure_violations(op), *_input_violations(op, x)]
    if violations:
        return (), violations
    try:
        broken = [check for check in op.checks(*x) if not check.ok]
        violations = [Violation(c.message, c.hint or _of_batch(op, x), c.field, c.fit) for c in broken]
        outputs = () if violations else _typed(op, x, mark, types.floating if types else "float32")
    except OverflowError:  # a real factor that takes a size beyond what a double holds
        return (), [Violation(f"{type(op).__name__} would make a tensor of more than 2^63 - 1 elements")]
    if violations:
        return (), violations
    for tensor in outputs:
        message = _beyond(tensor, x)
        if message:
            return (), [Violation(message)]
    if types is None:
        return outputs, []
    if types.lower is None:
        return outputs, list(_type_violations(op, x, mark, types))
    return _autocast(op, x, outputs, mark, types, name)


def _beyond(tensor: Tensor, x: Tensors) -> str:
    """What of an output torch does not hold, if anything."""
    if len(tensor.shape) > MOST_DIMENSIONS:
        return f"the output has {counted(len(tensor.shape), 'dimension')}; the most in torch is {MOST_DIMENSIONS}"
    for size in tensor.shape:
        if size < 1:
            return f"the output would be {shape_text(_placed(tensor, x))}: a dimension is empty"
    if prod(tensor.shape) > LARGEST:
        shape = f" {shape_text(_placed(tensor, x))}" if max(tensor.shape) <= LARGEST else ""
        return f"the output{shape} has more than 2^63 - 1 elements"
    return ""


#: what to do instead of naming the dimension of the batch
COUNT_BESIDE = "count dimensions from 1, or from the end"


def named_dims(op: Op, ndim: int) -> set[int]:
    """The dimensions that the arguments of an op name, of a tensor of so many."""
    arguments = vars(op)
    values = [arguments[name] for name in ("dim", "dims") if arguments.get(name) is not None]
    if not values:  # nearly always
        return set()
    return {dim % ndim for dims in values for dim in (dims if isinstance(dims, tuple) else (dims,)) if ndim}


def _of_batch(op: Op, x: Tensors) -> str:
    """What to do where an op works on the batch."""
    on_batch = any(tensor.batch == 0 and 0 in named_dims(op, len(tensor.shape)) for tensor in x)
    return f"dimension 0 is the batch: {COUNT_BESIDE}" if on_batch else ""


def _placed(tensor: Tensor, x: Tensors) -> Tensor:
    """An output as a message shows it: without a batch where no input has one."""
    return tensor if any(one.batch is not None for one in x) else tensor._replace(batch=None)


def _floating(x: Tensors, floating: str) -> list[TypedInput]:
    """The floating tensors of those that arrive."""
    return [
        TypedInput(number, tensor.dtype or floating, not tensor.shape)
        for number, tensor in enumerate(x, 1)
        if tensor.floating
    ]


def _mixed(x: Tensors, mark: str | None) -> bool:
    """Whether any floating type is named; else all are that of the run."""
    return mark is not None or not _HELD.isdisjoint([tensor.dtype for tensor in x])


def _type_violations(op: Op, x: Tensors, mark: str | None, types: Types) -> Iterator[Violation]:
    """What does not go together, where nothing is cast."""
    if not _mixed(x, mark):
        return
    own = _own(op, x, mark, types)
    for clash in op.types.clashes(_floating(x, types.floating), own):
        yield _violation(op, x, clash, own, types)


def _own(op: Op, x: Tensors, mark: str | None, types: Types) -> str | None:
    """The type of an op's weights, if it has any."""
    return (mark or types.floating) if op.types is not OWN and has_type(op, x) else None


def _violation(op: Op, x: Tensors, clash: Clash, own: str | None, types: Types) -> Violation:
    which = f"input {clash.number}" if len(x) > 1 else "what arrives"
    what = "its weights are" if clash.first == "the weights" else f"{clash.first} is"
    run = "" if types == Types() else f"{types} "
    message = f"{type(op).__name__}: {what} {clash.wanted}, and {which} is {clash.dtype}; {run}torch does not mix them"
    cast, dtype = ("float" if one == types.floating else one for one in (clash.wanted, clash.dtype))
    beside = f", or `dtype: {dtype}` beside the layer" if own else ""
    return Violation(message, f"`Cast: {cast}` before it{beside}", types=True)


def _autocast(
    op: Op, x: Tensors, y: Tensors, mark: str | None, types: Types, name: str
) -> tuple[Tensors, list[Violation]]:
    """The outputs with the types that the calls of an op give under torch.autocast, or what does not go together.

    What autocast casts has one type then, but for float64, which it leaves as it is; what it does not has to have it.
    """
    tape = Tape(device=types.device, lower=types.lower, floating=types.floating, torch=types.torch, cuts=True)
    tape.grad, tape.layer = False, name
    values = [tape.external(one.shape, one.dtype or types.floating, "") for one in x]
    state = {**op.parameters(*x), **op.buffers(*x)}
    weights = {key: tape.state(one.shape, one.dtype or mark or types.floating, key) for key, one in state.items()}
    try:
        result = op.forward(tape, weights, tuple(values), y)
    except Unmixable as error:
        return y, [Violation(f"{type(op).__name__}: {error}", "`Cast: float` before it", types=True)]
    results = (result,) if isinstance(result, Value) else result
    outputs = tuple(
        tensor._replace(dtype=None if value.dtype == types.floating else value.dtype) if tensor.floating else tensor
        for tensor, value in zip(y, results, strict=True)
    )
    own = _own(op, x, mark, types)
    arriving, held = _floating(x, types.floating), own
    if tape.autocasts:
        arriving = [one if one.dtype == "float64" else one._replace(dtype=str(types.lower)) for one in arriving]
        held = own if own in (None, "float64") else types.lower
    return outputs, [_violation(op, x, clash, own, types) for clash in op.types.clashes(arriving, held)]


def has_type(op: Op, x: Tensors) -> bool:
    """Whether a layer has a floating type of its own that a mark can tell: of its state, or of what it makes."""
    if op.types is OWN and op.arguments().get("dtype", "float") != "float":
        return False
    return op.types is OWN or any(one.floating for one in (*op.parameters(*x).values(), *op.buffers(*x).values()))


def _typed(op: Op, x: Tensors, mark: str | None, floating: str) -> Tensors:
    """The outputs, their floating types told; ``None`` is that of the run."""
    mixed = _mixed(x, mark)
    outputs = op.outputs(*([one._replace(dtype=None) if one.dtype in HELD else one for one in x] if mixed else x))
    if floating == "float32" and not mixed and not _mixed(outputs, None):
        return outputs
    dtypes = [tensor.dtype or op.types.result(_floating(x, floating), mark or floating) for tensor in outputs]
    return tuple(
        tensor._replace(dtype=None if dtype == floating else dtype)
        for tensor, dtype in zip(outputs, dtypes, strict=True)
    )


class Inference:
    """:func:`apply`, remembered: the layers of repeated blocks ask the same again.

    Args:
        types: those of the run, as :func:`apply` takes them.
    """

    def __init__(self, types: Types | None = None) -> None:
        self._types = types
        self._results: dict[tuple[int, Tensors, str | None], tuple[Op, Tensors, list[Violation]]] = {}

    def apply(self, op: Op, x: Tensors, mark: str | None = None, name: str = "") -> tuple[Tensors, list[Violation]]:
        """As :func:`apply`."""
        key = (id(op), x, mark)
        result = self._results.get(key)
        if result is None:
            # the op is kept, so that its id stays its own
            result = self._results[key] = (op, *apply(op, x, mark, self._types, name))
        return result[1], result[2]


def _structure_violations(op: Op) -> Iterator[Violation]:
    """What would take for ever: numbers of parts (chunks, stacked layers) and lists that nobody means."""
    values = vars(op)
    for info in op.fields:
        value = values[info.name]
        if isinstance(value, tuple) and len(value) > LONGEST_ARGUMENT and not isinstance(info.kind, Named):
            message = f"`{info.name}` of {type(op).__name__} has {len(value):,} numbers; the most is {LONGEST_ARGUMENT}"
            yield Violation(message, field=info.name)
        elif type(info.kind) is Index and info.kind.minimum == 1 and value > MOST_PARTS:
            message = f"`{info.name}` of {type(op).__name__} is {value:,}; the most is {MOST_PARTS:,}"
            yield Violation(message, field=info.name)


def _input_violations(op: Op, x: Tensors) -> Iterator[Violation]:
    name = type(op).__name__
    if len(x) not in op.arity or len(x) > MOST_INPUTS:
        most = f"at most {MOST_INPUTS} inputs" if len(x) > MOST_INPUTS else op.arity
        yield Violation(f"{name} takes {most}; {len(x)} given")
        return
    for number, tensor in enumerate(x, 1):
        which = f"input {number}" if len(x) > 1 else "what arrives"
        if op.ndims is not None and len(tensor.shape) not in op.ndims:
            wanted = " or ".join(f"({', '.join(dim_names(type(op), n))})" for n in op.ndims)
            message = f"{name} needs {wanted}; {which} is {_described(tensor)}"
            yield Violation(message, _rank_hint(op, tensor), rank=True)
        kind = None if tensor.floating else tensor.dtype
        if kind not in _TAKEN.get(op.takes, (op.takes,)):
            wanted = "floating or whole" if op.takes == "number" else op.takes or "floating"
            yield Violation(f"{name} needs {wanted} values; {which} has {kind or 'floating'} ones")


def _described(tensor: Tensor) -> str:
    """A shape as messages print it beside what an op needs: ``(N, 3, 32, 32)``."""
    return f"({', '.join('N' if dim == tensor.batch else str(size) for dim, size in enumerate(tensor.shape))})"


def _rank_hint(op: Op, tensor: Tensor) -> str:
    """The same layer for another number of axes (Conv1d for Conv2d), or why the axes are gone."""
    axes = len(tensor.shape) - 2
    other = f"{type(op).__name__[:-2]}{axes}d"
    if op.rank is not None and other in REGISTRY:
        return f"the layer for {axes} {'axis' if axes == 1 else 'axes'} is {other}"
    flat = op.rank is not None and axes == tensor.batch == 0
    return "it has been flattened; Unflatten gives it axes again" if flat else ""
