"""The figures of a design held against the module that it describes."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archscope.analysis.counts.account import Account, analyze
from archscope.analysis.peers import reconcile
from archscope.backends.importing.proof import Check
from archscope.backends.torch.build import Network, build, inputs, refuse_opaque, seeded
from archscope.backends.torch.counting import counter
from archscope.backends.torch.peers import first_line, measure
from archscope.backends.torch.timing import lowered, torch_type
from archscope.design import Design, of_one_type
from archscope.errors import counted
from archscope.ops.tensors import standing
from archscope.setting import Setting

__all__ = ["Check", "check", "kept_by", "plain", "same_tensors"]

#: of tensors by name
Shapes = dict[str, tuple[int, ...]]


def check(design: Design, setting: Setting | None = None) -> Iterator[Check]:
    """Hold a design against its module: on the meta device, and what is kept for the backward pass on the CPU.

    The module is in the precision of the run. Autocast knows no meta device: what is run there has one type then, on
    which neither shapes nor work depend.

    Args:
        setting: how it is run, on the CPU: its batch and its precision count; unasked the batch is 2: with one sample
            torch refuses to train batch norms of maps of a single value.

    Raises:
        SpecError: types do not go together in the precision.
        UsageError: behind the checks that need no run, if it has declared black boxes; or nothing is known of a run in
            the precision.
    """
    account = analyze(design, setting or Setting(batch=2))
    precision = account.setting.numbers.runs("what torch makes of a design")
    batch, dtype = account.setting.batch, torch_type(precision.floating)
    typed = of_one_type(design) if precision.lower else design
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = build(typed, device="meta", dtype=dtype)
        x = inputs(typed, batch, "meta", dtype)
        yield from _tensors(account, network)
        yield _shapes(account, network, x)
        refuse_opaque(design, "run, so that its work and what it keeps are held against nothing")
        yield from _macs(account, network, x)
        with seeded(0):
            yield from _fvcore(account, batch)
        yield _saved_storages(account)


def _tensors(account: Account, network: Network) -> Iterator[Check]:
    stated: dict[str, Shapes] = {"parameters": {}, "buffers": {}}
    constants = set()
    for layer, row in zip(account.design.layers, account.rows, strict=True):
        if layer.shares is None:
            parameters, buffers = layer.op.parameters(*row.x), layer.op.buffers(*row.x)
            place = network.names[layer.name]
            if standing(layer.op) is not None:  # no state: the original makes it anew
                constants.add(f"{place}.value")
            stated["parameters"] |= {f"{place}.{name}": tensor.shape for name, tensor in parameters.items()}
            stated["buffers"] |= {f"{place}.{name}": tensor.shape for name, tensor in buffers.items()}
    for what, real in (("parameters", network.named_parameters()), ("buffers", network.named_buffers())):
        measured = {name: tuple(tensor.shape) for name, tensor in real if name not in constants}
        yield same_tensors(f"{what} by name and shape", stated[what], measured)
    total = sum(parameter.numel() for parameter in network.parameters())
    yield Check("params", account.total.params, total)


def same_tensors(what: str, stated: Mapping[str, Any], measured: Mapping[str, Any]) -> Check:
    """Hold names and shapes (with types, perhaps) of tensors against others."""
    tally, real = (counted(len(tensors), "tensor") for tensors in (stated, measured))
    odd = sorted(stated.keys() ^ measured.keys()) or [name for name in stated if stated[name] != measured[name]]
    if odd:
        tally, real = (
            f"{text}, {odd[0]} {tensors.get(odd[0], 'not among them')}"
            for text, tensors in ((tally, stated), (real, measured))
        )
    return Check(what, tally, real)


def _shapes(account: Account, network: Network, x: tuple[torch.Tensor, ...]) -> Check:
    """The outputs of all layers, shapes and, where autocast does not change them, types."""
    setting = account.setting
    values = network.start(*x)
    wrong = ""
    with torch.no_grad():
        for step, row in zip(network.layer_steps, account.rows, strict=True):
            made = network.call(step.layer, values)
            values |= made
            shapes = [tuple(tensor.shape) for tensor in made.values()]
            types = [str(tensor.dtype).removeprefix("torch.") for tensor in made.values()]
            if shapes != [tensor.shape for tensor in row.y] and not wrong:
                wrong = f"{row.name} gives {shapes}"
            stated = [tensor.dtype or setting.numbers.floating for tensor in row.y]
            if types != stated and not setting.numbers.lower and not wrong:
                wrong = f"{row.name} gives {', '.join(types)}"
            for ref in step.last:
                values.pop(ref, None)
    right = counted(len(account.rows), "layer")
    what = "output shapes" if setting.numbers.lower else "output shapes and types"
    return Check(what, right, wrong or right, f"batch {setting.batch}, meta device")


def _macs(account: Account, network: Network, x: tuple[torch.Tensor, ...]) -> Iterator[Check]:
    """Forward and backward work by torch's counter, attention as the products that it is made of."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as whole, counter() as work:
        y = network.train()(*x)
        forward = work.get_total_flops() // 2
        _backward(y)
    note, batch = "torch.utils.flop_counter, halved", account.setting.batch
    if any(row.kind == "Bilinear" for row in account.rows):
        note += "; it has no formula for Bilinear"
    yield Check("macs", account.total.macs, forward, note, batch)
    grouped = (whole.get_total_flops() - work.get_total_flops()) // 2
    if grouped:
        note += f"; less the {grouped:,} that it counts too much: it forgets the groups in weight gradients"
    backward = work.get_total_flops() // 2 - forward
    yield Check("backward_macs", account.total.backward_macs, backward, note, batch)


def _backward(y: Any) -> None:
    tensors = list(y.values()) if isinstance(y, dict) else [y]
    torch.autograd.backward([tensor.sum() for tensor in tensors if tensor.requires_grad])


def _fvcore(account: Account, batch: int) -> Iterator[Check]:
    """fvcore's count, from archscope's MACs and what fvcore is known to count besides, or not to see."""
    counts = measure(account.design, account.setting, ("fvcore",))["fvcore"]
    if counts.version is None:
        yield Check("flops by fvcore", "", None, "fvcore is not installed: `pip install fvcore`", batch)
        return
    bridge = reconcile(account.design, account.setting).readings["fvcore"].work
    assert bridge is not None
    if bridge.total is None or counts.work is None:
        reason = counts.failure or f"not modelled: {', '.join(bridge.refused)}"
        yield Check("flops by fvcore", "", None, reason, batch)
        return
    terms = "".join(
        f" {'-' if one.count < 0 else '+'} {abs(one.count):,} {one.name} ({one.why})" for one in bridge.terms
    )
    yield Check("flops by fvcore", bridge.total, counts.work, f"macs{terms}", batch)


def _saved_storages(account: Account) -> Check:
    design, batch, precision = account.design, account.setting.batch, account.setting.numbers
    stated, dtype = account.memory.saved_bytes, torch_type(precision.floating)
    if any(layer.checkpoint for layer in design.layers):
        return Check("saved_bytes", stated, None, "blocks that are recomputed hide it from the hooks", batch)
    with plain(), lowered(precision, "cpu"):
        network, x = build(design, dtype=dtype).train(), inputs(design, batch, dtype=dtype)
        try:
            measured = kept_by(network, lambda: network(*x))
        except RuntimeError as error:
            if "not implemented for" not in str(error):
                raise
            return Check("saved_bytes", stated, None, f"torch on a CPU: {first_line(error)}", batch)
    note = f"torch.autograd.graph.saved_tensors_hooks; {precision}, CPU"
    if any(row.kind == "LSTM" for row in account.rows):
        note += "; without oneDNN, whose LSTM keeps a workspace besides"
    return Check("saved_bytes", stated, measured, note, batch)


@contextmanager
def plain() -> Iterator[None]:
    """Without warnings, and without oneDNN, whose kernels keep workspaces: torch's own are what is accounted for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with seeded(0), torch.backends.mkldnn.flags(enabled=False):
            yield


def kept_by(module: nn.Module, run: Callable[[], object]) -> int:
    """Bytes that autograd keeps of what runs, besides the module's own tensors; of fake tensors as of real ones."""
    with saving() as tensors:
        results = run()
        saved = {tensor.untyped_storage()._cdata: tensor for tensor in tensors()}
    del results
    own = {tensor.untyped_storage()._cdata for tensor in [*module.parameters(), *module.buffers()]}
    return sum(int(tensor.untyped_storage().nbytes()) for place, tensor in saved.items() if place not in own)


class _Saved:
    """A tensor that a node of autograd keeps, for as long as there is the node."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor.detach()  # with its history it would hold the graph that holds it, for ever


@contextmanager
def saving() -> Iterator[Callable[[], list[torch.Tensor]]]:
    """Watch what autograd keeps; gives a function that tells what it keeps at the moment."""
    held: list[weakref.ref[_Saved]] = []

    def pack(tensor: torch.Tensor) -> _Saved:
        one = _Saved(tensor)
        held.append(weakref.ref(one))
        return one

    def saved_now() -> list[torch.Tensor]:
        return [one.tensor for one in (reference() for reference in held) if one is not None]

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one.tensor):
        yield saved_now
