"""A design on a tape: a forward pass, and a whole training step, with what lives at every moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import NamedTuple

from archscope.autograd import aten
from archscope.autograd.graph import INSIDE, Node, RecomputedBlock, Storage, Value
from archscope.autograd.refusals import Refused
from archscope.autograd.strides import channels_last
from archscope.autograd.tape import Tape
from archscope.autograd.versions import TORCH
from archscope.design import Design
from archscope.design.graph import Layer, Ref
from archscope.design.steps import Segment, Step, segments
from archscope.errors import UsageError
from archscope.errors.diagnostics import Diagnostic
from archscope.ops import Tensor
from archscope.ops.tensors import standing
from archscope.setting import Setting
from archscope.setting.optimizers import OPTIMIZERS, update


def steps_under(design: Design, setting: Setting) -> tuple[Step, ...]:
    """The steps of a design as a setting has them.

    An inference takes no gradient. Under autocast tensors have the types that a run gives them: what a layer reads the
    one in which it arrives, what it writes its own. Where tensors may lie out of order, a run tells what is copied.

    Raises:
        as :meth:`~archscope.design.Design.steps`.
    """
    steps = design.steps(setting.batch, setting.types)
    if not setting.trains:
        steps = tuple(one._replace(needs=(False,) * len(one.x), learns=()) for one in steps)
    if not _disordered(steps, nhwc=setting.channels_last):
        return steps
    # how tensors lie is the same in every type and version
    lower, floating = setting.numbers.lower, setting.numbers.floating
    version = TORCH if lower is None else setting.version
    floating = "float32" if lower is None else floating
    tape = Tape(device=setting.kind, lower=lower, floating=floating, torch=version, cuts=True)
    tape.training, tape.grad = setting.trains, False
    run = Run(Plan(design, setting.batch, steps, floating), tape, nhwc=setting.channels_last)
    run.forward()
    return tuple(one._replace(copied=True) if one.layer.name in run.copied else one for one in steps)


def _disordered(steps: Iterable[Step], *, nhwc: bool) -> bool:
    """Whether something may arrive out of order where that makes a difference."""
    disorders = nhwc
    for one in steps:
        disorders |= one.layer.op.disorders
        if disorders and one.layer.op.copies:
            return True
    return False


class Weight(NamedTuple):
    """A parameter or a buffer.

    Attributes:
        trained: whether it is a parameter that is not frozen.
        learns: whether the backward pass gives it a gradient, too: something that is trained on reads it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    parameter: bool
    trained: bool
    learns: bool


class Plan:
    """What every run of a design at a batch size needs to know of it.

    Attributes:
        parts: layers, those that are recomputed together as one.
        weights: of each layer that has its own.
        dtype: the floating type of weights and inputs.
    """

    def __init__(self, design: Design, batch: int, steps: tuple[Step, ...], dtype: str = "float32") -> None:
        self.design, self.batch, self.steps, self.dtype = design, batch, steps, dtype
        self.parts = tuple(segments(steps))
        learns: dict[str, set[str]] = {}
        for one in steps:
            learns.setdefault(one.layer.owner, set()).update(one.learns)
        own = [one for one in steps if one.layer.shares is None]
        self.weights = {one.layer.name: tuple(_weights(one, dtype, learns[one.layer.name])) for one in own}


def _weights(one: Step, dtype: str, learns: set[str]) -> Iterator[Weight]:
    for name, tensor in one.layer.parameters(*one.x).items():
        trained = name not in one.layer.frozen
        yield Weight(name, tensor.shape, tensor.dtype or dtype, True, trained, name in learns)
    for name, tensor in one.layer.buffers(*one.x).items():
        yield Weight(name, tensor.shape, tensor.dtype or dtype, False, False, False)


class Run:
    """A design at work on a tape.

    Attributes:
        keeps: what each layer keeps for the backward pass once the forward pass is done, in its order.
        dtypes: the type of every output so far, as autocast has it.
        copied: the layers that have copied what did not lie in order, of those that else hand it on.
        inputs: the tensors that the caller holds.
        constants: the numbers of constants that are not computed anew.
        state, parameters, trained: parameters and buffers; the former; those of them that get a gradient.
        targets, optimizer_state: what else is there before a training step.
        parts: where a step begins in the traffic of the tape, and where its update does.
    """

    def __init__(self, plan: Plan, tape: Tape, *, nhwc: bool = False) -> None:
        self.plan, self.tape = plan, tape
        self.keeps: list[tuple[str, Storage]] = []
        self._keeping: list[tuple[str, Node | RecomputedBlock, tuple[Storage, ...]]] = []
        self.dtypes: dict[Ref, str] = {}
        self.copied: set[str] = set()
        self.targets: list[Value] = []
        self.optimizer_state: list[Value] = []
        self.parts = (0, 0)
        self.trained: list[Value] = []
        self.parameters: list[Storage] = []
        self.state: list[Storage] = []
        self._weights = {layer: self._entered(layer, some) for layer, some in plan.weights.items()}
        self._values: dict[Ref, Value] = {}
        nodes = plan.design.inputs
        self.inputs = [tape.external(*_typed(node.tensor(plan.batch), plan.dtype), _input(node.name)) for node in nodes]
        some = ((one.layer, standing(one.layer.op)) for one in plan.steps if one.layer.shares is None)
        self.constants = [
            tape.external(*_typed(tensor, layer.dtype or plan.dtype), f"value of {layer.name}")
            for layer, tensor in some
            if tensor
        ]
        if nhwc:
            for value in (*self.inputs, *(value for some in self._weights.values() for value in some.values())):
                _laid_out(value)

    def _entered(self, layer: str, weights: tuple[Weight, ...]) -> Mapping[str, Value]:
        self.tape.layer = layer
        values = {}
        for one in weights:
            value = values[one.name] = self.tape.state(one.shape, one.dtype, one.name, leaf=one.trained)
            self.state.append(value.storage)
            if one.parameter:
                self.parameters.append(value.storage)
            if one.learns:
                self.trained.append(value)
        return values

    # -- forward ---

    def forward(self) -> list[Value]:
        """Run all layers; the outputs, held by the caller."""
        self.tape.phase = "forward"
        for node, value in zip(self.plan.design.inputs, self.inputs, strict=True):
            self.tape.hold(value)
            self._values[Ref(node.name)] = value
        for part in self.plan.parts:
            if isinstance(part, Segment) and self.tape.grad:
                self._recomputed(part)
                continue
            for one in part.steps if isinstance(part, Segment) else (part,):
                self._layer(one, self._values)
                self._forget(one.last)
        outputs = [self._values[ref] for ref in dict.fromkeys(ref for _, ref in self.plan.design.outputs)]
        for value in outputs:
            self.tape.hold(value)
        for value in self._values.values():
            self.tape.release(value)
        self._values.clear()
        for layer, keeper, storages in self._keeping:
            if not (keeper.gone if isinstance(keeper, Node) else keeper.left == 0):
                self.keeps += [(layer, storage) for storage in storages]
        self._keeping.clear()
        return outputs

    def _layer(self, one: Step, values: dict[Ref, Value]) -> None:
        tape, layer = self.tape, one.layer
        tape.layer = layer.name
        before, grad = len(tape.nodes), tape.grad
        x = tuple([values[ref] for ref in layer.inputs])
        tape.grad = grad and not layer.no_grad
        if layer.no_grad:  # as the built module does: a view of it would hold what it comes from
            x = tuple([aten.detached(tape, value) for value in x])
        with self._placed(layer):
            result = layer.op.forward(tape, self._weights[layer.owner], x, one.y)
        outputs = (result,) if isinstance(result, Value) else result
        if layer.op.copies and all(outputs[0].storage is not value.storage for value in x):
            self.copied.add(layer.name)
        if layer.no_grad:
            outputs = [aten.detached(tape, value) for value in outputs]
        tape.grad = grad
        for ref, value in zip(one.writes, outputs, strict=True):
            value.uses += 1
            values[ref] = value
            self.dtypes[ref] = value.dtype
        tape.close()
        if tape.grad:
            _name(layer.name, outputs)
            if tape.region is None and tape.phase == "forward":  # not where it is recomputed
                self._keeping += [(layer.name, node, tuple(node.saved)) for node in tape.nodes[before:]]

    @contextmanager
    def _placed(self, layer: Layer | None = None) -> Iterator[None]:
        """What is refused at a layer gets its place; without one, at that which has overwritten something."""
        try:
            yield
        except UsageError as error:
            refused = error if isinstance(error, Refused) else None
            if refused is not None and refused.layer:
                layer = next((one.layer for one in self.plan.steps if one.layer.name == refused.layer), None)
            if layer is None or layer.mark is None:
                raise
            message, hint = (str(error), "") if refused is None else (refused.message, refused.hint)
            raise UsageError(Diagnostic(message, layer.mark, hint).render()) from None

    def _forget(self, refs: Iterable[Ref]) -> None:
        for ref in refs:
            self.tape.release(self._values.pop(ref))

    def _recomputed(self, segment: Segment) -> None:
        """A block under torch.utils.checkpoint: what it reads is kept, and nothing else."""
        tape = self.tape
        readers = {ref: one.layer.name for one in reversed(segment.steps) for ref in one.layer.inputs}
        arguments = {ref: self._values[ref] for ref in segment.reads}

        def block(own: dict[Ref, Value]) -> None:
            for one in segment.steps:
                self._layer(one, own)

        def again() -> None:
            own = dict(arguments)
            try:
                block(own)
            finally:  # it ends as soon as enough has been recomputed
                for ref, value in own.items():
                    if ref not in arguments:
                        tape.release(value)

        region = RecomputedBlock(list(dict.fromkeys(arguments.values())), again)
        tape.enter(region)
        own = dict(arguments)
        block(own)
        tape.leave()
        self._keeping += [(readers[ref], region, (value.storage,)) for ref, value in arguments.items()]
        self._values |= {ref: value for ref, value in own.items() if ref not in arguments}
        self._forget(segment.last)

    def infer(self) -> tuple[int, list[tuple[str, str, int]]]:
        """An inference: bytes that it allocates in all, and its events.

        The tape is then as it was before.
        """
        tape = self.tape
        traffic = tape.traffic
        tape.training, tape.grad, tape.traffic = False, False, None
        for value in self.forward():
            tape.release(value)
        self._end_autocast()
        live = tape.forget()
        tape.training, tape.grad, tape.traffic = True, True, traffic
        return live

    def _end_autocast(self) -> None:
        for cast in self.tape.casts.values():
            self.tape.release(cast)
        self.tape.casts.clear()

    # -- the rest of a step ---

    def prepare(self, optimizer: str, *, accumulate: bool) -> None:
        """What is there before a step: targets, the optimizer's state, and gradients where they are accumulated."""
        tape, one = self.tape, OPTIMIZERS[optimizer]
        tape.layer = ""
        for shape in self._target_shapes():
            self.targets.append(tape.external(shape, "int64", "the targets"))
        for value in self.trained:
            for _ in range(one.states):
                self.optimizer_state.append(tape.external(value.shape, value.dtype, "the optimizer's state"))
            if one.counts and tape.device == "cpu":
                self.optimizer_state.append(tape.external((), "float32", "the optimizer's count of steps"))
            if accumulate and value.node is not None:
                tape.gradients[value.node] = tape.external(value.shape, value.dtype, "the gradient")

    def step(self, optimizer: str, *, foreach: bool) -> None:
        """Forward, loss, backward and update."""
        begin = self._passed()
        loss = self.loss(self.forward())
        self._end_autocast()
        if loss is not None:
            with self._placed():
                self.tape.backward(loss)
        self.parts = (begin, self._passed())
        self.tape.stretch()
        if loss is not None:
            update(self.tape, optimizer, self.trained, foreach=foreach)
            self.tape.release(loss)

    def _passed(self) -> int:
        return len(self.tape.traffic or ())

    def _target_shapes(self) -> Iterator[tuple[int, ...]]:
        shapes = {Ref(one.layer.name, number): y for one in self.plan.steps for number, y in enumerate(one.y)}
        for ref in dict.fromkeys(ref for _, ref in self.plan.design.outputs):
            if ref in shapes and shapes[ref].floating and _classifies(shapes[ref].shape):
                batch, *sizes = shapes[ref].shape
                yield (batch * sizes[0],) if len(sizes) == 2 else (batch, *sizes[1:])

    def loss(self, outputs: list[Value]) -> Value | None:
        """The losses of the outputs that can be trained on, added; the outputs are given up.

        Cross-entropy over the classes: the last dimension of a sequence, else the channels; a mean where there is one.
        """
        tape = self.tape
        tape.phase, tape.layer = "loss", "the loss"
        losses = []
        for value in outputs:
            if value.node is None:
                continue
            if not _classifies(value.shape):
                losses.append(aten.mean(tape, value, (), range(len(value.shape))))
                continue
            batch, first, *rest = value.shape
            rows = aten.reshape(tape, value, (batch * first, *rest)) if len(rest) == 1 else value
            losses.append(aten.cross_entropy(tape, rows))
        total = reduce(lambda a, b: aten.add(tape, a, b), losses) if losses else None
        if total is not None:
            tape.hold(total)
        tape.close()
        for value in outputs:
            tape.release(value)
        return total


def _classifies(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and shape[2 if len(shape) == 3 else 1] > 1


def _name(layer: str, outputs: Sequence[Value]) -> None:
    """Say of the outputs' memory what it is, where the layer has not."""
    for number, value in enumerate(outputs):
        if value.storage.what == INSIDE:
            value.storage.what = f"the output of {layer}" if len(outputs) == 1 else f"output {number} of {layer}"


def _laid_out(value: Value) -> None:
    """A map, or a kernel, whose channels lie last."""
    if len(value.shape) in (4, 5):
        value.strides = channels_last(value.shape)


def _typed(tensor: Tensor, dtype: str) -> tuple[tuple[int, ...], str]:
    return tensor.shape, tensor.dtype or dtype


def _input(name: str) -> str:
    return "the input" if name == "input" else f"the input {name}"
