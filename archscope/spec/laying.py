"""Layers: ops bound to what arrives at them, each with what holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archscope.design.graph import Input, Layer, LayerGraph, Ref
from archscope.ops import Op
from archscope.ops.base import Tensors
from archscope.ops.legal import Inference, apply, has_type
from archscope.spec.binding import Arguments, construct, followed, report
from archscope.spec.calls import EntryCall
from archscope.spec.document import Document
from archscope.spec.entries import branches
from archscope.spec.flags import Flags
from archscope.spec.limits import MOST_LAYERS
from archscope.spec.references import References
from archscope.spec.scope import UNKNOWN, Flow, Problems


class Laying:
    """The layers of a design, laid one behind another.

    Attributes:
        inputs: of the design.
        layers: those that are there, by name.
    """

    def __init__(self, document: Document, references: References, flags: Flags, problems: Problems) -> None:
        self._document, self._references, self._problems = document, references, problems
        self._freezing, self._beginnings = flags.freezing, flags.beginnings
        self._ops: dict[Op, Op] = {}
        self._bare: dict[type[Op], Op] = {}  # those without arguments
        self._inference = Inference()
        self.inputs: Sequence[Input] = ()
        self.layers: dict[str, Layer] = {}

    def lay(self, op_class: type[Op], call: EntryCall, arguments: Arguments, flows: list[Flow]) -> Flow:
        """Bind an op to its inputs and add the layer."""
        entry, context, problems = call.entry, call.context, self._problems
        made = self._made(op_class, call, arguments, flows)
        x = tuple([flow.tensor for flow in flows if flow.tensor is not None])
        if made is None or len(x) < len(flows):
            return UNKNOWN
        op, stated = made
        if op.arity.least == 0 and call.sources is None and not arguments.inputs and apply(op, ())[0]:
            flows, x = [], ()  # it needs no input, so the chain's tensor is not one
        problems.spend(len(flows), entry.mark)
        dtype = self._held(op, x, call)
        outputs, violations = self._inference.apply(op, x, dtype)
        if violations:
            x = self._marked(flows)
            violations = apply(op, x, dtype)[1]
        for violation in violations:
            first = self.inputs[0].shape if self.inputs else ()
            declared = len(next(iter(self._document.inputs.values())).shape.items)
            report(violation, op_class, entry, arguments, x, first, declared, context, problems)
        if violations or not followed(op, stated, x, arguments, context, problems):
            return UNKNOWN
        return self._add(op, x, outputs, tuple([flow.ref for flow in flows if flow.ref is not None]), call, dtype)

    def _held(self, op: Op, x: Tensors, call: EntryCall) -> str | None:
        """The floating type in which a layer is held, if it has one that is not that of the run."""
        entry, context = call.entry, call.context
        if context.reuse is not None:
            original = self.layers.get(self._first_name(call))
            return None if original is None else original.dtype
        if context.dtype is None or apply(op, x)[1] or has_type(op, x):  # of what does not fit there is no state
            return context.dtype
        if entry.modifier("dtype") is not None and next(branches(entry), None) is None:
            message = f"`dtype:` says nothing here: {type(op).__name__} has no floating parameters and buffers"
            self._problems.warn(message, entry.mark, "what arrives says in which type it computes")
        return None

    def _made(
        self, op_class: type[Op], call: EntryCall, arguments: Arguments, flows: list[Flow]
    ) -> tuple[Op, dict[str, Any]] | None:
        """As :func:`construct`; equal ops are one, so that what is known of one is known of all."""
        if not arguments.values and not op_class.required:
            if op_class not in self._bare:
                op = op_class.bound({})
                self._bare[op_class] = self._ops.setdefault(op, op)
            return self._bare[op_class], {}
        arriving = flows[0] if flows else call.flow
        made = construct(op_class, call.entry, arguments, arriving, call.context, self._problems)
        return made and (self._ops.setdefault(made[0], made[0]), made[1])

    def _marked(self, flows: list[Flow]) -> Tensors:
        """The tensors of flows, each with its batch dimension, so that a message shows their shapes without it."""
        marked = LayerGraph(self.inputs, self.layers.values(), (), self._references.outputs).marked(1)
        return tuple(marked[ref.node][ref.output] for ref, *_ in flows if ref is not None)

    def _add(
        self, op: Op, x: Tensors, outputs: Tensors, refs: tuple[Ref, ...], call: EntryCall, dtype: str | None
    ) -> Flow:
        entry, context, name = call.entry, call.context, call.name
        if len(self.layers) >= MOST_LAYERS:
            raise self._problems.fatal(f"more than {MOST_LAYERS:,} layers", entry.mark, "", context)
        shares = self._shared(op, x, call) if context.reuse is not None else None
        named = entry.modifier("name") is not None
        frozen = self.layers[shares].frozen if shares else self._frozen(op, x, call)
        begins = () if shares or not context.begins else self._begun(op, x, call)
        layer = Layer(
            name, op, refs, shares, frozen, context.checkpoint, entry.mark, named, context.no_grad, dtype, begins
        )
        self.layers[name] = layer
        self._references.outputs[name] = outputs
        if op.main_output is None and len(outputs) > 1:
            return Flow(Ref(name), None, len(outputs))
        return Flow(Ref(name, op.main_output or 0), outputs[op.main_output or 0])

    def _frozen(self, op: Op, x: Tensors, call: EntryCall) -> tuple[str, ...]:
        """The parameters of a layer that are frozen."""
        freezes = call.context.freezes
        if not freezes:
            return ()
        self._problems.spend(sum(len(freeze.patterns or ()) for freeze in freezes) // 8, call.entry.mark)
        return self._freezing.frozen(freezes, call.path, op.parameters(*x))

    def _begun(self, op: Op, x: Tensors, call: EntryCall) -> tuple[tuple[str, float | str], ...]:
        """How the parameters of a layer begin, where something is said of it."""
        parameters = op.parameters(*x)
        self._problems.spend(len(call.context.begins) * len(parameters) // 8, call.entry.mark)
        return self._beginnings.of(call.context, call.path, op, parameters)

    @staticmethod
    def _first_name(call: EntryCall) -> str:
        """The layer that a reused one is applied as first."""
        assert call.context.reuse is not None
        again, first = call.context.reuse
        return ".".join((*first, *call.path[len(again) :]))

    def _shared(self, op: Op, x: Tensors, call: EntryCall) -> str | None:
        """The layer whose weights a reused layer shares; ``None`` (and a mistake) if they do not fit."""
        entry, context = call.entry, call.context
        name = self._first_name(call)
        original = self.layers.get(name)
        if original is None:
            self._problems.add(f"the first use has no layer `{name}`", entry.mark, "", context)
            return None
        tensors = tuple(self._references.outputs[ref.node][ref.output] for ref in original.inputs)
        before, now = original.op.parameters(*tensors), op.parameters(*x)
        for parameter, tensor in now.items():
            if before.get(parameter) != tensor:
                was = list(before[parameter].shape) if parameter in before else "absent"
                would = f"{parameter} is {was} there and would be {list(tensor.shape)}"
                hint = "the same weights need the same channels"
                self._problems.add(f"`{name}` cannot be reused here: {would}", entry.mark, hint, context)
                break  # the other parameters differ for the same reason
        return original.shares or name
