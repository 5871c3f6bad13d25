"""A traced model on its way to a design, and what the rules of calls ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from archscope.backends.importing.draft import Draft, Unfit
from archscope.backends.importing.refusals import Refusal, Unsupported
from archscope.backends.importing.sizes import BATCH, LinearSize, at
from archscope.backends.torch.imports.aliases import Aliases, in_place
from archscope.backends.torch.imports.calls import Arguments, Call, ModelTensor, Trace, TraceTensor
from archscope.backends.torch.imports.entities import DTYPES, Broken, Constant, Entity, LooseWeight, word
from archscope.backends.torch.imports.instances import Instances
from archscope.backends.torch.imports.model import ImportTarget
from archscope.backends.torch.imports.sources import Sources
from archscope.backends.torch.imports.uses import Uses
from archscope.design.graph import Ref
from archscope.errors import UsageError
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.fields import FieldError


class Lifting:
    """A traced model on its way to a design.

    Layers with weights come where these are at home, functions become the ops that they are.

    Attributes:
        batch: at which the program was traced.
        draft: the design so far.
        sources: the layers that give what the model holds.
        refusals: what cannot be represented, by the key of the innermost module around it, or by the call.
        notes: what a user should know.
        aliases: which tensors lie in one memory.
        instances: the modules at work.
        uses: who reads what.
        boxed: names of the values that calls read which become black boxes.
    """

    def __init__(self, program: Trace, target: ImportTarget) -> None:
        self.program, self.batch = program, program.batch
        self.floating = target.floating
        self.draft = Draft(
            target.name, batch=program.batch, source=target.source, floating=DTYPES.get(target.floating, "float32")
        )
        self.instances, self.uses, self.aliases = Instances(program.calls), Uses(program), Aliases(program)
        self.sources = Sources(self.draft, program, target, self.instances)
        self.refusals: dict[str, Refusal] = {}
        self.notes: list[str] = []
        self.boxed: set[str] = set()
        self._values: dict[str, Entity] = {}
        self._homes: dict[tuple[str, ...], tuple[Ref, Op]] = {}

    # -- what becomes of values ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Enter what the model is given, and what it holds."""
        inputs = self.program.inputs
        alone = len(inputs) == 1 and all(value.dtype.is_floating_point for value in inputs.values())
        for name, value in inputs.items():
            self._values[value.name] = self._input("input" if alone else name, value)
        for name, held in self.program.held.items():
            self._values[name] = LooseWeight(held)
        for name, tensor in self.program.constants.items():
            self._values[name] = Constant(tensor.detach().cpu(), TraceTensor(name, tuple(tensor.shape), tensor.dtype))

    def _input(self, name: str, value: TraceTensor) -> Ref:
        first = value.shape[0] if value.shape else 0
        if first != BATCH:
            raise UsageError(
                f"the first dimension of the input {name} is not the batch: its shape is {self.shape(value)}"
            )
        if value.dtype not in DTYPES:
            raise UsageError(f"the input {name} is of {value.dtype}, which designs do not know")
        kind = self.word(value.dtype)
        self.sources.latest = ref = self.draft.input(name, self.shape(value)[1:], None if kind == "float" else kind)
        return ref

    def entity(self, value: TraceTensor) -> Entity:
        """What has become of a value."""
        return self._values[value.name]

    def enter(self, value: TraceTensor, entity: Entity) -> None:
        """Say what has become of a value."""
        self._values[value.name] = entity
        if isinstance(entity, Ref) and value.shape[:1] == (BATCH,):
            self.sources.latest = entity

    def enter_all(self, call: Call, entities: Sequence[Entity]) -> None:
        """Say what has become of the outputs of a call."""
        for value, entity in zip(call.outputs, entities, strict=False):
            if value is not None:
                self.enter(value, entity)
        if in_place(call) and call.outputs and call.outputs[0] is not None:
            entity = self._values[call.outputs[0].name]
            self._values |= dict.fromkeys(self.aliases.changed(call.values[0]), entity)

    def represent(self, call: Call, read: Iterable[TraceTensor], make: Callable[[], Any]) -> None:
        """Enter what a call gives, or that it cannot be represented.

        Args:
            read: what it is made of.
            make: gives what has become of its outputs.
        """
        with self.refusing(call):
            if any(isinstance(self._values[value.name], Broken) for value in read):
                self.enter_all(call, [Broken()] * len(call.outputs))
                return
            result = make()
            several = isinstance(result, (list, tuple)) and not isinstance(result, Ref)
            self.enter_all(call, result if several else [result])
            self._hold_types(call)

    @contextmanager
    def refusing(self, call: Call) -> Iterator[None]:
        """Note what cannot be represented of a call, in the words of whoever found it out."""
        try:
            yield
        except Unsupported as error:
            self.refuse(call, error)
        except (Unfit, FieldError, TypeError) as error:
            self.refuse(call, Unsupported(f"{call.target}: {error}", "an op that takes this"))

    def refuse(self, call: Call, why: Unsupported) -> None:
        """Note that a call cannot be represented; what follows from it is not asked."""
        alone = call.outputs[0].name if call.outputs and call.outputs[0] else call.target
        key = call.own or (call.frames[-1].key if call.frames else alone)
        self.refusals.setdefault(key, why.at(call.module))
        self.enter_all(call, [Broken()] * len(call.outputs))

    def _hold_types(self, call: Call) -> None:
        """Hold that what a call gives is of the type that the design says.

        Raises:
            Unsupported: it is not.
        """
        for value in call.outputs:
            entity = None if value is None else self._values.get(value.name)
            if value is None or not isinstance(entity, Ref) or not value.dtype.is_floating_point:
                continue
            stated = self.draft.tensor(entity).dtype or DTYPES[self.floating]
            if stated != DTYPES.get(value.dtype):
                raise Unsupported(f"{call.target} that gives {value.dtype}", f"an op that does, and not {stated}")

    # -- what rules ask --------------------------------------------------------------------------------------------

    def number(self, value: Any) -> float | int | bool | None:
        """The number that a value is known to be; ``None`` where it is a tensor."""
        if isinstance(value, (int, float, bool)):
            return value
        entity = self.entity(value) if isinstance(value, TraceTensor) else None
        if isinstance(entity, Constant) and entity.tensor.numel() == 1 and entity.tensor.ndim == 0:
            number: float | int | bool = entity.tensor.item()
            return number
        return None

    def shape(self, value: TraceTensor | Constant) -> tuple[int, ...]:
        """The shape at the batch of the trace."""
        of = value.value if isinstance(value, Constant) else value
        return tuple(self.size(size) for size in of.shape)

    def word(self, dtype: torch.dtype) -> str:
        """How an op of the design calls a dtype; ``float`` is the floating type of the model."""
        return word(dtype, self.floating)

    def mark(self, held: Iterable[ModelTensor]) -> str | None:
        """The floating type of weights, where it is not the one of the model.

        Raises:
            Unsupported: they have several, or one that designs do not know.
        """
        kinds = {one.value.dtype: one.name for one in held if one.value.dtype.is_floating_point}
        if len(kinds) > 1:
            words = " and ".join(f"{name} of {kind}" for kind, name in kinds.items())
            raise Unsupported(words, "a layer whose weights have one floating type")
        if kinds and next(iter(kinds)) not in DTYPES:
            raise Unsupported(f"{next(iter(kinds.values()))} of {next(iter(kinds))}", "a dtype that designs know")
        return next((self.word(kind) for kind in kinds if kind != self.floating), None)

    def size(self, size: int | LinearSize) -> int:
        """A size at the batch of the trace."""
        return at(size, self.batch)

    def ref(self, of: TraceTensor | Entity, call: Call | None) -> Ref:
        """A tensor of the design; weights and constants become layers that give them.

        Raises:
            Unsupported: it depends on the batch as no layer does.
        """
        entity = self._values[of.name] if isinstance(of, TraceTensor) else of
        if isinstance(entity, Ref):
            return entity
        if isinstance(entity, LooseWeight):
            return self.sources.of(entity.held)
        if isinstance(entity, Constant):
            return self.sources.constant(entity, call)
        raise Unsupported("a tensor that was not made", "a model that does not read it")

    def emit(self, call: Call, op: str, inputs: Iterable[TraceTensor | Entity], **arguments: Any) -> Any:
        """A layer for a call; its outputs, or its only one.

        Raises:
            Unsupported: there is no such op, or it does not take these arguments.
        """
        made = self.op(op, **arguments)
        outputs = self._place(call, made, [self.ref(one, call) for one in inputs])
        return outputs[0] if len(outputs) == 1 else list(outputs)

    def op(self, name: str, **arguments: Any) -> Op:
        """An op of the registry.

        Raises:
            Unsupported: there is none.
        """
        if name not in REGISTRY:
            raise Unsupported(f"there is no op {name}", f"an op {name}")
        return REGISTRY[name](**arguments)

    def _place(self, call: Call, op: Op, inputs: Sequence[Ref]) -> tuple[Ref, ...]:
        block = self.instances.name(call)
        if self.instances.alone(call) and block:
            return self.draft.layer(block, op, inputs)
        return self.draft.layer(block, op, inputs, numbered=True)

    def layer(
        self,
        call: Call,
        op: Op,
        inputs: Iterable[TraceTensor | Entity],
        weights: Mapping[str, TraceTensor | None],
        users: frozenset[str] = frozenset(),
    ) -> tuple[Ref, ...]:
        """A layer with weights, at the place where they are at home; its outputs.

        Args:
            weights: parameters and buffers by the names that the op has for them.
            users: functions that may read them; that of the call if left out.

        Raises:
            Unsupported: the weights do not live together under these names, or others use them otherwise.
        """
        held = self.home(call, weights, users or frozenset([call.packet]))
        refs = [self.ref(one, call) for one in inputs]
        x = tuple(self.draft.tensor(ref) for ref in refs)
        self._agree(call, op, x, held)
        names = tuple(one.name for one in held.values())
        first, same = self._homes.get(names, (None, op))
        if same != op:
            raise Unsupported(f"{names[0]} serves two layers with different arguments", "a tied weight")
        if first is not None:
            name = self.instances.name(call) or f"{_prefix(held) or type(op).__name__}_again"
            return self.draft.layer(name, op, refs, shares=first)
        frozen = [name for name, one in held.items() if one.learnt and not one.trained]
        prefix = _prefix(held)
        mark = self.mark(held.values())
        made = self.draft.layer(prefix, op, refs, frozen=frozen, numbered=not prefix, dtype=mark)
        counts = {name: f"{prefix}.{name}".lstrip(".") for name in op.buffers(*x) if name not in held}
        self.sources.state[made[0]] = {**{name: one.name for name, one in held.items()}, **counts}
        self._homes[names] = made[0], op
        return made

    def home(
        self, call: Call, weights: Mapping[str, TraceTensor | None], users: frozenset[str]
    ) -> dict[str, ModelTensor]:
        """The weights of a layer, if they are at home in one module under their own names and serve nothing else.

        Raises:
            Unsupported: they do not.
        """
        held = {}
        for name, value in weights.items():
            entity = None if value is None else self.entity(value)
            if value is None:
                continue
            if not isinstance(entity, LooseWeight):
                raise Unsupported(f"{call.target} with a {name} that is computed", "a layer whose weight is an input")
            held[name] = entity.held
        if not held:
            raise Unsupported(f"{call.target} without weights", "a layer with weights")
        prefixes = {_stem(one.name, name) for name, one in held.items()}
        if None in prefixes or len(prefixes) > 1:
            raise Unsupported(
                f"{call.target} with {', '.join(one.name for one in held.values())}", "weights that live in one module"
            )
        for one in held.values():
            others = self.uses.functions[one.value.name] - users
            if others or one in self.sources or one.value.name in self.boxed:
                raise Unsupported(f"{one.name} serves {call.target} and {', '.join(sorted(others))}", "a tied weight")
            if call.packet in users and len(users) == 1 and len(self.uses.company[one.value.name]) > 1:
                raise Unsupported(f"{one.name} serves {call.target} with other weights as well", "a tied weight")
        return held

    def _agree(self, call: Call, op: Op, x: tuple[Tensor, ...], held: Mapping[str, ModelTensor]) -> None:
        stated = {**op.parameters(*x), **op.buffers(*x)}
        missing = {
            name: tensor for name, tensor in stated.items() if name not in held and name != "num_batches_tracked"
        }
        wrong = [
            name for name, one in held.items() if name not in stated or stated[name].shape != self.shape(one.value)
        ]
        if missing or wrong:
            raise Unsupported(
                f"{call.target} with other weights than {type(op).__name__} has: {', '.join([*missing, *wrong])}",
                "an op with these weights",
            )

    def only_use(self, held: ModelTensor) -> bool:
        """Whether a weight is read once, and no layer gives it yet."""
        return self.uses.times[held.value.name] == 1 and held not in self.sources


def _stem(name: str, own: str) -> str | None:
    """The module in which a weight lives, if it has the name that the op gives it."""
    if name == own:
        return ""
    return name.removesuffix(f".{own}") if name.endswith(f".{own}") else None


def _prefix(held: Mapping[str, ModelTensor]) -> str:
    """The module in which the weights of a layer live; empty for the model itself."""
    own, one = next(iter(held.items()))
    return _stem(one.name, own) or ""


#: how a call is represented: what has become of its outputs
Rule = Callable[[Lifting, Call, Arguments], Any]
