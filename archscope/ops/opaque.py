"""The declared black box: a part of an imported model that no op can say, kept with the totals measured on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from archscope.autograd.dtypes import FLOATING, ITEM_BYTES, promoted
from archscope.autograd.gradients import together
from archscope.errors import UsageError
from archscope.ops.base import (
    FEATURES_LAST,
    Arity,
    Check,
    Contraction,
    Op,
    Operand,
    Reads,
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
from archscope.ops.fields import DTYPES, Index, Listed, Maybe, Named, Size, Text, TypeName
from archscope.ops.promotion import OWN
from archscope.ops.windows import ALL, SAME, Along

_SHAPE = Listed(Index(1))
_DTYPE = TypeName(DTYPES)


@register
class Opaque(Op):
    """A part that archscope cannot look into: what is known of it was measured elsewhere, and is stated here.

    Shapes are without the batch, and totals are for one sample: the first input lends the batch, by which they are
    multiplied. Every report on a design with such a layer says that it is incomplete.

    ``backward_macs`` left out is counted as that of a product of what arrives with the parameters (or with itself);
    they are booked as a gradient of the inputs wherever one is needed. ``saved_bytes`` (at 4 bytes a float) are what is
    kept for the backward pass besides inputs, outputs and weights; which of these are kept, ``saved_inputs`` (left out:
    all that are floating) and ``saved_outputs`` say. ``output_bytes`` (at 4 bytes a float, too) is the memory that each
    output lies in, where that is more than its own: of the real part of a complex tensor, twice as much; 0 is that of
    the output before it. What it takes in passing is not known.
    """

    arity = Arity(1, None)
    takes = "any"
    types = OWN
    layout = FEATURES_LAST
    elementwise_rule = "unknown: none is counted, and reports say that the design is incomplete"

    of: str = argument(Text(), "")
    reason: str = argument(Text(), "")
    output_shapes: tuple[tuple[int, ...], ...] = argument(Listed(_SHAPE))
    output_dtypes: tuple[str, ...] = argument(Listed(_DTYPE), [])
    input_shapes: tuple[tuple[int, ...], ...] | None = argument(Maybe(Listed(_SHAPE)), None)
    parameter_shapes: tuple[tuple[str, tuple[int, ...]], ...] = argument(Named(_SHAPE), {})
    buffer_shapes: tuple[tuple[str, tuple[int, ...]], ...] = argument(Named(_SHAPE), {})
    buffer_dtypes: tuple[tuple[str, str], ...] = argument(Named(_DTYPE), {})
    macs: int = argument(Size(0), symbol="measured")
    backward_macs: int | None = argument(Maybe(Size(0)), None, symbol="measured_backward")
    saved_bytes: int | None = argument(Maybe(Size(0)), None, symbol="measured_kept")
    saved_inputs: tuple[int, ...] | None = argument(Maybe(Listed(Index(0))), None)
    saved_outputs: tuple[int, ...] = argument(Listed(Index(0)), [])
    output_bytes: tuple[int, ...] = argument(Listed(Index(0)), [])

    def checks(self, *x: Tensor) -> Iterator[Check]:
        yield Check(bool(self.output_shapes), "an Opaque layer has at least one output", field="output_shapes")
        yield Check(
            len(self.output_dtypes) in (0, len(self.output_shapes)),
            "output_dtypes ({d}) must be as many as output_shapes ({s}), or left out",
            field="output_dtypes",
            d=len(self.output_dtypes),
            s=len(self.output_shapes),
        )
        yield Check(
            len(self.output_bytes) in (0, len(self.output_shapes)) and self.output_bytes[:1] != (0,),
            "output_bytes ({b}) must be as many as output_shapes ({s}), the first more than 0, or left out",
            field="output_bytes",
            b=len(self.output_bytes),
            s=len(self.output_shapes),
        )
        buffers = [name for name, _ in self.buffer_shapes]
        for name, _ in self.buffer_dtypes:
            yield Check(name in buffers, "there is no buffer {n} in buffer_shapes", field="buffer_dtypes", n=name)
        for number in self.saved_inputs or ():
            yield Check(
                number < len(x),
                "saved_inputs names input {n}, counted from 0, and {x} arrive",
                field="saved_inputs",
                n=number,
                x=len(x),
            )
        for number in self.saved_outputs:
            yield Check(
                number < len(self.output_shapes),
                "saved_outputs names output {n}, counted from 0, and there are {y}",
                field="saved_outputs",
                n=number,
                y=len(self.output_shapes),
            )
        yield Check(bool(x[0].shape), "the first input lends the batch, and a scalar has none")
        if self.input_shapes is not None:
            yield from self._measured_on(self.input_shapes, x)

    def _measured_on(self, shapes: Sequence[tuple[int, ...]], x: Tensors) -> Iterator[Check]:
        """What was measured on some shapes says nothing of others."""
        yield Check(
            len(shapes) == len(x),
            "it was measured on {s} inputs, and {x} arrive",
            field="input_shapes",
            s=len(shapes),
            x=len(x),
        )
        for number, (shape, tensor) in enumerate(zip(shapes, x, strict=False)):
            arriving = tensor.shape[1:]
            alike = len(shape) == len(arriving)
            for size, there in zip(shape, arriving, strict=False):
                alike = alike & (size == there)
            yield Check(
                alike,
                "its totals were measured on {s} (input {n}), and {x} arrives",
                field="input_shapes",
                hint="import the model again with this input",
                n=number,
                s=list(shape),
                x=list(arriving),
            )

    def outputs(self, *x: Tensor) -> Tensors:
        dtypes = self.output_dtypes or ("float",) * len(self.output_shapes)
        return tuple(
            Tensor((x[0].shape[0], *shape), _dtype(word))
            for shape, word in zip(self.output_shapes, dtypes, strict=True)
        )

    def parameters(self, *x: Tensor) -> dict[str, Tensor]:
        return {name: Tensor(shape) for name, shape in self.parameter_shapes}

    def buffers(self, *x: Tensor) -> dict[str, Tensor]:
        dtypes = dict(self.buffer_dtypes)
        return {name: Tensor(shape, _dtype(dtypes.get(name, "float"))) for name, shape in self.buffer_shapes}

    def contractions(self, x: Tensors, y: Tensors) -> Iterable[Contraction]:
        batch = x[0].shape[0]
        arriving: Operand = tuple(range(len(x)))
        other = self.parameter_shapes[0][0] if self.parameter_shapes else arriving
        backward = None if self.backward_macs is None else batch * self.backward_macs
        yield Contraction(batch * self.macs, (arriving, other), "measured", backward)

    def elementwise(self, x: Tensors, y: Tensors) -> int:
        return 0

    def reads(self, x: Tensors, y: Tensors, output: int = 0) -> tuple[Reads, ...]:
        return tuple(Along(((0, SAME), *[ALL] * (len(tensor.shape) - 1))) for tensor in x)

    def forward(self, t: Tape, w: Weights, x: Values, y: Tensors) -> Value | Sequence[Value]:
        read = (*x, *(w[name] for name, _ in self.parameter_shapes))
        floating = [value for value in read if value.dtype in FLOATING]
        dtype = "float32"
        for number, value in enumerate(floating):
            dtype = promoted(dtype, value.dtype) if number else value.dtype
        usual = dtype if t.lower else t.floating
        made = self._outputs(t, x[0].shape[0] * ITEM_BYTES[dtype], [(one.shape, one.dtype or usual, "") for one in y])
        if not t.grad or all(value.node is None for value in floating):
            return made
        saved = [x[number] for number in self._saved_inputs(x)] + [made[number] for number in self.saved_outputs]
        if self.saved_bytes is not None:
            size = self.saved_bytes * x[0].shape[0] * ITEM_BYTES[dtype] // ITEM_BYTES["float32"]
            rest = t.make((size,), "uint8", "what it keeps, as measured")
            saved.append(rest)
        results = [value for value, tensor in zip(made, y, strict=True) if tensor.floating]
        if results:
            t.link(results, tuple(floating), together, *saved)
        return made

    def _outputs(self, t: Tape, scale: int, wanted: Sequence[tuple[tuple[int, ...], str, str]]) -> list[Value]:
        """The outputs, each in memory of its own size or in what is said of it, for a sample at 4 bytes a float."""
        if not self.output_bytes:
            return t.make_all(*wanted)
        made: list[Value] = []
        for (shape, dtype, _), size in zip(wanted, self.output_bytes, strict=True):
            around = t.make((size * scale // ITEM_BYTES["float32"],), "uint8") if size else made[-1]
            made.append(t.view(around, shape, None, dtype=dtype, unsafe=True))
        return made

    def _saved_inputs(self, x: Values) -> Iterable[int]:
        if self.saved_inputs is not None:
            return self.saved_inputs
        return [number for number, value in enumerate(x) if value.dtype in FLOATING]

    def module(self, torch: Any, *x: Tensor) -> Callable[..., Any]:
        """A stand-in with the parameters and buffers; it gives shapes on the meta device, and refuses to run."""
        op, y = self, self.outputs(*x)

        def forward(layer: Any, *inputs: Any) -> Any:
            if inputs[0].device.type != "meta":
                raise UsageError(op.not_runnable)
            floating = next((x.dtype for x in inputs if x.is_floating_point()), torch.get_default_dtype())
            made = tuple(
                inputs[0].new_empty((len(inputs[0]), *shape), dtype=getattr(torch, tensor.dtype or "", floating))
                for shape, tensor in zip(op.output_shapes, y, strict=True)
            )
            return made if len(made) > 1 else made[0]

        layer = special_module(torch, self, x, forward)
        for name, tensor in self.parameters(*x).items():
            _enter(torch, layer, name).register_parameter(
                name.rpartition(".")[2], torch.nn.Parameter(torch.zeros(tensor.shape))
            )
        for name, tensor in self.buffers(*x).items():
            zeros = torch.zeros(tensor.shape, dtype=getattr(torch, tensor.dtype or "float32"))
            _enter(torch, layer, name).register_buffer(name.rpartition(".")[2], zeros)
        module: Callable[..., Any] = layer
        return module

    @property
    def not_runnable(self) -> str:
        """Why its stand-in gives no numbers."""
        return (
            f"an Opaque layer stands in for {self.of or 'a part that is not known'}, and archscope cannot compute it; "
            "put the real module in its place to run the network"
        )


def _dtype(word: str) -> str | None:
    return None if word == "float" else word


def _enter(torch: Any, layer: Any, name: str) -> Any:
    """The module that a dotted name lies in; those that are not there are made."""
    for part in name.split(".")[:-1]:
        if part not in layer._modules:
            layer.add_module(part, torch.nn.Module())
        layer = layer._modules[part]
    return layer
