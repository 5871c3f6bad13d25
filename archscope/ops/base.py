"""What an op is: one definition that owns everything archscope knows about a layer.

The formulas of an op (shapes, parameters, contractions, elementwise work) are written once, in the arithmetic of
:mod:`archscope.arith`, and never branch on a number. What must hold is yielded as :class:`Check`, not raised.

Adding an op is one class, decorated with :func:`register`, in a file of this package; what else a contributor touches
(its test record, its line in the tables of source and peers) is told in docs/contributing/op.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, TypeVar

from archscope.arith import prod
from archscope.autograd import aten
from archscope.autograd.dtypes import FLOATING
from archscope.autograd.graph import Value
from archscope.autograd.tape import Tape
from archscope.errors import counted
from archscope.ops.contents import Content
from archscope.ops.fields import FieldError, FieldInfo, SameAs, argument, field_infos
from archscope.ops.promotion import ALIKE, Law
from archscope.ops.readings import Reads
from archscope.ops.windows import pointwise

#: tensors in memory, and those of a layer by name
Values = tuple[Value, ...]
Weights = Mapping[str, Value]


class Tensor(NamedTuple):
    """Shape and type of a tensor.

    Attributes:
        shape: every dimension, the batch first.
        dtype: ``int64``, ``bool``, ``bfloat16``, ...; ``None`` is the floating type in which the design is run.
        batch: which dimension is the batch, where a graph has found out: ``None`` for a parameter, and for what
            follows from parameters alone.
    """

    shape: tuple[int, ...]
    dtype: str | None = None
    batch: int | None = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape without the batch."""
        return self.shape if self.batch is None else self.shape[: self.batch] + self.shape[self.batch + 1 :]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def floating(self) -> bool:
        """Whether it holds floating numbers, of whatever type."""
        return self.dtype is None or self.dtype in FLOATING

    def with_shape(self, *shape: int) -> Tensor:
        """A tensor of the same type and another shape."""
        return Tensor(shape, self.dtype)


Tensors = tuple[Tensor, ...]

#: What a contraction multiplies: an input (its index), a parameter (its name), or a value computed from several.
Operand = int | str | tuple[int | str, ...]


class Contraction(NamedTuple):
    """One multiply-accumulate contraction: a convolution, a matrix product.

    The gradient of each of its operands is a contraction of the same size, so the backward pass needs no formula of
    its own: ``macs`` for every operand that needs a gradient.

    Attributes:
        macs: multiply-accumulates of the forward pass.
        operands: what it multiplies.
        label: what it is, where an op has several.
        backward: of all gradients together, where they were measured and do not follow from ``macs``.
    """

    macs: int
    operands: tuple[Operand, ...]
    label: str = ""
    backward: int | None = None


class Check:
    """Something that must hold, as data: it is reported, or it parts a block of designs into those that it holds of.

    Attributes:
        ok: a truth value in the reading at hand: a bool, or one that records whoever asks for it.
        field: the argument at fault, for the caret.
        fit: whether it fails because a window does not fit into a map (the hint then tells what shrank the map).
    """

    __slots__ = ("_hint", "_message", "_values", "field", "fit", "ok")

    def __init__(
        self, ok: bool, message: str, *, field: str = "", hint: str = "", fit: bool = False, **values: Any
    ) -> None:
        self.ok, self.field, self.fit = ok, field, fit
        self._message, self._hint, self._values = message, hint, values

    @property
    def message(self) -> str:
        """The rule and the numbers."""
        return self._message.format(**self._values)

    @property
    def hint(self) -> str:
        """What to do about it; may be empty."""
        return self._hint.format(**self._values)


class Arity(NamedTuple):
    """How many inputs an op takes; no ``most`` is any number."""

    least: int
    most: int | None

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and count >= self.least and (self.most is None or count <= self.most)

    def __str__(self) -> str:
        least = counted(self.least, "input")
        if self.least == self.most:
            return least
        return f"at least {least}" if self.most is None else f"{self.least} to {counted(self.most, 'input')}"


ONE = Arity(1, 1)
TWO = Arity(2, 2)
MANY = Arity(2, None)

CHANNELS_FIRST: Mapping[int, tuple[str, ...]] = {
    2: ("N", "C"), 3: ("N", "C", "L"), 4: ("N", "C", "H", "W"), 5: ("N", "C", "D", "H", "W"),
}  # fmt: skip
FEATURES_LAST: Mapping[int, tuple[str, ...]] = {
    2: ("N", "F"), 3: ("N", "L", "F"), 4: ("N", "H", "W", "F"), 5: ("N", "D", "H", "W", "F"),
}  # fmt: skip
AXES: Mapping[int, tuple[str, ...]] = {1: ("",), 2: ("_h", "_w"), 3: ("_d", "_h", "_w")}


class Op(ABC):
    """A layer: its arguments are declared fields, its readings are the methods below.

    Instances are immutable values, equal when their class and arguments are equal. All methods take the input
    tensors ``x`` (batch included) and, where the result depends on them, the output tensors ``y``.
    """

    #: conv, fc or other: the side of the classical split on which parameters and work are booked
    category: ClassVar[str] = "other"
    #: number of spatial axes, for ops that exist in 1-D, 2-D and 3-D
    rank: ClassVar[int | None] = None
    arity: ClassVar[Arity] = ONE
    #: how many dimensions an input may have, batch included; ``None`` is any
    ndims: ClassVar[tuple[int, ...] | None] = None
    #: dtype that the inputs must have: ``None`` is floating, ``number`` is floating or whole, ``any`` is every one
    takes: ClassVar[str | None] = None
    #: which floating types it takes side by side, and which it gives
    types: ClassVar[Law] = ALIKE
    #: names of dimensions in formulas, by the number of dimensions
    layout: ClassVar[Mapping[int, tuple[str, ...]]] = CHANNELS_FIRST
    #: whether the output shares its input's memory
    view: ClassVar[bool] = False
    #: whether its output is its own state, which is there before it runs
    held: ClassVar[bool] = False
    #: whether its output is the input itself where that has the type already, as to() gives it
    gives_alike: ClassVar[bool] = False
    #: whether only a run tells if its output is new in memory: that is copied which does not lie in order
    copies: ClassVar[bool] = False
    #: whether its outputs may lie out of order where its inputs lie in order
    disorders: ClassVar[bool] = False
    #: whether it hands its input on where it drops nothing: at inference, and where its probability is 0
    rests: ClassVar[bool] = False
    #: whether it overwrites its input where it is told to (``inplace``)
    overwrites: ClassVar[bool] = True
    #: whether a gradient of its outputs gives one of its inputs
    differentiable: ClassVar[bool] = True
    #: whether it is there to join the samples of a batch, as batch statistics do
    joins_samples: ClassVar[bool] = False
    #: the output that the next layer of a chain reads; ``None`` where a spec has to say which
    main_output: ClassVar[int | None] = 0
    #: what is counted as elementwise work, in words
    elementwise_rule: ClassVar[str] = "none"
    #: arguments of the torch layer that are refused, each with the reason
    refuses: ClassVar[Mapping[str, str]] = {}
    #: arguments of the torch layer that follow from what arrives, each with its place among torch's
    follows: ClassVar[Mapping[str, int]] = {}

    fields: ClassVar[tuple[FieldInfo, ...]] = ()
    #: names of the arguments that must be given
    required: ClassVar[tuple[str, ...]] = ()
    _by_name: ClassVar[dict[str, FieldInfo]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _repeated: ClassVar[tuple[tuple[str, SameAs], ...]] = ()

    def __init__(self, **arguments: Any) -> None:
        """Read the arguments as a spec gives them.

        Raises:
            TypeError: an unknown or a missing argument.
            FieldError: a value that its field does not take.
        """
        values = {}
        for name, value in arguments.items():
            info = self.field(name)
            if info is None:
                raise TypeError(f"{type(self).__name__} has no argument {name!r}")
            values[name] = info.kind.read(value, self.rank)
        for name in self.required:
            if name not in values:
                raise TypeError(f"{type(self).__name__} needs the argument {name!r}")
        self._settle(values)

    @classmethod
    def bound(cls, values: dict[str, Any]) -> Op:
        """The op with arguments that their fields have read already; the required ones are among them."""
        op = cls.__new__(cls)
        op._settle(values)
        return op

    def _settle(self, stated: dict[str, Any]) -> None:
        values = self.__dict__
        values.update(self._defaults)
        values.update(stated)
        for name, default in self._repeated:
            if values[name] is default:
                values[name] = values[default.field]

    @classmethod
    def field(cls, name: str) -> FieldInfo | None:
        """The argument of that name."""
        return cls._by_name.get(name)

    @classmethod
    def order(cls) -> list[str]:
        """The arguments in the order in which torch takes them, with those that follow from what arrives."""
        names = [info.name for info in cls.fields]
        for name, place in cls.follows.items():
            names.insert(place, name)
        return names

    @classmethod
    def bare(cls) -> str | None:
        """The argument that a value without a name is: the first that must be given, else the first of torch's.

        ``None`` for an op without arguments, and for one of several inputs whose arguments may all be left out:
        nobody would think of one of them.
        """
        if cls.required or cls.arity.least > 1:
            return next(iter(cls.required), None)
        return next(iter(cls.order()), None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        values = self.__dict__
        return hash((type(self), *[values[info.name] for info in self.fields]))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{info.name}={getattr(self, info.name)!r}" for info in self.fields)
        return f"{type(self).__name__}({arguments})"

    def arguments(self) -> dict[str, Any]:
        """All arguments by name, in declared order."""
        return {info.name: getattr(self, info.name) for info in self.fields}

    def non_default(self) -> dict[str, Any]:
        """The arguments that differ from their defaults, in declared order."""
        return {
            name: value
            for name, value in self.arguments().items()
            if name not in self._defaults or self._default(name) != value
        }

    def _default(self, name: str) -> Any:
        default = self._defaults[name]
        return getattr(self, default.field) if isinstance(default, SameAs) else default

    def replace(self, **arguments: Any) -> Op:
        """The same op with some arguments replaced, unread: how traced and recorded numbers enter."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__ | arguments)
        return other

    # -- the readings ----------------------------------------------------------------------------------------------

    @abstractmethod
    def checks(self, *x: Tensor) -> Iterator[Check]:
        """What must hold of the arguments and the inputs; number and rank of the inputs are already right."""

    @abstractmethod
    def outputs(self, *x: Tensor) -> Tensors:
        """The output tensors."""

    def written(self, x: Tensors, y: Tensors, floating: str, *, training: bool = True, copied: bool = False) -> Tensors:
        """The outputs that are computed: none of a layer that gives what is there already, or a view of it.

        Args:
            floating: the floating type of the run.
            training: whether it is a training step.
            copied: of an op that ``copies``, whether it does in this run.
        """
        alike = self.gives_alike and (x[0].dtype or floating) == (y[0].dtype or floating)
        resting = self.rests and (not training or self.__dict__["p"] == 0)
        viewing = not copied if self.copies else self.view
        return () if viewing or self.held or alike or resting else y

    @property
    def in_place(self) -> bool:
        """Whether its output lies where its input lay."""
        return self.overwrites and bool(self.__dict__.get("inplace"))

    @abstractmethod
    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        """Learnable tensors by their names in ``state_dict()``."""

    @abstractmethod
    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        """Tensors of ``state_dict()`` that are not learnt."""

    @abstractmethod
    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        """The multiply-accumulate work of the forward pass."""

    @abstractmethod
    def elementwise(self, x: Tensors, y: Tensors) -> int:
        """Elementwise and reduction operations of the forward pass, as ``elementwise_rule`` says."""

    @abstractmethod
    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        """Which elements of each input an element of an output is computed from, structurally: for any weights.

        Statistics that are tracked do not depend on the input; dropout is the identity.
        """

    @abstractmethod
    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        """The calls that torch makes in the forward pass, in memory (:mod:`archscope.autograd`).

        Args:
            w: parameters and buffers by name.
            y: the outputs, as :meth:`outputs` gives them.
        """

    @abstractmethod
    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        """The real layer: a ``torch.nn.Module``, or a function of tensors where torch has no layer."""


class ReadsByValues(Op):
    """An op that reads elsewhere by the values of an input: the places to look up, a mask."""

    @abstractmethod
    def reads_knowing(self, x: Tensors, y: Tensors, output: int, contents: Mapping[int, Content]) -> tuple[Reads, ...]:
        """What :meth:`reads` tells, where the values of some inputs are known.

        Args:
            contents: by the number of the input.
        """


class NoWeights(Op):
    """An op without parameters and buffers."""

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {}

    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        return {}


class NoBuffers(Op):
    """An op without buffers."""

    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        return {}


class NoContraction(Op):
    """An op that multiplies and accumulates nothing."""

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        return ()


class NoWork(NoContraction):
    """An op that only moves or renames data."""

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 0


class NoChecks(Op):
    """An op that takes every input of a right rank."""

    def checks(self, *x: Tensor) -> Iterator[Check]:
        return iter(())


class SameShape(Op):
    """An op whose output is like its input."""

    def outputs(self, *x: Tensor) -> Tensors:
        return (x[0],)


class Pointwise(Op):
    """An op whose output elements are each computed from the input elements at their place."""

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return (pointwise(len(x[0].shape)),)


class OneKernel(Op):
    """An op that is one kernel, and so is its backward pass."""

    #: what its derivative needs, as :func:`~archscope.autograd.aten.kernel` says it
    saves: ClassVar[str] = ""
    #: how it lays its results, where they are maps
    lays: ClassVar[aten.Format] = aten.AS_INPUT
    #: devices on which torch.autocast runs it in float32
    widened_on: ClassVar[tuple[str, ...]] = ()

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        source = aten.widened(t, x[0], self.widened_on)
        return aten.kernel(t, source, y[0].shape, saves=self.saves, lays=self.lays)


class Line(Op):
    """An op over (N, C, L)."""

    rank = 1
    ndims = (3,)


class Plane(Op):
    """An op over (N, C, H, W)."""

    rank = 2
    ndims = (4,)


class Volume(Op):
    """An op over (N, C, D, H, W)."""

    rank = 3
    ndims = (5,)


def made_again(op: Op, x: Tensors) -> Any:
    """The module of an op, where a copy or a pickle of one is opened; its tensors follow."""
    torch = import_module("torch")  # it is there, or the pickle could not be opened
    with torch.device("meta"):
        return op.module(torch, *x)


def special_module(torch: Any, op: Op, x: Tensors, forward: Callable[..., Any], **methods: Callable[..., Any]) -> Any:
    """A module for an op that ``torch.nn`` has no layer for; copies and pickles make its class anew.

    Args:
        forward: its forward pass, the module first.
        methods: others, by name.
    """

    def reduced(self: Any, _: Any) -> tuple[Any, ...]:
        return made_again, (op, x), self.__dict__

    return type(type(op).__name__, (torch.nn.Module,), {"forward": forward, "__reduce_ex__": reduced, **methods})()


class InfersArguments(Op):
    """An op for which a layer of ``torch.nn`` stands that takes more arguments."""

    @abstractmethod
    def inferred(self, *x: Tensor) -> dict[str, Any]:
        """The layer's arguments that follow from what arrives (``in_channels``), or that it wants in another form."""


class TorchLayer(InfersArguments):
    """An op built as the layer of the same name in ``torch.nn``, with the same arguments."""

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        layer: Callable[..., Any] = getattr(torch.nn, type(self).__name__)(
            **{**self.non_default(), **self.inferred(*x)}
        )
        return layer


class PlainTorchLayer(TorchLayer):
    """A torch layer whose arguments are all declared."""

    def inferred(self, *x: Tensor) -> dict[str, Any]:
        return {}


# -- the registry ------------------------------------------------------------------------------------------------------

#: every op by its name in the spec language
REGISTRY: dict[str, type[Op]] = {}

_OpClass = TypeVar("_OpClass", bound=type[Op])


def register(cls: _OpClass) -> _OpClass:
    """Enter a final op class into the registry; what it declares by ``argument(...)`` are its arguments."""
    cls.fields = field_infos(cls)
    cls._by_name = {info.name: info for info in cls.fields}
    cls.required = tuple(info.name for info in cls.fields if info.required)
    cls._defaults = {
        f.name: f.default if isinstance(f.default, SameAs) else f.kind.read(f.default, cls.rank)
        for f in cls.fields
        if not f.required
    }
    cls._repeated = tuple((name, default) for name, default in cls._defaults.items() if isinstance(default, SameAs))
    REGISTRY[cls.__name__] = cls
    return cls


def failed(op: Op, x: Iterable[Tensor]) -> list[Check]:
    """The checks that a design on plain numbers fails; empty where all hold."""
    return [check for check in op.checks(*x) if not check.ok]


__all__ = [
    "AXES", "CHANNELS_FIRST", "FEATURES_LAST", "MANY", "ONE", "REGISTRY", "TWO", "Arity", "Check", "Contraction",
    "FieldError", "InfersArguments", "Line", "NoBuffers", "NoChecks", "NoContraction", "NoWeights", "NoWork",
    "OneKernel", "Op", "Operand", "PlainTorchLayer", "Plane", "Pointwise", "Reads", "SameShape", "Tape", "Tensor",
    "Tensors", "TorchLayer", "Value", "Values", "Volume", "Weights", "argument", "failed", "register",
    "special_module",
]  # fmt: skip
