"""Random modules of torch, imported: every figure of the account is the original's own, or it is refused by name.

The original's figures are counted here, on the module itself and on real tensors: nothing of the import's own proof is
asked.
"""

from __future__ import annotations

import warnings
import weakref
from math import prod

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import checkpoint as recomputing
from torch.utils.flop_counter import FlopCounterMode

import archscope
from archscope.analysis.step.memory import memory
from archscope.backends.importing.imported import written
from archscope.backends.torch.imports import target_of
from archscope.backends.torch.imports.lift import lift
from archscope.errors import UsageError
from tests.backends.torch.imports.random_modules import drawn

BATCH = 3
#: modules in the default run, and in the slow one
FEW, MANY = 100, 3000


def _convolution_backward(grad, x, weight, *more, out_shape=None, **named):
    """Of each gradient that is asked for: the products of the convolution."""
    return 2 * x[0] * prod(grad[2:]) * prod(weight) * sum(map(bool, more[7][:2]))


def counter():
    backward = torch.ops.aten.convolution_backward
    return FlopCounterMode(display=False, custom_mapping={backward: _convolution_backward})


def sample(size, dtype):
    if dtype == "int64":
        return torch.randint(0, 7, (BATCH, *size))
    return torch.randn(BATCH, *size, dtype=getattr(torch, dtype))


class Saved:
    """A tensor that autograd saves, as long as it does: what a detach cuts off is free again."""

    alive = weakref.WeakSet()

    def __init__(self, tensor):
        self.tensor = tensor.detach()
        storage = self.tensor.untyped_storage()
        self.place, self.size = storage._cdata, storage.nbytes()
        Saved.alive.add(self)


def figures(module, x):
    """What torch says of a module."""
    parameters, buffers = list(module.parameters()), list(module.buffers())
    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda one: one.tensor):
        y = module(x.clone())
    own = {tensor.untyped_storage()._cdata for tensor in (*parameters, *module.buffers(), *buffers)}
    saved = {one.place: one.size for one in Saved.alive}
    kept = sum(size for place, size in saved.items() if place not in own)
    with sdpa_kernel(SDPBackend.MATH), counter() as work, without_recomputing():
        y = module(x.clone())
        forward = work.get_total_flops()
        if y.requires_grad:
            y.sum().backward()
        backward = work.get_total_flops() - forward
    return {
        "params": sum(one.numel() for one in parameters),
        "trainable_params": sum(one.numel() for one in parameters if one.requires_grad),
        "buffers": sum(one.numel() for one in buffers),
        "macs": forward // 2,
        "backward_macs": backward // 2,
        "output_shape": tuple(y.shape),
        "output_dtype": y.dtype,
        "param_bytes": sum(one.nbytes for one in parameters),
        "buffer_bytes": sum(one.nbytes for one in buffers),
        "saved_bytes": kept,
    }


class without_recomputing:  # noqa: N801
    """What is recomputed runs once: its work in a backward pass would count as the backward pass's."""

    def __enter__(self):
        self.before = recomputing._checkpoint_without_reentrant_generator, recomputing.CheckpointFunction
        recomputing._checkpoint_without_reentrant_generator = lambda *_: iter([None])
        recomputing.CheckpointFunction = type("Once", (), {"apply": staticmethod(self.once)})

    @staticmethod
    def once(run, _, *args):
        """As torch warns: "None of the inputs have requires_grad=True. Gradients will be None"."""
        with torch.set_grad_enabled(any(one.requires_grad for one in args)):
            return run(*args)

    def __exit__(self, *_):
        recomputing._checkpoint_without_reentrant_generator, recomputing.CheckpointFunction = self.before


def stated(design, precision):
    account = archscope.analyze(design, batch=BATCH, precision=precision)
    total = account.total
    (output,) = design.outputs
    row = next((row for row in account.rows if row.name == output[1].node), None)
    given = design.inputs[0].tensor(BATCH) if row is None else row.y[output[1].output]
    names = ("params", "trainable_params", "buffers", "macs", "backward_macs", "param_bytes", "buffer_bytes")
    return {
        **{name: getattr(total, name) for name in names},
        "output_shape": tuple(given.shape),
        "output_dtype": getattr(torch, given.dtype or precision),
        "saved_bytes": memory(design, batch=BATCH, precision=precision).saved_bytes,
    }


def imported(module, x, *, proved):
    """The design of a module, the names of its state that are called otherwise, and what its proof says is wrong."""
    if proved:
        found = archscope.from_torch(module, x, opaque=True)
        return found.design, found.names, [one for one in found.proof if not one.ok]
    target = target_of(module, x, {})
    lifted = lift(target, opaque=True)
    return written(lifted.design)[0], lifted.names, []


def difference(seed, *, proved=True):
    """What an import says otherwise than torch; ``None`` where it is refused."""
    module, size, dtype = drawn(seed)
    x = sample(size, dtype)
    try:
        design, words, wrong = imported(module, x, proved=proved)
    except UsageError as error:
        assert "cannot be kept as a black box" in str(error), (seed, module.made, str(error))
        return None
    real = figures(module, x)
    types = {one.dtype for one in module.parameters()}
    said = stated(design, str(types.pop()).removeprefix("torch.") if len(types) == 1 else "float32")
    unlike = {name: (said[name], real[name]) for name in real if said[name] != real[name]}
    unlike |= {one.what: (one.stated, one.measured) for one in wrong}
    state = set(module.state_dict())
    aliases = {id(one): name for name, one in reversed(list(module.state_dict(keep_vars=True).items()))}
    first = {aliases[id(one)] for one in module.state_dict(keep_vars=True).values()}
    names = {
        words.get(f"{row.name}.{part}", f"{row.name}.{part}")
        for row, layer in zip(archscope.analyze(design).rows, design.layers, strict=True)
        if layer.shares is None
        for part in [*layer.op.parameters(*row.x), *layer.op.buffers(*row.x)]
    }
    if not first <= names or not names <= state | {name for name, _ in module.named_buffers()}:
        unlike["names"] = (sorted(names - state), sorted(first - names))
    return unlike


def hold(seeds, *, proved):
    wrong, refused = {}, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False):
            for seed in seeds:
                found = difference(seed, proved=proved)
                refused += found is None
                if found:
                    wrong[seed] = (drawn(seed)[0].made, found)
    assert wrong == {}
    return refused / len(seeds)


@pytest.mark.parametrize("part", range(4))
def test_every_figure_is_the_originals_or_refused(part):
    assert hold(range(part, FEW, 4), proved=False) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("part", range(30))
def test_thousands(part):
    assert hold(range(FEW + part, FEW + MANY, 30), proved=True) < 0.1


def test_modules_are_not_alike():
    steps = {step for seed in range(FEW) for step in drawn(seed)[0].made}
    assert len(steps) > 40
