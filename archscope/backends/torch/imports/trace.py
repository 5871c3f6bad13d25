"""A model as the calls that it makes: ``torch.export`` at two batch sizes, laid over each other.

What differs between the two depends on the batch, and how is known from the two: every size is ``rate * batch + rest``.
No symbol is needed for that, so no model has to be written with symbols in mind.
"""

from __future__ import annotations

import inspect
import logging
import operator
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from archscope.backends.importing.sizes import LinearSize, size_of
from archscope.backends.torch.build import Network
from archscope.backends.torch.imports.calls import Call, Frame, ModelTensor, Trace, TraceTensor
from archscope.backends.torch.imports.foreign import line_of, place
from archscope.backends.torch.imports.regions import marked, own_backward, recomputed
from archscope.errors import UsageError


def trace(module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Trace:
    """The calls of a model.

    Args:
        args: example inputs, the batch their first dimension.
        kwargs: those that are given by name.

    Raises:
        UsageError: it cannot be traced, or it does other things for another batch.
    """
    batch = batch_of((args, kwargs))
    with marked(), _Weights() as weights:
        first = _exported(module, args, kwargs)
        second = _exported(module, *resized((args, dict(kwargs)), batch, batch + 1))
    return overlay(module, first, second, batch, weights.seen)


def overlay(
    module: torch.nn.Module, first: Any, second: Any, batch: int, weights: Mapping[int, torch.Tensor] | None = None
) -> Trace:
    """What a program at a batch and the same program at one more have in common.

    Args:
        weights: parameters that it was seen to read, by their memory.

    Raises:
        UsageError: they make other calls, give no tensor, or read parameters that are not the model's.
    """
    return _Overlay(module, first, second, batch, weights or {}).trace()


class _Weights(TorchFunctionMode):
    """Notes the parameters that are read, the model's and others: a program has others as mere constants."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, torch.Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in pytree.tree_leaves((args, kwargs)):
            if isinstance(leaf, torch.nn.Parameter) or (
                isinstance(leaf, torch.Tensor) and leaf.is_leaf and leaf.requires_grad
            ):
                self.seen[_memory(leaf)] = leaf  # held, so that its place is not given to another
        return func(*args, **(kwargs or {}))


def _memory(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def batch_of(example: Any) -> int:
    """The batch that example inputs have.

    Raises:
        UsageError: there is no tensor, or one without dimensions, or they differ.
    """
    tensors = [leaf for leaf in pytree.tree_leaves(example) if isinstance(leaf, torch.Tensor)]
    for tensor in tensors:
        _refuse_ragged(tensor)
    if not tensors or any(tensor.ndim == 0 for tensor in tensors):
        raise UsageError("the example inputs need a tensor whose first dimension is the batch")
    batches = {tensor.shape[0] for tensor in tensors}
    if len(batches) > 1:
        sizes = " and ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise UsageError(f"the first dimension of every input is the batch, and here they differ: {sizes}")
    return batches.pop()


def _refuse_ragged(tensor: torch.Tensor) -> None:
    """Hold that a tensor has a shape and elements in their places.

    Raises:
        UsageError: it has not.
    """
    if tensor.is_nested:
        raise UsageError(
            "an input is a nested tensor, which has no one shape; give torch.nested.to_padded_tensor of it"
        )
    if tensor.layout is not torch.strided:
        raise UsageError(f"an input has the layout {tensor.layout}; give it dense: tensor.to_dense()")
    if tensor.is_quantized:
        raise UsageError("an input is quantized; give its floating values: tensor.dequantize()")


def resized(example: Any, batch: int, other: int) -> Any:
    """Example inputs at another batch: the first sample repeated, or samples left out."""

    def at(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or leaf.shape[0] != batch:
            return leaf
        return leaf[:1].expand(other, *leaf.shape[1:]).contiguous()

    return pytree.tree_map(at, example)


def _exported(module: torch.nn.Module, args: Any, kwargs: Any) -> torch.export.ExportedProgram:
    try:
        with hushed():
            return torch.export.export(module, tuple(args), dict(kwargs), strict=False)
    except GuardOnDataDependentSymNode as error:
        why = f"decides by the values of a tensor ({place(error)}), so no one design describes it"
        raise UsageError(f"{type(module).__name__} {why}") from None
    except Exception as error:
        raise Untraceable(f"torch.export cannot trace {type(module).__name__}: {line_of(error)}") from None


class Untraceable(UsageError):
    """A model that ``torch.export`` cannot trace on these inputs."""


@contextmanager
def hushed() -> Iterator[None]:
    """Without what torch says beside its errors; what the model prints is kept."""
    said = StringIO()
    before = logging.root.manager.disable
    logging.disable()
    try:
        with warnings.catch_warnings(), redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
        print(said.getvalue(), file=sys.stderr, end="")
    finally:
        logging.disable(before)


class _Overlay:
    """Two programs of one model, read together."""

    def __init__(
        self, module: torch.nn.Module, first: Any, second: Any, batch: int, weights: Mapping[int, torch.Tensor]
    ) -> None:
        self._module, self._first, self._second, self._batch, self._weights = module, first, second, batch, weights
        self._values: dict[str, tuple[TraceTensor | None, ...]] = {}
        self._calls: list[Call] = []
        self._constants: dict[str, torch.Tensor] = {}
        self._held: dict[str, ModelTensor] = {}

    def trace(self) -> Trace:
        """What both have in common."""
        inputs = self._placeholders()
        results = self._walk(self._first.graph_module, self._second.graph_module, grad=True)
        return Trace(self._batch, inputs, self._held, self._constants, tuple(self._calls), self._outputs(results))

    def _placeholders(self) -> dict[str, TraceTensor]:
        """The inputs of the program by name; what it holds is entered on the way."""
        specs = self._first.graph_signature.input_specs
        kinds = torch.export.graph_signature.InputKind
        state = dict(self._module.named_parameters(remove_duplicate=False))
        buffers = dict(self._module.named_buffers(remove_duplicate=False))
        first_of: dict[int, str] = {}
        lies: dict[tuple[Any, ...], TraceTensor] = {}
        for name, tensor in [*state.items(), *buffers.items()]:
            first_of.setdefault(id(tensor), name)
        inputs = {}
        names = iter(self._input_names())
        pairs = self._pairs(self._first.graph, self._second.graph, "placeholder")
        for spec, (one, other) in zip(specs, pairs, strict=True):
            if spec.kind is kinds.USER_INPUT:
                label = next(names)
                if isinstance(one.meta.get("val"), torch.Tensor):
                    inputs[label] = self._entered(one, other)
                continue
            value = self._entered(one, other)
            if spec.kind in (kinds.PARAMETER, kinds.BUFFER):
                tensor = state[spec.target] if spec.kind is kinds.PARAMETER else buffers[spec.target]
                learnt = spec.kind is kinds.PARAMETER
                held = ModelTensor(
                    first_of[id(tensor)], value, learnt, learnt and tensor.requires_grad, spec.persistent is not False
                )
                self._held[value.name] = held
                lies.setdefault(_lie(tensor), value)
                continue
            constant = self._first.constants[spec.target]
            if not isinstance(constant, torch.Tensor):
                raise UsageError(f"the model computes with a {type(constant).__name__}, which no design describes")
            if _lie(constant) in lies:  # read past the module, by a function that holds it
                self._values[one.name] = (lies[_lie(constant)],)
                continue
            if _memory(constant) in self._weights:
                raise UsageError(_not_its_own(self._module, one, constant))
            self._constants[value.name] = constant
        return inputs

    def _input_names(self) -> list[str]:
        """Names of the leaves that the model is given: of its forward's arguments, with keys and numbers within."""
        spec = self._first.call_spec.in_spec
        example = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
        args, kwargs = example
        named = dict(zip(_parameters(self._module, len(args)), args, strict=True)) | dict(kwargs)
        return [_joined(path) for path, _ in pytree.tree_flatten_with_path(named)[0]]

    def _outputs(self, results: Any) -> dict[str, TraceTensor]:
        spec = self._first.call_spec.out_spec
        kinds = torch.export.graph_signature.OutputKind
        users = [
            value
            for value, out in zip(results, self._first.graph_signature.output_specs, strict=True)
            if out.kind is kinds.USER_OUTPUT
        ]
        tree = pytree.tree_unflatten(users, spec)
        leaves = pytree.tree_flatten_with_path(tree)[0]
        named = {_joined(path) or "output": leaf for path, leaf in leaves if isinstance(leaf, TraceTensor)}
        if not named:
            raise UsageError("the model gives no tensor")
        return named

    @staticmethod
    def _pairs(first: fx.Graph, second: fx.Graph, op: str) -> Iterator[tuple[fx.Node, fx.Node]]:
        chosen = ([node for node in graph.nodes if node.op == op] for graph in (first, second))
        return zip(*chosen, strict=True)

    def _entered(self, one: fx.Node, other: fx.Node) -> TraceTensor:
        (value,) = self._made(one, other)
        assert value is not None
        self._values[one.name] = (value,)
        return value

    # -- nodes -----------------------------------------------------------------------------------------------------

    def _walk(self, first: fx.GraphModule, second: fx.GraphModule, *, grad: bool) -> Any:
        nodes, others = (list(module.graph.nodes) for module in (first, second))
        if [(n.op, str(n.target)) for n in nodes if n.op == "call_function"] != [
            (n.op, str(n.target)) for n in others if n.op == "call_function"
        ]:
            raise UsageError(
                f"the model makes other calls at batch {self._batch} than at batch {self._batch + 1}, so no one design "
                "describes it"
            )
        result: Any = None
        for one, other in zip(nodes, others, strict=True):
            if one.op == "output":
                result = self._both(one.args[0], other.args[0])
            elif one.op == "call_function":
                self._call(one, other, first, second, grad=grad)
            elif one.op == "get_attr":  # a graph that a call is given, or a tensor
                self._values[one.name] = (operator.attrgetter(str(one.target))(first),)
        return result

    def _call(self, one: fx.Node, other: fx.Node, first: fx.GraphModule, second: fx.GraphModule, *, grad: bool) -> None:
        if one.target is operator.getitem:
            source, number = one.args
            self._values[one.name] = (self._values[source.name][number],)  # type: ignore[union-attr, index]
            return
        target = str(one.target)
        if target == "wrap_with_set_grad_enabled":
            self._inline(one, other, first, second, grad=bool(one.args[0]))
            return
        if target.startswith("wrap_with_autocast"):
            raise UsageError("a part of the model runs under torch.autocast; import it without")
        args = tuple(self._both(a, b) for a, b in zip(one.args, other.args, strict=True))
        kwargs = {key: self._both(value, other.kwargs[key]) for key, value in one.kwargs.items()}
        outputs = self._made(one, other)
        self._values[one.name] = outputs
        marks = recomputed(one), own_backward(one)
        self._calls.append(Call(target, one.target, args, kwargs, outputs, _frames(one), grad, *marks))

    def _inline(
        self, one: fx.Node, other: fx.Node, first: fx.GraphModule, second: fx.GraphModule, *, grad: bool
    ) -> None:
        """A part that runs with gradients switched on or off."""
        inner, outer = (
            module.get_submodule(node.args[1].target)  # type: ignore[union-attr, arg-type]
            for module, node in ((first, one), (second, other))
        )
        assert isinstance(inner, fx.GraphModule)
        assert isinstance(outer, fx.GraphModule)
        operands: list[Any] = [self._both(a, b) for a, b in zip(one.args[2:], other.args[2:], strict=True)]
        for (node, _), value in zip(self._pairs(inner.graph, outer.graph, "placeholder"), operands, strict=True):
            self._values[node.name] = (value,)
        results = self._walk(inner, outer, grad=grad)
        self._values[one.name] = tuple(pytree.tree_leaves(results))

    def _made(self, one: fx.Node, other: fx.Node) -> tuple[TraceTensor | None, ...]:
        values, others = one.meta.get("val"), other.meta.get("val")
        several = isinstance(values, (tuple, list))
        pairs: list[Any] = list(zip(values, others, strict=True)) if several else [(values, others)]  # type: ignore[arg-type]
        return tuple(
            TraceTensor(
                f"{one.name}.{number}" if several else one.name,
                tuple(self._number(a, b) for a, b in zip(tensor.shape, twin.shape, strict=True)),
                tensor.dtype,
                tensor.is_contiguous(),
            )
            if isinstance(tensor, torch.Tensor)
            else None
            for number, (tensor, twin) in enumerate(pairs)
        )

    def _both(self, one: Any, other: Any) -> Any:
        """An argument of both programs."""
        if isinstance(one, fx.Node):
            outputs = self._values[one.name]
            return outputs[0] if len(outputs) == 1 else outputs
        if isinstance(one, (tuple, list)):
            return type(one)(self._both(a, b) for a, b in zip(one, other, strict=True))
        if isinstance(one, dict):
            return {key: self._both(value, other[key]) for key, value in one.items()}
        if isinstance(one, int) and not isinstance(one, bool):
            return self._number(one, other)
        return one

    def _number(self, one: int, other: int) -> int | LinearSize:
        if isinstance(one, torch.SymInt) or isinstance(other, torch.SymInt):
            why = "makes a tensor whose size depends on the values of another, so no one design describes it"
            raise UsageError(f"{type(self._module).__name__} {why}")
        return size_of(int(one), int(other), self._batch)


def _lie(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Where a tensor lies."""
    return _memory(tensor), tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def _not_its_own(module: torch.nn.Module, node: fx.Node, weight: torch.Tensor) -> str:
    """That a model reads a parameter that is no parameter of it, and where."""
    reader = next(iter(node.users), None)
    frames = _frames(reader) if reader is not None else ()
    where = frames[-1].path if frames else "the model itself"
    return (
        f"{type(module).__name__} reads a parameter that is none of its own, of shape {list(weight.shape)} ({where}: "
        f"{reader.target if reader is not None else node.name}); it belongs to a module in a list or outside: "
        "make that a submodule (nn.ModuleList, self.part = part)"
    )


def _frames(node: fx.Node) -> tuple[Frame, ...]:
    stack = node.meta.get("nn_module_stack") or {}
    return tuple(
        Frame(key, path.partition("@")[0], kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}")
        for key, (path, kind) in stack.items()
        if path
    )


def _parameters(module: torch.nn.Module, count: int) -> list[str]:
    """The names of positional inputs: those of forward, ``*rest`` numbered; our own modules know theirs."""
    if isinstance(module, Network):
        return [node.name for node in module.design.inputs][:count]
    names: list[str] = []
    for one in inspect.signature(module.forward).parameters.values():
        several = one.kind is one.VAR_POSITIONAL
        names += [f"{one.name}.{number}" for number in range(count - len(names))] if several else [one.name]
    return names[:count]


def _joined(path: Sequence[Any]) -> str:
    parts = []
    for key in path:
        for attribute in ("key", "idx", "name"):
            if hasattr(key, attribute):
                parts.append(str(getattr(key, attribute)))
                break
    return ".".join(parts)
