"""An imported design held against the model that it was made of.

The model's figures come from the model itself: its state by name, and what a run of it on fake tensors reads, gives,
computes forward and backward, and keeps for the backward pass. The design's come from its account. Last, the module
that is built of the design gives what the model gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from archscope.analysis.counts.account import Account, analyze
from archscope.analysis.step.memory import memory
from archscope.backends.importing.imported import Unused
from archscope.backends.importing.proof import Check
from archscope.backends.torch.check import kept_by, plain, same_tensors
from archscope.backends.torch.counting import counter
from archscope.backends.torch.imports.entities import DTYPES
from archscope.backends.torch.imports.foreign import line_of
from archscope.backends.torch.imports.model import ImportTarget, Lifted
from archscope.backends.torch.imports.outputs import same_outputs
from archscope.backends.torch.imports.regions import not_recomputed
from archscope.backends.torch.imports.trace import batch_of
from archscope.backends.torch.imports.twin import Example, copied, fake_mode, faked, zeros
from archscope.design import Design
from archscope.design.graph import Ref

#: bytes of a model that may be run on real tensors where it cannot be on fake ones
MOST_REAL = 2**30
_MOST_NAMED = 3
#: ops of which a kernel keeps other tensors if they are fake: a bag's place of every index has one element more
_OTHERWISE_FAKE = ("EmbeddingBag",)

_Result = TypeVar("_Result")


def prove(design: Design, target: ImportTarget, lifted: Lifted) -> tuple[Check, ...]:
    """Hold a design against the model that it was imported from, at the batch of the example inputs.

    Args:
        design: as it loads from its text.
        lifted: what is known of how it was made: the names of its tensors in the model.

    Returns:
        Parameters and buffers by name and shape; how many elements are learnt, are trained, are read by nothing; the
        shapes of the outputs; MACs forward and backward; the bytes that autograd keeps; the outputs in both modes. What
        cannot be measured of the model is ``None``, and the note says why.
    """
    model = target.module if target.program is None else target.program.module()
    assert model is not None
    batch = batch_of((target.args, target.kwargs))
    kind = DTYPES.get(target.floating, "float32")
    account = analyze(design, batch=batch, precision=kind)
    example = (model, target.args, target.kwargs)
    saved = "a saved program is one mode of its model, and does not say how it trains"
    back: int | str = saved
    saved_there: int | str = saved
    unlike = any(row.kind in _OTHERWISE_FAKE for row in account.rows)
    with plain():
        ran = _measured(example, _run)
        if target.program is None:
            back, saved_there = _measured(example, _back), _measured(example, _saved_on, fake=not unlike)
    where = f"batch {batch}, fake tensors on the CPU"
    return (
        *_tensors(account, model, lifted, ran),
        _outputs(account, ran, where),
        _macs(account, ran, where),
        _backward_macs(account, back, where),
        _saved_bytes(design, batch, kind, saved_there, where.replace("fake", "real") if unlike else where),
        *same_outputs(design, target, lifted, account.total.macs),
    )


# -- the model at work -------------------------------------------------------------------------------------------------


class _Ran(NamedTuple):
    """A forward pass.

    Attributes:
        read: names of the parameters and buffers that it reads.
        outputs: the tensors that it gives, by shape, with the type where it is not float32.
    """

    read: frozenset[str]
    outputs: tuple[str, ...]
    macs: int


class _Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every tensor that is read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.seen.update(id(leaf) for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor))
        return func(*args, **kwargs)


def _run(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Ran:
    """A forward pass in the mode that the model is in, attention as the products that it is made of."""
    with sdpa_kernel(SDPBackend.MATH), counter() as work, _Reads() as reads:
        y = model(*args, **kwargs)
    read = frozenset(name for name, tensor in _named(model) if id(tensor) in reads.seen)
    results = [leaf for leaf in pytree.tree_leaves(y) if isinstance(leaf, torch.Tensor)]
    shapes = tuple(_described(tuple(map(int, tensor.shape)), _dtype(tensor)) for tensor in results)
    return _Ran(read, shapes, work.get_total_flops() // 2)


def _back(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """MACs of a backward pass, without what is computed again in it."""
    with sdpa_kernel(SDPBackend.MATH), not_recomputed(), counter() as work:
        y = model(*args, **kwargs)
        forward = work.get_total_flops()
        results = [leaf for leaf in pytree.tree_leaves(y) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
        if results:
            torch.autograd.backward([result.sum() for result in results])
    return int(work.get_total_flops() - forward) // 2


def _named(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _saved_on(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Bytes that autograd keeps of a forward pass, batch norms in training as designs have them."""
    for part in model.modules():
        if isinstance(part, _BatchNorm):
            part.train()
    return kept_by(model, lambda: model(*args, **kwargs))


def _measured(example: Example, measure: Callable[..., _Result], *, fake: bool = True) -> _Result | str:
    """What is measured on a copy of a model: on fake tensors, else, where it is small, on real ones; or why not."""
    mode = fake_mode()
    try:
        if not fake:
            raise NotImplementedError("kernels that keep other tensors there")
        twin = faked(example, mode)
        with mode:
            return measure(*twin)
    except Exception as error:
        reason = f"on fake tensors {line_of(error)}"
    model, args, kwargs = example
    if sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers())) > MOST_REAL:
        return reason
    try:
        args, kwargs = pytree.tree_map_only(torch.Tensor, zeros, (args, kwargs))
        return measure(copied(model, zeros), args, kwargs)
    except Exception as error:
        return f"{reason}; on real ones {line_of(error)}"


# -- the figures -------------------------------------------------------------------------------------------------------


def _tensors(account: Account, model: nn.Module, lifted: Lifted, ran: _Ran | str) -> Iterator[Check]:
    first: dict[int, str] = {}
    alias: dict[str, str] = {}
    for name, tensor in [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]:
        alias[name] = first.setdefault(id(tensor), name)
    kind = account.setting.numbers.floating
    stated: dict[str, dict[str, tuple[int | str, ...]]] = {"parameters": {}, "buffers": {}}
    for layer, row in zip(account.design.layers, account.rows, strict=True):
        if layer.shares is None:
            held = {"parameters": layer.parameters(*row.x), "buffers": layer.buffers(*row.x)}
            for what, tensors in held.items():
                for part, one in tensors.items():
                    name = lifted.names.get(f"{layer.name}.{part}", f"{layer.name}.{part}")
                    stated[what][alias.get(name, name)] = _typed(one.shape, one.dtype or kind)
    real: dict[str, dict[str, tuple[int | str, ...]]] = {
        "parameters": {name: _typed(tuple(one.shape), _dtype(one)) for name, one in model.named_parameters()},
        "buffers": {name: _typed(tuple(one.shape), _dtype(one)) for name, one in model.named_buffers()},
    }
    for what, shapes in real.items():
        yield same_tensors(f"{what} by name and shape", stated[what], shapes)
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    yield Check("params", account.total.params, sum(sizes.values()))
    trained = sum(sizes[name] for name, tensor in model.named_parameters() if tensor.requires_grad)
    yield Check("trainable_params", account.total.trainable_params, trained)
    yield _unread(account, sizes, lifted.unused, ran)


def _typed(shape: tuple[int, ...], dtype: str) -> tuple[int | str, ...]:
    """The shape of a tensor, and its type where that is not torch's usual one."""
    return shape if dtype == "float32" else (*shape, dtype)


def _unread(account: Account, sizes: dict[str, int], unused: tuple[Unused, ...], ran: _Ran | str) -> Check:
    """The parameters that a forward pass does not read, counted and named."""
    stated = account.total.unused_params
    if isinstance(ran, str):
        return Check("unused_params", stated, None, ran)
    unread = {name: size for name, size in sizes.items() if name not in ran.read}
    return Check("unused_params", stated, sum(unread.values()), _apart(unread, unused) if unread else "")


def _inside(name: str, part: Unused) -> bool:
    return f"{name}.".startswith(f"{part.path}.")


def _apart(unread: dict[str, int], unused: tuple[Unused, ...]) -> str:
    """Where the parameters lie that nothing reads: ``2,048 in 1 unused module (aux)``."""
    modules = {part.path: 0 for part in unused}
    alone: dict[str, int] = {}
    for name, size in unread.items():
        part = next((part for part in unused if _inside(name, part)), None)
        if part is None or part.path == name:
            alone[name] = size
        else:
            modules[part.path] += size
    modules = {path: size for path, size in modules.items() if size}
    return ", ".join(
        f"{sum(sizes.values()):,} in {len(sizes)} {what}{'s' * (len(sizes) > 1)} ({_few(sizes)})"
        for what, sizes in (("unused module", modules), ("parameter", alone))
        if sizes
    ) + (" that nothing reads" if alone else "")


def _few(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f", and {more} more" if more > 0 else "")


def _outputs(account: Account, ran: _Ran | str, where: str) -> Check:
    tensors = {Ref(row.name, number): y for row in account.rows for number, y in enumerate(row.y)}
    setting = account.setting
    tensors |= {Ref(node.name): node.tensor(setting.batch) for node in account.design.inputs}
    kind = setting.numbers.floating
    stated = [_described(tensors[ref].shape, tensors[ref].dtype or kind) for _, ref in account.design.outputs]
    if isinstance(ran, str):
        return Check("output shapes", _few(stated), None, ran)
    odd = next((place for place, (a, b) in enumerate(zip_longest(stated, ran.outputs)) if a != b), None)
    if odd is None:
        return Check("output shapes", _few(stated), _few(ran.outputs), where)
    here, there = (f"output {odd}: {shapes[odd] if odd < len(shapes) else 'none'}" for shapes in (stated, ran.outputs))
    return Check("output shapes", here, there, where)


def _described(shape: tuple[int, ...], dtype: str) -> str:
    return " x ".join(map(str, shape)) + (f" {dtype}" if dtype != "float32" else "")


def _macs(account: Account, ran: _Ran | str, where: str) -> Check:
    if isinstance(ran, str):
        return Check("macs", account.total.macs, None, ran)
    note = f"torch.utils.flop_counter, halved; {where}"
    if any(row.kind == "Bilinear" for row in account.rows):
        note += "; it has no formula for Bilinear"
    return Check("macs", account.total.macs, ran.macs, note)


def _backward_macs(account: Account, back: int | str, where: str) -> Check:
    if isinstance(back, str):
        return Check("backward_macs", account.total.backward_macs, None, back)
    note = f"torch.utils.flop_counter, halved, groups counted as they are; {where}"
    return Check("backward_macs", account.total.backward_macs, back, note)


def _saved_bytes(design: Design, batch: int, kind: str, measured: int | str, where: str) -> Check:
    stated = memory(design, batch=batch, precision=kind).saved_bytes
    if isinstance(measured, str):
        return Check("saved_bytes", stated, None, measured)
    return Check("saved_bytes", stated, measured, f"torch.autograd.graph.saved_tensors_hooks; {where}")
