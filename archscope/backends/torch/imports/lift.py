"""The calls of a model as a flat design: layers with weights where they are at home, functions as the ops they are.

Values of the program become one of: a tensor of the design (:class:`~archscope.graph.Ref`), a parameter or buffer that
has not met its layer yet (:class:`Weight`), what is known without any input (:class:`Literal`), or what came of a call
that cannot be represented (:class:`Broken`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils import _pytree as pytree

from archscope.backends.constants import Kept, contents
from archscope.backends.torch.imports.aliases import Aliases, in_place
from archscope.backends.torch.imports.model import Lifted, Refusal, Target, Unused
from archscope.backends.torch.imports.saved import trace_program
from archscope.backends.torch.imports.trace import Call, Frame, Held, Size, Trace, Value, trace
from archscope.design import Scope
from archscope.errors import UsageError
from archscope.graph import Ref
from archscope.ops import REGISTRY, Op, Tensor
from archscope.ops.fields import FieldError
from archscope.spec.draft import Draft, Unfit

#: how dtypes are called in a design; ``None`` is the floating type in which it is analysed
NAMES: dict[torch.dtype, str | None] = {
    torch.float32: None, torch.float16: None, torch.bfloat16: None, torch.float64: None,
    torch.int64: "int64", torch.int32: "int32", torch.bool: "bool",
}  # fmt: skip


class Cannot(Exception):
    """A call that no op represents: what it is, and what would be needed."""

    def __init__(self, what: str, needed: str) -> None:
        super().__init__(what)
        self.what, self.needed = what, needed


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer that no layer holds yet."""

    held: Held


@dataclass(frozen=True, eq=False)
class Literal:
    """A tensor that is known without any input, at the batch of the trace."""

    tensor: torch.Tensor
    value: Value


@dataclass(frozen=True)
class Broken:
    """What came of a call that cannot be represented."""


Entity = Ref | Weight | Literal | Broken | None
#: arguments of a call by the names of its schema
Arguments = Mapping[str, Any]
Handler = Callable[["Lifting", Call, Arguments], Any]

#: how calls are represented, by the name of the function without its overload: ``aten.conv2d``
HANDLERS: dict[str, Handler] = {}


def handles(*targets: str) -> Callable[[Handler], Handler]:
    """Enter how calls are represented."""

    def enter(handler: Handler) -> Handler:
        for target in targets:
            assert target not in HANDLERS, target
            HANDLERS[target] = handler
        return handler

    return enter


def lift(target: Target, *, opaque: bool = False) -> Lifted:
    """The flat design of a model.

    Args:
        opaque: keep what cannot be represented as declared black boxes.

    Raises:
        UsageError: a part cannot be represented; all such parts are told.
    """
    from archscope.backends.torch.imports import calls  # the handlers enter themselves

    assert calls.LOADED
    module = target.module
    if module is None:
        assert target.program is not None
        module = target.program.module()
        program = trace_program(target.program, target.args, target.kwargs)
    else:
        with _seen(module):
            program = trace(module, target.args, target.kwargs)
    closed: dict[str, Refusal] = {}
    while True:
        lifting = Lifting(program, module, target, closed)
        lifting.run()
        if not lifting.refusals:
            return lifting.lifted()
        if not opaque or set(lifting.refusals) <= set(closed):
            raise UsageError(refused(lifting.refusals.values(), target.name))
        closed |= lifting.refusals


#: a layer that does nothing, and leaves no call
IDENTITY = "torch.nn.modules.linear.Identity"


@contextmanager
def _seen(module: nn.Module) -> Iterator[None]:
    """Let layers that do nothing leave a call."""
    idle = [one for one in module.modules() if type(one) is nn.Identity]
    hooks = [one.register_forward_hook(lambda _, __, y: torch.ops.aten.alias.default(y)) for one in idle]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def refused(refusals: Iterable[Refusal], name: str) -> str:
    """All that cannot be represented, in words."""
    lines = dict.fromkeys(f"  {one.place or 'the model itself'}: {one.what}; needed: {one.needed}" for one in refusals)
    parts = "a part" if len(lines) == 1 else f"{len(lines)} parts"
    return "\n".join(
        [f"{name} has {parts} that cannot be represented:", *lines, "(--opaque keeps such parts as black boxes)"]
    )


class Lifting:
    """One model on its way to a design.

    Attributes:
        draft: the design so far.
        batch: at which the program was traced.
        refusals: what cannot be represented, by the key of the innermost module around it, or by the call.
        needs: names of the values that gradients reach.
        kept: values that go into a file beside the spec.
    """

    def __init__(self, program: Trace, module: nn.Module, target: Target, closed: Mapping[str, Refusal]) -> None:
        self.program, self.module, self.batch = program, module, program.batch
        self.draft = Draft(target.name, batch=program.batch, source=target.source)
        self.refusals: dict[str, Refusal] = {}
        self.notes: list[str] = []
        self.kept = Kept(target.name)
        self._target, self._closed = target, closed
        self._values: dict[str, Entity] = {}
        self._homes: dict[tuple[str, ...], tuple[Ref, Op]] = {}
        self._held: dict[str, Ref] = {}
        self._constants: dict[str, Ref] = {}
        self._state: dict[Ref, dict[str, str]] = {}
        self._unknown: list[Ref] = []
        self._instances = Instances(program.calls)
        self._modules = dict(module.named_modules(remove_duplicate=False))
        self._consumers = _consumers(program)
        self._company = _company(program)
        self._read = _read(program)
        self._common = self._common_literals()
        self._latest: Ref | None = None
        self._aliases = Aliases(program)
        self._upkeep = _upkeep(program)
        self._closed_in: set[str] = set()
        self.needs = _needs(program)

    # -- the way through -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Represent the calls, one after the other."""
        given = self.program.inputs
        alone = len(given) == 1 and all(value.dtype.is_floating_point for value in given.values())
        for name, value in given.items():
            self._values[value.name] = self._input("input" if alone else name, value)
        for name, held in self.program.held.items():
            self._values[name] = Weight(held)
        for name, tensor in self.program.constants.items():
            self._values[name] = Literal(tensor.detach().cpu(), _value_of(name, tensor))
        groups = self._groups()
        for number, call in enumerate(self.program.calls):
            mark = None if call.recomputed is None else f"recomputed_{call.recomputed}"
            with self._refusing(call), self.draft.under(no_grad=not call.grad, checkpoint=mark):
                self._call(call, number, groups.get(number, _SINGLE))
        for name, value in self.program.outputs.items():
            entity = self._values[value.name]
            try:
                if not isinstance(entity, Broken):
                    self.draft.output(name, self.ref(entity, None))
            except (Cannot, Unfit) as error:
                self.refusals.setdefault(name, Refusal(f"output {name}", str(error), "a model that does not give it"))
        self._spare()

    def _spare(self) -> None:
        """The state of the model that nothing reads: layers that give it, which nothing reads either."""
        kept = {name for tensors in self._state.values() for name in tensors.values()}
        for held in self.program.held.values():
            if held.name not in kept and not self.refusals:
                kept.add(held.name)
                try:
                    self._given(held, ())
                except Cannot as error:
                    self.refusals[held.name] = Refusal(held.name, error.what, error.needed)

    def _call(self, call: Call, number: int, done: Callable[[], None] | None) -> None:
        if number in self._upkeep:
            self._enter(call, [None] * len(call.outputs))
        elif call.own is not None and call.own not in self._closed:
            name = call.own.partition(":")[0]
            self.refuse(call, f"{name}, a function with a backward pass of its own", "layers of torch in its place")
        elif done is _SINGLE:
            self._single(call, number)
        elif done is not None:
            done()

    @contextmanager
    def _refusing(self, call: Call) -> Iterator[None]:
        """Note what cannot be represented of a call, in the words of whoever found it out."""
        try:
            yield
        except Cannot as error:
            self.refuse(call, error.what, error.needed)
        except (Unfit, FieldError, TypeError) as error:
            self.refuse(call, f"{call.target}: {error}", "an op that takes this")

    def _input(self, name: str, value: Value) -> Ref:
        first = value.shape[0] if value.shape else 0
        if first != Size(1, 0):
            raise UsageError(
                f"the first dimension of the input {name} is not the batch: its shape is {self.shape(value)}"
            )
        if value.dtype not in NAMES:
            raise UsageError(f"the input {name} is of {value.dtype}, which designs do not know")
        ref = self.draft.input(name, self.shape(value)[1:], NAMES[value.dtype])
        self._latest = ref
        return ref

    def _single(self, call: Call, number: int) -> None:
        if in_place(call) and self._aliases.seen(call.values[0], number):
            self.refuse(call, f"{call.target} changes another tensor that is read later", "a call that gives a new one")
            return
        entities = [self._values[value.name] for value in call.values]
        if self._literal(call, entities):
            literals = self._computed(call)
            self._enter(call, literals)
            for literal in literals:
                if isinstance(literal, Literal) and literal.value.name in self._common and not idle(literal):
                    with suppress(Cannot, Unfit, FieldError):  # whoever reads it will say why not
                        self._constant(literal, call)
            return
        self.represent(call, call.values, lambda: self._handler(call)(self, call, self.arguments(call)))

    def represent(self, call: Call, read: Iterable[Value], make: Callable[[], Any]) -> None:
        """Enter what a call gives, or that it cannot be represented.

        Args:
            read: what it is made of.
            make: gives what has become of its outputs.
        """
        with self._refusing(call):
            if any(isinstance(self._values[value.name], Broken) for value in read):
                self._enter(call, [Broken()] * len(call.outputs))
                return
            result = make()
            self._enter(call, result if isinstance(result, (list, tuple)) and not isinstance(result, Ref) else [result])

    def _handler(self, call: Call) -> Handler:
        name = f"aten.{own(call)}"
        if name in HANDLERS:
            return HANDLERS[name]
        if isinstance(call.function, HigherOrderOperator):
            other = {"flex_attention": "torch.nn.functional.scaled_dot_product_attention in its place"}
            needed = other.get(call.target, f"a model without {call.target}")
            raise Cannot(f"{call.target}, which runs functions that it is given", needed)
        raise Cannot(f"{call.target} has no op", f"an op for {call.target}")

    def refuse(self, call: Call, what: str, needed: str) -> None:
        """Note that a call cannot be represented; what follows from it is not asked."""
        frame = call.frames[-1] if call.frames else None
        alone = call.outputs[0].name if call.outputs and call.outputs[0] else call.target
        key = call.own or (frame.key if frame else alone)
        self.refusals.setdefault(key, Refusal(frame.path if frame else "", what, needed))
        self._enter(call, [Broken()] * len(call.outputs))

    def _enter(self, call: Call, entities: Sequence[Entity]) -> None:
        for value, entity in zip(call.outputs, entities, strict=False):
            if value is not None:
                self._values[value.name] = entity
                if isinstance(entity, Ref) and value.shape[:1] == (Size(1, 0),):
                    self._latest = entity
        if in_place(call) and call.outputs and call.outputs[0] is not None:
            entity = self._values[call.outputs[0].name]
            self._values |= dict.fromkeys(self._aliases.changed(call.values[0]), entity)

    # -- what handlers ask -----------------------------------------------------------------------------------------

    def arguments(self, call: Call) -> Arguments:
        """The arguments of a call by name, defaults included."""
        names = [(one.name, one.default_value) for one in call.function._schema.arguments]
        given = dict(names)
        given.update(zip((name for name, _ in names), call.args, strict=False))
        given.update(call.kwargs)
        return given

    def entity(self, value: Value) -> Entity:
        """What has become of a value."""
        return self._values[value.name]

    def number(self, value: Any) -> float | int | bool | None:
        """The number that a value is known to be; ``None`` where it is a tensor."""
        if isinstance(value, (int, float, bool)):
            return value
        entity = self.entity(value) if isinstance(value, Value) else None
        if isinstance(entity, Literal) and entity.tensor.numel() == 1 and entity.tensor.ndim == 0:
            number: float | int | bool = entity.tensor.item()
            return number
        return None

    def shape(self, value: Value | Literal) -> tuple[int, ...]:
        """The shape at the batch of the trace."""
        of = value.value if isinstance(value, Literal) else value
        return tuple(self.size(size) for size in of.shape)

    def size(self, size: int | Size) -> int:
        """A size at the batch of the trace."""
        return size.at(self.batch) if isinstance(size, Size) else size

    def ref(self, of: Value | Entity, call: Call | None) -> Ref:
        """A tensor of the design; weights and constants become layers that give them.

        Raises:
            Cannot: it depends on the batch as no layer does.
        """
        entity = self._values[of.name] if isinstance(of, Value) else of
        if isinstance(entity, Ref):
            return entity
        if isinstance(entity, Weight):
            return self._materialised(entity.held)
        if isinstance(entity, Literal):
            return self._constant(entity, call)
        raise Cannot("a tensor that was not made", "a model that does not read it")

    def emit(self, call: Call, op: str, inputs: Iterable[Value | Entity], **arguments: Any) -> Any:
        """A layer for a call; its outputs, or its only one.

        Raises:
            Cannot: there is no such op, or it does not take these arguments.
        """
        made = self.op(op, **arguments)
        given = [self.ref(one, call) for one in inputs]
        return one_or_all(self._place(call, made, given))

    def op(self, name: str, **arguments: Any) -> Op:
        """An op of the registry.

        Raises:
            Cannot: there is none.
        """
        if name not in REGISTRY:
            raise Cannot(f"there is no op {name}", f"an op {name}")
        return REGISTRY[name](**arguments)

    def _place(self, call: Call, op: Op, inputs: Sequence[Ref]) -> tuple[Ref, ...]:
        block = self._instances.name(call)
        if self._instances.alone(call) and block:
            return self.draft.layer(block, op, inputs)
        return self.draft.layer(block, op, inputs, numbered=True)

    def layer(
        self,
        call: Call,
        op: Op,
        inputs: Iterable[Value | Entity],
        weights: Mapping[str, Value | None],
        users: frozenset[str] = frozenset(),
    ) -> tuple[Ref, ...]:
        """A layer with weights, at the place where they are at home; its outputs.

        Args:
            weights: parameters and buffers by the names that the op has for them.
            users: functions that may read them; that of the call if left out.

        Raises:
            Cannot: the weights do not live together under these names, or others use them otherwise.
        """
        held = self.home(call, weights, users or frozenset([base(call)]))
        given = [self.ref(one, call) for one in inputs]
        x = tuple(self.draft.tensor(ref) for ref in given)
        self._agree(call, op, x, held)
        names = tuple(one.name for one in held.values())
        first, known = self._homes.get(names, (None, op))
        if known != op:
            raise Cannot(f"{names[0]} serves two layers with different arguments", "a tied weight")
        if first is not None:
            name = self._instances.name(call) or f"{_prefix(held) or type(op).__name__}_again"
            return self.draft.layer(name, op, given, shares=first)
        frozen = [name for name, one in held.items() if one.learnt and not one.trained]
        prefix = _prefix(held)
        made = self.draft.layer(prefix, op, given, frozen=frozen, numbered=not prefix)
        counts = {name: f"{prefix}.{name}".lstrip(".") for name in op.buffers(*x) if name not in held}
        self._state[made[0]] = {**{name: one.name for name, one in held.items()}, **counts}
        self._homes[names] = made[0], op
        return made

    def home(self, call: Call, weights: Mapping[str, Value | None], users: frozenset[str]) -> dict[str, Held]:
        """The weights of a layer, if they are at home in one module under their own names and serve nothing else.

        Raises:
            Cannot: they do not.
        """
        held = {}
        for name, value in weights.items():
            entity = None if value is None else self.entity(value)
            if value is None:
                continue
            if not isinstance(entity, Weight):
                raise Cannot(f"{call.target} with a {name} that is computed", "a layer whose weight is an input")
            held[name] = entity.held
        if not held:
            raise Cannot(f"{call.target} without weights", "a layer with weights")
        prefixes = {_stem(one.name, name) for name, one in held.items()}
        if None in prefixes or len(prefixes) > 1:
            raise Cannot(
                f"{call.target} with {', '.join(one.name for one in held.values())}", "weights that live in one module"
            )
        for one in held.values():
            others = self._consumers[one.value.name] - users
            if others or one.name in self._held or one.value.name in self._closed_in:
                raise Cannot(f"{one.name} serves {call.target} and {', '.join(sorted(others))}", "a tied weight")
            if base(call) in users and len(users) == 1 and len(self._company[one.value.name]) > 1:
                raise Cannot(f"{one.name} serves {call.target} with other weights as well", "a tied weight")
        return held

    def _agree(self, call: Call, op: Op, x: tuple[Tensor, ...], held: Mapping[str, Held]) -> None:
        stated = {**op.parameters(*x), **op.buffers(*x)}
        missing = {
            name: tensor for name, tensor in stated.items() if name not in held and name != "num_batches_tracked"
        }
        wrong = [
            name for name, one in held.items() if name not in stated or stated[name].shape != self.shape(one.value)
        ]
        if missing or wrong:
            raise Cannot(
                f"{call.target} with other weights than {type(op).__name__} has: {', '.join([*missing, *wrong])}",
                "an op with these weights",
            )

    def _materialised(self, held: Held) -> Ref:
        """The layer that gives a weight."""
        if held.name not in self._held:
            self._given(held, ())
        return self._held[held.name]

    def expanded(self, weight: Weight) -> Ref:
        """The layer that gives a weight to every sample."""
        return self._given(weight.held, [self.lends()])

    def _given(self, held: Held, lends: Sequence[Ref]) -> Ref:
        """A new layer that gives a weight; to every sample of a tensor that has these."""
        if held.value.dtype not in NAMES:
            raise Cannot(f"{held.name} of {held.value.dtype}", "a dtype that designs know")
        shape, expand = list(self.shape(held.value)), {"expand": True} if lends else {}
        tensor = None if held.learnt else self._original(held)
        if held.learnt:
            op = self.op("Parameter", shape=shape, **expand)
        else:
            dtype = NAMES.get(held.value.dtype) or "float"
            given = {"dtype": dtype, "persistent": held.persistent, **self._known(tensor)}
            op = self.op("Buffer", shape=shape, **given, **expand)
        frozen = (_own_name(held),) if held.learnt and not held.trained else ()
        with self.draft.under(checkpoint=self.draft.checkpoint):  # whoever reads it may do so with gradients
            made = self.draft.layer(self._place_of(held), op, lends, frozen=frozen)[0]
        self._held[held.name] = made
        if not held.learnt and _without_values(tensor):
            self._unknown.append(made)
        self._state[made] = {_own_name(held): held.name}
        return made

    def keeps(self, ref: Ref, names: Mapping[str, str]) -> None:
        """Say what the parameters and buffers of a layer are called in the original."""
        self._state[ref] = dict(names)

    def _original(self, held: Held) -> torch.Tensor | None:
        """A buffer as the original has it."""
        program, model = self._target.program, self._target.original or self._target.module
        if program is not None:
            found: torch.Tensor | None = program.state_dict.get(held.name, program.constants.get(held.name))
            return found
        return None if model is None else dict(model.named_buffers(remove_duplicate=False)).get(held.name)

    def _known(self, tensor: torch.Tensor | None) -> dict[str, Any]:
        """The argument of a layer that gives what is known; none where nobody knows what it holds."""
        if tensor is None or _without_values(tensor):
            return {}
        values = tensor.detach().cpu()
        if values.dtype in (torch.float16, torch.bfloat16):
            values = values.float()
        found = contents(values.numpy(), self.kept)
        return {} if found is None else {"value": found}

    def _place_of(self, held: Held) -> str:
        """The name of the layer that gives a weight: that of the module, where it does nothing else."""
        around, _, own = held.name.rpartition(".")
        return around if own == _own_name(held) and around and self._instances.idle(around) else held.name

    def reads(self, value: Value) -> bool:
        """Whether anything reads a value."""
        return value.name in self._read or value in self.program.outputs.values()

    def reshaped(self, call: Call) -> bool:
        """Whether what a call gives is read once, by a reshape, which copies what does not lie in order itself."""
        name = call.outputs[0].name if call.outputs and call.outputs[0] else ""
        return self._read.get(name) == 1 and self._consumers[name] <= {"aten.view", "aten.reshape", "aten.flatten"}

    def only_use(self, held: Held) -> bool:
        """Whether a weight is read once."""
        return self._read[held.value.name] == 1 and held.name not in self._held

    def lends(self) -> Ref:
        """A tensor that has the batch: the last one made, which is not kept for longer by that."""
        assert self._latest is not None
        return self._latest

    def _constant(self, literal: Literal, call: Call | None) -> Ref:
        """The layer that gives a constant; one that has the batch first is the same for all samples."""
        known = self._constants.get(literal.value.name)
        if known is not None:
            return known
        if literal.tensor.dtype not in NAMES:
            raise Cannot(f"a constant of {literal.tensor.dtype}", "a dtype that designs know")
        grown = [at for at, size in enumerate(literal.value.shape) if isinstance(size, Size)]
        if len(grown) > 1:
            raise Cannot(f"a constant of {self.shape(literal)} that grows with the batch", "an op that makes it")
        block = self._instances.name(call) if call is not None else ""
        dtype = NAMES[literal.tensor.dtype] or "float"
        if grown:
            made = self._repeated(literal, grown[0], block, dtype)
        else:
            op = self.op("Constant", shape=list(literal.value.shape), dtype=dtype, **self._known(literal.tensor))
            made = self.draft.layer(block, op, [], numbered=True)[0]
        if _without_values(literal.tensor):
            self._unknown.append(made)
        self._constants[literal.value.name] = made
        return made

    def _repeated(self, literal: Literal, at: int, block: str, dtype: str) -> Ref:
        """The layers that give a constant that is the same for all samples; the batch is the dimension ``at``."""
        size, rest = literal.value.shape[at], [one for one in literal.value.shape if not isinstance(one, Size)]
        assert isinstance(size, Size)
        rows, samples = size.rate, literal.tensor.movedim(at, 0)
        samples = samples.reshape(self.batch, -1, *rest) if not size.rest else samples
        if size.rest or not bool((samples == samples[:1]).all()):
            raise Cannot(f"a constant of {self.shape(literal)} that differs from sample to sample", "an input")

        def then(name: str, *inputs: Ref, **arguments: Any) -> Ref:
            return self.draft.layer(block, self.op(name, **arguments), inputs, numbered=True)[0]

        shape = [1, *rest] if rows == 1 else [1, rows, *rest]
        held = self._known(samples[:1].reshape(shape))
        made = then("Constant", self.lends(), shape=shape, dtype=dtype, expand=True, **held)
        if rows > 1:
            made = then("Flatten", made, start_dim=0, end_dim=1)
        elif literal.tensor.stride(at):
            made = then("Contiguous", made)
        if at:
            made = then("Permute", made, dims=[*range(1, at + 1), 0, *range(at + 1, len(rest) + 1)])
        return made

    # -- what is known without any input ---------------------------------------------------------------------------

    @staticmethod
    def _literal(call: Call, entities: list[Entity]) -> bool:
        if base(call).rstrip("_") in _RANDOM:
            return False
        return all(isinstance(entity, Literal) for entity in entities) and bool(call.outputs)

    def _common_literals(self) -> set[str]:
        """Constants that several modules read: they stand where they are made, not in the first of these."""
        known = set(self.program.constants)
        readers: dict[str, set[str]] = {}
        for call in self.program.calls:
            read = {value.name for value in call.values}
            if read <= known and base(call).rstrip("_") not in _RANDOM:
                known |= {value.name for value in call.outputs if value is not None}
                continue
            for name in read & known:
                readers.setdefault(name, set()).add(call.frames[-1].key if call.frames else "")
        return {name for name, frames in readers.items() if len(frames) > 1}

    def _computed(self, call: Call) -> list[Entity]:
        """A call on what is known, on the CPU."""

        def known(leaf: Any) -> Any:
            if isinstance(leaf, Value):
                literal = self._values[leaf.name]
                assert isinstance(literal, Literal)
                return literal.tensor
            if isinstance(leaf, Size):
                return leaf.at(self.batch)
            return torch.device("cpu") if isinstance(leaf, torch.device) else leaf

        args, kwargs = pytree.tree_map(known, (call.args, dict(call.kwargs)), is_leaf=lambda one: isinstance(one, Size))
        with torch.no_grad():
            results = call.function(*args, **kwargs)
        tensors = results if isinstance(results, (tuple, list)) else [results]
        return [
            Literal(tensor, value) if value is not None else None
            for tensor, value in zip(tensors, call.outputs, strict=True)
        ]

    # -- calls that are one layer together -------------------------------------------------------------------------

    def _groups(self) -> dict[int, Callable[[], None] | None]:
        """What is done at the first call of those that are one layer together; ``None`` at the others."""
        from archscope.backends.torch.imports.groups import opaque, recognised

        todo: dict[int, Callable[[], None] | None] = {}
        for key, numbers in self._instances.groups(self._closed).items():
            todo |= dict.fromkeys(numbers)
            calls = [self.program.calls[number] for number in numbers]
            self._closed_in |= {value.name for call in calls for value in call.values}
            todo[numbers[0]] = _later(opaque, self, calls, self._closed[key])
        for numbers in self._instances.leaves():
            calls = [self.program.calls[number] for number in numbers]
            if any(number in todo for number in numbers):
                continue
            found = recognised(self, calls, self._modules.get(calls[0].frames[-1].path))
            if found is not None:
                todo |= dict.fromkeys(numbers)
                todo[numbers[0]] = found
        return todo

    def around(self, calls: Sequence[Call]) -> tuple[list[Value], list[Value]]:
        """What calls read from outside, in the order in which they do, and what others read of them."""
        made = {value.name for call in calls for value in call.outputs if value is not None}
        inside = {id(call) for call in calls}
        outside = {value.name for call in self.program.calls if id(call) not in inside for value in call.values}
        outside |= {value.name for value in self.program.outputs.values()}
        read = {value.name: value for call in calls for value in call.values if value.name not in made}
        given = [value for call in calls for value in call.outputs if value is not None and value.name in outside]
        return list(read.values()), given

    def only_in(self, calls: Sequence[Call]) -> set[str]:
        """The weights that nothing but these calls reads."""
        inside = {id(call) for call in calls}
        others = {value.name for call in self.program.calls if id(call) not in inside for value in call.values}
        return {name for name in self.program.held if name not in others}

    def enter(self, value: Value, entity: Entity) -> None:
        """Say what has become of a value."""
        self._values[value.name] = entity

    def instance(self, call: Call) -> str:
        """The name of the innermost module around a call."""
        return self._instances.name(call)

    def alone(self, call: Call) -> bool:
        """Whether a call is all that the module around it does, so that it is a layer though it changes nothing."""
        return self._instances.alone(call)

    # -- the result ------------------------------------------------------------------------------------------------

    def lifted(self) -> Lifted:
        """The design, and what was noticed."""
        scopes = (Scope(name, kind, ()) for name, kind in self._instances.blocks(type(self.module).__name__))
        design = replace(self.draft.design(), scopes=tuple(scopes))
        names = self.draft.names()
        unknown = tuple(names[ref.node] for ref in self._unknown)
        notes = dict.fromkeys(
            [*self.notes, *(f"{name}: its values are not known, and the spec has 0" for name in unknown)]
        )
        return Lifted(design, tuple(self._unused()), self._names(), tuple(notes), self.kept, unknown)

    def _names(self) -> dict[str, str]:
        """The names that parameters and buffers have in the original, where the design has others."""
        names = self.draft.names()
        return {
            stated: original
            for ref, tensors in self._state.items()
            for own, original in tensors.items()
            if (stated := f"{names[ref.node]}.{own}") != original
        }

    def _unused(self) -> Iterator[Unused]:
        """Parts of the model that never ran, the outermost."""
        ran = {frame.path for call in self.program.calls for frame in call.frames}
        read = {value.name for call in self.program.calls for value in call.values}
        ran |= {held.name.rpartition(".")[0] for name, held in self.program.held.items() if name in read}
        ran = {".".join(path.split(".")[:depth]) for path in ran for depth in range(1, path.count(".") + 2)}
        done: list[str] = []
        for path, module in self.module.named_modules():
            if not path or path in ran or any(path.startswith(f"{above}.") for above in done):
                continue
            if type(module) in _EMPTY and not list(module.parameters()):
                continue  # has no forward that could run
            done.append(path)
            yield Unused(path, type(module).__name__, sum(one.numel() for one in module.parameters()))


_EMPTY = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def _SINGLE() -> None:  # noqa: N802
    """That a call stands for itself."""


def idle(literal: Literal) -> bool:
    """Whether a constant is a mere number, or a mask that hides nothing."""
    tensor = literal.tensor
    return tensor.ndim == 0 or (tensor.dtype == torch.bool and bool(tensor.all()))


def _without_values(tensor: torch.Tensor | None) -> bool:
    """Whether nobody knows what a tensor holds."""
    return tensor is None or ((tensor.is_meta or isinstance(tensor, FakeTensor)) and tensor.numel() > 0)


def _later(function: Callable[..., None], *args: Any) -> Callable[[], None]:
    return lambda: function(*args)


def one_or_all(outputs: tuple[Ref, ...]) -> Any:
    """The only output, or all."""
    return outputs[0] if len(outputs) == 1 else list(outputs)


def base(call: Call) -> str:
    """The name of the function without its overload: ``aten.add``."""
    parts = call.target.split(".")
    return ".".join(parts[:2])


def own(call: Call) -> str:
    """The name under which a function is handled, without ``aten.``; one that works in place is as its twin."""
    name = base(call)
    if name not in HANDLERS and name.endswith("_"):
        name = name[:-1]
    return name.removeprefix("aten.")


_RANDOM = {
    "aten.rand", "aten.randn", "aten.rand_like", "aten.randn_like", "aten.randint", "aten.bernoulli", "aten.uniform",
    "aten.normal", "aten.randperm", "aten.multinomial", "aten.dropout", "aten.feature_dropout", "aten.alpha_dropout",
    "aten.feature_alpha_dropout",
}  # fmt: skip


def _value_of(name: str, tensor: torch.Tensor) -> Value:
    return Value(name, tuple(tensor.shape), tensor.dtype)


def _stem(name: str, own: str) -> str | None:
    """The module in which a weight lives, if it has the name that the op gives it."""
    if name == own:
        return ""
    return name.removesuffix(f".{own}") if name.endswith(f".{own}") else None


def _own_name(held: Held) -> str:
    """What a layer that gives a weight calls it."""
    return "weight" if held.learnt else "value"


def _prefix(held: Mapping[str, Held]) -> str:
    """The module in which the weights of a layer live; empty for the model itself."""
    own, one = next(iter(held.items()))
    return _stem(one.name, own) or ""


def _consumers(program: Trace) -> dict[str, set[str]]:
    """The functions that read a value; tied weights are one."""
    found: dict[str, set[str]] = {}
    of = {name: held.value.name for name, held in program.held.items()}
    for call in program.calls:
        for value in call.values:
            found.setdefault(of.get(value.name, value.name), set()).add(base(call))
    return found


#: calls whose results no gradient passes
_CUT = re.compile(r"aten\.(detach_?|new_\w+|\w+_like)")


def _needs(program: Trace) -> set[str]:
    """The values that gradients reach."""
    found = {name for name, held in program.held.items() if held.trained}
    for call in program.calls:
        if not call.grad or _CUT.fullmatch(base(call)):
            continue
        if any(one.name in found for one in call.values):
            found |= {one.name for one in call.outputs if one is not None and one.dtype.is_floating_point}
    return found


def _company(program: Trace) -> dict[str, set[frozenset[str]]]:
    """The weights that a weight is read together with, for each way in which it is."""
    found: dict[str, set[frozenset[str]]] = {}
    for call in program.calls:
        read = frozenset(value.name for value in call.values if value.name in program.held)
        for name in read:
            found.setdefault(name, set()).add(read)
    return found


def _upkeep(program: Trace) -> set[int]:
    """The numbers of calls on buffers alone that nothing reads: they keep count, and are no work of the model."""
    known = {name for name, held in program.held.items() if not held.learnt}
    candidates = []
    for number, call in enumerate(program.calls):
        read = {value.name for value in call.values}
        if read and read <= known:
            candidates.append(number)
            known |= {value.name for value in call.outputs if value is not None}
    needed = {value.name for value in program.outputs.values()}
    found = set()
    for number, call in reversed(list(enumerate(program.calls))):
        made = {value.name for value in call.outputs if value is not None}
        if number in candidates and not made & needed:
            found.add(number)
        else:
            needed |= {value.name for value in call.values}
    return found


def _read(program: Trace) -> dict[str, int]:
    """How often a value is read."""
    found: dict[str, int] = {}
    for call in program.calls:
        for value in call.values:
            found[value.name] = found.get(value.name, 0) + 1
    return found


@dataclass
class _Instance:
    """One module at work.

    Attributes:
        calls: numbers of those that it makes itself.
        parent: the one around it.
        inner: whether it runs others.
    """

    frame: Frame
    name: str
    parent: str
    calls: list[int] = field(default_factory=list)
    inner: bool = False


class Instances:
    """The modules at work, each with a name of its own: that of its path, numbered where it runs again."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._of: dict[str, _Instance] = {}
        self._calls = calls
        times: dict[tuple[str, str], int] = {}
        for number, call in enumerate(calls):
            around = ""
            for frame in call.frames:
                if frame.key not in self._of:
                    times[around, frame.path] = count = times.get((around, frame.path), 0) + 1
                    self._of[frame.key] = _Instance(frame, self._named(frame, around, count), around)
                    if around:
                        self._of[around].inner = True
                around = frame.key
            if around:
                self._of[around].calls.append(number)

    def _named(self, frame: Frame, around: str, count: int) -> str:
        name = frame.path
        if around:
            outer = self._of[around]
            if frame.path.startswith(f"{outer.frame.path}."):
                name = outer.name + frame.path[len(outer.frame.path) :]
        return name if count == 1 else f"{name}_{count}"

    def name(self, call: Call) -> str:
        """The name of the innermost module around a call; empty for the model itself."""
        return self._of[call.frames[-1].key].name if call.frames else ""

    def alone(self, call: Call) -> bool:
        """Whether a call is all that the module around it does."""
        if not call.frames:
            return False
        instance = self._of[call.frames[-1].key]
        if instance.frame.kind == IDENTITY:
            return True
        calls = [self._calls[n] for n in instance.calls]
        working = [one for one in calls if base(one) not in SILENT] or [one for one in calls if one.outputs != (None,)]
        return not instance.inner and working == [call]

    def blocks(self, model: str) -> Iterator[tuple[str, str]]:
        """The modules that are not torch's own, each with its class; what all are called after is left out.

        Args:
            model: the class of the model: a ``BertLayer`` of a ``BertModel`` is a ``Layer``.
        """
        for instance in self._of.values():
            kind = instance.frame.kind
            if not kind.startswith("torch.nn."):
                own, whole = (_WORD.findall(name) for name in (kind.rpartition(".")[2], model))
                alike = takewhile(lambda pair: pair[0] == pair[1], zip(own, whole, strict=False))
                yield instance.name, "".join(own[len(list(alike)) :] or own)

    def idle(self, path: str) -> bool:
        """Whether a module makes no call but to hand on what it holds."""
        numbers = [n for one in self._of.values() if one.frame.path == path for n in one.calls]
        inner = any(one.inner for one in self._of.values() if one.frame.path == path)
        return not inner and all(base(self._calls[n]) in (*SILENT, "aten.expand") for n in numbers)

    def leaves(self) -> Iterator[list[int]]:
        """The calls of each module that runs no other."""
        for instance in self._of.values():
            if not instance.inner:
                yield instance.calls

    def groups(self, keys: Iterable[str]) -> dict[str, list[int]]:
        """All calls within modules, by their keys; a call that is in none is one by itself, by what it makes."""
        wanted = set(keys)
        found: dict[str, list[int]] = {}
        for number, call in enumerate(self._calls):
            key = next((one for one in (call.own, *(frame.key for frame in call.frames)) if one in wanted), None)
            if key is None and call.outputs and call.outputs[0] is not None and call.outputs[0].name in wanted:
                key = call.outputs[0].name
            if key is not None:
                found.setdefault(key, []).append(number)
        return found


#: a word of a class's name: Bert, MLP, Conv1D
_WORD = re.compile(r"[A-Z]+(?![a-z])\d*[A-Z]*(?![a-z])|[A-Z]?[^A-Z]+|[A-Z]+")
#: calls that make no layer
SILENT = {
    "aten._assert_tensor_metadata", "aten.alias", "aten.lift_fresh_copy",
    "aten.contiguous", "aten.sym_size", "aten.zeros", "aten.ones", "aten.arange", "aten.full", "aten._assert_scalar",
    "aten.empty", "aten.new_zeros", "aten.new_ones", "aten.to", "aten.type_as",
}  # fmt: skip
