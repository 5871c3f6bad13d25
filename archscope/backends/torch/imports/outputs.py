"""What the module built of an imported design gives, held against what the model gives: with the same weights."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from archscope.backends.importing.proof import Check
from archscope.backends.torch.build import build, seeded
from archscope.backends.torch.imports.foreign import line_of
from archscope.backends.torch.imports.model import ImportTarget, Lifted
from archscope.backends.torch.imports.twin import copied, spread
from archscope.design import Design

#: larger models are not run: bytes of state, and MACs of a forward pass
MOST_BYTES, MOST_MACS = 2**26, 5 * 10**8
#: of the largest element; in narrower types as many units in the last place
TOLERANCE, ULPS = 1e-3, 8
#: layers whose values stand in the spec
_STATED = ("Buffer", "Constant")


def same_outputs(design: Design, target: ImportTarget, lifted: Lifted, macs: int) -> Iterator[Check]:
    """The outputs of the model and of the module built of its design, in training and in eval mode.

    On real tensors: parameters are drawn, and both have them; what the model holds besides is the model's. What the
    design states itself (the values of a ``Buffer``, of a ``Constant``) is the design's, so that a lost value shows.
    The model was traced in one mode; where it does something else in the other, that is noted: it is another design.
    """
    why = _unfit(design, target, lifted, macs)
    model = _runnable(target)
    limit = TOLERANCE if model is None else _tolerance(model)
    same = f"the same within {limit:g}"
    if why or model is None:
        yield Check("outputs", same, None, why or "a saved program is one mode of its model")
        return
    modes = {part.training for part in model.modules()}
    for training in (True, False):
        what = f"outputs in {'training' if training else 'eval'}"
        try:
            difference = _difference(design, target, lifted, training=training)
        except Exception as error:
            yield Check(what, same, None, f"not compared: {line_of(error)}")
            continue
        if isinstance(difference, str):
            yield Check(what, same, None, f"not compared: {difference}")
        elif difference <= limit:
            yield Check(what, same, same, "drawn weights, real tensors on the CPU")
        elif modes == {training}:
            yield Check(
                what, same, f"differ by {difference:.1e} of the largest", "drawn weights, real tensors on the CPU"
            )
        else:
            yield Check(what, same, None, "the model does otherwise than in the mode that it was traced in")


def _tolerance(model: nn.Module) -> float:
    """How far outputs may be apart: their sums are rounded to the narrowest type of the state."""
    types = {tensor.dtype for tensor in (*model.parameters(), *model.buffers()) if tensor.is_floating_point()}
    return max([TOLERANCE, *(ULPS * torch.finfo(dtype).eps for dtype in types)])


def _runnable(target: ImportTarget) -> nn.Module | None:
    """The module whose outputs are compared."""
    return target.original or target.module


def _unfit(design: Design, target: ImportTarget, lifted: Lifted, macs: int) -> str:
    """Why two modules are not run; empty where they are."""
    model = _runnable(target)
    size = 0 if model is None else sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    if size > MOST_BYTES or macs > MOST_MACS:
        return f"not run, for its size: {size:,} bytes, {macs:,} MACs"
    closed = [layer.name for layer in design.layers if layer.kind == "Opaque"]
    if closed:
        return f"black boxes cannot be built: {closed[0]}"
    if lifted.unknown:
        more = f", and of {len(lifted.unknown) - 1} more" if len(lifted.unknown) > 1 else ""
        return f"the values of {lifted.unknown[0]}{more} are not known"
    return ""


def _difference(design: Design, target: ImportTarget, lifted: Lifted, *, training: bool) -> float | str:
    """The largest difference between outputs, as a part of the largest element; or why there is none to tell."""
    model = _runnable(target)
    assert model is not None
    with warnings.catch_warnings(), seeded(0):
        warnings.simplefilter("ignore")
        model = copied(model, _drawn).train(training)
        network = build(design, dtype=target.floating).train(training)
        _lend(model, network, design, lifted)
        args, kwargs = pytree.tree_map_only(torch.Tensor, _input, (target.args, target.kwargs))
        twin = copied(model, torch.clone)
        with torch.no_grad():
            theirs = _run(model, args, kwargs, seed=0)
            again = _run(twin, args, kwargs, seed=1)
            ours = _run(network, *_entries(design, args, kwargs), seed=0)
    if [one.shape for one in theirs] != [one.shape for one in ours]:
        return "other outputs"
    if not all(bool(one.isfinite().all()) for one in theirs if one.is_floating_point()):
        return "the outputs are not finite"
    largest = max((_apart(one, other) for one, other in zip(theirs, ours, strict=True)), default=0.0)
    random = not all(torch.equal(one, other) for one, other in zip(theirs, again, strict=True))
    return "the model draws random numbers" if random and largest > TOLERANCE else largest


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    one, other = one.double(), other.double()
    most = float(one.abs().max()) if one.numel() else 0.0
    away = float((one - other).abs().max()) if one.numel() else 0.0
    return away / most if most else away


def _run(module: nn.Module, args: Any, kwargs: Any, *, seed: int) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    arguments = pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
    y = spread(module(*arguments[0], **arguments[1]))
    return [leaf for leaf in pytree.tree_leaves(y) if isinstance(leaf, torch.Tensor)]


def _entries(design: Design, args: Any, kwargs: Any) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """The inputs of the design: the tensors that the model is given, in their order."""
    leaves = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    return leaves[: len(design.inputs)], {}


def _drawn(tensor: torch.Tensor) -> torch.Tensor:
    """A parameter of other numbers, or a buffer as it is; zeros where it has none."""
    if isinstance(tensor, nn.Parameter) and tensor.is_floating_point():
        return (torch.randn(tensor.shape) * 0.3 + 0.1).to(tensor.dtype)
    if tensor.is_meta:
        return torch.zeros(tensor.shape, dtype=tensor.dtype)
    return tensor.detach().cpu().clone()


def _input(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_floating_point():
        return torch.randn(tensor.shape).to(tensor.dtype)
    return torch.randint(0, 2, tensor.shape).to(tensor.dtype)


def _lend(model: nn.Module, network: Any, design: Design, lifted: Lifted) -> None:
    """Give the built module the weights of the model, and what the spec does not state: statistics of batch norms.

    Raises:
        KeyError: the model has none of that name.
    """
    own = dict([*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)])
    with torch.no_grad():
        for layer in design.layers:
            if layer.shares is None and layer.kind not in _STATED:
                part = network.layer(layer.name)
                for name, tensor in [*part.named_parameters(), *part.named_buffers()]:
                    stated = f"{layer.name}.{name}"
                    tensor.copy_(own[lifted.names.get(stated, stated)])
