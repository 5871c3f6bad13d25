"""Models of PyTorch as designs."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from archscope.backends.importing.imported import Imported, written
from archscope.backends.torch.imports.foreign import authored
from archscope.backends.torch.imports.lift import lift
from archscope.backends.torch.imports.model import ImportTarget
from archscope.backends.torch.imports.prove import prove
from archscope.backends.torch.imports.targets import BATCH, check_inputs, light
from archscope.backends.torch.imports.trace import Untraceable, batch_of, resized
from archscope.backends.torch.imports.twin import faked
from archscope.errors import UsageError

Examples = torch.Tensor | Sequence[Any] | Mapping[str, Any]


def from_torch(
    module: nn.Module,
    example_inputs: Examples,
    *,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    flat: bool = False,
    opaque: bool = False,
) -> Imported:
    """A module as a design, proved against it.

    The module is traced by ``torch.export`` on a copy that takes no memory, in the mode that it is in: in training it
    has its dropout, else it has none. It stays as it was.

    Args:
        example_inputs: what ``forward`` takes: a tensor, several, or a mapping of its parameters to them. The first
            dimension of every tensor is the batch, of at least 1.
        kwargs: inputs that ``forward`` takes by name.
        name: of the design; that of the module's class if left out.
        flat: write the spec as a plain list of layers.
        opaque: keep what no layer can represent as a black box with its measured totals; else it is refused.

    Raises:
        UsageError: the module does not take these inputs, cannot be traced, or does what no layer can represent; the
            message lists all such places.
    """
    return imported(target_of(module, example_inputs, kwargs or {}, name=name), flat=flat, opaque=opaque)


def target_of(
    module: nn.Module,
    inputs: Examples,
    kwargs: Mapping[str, Any],
    *,
    name: str | None = None,
    hint: str = "example_inputs, the batch first",
) -> ImportTarget:
    """A module that is there already as a target.

    Args:
        hint: how inputs are given, for the message if there are none.

    Raises:
        UsageError: it is no module, or does not take these inputs.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"a model is an nn.Module, not a {type(module).__name__}")
    args: tuple[Any, ...] = ()
    if any(isinstance(one, PackedSequence) for one in (inputs, *(inputs if isinstance(inputs, (list, tuple)) else ()))):
        raise UsageError("an input is a packed sequence; give the padded one that it was packed of")
    if isinstance(inputs, Mapping):
        kwargs = {**inputs, **kwargs}
    else:
        args = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    check_inputs(module, args, kwargs, hint)
    batch = batch_of((args, kwargs))
    if batch < 1:
        raise UsageError(f"the batch must be at least 1, not {batch}")
    shown = args, dict(kwargs)
    args, named = resized(shown, batch, BATCH)
    kind = type(module)
    source = f"imported from {kind.__module__}.{kind.__qualname__}"
    return light(ImportTarget(module, None, args, named, name or kind.__name__, source, shown=shown))


def imported(target: ImportTarget, *, flat: bool = False, opaque: bool = False) -> Imported:
    """A target as a design, written down, loaded again, and proved.

    Raises:
        UsageError: it cannot be traced, or does what no layer can represent.
    """
    with _untouched(), authored(f"importing {target.name}"):
        try:
            lifted = lift(target, opaque=opaque)
        except Untraceable as error:
            raise UsageError(f"{error}{_without_batch(target)}") from None
        design, spec, is_flat, notes = written(lifted.design, flat=flat)
        proof = prove(design, target, lifted)
    boxes = tuple(layer.name for layer in design.layers if layer.kind == "Opaque")
    notes = *target.notes, *lifted.notes, *notes
    return Imported(design, spec, is_flat, proof, lifted.unused, notes, boxes, lifted.names, lifted.value_file)


def _without_batch(target: ImportTarget) -> str:
    """What is to be said of inputs that a model takes as they were given, and not at another batch."""
    if target.module is None or target.shown is None:
        return ""
    try:
        twin, args, kwargs = faked((target.module, *target.shown))
        twin(*args, **kwargs)
    except Exception:
        return ""
    shapes = " and ".join(
        str(tuple(one.shape)) for one in pytree.tree_leaves(target.shown) if isinstance(one, torch.Tensor)
    )
    return (
        f"; it takes {shapes}, but not with another first dimension: that is the batch, of any size, and inputs "
        "without one need it (x.unsqueeze(0))"
    )


@contextmanager
def _untouched() -> Iterator[None]:
    """What runs draws random numbers that nobody misses afterwards: all generators stay as they were."""
    numpy = sys.modules.get("numpy")
    state, others = random.getstate(), numpy and numpy.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(state)
            if numpy is not None:
                numpy.random.set_state(others)
