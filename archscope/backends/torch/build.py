"""A design as a ``torch.nn.Module``: its layers in their places, run in their order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from archscope.autograd.dtypes import HELD
from archscope.design import Design, hold_designs, incomplete
from archscope.design.graph import Layer, Ref
from archscope.design.steps import Segment, Step, segments
from archscope.errors import SpecError, UsageError
from archscope.errors.diagnostics import Diagnostic
from archscope.ops import Op
from archscope.ops.base import Tensors
from archscope.ops.contents import called

DTYPES = {name: getattr(torch, name) for name in (*HELD, "int64", "int32", "bool")}


class Function(nn.Module):
    """An op for which torch has a function and no layer; it is made again where a copy or a pickle is opened."""

    def __init__(self, op: Op, x: Tensors) -> None:
        super().__init__()
        self.op, self.x = op, x
        self._function = op.module(torch, *x)

    def forward(self, *inputs: Any) -> Any:
        """Apply it."""
        return self._function(*inputs)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.op.non_default().items())

    def _get_name(self) -> str:
        return type(self.op).__name__

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_function"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._function = self.op.module(torch, *self.x)


class Network(nn.Module):
    """The module of a design.

    Submodules have the names of the layers, nested by their blocks, so that ``state_dict()`` reads as the design does;
    a name that every module has an attribute of (``half``, ``type``) gets an underscore.
    It takes the inputs in the order of the design, or by name, and gives the output, or, where the design has several,
    a dictionary of them.

    Attributes:
        design: what it is the module of.
        layer_steps: its layers in the order of execution.
        names: of the layers' submodules, by layer.
    """

    def __init__(self, design: Design, steps: Iterable[Step], dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.design = design
        self.names: dict[str, str] = {}
        self.layer_steps = tuple(steps)
        self._parts = tuple(segments(self.layer_steps))
        for step in self.layer_steps:
            if step.layer.shares is None:
                self._enter(step.layer.path, _module(step, dtype))
        for step in self.layer_steps:  # after all others, as the code of models has it
            for name, value in step.layer.begins:
                begin(self.layer(step.layer.name).get_parameter(name), value)

    def _enter(self, path: tuple[str, ...], module: nn.Module) -> None:
        """Give a layer's module its place; blocks are plain modules."""
        around: nn.Module = self
        for part in path[:-1]:
            name = free_name(around, part)
            if name not in around._modules:
                around.add_module(name, nn.Module())
            around = around.get_submodule(name)
        around.add_module(free_name(around, path[-1]), module)
        self.names[".".join(path)] = ".".join(self._free_path(path))

    def _free_path(self, path: tuple[str, ...]) -> Iterator[str]:
        around: nn.Module = self
        for part in path:
            name = free_name(around, part)
            yield name
            around = around.get_submodule(name)

    def layer(self, name: str) -> nn.Module:
        """The module of a layer.

        Raises:
            KeyError: there is none of that name.
        """
        return self.get_submodule(self.names[name])

    def start(self, *inputs: Any, **named: Any) -> dict[Ref, Any]:
        """The tensors at the start of a forward pass: the inputs.

        Raises:
            TypeError: too many, too few, or unknown ones.
        """
        names = [node.name for node in self.design.inputs]
        tensors = {**dict(zip(names, inputs, strict=False)), **named}
        if len(inputs) + len(named) != len(names) or set(tensors) != set(names):
            raise TypeError(f"{self.design.name} takes {', '.join(names)}")
        return {Ref(name): tensors[name] for name in names}

    def run(self, step: Step, values: dict[Ref, Any]) -> None:
        """Run one layer on the tensors so far, add its outputs, and drop what nobody reads any more."""
        values |= self.call(step.layer, values)
        for ref in step.last:
            values.pop(ref, None)

    def call(self, layer: Layer, values: Mapping[Ref, Any], *, grad: bool = False) -> dict[Ref, Any]:
        """The outputs of one layer, of the tensors so far; an input may be one of them.

        Args:
            grad: whether gradients pass a layer that runs without them (``no_grad``), too.
        """
        stopped = layer.no_grad and not grad
        x = [values[ref] for ref in layer.inputs]
        if stopped:  # under a dispatch mode, such as torch's counter is, a view of what needs a gradient needs one, too
            x = [tensor.detach() for tensor in x]
        with torch.no_grad() if stopped else nullcontext():
            y = self.layer(layer.owner)(*x)
        made = enumerate(y if isinstance(y, (tuple, list)) else (y,))
        return {Ref(layer.name, number): tensor.detach() if stopped else tensor for number, tensor in made}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The output of the design, or a dictionary of its outputs by name."""
        values = self.start(*inputs, **named)
        for part in self._parts:
            if isinstance(part, Segment) and torch.is_grad_enabled():
                self._recompute(part, values)
                continue
            for step in part.steps if isinstance(part, Segment) else (part,):
                self.run(step, values)
        results = {name: values[ref] for name, ref in self.design.outputs}
        return next(iter(results.values())) if len(results) == 1 else results

    def _recompute(self, segment: Segment, values: dict[Ref, Any]) -> None:
        """Run a block under torch.utils.checkpoint: only what it reads from outside is kept."""

        def block(*tensors: Any) -> tuple[Any, ...]:
            own = dict(zip(segment.reads, tensors, strict=True))
            for step in segment.steps:
                own |= self.call(step.layer, own)
            return tuple(own[ref] for ref in segment.gives)

        results = checkpoint(block, *(values[ref] for ref in segment.reads), use_reentrant=False)
        values.update(zip(segment.gives, results, strict=True))
        for ref in segment.last:
            values.pop(ref, None)


def begin(parameter: torch.Tensor, value: float | str) -> None:
    """Fill a parameter as ``init:`` says."""
    word = called(value)
    if word is None:
        nn.init.constant_(parameter, float(value))
    else:
        getattr(nn.init, f"{word.word}_")(parameter, **word.arguments)


def free_name(around: nn.Module, part: str) -> str:
    """The name of a submodule: that of the layer, with an underscore where modules have an attribute of that name."""
    taken = part not in around._modules and hasattr(around, part)
    return f"{part}_" if taken or f"{part}_" in around._modules else part


def _module(step: Step, dtype: torch.dtype | None) -> nn.Module:
    """The module of a layer, in the type that it is held in, else in that of the run."""
    try:
        module = step.layer.op.module(torch, *step.x)
    except UsageError as error:  # a file of values
        raise SpecError([Diagnostic(str(error), step.layer.mark)]) from None
    except (RuntimeError, ValueError, TypeError) as error:  # a weight that torch cannot count, or has no memory for
        message = f"torch makes no such {step.layer.kind}: {str(error).strip().splitlines()[0]}"
        raise SpecError([Diagnostic(message, step.layer.mark)]) from error
    if not isinstance(module, nn.Module):
        module = Function(step.layer.op, step.x)
    for name in step.layer.frozen:
        module.get_parameter(name).requires_grad_(False)
    held = step.layer.held
    kind = dtype if held is None else DTYPES[held]
    return module if kind is None else module.to(kind)


def refuse_opaque(design: Design, what: str) -> None:
    """Hold that all of a design can be run.

    Args:
        what: what would run it: ``profiled``.

    Raises:
        UsageError: it has declared black boxes.
    """
    hold_designs(design)
    lacking = incomplete(design)
    if lacking is not None:
        why = "an Opaque layer is declared by its totals, and archscope does not know what it computes"
        raise UsageError(f"{design.name} cannot be {what}; {lacking}: {why}")


def build(
    design: Design,
    *,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    only: Collection[str] | None = None,
) -> Network:
    """The design as a module, with the weights as torch initialises its layers.

    A declared black box (Opaque) has its parameters and buffers, gives shapes on the meta device, and refuses to run
    anywhere else, until the real module is put in its place.

    Args:
        seed: of the initial weights; the generator of the process then stays as it was.
        device: ``meta`` builds designs of any size without memory.
        dtype: floating type of the parameters that have none of their own (``dtype:``); torch's default if left out.
        only: the layers that are built and called, with all that they are computed from; all if left out.

    Raises:
        UsageError: there is no such device.
        SpecError: a file of values cannot be read.
    """
    hold_designs(design)
    steps = design.steps()
    with seeded(seed), _on(device):
        return Network(design, steps if only is None else [one for one in steps if one.layer.name in only], dtype)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from a seed; the generator of the process stays as it was. ``None`` draws from that."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _on(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"there is no device {device}: {str(error).splitlines()[0]}") from None


def inputs(
    design: Design, batch: int = 1, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> tuple[torch.Tensor, ...]:
    """Random inputs of a design (whole numbers are 0).

    Args:
        dtype: of the floating ones that have no type of their own; torch's default if left out.
    """
    drawn = []
    for node in design.inputs:
        if node.floating:
            tensor = torch.rand(batch, *node.shape, device=device)
            drawn.append(tensor.to(DTYPES[node.dtype] if node.dtype else dtype or tensor.dtype))
        else:
            drawn.append(torch.zeros(batch, *node.shape, dtype=DTYPES[str(node.dtype)], device=device))
    return tuple(drawn)
