"""Layers that give what a model holds: weights that no layer has, buffers, and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from archscope.backends.importing.constants import ValueFile, value_of
from archscope.backends.importing.draft import Draft
from archscope.backends.importing.refusals import Unsupported
from archscope.backends.importing.sizes import LinearSize, at
from archscope.backends.torch.imports.calls import Call, ModelTensor, Trace
from archscope.backends.torch.imports.entities import DTYPES, Constant, LooseWeight, without_values, word
from archscope.backends.torch.imports.instances import Instances
from archscope.backends.torch.imports.model import ImportTarget
from archscope.design.graph import Ref
from archscope.ops import REGISTRY


class Sources:
    """The layers of a draft that give what the model holds, each entered when it is first asked for.

    Attributes:
        latest: the last tensor made that has the batch.
        value_file: values that go into a file beside the spec.
        state: what the parameters and buffers of a layer are called in the original, by the layer's output.
        unknown: layers whose values nobody knows.
    """

    def __init__(self, draft: Draft, program: Trace, target: ImportTarget, instances: Instances) -> None:
        self._draft, self._batch, self._target, self._instances = draft, program.batch, target, instances
        self.latest: Ref | None = None
        self._weights: dict[str, Ref] = {}
        self._constants: dict[str, Ref] = {}
        self.value_file = ValueFile(target.name)
        self.state: dict[Ref, dict[str, str]] = {}
        self.unknown: list[Ref] = []

    def __contains__(self, held: ModelTensor) -> bool:
        """Whether there is a layer that gives a weight."""
        return held.name in self._weights

    def lender(self) -> Ref:
        """A tensor that has the batch: the last one made, which is not kept for longer by that."""
        assert self.latest is not None
        return self.latest

    def of(self, held: ModelTensor) -> Ref:
        """The layer that gives a weight."""
        if held.name not in self._weights:
            self.enter(held)
        return self._weights[held.name]

    def expanded(self, weight: LooseWeight) -> Ref:
        """The layer that gives a weight to every sample."""
        return self.enter(weight.held, [self.lender()])

    def enter(self, held: ModelTensor, lends: Sequence[Ref] = ()) -> Ref:
        """A new layer that gives a weight; to every sample of a tensor that has these.

        Raises:
            Unsupported: designs do not know its dtype.
        """
        if held.value.dtype not in DTYPES:
            raise Unsupported(f"{held.name} of {held.value.dtype}", "a dtype that designs know")
        shape, expand = [at(size, self._batch) for size in held.value.shape], {"expand": True} if lends else {}
        tensor = None if held.learnt else self._original(held)
        if held.learnt:
            op = REGISTRY["Parameter"](shape=shape, **expand)
        else:
            dtype = self._word(held.value.dtype)
            arguments = {"dtype": dtype, "persistent": held.persistent, **self._value(tensor)}
            op = REGISTRY["Buffer"](shape=shape, **arguments, **expand)
        frozen = (_own_name(held),) if held.learnt and not held.trained else ()
        with self._draft.under(checkpoint=self._draft.checkpoint):  # whoever reads it may do so with gradients
            mark = self._word(held.value.dtype) if held.learnt and held.value.dtype != self._target.floating else None
            made = self._draft.layer(self._place(held), op, lends, frozen=frozen, dtype=mark)[0]
        self._weights[held.name] = made
        if not held.learnt and without_values(tensor):
            self.unknown.append(made)
        self.state[made] = {_own_name(held): held.name}
        return made

    def constant(self, constant: Constant, call: Call | None) -> Ref:
        """The layer that gives a constant; one that has the batch first is the same for all samples.

        Raises:
            Unsupported: designs do not know its dtype, or it differs from sample to sample.
        """
        name = constant.value.name
        if name in self._constants:
            return self._constants[name]
        if constant.tensor.dtype not in DTYPES:
            raise Unsupported(f"a constant of {constant.tensor.dtype}", "a dtype that designs know")
        grown = [dim for dim, size in enumerate(constant.value.shape) if isinstance(size, LinearSize)]
        if len(grown) > 1:
            raise Unsupported(f"a constant of {self._shape(constant)} that grows with the batch", "an op that makes it")
        block = self._instances.name(call) if call is not None else ""
        dtype = self._word(constant.tensor.dtype)
        if grown:
            made = self._repeated(constant, grown[0], block, dtype)
        else:
            shape = list(constant.value.shape)
            op = REGISTRY["Constant"](shape=shape, dtype=dtype, **self._value(constant.tensor))
            made = self._draft.layer(block, op, [], numbered=True)[0]
        if without_values(constant.tensor):
            self.unknown.append(made)
        self._constants[name] = made
        return made

    def _repeated(self, constant: Constant, dim: int, block: str, dtype: str) -> Ref:
        """The layers that give a constant that is the same for all samples; the batch is the dimension ``dim``."""
        size, rest = constant.value.shape[dim], [one for one in constant.value.shape if not isinstance(one, LinearSize)]
        assert isinstance(size, LinearSize)
        rows, samples = size.rate, constant.tensor.movedim(dim, 0)
        samples = samples.reshape(self._batch, -1, *rest) if not size.rest else samples
        if size.rest or not bool((samples == samples[:1]).all()):
            raise Unsupported(f"a constant of {self._shape(constant)} that differs from sample to sample", "an input")

        def then(name: str, *inputs: Ref, **arguments: Any) -> Ref:
            return self._draft.layer(block, REGISTRY[name](**arguments), inputs, numbered=True)[0]

        shape = [1, *rest] if rows == 1 else [1, rows, *rest]
        value = self._value(samples[:1].reshape(shape))
        made = then("Constant", self.lender(), shape=shape, dtype=dtype, expand=True, **value)
        if rows > 1:
            made = then("Flatten", made, start_dim=0, end_dim=1)
        elif constant.tensor.stride(dim):
            made = then("Contiguous", made)
        if dim:
            made = then("Permute", made, dims=[*range(1, dim + 1), 0, *range(dim + 1, len(rest) + 1)])
        return made

    def _shape(self, constant: Constant) -> tuple[int, ...]:
        return tuple(at(size, self._batch) for size in constant.value.shape)

    def _word(self, dtype: torch.dtype) -> str:
        return word(dtype, self._target.floating)

    def _original(self, held: ModelTensor) -> torch.Tensor | None:
        """A buffer as the original has it."""
        program, model = self._target.program, self._target.original or self._target.module
        if program is not None:
            tensor: torch.Tensor | None = program.state_dict.get(held.name, program.constants.get(held.name))
            return tensor
        return None if model is None else dict(model.named_buffers(remove_duplicate=False)).get(held.name)

    def _value(self, tensor: torch.Tensor | None) -> dict[str, Any]:
        """The argument of a layer that gives what is known; none where nobody knows what it holds."""
        if tensor is None or without_values(tensor):
            return {}
        values = tensor.detach().cpu()
        return value_of((values.float() if values.dtype == torch.bfloat16 else values).numpy(), self.value_file)

    def _place(self, held: ModelTensor) -> str:
        """The name of the layer that gives a weight: that of the module, where it does nothing else."""
        around, _, own = held.name.rpartition(".")
        return around if own == _own_name(held) and around and self._instances.idle(around) else held.name


def _own_name(held: ModelTensor) -> str:
    """What a layer that gives a weight calls it."""
    return "weight" if held.learnt else "value"
