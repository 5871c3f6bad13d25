"""The calls of a model as a flat design."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator
from torch.utils import _pytree as pytree

from archscope.backends.importing.draft import Unfit
from archscope.backends.importing.imported import Unused
from archscope.backends.importing.refusals import Refusal, Unsupported
from archscope.backends.importing.sizes import LinearSize
from archscope.backends.torch.imports.aliases import in_place
from archscope.backends.torch.imports.boxes import box
from archscope.backends.torch.imports.calls import Call, Trace, TraceTensor
from archscope.backends.torch.imports.entities import Broken, Constant, Entity
from archscope.backends.torch.imports.groups import recognised
from archscope.backends.torch.imports.lifting import Lifting, Rule
from archscope.backends.torch.imports.model import ImportTarget, Lifted
from archscope.backends.torch.imports.rules import RULES
from archscope.backends.torch.imports.saved import trace_program
from archscope.backends.torch.imports.trace import trace
from archscope.backends.torch.imports.uses import random
from archscope.design import Scope
from archscope.errors import UsageError
from archscope.ops.fields import FieldError

#: what is done at the first call of those that are one layer together
Make = Callable[[], None]


def lift(target: ImportTarget, *, opaque: bool = False) -> Lifted:
    """The flat design of a model.

    Args:
        opaque: keep what cannot be represented as declared black boxes.

    Raises:
        UsageError: a part cannot be represented; all such parts are told.
    """
    module = target.module
    if module is None:
        assert target.program is not None
        module = target.program.module()
        program = trace_program(target.program, target.args, target.kwargs)
    else:
        with _identities_seen(module):
            program = trace(module, target.args, target.kwargs)
    boxes: dict[str, Refusal] = {}
    while True:
        lifter = _Lifter(program, module, target, boxes)
        lifter.run()
        refusals = lifter.lifting.refusals
        if not refusals:
            return lifter.lifted()
        if not opaque or set(refusals) <= set(boxes):
            raise UsageError(_listed(refusals.values(), target.name))
        boxes |= refusals


@contextmanager
def _identities_seen(module: nn.Module) -> Iterator[None]:
    """Let layers that do nothing leave a call."""
    idle = [one for one in module.modules() if type(one) is nn.Identity]
    hooks = [one.register_forward_hook(lambda _, __, y: torch.ops.aten.alias.default(y)) for one in idle]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _listed(refusals: Iterable[Refusal], name: str) -> str:
    """All that cannot be represented, in words."""
    lines = dict.fromkeys(f"  {one.place or 'the model itself'}: {one.what}; needed: {one.needed}" for one in refusals)
    parts = "a part" if len(lines) == 1 else f"{len(lines)} parts"
    return "\n".join(
        [f"{name} has {parts} that cannot be represented:", *lines, "(--opaque keeps such parts as black boxes)"]
    )


class _Lifter:
    """A program made layers, one call after another.

    Args:
        boxes: what is kept as black boxes, by the keys that refusals have.
    """

    def __init__(self, program: Trace, module: nn.Module, target: ImportTarget, boxes: Mapping[str, Refusal]) -> None:
        self.lifting = Lifting(program, target)
        self._program, self._module, self._boxes = program, module, boxes
        self._makes: dict[int, Make | None] = {}

    def run(self) -> None:
        """Represent the calls, one after the other."""
        lifting = self.lifting
        lifting.begin()
        self._group()
        for number, call in enumerate(self._program.calls):
            mark = None if call.recomputed is None else f"recomputed_{call.recomputed}"
            with lifting.refusing(call), lifting.draft.under(no_grad=not call.grad, checkpoint=mark):
                self._call(call, number)
        for name, value in self._program.outputs.items():
            entity = lifting.entity(value)
            try:
                if not isinstance(entity, Broken):
                    lifting.draft.output(name, lifting.ref(entity, None))
            except (Unsupported, Unfit) as error:
                refusal = Refusal(f"output {name}", str(error), "a model that does not give it")
                lifting.refusals.setdefault(name, refusal)
        self._spare()

    def _group(self) -> None:
        """What is done at the first call of those that are one layer together, and at the others nothing."""
        lifting = self.lifting
        for key, numbers in lifting.instances.groups(self._boxes).items():
            calls = [self._program.calls[number] for number in numbers]
            lifting.boxed |= {value.name for call in calls for value in call.values}
            self._enter(numbers, partial(box, lifting, calls, self._boxes[key]))
        modules = dict(self._module.named_modules(remove_duplicate=False))
        for numbers in lifting.instances.leaves():
            if not any(number in self._makes for number in numbers):
                calls = [self._program.calls[number] for number in numbers]
                make = recognised(lifting, calls, modules.get(calls[0].module))
                if make is not None:
                    self._enter(numbers, make)

    def _enter(self, numbers: Sequence[int], make: Make) -> None:
        self._makes |= dict.fromkeys(numbers)
        self._makes[numbers[0]] = make

    def _call(self, call: Call, number: int) -> None:
        if number in self.lifting.uses.upkeep:
            self.lifting.enter_all(call, [None] * len(call.outputs))
        elif call.own is not None and call.own not in self._boxes:
            name = call.own.partition(":")[0]
            what = f"{name}, a function with a backward pass of its own"
            self.lifting.refuse(call, Unsupported(what, "layers of torch in its place"))
        elif number not in self._makes:
            self._single(call, number)
        elif (make := self._makes[number]) is not None:
            make()

    def _single(self, call: Call, number: int) -> None:
        """A call that stands for itself."""
        lifting = self.lifting
        if in_place(call) and lifting.aliases.seen(call.values[0], number):
            what = f"{call.target} changes another tensor that is read later"
            lifting.refuse(call, Unsupported(what, "a call that gives a new one"))
            return
        entities = [lifting.entity(value) for value in call.values]
        constant = call.outputs and not random(call) and all(isinstance(entity, Constant) for entity in entities)
        if constant:
            self._constants(call)
        else:
            lifting.represent(call, call.values, lambda: _rule(call)(lifting, call, call.arguments))

    def _constants(self, call: Call) -> None:
        """A call on what is known without any input."""
        constants = self._computed(call)
        self.lifting.enter_all(call, constants)
        for one in constants:
            if isinstance(one, Constant) and one.value.name in self.lifting.uses.common and not one.idle:
                with suppress(Unsupported, Unfit, FieldError):  # whoever reads it will say why not
                    self.lifting.sources.constant(one, call)

    def _computed(self, call: Call) -> list[Entity]:
        """What a call on constants gives, computed on the CPU."""

        def plain(leaf: Any) -> Any:
            if isinstance(leaf, TraceTensor):
                constant = self.lifting.entity(leaf)
                assert isinstance(constant, Constant)
                return constant.tensor
            if isinstance(leaf, LinearSize):
                return leaf.at(self._program.batch)
            return torch.device("cpu") if isinstance(leaf, torch.device) else leaf

        args, kwargs = pytree.tree_map(
            plain, (call.args, dict(call.kwargs)), is_leaf=lambda one: isinstance(one, LinearSize)
        )
        with torch.no_grad():
            results = call.function(*args, **kwargs)
        tensors = results if isinstance(results, (tuple, list)) else [results]
        return [
            Constant(tensor, value) if value is not None else None
            for tensor, value in zip(tensors, call.outputs, strict=True)
        ]

    def _spare(self) -> None:
        """The state of the model that nothing reads: layers that give it, which nothing reads either."""
        lifting = self.lifting
        names = {name for tensors in lifting.sources.state.values() for name in tensors.values()}
        for held in self._program.held.values():
            if held.name not in names and not lifting.refusals:
                names.add(held.name)
                try:
                    lifting.sources.enter(held)
                except Unsupported as error:
                    lifting.refusals[held.name] = error.at(held.name)

    # -- the result ------------------------------------------------------------------------------------------------

    def lifted(self) -> Lifted:
        """The design, and what was noticed."""
        lifting = self.lifting
        scopes = (Scope(name, kind, ()) for name, kind in lifting.instances.blocks(type(self._module).__name__))
        design = replace(lifting.draft.design(), scopes=tuple(scopes))
        names = lifting.draft.names()
        unknown = tuple(names[ref.node] for ref in lifting.sources.unknown)
        notes = dict.fromkeys(
            [*lifting.notes, *(f"{name}: its values are not known, and the spec has 0" for name in unknown)]
        )
        return Lifted(design, tuple(self._unused()), self._names(), tuple(notes), lifting.sources.value_file, unknown)

    def _names(self) -> dict[str, str]:
        """The names that parameters and buffers have in the original, where the design has others."""
        names = self.lifting.draft.names()
        return {
            stated: original
            for ref, tensors in self.lifting.sources.state.items()
            for own, original in tensors.items()
            if (stated := f"{names[ref.node]}.{own}") != original
        }

    def _unused(self) -> Iterator[Unused]:
        """Parts of the model that never ran, the outermost."""
        ran = {frame.path for call in self._program.calls for frame in call.frames}
        read = {value.name for call in self._program.calls for value in call.values}
        ran |= {held.name.rpartition(".")[0] for name, held in self._program.held.items() if name in read}
        ran = {".".join(path.split(".")[:depth]) for path in ran for depth in range(1, path.count(".") + 2)}
        done: list[str] = []
        for path, module in self._module.named_modules():
            if not path or path in ran or any(path.startswith(f"{above}.") for above in done):
                continue
            if type(module) in _EMPTY and not list(module.parameters()):
                continue  # has no forward that could run
            done.append(path)
            yield Unused(path, type(module).__name__, sum(one.numel() for one in module.parameters()))


_EMPTY = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def _rule(call: Call) -> Rule:
    """The rule of a call.

    Raises:
        Unsupported: there is none.
    """
    if call.functional in RULES:
        return RULES[call.functional]
    if isinstance(call.function, HigherOrderOperator):
        other = {"flex_attention": "torch.nn.functional.scaled_dot_product_attention in its place"}
        needed = other.get(call.target, f"a model without {call.target}")
        raise Unsupported(f"{call.target}, which runs functions that it is given", needed)
    raise Unsupported(f"{call.target} has no op", f"an op for {call.target}")
