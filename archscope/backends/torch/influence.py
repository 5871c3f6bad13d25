"""Receptive fields measured: which places of the input really influence a unit, by gradients through the real layers.

Two questions are asked, both of the module that :func:`~archscope.backends.torch.build.build` gives. Which places can
influence the unit at all: its weights and inputs are made positive, and its calls of torch such that no tie, no flat
part and no cancellation hides an influence (:mod:`archscope.backends.torch.monotonous`). What a layer reads is never
told to the measurement; where a layer hides it (it chooses by values, it gives whole numbers), that is said by name.
And how much each place weighs in the network as it is initialised: the effective receptive field (Luo et al.,
Understanding the Effective Receptive Field in Deep Convolutional Neural Networks, NeurIPS 2016), the gradient's
magnitude over samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from archscope.analysis.field.influence import box_dims, check_place
from archscope.analysis.field.receptive_field import receptive_fields
from archscope.backends.torch.build import DTYPES, Network, build
from archscope.backends.torch.monotonous import Monotonous
from archscope.design import Design, of_one_type
from archscope.design.graph import Layer, Ref
from archscope.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: numbers are near one, or small: where sums grow long, the gates of a recurrent layer rest at one
_SCALES = (1.0, 0.05)
#: layers whose values do not come from any input
_KNOWN = ("Constant", "Buffer", "Parameter")


class Hidden(NamedTuple):
    """A layer behind which gradients do not tell all.

    Attributes:
        layer: its name; of an input, that.
        why: the reason, to be read after the name.
    """

    layer: str
    why: str

    def __str__(self) -> str:
        return f"{self.layer} {self.why}"


@dataclass(frozen=True)
class Measured:
    """What gradients tell of a unit.

    Attributes:
        reached: the places of the input that certainly influence it, along the axes of the input.
        hidden: the layers that may hide others; none where these are all.
    """

    reached: NDArray[np.bool_]
    hidden: tuple[Hidden, ...]


@dataclass
class _Run:
    """A network up to a layer, run."""

    values: dict[Ref, Any]
    source: Any
    hidden: list[Hidden] = field(default_factory=list)


def measure(
    design: Design,
    layer: str,
    unit: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002  # named so everywhere
    seed: int = 0,
) -> Measured:
    """Which places of an input influence a unit, by gradients through the built module.

    Args:
        unit: its place along the axes of the layer's map; all channels together.

    Raises:
        UsageError: there is no such layer, unit or input.
    """
    return Measurement(design, layer, output=output, input=input, seed=seed).of(unit)


def influence(
    design: Design,
    layer: str,
    unit: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002
    seed: int = 0,
) -> NDArray[np.bool_]:
    """The places of an input that influence a unit, along the axes of the input.

    Raises:
        UsageError: as :func:`measure`, or gradients do not tell all.
    """
    measured = measure(design, layer, unit, output=output, input=input, seed=seed)
    if measured.hidden:
        raise UsageError(f"not measured: {'; '.join(map(str, measured.hidden))}")
    return measured.reached


def effective_field(
    design: Design,
    layer: str,
    unit: Sequence[int],
    *,
    output: int = 0,
    input: str | None = None,  # noqa: A002
    samples: int = 20,
    seed: int = 0,
) -> NDArray[np.float64]:
    """How much each place of an input weighs in a unit, along the axes of the input; the sum is 1.

    The mean over samples of the gradient's magnitude, of the network with torch's own initial weights (Luo et al.).

    Raises:
        UsageError: there is no such layer, unit or input, the network cannot be run, or no place has any weight.
    """
    total: Any = 0.0
    for sample in range(samples):
        asked = Measurement(design, layer, output=output, input=input, seed=seed + sample, structural=False)
        if asked.cannot is not None:
            raise UsageError(f"not measured: {asked.cannot}")
        total = total + asked.gradient(unit)
    if not total.sum():
        raise UsageError(f"no gradient reaches the input from {layer}: its unit is zero in all {samples} samples")
    return np.asarray(total / total.sum())


class Measurement:
    """The built network, run once up to a layer, and asked of its units.

    Args:
        structural: whether influences are made visible, or the network is left as it is initialised.

    Raises:
        UsageError: there is no such layer or input.
    """

    def __init__(
        self,
        design: Design,
        layer: str,
        *,
        output: int = 0,
        input: str | None = None,  # noqa: A002
        seed: int = 0,
        structural: bool = True,
    ) -> None:
        fields = receptive_fields(design)
        self.layer = fields.layer(layer)
        self._ref = Ref(self.layer, output)
        seen = fields.of(self.layer, output, input)
        name = input or next((key for key, _ in fields.tensors[self._ref]), design.inputs[0].name)
        self._axes = [dim for key, dim in fields.tensors[Ref(name)] if key == name]
        self._shape = (1, *next(node.shape for node in design.inputs if node.name == name))
        self._needed = _needed(design, self.layer)
        self.cannot: Hidden | None = None
        self._runs: list[_Run] = []
        self._generator = torch.Generator().manual_seed(seed)
        try:
            for scale in _SCALES if structural else (None,):
                network = build(of_one_type(design), seed=seed, only=self._needed).double().eval().requires_grad_(False)
                if scale is not None:
                    _make_positive(network, self._generator, scale)
                self._runs.append(_forward(network, name, self._generator, structural=structural))
        except _Stopped as stopped:
            self.cannot = stopped.hidden
        self._dims: list[int] = []
        self.sizes: list[int] = []
        for run in self._runs:
            result = run.values[self._ref]
            self._dims = box_dims(seen, tuple(result.shape))
            self.sizes = [result.shape[dim] for dim in self._dims]

    def of(self, unit: Sequence[int]) -> Measured:
        """What gradients tell of a unit.

        Raises:
            UsageError: there is no such unit.
        """
        if self.cannot is not None:
            return Measured(np.zeros([self._shape[dim] for dim in self._axes], bool), (self.cannot,))
        hidden = dict.fromkeys(one for run in self._runs for one in run.hidden)
        return Measured(np.asarray(self.gradient(unit) != 0), tuple(hidden))

    def gradient(self, unit: Sequence[int]) -> NDArray[np.float64]:
        """The magnitude of the gradient of a unit, all channels together, along the axes of the input."""
        return np.asarray(sum(self._gradient(unit, run) for run in self._runs))

    def _gradient(self, unit: Sequence[int], run: _Run) -> Any:
        result, source = run.values[self._ref], run.source
        check_place(self.layer, unit, self.sizes)
        index: list[Any] = [slice(None)] * result.ndim
        for dim, place in zip(self._dims, unit, strict=True):
            index[dim] = place
        gradient = torch.zeros_like(source)
        if result.requires_grad:
            part = result[tuple(index)]
            weights = torch.rand(part.shape, generator=self._generator, dtype=part.dtype) + 0.5  # softmax sums to 1
            total = (part * weights).sum()
            (own,) = torch.autograd.grad(total, [source], allow_unused=True, retain_graph=True)
            gradient = gradient if own is None else own
        others = [dim for dim in range(gradient.ndim) if dim not in self._axes]
        return gradient.abs().sum(others).numpy() if others else gradient.abs().numpy()


def _needed(design: Design, layer: str) -> frozenset[str]:
    """The layers that one is computed from, itself among them, and those whose weights these share."""
    layers = {one.name: one for one in design.layers}
    needed: set[str] = set()
    open_ = [layer]
    while open_:
        name = open_.pop()
        if name in layers and name not in needed:
            needed.add(name)
            open_ += [ref.node for ref in layers[name].inputs]
            open_ += [name] if (shared := layers[name].shares) is None else [shared]
    return frozenset(needed)


class _Stopped(Exception):
    """The network cannot be run."""

    def __init__(self, hidden: Hidden) -> None:
        super().__init__(str(hidden))
        self.hidden = hidden


def _make_positive(network: Network, generator: torch.Generator, scale: float) -> None:
    """Weights above zero, of a mean that keeps numbers near ``scale``; what is known keeps its values, if any."""
    for weight in network.parameters():
        fan = max(weight[0].numel(), 1) if weight.ndim > 1 else 1
        weight.copy_((torch.rand(weight.shape, generator=generator) + 0.5) * (scale / fan))
    for name, tensor in network.named_buffers():
        if tensor.is_floating_point() and not name.endswith("running_mean") and not tensor.any():
            tensor.fill_(1)


def _forward(network: Network, name: str, generator: torch.Generator, *, structural: bool) -> _Run:
    """Run the layers that there are on drawn inputs, and see what hides an influence on the way.

    Raises:
        _Stopped: a layer cannot be run.
    """
    changed = Monotonous() if structural else None
    values: dict[Ref, Any] = {}
    for node in network.design.inputs:
        shape = (1, *node.shape)
        if node.dtype is None:
            draw = torch.rand if structural else torch.randn
            drawn: Any = draw(shape, generator=generator, dtype=torch.float64)
            values[Ref(node.name)] = drawn + 0.5 if structural else drawn
        else:
            values[Ref(node.name)] = torch.zeros(shape, dtype=DTYPES[node.dtype])
    source, marked = values[Ref(name)], None
    if source.is_floating_point():
        values[Ref(name)] = source.requires_grad_() * 1  # a layer may work in place
    elif changed is not None:
        marked, source = source, changed.mark(source)
    else:
        raise _Stopped(Hidden(name, "holds whole numbers: no gradient reaches it"))
    run = _Run(values, source)
    decided = {Ref(node.name) for node in network.design.inputs}
    for step in network.layer_steps:
        layer = step.layer
        if changed is None:
            values |= _call(network, layer, values)
            continue
        changed.noted.clear()
        changed.looked_up = False
        with changed:
            made = _call(network, layer, values)
        values |= made
        if layer.kind not in _KNOWN and not decided.isdisjoint(layer.inputs):
            decided |= set(made)
        read = {ref: values[ref] for ref in layer.inputs}
        whys = [*changed.noted, *_whys(read, made, decided, marked, looked_up=changed.looked_up)]
        filled = torch.tensor(-inf if vars(layer.op).get("value") == -inf else 0.0)
        if not _finite(made.values(), masks=[*read.values(), filled]):
            whys.append("gives numbers that are not finite, at the weights that were drawn")
        felt = any(tensor.requires_grad or tensor is marked for tensor in read.values())
        run.hidden += [Hidden(layer.name, why) for why in whys if felt]
    return run


def _call(network: Network, layer: Layer, values: dict[Ref, Any]) -> dict[Ref, Any]:
    try:
        return network.call(layer, values, grad=True)  # what has no gradient has an influence
    except UsageError as error:
        raise _Stopped(Hidden(layer.name, f"cannot be run: {error}")) from None


def _whys(
    read: dict[Ref, Any], made: dict[Ref, Any], decided: set[Ref], marked: Any, *, looked_up: bool
) -> Iterator[str]:
    """Why a layer may hide an influence, by the types of what it reads and gives.

    Args:
        decided: what is computed from any input.
        marked: the whole numbers whose influence is asked for, if these are.
        looked_up: whether it has looked them up in a table, which is the one use that is followed.
    """
    blind = [tensor for tensor in made.values() if not tensor.requires_grad]
    if blind:
        kind = "truth values" if any(tensor.dtype == torch.bool for tensor in blind) else "whole numbers"
        yield f"gives {kind}, which have no gradient"
    elif any(tensor is marked for tensor in read.values()) and not looked_up:
        yield "uses whole numbers otherwise than to look up rows of a table"
    for ref, tensor in read.items():
        if not tensor.is_floating_point() and tensor is not marked and ref in decided and len(read) > 1:
            yield f"reads what the values of {ref} tell"


def _finite(tensors: Iterable[Any], masks: Iterable[Any]) -> bool:
    """Whether nothing has run over: numbers are finite, but for minus infinity where a mask has brought that."""
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    masked = any(bool(torch.isneginf(one).any()) for one in masks if one.is_floating_point())
    return all(bool((torch.isfinite(one) | (torch.isneginf(one) & masked)).all()) for one in floating)
