"""A step of a design in torch, whole and layer by layer, with marks of the time around its parts.

Layer by layer nothing is hooked: the layers are called one after another in a loop, with marks around the calls, and
each builds a graph of autograd of its own, cut from those before it. The backward pass is run graph by graph, the last
layer first, with the gradients that have arrived; it gives the gradients of the ordinary backward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional

from archscope.analysis.time.traffic import LOSS, UPDATE
from archscope.backends.torch.build import build, inputs, seeded
from archscope.backends.torch.timing import Clock, lowered, torch_type
from archscope.design import Design
from archscope.design.graph import Layer, Ref
from archscope.errors import UsageError
from archscope.setting import Setting
from archscope.setting.optimizers import OPTIMIZERS

RATE = 1e-4  # of the update; small, so that no number grows beyond its type


class Span(NamedTuple):
    """A part of a step, between two marks: the phase is ``forward``, ``backward``, ``update`` or ``step``."""

    name: str
    phase: str
    begin: Any
    end: Any


class _Work(NamedTuple):
    """A layer that has run.

    Attributes:
        before: the edges of autograd before it, in the graphs of the layers that it reads.
        cut: where its own graph begins, for each of them.
        behind: the edges behind it.
        trained: its parameters that are.
    """

    layer: str
    before: tuple[GradientEdge, ...]
    cut: tuple[Any, ...]
    behind: tuple[GradientEdge, ...]
    trained: tuple[nn.Parameter, ...]


_Key = tuple[Any, int]


class MeasuredStep:
    """A design at work.

    Attributes:
        network: its module, not compiled.
        inputs, targets: what a step reads.
        whole: the module that :meth:`run` calls; a compiled one may take its place.
    """

    def __init__(self, design: Design, setting: Setting, clock: Clock, *, seed: int = 0) -> None:
        self.setting, self._clock = setting, clock
        floating = torch_type(setting.numbers.floating)
        self.network = build(design, seed=seed, device=setting.kind, dtype=floating)
        self.network.train(setting.trains)
        with seeded(seed):
            self.inputs = inputs(design, setting.batch, setting.kind, floating)
        if setting.channels_last:
            self._channels_last()
        self.whole: Any = self.network
        self.trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self._optimizer = _optimizer(setting.optimizer, self.trained) if self.trained and setting.trains else None
        self.targets: list[torch.Tensor] | None = None

    def _channels_last(self) -> None:
        forms = {4: torch.channels_last, 5: torch.channels_last_3d}  # module.to() would take one of them for both
        for weight in self.network.parameters():
            if weight.ndim in forms:
                weight.data = weight.data.to(memory_format=forms[weight.ndim])
        self.inputs = tuple(x.to(memory_format=forms[x.ndim]) if x.ndim in forms else x for x in self.inputs)

    @property
    def trains(self) -> bool:
        """Whether there is anything to train."""
        return self._optimizer is not None

    def _autocast(self) -> Any:
        return lowered(self.setting.numbers, self.setting.kind)

    # -- the whole step ---

    def run(self) -> list[Span]:
        """A step; its span, and those of its passes."""
        if not self.trains:
            return self._inferred()
        mark = self._clock.mark
        self.forget()
        begin = mark()
        with self._autocast():
            loss = self.loss(self._results(self.whole(*self.inputs)))
        forward = mark()
        if loss.requires_grad:
            torch.autograd.backward([loss])
        backward = mark()
        self._update()
        end = mark()
        return [
            Span("", "forward", begin, forward),
            Span("", "backward", forward, backward),
            Span("", "update", backward, end),
            Span("", "step", begin, end),
        ]

    def _inferred(self) -> list[Span]:
        with torch.inference_mode(), self._autocast():
            begin = self._clock.mark()
            self.whole(*self.inputs)
            end = self._clock.mark()
        return [Span("", "forward", begin, end), Span("", "step", begin, end)]

    def standing(self) -> list[torch.Tensor]:
        """What is there before a step."""
        return [*self.network.parameters(), *self.network.buffers(), *self.inputs, *(self.targets or ())]

    def forget(self) -> None:
        """Drop all gradients."""
        for parameter in self.trained:
            parameter.grad = None

    def _update(self) -> None:
        if self._optimizer is not None:
            self._optimizer.step()

    def _results(self, result: Any) -> list[torch.Tensor]:
        """The outputs, each once."""
        tensors = result.values() if isinstance(result, dict) else [result]
        return list({id(tensor): tensor for tensor in tensors}.values())

    def loss(self, results: list[torch.Tensor]) -> torch.Tensor:
        """The losses of the outputs, added: cross-entropy over the classes, else the mean."""
        graded = [result for result in results if result.is_floating_point()]
        if self.targets is None:
            self.targets = [_target(result) for result in graded]
        losses = [_loss(result, target) for result, target in zip(graded, self.targets, strict=True)]
        total = losses[0]
        for other in losses[1:]:
            total = total + other
        return total

    # -- layer by layer ---

    def run_layers(self) -> list[Span]:
        """A step layer by layer; the spans of all layers, of the loss and of the update."""
        if not self.trains:
            with torch.inference_mode(), self._autocast():
                return [span for span, _ in self._calls(self.network.start(*self.inputs))]
        self.forget()
        with self._autocast():
            values = self.network.start(*self.inputs)
            spans, works = (list(column) for column in zip(*self._calls(values), strict=True))
            refs = dict.fromkeys(ref for _, ref in self.network.design.outputs)
            results = self._results(dict(enumerate(values[ref] for ref in refs)))
            values.clear()
            begin = self._clock.mark()
            loss = self.loss(results)
            spans.append(Span(LOSS, "forward", begin, self._clock.mark()))
        if loss.requires_grad:
            spans += self._backward(loss, results, works)
        begin = self._clock.mark()
        self._update()
        return [*spans, Span(UPDATE, "forward", begin, self._clock.mark())]

    def _calls(self, values: dict[Ref, Any]) -> Iterator[tuple[Span, _Work]]:
        for step in self.network.layer_steps:
            layer = step.layer
            before = _each_edge(values[ref] for ref in dict.fromkeys(layer.inputs))
            inplace = bool(layer.op.arguments().get("inplace")) and torch.is_grad_enabled()
            if inplace:
                self._isolate(layer, values)
            own = {ref: values[ref] if inplace else _leaf(values[ref]) for ref in layer.inputs}
            cut = _each_edge(own.values()) if inplace else tuple(x for x in own.values() if _graded(x))
            begin = self._clock.mark()
            made = self.network.call(layer, own)
            span = Span(layer.name, "forward", begin, self._clock.mark())
            values |= made
            trained = tuple(p for p in self.network.layer(layer.owner).parameters() if p.requires_grad)
            for ref in step.last:
                values.pop(ref, None)
            yield span, _Work(layer.name, before, cut, _edges(made.values()), trained)

    def _isolate(self, layer: Layer, values: dict[Ref, Any]) -> None:
        """What is overwritten stays in the graph of the layer before it; a view, or what begins one, cannot."""
        for ref in layer.inputs:
            if values[ref].requires_grad and (values[ref].is_leaf or values[ref]._is_view()):
                values[ref] = values[ref].clone()

    def _backward(self, loss: torch.Tensor, results: list[torch.Tensor], works: list[_Work]) -> Iterator[Span]:
        arrived: dict[_Key, torch.Tensor] = {}
        ends = _edges(results)
        begin = self._clock.mark()
        _deliver(arrived, ends, torch.autograd.grad([loss], ends))
        yield Span(LOSS, "backward", begin, self._clock.mark())
        while works:
            work = works.pop()
            ready = [edge for edge in work.behind if _key(edge) in arrived]
            if ready and (work.cut or work.trained):
                begin = self._clock.mark()
                self._layer_backward(work, ready, arrived)
                yield Span(work.layer, "backward", begin, self._clock.mark())

    def _layer_backward(self, work: _Work, ready: list[GradientEdge], arrived: dict[_Key, torch.Tensor]) -> None:
        gradients = [arrived.pop(_key(edge)) for edge in ready]
        sought: list[Any] = [*work.cut, *work.trained]
        results = torch.autograd.grad(ready, sought, grad_outputs=gradients, allow_unused=True)
        _deliver(arrived, work.before, results[: len(work.cut)])
        for parameter, gradient in zip(work.trained, results[len(work.cut) :], strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _optimizer(name: str, trained: list[nn.Parameter]) -> torch.optim.Optimizer:
    """torch's optimizer of a setting.

    Raises:
        UsageError: torch has none of that name.
    """
    if not OPTIMIZERS[name].torch:
        names = ", ".join(name for name, one in OPTIMIZERS.items() if one.torch)
        raise UsageError(f"torch has no optimizer {name}, so no step with it is timed; one of {names}")
    made: torch.optim.Optimizer = getattr(torch.optim, OPTIMIZERS[name].torch)(
        trained, lr=RATE, **OPTIMIZERS[name].options
    )
    return made


def _graded(tensor: torch.Tensor) -> bool:
    """Whether a graph is built behind a tensor; at inference none is behind a parameter either."""
    return tensor.requires_grad and torch.is_grad_enabled()


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().requires_grad_() if _graded(tensor) else tensor


def _key(edge: GradientEdge) -> _Key:
    return edge.node, edge.output_nr


def _edges(tensors: Iterable[torch.Tensor]) -> tuple[GradientEdge, ...]:
    """The edges of autograd at tensors that need a gradient, each once."""
    return tuple({_key(edge): edge for edge in _each_edge(tensors)}.values())


def _each_edge(tensors: Iterable[torch.Tensor]) -> tuple[GradientEdge, ...]:
    return tuple(get_gradient_edge(tensor) for tensor in tensors if _graded(tensor))


def _deliver(arrived: dict[_Key, torch.Tensor], edges: tuple[GradientEdge, ...], gradients: Any) -> None:
    """Add gradients to those that have arrived."""
    for edge, gradient in zip(edges, gradients, strict=True):
        if gradient is not None:
            before = arrived.get(_key(edge))
            arrived[_key(edge)] = gradient if before is None else before + gradient


def _classes(result: torch.Tensor) -> bool:
    """Whether an output tells classes apart: the last dimension of a sequence, else the channels."""
    return result.ndim >= 2 and result.shape[2 if result.ndim == 3 else 1] > 1


def _rows(result: torch.Tensor) -> torch.Tensor:
    return result.flatten(0, 1) if result.ndim == 3 else result


def _target(result: torch.Tensor) -> torch.Tensor:
    rows = _rows(result)
    shape = (rows.shape[0], *rows.shape[2:]) if _classes(result) else ()
    return torch.zeros(shape, dtype=torch.int64, device=result.device)


def _loss(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(_rows(result), target) if _classes(result) else result.mean()
